//! The decision: from what was seen to what to do.
//!
//! Invariants, each held by a property test: never more runners than any cap allows; a busy runner is never removed (but past
//! its deadline, or when somebody insists); after a plan is carried out, planning again gives nothing, and neither does it while the plan
//! is being carried out; nothing is concluded about a scope that GitHub could not be asked about.
//!
//! | module | decides |
//! |---|---|
//! | `over` | what is over, on the host and at GitHub |
//! | `requests` | what was asked for |
//! | `jobs` | runners for queued jobs |
//! | `count` | which jobs count on which runners |
//! | `start` | whether one runner may be started |
//! | `numbers` | which numbered name a new runner gets |
//! | `idle` | runners that wait |
//! | `unserved` | runners that wait where nothing is served |
//! | `reclaim` | idle runners that give their room to jobs |
//! | `prepared` | runners whose machine is ready to be started |
//! | `flight` | what is under way already |
//! | `batch` | which actions belong together |
//!
//! What is in flight ([`Observed::in_flight`]) is planned already: a launch under way is supply, takes room and keeps its name, a runner
//! that is being ended is no supply and takes room until it is gone, and nothing is begun twice or beside it.

mod batch;
mod cause;
mod count;
mod flight;
mod idle;
mod jobs;
mod matched_job;
mod numbers;
mod over;
mod prepared;
mod reclaim;
mod requests;
mod start;
mod unserved;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::{RepoSlug, Scope};

pub use self::batch::{Batch, batches};
pub use self::cause::Cause;
use self::jobs::Blocked;
use super::action::{Action, Launch};
use super::backoff::Place;
use super::capacity::Capacity;
use super::lifecycle::Failure;
use super::memory::Clash;
use super::not_assigned::NotAssigned;
use super::observed::Observed;
use super::policy::Policy;
use super::pool_choice::Remedy;
use super::request::{Refusal, RequestId};
use mayfly_common::job::QueuedJob;
use mayfly_common::machine::{Machine, Phase};
use mayfly_common::registration::RunnerId;

/// What to do, and what was thought of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do; removals come before launches.
    pub actions: Vec<Action>,
    /// The state of each of our containers, in the order they were seen.
    pub verdicts: Vec<Verdict>,
    /// Requests that are not carried out.
    pub refusals: Vec<(RequestId, Refusal)>,
    /// Queued jobs that no runner of ours may take.
    pub unmet: Vec<Unmet>,
    /// Jobs that are for us and have no runner on its way, and why not.
    pub waiting: Vec<Waiting>,
    /// Jobs that are expected to be taken by a runner that waits or starts.
    pub expected: BTreeMap<i64, RunnerName>,
    /// Queued jobs that GitHub did not assign to a runner that was idle beside them.
    pub not_assigned: Vec<Unassigned>,
    /// Jobs for GitHub's own machines.
    pub hosted: BTreeSet<i64>,
    /// How many queued jobs are for runners like ours.
    pub demand: usize,
    /// The same by the pool that comes first for them.
    pub pending: BTreeMap<PoolName, usize>,
    /// Pools that have fewer runners waiting than they want, and why.
    pub short: BTreeMap<PoolName, Cause>,
    /// Pools whose number of runners is changed by the policy `ratio`.
    pub scaled: BTreeSet<PoolName>,
    /// Other orchestrators that use our runners' names.
    pub clashes: Vec<Clash>,
}

/// A job that waits for a runner that is not on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// GitHub's id of the job.
    pub job: i64,
    /// The pool that comes first for it.
    pub pool: Option<PoolName>,
    /// What is in the way.
    pub cause: Cause,
}

/// A queued job that GitHub did not assign, and the runner that was idle beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unassigned {
    /// The job.
    pub job: QueuedJob,
    /// The runner.
    pub failed: NotAssigned,
}

/// A runner's state, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The runner.
    pub name: RunnerName,
    /// Its state.
    pub state: RunnerState,
    /// Why, in words.
    pub why: String,
    /// How it failed, if it did.
    pub failure: Option<Failure>,
    /// Its registration, if GitHub lists one.
    pub id: Option<RunnerId>,
    /// True if it can still take a job.
    pub is_supply: bool,
}

/// A job that gets no runner, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The job.
    pub job: QueuedJob,
    /// Why.
    pub why: String,
    /// What helps.
    pub remedy: Remedy,
}

/// Decides everything; does nothing. Same input, same output.
pub fn plan(seen: &Observed, policy: &Policy, now: Timestamp) -> Plan {
    let running = seen.machines.iter().filter(|machine| takes_room(machine));
    let mut planner = Planner {
        seen,
        policy,
        now,
        plan: Plan {
            actions: seen.in_flight.clone(),
            clashes: seen.memory.clashes().cloned().collect(),
            ..Plan::default()
        },
        names: seen.fresh_names.iter().cloned(),
        capacity: Capacity::beside(policy, running.clone()),
        standing: BTreeMap::new(),
        needed: BTreeSet::new(),
        kept: BTreeMap::new(),
        doubtful: BTreeMap::new(),
        held: BTreeMap::new(),
        blocked: Vec::new(),
        failing: BTreeSet::new(),
        shrink: BTreeMap::new(),
    };
    for machine in running {
        if let Scope::Repo(repo) = &machine.scope {
            *planner.standing.entry(repo).or_default() += 1;
        }
    }
    planner.take_in_flight();
    planner.judge();
    planner.remove_what_is_over();
    planner.serve_deletions();
    planner.clean_registrations();
    planner.serve_creations();
    planner.retire_unserved();
    planner.serve_jobs();
    planner.retire_idle();
    planner.make_room();
    planner.start_prepared();
    planner.plan.actions.drain(..seen.in_flight.len());
    planner.plan
}

struct Planner<'a, N> {
    seen: &'a Observed,
    policy: &'a Policy,
    now: Timestamp,
    plan: Plan,
    names: N,
    /// What is in use, this plan's launches included. A container counts until it is gone, even if this plan removes it: the
    /// removal may fail.
    capacity: Capacity<'a>,
    /// Runners of each repository, with those that this plan starts for its jobs.
    standing: BTreeMap<&'a RepoSlug, usize>,
    /// Runners that a queued job counts on, this plan's launches included.
    needed: BTreeSet<RunnerName>,
    /// Idle runners that stay for a job that GitHub has not assigned to them so far, as long as nobody needs their room.
    kept: BTreeMap<RunnerName, i64>,
    /// How many jobs of each pool wait because GitHub did not assign them.
    held: BTreeMap<PoolName, usize>,
    /// Runners that a job counts on though GitHub did not assign a job of the same repository lately to such a runner; with that
    /// repository.
    doubtful: BTreeMap<RunnerName, &'a RepoSlug>,
    /// Where a runner would have been started for a job, had there been room: the first such pool of each job.
    blocked: Vec<Blocked<'a>>,
    /// Where runners failed to start that no earlier pass saw fail: until their failures are counted, the next ones wait.
    failing: BTreeSet<Place>,
    /// How many runners pools with the policy `ratio` are to lose.
    shrink: BTreeMap<PoolName, usize>,
}

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    fn running(&self) -> impl Iterator<Item = &'a Machine> + use<'a, N> {
        self.seen.machines.iter().filter(|machine| takes_room(machine))
    }

    /// Runners that can still take a job: idle, or starting within their time. Failed ones never count.
    fn available(&self) -> Vec<&'a Machine> {
        self.judged()
            .filter(|(machine, verdict)| verdict.is_supply && !self.leaving(&machine.name))
            .map(|(machine, _)| machine)
            .collect()
    }

    /// How many runners of a pool there are when this plan is carried out, as far as it is made.
    fn staying(&self, pool: &PoolName) -> usize {
        let there = self.running().filter(|one| one.pool == *pool && !self.leaving(&one.name));
        there.count() + self.launches().filter(|launch| launch.pool == *pool).count()
    }

    fn leaving(&self, name: &RunnerName) -> bool {
        self.plan.actions.iter().any(|action| action.ends(name))
    }

    /// Runners that this plan starts, and those under way that no list shows yet.
    fn launches(&self) -> impl Iterator<Item = &Launch> {
        self.plan.actions.iter().filter_map(|action| match action {
            Action::Launch(launch) if !self.seen.has_machine(&launch.name) => Some(launch),
            _ => None,
        })
    }

    /// True if something is, or will be, done with a runner.
    fn in_hand(&self, name: &RunnerName) -> bool {
        self.plan.actions.iter().any(|action| action.runner() == Some(name))
    }
}

/// True if it uses what the caps count: it runs or may run, is made or prepared for that, or a part of it goes only with it.
fn takes_room(machine: &Machine) -> bool {
    match &machine.phase {
        // One that was never started may still be, as long as it is there: nobody knows what became of its start.
        Phase::Exited(_) => machine.lingers,
        _ => true,
    }
}

/// True if its state cannot be seen: nothing is done to it.
fn is_unseen(machine: &Machine) -> bool {
    matches!(machine.phase, Phase::Unknown(_))
}

#[cfg(test)]
mod tests;
