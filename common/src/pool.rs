//! Pools: named policies for identical runners.
//!
//! Invariant: a [`PoolSpec`] is valid; [`PoolSpec::from_json`] is what reads one, and names every field that is wrong. What a
//! spec leaves open is as the environment's variables say.

mod policy;
mod read;
mod schedule;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

pub use policy::{Autoscaling, DockerMode, Isolation, PullPolicy, Ratio};
pub use schedule::{InvalidSchedule, Schedule};

use crate::backend::BackendName;
use crate::label::LabelSet;
use crate::scope::{RepoSlug, Scope};

/// Longest name of a pool, in characters: it is part of the names of runners.
pub const MAX_POOL_NAME: usize = 32;
/// Most runners of one pool.
pub const MAX_POOL: u32 = 10_000;

/// The name of a pool.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoolName(String);

/// Why a text is not a [`PoolName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_POOL_NAME} letters, digits, '_' or '-'")]
pub struct InvalidPoolName;

impl PoolName {
    /// Takes `text` as a pool's name.
    pub fn parse(text: &str) -> Result<Self, InvalidPoolName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if text.is_empty() || text.len() > MAX_POOL_NAME || !text.bytes().all(allowed) {
            return Err(InvalidPoolName);
        }
        Ok(Self(text.to_owned()))
    }

    /// The pool that the environment's variables define.
    pub fn default_pool() -> Self {
        Self("default".to_owned())
    }

    /// The runners that somebody asked for by name or number, through the API.
    pub fn manual() -> Self {
        Self("manual".to_owned())
    }

    /// Whether the name is taken by the platform itself.
    pub fn is_reserved(&self) -> bool {
        [Self::default_pool(), Self::manual()].contains(self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PoolName {
    type Error = InvalidPoolName;
    fn try_from(text: String) -> Result<Self, InvalidPoolName> {
        Self::parse(&text)
    }
}

impl FromStr for PoolName {
    type Err = InvalidPoolName;
    fn from_str(text: &str) -> Result<Self, InvalidPoolName> {
        Self::parse(text)
    }
}

impl From<PoolName> for String {
    fn from(name: PoolName) -> Self {
        name.0
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pool:{}", self.0)
    }
}

/// Whose jobs a pool serves, and where its runners register.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PoolScope {
    /// `discovered`: every repository that discovery finds, each with runners of its own.
    Discovered,
    /// `repo:owner/na*`: the repositories whose names fit, each with runners of its own.
    Repos(String),
    /// `repo:owner/name`, `org:login` or `enterprise:slug`.
    One(Scope),
}

/// Why a text is not a [`PoolScope`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be discovered, repo:owner/name (with * and ? for any characters), org:login or enterprise:slug"
)]
pub struct InvalidPoolScope;

impl PoolScope {
    /// Where a runner for a job of `repo` registers, if this scope serves it. Which organisations an enterprise has is not
    /// known here, so its runners wait for no particular job.
    pub fn place_for(&self, repo: &RepoSlug) -> Option<Scope> {
        let own = || Scope::Repo(repo.clone());
        match self {
            Self::Discovered => Some(own()),
            Self::Repos(glob) => matches(glob, &repo.to_string()).then(own),
            Self::One(Scope::Enterprise(_)) => None,
            Self::One(scope) => scope.covers(repo).then(|| scope.clone()),
        }
    }
}

impl FromStr for PoolScope {
    type Err = InvalidPoolScope;
    fn from_str(text: &str) -> Result<Self, InvalidPoolScope> {
        if text == "discovered" {
            return Ok(Self::Discovered);
        }
        let glob = text.strip_prefix("repo:").filter(|glob| glob.contains(['*', '?']));
        let Some(glob) = glob else {
            return text.parse().map(Self::One).map_err(|_| InvalidPoolScope);
        };
        let allowed = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'*' | b'?' | b'/')
        };
        if glob.len() > 140 || glob.matches('/').count() != 1 || !glob.bytes().all(allowed) {
            return Err(InvalidPoolScope);
        }
        Ok(Self::Repos(glob.to_owned()))
    }
}

impl fmt::Display for PoolScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discovered => f.write_str("discovered"),
            Self::Repos(glob) => write!(f, "repo:{glob}"),
            Self::One(scope) => write!(f, "{scope}"),
        }
    }
}

impl Serialize for PoolScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether `text` fits `glob`, with `*` for any characters and `?` for one, without case. The star stops at the slash.
fn matches(glob: &str, text: &str) -> bool {
    let (Some((owner, name)), Some((owner_glob, name_glob))) =
        (text.split_once('/'), glob.split_once('/'))
    else {
        return false;
    };
    let fits =
        |glob: &str, text: &str| wildmatch::WildMatch::new_case_insensitive(glob).matches(text);
    fits(owner_glob, owner) && fits(name_glob, name)
}

/// What a runner of the pool may use. What is missing is as the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Resources {
    /// Memory, swap included, as Docker writes it: `512m`, `4g`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Processors: `2`, `0.5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<String>,
    /// Most processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

/// How the runners of a pool are named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// A new name for each.
    #[default]
    Unique,
    /// Numbered places, `PREFIX-1` to `PREFIX-N`: when a runner is gone, the next one takes its name.
    Stable,
}

/// A pool, as its owner describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolSpec {
    /// Its name.
    pub name: PoolName,
    /// Whose jobs it serves, and where its runners register; at least one.
    pub scopes: Vec<PoolScope>,
    /// The backend that makes its runners' machines.
    #[serde(skip_serializing_if = "is_default")]
    pub backend: BackendName,
    /// Its runners' labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelSet>,
    /// Their runner group, by name; organisations and enterprises only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_group: Option<String>,
    /// What they are made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When the image is pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    /// Replaces the image's command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Variables for the runners, templates as in `runnerenv_`; they are added to the environment's, or replace them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What each runner may use.
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Resources,
    /// How tightly they are confined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// What their jobs have of Docker.
    #[serde(skip_serializing_if = "is_default")]
    pub docker: DockerMode,
    /// How many runners wait for a job at any time.
    pub min_idle: u32,
    /// Most runners; none means as many as the host has room for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Which pool goes first where several fit or compete: the higher.
    pub priority: i32,
    /// How many runners there are beside those that wait.
    pub autoscaling: Autoscaling,
    /// Times at which another number of runners waits. Where several hold, the highest counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
    /// How long a runner may take to come online, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_timeout: Option<u32>,
    /// How long a runner beyond `min_idle` that no job needs may stay, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<u32>,
    /// When a runner ends whatever it does, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<u32>,
    /// After how many seconds a waiting runner is replaced by a fresh one; 0 never.
    pub rotation_interval: u32,
    /// How runners are named.
    pub naming: Naming,
    /// How stable names begin; none means `mayfly-INSTANCE-POOL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<String>,
    /// Whether it serves jobs. While it does not, its waiting runners go and its busy ones finish.
    pub enabled: bool,
    /// Whether it starts no runner for the time being. Those it has stay.
    pub paused: bool,
}

/// After how many seconds a waiting runner is replaced, unless the pool says otherwise: a day.
pub const ROTATION: u32 = 86_400;

impl PoolSpec {
    /// A pool with nothing but a name: all discovered repositories, runners for jobs only, everything else as the environment
    /// says.
    pub fn named(name: PoolName) -> Self {
        Self {
            name,
            scopes: vec![PoolScope::Discovered],
            backend: BackendName::default(),
            labels: None,
            runner_group: None,
            image: None,
            pull_policy: None,
            command: None,
            env: BTreeMap::new(),
            resources: Resources::default(),
            isolation: None,
            docker: DockerMode::None,
            min_idle: 0,
            max: None,
            priority: 0,
            autoscaling: Autoscaling::PerJob,
            schedules: Vec::new(),
            registration_timeout: None,
            idle_timeout: None,
            max_lifetime: None,
            rotation_interval: ROTATION,
            naming: Naming::Unique,
            name_prefix: None,
            enabled: true,
            paused: false,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
