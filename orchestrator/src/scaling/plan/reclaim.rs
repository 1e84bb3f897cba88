//! Room for jobs that wait for it: idle runners that no job is assigned to give theirs up.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::{Autoscaling, PoolName};
use mayfly_common::runner::RunnerState;

use super::Planner;
use crate::model::Instance;
use crate::scaling::assignment::DOUBT;

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    /// Ends as few idle runners as give room to the jobs that wait for room, and none in vain.
    pub(super) fn make_room(&mut self) {
        if self.blocked.is_empty() {
            return;
        }
        // What is there once this plan is carried out.
        let mut room = self.room.clone();
        for instance in self.running().filter(|instance| self.leaving(&instance.name)) {
            room.release(&instance.pool, self.policy.terms(&instance.pool), &instance.scope);
        }
        let mut idle = self.dispensable();
        for (pool, scope) in std::mem::take(&mut self.blocked) {
            let (mut after, mut going) = (room.clone(), Vec::new());
            let fits = loop {
                let Err(cap) = after.admits(pool, &scope) else { break true };
                let next = idle
                    .iter()
                    .find(|one| !going.contains(&one.name) && cap.counts(&one.pool, &one.scope));
                let Some(next) = next else { break false };
                after.release(&next.pool, self.policy.terms(&next.pool), &next.scope);
                going.push(next.name.clone());
            };
            if !fits {
                continue;
            }
            after.add(&pool.name, pool, &scope);
            room = after;
            for instance in idle.extract_if(.., |one| going.contains(&one.name)) {
                let why = match self.kept.get(&instance.name) {
                    Some(job) => format!(
                        "GitHub has not assigned job {job} to it, and other jobs wait for its room"
                    ),
                    None => "no job needs it, and other jobs wait for its room".to_owned(),
                };
                self.retire(instance, why);
            }
        }
    }

    /// Idle runners that may go, those first that were idle beside a job in vain. As many of each pool stay as it keeps waiting.
    fn dispensable(&self) -> Vec<&'a Instance> {
        let idle_since = |instance: &Instance| self.seen.memory.of(instance).idle_since;
        let idle_for_long = |instance: &Instance| {
            let since: Option<Timestamp> = idle_since(instance);
            since.is_some_and(|since| self.now.duration_since(since) >= DOUBT)
        };
        let mut waiting: BTreeMap<PoolName, usize> = BTreeMap::new();
        for instance in self.available().iter().filter(|one| !self.needed.contains(&one.name)) {
            *waiting.entry(instance.pool.clone()).or_default() += 1;
        }
        let mut idle: Vec<&'a Instance> = Vec::new();
        for (instance, verdict) in self.judged() {
            let kept = self.kept.contains_key(&instance.name);
            let pool = self.policy.pool(&instance.pool);
            // `ratio` alone decides how many there are, and a job that nobody could ask for may need any of them.
            let spare = pool.is_some_and(|pool| matches!(pool.autoscaling, Autoscaling::PerJob))
                && self.seen.jobs_complete
                && idle_for_long(instance);
            if verdict.state == RunnerState::Idle
                && self.seen.sight_of(instance).listed().is_some()
                && instance.pool != PoolName::manual()
                && !self.leaving(&instance.name)
                && !self.needed.contains(&instance.name)
                && (kept || spare)
            {
                idle.push(instance);
            }
        }
        idle.sort_by_key(|one| {
            (!self.kept.contains_key(&one.name), idle_since(one), one.name.clone())
        });
        idle.retain(|instance| {
            let stay = self.policy.terms(&instance.pool).min_idle;
            let count = waiting.entry(instance.pool.clone()).or_default();
            let goes = *count > stay;
            *count -= usize::from(goes);
            goes
        });
        idle
    }
}
