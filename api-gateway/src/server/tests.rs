//! Time-outs on pipes in memory, so that the paused clock jumps straight to the next deadline.

use std::net::Ipv4Addr;

use axum::body::Bytes;
use axum::routing::get;
use futures::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 40000);
const REQUEST: &[u8] = b"GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Serves a connection, whose answers never end, over a pipe that holds `buffer` bytes.
fn serve_one(buffer: usize) -> (DuplexStream, tokio::task::JoinHandle<()>) {
    let (client, server) = duplex(buffer);
    let piece = || async { Ok::<_, std::convert::Infallible>(Bytes::from_static(&[b'x'; 4096])) };
    let endless = get(move || async move {
        Body::from_stream(stream::unfold((), move |()| async move { Some((piece().await, ())) }))
    });
    let router = Router::new().route("/endless", endless).route("/short", get(async || "short"));
    let serving = connection(server, PEER, router, CancellationToken::new());
    (client, tokio::spawn(serving))
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_nothing_is_closed() {
    let start = Instant::now();
    let (mut client, served) = serve_one(1024);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    served.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_is_given_up() {
    let start = Instant::now();
    let (mut client, served) = serve_one(1024);
    for byte in REQUEST {
        if client.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    served.await.unwrap();
    assert!(start.elapsed() <= HEAD_TIMEOUT + Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_is_given_up() {
    let start = Instant::now();
    let (mut client, served) = serve_one(64 * 1024);
    client.write_all(REQUEST).await.unwrap();
    served.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_slowly_goes_on() {
    let start = Instant::now();
    let (mut client, served) = serve_one(64 * 1024);
    client.write_all(REQUEST).await.unwrap();
    let mut taken = vec![0; 32 * 1024];
    for _ in 0..20 {
        tokio::time::sleep(WRITE_TIMEOUT / 2).await;
        client.read_exact(&mut taken).await.unwrap();
    }
    assert!(!served.is_finished());
    assert!(start.elapsed() > 9 * WRITE_TIMEOUT);
    drop(client);
    served.await.unwrap();
}

#[tokio::test]
async fn the_kernel_holds_little_for_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    prepare(&stream).unwrap();
    let socket = SockRef::from(&stream);
    assert!(socket.send_buffer_size().unwrap() <= 256 * 1024);
    assert!(socket.recv_buffer_size().unwrap() <= 256 * 1024);
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
    assert!(stream.nodelay().unwrap());
    drop(client);
}

#[test]
fn only_a_connection_that_is_lost_leaves_accepting_as_it_is() {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, Other, OutOfMemory,
    };
    for (kind, of_one) in [
        (ConnectionAborted, true),
        (ConnectionRefused, true),
        (ConnectionReset, true),
        (Interrupted, false),
        (OutOfMemory, false),
        (Other, false),
    ] {
        assert_eq!(is_of_one_connection(&io::Error::from(kind)), of_one, "{kind:?}");
    }
}

/// Without a pause it would be tried as fast as the machine can, and fill the log.
#[tokio::test(start_paused = true)]
async fn what_is_used_up_is_tried_again_five_times_a_second() {
    for (kind, least) in [(io::ErrorKind::OutOfMemory, 5), (io::ErrorKind::ConnectionReset, 1_000)]
    {
        let tries = std::cell::Cell::new(0);
        let next = || {
            tries.set(tries.get() + 1);
            // What may be tried at once is tried without end.
            let failed = tries.get() < 1_000;
            async move { if failed { Err(kind.into()) } else { std::future::pending().await } }
        };
        let places = Places::new(1_000, Config::default().trusted_proxies);
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        let router = Router::new();
        let accepting = accept(next, &router, &stop, &places, &connections);
        assert!(tokio::time::timeout(Duration::from_millis(999), accepting).await.is_err());
        assert_eq!(tries.get(), least, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_may_have_32_kib() {
    for (length, status) in [(31 * 1024, "HTTP/1.1 200 "), (33 * 1024, "HTTP/1.1 431 ")] {
        let (mut client, served) = serve_one(1024);
        let start = "GET /short HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: ";
        let head = format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4));
        // The gateway may hang up before all of it is written.
        let _ = client.write_all(head.as_bytes()).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(status), "{length}: {answer}");
        served.await.unwrap();
    }
}

/// The body that a handler gets, and that it knows who the peer is.
#[tokio::test]
async fn a_handler_gets_the_peer_and_the_body() {
    let (mut client, server) = duplex(64 * 1024);
    let handler = async |ConnectInfo(peer): ConnectInfo<SocketAddr>, body: Bytes| {
        format!("{peer} sent {}", body.len())
    };
    let router = Router::new().route("/", axum::routing::post(handler));
    tokio::spawn(connection(server, PEER, router, CancellationToken::new()));
    for (length, last) in [(3, false), (0, true)] {
        let close = if last { "connection: close\r\n" } else { "" };
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\n{close}content-length: {length}\r\n\r\n");
        client.write_all(format!("{head}{}", "x".repeat(length)).as_bytes()).await.unwrap();
    }
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    assert!(answers.contains("127.0.0.1:40000 sent 3"), "{answers}");
    assert!(answers.ends_with("127.0.0.1:40000 sent 0"), "{answers}");
}

/// With descriptors for one connection only, the next one is accepted when it ends.
#[tokio::test]
async fn a_connection_waits_for_its_place() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/short", get(async || "short"));
    tokio::spawn(async move {
        let places = Places::new(66, Config::default().trusted_proxies);
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        accept(|| listener.accept(), &router, &stop, &places, &connections).await;
    });
    let ask = b"GET /short HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(ask).await.unwrap();
    first.write_all(ask).await.unwrap();
    let mut answer = vec![0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    // After this every accepted connection has had its turn.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(second.try_read(&mut [0; 1]).is_err(), "nothing was said, and it was not closed");
    drop(first);
    second.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
}
