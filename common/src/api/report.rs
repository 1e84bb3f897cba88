//! Status, health, configuration and clean-up answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::scope::ScopeKind;

/// What the last reconcile pass saw and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PassReport {
    /// When the pass began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How many passes there have been since the start, this one included.
    pub number: u64,
    /// Repositories known.
    pub repositories: usize,
    /// Repositories whose workflows have jobs for self-hosted runners.
    pub self_hosted_repositories: usize,
    /// Queued jobs that our labels cover.
    pub queued_jobs: usize,
    /// Queued jobs that our labels do not cover.
    pub unmet: Vec<UnmetJob>,
    /// Runners started.
    pub launched: usize,
    /// Containers removed.
    pub removed: usize,
    /// Registrations deleted.
    pub deregistered: usize,
    /// The first error of GitHub as a whole in this pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github_error: Option<String>,
    /// Errors that concern one account at GitHub only, such as a suspended installation of the App; the others are served.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub github_accounts: BTreeMap<String, String>,
    /// What waits for a rate limit, or because GitHub did not answer another request in time, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Actions that failed, and readings that could not be taken, in words.
    pub problems: Vec<String>,
}

/// A queued job that no runner of ours may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UnmetJob {
    /// The job's id at GitHub.
    pub job_id: i64,
    /// `owner/repo`.
    pub repository: String,
    /// The job's name.
    pub job: String,
    /// Why it gets no runner.
    pub reason: String,
}

/// A runner that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = FinishedRunner)]
pub struct Finished {
    /// The runner's name.
    pub name: String,
    /// Where it was registered.
    pub scope: ScopeKind,
    /// `owner/repo`, the organisation's login or the enterprise's slug.
    pub scope_name: String,
    /// Its pool.
    #[serde(default)]
    pub pool: String,
    /// The image it ran.
    #[serde(default)]
    pub image: String,
    /// `finished` if it ran a job, `failed`, or `gone` if nobody needed it any more.
    pub state: crate::runner::RunnerState,
    /// Why it ended, in words.
    pub reason: String,
    /// The container's exit code, if it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// True if the kernel killed one of its processes because memory ran out.
    pub out_of_memory: bool,
    /// When the container was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was removed.
    #[schema(value_type = String, format = DateTime)]
    pub removed_at: Timestamp,
    /// The last 200 lines it printed; only where one runner is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// `GET /api/v1/finished-runners`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FinishedList {
    /// How many match, on all pages.
    #[schema(minimum = 0)]
    pub total_count: u64,
    /// Those of this page, the latest first, without their logs.
    pub runners: Vec<Finished>,
}

/// The query of `GET /api/v1/finished-runners`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FinishedQuery {
    /// Only those of this pool.
    #[param(max_length = 32, example = "default")]
    pub pool: Option<String>,
    /// Only those that ended so: `finished`, `failed` or `gone`.
    pub state: Option<crate::runner::RunnerState>,
    /// Only those of this repository, organisation or enterprise.
    #[param(max_length = 140, example = "octo-org/octo-repo")]
    pub scope_name: Option<String>,
    /// Which page, from 1.
    #[param(minimum = 1, maximum = 1_000_000)]
    pub page: Option<u32>,
    /// How many on a page.
    #[param(minimum = 1, maximum = 100)]
    pub per_page: Option<u32>,
}

/// `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Status {
    /// The version of the orchestrator.
    pub version: String,
    /// The id of this installation, whose machines the orchestrator manages.
    #[serde(rename = "instance")]
    pub installation: String,
    /// True if runners are started for queued jobs.
    pub auto_create: bool,
    /// Since when the platform drains, if it does: nothing new is started, waiting runners leave, busy ones finish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub draining_since: Option<Timestamp>,
    /// Most runners at a time.
    pub max_runners: usize,
    /// Labels of the runners started for jobs.
    pub labels: Vec<String>,
    /// The runners' image.
    pub image: String,
    /// Describes whether the image can be used.
    pub image_state: String,
    /// How many runners there are in each state.
    pub runners: BTreeMap<String, usize>,
    /// Scopes for which starting runners is put off after failures: scope to reason.
    pub held_back: BTreeMap<String, String>,
    /// How things stand with GitHub.
    pub github: GitHubStatus,
    /// The last pass.
    pub last_pass: PassReport,
    /// The latest runners that are gone, newest first.
    pub finished: Vec<Finished>,
}

/// How things stand with GitHub: what was asked, what may be asked, when it is asked next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GitHubStatus {
    /// Requests sent since the start.
    pub requests: u64,
    /// How many of them found nothing new (304) and cost nothing of the hour's requests.
    pub unchanged: u64,
    /// The hour's requests of every account used, as GitHub last told.
    pub limits: Vec<LimitStatus>,
    /// Why looking for repositories and workflows waits, and until when, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery_waits: Option<String>,
    /// When GitHub is next asked for repositories and jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_check: Option<Timestamp>,
    /// How many repositories are not served, by the reason.
    pub not_served: BTreeMap<String, usize>,
    /// Seconds that GitHub's clock is ahead of ours.
    pub clock_skew_seconds: i64,
    /// Describes whether webhooks report jobs.
    pub webhooks: String,
    /// Describes whether the job ledger's file can be written.
    pub ledger: String,
}

/// What is left of an hour's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LimitStatus {
    /// Whose: `token`, `app` or `installation <id>`.
    pub account: String,
    /// Which: `core` (REST) or `graphql`.
    pub resource: String,
    /// Requests (GraphQL: points) an hour.
    pub limit: u64,
    /// How many are left.
    pub remaining: u64,
    /// When the hour ends.
    #[schema(value_type = String, format = DateTime)]
    pub reset: Timestamp,
}

/// The health of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// All is well.
    Healthy,
    /// It runs, and something it needs does not.
    Degraded,
    /// It got its stop signal, finishes what it began, and takes nothing new.
    ShuttingDown,
}

/// `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Health {
    /// The service's own verdict.
    pub status: HealthStatus,
    /// `api-gateway` or `orchestrator`.
    pub service: String,
    /// The version of this build.
    pub version: String,
    /// What it depends on: name to state, in words.
    pub dependencies: BTreeMap<String, String>,
    /// At the orchestrator: how many seconds ago `docker` and `github` last answered. One that has not answered yet is absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answered_seconds_ago: BTreeMap<String, u64>,
    /// At the gateway: the orchestrator's own answer, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub orchestrator: Option<Box<Self>>,
}

/// `POST /api/v1/runners/cleanup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CleanupReport {
    /// True if only the plan was made.
    pub dry_run: bool,
    /// How many things there were to clean.
    pub total: usize,
    /// How many were cleaned.
    pub cleaned: usize,
    /// How many could not be; the next pass tries again.
    pub failed: usize,
    /// What was, or would be, done, in words.
    pub actions: Vec<String>,
    /// What could not be looked at or done, in words.
    pub problems: Vec<String>,
}

/// `GET /api/v1/config/info`: names, never values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfigInfo {
    /// The runners' image.
    pub runner_image: String,
    /// How many `runnerenv_` variables there are.
    pub total_variables: usize,
    /// Their names, without the prefix.
    pub variable_names: Vec<String>,
    /// True if there are any.
    pub has_configuration: bool,
    /// How many placeholders a template may use.
    pub available_placeholders: usize,
    /// The value of `{orchestrator_id}`.
    pub orchestrator_id: String,
    /// `jit` or `token`: how runners register.
    pub registration: String,
}

/// `GET /api/v1/config/validate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfigValidation {
    /// True if there is no error. A running orchestrator has none: it would not have started.
    pub valid: bool,
    /// What is wrong.
    pub errors: Vec<String>,
    /// What is doubtful.
    pub warnings: Vec<String>,
    /// What would be better.
    pub recommendations: Vec<String>,
}

/// `GET /api/v1/config/placeholders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfigPlaceholders {
    /// How many there are.
    pub total_placeholders: usize,
    /// Placeholder, with its braces, to description.
    pub placeholders: BTreeMap<String, String>,
}
