//! What is left of the installation once it is drained, removed: registrations by the plan, the rest here.

use mayfly_common::api::UninstallReport;

use super::Reconciler;
use super::execute::Outcome;
use super::handle::RequestError;
use crate::backend::{Backend as _, BackendError};
use crate::model::{Instance, Registered};
use crate::scaling::{Action, Listing, Observed, Policy, naming};

impl Reconciler {
    /// Removes what the engine still has of us, if no runner is left, and says what there is still to do. `seen` is from before the
    /// actions, `instances` from after them.
    pub(super) async fn uninstall(
        &self,
        seen: &Observed,
        policy: &Policy,
        outcomes: &[(Action, Outcome)],
        instances: &[Instance],
    ) -> Result<UninstallReport, RequestError> {
        let mut report = UninstallReport::default();
        for (action, outcome) in outcomes {
            let what = match action {
                Action::Deregister { name, scope, .. } => format!("registration {name} of {scope}"),
                Action::Remove { name, .. } | Action::Retire { name, .. } => {
                    format!("runner {name}")
                }
                Action::PullImage(_) | Action::Launch(_) | Action::Start { .. } => continue,
            };
            match outcome {
                Outcome::Done => report.removed.push(what),
                Outcome::Kept => {
                    report.left.push(format!("{what}: GitHub says that it runs a job"))
                }
                Outcome::Failed(error) => report.left.push(format!("{what}: {error}")),
            }
        }
        report.left.extend(waiting(seen, policy, outcomes));
        if !instances.is_empty() {
            report.left.push(format!("{} runners", instances.len()));
            return Ok(report);
        }
        let cleared = self.backend.clear().await;
        let cleared = cleared
            .map_err(|error: BackendError| RequestError::Backend(std::sync::Arc::new(error)))?;
        report.removed.extend(cleared.removed);
        report.left.extend(cleared.left);
        Ok(report)
    }
}

/// Registrations of ours that no action was for, and places that could not be asked.
fn waiting(seen: &Observed, policy: &Policy, outcomes: &[(Action, Outcome)]) -> Vec<String> {
    let is_handled = |wanted: &str| {
        outcomes.iter().any(|(action, _)| match action {
            Action::Deregister { name, .. } => name == wanted,
            Action::Remove { name, .. } | Action::Retire { name, .. } => name.as_str() == wanted,
            _ => false,
        })
    };
    let mut left = Vec::new();
    for (scope, listing) in &seen.registrations {
        if !matches!(listing, Listing::Known(_)) {
            left.push(format!("{scope}: its runners could not all be listed"));
        }
        // A name that we made, or one that a machine of ours had.
        let is_ours = |registered: &Registered| {
            naming::is_generated(&policy.name_prefix, &registered.name)
                || seen.memory.stray(scope, registered.id).is_some_and(|stray| stray.ours)
        };
        let ours = listing.entries().iter().filter(|registered| is_ours(registered));
        for registered in ours.filter(|registered| !is_handled(&registered.name)) {
            let name = &registered.name;
            left.push(format!("registration {name} of {scope}: it may be starting or at work"));
        }
    }
    left
}
