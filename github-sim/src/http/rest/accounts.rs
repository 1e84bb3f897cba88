//! The root, the user, organisations, repositories, the rate limit.

use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use crate::http::answer::{Answer, ApiError, ok};
use crate::http::call::{Call, Caller, slug};
use crate::http::render::{accounts, repos, root as render};
use crate::world::World;
use crate::world::model::{Account, Repo};
use crate::world::tokens::{Identity, Resource};

pub(crate) async fn root(call: Call) -> Answer {
    ok(Value::Object(render::root(&call.urls)))
}

/// Which addresses GitHub sends from; here, this machine's own.
pub(crate) async fn meta() -> Answer {
    ok(json!({
        "verifiable_password_authentication": false,
        "hooks": ["127.0.0.0/8", "::1/128"],
    }))
}

pub(crate) async fn rate_limit(call: Call) -> Answer {
    let token = call.caller.map(|caller| caller.token).unwrap_or_default();
    let world = call.shared.look();
    let of = |resource| world.tokens.allowance_of(&token, resource, world.now());
    ok(render::rate_limit(&of(Resource::Core), &of(Resource::Graphql)))
}

/// The account behind a user's token; an installation has none.
fn this_user<'a>(call: &Call, world: &'a World) -> Result<&'a Account, ApiError> {
    match call.caller.as_ref() {
        Some(Caller { identity: Identity::User, token }) => {
            world.account(world.tokens.login(token)).ok_or_else(ApiError::not_found)
        }
        _ => Err(ApiError::new(StatusCode::FORBIDDEN, "Resource not accessible by integration")),
    }
}

/// Which repositories the caller may know of.
fn seen<'a>(call: &'a Call, world: &'a World) -> impl Fn(&Repo) -> bool + use<'a> {
    let token = call.caller.as_ref().map_or("", |caller| caller.token.as_str());
    let all = world.sees_all(token);
    move |repo| all || world.sees(token, repo)
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
    let seen = seen(&call, &world);
    let affiliations: Vec<&str> =
        affiliation.unwrap_or("owner,collaborator,organization_member").split(',').collect();
    let mut found: Vec<&Repo> = world
        .repos()
        .filter(|repo| {
            let owner = repo.slug.owner();
            let own = owner == &user.login;
            let wanted = match world.org(owner.as_str()) {
                _ if own => "owner",
                Some(_) => "organization_member",
                None => "collaborator",
            };
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
            affiliations.contains(&wanted) && by_kind && by_visibility && seen(repo)
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
    let (kind, seen) = (call.parameter("type"), seen(&call, &world));
    let mut found: Vec<&Repo> = world
        .repos()
        .filter(|repo| repo.slug.owner() == &org.login && seen(repo))
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
    let installation = world.installation(id);
    let installation = installation.ok_or_else(ApiError::not_found)?;
    let seen = seen(&call, &world);
    let holds = |repo: &&Repo| installation.holds(repo) && seen(repo);
    let found: Vec<&Repo> = world.repos().filter(holds).collect();
    let selection = installation.repositories.as_str();
    call.page(
        &found,
        |repo| Value::Object(repos::listed(&world, repo, &call.urls)),
        |total, page| {
            json!({"total_count": total, "repository_selection": selection, "repositories": page})
        },
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
        "updated" => found.sort_by_key(|repo| (repo.updated_at, repo.id)),
        "pushed" => found.sort_by_key(|repo| (repo.pushed_at, repo.id)),
        // The world has them in this order.
        _ => {}
    }
    let default = if by == "full_name" { "asc" } else { "desc" };
    if direction.unwrap_or(default) == "desc" {
        found.reverse();
    }
}
