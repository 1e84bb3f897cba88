//! Hooks and their deliveries.

use serde_json::{Map, Value, json};

use super::time;
use crate::http::call::Urls;
use crate::world::World;
use crate::world::deliveries::Delivery;
use crate::world::hooks::{ContentType, Hook, HookConfig, HookPlace};

/// Schema `webhook-config`; a secret is never shown.
pub(crate) fn config(config: &HookConfig) -> Value {
    let mut shown = json!({
        "url": config.url,
        "content_type": match config.content_type {
            ContentType::Json => "json",
            ContentType::Form => "form",
        },
        "insecure_ssl": if config.insecure_ssl { "1" } else { "0" },
    });
    if config.secret.is_some() {
        shown["secret"] = "********".into();
    }
    shown
}

/// Where a hook is, below the API's URL; the App's has no address by id.
fn path(world: &World, hook: &Hook) -> Option<String> {
    match &hook.place {
        HookPlace::Repo(id) => {
            let slug = &world.repo_by_id(*id)?.slug;
            Some(format!("/repos/{slug}/hooks/{}", hook.id))
        }
        HookPlace::Org(login) => Some(format!("/orgs/{login}/hooks/{}", hook.id)),
        HookPlace::App => None,
    }
}

/// Schema `hook` for a repository's, `org-hook` for an organisation's.
pub(crate) fn hook(world: &World, hook: &Hook, urls: &Urls) -> Value {
    let kind = match hook.place {
        HookPlace::Repo(_) => "Repository",
        HookPlace::Org(_) => "Organization",
        HookPlace::App => "App",
    };
    let mut shown = json!({
        "type": kind,
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": hook.events,
        "config": config(&hook.config),
        "updated_at": time(hook.updated_at),
        "created_at": time(hook.created_at),
    });
    if let Some(path) = path(world, hook) {
        let url = format!("{}{path}", urls.api);
        shown["url"] = url.clone().into();
        shown["ping_url"] = format!("{url}/pings").into();
        shown["deliveries_url"] = format!("{url}/deliveries").into();
        if matches!(hook.place, HookPlace::Repo(_)) {
            let last = hook.last_response.as_ref();
            shown["test_url"] = format!("{url}/test").into();
            shown["last_response"] = json!({
                "code": last.and_then(|last| last.code),
                "status": last.map_or("unused", |last| last.status.as_str()),
                "message": null,
            });
        }
    } else {
        shown["app_id"] = world.app.id.into();
        shown["deliveries_url"] = format!("{}/app/hook/deliveries", urls.api).into();
    }
    shown
}

/// Schema `hook-delivery-item`.
pub(crate) fn delivery_item(delivery: &Delivery) -> Map<String, Value> {
    let event = &delivery.event;
    let outcome = delivery.outcome.as_ref();
    let item = json!({
        "id": delivery.id,
        "guid": event.guid,
        "delivered_at": time(delivery.delivered_at),
        "redelivery": delivery.redelivery,
        "duration": outcome.map_or(0.0, |outcome| outcome.duration),
        "status": outcome.map(|outcome| outcome.status.as_str()),
        "status_code": outcome.map_or(0, |outcome| outcome.status_code),
        "event": event.what.name(),
        "action": event.what.action(),
        "installation_id": event.installation.as_ref().map(|one| one.id),
        "repository_id": event.repo.as_ref().map(|repo| repo.id),
        "throttled_at": null,
    });
    super::merged(Map::new(), item)
}

/// Schema `hook-delivery`.
pub(crate) fn delivery(delivery: &Delivery) -> Value {
    let outcome = delivery.outcome.as_ref();
    let more = json!({
        "url": outcome.map(|outcome| outcome.url.as_str()),
        "request": {
            "headers": outcome.map(|outcome| &outcome.request_headers),
            "payload": outcome.map(|outcome| &outcome.payload),
        },
        "response": {
            "headers": outcome.map(|outcome| &outcome.response_headers),
            "payload": outcome.and_then(|outcome| outcome.response.as_deref()),
        },
    });
    Value::Object(super::merged(delivery_item(delivery), more))
}
