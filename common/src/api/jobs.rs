//! `/api/v1/jobs`: the ledger of jobs, and why one waits.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::scope::RepoSlug;
use crate::webhook::JobStatus;

/// A job as the ledger has it: what webhooks told, what GitHub listed, and what runners said when they ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Job {
    /// GitHub's id of the job; another one in every attempt.
    pub id: i64,
    /// `owner/repo`.
    pub repository: String,
    /// Its name.
    pub name: String,
    /// The labels of its `runs-on`, in lower case.
    pub labels: Vec<String>,
    /// How it stands, as far as is known. One that waited and that GitHub does not list any more has been taken, or cancelled.
    pub status: JobStatus,
    /// True if GitHub still lists it among the jobs that wait, and its repository is served.
    pub waiting: bool,
    /// Why its repository is not served, if it is queued and would wait otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_served: Option<String>,
    /// `success`, `failure`, … once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<String>,
    /// The runner that took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    /// That runner's pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// When it was queued. None where that is not known: GitHub tells only when a job was made, which is long before where it
    /// awaited an approval or a concurrency group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub queued_at: Option<Timestamp>,
    /// Where `queued_at` is not known: when the job was first known to be queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub seen_at: Option<Timestamp>,
    /// When a runner took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
}

/// `GET /api/v1/jobs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobList {
    /// How many jobs match.
    pub total_count: u64,
    /// Those of this page, the latest first.
    pub jobs: Vec<Job>,
}

/// The query of `GET /api/v1/jobs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct JobQuery {
    /// Only jobs of this repository.
    #[param(max_length = 140, example = "octo-org/octo-repo")]
    pub repository: Option<String>,
    /// Only jobs that stand so.
    pub status: Option<JobStatus>,
    /// Which page, from 1.
    #[param(minimum = 1, maximum = 1_000_000)]
    pub page: Option<u32>,
    /// How many on a page.
    #[param(minimum = 1, maximum = 100)]
    pub per_page: Option<u32>,
}

/// The query of `GET /api/v1/jobs/stats`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StatsQuery {
    /// Jobs that ended in so many days until now; 30 if not given.
    #[param(minimum = 1, maximum = 365)]
    pub days: Option<u16>,
}

/// `GET /api/v1/jobs/stats`: what the jobs of runners from here came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobStats {
    /// From when on jobs are counted. The ledger may not go back that far.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// By repository, the longest runtime first.
    pub repositories: Vec<RepositoryStats>,
}

/// What the jobs of a repository came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RepositoryStats {
    /// `owner/repo`.
    pub repository: String,
    /// Jobs that ended, or whose runner is gone.
    pub jobs: u64,
    /// Those of them that did not succeed.
    pub unsuccessful: u64,
    /// Seconds from each job's start to its end, summed; none if no job is measured.
    pub run_seconds: Option<f64>,
    /// Seconds that jobs waited for a runner, on average of those of which it is known; none if it is of none.
    pub mean_wait_seconds: Option<f64>,
    /// Jobs of which it is not known when they began or ended. They are not in `run_seconds`.
    #[serde(default)]
    pub unmeasured: u64,
}

/// The query of `GET /api/v1/jobs/{id}/explain`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExplainQuery {
    /// Where the job is; needed for one that nobody told us of.
    #[param(max_length = 140, example = "octo-org/octo-repo")]
    pub repository: Option<String>,
}

impl ExplainQuery {
    /// The repository, if one is named.
    ///
    /// Errors: what it must be.
    pub fn repository(&self) -> Result<Option<RepoSlug>, String> {
        let repository = self.repository.as_deref().map(RepoSlug::parse).transpose();
        repository.map_err(|error| error.to_string())
    }
}

/// Why a job waits, or how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Explanation {
    /// The job's id.
    pub job_id: i64,
    /// The job, if anything is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// The answer in one sentence: the first reason.
    pub summary: String,
    /// All reasons, the most likely first.
    pub reasons: Vec<Reason>,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reason {
    /// For programs, such as `no_pool`.
    pub code: String,
    /// In words.
    pub what: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_job_is_may_be_left_out_and_is_no_nonsense() {
        let query = |text: Option<&str>| ExplainQuery { repository: text.map(str::to_owned) };
        assert_eq!(query(None).repository(), Ok(None));
        assert_eq!(query(Some("o/r")).repository(), Ok(Some(RepoSlug::parse("o/r").unwrap())));
        assert_eq!(query(Some("o")).repository(), Err("must have the form owner/repo".to_owned()));
    }
}
