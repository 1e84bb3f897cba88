//! What people and tests speak, under `/_sim`: change the world, look at it, order faults. No credential is asked for,
//! which is why the program binds the loopback interface unless told otherwise.

mod app;
mod limits;
mod repos;
mod state;
mod world;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};
use axum::{Json, Router};
use http::StatusCode;
use mayfly_common::problem::{FieldError, Problem};
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
    (
        "POST /_sim/repos/bulk",
        "make many: {owner, owner_type?, prefix, count, private?, files?}; they are called prefix1, prefix2, …",
    ),
    (
        "PATCH /_sim/repos",
        "change a repository: {repo, name?, owner?, archived?, disabled?, private?, fork?, empty?}",
    ),
    ("DELETE /_sim/repos", "delete a repository: {repo}"),
    ("POST /_sim/repos/forks", "fork a repository: {repo, owner}"),
    ("POST /_sim/enterprises", "make an enterprise: {slug, organisations: [login]}"),
    ("PUT /_sim/files", "write a file: {repo, path, text}"),
    ("DELETE /_sim/files", "remove a file: {repo, path}"),
    ("POST /_sim/dispatch", "run a workflow: {repo, workflow}"),
    (
        "POST /_sim/jobs",
        "queue one job: {repo, name, labels, steps?: [script], env?, group?, environment?}; with an environment it waits for approval",
    ),
    ("POST /_sim/jobs/{id}/approve", "approve a job that waits for it"),
    ("POST /_sim/demo", "dispatch the demo's workflows: {jobs}"),
    (
        "PUT /_sim/groups",
        "make a runner group, or say whose jobs its runners may take: {org, name, repositories?: [full name] (all if not given), public?}",
    ),
    (
        "PUT /_sim/environments",
        "have jobs of workflows that deploy to an environment wait for approval: {repo, environment}",
    ),
    (
        "PUT /_sim/runs/{id}/shown",
        "have a run shown otherwise than its jobs stand: {status: requested|action_required|pending|waiting|queued|in_progress|null}",
    ),
    ("POST /_sim/runs/{id}/cancel", "cancel a run"),
    ("POST /_sim/runs/{id}/rerun", "run every job of a completed run again"),
    ("GET /_sim/jobs/{id}/log", "what a job's steps printed"),
    ("POST /_sim/runners/{name}/lose", "cut a runner off; its job fails"),
    (
        "POST /_sim/tokens",
        "add a token: {token, limit?, user?, scopes?: [scope] (classic), permissions?: {name: read|write|admin} with owner?, repositories?: [full name] (fine-grained)}; from the first one on, only added tokens count",
    ),
    ("DELETE /_sim/tokens/{token}", "make a token worthless"),
    (
        "PUT /_sim/limits",
        "what a token's holder has left: {token, resource: core|graphql, limit, remaining, reset_in_seconds}",
    ),
    (
        "PUT /_sim/limits/secondary",
        "secondary limits: {concurrent?, rest_points?, graphql_points?, content?, status?: 403|429, retry_after?}; those not given are off",
    ),
    ("DELETE /_sim/limits/secondary", "no secondary limits"),
    (
        "PATCH /_sim/settings",
        "{clock_offset_seconds?: how far GitHub's clock is ahead, listing_delay_seconds?: for how long new runners are missing from lists, delivery_timeout_ms?: how long a receiver has to answer, keeps_spent_runners?: whether the registration of an ephemeral runner stays listed offline once its job has ended, until it is deleted or a day has passed}",
    ),
    (
        "PATCH /_sim/app",
        "the App: {id?, client_id?, slug?, key?: PEM, permissions?, events?, token_lifetime_seconds?, installs_itself?}",
    ),
    ("PUT /_sim/app/hook", "where the App's events go: {url, secret?, content_type?: json|form}"),
    ("GET /_sim/installations", "where the App is installed"),
    (
        "POST /_sim/installations",
        "install the App: {account, repositories?: [full name], permissions?}",
    ),
    (
        "PATCH /_sim/installations/{id}",
        "{suspended?, repository_selection?: all|selected, repositories?, permissions?}",
    ),
    ("DELETE /_sim/installations/{id}", "end an installation"),
    ("GET /_sim/deliveries/faults", "the faults of deliveries on order"),
    (
        "POST /_sim/deliveries/faults",
        "order faults of deliveries: {kind: drop|lose|delay|duplicate|reorder|wrong_secret, hook?, event?, action?, times?, delay_ms?}",
    ),
    ("DELETE /_sim/deliveries/faults", "cancel all orders"),
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
        .route("/_sim/repos", post(world::repo).patch(repos::change).delete(repos::delete))
        .route("/_sim/repos/bulk", post(repos::bulk))
        .route("/_sim/repos/forks", post(repos::fork))
        .route("/_sim/enterprises", post(app::enterprise))
        .route("/_sim/jobs/{id}/approve", post(world::approve))
        .route("/_sim/app", patch(app::set))
        .route("/_sim/app/hook", put(app::hook))
        .route("/_sim/installations", get(app::installations).post(app::install))
        .route("/_sim/installations/{id}", patch(app::change).delete(app::uninstall))
        .route("/_sim/limits", put(limits::set))
        .route("/_sim/limits/secondary", put(limits::set_secondary).delete(limits::no_secondary))
        .route("/_sim/settings", patch(limits::settings))
        .route(
            "/_sim/deliveries/faults",
            get(app::delivery_faults)
                .post(app::add_delivery_fault)
                .delete(app::clear_delivery_faults),
        )
        .route("/_sim/files", put(world::put_file).delete(world::delete_file))
        .route("/_sim/dispatch", post(world::dispatch))
        .route("/_sim/jobs", post(world::job))
        .route("/_sim/demo", post(world::demo))
        .route("/_sim/groups", put(world::group))
        .route("/_sim/environments", put(world::require_review))
        .route("/_sim/runs/{id}/shown", put(world::show))
        .route("/_sim/runs/{id}/cancel", post(world::cancel))
        .route("/_sim/runs/{id}/rerun", post(world::rerun))
        .route("/_sim/runners/{name}/lose", post(world::lose))
        .route("/_sim/reset", post(reset))
        .route("/_sim/tokens", post(limits::add))
        .route("/_sim/tokens/{token}", delete(limits::revoke))
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
        return Err(Problem::invalid(mistakes).into());
    }
    shared.faults().push(fault);
    Ok((StatusCode::CREATED, Json(json!({}))).into_response())
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> Response {
    shared.faults().clear();
    done()
}

/// 422 that names the field.
fn wrong(pointer: &str, why: impl std::fmt::Display) -> Problem {
    let error = FieldError { pointer: pointer.to_owned(), detail: why.to_string() };
    Problem::invalid(vec![error])
}

fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
