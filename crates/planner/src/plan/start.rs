//! Starting one runner: what may be in the way of it.

use mayfly_common::name::RunnerName;
use mayfly_common::pool::Naming;
use mayfly_common::scope::Scope;

use super::{Cause, Planner};
use crate::action::{Action, Launch};
use crate::capacity::Counted;
use crate::naming::{self, NamesTaken};
use crate::observed::Image;
use crate::policy::PoolPolicy;

impl<N: Iterator<Item = RunnerName>> Planner<'_, N> {
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
}
