//! Removes what is left of the installation once it is drained: registrations by the plan, what the engine keeps for runners here.

use mayfly_common::api::UninstallReport;

use super::outcome::Outcome;
use super::pass::Round;
use super::request::RequestError;
use super::{Reconciler, State};
use mayfly_backend::BackendError;
use mayfly_common::machine::{Machine, MachineRef};
use mayfly_planner::Action;
use mayfly_planner::uninstall::rest;

impl Reconciler {
    /// Removes what the engine still has of us, if no runner is left, and says what there is still to do. `machines`: from after the
    /// actions.
    pub(super) async fn uninstall(
        &self,
        state: &State,
        round: &Round<'_>,
        machines: &[Machine],
    ) -> Result<UninstallReport, RequestError> {
        let Round { seen, policy, planned, outcomes, .. } = *round;
        let mut report = UninstallReport::default();
        for (action, outcome) in outcomes {
            let what = match action {
                Action::Deregister { name, scope, .. } => format!("registration {name} of {scope}"),
                Action::Remove { machine: MachineRef { name, .. }, .. }
                | Action::Retire { machine: MachineRef { name, .. }, .. } => {
                    format!("runner {name}")
                }
                Action::PullImage { .. } | Action::Launch(_) | Action::Start { .. } => continue,
            };
            match outcome {
                Outcome::Done => report.removed.push(what),
                Outcome::Kept => {
                    report.left.push(format!("{what}: GitHub says that it runs a job"))
                }
                Outcome::Runs => report.left.push(format!("{what}: somebody started it just now")),
                Outcome::Left(error) => {
                    report.left.push(format!("the registration of {what}: {error}"))
                }
                Outcome::Failed(error) => report.left.push(format!("{what}: {error}")),
            }
        }
        let rest = rest(seen, policy, planned, (machines, &state.flight.actions()));
        report.left.extend(rest.left);
        if !rest.clears {
            return Ok(report);
        }
        let cleared = self.backends.clear().await;
        let cleared = cleared
            .map_err(|error: BackendError| RequestError::Backend(std::sync::Arc::new(error)))?;
        report.removed.extend(cleared.removed);
        report.left.extend(cleared.left);
        Ok(report)
    }
}

#[cfg(test)]
mod tests;
