//! Runners for queued jobs.
//!
//! Fair between repositories: whoever has the fewest runners gets the next one, so that a busy repository cannot starve a quiet
//! one. Pools of higher priority go first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mayfly_common::pool::{Autoscaling, PoolName};
use mayfly_common::scope::{RepoSlug, Scope};

use super::{Cause, Planner, Unmet, Waiting};
use crate::model::{Instance, QueuedJob};
use crate::scaling::action::{Action, Launch, SameName};
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

impl Ours<'_> {
    fn priority(&self) -> i32 {
        self.pools.first().map_or(0, |(pool, _)| pool.priority)
    }
}

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    pub(super) fn serve_jobs(&mut self) {
        let mut ours: Vec<Ours<'a>> = Vec::new();
        for job in &self.seen.jobs {
            match offer(job, self.policy) {
                Offer::Ours(pools) => ours.push(Ours { job, pools }),
                Offer::Unmet(_) if self.by_hand(job) => ours.push(Ours { job, pools: Vec::new() }),
                Offer::Unmet(why) => self.plan.unmet.push(Unmet { job: job.clone(), why }),
                Offer::Hosted => drop(self.plan.hosted.insert(job.id)),
            }
        }
        self.plan.demand = ours.len();
        for job in &ours {
            if let Some((pool, _)) = job.pools.first() {
                *self.plan.pending.entry(pool.name.clone()).or_default() += 1;
            }
        }
        let free: Vec<&Instance> = self.available();
        let supply: Vec<Supply<'_>> = free
            .iter()
            .map(|instance| Supply { scope: &instance.scope, labels: &instance.labels })
            .collect();
        let jobs: Vec<QueuedJob> = ours.iter().map(|ours| ours.job.clone()).collect();
        let matched = match_jobs(&jobs, &supply);
        for (job, by) in jobs.iter().zip(&matched.by) {
            if let Some(instance) = by.and_then(|slot| free.get(slot)) {
                self.plan.expected.insert(job.id, instance.name.clone());
            }
        }
        let needed = free.iter().zip(&matched.needed).filter(|(_, needed)| **needed);
        self.needed = needed.map(|(instance, _)| instance.name.clone()).collect();
        if !self.policy.auto_create {
            return;
        }
        // Not only when the first job waits: a pull takes longer than anything else.
        for pool in self.policy.all().filter(|pool| pool.enabled) {
            self.want_images(pool, &[Image::Missing]);
        }
        let unserved: BTreeSet<usize> = matched.unserved.iter().copied().collect();
        let left = ours.into_iter().enumerate().filter(|(index, _)| unserved.contains(index));
        self.start_for(left.map(|(_, ours)| ours).collect());
    }

    /// Whether a runner that somebody made by hand is there for a job that no pool takes.
    fn by_hand(&self, job: &QueuedJob) -> bool {
        !job.labels.is_empty()
            && self.running().any(|instance| {
                instance.scope.covers(&job.repo) && instance.labels.covers(&job.labels)
            })
    }

    /// Starts runners for jobs that have none on its way, as far as there is room; says of all others what they wait for.
    fn start_for(&mut self, jobs: Vec<Ours<'a>>) {
        let mut allowed = self.allowances();
        let mut queues: BTreeMap<&'a RepoSlug, VecDeque<Ours<'a>>> = BTreeMap::new();
        for job in jobs {
            queues.entry(&job.job.repo).or_default().push_back(job);
        }
        for queue in queues.values_mut() {
            queue
                .make_contiguous()
                .sort_by_key(|ours| (Reverse(ours.priority()), ours.job.queued_at, ours.job.id));
        }
        // Runners of an organisation serve any of its repositories: what was started for a repository in this pass counts.
        let mut started: BTreeMap<&'a RepoSlug, usize> = BTreeMap::new();
        loop {
            let load = |repo: &RepoSlug| {
                let planned = started.get(repo).copied().unwrap_or_default();
                self.standing.get(repo).copied().unwrap_or_default() + planned
            };
            let next = queues
                .iter()
                .filter_map(|(repo, queue)| Some((*repo, queue.front()?)))
                .min_by_key(|(repo, ours)| {
                    (Reverse(ours.priority()), load(repo), ours.job.queued_at, ours.job.id)
                })
                .map(|(repo, _)| repo);
            let Some(repo) = next else { break };
            let Some(ours) = queues.get_mut(repo).and_then(VecDeque::pop_front) else { break };
            match self.start_one(&ours, &mut allowed) {
                Ok(()) => *started.entry(repo).or_default() += 1,
                Err(Some(cause)) => {
                    let pool = ours.pools.first().map(|(pool, _)| pool.name.clone());
                    self.plan.waiting.push(Waiting { job: ours.job.id, pool, cause });
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
            let pending = self.plan.pending.get(&pool.name).copied().unwrap_or_default();
            let bounds = (number(pool.min_idle), number(pool.max));
            let last = self.seen.scaled.get(&pool.name).copied();
            let current = number(self.room.of_pool(&pool.name));
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

    /// Starts a runner in the first pool that can; `None`: no pool is there for the job.
    fn start_one(
        &mut self,
        ours: &Ours<'a>,
        allowed: &mut BTreeMap<PoolName, (usize, String)>,
    ) -> Result<(), Option<Cause>> {
        let mut pools: Vec<&(&PoolPolicy, Scope)> = ours.pools.iter().collect();
        // Equals take turns.
        pools.sort_by_key(|(pool, _)| {
            (Reverse(pool.priority), pool.labels.len(), self.room.of_pool(&pool.name), &pool.name)
        });
        let mut first: Option<Cause> = None;
        for (pool, scope) in pools {
            let allowance = allowed.get_mut(&pool.name);
            // Another pool is no way round the thresholds: the job waits for this one.
            if let Some((0, reason)) = &allowance {
                return Err(Some(first.unwrap_or(Cause::Ratio(pool.name.clone(), reason.clone()))));
            }
            let why = format!("job {:?} of {} waits", ours.job.name, ours.job.repo);
            match self.start(pool, scope, why) {
                Ok(runner) => {
                    self.plan.expected.insert(ours.job.id, runner);
                    if let Some((left, _)) = allowance {
                        *left -= 1;
                        self.plan.scaled.insert(pool.name.clone());
                    }
                    return Ok(());
                }
                Err(cause) => drop(first.get_or_insert(cause)),
            }
        }
        Err(first)
    }

    /// Starts one runner of a pool, if nothing is in the way; tells its name.
    pub(super) fn start(
        &mut self,
        pool: &PoolPolicy,
        scope: &Scope,
        why: String,
    ) -> Result<RunnerName, Cause> {
        if pool.paused {
            return Err(Cause::Paused(pool.name.clone()));
        }
        self.want_images(pool, &[Image::Missing, Image::Outdated]);
        if let Some(image) = self.lacking(pool) {
            return Err(Cause::Image(image.to_owned()));
        }
        let held = self.seen.held_back.get(&(pool.name.clone(), scope.clone()));
        if let Some(until) = held.filter(|until| **until > self.now) {
            return Err(Cause::HeldBack(scope.clone(), *until));
        }
        self.room.admits(pool, scope).map_err(Cause::Cap)?;
        let Some(name) = self.name_for(pool, scope) else { return Err(Cause::NoName) };
        self.room.add(&pool.name, pool, scope);
        self.plan.actions.push(Action::Launch(Launch {
            name: name.clone(),
            pool: pool.name.clone(),
            scope: scope.clone(),
            labels: pool.labels.clone(),
            explicit_labels: !pool.name.is_reserved(),
            group: pool.group.clone(),
            same_name: SameName::Kept,
            why,
            request: None,
        }));
        Ok(name)
    }
}
