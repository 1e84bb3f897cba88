//! The public edge: authenticates, limits, validates, and forwards to the orchestrator.
//!
//! ```text
//! client ─▶ server ─▶ edge ─▶ CORS ─▶ auth ─▶ rate limit ─▶ routes ─▶ orchestrator (client) ─▶ orchestrator:8000
//!           sockets   request id, log, metrics,              checks     retries, deadlines,
//!                     every error a problem+json             input      translated answers
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`config`] | the only reader of the environment |
//! | [`App`] | the wiring |
//! | [`server`](run) | sockets, slow clients, graceful stop |
//! | `edge` | what applies to every answer: request id, log lines, metrics, problem+json; who is refused at the door |
//! | `caller` | who sends a request: its address, its key, the request's id |
//! | [`api_keys`], `auth` | the keys, and the layer that asks for one |
//! | [`client_address`] | a client's address, behind which proxies |
//! | `rate_limit`, [`cors`], [`base_path`] | as named |
//! | `refusals` | which refusals are logged |
//! | `shares` | what each of many may hold of something that all share |
//! | `webhook` | what GitHub's deliveries need: their signature, their room, their limits |
//! | `routes` | one file per resource, with its OpenAPI description |
//! | [`orchestrator`] | the hop to the orchestrator and how its answers are passed on |
//! | `openapi`, `docs` | the description of all this, and its two viewers, served offline |
//!
//! Invariants: the gateway keeps no state but rate-limit buckets, counters, and the orchestrator's health of the last second; no credential is forwarded, logged or
//! answered; of what the orchestrator says in a 5xx, only a problem that it made for the public reaches a client.

pub mod api_keys;
mod app;
mod auth;
pub mod base_path;
mod caller;
pub mod client_address;
pub mod config;
pub mod cors;
mod docs;
mod edge;
mod gateway;
mod metrics;
mod openapi;
pub mod orchestrator;
mod paths;
mod rate_limit;
mod refusals;
mod routes;
mod server;
mod shares;
mod webhook;

use std::io;

use axum::Router;
use tokio::net::TcpListener;
use utoipa::openapi::OpenApi;

pub use app::App;
pub use config::Config;
use orchestrator::Upstream;

/// Serves the gateway in front of the orchestrator that `config` names, as [`App::run`] does.
///
/// # Errors
///
/// Those of [`App::run`].
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    App::build(config, Upstream::over_tcp()).run(listener, shutdown).await
}

/// The gateway in front of the orchestrator that `config` names, for tests that call it without a socket: see [`App::router`].
pub fn router(config: &Config) -> Router {
    App::build(config.clone(), Upstream::over_tcp()).router()
}

/// The OpenAPI description of the gateway, as `/openapi.json` serves it.
pub fn document() -> OpenApi {
    routes::document()
}

/// The same as text, as it is served and committed: JSON, indented, with a final newline.
///
/// # Errors
///
/// When the document cannot be written as JSON.
pub fn document_text() -> Result<String, serde_json::Error> {
    document().to_pretty_json().map(|text| text + "\n")
}
