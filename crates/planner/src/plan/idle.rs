//! Runners that wait: enough of them, none that is stale, and none too many.

use std::collections::BTreeMap;

use mayfly_common::name::RunnerName;
use mayfly_common::pool::{Autoscaling, PoolName};
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;

use super::{Cause, Planner, is_unseen};
use crate::action::Action;
use crate::policy::PoolPolicy;
use mayfly_common::machine::Machine;

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    /// Starts what is missing of each pool's waiting runners. One that a job counts on is replaced at once, not when the job is
    /// over; a stale one is replaced before it goes.
    pub(super) fn keep_waiting(&mut self) {
        self.plan.short.clear();
        let mut pools: Vec<&PoolPolicy> = self.policy.all().filter(|pool| pool.enabled).collect();
        pools.sort_by_key(|pool| std::cmp::Reverse(pool.priority));
        for pool in pools {
            let (places, unserved) = self.open_places(pool);
            let mut at: BTreeMap<Scope, usize> = BTreeMap::new();
            let mut there = 0;
            let old = self.available().into_iter().filter(|one| self.stale(one).is_none());
            let old = old.map(|one| (&one.name, &one.pool, &one.scope));
            let new = self.launches().map(|one| (&one.name, &one.pool, &one.scope));
            for (name, of, scope) in old.chain(new) {
                if *of == pool.name && !self.needed.contains(name) {
                    there += 1;
                    *at.entry(scope.clone()).or_default() += 1;
                }
            }
            // With `ratio`, the number that waits is part of the number there are.
            if matches!(pool.autoscaling, Autoscaling::Ratio(_)) {
                there = self.staying(&pool.name);
            }
            for _ in there..pool.min_idle {
                // Spread over the places; the busiest of them come first. One that has no room is passed over.
                let mut order: Vec<&Scope> = places.iter().collect();
                order.sort_by_key(|place| at.get(*place).copied().unwrap_or(0));
                match self.start_in_one(pool, &order) {
                    Ok(place) => *at.entry(place.clone()).or_default() += 1,
                    Err(cause) => {
                        let cause = match (cause, &unserved) {
                            (Cause::NoPlace, Some(unserved)) => unserved.clone(),
                            (cause, _) => cause,
                        };
                        self.plan.short.insert(pool.name.clone(), cause);
                        break;
                    }
                }
            }
        }
    }

    /// Starts a runner that waits in the first of these places where nothing is in the way. Error: the cause in the first place.
    fn start_in_one<'p>(
        &mut self,
        pool: &PoolPolicy,
        places: &[&'p Scope],
    ) -> Result<&'p Scope, Cause> {
        let mut first = None;
        for place in places {
            let why = format!("pool {} keeps {} waiting", pool.name, pool.min_idle);
            match self.start(pool, place, None, why) {
                Ok(()) => return Ok(place),
                Err(cause) => first = first.or(Some(cause)),
            }
        }
        Err(first.unwrap_or(Cause::NoPlace))
    }

    /// Ends runners that wait and need not.
    pub(super) fn retire_idle(&mut self) {
        if self.policy.draining {
            return self.retire_waiting();
        }
        let mut pools: BTreeMap<PoolName, Vec<&'a Machine>> = BTreeMap::new();
        for (machine, verdict) in self.judged() {
            let listed = self.seen.sight_of(machine).listed().is_some();
            if verdict.state == RunnerState::Idle
                && listed
                && !is_unseen(machine)
                && machine.pool != PoolName::manual()
                && !self.leaving(&machine.name)
                && !self.needed.contains(&machine.name)
                && !(self.kept.contains_key(&machine.name) && self.serves(&machine.pool))
            {
                pools.entry(machine.pool.clone()).or_default().push(machine);
            }
        }
        for (name, mut idle) in pools {
            idle.sort_by_key(|machine| (machine.created_at, machine.name.clone()));
            match self.policy.pool(&name) {
                None => self.retire_all(idle, &format!("pool {name} was deleted")),
                Some(pool) if !pool.enabled => {
                    self.retire_all(idle, &format!("pool {name} is disabled"))
                }
                // If GitHub could not be asked for jobs, one of them may be needed after all.
                Some(_) if !self.seen.jobs_complete => {}
                Some(pool) => self.retire_some(pool, idle),
            }
        }
    }

    /// True if there is a pool of this name that serves jobs.
    fn serves(&self, pool: &PoolName) -> bool {
        self.policy.pool(pool).is_some_and(|pool| pool.enabled)
    }

    /// Ends every runner that is not at work, whoever asked for it and whatever waits for it. GitHub has the last word: a runner
    /// that it calls busy stays.
    fn retire_waiting(&mut self) {
        for (machine, verdict) in self.judged() {
            let waits = matches!(verdict.state, RunnerState::Idle | RunnerState::Starting);
            if waits && !self.leaving(&machine.name) {
                self.retire(machine, "the platform is draining".to_owned());
            }
        }
    }

    fn retire_all(&mut self, idle: Vec<&'a Machine>, why: &str) {
        for machine in idle {
            self.retire(machine, why.to_owned());
        }
    }

    /// `idle`: the pool's runners that nobody needs, the oldest first.
    fn retire_some(&mut self, pool: &PoolPolicy, idle: Vec<&'a Machine>) {
        let (stale, fresh): (Vec<&Machine>, Vec<&Machine>) =
            idle.into_iter().partition(|machine| self.stale(machine).is_some());
        // The stale ones first: those beyond what is to wait have a fresh one in their place by now.
        let mut surplus = (stale.len() + fresh.len()).saturating_sub(pool.min_idle);
        // Where there is no room for a fresh one beside it, one stale runner makes room.
        let full = matches!(self.plan.short.get(&pool.name), Some(Cause::Cap(_)));
        let makes_room = self.running().any(|one| one.pool == pool.name && self.leaving(&one.name));
        let stuck = surplus == 0 && full && !makes_room;
        let going = if stuck { 1 } else { surplus };
        let there = self.running().filter(|one| one.pool == pool.name && !self.leaving(&one.name));
        let running = there.count();
        let mut excess = running.saturating_sub(pool.max);
        let mut shrink = self.shrink.remove(&pool.name).unwrap_or_default();
        // Whichever reason ends a runner, the others count it as gone.
        for machine in stale.into_iter().take(going) {
            let why = self.stale(machine).unwrap_or_default();
            self.retire(machine, why);
            surplus = surplus.saturating_sub(1);
            excess = excess.saturating_sub(1);
            shrink = shrink.saturating_sub(1);
        }
        for machine in fresh {
            let idle_since = self.seen.memory.of(machine).idle_since;
            let long =
                idle_since.is_some_and(|since| self.now.duration_since(since) >= pool.idle_timeout);
            if excess > 0 {
                excess -= 1;
                surplus = surplus.saturating_sub(1);
                shrink = shrink.saturating_sub(1);
                self.retire(
                    machine,
                    format!("pool {} may have {} runners only", pool.name, pool.max),
                );
            } else if shrink > 0 {
                shrink -= 1;
                surplus = surplus.saturating_sub(1);
                self.plan.scaled.insert(pool.name.clone());
                self.retire(machine, format!("pool {} needs fewer runners", pool.name));
            } else if surplus > 0 && long && matches!(pool.autoscaling, Autoscaling::PerJob) {
                surplus -= 1;
                let unneeded =
                    || format!("no job has needed it for {} s", pool.idle_timeout.as_secs());
                self.retire(machine, self.not_assigned_to(machine).unwrap_or_else(unneeded));
            }
        }
    }

    pub(super) fn retire(&mut self, machine: &Machine, why: String) {
        let Some(registered) = self.seen.sight_of(machine).listed() else { return };
        let put_off = self.is_put_off(&machine.scope, Some(registered.id));
        if is_unseen(machine) || put_off || self.in_hand(&machine.name) {
            return;
        }
        self.plan.actions.push(Action::Retire {
            machine: machine.reference(),
            scope: machine.scope.clone(),
            id: registered.id,
            why,
            request: None,
        });
    }

    /// Why a waiting runner is to be replaced by a fresh one, if it is.
    pub(super) fn stale(&self, machine: &Machine) -> Option<String> {
        let pool = self.policy.pool(&machine.pool)?;
        let age = self.now.duration_since(machine.created_at);
        // A moment that lies ahead is from before the clock was set back: by it, every new runner would be stale, too.
        let asked = pool.rotate_before.filter(|at| *at <= self.now);
        if asked.is_some_and(|at| machine.created_at < at) {
            return Some("it was asked to be replaced".to_owned());
        }
        if let Some(rotation) = pool.rotation.filter(|rotation| age >= *rotation) {
            return Some(format!("it has waited for {} s, and is replaced", rotation.as_secs()));
        }
        if machine.fingerprint.as_ref().is_some_and(|made| *made != pool.fingerprint) {
            return Some(format!("pool {} has a newer configuration", pool.name));
        }
        let newest = self.seen.images.get(&(pool.backend.clone(), pool.image.clone(), pool.pull));
        let newest = newest.and_then(|image| image.id.as_ref());
        match (newest, &machine.image_id) {
            (Some(newest), Some(made)) if newest != made => {
                Some(format!("image {} has a newer version", pool.image))
            }
            _ => None,
        }
    }
}
