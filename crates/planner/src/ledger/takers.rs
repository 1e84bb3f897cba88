//! Jobs that runners of ours took before anybody knew of them, and where GitHub is asked for them. Pure.
//!
//! A waiting runner takes a job before any list has it. While the job runs, the lists that polling reads anyway name its runner. Where
//! they do not, because webhooks should have told or because the job is over already, the latest runs of the runner's repository are
//! looked through: once for each runner, and only while nobody told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::{RepoSlug, Scope};
use mayfly_common::webhook::{EventJob, JobStatus};

use super::questions::{Asked, is_ours};
use super::{KEPT, LAG, LONGEST_WAIT, Ledger, Row};
use crate::lifecycle::JobResult;

/// Most runners whose job is looked for.
const MOST: usize = 200;
/// Most repositories that are looked through in one pass, and for one runner that is not of a repository.
const REPOSITORIES: usize = 5;
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

/// What a runner that is gone said of its job.
#[derive(Debug, Clone)]
pub struct Ran<'a> {
    /// The runner.
    pub worker: Worker,
    /// The job's name, as the runner printed it.
    pub job: Option<&'a str>,
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
    asked: Asked,
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
    fn was_taken_by(&self, runner: &str, made: Timestamp) -> bool {
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
    pub fn at_work(&mut self, workers: Vec<Worker>, now: Timestamp) {
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
    pub fn ran(&mut self, ran: &Ran<'_>, now: Timestamp) -> bool {
        let Worker { runner, scope, created_at, .. } = &ran.worker;
        let made = self.theirs(*created_at);
        // One that may still wait is never taken for the one that ended: it would get no runner any more.
        let by_name = |row: &Row| {
            row.runner.is_none()
                && row.status < JobStatus::Completed
                && (row.left_at.is_some() || row.status == JobStatus::InProgress)
                && matches!(scope, Scope::Repo(repo) if *repo == row.repo)
                && Some(row.name.as_str()) == ran.job
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
    fn ended_in(&mut self, id: i64, ran: &Ran<'_>, now: Timestamp) {
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

    /// The repositories in which a job that waits may be done, at `now`: a runner ended after a job of which nobody told, so that the
    /// news of its start and its end are lost. One look at what waits there settles it.
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
    pub fn searched(&mut self, search: &Search, jobs: &[EventJob], now: Timestamp) {
        for job in jobs {
            self.taken(&search.repo, job, now);
        }
    }

    /// What became of all looks of one pass. Those for a runner count as one: answered if all its repositories were looked through.
    pub fn looked(&mut self, looks: &[(Search, Looked)], now: Timestamp) {
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
mod tests {
    use super::*;
    use JobStatus::{Completed, InProgress};
    use mayfly_common::job::QueuedJobs;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn repo(name: &str) -> RepoSlug {
        RepoSlug::parse(name).unwrap()
    }

    fn worker(runner: &str, scope: &str, made: i64) -> Worker {
        let (runner, pool) = (runner.to_owned(), "ci".to_owned());
        Worker { runner, pool, scope: scope.parse().unwrap(), created_at: at(made) }
    }

    fn job(id: i64, runner: &str, status: JobStatus) -> EventJob {
        EventJob {
            id,
            run_id: 1,
            name: "build".to_owned(),
            status,
            conclusion: (status == Completed).then(|| "success".to_owned()),
            labels: vec!["self-hosted".to_owned()],
            labels_unread: false,
            created_at: Some(at(100)),
            started_at: Some(at(101)),
            completed_at: (status == Completed).then(|| at(105)),
            runner_name: Some(runner.to_owned()),
        }
    }

    fn ran(worker: Worker, result: Option<JobResult>) -> Ran<'static> {
        Ran { worker, job: Some("build"), result, started_at: Some(at(102)) }
    }

    /// The repositories to look through, each with the runners.
    fn searches(ledger: &Ledger, active: &[&str], told: bool, second: i64) -> Vec<String> {
        let active: Vec<RepoSlug> = active.iter().map(|name| repo(name)).collect();
        let found = ledger.searches(&active, told, at(second));
        let text = |search: Search| {
            let runners: Vec<String> = search.runners.into_iter().collect();
            format!("{}: {}", search.repo, runners.join(" "))
        };
        found.into_iter().map(text).collect()
    }

    #[test]
    fn a_list_that_is_read_anyway_tells_whose_job_it_is_and_nothing_is_looked_for() {
        for (scope, wanted) in [
            ("repo:o/r", true),
            ("org:o", true),
            ("enterprise:e", true),
            ("repo:o/other", false),
            ("org:other", false),
        ] {
            let mut ledger = Ledger::default();
            ledger.at_work(vec![worker("r1", scope, 0)], at(110));
            let taken = vec![job(1, "r1", InProgress), job(2, "stranger", InProgress)];
            let listed = QueuedJobs { taken, whole: true, ..QueuedJobs::default() };
            ledger.polled(&repo("o/r"), &listed, at(110), at(0));
            let row = ledger.row(1);
            assert_eq!(row.is_some(), wanted, "{scope}");
            assert_eq!((ledger.row(2), ledger.takers.len()), (None, usize::from(!wanted)));
            if let Some(row) = row {
                assert_eq!((row.pool.as_deref(), row.started_at), (Some("ci"), Some(at(101))));
                assert_eq!(row.told_at, None, "no webhook did");
            }
            // It is still at work.
            ledger.at_work(vec![worker("r1", scope, 0)], at(130));
            assert_eq!(ledger.next_search(false).is_none(), wanted);
        }
    }

    #[test]
    fn a_runner_is_looked_for_once_however_long_it_works_and_later_where_webhooks_tell() {
        for (told, first) in [(false, 125), (true, 140)] {
            let mut ledger = Ledger::default();
            let mut looks = Vec::new();
            for second in 110..8_000 {
                ledger.at_work(vec![worker("r1", "repo:o/r", 0)], at(second));
                for search in ledger.searches(&[], told, at(second)) {
                    looks.push(second);
                    ledger.searched(&search, &[job(2, "stranger", Completed)], at(second));
                    ledger.looked(&[(search, Looked::Answered)], at(second));
                }
                ledger.prune(at(second));
            }
            assert_eq!(looks, [first], "{told}");
            ledger.ran(&ran(worker("r1", "repo:o/r", 0), Some(JobResult::Succeeded)), at(8_000));
            assert!(searches(&ledger, &[], told, 9_999).is_empty(), "nor once it ended");
            assert_eq!(ledger.next_search(told), None);
            ledger.prune(at(20_000));
            assert!(ledger.takers.is_empty() && ledger.is_empty());
        }
    }

    #[test]
    fn what_somebody_told_meanwhile_is_not_looked_for() {
        let mut ledger = Ledger::default();
        ledger.at_work(vec![worker("r1", "repo:o/r", 0)], at(110));
        ledger.told(&repo("o/r"), &job(1, "r1", InProgress), at(120));
        assert!(searches(&ledger, &[], true, 999).is_empty());
        // A runner that has a name of an earlier one has another job.
        ledger.told(&repo("o/r"), &job(1, "r1", Completed), at(120));
        let next = worker("r1", "repo:o/r", 200);
        ledger.at_work(vec![next.clone()], at(210));
        assert_eq!(searches(&ledger, &[], true, 999), ["o/r: r1"]);
        assert!(!ledger.ran(&ran(next, Some(JobResult::Failed)), at(220)));
        assert_eq!(ledger.row(1).unwrap().conclusion.as_deref(), Some("success"));
        let over = |made| ledger.over(std::iter::once(("r1", at(made)))).into_values().next();
        assert_eq!((over(0), over(200)), (Some(at(105)), None));
    }

    #[test]
    fn a_runner_that_ends_after_an_unknown_job_has_what_waits_there_looked_at_once() {
        let queued =
            |id| EventJob { started_at: None, runner_name: None, ..job(id, "", JobStatus::Queued) };
        for (scope, wanted) in [
            ("repo:o/r", vec!["o/r"]),
            ("org:o", vec!["o/other", "o/r"]),
            ("enterprise:e", vec!["o/other", "o/r", "p/q"]),
            ("repo:o/idle", vec![]),
        ] {
            let mut ledger = Ledger::default();
            for (id, name) in [(1, "o/r"), (2, "o/other"), (3, "p/q")] {
                ledger.told(&repo(name), &queued(id), at(100));
            }
            let lost = |ledger: &Ledger, second| -> Vec<String> {
                ledger.news_lost(at(second)).iter().map(ToString::to_string).collect()
            };
            ledger.at_work(vec![worker("r1", scope, 0)], at(110));
            assert!(lost(&ledger, 999).is_empty(), "it is still at work: {scope}");
            ledger.ran(&ran(worker("r1", scope, 0), Some(JobResult::Succeeded)), at(120));
            let next = ledger.next_loss(at(120));
            assert_eq!(next, (!wanted.is_empty()).then_some(at(135)), "{scope}");
            assert!(lost(&ledger, 134).is_empty(), "{scope}");
            assert_eq!(lost(&ledger, 135), wanted);
            assert_eq!(ledger.next_loss(at(135)), None, "nothing that is due already");
            // One that was asked before the list could know says nothing; the next one all.
            for second in [134, 136] {
                for name in &wanted {
                    let listed = QueuedJobs { whole: true, ..QueuedJobs::default() };
                    ledger.polled(&repo(name), &listed, at(second), at(0));
                }
            }
            assert!(lost(&ledger, 999).is_empty(), "{scope}");
        }
        // Nor where its job is known.
        let mut ledger = Ledger::default();
        ledger.told(&repo("o/r"), &queued(1), at(100));
        ledger.told(&repo("o/r"), &job(2, "r1", InProgress), at(101));
        ledger.ran(&ran(worker("r1", "repo:o/r", 0), Some(JobResult::Succeeded)), at(120));
        assert!(ledger.news_lost(at(999)).is_empty());
    }

    #[test]
    fn what_is_found_is_github_s_and_what_is_not_known_is_none() {
        let ended = |result| {
            let mut ledger = Ledger::default();
            assert!(!ledger.ran(&ran(worker("r1", "repo:o/r", 0), result), at(106)));
            ledger
        };
        let look = |ledger: &mut Ledger, found: &EventJob| {
            let search = ledger.searches(&[], false, at(121)).remove(0);
            assert_eq!(search.since, at(102) - CLOCKS);
            ledger.searched(&search, std::slice::from_ref(found), at(121));
            ledger.looked(&[(search, Looked::Answered)], at(121));
        };
        let mut ledger = ended(Some(JobResult::Failed));
        look(&mut ledger, &job(1, "r1", Completed));
        let row = ledger.take_ended().remove(0);
        assert_eq!((row.started_at, row.completed_at), (Some(at(101)), Some(at(105))));
        assert_eq!((row.conclusion.as_deref(), row.pool.as_deref()), (Some("success"), Some("ci")));
        // GitHub does not know its end yet, nor does the runner say it.
        let mut ledger = ended(None);
        look(&mut ledger, &job(1, "r1", InProgress));
        let row = ledger.row(1).unwrap();
        assert_eq!((row.status, row.completed_at), (InProgress, None));
        assert_eq!(ledger.questions(|_, _| crate::ledger::Had::Gone, at(121)).len(), 1);
    }

    #[test]
    fn the_looks_for_one_runner_count_as_one_and_a_spent_budget_costs_seconds() {
        let active = ["o/a", "o/b", "o/c", "o/d", "o/e"].map(repo);
        let look = |ledger: &mut Ledger, second, of: &dyn Fn(usize) -> Looked| {
            let searches = ledger.searches(&active, false, at(second));
            let looks = searches.into_iter().enumerate().map(|(at, search)| (search, of(at)));
            let looks: Vec<_> = looks.collect();
            ledger.looked(&looks, at(second));
            looks.len()
        };
        let begun = || {
            let mut ledger = Ledger::default();
            ledger.at_work(vec![worker("r1", "org:o", 0)], at(0));
            ledger
        };
        let next = |ledger: &Ledger| {
            ledger.next_search(false).map(|due| due.duration_since(at(0)).as_secs())
        };
        // Put off once and again: each time for ten seconds, whatever the number of repositories.
        let mut ledger = begun();
        for second in [15, 25, 35] {
            assert_eq!(look(&mut ledger, second, &|_| Looked::PutOff), 5);
            assert_eq!(next(&ledger), Some(second + 10));
        }
        // A failure of one is a failure of all, once; waits grow by passes and not by repositories.
        let mut ledger = begun();
        let first_fails = |at| if at == 0 { Looked::Failed } else { Looked::Answered };
        assert_eq!(look(&mut ledger, 15, &first_fails), 5);
        assert_eq!(next(&ledger), Some(25));
        assert_eq!(look(&mut ledger, 25, &|_| Looked::Failed), 5);
        assert_eq!(next(&ledger), Some(45));
        assert_eq!(look(&mut ledger, 45, &|_| Looked::Answered), 5);
        assert_eq!(next(&ledger), None);
    }

    #[test]
    fn a_look_costs_a_few_repositories_and_waits_longer_after_each_failure() {
        let active = ["o/a", "x/y", "o/b", "o/c", "o/d", "o/e", "o/f", "o/g"];
        let mut ledger = Ledger::default();
        ledger.at_work(vec![worker("r1", "org:o", 0)], at(0));
        ledger.at_work(vec![worker("r2", "repo:o/c", 0), worker("r3", "repo:p/q", 0)], at(1));
        let first = ["o/a: r1", "o/b: r1", "o/c: r1 r2", "o/d: r1", "o/e: r1"];
        assert_eq!(searches(&ledger, &active, false, 16), first);
        for search in ledger.searches(&active.map(repo), false, at(16)) {
            ledger.looked(&[(search, Looked::Answered)], at(16));
        }
        assert_eq!(searches(&ledger, &active, false, 17), ["p/q: r3"], "it had to wait");
        let mut tries = 0;
        for second in 17..18_000 {
            for search in ledger.searches(&[], false, at(second)) {
                tries += 1;
                ledger.looked(&[(search, Looked::Failed)], at(second));
            }
        }
        assert!((20..50).contains(&tries), "a few an hour: {tries}");
        ledger.prune(at(100_000));
        assert!(ledger.takers.is_empty(), "nothing is kept for ever");
        let many = |from: i64| (from..from + 150).map(|id| worker(&id.to_string(), "repo:o/r", 0));
        ledger.at_work(many(0).collect(), at(0));
        ledger.at_work(many(150).collect(), at(0));
        assert_eq!(ledger.takers.len(), MOST);
    }
}
