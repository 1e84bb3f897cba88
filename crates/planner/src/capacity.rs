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
mod tests {
    use super::*;
    use crate::lifecycle::tests::{caps, machine, policy};
    use mayfly_common::machine::Phase;

    type Narrow = fn(&mut Policy);

    #[test]
    fn a_cap_that_is_smaller_than_one_runner_is_named_as_such() {
        let scope: Scope = "repo:o/r".parse().unwrap();
        let rows: [(&str, Narrow); 3] = [
            (
                "one runner of pool default needs 256 MiB of memory, and all runners together may have 100 MiB (MAX_RUNNERS_MEMORY)",
                |p| caps(p).memory = Some(100 << 20),
            ),
            (
                "one runner of pool default needs 1.50 processors, and all runners together may have 0.50 (MAX_RUNNERS_CPUS)",
                |p| caps(p).nano_cpus = Some(500_000_000),
            ),
            ("pool default starts no runner: its max is 0", |p| p.default.max = 0),
        ];
        for (words, narrow) in rows {
            let mut policy = policy();
            (policy.default.memory, policy.default.nano_cpus) = (256 << 20, 1_500_000_000);
            caps(&mut policy).memory = Some(256 << 20);
            caps(&mut policy).nano_cpus = Some(1_500_000_000);
            let none = || std::iter::empty::<&Machine>();
            // As large as the cap is not larger.
            assert_eq!(Capacity::beside(&policy, none()).admits(&policy.default, &scope), Ok(()));
            narrow(&mut policy);
            let cap =
                Capacity::beside(&policy, none()).admits(&policy.default, &scope).unwrap_err();
            assert_eq!(cap.to_string(), words);
            let of_pool = matches!(cap, CapacityLimit::Pool(..));
            assert_eq!(cap.counts(Counted::more(&policy.default, &scope)), of_pool, "{words}");
        }
    }

    #[test]
    fn every_cap_is_named_when_it_is_reached() {
        let base = policy();
        let scope: Scope = "repo:o/r".parse().unwrap();
        let running = [machine("a1", Phase::Running { working: None })];
        let rows: [(&str, Narrow); 6] = [
            ("all 1 runners of the host are in use (MAX_RUNNERS)", |p| caps(p).runners = 1),
            ("the memory limit of all runners, 3 MiB, is reached (MAX_RUNNERS_MEMORY)", |p| {
                caps(p).memory = Some(3 << 20)
            }),
            ("the CPU limit of all runners, 1.50, is reached (MAX_RUNNERS_CPUS)", |p| {
                caps(p).nano_cpus = Some(1_500_000_000)
            }),
            ("all 1 runners of pool default are in use", |p| p.default.max = 1),
            ("o has all 1 runners that one owner may have (MAX_RUNNERS_PER_OWNER)", |p| {
                p.caps.per_owner = Some(1)
            }),
            ("o/r has all 1 runners that one repository may have (MAX_RUNNERS_PER_REPO)", |p| {
                p.caps.per_repo = Some(1)
            }),
        ];
        for (words, narrow) in rows {
            let mut policy = base.clone();
            (policy.default.memory, policy.default.nano_cpus) = (2 << 20, 1_000_000_000);
            assert_eq!(
                Capacity::beside(&policy, running.iter()).admits(&policy.default, &scope),
                Ok(())
            );
            narrow(&mut policy);
            let mut capacity = Capacity::beside(&policy, running.iter());
            let cap = capacity.admits(&policy.default, &scope).unwrap_err();
            assert_eq!(cap.to_string(), words);
            // What is given back is free again, for as long as it counts here at all.
            assert!(cap.counts(Counted::of(&running[0])));
            capacity.release(Counted::of(&running[0]), &policy.default);
            assert_eq!(capacity.admits(&policy.default, &scope), Ok(()), "{words}");
        }
    }
    #[test]
    fn each_cap_counts_the_runners_of_its_own() {
        let pool = |name| PoolName::parse(name).unwrap();
        let repo = |slug| RepoSlug::parse(slug).unwrap();
        let backend = |name| BackendName::parse(name).unwrap();
        let (docker, second) = (backend("docker"), backend("second"));
        // Pool ci at o/r, pool other there on another backend, and pool ci at o/s, p/q, o and e.
        let runners = [
            (&docker, "ci", "repo:o/r"),
            (&second, "other", "repo:o/r"),
            (&docker, "ci", "repo:o/s"),
            (&docker, "ci", "repo:p/q"),
            (&docker, "ci", "org:o"),
            (&docker, "ci", "enterprise:e"),
        ];
        let first = [true, false, true, true, true, true];
        let rows = [
            (CapacityLimit::Runners(docker.clone(), 1), first),
            (CapacityLimit::Memory(docker.clone(), 1), first),
            (CapacityLimit::Cpus(docker.clone(), 1), first),
            (CapacityLimit::Runners(second.clone(), 1), first.map(|one| !one)),
            (CapacityLimit::OneMemory(docker.clone(), pool("ci"), 2, 1), [false; 6]),
            (CapacityLimit::OneCpus(docker.clone(), pool("ci"), 2, 1), [false; 6]),
            (CapacityLimit::Pool(pool("ci"), 1), [true, false, true, true, true, true]),
            (
                CapacityLimit::Owner(repo("o/r").owner().clone(), 1),
                [true, true, true, false, true, false],
            ),
            (CapacityLimit::Repo(repo("o/r"), 1), [true, true, false, false, false, false]),
        ];
        for (cap, expected) in rows {
            let found = runners.map(|(backend, name, scope)| {
                let (pool, scope) = (pool(name), scope.parse().unwrap());
                cap.counts(Counted { backend, pool: &pool, scope: &scope })
            });
            assert_eq!(found, expected, "{cap}");
        }
    }
}
