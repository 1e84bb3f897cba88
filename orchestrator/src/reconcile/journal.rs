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
use mayfly_planner::choice::is_hosted;
use mayfly_planner::ledger::Row;
use mayfly_store::{Store, StoreError};

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
        if !self.gone.is_empty() {
            let saved = store.save_finished(self.gone.clone()).await;
            keep_latest(&mut self.gone);
            saved?;
            self.gone.clear();
        }
        if !self.events.is_empty() {
            let saved = store.save_events(self.events.clone()).await;
            keep_latest(&mut self.events);
            saved?;
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
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn runner(name: &str, state: RunnerState) -> Runner {
        Runner {
            id: name.to_owned(),
            name: name.to_owned(),
            pool: "ci".to_owned(),
            scope: mayfly_common::scope::ScopeKind::Repo,
            scope_name: "o/r".to_owned(),
            labels: Vec::new(),
            state,
            reason: None,
            container_id: None,
            image: "i".to_owned(),
            github_runner_id: None,
            created_at: at(0),
            deadline: at(1),
        }
    }

    fn queued(labels: &[&str]) -> Row {
        Row {
            id: 7,
            repo: mayfly_common::scope::RepoSlug::parse("o/r").unwrap(),
            name: "build".to_owned(),
            labels: mayfly_common::label::LabelSet::requested(labels),
            status: JobStatus::Queued,
            conclusion: None,
            queued_at: at(0),
            queue_known: true,
            started_at: None,
            completed_at: None,
            runner: None,
            pool: None,
            told_at: None,
            left_at: None,
            seen_at: at(0),
        }
    }

    fn told(journal: &mut Journal) -> Vec<(EventKind, String)> {
        let about = |event: Event| {
            let what = event.runner.or(event.pool).or(event.job).or(event.message);
            (event.kind, what.unwrap_or_default())
        };
        std::mem::take(&mut journal.events).into_iter().map(about).collect()
    }

    #[test]
    fn what_is_first_seen_is_not_news_and_what_changes_is() {
        use RunnerState::{Busy, Idle, Starting};
        let (mut journal, _feed) = Journal::new();
        journal.runners(&[runner("a", Idle)], at(0));
        assert_eq!(told(&mut journal), []);
        journal.runners(&[runner("a", Busy), runner("b", Starting)], at(1));
        assert_eq!(told(&mut journal), [(EventKind::RunnerBusy, "a".to_owned())]);
        journal.runners(&[runner("a", Busy), runner("b", Idle)], at(2));
        assert_eq!(told(&mut journal), [(EventKind::RunnerIdle, "b".to_owned())]);
        let mark = |revision| Mark { revision, rotate_before: None };
        let marks = |marks: &[(&str, i64)]| -> BTreeMap<String, Mark> {
            marks.iter().map(|(name, revision)| ((*name).to_owned(), mark(*revision))).collect()
        };
        journal.pools(&marks(&[("ci", 1)]), at(3));
        assert_eq!(told(&mut journal), []);
        journal.pools(&marks(&[("ci", 2), ("new", 1)]), at(4));
        journal.pools(&marks(&[("new", 1)]), at(5));
        let rotated = Mark { revision: 2, rotate_before: Some(at(6)) };
        journal.pools(&BTreeMap::from([("new".to_owned(), rotated)]), at(6));
        let expected = [
            (EventKind::PoolChanged, "ci".to_owned()),
            (EventKind::PoolCreated, "new".to_owned()),
            (EventKind::PoolDeleted, "ci".to_owned()),
            (EventKind::PoolRotated, "new".to_owned()),
        ];
        assert_eq!(told(&mut journal), expected);
        let changes = Changes { began: vec!["z".to_owned()], ended: vec!["x".to_owned()] };
        journal.problems(&changes, at(7));
        let expected =
            [(EventKind::ProblemBegan, "z".to_owned()), (EventKind::ProblemEnded, "x".to_owned())];
        assert_eq!(told(&mut journal), expected);
    }

    #[test]
    fn jobs_of_ours_are_told_once_for_each_step() {
        let (mut journal, _feed) = Journal::new();
        let row = |labels: &[&str], status: JobStatus| Row { status, ..queued(labels) };
        let ours = |status| row(&["self-hosted"], status);
        let steps = [
            (ours(JobStatus::Waiting), vec![]),
            (ours(JobStatus::Queued), vec![EventKind::JobQueued]),
            (ours(JobStatus::Queued), vec![]),
            (ours(JobStatus::InProgress), vec![EventKind::JobStarted]),
            (ours(JobStatus::Completed), vec![EventKind::JobCompleted]),
            (row(&["ubuntu-latest"], JobStatus::Queued), vec![]),
            (
                Row { pool: Some("ci".into()), ..row(&["ubuntu-latest"], JobStatus::Completed) },
                vec![EventKind::JobCompleted],
            ),
        ];
        for (row, expected) in steps {
            journal.jobs(std::slice::from_ref(&row), at(1));
            let kinds: Vec<EventKind> = told(&mut journal).iter().map(|(kind, _)| *kind).collect();
            assert_eq!(kinds, expected, "{row:?}");
        }
    }

    #[test]
    fn a_job_is_no_news_again_until_the_ledger_has_forgotten_it() {
        let (mut journal, _feed) = Journal::new();
        let row = |id: i64| Row { id, name: id.to_string(), ..queued(&["self-hosted"]) };
        journal.jobs(&[row(1), row(2)], at(0));
        assert_eq!(told(&mut journal).len(), 2);
        journal.retain_jobs(|id| id == 1);
        journal.jobs(&[row(1), row(2)], at(1));
        assert_eq!(told(&mut journal), [(EventKind::JobQueued, "2".to_owned())]);
    }

    #[tokio::test]
    async fn ids_only_grow_and_what_was_written_can_be_read() {
        let (mut journal, feed) = Journal::new();
        let began = Changes { began: vec!["x".to_owned()], ..Changes::default() };
        let ended = Changes { ended: vec!["x".to_owned()], ..Changes::default() };
        journal.problems(&began, at(10));
        journal.problems(&ended, at(10));
        // The clock is set back.
        journal.problems(&began, at(0));
        let store = Store::in_memory().unwrap();
        assert_eq!(*feed.borrow(), 0);
        journal.write(&store).await.unwrap();
        let events = store.events(Some(0), 10).await.unwrap();
        let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
        let first = at(10).as_microsecond();
        assert_eq!(ids, [first, first + 1, first + 2]);
        assert_eq!(*feed.borrow(), first + 2);
        assert_eq!(store.last_event().await.unwrap(), first + 2);
        assert_eq!(store.events(None, 1).await.unwrap()[0].id, first + 2);
        assert_eq!(store.events(Some(first), 1).await.unwrap()[0].id, first + 1);
        // Another process goes on from there, though its clock is behind.
        let (mut next, _feed) = Journal::new();
        next.go_on(store.last_event().await.unwrap(), &[]);
        next.problems(&began, at(0));
        next.write(&store).await.unwrap();
        assert_eq!(store.last_event().await.unwrap(), first + 3);
    }
    #[tokio::test]
    async fn what_cannot_be_written_is_kept_and_written_with_the_next_call() {
        let (mut journal, feed) = Journal::new();
        let began = Changes { began: vec!["x".to_owned()], ..Changes::default() };
        journal.problems(&began, at(10));
        let store = Store::in_memory().unwrap();
        store.refuse_writes(true).await.unwrap();
        journal.write(&store).await.unwrap_err();
        assert_eq!(*feed.borrow(), 0, "nobody is told of what cannot be read");
        store.refuse_writes(false).await.unwrap();
        journal.write(&store).await.unwrap();
        let events = store.events(Some(0), 10).await.unwrap();
        assert_eq!((events.len(), *feed.borrow()), (1, at(10).as_microsecond()));
    }

    #[test]
    fn an_event_is_small_and_plain_whatever_it_repeats() {
        let (mut journal, _feed) = Journal::new();
        let bomb = format!("\u{202e}\u{1b}[31m{}", "é".repeat(3_000_000));
        let changes = Changes { began: vec![bomb], ..Changes::default() };
        journal.problems(&changes, at(0));
        let event = serde_json::to_string(&journal.events[0]).unwrap();
        assert!(event.len() < 2_000 && !event.contains('\u{202e}'), "{} bytes", event.len());
    }
}
