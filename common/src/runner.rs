//! The lifecycle of a runner.

use serde::{Deserialize, Serialize};

/// Where a runner is in its one life.
///
/// ```text
/// starting → idle → busy → finished | failed → gone
///              └───────┴── draining ──────────┘
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
    /// The container exists, the runner is not online at GitHub: not yet, or not at the moment.
    Starting,
    /// Registered and online at GitHub, waiting for a job. Never merely "the container runs".
    Idle,
    /// Executing its job.
    Busy,
    /// Its registration is gone, so it gets no job any more, and its container has not ended yet.
    Draining,
    /// The container ended after running a job, whatever the job's result.
    Finished,
    /// The container ended without a job, or never came online in time.
    Failed,
    /// Nothing is left of it here or at GitHub.
    Gone,
}

impl RunnerState {
    /// True if a container of this state is still expected to run.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Idle | Self::Busy | Self::Draining)
    }

    /// The state in lower case, as the API and the metrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_spelt_alike_everywhere_and_only_some_are_alive() {
        use RunnerState::{Busy, Draining, Failed, Finished, Gone, Idle, Starting};
        let rows = [
            (Starting, "starting", true),
            (Idle, "idle", true),
            (Busy, "busy", true),
            (Draining, "draining", true),
            (Finished, "finished", false),
            (Failed, "failed", false),
            (Gone, "gone", false),
        ];
        for (state, text, alive) in rows {
            assert_eq!((state.as_str(), state.is_alive()), (text, alive));
            assert_eq!(serde_json::to_value(state).unwrap(), text);
        }
    }
}
