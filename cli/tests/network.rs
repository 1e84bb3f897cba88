//! What `mayfly` says when it cannot speak with the gateway, and that this machine is never asked through a proxy. Through the
//! program, because proxies and certificates are read from the environment.

#![cfg(feature = "platform")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

#[path = "../../crates/service/tests/support/in_time.rs"]
mod in_time;

use in_time::InTime as _;

const KEY: &str = "topsecret-key-of-the-gateway-0123456789";
/// An authority made for tests, and what it signed for `localhost`, `forge.test` and 127.0.0.1; good until the year 2100.
const CA_FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/github/tests/data/test-only-ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../crates/github/tests/data/test-only-server.pem");
const SERVER_KEY: &[u8] = include_bytes!("../../crates/github/tests/data/test-only-server-key.pem");

/// `mayfly status` in an environment of these variables alone.
async fn status(variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
    command.env_clear().arg("status").env("MAYFLY_API_KEY", KEY);
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output_in_time()).await.unwrap();
    assert!(!format!("{output:?}").contains("topsecret"), "{output:?}");
    output
}

/// What it says, and its exit code.
async fn error(variables: &[(&str, &str)]) -> (i32, String) {
    let output = status(variables).await;
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Has `serve` look after each connection to the port that is answered.
async fn listen<F>(address: &str, serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that hangs up is no failure of the test; what the program says is.
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Something that answers every request with `answer`, and what it was asked.
async fn answering(answer: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&heads);
    let address = listen("127.0.0.1:0", move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            let asked = head(&mut stream).await?;
            seen.lock().unwrap().push(asked);
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await
        }
    })
    .await;
    (address, heads)
}

async fn speaking_tls() -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(SERVER_KEY).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen("0.0.0.0:0", move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut inside = acceptor.accept(stream).await?;
            head(&mut inside).await?;
            inside.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?;
            inside.shutdown().await
        }
    })
    .await
}

#[tokio::test]
async fn this_machine_is_asked_without_a_proxy() {
    let (gateway, asked) = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let (proxy, heads) = answering("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    let proxy = format!("http://user:topsecret@{proxy}");
    let port = gateway.port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "127.0.0.2",
        "[::1]",
        "LOCALHOST.",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "ip6-localhost",
    ];
    for host in hosts {
        for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            let url = format!("http://{host}:{port}");
            let (code, said) = error(&[("MAYFLY_URL", &url), (variable, &proxy)]).await;
            assert!(
                code == 1 && !said.to_lowercase().contains("proxy"),
                "{url} {variable}: {said}"
            );
        }
    }
    assert_eq!(heads.lock().unwrap().len(), 0, "{heads:?}");
    assert!(asked.lock().unwrap()[0].contains(KEY), "the gateway itself is given the key");

    // Elsewhere the proxy is used, and named where something is wrong.
    for (variable, url) in [
        ("HTTP_PROXY", "http://gateway.test"),
        ("all_proxy", "http://10.1.2.3:8080"),
        ("HTTPS_PROXY", "https://gateway.test"),
    ] {
        let (code, said) = error(&[("MAYFLY_URL", url), (variable, &proxy)]).await;
        let named = format!("proxy {} of {variable}", proxy.replace("user:topsecret@", ""));
        assert!(code == 1 && said.contains(&named) && said.contains("NO_PROXY"), "{url}: {said}");
    }
    assert_eq!(heads.lock().unwrap().len(), 3, "{heads:?}");
}

#[tokio::test]
async fn a_proxy_that_fails_is_blamed_and_not_the_gateway() {
    let dead = "http://127.0.0.1:1";
    let url = ("MAYFLY_URL", "http://gateway.test");
    let (_, said) = error(&[url, ("HTTP_PROXY", dead)]).await;
    assert!(said.contains("the proxy http://127.0.0.1:1 of HTTP_PROXY refuses"), "{said}");
    let (_, said) = error(&[url, ("HTTP_PROXY", "http://proxy.invalid:3128")]).await;
    assert!(said.contains("proxy.invalid:3128 of HTTP_PROXY cannot be resolved"), "{said}");
    let (proxy, _) =
        answering("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
    let proxy = format!("http://{proxy}");
    let (_, said) = error(&[url, ("HTTP_PROXY", &proxy)]).await;
    assert!(said.contains("user and a password"), "{said}");
    let https = ("MAYFLY_URL", "https://gateway.test");
    let (_, said) = error(&[https, ("HTTPS_PROXY", &proxy)]).await;
    assert!(said.contains("opens no tunnel to gateway.test"), "{said}");
}

/// An address, variables, and the words that the error must hold.
type Row<'a> = (String, &'a [(&'a str, &'a str)], &'a [&'a str]);

#[tokio::test]
async fn every_failure_says_what_happened_and_what_to_do() {
    let tls = speaking_tls().await.port();
    let plain = listen("127.0.0.1:0", async |mut stream| {
        // As a server does that finds no request line in what it reads.
        stream.read_u8().await?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await?;
        stream.shutdown().await
    })
    .await;
    let (garbage, _) = answering("SSH-2.0-OpenSSH_9.2\r\n").await;
    let (html, _) = answering("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>").await;
    let (moved, _) = answering(
        "HTTP/1.1 308 Permanent Redirect\r\nlocation: https://x/\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let (cut, _) = answering("HTTP/1.1 200 OK\r\ncontent-length: 600\r\n\r\n{").await;
    let closing = listen("127.0.0.1:0", async |stream| {
        drop(stream);
        Ok(())
    })
    .await;
    let ca = ("SSL_CERT_FILE", CA_FILE);
    let rows: [Row<'_>; 12] = [
        ("http://127.0.0.1:1".to_owned(), &[], &["refuses the connection", "--url or MAYFLY_URL"]),
        ("http://gateway.invalid".to_owned(), &[], &["gateway.invalid cannot be resolved", "DNS"]),
        (format!("https://localhost:{tls}"), &[], &["does not trust", "SSL_CERT_FILE"]),
        (format!("https://localhost:{tls}"), &[ca], &["404"]),
        (format!("https://127.0.0.2:{tls}"), &[ca], &["for another name"]),
        (format!("https://127.0.0.1:{}", plain.port()), &[], &["TLS fails", "http://"]),
        (format!("http://127.0.0.1:{tls}"), &[], &["https://"]),
        (format!("http://{garbage}"), &[], &["does not speak HTTP"]),
        (format!("http://{html}"), &[], &["not understood", "another version"]),
        (format!("http://{moved}"), &[], &["308", "redirect"]),
        (format!("http://{cut}"), &[], &["closed before the answer was complete"]),
        (format!("http://{closing}"), &[], &["closed before the answer was complete"]),
    ];
    let mut said_before = Vec::new();
    for (url, variables, words) in rows {
        let all = [&[("MAYFLY_URL", &*url)], variables].concat();
        let (code, said) = error(&all).await;
        assert_eq!(code, 1, "{url}: {said}");
        for word in words {
            assert!(said.contains(word), "{url}: {said}");
        }
        said_before.push(said);
    }
    said_before.sort();
    said_before.dedup();
    assert_eq!(said_before.len(), 12, "{said_before:?}");
}

#[tokio::test]
async fn a_wrong_address_or_key_is_a_wrong_argument() {
    for (url, word) in [
        ("localhost:8080", "http://"),
        ("gateway", "cannot be read"),
        ("ftp://gateway", "http://"),
        ("http://user:topsecret@:80", "cannot be read"),
        ("http://gateway:80808", "port"),
    ] {
        let (code, said) = error(&[("MAYFLY_URL", url)]).await;
        assert!(code == 2 && said.contains("MAYFLY_URL") && said.contains(word), "{url}: {said}");
    }
    let (code, said) = error(&[("MAYFLY_API_KEY", "topsecret\nkey")]).await;
    assert!(code == 2 && said.contains("line break"), "{said}");
    // A password in the address is used as any HTTP client does, and never shown.
    let (code, said) = error(&[("MAYFLY_URL", "http://user:topsecret@127.0.0.1:1/")]).await;
    assert!(code == 1 && said.contains("http://127.0.0.1:1: "), "{said}");
}

/// The address's name and password are a proxy's: the key goes beside them, in a header of its own.
#[tokio::test]
async fn the_key_goes_beside_a_password_of_a_proxy() {
    let (gateway, heard) = answering("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").await;
    let url = format!("http://user:topsecret@{gateway}");
    error(&[("MAYFLY_URL", &url)]).await;
    let heard = heard.lock().unwrap().concat().to_lowercase();
    let credentials: Vec<&str> = heard
        .lines()
        .filter(|line| line.starts_with("authorization:") || line.starts_with("x-api-key:"))
        .collect();
    let ours = format!("x-api-key: {KEY}");
    assert_eq!(credentials.len(), 2, "{credentials:?}");
    assert!(credentials.contains(&&*ours), "{credentials:?}");
    assert!(credentials.contains(&"authorization: basic dxnlcjp0b3bzzwnyzxq="), "{credentials:?}");
}
