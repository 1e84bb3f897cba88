//! Our machines: from the engine's list of containers to one [`Machine`] for each runner.

use std::collections::HashMap;

use bollard::models::ContainerSummary;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mayfly_backend::BackendError;
use mayfly_common::machine::{Machine, MachineRef};

use super::container::{self, rank};
use super::labels::{self, Labels, Owner};
use super::raw::Connection;
use super::read;

/// Containers that are read at a time. Each may have a log that takes memory while it is read.
const READ_AT_A_TIME: usize = 16;

/// The machines among listed containers, in the order in which they were made.
///
/// Errors: the engine cannot be reached.
pub(super) async fn machines(
    docker: &Connection,
    owner: &Owner,
    found: Vec<ContainerSummary>,
) -> Result<Vec<Machine>, BackendError> {
    let (mut runners, mut sidecars) = (Vec::new(), HashMap::new());
    for summary in found {
        let Some(labels) = summary.labels.as_ref() else { continue };
        if let Some(labels) = labels::decode(owner, labels) {
            runners.push((rank(&summary, &labels.identity.name), labels, summary));
        } else if let Some(Labels { identity, .. }) = labels::decode_sidecar(owner, labels) {
            sidecars.insert(identity.name.clone(), (identity, summary));
        }
    }
    // A copy that somebody made of a runner's container, labels and all, counts as that runner's, and goes with it.
    runners.sort_by(|a, b| (&a.1.identity.name, a.0).cmp(&(&b.1.identity.name, b.0)));
    runners.dedup_by(|copy, first| copy.1.identity.name == first.1.identity.name);
    let read = runners.into_iter().map(|(_, labels, summary)| {
        let sidecar = sidecars.remove(&labels.identity.name).map(|(_, sidecar)| sidecar);
        read::machine(docker, labels, summary, sidecar)
    });
    let read: Vec<_> = read.collect();
    let mut read = stream::iter(read).buffer_unordered(READ_AT_A_TIME);
    let mut machines: Vec<Machine> = Vec::new();
    while let Some(machine) = read.try_next().await? {
        machines.extend(machine);
    }
    drop(read);
    let orphans = sidecars.into_values();
    machines.extend(orphans.map(|(identity, sidecar)| read::orphan(identity, sidecar)));
    machines.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
    Ok(machines)
}

/// One machine by what the engine's list says of it now, or the copy of it that runs and goes with it; `None` if it is gone.
///
/// Errors: the engine cannot be reached, or refuses to list.
pub(super) async fn one(
    docker: &Connection,
    owner: &Owner,
    machine: &MachineRef,
) -> Result<Option<Machine>, BackendError> {
    let mut found = container::listed(docker, owner, &machine.name).await?;
    found.sort_by_key(|summary| rank(summary, &machine.name));
    let runners: Vec<(Labels, &ContainerSummary)> = found
        .iter()
        .filter_map(|one| Some((labels::decode(owner, one.labels.as_ref()?)?, one)))
        .collect();
    let is_meant = |one: &ContainerSummary| one.id.as_ref() == Some(&machine.id);
    let meant = runners.iter().find(|(_, one)| is_meant(one));
    let Some((Labels { identity, .. }, _)) = meant else {
        // What is left of a runner is its Docker engine.
        let sidecar = found.iter().find(|one| is_meant(one)).and_then(|one| {
            Some((labels::decode_sidecar(owner, one.labels.as_ref()?)?, one.clone()))
        });
        return Ok(sidecar.map(|(labels, one)| read::orphan(labels.identity, one)));
    };
    let mut same = runners.iter().filter(|(one, _)| one.identity.is_same_runner(identity));
    Ok(same.find_map(|(labels, one)| read::at_a_glance(labels, one)))
}
