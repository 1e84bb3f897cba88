//! What becomes of an action.

use std::sync::Arc;

use mayfly_backend::BackendError;
use mayfly_github::GitHubError;
use mayfly_planner::Action;
use mayfly_planner::backoff::Failed;

use crate::metrics::ActionLabels;

/// What became of an action.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It is done.
    Done,
    /// The machine is removed, as somebody insists; GitHub did not delete the registration, which is left for the sweep.
    Left(GitHubError),
    /// GitHub says that the runner works: nothing was changed.
    Kept,
    /// The machine runs, though it did not when it was seen: nothing was changed, and the next pass looks at it anew.
    Runs,
    /// It failed; the next pass sees what is left to do.
    Failed(ActionError),
}

/// Why an action failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ActionError {
    /// GitHub did not do its part.
    #[error("{0}")]
    GitHub(#[from] GitHubError),
    /// The engine did not do its part.
    #[error("{0}")]
    Backend(Arc<BackendError>),
    /// It broke off, which only a fault of ours does.
    #[error("it broke off; the log says where")]
    BrokeOff,
}

impl ActionError {
    /// What failed, of a runner that could not be started.
    pub(super) fn what_failed(&self) -> Failed {
        match self {
            Self::GitHub(
                GitHubError::Server(_) | GitHubError::Network(_) | GitHubError::TimedOut,
            ) => Failed::GitHub,
            Self::GitHub(_) => Failed::Registration,
            Self::Backend(_) | Self::BrokeOff => Failed::Container,
        }
    }
}

impl From<BackendError> for ActionError {
    fn from(error: BackendError) -> Self {
        Self::Backend(Arc::new(error))
    }
}

impl Outcome {
    /// The word that metrics and traces have for it.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Left(_) => "left",
            Self::Kept => "kept",
            Self::Runs => "runs",
            Self::Failed(_) => "failed",
        }
    }
}

impl From<Result<(), ActionError>> for Outcome {
    fn from(result: Result<(), ActionError>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) => Self::Failed(error),
        }
    }
}

/// What metrics say of an action and its outcome.
pub(super) fn labels((action, outcome): &(Action, Outcome)) -> ActionLabels {
    ActionLabels { action: action.kind(), outcome: outcome.as_str() }
}
