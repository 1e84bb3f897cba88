//! The machine of a runner, as its backend describes it.

use std::ops::Deref;

use crate::identity::{BackendName, RunnerIdentity};
use crate::name::RunnerName;

/// A machine of ours. It reads as the [`RunnerIdentity`] that it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The facts that it carries about its runner.
    pub identity: RunnerIdentity,
    /// The backend's own id of it; a later machine of the same name has another.
    pub id: String,
    /// What its backend says of it.
    pub phase: Phase,
    /// Why it is of no use for its next job, though it runs; none if nothing is wrong.
    pub defect: Option<String>,
    /// True if a part of it still uses the host after the runner in it ended, until the machine is deleted.
    pub lingers: bool,
    /// The question about it that the backend did not answer, and the reason; none if it answered all.
    pub unread: Option<String>,
}

impl Machine {
    /// Its backend, its name and its backend's own id.
    pub fn reference(&self) -> MachineRef {
        MachineRef { backend: self.backend.clone(), name: self.name.clone(), id: self.id.clone() }
    }
}

impl Deref for Machine {
    type Target = RunnerIdentity;
    fn deref(&self) -> &RunnerIdentity {
        &self.identity
    }
}

/// One machine and no other: names are used again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineRef {
    /// The backend that made it.
    pub backend: BackendName,
    /// The name of the runner and of its machine.
    pub name: RunnerName,
    /// The backend's own id of the machine.
    pub id: String,
}

/// What a backend says of a machine. Its texts are words that an operator reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It is being made ready for the runner in it.
    Preparing,
    /// It is ready, and the runner in it waits to be started.
    Ready,
    /// It was created to be started at once, and was never started.
    NeverStarted,
    /// The runner in it runs (or is paused).
    Running {
        /// True if a job's worker process was seen inside. `None`: nobody looked, or looking failed.
        working: Option<bool>,
    },
    /// The runner in it ended.
    Exited(Exit),
    /// It cannot become ready any more; why.
    Broken(String),
    /// It is known, and its state cannot be seen now; why. It may run: it counts, and nothing is done to it.
    Unknown(String),
}

impl Phase {
    /// True if no runner ever ran in it.
    pub fn is_before_start(&self) -> bool {
        match self {
            Self::Preparing | Self::Ready | Self::NeverStarted | Self::Broken(_) => true,
            Self::Running { .. } | Self::Exited(_) | Self::Unknown(_) => false,
        }
    }
}

/// How the runner in a machine ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exit {
    /// Exit code of the main process.
    pub code: i64,
    /// True if the kernel killed a process because memory ran out.
    pub out_of_memory: bool,
    /// The last lines it printed.
    pub log_tail: String,
}
