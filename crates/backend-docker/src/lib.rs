//! Runners as Docker containers, on bollard.
//!
//! Invariants: a container is ours only if it carries our installation and the full set of labels; the container's name is
//! the runner's name; containers are removed by us alone, after their exit and log were read.

mod clear;
mod connection;
mod container;
mod dind;
mod error;
mod labels;
mod limits;
mod list;
mod log;
pub mod network;
mod pull;
mod raw;
mod read;
mod sidecar;
pub mod spec;
#[cfg(test)]
mod stand_in;
mod template;
#[cfg(test)]
mod tests;
mod unread;
mod usage;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use bollard::query_parameters::{CreateContainerOptionsBuilder, EventsOptionsBuilder};
use futures::TryStreamExt as _;
use mayfly_common::name::RunnerName;
use tokio::sync::{Notify, OnceCell};
use tokio::time::timeout;

use self::container::{find, remove_container};
use self::error::{TITLE, refused, status};
use self::labels::{Labels, Owner};
use self::network::RunnerNetwork;
use self::raw::Connection;
use self::spec::Template;
use mayfly_backend::spec::MachineSpec;
use mayfly_backend::{
    Backend, BackendError, Capabilities, Cleared, Console, HostResources, ImageStore, Progress,
    Storage, Usage, Watcher,
};
use mayfly_common::identity::{BackendName, RunnerIdentity};
use mayfly_common::machine::{Machine, MachineRef};
use mayfly_common::material::Engine;

/// How long the event stream may be silent before it is opened again: a frozen one looks like a quiet one.
const EVENT_SILENCE: Duration = Duration::from_mins(5);
/// One processor, in the engine's unit.
const NANO: i64 = 1_000_000_000;

/// What the Docker backend needs to know.
#[derive(Debug, Clone)]
pub struct DockerSettings {
    /// The name of the backend: which of the installation's machines are its own.
    pub name: BackendName,
    /// `DOCKER_HOST`; none means the local socket.
    pub host: Option<String>,
    /// `ORCHESTRATOR_ID`; none means a name made from the engine's own id.
    pub installation: Option<String>,
    /// The network of the runners.
    pub network: String,
    /// `DOCKER_NETWORK_MTU`: the MTU of that network and of those of Docker engines; none means that of the engine's default network.
    pub mtu: Option<u32>,
}

/// Runs runners on one Docker Engine. Connects when first used, so that an engine that is away at start is not fatal.
pub struct DockerBackend {
    settings: DockerSettings,
    connection: OnceCell<Connection>,
    installation: OnceCell<String>,
    network: RunnerNetwork,
}

impl DockerBackend {
    /// A backend that has not connected yet.
    pub fn new(settings: DockerSettings) -> Self {
        let network = RunnerNetwork::new(settings.network.clone(), settings.mtu);
        Self { settings, connection: OnceCell::new(), installation: OnceCell::new(), network }
    }

    /// Where containers on the runners' network reach this machine; makes the network if it is not there.
    pub async fn network_gateway(&self) -> Result<Option<IpAddr>, BackendError> {
        let docker = self.docker().await?;
        drop(self.network.ready(docker).await?);
        self.network.gateway(docker).await
    }

    async fn docker(&self) -> Result<&Connection, BackendError> {
        let connect = async || {
            let docker =
                connection::connect(self.settings.host.as_deref()).map_err(refused("connect"))?;
            let docker =
                docker.negotiate_version().await.map_err(refused("negotiate a version"))?;
            Connection::new(docker, self.settings.host.as_deref())
        };
        self.connection.get_or_try_init(connect).await
    }

    /// The containers of a runner, with their ids: one, unless somebody copied it with its labels.
    async fn find(&self, name: &RunnerName) -> Result<Vec<(String, Labels)>, BackendError> {
        find(self.docker().await?, &self.owner().await?, name, labels::decode).await
    }

    /// Whose containers are ours.
    async fn owner(&self) -> Result<Owner, BackendError> {
        let backend = self.settings.name.clone();
        Ok(Owner { installation: self.installation().await?, backend })
    }

    /// Removes the machine of this name that `is_it` finds among the containers, with its copies and its Docker engine. Another
    /// machine of the name stays.
    async fn remove_one(
        &self,
        name: &RunnerName,
        is_it: impl Fn(&str, &RunnerIdentity) -> bool,
    ) -> Result<(), BackendError> {
        let (docker, found) = (self.docker().await?, self.find(name).await?);
        let meant = found.iter().find(|(id, it)| is_it(id, &it.identity));
        let copies: Vec<&(String, Labels)> = meant.map_or_else(Vec::new, |(_, one)| {
            found.iter().filter(|(_, it)| it.identity.is_same_runner(&one.identity)).collect()
        });
        if copies.is_empty() && !found.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = copies.iter().map(|(id, _)| id.clone()).collect();
        // Without the runner there may still be its engine.
        if copies.is_empty() || copies.iter().any(|(_, it)| it.has_engine) {
            dind::detach(docker, &self.owner().await?, name, &ids, is_it).await?;
        }
        for id in ids {
            remove_container(docker, &id, "remove a runner container").await?;
        }
        Ok(())
    }

    /// Reads the engine's events until there are no more.
    async fn follow(&self, changed: &Notify) -> Result<(), BackendError> {
        let (docker, installation) = (self.docker().await?, self.installation().await?);
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            (
                "event".to_owned(),
                ["die", "oom", "destroy", "health_status"].map(str::to_owned).to_vec(),
            ),
            ("label".to_owned(), vec![format!("{}={installation}", labels::INSTALLATION)]),
        ]);
        let options = EventsOptionsBuilder::default().filters(&filters).build();
        loop {
            let mut events = std::pin::pin!(docker.events(Some(options.clone())));
            while let Ok(next) = timeout(EVENT_SILENCE, events.try_next()).await {
                if next.map_err(refused("stream events"))?.is_none() {
                    return Ok(());
                }
                changed.notify_one();
            }
            // What a frozen stream kept back is seen by a look.
            changed.notify_one();
        }
    }

    /// Starts a container that was just created, or removes it where the engine refuses: a created container is worth nothing. If
    /// the engine cannot be reached, it may run and have a job: it stays for the next look.
    async fn run(
        &self,
        docker: &Connection,
        id: &str,
        identity: &RunnerIdentity,
    ) -> Result<(), BackendError> {
        let Err(error) = docker.start_container(id, None).await else { return Ok(()) };
        Err(self.undo(identity, refused("start a runner container")(error)).await)
    }

    /// Removes what a launch that failed with `failure` left, unless the engine cannot be reached. Returns the error for the caller.
    async fn undo(&self, identity: &RunnerIdentity, failure: BackendError) -> BackendError {
        if matches!(failure, BackendError::Unreachable { .. }) {
            return failure;
        }
        let same = |_: &str, it: &RunnerIdentity| it.is_same_runner(identity);
        match (self.remove_one(&identity.name, same).await, failure) {
            (Err(second), BackendError::Refused { what, reason, .. }) => BackendError::Refused {
                title: TITLE,
                what,
                reason: format!("{reason}; and then: {second}"),
            },
            (_, failure) => failure,
        }
    }

    /// Makes the Docker engine of a runner that was just created, or removes the runner. The runner is started when its engine
    /// answers.
    async fn attach(
        &self,
        docker: &Connection,
        template: &Template<'_>,
        spec: &MachineSpec,
        engine: &Engine,
    ) -> Result<(), BackendError> {
        let attached = match self.network.mtu(docker).await {
            Ok(mtu) => {
                let owner = self.owner().await;
                match owner {
                    Ok(owner) => dind::attach(docker, &owner, template, spec, engine, mtu).await,
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        let Err(error) = attached else { return Ok(()) };
        let error = match self.image_id(&engine.image).await {
            Ok(None) => BackendError::ImageMissing(engine.image.clone()),
            _ => error,
        };
        Err(self.undo(&spec.identity, error).await)
    }
}

#[async_trait]
impl Backend for DockerBackend {
    fn capabilities(&self) -> &'static Capabilities {
        &Capabilities {
            kind: "docker",
            title: TITLE,
            when_silent: "look at the Docker engine and at the rights to its socket: mayfly doctor docker",
        }
    }

    async fn installation(&self) -> Result<String, BackendError> {
        let find = async || {
            if let Some(installation) = &self.settings.installation {
                return Ok(installation.clone());
            }
            let info = self.docker().await?.info("tell its id").await?;
            Ok(short_id(&info.id.unwrap_or_default()))
        };
        self.installation.get_or_try_init(find).await.cloned()
    }

    async fn ping(&self) -> Result<(), BackendError> {
        self.docker().await?.ping().await.map(drop).map_err(refused("answer"))
    }

    async fn list(&self) -> Result<Vec<Machine>, BackendError> {
        let (docker, owner) = (self.docker().await?, self.owner().await?);
        let ours = format!("{}={}", labels::INSTALLATION, owner.installation);
        let filters = HashMap::from([("label".to_owned(), vec![ours])]);
        list::machines(docker, &owner, docker.containers(&filters).await?).await
    }

    async fn get(&self, machine: &MachineRef) -> Result<Option<Machine>, BackendError> {
        let (docker, owner) = (self.docker().await?, self.owner().await?);
        list::one(docker, &owner, machine).await
    }

    async fn create(&self, spec: &MachineSpec) -> Result<(), BackendError> {
        let (docker, identity) = (self.docker().await?, &spec.identity);
        let settings = &self.settings;
        let network = self.network.ready(docker).await?;
        let image_id = self.image_id(&identity.image).await?;
        let template = Template { network: &settings.network, image_id: image_id.as_deref() };
        let name = &identity.name;
        let options = || CreateContainerOptionsBuilder::default().name(name.as_str()).build();
        let body = spec::body(&template, spec);
        let id = match docker.create_container(Some(options()), body.clone()).await {
            Ok(made) => made.id,
            Err(error) if status(&error) == Some(404) => {
                return Err(BackendError::ImageMissing(identity.image.clone()));
            }
            Err(error) if status(&error) == Some(409) => {
                let same = |(_, it): &(String, Labels)| it.identity.is_same_runner(identity);
                match self.find(name).await?.into_iter().find(same) {
                    Some((id, _)) => id,
                    None => return Err(BackendError::NameTaken(name.clone())),
                }
            }
            Err(error) => return Err(refused("create a runner container")(error)),
        };
        if let Some(engine) = &spec.profile.engine {
            return self.attach(docker, &template, spec, engine).await;
        }
        match self.run(docker, &id, identity).await {
            // Somebody removed it since we looked.
            Err(error) if lacks_network(&error) => {
                drop(network);
                self.network.forget();
                let _network = self.network.ready(docker).await?;
                let made = docker.create_container(Some(options()), body).await;
                let id = made.map_err(refused("create a runner container"))?.id;
                self.run(docker, &id, identity).await
            }
            outcome => outcome,
        }
    }

    async fn start(&self, machine: &MachineRef) -> Result<(), BackendError> {
        let docker = self.docker().await?;
        let found = self.find(&machine.name).await?.into_iter().find(|(id, _)| *id == machine.id);
        let Some((id, labels)) = found else {
            let reason = "it is gone".to_owned();
            return Err(BackendError::Refused {
                title: TITLE,
                what: "start a runner container",
                reason,
            });
        };
        let outcome = self.run(docker, &id, &labels.identity).await;
        // Somebody removed it since the launch. The next one finds it again.
        if let Err(error) = &outcome
            && lacks_network(error)
        {
            self.network.forget();
            drop(self.network.ready(docker).await?);
        }
        outcome
    }

    async fn delete(&self, machine: &MachineRef) -> Result<(), BackendError> {
        self.remove_one(&machine.name, |id, _| id == machine.id).await
    }

    async fn clear(&self) -> Result<Cleared, BackendError> {
        let (docker, installation) = (self.docker().await?, self.installation().await?);
        let cleared = clear::networks(docker, &installation, &self.settings.network).await;
        self.network.forget();
        cleared
    }

    fn problems(&self) -> Vec<String> {
        self.network.problem().into_iter().collect()
    }

    fn images(&self) -> Option<&dyn ImageStore> {
        Some(self)
    }

    fn console(&self) -> Option<&dyn Console> {
        Some(self)
    }

    fn watcher(&self) -> Option<&dyn Watcher> {
        Some(self)
    }

    fn usage(&self) -> Option<&dyn Usage> {
        Some(self)
    }
}

#[async_trait]
impl ImageStore for DockerBackend {
    async fn image_id(&self, image: &str) -> Result<Option<String>, BackendError> {
        self.docker().await?.image(image).await
    }

    async fn pull_image(&self, image: &str, progress: &Progress) -> Result<(), BackendError> {
        pull::image(self.docker().await?, image, progress).await
    }
}

#[async_trait]
impl Console for DockerBackend {
    async fn logs(&self, name: &RunnerName, lines: u32) -> Result<Option<String>, BackendError> {
        match self.find(name).await?.first() {
            Some((id, _)) => log::tail(self.docker().await?, id, lines).await,
            None => Ok(None),
        }
    }
}

#[async_trait]
impl Usage for DockerBackend {
    async fn host_resources(&self) -> Result<HostResources, BackendError> {
        let info = self.docker().await?.info("tell of its machine").await?;
        let nano_cpus = info.ncpu.map(|count| count.saturating_mul(NANO));
        Ok(HostResources { memory: info.mem_total, nano_cpus })
    }

    async fn storage(&self) -> Result<Storage, BackendError> {
        let (docker, installation) = (self.docker().await?, self.installation().await?);
        let minor = docker.client_version().minor_version;
        usage::measure(self.settings.host.as_deref(), minor, &installation).await
    }
}

#[async_trait]
impl Watcher for DockerBackend {
    async fn watch(&self, changed: &Notify) -> BackendError {
        let outcome = self.follow(changed).await;
        // The engine may have been started anew, with another default.
        self.network.forget();
        match outcome {
            Ok(()) => BackendError::unreachable(TITLE, "the event stream ended"),
            Err(error) => error,
        }
    }
}

/// True if a container could not be started because its network is missing.
fn lacks_network(error: &BackendError) -> bool {
    let BackendError::Refused { reason, .. } = error else { return false };
    reason.contains("network") && reason.contains("not found")
}

/// Eight characters of an engine's id, which is stable and unique per engine.
fn short_id(id: &str) -> String {
    let text: String = id.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    if text.is_empty() { "docker".to_owned() } else { text.to_ascii_lowercase() }
}
