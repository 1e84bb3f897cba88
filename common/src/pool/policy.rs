//! What a pool may choose between.

use serde::{Deserialize, Serialize};

/// When the image of a pool is pulled.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PullPolicy {
    /// When it is not on the host.
    Missing,
    /// Also when the last pull is some minutes old and a runner is to be started.
    Always,
    /// Never.
    Never,
}

/// How tightly a runner is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// No capability, no new privileges. Fits images that run as an ordinary user; `sudo` does not work.
    Strict,
    /// The capabilities that a root entry point and `sudo` need, and no others. For images that change user.
    Compat,
}

/// What a pool's jobs have of Docker. The host's own engine they never have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DockerMode {
    /// Nothing.
    #[default]
    None,
    /// An engine for each runner, in a container beside it that ends with it.
    Dind,
}

/// How many runners a pool has beside those that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(tag = "policy", rename_all = "kebab-case")]
pub enum Autoscaling {
    /// One for each queued job.
    #[default]
    PerJob,
    /// One for some queued jobs, changed only beyond thresholds and not too often.
    Ratio(Ratio),
}

/// The numbers of the policy `ratio`: the target is `pending / jobs_per_runner`, rounded up, between `min_idle` and `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Ratio {
    /// How many queued jobs there are for one runner; at least 1.
    pub jobs_per_runner: u32,
    /// There are more runners only if the target is above their number by more than this.
    pub scale_up_threshold: u32,
    /// There are fewer runners only if the target is below their number by more than this.
    pub scale_down_threshold: u32,
    /// Seconds between two changes.
    pub cooldown: u32,
}

impl Default for Ratio {
    fn default() -> Self {
        Self { jobs_per_runner: 2, scale_up_threshold: 2, scale_down_threshold: 0, cooldown: 300 }
    }
}
