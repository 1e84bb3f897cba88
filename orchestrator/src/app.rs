//! The wiring of the orchestrator: one for the service, the demo, the tests and the benchmarks.

use std::io;
use std::sync::Arc;

use axum::Router;
use futures::FutureExt as _;
use futures::future::Shared;
use mayfly_service::telemetry::{CONFIG, START};
use mayfly_settings::Config;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing::info;

use crate::adapters::Adapters;
use crate::http::{self, Api};
use crate::metrics::Metrics;
use crate::reconcile::handle::Handle;
use crate::reconcile::{Reconciler, driver};
use crate::tasks::{TaskSet, Tasks};
use crate::{checkup, redelivery, storage};

/// The orchestrator's parts, built and wired together. Every background task of it ends when it is dropped.
pub struct App {
    config: Arc<Config>,
    adapters: Adapters,
    reconciler: Arc<Reconciler>,
    handle: Handle,
    metrics: Arc<Metrics>,
    tasks: TaskSet,
}

impl App {
    /// Wires `adapters` together. Nothing runs yet: passes are run by [`App::run`], or one at a time through
    /// [`App::reconciler`].
    pub fn build(config: Config, adapters: Adapters) -> Self {
        let (metrics, tasks) =
            (Arc::new(Metrics::new(adapters.github.traffic())), TaskSet::default());
        let spawner = tasks.tasks().clone();
        let (reconciler, handle) =
            Reconciler::new(config.clone(), &adapters, Arc::clone(&metrics), spawner);
        let (config, reconciler) = (Arc::new(config), Arc::new(reconciler));
        Self { config, adapters, reconciler, handle, metrics, tasks }
    }

    /// What runs passes.
    pub fn reconciler(&self) -> &Arc<Reconciler> {
        &self.reconciler
    }

    /// The way to the reconciler that the internal API takes.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The internal API, for requests without a socket.
    pub fn router(&self) -> Router {
        http::router(Api {
            handle: self.handle.clone(),
            config: Arc::clone(&self.config),
            metrics: Arc::clone(&self.metrics),
        })
    }

    /// Runs the service on `listener` until `shutdown`, then lets the pass under way end and answers what was asked. Meanwhile
    /// `/health` says that it is shutting down, and what is new is refused.
    ///
    /// Errors: the listener has no address, or the loop of passes broke. An engine or a GitHub that is away is not an error: it is
    /// waited for, and `/health` tells.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let router = self.router();
        let Self { config, adapters, reconciler, handle, metrics, tasks: set } = self;
        let tasks = set.tasks();
        describe(&config);
        let (address, version) = (listener.local_addr()?, mayfly_common::VERSION);
        info!(category = START, %address, version, "orchestrator is listening");
        let shutdown = shutdown.shared();
        // It ends with the passes, and with it the streams of what they tell.
        let passes = driver::run(reconciler, shutdown.clone());
        let (last_pass, last_pass_done) = oneshot::channel::<()>();
        let driver = tasks.spawn(async move {
            passes.await;
            drop(last_pass);
        });
        beside_passes(&config, adapters, handle, metrics, &shutdown, tasks);
        let router = http::until(shutdown.clone(), router);
        let done = async move {
            shutdown.await;
            // It ends without a word, whether the driver is done or broke.
            let _ = last_pass_done.await;
        };
        // Open connections end with the App, too.
        let done = tasks.until_stopped(done).map(drop);
        axum::serve(listener, router).with_graceful_shutdown(done).await?;
        let outcome = driver.await.map_err(io::Error::other);
        set.end().await;
        outcome
    }
}

/// Starts what runs beside the passes.
fn beside_passes<F>(
    config: &Config,
    adapters: Adapters,
    handle: Handle,
    metrics: Arc<Metrics>,
    shutdown: &Shared<F>,
    tasks: &Tasks,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let Adapters { docker, github, store, alone, others: _, clock: _ } = adapters;
    let backend = docker.backend;
    if let Some(alone) = alone {
        tasks.spawn(alone.keep());
    }
    tasks.spawn(checkup::tell(Arc::clone(&github), config.github.clone(), store.clone()));
    tasks.spawn(checkup::tell_misfits(Arc::clone(&backend), handle, config.clone()));
    tasks.spawn(storage::run(backend, config.database.clone(), metrics));
    tasks.spawn(redelivery::run(store, github, shutdown.clone()));
}

/// Logs what the service is going to do. No secret is part of it.
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
