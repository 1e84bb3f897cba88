//! What simulated runners speak, under `/_runner/v1`. RUNNER-PROTOCOL.md is its description for people.
//!
//! Invariants: a just-in-time secret opens one session, once; whatever a runner repeats has the effect of saying it once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::names::Scope;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::shared::Shared;
use super::strict::Strict;
use crate::world::model::{Action, Conclusion, Job, Status};
use crate::world::{Refusal, Registration, TokenKind};

/// Longest time a request for a job is held, in seconds; well below what takes an idle runner offline.
const MAX_WAIT: u64 = 30;
const _: () = assert!(MAX_WAIT < crate::world::IDLE_TIMEOUT.unsigned_abs().as_secs());

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_runner/v1/register", post(register))
        .route("/_runner/v1/connect", post(connect))
        .route("/_runner/v1/session", delete(close))
        .route("/_runner/v1/job", get(next_job))
        .route("/_runner/v1/jobs/{id}/log", post(log))
        .route("/_runner/v1/jobs/{id}/steps", post(step))
        .route("/_runner/v1/jobs/{id}/heartbeat", post(heartbeat))
        .route("/_runner/v1/jobs/{id}/complete", post(complete))
}

pub(crate) type Reply = Result<Response, HttpProblem>;

pub(crate) fn refused(refusal: &Refusal) -> Problem {
    let detail = refusal.to_string();
    match refusal {
        Refusal::NotFound(_) => Problem::not_found(detail),
        Refusal::NameTaken { .. } => Problem::conflict("name-taken", detail),
        Refusal::Busy(_) => Problem::conflict("busy", detail),
        Refusal::Invalid(_) | Refusal::Validation(_) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid-request",
            "The request cannot be carried out",
        )
        .with_detail(detail),
        Refusal::Forbidden(_) => {
            Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed").with_detail(detail)
        }
        Refusal::Unauthorized(_) => {
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not known here")
                .with_detail(detail)
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Register {
    scope: String,
    token: String,
    name: String,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    ephemeral: bool,
    #[serde(default)]
    replace: bool,
    os: String,
}

async fn register(State(shared): State<Arc<Shared>>, Strict(body): Strict<Register>) -> Reply {
    let scope: Scope = body
        .scope
        .parse()
        .map_err(|why: crate::names::BadName| refused(&Refusal::Invalid(why.to_string())))?;
    let mut world = shared.world();
    let new = Registration {
        name: body.name,
        labels: body.labels,
        ephemeral: body.ephemeral,
        replace: body.replace,
        group_id: None,
    };
    let session = world
        .check_runner_token(&scope, &body.token, TokenKind::Registration)
        .and_then(|()| world.register_runner(&scope, new))
        .and_then(|id| Ok((world.open_session(id, &body.os)?, id)))
        .map_err(|refusal| refused(&refusal))?;
    Ok(opened(session))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connect {
    secret: String,
    os: String,
}

async fn connect(State(shared): State<Arc<Shared>>, Strict(body): Strict<Connect>) -> Reply {
    let session = shared.world().connect_jit(&body.secret, &body.os);
    Ok(opened(session.map_err(|refusal| refused(&refusal))?))
}

fn opened((session, runner_id): (String, u64)) -> Response {
    let body = Json(json!({"session": session, "runner_id": runner_id}));
    (StatusCode::CREATED, body).into_response()
}

async fn close(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Reply {
    shared.world().close_session(session(&headers)?).map_err(|refusal| refused(&refusal))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Holds the request until there is a job or the time is up (204).
async fn next_job(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Reply {
    let session = session(&headers)?;
    let wait = query.get("wait").and_then(|text| text.parse().ok()).unwrap_or(MAX_WAIT);
    let deadline = Instant::now() + Duration::from_secs(wait.min(MAX_WAIT));
    let mut changes = shared.changes();
    loop {
        if let Some(job) = poll(&shared, session)? {
            // Not before the world is unlocked: whoever waits for the job to start looks now.
            drop(shared.world());
            return Ok(Json(job).into_response());
        }
        if timeout_at(deadline, changes.changed()).await.is_err() {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
}

fn poll(shared: &Shared, session: &str) -> Result<Option<Value>, Problem> {
    let mut world = shared.look();
    let job = world.take_job(session).map_err(|refusal| refused(&refusal))?;
    Ok(job.map(payload))
}

fn payload(job: &Job) -> Value {
    let step = |(index, step): (usize, &crate::world::model::Step)| {
        let (run, uses) = match &step.action {
            Action::Run(script) => (Some(script), None),
            Action::Uses(action) => (None, Some(action)),
        };
        json!({
            "number": index + 1,
            "name": step.name,
            "run": run,
            "uses": uses,
            "shell": step.shell,
            "env": step.env,
            "continue_on_error": step.continue_on_error,
        })
    };
    json!({
        "id": job.id,
        "run_id": job.run_id,
        "repository": job.repo.to_string(),
        "key": job.spec.key,
        "name": job.spec.name,
        "env": job.spec.env,
        "steps": job.spec.steps.iter().enumerate().map(step).collect::<Vec<_>>(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    from: usize,
    lines: Vec<String>,
}

async fn log(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    Strict(body): Strict<Lines>,
) -> Reply {
    let mut world = shared.world();
    let session = session(&headers)?;
    world
        .job_of_session(session, id)
        .map(|_| ())
        .and_then(|()| world.append_log(id, body.from, body.lines))
        .map_err(|refusal| refused(&refusal))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepReport {
    number: usize,
    conclusion: Conclusion,
}

async fn step(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    Strict(body): Strict<StepReport>,
) -> Reply {
    let mut world = shared.world();
    world
        .job_of_session(session(&headers)?, id)
        .map(|_| ())
        .and_then(|()| world.report_step(id, body.number, body.conclusion))
        .map_err(|refusal| refused(&refusal))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Tells a runner whether to go on: not if the run was cancelled, or the job was given up meanwhile.
async fn heartbeat(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Reply {
    let mut world = shared.look();
    let job = world.job_of_session(session(&headers)?, id).map_err(|refusal| refused(&refusal))?;
    let cancel = job.cancel_requested || job.status == Status::Completed;
    Ok(Json(json!({"cancel": cancel})).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Completion {
    conclusion: Conclusion,
}

async fn complete(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    Strict(body): Strict<Completion>,
) -> Reply {
    let mut world = shared.world();
    world
        .job_of_session(session(&headers)?, id)
        .map(|_| ())
        .and_then(|()| world.finish_job(id, body.conclusion))
        .map_err(|refusal| refused(&refusal))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn session(headers: &HeaderMap) -> Result<&str, Problem> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.strip_prefix("Bearer "));
    token.ok_or_else(|| refused(&Refusal::Unauthorized("a session is required")))
}
