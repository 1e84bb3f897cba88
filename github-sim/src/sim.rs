//! A running simulator: listeners around one world.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::http::observed::{Counters, Observed, Recorded};
use crate::http::shared::{Shared, WorldGuard};
use crate::http::{self, faults::Fault};
use crate::world::World;

/// How often the world is told that time has passed.
const TICK: Duration = Duration::from_secs(1);
/// How long open connections may take to end at a stop, before they are left behind.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// What a simulator starts with.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Where to listen; port 0 is any free one.
    pub listen: Vec<SocketAddr>,
    /// The URL that answers point clients at; `None` is the one each client used.
    pub public_url: Option<String>,
    /// The world's time.
    pub clock: Clock,
    /// Tokens that are accepted, each with its limit of requests an hour (`None` shares the user's). If empty, any token is.
    pub tokens: Vec<(String, Option<u64>)>,
    /// Requests an hour of tokens not listed above.
    pub default_limit: u64,
    /// Whether to bind an address that no interface has yet (`IP_FREEBIND`).
    pub free_bind: bool,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            public_url: None,
            clock: Clock::system(),
            tokens: Vec::new(),
            default_limit: crate::world::tokens::DEFAULT_LIMIT,
            free_bind: false,
        }
    }
}

/// A running simulator. Dropping it stops it without waiting; [`Sim::stop`] waits.
pub struct Sim {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    addresses: Mutex<Vec<SocketAddr>>,
    free_bind: bool,
}

impl Sim {
    /// Binds every address of the configuration and serves an empty world there. Needs a tokio runtime.
    pub async fn start(config: SimConfig) -> io::Result<Self> {
        let mut world = World::new(config.clock);
        world.tokens.set_default_limit(config.default_limit);
        for (token, limit) in &config.tokens {
            world.tokens.add(token, *limit);
        }
        let shared = Arc::new(Shared::new(world));
        shared.set_public_url(config.public_url);
        let free_bind = config.free_bind;
        let (tasks, addresses) = (TaskTracker::new(), Mutex::default());
        let sim = Self { shared, tasks, addresses, free_bind };
        for address in config.listen {
            sim.listen(address).await?;
        }
        let sending = http::deliver::run(Arc::clone(&sim.shared), sim.tasks.clone());
        sim.tasks.spawn(sending);
        let shared = Arc::clone(&sim.shared);
        sim.tasks.spawn(async move {
            while !shared.stop.is_cancelled() {
                tokio::select! {
                    () = shared.stop.cancelled() => {}
                    () = tokio::time::sleep(TICK) => {
                        let mut world = shared.world();
                        let now = world.now();
                        world.expire(now);
                    }
                }
            }
        });
        Ok(sim)
    }

    /// Serves the same world at one more address, and answers the address it got.
    #[expect(
        clippy::unused_async,
        reason = "needs a runtime, which a caller of an async function has"
    )]
    pub async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = bind(address, self.free_bind)?;
        let bound = listener.local_addr()?;
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.is_empty() {
            self.shared.set_listener_url(format!("http://{}", reachable(bound)));
        }
        addresses.push(bound);
        let router = http::router(&self.shared);
        let stop = self.shared.stop.clone();
        self.tasks.spawn(async move {
            let serving =
                axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
            if let Err(error) = serving.await {
                tracing::error!(%error, address = %bound, "the listener ended");
            }
        });
        Ok(bound)
    }

    /// What the listeners serve, for requests that need no network.
    pub fn router(&self) -> axum::Router {
        http::router(&self.shared)
    }

    /// The URL of the first listener, for example `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        self.shared.listener_url()
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the URL that answers (and just-in-time configurations) point at from now on.
    pub fn set_public_url(&self, url: impl Into<String>) {
        self.shared.set_public_url(Some(url.into()));
    }

    /// The world, locked: held requests go on once it is dropped. Do not keep it across an `await`.
    pub fn world(&self) -> WorldGuard<'_> {
        self.shared.world()
    }

    /// Does something with the world.
    pub fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.world())
    }

    /// Waits until the world is as `wanted`; looks again after every change. Set a timeout around it.
    pub async fn until(&self, wanted: impl Fn(&World) -> bool) {
        let mut changes = self.shared.changes();
        while !wanted(&self.shared.look()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until no request to the REST API is under way: those whose client left are counted then, too.
    pub async fn quiet(&self) {
        // It ends only with the simulator.
        let _ = self.shared.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// How many requests to the REST API there were. One that is under way is not counted yet.
    pub fn counters(&self) -> Counters {
        self.shared.observed().counters()
    }

    /// Starts counting and recording anew.
    pub fn clear_counters(&self) {
        *self.shared.observed() = Observed::default();
    }

    /// The requests to the REST API since the start, oldest first.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.observed().recorded.clone()
    }

    /// Orders a fault.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.faults().push(fault);
    }

    /// Cancels all orders of faults.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// Stops listening, ends held requests and waits for open connections, five seconds at most.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_GRACE, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections were still open at the stop");
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

fn bind(address: SocketAddr, free: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    match (free, address) {
        (true, SocketAddr::V4(_)) => socket.set_freebind_v4(true)?,
        (true, SocketAddr::V6(_)) => socket.set_freebind_v6(true)?,
        (false, _) => {}
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    if free {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "free bind needs Linux"));
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// An address a client on this machine can use: the loopback one instead of "any".
fn reachable(bound: SocketAddr) -> SocketAddr {
    match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from(([127, 0, 0, 1], bound.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => {
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, bound.port()))
        }
        _ => bound,
    }
}
