//! The Docker engine beside a runner: making it, looking at it, removing it.
//!
//! The runner's container is the anchor: it is made first and removed last, so whatever a crash leaves of the rest leads back to it.
//! Should somebody else remove it, the engine's container takes its place: it carries the runner's labels, too.

use bollard::models::{
    ContainerSummary, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use mayfly_common::name::RunnerName;

use super::container::{find, remove_container};
use super::error::{TITLE, refused, status};
use super::labels::Owner;
use super::log::tail;
use super::raw::Connection;
use super::template::Template;
use super::unread::Unread;
use super::{labels, sidecar};
use mayfly_backend::BackendError;
use mayfly_backend::spec::MachineSpec;
use mayfly_common::identity::RunnerIdentity;
use mayfly_common::material::Engine;

/// Lines of a log in which the reason of an end is looked for.
const LAST_LINES: u32 = 10;

/// Makes and starts the engine of a runner whose container is there. What is there already is left as it is.
///
/// Errors: a part could not be made; those made before it are left to [`detach`].
pub(super) async fn attach(
    docker: &Connection,
    owner: &Owner,
    template: &Template<'_>,
    spec: &MachineSpec,
    engine: &Engine,
    mtu: Option<u32>,
) -> Result<(), BackendError> {
    let runner = &spec.identity.name;
    let name = sidecar::name(runner);
    let network = if let Some(id) = find_network(docker, owner, runner).await? {
        id
    } else {
        let made = docker.create_network(sidecar::network(&owner.installation, runner, mtu)).await;
        made.map_err(refused("create the network of a Docker engine"))?.id
    };
    let request = NetworkConnectRequest {
        container: runner.to_string(),
        endpoint_config: Some(EndpointSettings::default()),
    };
    match docker.connect_network(&network, request).await.map_err(refused("connect a runner")) {
        Err(BackendError::Refused { reason, .. }) if reason.contains("already exists") => {}
        other => other?,
    }
    let version = docker.client_version();
    let api = (version.major_version, version.minor_version);
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    let body = sidecar::body(template, spec, engine, api, mtu);
    let what = "create the container of a Docker engine";
    let id = match docker.create_container(Some(options), body).await {
        Ok(made) => made.id,
        Err(error) if status(&error) == Some(409) => {
            let same = find(docker, owner, runner, labels::decode_sidecar).await?;
            let same = same.into_iter().find(|(_, it)| it.identity.is_same_runner(&spec.identity));
            let Some((id, _)) = same else {
                let reason = format!("another container is named {name} already");
                return Err(BackendError::Refused { title: TITLE, what, reason });
            };
            id
        }
        Err(error) => return Err(refused(what)(error)),
    };
    docker.start_container(&id, None).await.map_err(refused("start a Docker engine"))
}

/// Removes the engine of a runner, whatever is there of it. The runner's `containers` are left. Where there are none, an engine is
/// removed only if `is_it` takes it for the machine that is meant.
pub(super) async fn detach(
    docker: &Connection,
    owner: &Owner,
    runner: &RunnerName,
    containers: &[String],
    is_it: impl Fn(&str, &RunnerIdentity) -> bool,
) -> Result<(), BackendError> {
    let engines = find(docker, owner, runner, labels::decode_sidecar).await?;
    let meant = engines.iter().any(|(id, found)| is_it(id, &found.identity));
    if containers.is_empty() && !engines.is_empty() && !meant {
        return Ok(());
    }
    for (id, _) in engines {
        remove_container(docker, &id, "remove a Docker engine").await?;
    }
    let Some(network) = find_network(docker, owner, runner).await? else { return Ok(()) };
    for container in containers {
        let request = NetworkDisconnectRequest { container: container.clone(), force: Some(true) };
        match docker.disconnect_network(&network, request).await {
            Err(error) if status(&error).is_none() => {
                return Err(refused("disconnect a runner")(error));
            }
            // It was not connected. If it still is, the network cannot be removed.
            _ => {}
        }
    }
    match docker.remove_network(&network).await {
        Err(error) if status(&error) != Some(404) => {
            Err(refused("remove the network of a Docker engine")(error))
        }
        _ => Ok(()),
    }
}

/// Reads the health of a runner's engine. `found`: its container, if one was listed; what the list says of it counts where the engine
/// of the host says no more.
///
/// Errors: the engine of the host cannot be reached.
pub(super) async fn health(
    docker: &Connection,
    found: Option<&ContainerSummary>,
    unread: &mut Unread,
) -> Result<sidecar::EngineHealth, BackendError> {
    let gone = || sidecar::failed("it has no container", "");
    let Some(summary) = found else { return Ok(gone()) };
    let Some(id) = summary.id.as_deref() else { return Ok(gone()) };
    let state = match unread.state(docker, id).await? {
        Some(Some(state)) => state,
        Some(None) => return Ok(gone()),
        None => sidecar::listed(summary),
    };
    if let Some(health) = sidecar::health(&state) {
        return Ok(health);
    }
    let log = unread.log(tail(docker, id, LAST_LINES)).await?.flatten();
    Ok(sidecar::ended(&state, &log.unwrap_or_default()))
}

/// The id of the network of a runner and its engine, if it is there and ours.
async fn find_network(
    docker: &Connection,
    owner: &Owner,
    runner: &RunnerName,
) -> Result<Option<String>, BackendError> {
    let name = sidecar::name(runner);
    let found = docker.network("look up the network of a Docker engine", &name).await?;
    let Some(found) = found else { return Ok(None) };
    let labels = found.labels.unwrap_or_default();
    let label = |name: &str| labels.get(name).map(String::as_str);
    let ours = found.name.as_deref() == Some(&name)
        && label(labels::INSTALLATION) == Some(&*owner.installation)
        && label(labels::DOCKER_OF) == Some(runner.as_str());
    Ok(found.id.filter(|_| ours))
}
