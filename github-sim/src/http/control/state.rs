//! Looking at the world.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::http::protocol::{Reply, refused};
use crate::http::shared::Shared;
use crate::world::deliveries::{Delivery, Outcome};
use crate::world::hooks::{Hook, HookPlace};
use crate::world::model::{Conclusion, Job, Runner};
use crate::world::{Refusal, World};

pub(super) async fn state(State(shared): State<Arc<Shared>>) -> Response {
    let world = shared.look();
    Json(json!({
        "now": world.now(),
        "accounts": world.accounts().map(|account| json!({
            "login": account.login.as_str(),
            "type": if account.is_org { "org" } else { "user" },
        })).collect::<Vec<_>>(),
        "repos": world.repos().map(|repo| json!({
            "repo": repo.slug.to_string(),
            "private": repo.private,
            "archived": repo.archived,
            "pushed_at": repo.pushed_at,
            "files": repo.files.keys().collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "runs": runs(&world),
        "jobs": world.jobs().map(job).collect::<Vec<_>>(),
        "runners": world.all_runners().map(runner).collect::<Vec<_>>(),
        "hooks": world.hooks().map(|hook| hook_state(&world, hook)).collect::<Vec<_>>(),
        "counts": world.job_counts(),
        "violations": world.violations(),
    }))
    .into_response()
}

fn runs(world: &World) -> Vec<Value> {
    let one = |run: &crate::world::model::Run| {
        let (status, conclusion) = world.run_status(run);
        json!({
            "id": run.id,
            "repo": run.repo.to_string(),
            "name": run.name,
            "path": run.path,
            "attempt": run.attempt,
            "status": status.as_str(),
            "conclusion": conclusion.map(Conclusion::as_str),
        })
    };
    world.runs().map(one).collect()
}

fn job(job: &Job) -> Value {
    json!({
        "id": job.id,
        "run_id": job.run_id,
        "attempt": job.attempt,
        "repo": job.repo.to_string(),
        "name": job.spec.name,
        "labels": job.spec.labels,
        "status": job.status.as_str(),
        "conclusion": job.conclusion.map(Conclusion::as_str),
        "self_hosted": !job.spec.is_hosted(),
        "runner_id": job.taker.as_ref().map(|taker| taker.id),
        "runner_name": job.taker.as_ref().map(|taker| taker.name.as_str()),
        "created_at": job.created_at,
        "queued_at": job.queued_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "cancel_requested": job.cancel_requested,
    })
}

fn runner(runner: &Runner) -> Value {
    json!({
        "id": runner.id,
        "name": runner.name,
        "scope": runner.scope.to_string(),
        "status": if runner.online() { "online" } else { "offline" },
        "busy": runner.busy(),
        "job_id": runner.job,
        "ephemeral": runner.ephemeral,
        "labels": runner.labels.iter().map(|label| label.name.as_str()).collect::<std::collections::BTreeSet<_>>(),
        "runner_group_id": runner.group_id,
    })
}

fn hook_state(world: &World, hook: &Hook) -> Value {
    let place = match &hook.place {
        HookPlace::Repo(id) => world.repo_by_id(*id).map(|repo| format!("repo:{}", repo.slug)),
        HookPlace::Org(login) => Some(format!("org:{login}")),
        HookPlace::App => Some("app".to_owned()),
    };
    let failed = |one: &&Delivery| !one.outcome.as_ref().is_some_and(Outcome::succeeded);
    json!({
        "id": hook.id,
        "place": place,
        "url": hook.config.url,
        "events": hook.events,
        "active": hook.active,
        "deliveries": world.deliveries(hook.id).count(),
        "failed": world.deliveries(hook.id).filter(failed).count(),
    })
}

/// The log as plain text, one line per line.
pub(super) async fn log(State(shared): State<Arc<Shared>>, Path(id): Path<u64>) -> Reply {
    let world = shared.look();
    let job = world.job(id).ok_or_else(|| refused(&Refusal::NotFound("job")))?;
    let mut text = job.log.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    Ok(text.into_response())
}
