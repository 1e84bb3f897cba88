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
//! not know the configuration, nor each other: each is handed its own settings by [`Adapters::open`], and [`App::build`] wires them.
//!
//! Architecture invariant: nothing but [`reconcile`] starts or removes a container or a registration.

mod adapters;
mod alone;
mod app;
mod backends;
pub mod book;
mod checkup;
mod demand;
pub mod drain;
#[cfg(test)]
mod heard;
pub mod http;
pub mod intake;
pub mod metrics;
pub mod reconcile;
pub mod redelivery;
pub mod storage;
mod tasks;

use std::io;

use mayfly_settings::Config;
use tokio::net::TcpListener;

pub use adapters::Adapters;
pub use app::App;
pub use backends::Configured;

/// Runs the service with the adapters that `config` names: see [`Adapters::open`] and [`App::run`], also for what fails.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let adapters = Adapters::open(&config)?;
    App::build(config, adapters).run(listener, shutdown).await
}
