//! Requests from the API whose actions are under way: each is answered by the first pass that knows what came of them all. Only new
//! runners, which the answer describes, must have been seen.

use std::collections::BTreeSet;

use mayfly_common::api::{PassReport, Runner, UninstallReport};
use mayfly_planner::{Action, Batch, Plan, Refusal, RequestId};

use super::flight::BatchId;
use super::outcome::Outcome;
use super::request::{Request, RequestError};

/// The requests that are not answered yet.
#[derive(Default)]
pub(super) struct Asked(Vec<Open>);

struct Open {
    id: RequestId,
    request: Request,
    refusal: Option<Refusal>,
    /// What its plan was to do.
    planned: Vec<Action>,
    waits_for: BTreeSet<BatchId>,
    outcomes: Vec<(Action, Outcome)>,
}

impl Open {
    /// True if the answer is a description of new runners.
    fn describes_runners(&self) -> bool {
        let failed = |(_, outcome): &(Action, Outcome)| matches!(outcome, Outcome::Failed(_));
        matches!(self.request, Request::Create { .. }) && !self.outcomes.iter().any(failed)
    }
}

impl Asked {
    /// Takes the requests of a pass in. `begun`: what its plan began.
    pub(super) fn add(
        &mut self,
        requests: Vec<(RequestId, Request)>,
        plan: &Plan,
        begun: &[(BatchId, Batch)],
    ) {
        for (id, request) in requests {
            let refused = plan.refusals.iter().find(|(refused, _)| *refused == id);
            let refusal = refused.map(|(_, refusal)| refusal.clone());
            let needs = |batch: &Batch| batch.actions().any(|action| request.needs(id, action));
            let needed = begun.iter().filter(|(_, batch)| needs(batch));
            let waits_for = needed.map(|(batch, _)| *batch).collect();
            let (planned, outcomes) = (plan.actions.clone(), Vec::new());
            self.0.push(Open { id, request, refusal, planned, waits_for, outcomes });
        }
    }

    /// An action of a batch came to this.
    pub(super) fn note(&mut self, batch: BatchId, action: &Action, outcome: &Outcome) {
        for open in self.0.iter_mut().filter(|open| open.waits_for.contains(&batch)) {
            open.outcomes.push((action.clone(), outcome.clone()));
        }
    }

    /// A batch came to its end.
    pub(super) fn ended(&mut self, batch: BatchId) {
        for open in &mut self.0 {
            open.waits_for.remove(&batch);
        }
    }

    /// Answers those that wait for nothing more. `runners`: those that were seen; none where the pass saw nothing.
    pub(super) fn answer(
        &mut self,
        runners: Option<&[Runner]>,
        report: &PassReport,
        uninstalled: &Result<UninstallReport, RequestError>,
    ) {
        let (done, waiting): (Vec<Open>, Vec<Open>) =
            std::mem::take(&mut self.0).into_iter().partition(|open| {
                open.waits_for.is_empty() && (runners.is_some() || !open.describes_runners())
            });
        self.0 = waiting;
        let runners = runners.unwrap_or_default();
        for Open { id, request, refusal, planned, outcomes, .. } in done {
            match refusal {
                Some(refusal) => request.refuse(RequestError::Refused(refusal)),
                None => request.answer(id, &planned, &outcomes, runners, report, uninstalled),
            }
        }
    }
}

#[cfg(test)]
mod tests;
