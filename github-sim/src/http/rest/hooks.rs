//! Hooks of repositories, organisations and the App: the same verbs, at either place.

use std::collections::BTreeSet;

use axum::extract::Path;
use axum::response::IntoResponse as _;
use http::{HeaderValue, StatusCode, Uri, header};
use serde_json::{Map, Value, json};

use crate::http::answer::{Answer, ApiError, created, ok};
use crate::http::call::{Call, id, object, slug};
use crate::http::render::hooks as render;
use crate::world::World;
use crate::world::deliveries::{Delivery, Outcome};
use crate::world::hooks::{ContentType, HookConfig, HookPlace, NewHook};

/// The handlers of one place, which differ in how it stands in the path.
macro_rules! handlers {
    ($($module:ident($($part:ident),+) => $place:ident;)+) => {$(
        pub(crate) mod $module {
            use axum::body::Bytes;

            use super::{Answer, Call, Path};

            type Placed = Path<($(handlers!(@text $part),)+)>;
            type WithHook = Path<($(handlers!(@text $part),)+ String)>;
            type WithDelivery = Path<($(handlers!(@text $part),)+ String, String)>;

            pub(crate) async fn list(call: Call, Path(($($part,)+)): Placed) -> Answer {
                let place = super::$place(&call.shared.look(), $(&$part),+)?;
                super::list(&call, &place)
            }
            pub(crate) async fn create(call: Call, Path(($($part,)+)): Placed, body: Bytes) -> Answer {
                let place = super::$place(&call.shared.look(), $(&$part),+)?;
                super::create(&call, &place, &body)
            }
            pub(crate) async fn one(call: Call, Path(($($part,)+ hook)): WithHook) -> Answer {
                let place = super::$place(&call.shared.look(), $(&$part),+)?;
                super::one(&call, &place, &hook)
            }
            pub(crate) async fn delete(call: Call, Path(($($part,)+ hook)): WithHook) -> Answer {
                let place = super::$place(&call.shared.look(), $(&$part),+)?;
                super::delete(&call, &place, &hook)
            }
            pub(crate) async fn ping(call: Call, Path(($($part,)+ hook)): WithHook) -> Answer {
                let place = super::$place(&call.shared.look(), $(&$part),+)?;
                super::ping(&call, &place, &hook)
            }
            pub(crate) async fn deliveries(call: Call, Path(($($part,)+ hook)): WithHook) -> Answer {
                let place = super::$place(&call.shared.look(), $(&$part),+)?;
                super::deliveries(&call, &place, super::id(&hook)?)
            }
            pub(crate) async fn delivery(call: Call, Path(($($part,)+ hook, delivery)): WithDelivery) -> Answer {
                let place = super::$place(&call.shared.look(), $(&$part),+)?;
                super::delivery(&call, &place, super::id(&hook)?, &delivery)
            }
            pub(crate) async fn attempt(call: Call, Path(($($part,)+ hook, delivery)): WithDelivery) -> Answer {
                let place = super::$place(&call.shared.look(), $(&$part),+)?;
                super::attempt(&call, &place, super::id(&hook)?, &delivery)
            }
        }
    )+};
    (@text $part:ident) => { String };
}

handlers! {
    repo(owner, name) => repo_place;
    org(login) => org_place;
}

fn repo_place(world: &World, owner: &str, name: &str) -> Result<HookPlace, ApiError> {
    let repo = world.repo(&slug(owner, name)?).ok_or_else(ApiError::not_found)?;
    Ok(HookPlace::Repo(repo.id))
}

fn org_place(world: &World, login: &str) -> Result<HookPlace, ApiError> {
    let org = world.org(login).ok_or_else(ApiError::not_found)?;
    Ok(HookPlace::Org(org.login.clone()))
}

fn list(call: &Call, place: &HookPlace) -> Answer {
    let world = call.shared.look();
    let found: Vec<_> = world.hooks_of(place).collect();
    call.page(&found, |hook| render::hook(&world, hook, &call.urls), |_, page| Value::Array(page))
}

fn create(call: &Call, place: &HookPlace, body: &[u8]) -> Answer {
    let new = new_hook(&object(body)?)?;
    let mut world = call.shared.world();
    let id = match place {
        HookPlace::Repo(repo) => {
            let slug = world.repo_by_id(*repo).ok_or_else(ApiError::not_found)?.slug.clone();
            world.add_repo_hook(&slug, new)?
        }
        HookPlace::Org(login) => world.add_org_hook(login.as_str(), new)?,
        HookPlace::App => return Err(ApiError::not_found()),
    };
    let shown = render::hook(&world, world.hook(place, id)?, &call.urls);
    let url = shown["url"].as_str().and_then(|url| HeaderValue::from_str(url).ok());
    let mut response = created(shown)?;
    if let Some(url) = url {
        response.headers_mut().insert(header::LOCATION, url);
    }
    Ok(response)
}

fn one(call: &Call, place: &HookPlace, hook: &str) -> Answer {
    let world = call.shared.look();
    ok(render::hook(&world, world.hook(place, id(hook)?)?, &call.urls))
}

fn delete(call: &Call, place: &HookPlace, hook: &str) -> Answer {
    call.shared.world().delete_hook(place, id(hook)?)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn ping(call: &Call, place: &HookPlace, hook: &str) -> Answer {
    call.shared.world().ping_hook(place, id(hook)?)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Newest first; the cursor is the delivery that a page starts with, so a page is the same however many came since.
fn deliveries(call: &Call, place: &HookPlace, hook: u64) -> Answer {
    let world = call.shared.look();
    let hook = world.hook(place, hook)?.id;
    let bad = || ApiError::new(StatusCode::BAD_REQUEST, "Invalid cursor.");
    let cursor = call.parameter("cursor").map(|text| text.strip_prefix("v1_").unwrap_or_default());
    let cursor: Option<u64> = cursor.map(str::parse).transpose().map_err(|_| bad())?;
    let wanted = |one: &&Delivery| {
        let succeeded = one.outcome.as_ref().is_some_and(Outcome::succeeded);
        match call.parameter("status") {
            Some("success") => succeeded,
            Some("failure") => !succeeded,
            _ => true,
        }
    };
    let per_page = call.parameter("per_page").and_then(|text| text.parse().ok());
    let size = per_page.filter(|&size: &usize| size > 0).unwrap_or(30).min(100);
    let mut found = world
        .deliveries(hook)
        .filter(|one| cursor.is_none_or(|cursor| one.id <= cursor))
        .filter(wanted);
    let page = found.by_ref().take(size).map(render::delivery_item).map(Value::Object).collect();
    let mut response = ok(Value::Array(page))?;
    if let Some(next) = found.next() {
        let link = call.link_with("cursor", &format!("v1_{}", next.id), "next");
        if let Ok(value) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(header::LINK, value);
        }
    }
    Ok(response)
}

fn delivery(call: &Call, place: &HookPlace, hook: u64, delivery: &str) -> Answer {
    let world = call.shared.look();
    ok(render::delivery(world.delivery(place, hook, id(delivery)?)?))
}

fn attempt(call: &Call, place: &HookPlace, hook: u64, delivery: &str) -> Answer {
    let mut world = call.shared.world();
    let delivery = world.delivery(place, hook, id(delivery)?)?.id;
    world.redeliver(hook, delivery)?;
    Ok((StatusCode::ACCEPTED, axum::Json(json!({}))).into_response())
}

/// The App's hook: configured, not made, and without an id in its paths.
pub(crate) mod app {
    use axum::body::Bytes;

    use super::{Answer, ApiError, Call, HookConfig, HookPlace, Path, World};
    use super::{changed, object, ok, render};
    use serde_json::json;

    pub(crate) async fn config(call: Call) -> Answer {
        let world = call.shared.look();
        ok(world.app_hook().map_or_else(
            || json!({"content_type": "form", "insecure_ssl": "0"}),
            |hook| render::config(&hook.config),
        ))
    }

    pub(crate) async fn set_config(call: Call, body: Bytes) -> Answer {
        let mut world = call.shared.world();
        let known = world.app_hook().map(|hook| hook.config.clone());
        let config: HookConfig = changed(&object(&body)?, known)?;
        world.set_app_hook(config.clone());
        ok(render::config(&config))
    }

    pub(crate) async fn deliveries(call: Call) -> Answer {
        let hook = id(&call.shared.look())?;
        super::deliveries(&call, &HookPlace::App, hook)
    }

    pub(crate) async fn delivery(call: Call, Path(delivery): Path<String>) -> Answer {
        let hook = id(&call.shared.look())?;
        super::delivery(&call, &HookPlace::App, hook, &delivery)
    }

    pub(crate) async fn attempt(call: Call, Path(delivery): Path<String>) -> Answer {
        let hook = id(&call.shared.look())?;
        super::attempt(&call, &HookPlace::App, hook, &delivery)
    }

    fn id(world: &World) -> Result<u64, ApiError> {
        world.app_hook().map(|hook| hook.id).ok_or_else(ApiError::not_found)
    }
}

fn wrong(message: &str) -> ApiError {
    ApiError::validation("Hook", message)
}

/// What a client asks for, as GitHub reads it.
fn new_hook(fields: &Map<String, Value>) -> Result<NewHook, ApiError> {
    if fields.get("name").is_some_and(|name| name != "web") {
        return Err(wrong("name must be \"web\""));
    }
    let config = fields.get("config").and_then(Value::as_object);
    let config = changed(config.ok_or_else(|| wrong("config must be an object"))?, None)?;
    let events = match fields.get("events") {
        None => Some(BTreeSet::from(["push".to_owned()])),
        Some(events) => events.as_array().and_then(|events| {
            events.iter().map(|event| event.as_str().map(str::to_owned)).collect()
        }),
    };
    let events = events.ok_or_else(|| wrong("events must be a list of names"))?;
    let active = match fields.get("active") {
        None => Some(true),
        Some(active) => active.as_bool(),
    };
    let active = active.ok_or_else(|| wrong("active must be true or false"))?;
    Ok(NewHook { config, events, active })
}

/// A configuration with these fields in place of those it has; one that is new must have a URL.
fn changed(fields: &Map<String, Value>, known: Option<HookConfig>) -> Result<HookConfig, ApiError> {
    let text = |name: &str| match fields.get(name) {
        None => Ok(None),
        Some(value) => {
            let text = value.as_str().map(str::to_owned);
            text.map(Some).ok_or_else(|| wrong(&format!("{name} must be a string")))
        }
    };
    let url = match (text("url")?, &known) {
        (Some(url), _) => url,
        (None, Some(known)) => known.url.clone(),
        (None, None) => return Err(wrong("url cannot be blank")),
    };
    let absolute =
        |uri: &Uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"));
    if !url.parse::<Uri>().is_ok_and(|uri| absolute(&uri)) {
        return Err(wrong("url is invalid"));
    }
    let content_type = match text("content_type")?.as_deref() {
        Some("json") => ContentType::Json,
        Some("form") => ContentType::Form,
        Some(_) => return Err(wrong("content_type must be json or form")),
        None => known.as_ref().map(|known| known.content_type).unwrap_or_default(),
    };
    let insecure_ssl = match fields.get("insecure_ssl") {
        Some(value) if *value == "1" || *value == 1 => true,
        Some(value) if *value == "0" || *value == 0 => false,
        Some(_) => return Err(wrong("insecure_ssl must be 0 or 1")),
        None => known.as_ref().is_some_and(|known| known.insecure_ssl),
    };
    let secret = text("secret")?.or_else(|| known.and_then(|known| known.secret));
    let secret = secret.filter(|secret| !secret.is_empty());
    Ok(HookConfig { url, content_type, secret, insecure_ssl })
}
