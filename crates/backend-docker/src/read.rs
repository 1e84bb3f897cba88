//! From a listed container to a [`Machine`]: the list, and further requests for what it lacks.
//!
//! Invariant: an engine that refuses a question about one container hides no other, and not that one: it counts with what the list
//! says of it, and what could not be read is reported.

use std::time::Duration;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as Listed};
use mayfly_common::foreign_text::line;
use tokio::time::timeout;

use super::container::is_going;
use super::labels::Labels;
use super::raw::Connection;
use super::sidecar::EngineHealth;
use super::unread::Unread;
use super::{dind, log};
use mayfly_backend::BackendError;
use mayfly_common::identity::RunnerIdentity;
use mayfly_common::machine::{Exit, Machine, Phase};

/// The part of a log that is read, in lines: enough to decide whether a job ran, and for an operator.
const TAIL_LINES: u32 = 200;
/// The process that the official runner starts for a job, and only then.
const WORKER: &str = "Runner.Worker";
/// The longest that the engine may take to list the processes of one container.
const TOP: Duration = Duration::from_secs(3);
/// Reads one listed container as a [`Machine`]. `None`: it is gone or being removed.
///
/// Errors: the engine cannot be reached.
pub(super) async fn machine(
    docker: &Connection,
    labels: Labels,
    summary: ContainerSummary,
    sidecar: Option<ContainerSummary>,
) -> Result<Option<Machine>, BackendError> {
    let mut unread = Unread::default();
    let Some(id) = summary.id.as_deref() else { return Ok(None) };
    let phase = match summary.state {
        Some(Listed::CREATED) => Phase::NeverStarted,
        Some(Listed::RUNNING | Listed::RESTARTING) => {
            Phase::Running { working: working(docker, id).await }
        }
        Some(Listed::EXITED) => match exit(docker, id, &summary, &mut unread).await? {
            Some(exit) => Phase::Exited(exit),
            None => return Ok(None),
        },
        Some(Listed::REMOVING) => return Ok(None),
        // A removal that failed half-way; the engine shows no log of it any more.
        Some(Listed::DEAD) => Phase::Exited(Exit::default()),
        // The engine does not say that it ended.
        Some(Listed::PAUSED | Listed::STOPPING | Listed::EMPTY) => Phase::Running { working: None },
        None => {
            let words = line(summary.status.as_deref().unwrap_or_default());
            unread.why = Some(format!("Docker lists it in a state that is not known ({words})"));
            Phase::Running { working: working(docker, id).await }
        }
    };
    let (mut phase, mut defect) = (phase, None);
    if labels.has_engine {
        let health = dind::health(docker, sidecar.as_ref(), &mut unread).await?;
        (phase, defect) = beside(phase, health);
    }
    let (identity, lingers) = (labels.identity, labels.has_engine);
    let (id, unread) = (summary.id.unwrap_or_default(), unread.why);
    Ok(Some(Machine { identity, id, phase, defect, lingers, unread }))
}

/// A listed container as a [`Machine`], without a further request: what happens inside of it, what it printed and how its Docker engine
/// is stays open. `None`: it is being removed.
pub(super) fn at_a_glance(labels: &Labels, summary: &ContainerSummary) -> Option<Machine> {
    let phase = match summary.state {
        Some(Listed::CREATED) if labels.has_engine => Phase::Preparing,
        Some(Listed::CREATED) => Phase::NeverStarted,
        Some(Listed::EXITED | Listed::DEAD) => {
            let code = exit_code(summary.status.as_deref().unwrap_or_default());
            Phase::Exited(Exit { code: code.unwrap_or_default(), ..Exit::default() })
        }
        Some(Listed::REMOVING) => return None,
        _ => Phase::Running { working: None },
    };
    Some(Machine {
        identity: labels.identity.clone(),
        id: summary.id.clone()?,
        phase,
        defect: None,
        lingers: labels.has_engine,
        unread: None,
    })
}

/// The phase of a runner beside its Docker engine, and what is wrong with it if it runs.
fn beside(phase: Phase, engine: EngineHealth) -> (Phase, Option<String>) {
    match (phase, engine) {
        (Phase::NeverStarted, EngineHealth::Starting) => (Phase::Preparing, None),
        (Phase::NeverStarted, EngineHealth::Healthy) => (Phase::Ready, None),
        (Phase::NeverStarted, EngineHealth::Failed { why }) => {
            (Phase::Broken(format!("its Docker engine did not become healthy: {why}")), None)
        }
        (phase @ Phase::Running { .. }, EngineHealth::Failed { why }) => {
            (phase, Some(format!("its Docker engine failed: {why}")))
        }
        (phase, _) => (phase, None),
    }
}

/// A Docker engine whose runner is gone, as that runner: what is left of it is to be removed.
pub(super) fn orphan(identity: RunnerIdentity, sidecar: ContainerSummary) -> Machine {
    let phase = Phase::Exited(Exit::default());
    let id = sidecar.id.unwrap_or_default();
    Machine { identity, id, phase, defect: None, lingers: true, unread: None }
}

/// The end of a container that is listed as ended. `None`: it is gone or being removed.
async fn exit(
    docker: &Connection,
    id: &str,
    summary: &ContainerSummary,
    unread: &mut Unread,
) -> Result<Option<Exit>, BackendError> {
    let state = match unread.state(docker, id).await? {
        Some(None) => return Ok(None),
        state => state.flatten(),
    };
    let log = unread.log(log::ends(docker, id, TAIL_LINES)).await?;
    if log == Some(None) {
        match unread.state(docker, id).await? {
            Some(None) => return Ok(None),
            Some(Some(now)) if is_going(&now) => return Ok(None),
            _ => unread.why.get_or_insert_with(|| "Docker has no log of it".to_owned()),
        };
    }
    let listed = || exit_code(summary.status.as_deref().unwrap_or_default());
    Ok(Some(Exit {
        code: state.as_ref().and_then(|state| state.exit_code).or_else(listed).unwrap_or_default(),
        out_of_memory: state.and_then(|state| state.oom_killed).unwrap_or_default(),
        log_tail: log.flatten().unwrap_or_default(),
    }))
}

/// The exit code in what a list says to people, as in `Exited (137) 5 minutes ago`.
pub(super) fn exit_code(status: &str) -> Option<i64> {
    status.strip_prefix("Exited (")?.split_once(')')?.0.parse().ok()
}

/// Looks for a job's worker inside; `None` if the engine did not say (the container may just have ended), or not in time.
///
/// Only the names that the kernel keeps are asked for, at most 15 characters each: arguments are a job's own text, of any length.
async fn working(docker: &Connection, id: &str) -> Option<bool> {
    let processes = timeout(TOP, docker.processes(id, "-eo pid,comm")).await.ok()?.ok()?;
    Some(
        processes.iter().any(|columns| columns.last().is_some_and(|name| name.starts_with(WORKER))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_tells_an_exit_code_to_people() {
        let rows = [
            ("Exited (137) 5 minutes ago", Some(137)),
            ("Exited (0) Less than a second ago", Some(0)),
            ("Up 5 minutes", None),
            ("Exited (x) ago", None),
            ("", None),
        ];
        for (status, code) in rows {
            assert_eq!(exit_code(status), code, "{status}");
        }
    }
}
