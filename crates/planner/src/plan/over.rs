//! What is over: machines that ended, failed or outlived their time, and registrations that no machine is left for.

use jiff::SignedDuration;
use mayfly_common::machine::{Machine, Phase};
use mayfly_common::name::RunnerName;
use mayfly_common::registration::{Registered, RunnerId};
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;

use super::{Planner, Verdict};
use crate::action::{Action, IfBusy};
use crate::github_view::Sight;
use crate::lifecycle::Failure;
use crate::request::ApiRequest;

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    pub(super) fn judge(&mut self) {
        for machine in &self.seen.machines {
            let sight = self.seen.sight_of(machine);
            let sighting = self.seen.memory.of(machine);
            let reason = self.seen.reason_of(machine, sighting, self.policy, self.now);
            let id = sight.listed().map(|registered| registered.id);
            self.plan.verdicts.push(Verdict {
                name: machine.name.clone(),
                state: reason.state(),
                why: reason.to_string(),
                failure: reason.failure(),
                id,
                is_supply: reason.is_supply(),
            });
        }
    }

    pub(super) fn judged(&self) -> impl Iterator<Item = (&'a Machine, Verdict)> + use<'a, N> {
        self.seen.machines.iter().zip(self.plan.verdicts.clone())
    }

    pub(super) fn remove_what_is_over(&mut self) {
        for (machine, verdict) in self.judged() {
            let is_over = matches!(verdict.state, RunnerState::Finished | RunnerState::Failed);
            if !is_over || self.in_hand(&machine.name) {
                continue;
            }
            let id = match self.seen.sight_of(machine) {
                // GitHub refuses to delete a registration whose job it believes in; the deadline is ours to enforce.
                Sight::Listed(registered) if registered.busy && machine_runs(machine) => None,
                Sight::Listed(registered) => Some(registered.id),
                Sight::Absent => None,
                // GitHub removed the registration of a runner that did its job; any other may still be there.
                Sight::Unknown | Sight::Unasked if verdict.state == RunnerState::Finished => None,
                Sight::Unknown | Sight::Unasked => machine.github_id,
            };
            // It stays with its registration, or until its end may be tried again, unless somebody asks for it.
            let failed = self.seen.memory.end_put_off(&machine.reference(), self.now).is_some();
            let put_off = failed || self.is_put_off(&machine.scope, id);
            if put_off && !self.is_to_be_deleted(&machine.name) {
                continue;
            }
            let sighting = self.seen.memory.of(machine);
            let holds_back =
                verdict.failure.as_ref().is_some_and(Failure::is_of_start) && !sighting.was_busy;
            if holds_back && sighting.failed_passes == 1 {
                self.failing.insert((machine.pool.clone(), machine.scope.clone()));
            }
            self.plan.actions.push(Action::Remove {
                machine: machine.reference(),
                pool: machine.pool.clone(),
                scope: machine.scope.clone(),
                id,
                if_busy: IfBusy::Keep,
                state: verdict.state,
                why: verdict.why,
                holds_back,
                failure: verdict.failure,
                request: None,
            });
        }
    }

    /// True if GitHub refused to delete this registration a moment ago, because its runner runs a job.
    pub(super) fn is_put_off(&self, scope: &Scope, id: Option<RunnerId>) -> bool {
        id.is_some_and(|id| self.seen.memory.put_off(scope, id, self.now).is_some())
    }

    /// True if somebody asks for the end of this runner.
    pub(super) fn is_to_be_deleted(&self, runner: &RunnerName) -> bool {
        let deletes =
            |wish: &ApiRequest| matches!(wish, ApiRequest::Delete { name, .. } if name == runner);
        self.seen.wishes.iter().any(|(_, wish)| deletes(wish))
    }

    /// Deletes registrations of ours that have no container: what a crash between registering and creating leaves, and
    /// what a container removed behind our back leaves. One that is young may belong to a runner that another orchestrator with
    /// our names starts just now.
    pub(super) fn clean_registrations(&mut self) {
        if !self.policy.clean_registrations {
            return;
        }
        for (scope, listing) in &self.seen.registrations {
            for registered in listing.entries() {
                let stray = self.seen.memory.stray(scope, registered.id);
                let timeout = self.policy.default.registration_timeout;
                if stray.is_some_and(|stray| stray.ours)
                    && self.is_abandoned(scope, registered, timeout)
                {
                    self.deregister(scope, registered);
                }
            }
        }
    }

    /// True if a registration without a machine was offline for as long as a runner may take to come online.
    pub(super) fn is_abandoned(
        &self,
        scope: &Scope,
        registered: &Registered,
        timeout: SignedDuration,
    ) -> bool {
        let stray = self.seen.memory.stray(scope, registered.id);
        let since = stray.and_then(|stray| stray.offline_since);
        // A backend that does not answer may have its machine.
        self.seen.unreachable.is_empty()
            && since.is_some_and(|since| self.now.duration_since(since) >= timeout)
            && !self.is_put_off(scope, Some(registered.id))
    }

    pub(super) fn deregister(&mut self, scope: &Scope, registered: &Registered) {
        let is_planned = |action: &Action| matches!(action, Action::Deregister { id, .. } if *id == registered.id);
        if self.plan.actions.iter().any(is_planned) {
            return;
        }
        self.plan.actions.push(Action::Deregister {
            scope: scope.clone(),
            id: registered.id,
            name: registered.name.clone(),
            why: "it is offline and has no container here".to_owned(),
        });
    }
}

pub(super) fn machine_runs(machine: &Machine) -> bool {
    matches!(machine.phase, Phase::Running { .. })
}
