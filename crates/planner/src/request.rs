//! What the API asks for, and why it is refused.

use jiff::SignedDuration;
use mayfly_common::api::CreateRunners;
use mayfly_common::identity::BackendName;
use mayfly_common::name::RunnerName;
use mayfly_common::scope::Scope;

/// Identifies a request from the API within the process, from when it is asked until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What somebody asked for through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiRequest {
    /// New runners.
    Create(CreateRunners),
    /// A runner's end.
    Delete {
        /// Which one.
        name: RunnerName,
        /// Even if it is busy.
        force: bool,
    },
}

/// Why a request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such runner.
    #[error("There is no runner {0}.")]
    NoSuchRunner(RunnerName),
    /// The runner works.
    #[error(
        "Runner {0} is running a job. Wait for it, or delete it with force=true and lose the job."
    )]
    Busy(RunnerName),
    /// GitHub could not be asked whether the runner works.
    #[error("GitHub could not be asked whether runner {0} is running a job. Try again.")]
    Unsure(RunnerName),
    /// The state of its machine cannot be seen; why.
    #[error("The state of runner {0} cannot be seen now: {1}. Try again.")]
    Unseen(RunnerName, String),
    /// It is being started or ended already.
    #[error("Runner {0} is being started or removed at this moment. Try again when that is done.")]
    InHand(RunnerName),
    /// The name is taken.
    #[error("There is a runner {0} already.")]
    NameTaken(RunnerName),
    /// The name is taken by a registration without a machine here, which may be somebody else's.
    #[error(
        "A runner named {name} is registered at GitHub in {scope}, and no machine of ours has it. Choose another name, delete it at GitHub, or ask again when it has been offline for {} s.", timeout.as_secs()
    )]
    Registered {
        /// The name.
        name: RunnerName,
        /// Where it is registered.
        scope: Scope,
        /// The time that it must be offline to be replaced.
        timeout: SignedDuration,
    },
    /// The backend does not answer; why.
    #[error("Backend {0} does not answer: {1}.")]
    Unreachable(BackendName, String),
    /// All places are taken.
    #[error(
        "{running} of at most {max} runners exist; {asked} more do not fit. MAX_RUNNERS sets the limit."
    )]
    AtCapacity {
        /// Runners there are.
        running: usize,
        /// Runners there may be.
        max: usize,
        /// Runners asked for.
        asked: usize,
    },
    /// Another cap is reached; which, in words.
    #[error("There is no room: {0}.")]
    NoRoom(String),
    /// The platform drains.
    #[error("The platform is draining: no runner is started. mayfly resume ends the drain.")]
    Draining,
    /// The image is not here yet.
    #[error("The runner image is not on the host yet. Try again when it has been pulled.")]
    NoImage,
}
