//! What holds for all decisions; from the configuration and the pools.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::identity::{BackendName, RunnerIdentity};
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::{Autoscaling, Naming, PoolName, PoolScope, PullPolicy};
use mayfly_common::scope::{RepoSlug, Scope};

/// The group of runners that are registered in none by name (REST "Self-hosted runner groups").
const DEFAULT_GROUP: &str = "Default";

/// What holds for all decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The id of this installation.
    pub installation: String,
    /// True if the platform starts runners by itself; otherwise only requests do.
    pub auto_create: bool,
    /// True if the platform drains: nothing new is started, waiting runners leave, busy ones finish.
    pub draining: bool,
    /// What runners may use together.
    pub caps: Caps,
    /// The pool of the environment's variables. Runners of no pool, and those made by hand, are judged by its terms.
    pub default: PoolPolicy,
    /// All others.
    pub pools: Vec<PoolPolicy>,
    /// True if registrations of ours without a container are deleted.
    pub clean_registrations: bool,
    /// How the names that this installation generates begin.
    pub name_prefix: String,
}

/// What runners may use together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// The configured backends, and what all machines of each may use.
    pub backends: BTreeMap<BackendName, BackendCaps>,
    /// Most runners of one organisation or user, those of its repositories included.
    pub per_owner: Option<usize>,
    /// Most runners of one repository.
    pub per_repo: Option<usize>,
}

/// What all machines of one backend may use together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackendCaps {
    /// Most machines that may run at a time.
    pub runners: usize,
    /// Most memory, in bytes; none means any.
    pub memory: Option<i64>,
    /// Most processors, in billionths of one; none means any.
    pub nano_cpus: Option<i64>,
}

impl Caps {
    /// What the machines of this backend may use; nothing where none of the name is configured.
    pub fn of(&self, backend: &BackendName) -> &BackendCaps {
        const NOTHING: &BackendCaps = &BackendCaps { runners: 0, memory: None, nano_cpus: None };
        self.backends.get(backend).unwrap_or(NOTHING)
    }
}

/// What one pool wants at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolPolicy {
    /// Its name.
    pub name: PoolName,
    /// The backend that makes its runners' machines.
    pub backend: BackendName,
    /// Whose jobs it serves.
    pub scopes: Vec<PoolScope>,
    /// Its runners' labels.
    pub labels: LabelSet,
    /// Their runner group.
    pub group: Option<String>,
    /// What they are made from.
    pub image: String,
    /// What the Docker engine beside each is made from, if there is one.
    pub engine_image: Option<String>,
    /// How many wait for a job, by the schedules' word for this moment.
    pub min_idle: usize,
    /// Most runners.
    pub max: usize,
    /// When their images are pulled.
    pub pull: PullPolicy,
    /// The higher goes first.
    pub priority: i32,
    /// How many there are beside those that wait.
    pub autoscaling: Autoscaling,
    /// How long one may take to come online.
    pub registration_timeout: SignedDuration,
    /// How long one may live, whatever it does.
    pub max_lifetime: SignedDuration,
    /// How long one that nobody needs may stay.
    pub idle_timeout: SignedDuration,
    /// After how long a waiting one is replaced; none means never.
    pub rotation: Option<SignedDuration>,
    /// Waiting ones from before this moment are replaced: somebody asked for it.
    pub rotate_before: Option<Timestamp>,
    /// What they are made from, in short: one made from something else is replaced while it waits.
    pub fingerprint: String,
    /// Memory of each, that of its Docker engine included, in bytes.
    pub memory: i64,
    /// Processors of each, those of its Docker engine included, in billionths of one.
    pub nano_cpus: i64,
    /// How they are named.
    pub naming: Naming,
    /// How the names of numbered places begin.
    pub name_prefix: String,
    /// True if it serves jobs.
    pub enabled: bool,
    /// True if it starts no runner for the time being.
    pub paused: bool,
}

impl Policy {
    /// All pools, the default one first.
    pub fn all(&self) -> impl Iterator<Item = &PoolPolicy> {
        std::iter::once(&self.default).chain(&self.pools)
    }

    /// The pool of this name, if there is one.
    pub fn pool(&self, name: &PoolName) -> Option<&PoolPolicy> {
        self.all().find(|pool| pool.name == *name)
    }

    /// The terms by which a runner of the pool is judged.
    pub fn terms(&self, name: &PoolName) -> &PoolPolicy {
        self.pool(name).unwrap_or(&self.default)
    }

    /// The identity of a new runner of `pool` that is created at `now`, before it is registered.
    pub fn identity(
        &self,
        pool: &PoolPolicy,
        name: RunnerName,
        scope: Scope,
        now: Timestamp,
    ) -> RunnerIdentity {
        RunnerIdentity {
            installation: self.installation.clone(),
            backend: pool.backend.clone(),
            pool: pool.name.clone(),
            scope,
            name,
            labels: pool.labels.clone(),
            github_id: None,
            image: pool.image.clone(),
            image_id: None,
            fingerprint: Some(pool.fingerprint.clone()),
            created_at: now,
            deadline: now.saturating_add(pool.max_lifetime).unwrap_or(Timestamp::MAX),
        }
    }
}

impl PoolPolicy {
    /// All images that a runner needs.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.image).chain(self.engine_image.as_deref())
    }

    /// The runner group of its runners at `scope`; a repository has none to ask for.
    pub fn group_at(&self, scope: &Scope) -> Option<&str> {
        let grouped = !matches!(scope, Scope::Repo(_));
        grouped.then(|| self.group.as_deref().unwrap_or(DEFAULT_GROUP))
    }

    /// Where a runner for a job of `repo` registers, if this pool serves it.
    pub fn place_for(&self, repo: &RepoSlug) -> Option<Scope> {
        self.scopes.iter().find_map(|scope| scope.place_for(repo))
    }

    /// True if its runners may register at `scope`.
    pub fn registers_at(&self, scope: &Scope) -> bool {
        self.scopes.iter().any(|named| match (named, scope) {
            (PoolScope::One(place), _) => place == scope,
            (_, Scope::Repo(repo)) => named.place_for(repo).is_some(),
            _ => false,
        })
    }

    /// Where runners that wait may register: what is named, and the repositories that have jobs, in the order given.
    pub fn places(&self, repositories: &[RepoSlug]) -> Vec<Scope> {
        let mut places: Vec<Scope> = Vec::new();
        for scope in &self.scopes {
            let found = match scope {
                PoolScope::One(place) => vec![place.clone()],
                _ => repositories.iter().filter_map(|repo| scope.place_for(repo)).collect(),
            };
            for place in found {
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        places
    }
}
