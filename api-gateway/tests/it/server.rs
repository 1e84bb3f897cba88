//! The gateway on a real socket: whole requests, half requests, and the end.

use std::sync::Arc;

use api_gateway::Config;
use axum::Router;
use axum::routing::{MethodRouter, get};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use crate::stub::{Stub, serve};
use crate::support::{KEY, config, webhook_secrets};

/// A running gateway.
struct Running {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start(orchestrator: std::net::SocketAddr) -> Running {
    start_with(config(orchestrator)).await
}

async fn start_with(config: Config) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let ended = tokio::spawn(api_gateway::run(config, listener, shutdown));
    Running { address, stop, ended }
}

fn head(method: &str, path: &str, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {KEY}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let gateway = start(Stub::default().start().await).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(head("GET", "/api/v1/status", "").as_bytes()).await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
        }
        assert!(read.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&read));
    }
}

/// A route that answers when it is told to.
struct Slow {
    arrived: Arc<Notify>,
    release: Arc<Notify>,
    route: MethodRouter,
}

impl Slow {
    fn new() -> Self {
        let (arrived, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, wait) = (Arc::clone(&arrived), Arc::clone(&release));
        let route = get(async move || {
            tell.notify_one();
            wait.notified().await;
            ([("content-type", "application/json")], "{\"late\":true}")
        });
        Self { arrived, release, route }
    }
}

#[tokio::test]
async fn a_stop_lets_the_request_in_flight_finish_and_then_ends() {
    let Slow { arrived, release, route } = Slow::new();
    let gateway = start(serve(Router::new().route("/api/v1/status", route)).await).await;
    let mut idle = TcpStream::connect(gateway.address).await.unwrap();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(head("GET", "/api/v1/status", "").as_bytes()).await.unwrap();
    arrived.notified().await;
    gateway.stop.send(()).unwrap();
    // The idle connection is closed at once; that also says that the stop has been seen.
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    release.notify_one();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("{\"late\":true}"), "{answer}");
    gateway.ended.await.unwrap().unwrap();
    assert!(TcpStream::connect(gateway.address).await.is_err());
}

/// One request on a connection of its own, and its answer.
async fn ask(gateway: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let close = "connection: close\r\n";
    stream.write_all(head("GET", path, close).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn it_answers_that_it_shuts_down_until_the_requests_in_flight_are_answered() {
    let Slow { arrived, release, route } = Slow::new();
    let orchestrator = serve(Router::new().route("/api/v1/status", route)).await;
    let base_path = api_gateway::base_path::BasePath::parse("/mayfly").unwrap();
    let gateway = start_with(Config { base_path, ..config(orchestrator) }).await;
    let mut idle = TcpStream::connect(gateway.address).await.unwrap();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(head("GET", "/api/v1/status", "").as_bytes()).await.unwrap();
    arrived.notified().await;
    gateway.stop.send(()).unwrap();
    // The idle connection is closed at once; that also says that the stop has been seen.
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    for path in ["/health", "/mayfly/health"] {
        let health = ask(gateway.address, path).await;
        let (head, body) = health.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{health}");
        assert!(head.contains("retry-after: ") && head.contains("x-request-id: "), "{health}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let expected = serde_json::json!({
            "status": "shutting_down", "service": "api-gateway", "version": mayfly_common::VERSION,
            "dependencies": {},
        });
        assert_eq!(body, expected);
    }
    for path in ["/readyz", "/api/v1/status", "/api/v1/nothing", "/metrics"] {
        let refused = ask(gateway.address, path).await;
        assert!(refused.starts_with("HTTP/1.1 503 "), "{path}: {refused}");
        assert!(refused.contains("urn:mayfly:problem:shutting-down"), "{path}: {refused}");
    }
    assert!(ask(gateway.address, "/livez").await.starts_with("HTTP/1.1 200 "));
    // One that asks nothing holds nobody up.
    let mut silent = TcpStream::connect(gateway.address).await.unwrap();
    release.notify_one();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    gateway.ended.await.unwrap().unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(gateway.address).await.is_err());
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    let gateway = start(Stub::default().start().await).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let long = format!("x-long: {}\r\n", "x".repeat(70 * 1024));
    // The gateway may hang up before all of it is written.
    let _ = stream.write_all(head("GET", "/livez", &long).as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn the_health_check_asks_the_running_gateway() {
    let gateway = start("127.0.0.1:1".parse().unwrap()).await;
    mayfly_service::health::check(gateway.address.port()).await.unwrap();
    gateway.stop.send(()).unwrap();
    gateway.ended.await.unwrap().unwrap();
    assert!(mayfly_service::health::check(gateway.address.port()).await.is_err());
}

/// A connection closed while its client still writes would lose the answer.
#[tokio::test]
async fn whoever_sends_an_unsigned_webhook_hears_the_refusal() {
    let orchestrator = Stub::default().start().await;
    let gateway =
        start_with(Config { webhook_secrets: webhook_secrets(), ..config(orchestrator) }).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let body = vec![b'x'; 200_000];
    for _ in 0..2 {
        let length = format!("content-length: {}\r\n", body.len());
        stream.write_all(head("POST", "/webhooks/github", &length).as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
        }
        assert!(read.starts_with(b"HTTP/1.1 401 "), "{}", String::from_utf8_lossy(&read));
    }
}

/// Nobody waits for the end of what has none.
#[tokio::test]
async fn a_stream_of_events_passes_piece_by_piece_and_ends_with_the_gateway() {
    let (more, pieces) = tokio::sync::mpsc::unbounded_channel::<&str>();
    let pieces = Arc::new(tokio::sync::Mutex::new(Some(pieces)));
    let events = get(async move |headers: http::HeaderMap| {
        assert_eq!(headers["last-event-id"], "7");
        assert_eq!(headers["accept"], "text/event-stream");
        let pieces = pieces.lock().await.take().unwrap();
        let pieces = futures::stream::unfold(pieces, async |mut pieces| {
            Some((Ok::<_, std::io::Error>(pieces.recv().await?), pieces))
        });
        let body = axum::body::Body::from_stream(pieces);
        ([("content-type", "text/event-stream"), ("x-accel-buffering", "no")], body)
    });
    let gateway = start(serve(Router::new().route("/api/v1/events", events)).await).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let ask = "accept: text/event-stream\r\nlast-event-id: 7\r\n";
    stream.write_all(head("GET", "/api/v1/events", ask).as_bytes()).await.unwrap();
    let mut read = String::new();
    for piece in ["data: one\n\n", "data: two\n\n"] {
        more.send(piece).unwrap();
        while !read.contains(piece) {
            let mut some = [0; 4096];
            let count = stream.read(&mut some).await.unwrap();
            assert_ne!(count, 0, "{read}");
            read.push_str(std::str::from_utf8(&some[..count]).unwrap());
        }
    }
    assert!(read.starts_with("HTTP/1.1 200 ") && read.contains("x-accel-buffering: no"), "{read}");
    gateway.stop.send(()).unwrap();
    gateway.ended.await.unwrap().unwrap();
    // An end in good order: the last piece has no length.
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "0\r\n\r\n");
}

/// The clock stands still once the request is in flight, and then jumps to the end of the grace period.
#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_ten_seconds_after_the_stop() {
    let arrived = Arc::new(Notify::new());
    let tell = Arc::clone(&arrived);
    let never = get(async move || {
        tell.notify_one();
        std::future::pending::<()>().await;
    });
    let gateway = start(serve(Router::new().route("/api/v1/status", never)).await).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(head("GET", "/api/v1/status", "").as_bytes()).await.unwrap();
    arrived.notified().await;
    let (lines, _guard) = crate::logs::capture(tracing::Level::INFO);
    tokio::time::pause();
    let stopped = tokio::time::Instant::now();
    gateway.stop.send(()).unwrap();
    gateway.ended.await.unwrap().unwrap();
    assert_eq!(stopped.elapsed().as_secs(), 10);
    let text = lines.text();
    assert!(text.contains("api-gateway is stopping category=\"SHUTDOWN\" open=1"), "{text}");
    assert!(
        text.contains(" WARN ") && text.contains("connections are cut off after 10s open=1"),
        "{text}"
    );
}
