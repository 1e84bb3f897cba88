//! Starting one runner: what may be in the way of it, and the name that it gets.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::name::RunnerName;
use mayfly_common::pool::Naming;
use mayfly_common::scope::Scope;

use super::{Cause, Planner};
use crate::action::{Action, Launch};
use crate::capacity::Counted;
use crate::github_view::Listing;
use crate::naming::{self, Holder, NamesTaken, Presence};
use crate::observed::Image;
use crate::policy::PoolPolicy;
use mayfly_common::registration::Registered;

/// A numbered name that a new runner may have.
struct Place<'a> {
    number: usize,
    /// The registration that is cleared for it.
    abandoned: Option<&'a Registered>,
}

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    /// Starts one runner of a pool, for a job or to wait for one, if nothing is in the way.
    pub(super) fn start(
        &mut self,
        pool: &PoolPolicy,
        scope: &Scope,
        job: Option<i64>,
        why: String,
    ) -> Result<(), Cause> {
        if self.policy.draining {
            return Err(Cause::Draining);
        }
        if pool.paused {
            return Err(Cause::Paused(pool.name.clone()));
        }
        if let Some(why) = self.seen.unreachable.get(&pool.backend) {
            return Err(Cause::Unreachable(pool.backend.clone(), why.clone()));
        }
        self.want_images(pool, &[Image::Missing, Image::Outdated]);
        if let Some(image) = self.lacking(pool) {
            return Err(Cause::Image(image.to_owned()));
        }
        let numbered = match pool.naming {
            Naming::Unique => None,
            Naming::Stable => Some(self.free_place(pool, scope)),
        };
        // Neither room nor time helps a pool whose names others have.
        if let Some(Err(taken)) = &numbered
            && taken.registrations().next().is_some()
        {
            return Err(Cause::NoName(Box::new(taken.clone())));
        }
        let held = self.seen.held_back.get(&(pool.name.clone(), scope.clone()));
        if let Some(until) = held.filter(|until| **until > self.now) {
            return Err(Cause::HeldBack((pool.name.clone(), scope.clone()), *until));
        }
        let place = (pool.name.clone(), scope.clone());
        let idle_held = || self.seen.memory.idle_held_until(&place, self.now);
        if let Some(until) = job.is_none().then(idle_held).flatten() {
            return Err(Cause::HeldBack(place, until));
        }
        if self.failing.contains(&place) {
            return Err(Cause::HeldBack(place, self.now));
        }
        self.capacity.admits(pool, scope).map_err(Cause::Cap)?;
        let name = match numbered {
            None => self.names.next(),
            Some(Ok(place)) => {
                if let Some(registered) = place.abandoned {
                    self.deregister(scope, registered);
                }
                naming::place(pool, place.number)
            }
            Some(Err(taken)) => return Err(Cause::NoName(Box::new(taken))),
        };
        let Some(name) = name else {
            let (pool, scope) = (pool.name.clone(), scope.clone());
            let taken = NamesTaken { pool, scope, holders: Vec::new(), cleans: false };
            return Err(Cause::NoName(Box::new(taken)));
        };
        let identity = self.policy.identity(pool, name, scope.clone(), self.now);
        self.capacity.add(Counted::of(&identity), pool);
        self.plan.actions.push(Action::Launch(Launch {
            identity,
            explicit_labels: !pool.name.is_reserved(),
            group: pool.group.clone(),
            job,
            why,
            request: None,
        }));
        Ok(())
    }

    /// How an image stands for a pool: what one may use as it is, another may have to pull.
    fn image(&self, pool: &PoolPolicy, image: &str) -> Image {
        let seen = self.seen.images.get(&(pool.backend.clone(), image.to_owned(), pool.pull));
        seen.map_or(Image::Missing, |seen| seen.state)
    }

    /// The first of the pool's images that no runner can be started from yet.
    pub(super) fn lacking<'p>(&self, pool: &'p PoolPolicy) -> Option<&'p str> {
        pool.images().find(|image| self.image(pool, image) != Image::Present)
    }

    /// Fetches those of the pool's images that are in one of these states.
    pub(super) fn want_images(&mut self, pool: &PoolPolicy, states: &[Image]) {
        if self.policy.draining || self.seen.unreachable.contains_key(&pool.backend) {
            return;
        }
        for image in pool.images() {
            let (backend, image) = (pool.backend.clone(), image.to_owned());
            let state = self.image(pool, &image);
            let pull = Action::PullImage { backend, image };
            if states.contains(&state) && !self.plan.actions.contains(&pull) {
                self.plan.actions.push(pull);
            }
        }
    }

    /// The lowest free place for a new runner of a pool with numbered names. A place is taken while a machine or a registration has
    /// its name; one whose registration is abandoned is cleared if there is no other.
    fn free_place(&self, pool: &PoolPolicy, scope: &Scope) -> Result<Place<'a>, NamesTaken> {
        let used = self.seen.machines.iter().map(|machine| &machine.name);
        // One that is being ended has its name until that is done.
        let used = used.chain(self.plan.actions.iter().filter_map(Action::runner));
        let number = |name: &RunnerName| naming::place_number(pool, name.as_str());
        let mut taken: BTreeMap<usize, Holder> =
            used.filter_map(number).map(|number| (number, Holder::Machine)).collect();
        let mut abandoned: BTreeMap<usize, &'a Registered> = BTreeMap::new();
        let listing = self.seen.registrations.get(scope);
        for registered in listing.map_or(&[][..], Listing::entries) {
            let Some(number) = naming::place_number(pool, &registered.name) else { continue };
            if taken.contains_key(&number) {
                continue;
            }
            let timeout = pool.registration_timeout;
            if self.policy.clean_registrations && self.is_abandoned(scope, registered, timeout) {
                abandoned.insert(number, registered);
            }
            let presence = self.presence(scope, registered, timeout);
            taken.insert(number, Holder::Registration(registered.name.clone(), presence));
        }
        if let Some(number) = (1..=pool.max).find(|number| !taken.contains_key(number)) {
            return Ok(Place { number, abandoned: None });
        }
        if let Some((number, registered)) = abandoned.pop_first() {
            return Ok(Place { number, abandoned: Some(registered) });
        }
        Err(NamesTaken {
            pool: pool.name.clone(),
            scope: scope.clone(),
            holders: taken.into_values().collect(),
            cleans: self.policy.clean_registrations,
        })
    }

    /// How a registration that has a wanted name is listed, and when its name may be used after the `timeout`.
    fn presence(
        &self,
        scope: &Scope,
        registered: &Registered,
        timeout: SignedDuration,
    ) -> Presence {
        if registered.busy {
            return Presence::Busy;
        }
        if registered.online {
            return Presence::Online;
        }
        let memory = &self.seen.memory;
        let since = memory.stray(scope, registered.id).and_then(|stray| stray.offline_since);
        let free = since.map(|since| since.saturating_add(timeout).unwrap_or(Timestamp::MAX));
        let until = free.max(memory.put_off(scope, registered.id, self.now));
        Presence::Offline { since, until: until.filter(|_| self.policy.clean_registrations) }
    }
}
