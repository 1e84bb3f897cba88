//! Jobs that runners of ours took before anybody knew of them, and where GitHub is asked for them. Pure.
//!
//! A waiting runner takes a job before any list has it. While the job runs, the lists that polling reads anyway name its runner. Where
//! they do not, because webhooks should have told or because the job is over already, the latest runs of the runner's repository are
//! looked through: once for each runner, and only while no webhook reported the job.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::Finished;
use mayfly_common::scope::{RepoSlug, Scope};
use mayfly_common::webhook::{EventJob, JobStatus};

use super::questions::{Asked, is_ours};
use super::{KEPT, LAG, LONGEST_WAIT, Ledger, Row};
use crate::lifecycle::{JobResult, printed};

/// Most runners whose job is looked for.
const MOST: usize = 200;
/// Most repositories that are looked through in one pass, and for one runner that is not of a repository.
const REPOSITORIES: usize = 5;
/// How long ago a runner may have ended whose job an earlier process may not have looked for.
const LATELY: SignedDuration = SignedDuration::from_mins(5);
/// GitHub's clock and ours may differ by so much.
const CLOCKS: SignedDuration = SignedDuration::from_mins(2);

/// A runner that has a job, or had one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its name.
    pub runner: String,
    /// Its pool.
    pub pool: String,
    /// Where it is registered.
    pub scope: Scope,
    /// When its machine was made: another of that name may have been there before.
    pub created_at: Timestamp,
}

impl Worker {
    /// The runner that is `gone`, if it ended after a job so lately that an earlier process may not have looked for it. `log`: what it
    /// printed.
    pub fn lately_gone(gone: &Finished, log: &str, now: Timestamp) -> Option<Self> {
        printed::job(log).filter(|_| ended_lately(gone, now))?;
        Some(Self {
            runner: gone.name.clone(),
            pool: gone.pool.clone(),
            scope: Scope::parse(gone.scope, &gone.scope_name).ok()?,
            created_at: gone.created_at,
        })
    }
}

/// True if a runner ended so lately that an earlier process may not have looked for its job.
pub fn ended_lately(gone: &Finished, now: Timestamp) -> bool {
    now.duration_since(gone.removed_at) < LATELY
}

/// What a runner that is gone said of its job.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The runner.
    pub worker: Worker,
    /// The job's name, as the runner printed it.
    pub job: Option<String>,
    /// Its result, as the runner printed it.
    pub result: Option<JobResult>,
    /// When it began.
    pub started_at: Option<Timestamp>,
}

/// A runner whose job nobody knows.
#[derive(Debug, Clone)]
pub(super) struct Taker {
    worker: Worker,
    /// The looks for its job.
    pub(super) asked: Asked,
    /// When it was last there, or ended.
    seen_at: Timestamp,
    /// What it said, once it ended.
    said: Option<(Option<JobResult>, Option<Timestamp>)>,
}

/// A repository to look through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Which one.
    pub repo: RepoSlug,
    /// The time from which on the jobs count, by GitHub's clock.
    pub since: Timestamp,
    /// The runners whose jobs are looked for.
    pub runners: BTreeSet<String>,
}

/// What became of a look through a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Looked {
    /// GitHub answered.
    Answered,
    /// The requests that are left are for others: soon there are more.
    PutOff,
    /// GitHub could not be reached.
    Failed,
}

impl Row {
    /// True if a runner of this name had it, which was made at `made`, by GitHub's clock.
    pub(super) fn was_taken_by(&self, runner: &str, made: Timestamp) -> bool {
        self.runner.as_deref() == Some(runner) && !self.is_before(made)
    }

    /// True if it began or ended before `made`: what runs since then has another job.
    pub(super) fn is_before(&self, made: Timestamp) -> bool {
        self.completed_at.or(self.started_at).is_some_and(|at| at < made)
    }
}

impl Ledger {
    /// True if the job of `row` cannot be that of the machine with its runner's name which was made at `created_at`.
    pub fn is_of_an_earlier_machine(&self, row: &Row, created_at: Timestamp) -> bool {
        row.is_before(self.theirs(created_at))
    }

    /// These runners are there and have a job, or had one: where nobody knows it, it is to be looked for.
    pub(crate) fn at_work(&mut self, workers: Vec<Worker>, now: Timestamp) {
        if workers.is_empty() {
            return;
        }
        let known: BTreeMap<&str, Vec<&Row>> = self.by_runner();
        let is_known = |worker: &Worker| {
            let made = self.theirs(worker.created_at);
            let rows = known.get(worker.runner.as_str()).into_iter().flatten();
            rows.into_iter().any(|row| !row.is_before(made))
        };
        let unknown: Vec<Worker> = workers.into_iter().filter(|worker| !is_known(worker)).collect();
        for worker in unknown {
            self.look_for(&worker, now);
        }
    }

    /// The repository whose job each of these machines, each with when it was made, has or had.
    pub fn repositories<'m>(
        &self,
        machines: impl Iterator<Item = (&'m str, Timestamp)>,
    ) -> BTreeMap<&'m str, &RepoSlug> {
        let known = self.by_runner();
        let repo = |(runner, created_at): (&'m str, Timestamp)| {
            let rows = known.get(runner)?;
            let row = rows.iter().find(|row| !self.is_of_an_earlier_machine(row, created_at))?;
            Some((runner, &row.repo))
        };
        machines.filter_map(repo).collect()
    }

    /// The rows of each runner.
    pub(super) fn by_runner(&self) -> BTreeMap<&str, Vec<&Row>> {
        let mut rows: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in self.rows.values() {
            if let Some(runner) = row.runner.as_deref() {
                rows.entry(runner).or_default().push(row);
            }
        }
        rows
    }

    fn look_for(&mut self, worker: &Worker, now: Timestamp) -> Option<&mut Taker> {
        let same = |taker: &Taker| taker.worker.created_at == worker.created_at;
        if !self.takers.get(&worker.runner).is_some_and(same) {
            if self.takers.len() >= MOST {
                return None;
            }
            let (name, asked) = (worker.runner.clone(), Asked::before(now));
            self.takers
                .insert(name, Taker { worker: worker.clone(), asked, seen_at: now, said: None });
        }
        let taker = self.takers.get_mut(&worker.runner)?;
        taker.seen_at = now;
        Some(taker)
    }

    /// Takes in that a runner ended after a job, or in the middle of one if it printed no result: only GitHub knows how and when that
    /// one ends. Where GitHub did not say which job, it is the oldest of that name that left the queue of the runner's repository. A
    /// job can forge the name, so that a runner of several repositories ends no job by it. Returns false if there is no such job: it is
    /// to be looked for.
    pub(crate) fn ran(&mut self, ran: &Ran, now: Timestamp) -> bool {
        let Worker { runner, scope, created_at, .. } = &ran.worker;
        let made = self.theirs(*created_at);
        // One that may still wait is never taken for the one that ended: it would get no runner any more.
        let by_name = |row: &Row| {
            row.runner.is_none()
                && row.status < JobStatus::Completed
                && (row.left_at.is_some() || row.status == JobStatus::InProgress)
                && matches!(scope, Scope::Repo(repo) if *repo == row.repo)
                && Some(&row.name) == ran.job.as_ref()
        };
        let told = self.rows.values().find(|row| row.was_taken_by(runner, made));
        let named = || {
            self.rows.values().filter(|row| by_name(row)).min_by_key(|row| (row.queued_at, row.id))
        };
        if let Some(id) = told.or_else(named).map(|row| row.id) {
            self.takers.remove(runner);
            self.ended_in(id, ran, now);
            return true;
        }
        if let Some(taker) = self.look_for(&ran.worker, now) {
            taker.said = Some((ran.result, ran.started_at));
        }
        false
    }

    /// The runner of the job `id` ended.
    fn ended_in(&mut self, id: i64, ran: &Ran, now: Timestamp) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.runner = Some(ran.worker.runner.clone());
        row.pool = Some(ran.worker.pool.clone());
        // Nothing runs before it is queued, whatever was printed.
        let started_at = ran.started_at.map(|at| at.max(row.queued_at).min(now));
        row.started_at = row.started_at.or(started_at);
        if row.status < JobStatus::Completed {
            if row.status < JobStatus::InProgress || ran.result.is_some() {
                self.unconfirmed.insert(id);
            }
            // Its delivery is on its way, if webhooks tell of it.
            match row.told_at {
                Some(_) => drop(self.asked.insert(id, Asked::before(now))),
                None => drop(self.asked.remove(&id)),
            }
        }
        row.status = row.status.max(JobStatus::InProgress);
        if let Some(result) = ran.result {
            if row.status < JobStatus::Completed {
                self.ended.insert(id);
            }
            row.status = JobStatus::Completed;
            row.completed_at = row.completed_at.or(Some(now));
            row.conclusion.get_or_insert_with(|| result.conclusion().to_owned());
        }
        row.seen_at = row.seen_at.max(now);
        self.changed.insert(id);
    }

    /// The repositories to look through now for the jobs of runners. `active`: those with jobs for us, the likeliest first. `told`:
    /// whether webhooks tell of jobs, so that a delivery may be on its way.
    pub fn searches(&self, active: &[RepoSlug], told: bool, now: Timestamp) -> Vec<Search> {
        let known = if self.takers.is_empty() { BTreeMap::new() } else { self.by_runner() };
        let mut due: Vec<&Taker> = self
            .takers
            .values()
            .filter(|taker| !taker.asked.is_answered() && taker.asked.is_due(told, now))
            // Somebody told meanwhile.
            .filter(|taker| {
                let made = self.theirs(taker.worker.created_at);
                let rows = known.get(taker.worker.runner.as_str()).into_iter().flatten();
                !rows.into_iter().any(|row| !row.is_before(made))
            })
            .collect();
        due.sort_by_key(|taker| taker.asked.due_at(told));
        let mut wanted: BTreeMap<RepoSlug, Search> = BTreeMap::new();
        for taker in due {
            let Worker { runner, scope, created_at, .. } = &taker.worker;
            let repos: Vec<&RepoSlug> = match scope {
                Scope::Repo(repo) => vec![repo],
                _ => {
                    active.iter().filter(|repo| may_have(scope, repo)).take(REPOSITORIES).collect()
                }
            };
            let more = repos.iter().filter(|repo| !wanted.contains_key(repo)).count();
            if wanted.len() + more > REPOSITORIES {
                continue;
            }
            let began = taker.said.and_then(|(_, began)| began).unwrap_or(*created_at);
            let since = self.theirs(began).saturating_sub(CLOCKS).unwrap_or(Timestamp::MIN);
            for repo in repos {
                let search = wanted.entry(repo.clone()).or_insert_with(|| Search {
                    repo: repo.clone(),
                    since,
                    runners: BTreeSet::new(),
                });
                search.since = search.since.min(since);
                search.runners.insert(runner.clone());
            }
        }
        wanted.into_values().collect()
    }

    /// The repositories in which a waiting job may be done at `now`: a runner ended after a job that no webhook reported, so the
    /// deliveries of its start and its end are lost. One look at the queued jobs there settles it.
    pub fn news_lost(&self, now: Timestamp) -> BTreeSet<RepoSlug> {
        self.losses().filter(|(_, at)| *at <= now).map(|(repo, _)| repo).collect()
    }

    /// When the first such look after `now` is due.
    pub fn next_loss(&self, now: Timestamp) -> Option<Timestamp> {
        self.losses().map(|(_, at)| at).filter(|at| *at > now).min()
    }

    /// Repositories that were not looked at since a runner of theirs ended after an unknown job, and when they are to be: the lists
    /// know of the end by then.
    fn losses(&self) -> impl Iterator<Item = (RepoSlug, Timestamp)> {
        let waiting = if self.takers.is_empty() { BTreeMap::new() } else { self.waiting_in() };
        let waiting: Vec<RepoSlug> = waiting.into_keys().collect();
        let ended = self.takers.values().filter(|taker| taker.said.is_some());
        ended.flat_map(move |taker| {
            let due = taker.seen_at.saturating_add(LAG).unwrap_or(Timestamp::MAX);
            let open = |repo: &&RepoSlug| {
                may_have(&taker.worker.scope, repo)
                    && self.polled_at.get(*repo).is_none_or(|at| *at < due)
            };
            let repos = waiting.iter().filter(open).take(REPOSITORIES);
            repos.map(|repo| (repo.clone(), due)).collect::<Vec<_>>()
        })
    }

    /// The runners of `search` whose jobs were not found elsewhere meanwhile.
    pub fn still_wanted(&self, search: &Search) -> BTreeSet<String> {
        let wanted = |name: &&String| self.takers.contains_key(*name);
        search.runners.iter().filter(wanted).cloned().collect()
    }

    /// A repository was looked through; these are the jobs that runners have or had there.
    pub(crate) fn searched(&mut self, search: &Search, jobs: &[EventJob], now: Timestamp) {
        for job in jobs {
            self.taken(&search.repo, job, now);
        }
    }

    /// What became of all looks of one pass. Those for a runner count as one: answered if all its repositories were looked through.
    pub(crate) fn looked(&mut self, looks: &[(Search, Looked)], now: Timestamp) {
        for (name, taker) in &mut self.takers {
            let own = looks.iter().filter(|(search, _)| search.runners.contains(name));
            match own.map(|(_, looked)| *looked).max() {
                None => {}
                Some(Looked::Answered) => taker.asked.answered(now),
                Some(Looked::PutOff) => taker.asked.put_off(now),
                Some(Looked::Failed) => taker.asked.failed(now),
            }
        }
    }

    /// When GitHub is next to be asked for jobs of runners.
    pub fn next_search(&self, told: bool) -> Option<Timestamp> {
        let open = self.takers.values().filter(|taker| !taker.asked.is_answered());
        open.map(|taker| taker.asked.due_at(told)).min()
    }

    /// A list says that a runner has or had this job: it counts where it is one of ours that is looked for, or news of a known job.
    pub(super) fn taken(&mut self, repo: &RepoSlug, job: &EventJob, now: Timestamp) {
        let runner = job.runner_name.as_deref().unwrap_or_default();
        let here = |taker: &Taker| may_have(&taker.worker.scope, repo);
        let wanted = self.takers.get(runner).is_some_and(here);
        let known = self.rows.get(&job.id);
        if known.is_some_and(|row| is_ours(row) && row.status < job.status) {
            self.found(job, now);
        } else if wanted {
            self.learn(repo, job, now);
        }
        let is_theirs = self.rows.get(&job.id).is_some_and(|row| {
            let made = self.takers.get(runner).map(|taker| self.theirs(taker.worker.created_at));
            made.is_some_and(|made| row.was_taken_by(runner, made))
        });
        if !(wanted && is_theirs) {
            return;
        }
        let Some(taker) = self.takers.remove(runner) else { return };
        if let Some(row) = self.rows.get_mut(&job.id) {
            row.pool = Some(taker.worker.pool.clone());
        }
        if let Some((result, started_at)) = taker.said {
            let ran = Ran { worker: taker.worker, job: None, result, started_at };
            self.ended_in(job.id, &ran, taker.seen_at);
        }
    }

    /// Forgets runners that are gone and were looked for, or could not be for long.
    pub(super) fn prune_takers(&mut self, now: Timestamp) {
        self.takers.retain(|_, taker| {
            let kept = if taker.asked.is_answered() { KEPT } else { LONGEST_WAIT };
            now.duration_since(taker.seen_at) < kept
        });
    }
}

/// True if a runner of `scope` can have jobs of `repo`, as far as names tell.
fn may_have(scope: &Scope, repo: &RepoSlug) -> bool {
    matches!(scope, Scope::Enterprise(_)) || scope.covers(repo)
}

#[cfg(test)]
mod tests;
