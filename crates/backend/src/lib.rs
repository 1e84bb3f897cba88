//! What runs a runner: Docker first, others behind the same small trait.

pub mod bootstrap;
pub mod bounded;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
#[cfg(any(test, feature = "testing"))]
pub mod fake;
pub mod identity;
pub mod spec;

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use mayfly_common::name::RunnerName;
use tokio::sync::Notify;

use crate::spec::MachineSpec;
use mayfly_common::machine::{Machine, MachineRef};

/// Runs runners. Every call may be repeated; its effect is that of one call.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The installation whose runners this backend sees: part of every name and label, the same after a restart.
    async fn installation(&self) -> Result<String, BackendError>;

    /// Asks whether the engine answers, and nothing else.
    async fn ping(&self) -> Result<(), BackendError>;

    /// What the host of the machines has.
    async fn host_resources(&self) -> Result<HostResources, BackendError>;

    /// All our runners, those that ended included. Whatever does not carry our full set of labels is not ours.
    async fn list(&self) -> Result<Vec<Machine>, BackendError>;

    /// Creates and starts a runner. One with a Docker engine of its own is created, its engine is started, and the runner waits for
    /// [`Backend::start`]. `Ok` if the very same one is there already; leaves nothing behind on failure, unless the engine cannot
    /// be reached: then a later list shows what is there.
    async fn launch(&self, spec: &MachineSpec) -> Result<(), BackendError>;

    /// Starts a runner of ours that was created and has waited for its Docker engine. `Ok` if it runs already; removes it where
    /// the engine of the host refuses. A later machine of the same name is left alone.
    async fn start(&self, machine: &MachineRef) -> Result<(), BackendError>;

    /// Ends and removes a runner of ours. `Ok` if it is gone already. A later machine of the same name is left alone.
    async fn remove(&self, machine: &MachineRef) -> Result<(), BackendError>;

    /// True if a machine of ours runs now. It is asked right before one is removed that did not run when it was listed.
    async fn runs(&self, machine: &MachineRef) -> Result<bool, BackendError>;

    /// The last `lines` lines a runner of ours printed; `None` if there is no such runner.
    async fn logs(&self, name: &RunnerName, lines: u32) -> Result<Option<String>, BackendError>;

    /// The id of an image, which changes with its content; `None` if it is not on the host.
    async fn image_id(&self, image: &str) -> Result<Option<String>, BackendError>;

    /// Fetches an image, and says how far it is. May take minutes.
    async fn pull_image(&self, image: &str, progress: &Progress) -> Result<(), BackendError>;

    /// Removes what is left of this installation when its runners are gone, such as networks.
    async fn clear(&self) -> Result<Cleared, BackendError>;

    /// How much is stored. May take minutes.
    async fn storage(&self) -> Result<Storage, BackendError>;

    /// What is wrong and keeps no runner from starting, as far as is known, one line each.
    fn problems(&self) -> Vec<String>;

    /// Wakes `changed` whenever a runner's state may have changed, until changes can no longer be followed; then says why.
    /// A hint, never the truth: events get lost.
    async fn watch(&self, changed: &Notify) -> BackendError;
}

/// How far a pull is, in bytes. Those who look never wait.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    size: AtomicU64,
}

impl Progress {
    /// So much is here of so much.
    pub fn set(&self, done: u64, size: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.size.store(size, Ordering::Relaxed);
    }

    /// How much is here, and how much there is in all as far as is known yet; none before anything is known.
    pub fn get(&self) -> Option<(u64, u64)> {
        let (done, size) = (self.done.load(Ordering::Relaxed), self.size.load(Ordering::Relaxed));
        (size > 0).then_some((done.min(size), size))
    }
}

/// What a host has for all machines together; none where it does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostResources {
    /// Memory, in bytes.
    pub memory: Option<i64>,
    /// Processors, in billionths of one.
    pub nano_cpus: Option<i64>,
}

/// What [`Backend::clear`] did, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleared {
    /// What was removed.
    pub removed: Vec<String>,
    /// What is still there, and why.
    pub left: Vec<String>,
}

/// How much a backend stores, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Storage {
    /// What our runners wrote into their containers.
    pub containers: u64,
    /// All images on the host, layers that they share counted once.
    pub images: u64,
    /// All volumes on the host, as far as their drivers tell.
    pub volumes: u64,
}

/// Why a backend could not do what it was asked, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Nothing works until an operator or time mends it: no socket, no permission, no daemon.
    #[error("Docker cannot be reached: {0}")]
    Unreachable(String),
    /// The image is not on the host (any more).
    #[error("the image {0} is not on the host")]
    ImageMissing(String),
    /// A container that is not ours has the name.
    #[error("another container is named {0} already")]
    NameTaken(RunnerName),
    /// The image could not be fetched.
    #[error("the image {image} cannot be pulled: {reason}")]
    PullFailed {
        /// The image.
        image: String,
        /// What the registry or the engine said.
        reason: String,
    },
    /// The engine refused.
    #[error("Docker refused to {what}: {reason}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// What the engine said.
        reason: String,
    },
}

#[cfg(test)]
mod tests;
