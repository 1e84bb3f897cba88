//! The jobs that wait in a repository (REST "Workflow runs", "Workflow jobs").
//!
//! GitHub lists jobs by run, and runs by one status each. A run has queued jobs not only where it is `queued` or `in_progress`: it is
//! `waiting` as soon as one of its jobs awaits an approval, whatever the others do, and `pending`, `action_required` or `requested`
//! alike. Those lists are empty nearly always, so they are asked for at checks, and between checks where there was such a run.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use mayfly_common::foreign_text::name;
use mayfly_common::label::LabelSet;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::{EventJob, JobStatus};

use super::budget::Priority;
use super::call::{Call, Who};
use super::client::{GitHubClient, PER_PAGE};
use super::error::GitHubError;
use super::page::{Page, Whole};
use super::runs::{HeldStatus, Listed, Runs, Standing};
use super::wire;
use mayfly_common::job::{QueuedJob, QueuedJobs};

/// The list of a repository's runs.
const RUNS: &str = "/repos/{owner}/{repo}/actions/runs";
/// How many of the latest runs are looked through for jobs that no webhook reported.
const LATEST: &str = "20";
/// Requests of one reading that are under way at a time.
const CONCURRENT: usize = 4;
/// What to look for in a repository.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Runs held up in this way, beside those that were seen last time.
    pub held: BTreeSet<HeldStatus>,
    /// Jobs that should wait there: where one is not found, it is looked for in runs of every status.
    pub expected: BTreeSet<i64>,
}

impl GitHubClient {
    /// The jobs of a repository that wait for a runner.
    pub async fn queued_jobs(
        &self,
        repo: &RepoSlug,
        look: &Look,
    ) -> Result<QueuedJobs, GitHubError> {
        let before = self.waiting_runs.held_in(repo);
        let held: BTreeSet<HeldStatus> = look.held.union(&before).copied().collect();
        let mut runs = self.held_runs(repo, &held).await?;
        // In this order: a run goes from the first list to the last, so it is in one of them when each is read.
        runs.add(self.runs(repo, "queued").await?, Standing::Queued);
        runs.add(self.runs(repo, "in_progress").await?, Standing::Moving);
        let mut jobs = self.jobs_in(repo, &runs).await?;
        let found: BTreeSet<i64> = jobs.list.iter().map(|job| job.id).collect();
        if !look.expected.is_subset(&found) {
            // Most have begun. But a run can have become a held one since, or be one that nobody looked for.
            let others: BTreeSet<HeldStatus> = HeldStatus::ALL.into_iter().collect();
            let mut others = self.held_runs(repo, &others).await?;
            others.listed.retain(|id, _| !runs.listed.contains_key(id));
            jobs = both(jobs, self.jobs_in(repo, &others).await?);
            runs.extend(others);
        }
        self.waiting_runs.keep(repo, &runs);
        // A run can move from one list to another between two readings.
        jobs.list.sort_by_key(|job| job.id);
        jobs.list.dedup_by_key(|job| job.id);
        jobs.whole &= runs.whole;
        if jobs.whole {
            let values = [repo.owner().as_str(), repo.name()];
            let who = Who::Owner(repo.owner().clone());
            self.oddities.forget_waiting(&self.call(who, Priority::Demand, RUNS, &values, &[]).url);
        }
        Ok(jobs)
    }

    async fn held_runs(
        &self,
        repo: &RepoSlug,
        statuses: &BTreeSet<HeldStatus>,
    ) -> Result<Runs, GitHubError> {
        let mut runs = Runs::default();
        for status in statuses {
            runs.add(self.runs(repo, status.as_str()).await?, Standing::Held(*status));
        }
        Ok(runs)
    }

    /// One job, as GitHub has it now.
    ///
    /// Errors: there is none, or GitHub cannot be asked.
    pub async fn job(
        &self,
        repo: &RepoSlug,
        id: i64,
        priority: Priority,
    ) -> Result<EventJob, GitHubError> {
        let route = "/repos/{owner}/{repo}/actions/jobs/{job_id}";
        let (id, who) = (id.to_string(), Who::Owner(repo.owner().clone()));
        let values = [repo.owner().as_str(), repo.name(), &id];
        let call = self.call(who, priority, route, &values, &[]);
        let (job, _) = self.get_with_headers::<wire::Job>(&call).await?;
        Ok(told(job))
    }

    /// The jobs that runners have or had, of the latest runs of a repository of which anything was heard since `since`: the newest
    /// first, until those of all `wanted` runners are found.
    pub async fn recent_jobs(
        &self,
        repo: &RepoSlug,
        since: Timestamp,
        mut wanted: BTreeSet<String>,
    ) -> Result<Vec<EventJob>, GitHubError> {
        let who = || Who::Owner(repo.owner().clone());
        let (owner, repository) = (repo.owner().as_str(), repo.name());
        let query = [("per_page", LATEST)];
        let call = self.call(who(), Priority::Discovery, RUNS, &[owner, repository], &query);
        let runs = self.get::<wire::Runs>(&call).await?.into_items();
        let heard = |run: &wire::Run| {
            let at = run.updated_at.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
            at.is_none_or(|at| at >= since)
        };
        let mut found = Vec::new();
        for run in runs.into_iter().filter(heard) {
            if wanted.is_empty() {
                break;
            }
            let query = [("filter", "latest"), ("per_page", &*PER_PAGE.to_string())];
            let route = "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs";
            let values = [owner, repository, &run.id.to_string()];
            let call = self.call(who(), Priority::Discovery, route, &values, &query);
            for job in self.get_all::<wire::Jobs>(call).await?.into_iter().map(told) {
                if let Some(runner) = &job.runner_name {
                    wanted.remove(runner);
                    found.push(job);
                }
            }
        }
        Ok(found)
    }

    async fn runs(&self, repo: &RepoSlug, status: &str) -> Result<Whole<wire::Run>, GitHubError> {
        let query = [("status", status), ("per_page", &*PER_PAGE.to_string())];
        self.list::<wire::Runs>(repo, RUNS, &[], &query).await
    }

    async fn jobs_in(&self, repo: &RepoSlug, runs: &Runs) -> Result<QueuedJobs, GitHubError> {
        let read: Vec<_> = runs.listed.values().map(|run| self.jobs_in_run(repo, run)).collect();
        let none = QueuedJobs { whole: true, ..QueuedJobs::default() };
        let add = async |all, more| Ok(both(all, more));
        stream::iter(read).buffered(CONCURRENT).try_fold(none, add).await
    }

    /// What waits in a run. What stands still is read when it changes; what is in motion, every time.
    async fn jobs_in_run(&self, repo: &RepoSlug, run: &Listed) -> Result<QueuedJobs, GitHubError> {
        let now = self.now();
        if let Some(list) = self.waiting_runs.jobs(repo, run, now) {
            return Ok(QueuedJobs { list, whole: true, taken: Vec::new() });
        }
        let jobs = self.jobs_of(repo, run.id).await?;
        let (list, whole) = (queued(repo, &jobs.items, now), jobs.unread == 0);
        if whole {
            self.waiting_runs.read(repo, run, &jobs.items, &list, now);
        }
        let taken = jobs.items.into_iter().map(told).filter(|job| job.runner_name.is_some());
        Ok(QueuedJobs { list, whole, taken: taken.collect() })
    }

    async fn jobs_of(&self, repo: &RepoSlug, run: i64) -> Result<Whole<wire::Job>, GitHubError> {
        let query = [("filter", "latest"), ("per_page", &*PER_PAGE.to_string())];
        let route = "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs";
        match self.list::<wire::Jobs>(repo, route, &[&run.to_string()], &query).await {
            // The run was deleted since it was listed.
            Err(GitHubError::NotFound) => Ok(Whole { items: Vec::new(), unread: 0 }),
            outcome => outcome,
        }
    }

    async fn list<P: Page>(
        &self,
        repo: &RepoSlug,
        route: &'static str,
        values: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Whole<P::Item>, GitHubError> {
        let values: Vec<&str> = [repo.owner().as_str(), repo.name()]
            .into_iter()
            .chain(values.iter().copied())
            .collect();
        let who = Who::Owner(repo.owner().clone());
        let call: Call = self.call(who, Priority::Demand, route, &values, query);
        self.get_whole::<P>(call).await
    }
}

fn both(mut all: QueuedJobs, more: QueuedJobs) -> QueuedJobs {
    all.list.extend(more.list);
    all.whole &= more.whole;
    all.taken.extend(more.taken);
    all
}

/// Those of `jobs` that wait for a runner. One of which GitHub does not say when it was made was seen just now.
fn queued(repo: &RepoSlug, jobs: &[wire::Job], now: Timestamp) -> Vec<QueuedJob> {
    let waiting = jobs.iter().filter(|job| job.status == "queued").map(|job| QueuedJob {
        id: job.id,
        repo: repo.clone(),
        name: name(&job.name),
        labels: LabelSet::requested(job.labels.iter().flatten()),
        labels_unread: job.labels.is_none(),
        queued_at: job.created_at.or(job.started_at).unwrap_or(now),
    });
    waiting.collect()
}

/// A job as GitHub has it.
fn told(job: wire::Job) -> EventJob {
    let known = JobStatus::ALL.iter().find(|(_, text)| *text == job.status);
    EventJob {
        id: job.id,
        name: name(&job.name),
        // `requested` and `pending`, and what GitHub may call it one day: it is not for a runner yet.
        status: known.map_or(JobStatus::Waiting, |(status, _)| *status),
        conclusion: job.conclusion.as_deref().map(name),
        labels_unread: job.labels.is_none(),
        labels: job.labels.unwrap_or_default(),
        created_at: job.created_at,
        started_at: job.started_at,
        completed_at: job.completed_at,
        runner_name: job.runner_name.as_deref().map(name).filter(|name| !name.is_empty()),
    }
}
