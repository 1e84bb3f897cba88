//! The machine of a runner, as its backend describes it.

use std::ops::Deref;

use crate::identity::RunnerIdentity;
use crate::name::RunnerName;

/// A machine of ours. It reads as the [`RunnerIdentity`] that it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The facts that it carries about its runner.
    pub identity: RunnerIdentity,
    /// The backend's own id of it; a later machine of the same name has another.
    pub id: String,
    /// What the engine says of it.
    pub phase: Phase,
    /// How its own Docker engine is; none where its pool gives it none.
    pub engine: Option<EngineHealth>,
    /// The question about it that the engine did not answer, and the reason; none if it answered all.
    pub unread: Option<String>,
}

impl Machine {
    /// Its name and its backend's own id.
    pub fn reference(&self) -> MachineRef {
        MachineRef { name: self.name.clone(), id: self.id.clone() }
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
    /// The name of the runner and of its machine.
    pub name: RunnerName,
    /// The backend's own id of the machine.
    pub id: String,
}

/// What the engine says of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Created, never started.
    Created,
    /// Running (or paused).
    Running {
        /// True if a job's worker process was seen inside. `None`: nobody looked, or looking failed.
        working: Option<bool>,
    },
    /// Ended.
    Exited(Exit),
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exit {
    /// Exit code of the main process.
    pub code: i64,
    /// True if the kernel killed a process because memory ran out.
    pub out_of_memory: bool,
    /// The last lines it printed.
    pub log_tail: String,
}

/// How a runner's own Docker engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineHealth {
    /// It starts.
    Starting,
    /// It answers.
    Healthy,
    /// It is of no use any more.
    Failed {
        /// Why, in words an operator reads.
        why: String,
    },
}
