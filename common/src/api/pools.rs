//! `/api/v1/pools`: what it answers. What it takes is a [`PoolSpec`](crate::pool::PoolSpec).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::pool::{DockerMode, Isolation, Naming, PullPolicy};

/// A pool: its description, and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: PoolSource,
    /// Changes with every change; the same as in `ETag`. 0 for the pool of the environment.
    #[schema(minimum = 0)]
    pub revision: i64,
    /// Its description; what is not there is as the orchestrator's environment says.
    #[schema(value_type = PoolSpecBody)]
    pub spec: Value,
    /// How it stands.
    pub status: PoolStatus,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub updated_at: Option<Timestamp>,
}

/// Where a pool comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PoolSource {
    /// The orchestrator's environment variables; it is changed there.
    Environment,
    /// The API, or the command line.
    Api,
}

/// How a pool stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PoolStatus {
    /// `active`, `paused` or `disabled`.
    pub state: String,
    /// Its runners' labels.
    pub labels: Vec<String>,
    /// Their image.
    pub image: String,
    /// Describes whether the image can be used.
    pub image_state: String,
    /// How far the pull of the image is, while there is one and its size is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull: Option<ImagePull>,
    /// How many of its runners are in each state.
    pub runners: BTreeMap<String, usize>,
    /// How many are to wait at this moment, by the schedules.
    pub min_idle: usize,
    /// Most runners.
    pub max: usize,
    /// Queued jobs for which this pool comes first.
    pub queued_jobs: usize,
    /// Why it has fewer runners waiting than it should, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<String>,
}

/// How far a pull is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ImagePull {
    /// Bytes that are here.
    #[schema(minimum = 0)]
    pub done: u64,
    /// Bytes in all, as far as is known yet: it grows at first.
    #[schema(minimum = 0)]
    pub size: u64,
}

/// `GET /api/v1/pools`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PoolList {
    /// How many there are.
    pub total_count: usize,
    /// The pools, in the order of their names.
    pub pools: Vec<Pool>,
}

/// A pool's description as it travels; what is left out is as the orchestrator's environment says.
/// [`PoolSpec::from_json`](crate::pool::PoolSpec::from_json) is what reads it; this type is what the OpenAPI document shows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PoolSpec)]
#[serde(deny_unknown_fields)]
pub struct PoolSpecBody {
    /// Its name; `default` and `manual` are the platform's own.
    #[schema(min_length = 1, max_length = 32, pattern = "^[a-zA-Z0-9_-]+$", example = "ci")]
    pub name: String,
    /// Whose jobs it serves: `discovered`, `repo:owner/name` (with `*` and `?`), `org:login`, `enterprise:slug`. Without,
    /// `discovered`.
    #[schema(min_items = 1, max_items = 100, nullable, example = json!(["repo:octo-org/*"]))]
    pub scopes: Option<Vec<String>>,
    /// The configured backend that makes its runners' machines. Without, `docker`.
    #[schema(
        min_length = 1,
        max_length = 32,
        pattern = "^[a-z][a-z0-9-]*$",
        nullable,
        example = "docker"
    )]
    pub backend: Option<String>,
    /// Its runners' labels.
    #[schema(min_items = 1, max_items = 100, nullable, example = json!(["self-hosted", "linux", "docker"]))]
    pub labels: Option<Vec<String>>,
    /// Their runner group, by name; organisations and enterprises only.
    #[schema(min_length = 1, max_length = 64, nullable)]
    pub runner_group: Option<String>,
    /// What they are made from.
    #[schema(min_length = 1, max_length = 512, nullable)]
    pub image: Option<String>,
    /// When the image is pulled.
    pub pull_policy: Option<PullPolicy>,
    /// Replaces the image's command.
    #[schema(min_items = 1, max_items = 100, nullable)]
    pub command: Option<Vec<String>>,
    /// Variables for the runners: names and templates. No credentials.
    #[schema(nullable)]
    pub env: Option<BTreeMap<String, String>>,
    /// What each runner may use.
    pub resources: Option<ResourcesBody>,
    /// How tightly they are confined.
    pub isolation: Option<Isolation>,
    /// What their jobs have of Docker. Without, `none`, whatever the environment says of its own pool.
    pub docker: Option<DockerMode>,
    /// How many runners wait for a job at any time; at most `max`.
    #[schema(minimum = 0, maximum = 10000, nullable)]
    pub min_idle: Option<u32>,
    /// Most runners.
    #[schema(minimum = 0, maximum = 10000, nullable)]
    pub max: Option<u32>,
    /// Which pool goes first where several fit: the higher.
    #[schema(minimum = -1000, maximum = 1000, nullable)]
    pub priority: Option<i32>,
    /// How many runners there are beside those that wait.
    pub autoscaling: Option<AutoscalingBody>,
    /// Times at which another number of runners waits.
    #[schema(max_items = 100, nullable)]
    pub schedules: Option<Vec<ScheduleBody>>,
    /// How long a runner may take to come online, in seconds.
    #[schema(minimum = 10, maximum = 86400, nullable)]
    pub registration_timeout: Option<u32>,
    /// How long a runner beyond `min_idle` that no job needs may stay, in seconds.
    #[schema(minimum = 10, maximum = 31_536_000, nullable)]
    pub idle_timeout: Option<u32>,
    /// When a runner ends whatever it does, in seconds.
    #[schema(minimum = 60, maximum = 31_536_000, nullable)]
    pub max_lifetime: Option<u32>,
    /// After how many seconds a waiting runner is replaced by a fresh one: 0 (never), or 60 and more.
    #[schema(minimum = 0, maximum = 31_536_000, nullable)]
    pub rotation_interval: Option<u32>,
    /// How runners are named.
    pub naming: Option<Naming>,
    /// How stable names begin; goes with `naming: stable`.
    #[schema(min_length = 1, max_length = 58, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]*$", nullable)]
    pub name_prefix: Option<String>,
    /// True if it serves jobs.
    #[schema(nullable)]
    pub enabled: Option<bool>,
    /// True if it starts no runner for the time being.
    #[schema(nullable)]
    pub paused: Option<bool>,
}

/// What a runner may use.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Resources)]
pub struct ResourcesBody {
    /// Memory, swap included: `512m`, `4g`.
    #[schema(nullable, example = "4g")]
    pub memory: Option<String>,
    /// Processors: `2`, `0.5`.
    #[schema(nullable, example = "2")]
    pub cpus: Option<String>,
    /// Most processes and threads.
    #[schema(minimum = 16, maximum = 4_194_304, nullable)]
    pub pids: Option<u32>,
}

/// The policy by which a pool grows: `per-job`, or `ratio` with its numbers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Autoscaling)]
pub struct AutoscalingBody {
    /// Which one.
    #[schema(pattern = "^(per-job|ratio)$", example = "per-job")]
    pub policy: String,
    /// How many queued jobs there are for one runner (`ratio`; 2).
    #[schema(minimum = 1, maximum = 10000, nullable)]
    pub jobs_per_runner: Option<u32>,
    /// There are more runners only if the target is above their number by more than this (`ratio`; 2).
    #[schema(minimum = 0, maximum = 10000, nullable)]
    pub scale_up_threshold: Option<u32>,
    /// There are fewer runners only if the target is below their number by more than this (`ratio`; 0).
    #[schema(minimum = 0, maximum = 10000, nullable)]
    pub scale_down_threshold: Option<u32>,
    /// Seconds between two changes (`ratio`; 300).
    #[schema(minimum = 0, maximum = 86400, nullable)]
    pub cooldown: Option<u32>,
}

/// A number of waiting runners for certain times.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Schedule)]
pub struct ScheduleBody {
    /// The minutes in which it holds, as five fields of `crontab`.
    #[schema(example = "* 8-17 * * mon-fri")]
    pub when: String,
    /// By the clock of this time zone; UTC without.
    #[schema(nullable, example = "Europe/Berlin")]
    pub timezone: Option<String>,
    /// How many runners wait then.
    #[schema(minimum = 0, maximum = 10000)]
    pub min_idle: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa::PartialSchema as _;

    /// One list for the code that reads and one for the document: this holds them together.
    #[test]
    fn the_document_and_the_reader_know_the_same_fields() {
        let schema = serde_json::to_value(PoolSpecBody::schema()).unwrap();
        let described: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        let wrong = crate::pool::PoolSpec::from_json(&serde_json::json!({"?": 1}), "").unwrap_err();
        let known = wrong.iter().find(|error| error.pointer == "/?").unwrap();
        let known = known.detail.rsplit("known are ").next().unwrap();
        let mut read: Vec<&str> = known.split(", ").collect();
        read.sort_unstable();
        read.dedup();
        let mut described: Vec<&str> = described.into_iter().map(String::as_str).collect();
        described.sort_unstable();
        assert_eq!(read, described);
    }
}
