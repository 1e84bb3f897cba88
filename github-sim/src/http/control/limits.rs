//! Tokens, what they may do and how often; GitHub's clock and how far its lists lag behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::names::{Login, RepoSlug};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::json;

use super::{done, wrong};
use crate::http::protocol::{Reply, refused};
use crate::http::shared::Shared;
use crate::http::strict::Strict;
use crate::world::access::{Grant, Permissions, Selection};
use crate::world::tokens::{Allowance, DEFAULT_USER, Resource, Secondary, UserToken};

/// Furthest that GitHub's clock may be off or its lists lag behind, in seconds: a day.
const MOST: i64 = 24 * 60 * 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    token: String,
    limit: Option<u64>,
    /// Whose it is; made if not there yet.
    user: Option<String>,
    /// Makes it a classic token.
    scopes: Option<BTreeSet<String>>,
    /// Makes it a fine-grained token, for `owner`.
    permissions: Option<Permissions>,
    owner: Option<String>,
    /// Full names of the repositories that a fine-grained token is for; all of the owner's if not given.
    repositories: Option<Vec<String>>,
}

pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<NewToken>,
) -> Reply {
    if body.token.is_empty() {
        return Err(wrong("/token", "must not be empty").into());
    }
    if body.permissions.is_none() && (body.owner.is_some() || body.repositories.is_some()) {
        return Err(wrong("/permissions", "must be given with owner or repositories").into());
    }
    let mut world = shared.world();
    let login = body.user.unwrap_or_else(|| DEFAULT_USER.to_owned());
    let grant = match (body.scopes, body.permissions) {
        (None, None) => Grant::Everything,
        (Some(scopes), None) => Grant::Classic(scopes),
        (Some(_), Some(_)) => {
            return Err(wrong("/scopes", "must not be given with permissions").into());
        }
        (None, Some(permissions)) => {
            let owner = body.owner.unwrap_or_else(|| login.clone());
            let owner = Login::parse(&owner).map_err(|why| wrong("/owner", why))?;
            let named = body.repositories.map(|names| slugs(&names)).transpose()?;
            let repositories = match named {
                None => Selection::All,
                Some(slugs) => world.select(&slugs).map_err(|refusal| refused(&refusal))?,
            };
            Grant::FineGrained { owner, repositories, permissions }
        }
    };
    world.add_user(&login).map_err(|refusal| refused(&refusal))?;
    world.tokens.add_as(&body.token, UserToken { login, grant, limit: body.limit });
    Ok(done())
}

pub(super) fn slugs(names: &[String]) -> Result<Vec<RepoSlug>, mayfly_common::problem::Problem> {
    let parsed = names.iter().map(|name| RepoSlug::parse(name));
    parsed.collect::<Result<_, _>>().map_err(|why| wrong("/repositories", why))
}

pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    Path(token): Path<String>,
) -> Response {
    shared.world().tokens.revoke(&token);
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Left {
    token: String,
    resource: Resource,
    limit: u64,
    remaining: u64,
    reset_in_seconds: u32,
}

/// Sets what the identity behind a token has left, and until when.
pub(super) async fn set(State(shared): State<Arc<Shared>>, Strict(body): Strict<Left>) -> Reply {
    let used = body.limit.checked_sub(body.remaining);
    let used = used.ok_or_else(|| wrong("/remaining", "must not be more than the limit"))?;
    let mut world = shared.world();
    let reset = world.now().saturating_add(SignedDuration::from_secs(body.reset_in_seconds.into()));
    let reset = reset.map_err(|why| wrong("/reset_in_seconds", why))?;
    let to = Allowance { limit: body.limit, used, reset };
    world.tokens.set_allowance(&body.token, body.resource, to);
    Ok(done())
}

pub(super) async fn set_secondary(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<Secondary>,
) -> Reply {
    if !matches!(body.status, 403 | 429) {
        return Err(wrong("/status", "must be 403 or 429").into());
    }
    shared.world().tokens.set_secondary(body);
    Ok(done())
}

pub(super) async fn no_secondary(State(shared): State<Arc<Shared>>) -> Response {
    shared.world().tokens.set_secondary(Secondary::default());
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    clock_offset_seconds: Option<i64>,
    listing_delay_seconds: Option<i64>,
    delivery_timeout_ms: Option<u32>,
    keeps_spent_runners: Option<bool>,
}

pub(super) async fn settings(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<Settings>,
) -> Reply {
    let mut world = shared.world();
    let within = |seconds: &i64, least: i64| (least..=MOST).contains(seconds);
    if body.clock_offset_seconds.is_some_and(|seconds| !within(&seconds, -MOST)) {
        return Err(wrong("/clock_offset_seconds", "must be a day at most").into());
    }
    if body.listing_delay_seconds.is_some_and(|seconds| !within(&seconds, 0)) {
        return Err(wrong("/listing_delay_seconds", "must be from 0 to a day").into());
    }
    if let Some(seconds) = body.clock_offset_seconds {
        world.set_clock_offset(SignedDuration::from_secs(seconds));
    }
    if let Some(seconds) = body.listing_delay_seconds {
        world.set_listing_delay(SignedDuration::from_secs(seconds));
    }
    if let Some(millis) = body.delivery_timeout_ms {
        world.set_delivery_timeout(Duration::from_millis(millis.into()));
    }
    if let Some(keeps) = body.keeps_spent_runners {
        world.set_keeps_spent_runners(keeps);
    }
    Ok(Json(json!({
        "keeps_spent_runners": world.keeps_spent_runners(),
        "delivery_timeout_ms": u64::try_from(world.delivery_timeout().as_millis()).ok(),
        "clock_offset_seconds": world.clock_offset().as_secs(),
        "listing_delay_seconds": world.listing_delay().as_secs(),
    }))
    .into_response())
}
