//! The App, its installations, its hook, enterprises, and what goes wrong with deliveries.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::limits::slugs;
use super::{done, wrong};
use crate::http::protocol::{Reply, refused};
use crate::http::shared::Shared;
use crate::http::strict::Strict;
use crate::world::access::{Permissions, Selection};
use crate::world::app::Installation;
use crate::world::deliveries::DeliveryFault;
use crate::world::hooks::{ContentType, HookConfig};
use crate::world::keys::PublicKey;
use crate::world::{Refusal, World};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AppBody {
    id: Option<u64>,
    client_id: Option<String>,
    slug: Option<String>,
    /// PEM, of a public key or of a private one, of which only the public part is kept.
    key: Option<String>,
    permissions: Option<Permissions>,
    events: Option<BTreeSet<String>>,
    token_lifetime_seconds: Option<u32>,
    installs_itself: Option<bool>,
}

pub(super) async fn set(State(shared): State<Arc<Shared>>, Strict(body): Strict<AppBody>) -> Reply {
    let key = body.key.map(|pem| PublicKey::from_pem(&pem)).transpose();
    let key = key.map_err(|why| wrong("/key", why))?;
    let mut world = shared.world();
    let app = &mut world.app;
    app.id = body.id.unwrap_or(app.id);
    app.client_id = body.client_id.unwrap_or_else(|| app.client_id.clone());
    app.slug = body.slug.unwrap_or_else(|| app.slug.clone());
    app.key = key.or_else(|| app.key.clone());
    app.permissions = body.permissions.unwrap_or_else(|| app.permissions.clone());
    app.events = body.events.unwrap_or_else(|| app.events.clone());
    app.installs_itself = body.installs_itself.unwrap_or(app.installs_itself);
    if let Some(seconds) = body.token_lifetime_seconds {
        app.token_lifetime = SignedDuration::from_secs(seconds.into());
    }
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookBody {
    url: String,
    secret: Option<String>,
    #[serde(default)]
    content_type: ContentType,
}

pub(super) async fn hook(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<HookBody>,
) -> Reply {
    let HookBody { url, secret, content_type } = body;
    let config = HookConfig { url, secret, content_type, insecure_ssl: false };
    let id = shared.world().set_app_hook(config);
    Ok(Json(json!({"id": id})).into_response())
}

fn shown(one: &Installation) -> Value {
    json!({
        "id": one.id,
        "account": one.account.as_str(),
        "repository_selection": one.repositories.as_str(),
        "permissions": one.permissions,
        "suspended": one.suspended_at.is_some(),
    })
}

pub(super) async fn installations(State(shared): State<Arc<Shared>>) -> Response {
    let world = shared.look();
    Json(world.installations().iter().map(shown).collect::<Vec<_>>()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Install {
    account: String,
    /// Full names; all of the account's if not given.
    repositories: Option<Vec<String>>,
    permissions: Option<Permissions>,
}

pub(super) async fn install(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<Install>,
) -> Reply {
    let named = body.repositories.map(|names| slugs(&names)).transpose()?;
    let mut world = shared.world();
    let selection = named.map_or(Ok(Selection::All), |slugs| world.select(&slugs));
    let id = selection
        .and_then(|selection| world.install_app(&body.account, selection, body.permissions))
        .map_err(|refusal| refused(&refusal))?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changed {
    suspended: Option<bool>,
    /// `all` or `selected`; `selected` needs `repositories`.
    repository_selection: Option<String>,
    repositories: Option<Vec<String>>,
    permissions: Option<Permissions>,
}

pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
    Strict(body): Strict<Changed>,
) -> Reply {
    let named = body.repositories.as_deref().map(slugs).transpose()?;
    let named = match (body.repository_selection.as_deref(), named) {
        (None, None) => None,
        (Some("all"), None) => Some(None),
        (None | Some("selected"), Some(slugs)) => Some(Some(slugs)),
        _ => {
            let why = "must be all without repositories, or selected with them";
            return Err(wrong("/repository_selection", why).into());
        }
    };
    let mut world = shared.world();
    let act = |world: &mut World| -> Result<Value, Refusal> {
        if let Some(slugs) = named {
            let selection = slugs.map_or(Ok(Selection::All), |slugs| world.select(&slugs))?;
            world.set_installation_repositories(id, selection)?;
        }
        if let Some(permissions) = body.permissions {
            world.set_installation_permissions(id, permissions)?;
        }
        match body.suspended {
            Some(true) => world.suspend_installation(id)?,
            Some(false) => world.unsuspend_installation(id)?,
            None => {}
        }
        world.installation(id).map(shown).ok_or(Refusal::NotFound("installation"))
    };
    Ok(Json(act(&mut world).map_err(|refusal| refused(&refusal))?).into_response())
}

pub(super) async fn uninstall(State(shared): State<Arc<Shared>>, Path(id): Path<u64>) -> Reply {
    shared.world().delete_installation(id).map_err(|refusal| refused(&refusal))?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEnterprise {
    slug: String,
    organisations: Vec<String>,
}

pub(super) async fn enterprise(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<NewEnterprise>,
) -> Reply {
    let members: Vec<&str> = body.organisations.iter().map(String::as_str).collect();
    let id = shared.world().add_enterprise(&body.slug, &members);
    let id = id.map_err(|refusal| refused(&refusal))?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))).into_response())
}

pub(super) async fn delivery_faults(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.look().delivery_faults()).into_response()
}

pub(super) async fn add_delivery_fault(
    State(shared): State<Arc<Shared>>,
    Strict(fault): Strict<DeliveryFault>,
) -> Reply {
    if fault.times == 0 {
        return Err(wrong("/times", "must be at least 1").into());
    }
    shared.world().add_delivery_fault(fault);
    Ok((StatusCode::CREATED, Json(json!({}))).into_response())
}

pub(super) async fn clear_delivery_faults(State(shared): State<Arc<Shared>>) -> Response {
    shared.world().clear_delivery_faults();
    done()
}
