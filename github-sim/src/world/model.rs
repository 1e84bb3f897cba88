//! What the world is made of: plain data, without behaviour that needs the rest of the world.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{Login, RepoSlug, Scope};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A user or an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// GitHub's numeric id.
    pub id: u64,
    /// The login in the case it was made with.
    pub login: Login,
    /// True if it is an organisation.
    pub is_org: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What [`World::add_repo`](super::World::add_repo) needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRepo {
    /// `owner/name`; the owner must exist.
    pub slug: RepoSlug,
    /// True if only members see it.
    pub private: bool,
    /// Files by path, as text.
    pub files: BTreeMap<String, String>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of GitHub's answer, in any combination"
)]
pub struct Repo {
    /// GitHub's numeric id.
    pub id: u64,
    /// `owner/name` in the case it was made with.
    pub slug: RepoSlug,
    /// True if only members see it.
    pub private: bool,
    /// True if it is a fork of another.
    pub fork: bool,
    /// Archived repositories are read-only and run no workflow.
    pub archived: bool,
    /// Disabled by GitHub's staff.
    pub disabled: bool,
    /// The branch all files are on.
    pub default_branch: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
    /// When its files last changed.
    pub pushed_at: Timestamp,
    /// Files by path.
    pub files: BTreeMap<String, String>,
    /// Ids of workflows by path; an id stays when the file is edited.
    pub workflow_ids: BTreeMap<String, u64>,
    /// How many runs it had, for `run_number`.
    pub runs_made: u64,
    /// Environments whose reviewers must approve a job before a runner may take it, in lower case.
    pub reviewed: BTreeSet<String>,
}

/// One run of one workflow file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// GitHub's numeric id.
    pub id: u64,
    /// Whose workflow it is.
    pub repo: RepoSlug,
    /// The workflow's name.
    pub name: String,
    /// The workflow file.
    pub path: String,
    /// The workflow's id.
    pub workflow_id: u64,
    /// 1 for a repository's first run.
    pub number: u64,
    /// What started it, for example `workflow_dispatch`.
    pub event: String,
    /// 1, and one more for every re-run.
    pub attempt: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its present attempt was made.
    pub started_at: Timestamp,
    /// The last time any of its jobs changed.
    pub updated_at: Timestamp,
    /// How it is shown while it is not completed, where that does not follow from its jobs.
    pub shown_as: Option<RunStatus>,
}

/// How a run is shown. (`GET /repos/{owner}/{repo}/actions/runs`, parameter and field `status`.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It was asked for, by another run or from outside.
    Requested,
    /// Somebody must let it go on, as the first run of a contributor's pull request.
    ActionRequired,
    /// It waits for a concurrency group, or a job of it does.
    Pending,
    /// A job of it waits for an approval, whatever the others do.
    Waiting,
    /// No job of it has begun.
    Queued,
    /// A job of it has begun.
    InProgress,
    /// Every job of it has ended.
    Completed,
}

impl RunStatus {
    /// As the REST API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::ActionRequired => "action_required",
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
        }
    }
}

/// Where a job stands. (`GET /repos/{owner}/{repo}/actions/jobs/{job_id}`, field `status`.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for the jobs in its `needs`, or for someone's approval; no runner may take it.
    Waiting,
    /// Waits for a runner.
    Queued,
    /// A runner has it.
    InProgress,
    /// It has a conclusion.
    Completed,
}

/// How a job ended. (`GET /repos/{owner}/{repo}/actions/jobs/{job_id}`, field `conclusion`.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Every step succeeded.
    Success,
    /// A step failed, or the runner was lost.
    Failure,
    /// Someone cancelled the run, or nobody took the job for a day.
    Cancelled,
    /// A job it needs did not succeed.
    Skipped,
}

impl Status {
    /// As the REST API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
        }
    }
}

impl Conclusion {
    /// As the REST API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A script for a shell.
    Run(String),
    /// A published action; logged and passed over, because there is nowhere to fetch it from.
    Uses(String),
}

/// One step of a job, as its workflow describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What the log calls it.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// The shell the workflow asks for; the runner's `sh` if not given.
    pub shell: Option<String>,
    /// Variables of this step alone.
    pub env: BTreeMap<String, String>,
    /// True if its failure leaves the job a success.
    pub continue_on_error: bool,
}

impl Step {
    /// A step that runs `script` with `sh`.
    pub fn run(script: impl Into<String>) -> Self {
        let script = script.into();
        let first = script.lines().next().unwrap_or_default();
        Self {
            name: format!("Run {first}"),
            action: Action::Run(script),
            shell: None,
            env: BTreeMap::new(),
            continue_on_error: false,
        }
    }
}

/// What a runner reported about one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// 1 for the first step of the workflow file.
    pub number: usize,
    /// How it ended.
    pub conclusion: Conclusion,
    /// When the step before it ended, or the runner took the job.
    pub started_at: Timestamp,
    /// When the runner ended it.
    pub completed_at: Timestamp,
}

/// Who took a job; it outlives the runner's registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taker {
    /// The runner's id.
    pub id: u64,
    /// The runner's name.
    pub name: String,
    /// The runner group's id.
    pub group_id: u64,
    /// The runner group's name.
    pub group_name: String,
}

/// A job as its workflow describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobSpec {
    /// The key under `jobs:`, which `needs` refers to; all variants of a matrix share it.
    pub key: String,
    /// What the run's page calls it.
    pub name: String,
    /// What a runner must have, in the case the workflow spells it.
    pub labels: Vec<String>,
    /// The runner group it asks for by name.
    pub group: Option<String>,
    /// Keys of the jobs it waits for.
    pub needs: Vec<String>,
    /// Runs even if a job it needs did not succeed (`if: always()`).
    pub always: bool,
    /// Never runs (`if: false`, or a reusable workflow, which is not simulated).
    pub never: bool,
    /// The environment it deploys to. Where that has reviewers, one must approve before a runner may take it.
    pub environment: Option<String>,
    /// Variables of every step: the workflow's and the job's `env`.
    pub env: BTreeMap<String, String>,
    /// What it does.
    pub steps: Vec<Step>,
}

impl JobSpec {
    /// Whether GitHub's own machines run it rather than a self-hosted runner.
    ///
    /// (GitHub docs, "Choosing the runner for a job": hosted labels start with the system's name.)
    pub fn is_hosted(&self) -> bool {
        let hosted = |label: &String| {
            let label = label.to_ascii_lowercase();
            ["ubuntu-", "windows-", "macos-"].iter().any(|system| label.starts_with(system))
        };
        self.group.is_none()
            && self.labels.iter().any(hosted)
            && !self.labels.iter().any(|label| label.eq_ignore_ascii_case("self-hosted"))
    }
}

/// True if someone must approve a job. (GitHub docs, "Managing environments for deployment", "Required reviewers".)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Nobody, or it was approved.
    Given,
    /// Someone must, once the jobs in its `needs` have ended.
    Needed,
    /// Someone was asked to.
    Asked,
}

/// A job of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// GitHub's numeric id; a re-run gives the job a new one.
    pub id: u64,
    /// The run it belongs to.
    pub run_id: u64,
    /// The attempt of the run it belongs to.
    pub attempt: u64,
    /// The repository it belongs to.
    pub repo: RepoSlug,
    /// What the workflow says.
    pub spec: JobSpec,
    /// Where it stands.
    pub status: Status,
    /// How it ended, once it has.
    pub conclusion: Option<Conclusion>,
    /// True if someone must approve it.
    pub approval: Approval,
    /// Who took it.
    pub taker: Option<Taker>,
    /// The session it was handed out to, which may report about it even after the registration has gone.
    pub session: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a runner could first take it.
    pub queued_at: Option<Timestamp>,
    /// When a runner took it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// Someone cancelled the run while a runner had the job; the runner learns of it with its next heartbeat.
    pub cancel_requested: bool,
    /// What the runner reported about steps.
    pub step_results: Vec<StepResult>,
    /// What the steps printed, one line per entry.
    pub log: Vec<String>,
}

/// A label of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerLabel {
    /// GitHub's numeric id.
    pub id: u64,
    /// The label, in lower case.
    pub name: String,
    /// Set by the runner itself (`self-hosted`, system, architecture) and not removable.
    pub read_only: bool,
}

/// How a runner is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// Over HTTP: it takes a job when it asks, and is lost when it is silent for too long.
    Session {
        /// What its requests carry.
        token: String,
        /// When it was last heard of.
        last_seen: Timestamp,
    },
    /// By [`World::connect_runner`](super::World::connect_runner): it takes a job as soon as one fits and is never silent.
    Direct,
}

/// A registered runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// GitHub's numeric id.
    pub id: u64,
    /// Unique within its scope.
    pub name: String,
    /// Where it is registered.
    pub scope: Scope,
    /// The system it reported, or `unknown` until it connects.
    pub os: String,
    /// What it offers.
    pub labels: Vec<RunnerLabel>,
    /// True if its registration ends with its first job.
    pub ephemeral: bool,
    /// Its runner group.
    pub group_id: u64,
    /// The job it has, if it is busy.
    pub job: Option<u64>,
    /// How it is connected; `None` is `offline`.
    pub connection: Option<Connection>,
    /// The secret of a just-in-time configuration that nobody used yet.
    pub jit_secret: Option<String>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Since when it is offline.
    pub offline_since: Timestamp,
}

impl Runner {
    /// True if it is connected.
    pub fn online(&self) -> bool {
        self.connection.is_some()
    }

    /// True if it has a job.
    pub fn busy(&self) -> bool {
        self.job.is_some()
    }
}

/// An enterprise: organisations under one roof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enterprise {
    /// GitHub's numeric id.
    pub id: u64,
    /// Its name in URLs, in lower case.
    pub slug: String,
    /// Its organisations.
    pub members: BTreeSet<Login>,
    /// Its runner groups, by id: names. All of its organisations may use them.
    pub groups: BTreeMap<u64, String>,
}

/// A runner group of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerGroup {
    /// GitHub's numeric id; 1 is the default group.
    pub id: u64,
    /// Its name, which `runs-on.group` refers to.
    pub name: String,
    /// The organisation it belongs to.
    pub org: Login,
    /// The ids of the only repositories whose jobs its runners may take; `None`: all of the organisation's.
    pub selected: Option<BTreeSet<u64>>,
    /// True if its runners may take jobs of public repositories. (GitHub's own default is no.)
    pub public: bool,
}

impl RunnerGroup {
    /// True if its runners may take jobs of this repository of its organisation.
    pub fn admits(&self, repo: &Repo) -> bool {
        let selected = self.selected.as_ref().is_none_or(|ids| ids.contains(&repo.id));
        selected && (self.public || repo.private)
    }
}
