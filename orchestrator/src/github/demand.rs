//! Repositories, their workflow files, and the jobs that wait in them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use mayfly_common::label::LabelSet;
use mayfly_common::scope::{Login, RepoSlug};
use reqwest::Url;
use tracing::debug;

use super::client::{GitHubClient, PER_PAGE};
use super::error::GitHubError;
use super::wire;
use crate::model::QueuedJob;

/// Where workflow files are; GitHub reads no folder below it.
const WORKFLOWS: [&str; 2] = [".github", "workflows"];
/// Larger files are not read: GitHub gives the content of up to 1 MB here (REST "Get repository content").
const MAX_FILE: u64 = 1 << 20;
/// Requests of one reading that are under way at a time. GitHub allows 100 in all.
const CONCURRENT: usize = 8;

/// Whose repositories are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiscoveryMode {
    /// Those that the token's user owns.
    All,
    /// Those of an organisation, and those that the token's user owns.
    Organization(Login),
}

/// A repository that may have jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Which one.
    pub slug: RepoSlug,
    /// GitHub's time of the last push; none if it does not say.
    pub pushed_at: Option<String>,
}

/// A workflow file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowFile {
    /// Its name within the workflow folder.
    pub name: String,
    /// Its text; none if it is too large or not text.
    pub text: Option<String>,
}

impl GitHubClient {
    /// The repositories of `mode`, archived and disabled ones left out, each once.
    pub async fn repositories(&self, mode: &DiscoveryMode) -> Result<Vec<Repository>, GitHubError> {
        let per_page = PER_PAGE.to_string();
        let mut found = Vec::new();
        if let DiscoveryMode::Organization(org) = mode {
            let url = self
                .url(&["orgs", org.as_str(), "repos"], &[("type", "all"), ("per_page", &per_page)]);
            found.extend(self.get_all(url, |page: Vec<wire::Repo>| page).await?);
        }
        let url = self.url(&["user", "repos"], &[("type", "owner"), ("per_page", &per_page)]);
        match self.get_all(url, |page: Vec<wire::Repo>| page).await {
            Ok(own) => found.extend(own),
            // A token of an organisation has no user behind it.
            Err(GitHubError::Forbidden(_) | GitHubError::NotFound) if !found.is_empty() => {}
            Err(error) => return Err(error),
        }
        let usable = found.into_iter().filter(|repo| !repo.archived && !repo.disabled);
        let mut repositories: Vec<Repository> = usable
            .filter_map(|repo| {
                Some(Repository {
                    slug: RepoSlug::parse(&repo.full_name).ok()?,
                    pushed_at: repo.pushed_at,
                })
            })
            .collect();
        repositories.sort_by(|a, b| a.slug.cmp(&b.slug));
        repositories.dedup_by(|a, b| a.slug == b.slug);
        Ok(repositories)
    }

    /// The workflow files of a repository's default branch. None is an answer; an error is not none.
    pub async fn workflow_files(&self, repo: &RepoSlug) -> Result<Vec<WorkflowFile>, GitHubError> {
        let entries: Vec<wire::Entry> = match self.get(&self.contents(repo, None)).await {
            Ok(entries) => entries,
            // No such folder, or an empty repository.
            Err(GitHubError::NotFound) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let yaml = |entry: &wire::Entry| {
            let path = std::path::Path::new(&entry.name);
            let extension =
                path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            entry.kind == "file"
                && matches!(extension.to_ascii_lowercase().as_str(), "yml" | "yaml")
        };
        let read = entries.into_iter().filter(yaml).map(|entry| self.workflow_file(repo, entry));
        stream::iter(read)
            .buffered(CONCURRENT)
            .try_filter_map(async |file| Ok(file))
            .try_collect()
            .await
    }

    async fn workflow_file(
        &self,
        repo: &RepoSlug,
        entry: wire::Entry,
    ) -> Result<Option<WorkflowFile>, GitHubError> {
        if entry.size > MAX_FILE {
            debug!(%repo, file = entry.name, sha = entry.sha, "workflow file is too large to read");
            return Ok(Some(WorkflowFile { name: entry.name, text: None }));
        }
        let file: wire::File = match self.get(&self.contents(repo, Some(&entry.name))).await {
            Ok(file) => file,
            // Deleted since the folder was listed.
            Err(GitHubError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = match file.encoding.as_str() {
            "base64" => {
                STANDARD.decode(file.content.split_ascii_whitespace().collect::<String>()).ok()
            }
            _ => None,
        };
        Ok(Some(WorkflowFile {
            name: entry.name,
            text: bytes.and_then(|bytes| String::from_utf8(bytes).ok()),
        }))
    }

    /// The jobs of a repository that wait for a runner: those of queued runs, and those of runs in progress, where other jobs
    /// of the same run have started already.
    pub async fn queued_jobs(&self, repo: &RepoSlug) -> Result<Vec<QueuedJob>, GitHubError> {
        let mut runs: Vec<i64> = Vec::new();
        for status in ["queued", "in_progress"] {
            let query = [("status", status), ("per_page", &*PER_PAGE.to_string())];
            let url = self.actions(repo, &["runs"], &query);
            runs.extend(
                self.get_all(url, |page: wire::Runs| page.workflow_runs)
                    .await?
                    .iter()
                    .map(|run| run.id),
            );
        }
        runs.sort_unstable();
        runs.dedup();
        let jobs = runs.into_iter().map(|run| self.jobs_of(repo, run));
        let mut queued: Vec<QueuedJob> =
            stream::iter(jobs).buffered(CONCURRENT).try_concat().await?;
        // A run can move from one list to the other between the two readings.
        queued.sort_by_key(|job| job.id);
        queued.dedup_by_key(|job| job.id);
        Ok(queued)
    }

    async fn jobs_of(&self, repo: &RepoSlug, run: i64) -> Result<Vec<QueuedJob>, GitHubError> {
        let query = [("filter", "latest"), ("per_page", &*PER_PAGE.to_string())];
        let url = self.actions(repo, &["runs", &run.to_string(), "jobs"], &query);
        let jobs = match self.get_all(url, |page: wire::Jobs| page.jobs).await {
            // The run was deleted since it was listed.
            Err(GitHubError::NotFound) => Vec::new(),
            outcome => outcome?,
        };
        let waiting = jobs.into_iter().filter(|job| job.status == "queued").map(|job| QueuedJob {
            id: job.id,
            repo: repo.clone(),
            name: job.name,
            labels: LabelSet::requested(job.labels),
            queued_at: job.created_at.or(job.started_at).unwrap_or(Timestamp::UNIX_EPOCH),
        });
        Ok(waiting.collect())
    }

    fn contents(&self, repo: &RepoSlug, file: Option<&str>) -> Url {
        let mut segments = vec!["repos", repo.owner().as_str(), repo.name(), "contents"];
        segments.extend(WORKFLOWS);
        segments.extend(file);
        self.url(&segments, &[])
    }

    fn actions(&self, repo: &RepoSlug, rest: &[&str], query: &[(&str, &str)]) -> Url {
        let mut segments = vec!["repos", repo.owner().as_str(), repo.name(), "actions"];
        segments.extend(rest);
        self.url(&segments, query)
    }
}
