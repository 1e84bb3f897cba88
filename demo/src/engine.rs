//! What the demo makes on the local Docker Engine: an image, a network, and through the orchestrator containers.
//!
//! Invariant: everything carries this demo's own name, and [`Engine::remove_all`] removes that and nothing else. What carries the name of
//! a demo whose process is gone is removed by the next one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, anyhow};
use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{CreateImageOptionsBuilder, RemoveImageOptionsBuilder};
use futures::TryStreamExt as _;
use github_sim::runner_image;
use mayfly_backend::Backend as _;
use mayfly_backend_docker::DockerBackend;
use mayfly_settings::{Config, is_engine_variable};

use super::leftovers::{self, DEMO, OWNER};
use super::owner::{EnginePlace, Owner};

/// The repository part of the demo image's name.
const IMAGE: &str = "mayfly-demo-runner";

/// The engine, with the demo's image and network on it.
pub(super) struct Engine {
    docker: Docker,
    backend: DockerBackend,
    /// The installation that owns the demo's containers.
    pub(super) installation: String,
    /// The runners' image.
    pub(super) image: String,
    /// The runners' network.
    pub(super) network: String,
    /// Where runners reach this machine.
    pub(super) gateway: IpAddr,
}

impl Engine {
    /// Builds the image and the network. Pulls nothing. Removes first what demos left that were killed.
    pub(super) async fn prepare() -> anyhow::Result<Self> {
        let random = uuid::Uuid::new_v4().simple().to_string();
        let mut engine = Self::of(format!("demo-{}", &random[..6]))?;
        engine.docker.ping().await.context(
            "Docker cannot be reached; is the engine running, and may you use its socket?",
        )?;
        let owner = Owner::this_process().context("/proc cannot be read")?;
        engine.clear_abandoned(&owner).await;
        match engine.build(&owner).await {
            Ok(()) => Ok(engine),
            Err(error) => {
                // What there is of it goes; what went wrong is the news.
                let _ = engine.remove_all().await;
                Err(error)
            }
        }
    }

    /// The demo named `installation`; nothing is made yet.
    fn of(installation: String) -> anyhow::Result<Self> {
        let network = format!("mayfly-{installation}");
        let image = format!("{IMAGE}:{installation}");
        let config = demo_config(&installation, &network, &image, "http://127.0.0.1")?;
        let docker = match &config.docker_host {
            Some(host) => Docker::connect_with_host(host),
            None => Docker::connect_with_socket_defaults(),
        };
        let docker = docker.context(
            "Docker cannot be reached; is the engine running, and may you use its socket?",
        )?;
        let backend = DockerBackend::new(config.docker());
        let gateway = Ipv4Addr::UNSPECIFIED.into();
        Ok(Self { docker, backend, installation, image, network, gateway })
    }

    /// Removes what demos left whose process is gone. What cannot be removed is no reason not to play.
    #[expect(clippy::print_stderr, reason = "a command's own messages")]
    async fn clear_abandoned(&self, this: &Owner) {
        let place =
            match mayfly_service::env::variables().iter().find(|(name, _)| name == "DOCKER_HOST") {
                Some((_, host)) if !host.starts_with("unix://") => EnginePlace::Elsewhere,
                _ => EnginePlace::ThisMachine,
            };
        let demos = match leftovers::abandoned(&self.docker, this, place).await {
            Ok(demos) => demos,
            Err(error) => {
                eprintln!("What earlier demos left cannot be looked for: {error}");
                return;
            }
        };
        for demo in demos {
            let removed = match Self::of(demo.clone()) {
                Ok(engine) => engine.remove_all().await,
                Err(error) => Err(error),
            };
            match removed {
                Ok(()) => eprintln!("Removed what {demo} left, a demo that was killed."),
                Err(error) => eprintln!("What {demo} left cannot be removed: {error:#}"),
            }
        }
    }

    async fn build(&mut self, owner: &Owner) -> anyhow::Result<()> {
        let labels = [(DEMO, self.installation.clone()), (OWNER, owner.to_string())];
        build_image(&self.docker, &self.image, &labels).await?;
        let gateway = self.backend.network_gateway().await?;
        self.gateway =
            gateway.ok_or_else(|| anyhow!("network {} has no gateway address", self.network))?;
        Ok(())
    }

    /// The orchestrator's configuration for this demo.
    pub(super) fn config(&self, api_url: &str) -> anyhow::Result<Config> {
        demo_config(&self.installation, &self.network, &self.image, api_url)
    }

    /// How many of the demo's containers there are, running or not.
    pub(super) async fn containers(&self) -> anyhow::Result<usize> {
        Ok(self.backend.list().await?.len())
    }

    /// The ids of the demo's containers by name; none if the engine does not answer just now.
    pub(super) async fn container_ids(&self) -> BTreeMap<String, String> {
        let listed = self.backend.list().await.unwrap_or_default();
        listed.into_iter().map(|machine| (machine.name.to_string(), machine.id)).collect()
    }

    /// Removes containers, network and image.
    pub(super) async fn remove_all(&self) -> anyhow::Result<()> {
        for machine in self.backend.list().await? {
            self.backend.delete(&machine.reference()).await?;
        }
        let network = self.docker.remove_network(&self.network).await;
        let options = RemoveImageOptionsBuilder::default().force(true).build();
        let image = self.docker.remove_image(&self.image, Some(options), None).await;
        // One that cannot be removed is no reason to leave the other.
        there_is_none(network)?;
        there_is_none(image)?;
        Ok(())
    }
}

/// Takes it as removed where it was not there.
fn there_is_none<T>(removed: Result<T, Error>) -> Result<(), Error> {
    match removed {
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        outcome => outcome.map(drop),
    }
}

async fn build_image(
    docker: &Docker,
    image: &str,
    labels: &[(&str, String)],
) -> anyhow::Result<()> {
    let archive = runner_image::tar().context("the runner image cannot be put together")?;
    let (repo, tag) = image.split_once(':').unwrap_or((image, "latest"));
    let labels = labels.iter().map(|(name, value)| format!("LABEL {name}=\"{value}\""));
    let changes = runner_image::CHANGES.iter().map(|change| (*change).to_owned()).chain(labels);
    let options = CreateImageOptionsBuilder::default()
        .from_src("-")
        .repo(repo)
        .tag(tag)
        .changes(changes.collect())
        .build();
    let body = bollard::body_full(archive.into());
    let imported =
        docker.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await;
    // The engine's last line is not always well-formed for the client; the image's presence is what counts.
    match docker.inspect_image(image).await {
        Ok(_) => Ok(()),
        Err(missing) => {
            Err(imported.err().unwrap_or(missing)).context("the runner image cannot be imported")
        }
    }
}

/// The variables an operator would set, with the demo's values.
fn demo_config(
    installation: &str,
    network: &str,
    image: &str,
    api_url: &str,
) -> anyhow::Result<Config> {
    let mut variables: Vec<(String, String)> = mayfly_service::env::variables();
    variables.retain(|(name, _)| is_engine_variable(name));
    let demo = [
        ("GITHUB_RUNNER_TOKEN", "demo-token"),
        ("GITHUB_API_URL", api_url),
        ("RUNNER_IMAGE", image),
        ("RUNNER_PULL_POLICY", "never"),
        ("RUNNER_LABELS", "self-hosted,linux,x64,gpu"),
        ("RUNNER_MEMORY", "256m"),
        ("RUNNER_CPUS", "1"),
        ("MAX_RUNNERS", "8"),
        ("AUTO_CREATE_RUNNERS", "true"),
        ("RUNNER_PURGE_INTERVAL", "10"),
        ("DISCOVERY_MODE", "organization"),
        ("GITHUB_ORGANIZATION", "octo-org"),
        ("DOCKER_NETWORK", network),
        ("ORCHESTRATOR_ID", installation),
    ];
    variables.extend(demo.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut config = Config::from_variables(variables)?;
    // Below what an operator may set: here GitHub is on the same machine.
    config.check_interval = jiff::SignedDuration::from_secs(2);
    Ok(config)
}
