//! What GitHub is asked about single jobs: what became of those that left the queue or ended without anybody telling. Pure.
//!
//! One request when a job leaves the queue tells its runner and when it began, or that it was cancelled; one when its runner has
//! ended tells when it ended, and how. A job of somebody else's runner is asked for again now and then.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::{EventJob, JobStatus};

use super::{LAG, Ledger, Row};
use crate::backoff::doubled;
use crate::pool_choice::is_hosted;

/// Most questions of one pass.
const AT_ONCE: usize = 20;
/// How often GitHub is asked what became of a job, before that stays unknown.
const TRIES: u32 = 8;
/// How long a delivery of a job that its runner has ended may take.
const DELIVERY: SignedDuration = SignedDuration::from_secs(30);
/// The wait between the first two questions about a job; doubled by each further one.
const FIRST: SignedDuration = SignedDuration::from_secs(10);
/// The longest such wait.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);
/// The wait between questions about the job of a runner whose container is there and which GitHub lists as offline or not at all.
const OFFLINE: SignedDuration = SignedDuration::from_mins(1);

/// Questions to GitHub about one job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Questions that it answered.
    answers: u32,
    /// Questions since then that did not reach it.
    failures: u32,
    /// Answers in a row, the last ones, that there is no such job.
    unknown: u32,
    /// The time of the last one, or from which the first one may be asked.
    at: Timestamp,
}

impl Asked {
    /// It was not asked yet, and need not be before a delivery of `now` could be here.
    pub(super) fn before(now: Timestamp) -> Self {
        Self { answers: 0, failures: 0, unknown: 0, at: now }
    }

    /// True if it answered any.
    pub(super) fn is_answered(&self) -> bool {
        self.answers > 0
    }

    /// GitHub answered one.
    pub(super) fn answered(&mut self, now: Timestamp) {
        *self = Self { answers: self.answers.saturating_add(1), ..Self::before(now) };
    }

    /// One did not reach GitHub.
    pub(super) fn failed(&mut self, now: Timestamp) {
        (self.failures, self.at) = (self.failures.saturating_add(1), now);
    }

    /// One was not sent: that is no failure that makes the next wait longer.
    pub(super) fn put_off(&mut self, now: Timestamp) {
        (self.failures, self.at) = (self.failures.max(1), now);
    }

    /// When the first one that GitHub answers may be asked. `told`: whether webhooks tell of jobs.
    pub(super) fn due_at(&self, told: bool) -> Timestamp {
        let wait = match self.failures {
            0 if told => DELIVERY,
            0 => LAG,
            failures => wait(failures),
        };
        self.at.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// True if that is now. A moment that lies ahead is from before the clock was set back.
    pub(super) fn is_due(&self, told: bool, now: Timestamp) -> bool {
        self.at > now || self.due_at(told) <= now
    }
}

/// The state of the runner that a job had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Had {
    /// It is there, and may be at work: as long as it is, its job is not over.
    AtWork,
    /// Its container is there, and GitHub lists it as offline or not at all: its job may be over.
    Offline,
    /// It is not there.
    Gone,
}

/// Why GitHub does not say what became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// It knows no such job.
    NoSuchJob,
    /// It does not say, or not so that it could be read.
    Unclear,
    /// It could not be asked.
    Unreachable,
}

/// The wait after so many questions.
fn wait(times: u32) -> SignedDuration {
    if times == 0 {
        return DELIVERY;
    }
    doubled(FIRST, LONGEST, times)
}

impl Ledger {
    /// The jobs to ask GitHub about now. `had`: the state of the runner, by its name, that had a job.
    pub fn questions(
        &self,
        had: impl Fn(&str, &Row) -> Had,
        now: Timestamp,
    ) -> Vec<(RepoSlug, i64)> {
        let had = |row: &Row| row.runner.as_deref().map_or(Had::Gone, |runner| had(runner, row));
        let open = |row: &&Row| {
            let told = row.told_at.is_some_and(|at| now.duration_since(at) < LAG);
            // Webhooks tell the end of what they told the beginning of; of our own runners we know better.
            let runs = row.status == JobStatus::InProgress
                && (row.told_at.is_none() || row.pool.is_some())
                && had(row) != Had::AtWork;
            let doubted = row.waits() && self.doubted.contains(&row.id);
            // GitHub has no such job: it ended with its run or its repository, or is not shown to us.
            let unknown = self.asked.get(&row.id).is_some_and(|asked| asked.unknown >= TRIES);
            let gone = unknown || self.gone.contains(&row.id);
            !told && !gone && (self.is_open(row) || (is_ours(row) && (runs || doubted)))
        };
        let due = |row: &&Row| match self.asked.get(&row.id) {
            None => true,
            // A moment that lies ahead is from before the clock was set back.
            Some(Asked { answers, failures, unknown, at }) => {
                let times = answers.saturating_add(*failures);
                let wait = match had(row) {
                    // Its container is kept for this job only, which is worth a question a minute, if there is an answer.
                    Had::Offline => OFFLINE.max(wait(*unknown)),
                    Had::AtWork | Had::Gone => wait(times),
                };
                *at > now || now.duration_since(*at) >= wait
            }
        };
        let questions = self.rows.values().filter(open).filter(due).take(AT_ONCE);
        questions.map(|row| (row.repo.clone(), row.id)).collect()
    }

    /// True if GitHub is still to be asked what became of a job that left the queue or ended.
    pub(super) fn is_open(&self, row: &Row) -> bool {
        let left = row.status == JobStatus::Queued && row.left_at.is_some() && !row.expired();
        let answers = self.asked.get(&row.id).map_or(0, |asked| asked.answers);
        is_ours(row)
            && (left || self.unconfirmed.contains(&row.id))
            && answers < TRIES
            && !self.gone.contains(&row.id)
    }

    /// What GitHub says of a job that it was asked about.
    pub(crate) fn found(&mut self, job: &EventJob, now: Timestamp) {
        let Some(row) = self.rows.get(&job.id) else { return };
        let (repo, before) = (row.repo.clone(), row.status);
        self.learn(&repo, job, now);
        self.count_question(job.id, now);
        if let Some(row) = self.rows.get_mut(&job.id) {
            if row.status != before {
                self.asked.insert(job.id, Asked { answers: 1, ..Asked::before(now) });
            }
            if job.status == JobStatus::Queued && row.status == JobStatus::Queued {
                row.left_at = None;
            }
        }
    }

    /// GitHub was asked about a job and does not say what became of it.
    pub(crate) fn no_answer(&mut self, id: i64, why: NoAnswer, now: Timestamp) {
        if why == NoAnswer::Unreachable {
            self.asked.entry(id).or_insert(Asked::before(now)).failed(now);
            return;
        }
        let unknown = self.asked.get(&id).map_or(0, |asked| asked.unknown);
        self.count_question(id, now);
        if let (NoAnswer::NoSuchJob, Some(asked)) = (why, self.asked.get_mut(&id)) {
            asked.unknown = unknown.saturating_add(1);
        }
        // No list will ever say so.
        if why == NoAnswer::NoSuchJob
            && self.doubted.remove(&id)
            && let Some(row) = self.rows.get_mut(&id).filter(|row| row.waits())
        {
            row.left_at = Some(now);
            self.changed.insert(id);
        }
    }

    fn count_question(&mut self, id: i64, now: Timestamp) {
        let asked = self.asked.entry(id).or_insert(Asked::before(now));
        asked.answered(now);
        // What the runner said stands, then.
        if asked.answers >= TRIES {
            self.unconfirmed.remove(&id);
        }
    }
}

/// True if it may be a job of ours: GitHub's own machines have the others.
pub(super) fn is_ours(row: &Row) -> bool {
    row.pool.is_some() || !is_hosted(&row.labels)
}

#[cfg(test)]
mod tests;
