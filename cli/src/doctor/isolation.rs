//! What a runner can reach that it must not, tried by a container that is confined as a runner is.
//!
//! Two containers are made like runners on the runners' network: one only is there, the other tries to reach things. They carry
//! a label of their own and none of a runner's, so that the orchestrator does not take them for its own. Invariant: they, and the
//! network if it had to be made, are removed whatever happens.

mod addresses;
mod judge;
mod probe;
mod trace;

use std::net::IpAddr;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{CreateContainerOptionsBuilder, LogsOptionsBuilder};
use futures::StreamExt as _;
use mayfly_backend_docker::DockerBackend;
use mayfly_github::checkup::Finding;
use mayfly_settings::Config;
use tokio::time::{Instant, timeout, timeout_at};

use judge::Targets;
use trace::Trace;
pub(super) use trace::Traces;

use super::engine::{Engine, said, status};
use super::finding::{failure, note, warning};

/// How long the whole try may take.
const BOUND: Duration = Duration::from_secs(20);
/// How long an address may stay silent. A connection that is refused is so at once; a lost packet is sent again after 1 and 3 s.
const SILENCE: Duration = Duration::from_secs(5);

/// Why nothing was learnt.
enum Untried {
    /// The image lacks what it takes.
    Image(String),
    /// The engine refused.
    Engine(String),
}

/// Tries it with `image`, which must be on the engine.
pub(super) async fn check(
    engine: &Engine,
    config: &Config,
    image: &str,
    traces: &Traces,
) -> Vec<Finding> {
    match engine.docker.inspect_image(image).await {
        Ok(_) => {}
        Err(error) if status(&error) == Some(404) => {
            return vec![warning(
                format!(
                    "what a runner can reach was not tried: the image {image} is not on the engine"
                ),
                format!(
                    "docker pull {image}, or name one that is there, such as --probe-image debian:stable-slim"
                ),
            )];
        }
        Err(error) => return vec![refused(&said(&error))],
    }
    let mut trace = Trace::new(engine.docker.clone());
    traces.keep(&trace);
    let mut found = Vec::new();
    match network(engine, config, &mut trace).await {
        Ok(made) => {
            traces.keep(&trace);
            if made {
                found.push(note(format!(
                    "the network {} was not there: it was made for this try, as the orchestrator makes it",
                    config.network
                )));
            }
            let outcome = timeout(BOUND, attempt(engine, config, image, &trace)).await;
            found.extend(match outcome {
                Ok(Ok(tried)) => tried,
                Ok(Err(Untried::Image(why))) => vec![unfit(image, &why)],
                Ok(Err(Untried::Engine(why))) => vec![refused(&why)],
                Err(_) => vec![late()],
            });
        }
        Err(why) => found.push(refused(&why)),
    }
    if let Err(left) = trace.remove().await {
        found.push(failure(
            format!("what was made for the try is not removed: {left}"),
            format!("docker rm -f $(docker ps -aq --filter label={})", trace.label()),
        ));
    }
    traces.forget();
    found
}

/// It was asked for just what a runner is made of.
fn refused(why: &str) -> Finding {
    failure(
        format!("a container like a runner's cannot be made: {why}"),
        "runners will not start either: look at RUNNER_MEMORY, RUNNER_CPUS and DOCKER_NETWORK, and at the engine's log",
    )
}

fn late() -> Finding {
    warning(
        format!("what a runner can reach was not found out within {} s", BOUND.as_secs()),
        "the engine is slow or busy: try again, or look at its log",
    )
}

fn unfit(image: &str, why: &str) -> Finding {
    warning(
        format!("what a runner can reach cannot be tried with this image ({image}): {why}"),
        "name an image with /bin/sh, and bash or nc, that is on the engine, such as --probe-image debian:stable-slim",
    )
}

/// Makes sure of the network, as the orchestrator does. Answers whether it was made.
async fn network(engine: &Engine, config: &Config, trace: &mut Trace) -> Result<bool, String> {
    let name = &config.network;
    match engine.docker.inspect_network(name, None).await {
        Ok(_) => return Ok(false),
        Err(error) if status(&error) == Some(404) => trace.network = Some(name.clone()),
        Err(error) => return Err(said(&error)),
    }
    let made = DockerBackend::new(config.docker()).network_gateway().await;
    made.map(|_| true).map_err(|error| error.to_string())
}

async fn attempt(
    engine: &Engine,
    config: &Config,
    image: &str,
    trace: &Trace,
) -> Result<Vec<Finding>, Untried> {
    let docker = &engine.docker;
    let refused = |error: Error| Untried::Engine(said(&error));
    let host = addresses::of_host(docker, engine.local).await.map_err(refused)?;
    let start = async |role: &str, script: &[String]| {
        let name = trace.name(role);
        let body =
            probe::body(config, image, &name, trace.labels(), script).map_err(Untried::Engine)?;
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        docker.create_container(Some(options), body).await.map_err(refused)?;
        docker.start_container(&name, None).await.map_err(|error| started(&error))?;
        Ok(name)
    };
    let peer = start("peer", &probe::peer()).await?;
    let address = address(docker, &peer, &config.network).await.map_err(refused)?;
    let network = docker.inspect_network(&config.network, None).await.map_err(refused)?;
    let (port, driver) = (config.listen.port(), network.driver);
    let targets = Targets { port, host, peer: address, driver };
    let prober = start("probe", &probe::prober(&targets.list())).await?;
    let printed = listen(docker, &prober).await.map_err(refused)?;
    // One that ended meanwhile cannot be reached for that reason alone.
    let alive = docker.inspect_container(&peer, None).await.map_err(refused)?;
    if !alive.state.and_then(|state| state.running).unwrap_or_default() {
        return Err(Untried::Image("it has no sleep, or ends at once".to_owned()));
    }
    let answers = probe::answers(&printed).map_err(Untried::Image)?;
    Ok(judge::findings(&targets, &answers, config.listen.ip()))
}

/// A container that does not start for want of its program, or because it is made for another processor, is the image's matter.
fn started(error: &Error) -> Untried {
    let why = said(error);
    let of_image = ["no such file", "executable file not found", "exec format error"];
    if of_image.iter().any(|words| why.to_ascii_lowercase().contains(words)) {
        Untried::Image(why)
    } else {
        Untried::Engine(why)
    }
}

/// Where a container is reached on the network.
async fn address(docker: &Docker, container: &str, network: &str) -> Result<Option<IpAddr>, Error> {
    let found = docker.inspect_container(container, None).await?;
    let mut networks = found.network_settings.and_then(|all| all.networks).unwrap_or_default();
    Ok(networks.remove(network).and_then(|one| one.ip_address?.parse().ok()))
}

/// What a container prints until it has said all, or says nothing more.
async fn listen(docker: &Docker, container: &str) -> Result<String, Error> {
    let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).build();
    let mut chunks = std::pin::pin!(docker.logs(container, Some(options)));
    let mut printed = String::new();
    let mut until = Instant::now() + BOUND;
    let mut ready = false;
    while let Ok(Some(chunk)) = timeout_at(until, chunks.next()).await {
        printed += &String::from_utf8_lossy(&chunk?.into_bytes());
        if probe::ended(&printed) {
            break;
        }
        if !ready && probe::began(&printed) {
            (ready, until) = (true, Instant::now() + SILENCE);
        }
    }
    Ok(printed)
}

#[cfg(test)]
mod tests;
