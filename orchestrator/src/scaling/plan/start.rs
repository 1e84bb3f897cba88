//! Starting one runner: what may be in the way of it, and the name that it gets.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_common::name::RunnerName;
use mayfly_common::pool::Naming;
use mayfly_common::scope::Scope;

use super::{Cause, Planner};
use crate::model::Registered;
use crate::scaling::action::{Action, Launch};
use crate::scaling::naming;
use crate::scaling::observed::{Image, Listing};
use crate::scaling::policy::PoolPolicy;

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
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

    /// How an image stands for a pool: what one may use as it is, another may have to pull.
    fn image(&self, pool: &PoolPolicy, image: &str) -> Image {
        let seen = self.seen.images.get(&(image.to_owned(), pool.pull));
        seen.map_or(Image::Missing, |seen| seen.state)
    }

    /// The first of the pool's images that no runner can be started from yet.
    pub(super) fn lacking<'p>(&self, pool: &'p PoolPolicy) -> Option<&'p str> {
        pool.images().find(|image| self.image(pool, image) != Image::Present)
    }

    /// Fetches those of the pool's images that are in one of these states.
    pub(super) fn want_images(&mut self, pool: &PoolPolicy, states: &[Image]) {
        if self.policy.draining {
            return;
        }
        for image in pool.images() {
            let pull = Action::PullImage(image.to_owned());
            if states.contains(&self.image(pool, image)) && !self.plan.actions.contains(&pull) {
                self.plan.actions.push(pull);
            }
        }
    }

    /// A name for a new runner of the pool: a fresh one, or the lowest free place. A place is taken while a machine or a
    /// registration has its name; one whose registration is abandoned is cleared if there is no other.
    fn name_for(&mut self, pool: &PoolPolicy, scope: &Scope) -> Option<RunnerName> {
        if pool.naming == Naming::Unique {
            return self.names.next();
        }
        let used = self.seen.instances.iter().map(|instance| &instance.name);
        let used = used.chain(self.launches().map(|launch| &launch.name));
        let mut taken: BTreeSet<usize> =
            used.filter_map(|name| naming::place_number(pool, name.as_str())).collect();
        let mut abandoned: BTreeMap<usize, &'a Registered> = BTreeMap::new();
        let listing = self.seen.registrations.get(scope);
        for registered in listing.map_or(&[][..], Listing::entries) {
            let Some(number) = naming::place_number(pool, &registered.name) else { continue };
            let clears = self.policy.clean_registrations && !taken.contains(&number);
            if clears && self.is_abandoned(scope, registered, pool.registration_timeout) {
                abandoned.insert(number, registered);
            }
            taken.insert(number);
        }
        let free = (1..=pool.max).find(|number| !taken.contains(number));
        if let (None, Some((_, registered))) = (free, abandoned.first_key_value()) {
            self.deregister(scope, registered);
        }
        let number = free.or_else(|| abandoned.keys().next().copied())?;
        naming::place(pool, number)
    }
}
