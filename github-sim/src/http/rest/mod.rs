//! The REST API, in the order of GitHub's documentation.

mod accounts;
mod actions;
mod apps;
mod contents;
mod runners;
pub(crate) mod sha;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};

use super::shared::Shared;

/// Every route of GitHub's that is served.
#[rustfmt::skip]
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(accounts::root))
        .route("/rate_limit", get(accounts::rate_limit))
        .route("/user", get(accounts::user))
        .route("/user/repos", get(accounts::user_repos))
        .route("/orgs/{org}", get(accounts::org))
        .route("/orgs/{org}/repos", get(accounts::org_repos))
        .route("/installation/repositories", get(accounts::installation_repos))
        .route("/app", get(apps::app))
        .route("/app/installations", get(apps::list))
        .route("/app/installations/{installation_id}", get(apps::one))
        .route("/app/installations/{installation_id}/access_tokens", post(apps::token))
        .route("/orgs/{org}/installation", get(apps::of_org))
        .route("/repos/{owner}/{repo}/installation", get(apps::of_repo))
        .route("/repos/{owner}/{repo}", get(accounts::repo))
        .route("/repos/{owner}/{repo}/contents/{*path}", get(contents::contents))
        .route("/repos/{owner}/{repo}/contents/", get(contents::root))
        .route("/repos/{owner}/{repo}/git/trees/{tree_sha}", get(contents::tree))
        .route("/repos/{owner}/{repo}/actions/workflows", get(actions::workflows))
        .route("/repos/{owner}/{repo}/actions/workflows/{workflow_id}", get(actions::workflow))
        .route("/repos/{owner}/{repo}/actions/runs", get(actions::runs))
        .route("/repos/{owner}/{repo}/actions/runs/{run_id}", get(actions::run))
        .route("/repos/{owner}/{repo}/actions/runs/{run_id}/jobs", get(actions::run_jobs))
        .route("/repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs", get(actions::attempt_jobs))
        .route("/repos/{owner}/{repo}/actions/jobs/{job_id}", get(actions::job))
        .route("/repos/{owner}/{repo}/actions/runners", get(runners::repo::list))
        .route("/repos/{owner}/{repo}/actions/runners/downloads", get(runners::repo::downloads))
        .route("/repos/{owner}/{repo}/actions/runners/generate-jitconfig", post(runners::repo::jit))
        .route("/repos/{owner}/{repo}/actions/runners/registration-token", post(runners::repo::registration_token))
        .route("/repos/{owner}/{repo}/actions/runners/remove-token", post(runners::repo::remove_token))
        .route("/repos/{owner}/{repo}/actions/runners/{runner_id}", get(runners::repo::one).delete(runners::repo::delete))
        .route("/repos/{owner}/{repo}/actions/runners/{runner_id}/labels", get(runners::repo::labels).post(runners::repo::add_labels).put(runners::repo::set_labels).delete(runners::repo::clear_labels))
        .route("/repos/{owner}/{repo}/actions/runners/{runner_id}/labels/{name}", delete(runners::repo::remove_label))
        .route("/orgs/{org}/actions/runners", get(runners::org::list))
        .route("/orgs/{org}/actions/runners/downloads", get(runners::org::downloads))
        .route("/orgs/{org}/actions/runners/generate-jitconfig", post(runners::org::jit))
        .route("/orgs/{org}/actions/runners/registration-token", post(runners::org::registration_token))
        .route("/orgs/{org}/actions/runners/remove-token", post(runners::org::remove_token))
        .route("/orgs/{org}/actions/runners/{runner_id}", get(runners::org::one).delete(runners::org::delete))
        .route("/orgs/{org}/actions/runners/{runner_id}/labels", get(runners::org::labels).post(runners::org::add_labels).put(runners::org::set_labels).delete(runners::org::clear_labels))
        .route("/orgs/{org}/actions/runners/{runner_id}/labels/{name}", delete(runners::org::remove_label))
        .route("/orgs/{org}/actions/runner-groups", get(runners::groups))
        .route("/orgs/{org}/actions/runner-groups/{runner_group_id}", get(runners::group))
}
