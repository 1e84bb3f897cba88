//! Carries a plan out: one match, no decision. What is to be done is decided in `mayfly_planner`.
//!
//! Order within an action makes every crash point harmless: a registration is deleted before its container, so that a container
//! that is still there always leads back to it; a registration is made before its container and carries our prefix, so that the
//! sweep finds one without the other.

mod started;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::Finished;
use mayfly_common::foreign_text::{message, name};
use mayfly_common::name::RunnerName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;
use mayfly_service::traces::{self, TARGET};
use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span, info_span, warn};

use super::ask::worker;
use super::history::History;
use super::{Reconciler, State};
use crate::metrics::ActionLabels;
use mayfly_backend::bounded::Bounded;
use mayfly_backend::{Backend, BackendError};
use mayfly_common::identity::RunnerIdentity;
use mayfly_common::machine::{Exit, Machine, MachineRef, Phase};
use mayfly_common::registration::RunnerId;
use mayfly_github::{Deregistered, GitHubError};
use mayfly_planner::backoff::Failed;
use mayfly_planner::ledger::Ran;
use mayfly_planner::lifecycle::{printed, result_of};
use mayfly_planner::{Action, IfBusy, Launch, Plan};

/// Actions that are under way at a time.
const CONCURRENT: usize = 16;
/// Lines of a log that are kept when a runner goes.
const KEPT_LINES: u32 = 200;

/// What became of an action.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is done.
    Done,
    /// The machine is removed, as somebody insists; GitHub did not delete the registration, which is left for the sweep.
    Left(GitHubError),
    /// GitHub says that the runner works: nothing was changed.
    Kept,
    /// The machine runs, though it did not when it was seen: nothing was changed, and the next pass looks at it anew.
    Runs,
    /// It failed; the next pass sees what is left to do.
    Failed(ActionError),
}

/// Why an action failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ActionError {
    /// GitHub did not do its part.
    #[error("{0}")]
    GitHub(#[from] GitHubError),
    /// The engine did not do its part.
    #[error("{0}")]
    Backend(Arc<BackendError>),
    /// It was not begun: the engine is too slow for all that is to be done in one pass.
    #[error("the Docker Engine is slow, and what is left to do waits for the next pass")]
    PutOff,
}

impl ActionError {
    /// What failed, of a runner that could not be started.
    pub(super) fn what_failed(&self) -> Failed {
        match self {
            Self::GitHub(
                GitHubError::Server(_) | GitHubError::Network(_) | GitHubError::TimedOut,
            ) => Failed::GitHub,
            Self::GitHub(_) => Failed::Registration,
            Self::Backend(_) | Self::PutOff => Failed::Container,
        }
    }
}

/// What metrics say of an action and its outcome.
pub(super) fn labels((action, outcome): &(Action, Outcome)) -> ActionLabels {
    ActionLabels { action: action.kind(), outcome: outcome.as_str() }
}

impl Outcome {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Left(_) => "left",
            Self::Kept => "kept",
            Self::Runs => "runs",
            Self::Failed(_) => "failed",
        }
    }
}

/// The last lines that a machine printed that is removed, and why its registration is left.
type Gone = (String, Option<GitHubError>);

/// True if the pass waits for the engine while this is done.
fn needs_engine(action: &Action) -> bool {
    !matches!(action, Action::PullImage(_) | Action::Deregister { .. })
}

/// The span of an action.
fn span(action: &Action, seen: &[Machine]) -> Span {
    let span = info_span!(
        target: TARGET,
        "action",
        otel.name = action.kind(),
        otel.status_code = Empty,
        outcome = Empty,
        runner = Empty,
        pool = Empty,
        scope = Empty,
        image = Empty,
    );
    if span.is_disabled() {
        return span;
    }
    match action {
        Action::PullImage(image) => {
            span.record("image", image);
        }
        Action::Launch(Launch { identity: RunnerIdentity { name, pool, scope, .. }, .. })
        | Action::Start { machine: MachineRef { name, .. }, pool, scope, .. }
        | Action::Remove { machine: MachineRef { name, .. }, pool, scope, .. } => {
            span.record("runner", display(name));
            span.record("pool", pool.as_str());
            span.record("scope", display(scope));
        }
        Action::Retire { machine: MachineRef { name, .. }, scope, .. } => {
            span.record("runner", display(name));
            if let Some(machine) = seen.iter().find(|machine| machine.name == *name) {
                span.record("pool", machine.pool.as_str());
            }
            span.record("scope", display(scope));
        }
        Action::Deregister { name, scope, .. } => {
            span.record("runner", name);
            span.record("scope", display(scope));
        }
    }
    span
}

impl From<BackendError> for ActionError {
    fn from(error: BackendError) -> Self {
        Self::Backend(Arc::new(error))
    }
}

impl Reconciler {
    /// Carries `plan` out: what ends first, then what starts, each kind side by side.
    pub(super) async fn execute(
        &self,
        state: &mut State,
        plan: &Plan,
        seen: &[Machine],
    ) -> Vec<(Action, Outcome)> {
        let (starting, ending): (Vec<Action>, Vec<Action>) =
            plan.actions.iter().cloned().partition(Action::is_launch);
        let mut outcomes = Vec::new();
        for actions in [ending, starting] {
            let starts = actions.first().is_some_and(Action::is_launch);
            // A drain that began after the plan was made counts, too.
            if starts && (self.stopping.load(Ordering::Relaxed) || self.drain.since().is_some()) {
                break;
            }
            let act = actions.into_iter().map(async |action: Action| {
                let began = self.clock.now();
                let span = span(&action, seen);
                let result = if needs_engine(&action) && !self.backend.has_time() {
                    (Outcome::Failed(ActionError::PutOff), None)
                } else {
                    self.act(&action, seen).instrument(span.clone()).await
                };
                span.record("outcome", result.0.as_str());
                if matches!(result.0, Outcome::Failed(_)) {
                    traces::failed(&span);
                }
                if matches!(result.0, Outcome::Done | Outcome::Left(_)) {
                    self.note_span(&action, seen, self.clock.now().duration_since(began));
                }
                (action, result)
            });
            let mut results = stream::iter(act).buffer_unordered(CONCURRENT);
            while let Some((mut action, (outcome, gone))) = results.next().await {
                if let Some((finished, log)) = gone {
                    if let Action::Remove { why, .. } = &mut action {
                        why.clone_from(&finished.reason);
                    }
                    let machine =
                        seen.iter().find(|machine| machine.name.as_str() == finished.name);
                    if let Some(machine) = machine {
                        note_job(state, machine, &log, self.clock.now());
                    }
                    state.history.add(&finished, &log);
                    let log = Some(History::end_of(&log).to_owned());
                    state.journal.gone(Finished { log, ..finished }, self.clock.now());
                }
                outcomes.push((action, outcome));
            }
        }
        self.undo_half_done_requests(outcomes).await
    }

    /// How long it took to start or to remove a runner.
    fn note_span(&self, action: &Action, seen: &[Machine], span: SignedDuration) {
        let of = |name: &RunnerName| seen.iter().find(|machine| machine.name == *name);
        match action {
            Action::Launch(launch) => self.metrics.took(launch.pool.as_str(), true, span),
            Action::Retire { machine: MachineRef { name, .. }, .. }
            | Action::Remove { machine: MachineRef { name, .. }, .. } => {
                let pool = of(name).map_or("none", |machine| machine.pool.as_str());
                self.metrics.took(pool, false, span);
            }
            Action::PullImage(_) | Action::Start { .. } | Action::Deregister { .. } => {}
        }
    }

    async fn act(
        &self,
        action: &Action,
        seen: &[Machine],
    ) -> (Outcome, Option<(Finished, String)>) {
        match action {
            Action::PullImage(image) => {
                let backend: Arc<dyn Backend> = Arc::<Bounded>::clone(&self.backend);
                self.images.pull(image, backend, Arc::clone(&self.clock));
                (Outcome::Done, None)
            }
            Action::Launch(launch) => {
                (outcome(self.launcher.launch(launch, self.clock.now()).await), None)
            }
            Action::Start { machine, scope, id, .. } => {
                (outcome(self.launcher.start(machine, scope, *id).await), None)
            }
            Action::Deregister { scope, id, .. } => {
                match self.github.deregister(scope, *id).await {
                    Ok(Deregistered::Gone) => (Outcome::Done, None),
                    Ok(Deregistered::Busy) => (Outcome::Kept, None),
                    Err(error) => (Outcome::Failed(error.into()), None),
                }
            }
            Action::Retire { machine, scope, id, why, .. } => {
                let ended = self.end(machine, scope, Some(*id), IfBusy::Keep).await;
                self.ended(ended, seen, &machine.name, RunnerState::Gone, why)
            }
            Action::Remove { machine, scope, id, if_busy, state, why, failure, .. } => {
                if let Some(put_off) = self.put_off(seen, machine, *if_busy).await {
                    return (put_off, None);
                }
                let ended = self.end(machine, scope, *id, *if_busy).await;
                let gone = ended.as_ref().ok().and_then(Option::as_ref);
                let log = gone.map_or("", |(log, _)| log);
                let in_full = failure.as_ref().and_then(|failure| failure.with_last_words(log));
                self.ended(ended, seen, &machine.name, *state, in_full.as_deref().unwrap_or(why))
            }
        }
    }

    /// Deletes the registration, then the container. `None`: GitHub keeps the registration, and the container stays with it, unless
    /// somebody insists.
    async fn end(
        &self,
        machine: &MachineRef,
        scope: &Scope,
        id: Option<RunnerId>,
        if_busy: IfBusy,
    ) -> Result<Option<Gone>, ActionError> {
        let mut left = None;
        if let Some(id) = id {
            match (self.github.deregister(scope, id).await, if_busy) {
                (Ok(Deregistered::Gone), _) | (Ok(Deregistered::Busy), IfBusy::Remove) => {}
                (Ok(Deregistered::Busy), IfBusy::Keep) => return Ok(None),
                (Err(error), IfBusy::Remove) => left = Some(error),
                (Err(error), IfBusy::Keep) => return Err(error.into()),
            }
        }
        let log = match self.backend.logs(&machine.name, KEPT_LINES).await {
            Ok(log) => log.unwrap_or_default(),
            Err(error @ BackendError::Unreachable(_)) => return Err(error.into()),
            // It is removed all the same.
            Err(error) => {
                warn!(runner = %machine.name, "its log is lost: {error}");
                String::new()
            }
        };
        self.backend.remove(machine).await?;
        Ok(Some((log, left)))
    }

    fn ended(
        &self,
        ended: Result<Option<Gone>, ActionError>,
        seen: &[Machine],
        name: &RunnerName,
        state: RunnerState,
        why: &str,
    ) -> (Outcome, Option<(Finished, String)>) {
        let (log, left) = match ended {
            Ok(Some(gone)) => gone,
            Ok(None) => return (Outcome::Kept, None),
            Err(error) => return (Outcome::Failed(error), None),
        };
        let machine = seen.iter().find(|machine| machine.name == *name);
        let gone = machine.map(|machine| (self.finished(machine, state, why), log));
        (left.map_or(Outcome::Done, Outcome::Left), gone)
    }

    pub(super) fn finished(&self, machine: &Machine, state: RunnerState, why: &str) -> Finished {
        let exit = match &machine.phase {
            Phase::Exited(exit) => Some(exit),
            _ => None,
        };
        Finished {
            name: machine.name.to_string(),
            scope: machine.scope.kind(),
            scope_name: machine.scope.name(),
            pool: machine.pool.to_string(),
            image: machine.image.clone(),
            state,
            reason: message(why),
            exit_code: exit.map(|exit: &Exit| exit.code),
            out_of_memory: exit.is_some_and(|exit| exit.out_of_memory),
            created_at: machine.created_at,
            removed_at: self.clock.now(),
            log: None,
        }
    }

    /// A request for several runners is carried out whole or not at all: where one failed, the others end again.
    async fn undo_half_done_requests(
        &self,
        mut outcomes: Vec<(Action, Outcome)>,
    ) -> Vec<(Action, Outcome)> {
        let request_of = |action: &Action| match action {
            Action::Launch(launch) => launch.request,
            _ => None,
        };
        let failed: Vec<_> = outcomes
            .iter()
            .filter_map(|(action, outcome)| match outcome {
                Outcome::Failed(error) => Some((request_of(action)?, error.clone())),
                _ => None,
            })
            .collect();
        for (action, outcome) in &mut outcomes {
            let Some((_, error)) =
                failed.iter().find(|(request, _)| Some(*request) == request_of(action))
            else {
                continue;
            };
            if let (Action::Launch(launch), Outcome::Done) = (&*action, &*outcome) {
                // What this cannot undo is a runner like any other: idle, seen by the next pass, listed by the API.
                *outcome = match self.launcher.withdraw(launch).await {
                    Ok(()) => Outcome::Failed(error.clone()),
                    Err(second) => Outcome::Failed(second),
                };
            }
        }
        outcomes
    }
}

/// Notes in the ledger which job a runner had, if it says so.
fn note_job(state: &mut State, machine: &Machine, log: &str, now: Timestamp) {
    let (log, result) = match &machine.phase {
        // It holds the first lines, too, which the job could not write.
        Phase::Exited(exit) => (&*exit.log_tail, result_of(exit)),
        _ => (log, None),
    };
    let job = printed::job(log).map(name);
    if job.is_none() && result.is_none() {
        return;
    }
    let ran = Ran {
        worker: worker(machine),
        job: job.as_deref(),
        result,
        started_at: printed::began(log, (machine.created_at, now)),
    };
    state.ledger.ran(&ran, now);
}

fn outcome(result: Result<(), ActionError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Failed(error),
    }
}

#[cfg(test)]
mod tests;
