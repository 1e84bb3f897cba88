//! The decision: from what was seen to what to do.
//!
//! Invariants, each held by a property test: never more runners than any cap allows; a busy runner is never removed (but past
//! its deadline, or when somebody insists); after a plan is carried out, planning again gives nothing; nothing is concluded
//! about a scope that GitHub could not be asked about.
//!
//! | module | decides |
//! |---|---|
//! | here | what is over, what was asked for, what is left over at GitHub |
//! | `jobs` | runners for queued jobs |
//! | `count` | which jobs count on which runners |
//! | `start` | whether one runner may be started, and its name |
//! | `idle` | runners that wait |
//! | `reclaim` | idle runners that give their room to jobs |
//! | `engine` | runners that wait for a Docker engine of their own |

mod count;
mod engine;
mod idle;
mod jobs;
mod reclaim;
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::CreateRunners;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::{RepoSlug, Scope};

use self::jobs::Blocked;
use super::action::{Action, Launch, Refusal, RequestId};
use super::assignment::NotAssigned;
use super::backoff::Place;
use super::choice::Remedy;
use super::lifecycle::{Failure, reason_of};
use super::memory::Clash;
use super::naming::NamesTaken;
use super::observed::{Image, Listing, Observed, Sight, Wish};
use super::policy::Policy;
use super::room::{Cap, Room};
use mayfly_common::job::QueuedJob;
use mayfly_common::machine::{Instance, Phase};
use mayfly_common::registration::{Registered, RunnerId};

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

/// Why a runner is not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// GitHub did not assign the job to a runner that was idle beside it.
    NotAssigned(NotAssigned),
    /// The platform drains.
    Draining,
    /// There is no room.
    Cap(Cap),
    /// The pool is paused.
    Paused(PoolName),
    /// The image is not on the host.
    Image(String),
    /// Failures make this place wait.
    HeldBack(Place, Timestamp),
    /// The policy `ratio` wants no more; its reason.
    Ratio(PoolName, String),
    /// All names of the pool are taken.
    NoName(Box<NamesTaken>),
    /// The pool names no place, and none was discovered.
    NoPlace,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAssigned(failed) => {
                write!(f, "{failed}; the next is started at {}", failed.until)
            }
            Self::Draining => f.write_str("the platform is draining"),
            Self::Cap(cap) => write!(f, "{cap}"),
            Self::Paused(pool) => write!(f, "pool {pool} is paused"),
            Self::Image(image) => write!(f, "image {image} is not on the host yet"),
            Self::HeldBack((_, scope), until) => {
                write!(f, "runners of {scope} failed; the next is started at {until}")
            }
            Self::Ratio(pool, reason) => {
                write!(f, "pool {pool} starts no runner for it: {reason}")
            }
            Self::NoName(taken) => taken.fmt(f),
            Self::NoPlace => f.write_str("no repository is known yet where its runners could wait"),
        }
    }
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
    /// Whether it can still take a job.
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
    let running = seen.instances.iter().filter(|instance| takes_room(instance));
    let mut planner = Planner {
        seen,
        policy,
        now,
        plan: Plan { clashes: seen.memory.clashes().cloned().collect(), ..Plan::default() },
        names: seen.fresh_names.iter().cloned(),
        room: Room::beside(policy, running.clone()),
        standing: BTreeMap::new(),
        needed: BTreeSet::new(),
        kept: BTreeMap::new(),
        doubtful: BTreeMap::new(),
        held: BTreeMap::new(),
        blocked: Vec::new(),
        shrink: BTreeMap::new(),
    };
    for instance in running {
        if let Scope::Repo(repo) = &instance.scope {
            *planner.standing.entry(repo).or_default() += 1;
        }
    }
    planner.judge();
    planner.remove_what_is_over();
    planner.serve_deletions();
    planner.clean_registrations();
    planner.serve_creations();
    planner.serve_jobs();
    planner.retire_idle();
    planner.make_room();
    planner.start_prepared();
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
    room: Room<'a>,
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
    /// How many runners pools with the policy `ratio` are to lose.
    shrink: BTreeMap<PoolName, usize>,
}

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    fn judge(&mut self) {
        for instance in &self.seen.instances {
            let sight = self.seen.sight_of(instance);
            let sighting = self.seen.memory.of(instance);
            let reason = reason_of(
                instance,
                sight,
                sighting,
                self.policy.terms(&instance.pool).registration_timeout,
                self.now,
            );
            let id = sight.listed().map(|registered| registered.id);
            self.plan.verdicts.push(Verdict {
                name: instance.name.clone(),
                state: reason.state(),
                why: reason.to_string(),
                failure: reason.failure(),
                id,
                is_supply: reason.is_supply(),
            });
        }
    }

    fn judged(&self) -> impl Iterator<Item = (&'a Instance, Verdict)> + use<'a, N> {
        self.seen.instances.iter().zip(self.plan.verdicts.clone())
    }

    fn remove_what_is_over(&mut self) {
        for (instance, verdict) in self.judged() {
            if !matches!(verdict.state, RunnerState::Finished | RunnerState::Failed) {
                continue;
            }
            let id = match self.seen.sight_of(instance) {
                // GitHub refuses to delete a registration whose job it believes in; the deadline is ours to enforce.
                Sight::Listed(registered) if registered.busy && instance_runs(instance) => None,
                Sight::Listed(registered) => Some(registered.id),
                Sight::Absent => None,
                // GitHub removed the registration of a runner that did its job; any other may still be there.
                Sight::Unknown | Sight::Unasked if verdict.state == RunnerState::Finished => None,
                Sight::Unknown | Sight::Unasked => instance.github_id,
            };
            // The container stays with its registration, unless somebody asks again.
            if self.is_put_off(&instance.scope, id) && !self.is_to_be_deleted(&instance.name) {
                continue;
            }
            self.plan.actions.push(Action::Remove {
                name: instance.name.clone(),
                pool: instance.pool.clone(),
                scope: instance.scope.clone(),
                id,
                state: verdict.state,
                why: verdict.why,
                holds_back: verdict.failure.as_ref().is_some_and(Failure::is_of_start)
                    && !self.seen.memory.of(instance).was_busy,
                failure: verdict.failure,
                request: None,
            });
        }
    }

    /// True if GitHub refused to delete this registration a moment ago, because its runner runs a job.
    fn is_put_off(&self, scope: &Scope, id: Option<RunnerId>) -> bool {
        id.is_some_and(|id| self.seen.memory.put_off(scope, id, self.now).is_some())
    }

    /// True if somebody asks for the end of this runner.
    fn is_to_be_deleted(&self, runner: &RunnerName) -> bool {
        let deletes = |wish: &Wish| matches!(wish, Wish::Delete { name, .. } if name == runner);
        self.seen.wishes.iter().any(|(_, wish)| deletes(wish))
    }

    fn serve_deletions(&mut self) {
        for (request, wish) in &self.seen.wishes {
            let Wish::Delete { name, force } = wish else { continue };
            let found = self.judged().find(|(instance, _)| instance.name == *name);
            let decision = match found {
                None => Err(Refusal::NoSuchRunner(name.clone())),
                Some((instance, verdict)) => self.deletion(instance, &verdict, *force, *request),
            };
            match decision {
                Ok(Some(action)) => self.plan.actions.push(action),
                Ok(None) => {}
                Err(refusal) => self.plan.refusals.push((*request, refusal)),
            }
        }
    }

    /// How to end one runner on request. `Ok(None)`: it is being ended already, and the request rides along.
    fn deletion(
        &mut self,
        instance: &Instance,
        verdict: &Verdict,
        force: bool,
        asker: RequestId,
    ) -> Result<Option<Action>, Refusal> {
        let why = "it was deleted through the API".to_owned();
        for action in &mut self.plan.actions {
            match action {
                Action::Remove { name, request, .. } | Action::Retire { name, request, .. }
                    if *name == instance.name =>
                {
                    if request.is_some() {
                        return Err(Refusal::NoSuchRunner(name.clone()));
                    }
                    *request = Some(asker);
                    return Ok(None);
                }
                _ => {}
            }
        }
        let (name, scope) = (instance.name.clone(), instance.scope.clone());
        let gone = |id| Action::Remove {
            name: name.clone(),
            pool: instance.pool.clone(),
            scope: scope.clone(),
            id,
            state: RunnerState::Gone,
            why: why.clone(),
            failure: None,
            holds_back: false,
            request: Some(asker),
        };
        match (verdict.state, self.seen.sight_of(instance), force) {
            (RunnerState::Busy, _, false) => Err(Refusal::Busy(instance.name.clone())),
            // GitHub keeps a busy registration; it is cleaned when GitHub has noticed that the runner is gone.
            (RunnerState::Busy, _, true) | (_, Sight::Absent, _) => Ok(Some(gone(None))),
            (_, Sight::Unknown | Sight::Unasked, false) => {
                Err(Refusal::Unsure(instance.name.clone()))
            }
            (_, Sight::Unknown | Sight::Unasked, true) => Ok(Some(gone(instance.github_id))),
            (_, Sight::Listed(registered), _) => Ok(Some(Action::Retire {
                name,
                scope,
                id: registered.id,
                why,
                request: Some(asker),
            })),
        }
    }

    /// Deletes registrations of ours that have no container: what a crash between registering and creating leaves, and
    /// what a container removed behind our back leaves. One that is young may belong to a runner that another orchestrator with
    /// our names starts just now.
    fn clean_registrations(&mut self) {
        if !self.policy.clean_registrations {
            return;
        }
        for (scope, listing) in &self.seen.registrations {
            for registered in listing.entries() {
                let stray = self.seen.memory.stray(scope, registered.id);
                let timeout = self.policy.default.registration_timeout;
                if stray.is_some_and(|stray| stray.ours)
                    && self.is_abandoned(scope, registered, timeout)
                {
                    self.deregister(scope, registered);
                }
            }
        }
    }

    /// True if a registration without a machine was offline for as long as a runner may take to come online.
    fn is_abandoned(
        &self,
        scope: &Scope,
        registered: &Registered,
        timeout: SignedDuration,
    ) -> bool {
        let stray = self.seen.memory.stray(scope, registered.id);
        let since = stray.and_then(|stray| stray.offline_since);
        since.is_some_and(|since| self.now.duration_since(since) >= timeout)
            && !self.is_put_off(scope, Some(registered.id))
    }

    fn deregister(&mut self, scope: &Scope, registered: &Registered) {
        let is_planned = |action: &Action| matches!(action, Action::Deregister { id, .. } if *id == registered.id);
        if self.plan.actions.iter().any(is_planned) {
            return;
        }
        self.plan.actions.push(Action::Deregister {
            scope: scope.clone(),
            id: registered.id,
            name: registered.name.clone(),
            why: "it is offline and has no container here".to_owned(),
        });
    }

    fn serve_creations(&mut self) {
        for (request, wish) in &self.seen.wishes {
            let Wish::Create(wanted) = wish else { continue };
            match self.creation(wanted, *request) {
                Ok(launches) => self.plan.actions.extend(launches.into_iter().map(Action::Launch)),
                Err(refusal) => self.plan.refusals.push((*request, refusal)),
            }
        }
    }

    /// All the runners of a request, or none of them.
    fn creation(
        &mut self,
        wanted: &CreateRunners,
        request: RequestId,
    ) -> Result<Vec<Launch>, Refusal> {
        if self.policy.draining {
            return Err(Refusal::Draining);
        }
        let (asked, terms) = (usize::from(wanted.count), &self.policy.default);
        self.want_images(terms, &[Image::Missing, Image::Outdated]);
        if self.lacking(terms).is_some() {
            return Err(Refusal::NoImage);
        }
        let (max, running) = (self.policy.caps.runners, self.room.runners());
        if max.saturating_sub(running) < asked {
            return Err(Refusal::AtCapacity { running, max, asked });
        }
        let planned: Vec<&RunnerName> = self.launches().map(|launch| &launch.name).collect();
        let taken = |name: &&RunnerName| {
            let same = |other: &RunnerName| other.as_str().eq_ignore_ascii_case(name.as_str());
            self.seen.instances.iter().any(|instance| same(&instance.name))
                || planned.iter().any(|name| same(name))
        };
        if let Some(name) = wanted.names.iter().find(taken) {
            return Err(Refusal::NameTaken(name.clone()));
        }
        let namesakes = self.replaceable(wanted)?;
        let mut room = self.room.clone();
        for _ in 0..asked {
            room.take_by_hand(&PoolName::manual(), terms, &wanted.scope)
                .map_err(|cap| Refusal::NoRoom(cap.to_string()))?;
        }
        let names: Vec<RunnerName> = if wanted.names.is_empty() {
            self.names.by_ref().take(asked).collect()
        } else {
            wanted.names.clone()
        };
        self.room = room;
        for registered in namesakes {
            self.deregister(&wanted.scope, registered);
        }
        let launch = |name| Launch {
            name,
            pool: PoolName::manual(),
            scope: wanted.scope.clone(),
            labels: wanted.labels.clone().unwrap_or_else(|| terms.labels.clone()),
            explicit_labels: wanted.labels.is_some(),
            group: wanted.group.clone(),
            why: "it was asked for through the API".to_owned(),
            request: Some(request),
        };
        Ok(names.into_iter().map(launch).collect())
    }

    /// Registrations without a machine that have a name somebody asks for, and give way to the new runner: a machine of ours had them,
    /// or they are abandoned.
    fn replaceable(&self, wanted: &CreateRunners) -> Result<Vec<&'a Registered>, Refusal> {
        let scope = &wanted.scope;
        let timeout = self.policy.default.registration_timeout;
        let listed = self.seen.registrations.get(scope).map_or(&[][..], Listing::entries);
        let mut namesakes = Vec::new();
        for name in &wanted.names {
            let same = |one: &&Registered| one.name.eq_ignore_ascii_case(name.as_str());
            let Some(registered) = listed.iter().find(same) else { continue };
            let idle = !registered.online && !registered.busy;
            let ours = idle && self.seen.memory.had(scope, registered.id);
            let free = ours || self.is_abandoned(scope, registered, timeout);
            if !(free && self.policy.clean_registrations) {
                let (name, scope) = (name.clone(), scope.clone());
                return Err(Refusal::Registered { name, scope, timeout });
            }
            namesakes.push(registered);
        }
        Ok(namesakes)
    }

    fn running(&self) -> impl Iterator<Item = &'a Instance> + use<'a, N> {
        self.seen.instances.iter().filter(|instance| takes_room(instance))
    }

    /// Runners that can still take a job: idle, or starting within their time. Failed ones never count.
    fn available(&self) -> Vec<&'a Instance> {
        self.judged()
            .filter(|(instance, verdict)| verdict.is_supply && !self.leaving(&instance.name))
            .map(|(instance, _)| instance)
            .collect()
    }

    /// How many runners of a pool there are when this plan is carried out, as far as it is made.
    fn staying(&self, pool: &PoolName) -> usize {
        let there = self.running().filter(|one| one.pool == *pool && !self.leaving(&one.name));
        there.count() + self.launches().filter(|launch| launch.pool == *pool).count()
    }

    fn leaving(&self, name: &RunnerName) -> bool {
        self.plan.actions.iter().any(|action| ends(action, name))
    }

    fn launches(&self) -> impl Iterator<Item = &Launch> {
        self.plan.actions.iter().filter_map(|action| match action {
            Action::Launch(launch) => Some(launch),
            _ => None,
        })
    }
}

fn instance_runs(instance: &Instance) -> bool {
    matches!(instance.phase, Phase::Running { .. })
}

/// Whether it uses what the caps count: it runs, or there is a Docker engine of its own, which goes only with it.
fn takes_room(instance: &Instance) -> bool {
    instance_runs(instance) || instance.engine.is_some()
}

fn ends(action: &Action, runner: &RunnerName) -> bool {
    matches!(action, Action::Remove { name, .. } | Action::Retire { name, .. } if name == runner)
}

#[cfg(test)]
mod tests;
