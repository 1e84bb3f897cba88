//! One address that opens all the connections it can and does nothing with them: others are served all the same.

use std::net::SocketAddr;
use std::time::Duration;

use api_gateway::Config;
use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::stub::Stub;
use crate::support::{KEY, config};

/// More than one address may have, and few enough for any machine's limit of open files.
const CONNECTIONS: usize = 200;
/// The share of one address (`server::places`), by another way: what is left open of that many.
const SHARE: usize = 128;
/// Long, for a machine that is busy; what is tested is that an answer comes at all.
const PATIENCE: Duration = Duration::from_secs(20);

async fn start() -> SocketAddr {
    let orchestrator = Stub::default().start().await;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Config { ..config(orchestrator) };
    tokio::spawn(api_gateway::run(config, listener, std::future::pending()));
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A connection from another address of the loopback.
async fn connect(gateway: SocketAddr, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(gateway).await.unwrap()
}

/// The status line of an answer to one request, on a fresh connection.
async fn ask(gateway: SocketAddr, from: [u8; 4]) -> String {
    let mut stream = connect(gateway, from).await;
    let request = format!(
        "GET /api/v1/status HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// True if the gateway closed a connection on which nothing was sent. It tells soon: the connections came in order.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = timeout(Duration::from_millis(200), stream.read(&mut [0; 1])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn idle_connections_of_one_address_keep_nobody_out() {
    let (lines, _guard) = crate::logs::capture(tracing::Level::WARN);
    let gateway = start().await;
    let mut held = join_all((0..CONNECTIONS).map(|_| connect(gateway, [127, 0, 0, 2]))).await;
    // Whoever comes later is accepted later: when this is answered, all of the above have been looked at.
    assert_eq!(ask(gateway, [127, 0, 0, 3]).await, "HTTP/1.1 200 OK");
    let closed = join_all(held.iter_mut().map(is_closed)).await;
    let open = closed.iter().filter(|closed| !**closed).count();
    assert_eq!(open, SHARE);
    let text = lines.text();
    let said = "connection refused: the client has used up its share; a proxy must be named in TRUSTED_PROXIES \
                client=127.0.0.2 unlogged=0";
    assert!(text.lines().count() == 1 && text.contains(said), "{text}");
    drop(held);
    // Its share comes back with the connections' end, which the gateway learns in its own time.
    let again = async {
        while ask(gateway, [127, 0, 0, 2]).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn downloads_that_nobody_reads_keep_nobody_out() {
    let gateway = start().await;
    let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(4);
    let mut held = Vec::new();
    for _ in 0..60 {
        let mut stream = connect(gateway, [127, 0, 0, 4]).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        held.push(stream);
    }
    for _ in 0..3 {
        assert_eq!(ask(gateway, [127, 0, 0, 5]).await, "HTTP/1.1 200 OK");
    }
    drop(held);
}
