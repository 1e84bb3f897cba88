//! Runners that wait in repositories that are not served, or not any more.

use mayfly_common::name::RunnerName;
use mayfly_common::pool::{PoolName, PoolScope};
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;

use super::{Cause, Planner};
use crate::policy::PoolPolicy;
use mayfly_common::machine::Machine;

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    /// Ends the idle runners of repositories that are not served. Busy ones finish; whoever asks for runners by hand decides.
    pub(super) fn retire_unserved(&mut self) {
        let idle: Vec<&'a Machine> = self
            .judged()
            .filter(|(machine, verdict)| {
                verdict.state == RunnerState::Idle
                    && machine.pool != PoolName::manual()
                    && !self.leaving(&machine.name)
            })
            .map(|(machine, _)| machine)
            .collect();
        for machine in idle {
            let pool = self.policy.terms(&machine.pool);
            if let Some(cause) = self.not_served(pool, &machine.scope) {
                self.retire(machine, cause.to_string());
            }
        }
    }

    /// Where runners of `pool` that wait may register, and the reason for a place that is left out.
    pub(super) fn open_places(&self, pool: &PoolPolicy) -> (Vec<Scope>, Option<Cause>) {
        let mut unserved = None;
        let mut places = pool.places(&self.seen.repositories);
        places.retain(|place| {
            let cause = self.not_served(pool, place);
            let open = cause.is_none();
            unserved = unserved.take().or(cause);
            open
        });
        (places, unserved)
    }

    /// The reason not to serve the repository `place`, if there is one. A pool that names the repository overrides what
    /// discovery leaves out, but does not accept that it is public.
    fn not_served(&self, pool: &PoolPolicy, place: &Scope) -> Option<Cause> {
        let Scope::Repo(repo) = place else { return None };
        let why = *self.seen.unserved.get(repo)?;
        let named = pool.scopes.contains(&PoolScope::One(place.clone()));
        let refused = !named || why.is_of_public();
        refused.then(|| Cause::NotServed(repo.clone(), why))
    }
}
