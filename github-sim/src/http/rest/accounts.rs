//! The root, the user, organisations, repositories, the rate limit.

use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use crate::http::answer::{Answer, ApiError, ok};
use crate::http::call::{Call, slug};
use crate::http::render::{accounts, repos, root as render};
use crate::world::World;
use crate::world::model::{Account, Repo};
use crate::world::tokens::{DEFAULT_USER, Identity};

pub(crate) async fn root(call: Call) -> Answer {
    ok(Value::Object(render::root(&call.urls)))
}

pub(crate) async fn rate_limit(call: Call) -> Answer {
    let token = call.caller.map(|caller| caller.token).unwrap_or_default();
    let world = call.shared.look();
    ok(render::rate_limit(&world.tokens.allowance(&token, world.now())))
}

/// The account behind a user's token; an installation has none.
fn this_user<'a>(call: &Call, world: &'a World) -> Result<&'a Account, ApiError> {
    match call.caller.as_ref().map(|caller| caller.identity) {
        Some(Identity::User) => world.account(DEFAULT_USER).ok_or_else(ApiError::not_found),
        _ => Err(ApiError::new(StatusCode::FORBIDDEN, "Resource not accessible by integration")),
    }
}

pub(crate) async fn user(call: Call) -> Answer {
    let world = call.shared.look();
    let user = this_user(&call, &world)?;
    ok(accounts::private(&world, user, &call.urls))
}

pub(crate) async fn user_repos(call: Call) -> Answer {
    let world = call.shared.look();
    let user = this_user(&call, &world)?;
    let (kind, affiliation, visibility) =
        (call.parameter("type"), call.parameter("affiliation"), call.parameter("visibility"));
    if kind.is_some() && (affiliation.is_some() || visibility.is_some()) {
        let message = "If you specify visibility or affiliation, you cannot specify type.";
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message));
    }
    let affiliations: Vec<&str> =
        affiliation.unwrap_or("owner,collaborator,organization_member").split(',').collect();
    let mut found: Vec<&Repo> = world
        .repos()
        .filter(|repo| {
            let own = repo.slug.owner() == &user.login;
            let wanted = if own { "owner" } else { "organization_member" };
            let by_kind = match kind {
                Some("owner") => own,
                Some("member") => !own,
                Some("public") => !repo.private,
                Some("private") => repo.private,
                _ => true,
            };
            let by_visibility = match visibility {
                Some("public") => !repo.private,
                Some("private") => repo.private,
                _ => true,
            };
            affiliations.contains(&wanted) && by_kind && by_visibility
        })
        .collect();
    sort(&mut found, call.parameter("sort").unwrap_or("full_name"), call.parameter("direction"));
    list(&call, &world, &found)
}

pub(crate) async fn org(call: Call, Path(org): Path<String>) -> Answer {
    let world = call.shared.look();
    let org = world.org(&org).ok_or_else(ApiError::not_found)?;
    ok(accounts::organization(&world, org, &call.urls))
}

pub(crate) async fn org_repos(call: Call, Path(org): Path<String>) -> Answer {
    let world = call.shared.look();
    let org = world.org(&org).ok_or_else(ApiError::not_found)?;
    let kind = call.parameter("type");
    let mut found: Vec<&Repo> = world
        .repos()
        .filter(|repo| repo.slug.owner() == &org.login)
        .filter(|repo| match kind {
            Some("public") => !repo.private,
            Some("private") => repo.private,
            Some("forks") => repo.fork,
            Some("sources") => !repo.fork,
            _ => true,
        })
        .collect();
    sort(&mut found, call.parameter("sort").unwrap_or("created"), call.parameter("direction"));
    list(&call, &world, &found)
}

pub(crate) async fn installation_repos(call: Call) -> Answer {
    let world = call.shared.look();
    let Some(Identity::Installation(id)) = call.caller.as_ref().map(|caller| caller.identity)
    else {
        let message = "You must authenticate with an installation access token in order to list repositories for an installation.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
    };
    let installation = world.installations().iter().find(|known| known.id == id);
    let account = &installation.ok_or_else(ApiError::not_found)?.account;
    let found: Vec<&Repo> = world.repos().filter(|repo| repo.slug.owner() == account).collect();
    call.page(
        &found,
        |repo| Value::Object(repos::listed(&world, repo, &call.urls)),
        |total, page| json!({"total_count": total, "repositories": page}),
    )
}

pub(crate) async fn repo(call: Call, Path((owner, repo)): Path<(String, String)>) -> Answer {
    let world = call.shared.look();
    let repo = world.repo(&slug(&owner, &repo)?).ok_or_else(ApiError::not_found)?;
    ok(repos::full(&world, repo, &call.urls))
}

fn list(call: &Call, world: &World, found: &[&Repo]) -> Answer {
    call.page(
        found,
        |repo| Value::Object(repos::listed(world, repo, &call.urls)),
        |_, page| Value::Array(page),
    )
}

/// By name upwards or else by time downwards, unless `direction` says otherwise.
fn sort(found: &mut [&Repo], by: &str, direction: Option<&str>) {
    match by {
        "created" => found.sort_by_key(|repo| (repo.created_at, repo.id)),
        "updated" | "pushed" => found.sort_by_key(|repo| (repo.pushed_at, repo.id)),
        _ => found.sort_by(|one, other| one.slug.cmp(&other.slug)),
    }
    let default = if by == "full_name" { "asc" } else { "desc" };
    if direction.unwrap_or(default) == "desc" {
        found.reverse();
    }
}
