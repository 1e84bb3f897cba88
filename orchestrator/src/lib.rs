//! The internal service: discovers repositories, finds queued jobs, starts runner containers and removes them again.
//!
//! ```text
//! http ─ requests, nudge ─▶ reconcile::driver (tick | nudge | docker event | shutdown)
//!   ▲                              │ one pass at a time
//!   └───── last snapshot ──────────┤  look ─▶ planner (pure) ─▶ act ─▶ record ─▶ show
//!                                  │    │                       │
//!                        github ◀──┴────┴─────────▶ backend ◀───┘
//! ```
//!
//! Imports point one way, which Cargo enforces: this crate → `mayfly_github`, `mayfly_backend_docker`, `mayfly_store` →
//! `mayfly_planner`, `mayfly_backend` → `mayfly_workflow`, `mayfly_common`. The planner has no async, no clock and no I/O; adapters do
//! not know the configuration, nor each other: each is handed its own settings here.
//!
//! Architecture invariant: nothing but [`reconcile`] starts or removes a container or a registration.

mod alone;
pub mod book;
mod checkup;
pub mod drain;
#[cfg(test)]
mod heard;
pub mod http;
pub mod intake;
pub mod metrics;
pub mod reconcile;
pub mod redelivery;
pub mod storage;

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use mayfly_service::telemetry::{CONFIG, START};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::http::Api;
use crate::metrics::Metrics;
use crate::reconcile::{Reconciler, driver};
use mayfly_backend::Backend;
use mayfly_backend_docker::DockerBackend;
use mayfly_common::clock::{Clock, SystemClock};
use mayfly_github::GitHubClient;
use mayfly_settings::Config;
use mayfly_store::Store;

/// Runs the service on `listener` until `shutdown`, then lets the pass under way end and answers what was asked. Meanwhile `/health`
/// says that it is shutting down, and what is new is refused.
///
/// Errors: the HTTP client cannot be set up, or the listener breaks. An engine or a GitHub that is away is not an error: it is
/// waited for, and `/health` tells.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // Held until the service ends, however it ends.
    let _alone = config.database.as_deref().map(alone::with).transpose()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let github = GitHubClient::new(config.github.client(), Arc::clone(&clock))
        .map(Arc::new)
        .map_err(io::Error::other)?;
    let backend: Arc<dyn Backend> = Arc::new(DockerBackend::new(config.docker()));
    let metrics = Arc::new(Metrics::new(github.traffic()));
    describe(&config);
    info!(category = START, address = %listener.local_addr()?, version = mayfly_common::VERSION, "orchestrator is listening");

    let store = open_store(config.database.as_deref())?;
    let (reconciler, handle) = Reconciler::new(
        config.clone(),
        Arc::clone(&backend),
        Arc::clone(&github),
        Arc::clone(&clock),
        Arc::clone(&metrics),
        store.clone(),
    );
    let check = checkup::tell(Arc::clone(&github), config.github.clone(), store.clone());
    let check = tokio::spawn(check);
    let fits = checkup::tell_misfits(Arc::clone(&backend), handle.clone(), config.clone());
    let fits = tokio::spawn(fits);
    let storage = storage::run(backend, config.database.clone(), Arc::clone(&metrics));
    let storage = tokio::spawn(storage);
    let router = http::router(Api { handle, config: Arc::new(config), metrics });
    let shutdown = shutdown.shared();
    let router = http::until(shutdown.clone(), router);
    let passes = driver::run(Arc::new(reconciler), shutdown.clone());
    let (last_pass, last_pass_done) = oneshot::channel::<()>();
    let driver = tokio::spawn(async move {
        passes.await;
        drop(last_pass);
    });
    let redelivery = tokio::spawn(redelivery::run(store, github, shutdown.clone()));
    let done = async move {
        shutdown.await;
        // It ends without a word, whether the driver is done or broke.
        let _ = last_pass_done.await;
    };
    axum::serve(listener, router).with_graceful_shutdown(done).await?;
    check.abort();
    fits.abort();
    storage.abort();
    redelivery.abort();
    driver.await.map_err(io::Error::other)
}

/// The store in the file at `path`. One that cannot be used is said, left as it is, and done without.
fn open_store(path: Option<&Path>) -> io::Result<Store> {
    let Some(path) = path else {
        info!(category = CONFIG, "DATABASE_PATH is not set: the job ledger is kept in memory");
        return Store::in_memory().map_err(io::Error::other);
    };
    Store::open(path).or_else(|error| {
        warn!(
            category = CONFIG,
            "DATABASE_PATH: {}: {error}; the job ledger is kept in memory, the pools in the file are not served, and pools cannot be changed",
            path.display()
        );
        Store::instead_of(path, &error).map_err(io::Error::other)
    })
}

/// Says what the service is going to do. No secret is part of it.
fn describe(config: &Config) {
    let runner = &config.runner;
    info!(
        category = CONFIG,
        github = %config.github.api_url,
        image = runner.image,
        labels = %runner.labels,
        max_runners = runner.max,
        auto_create = config.auto_create,
        check_interval_seconds = config.check_interval.as_secs(),
        registration = ?runner.registration,
        variables = runner.environment.len(),
        network = config.network,
        "configuration"
    );
}
