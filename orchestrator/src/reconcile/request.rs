//! A request from the API: what it asks of the plan, and what it is answered. It carries no decision.

use std::sync::Arc;

use mayfly_backend::BackendError;
use mayfly_common::api::{CleanupReport, CreateRunners, PassReport, Runner, UninstallReport};
use mayfly_common::name::RunnerName;
use mayfly_common::scope::Scope;
use mayfly_github::GitHubError;
use mayfly_planner::{Action, ApiRequest, Refusal, RequestId};
use mayfly_store::StoreError;
use tokio::sync::oneshot;

use super::outcome::{ActionError, Outcome};

/// Why a request was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RequestError {
    /// The state of things is against it.
    #[error("{0}")]
    Refused(Refusal),
    /// GitHub did not do its part.
    #[error("{0}")]
    GitHub(GitHubError),
    /// The engine did not do its part.
    #[error("{0}")]
    Backend(Arc<BackendError>),
    /// The file cannot be read.
    #[error("{0}")]
    Store(Arc<StoreError>),
    /// Nothing can be done now.
    #[error("{0}")]
    Unavailable(String),
}

/// What became of a runner that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// Its machine is gone. GitHub did not delete the registration; a later pass does.
    RegistrationLeft,
}

/// A request from the API, with the way back.
pub(super) enum Request {
    Create { wanted: CreateRunners, reply: oneshot::Sender<Result<Vec<Runner>, RequestError>> },
    Delete { name: RunnerName, force: bool, reply: oneshot::Sender<Result<Deleted, RequestError>> },
    Cleanup { dry_run: bool, reply: oneshot::Sender<Result<CleanupReport, RequestError>> },
    Uninstall { reply: oneshot::Sender<Result<UninstallReport, RequestError>> },
}

impl Request {
    /// The request as the plan sees it.
    pub(super) fn wish(&self) -> Option<ApiRequest> {
        match self {
            Self::Create { wanted, .. } => Some(ApiRequest::Create(wanted.clone())),
            Self::Delete { name, force, .. } => {
                Some(ApiRequest::Delete { name: name.clone(), force: *force })
            }
            Self::Cleanup { .. } | Self::Uninstall { .. } => None,
        }
    }

    /// The scope in which it asks for runners by name.
    pub(super) fn named(&self) -> Option<Scope> {
        match self {
            Self::Create { wanted, .. } if !wanted.names.is_empty() => Some(wanted.scope.clone()),
            _ => None,
        }
    }

    pub(super) fn is_uninstall(&self) -> bool {
        matches!(self, Self::Uninstall { .. })
    }

    pub(super) fn is_dry_run(&self) -> bool {
        matches!(self, Self::Cleanup { dry_run: true, .. })
    }

    pub(super) fn refuse(self, error: RequestError) {
        // Whoever asked may have gone; then nobody needs the answer.
        match self {
            Self::Create { reply, .. } => drop(reply.send(Err(error))),
            Self::Delete { reply, .. } => drop(reply.send(Err(error))),
            Self::Cleanup { reply, .. } => drop(reply.send(Err(error))),
            Self::Uninstall { reply } => drop(reply.send(Err(error))),
        }
    }

    /// True if the answer waits for what becomes of `action`; `id` is the request's own.
    pub(super) fn needs(&self, id: RequestId, action: &Action) -> bool {
        match self {
            Self::Create { .. } | Self::Delete { .. } => action.request() == Some(id),
            Self::Cleanup { .. } => is_cleaning(action),
            // What is still under way is told as left.
            Self::Uninstall { .. } => false,
        }
    }

    /// Answers from what was planned and what became of it.
    pub(super) fn answer(
        self,
        id: RequestId,
        planned: &[Action],
        outcomes: &[(Action, Outcome)],
        runners: &[Runner],
        report: &PassReport,
        uninstalled: &Result<UninstallReport, RequestError>,
    ) {
        match self {
            Self::Create { reply, .. } => drop(reply.send(created(id, outcomes, runners))),
            Self::Delete { name, reply, .. } => drop(reply.send(deleted(id, &name, outcomes))),
            Self::Cleanup { dry_run, reply } => {
                drop(reply.send(Ok(cleaned(dry_run, planned, outcomes, report))))
            }
            Self::Uninstall { reply } => drop(reply.send(uninstalled.clone())),
        }
    }
}

fn created(
    id: RequestId,
    outcomes: &[(Action, Outcome)],
    runners: &[Runner],
) -> Result<Vec<Runner>, RequestError> {
    let mut names = Vec::new();
    for (action, outcome) in outcomes {
        match (action, outcome) {
            (Action::Launch(launch), Outcome::Done) if launch.request == Some(id) => {
                names.push(launch.name.as_str())
            }
            (Action::Launch(launch), Outcome::Failed(error)) if launch.request == Some(id) => {
                return Err(error.clone().into());
            }
            _ => {}
        }
    }
    if names.is_empty() {
        return Err(RequestError::Unavailable(
            "no runner is started any more: the orchestrator is stopping or draining".to_owned(),
        ));
    }
    Ok(runners.iter().filter(|runner| names.contains(&runner.name.as_str())).cloned().collect())
}

fn deleted(
    id: RequestId,
    name: &RunnerName,
    outcomes: &[(Action, Outcome)],
) -> Result<Deleted, RequestError> {
    let mine = outcomes.iter().find(|(action, _)| match action {
        Action::Retire { request, .. } | Action::Remove { request, .. } => *request == Some(id),
        _ => false,
    });
    match mine {
        Some((_, Outcome::Done)) => Ok(Deleted::Gone),
        Some((_, Outcome::Left(_))) => Ok(Deleted::RegistrationLeft),
        Some((_, Outcome::Kept | Outcome::Runs)) => {
            Err(RequestError::Refused(Refusal::Busy(name.clone())))
        }
        Some((_, Outcome::Failed(error))) => Err(error.clone().into()),
        None => Err(RequestError::Unavailable(format!("runner {name} could not be deleted now"))),
    }
}

/// True if a clean-up does it: it ends something.
fn is_cleaning(action: &Action) -> bool {
    !action.is_launch() && !matches!(action, Action::PullImage { .. })
}

fn cleaned(
    dry_run: bool,
    planned: &[Action],
    outcomes: &[(Action, Outcome)],
    report: &PassReport,
) -> CleanupReport {
    let count = |wanted: fn(&Outcome) -> bool| {
        outcomes.iter().filter(|(action, outcome)| is_cleaning(action) && wanted(outcome)).count()
    };
    let planned: Vec<String> =
        planned.iter().filter(|action| is_cleaning(action)).map(ToString::to_string).collect();
    CleanupReport {
        dry_run,
        total: planned.len(),
        cleaned: count(|outcome| matches!(outcome, Outcome::Done)),
        failed: count(|outcome| !matches!(outcome, Outcome::Done)),
        actions: planned,
        problems: report.problems.clone(),
    }
}

impl From<ActionError> for RequestError {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::GitHub(error) => Self::GitHub(error),
            ActionError::Backend(error) => Self::Backend(error),
            ActionError::BrokeOff => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
