//! The jobs that wait in a repository (REST "Workflow runs", "Workflow jobs").

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
use super::page::Page;
use super::wire;
use crate::model::QueuedJob;

/// How many of the latest runs are looked through for jobs that nobody told of.
const LATEST: &str = "20";
/// Requests of one reading that are under way at a time.
const CONCURRENT: usize = 4;

impl GitHubClient {
    /// The jobs of a repository that wait for a runner: those of queued runs, and those of runs in progress, where other jobs
    /// of the same run have started already.
    pub async fn queued_jobs(&self, repo: &RepoSlug) -> Result<Vec<QueuedJob>, GitHubError> {
        // In this order: a run goes from the first list to the second, so it is in one of them when each is read.
        let queued = self.runs(repo, "queued").await?;
        let going = self.runs(repo, "in_progress").await?;
        let ids: Vec<i64> = queued.iter().map(|run| run.id).collect();
        self.waiting_runs.keep(repo, &ids);
        let going = going.into_iter().filter(|run| !ids.contains(&run.id));
        // What is in motion is read every time; what only waits, when it changes.
        let going: Vec<wire::Run> =
            going.map(|run| wire::Run { updated_at: None, ..run }).collect();
        let jobs = queued.into_iter().chain(going).map(|run| self.jobs_in(repo, run));
        let mut queued: Vec<QueuedJob> =
            stream::iter(jobs).buffered(CONCURRENT).try_concat().await?;
        // A run can move from one list to the other between the two readings.
        queued.sort_by_key(|job| job.id);
        queued.dedup_by_key(|job| job.id);
        Ok(queued)
    }

    /// One job, as GitHub has it now.
    ///
    /// Errors: there is none, or GitHub cannot be asked.
    pub async fn job(&self, repo: &RepoSlug, id: i64) -> Result<EventJob, GitHubError> {
        let route = "/repos/{owner}/{repo}/actions/jobs/{job_id}";
        let (id, who) = (id.to_string(), Who::Owner(repo.owner().clone()));
        let values = [repo.owner().as_str(), repo.name(), &id];
        let call = self.call(who, Priority::Demand, route, &values, &[]);
        let (job, _) = self.get_with_headers::<wire::Job>(&call).await?;
        Ok(told(job))
    }

    /// The jobs that runners have or had, of the latest runs of a repository of which anything was heard since `since`.
    pub async fn recent_jobs(
        &self,
        repo: &RepoSlug,
        since: Timestamp,
    ) -> Result<Vec<EventJob>, GitHubError> {
        let who = || Who::Owner(repo.owner().clone());
        let (owner, repository) = (repo.owner().as_str(), repo.name());
        let query = [("per_page", LATEST)];
        let route = "/repos/{owner}/{repo}/actions/runs";
        let call = self.call(who(), Priority::Discovery, route, &[owner, repository], &query);
        let runs = self.get::<wire::Runs>(&call).await?.into_items();
        let heard = |run: &wire::Run| {
            let at = run.updated_at.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
            at.is_none_or(|at| at >= since)
        };
        let mut found = Vec::new();
        for run in runs.into_iter().filter(heard) {
            let query = [("filter", "latest"), ("per_page", &*PER_PAGE.to_string())];
            let route = "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs";
            let values = [owner, repository, &run.id.to_string()];
            let call = self.call(who(), Priority::Discovery, route, &values, &query);
            let jobs = self.get_all::<wire::Jobs>(call).await?;
            found.extend(jobs.into_iter().map(told).filter(|job| job.runner_name.is_some()));
        }
        Ok(found)
    }

    async fn runs(&self, repo: &RepoSlug, status: &str) -> Result<Vec<wire::Run>, GitHubError> {
        let query = [("status", status), ("per_page", &*PER_PAGE.to_string())];
        let route = "/repos/{owner}/{repo}/actions/runs";
        self.list::<wire::Runs>(repo, route, &[], &query).await
    }

    async fn jobs_in(
        &self,
        repo: &RepoSlug,
        run: wire::Run,
    ) -> Result<Vec<QueuedJob>, GitHubError> {
        let Some(updated_at) = run.updated_at else { return self.jobs_of(repo, run.id).await };
        let now = self.now();
        if let Some(known) = self.waiting_runs.jobs(repo, run.id, &updated_at, now) {
            return Ok(known);
        }
        let jobs = self.jobs_of(repo, run.id).await?;
        self.waiting_runs.read(repo, run.id, &updated_at, &jobs, now);
        Ok(jobs)
    }

    async fn jobs_of(&self, repo: &RepoSlug, run: i64) -> Result<Vec<QueuedJob>, GitHubError> {
        let query = [("filter", "latest"), ("per_page", &*PER_PAGE.to_string())];
        let route = "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs";
        let jobs = match self.list::<wire::Jobs>(repo, route, &[&run.to_string()], &query).await {
            // The run was deleted since it was listed.
            Err(GitHubError::NotFound) => Vec::new(),
            outcome => outcome?,
        };
        let waiting = jobs.into_iter().filter(|job| job.status == "queued").map(|job| QueuedJob {
            id: job.id,
            repo: repo.clone(),
            name: name(&job.name),
            labels: LabelSet::requested(job.labels),
            queued_at: job.created_at.or(job.started_at).unwrap_or(Timestamp::UNIX_EPOCH),
        });
        Ok(waiting.collect())
    }

    async fn list<P: Page>(
        &self,
        repo: &RepoSlug,
        route: &'static str,
        values: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<P::Item>, GitHubError> {
        let values: Vec<&str> = [repo.owner().as_str(), repo.name()]
            .into_iter()
            .chain(values.iter().copied())
            .collect();
        let who = Who::Owner(repo.owner().clone());
        let call: Call = self.call(who, Priority::Demand, route, &values, query);
        self.get_all::<P>(call).await
    }
}

/// A job as GitHub has it.
fn told(job: wire::Job) -> EventJob {
    let known = JobStatus::ALL.iter().find(|(_, text)| *text == job.status);
    EventJob {
        id: job.id,
        run_id: 0,
        name: name(&job.name),
        // `requested` and `pending`, and what GitHub may call it one day: it is not for a runner yet.
        status: known.map_or(JobStatus::Waiting, |(status, _)| *status),
        conclusion: job.conclusion.as_deref().map(name),
        labels: job.labels,
        created_at: job.created_at,
        started_at: job.started_at,
        completed_at: job.completed_at,
        runner_name: job.runner_name.as_deref().map(name).filter(|name| !name.is_empty()),
    }
}
