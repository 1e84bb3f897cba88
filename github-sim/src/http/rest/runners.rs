//! Self-hosted runners of repositories, organisations and enterprises: the same verbs, at every scope.

use crate::names::Scope;
use axum::extract::Path;
use axum::response::IntoResponse as _;
use http::StatusCode;
use serde_json::{Value, json};

use crate::http::answer::{Answer, ApiError, created, ok};
use crate::http::call::{Call, enterprise_scope, id, object, org_scope, slug};
use crate::http::render::{runners as render, time};
use crate::world::model::{Runner, RunnerGroup};
use crate::world::{Keep, Registration, TokenKind};

/// The handlers of one scope, which differ in how the scope stands in the path.
macro_rules! handlers {
    ($($module:ident($($part:ident),+) => $scope:expr;)+) => {$(
        pub(crate) mod $module {
            use axum::body::Bytes;

            use super::{Answer, Call, Keep, Path, TokenKind};

            type Scoped = Path<($(handlers!(@text $part),)+)>;
            type WithId = Path<($(handlers!(@text $part),)+ String)>;
            type WithName = Path<($(handlers!(@text $part),)+ String, String)>;

            pub(crate) async fn list(call: Call, Path(($($part,)+)): Scoped) -> Answer {
                super::list(&call, &$scope)
            }
            pub(crate) async fn downloads(call: Call, Path(($($part,)+)): Scoped) -> Answer {
                super::downloads(&call, &$scope)
            }
            pub(crate) async fn jit(call: Call, Path(($($part,)+)): Scoped, body: Bytes) -> Answer {
                super::jit(&call, &$scope, &body)
            }
            pub(crate) async fn registration_token(call: Call, Path(($($part,)+)): Scoped) -> Answer {
                super::token(&call, &$scope, TokenKind::Registration)
            }
            pub(crate) async fn remove_token(call: Call, Path(($($part,)+)): Scoped) -> Answer {
                super::token(&call, &$scope, TokenKind::Remove)
            }
            pub(crate) async fn one(call: Call, Path(($($part,)+ id)): WithId) -> Answer {
                super::one(&call, &$scope, &id)
            }
            pub(crate) async fn delete(call: Call, Path(($($part,)+ id)): WithId) -> Answer {
                super::delete(&call, &$scope, &id)
            }
            pub(crate) async fn labels(call: Call, Path(($($part,)+ id)): WithId) -> Answer {
                super::labels(&call, &$scope, &id)
            }
            pub(crate) async fn add_labels(call: Call, Path(($($part,)+ id)): WithId, body: Bytes) -> Answer {
                super::change_labels(&call, &$scope, &id, &body, Keep::All)
            }
            pub(crate) async fn set_labels(call: Call, Path(($($part,)+ id)): WithId, body: Bytes) -> Answer {
                super::change_labels(&call, &$scope, &id, &body, Keep::ReadOnly)
            }
            pub(crate) async fn clear_labels(call: Call, Path(($($part,)+ id)): WithId) -> Answer {
                super::clear_labels(&call, &$scope, &id)
            }
            pub(crate) async fn remove_label(call: Call, Path(($($part,)+ id, name)): WithName) -> Answer {
                super::remove_label(&call, &$scope, &id, &name)
            }
        }
    )+};
    (@text $part:ident) => { String };
}

handlers! {
    repo(owner, repo) => super::Scope::Repo(crate::http::call::slug(&owner, &repo)?);
    org(org) => super::org_scope(&org)?;
    enterprise(enterprise) => super::enterprise_scope(&enterprise)?;
}

fn list(call: &Call, scope: &Scope) -> Answer {
    let world = call.shared.look();
    let scope = world.known_scope(scope)?;
    let name = call.parameter("name");
    let found: Vec<&Runner> = world
        .listed_runners(&scope)
        .filter(|runner| name.is_none_or(|name| runner.name.eq_ignore_ascii_case(name)))
        .collect();
    call.page(
        &found,
        |one| render::runner(one),
        |total, page| json!({"total_count": total, "runners": page}),
    )
}

fn downloads(call: &Call, scope: &Scope) -> Answer {
    call.shared.look().known_scope(scope)?;
    ok(render::downloads(&call.urls))
}

fn jit(call: &Call, scope: &Scope, body: &[u8]) -> Answer {
    let fields = object(body)?;
    let missing = |name: &str| ApiError::invalid(format!("\"{name}\" wasn't supplied."));
    let wrong = |name: &str, kind: &str| {
        ApiError::invalid(format!("For 'properties/{name}', the value is not {kind}."))
    };
    let name = fields.get("name").ok_or_else(|| missing("name"))?;
    let name = name.as_str().ok_or_else(|| wrong("name", "a string"))?;
    let group = fields.get("runner_group_id").ok_or_else(|| missing("runner_group_id"))?;
    let group = group.as_u64().ok_or_else(|| wrong("runner_group_id", "an integer"))?;
    let labels = label_names(&fields)?;
    let work_folder = match fields.get("work_folder") {
        None => "_work",
        Some(value) => value.as_str().ok_or_else(|| wrong("work_folder", "a string"))?,
    };
    let mut world = call.shared.world();
    let new = Registration {
        name: name.to_owned(),
        labels,
        group_id: Some(group),
        ..Registration::default()
    };
    let (id, secret) = world.create_jit_runner(scope, new)?;
    let scope = world.known_scope(scope)?;
    let runner = world.runner(&scope, id)?;
    created(json!({
        "runner": render::runner(runner),
        "encoded_jit_config": render::jit_config(runner, &secret, work_folder, &call.urls),
    }))
}

fn token(call: &Call, scope: &Scope, kind: TokenKind) -> Answer {
    let (token, expires) = call.shared.world().create_runner_token(scope, kind)?;
    created(json!({"token": token, "expires_at": time(expires)}))
}

fn one(call: &Call, scope: &Scope, runner: &str) -> Answer {
    let world = call.shared.look();
    ok(render::runner(world.runner(scope, id(runner)?)?))
}

fn delete(call: &Call, scope: &Scope, runner: &str) -> Answer {
    call.shared.world().delete_runner(scope, id(runner)?)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn labels(call: &Call, scope: &Scope, runner: &str) -> Answer {
    let world = call.shared.look();
    ok(render::labels(&world.runner(scope, id(runner)?)?.labels))
}

fn change_labels(call: &Call, scope: &Scope, runner: &str, body: &[u8], keep: Keep) -> Answer {
    let names = label_names(&object(body)?)?;
    if names.is_empty() && keep == Keep::All {
        return Err(ApiError::invalid("labels must not be empty."));
    }
    call.shared.world().set_labels(scope, id(runner)?, &names, keep)?;
    labels(call, scope, runner)
}

fn clear_labels(call: &Call, scope: &Scope, runner: &str) -> Answer {
    call.shared.world().set_labels(scope, id(runner)?, &[], Keep::ReadOnly)?;
    labels(call, scope, runner)
}

fn remove_label(call: &Call, scope: &Scope, runner: &str, name: &str) -> Answer {
    call.shared.world().remove_label(scope, id(runner)?, name)?;
    labels(call, scope, runner)
}

fn label_names(fields: &serde_json::Map<String, Value>) -> Result<Vec<String>, ApiError> {
    let labels = fields.get("labels");
    let labels = labels.ok_or_else(|| ApiError::invalid("\"labels\" wasn't supplied."))?;
    let names = labels.as_array().and_then(|labels| {
        labels.iter().map(|label| label.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    names.ok_or_else(|| {
        ApiError::invalid("For 'properties/labels', the value is not a list of strings.")
    })
}

pub(crate) async fn groups(call: Call, Path(org): Path<String>) -> Answer {
    let world = call.shared.look();
    let org = world.org(&org).ok_or_else(ApiError::not_found)?;
    let named = call.parameter("visible_to_repository");
    let repo = named.map(|name| slug(org.login.as_str(), name)).transpose()?;
    let repo = repo.map(|slug| world.repo(&slug).ok_or_else(ApiError::not_found)).transpose()?;
    let visible = |group: &&RunnerGroup| repo.is_none_or(|repo| group.admits(repo));
    let found: Vec<_> = world.groups(&org.login).filter(visible).collect();
    call.page(
        &found,
        |group| render::group(group, &call.urls),
        |total, page| json!({"total_count": total, "runner_groups": page}),
    )
}

pub(crate) async fn enterprise_groups(call: Call, Path(slug): Path<String>) -> Answer {
    let world = call.shared.look();
    let enterprise = world.enterprise(&slug).ok_or_else(ApiError::not_found)?;
    let found: Vec<_> = enterprise.groups.iter().collect();
    let base = format!("{}/enterprises/{}", call.urls.api, enterprise.slug);
    call.page(
        &found,
        |(id, name)| render::group_of(**id, name, &base),
        |total, page| json!({"total_count": total, "runner_groups": page}),
    )
}

pub(crate) async fn group(call: Call, Path((org, group)): Path<(String, String)>) -> Answer {
    let world = call.shared.look();
    let wanted = id(&group)?;
    let org = world.org(&org).ok_or_else(ApiError::not_found)?;
    let found = world.groups(&org.login).find(|group| group.id == wanted);
    ok(render::group(found.ok_or_else(ApiError::not_found)?, &call.urls))
}
