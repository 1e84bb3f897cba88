//! The App: itself, its installations, their tokens.

use std::collections::BTreeSet;

use crate::names::{Login, RepoSlug};
use axum::body::Bytes;
use axum::extract::Path;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::answer::{Answer, ApiError, created, ok};
use crate::http::call::{Call, id, object, slug};
use crate::http::render::apps as render;
use crate::world::World;
use crate::world::access::Permissions;
use crate::world::app::{Installation, Narrowed};
use crate::world::tokens::Identity;

/// Most repositories that a token is narrowed to by name or id (GitHub docs, REST "Create an installation access token").
const MAX_NARROWED: usize = 500;

pub(crate) async fn app(call: Call) -> Answer {
    ok(render::app(&call.shared.look(), &call.urls))
}

pub(crate) async fn list(call: Call) -> Answer {
    let world = call.shared.look();
    call.page(
        world.installations(),
        |one| render::installation(&world, one, &call.urls),
        |_, page| Value::Array(page),
    )
}

/// What a user sees of the App; a user's token is enough.
pub(crate) async fn of_user(call: Call) -> Answer {
    let world = call.shared.look();
    if call.caller.as_ref().map(|caller| caller.identity) != Some(Identity::User) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "Resource not accessible by integration"));
    }
    call.page(
        world.installations(),
        |one| render::installation(&world, one, &call.urls),
        |total, page| json!({"total_count": total, "installations": page}),
    )
}

pub(crate) async fn one(call: Call, Path(installation): Path<String>) -> Answer {
    let world = call.shared.look();
    shown(&call, &world, world.installation(id(&installation)?))
}

pub(crate) async fn of_org(call: Call, Path(org): Path<String>) -> Answer {
    let world = call.shared.look();
    let org = world.org(&org).ok_or_else(ApiError::not_found)?;
    shown(&call, &world, world.installation_of(&org.login))
}

pub(crate) async fn of_account(call: Call, Path(login): Path<String>) -> Answer {
    let world = call.shared.look();
    let login = Login::parse(&login).map_err(|_| ApiError::not_found())?;
    shown(&call, &world, world.installation_of(&login))
}

pub(crate) async fn of_repo(call: Call, Path((owner, repo)): Path<(String, String)>) -> Answer {
    let world = call.shared.look();
    let repo = world.repo(&slug(&owner, &repo)?).ok_or_else(ApiError::not_found)?;
    let found = world.installation_of(repo.slug.owner()).filter(|known| known.holds(repo));
    shown(&call, &world, found)
}

fn shown(call: &Call, world: &World, found: Option<&Installation>) -> Answer {
    ok(render::installation(world, found.ok_or_else(ApiError::not_found)?, &call.urls))
}

/// What a client asks a token to be narrowed to.
#[derive(Deserialize, Default)]
struct Wanted {
    repositories: Option<Vec<String>>,
    repository_ids: Option<Vec<u64>>,
    permissions: Option<Permissions>,
}

pub(crate) async fn token(call: Call, Path(installation): Path<String>, body: Bytes) -> Answer {
    let id = id(&installation)?;
    let wanted: Wanted = serde_json::from_value(Value::Object(object(&body)?))
        .map_err(|why| ApiError::invalid(why.to_string()))?;
    let mut world = call.shared.world();
    let account = world.installation(id).ok_or_else(ApiError::not_found)?.account.clone();
    let given = wanted.repositories.unwrap_or_default();
    let ids = wanted.repository_ids.unwrap_or_default();
    if given.len() + ids.len() > MAX_NARROWED {
        let message = format!("No more than {MAX_NARROWED} repositories can be listed.");
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message));
    }
    // A name that is no repository becomes an id that none has, and is refused with the others.
    let named = given.iter().map(|name| {
        let slug = RepoSlug::parse(&format!("{account}/{name}")).ok();
        slug.and_then(|slug| world.repo(&slug)).map_or(0, |repo| repo.id)
    });
    let repositories: BTreeSet<u64> = ids.into_iter().chain(named).collect();
    let repositories = Some(repositories).filter(|ids| !ids.is_empty());
    let narrowed = Narrowed { repositories, permissions: wanted.permissions };
    let made = world.create_narrowed_token(id, narrowed)?;
    created(render::token(&world, &made, id, &call.urls))
}
