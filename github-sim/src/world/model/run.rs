//! A run of a workflow file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::RepoSlug;

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
