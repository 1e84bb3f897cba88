//! The wiring of the gateway: one for the service, the demo, the tests and the benchmarks.

use std::io;

use axum::Router;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::orchestrator::Upstream;
use crate::{routes, server};

/// The gateway's parts, built and wired together.
pub struct App {
    config: Config,
    gateway: Gateway,
}

impl App {
    /// Wires the gateway in front of the orchestrator that `upstream` leads to. Nothing runs yet.
    pub fn build(config: Config, upstream: Upstream) -> Self {
        let gateway = Gateway::new(&config, upstream);
        Self { config, gateway }
    }

    /// The gateway as a service, for tests that call it without a socket.
    ///
    /// Who is asking comes from the request's [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo) extension, or from
    /// [`MockConnectInfo`](axum::extract::connect_info::MockConnectInfo) if that layer was added; with neither, every
    /// request counts as coming from one unspecified address. Rate-limit buckets are tidied only by [`App::run`].
    pub fn router(&self) -> Router {
        routes::router(&self.gateway, &self.config)
    }

    /// Serves the gateway on `listener` until `shutdown` completes and the requests in flight are answered, or
    /// their grace period is over.
    ///
    /// # Errors
    ///
    /// When the listener has no local address, which means that it cannot be served from.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let Self { config, gateway } = self;
        server::serve(
            routes::router(&gateway, &config),
            routes::while_stopping(&gateway, &config),
            &config,
            &gateway.rate_limits,
            &gateway.stop,
            listener,
            shutdown,
        )
        .await
    }
}
