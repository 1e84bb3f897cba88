//! Sockets: accepting, slow clients, and stopping without cutting anybody off.
//!
//! Invariants: a connection that does not send a whole request head in [`HEAD_TIMEOUT`] is closed; there are never more
//! than [`MAX_CONNECTIONS`]; after the stop signal no connection is accepted, each open one ends with the answer it is
//! giving, and [`GRACE`] later the process no longer waits.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mayfly_common::telemetry::{SHUTDOWN, START};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::rate_limit;

/// How long a client may take to send a request head, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Most connections at a time.
const MAX_CONNECTIONS: usize = 2048;
/// Largest request head, in bytes.
const MAX_HEAD: usize = 32 * 1024;
/// How long requests in flight may take after the stop signal.
const GRACE: Duration = Duration::from_secs(10);
/// The wait after `accept` failed for want of something (descriptors, say) that may come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

pub(crate) async fn serve(
    router: Router,
    gateway: Gateway,
    config: &Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let access = match config.keys.len() {
        0 => "anybody who can reach it".to_owned(),
        keys => format!("{keys} API keys"),
    };
    let webhooks = match config.webhook_secrets.len() {
        0 => "off".to_owned(),
        secrets => format!("signed with any of {secrets}"),
    };
    tracing::info!(
        category = START,
        version = mayfly_common::VERSION,
        %address,
        orchestrator = %config.orchestrator,
        access,
        webhooks,
        "api-gateway is listening"
    );
    let stop = gateway.stop.clone();
    let connections = TaskTracker::new();
    tokio::select! {
        () = shutdown => {}
        () = accept(&listener, &router, &stop, &connections) => {}
        () = rate_limit::tidy(&gateway) => {}
    }
    drop(listener);
    stop.cancel();
    connections.close();
    tracing::info!(category = SHUTDOWN, open = connections.len(), "api-gateway is stopping");
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections are cut off after {GRACE:?}");
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    router: &Router,
    stop: &CancellationToken,
    connections: &TaskTracker,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                connections.spawn(connection(stream, peer, router.clone(), stop.clone(), place));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether only the connection that was about to be accepted is lost.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    if stream.set_nodelay(true).is_err() {
        return; // It is closed already.
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        // Most requests have no body: an empty one costs no allocation.
        let body =
            |body: Incoming| if body.is_end_stream() { Body::empty() } else { Body::new(body) };
        router.clone().call(request.map(body))
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // A client that hangs up or dawdles is everyday life, not an error of ours.
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "connection ended early");
    }
}
