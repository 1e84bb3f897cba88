//! Jobs that wait for a runner.

use jiff::Timestamp;

use crate::label::LabelSet;
use crate::scope::RepoSlug;
use crate::webhook::EventJob;

/// A job that waits for a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedJob {
    /// GitHub's id.
    pub id: i64,
    /// The repository.
    pub repo: RepoSlug,
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub labels: LabelSet,
    /// True if GitHub sent labels that could not be read.
    pub labels_unread: bool,
    /// When it was queued, as far as is known. As GitHub lists it: when it was made.
    pub queued_at: Timestamp,
}

/// The jobs of a repository that wait for a runner, as GitHub lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueuedJobs {
    /// Those that could be read.
    pub list: Vec<QueuedJob>,
    /// True if those are all; otherwise one that is missing here may still wait.
    pub whole: bool,
    /// Jobs of the same runs that runners have or had.
    pub taken: Vec<EventJob>,
}
