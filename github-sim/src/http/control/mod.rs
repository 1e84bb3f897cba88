//! What people and tests speak, under `/_sim`: change the world, look at it, order faults. No credential is asked for,
//! which is why the program binds the loopback interface unless told otherwise.

mod state;
mod world;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use mayfly_common::problem::{FieldError, Problem};
use serde::Deserialize;
use serde_json::json;

use super::faults::Fault;
use super::protocol::Reply;
use super::shared::Shared;
use super::strict::Strict;

const ROUTES: &[(&str, &str)] = &[
    ("GET /_sim/", "this list"),
    ("GET /_sim/state", "everything there is: repositories, runs, jobs, runners, violations"),
    ("POST /_sim/orgs", "make an organisation: {login}"),
    (
        "POST /_sim/repos",
        "make a repository: {repo, private?, owner_type?: user|org, files?: {path: text}}",
    ),
    ("PUT /_sim/files", "write a file: {repo, path, text}"),
    ("DELETE /_sim/files", "remove a file: {repo, path}"),
    ("POST /_sim/dispatch", "run a workflow: {repo, workflow}"),
    ("POST /_sim/jobs", "queue one job: {repo, name, labels, steps?: [script], env?, group?}"),
    ("POST /_sim/demo", "dispatch the demo's workflows: {jobs}"),
    ("POST /_sim/runs/{id}/cancel", "cancel a run"),
    ("POST /_sim/runs/{id}/rerun", "run every job of a completed run again"),
    ("GET /_sim/jobs/{id}/log", "what a job's steps printed"),
    ("POST /_sim/runners/{name}/lose", "cut a runner off; its job fails"),
    (
        "POST /_sim/tokens",
        "add a token: {token, limit?}; from the first one on, only added tokens count",
    ),
    ("DELETE /_sim/tokens/{token}", "make a token worthless"),
    ("GET /_sim/counters", "requests to the REST API by method, route, status"),
    ("DELETE /_sim/counters", "start counting anew"),
    ("GET /_sim/faults", "the faults on order"),
    (
        "POST /_sim/faults",
        "order faults: {route, method?, times?, kind?: status|html|truncated|hang|slow, effect?: none|lost|duplicated, status?, body?, content_type?, headers?, delay_ms?}",
    ),
    ("DELETE /_sim/faults", "cancel all orders"),
    ("POST /_sim/reset", "an empty world, no faults, counters at nought"),
];

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_sim/", get(index))
        .route("/_sim", get(index))
        .route("/_sim/state", get(state::state))
        .route("/_sim/jobs/{id}/log", get(state::log))
        .route("/_sim/orgs", post(world::org))
        .route("/_sim/repos", post(world::repo))
        .route("/_sim/files", put(world::put_file).delete(world::delete_file))
        .route("/_sim/dispatch", post(world::dispatch))
        .route("/_sim/jobs", post(world::job))
        .route("/_sim/demo", post(world::demo))
        .route("/_sim/runs/{id}/cancel", post(world::cancel))
        .route("/_sim/runs/{id}/rerun", post(world::rerun))
        .route("/_sim/runners/{name}/lose", post(world::lose))
        .route("/_sim/reset", post(reset))
        .route("/_sim/tokens", post(add_token))
        .route("/_sim/tokens/{token}", axum::routing::delete(revoke_token))
        .route("/_sim/counters", get(counters).delete(clear_counters))
        .route("/_sim/faults", get(faults).post(add_fault).delete(clear_faults))
}

async fn index() -> Response {
    let routes: serde_json::Map<_, _> =
        ROUTES.iter().map(|&(route, what)| (route.to_owned(), what.into())).collect();
    Json(routes).into_response()
}

async fn reset(State(shared): State<Arc<Shared>>) -> Response {
    shared.world().reset();
    shared.faults().clear();
    *shared.observed() = super::observed::Observed::default();
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    token: String,
    limit: Option<u64>,
}

async fn add_token(State(shared): State<Arc<Shared>>, Strict(body): Strict<NewToken>) -> Reply {
    if body.token.is_empty() {
        let detail = "must not be empty".to_owned();
        return Err(Problem::invalid(vec![FieldError { pointer: "/token".to_owned(), detail }]));
    }
    shared.world().tokens.add(&body.token, body.limit);
    Ok(done())
}

async fn revoke_token(State(shared): State<Arc<Shared>>, Path(token): Path<String>) -> Response {
    shared.world().tokens.revoke(&token);
    done()
}

async fn counters(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.observed().counters()).into_response()
}

async fn clear_counters(State(shared): State<Arc<Shared>>) -> Response {
    *shared.observed() = super::observed::Observed::default();
    done()
}

async fn faults(State(shared): State<Arc<Shared>>) -> Response {
    Json(&*shared.faults()).into_response()
}

async fn add_fault(State(shared): State<Arc<Shared>>, Strict(fault): Strict<Fault>) -> Reply {
    let mistakes: Vec<FieldError> = fault
        .mistakes()
        .into_iter()
        .map(|(pointer, detail)| FieldError {
            pointer: pointer.to_owned(),
            detail: detail.to_owned(),
        })
        .collect();
    if !mistakes.is_empty() {
        return Err(Problem::invalid(mistakes));
    }
    shared.faults().push(fault);
    Ok((StatusCode::CREATED, Json(json!({}))).into_response())
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> Response {
    shared.faults().clear();
    done()
}

fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
