//! Runners for queued jobs.
//!
//! Fair between repositories: whoever has the fewest runners gets the next one, so that a busy repository cannot starve a quiet
//! one. Pools of higher priority go first. Where GitHub did not assign jobs of a repository lately to runners of some group, other
//! pools are tried first for its other jobs, and where room is short all other jobs come first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mayfly_common::foreign_text::message;
use mayfly_common::pool::{Autoscaling, PoolName};
use mayfly_common::scope::{RepoSlug, Scope};

use super::count::Missing;
use super::matched_job::{Among, MatchedJob};
use super::{Cause, Planner, Unassigned, Unmet, Waiting};
use crate::observed::Image;
use crate::policy::PoolPolicy;
use crate::pool_choice::{Offer, offer};
use crate::ratio::{Step, decide};
use mayfly_common::job::QueuedJob;
use mayfly_common::name::RunnerName;

/// Where a runner would have been started for a job, had there been room.
pub(super) struct Blocked<'a> {
    job: i64,
    pub(super) pool: &'a PoolPolicy,
    pub(super) scope: Scope,
    /// True if GitHub did not assign a job of the same repository to such a runner lately.
    pub(super) doubtful: bool,
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
            let Missing { unserved, doubtful } = self.count(&ours);
            self.hold(&held);
            let waits: BTreeSet<i64> = unserved.iter().map(|ours| ours.job.id).collect();
            self.start_for(doubtful, Among::Likely, &waits, &mut allowed);
            if self.launches().count() == before {
                self.start_for(unserved, Among::All, &waits, &mut allowed);
            }
            if self.launches().count() == before {
                self.keep_waiting();
            }
            if self.launches().count() == before {
                break;
            }
        }
    }

    /// The jobs that are for runners like ours, each with the pools that may be tried now, and those that none may be tried for.
    fn ours_and_held(&mut self) -> (Vec<MatchedJob<'a>>, Vec<MatchedJob<'a>>) {
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
            let repo = &ours.job.repo;
            let likely = |(pool, scope): &&(&PoolPolicy, Scope)| {
                !self.seen.memory.failed_groups.has(repo, scope, pool.group.as_deref())
            };
            ours.likely = open.iter().filter(likely).cloned().collect();
            // A pool of the policy `ratio` starts runners only for jobs that it counts.
            let preferred = ours.likely.first().map(|(pool, _)| pool.name.clone());
            let counting: BTreeSet<PoolName> = next.into_iter().chain(preferred).collect();
            for pool in counting.into_iter().filter(|pool| first.as_ref() != Some(pool)) {
                *self.plan.pending.entry(pool).or_default() += 1;
            }
            ours.pools = open;
            rest.push(ours);
        }
        (rest, held)
    }

    /// Selects the jobs that are for runners like ours, and notes for the others why they are not.
    fn ours(&mut self) -> Vec<MatchedJob<'a>> {
        let mut ours: Vec<MatchedJob<'a>> = Vec::new();
        for job in &self.seen.jobs {
            match offer(job, self.seen.groups.get(&job.id), self.policy) {
                Offer::Ours(pools) => ours.push(MatchedJob { job, pools, likely: Vec::new() }),
                Offer::Unmet(..) if self.by_hand(job) => {
                    ours.push(MatchedJob { job, pools: Vec::new(), likely: Vec::new() })
                }
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

    /// Tells which jobs GitHub did not assign to a runner that was idle beside them.
    fn report_not_assigned(&mut self, ours: &[MatchedJob<'a>]) {
        for job in ours.iter().map(|ours| ours.job) {
            let known = self.seen.memory.assignment(job.id);
            for failed in known.iter().flat_map(|known| &known.failed).cloned() {
                self.plan.not_assigned.push(Unassigned { job: job.clone(), failed });
            }
        }
    }

    /// Has jobs wait that GitHub did not assign. The runner that was idle beside each stays while nobody needs its room: GitHub
    /// assigns the job to it as soon as what is in the way is mended.
    fn hold(&mut self, jobs: &[MatchedJob<'a>]) {
        self.kept.clear();
        let free = self.available();
        for ours in jobs {
            let job = ours.job;
            let pool = ours.pools.first().map(|(pool, _)| pool.name.clone());
            let beside = free.iter().find(|machine| {
                machine.scope.covers(&job.repo)
                    && machine.labels.covers(&job.labels)
                    && self.is_in_vain(job, machine)
                    && !self.needed.contains(&machine.name)
                    && !self.kept.contains_key(&machine.name)
            });
            if let Some(machine) = beside {
                self.kept.insert(machine.name.clone(), job.id);
            }
            let known = self.seen.memory.assignment(job.id);
            if let Some(failed) = known.and_then(|known| known.failed.last().cloned()) {
                let cause = Cause::NotAssigned(Box::new(failed));
                self.plan.waiting.push(Waiting { job: job.id, pool, cause });
            }
        }
    }

    /// True if a runner that somebody made by hand is there for a job that no pool takes.
    fn by_hand(&self, job: &QueuedJob) -> bool {
        !job.labels.is_empty()
            && self.running().any(|machine| {
                machine.scope.covers(&job.repo)
                    && machine.labels.covers(&job.labels)
                    && self.is_in_group(job, &machine.pool, &machine.scope)
            })
    }

    /// Starts runners for jobs `among` these of their pools, as far as there is room; says of those that have no runner on its way,
    /// `waits`, and no other pool to try what they wait for.
    fn start_for(
        &mut self,
        jobs: Vec<&MatchedJob<'a>>,
        among: Among,
        waits: &BTreeSet<i64>,
        allowed: &mut BTreeMap<PoolName, (usize, String)>,
    ) {
        let mut queues: BTreeMap<&'a RepoSlug, VecDeque<&MatchedJob<'a>>> = BTreeMap::new();
        for ours in jobs {
            let is_turn = match among {
                Among::Likely => !ours.likely.is_empty(),
                Among::All => ours.has_doubtful(),
            };
            if is_turn {
                queues.entry(&ours.job.repo).or_default().push_back(ours);
            }
        }
        // One that GitHub did not assign so far comes after those that may run at once.
        let memory = &self.seen.memory;
        let failed =
            |job: &QueuedJob| memory.assignment(job.id).is_some_and(|it| !it.failed.is_empty());
        let priority =
            |ours: &MatchedJob<'_>| ours.among(among).first().map_or(0, |(pool, _)| pool.priority);
        let rank = |ours: &MatchedJob<'_>| (Reverse(priority(ours)), failed(ours.job));
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
            let is_last = among == Among::All || !ours.has_doubtful();
            match self.start_one(ours, among, allowed) {
                // Runners of an organisation serve any of its repositories: what is started for a repository counts as its own.
                Ok(()) => *self.standing.entry(repo).or_default() += 1,
                Err(Some(blocked)) if is_last && waits.contains(&ours.job.id) => {
                    let (pool, cause) = *blocked;
                    self.plan.waiting.push(Waiting { job: ours.job.id, pool: Some(pool), cause });
                }
                // It counts on a runner with a doubtful chance, or has other pools to try.
                Err(_) => {}
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
        ours: &MatchedJob<'a>,
        among: Among,
        allowed: &mut BTreeMap<PoolName, (usize, String)>,
    ) -> Result<(), Option<Box<(PoolName, Cause)>>> {
        let mut pools: Vec<&(&'a PoolPolicy, Scope)> = ours.among(among).iter().collect();
        // Equals take turns.
        pools.sort_by_key(|(pool, _)| {
            (
                Reverse(pool.priority),
                pool.labels.len(),
                self.capacity.of_pool(&pool.name),
                &pool.name,
            )
        });
        let mut first: Option<Box<(PoolName, Cause)>> = None;
        let mut blocked: Option<Blocked<'a>> = None;
        for &(pool, ref scope) in pools {
            let allowance = allowed.get_mut(&pool.name);
            // Another pool is no way round the thresholds: the job waits for this one.
            if let Some((0, reason)) = &allowance {
                self.note_blocked(blocked);
                let by_ratio = || {
                    Box::new((pool.name.clone(), Cause::Ratio(pool.name.clone(), reason.clone())))
                };
                return Err(Some(first.unwrap_or_else(by_ratio)));
            }
            let why = format!("job {:?} of {} waits", ours.job.name, ours.job.repo);
            match self.start(pool, scope, Some(ours.job.id), why) {
                Ok(()) => {
                    if let Some((left, _)) = allowance {
                        *left -= 1;
                        self.plan.scaled.insert(pool.name.clone());
                    }
                    return Ok(());
                }
                Err(cause) => {
                    let doubtful = among == Among::All;
                    if matches!(cause, Cause::Cap(_)) {
                        let (job, scope) = (ours.job.id, scope.clone());
                        blocked.get_or_insert(Blocked { job, pool, scope, doubtful });
                    }
                    first.get_or_insert_with(|| Box::new((pool.name.clone(), cause)));
                }
            }
        }
        self.note_blocked(blocked);
        Err(first)
    }

    /// Notes where there was no room for a job: once, and where it has the better chance.
    fn note_blocked(&mut self, blocked: Option<Blocked<'a>>) {
        let known = |new: &Blocked<'a>| self.blocked.iter().any(|old| old.job == new.job);
        let new = blocked.filter(|new| !known(new));
        self.blocked.extend(new);
    }
}
