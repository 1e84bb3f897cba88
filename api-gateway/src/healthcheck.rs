//! `api-gateway healthcheck`: what the container's health check runs.

use std::time::Duration;

use axum::body::Bytes;
use http::{StatusCode, Uri};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// How long the gateway may take; Docker's own limit must be longer.
const LIMIT: Duration = Duration::from_secs(3);

/// Whether a gateway on this machine answers `GET /livez` with 200 in time; else why not.
pub async fn check(port: u16) -> Result<(), String> {
    let uri: Uri = format!("http://127.0.0.1:{port}/livez")
        .parse()
        .map_err(|error| format!("bad address: {error}"))?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    match tokio::time::timeout(LIMIT, client.get(uri)).await {
        Ok(Ok(response)) if response.status() == StatusCode::OK => Ok(()),
        Ok(Ok(response)) => Err(format!("answered {}", response.status())),
        Ok(Err(error)) => Err(format!("no answer on port {port}: {error}")),
        Err(_) => Err(format!("no answer within {LIMIT:?}")),
    }
}
