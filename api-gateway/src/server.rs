//! Sockets: accepting, slow clients, and stopping without cutting anybody off.
//!
//! Invariants: a connection that does not send a whole request head in [`HEAD_TIMEOUT`], or takes nothing more of its answer for
//! [`WRITE_TIMEOUT`], is closed; how many there are, of all and of one address, [`Places`] bounds, and what the kernel holds for
//! each, [`prepare`]; after the stop signal each open connection ends with the answer it is giving, new ones only learn that the
//! gateway is shutting down, and [`GRACE`] later the process no longer waits. (How long a body may take, those say who read bodies.)

mod places;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mayfly_service::descriptors;
use mayfly_service::telemetry::{SHUTDOWN, START};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::config::Config;
use crate::rate_limit::RateLimits;
use places::Places;

/// How long a client may take to send a request head, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a client may take nothing of its answer. With [`SEND_BUFFER`] that is also a lowest speed, of some kB a second.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer that the kernel is asked to hold until the client takes them. It doubles this (socket(7), `SO_SNDBUF`).
const SEND_BUFFER: usize = 128 * 1024;
/// The same for what a client sends and nobody has read yet.
const RECEIVE_BUFFER: usize = 128 * 1024;
/// Largest request head, in bytes.
const MAX_HEAD: usize = 32 * 1024;
/// How long requests in flight may take after the stop signal.
const GRACE: Duration = Duration::from_secs(10);
/// How long connections that came after the stop signal may take for what they were told.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// The wait after `accept` failed because something is used up, such as descriptors, that may be free again soon.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves `router` on `listener` until `shutdown`; then cancels `stop`, which ends what has no end of its own, and waits. Who comes
/// meanwhile is served `stopping`.
///
/// Errors: the listener has no local address.
pub(crate) async fn serve(
    router: Router,
    stopping: Router,
    config: &Config,
    rate_limits: &RateLimits,
    stop: &CancellationToken,
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
    let places = Places::new(descriptors::limit(), config.trusted_proxies.clone());
    tracing::info!(
        category = START,
        version = mayfly_common::VERSION,
        %address,
        orchestrator = %config.orchestrator,
        access,
        webhooks,
        connections = places.most(),
        "api-gateway is listening"
    );
    let connections = TaskTracker::new();
    tokio::select! {
        () = shutdown => {}
        () = accept(|| listener.accept(), &router, stop, &places, &connections) => {}
        () = rate_limits.tidy() => {}
    }
    stop.cancel();
    connections.close();
    tracing::info!(category = SHUTDOWN, open = connections.len(), "api-gateway is stopping");
    let (late, end) = (TaskTracker::new(), CancellationToken::new());
    tokio::select! {
        ended = tokio::time::timeout(GRACE, connections.wait()) => {
            if ended.is_err() {
                tracing::warn!(open = connections.len(), "connections are cut off after {GRACE:?}");
            }
        }
        () = accept(|| listener.accept(), &stopping, &end, &places, &late) => {}
    }
    drop(listener);
    late.close();
    end.cancel();
    // Each has its answer in a moment. One that does not take it is cut off.
    let _ = tokio::time::timeout(LAST_ANSWERS, late.wait()).await;
    Ok(())
}

/// Serves the connections that `next` brings, as long as there are places for them.
async fn accept<F: Future<Output = io::Result<(TcpStream, SocketAddr)>>>(
    next: impl Fn() -> F,
    router: &Router,
    stop: &CancellationToken,
    places: &Places,
    connections: &TaskTracker,
) {
    loop {
        let place = places.any().await;
        match next().await {
            Ok((stream, peer)) => {
                if let Some(share) = places.of(peer.ip())
                    && prepare(&stream).is_ok()
                {
                    let served = connection(stream, peer, router.clone(), stop.clone());
                    connections.spawn(async move {
                        served.await;
                        drop((place, share));
                    });
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// True if only the connection that was about to be accepted is lost.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Bounds what the kernel holds for a connection, and how long it tries to reach a peer that is gone.
///
/// Errors: the connection is closed already.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_tcp_user_timeout(Some(WRITE_TIMEOUT))
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Send,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let stream = Box::pin(stream);
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

#[cfg(test)]
mod tests;
