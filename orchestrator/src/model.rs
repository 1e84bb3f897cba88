//! Plain data that `scaling`, `discovery`, `backend` and `github` share. Nothing here does anything.

use std::sync::Arc;

use jiff::Timestamp;
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::{DockerMode, Isolation, PoolName};
use mayfly_common::scope::{RepoSlug, Scope};
use mayfly_common::webhook::EventJob;

/// The id GitHub gives to a runner's registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunnerId(pub i64);

/// What every runner container gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Memory, swap included, in bytes.
    pub memory: i64,
    /// Processors, in billionths of one.
    pub nano_cpus: i64,
    /// Most processes and threads.
    pub pids: i64,
    /// How tightly it is confined.
    pub isolation: Isolation,
    /// The system calls it may make, as Docker reads them (a seccomp profile in JSON); none means the engine's own filter.
    pub seccomp: Option<Arc<str>>,
    /// The Docker engine of its own, if it has one.
    pub engine: Option<Engine>,
}

/// A Docker engine for one runner: a container beside it, with the same limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Its image, made in the manner of Docker's official one: `dockerd-entrypoint.sh` starts the daemon and takes its options.
    pub image: String,
    /// Whether its container is privileged. If not, it has all capabilities but `SYS_RESOURCE`, and no seccomp filter.
    pub privileged: bool,
}

impl Engine {
    /// What a runner of a pool with this `mode` has.
    pub fn of(&self, mode: DockerMode) -> Option<Self> {
        (mode == DockerMode::Dind).then(|| self.clone())
    }
}

impl Profile {
    /// How many containers a runner is, each with the limits above.
    pub fn containers(&self) -> i64 {
        if self.engine.is_some() { 2 } else { 1 }
    }
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

/// What runner containers are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// The image.
    pub image: String,
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// The confinement.
    pub profile: Profile,
    /// All that a runner is made from, in short: another text means another make.
    pub fingerprint: String,
}

impl Material {
    /// All images that it takes.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let engine = self.profile.engine.as_ref();
        std::iter::once(&*self.image).chain(engine.map(|engine| &*engine.image))
    }
}

/// A container of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The runner's and the container's name.
    pub name: RunnerName,
    /// The engine's id of the container.
    pub container_id: String,
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
    /// True if GitHub sent labels that could not be read.
    pub labels_unread: bool,
    /// When it was queued, as far as is known. As GitHub lists it: when it was made.
    pub queued_at: Timestamp,
}

/// The jobs of a repository that wait for a runner, as GitHub lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueuedJobs {
    /// Those that could be read.
    pub list: Vec<QueuedJob>,
    /// True if those are all; otherwise one that is missing here may still wait.
    pub whole: bool,
    /// Jobs of the same runs that runners have or had.
    pub taken: Vec<EventJob>,
}

/// What a backend needs to create and start a runner. The environment may hold credentials: no `Debug`.
pub struct LaunchSpec {
    /// The runner's and the container's name.
    pub name: RunnerName,
    /// The pool it belongs to.
    pub pool: PoolName,
    /// What it is made from.
    pub material: Material,
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
