//! Runners for queued jobs.
//!
//! Fair between repositories: whoever has the fewest runners gets the next one, so that a busy repository cannot starve a quiet
//! one. Pools of higher priority go first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use mayfly_common::foreign_text::message;
use mayfly_common::pool::{Autoscaling, PoolName};
use mayfly_common::scope::{RepoSlug, Scope};

use super::{Cause, Planner, Unassigned, Unmet, Waiting};
use crate::model::{Instance, QueuedJob};
use crate::scaling::action::{Action, Launch};
use crate::scaling::choice::{Offer, offer};
use crate::scaling::matching::{Supply, match_jobs};
use crate::scaling::observed::Image;
use crate::scaling::policy::PoolPolicy;
use crate::scaling::ratio::{Step, decide};
use mayfly_common::name::RunnerName;

/// A job of ours and the pools for it, the best first; none where only a runner made by hand has the labels.
struct Ours<'a> {
    job: &'a QueuedJob,
    pools: Vec<(&'a PoolPolicy, Scope)>,
}

/// A runner that a job may count on.
struct Seat<'s> {
    name: &'s RunnerName,
    pool: &'s PoolName,
    supply: Supply<'s>,
    /// None of a runner that this plan starts.
    instance: Option<&'s Instance>,
}

impl Ours<'_> {
    fn priority(&self) -> i32 {
        self.pools.first().map_or(0, |(pool, _)| pool.priority)
    }
}

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    /// Starts runners for queued jobs, and runners that wait. What is started may serve other jobs than those it is started for, so
    /// all is counted again until nothing more is started: the next plan then finds nothing left to start.
    pub(super) fn serve_jobs(&mut self) {
        let (ours, held) = self.ours_and_held();
        if !self.policy.auto_create {
            self.count(&ours);
            return self.hold(&held);
        }
        // Not only when the first job waits: a pull takes longer than anything else.
        for pool in self.policy.all().filter(|pool| pool.enabled) {
            self.want_images(pool, &[Image::Missing]);
        }
        let mut allowed = self.allowances();
        loop {
            let before = self.launches().count();
            self.plan.waiting.clear();
            self.blocked.clear();
            let unserved = self.count(&ours);
            self.hold(&held);
            self.start_for(unserved, &mut allowed);
            if self.launches().count() == before {
                self.keep_waiting();
            }
            if self.launches().count() == before {
                break;
            }
        }
    }

    /// The jobs that are for runners like ours, each with the pools that may be tried now, and those that none may be tried for.
    fn ours_and_held(&mut self) -> (Vec<Ours<'a>>, Vec<Ours<'a>>) {
        let (mut held, mut rest) = (Vec::new(), Vec::new());
        for mut ours in self.ours() {
            let first = ours.pools.first().map(|(pool, _)| pool.name.clone());
            let known = self.seen.memory.assignment(ours.job.id);
            let untried = |(pool, scope): &&(&PoolPolicy, Scope)| {
                known.is_none_or(|known| !known.is_held(scope, pool.group.as_deref(), self.now))
            };
            let open: Vec<(&'a PoolPolicy, Scope)> =
                ours.pools.iter().filter(untried).cloned().collect();
            let next = open.first().map(|(pool, _)| pool.name.clone());
            if let Some(pool) = first.as_ref().filter(|first| next.as_ref() != Some(first)) {
                *self.held.entry(pool.clone()).or_default() += 1;
            }
            if open.is_empty() && known.is_some_and(|known| known.held_until(self.now).is_some()) {
                held.push(ours);
                continue;
            }
            if let Some(pool) = next.filter(|next| first.as_ref() != Some(next)) {
                *self.plan.pending.entry(pool).or_default() += 1;
            }
            ours.pools = open;
            rest.push(ours);
        }
        (rest, held)
    }

    /// Selects the jobs that are for runners like ours, and notes for the others why they are not.
    fn ours(&mut self) -> Vec<Ours<'a>> {
        let mut ours: Vec<Ours<'a>> = Vec::new();
        for job in &self.seen.jobs {
            match offer(job, self.seen.groups.get(&job.id), self.policy) {
                Offer::Ours(pools) => ours.push(Ours { job, pools }),
                Offer::Unmet(..) if self.by_hand(job) => ours.push(Ours { job, pools: Vec::new() }),
                Offer::Unmet(why, remedy) => {
                    // It repeats labels, of which a workflow may name any number.
                    let why = message(&why);
                    self.plan.unmet.push(Unmet { job: job.clone(), why, remedy });
                }
                Offer::Hosted => drop(self.plan.hosted.insert(job.id)),
            }
        }
        self.plan.demand = ours.len();
        for job in &ours {
            if let Some((pool, _)) = job.pools.first() {
                *self.plan.pending.entry(pool.name.clone()).or_default() += 1;
            }
        }
        self.report_not_assigned(&ours);
        ours
    }

    /// Counts which jobs have a runner that is there, on its way or started by this plan. Answers the others.
    fn count<'j>(&mut self, ours: &'j [Ours<'a>]) -> Vec<&'j Ours<'a>> {
        let there = self.available().into_iter().map(|one| Seat {
            name: &one.name,
            pool: &one.pool,
            supply: Supply { scope: &one.scope, labels: &one.labels },
            instance: Some(one),
        });
        let new = self.launches().map(|one| Seat {
            name: &one.name,
            pool: &one.pool,
            supply: Supply { scope: &one.scope, labels: &one.labels },
            instance: None,
        });
        let seats: Vec<Seat<'_>> = there.chain(new).collect();
        // A job without labels counts on runners of its group, as far as that is known.
        let grouped = |job: &QueuedJob, seat: &Seat<'_>| {
            let asked = self.seen.groups.get(&job.id);
            let pool = self.policy.pool(seat.pool);
            let scope = seat.supply.scope;
            let group = pool.and_then(|pool| pool.group_at(scope));
            asked.is_some_and(|asked| group.is_some_and(|name| asked.is(scope, name)))
        };
        let may_count_on = |job: usize, seat: usize| {
            let (job, seat) = (ours[job].job, &seats[seat]);
            let in_vain = seat.instance.is_some_and(|instance| self.is_in_vain(job, instance))
                || self.is_held(job, seat);
            !in_vain && (!job.labels.is_empty() || grouped(job, seat))
        };
        let jobs: Vec<&QueuedJob> = ours.iter().map(|ours| ours.job).collect();
        let supply: Vec<Supply<'_>> = seats.iter().map(|seat| seat.supply).collect();
        let matched = match_jobs(&jobs, &supply, may_count_on);
        let by = jobs.iter().zip(&matched.by);
        let expected: BTreeMap<i64, RunnerName> =
            by.filter_map(|(job, by)| Some((job.id, seats[(*by)?].name.clone()))).collect();
        self.needed = expected.values().cloned().collect();
        self.plan.expected = expected;
        matched.unserved.iter().map(|&index| &ours[index]).collect()
    }

    /// Tells which jobs GitHub did not assign to a runner that was idle beside them.
    fn report_not_assigned(&mut self, ours: &[Ours<'a>]) {
        for job in ours.iter().map(|ours| ours.job) {
            let known = self.seen.memory.assignment(job.id);
            for failed in known.iter().flat_map(|known| &known.failed).cloned() {
                self.plan.not_assigned.push(Unassigned { job: job.clone(), failed });
            }
        }
    }

    /// True if GitHub did not assign a job to the last runner of the scope and group of this one.
    fn is_held(&self, job: &QueuedJob, seat: &Seat<'_>) -> bool {
        let group = self.policy.pool(seat.pool).and_then(|pool| pool.group.as_deref());
        let known = self.seen.memory.assignment(job.id);
        known.is_some_and(|known| known.is_held(seat.supply.scope, group, self.now))
    }

    /// Whether a runner has been idle beside a job for so long that GitHub will not assign the job to it.
    fn is_in_vain(&self, job: &QueuedJob, instance: &Instance) -> bool {
        let idle_since = self.seen.memory.of(instance).idle_since;
        let known = self.seen.memory.assignment(job.id).zip(idle_since);
        known.is_some_and(|(known, since)| known.is_in_vain(since))
    }

    /// Has jobs wait that GitHub did not assign. The runner that was idle beside each stays while nobody needs its room: GitHub
    /// assigns the job to it as soon as what is in the way is mended.
    fn hold(&mut self, jobs: &[Ours<'a>]) {
        self.kept.clear();
        let free = self.available();
        for ours in jobs {
            let job = ours.job;
            let pool = ours.pools.first().map(|(pool, _)| pool.name.clone());
            let beside = free.iter().find(|instance| {
                instance.scope.covers(&job.repo)
                    && instance.labels.covers(&job.labels)
                    && self.is_in_vain(job, instance)
                    && !self.needed.contains(&instance.name)
                    && !self.kept.contains_key(&instance.name)
            });
            if let Some(instance) = beside {
                self.kept.insert(instance.name.clone(), job.id);
            }
            let known = self.seen.memory.assignment(job.id);
            if let Some(failed) = known.and_then(|known| known.failed.last().cloned()) {
                let cause = Cause::NotAssigned(failed);
                self.plan.waiting.push(Waiting { job: job.id, pool, cause });
            }
        }
    }

    /// Whether a runner that somebody made by hand is there for a job that no pool takes.
    fn by_hand(&self, job: &QueuedJob) -> bool {
        !job.labels.is_empty()
            && self.running().any(|instance| {
                instance.scope.covers(&job.repo) && instance.labels.covers(&job.labels)
            })
    }

    /// Starts runners for jobs that have none on its way, as far as there is room; says of all others what they wait for.
    fn start_for(
        &mut self,
        jobs: Vec<&Ours<'a>>,
        allowed: &mut BTreeMap<PoolName, (usize, String)>,
    ) {
        let mut queues: BTreeMap<&'a RepoSlug, VecDeque<&Ours<'a>>> = BTreeMap::new();
        for job in jobs {
            queues.entry(&job.job.repo).or_default().push_back(job);
        }
        // One that GitHub did not assign so far comes after those that may run at once.
        let memory = &self.seen.memory;
        let failed =
            |job: &QueuedJob| memory.assignment(job.id).is_some_and(|it| !it.failed.is_empty());
        let rank = |ours: &Ours<'_>| (Reverse(ours.priority()), failed(ours.job));
        for queue in queues.values_mut() {
            queue
                .make_contiguous()
                .sort_by_key(|ours| (rank(ours), ours.job.queued_at, ours.job.id));
        }
        loop {
            let load = |repo: &RepoSlug| self.standing.get(repo).copied().unwrap_or_default();
            let next = queues
                .iter()
                .filter_map(|(repo, queue)| Some((*repo, queue.front()?)))
                .min_by_key(|(repo, ours)| {
                    (rank(ours), load(repo), ours.job.queued_at, ours.job.id)
                })
                .map(|(repo, _)| repo);
            let Some(repo) = next else { break };
            let Some(ours) = queues.get_mut(repo).and_then(VecDeque::pop_front) else { break };
            match self.start_one(ours, allowed) {
                // Runners of an organisation serve any of its repositories: what is started for a repository counts as its own.
                Ok(()) => *self.standing.entry(repo).or_default() += 1,
                Err(Some(blocked)) => {
                    let (pool, cause) = *blocked;
                    self.plan.waiting.push(Waiting { job: ours.job.id, pool: Some(pool), cause });
                }
                // A job that only the labels of a hand-made runner cover waits for that runner.
                Err(None) => {}
            }
        }
    }

    /// How many runners pools with the policy `ratio` may start now.
    fn allowances(&mut self) -> BTreeMap<PoolName, (usize, String)> {
        let mut allowed = BTreeMap::new();
        for pool in self.policy.all().filter(|pool| pool.enabled) {
            let Autoscaling::Ratio(ratio) = &pool.autoscaling else { continue };
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let count =
                |jobs: &BTreeMap<PoolName, usize>| jobs.get(&pool.name).copied().unwrap_or(0);
            let pending = count(&self.plan.pending).saturating_sub(count(&self.held));
            let bounds = (number(pool.min_idle), number(pool.max));
            let last = self.seen.scaled.get(&pool.name).copied();
            let current = number(self.staying(&pool.name));
            let decision = decide(number(pending), current, bounds, ratio, last, self.now);
            let change = |more: u32, fewer: u32| more.saturating_sub(fewer) as usize;
            let more = match decision.step {
                Step::Up => change(decision.target, current),
                Step::Down => {
                    self.shrink.insert(pool.name.clone(), change(current, decision.target));
                    0
                }
                Step::Maintain => 0,
            };
            allowed.insert(pool.name.clone(), (more, decision.reason));
        }
        allowed
    }

    /// Starts a runner in the first pool that can, or says which pool's turn it was and what is in its way; `None`: no pool is there
    /// for the job.
    fn start_one(
        &mut self,
        ours: &Ours<'a>,
        allowed: &mut BTreeMap<PoolName, (usize, String)>,
    ) -> Result<(), Option<Box<(PoolName, Cause)>>> {
        let mut pools: Vec<&(&PoolPolicy, Scope)> = ours.pools.iter().collect();
        // Equals take turns.
        pools.sort_by_key(|(pool, _)| {
            (Reverse(pool.priority), pool.labels.len(), self.room.of_pool(&pool.name), &pool.name)
        });
        let mut first: Option<Box<(PoolName, Cause)>> = None;
        let mut blocked: Option<(&'a PoolPolicy, Scope)> = None;
        for &(pool, ref scope) in pools {
            let allowance = allowed.get_mut(&pool.name);
            // Another pool is no way round the thresholds: the job waits for this one.
            if let Some((0, reason)) = &allowance {
                self.blocked.extend(blocked);
                let by_ratio = || {
                    Box::new((pool.name.clone(), Cause::Ratio(pool.name.clone(), reason.clone())))
                };
                return Err(Some(first.unwrap_or_else(by_ratio)));
            }
            let why = format!("job {:?} of {} waits", ours.job.name, ours.job.repo);
            match self.start(pool, scope, why) {
                Ok(()) => {
                    if let Some((left, _)) = allowance {
                        *left -= 1;
                        self.plan.scaled.insert(pool.name.clone());
                    }
                    return Ok(());
                }
                Err(cause) => {
                    if matches!(cause, Cause::Cap(_)) {
                        blocked.get_or_insert_with(|| (pool, scope.clone()));
                    }
                    first.get_or_insert_with(|| Box::new((pool.name.clone(), cause)));
                }
            }
        }
        self.blocked.extend(blocked);
        Err(first)
    }

    /// Starts one runner of a pool, if nothing is in the way.
    pub(super) fn start(
        &mut self,
        pool: &PoolPolicy,
        scope: &Scope,
        why: String,
    ) -> Result<(), Cause> {
        if self.policy.draining {
            return Err(Cause::Draining);
        }
        if pool.paused {
            return Err(Cause::Paused(pool.name.clone()));
        }
        self.want_images(pool, &[Image::Missing, Image::Outdated]);
        if let Some(image) = self.lacking(pool) {
            return Err(Cause::Image(image.to_owned()));
        }
        let held = self.seen.held_back.get(&(pool.name.clone(), scope.clone()));
        if let Some(until) = held.filter(|until| **until > self.now) {
            return Err(Cause::HeldBack((pool.name.clone(), scope.clone()), *until));
        }
        self.room.admits(pool, scope).map_err(Cause::Cap)?;
        let Some(name) = self.name_for(pool, scope) else {
            return Err(Cause::NoName(pool.name.clone()));
        };
        self.room.add(&pool.name, pool, scope);
        self.plan.actions.push(Action::Launch(Launch {
            name,
            pool: pool.name.clone(),
            scope: scope.clone(),
            labels: pool.labels.clone(),
            explicit_labels: !pool.name.is_reserved(),
            group: pool.group.clone(),
            why,
            request: None,
        }));
        Ok(())
    }
}
