//! What the orchestrator reaches the world through: machines, GitHub, time and memory.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use mayfly_backend::Backend;
use mayfly_backend_docker::DockerBackend;
use mayfly_common::clock::{Clock, SystemClock};
use mayfly_common::identity::BackendName;
use mayfly_github::GitHubClient;
use mayfly_planner::BackendCaps;
use mayfly_service::telemetry::CONFIG;
use mayfly_settings::Config;
use mayfly_store::Store;
use tracing::{info, warn};

use crate::alone::Alone;
use crate::backends::Configured;

/// The adapters that an [`App`](crate::App) is built with.
pub struct Adapters {
    /// The backend `docker`, whose engine gives the installation its id.
    pub docker: Configured,
    /// The other backends, by name.
    pub others: BTreeMap<BackendName, Configured>,
    /// The client of GitHub's API.
    pub github: Arc<GitHubClient>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is remembered over a restart.
    pub store: Store,
    /// The lock on the store's file; none for a store in memory.
    pub(crate) alone: Option<Alone>,
}

impl Adapters {
    /// These adapters, with one backend: `docker`. The store's file, if it has one, is not locked.
    pub fn new(
        docker: Arc<dyn Backend>,
        github: Arc<GitHubClient>,
        clock: Arc<dyn Clock>,
        store: Store,
    ) -> Self {
        let docker = Configured { backend: docker, caps: None };
        Self { docker, others: BTreeMap::new(), github, clock, store, alone: None }
    }

    /// The same, with another backend beside `docker`: its name, and what all its machines together may use.
    #[must_use]
    pub fn with_backend(
        mut self,
        name: BackendName,
        backend: Arc<dyn Backend>,
        caps: BackendCaps,
    ) -> Self {
        self.others.insert(name, Configured { backend, caps: Some(caps) });
        self
    }

    /// The adapters of a service: the configured Docker Engine and GitHub, the system's clock, and the database at
    /// `DATABASE_PATH`, locked against other orchestrators. Nothing is sent yet.
    ///
    /// Errors: another orchestrator uses the database, or the HTTP client cannot be set up.
    pub fn open(config: &Config) -> io::Result<Self> {
        let alone = config.database.as_deref().map(Alone::lock_beside).transpose()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let github = GitHubClient::new(config.github.client(), Arc::clone(&clock))
            .map(Arc::new)
            .map_err(io::Error::other)?;
        let backend = Arc::new(DockerBackend::new(config.docker()));
        let store = open_store(config.database.as_deref())?;
        Ok(Self { alone, ..Self::new(backend, github, clock, store) })
    }
}

/// The store in the file at `path`. A file that cannot be used is reported and left as it is; the store is then in memory.
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
