//! Carries one action out: one match, no decision. What is to be done is decided in `mayfly_planner`.
//!
//! Order within an action makes every crash point harmless: a registration is deleted before its container, so that a container
//! that is still there always leads back to it; a registration is made before its container and carries our prefix, so that the
//! sweep finds one without the other.

mod started;

use std::sync::Arc;

use futures::future::join_all;
use jiff::SignedDuration;
use mayfly_common::api::Finished;
use mayfly_common::clock::Clock;
use mayfly_common::foreign_text::message;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;
use mayfly_service::traces::{self, TARGET};
use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span, info_span, warn};

use super::launch::{Launcher, NotLaunched};
use super::outcome::{ActionError, Outcome};
use crate::backends::Backends;
use crate::metrics::Metrics;
use mayfly_backend::bounded::Bounded;
use mayfly_backend::{Backend, BackendError};
use mayfly_common::identity::RunnerIdentity;
use mayfly_common::machine::{Exit, Machine, MachineRef, Phase};
use mayfly_common::registration::RunnerId;
use mayfly_github::{Deregistered, GitHubClient, GitHubError};
use mayfly_planner::{Action, IfBusy, Launch, Listing, Observed, Policy};

/// Lines of a log that are kept when a runner goes.
const KEPT_LINES: u32 = 200;

/// An action, with what was known when it was planned.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) action: Action,
    /// The machine that it is about, if there was one.
    pub(super) machine: Option<Machine>,
    /// True if GitHub listed the registration that it is about as busy.
    pub(super) listed_busy: bool,
    /// How long a runner of its pool may take to come online.
    pub(super) registration_timeout: SignedDuration,
    /// The registration of a launch that failed so that the runner may be there.
    pub(super) left: Option<RunnerId>,
}

/// An action that was carried out.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) task: Task,
    pub(super) outcome: Outcome,
    /// The runner that is gone, and the last lines that it printed.
    pub(super) gone: Option<(Finished, String)>,
}

/// The last lines that a machine printed that is removed, and why its registration is left.
type Gone = (String, Option<GitHubError>);

/// The span of an action.
fn span(Task { action, machine, .. }: &Task) -> Span {
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
        Action::PullImage { image, .. } => {
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
            if let Some(machine) = machine {
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

impl Task {
    /// The task of carrying out `action`, which was planned from what was `seen`.
    pub(super) fn of(action: Action, seen: &Observed, policy: &Policy) -> Self {
        let runner = action.runner();
        let machine = seen.machines.iter().find(|machine| Some(&machine.name) == runner).cloned();
        let registration = match &action {
            Action::Retire { scope, id, .. }
            | Action::Remove { scope, id: Some(id), .. }
            | Action::Deregister { scope, id, .. } => Some((scope, *id)),
            _ => None,
        };
        let is_busy = |(scope, id): (&Scope, RunnerId)| {
            let listed = seen.registrations.get(scope).map_or(&[][..], Listing::entries);
            listed.iter().any(|registered| registered.id == id && registered.busy)
        };
        let listed_busy = registration.is_some_and(is_busy);
        let terms = match &action {
            Action::Launch(launch) => policy.terms(&launch.pool),
            _ => &policy.default,
        };
        Self {
            machine,
            listed_busy,
            registration_timeout: terms.registration_timeout,
            left: None,
            action,
        }
    }
}

/// Carries actions out.
pub(super) struct Actor {
    pub(super) backends: Arc<Backends>,
    pub(super) github: Arc<GitHubClient>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) launcher: Launcher,
}

impl Actor {
    /// Carries actions out side by side.
    pub(super) async fn all(&self, tasks: Vec<Task>) -> Vec<Carried> {
        join_all(tasks.into_iter().map(|task| self.one(task))).await
    }

    async fn one(&self, mut task: Task) -> Carried {
        let began = self.clock.now();
        let span = span(&task);
        let (outcome, gone) = self.act(&mut task).instrument(span.clone()).await;
        span.record("outcome", outcome.as_str());
        if matches!(outcome, Outcome::Failed(_)) {
            traces::failed(&span);
        }
        if matches!(outcome, Outcome::Done | Outcome::Left(_)) {
            self.note_span(&task, self.clock.now().duration_since(began));
        }
        if let (Action::Remove { why, .. }, Some((finished, _))) = (&mut task.action, &gone) {
            why.clone_from(&finished.reason);
        }
        Carried { task, outcome, gone }
    }

    /// How long it took to start or to remove a runner.
    fn note_span(&self, task: &Task, span: SignedDuration) {
        match &task.action {
            Action::Launch(launch) => self.metrics.took(launch.pool.as_str(), true, span),
            Action::Retire { .. } | Action::Remove { .. } => {
                let pool = task.machine.as_ref().map_or("none", |machine| machine.pool.as_str());
                self.metrics.took(pool, false, span);
            }
            Action::PullImage { .. } | Action::Start { .. } | Action::Deregister { .. } => {}
        }
    }

    async fn act(&self, task: &mut Task) -> (Outcome, Option<(Finished, String)>) {
        let seen = task.machine.as_ref();
        match &task.action {
            Action::PullImage { backend, image } => {
                let one = match self.backends.of(backend) {
                    Ok(one) => one,
                    Err(error) => return (Outcome::Failed(error.into()), None),
                };
                let puller: Arc<dyn Backend> = Arc::<Bounded>::clone(&one.actions);
                one.images.pull(image, puller, Arc::clone(&self.clock));
                (Outcome::Done, None)
            }
            Action::Launch(launch) => match self.launcher.launch(launch, self.clock.now()).await {
                Ok(()) => (Outcome::Done, None),
                Err(NotLaunched { error, left }) => {
                    task.left = left;
                    (Outcome::Failed(error), None)
                }
            },
            Action::Start { machine, scope, id, .. } => {
                (self.launcher.start(machine, scope, *id).await.into(), None)
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
                self.ended(ended, seen, RunnerState::Gone, why)
            }
            Action::Remove { machine, scope, id, if_busy, state, why, failure, .. } => {
                if let Some(put_off) = self.put_off(seen, machine, *if_busy).await {
                    return (put_off, None);
                }
                let ended = self.end(machine, scope, *id, *if_busy).await;
                let gone = ended.as_ref().ok().and_then(Option::as_ref);
                let log = gone.map_or("", |(log, _)| log);
                let in_full = failure.as_ref().and_then(|failure| failure.with_last_words(log));
                self.ended(ended, seen, *state, in_full.as_deref().unwrap_or(why))
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
        let log = match self.log(machine).await {
            Ok(log) => log,
            Err(error @ BackendError::Unreachable { .. }) => return Err(error.into()),
            // It is removed all the same.
            Err(error) => {
                warn!(runner = %machine.name, "its log is lost: {error}");
                String::new()
            }
        };
        self.backends.of(&machine.backend)?.actions.delete(machine).await?;
        Ok(Some((log, left)))
    }

    /// The last lines that a machine printed; none where its backend shows none.
    async fn log(&self, machine: &MachineRef) -> Result<String, BackendError> {
        let backend = &self.backends.of(&machine.backend)?.actions;
        let Some(console) = backend.console() else { return Ok(String::new()) };
        console.logs(&machine.name, KEPT_LINES).await.map(Option::unwrap_or_default)
    }

    fn ended(
        &self,
        ended: Result<Option<Gone>, ActionError>,
        machine: Option<&Machine>,
        state: RunnerState,
        why: &str,
    ) -> (Outcome, Option<(Finished, String)>) {
        let (log, left) = match ended {
            Ok(Some(gone)) => gone,
            Ok(None) => return (Outcome::Kept, None),
            Err(error) => return (Outcome::Failed(error), None),
        };
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
}

#[cfg(test)]
mod tests;
