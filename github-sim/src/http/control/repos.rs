//! Changing repositories, one or thousands.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::names::{Login, RepoSlug};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse as _;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::world::{OwnerType, ensure_owner, slug};
use super::{done, wrong};
use crate::http::protocol::{Reply, refused};
use crate::http::shared::Shared;
use crate::http::strict::Strict;
use crate::world::{Refusal, World};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bulk {
    owner: String,
    #[serde(default)]
    owner_type: OwnerType,
    /// The names are this and a number from 1 on.
    prefix: String,
    count: usize,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    files: BTreeMap<String, String>,
}

pub(super) async fn bulk(State(shared): State<Arc<Shared>>, Strict(body): Strict<Bulk>) -> Reply {
    let owner = Login::parse(&body.owner).map_err(|why| wrong("/owner", why))?;
    let mut world = shared.world();
    ensure_owner(&mut world, &body.owner, body.owner_type)?;
    let made = world.add_repos(&owner, &body.prefix, body.count, body.private, &body.files);
    made.map_err(|refusal| refused(&refusal))?;
    Ok((StatusCode::CREATED, Json(json!({"count": body.count}))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    repo: String,
    /// Another name, without the owner.
    name: Option<String>,
    /// Another owner, who must exist.
    owner: Option<String>,
    archived: Option<bool>,
    disabled: Option<bool>,
    private: Option<bool>,
    fork: Option<bool>,
    /// `true` leaves it without a commit.
    empty: Option<bool>,
}

pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<Change>,
) -> Reply {
    let slug = slug(&body.repo)?;
    let changed = changed(&mut shared.world(), slug, &body);
    let slug = changed.map_err(|refusal| refused(&refusal))?;
    Ok(Json(json!({"repo": slug.to_string()})).into_response())
}

fn changed(world: &mut World, mut slug: RepoSlug, to: &Change) -> Result<RepoSlug, Refusal> {
    world.repo(&slug).ok_or(Refusal::NotFound("repository"))?;
    if to.empty == Some(true) {
        world.empty_repo(&slug)?;
    }
    let flags = [to.archived, to.disabled, to.private, to.fork];
    if flags.iter().any(Option::is_some) {
        world.change_repo(&slug, |repo| {
            let [archived, disabled, private, fork] = flags;
            repo.archived = archived.unwrap_or(repo.archived);
            repo.disabled = disabled.unwrap_or(repo.disabled);
            repo.private = private.unwrap_or(repo.private);
            repo.fork = fork.unwrap_or(repo.fork);
        })?;
    }
    if let Some(name) = &to.name {
        slug = world.rename_repo(&slug, name)?;
    }
    if let Some(owner) = &to.owner {
        slug = world.transfer_repo(&slug, owner)?;
    }
    Ok(slug)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    repo: String,
}

pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<Named>,
) -> Reply {
    shared.world().delete_repo(&slug(&body.repo)?).map_err(|refusal| refused(&refusal))?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fork {
    repo: String,
    /// Who forks it; made as a user if not there yet.
    owner: String,
}

pub(super) async fn fork(State(shared): State<Arc<Shared>>, Strict(body): Strict<Fork>) -> Reply {
    let of = slug(&body.repo)?;
    let mut world = shared.world();
    ensure_owner(&mut world, &body.owner, OwnerType::User)?;
    let fork = world.add_fork(&of, &body.owner).map_err(|refusal| refused(&refusal))?;
    let made = json!({"id": fork.id, "repo": fork.slug.to_string()});
    Ok((StatusCode::CREATED, Json(made)).into_response())
}
