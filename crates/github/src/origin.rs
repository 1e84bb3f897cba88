//! Where a job comes from: the workflow file of its run, as it was then (REST "Workflow jobs", "Workflow runs").

#[cfg(test)]
mod tests;

use mayfly_common::scope::RepoSlug;

use super::budget::Priority;
use super::call::Who;
use super::client::GitHubClient;
use super::error::GitHubError;
use super::wire;

/// Where a job comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The workflow's file.
    pub path: String,
    /// The commit whose file it is.
    pub sha: String,
    /// The job's name.
    pub job: String,
}

impl GitHubClient {
    /// Where a job comes from; none if GitHub does not say, or if no file of the repository is its workflow.
    pub async fn origin(&self, repo: &RepoSlug, job: i64) -> Result<Option<Origin>, GitHubError> {
        let id = job.to_string();
        let job: wire::Job =
            self.below(repo, "/repos/{owner}/{repo}/actions/jobs/{job_id}", &id).await?;
        let Some(run) = job.run_id.map(|run| run.to_string()) else { return Ok(None) };
        let run: wire::Run =
            self.below(repo, "/repos/{owner}/{repo}/actions/runs/{run_id}", &run).await?;
        let (Some(path), Some(sha)) = (run.path, run.head_sha) else { return Ok(None) };
        // GitHub may say at which branch the file was (`path@ref`).
        let path = path.split('@').next().unwrap_or_default().to_owned();
        let ours = path.starts_with(".github/workflows/");
        Ok(ours.then_some(Origin { path, sha, job: job.name }))
    }

    async fn below<T: serde::de::DeserializeOwned + serde::Serialize>(
        &self,
        repo: &RepoSlug,
        route: &'static str,
        id: &str,
    ) -> Result<T, GitHubError> {
        let who = Who::Owner(repo.owner().clone());
        let values = [repo.owner().as_str(), repo.name(), id];
        self.get(&self.call(who, Priority::Demand, route, &values, &[])).await
    }
}
