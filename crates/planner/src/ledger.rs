//! The ledger: every job known, whichever way it was learnt. What a webhook told and what GitHub listed is one row.
//!
//! Pure: no clock, no I/O. The working truth of the process about what waits; the store holds a copy that
//! outlives it.
//!
//! Invariants: a row only goes forward (docs: "Webhook events and payloads", deliveries are not in order); the same events in any
//! order and any number leave the same row; GitHub's list has the last word on what waits, except for what is too new for it. A job that
//! it goes on listing as queued waits again, whatever was known of it.

mod fact;
mod hearing;
mod learn;
mod questions;
mod row;
mod takers;
#[cfg(test)]
pub(crate) mod tests;
mod unanswered;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::JobStatus;

use crate::catalog::{Loss, Lost};
use mayfly_common::job::QueuedJob;
use questions::Asked;
use takers::Taker;

pub use fact::Fact;
pub use hearing::Hearing;
pub use questions::{Had, NoAnswer};
pub use row::Row;
pub use takers::{Looked, Ran, Search, Worker, ended_lately};
pub use unanswered::Unanswered;

/// How long GitHub's lists may lag behind its webhooks.
const LAG: SignedDuration = SignedDuration::from_secs(15);
/// GitHub ends a job that was queued for longer (docs: "Actions limits"). Since when it has been queued GitHub does not say: a job
/// can be made long before, and be queued when somebody approves it. So this counts from when it was last known to be queued.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);
/// How long a row that is over is kept, so that an event that comes late changes nothing.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// How long a job runs at most (docs: "Actions limits": five days on a self-hosted runner), and its end may take to be heard of.
const LONGEST_JOB: SignedDuration = SignedDuration::from_hours(5 * 24 + 1);

/// A job that was seen so soon after it was made was queued when it was made, as far as anybody can tell.
const SOON: SignedDuration = SignedDuration::from_mins(1);

/// Most rows. Known jobs keep their rows; further ones are added when others have ended, since GitHub still lists them.
const MOST: usize = 20_000;

/// Most changed rows that wait for a file that cannot be written.
const UNSAVED: usize = 10_000;

/// The latest job of a runner, as far as the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LatestJob {
    /// None is known. `asked`: true if GitHub was asked for one.
    Unknown {
        /// True if GitHub answered.
        asked: bool,
    },
    /// Nobody said that it ended. `asked`: true if this process asked GitHub.
    Open {
        /// True if GitHub answered.
        asked: bool,
    },
    /// It has ended, with this conclusion where that is known.
    Over(Option<String>),
}

/// All jobs known.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    rows: BTreeMap<i64, Row>,
    changed: BTreeSet<i64>,
    /// Jobs that have ended and were not told of as such yet.
    ended: BTreeSet<i64>,
    /// Jobs whose start or end is known only from what their runner printed.
    unconfirmed: BTreeSet<i64>,
    /// Jobs that were missing in a list that could not be read in full: each waits until GitHub says that it does not.
    doubted: BTreeSet<i64>,
    /// Jobs that GitHub lists as queued though they began, as far as anybody knew: each with when the first such list was read, if all
    /// since then say so.
    relisted: BTreeMap<i64, Timestamp>,
    /// Runners of ours whose job nobody knows, by name.
    takers: BTreeMap<String, Taker>,
    /// Jobs whose labels could not be read when GitHub last told of them.
    unread_labels: BTreeSet<i64>,
    /// Jobs of repositories that are gone, and those that waited in one that is not served any more: GitHub is not asked about them.
    gone: BTreeSet<i64>,
    /// Questions to GitHub, by job.
    asked: BTreeMap<i64, Asked>,
    /// The last time, by our clock, that all waiting jobs of a repository were read.
    polled_at: BTreeMap<RepoSlug, Timestamp>,
    /// GitHub's clock minus ours.
    skew: SignedDuration,
    /// True if there has been no room for a job since rows were last dropped.
    full: bool,
    /// What was heard by webhooks, and what was not.
    hearing: Hearing,
    /// Since when webhooks could have told of a job.
    listening: Timestamp,
}

impl Ledger {
    /// Nothing is known yet. From now on webhooks can tell of jobs.
    pub fn new(now: Timestamp) -> Self {
        Self { listening: now, ..Self::default() }
    }

    /// What was heard by webhooks, and what was not.
    pub fn hearing(&self) -> Hearing {
        self.hearing
    }

    /// These rows could not be kept: they are among those that changed until they can. Of very many, some are lost to the file.
    pub fn keep_later(&mut self, rows: &[Row]) {
        self.changed.extend(rows.iter().map(|row| row.id).filter(|id| self.rows.contains_key(id)));
        while self.changed.len() > UNSAVED {
            self.changed.pop_first();
        }
    }

    /// Sets GitHub's clock minus ours.
    pub fn set_skew(&mut self, skew: SignedDuration) {
        self.skew = skew;
    }

    /// Converts a time of our clock to GitHub's.
    fn theirs(&self, at: Timestamp) -> Timestamp {
        at.saturating_add(self.skew).unwrap_or(at)
    }

    /// The problem, if there is no room for all jobs that wait.
    pub fn problem(&self) -> Option<String> {
        let why = "more jobs wait than are kept in memory";
        self.full.then(|| {
            format!("{why} ({MOST}): those that came last are served once others have ended")
        })
    }

    /// True if there is room for one more row. Drops ended jobs first if it is full.
    fn has_room(&mut self) -> bool {
        if self.rows.len() < MOST {
            return true;
        }
        if !self.full {
            let changed = &self.changed;
            self.rows.retain(|id, row| {
                changed.contains(id) || row.waits() || row.status != JobStatus::Completed
            });
            self.full = self.rows.len() >= MOST;
        }
        !self.full
    }

    /// Takes in what an earlier process left.
    fn load(&mut self, rows: impl IntoIterator<Item = Row>) {
        self.rows.extend(rows.into_iter().map(|row| (row.id, row)));
    }

    /// The jobs that wait for a runner and of which `counts` holds, the oldest first.
    pub fn queued(&self, counts: impl Fn(&Row) -> bool) -> Vec<QueuedJob> {
        let mut queued: Vec<QueuedJob> = self
            .rows
            .values()
            .filter(|row| row.waits() && counts(row))
            .map(|row| QueuedJob {
                id: row.id,
                repo: row.repo.clone(),
                name: row.name.clone(),
                labels: row.labels.clone(),
                labels_unread: self.unread_labels.contains(&row.id),
                queued_at: row.queued_at,
            })
            .collect();
        queued.sort_by_key(|job| (job.queued_at, job.id));
        queued
    }

    /// The job of this id, if it is in memory.
    pub fn row(&self, id: i64) -> Option<&Row> {
        self.rows.get(&id)
    }

    /// Which pools runners are of: jobs that they took are told so.
    pub fn pools<'a>(&mut self, of: impl Fn(&str) -> Option<&'a str>) {
        for row in self.rows.values_mut().filter(|row| row.pool.is_none()) {
            let pool = row.runner.as_deref().and_then(&of);
            if let Some(pool) = pool {
                row.pool = Some(pool.to_owned());
                self.changed.insert(row.id);
            }
        }
    }

    /// The jobs that have ended since this was last asked, and of which it is known that a runner of ours had them. Those that GitHub
    /// is still asked for come later: their times are not known.
    pub fn take_ended(&mut self) -> Vec<Row> {
        let (rows, unconfirmed) = (&self.rows, &self.unconfirmed);
        let ours = |id: &i64| {
            !unconfirmed.contains(id) && rows.get(id).is_none_or(|row| row.pool.is_some())
        };
        let known: Vec<i64> = self.ended.iter().copied().filter(ours).collect();
        self.ended.retain(|id| !known.contains(id));
        known.into_iter().filter_map(|id| self.rows.get(&id).cloned()).collect()
    }

    /// When the job of each machine was over, where that is known. `machines`: the runners' names, and when each was made.
    pub fn over<'a>(
        &self,
        machines: impl Iterator<Item = (&'a str, Timestamp)>,
    ) -> BTreeMap<&'a str, Timestamp> {
        let rows = self.by_runner();
        let over = |(runner, made): (&'a str, Timestamp)| {
            let made = self.theirs(made);
            let rows = rows.get(runner)?.iter().filter(|row| !row.is_before(made));
            let ended = rows.filter(|row| row.status == JobStatus::Completed);
            Some((runner, ended.filter_map(|row| row.completed_at.or(row.told_at)).max()?))
        };
        machines.filter_map(over).collect()
    }

    /// The latest job of a runner whose machine was made at `created_at`.
    pub fn latest_job(&self, runner: &str, created_at: Timestamp) -> LatestJob {
        let made = self.theirs(created_at);
        let rows = self.rows.values().filter(|row| row.was_taken_by(runner, made));
        let Some(row) = rows.max_by_key(|row| (row.started_at, row.id)) else {
            let taker = self.takers.get(runner);
            return LatestJob::Unknown {
                asked: taker.is_some_and(|taker| taker.asked.is_answered()),
            };
        };
        if row.status == JobStatus::Completed && !self.unconfirmed.contains(&row.id) {
            return LatestJob::Over(row.conclusion.clone());
        }
        LatestJob::Open { asked: self.asked.get(&row.id).is_some_and(Asked::is_answered) }
    }

    /// When the latest job of each repository was queued.
    pub fn latest(&self) -> BTreeMap<RepoSlug, Timestamp> {
        let mut latest: BTreeMap<RepoSlug, Timestamp> = BTreeMap::new();
        for row in self.rows.values() {
            let at = latest.entry(row.repo.clone()).or_insert(row.queued_at);
            *at = (*at).max(row.queued_at);
        }
        latest
    }

    /// The repositories with jobs that wait, each with whether webhooks told of all of them.
    pub fn waiting_in(&self) -> BTreeMap<RepoSlug, bool> {
        let mut waiting = BTreeMap::new();
        for row in self.rows.values().filter(|row| row.waits()) {
            *waiting.entry(row.repo.clone()).or_insert(true) &= row.told_at.is_some();
        }
        waiting
    }

    /// True if it is not known whether the job waits: it is missing in GitHub's list, which could not be read in full, and GitHub has
    /// not answered yet.
    pub fn is_unsure(&self, id: i64) -> bool {
        self.doubted.contains(&id) && !self.asked.get(&id).is_some_and(Asked::is_answered)
    }

    /// True if a job of `repo` waits that is missing in GitHub's list, which could not be read in full.
    pub fn is_doubted(&self, repo: &RepoSlug) -> bool {
        let rows = self.doubted.iter().filter_map(|id| self.rows.get(id));
        rows.filter(|row| row.waits()).any(|row| row.repo == *repo)
    }

    /// The jobs that wait, by repository.
    pub fn waiting_jobs(&self) -> BTreeMap<RepoSlug, BTreeSet<i64>> {
        let mut waiting: BTreeMap<RepoSlug, BTreeSet<i64>> = BTreeMap::new();
        for row in self.rows.values().filter(|row| row.waits()) {
            waiting.entry(row.repo.clone()).or_default().insert(row.id);
        }
        waiting
    }

    /// A repository is not served any more, or not under the name that it had.
    fn lost(&mut self, lost: &Lost, now: Timestamp) {
        match lost.how {
            Loss::Unserved => self.forget(&lost.repo, now),
            Loss::Gone => self.gone(&lost.repo, now),
        }
    }

    /// The repository is not served any more, or not under this name: its jobs do not wait for us, whatever GitHub says of them.
    pub(super) fn forget(&mut self, repo: &RepoSlug, now: Timestamp) {
        self.polled_at.remove(repo);
        let of_it = self.rows.values_mut().filter(|row| row.repo == *repo);
        for row in of_it.filter(|row| row.status == JobStatus::Queued) {
            self.gone.insert(row.id);
            if row.left_at.is_none() {
                row.left_at = Some(now);
                self.changed.insert(row.id);
            }
        }
    }

    /// The repository is not there any more: its jobs wait for nothing, and GitHub cannot say what became of those that began.
    fn gone(&mut self, repo: &RepoSlug, now: Timestamp) {
        self.forget(repo, now);
        let of_it = self.rows.values().filter(|row| row.repo == *repo);
        let open = of_it
            .filter(|row| row.status < JobStatus::Completed || self.unconfirmed.contains(&row.id));
        self.gone.extend(open.map(|row| row.id));
    }

    /// These repositories have new names, by the old ones. A job keeps its id, and waits on.
    fn renamed(&mut self, names: &BTreeMap<RepoSlug, RepoSlug>) {
        for row in self.rows.values_mut() {
            if let Some(new) = names.get(&row.repo) {
                row.repo = new.clone();
                self.changed.insert(row.id);
            }
        }
    }

    /// Ends the wait of jobs that nobody has told of or listed for a day, and drops what is over for an hour, or
    /// has run for longer than a job can.
    pub fn prune(&mut self, now: Timestamp) {
        self.full = false;
        let silent = |row: &&mut Row| now.duration_since(row.seen_at) >= LONGEST_WAIT;
        for row in self.rows.values_mut().filter(|row| row.waits()).filter(silent) {
            row.left_at = Some(now);
            self.changed.insert(row.id);
        }
        let asked: BTreeSet<i64> =
            self.rows.values().filter(|row| self.is_open(row)).map(|row| row.id).collect();
        let changed = &self.changed;
        self.rows.retain(|id, row| {
            let over = row.status != JobStatus::Waiting && !row.waits();
            let kept = match row.status {
                // Nobody tells of a job while it runs.
                JobStatus::InProgress if !self.gone.contains(id) => LONGEST_JOB,
                // GitHub could not be asked for so long.
                _ if asked.contains(id) => LONGEST_WAIT,
                _ => KEPT,
            };
            !over || changed.contains(id) || now.duration_since(row.seen_at) < kept
        });
        let rows = &self.rows;
        self.doubted.retain(|id| rows.contains_key(id));
        self.gone.retain(|id| rows.contains_key(id));
        self.unread_labels.retain(|id| rows.contains_key(id));
        // What the runner said stands, where GitHub could not be asked for nearly as long as the row is kept.
        self.unconfirmed.retain(|id| {
            let row = rows.get(id);
            row.is_some_and(|row| now.duration_since(row.seen_at) < LONGEST_WAIT - KEPT)
        });
        self.asked.retain(|id, _| rows.contains_key(id));
        self.relisted.retain(|id, _| rows.contains_key(id));
        self.prune_takers(now);
    }

    /// The rows that changed since this was last asked.
    pub fn take_changed(&mut self) -> Vec<Row> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|id| self.rows.get(&id).cloned()).collect()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
