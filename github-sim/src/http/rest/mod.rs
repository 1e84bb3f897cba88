//! The REST API, in the order of GitHub's documentation.

mod accounts;
mod actions;
mod apps;
pub(crate) mod contents;
mod hooks;
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
        .route("/meta", get(accounts::meta))
        .route("/rate_limit", get(accounts::rate_limit))
        .route("/user", get(accounts::user))
        .route("/user/repos", get(accounts::user_repos))
        .route("/user/installations", get(apps::of_user))
        .route("/users/{username}/installation", get(apps::of_account))
        .route("/orgs/{org}", get(accounts::org))
        .route("/orgs/{org}/repos", get(accounts::org_repos))
        .route("/installation/repositories", get(accounts::installation_repos))
        .route("/app", get(apps::app))
        .route("/app/installations", get(apps::list))
        .route("/app/installations/{installation_id}", get(apps::one))
        .route("/app/installations/{installation_id}/access_tokens", post(apps::token))
        .route("/app/hook/config", get(hooks::app::config).patch(hooks::app::set_config))
        .route("/app/hook/deliveries", get(hooks::app::deliveries))
        .route("/app/hook/deliveries/{delivery_id}", get(hooks::app::delivery))
        .route("/app/hook/deliveries/{delivery_id}/attempts", post(hooks::app::attempt))
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
        .route("/repos/{owner}/{repo}/hooks", get(hooks::repo::list).post(hooks::repo::create))
        .route("/repos/{owner}/{repo}/hooks/{hook_id}", get(hooks::repo::one).delete(hooks::repo::delete))
        .route("/repos/{owner}/{repo}/hooks/{hook_id}/pings", post(hooks::repo::ping))
        .route("/repos/{owner}/{repo}/hooks/{hook_id}/deliveries", get(hooks::repo::deliveries))
        .route("/repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}", get(hooks::repo::delivery))
        .route("/repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}/attempts", post(hooks::repo::attempt))
        .route("/orgs/{org}/hooks", get(hooks::org::list).post(hooks::org::create))
        .route("/orgs/{org}/hooks/{hook_id}", get(hooks::org::one).delete(hooks::org::delete))
        .route("/orgs/{org}/hooks/{hook_id}/pings", post(hooks::org::ping))
        .route("/orgs/{org}/hooks/{hook_id}/deliveries", get(hooks::org::deliveries))
        .route("/orgs/{org}/hooks/{hook_id}/deliveries/{delivery_id}", get(hooks::org::delivery))
        .route("/orgs/{org}/hooks/{hook_id}/deliveries/{delivery_id}/attempts", post(hooks::org::attempt))
        .route("/orgs/{org}/actions/runner-groups", get(runners::groups))
        .route("/orgs/{org}/actions/runner-groups/{runner_group_id}", get(runners::group))
        .route("/enterprises/{enterprise}/actions/runners", get(runners::enterprise::list))
        .route("/enterprises/{enterprise}/actions/runners/downloads", get(runners::enterprise::downloads))
        .route("/enterprises/{enterprise}/actions/runners/generate-jitconfig", post(runners::enterprise::jit))
        .route("/enterprises/{enterprise}/actions/runners/registration-token", post(runners::enterprise::registration_token))
        .route("/enterprises/{enterprise}/actions/runners/remove-token", post(runners::enterprise::remove_token))
        .route("/enterprises/{enterprise}/actions/runners/{runner_id}", get(runners::enterprise::one).delete(runners::enterprise::delete))
        .route("/enterprises/{enterprise}/actions/runners/{runner_id}/labels", get(runners::enterprise::labels).post(runners::enterprise::add_labels).put(runners::enterprise::set_labels).delete(runners::enterprise::clear_labels))
        .route("/enterprises/{enterprise}/actions/runners/{runner_id}/labels/{name}", delete(runners::enterprise::remove_label))
        .route("/enterprises/{enterprise}/actions/runner-groups", get(runners::enterprise_groups))
}
