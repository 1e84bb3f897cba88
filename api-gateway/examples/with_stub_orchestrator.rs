//! The gateway in front of an orchestrator that only pretends: for looking at the API, its documentation and its answers
//! to bad input without Docker or GitHub.
//!
//! ```text
//! API_KEYS=0123456789abcdef cargo run -p api-gateway --example with_stub_orchestrator
//! ```
//!
//! Reads the gateway's variables; `ORCHESTRATOR_URL` is replaced by the stub's address.

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/stub.rs"]
mod stub;

use std::error::Error;

use api_gateway::Config;
use api_gateway::orchestrator::OrchestratorUrl;
use mayfly_service::{shutdown, telemetry};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let orchestrator = stub::serve(stub::Stub::default().router()).await;
    let orchestrator = OrchestratorUrl::parse(&format!("http://{orchestrator}"))?;
    let config = Config { orchestrator, ..Config::from_env()? };
    telemetry::init(config.logging);
    let listener = TcpListener::bind(config.address()).await?;
    api_gateway::run(config, listener, shutdown::signal()).await?;
    Ok(())
}
