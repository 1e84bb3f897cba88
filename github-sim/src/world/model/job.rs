//! A job: what its workflow says, and what became of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::RepoSlug;

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
