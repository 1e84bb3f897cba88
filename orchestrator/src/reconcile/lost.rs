//! Runners that somebody else removed: they were there after the last pass, are not any more, and nobody here ended them.

use jiff::Timestamp;
use mayfly_common::api::Finished;
use mayfly_common::name::RunnerName;
use mayfly_common::runner::RunnerState;
use mayfly_service::telemetry::MONITOR;
use tracing::{info, warn};

use super::execute::Outcome;
use super::{Reconciler, State};
use mayfly_common::machine::Instance;
use mayfly_planner::lifecycle::Failure;
use mayfly_planner::{Action, Verdict};

/// The runners that a pass leaves behind.
#[derive(Default)]
pub(super) struct Left(Vec<(Instance, RunnerState)>);

impl Left {
    /// Those that were seen after the actions, without those that the actions ended.
    pub(super) fn of(
        instances: &[Instance],
        verdicts: &[Verdict],
        outcomes: &[(Action, Outcome)],
    ) -> Self {
        let ended = |name: &RunnerName| {
            outcomes.iter().any(|(action, outcome)| match (action, outcome) {
                (Action::Remove { name: ended, .. } | Action::Retire { name: ended, .. }, _) => {
                    ended == name && !matches!(outcome, Outcome::Kept)
                }
                // One that cannot be started is removed.
                (Action::Start { name: ended, .. }, Outcome::Failed(_)) => ended == name,
                _ => false,
            })
        };
        let left = instances.iter().zip(verdicts).filter(|(instance, _)| !ended(&instance.name));
        Self(left.map(|(instance, verdict)| (instance.clone(), verdict.state)).collect())
    }

    /// Those that are not there any more.
    fn lost(&self, seen: &[Instance]) -> Vec<(Instance, RunnerState)> {
        let there = |id: &str| seen.iter().any(|instance| instance.container_id == id);
        let same = |name: &RunnerName| seen.iter().any(|instance| instance.name == *name);
        // A Docker engine whose runner is gone stands for that runner, and carries its name.
        let lost = |(instance, _): &&(Instance, RunnerState)| {
            !there(&instance.container_id) && !same(&instance.name)
        };
        self.0.iter().filter(lost).cloned().collect()
    }
}

impl Reconciler {
    /// Tells of the runners that are gone though nobody here ended them.
    pub(super) fn tell_lost(&self, state: &mut State, seen: &[Instance], now: Timestamp) {
        for (instance, was) in state.left.lost(seen) {
            let failure = Failure::Removed;
            let (name, scope, reason) = (&instance.name, &instance.scope, failure.to_string());
            let ended = if was == RunnerState::Busy {
                self.metrics.failed(instance.pool.as_str(), &failure);
                warn!(category = MONITOR, runner = %name, %scope, %reason, "runner is gone, and its job with it");
                RunnerState::Failed
            } else {
                info!(category = MONITOR, runner = %name, %scope, %reason, "runner is gone");
                RunnerState::Gone
            };
            let finished: Finished = self.finished(&instance, ended, &reason);
            state.history.add(&finished, "");
            state.journal.gone(finished, now);
        }
    }
}

#[cfg(test)]
mod tests;
