//! How much of a bare proxy's throughput the gateway keeps.
//!
//! One process holds an orchestrator in memory, a bare proxy (the same HTTP client and server, and nothing else), the
//! gateway (a key, limits too high to matter, log lines at INFO into a sink), and a load generator with keep-alive
//! connections. Rounds alternate between the two, so that a noisy machine is noisy for both.
//!
//! ```text
//! cargo bench -p api-gateway --bench forwarding
//! ```
//!
//! Ends with 1 if the gateway keeps less than [`TARGET`] of the bare proxy's rate. `ROUNDS` and `ROUND_MS` change the
//! duration.

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/stub.rs"]
mod stub;

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use api_gateway::Config;
use api_gateway::api_keys::ApiKeys;
use api_gateway::orchestrator::OrchestratorUrl;
use axum::body::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client_http1;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mayfly_service::telemetry::{self, Logging};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The share of the bare proxy's rate that the gateway must keep.
const TARGET: f64 = 0.8;
const CONNECTIONS: usize = 32;
const KEY: &str = "benchmark-key-of-more-than-16";
const PATH: &str = "/api/v1/runners/bench-1";

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let rounds = setting("ROUNDS", 7);
    let length = Duration::from_millis(setting("ROUND_MS", 1500));
    tracing::dispatcher::set_global_default(telemetry::dispatch(
        Logging::default(),
        std::io::sink,
    ))?;

    let stub = stub::Stub::default();
    let upstream = stub::serve(stub.router()).await;
    let gateway = start_gateway(upstream).await?;
    let bare = start_bare_proxy(upstream).await?;
    add_a_runner(gateway).await?;

    for target in [bare, gateway] {
        measure(target, length / 3).await?; // Warm up.
    }
    let (mut bare_rates, mut gateway_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let bare_rate = measure(bare, length).await?;
        let gateway_rate = measure(gateway, length).await?;
        bare_rates.push(bare_rate);
        gateway_rates.push(gateway_rate);
        ratios.push(gateway_rate / bare_rate);
    }
    let direct = measure(upstream, length).await?;
    let (bare, gateway, ratio) = (median(bare_rates), median(gateway_rates), median(ratios));
    writeln!(
        std::io::stdout(),
        "direct {direct:.0}/s, bare proxy {bare:.0}/s, gateway {gateway:.0}/s, ratio {ratio:.3} (target {TARGET})"
    )?;
    Ok(if ratio >= TARGET { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var_os(name).and_then(|value| value.into_string().ok());
    value.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn start_gateway(upstream: SocketAddr) -> Result<SocketAddr, Failure> {
    let many = NonZeroU32::new(1_000_000).ok_or("zero")?;
    let config = Config {
        orchestrator: OrchestratorUrl::parse(&format!("http://{upstream}"))?,
        keys: ApiKeys::from_list(&KEY.to_owned().into()).map_err(|errors| errors.join("; "))?,
        rate_per_second: many,
        rate_burst: many,
        ..Config::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(api_gateway::run(config, listener, std::future::pending()));
    Ok(address)
}

/// Forwards everything: no key, no limit, no check, no log, no metric, no retry.
async fn start_bare_proxy(upstream: SocketAddr) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if stream.set_nodelay(true).is_err() {
                continue;
            }
            let client = client.clone();
            let service = service_fn(move |request| pass(client.clone(), upstream, request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    Ok(address)
}

async fn pass(
    client: Client<HttpConnector, Incoming>,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Failure> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(upstream.to_string())
        .path_and_query(path)
        .build()?;
    request.headers_mut().remove("connection");
    Ok(client.request(request).await?)
}

async fn add_a_runner(gateway: SocketAddr) -> Result<(), Failure> {
    let client = Client::builder(TokioExecutor::new()).build_http::<String>();
    let request = Request::post(format!("http://{gateway}/api/v1/runners"))
        .header("x-api-key", KEY)
        .header("content-type", "application/json")
        .body(r#"{"scope":"org","scope_name":"octo","runner_name":"bench-1"}"#.to_owned())?;
    let response = client.request(request).await?;
    if response.status() == 201 { Ok(()) } else { Err(format!("{response:?}").into()) }
}

/// Requests per second over [`CONNECTIONS`] connections.
async fn measure(target: SocketAddr, length: Duration) -> Result<f64, Failure> {
    let end = Instant::now() + length;
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        clients.spawn(load(target, end));
    }
    let started = Instant::now();
    let mut total = 0_u32;
    while let Some(count) = clients.join_next().await {
        total += count??;
    }
    Ok(f64::from(total) / started.elapsed().as_secs_f64())
}

/// One connection, one request after the other until `end`.
async fn load(target: SocketAddr, end: Instant) -> Result<u32, Failure> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = client_http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut count = 0;
    while Instant::now() < end {
        let request = Request::get(PATH)
            .header("host", "bench")
            .header("authorization", format!("Bearer {KEY}"))
            .body(Empty::<Bytes>::new())?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        if response.status() != 200 {
            return Err(format!("{response:?}").into());
        }
        response.into_body().collect().await?;
        count += 1;
    }
    drop(sender);
    connection.await??;
    Ok(count)
}
