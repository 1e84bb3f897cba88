//! The lifecycle of a runner.

use serde::{Deserialize, Serialize};

/// Where a runner is in its one life.
///
/// ```text
/// requested → starting → idle → busy → finished | failed → gone
///                          └── draining ──────────────────┘
/// ```
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum RunnerState {
    /// Decided on; no container yet.
    Requested,
    /// The container exists, the runner is not yet online at GitHub.
    Starting,
    /// Registered and online at GitHub, waiting for a job. Never merely "the container runs".
    Idle,
    /// Executing its job.
    Busy,
    /// Being deregistered so that it gets no job any more.
    Draining,
    /// The container ended after running a job, whatever the job's result.
    Finished,
    /// The container ended without a job, or never came online in time.
    Failed,
    /// Nothing is left of it here or at GitHub.
    Gone,
}

impl RunnerState {
    /// Whether a container of this state is still expected to run.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Idle | Self::Busy | Self::Draining)
    }

    /// The state in lower case, as the API and the metrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Draining => "draining",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }
}
