//! Which queued jobs count on which runners.

use std::collections::BTreeMap;

use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::{RepoSlug, Scope};

use super::Planner;
use super::matched_job::MatchedJob;
use crate::matching::{Chance, Supply, match_jobs};
use crate::pool_choice::is_in_group;
use mayfly_common::job::QueuedJob;
use mayfly_common::machine::Machine;

/// Jobs that count on no runner, or on one with a doubtful chance only.
pub(super) struct Missing<'j, 'a> {
    /// Those that count on none.
    pub(super) unserved: Vec<&'j MatchedJob<'a>>,
    /// The same, and those that count on one with a doubtful chance.
    pub(super) doubtful: Vec<&'j MatchedJob<'a>>,
}

/// A runner that a job may count on.
struct Seat<'s> {
    name: &'s RunnerName,
    pool: &'s PoolName,
    supply: Supply<'s>,
    /// None of a runner that this plan starts.
    machine: Option<&'s Machine>,
}

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    /// Counts which jobs have a runner that is there, on its way or started by this plan. Answers the others.
    pub(super) fn count<'j>(&mut self, ours: &'j [MatchedJob<'a>]) -> Missing<'j, 'a> {
        let there = self.available().into_iter().map(|one| Seat {
            name: &one.name,
            pool: &one.pool,
            supply: Supply { scope: &one.scope, labels: &one.labels },
            machine: Some(one),
        });
        let new = self.launches().map(|one| Seat {
            name: &one.name,
            pool: &one.pool,
            supply: Supply { scope: &one.scope, labels: &one.labels },
            machine: None,
        });
        let seats: Vec<Seat<'_>> = there.chain(new).collect();
        let chance = |job: usize, seat: usize| {
            let (job, seat) = (ours[job].job, &seats[seat]);
            let fits = self.is_in_group(job, seat.pool, seat.supply.scope);
            if fits { self.chance(job, seat) } else { Chance::None }
        };
        let jobs: Vec<&QueuedJob> = ours.iter().map(|ours| ours.job).collect();
        let supply: Vec<Supply<'_>> = seats.iter().map(|seat| seat.supply).collect();
        let matched = match_jobs(&jobs, &supply, chance);
        let by = jobs.iter().zip(&matched.by).enumerate();
        let pairs: Vec<(usize, usize, &QueuedJob)> =
            by.filter_map(|(index, (job, by))| Some((index, (*by)?, *job))).collect();
        let doubtful = pairs.iter().filter(|(job, seat, _)| chance(*job, *seat) < Chance::Good);
        let doubtful = doubtful.map(|(_, seat, job)| (seats[*seat].name.clone(), &job.repo));
        let doubtful: BTreeMap<RunnerName, &'a RepoSlug> = doubtful.collect();
        let expected: BTreeMap<i64, RunnerName> =
            pairs.iter().map(|(_, seat, job)| (job.id, seats[*seat].name.clone())).collect();
        self.doubtful = doubtful;
        self.needed = expected.values().cloned().collect();
        self.plan.expected = expected;
        let of = |indices: &[usize]| indices.iter().map(|&index| &ours[index]).collect();
        Missing { unserved: of(&matched.unserved), doubtful: of(&matched.doubtful) }
    }

    /// True if runners of `pool` at `scope` are in the runner group that a job asks for, as far as is known. Of one that was made by hand, or
    /// whose pool is gone, it is not.
    pub(super) fn is_in_group(&self, job: &QueuedJob, pool: &PoolName, scope: &Scope) -> bool {
        let asked = self.seen.groups.get(&job.id);
        let of = self.policy.pool(pool);
        of.map_or(!job.labels.is_empty(), |pool| is_in_group(job, asked, pool, scope))
    }

    /// The chance that GitHub assigns a job to a runner that has its labels.
    fn chance(&self, job: &QueuedJob, seat: &Seat<'_>) -> Chance {
        let memory = &self.seen.memory;
        let group = self.policy.pool(seat.pool).and_then(|pool| pool.group.as_deref());
        let scope = seat.supply.scope;
        // Not to the last runner of the same scope and group either.
        let held = memory.assignment(job.id).is_some_and(|it| it.is_held(scope, group, self.now));
        if held || seat.machine.is_some_and(|machine| self.is_in_vain(job, machine)) {
            Chance::None
        } else if memory.failed_groups.has(&job.repo, scope, group) {
            Chance::Doubtful
        } else {
            Chance::Good
        }
    }

    /// What is known of GitHub not assigning a queued job to a runner that has its labels.
    pub(super) fn not_assigned_to(&self, machine: &Machine) -> Option<String> {
        if let Some(job) = self.kept.get(&machine.name) {
            return Some(format!("GitHub has not assigned job {job} to it"));
        }
        let seat = Seat {
            name: &machine.name,
            pool: &machine.pool,
            supply: Supply { scope: &machine.scope, labels: &machine.labels },
            machine: Some(machine),
        };
        let fits = |job: &&QueuedJob| {
            machine.scope.covers(&job.repo) && machine.labels.covers(&job.labels)
        };
        let jobs = || self.seen.jobs.iter().filter(fits);
        if let Some(job) = jobs().find(|job| self.is_in_vain(job, machine)) {
            return Some(format!("GitHub has not assigned job {} to it", job.id));
        }
        let doubtful = jobs().find(|job| self.chance(job, &seat) == Chance::Doubtful)?;
        let repo = &doubtful.repo;
        Some(format!("GitHub did not assign jobs of {repo} lately to runners like it"))
    }

    /// True if a runner has been idle beside a job for so long that GitHub will not assign the job to it.
    pub(super) fn is_in_vain(&self, job: &QueuedJob, machine: &Machine) -> bool {
        let idle_since = self.seen.memory.of(machine).idle_since;
        let known = self.seen.memory.assignment(job.id).zip(idle_since);
        known.is_some_and(|(known, since)| known.is_in_vain(since))
    }
}
