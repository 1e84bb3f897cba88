//! Plain data that `scaling`, `discovery`, `backend` and `github` share. Nothing here does anything.

use jiff::Timestamp;
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::scope::{RepoSlug, Scope};

/// The id GitHub gives to a runner's registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunnerId(pub i64);

/// Who asked for a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pool {
    /// The platform, for a queued job. Goes away when no job needs it.
    Default,
    /// Somebody, through the API. Stays until it has run a job, is deleted or reaches its deadline.
    Manual,
}

impl Pool {
    /// The name as labels and the API carry it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Manual => "manual",
        }
    }

    /// Reads the name back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Default, Self::Manual].into_iter().find(|pool| pool.as_str() == text)
    }
}

/// A container of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The runner's and the container's name.
    pub name: RunnerName,
    /// The engine's id of the container.
    pub container_id: String,
    /// Who asked for it.
    pub pool: Pool,
    /// Where it registers.
    pub scope: Scope,
    /// The labels it registers with.
    pub labels: LabelSet,
    /// Its registration, where that was known before the container was created (just-in-time registration).
    pub github_id: Option<RunnerId>,
    /// The image it was created from.
    pub image: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it is removed whatever it does.
    pub deadline: Timestamp,
    /// What the engine says of it.
    pub phase: Phase,
}

/// What the engine says of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Created, never started.
    Created,
    /// Running (or paused).
    Running {
        /// Whether a job's worker process was seen inside. `None`: nobody looked, or looking failed.
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
    /// Whether the kernel killed a process for want of memory.
    pub out_of_memory: bool,
    /// The last lines it printed.
    pub log_tail: String,
}

/// A runner as GitHub lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: RunnerId,
    /// Its name; any text, because others register runners too.
    pub name: String,
    /// Whether it is connected.
    pub online: bool,
    /// Whether GitHub says that it runs a job. May lag behind by a minute.
    pub busy: bool,
}

/// A job that waits for a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedJob {
    /// GitHub's id.
    pub id: i64,
    /// The repository.
    pub repo: RepoSlug,
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub labels: LabelSet,
    /// When it was queued.
    pub queued_at: Timestamp,
}

/// What a backend needs to create and start a runner. The environment may hold credentials: no `Debug`.
pub struct LaunchSpec {
    /// The runner's and the container's name.
    pub name: RunnerName,
    /// Who asked for it.
    pub pool: Pool,
    /// Where it registers.
    pub scope: Scope,
    /// The labels it registers with.
    pub labels: LabelSet,
    /// Its registration, if it has one already.
    pub github_id: Option<RunnerId>,
    /// Variables for the container.
    pub environment: Vec<(String, String)>,
    /// When it is created.
    pub created_at: Timestamp,
    /// When it is removed whatever it does.
    pub deadline: Timestamp,
}
