//! The runners' network: a bridge of its own with egress, on which containers do not reach each other.

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::Docker;
use bollard::models::NetworkCreateRequest;
use tracing::{info, warn};

use super::error::{refused, status};
use crate::backend::BackendError;

/// The bridge driver's option for traffic between its containers (Docker docs: "Bridge network driver").
const ICC: &str = "com.docker.network.bridge.enable_icc";
/// Marks the network as made by us.
const MARK: &str = "dev.mayfly.network";

/// Makes sure that `name` exists; one that somebody made is taken as it is.
pub(super) async fn ensure(docker: &Docker, name: &str) -> Result<(), BackendError> {
    match docker.inspect_network(name, None).await {
        Ok(found) => {
            let separated = found
                .options
                .and_then(|mut options| options.remove(ICC))
                .is_some_and(|icc| icc == "false");
            if !separated {
                warn!(
                    network = name,
                    "runners on this network can reach each other; create it with {ICC}=false to separate them"
                );
            }
            Ok(())
        }
        Err(error) if status(&error) == Some(404) => create(docker, name).await,
        Err(error) => Err(refused("look up the runner network")(error)),
    }
}

async fn create(docker: &Docker, name: &str) -> Result<(), BackendError> {
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        options: Some(HashMap::from([(ICC.to_owned(), "false".to_owned())])),
        labels: Some(HashMap::from([(MARK.to_owned(), "1".to_owned())])),
        ..NetworkCreateRequest::default()
    };
    match docker.create_network(request).await {
        Ok(_) => {
            info!(network = name, "created the runner network");
            Ok(())
        }
        // Somebody else was faster.
        Err(error) if status(&error) == Some(409) => Ok(()),
        Err(error) => Err(refused("create the runner network")(error)),
    }
}

/// The address of this machine on the network.
pub(super) async fn gateway(docker: &Docker, name: &str) -> Result<Option<IpAddr>, BackendError> {
    let found =
        docker.inspect_network(name, None).await.map_err(refused("look up the runner network"))?;
    let configs = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    Ok(configs.into_iter().find_map(|config| config.gateway?.parse().ok()))
}
