//! What is known of one job.

use jiff::Timestamp;
use mayfly_common::label::LabelSet;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::JobStatus;

use super::LONGEST_WAIT;

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// GitHub's id.
    pub id: i64,
    /// Where.
    pub repo: RepoSlug,
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub labels: LabelSet,
    /// How it stands, as far as we were told.
    pub status: JobStatus,
    /// `success`, `failure`, … once completed.
    pub conclusion: Option<String>,
    /// When it was queued; where that is not known, when it was first known to be.
    pub queued_at: Timestamp,
    /// True if it is known when it was queued. GitHub says only when it was made, which can be long before: an approval, a
    /// concurrency group. So it is known where a job was seen soon after it was made.
    pub queue_known: bool,
    /// When a runner took it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// The runner that took it.
    pub runner: Option<String>,
    /// That runner's pool.
    pub pool: Option<String>,
    /// When a webhook last told of it; none if only GitHub's list did.
    pub told_at: Option<Timestamp>,
    /// When it was first missing from GitHub's list of waiting jobs without a report that it began.
    pub left_at: Option<Timestamp>,
    /// When anything was last learnt of it.
    pub seen_at: Timestamp,
}

impl Row {
    /// A job that is heard of for the first time, at `seen_at`: it was queued at `queued_at` by GitHub's clock, as far as is known.
    pub fn new(
        id: i64,
        repo: RepoSlug,
        name: String,
        labels: LabelSet,
        (status, queued_at): (JobStatus, Timestamp),
        seen_at: Timestamp,
    ) -> Self {
        Self {
            id,
            repo,
            name,
            labels,
            status,
            conclusion: None,
            queued_at,
            queue_known: false,
            started_at: None,
            completed_at: None,
            runner: None,
            pool: None,
            told_at: None,
            left_at: None,
            seen_at,
        }
    }

    /// True if it waits for a runner, as far as is known. However old it is: GitHub's list has the last word.
    pub fn waits(&self) -> bool {
        self.status == JobStatus::Queued && self.left_at.is_none()
    }

    /// When it was queued, if that is known.
    pub fn queued(&self) -> Option<Timestamp> {
        self.queue_known.then_some(self.queued_at)
    }

    /// Takes in that it was made at `made` and, `moment`, was known to be queued, or had been.
    pub(super) fn seen_queued(&mut self, made: Option<Timestamp>, moment: Timestamp, soon: bool) {
        if let (Some(made), true) = (made, soon) {
            (self.queued_at, self.queue_known) = (made, true);
        } else if !self.queue_known {
            let earlier = self.status > JobStatus::Waiting && self.queued_at < moment;
            self.queued_at = if earlier { self.queued_at } else { moment };
        }
    }

    /// True if it left the queue unseen: neither a webhook nor a list has shown it for as long as GitHub lets a job wait.
    pub fn expired(&self) -> bool {
        self.left_at.is_some_and(|at| at.duration_since(self.seen_at) >= LONGEST_WAIT)
    }
}
