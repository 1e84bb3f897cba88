//! Room for jobs that wait for it: idle runners that no job is assigned to give theirs up.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::{Autoscaling, PoolName};
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;

use super::jobs::Blocked;
use super::{Planner, is_unseen};
use crate::capacity::{Capacity, Counted};
use crate::not_assigned::DOUBT;
use crate::policy::PoolPolicy;
use mayfly_common::machine::Machine;

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    /// Ends as few idle runners as give room to the jobs that wait for room, and none in vain.
    pub(super) fn make_room(&mut self) {
        if self.blocked.is_empty() {
            return;
        }
        // What is there once this plan is carried out.
        let mut capacity = self.capacity.clone();
        for machine in self.running().filter(|machine| self.leaving(&machine.name)) {
            capacity.release(Counted::of(machine), self.policy.terms(&machine.pool));
        }
        let mut idle = self.dispensable();
        for Blocked { pool, scope, doubtful, .. } in std::mem::take(&mut self.blocked) {
            // A job with a doubtful chance itself takes no other such job's runner.
            let may_go = |one: &&&Machine| !(doubtful && self.doubtful.contains_key(&one.name));
            let candidates: Vec<&Machine> = idle.iter().filter(may_go).copied().collect();
            let Some(going) = self.for_room(&capacity, &candidates, pool, &scope) else { continue };
            let mut going_names: Vec<&RunnerName> = Vec::new();
            for machine in going {
                capacity.release(Counted::of(machine), self.policy.terms(&machine.pool));
                self.retire(machine, self.why_it_makes_room(machine));
                going_names.push(&machine.name);
            }
            capacity.add(Counted::more(pool, &scope), pool);
            idle.retain(|one| !going_names.contains(&&one.name));
        }
    }

    /// Which of these idle runners give room to one of `pool` in `scope`: none that need not. None if there is not enough.
    fn for_room<'i>(
        &self,
        capacity: &Capacity<'_>,
        idle: &[&'i Machine],
        pool: &PoolPolicy,
        scope: &Scope,
    ) -> Option<Vec<&'i Machine>> {
        let (mut after, mut going): (_, Vec<&Machine>) = (capacity.clone(), Vec::new());
        while let Err(cap) = after.admits(pool, scope) {
            let counts = |one: &&&Machine| {
                !going.iter().any(|other| other.name == one.name) && cap.counts(Counted::of(one))
            };
            let next = *idle.iter().find(counts)?;
            after.release(Counted::of(next), self.policy.terms(&next.pool));
            going.push(next);
        }
        // What one cap has go may be enough for another.
        going.retain(|one| {
            let terms = self.policy.terms(&one.pool);
            let mut with = after.clone();
            with.add(Counted::of(one), terms);
            let stays = with.admits(pool, scope).is_ok();
            if stays {
                after = with;
            }
            !stays
        });
        Some(going)
    }

    fn why_it_makes_room(&self, machine: &Machine) -> String {
        let why = self.not_assigned_to(machine);
        let why = why.unwrap_or_else(|| "no job needs it".to_owned());
        format!("{why}, and other jobs wait for its room")
    }

    /// Idle runners that may go: those first that were idle beside a job in vain, those last that a job with a doubtful chance counts
    /// on. As many of each pool stay as it keeps waiting.
    fn dispensable(&self) -> Vec<&'a Machine> {
        let idle_since = |machine: &Machine| self.seen.memory.of(machine).idle_since;
        let idle_for_long = |machine: &Machine| {
            let since: Option<Timestamp> = idle_since(machine);
            since.is_some_and(|since| self.now.duration_since(since) >= DOUBT)
        };
        let needed = |one: &Machine| {
            self.needed.contains(&one.name) && !self.doubtful.contains_key(&one.name)
        };
        let mut waiting: BTreeMap<PoolName, usize> = BTreeMap::new();
        for machine in self.available().iter().filter(|one| !needed(one)) {
            *waiting.entry(machine.pool.clone()).or_default() += 1;
        }
        let mut idle: Vec<&'a Machine> = Vec::new();
        for (machine, verdict) in self.judged() {
            let kept = self.kept.contains_key(&machine.name);
            let pool = self.policy.pool(&machine.pool);
            // `ratio` alone decides how many there are, and a job that nobody could ask for may need any of them.
            let spare = pool.is_some_and(|pool| matches!(pool.autoscaling, Autoscaling::PerJob))
                && self.seen.jobs_complete
                && idle_for_long(machine);
            let doubtful = self.doubtful.contains_key(&machine.name) && idle_for_long(machine);
            if verdict.state == RunnerState::Idle
                && !is_unseen(machine)
                && self.seen.sight_of(machine).listed().is_some()
                && machine.pool != PoolName::manual()
                && !self.leaving(&machine.name)
                && !needed(machine)
                && (kept || spare || doubtful)
            {
                idle.push(machine);
            }
        }
        idle.sort_by_key(|one| {
            let (kept, doubtful) =
                (self.kept.contains_key(&one.name), self.doubtful.contains_key(&one.name));
            (!kept, doubtful, idle_since(one), one.name.clone())
        });
        idle.retain(|machine| {
            let stay = self.policy.terms(&machine.pool).min_idle;
            let count = waiting.entry(machine.pool.clone()).or_default();
            let goes = *count > stay;
            *count -= usize::from(goes);
            goes
        });
        idle
    }
}
