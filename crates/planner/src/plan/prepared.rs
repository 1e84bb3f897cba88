//! Runners that wait until their machine is prepared.

use mayfly_common::runner::RunnerState;

use super::Planner;
use crate::action::Action;
use mayfly_common::machine::Phase;
use mayfly_common::name::RunnerName;

impl<N: Iterator<Item = RunnerName>> Planner<'_, N> {
    /// Starts the runners whose machine is ready, unless they are leaving.
    pub(super) fn start_prepared(&mut self) {
        if self.policy.draining {
            return;
        }
        for (machine, verdict) in self.judged() {
            if machine.phase == Phase::Ready
                && verdict.state == RunnerState::Starting
                && !self.in_hand(&machine.name)
            {
                self.plan.actions.push(Action::Start {
                    machine: machine.reference(),
                    pool: machine.pool.clone(),
                    scope: machine.scope.clone(),
                    id: machine.github_id,
                    why: verdict.why,
                });
            }
        }
    }
}
