//! The containers of one runner: found by their labels, and removed.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{
    ContainerState, ContainerStateStatusEnum as Status, ContainerSummary, ContainerSummaryStateEnum,
};
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use mayfly_backend::BackendError;
use mayfly_common::name::RunnerName;
use tokio::time::timeout;

use super::error::{TITLE, refused, status};
use super::labels::{self, Labels, Owner};
use super::raw::Connection;

/// How long the engine may take to remove a container before it is asked whether it does so at all.
const REMOVAL: Duration = Duration::from_secs(8);

/// The longest that it may take to inspect one container: it holds a lock for each, and one that hangs must not hide the others.
pub(super) const INSPECT: Duration = Duration::from_secs(3);

/// The containers of ours that `read` takes for those of `runner`, with their ids; the one that runs, or has the runner's name, first.
/// Found by their labels: people and programs rename containers. From the list, which includes a container that the engine refuses to
/// inspect.
pub(super) async fn find(
    docker: &Connection,
    owner: &Owner,
    runner: &RunnerName,
    read: fn(&Owner, &HashMap<String, String>) -> Option<Labels>,
) -> Result<Vec<(String, Labels)>, BackendError> {
    let mut found = listed(docker, owner, runner).await?;
    found.sort_by_key(|summary| rank(summary, runner));
    let ours = found.into_iter().filter_map(|summary| {
        let found = read(owner, summary.labels.as_ref()?)?;
        Some((summary.id?, found)).filter(|(_, found)| found.identity.name == *runner)
    });
    Ok(ours.collect())
}

/// What has the labels of `runner`.
pub(super) async fn listed(
    docker: &Connection,
    owner: &Owner,
    runner: &RunnerName,
) -> Result<Vec<ContainerSummary>, BackendError> {
    let wanted = [(labels::INSTALLATION, &*owner.installation), (labels::RUNNER, runner.as_str())];
    let wanted = wanted.map(|(label, value)| format!("{label}={value}")).to_vec();
    docker.containers_of_one(&HashMap::from([("label".to_owned(), wanted)])).await
}

/// The place of a container among those with the labels of one runner: where a job may run comes first, then what has the runner's name.
pub(super) fn rank(summary: &ContainerSummary, runner: &RunnerName) -> (bool, bool) {
    let runs = summary.state == Some(ContainerSummaryStateEnum::RUNNING);
    let named = |name: &String| name.strip_prefix('/') == Some(runner.as_str());
    (!runs, !summary.names.iter().flatten().any(named))
}

/// Removes a container with its volumes, whatever it does. A removal that takes long goes on without us: deleting what a job wrote
/// can take minutes.
///
/// Errors: the engine refuses, or does not answer.
pub(super) async fn remove_container(
    docker: &Connection,
    id: &str,
    what: &'static str,
) -> Result<(), BackendError> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match timeout(REMOVAL, docker.remove_container(id, Some(options))).await {
        // 409: its removal is in progress.
        Ok(Err(error)) if !matches!(status(&error), Some(404 | 409)) => Err(refused(what)(error)),
        Ok(_) => Ok(()),
        Err(_) => match timeout(INSPECT, docker.state(what, id)).await {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(state))) if is_going(&state) => Ok(()),
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => {
                let seconds = REMOVAL.as_secs();
                Err(BackendError::unreachable(TITLE, format!("no answer within {seconds} s")))
            }
        },
    }
}

/// True if a container is being removed, or was removed in part.
pub(super) fn is_going(state: &ContainerState) -> bool {
    matches!(state.status, Some(Status::REMOVING | Status::DEAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_or_was_in_part_is_going() {
        let rows = [
            (Status::EMPTY, false),
            (Status::CREATED, false),
            (Status::RUNNING, false),
            (Status::PAUSED, false),
            (Status::RESTARTING, false),
            (Status::EXITED, false),
            (Status::REMOVING, true),
            (Status::DEAD, true),
        ];
        for (status, expected) in rows {
            let state = ContainerState { status: Some(status), ..ContainerState::default() };
            assert_eq!(is_going(&state), expected, "{status}");
        }
        assert!(!is_going(&ContainerState::default()));
    }
}
