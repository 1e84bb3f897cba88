//! How many more runners fit, under every cap at once, and which one is in the way.

use std::collections::BTreeMap;
use std::fmt;

use mayfly_common::identity::{BackendName, RunnerIdentity};
use mayfly_common::pool::PoolName;
use mayfly_common::scope::{Login, RepoSlug, Scope};

use super::policy::{Caps, Policy, PoolPolicy};
use mayfly_common::machine::Machine;

/// The cap that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapacityLimit {
    /// The number of a backend's runners; that of `docker` is `MAX_RUNNERS`.
    Runners(BackendName, usize),
    /// Their memory, in bytes; for `docker`, `MAX_RUNNERS_MEMORY`.
    Memory(BackendName, i64),
    /// Their processors, in billionths; for `docker`, `MAX_RUNNERS_CPUS`.
    Cpus(BackendName, i64),
    /// The memory of a backend's runners, which one runner of the pool exceeds: what it needs, and the cap.
    OneMemory(BackendName, PoolName, i64, i64),
    /// The processors of a backend's runners, which one runner of the pool exceeds: what it needs, and the cap.
    OneCpus(BackendName, PoolName, i64, i64),
    /// The pool's own.
    Pool(PoolName, usize),
    /// `MAX_RUNNERS_PER_OWNER`.
    Owner(Login, usize),
    /// `MAX_RUNNERS_PER_REPO`.
    Repo(RepoSlug, usize),
}

/// What caps ask of one runner.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// The backend of its machine.
    pub backend: &'a BackendName,
    /// Its pool.
    pub pool: &'a PoolName,
    /// Where it registers.
    pub scope: &'a Scope,
}

impl<'a> Counted<'a> {
    /// A runner that there is, or that is being started.
    pub fn of(identity: &'a RunnerIdentity) -> Self {
        let RunnerIdentity { backend, pool, scope, .. } = identity;
        Self { backend, pool, scope }
    }

    /// One more runner of a pool.
    pub fn more(pool: &'a PoolPolicy, scope: &'a Scope) -> Self {
        Self { backend: &pool.backend, pool: &pool.name, scope }
    }
}

impl CapacityLimit {
    /// True if this cap counts the runner.
    pub fn counts(&self, runner: Counted<'_>) -> bool {
        match self {
            Self::Runners(backend, _) | Self::Memory(backend, _) | Self::Cpus(backend, _) => {
                backend == runner.backend
            }
            // No runner that goes makes room.
            Self::OneMemory(..) | Self::OneCpus(..) => false,
            Self::Pool(name, _) => name == runner.pool,
            Self::Owner(login, _) => owner(runner.scope) == Some(login),
            Self::Repo(slug, _) => matches!(runner.scope, Scope::Repo(repo) if repo == slug),
        }
    }
}

/// What sets a cap of a backend, in brackets: a variable, for the backend of the environment.
fn set_by(backend: &BackendName, variable: &str) -> String {
    if *backend == BackendName::default() {
        format!("({variable})")
    } else {
        format!("(backend {backend})")
    }
}

impl fmt::Display for CapacityLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runners(backend, max) => {
                let set_by = set_by(backend, "MAX_RUNNERS");
                write!(f, "all {max} runners of the host are in use {set_by}")
            }
            Self::Memory(backend, max) => {
                let (set_by, max) = (set_by(backend, "MAX_RUNNERS_MEMORY"), max >> 20);
                write!(f, "the memory limit of all runners, {max} MiB, is reached {set_by}")
            }
            Self::Cpus(backend, max) => {
                let (set_by, max) = (set_by(backend, "MAX_RUNNERS_CPUS"), processors(*max));
                write!(f, "the CPU limit of all runners, {max}, is reached {set_by}")
            }
            Self::OneMemory(backend, pool, needs, max) => write!(
                f,
                "one runner of pool {pool} needs {} MiB of memory, and all runners together may have {} MiB {}",
                needs.saturating_add((1 << 20) - 1) >> 20,
                max >> 20,
                set_by(backend, "MAX_RUNNERS_MEMORY")
            ),
            Self::OneCpus(backend, pool, needs, max) => write!(
                f,
                "one runner of pool {pool} needs {} processors, and all runners together may have {} {}",
                processors(*needs),
                processors(*max),
                set_by(backend, "MAX_RUNNERS_CPUS")
            ),
            Self::Pool(pool, 0) => write!(f, "pool {pool} starts no runner: its max is 0"),
            Self::Pool(pool, max) => write!(f, "all {max} runners of pool {pool} are in use"),
            Self::Owner(owner, max) => {
                write!(
                    f,
                    "{owner} has all {max} runners that one owner may have (MAX_RUNNERS_PER_OWNER)"
                )
            }
            Self::Repo(repo, max) => {
                write!(
                    f,
                    "{repo} has all {max} runners that one repository may have (MAX_RUNNERS_PER_REPO)"
                )
            }
        }
    }
}

/// Billionths of processors in words.
fn processors(nano_cpus: i64) -> String {
    format!("{}.{:02}", nano_cpus / 1_000_000_000, nano_cpus % 1_000_000_000 / 10_000_000)
}

/// What the machines of one backend use.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    runners: usize,
    memory: i64,
    nano_cpus: i64,
}

/// What is in use, and what may be.
#[derive(Clone)]
pub(super) struct Capacity<'a> {
    caps: &'a Caps,
    backends: BTreeMap<BackendName, Used>,
    pools: BTreeMap<PoolName, usize>,
    owners: BTreeMap<Login, usize>,
    repos: BTreeMap<RepoSlug, usize>,
}

impl<'a> Capacity<'a> {
    /// The capacity beside these machines, all of which run.
    pub(super) fn beside<'b>(
        policy: &'a Policy,
        running: impl Iterator<Item = &'b Machine>,
    ) -> Self {
        let mut capacity = Self {
            caps: &policy.caps,
            backends: BTreeMap::new(),
            pools: BTreeMap::new(),
            owners: BTreeMap::new(),
            repos: BTreeMap::new(),
        };
        for machine in running {
            capacity.add(Counted::of(machine), policy.terms(&machine.pool));
        }
        capacity
    }

    /// Machines in use of a backend.
    pub(super) fn runners(&self, backend: &BackendName) -> usize {
        self.used(backend).runners
    }

    fn used(&self, backend: &BackendName) -> Used {
        self.backends.get(backend).copied().unwrap_or_default()
    }

    /// Machines of a pool.
    pub(super) fn of_pool(&self, pool: &PoolName) -> usize {
        self.pools.get(pool).copied().unwrap_or_default()
    }

    /// Machines of a repository.
    pub(super) fn of_repo(&self, repo: &RepoSlug) -> usize {
        self.repos.get(repo).copied().unwrap_or_default()
    }

    /// Says which cap is in the way of one more runner, if any is. Takes nothing.
    pub(super) fn admits(&self, pool: &PoolPolicy, scope: &Scope) -> Result<(), CapacityLimit> {
        let caps = self.caps;
        self.fits(pool)?;
        if self.of_pool(&pool.name) >= pool.max {
            return Err(CapacityLimit::Pool(pool.name.clone(), pool.max));
        }
        if let (Some(max), Some(owner)) = (caps.per_owner, owner(scope))
            && self.owners.get(owner).is_some_and(|used| *used >= max)
        {
            return Err(CapacityLimit::Owner(owner.clone(), max));
        }
        if let (Some(max), Scope::Repo(repo)) = (caps.per_repo, scope)
            && self.of_repo(repo) >= max
        {
            return Err(CapacityLimit::Repo(repo.clone(), max));
        }
        Ok(())
    }

    /// Takes a place for a runner that somebody asked for; only the host sets a limit.
    pub(super) fn take_by_hand(
        &mut self,
        runner: Counted<'_>,
        terms: &PoolPolicy,
    ) -> Result<(), CapacityLimit> {
        self.fits(terms)?;
        self.add(runner, terms);
        Ok(())
    }

    /// Gives back the place of a runner that is counted.
    pub(super) fn release(&mut self, runner: Counted<'_>, terms: &PoolPolicy) {
        fn less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
            if let Some(count) = counts.get_mut(key) {
                *count = count.saturating_sub(1);
            }
        }
        if let Some(used) = self.backends.get_mut(runner.backend) {
            used.runners = used.runners.saturating_sub(1);
            used.memory = used.memory.saturating_sub(terms.memory);
            used.nano_cpus = used.nano_cpus.saturating_sub(terms.nano_cpus);
        }
        less(&mut self.pools, runner.pool);
        if let Some(owner) = owner(runner.scope) {
            less(&mut self.owners, owner);
        }
        if let Scope::Repo(repo) = runner.scope {
            less(&mut self.repos, repo);
        }
    }

    /// Says which cap of its backend is in the way of one more runner of `pool`, if any is.
    fn fits(&self, pool: &PoolPolicy) -> Result<(), CapacityLimit> {
        let (caps, used) = (self.caps.of(&pool.backend), self.used(&pool.backend));
        let backend = || pool.backend.clone();
        if used.runners >= caps.runners {
            return Err(CapacityLimit::Runners(backend(), caps.runners));
        }
        if let Some(max) = caps.memory.filter(|max| pool.memory > *max) {
            return Err(CapacityLimit::OneMemory(backend(), pool.name.clone(), pool.memory, max));
        }
        if let Some(max) = caps.nano_cpus.filter(|max| pool.nano_cpus > *max) {
            return Err(CapacityLimit::OneCpus(backend(), pool.name.clone(), pool.nano_cpus, max));
        }
        let memory = used.memory.saturating_add(pool.memory);
        if let Some(max) = caps.memory.filter(|max| memory > *max) {
            return Err(CapacityLimit::Memory(backend(), max));
        }
        let nano_cpus = used.nano_cpus.saturating_add(pool.nano_cpus);
        match caps.nano_cpus.filter(|max| nano_cpus > *max) {
            Some(max) => Err(CapacityLimit::Cpus(backend(), max)),
            None => Ok(()),
        }
    }

    /// Counts one more runner.
    pub(super) fn add(&mut self, runner: Counted<'_>, terms: &PoolPolicy) {
        let used = self.backends.entry(runner.backend.clone()).or_default();
        used.runners += 1;
        used.memory = used.memory.saturating_add(terms.memory);
        used.nano_cpus = used.nano_cpus.saturating_add(terms.nano_cpus);
        *self.pools.entry(runner.pool.clone()).or_default() += 1;
        if let Some(owner) = owner(runner.scope) {
            *self.owners.entry(owner.clone()).or_default() += 1;
        }
        if let Scope::Repo(repo) = runner.scope {
            *self.repos.entry(repo.clone()).or_default() += 1;
        }
    }
}

fn owner(scope: &Scope) -> Option<&Login> {
    match scope {
        Scope::Repo(repo) => Some(repo.owner()),
        Scope::Org(login) => Some(login),
        Scope::Enterprise(_) => None,
    }
}

#[cfg(test)]
mod tests;
