//! The machine of a runner, as its backend describes it.

use jiff::Timestamp;

use crate::label::LabelSet;
use crate::name::RunnerName;
use crate::pool::PoolName;
use crate::registration::RunnerId;
use crate::scope::Scope;

/// A container of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The runner's and the container's name.
    pub name: RunnerName,
    /// The engine's id of the container.
    pub id: String,
    /// The pool it belongs to.
    pub pool: PoolName,
    /// Where it registers.
    pub scope: Scope,
    /// The labels it registers with.
    pub labels: LabelSet,
    /// Its registration, where that was known before the container was created (just-in-time registration).
    pub github_id: Option<RunnerId>,
    /// The image it was created from.
    pub image: String,
    /// The engine's id of that image.
    pub image_id: Option<String>,
    /// What it was made from, in short, as its pool was described then; none for runners of an older release.
    pub fingerprint: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it is removed whatever it does.
    pub deadline: Timestamp,
    /// What the engine says of it.
    pub phase: Phase,
    /// How its own Docker engine is; none where its pool gives it none.
    pub engine: Option<EngineHealth>,
    /// The question about it that the engine did not answer, and the reason; none if it answered all.
    pub unread: Option<String>,
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
