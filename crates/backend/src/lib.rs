//! What makes the machines of runners: Docker first, others behind the same small trait.

pub mod bootstrap;
pub mod bounded;
pub mod console;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
#[cfg(any(test, feature = "testing"))]
pub mod fake;
pub mod identity;
pub mod images;
pub mod spec;
pub mod usage;
pub mod watcher;

use async_trait::async_trait;
use mayfly_common::name::RunnerName;

pub use crate::console::Console;
pub use crate::images::{ImageStore, Progress};
use crate::spec::MachineSpec;
pub use crate::usage::{HostResources, Storage, Usage};
pub use crate::watcher::Watcher;
use mayfly_common::machine::{Machine, MachineRef};

/// Makes the machines of runners. Every call may be repeated; its effect is that of one call.
///
/// What only some kinds of backends can do is a facet of its own: [`ImageStore`], [`Console`], [`Watcher`], [`Usage`].
#[async_trait]
pub trait Backend: Send + Sync {
    /// What its kind is and can do.
    fn capabilities(&self) -> &'static Capabilities;

    /// The installation whose machines this backend sees: part of every name and identity, the same after a restart.
    async fn installation(&self) -> Result<String, BackendError>;

    /// Asks whether the backend answers, and nothing else.
    async fn ping(&self) -> Result<(), BackendError>;

    /// All our machines, those that ended included. Whatever does not carry a full identity of ours is not ours.
    async fn list(&self) -> Result<Vec<Machine>, BackendError>;

    /// One machine of ours at a glance; `None` if it is gone. Its identity and whether it runs are told; what takes further
    /// questions, such as what an ended one printed, is left to [`Backend::list`]. A later machine of the same name is another one.
    async fn get(&self, machine: &MachineRef) -> Result<Option<Machine>, BackendError>;

    /// Creates a machine and starts the runner in it. Where the machine has to be prepared first ([`Phase::Preparing`]), the runner
    /// waits for [`Backend::start`]. `Ok` if the very same one is there already; leaves nothing behind on failure, unless the backend
    /// cannot be reached: then a later list shows what is there.
    ///
    /// [`Phase::Preparing`]: mayfly_common::machine::Phase::Preparing
    async fn create(&self, spec: &MachineSpec) -> Result<(), BackendError>;

    /// Starts the runner in a machine of ours that is ready for it. `Ok` if it runs already; deletes the machine where the backend
    /// refuses. A later machine of the same name is left alone.
    async fn start(&self, machine: &MachineRef) -> Result<(), BackendError>;

    /// Ends and deletes a machine of ours. `Ok` if it is gone already. A later machine of the same name is left alone.
    async fn delete(&self, machine: &MachineRef) -> Result<(), BackendError>;

    /// Removes what is left of this installation when its machines are gone, such as networks.
    async fn clear(&self) -> Result<Cleared, BackendError> {
        Ok(Cleared::default())
    }

    /// What is wrong and keeps no runner from starting, as far as is known, one line each.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// The images that machines are made from, where machines are made from images that have to be fetched.
    fn images(&self) -> Option<&dyn ImageStore> {
        None
    }

    /// What runners print, where that can be read.
    fn console(&self) -> Option<&dyn Console> {
        None
    }

    /// Hints that something changed, where the backend gives them.
    fn watcher(&self) -> Option<&dyn Watcher> {
        None
    }

    /// What the machines' host has and stores, where that is told.
    fn usage(&self) -> Option<&dyn Usage> {
        None
    }
}

/// What [`Backend::clear`] did, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleared {
    /// What was removed.
    pub removed: Vec<String>,
    /// What is still there, and why.
    pub left: Vec<String>,
}

/// Why a backend could not do what it was asked, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Nothing works until an operator or time mends it: no socket, no permission, no daemon.
    #[error("{title} cannot be reached: {why}")]
    Unreachable {
        /// What people call what does not answer: [`Capabilities::title`].
        title: &'static str,
        /// The reason.
        why: String,
    },
    /// The image is not on the host (any more).
    #[error("the image {0} is not on the host")]
    ImageMissing(String),
    /// A machine that is not ours has the name.
    #[error("another machine is named {0} already")]
    NameTaken(RunnerName),
    /// The image could not be fetched.
    #[error("the image {image} cannot be pulled: {reason}")]
    PullFailed {
        /// The image.
        image: String,
        /// What the registry or the engine said.
        reason: String,
    },
    /// The backend refused.
    #[error("{title} refused to {what}: {reason}")]
    Refused {
        /// What people call what refused: [`Capabilities::title`].
        title: &'static str,
        /// What was tried.
        what: &'static str,
        /// What it said.
        reason: String,
    },
}

impl BackendError {
    /// What people call `title` cannot be reached.
    pub fn unreachable(title: &'static str, why: impl Into<String>) -> Self {
        Self::Unreachable { title, why: why.into() }
    }
}

/// What a kind of backend is and can do: the same for all of its kind, whatever their state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Its kind, as a word that programs compare: the topic of `mayfly doctor` for it, and the code of the reason why a job waits for it.
    pub kind: &'static str,
    /// What people call it, at the beginning of a sentence.
    pub title: &'static str,
    /// What helps where it does not answer, as a clause.
    pub when_silent: &'static str,
}

#[cfg(test)]
mod tests;
