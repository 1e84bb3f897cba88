//! `GET /api/v1/runners` and what it answers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::BackendName;
use crate::runner::RunnerState;
use crate::scope::ScopeKind;

/// Most runners on one page, as at GitHub.
pub const MAX_PER_PAGE: u32 = 100;

/// One runner as the API shows it. No credential is ever part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Runner {
    /// Identifies the runner; the same as its name.
    pub id: String,
    /// The runner's name at GitHub and its container's name.
    pub name: String,
    /// `default` for runners the platform starts for jobs, `manual` for those asked for through the API.
    pub pool: String,
    /// The name of the backend that its machine is on.
    #[serde(default = "docker")]
    pub backend: String,
    /// Where it registers.
    pub scope: ScopeKind,
    /// `owner/repo`, the organisation's login or the enterprise's slug.
    pub scope_name: String,
    /// The runner's labels, in lower case.
    pub labels: Vec<String>,
    /// Where it is in its life.
    pub state: RunnerState,
    /// Why it is in that state, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The container's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The image it runs.
    pub image: String,
    /// The registration's id at GitHub, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github_runner_id: Option<i64>,
    /// When the container was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it will be removed even if it still runs.
    #[schema(value_type = String, format = DateTime)]
    pub deadline: Timestamp,
}

/// The backend of runners of which an older orchestrator tells.
fn docker() -> String {
    BackendName::default().to_string()
}

/// A page of runners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunnerList {
    /// How many runners match, on all pages.
    #[schema(minimum = 0)]
    pub total_count: usize,
    /// The runners of this page, oldest first.
    pub runners: Vec<Runner>,
}

/// What `GET /api/v1/runners` filters and pages by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only runners of this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RunnerState>,
    /// Only runners of this kind of scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeKind>,
    /// Only runners of this repository, organisation or enterprise (compared without case).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 140)]
    pub scope_name: Option<String>,
    /// Which page, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1_000_000)]
    pub page: Option<u32>,
    /// How many runners a page holds, 1 to 100; 30 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 100)]
    pub per_page: Option<u32>,
}

/// The query of `DELETE /api/v1/runners/{id}`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams,
)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeleteQuery {
    /// With `true`, the runner is removed even while it executes a job, which then fails, or while GitHub does not answer.
    #[serde(default)]
    #[param(required = false)]
    pub force: bool,
}

/// The query of `POST /api/v1/runners/cleanup`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams,
)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CleanupQuery {
    /// With `true`, only say what would be done.
    #[serde(default)]
    #[param(required = false)]
    pub dry_run: bool,
}

/// The answer to `DELETE /api/v1/runners/{id}?force=true` where GitHub did not delete the registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RegistrationLeft {
    /// The runner, whose container is removed.
    pub id: String,
    /// What becomes of its registration.
    pub detail: String,
}

impl RegistrationLeft {
    /// The answer for the runner `id`.
    pub fn of(id: String) -> Self {
        let detail = "The container is removed. GitHub did not delete the registration; it is deleted \
            when GitHub has listed the runner as offline for RUNNER_REGISTRATION_TIMEOUT.";
        Self { id, detail: detail.to_owned() }
    }
}

/// What a runner printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunnerLogs {
    /// The runner.
    pub id: String,
    /// The last lines of standard output and standard error, at most 8 KiB of each, with known credentials blotted out.
    pub logs: String,
}

/// True if `runner` passes the filter of `query`.
pub fn matches(query: &ListQuery, runner: &Runner) -> bool {
    query.state.is_none_or(|state| state == runner.state)
        && query.scope.is_none_or(|scope| scope == runner.scope)
        && query
            .scope_name
            .as_ref()
            .is_none_or(|name| name.eq_ignore_ascii_case(&runner.scope_name))
}

impl RunnerList {
    /// The page of `runners` that `query` asks for.
    pub fn page(runners: Vec<Runner>, query: &ListQuery) -> Self {
        let matching: Vec<Runner> =
            runners.into_iter().filter(|runner| matches(query, runner)).collect();
        let total_count = matching.len();
        let size = query.per_page.unwrap_or(30).clamp(1, MAX_PER_PAGE) as usize;
        let skip = (query.page.unwrap_or(1).max(1) as usize - 1).saturating_mul(size);
        Self { total_count, runners: matching.into_iter().skip(skip).take(size).collect() }
    }
}

#[cfg(test)]
mod tests;
