//! The way to the engine: a local socket, or TCP with probes that notice a peer that is gone.

use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// How long the engine may take to begin its answer. The body is bounded by the caller.
pub(super) const ANSWER: Duration = Duration::from_secs(30);
/// How long a TCP connection may take to open.
pub(super) const OPENING: Duration = Duration::from_secs(5);
/// After this long without a packet the peer is probed, and probed again, so many times, at this distance: a half-open connection
/// ends within half a minute.
pub(super) const PROBE_AFTER: Duration = Duration::from_secs(15);
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(5);
pub(super) const PROBES: u32 = 3;
/// How long sent bytes may stay without an acknowledgement (`TCP_USER_TIMEOUT`, tcp(7)).
pub(super) const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Prepares calls to the engine at `host` (as `DOCKER_HOST`), or at the local socket. Opens nothing yet.
pub(super) fn connect(host: Option<&str>) -> Result<Docker, Error> {
    let docker = match host {
        None => Docker::connect_with_socket_defaults()?,
        Some(host) => match ["tcp://", "http://"].iter().find_map(|way| host.strip_prefix(way)) {
            Some(address) => tcp(address.trim_end_matches('/'))?,
            None => Docker::connect_with_host(host)?,
        },
    };
    Ok(docker.with_timeout(ANSWER))
}

/// As [`Docker::connect_with_http`], which has no probes.
fn tcp(address: &str) -> Result<Docker, Error> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(OPENING));
    connector.set_keepalive(Some(PROBE_AFTER));
    connector.set_keepalive_interval(Some(PROBE_EVERY));
    connector.set_keepalive_retries(Some(PROBES));
    connector.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    connector.set_nodelay(true);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_max_idle_per_host(0);
    let client = builder.build(connector);
    let send = move |request: BollardRequest| {
        let client = client.clone();
        async move { client.request(request).await.map_err(Error::from) }
    };
    let url = format!("http://{address}");
    Docker::connect_with_custom_transport(send, Some(url), ANSWER.as_secs(), API_DEFAULT_VERSION)
}
