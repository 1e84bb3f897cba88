//! Changing the world.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::names::RepoSlug;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use http::StatusCode;
use mayfly_common::problem::Problem;
use serde::Deserialize;
use serde_json::json;

use super::{done, wrong};
use crate::demo;
use crate::http::protocol::{Reply, refused};
use crate::http::shared::Shared;
use crate::http::strict::Strict;
use crate::world::model::{JobSpec, NewRepo, RunStatus, Step};
use crate::world::{Refusal, World};

pub(super) fn slug(text: &str) -> Result<RepoSlug, Problem> {
    RepoSlug::parse(text).map_err(|why| wrong("/repo", why))
}

/// Makes an owner that is not there yet.
pub(super) fn ensure_owner(world: &mut World, owner: &str, kind: OwnerType) -> Result<(), Problem> {
    if world.account(owner).is_some() {
        return Ok(());
    }
    let made = match kind {
        OwnerType::User => world.add_user(owner),
        OwnerType::Org => world.add_org(owner),
    };
    made.map_err(|refusal| refused(&refusal))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrg {
    login: String,
}

pub(super) async fn org(State(shared): State<Arc<Shared>>, Strict(body): Strict<NewOrg>) -> Reply {
    shared.world().add_org(&body.login).map_err(|refusal| refused(&refusal))?;
    Ok(StatusCode::CREATED.into_response())
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(super) enum OwnerType {
    User,
    #[default]
    Org,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RepoBody {
    repo: String,
    #[serde(default)]
    private: bool,
    /// What to make of an owner that is not there yet.
    #[serde(default)]
    owner_type: OwnerType,
    #[serde(default)]
    files: BTreeMap<String, String>,
}

pub(super) async fn repo(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<RepoBody>,
) -> Reply {
    let slug = slug(&body.repo)?;
    let mut world = shared.world();
    ensure_owner(&mut world, slug.owner().as_str(), body.owner_type)?;
    let new = NewRepo { slug, private: body.private, files: body.files };
    let repo = world.add_repo(new).map_err(|refusal| refused(&refusal))?;
    let made = json!({"id": repo.id, "repo": repo.slug.to_string()});
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileBody {
    repo: String,
    path: String,
    text: String,
}

pub(super) async fn put_file(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<FileBody>,
) -> Reply {
    let put = shared.world().put_file(&slug(&body.repo)?, &body.path, &body.text);
    put.map_err(|refusal| refused(&refusal))?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileName {
    repo: String,
    path: String,
}

pub(super) async fn delete_file(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<FileName>,
) -> Reply {
    let deleted = shared.world().delete_file(&slug(&body.repo)?, &body.path);
    deleted.map_err(|refusal| refused(&refusal))?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dispatch {
    repo: String,
    /// The file's path, or its name below `.github/workflows/`.
    workflow: String,
}

pub(super) async fn dispatch(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<Dispatch>,
) -> Reply {
    let slug = slug(&body.repo)?;
    let path = if body.workflow.contains('/') {
        body.workflow
    } else {
        format!(".github/workflows/{}", body.workflow)
    };
    let mut world = shared.world();
    let run = world.dispatch_workflow(&slug, &path).map_err(|refusal| refused(&refusal))?;
    let jobs: Vec<u64> = world.jobs().filter(|job| job.run_id == run).map(|job| job.id).collect();
    Ok((StatusCode::CREATED, Json(json!({"run_id": run, "jobs": jobs}))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobBody {
    repo: String,
    name: String,
    labels: Vec<String>,
    #[serde(default)]
    steps: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    group: Option<String>,
    environment: Option<String>,
}

pub(super) async fn job(State(shared): State<Arc<Shared>>, Strict(body): Strict<JobBody>) -> Reply {
    let slug = slug(&body.repo)?;
    let spec = JobSpec {
        name: body.name,
        labels: body.labels,
        group: body.group,
        environment: body.environment,
        env: body.env,
        steps: body.steps.into_iter().map(Step::run).collect(),
        ..JobSpec::default()
    };
    let mut world = shared.world();
    let id = world.queue_job(&slug, spec).map_err(|refusal| refused(&refusal))?;
    let run = world.job(id).map(|job| job.run_id);
    Ok((StatusCode::CREATED, Json(json!({"job_id": id, "run_id": run}))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DemoBody {
    jobs: usize,
}

pub(super) async fn demo(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<DemoBody>,
) -> Reply {
    let mut world = shared.world();
    demo::load(&mut world).map_err(|refusal| refused(&refusal))?;
    let jobs = demo::dispatch(&mut world, body.jobs).map_err(|refusal| refused(&refusal))?;
    Ok((StatusCode::CREATED, Json(jobs)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    org: String,
    name: String,
    repositories: Option<Vec<String>>,
    #[serde(default = "yes")]
    public: bool,
}

fn yes() -> bool {
    true
}

pub(super) async fn group(State(shared): State<Arc<Shared>>, Strict(body): Strict<Group>) -> Reply {
    let named = body.repositories.map(|names| names.iter().map(|name| slug(name)).collect());
    let selected: Option<Vec<RepoSlug>> = named.transpose()?;
    let mut world = shared.world();
    match world.add_runner_group(&body.org, &body.name) {
        Ok(_) | Err(Refusal::NameTaken { .. }) => {}
        Err(refusal) => return Err(refused(&refusal).into()),
    }
    let set = world.set_group_access(&body.org, &body.name, selected.as_deref(), body.public);
    set.map_err(|refusal| refused(&refusal))?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Environment {
    repo: String,
    environment: String,
}

pub(super) async fn require_review(
    State(shared): State<Arc<Shared>>,
    Strict(body): Strict<Environment>,
) -> Reply {
    let required = shared.world().require_review(&slug(&body.repo)?, &body.environment);
    required.map_err(|refusal| refused(&refusal))?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    status: Option<RunStatus>,
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
    Strict(body): Strict<Shown>,
) -> Reply {
    shared.world().show_run(id, body.status).map_err(|refusal| refused(&refusal))?;
    Ok(done())
}

pub(super) async fn cancel(State(shared): State<Arc<Shared>>, Path(id): Path<u64>) -> Reply {
    shared.world().cancel_run(id).map_err(|refusal| refused(&refusal))?;
    Ok(done())
}

pub(super) async fn rerun(State(shared): State<Arc<Shared>>, Path(id): Path<u64>) -> Reply {
    shared.world().rerun(id).map_err(|refusal| refused(&refusal))?;
    Ok(done())
}

pub(super) async fn approve(State(shared): State<Arc<Shared>>, Path(id): Path<u64>) -> Reply {
    shared.world().approve_job(id).map_err(|refusal| refused(&refusal))?;
    Ok(done())
}

pub(super) async fn lose(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Reply {
    shared.world().lose_runner(&name).map_err(|refusal| refused(&refusal))?;
    Ok(done())
}
