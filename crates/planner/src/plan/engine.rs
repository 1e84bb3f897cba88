//! Runners that wait for a Docker engine of their own.

use mayfly_common::runner::RunnerState;

use super::Planner;
use crate::action::Action;
use mayfly_common::machine::{EngineHealth, Phase};
use mayfly_common::name::RunnerName;

impl<N: Iterator<Item = RunnerName>> Planner<'_, N> {
    /// Starts the runners whose engine answers by now, unless they are leaving.
    pub(super) fn start_prepared(&mut self) {
        if self.policy.draining {
            return;
        }
        for (machine, verdict) in self.judged() {
            let ready =
                machine.phase == Phase::Created && machine.engine == Some(EngineHealth::Healthy);
            if ready && verdict.state == RunnerState::Starting && !self.leaving(&machine.name) {
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
