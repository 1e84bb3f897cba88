//! How many more runners fit, under every cap at once, and which one is in the way.

use std::collections::BTreeMap;
use std::fmt;

use mayfly_common::pool::PoolName;
use mayfly_common::scope::{Login, RepoSlug, Scope};

use super::policy::{Caps, Policy, PoolPolicy};
use mayfly_common::machine::Machine;

/// The cap that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cap {
    /// `MAX_RUNNERS`.
    Runners(usize),
    /// `MAX_RUNNERS_MEMORY`, in bytes.
    Memory(i64),
    /// `MAX_RUNNERS_CPUS`, in billionths.
    Cpus(i64),
    /// `MAX_RUNNERS_MEMORY`, which one runner of the pool exceeds: what it needs, and the cap.
    OneMemory(PoolName, i64, i64),
    /// `MAX_RUNNERS_CPUS`, which one runner of the pool exceeds: what it needs, and the cap.
    OneCpus(PoolName, i64, i64),
    /// The pool's own.
    Pool(PoolName, usize),
    /// `MAX_RUNNERS_PER_OWNER`.
    Owner(Login, usize),
    /// `MAX_RUNNERS_PER_REPO`.
    Repo(RepoSlug, usize),
}

impl Cap {
    /// True if this cap counts a runner of `pool` in `scope`.
    pub fn counts(&self, pool: &PoolName, scope: &Scope) -> bool {
        match self {
            Self::Runners(_) | Self::Memory(_) | Self::Cpus(_) => true,
            // No runner that goes makes room.
            Self::OneMemory(..) | Self::OneCpus(..) => false,
            Self::Pool(name, _) => name == pool,
            Self::Owner(login, _) => owner(scope) == Some(login),
            Self::Repo(slug, _) => matches!(scope, Scope::Repo(repo) if repo == slug),
        }
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runners(max) => {
                write!(f, "all {max} runners of the host are in use (MAX_RUNNERS)")
            }
            Self::Memory(max) => {
                write!(
                    f,
                    "the memory limit of all runners, {} MiB, is reached (MAX_RUNNERS_MEMORY)",
                    max >> 20
                )
            }
            Self::Cpus(max) => write!(
                f,
                "the CPU limit of all runners, {}, is reached (MAX_RUNNERS_CPUS)",
                processors(*max)
            ),
            Self::OneMemory(pool, needs, max) => write!(
                f,
                "one runner of pool {pool} needs {} MiB of memory, and all runners together may have {} MiB (MAX_RUNNERS_MEMORY)",
                needs.saturating_add((1 << 20) - 1) >> 20,
                max >> 20
            ),
            Self::OneCpus(pool, needs, max) => write!(
                f,
                "one runner of pool {pool} needs {} processors, and all runners together may have {} (MAX_RUNNERS_CPUS)",
                processors(*needs),
                processors(*max)
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

/// What is in use, and what may be.
#[derive(Clone)]
pub(super) struct Room<'a> {
    caps: &'a Caps,
    runners: usize,
    memory: i64,
    nano_cpus: i64,
    pools: BTreeMap<PoolName, usize>,
    owners: BTreeMap<Login, usize>,
    repos: BTreeMap<RepoSlug, usize>,
}

impl<'a> Room<'a> {
    /// The room beside these containers, all of which run.
    pub(super) fn beside<'b>(
        policy: &'a Policy,
        running: impl Iterator<Item = &'b Machine>,
    ) -> Self {
        let mut room = Self {
            caps: &policy.caps,
            runners: 0,
            memory: 0,
            nano_cpus: 0,
            pools: BTreeMap::new(),
            owners: BTreeMap::new(),
            repos: BTreeMap::new(),
        };
        for machine in running {
            room.add(&machine.pool, policy.terms(&machine.pool), &machine.scope);
        }
        room
    }

    /// Containers in use.
    pub(super) fn runners(&self) -> usize {
        self.runners
    }

    /// Containers of a pool.
    pub(super) fn of_pool(&self, pool: &PoolName) -> usize {
        self.pools.get(pool).copied().unwrap_or_default()
    }

    /// Containers of a repository.
    pub(super) fn of_repo(&self, repo: &RepoSlug) -> usize {
        self.repos.get(repo).copied().unwrap_or_default()
    }

    /// Says which cap is in the way of one more runner, if any is. Takes nothing.
    pub(super) fn admits(&self, pool: &PoolPolicy, scope: &Scope) -> Result<(), Cap> {
        let caps = self.caps;
        self.fits(pool)?;
        if self.of_pool(&pool.name) >= pool.max {
            return Err(Cap::Pool(pool.name.clone(), pool.max));
        }
        if let (Some(max), Some(owner)) = (caps.per_owner, owner(scope))
            && self.owners.get(owner).is_some_and(|used| *used >= max)
        {
            return Err(Cap::Owner(owner.clone(), max));
        }
        if let (Some(max), Scope::Repo(repo)) = (caps.per_repo, scope)
            && self.of_repo(repo) >= max
        {
            return Err(Cap::Repo(repo.clone(), max));
        }
        Ok(())
    }

    /// Takes a place for a runner that somebody asked for; only the host sets a limit.
    pub(super) fn take_by_hand(
        &mut self,
        name: &PoolName,
        terms: &PoolPolicy,
        scope: &Scope,
    ) -> Result<(), Cap> {
        self.fits(terms)?;
        self.add(name, terms, scope);
        Ok(())
    }

    /// Gives back the place of a runner that is counted.
    pub(super) fn release(&mut self, pool: &PoolName, terms: &PoolPolicy, scope: &Scope) {
        fn less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
            if let Some(count) = counts.get_mut(key) {
                *count = count.saturating_sub(1);
            }
        }
        self.runners = self.runners.saturating_sub(1);
        self.memory = self.memory.saturating_sub(terms.memory);
        self.nano_cpus = self.nano_cpus.saturating_sub(terms.nano_cpus);
        less(&mut self.pools, pool);
        if let Some(owner) = owner(scope) {
            less(&mut self.owners, owner);
        }
        if let Scope::Repo(repo) = scope {
            less(&mut self.repos, repo);
        }
    }

    fn fits(&self, pool: &PoolPolicy) -> Result<(), Cap> {
        let caps = self.caps;
        if self.runners >= caps.runners {
            return Err(Cap::Runners(caps.runners));
        }
        if let Some(max) = caps.memory.filter(|max| pool.memory > *max) {
            return Err(Cap::OneMemory(pool.name.clone(), pool.memory, max));
        }
        if let Some(max) = caps.nano_cpus.filter(|max| pool.nano_cpus > *max) {
            return Err(Cap::OneCpus(pool.name.clone(), pool.nano_cpus, max));
        }
        if let Some(max) = caps.memory.filter(|max| self.memory.saturating_add(pool.memory) > *max)
        {
            return Err(Cap::Memory(max));
        }
        let cpus = caps.nano_cpus;
        match cpus.filter(|max| self.nano_cpus.saturating_add(pool.nano_cpus) > *max) {
            Some(max) => Err(Cap::Cpus(max)),
            None => Ok(()),
        }
    }

    /// Counts one more runner.
    pub(super) fn add(&mut self, name: &PoolName, terms: &PoolPolicy, scope: &Scope) {
        self.runners += 1;
        self.memory = self.memory.saturating_add(terms.memory);
        self.nano_cpus = self.nano_cpus.saturating_add(terms.nano_cpus);
        *self.pools.entry(name.clone()).or_default() += 1;
        if let Some(owner) = owner(scope) {
            *self.owners.entry(owner.clone()).or_default() += 1;
        }
        if let Scope::Repo(repo) = scope {
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
    use crate::lifecycle::tests::{machine, policy};
    use mayfly_common::machine::Phase;

    type Narrow = fn(&mut Policy);

    #[test]
    fn a_cap_that_is_smaller_than_one_runner_is_named_as_such() {
        let scope: Scope = "repo:o/r".parse().unwrap();
        let rows: [(&str, Narrow); 3] = [
            (
                "one runner of pool default needs 256 MiB of memory, and all runners together may have 100 MiB (MAX_RUNNERS_MEMORY)",
                |p| p.caps.memory = Some(100 << 20),
            ),
            (
                "one runner of pool default needs 1.50 processors, and all runners together may have 0.50 (MAX_RUNNERS_CPUS)",
                |p| p.caps.nano_cpus = Some(500_000_000),
            ),
            ("pool default starts no runner: its max is 0", |p| p.default.max = 0),
        ];
        for (words, narrow) in rows {
            let mut policy = policy();
            (policy.default.memory, policy.default.nano_cpus) = (256 << 20, 1_500_000_000);
            (policy.caps.memory, policy.caps.nano_cpus) = (Some(256 << 20), Some(1_500_000_000));
            let none = || std::iter::empty::<&Machine>();
            // As large as the cap is not larger.
            assert_eq!(Room::beside(&policy, none()).admits(&policy.default, &scope), Ok(()));
            narrow(&mut policy);
            let cap = Room::beside(&policy, none()).admits(&policy.default, &scope).unwrap_err();
            assert_eq!(cap.to_string(), words);
            let of_pool = matches!(cap, Cap::Pool(..));
            assert_eq!(cap.counts(&policy.default.name, &scope), of_pool, "{words}");
        }
    }

    #[test]
    fn every_cap_is_named_when_it_is_reached() {
        let base = policy();
        let scope: Scope = "repo:o/r".parse().unwrap();
        let running = [machine("a1", Phase::Running { working: None })];
        let rows: [(&str, Narrow); 6] = [
            ("all 1 runners of the host are in use (MAX_RUNNERS)", |p| p.caps.runners = 1),
            ("the memory limit of all runners, 3 MiB, is reached (MAX_RUNNERS_MEMORY)", |p| {
                p.caps.memory = Some(3 << 20)
            }),
            ("the CPU limit of all runners, 1.50, is reached (MAX_RUNNERS_CPUS)", |p| {
                p.caps.nano_cpus = Some(1_500_000_000)
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
                Room::beside(&policy, running.iter()).admits(&policy.default, &scope),
                Ok(())
            );
            narrow(&mut policy);
            let mut room = Room::beside(&policy, running.iter());
            let cap = room.admits(&policy.default, &scope).unwrap_err();
            assert_eq!(cap.to_string(), words);
            // What is given back is free again, for as long as it counts here at all.
            assert!(cap.counts(&running[0].pool, &running[0].scope));
            room.release(&running[0].pool, &policy.default, &running[0].scope);
            assert_eq!(room.admits(&policy.default, &scope), Ok(()), "{words}");
        }
    }
    #[test]
    fn each_cap_counts_the_runners_of_its_own() {
        let pool = |name| PoolName::parse(name).unwrap();
        let repo = |slug| RepoSlug::parse(slug).unwrap();
        // Pool ci at o/r, pool other there, and pool ci at o/s, p/q, o and e.
        let runners = [
            ("ci", "repo:o/r"),
            ("other", "repo:o/r"),
            ("ci", "repo:o/s"),
            ("ci", "repo:p/q"),
            ("ci", "org:o"),
            ("ci", "enterprise:e"),
        ];
        let rows = [
            (Cap::Runners(1), [true; 6]),
            (Cap::Memory(1), [true; 6]),
            (Cap::Cpus(1), [true; 6]),
            (Cap::OneMemory(pool("ci"), 2, 1), [false; 6]),
            (Cap::OneCpus(pool("ci"), 2, 1), [false; 6]),
            (Cap::Pool(pool("ci"), 1), [true, false, true, true, true, true]),
            (Cap::Owner(repo("o/r").owner().clone(), 1), [true, true, true, false, true, false]),
            (Cap::Repo(repo("o/r"), 1), [true, true, false, false, false, false]),
        ];
        for (cap, expected) in rows {
            let found =
                runners.map(|(name, scope)| cap.counts(&pool(name), &scope.parse().unwrap()));
            assert_eq!(found, expected, "{cap}");
        }
    }
}
