//! The runners' network: a bridge of its own with egress, on which containers do not reach each other.
//!
//! Its MTU is that of the engine's default network, or the one that is configured: packets that are larger than what the machine's
//! uplink carries are lost, and downloads hang.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::models::{NetworkCreateRequest, NetworkInspect};
use mayfly_common::foreign_text::line;
use tokio::sync::{RwLock, RwLockReadGuard};
use tokio::time::Instant;
use tracing::{info, warn};

use super::error::{TITLE, refused, status};
use super::raw::Connection;
use mayfly_backend::BackendError;

/// The bridge driver's option for traffic between its containers (Docker docs: "Bridge network driver").
const ICC: &str = "com.docker.network.bridge.enable_icc";
/// The option for the MTU, of the same source.
pub const MTU: &str = "com.docker.network.driver.mtu";
/// Marks the network as made by us.
pub(super) const MARK: &str = "dev.mayfly.network";
/// What is tried when the network is looked at.
const LOOK_UP: &str = "look up the runner network";
/// The engine's default network.
const DEFAULT: &str = "bridge";

/// Networks that every engine has and that no runner may be in.
const SHARED: [&str; 3] = ["bridge", "host", "none"];

/// What the engine takes for a false option (Go, `strconv.ParseBool`).
const FALSE: [&str; 6] = ["false", "False", "FALSE", "f", "F", "0"];

/// How long a look at the network counts: somebody may make it anew, and open.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The network and what is known of it.
pub(super) struct RunnerNetwork {
    name: String,
    /// Why runners reach each other on it, if they did when it was last looked at.
    open: Mutex<Option<String>>,
    /// `DOCKER_NETWORK_MTU`.
    configured: Option<u32>,
    /// Held for reading while a runner is launched: the network is not replaced under it.
    seen: RwLock<Seen>,
    /// True if it may be gone: whoever launches next looks again, whatever others are doing.
    doubted: AtomicBool,
}

/// What a look at the network told, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    fit: Fit,
    at: Instant,
}

impl Seen {
    /// True if runners can be launched without another look.
    fn holds(self) -> bool {
        self.fit == Fit::Good && self.at.elapsed() < LOOK_AGAIN
    }
}

/// What is known of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Not looked at yet, or it was seen to be gone.
    Unknown,
    /// It is there, as it shall be.
    Good,
    /// It is there, and runners reach each other on it.
    Open,
    /// It is there and ours, with another MTU; runners were in it when it was last looked at.
    OtherMtu,
}

impl RunnerNetwork {
    /// `configured`: the MTU that is asked for; none means that of the engine's default network.
    pub(super) fn new(name: String, configured: Option<u32>) -> Self {
        let seen = RwLock::new(Seen { fit: Fit::Unknown, at: Instant::now() });
        Self { name, open: Mutex::default(), configured, seen, doubted: AtomicBool::new(false) }
    }

    /// Why runners reach each other on it, if they did when it was last looked at.
    pub(super) fn problem(&self) -> Option<String> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes sure that it exists. One of ours with another MTU is made again if no container is in it. As long as the answer is
    /// held, it is not replaced.
    pub(super) async fn ready(
        &self,
        docker: &Connection,
    ) -> Result<RwLockReadGuard<'_, Seen>, BackendError> {
        let held = self.seen.read().await;
        let known = *held;
        let doubted = self.doubted.swap(false, Ordering::Relaxed);
        if known.holds() && !doubted {
            return Ok(held);
        }
        drop(held);
        let mut seen = match known.fit {
            Fit::Unknown => self.seen.write().await,
            // While others are being launched it cannot be empty, and another look can wait.
            Fit::Good | Fit::OtherMtu | Fit::Open => match self.seen.try_write() {
                Ok(seen) => seen,
                Err(_) if doubted => return self.make_if_missing(docker).await,
                Err(_) => return Ok(self.seen.read().await),
            },
        };
        if doubted || !seen.holds() {
            let fit = self.ensure(docker, seen.fit).await.inspect_err(|_| self.forget())?;
            *seen = Seen { fit, at: Instant::now() };
        }
        Ok(seen.downgrade())
    }

    /// Makes it if it is gone. One that is there stays as it is, because others are being launched on it.
    async fn make_if_missing(
        &self,
        docker: &Connection,
    ) -> Result<RwLockReadGuard<'_, Seen>, BackendError> {
        let made = async {
            if docker.network(LOOK_UP, &self.name).await?.is_none() {
                create(docker, &self.name, self.mtu(docker).await?).await?;
            }
            Ok(self.seen.read().await)
        };
        made.await.inspect_err(|_| self.forget())
    }

    /// It may be gone: whoever launches next looks again. Waits for nobody who launches at this moment.
    pub(super) fn forget(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// The MTU that our networks shall have; none where the engine does not tell, and its own default holds.
    pub(super) async fn mtu(&self, docker: &Connection) -> Result<Option<u32>, BackendError> {
        if self.configured.is_some() {
            return Ok(self.configured);
        }
        // The engine may have been started without it.
        let found = docker.network("look up its default network", DEFAULT).await?;
        Ok(found.and_then(|found| mtu_of(&found)))
    }

    async fn ensure(&self, docker: &Connection, before: Fit) -> Result<Fit, BackendError> {
        let (name, wanted) = (&self.name, self.mtu(docker).await?);
        let Some(found) = docker.network(LOOK_UP, name).await? else {
            create(docker, name, wanted).await?;
            *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return Ok(Fit::Good);
        };
        if let Some(reason) = refusal(name, &found) {
            return Err(BackendError::Refused {
                title: TITLE,
                what: "use DOCKER_NETWORK for runners",
                reason,
            });
        }
        let open = openness(name, &found);
        let fit = if open.is_some() { Fit::Open } else { Fit::Good };
        if let Some(open) = open.as_ref().filter(|_| before != Fit::Open) {
            warn!("{open}");
        }
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = open;
        let Some(wanted) = wanted.filter(|wanted| mtu_of(&found) != Some(*wanted)) else {
            return Ok(fit);
        };
        let has = mtu_of(&found).map_or_else(|| "the driver's".to_owned(), |mtu| mtu.to_string());
        if found.labels.as_ref().is_none_or(|labels| !labels.contains_key(MARK)) {
            if self.configured.is_some() && before != Fit::Open {
                warn!(
                    network = name,
                    "its MTU is {has}, not {wanted}; it was not made by Mayfly and stays as it is: create it with {MTU}={wanted}"
                );
            }
            return Ok(fit);
        }
        if !is_empty(docker, name).await? {
            // Said once.
            if before != Fit::OtherMtu {
                warn!(
                    network = name,
                    "its MTU is {has}, not {wanted}; it is made again once no runner is in it: where some always wait for jobs, \
                     empty it with `mayfly drain --wait`, then `mayfly resume`"
                );
            }
            return Ok(Fit::OtherMtu);
        }
        match docker.remove_network(name).await.map_err(refused("remove the runner network")) {
            Ok(()) => {}
            // A container of somebody else joined meanwhile.
            Err(BackendError::Refused { reason, .. }) if reason.contains("active endpoints") => {
                return Ok(Fit::OtherMtu);
            }
            // A filtering proxy, for one: runners start all the same.
            Err(BackendError::Refused { reason, .. }) => {
                warn!(
                    network = name,
                    "its MTU is {has}, not {wanted}, and it cannot be removed to be made again: {reason}"
                );
                return Ok(fit);
            }
            Err(error) => return Err(error),
        }
        create(docker, name, Some(wanted)).await?;
        Ok(Fit::Good)
    }

    /// The address of this machine on the network.
    pub(super) async fn gateway(
        &self,
        docker: &Connection,
    ) -> Result<Option<IpAddr>, BackendError> {
        let found = docker.network(LOOK_UP, &self.name).await?.unwrap_or_default();
        let configs = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        Ok(configs.into_iter().find_map(|config| config.gateway?.parse().ok()))
    }
}

/// Why runners cannot be in the network that was `found` as `name`, if so. The engine takes ids, and beginnings of them, where it takes
/// names: its own networks are refused by name at the start, and one that is made again by its id would have that for its name.
pub fn refusal(name: &str, found: &NetworkInspect) -> Option<String> {
    let named = line(found.name.as_deref()?);
    if SHARED.contains(&&*named) {
        return Some(format!(
            "it is the engine's own network {named}, on which runners reach the machine or each other: name another"
        ));
    }
    (named != name).then(|| {
        format!("the id of the network {named} begins so; name it, as in DOCKER_NETWORK={named}")
    })
}

/// Why runners reach each other in the network that was `found` as `name`, if they do.
pub fn openness(name: &str, found: &NetworkInspect) -> Option<String> {
    let told = found.options.as_ref().and_then(|options| options.get(ICC));
    let is_open = told.is_none_or(|icc| !FALSE.contains(&&**icc));
    is_open.then(|| {
        format!(
            "runners reach each other on the network {name}: it was made without {ICC}=false; remove it (docker network rm {name}) \
             when no runner is in it, and the orchestrator makes it with that"
        )
    })
}

/// The MTU that a network was made with.
fn mtu_of(network: &NetworkInspect) -> Option<u32> {
    network.options.as_ref()?.get(MTU)?.parse().ok()
}

/// True if no container is in the network; those that do not run count, too: they were made for it.
async fn is_empty(docker: &Connection, name: &str) -> Result<bool, BackendError> {
    let filters = HashMap::from([("network".to_owned(), vec![name.to_owned()])]);
    let found = docker.containers(&filters).await?;
    Ok(found.is_empty())
}

async fn create(docker: &Connection, name: &str, mtu: Option<u32>) -> Result<(), BackendError> {
    let mut options = mtu_option(mtu);
    options.insert(ICC.to_owned(), "false".to_owned());
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        options: Some(options),
        labels: Some(HashMap::from([(MARK.to_owned(), "1".to_owned())])),
        ..NetworkCreateRequest::default()
    };
    match docker.create_network(request).await {
        Ok(_) => {
            info!(network = name, mtu, "created the runner network");
            Ok(())
        }
        // Somebody else was faster.
        Err(error) if status(&error) == Some(409) => Ok(()),
        Err(error) => Err(refused("create the runner network")(error)),
    }
}

/// The option of a network that has this MTU.
pub(super) fn mtu_option(mtu: Option<u32>) -> HashMap<String, String> {
    mtu.map(|mtu| (MTU.to_owned(), mtu.to_string())).into_iter().collect()
}
