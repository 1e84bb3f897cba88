//! What is left of an installation on an engine when its runners are gone: networks. Volumes go with their containers, and images are
//! other people's.

use std::collections::HashMap;

use super::error::{refused, status};
use super::labels;
use super::network::MARK;
use super::raw::Connection;
use mayfly_backend::{BackendError, Cleared};

/// Removes the networks of this installation's Docker engines, and the runners' network if we made it and nothing is connected.
pub(super) async fn networks(
    docker: &Connection,
    installation: &str,
    runners: &str,
) -> Result<Cleared, BackendError> {
    let mut cleared = Cleared::default();
    let engines = names(docker, &format!("{}={installation}", labels::INSTALLATION)).await?;
    // By its mark: one that somebody else made stays.
    let mut ours = names(docker, MARK).await?;
    ours.retain(|name| name == runners);
    for name in engines.into_iter().chain(ours) {
        match docker.remove_network(&name).await {
            Ok(()) => cleared.removed.push(format!("network {name}")),
            Err(error) if status(&error) == Some(404) => {}
            // Something is connected to it.
            Err(error) if matches!(status(&error), Some(403 | 409)) => {
                cleared.left.push(format!("network {name}: something is connected to it"));
            }
            Err(error) => return Err(refused("remove a network")(error)),
        }
    }
    Ok(cleared)
}

async fn names(docker: &Connection, label: &str) -> Result<Vec<String>, BackendError> {
    docker.networks(&HashMap::from([("label".to_owned(), vec![label.to_owned()])])).await
}
