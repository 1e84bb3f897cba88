//! What the demo makes on the local Docker Engine: an image, a network, and through the orchestrator containers.
//!
//! Invariant: everything carries this demo's own name, and [`Engine::remove_all`] removes that and nothing else.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, anyhow};
use bollard::Docker;
use bollard::query_parameters::{CreateImageOptionsBuilder, RemoveImageOptionsBuilder};
use futures::TryStreamExt as _;
use github_sim::runner_image;
use orchestrator::backend::Backend as _;
use orchestrator::backend::docker::{DockerBackend, DockerSettings};
use orchestrator::config::Config;

/// The repository part of the demo image's name.
const IMAGE: &str = "mayfly-demo-runner";

/// The engine, with the demo's image and network on it.
pub(super) struct Engine {
    docker: Docker,
    backend: DockerBackend,
    /// The instance that owns the demo's containers.
    pub(super) instance: String,
    /// The runners' image.
    pub(super) image: String,
    /// The runners' network.
    pub(super) network: String,
    /// Where runners reach this machine.
    pub(super) gateway: IpAddr,
}

impl Engine {
    /// Builds the image and the network. Pulls nothing.
    pub(super) async fn prepare() -> anyhow::Result<Self> {
        let random = uuid::Uuid::new_v4().simple().to_string();
        let instance = format!("demo-{}", &random[..6]);
        let network = format!("mayfly-{instance}");
        let image = format!("{IMAGE}:{instance}");
        let config = demo_config(&instance, &network, &image, "http://127.0.0.1")?;
        let host = config.docker_host.clone();
        let docker = match &host {
            Some(host) => Docker::connect_with_host(host),
            None => Docker::connect_with_socket_defaults(),
        };
        let docker = docker.context(
            "Docker cannot be reached; is the engine running, and may you use its socket?",
        )?;
        docker.ping().await.context(
            "Docker cannot be reached; is the engine running, and may you use its socket?",
        )?;
        let backend = DockerBackend::new(DockerSettings::of(&config));
        let mut engine = Self {
            docker,
            backend,
            instance,
            image,
            network,
            gateway: Ipv4Addr::UNSPECIFIED.into(),
        };
        match engine.build().await {
            Ok(()) => Ok(engine),
            Err(error) => {
                // What there is of it goes; what went wrong is the news.
                let _ = engine.remove_all().await;
                Err(error)
            }
        }
    }

    async fn build(&mut self) -> anyhow::Result<()> {
        build_image(&self.docker, &self.image).await?;
        let gateway = self.backend.network_gateway().await?;
        self.gateway =
            gateway.ok_or_else(|| anyhow!("network {} has no gateway address", self.network))?;
        Ok(())
    }

    /// The orchestrator's configuration for this demo.
    pub(super) fn config(&self, api_url: &str) -> anyhow::Result<Config> {
        demo_config(&self.instance, &self.network, &self.image, api_url)
    }

    /// How many of the demo's containers there are, running or not.
    pub(super) async fn containers(&self) -> anyhow::Result<usize> {
        Ok(self.backend.list().await?.len())
    }

    /// The ids of the demo's containers by name; none if the engine does not answer just now.
    pub(super) async fn container_ids(&self) -> BTreeMap<String, String> {
        let listed = self.backend.list().await.unwrap_or_default();
        listed
            .into_iter()
            .map(|instance| (instance.name.to_string(), instance.container_id))
            .collect()
    }

    /// Removes containers, network and image.
    pub(super) async fn remove_all(&self) -> anyhow::Result<()> {
        for instance in self.backend.list().await? {
            self.backend.remove(&instance.name).await?;
        }
        let network = self.docker.remove_network(&self.network).await;
        let options = RemoveImageOptionsBuilder::default().force(true).build();
        let image = self.docker.remove_image(&self.image, Some(options), None).await;
        // One that cannot be removed is no reason to leave the other.
        network?;
        image?;
        Ok(())
    }
}

async fn build_image(docker: &Docker, image: &str) -> anyhow::Result<()> {
    let archive = runner_image::tar().context("the runner image cannot be put together")?;
    let (repo, tag) = image.split_once(':').unwrap_or((image, "latest"));
    let options = CreateImageOptionsBuilder::default()
        .from_src("-")
        .repo(repo)
        .tag(tag)
        .changes(runner_image::CHANGES.iter().map(|change| (*change).to_owned()).collect())
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
    instance: &str,
    network: &str,
    image: &str,
    api_url: &str,
) -> anyhow::Result<Config> {
    let mut variables: Vec<(String, String)> = mayfly_common::env::variables();
    variables.retain(|(name, _)| ["DOCKER_HOST", "DOCKER_TLS_VERIFY"].contains(&&**name));
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
        ("ORCHESTRATOR_ID", instance),
    ];
    variables.extend(demo.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut config = Config::from_variables(variables)?;
    // Below what an operator may set: here GitHub is on the same machine.
    config.check_interval = jiff::SignedDuration::from_secs(2);
    Ok(config)
}
