//! Numbered names: which one a new runner of a pool gets, and who has the others.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::name::RunnerName;
use mayfly_common::registration::Registered;
use mayfly_common::scope::Scope;

use super::Planner;
use crate::action::Action;
use crate::github_view::Listing;
use crate::naming::{self, Holder, NamesTaken, Presence};
use crate::policy::PoolPolicy;

/// A numbered name that a new runner may have.
pub(super) struct Place<'a> {
    /// The number.
    pub(super) number: usize,
    /// The registration that is cleared for it.
    pub(super) abandoned: Option<&'a Registered>,
}

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    /// The lowest free place for a new runner of a pool with numbered names. A place is taken while a machine or a registration has
    /// its name; one whose registration is abandoned is cleared if there is no other.
    pub(super) fn free_place(
        &self,
        pool: &PoolPolicy,
        scope: &Scope,
    ) -> Result<Place<'a>, NamesTaken> {
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
