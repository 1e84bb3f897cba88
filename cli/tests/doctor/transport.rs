//! The way to GitHub: a certificate authority of one's own, and proxies. Through the program, because both are read from the
//! environment, and a test must not change its own.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use github_sim::Sim;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{TOKEN, doctor, github, text};

/// An authority made for tests, and what it signed for `localhost`, `forge.test` and 127.0.0.1; good until the year 2100.
const CA_FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/github/tests/data/test-only-ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../../crates/github/tests/data/test-only-server.pem");
const KEY: &[u8] = include_bytes!("../../../crates/github/tests/data/test-only-server-key.pem");
/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

/// What clients said to a proxy first.
type Heads = Arc<Mutex<Vec<String>>>;

/// Has `serve` look after each connection to the port that is answered.
async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that hangs up is no failure of the test; what the program says is.
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// The simulated GitHub behind TLS.
async fn behind_tls(sim: &Sim) -> SocketAddr {
    let upstream = sim.addresses()[0];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut inside = acceptor.accept(stream).await?;
            let mut upstream = TcpStream::connect(upstream).await?;
            copy_bidirectional(&mut inside, &mut upstream).await.map(drop)
        }
    })
    .await
}

/// A proxy by which everything ends up at `target`.
async fn proxy(target: SocketAddr) -> (String, Heads) {
    let heads = Heads::default();
    let seen = Arc::clone(&heads);
    let address = listen(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await?);
            }
            let mut upstream = TcpStream::connect(target).await?;
            if head.starts_with(b"CONNECT ") {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            } else {
                upstream.write_all(&head).await?;
            }
            seen.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
            copy_bidirectional(&mut stream, &mut upstream).await.map(drop)
        }
    })
    .await;
    (format!("http://{address}"), heads)
}

fn variables<'a>(url: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("GITHUB_API_URL", url), ("GITHUB_RUNNER_TOKEN", TOKEN)], more].concat()
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let sim = github().await;
    let address = behind_tls(&sim).await;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}", address.port());
        let output = doctor(&[], &variables(&url, &[("GITHUB_CA_FILE", CA_FILE)])).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let output = doctor(&[], &variables(&url, &[])).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = text(&output);
        assert!(said.contains("certificate") && said.contains("GITHUB_CA_FILE"), "{said}");
    }
}

#[tokio::test]
async fn an_authority_is_not_believed_for_another_name() {
    let sim = github().await;
    let address = behind_tls(&sim).await;
    let (proxy, _) = proxy(address).await;
    let more = [("GITHUB_CA_FILE", CA_FILE), ("HTTPS_PROXY", &*proxy)];
    let output = doctor(&[], &variables("https://github.test", &more)).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output).contains("certificate"), "{output:?}");
}

#[tokio::test]
async fn a_bundle_that_is_none_is_a_wrong_variable() {
    let key = CA_FILE.replace("test-only-ca.pem", "test-only-server-key.pem");
    for wrong in ["/nothing/there", &key] {
        let output = doctor(&[], &variables(NOWHERE, &[("GITHUB_CA_FILE", wrong)])).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stderr.starts_with(b"GITHUB_CA_FILE: "), "{output:?}");
    }
}

#[tokio::test]
async fn requests_go_through_the_proxy_of_the_environment() {
    let sim = github().await;
    for name in ["HTTP_PROXY", "http_proxy"] {
        let (proxy, heads) = proxy(sim.addresses()[0]).await;
        // A name that nobody but the proxy can make sense of.
        let output = doctor(&[], &variables("http://github.test", &[(name, &proxy)])).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let heads = heads.lock().unwrap();
        assert!(heads[0].starts_with("GET http://github.test/user HTTP/1.1"), "{heads:?}");
    }
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_the_proxy_cannot_look_into() {
    let sim = github().await;
    let address = behind_tls(&sim).await;
    let (proxy, heads) = proxy(address).await;
    let with_password = proxy.replace("http://", "http://user:topsecret@");
    // A name that nobody but the proxy can make sense of.
    let url = format!("https://forge.test:{}", address.port());
    let more = [("GITHUB_CA_FILE", CA_FILE), ("HTTPS_PROXY", &*with_password)];
    let output = doctor(&[], &variables(&url, &more)).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let heads = heads.lock().unwrap();
    let asked = format!("CONNECT forge.test:{} HTTP/1.1", address.port());
    assert!(!heads.is_empty() && heads.iter().all(|head| head.starts_with(&asked)), "{heads:?}");
    let lower = heads[0].to_ascii_lowercase();
    assert!(lower.contains("proxy-authorization: basic "), "{heads:?}");
    assert!(!lower.contains("bearer"), "GitHub's credential is not the proxy's to see: {heads:?}");
}

/// The address under which this machine would speak with others; nothing is sent.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").unwrap();
    socket.local_addr().unwrap().ip()
}

#[tokio::test]
async fn what_no_proxy_names_is_asked_directly() {
    let sim = github().await;
    // This machine, by an address that is no loopback address.
    let address = sim.listen(SocketAddr::from(([0, 0, 0, 0], 0))).await.unwrap();
    let own = own_address();
    let url = format!("http://{own}:{}", address.port());
    let dead = [("HTTP_PROXY", "http://user:topsecret@127.0.0.1:1")];
    let output = doctor(&[], &variables(&url, &dead)).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output).contains("HTTP_PROXY and NO_PROXY"), "{output:?}");
    for name in ["NO_PROXY", "no_proxy"] {
        let named = format!("example.org,{own}/32");
        let more = [dead[0], (name, &*named)];
        let output = doctor(&[], &variables(&url, &more)).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

#[tokio::test]
async fn a_github_on_this_machine_is_asked_without_a_proxy() {
    let sim = github().await;
    let port = sim.addresses()[0].port();
    let (proxy, heads) = proxy(sim.addresses()[0]).await;
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{port}");
        let output = doctor(&[], &variables(&url, &[("HTTP_PROXY", &proxy)])).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    assert_eq!(heads.lock().unwrap().len(), 0, "the credential went to the proxy: {heads:?}");
}
