//! What a try leaves on the engine, and its removal.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use crate::doctor::engine::{said, status};

/// Marks the containers of a try; its value is the try's own.
const LABEL: &str = "dev.mayfly.probe";
/// How often is looked for containers: one that was asked for when the try was broken off may come late.
const LOOKS: usize = 3;
const BETWEEN: Duration = Duration::from_millis(500);

/// What one try made, or is about to make.
#[derive(Debug, Clone)]
pub(in crate::doctor) struct Trace {
    docker: Docker,
    id: String,
    /// The network, if it was made for the try.
    pub(super) network: Option<String>,
}

impl Trace {
    pub(super) fn new(docker: Docker) -> Self {
        let random = uuid::Uuid::new_v4().simple().to_string();
        Self { docker, id: random[..12].to_owned(), network: None }
    }

    /// The name of the container with this part in the try.
    pub(super) fn name(&self, role: &str) -> String {
        format!("mayfly-{role}-{}", self.id)
    }

    /// What its containers are found by.
    pub(super) fn label(&self) -> String {
        format!("{LABEL}={}", self.id)
    }

    pub(super) fn labels(&self) -> HashMap<String, String> {
        HashMap::from([(LABEL.to_owned(), self.id.clone())])
    }

    /// Removes all of it. Nothing there is a success.
    ///
    /// Errors: what the engine said.
    pub(in crate::doctor) async fn remove(&self) -> Result<(), String> {
        let mut outcome = Ok(0);
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(BETWEEN).await;
            }
            outcome = self.remove_containers().await;
            // Both were there: none is to come.
            if outcome.as_ref().is_ok_and(|removed| *removed == 2) {
                break;
            }
        }
        outcome?;
        let Some(network) = &self.network else { return Ok(()) };
        match self.docker.remove_network(network).await {
            Err(error) if status(&error) == Some(404) => Ok(()),
            // The orchestrator started a runner there meanwhile: it would have made the same network.
            Err(error) if said(&error).contains("active endpoints") => Ok(()),
            outcome => outcome.map_err(|error| said(&error)),
        }
    }

    /// Answers how many there were.
    async fn remove_containers(&self) -> Result<usize, String> {
        let filters = HashMap::from([("label".to_owned(), vec![self.label()])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.docker.list_containers(Some(options)).await;
        let found = found.map_err(|error| said(&error))?;
        let ids: Vec<String> = found.into_iter().filter_map(|one| one.id).collect();
        let removals = ids.iter().map(async |id| {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            match self.docker.remove_container(id, Some(options)).await {
                // 409: its removal is in progress.
                Err(error) if !matches!(status(&error), Some(404 | 409)) => Err(said(&error)),
                _ => Ok(()),
            }
        });
        futures::future::try_join_all(removals).await?;
        Ok(ids.len())
    }
}

/// What is on the engine just now, for whoever has to leave in a hurry.
#[derive(Debug, Default)]
pub(in crate::doctor) struct Traces(Mutex<Option<Trace>>);

impl Traces {
    pub(super) fn keep(&self, trace: &Trace) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(trace.clone());
    }

    pub(super) fn forget(&self) {
        drop(self.left());
    }

    /// What is still there.
    pub(in crate::doctor) fn left(&self) -> Option<Trace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
