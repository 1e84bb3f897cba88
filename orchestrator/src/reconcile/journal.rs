//! What happened, as events: told by comparing what a pass saw with what the one before it saw.
//!
//! Invariants: an id is greater than every earlier one, also when the file is lost or the clock is set back; what cannot be
//! written now is written later, up to [`UNSAVED`] events; a restart tells nothing twice, because what is first seen is not news.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mayfly_common::api::{Event, EventKind, Finished, Runner};
use mayfly_common::foreign_text::{message, name};
use mayfly_common::runner::RunnerState;
use mayfly_common::webhook::JobStatus;
use tokio::sync::watch;

use super::problems::Changes;
use mayfly_planner::Launch;
use mayfly_planner::ledger::Row;
use mayfly_planner::left_runners::LeftRunner;
use mayfly_planner::pool_choice::is_hosted;
use mayfly_store::{News, Store, StoreError};

/// Most events, and most runners that are gone, that wait for a file that cannot be written.
const UNSAVED: usize = 1_000;

/// Tells of what changes.
pub(super) struct Journal {
    last_id: i64,
    runners: Option<BTreeMap<String, RunnerState>>,
    pools: Option<BTreeMap<String, Mark>>,
    jobs: BTreeMap<i64, JobStatus>,
    drain: Option<DrainMark>,
    events: Vec<Event>,
    gone: Vec<Finished>,
    /// The installation and the runners that the last pass left behind.
    left: Option<(String, Vec<LeftRunner>)>,
    /// They are not written yet.
    left_is_new: bool,
    /// The id of the latest event that can be read.
    feed: watch::Sender<i64>,
}

/// Since when the platform drains, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DrainMark(Option<Timestamp>);

/// What changes when a pool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) revision: i64,
    pub(super) rotate_before: Option<Timestamp>,
}

/// What an event concerns.
#[derive(Default)]
struct Concerns<'a> {
    pool: Option<&'a str>,
    runner: Option<&'a str>,
    scope: Option<String>,
    job: Option<(i64, &'a str)>,
    message: Option<&'a str>,
}

impl Journal {
    pub(super) fn new() -> (Self, watch::Receiver<i64>) {
        let (feed, followers) = watch::channel(0);
        let journal = Self {
            last_id: 0,
            runners: None,
            pools: None,
            jobs: BTreeMap::new(),
            drain: None,
            events: Vec::new(),
            gone: Vec::new(),
            left: None,
            left_is_new: false,
            feed,
        };
        (journal, followers)
    }

    /// Takes in what an earlier process left: its last id, and the jobs it knew.
    pub(super) fn go_on(&mut self, last_id: i64, jobs: &[Row]) {
        self.last_id = self.last_id.max(last_id);
        self.jobs.extend(jobs.iter().map(|row| (row.id, row.status)));
        self.feed.send_replace(self.last_id);
    }

    /// These rows of the ledger changed.
    pub(super) fn jobs(&mut self, changed: &[Row], now: Timestamp) {
        for row in changed {
            let before = self.jobs.insert(row.id, row.status);
            // What webhooks tell of GitHub's own machines is no news of ours.
            if before == Some(row.status) || (row.pool.is_none() && is_hosted(&row.labels)) {
                continue;
            }
            let kind = match row.status {
                // Not for a runner yet.
                JobStatus::Waiting => continue,
                JobStatus::Queued => EventKind::JobQueued,
                JobStatus::InProgress => EventKind::JobStarted,
                JobStatus::Completed => EventKind::JobCompleted,
            };
            let about = Concerns {
                pool: row.pool.as_deref(),
                runner: row.runner.as_deref(),
                scope: Some(row.repo.to_string()),
                job: Some((row.id, &row.name)),
                message: row.conclusion.as_deref(),
            };
            self.note(kind, about, now);
        }
    }

    /// Forgets jobs that the ledger has forgotten.
    pub(super) fn retain_jobs(&mut self, known: impl Fn(i64) -> bool) {
        self.jobs.retain(|id, _| known(*id));
    }

    /// A runner was started.
    pub(super) fn started(&mut self, launch: &Launch, now: Timestamp) {
        let (pool, runner) = (launch.pool.as_str(), launch.name.as_str());
        let about = Concerns {
            pool: Some(pool),
            runner: Some(runner),
            scope: Some(launch.scope.name()),
            message: Some(&launch.why),
            ..Concerns::default()
        };
        self.note(EventKind::RunnerStarted, about, now);
    }

    /// These runners are there.
    pub(super) fn runners(&mut self, seen: &[Runner], now: Timestamp) {
        let states = seen.iter().map(|runner| (runner.name.clone(), runner.state)).collect();
        let Some(before) = self.runners.replace(states) else { return };
        for runner in seen.iter().filter(|runner| before.get(&runner.name) != Some(&runner.state)) {
            let kind = match runner.state {
                RunnerState::Idle => EventKind::RunnerIdle,
                RunnerState::Busy => EventKind::RunnerBusy,
                RunnerState::Draining => EventKind::RunnerDraining,
                // Its start and its end are told as such.
                _ => continue,
            };
            let about = Concerns {
                pool: Some(&runner.pool),
                runner: Some(&runner.name),
                scope: Some(runner.scope_name.clone()),
                message: runner.reason.as_deref(),
                ..Concerns::default()
            };
            self.note(kind, about, now);
        }
    }

    /// A runner is gone.
    pub(super) fn gone(&mut self, finished: Finished, now: Timestamp) {
        let kind = match finished.state {
            RunnerState::Finished => EventKind::RunnerFinished,
            RunnerState::Failed => EventKind::RunnerFailed,
            _ => EventKind::RunnerGone,
        };
        let about = Concerns {
            pool: Some(&finished.pool),
            runner: Some(&finished.name),
            scope: Some(finished.scope_name.clone()),
            message: Some(&finished.reason),
            ..Concerns::default()
        };
        self.note(kind, about, now);
        self.gone.push(finished);
    }

    /// These runners are left behind, for the next process.
    pub(super) fn left(&mut self, installation: &str, runners: Vec<LeftRunner>) {
        let left = Some((installation.to_owned(), runners));
        if self.left != left {
            (self.left, self.left_is_new) = (left, true);
        }
    }

    /// These pools are there.
    pub(super) fn pools(&mut self, marks: &BTreeMap<String, Mark>, now: Timestamp) {
        let Some(before) = self.pools.replace(marks.clone()) else { return };
        let names: BTreeSet<&String> = before.keys().chain(marks.keys()).collect();
        for name in names {
            let kind = match (before.get(name), marks.get(name)) {
                (None, _) => EventKind::PoolCreated,
                (_, None) => EventKind::PoolDeleted,
                (Some(old), Some(new)) if old.rotate_before != new.rotate_before => {
                    EventKind::PoolRotated
                }
                (Some(old), Some(new)) if old.revision != new.revision => EventKind::PoolChanged,
                _ => continue,
            };
            self.note(kind, Concerns { pool: Some(name), ..Concerns::default() }, now);
        }
    }

    /// Since when the platform drains, if it does.
    pub(super) fn drain(&mut self, since: Option<Timestamp>, now: Timestamp) {
        let Some(DrainMark(before)) = self.drain.replace(DrainMark(since)) else { return };
        let kind = match (before, since) {
            (None, Some(_)) => EventKind::DrainBegan,
            (Some(_), None) => EventKind::DrainEnded,
            _ => return,
        };
        self.note(kind, Concerns::default(), now);
    }

    /// These problems began, and these are over.
    pub(super) fn problems(&mut self, changes: &Changes, now: Timestamp) {
        let began = changes.began.iter().map(|problem| (EventKind::ProblemBegan, problem));
        let ended = changes.ended.iter().map(|problem| (EventKind::ProblemEnded, problem));
        for (kind, problem) in began.chain(ended) {
            self.note(kind, Concerns { message: Some(problem), ..Concerns::default() }, now);
        }
    }

    /// Writes what happened, then tells those who follow.
    ///
    /// Errors: it cannot be written; it is tried again with the next call.
    pub(super) async fn write(&mut self, store: &Store) -> Result<(), StoreError> {
        let left = self.left.clone().filter(|_| self.left_is_new);
        if self.gone.is_empty() && self.events.is_empty() && left.is_none() {
            return Ok(());
        }
        let news = News { finished: self.gone.clone(), events: self.events.clone(), left };
        let saved = store.save_history(news).await;
        keep_latest(&mut self.gone);
        keep_latest(&mut self.events);
        saved?;
        self.gone.clear();
        self.left_is_new = false;
        if !self.events.is_empty() {
            self.events.clear();
            self.feed.send_replace(self.last_id);
        }
        Ok(())
    }

    fn note(&mut self, kind: EventKind, about: Concerns<'_>, now: Timestamp) {
        self.last_id = now.as_microsecond().max(self.last_id.saturating_add(1));
        let text = |text: &str| text.to_owned();
        // Whoever wrote it: an event is small, and of plain text.
        self.events.push(Event {
            id: self.last_id,
            at: now,
            kind,
            pool: about.pool.map(text),
            runner: about.runner.map(text),
            scope: about.scope,
            job_id: about.job.map(|(id, _)| id),
            job: about.job.map(|(_, job)| name(job)),
            message: about.message.map(message),
        });
    }
}

fn keep_latest<T>(list: &mut Vec<T>) {
    list.drain(..list.len().saturating_sub(UNSAVED));
}

#[cfg(test)]
mod tests;
