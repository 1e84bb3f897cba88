//! A registered runner.

use jiff::Timestamp;

use crate::names::Scope;

/// A label of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerLabel {
    /// GitHub's numeric id.
    pub id: u64,
    /// The label, in lower case.
    pub name: String,
    /// Set by the runner itself (`self-hosted`, system, architecture) and not removable.
    pub read_only: bool,
}

/// How a runner is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// Over HTTP: it takes a job when it asks, and is lost when it is silent for too long.
    Session {
        /// What its requests carry.
        token: String,
        /// When it was last heard of.
        last_seen: Timestamp,
    },
    /// By [`World::connect_runner`](crate::world::World::connect_runner): it takes a job as soon as one fits and is never silent.
    Direct,
}

/// A registered runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// GitHub's numeric id.
    pub id: u64,
    /// Unique within its scope.
    pub name: String,
    /// Where it is registered.
    pub scope: Scope,
    /// The system it reported, or `unknown` until it connects.
    pub os: String,
    /// What it offers.
    pub labels: Vec<RunnerLabel>,
    /// True if its registration ends with its first job.
    pub ephemeral: bool,
    /// Its runner group.
    pub group_id: u64,
    /// The job it has, if it is busy.
    pub job: Option<u64>,
    /// How it is connected; `None` is `offline`.
    pub connection: Option<Connection>,
    /// The secret of a just-in-time configuration that nobody used yet.
    pub jit_secret: Option<String>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Since when it is offline.
    pub offline_since: Timestamp,
}

impl Runner {
    /// True if it is connected.
    pub fn online(&self) -> bool {
        self.connection.is_some()
    }

    /// True if it has a job.
    pub fn busy(&self) -> bool {
        self.job.is_some()
    }
}
