//! A gateway with an orchestrator behind it, and requests in one line.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Once;

use api_gateway::api_keys::ApiKeys;
use api_gateway::orchestrator::{OrchestratorUrl, Upstream};
use api_gateway::{App, Config};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use mayfly_common::problem::{PROBLEM_JSON, Problem};
use mayfly_common::webhook::signature::Secrets;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::stub::{Stub, serve};

/// A key that the gateways here know.
pub(crate) const KEY: &str = "test-key-of-more-than-16";
/// The peer of a request that names none.
pub(crate) const PEER: &str = "192.0.2.1:40000";

/// The host that a request names.
pub(crate) const HOST: &str = "localhost:8080";

/// The secret that GitHub's stand-in signs with.
pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// [`SECRET`] as the gateways know it.
pub(crate) fn webhook_secrets() -> Secrets {
    Secrets::from_list(&SECRET.to_owned().into()).expect("a good secret")
}

/// Has somebody hear every event from the beginning. One that fires for the first time just while a test begins to listen is taken
/// for one that nobody hears, and stays that (tracing-core, `callsite`).
fn hear_everything() {
    static HEARING: Once = Once::new();
    HEARING.call_once(|| {
        let hearing = tracing::subscriber::set_global_default(tracing_subscriber::registry());
        hearing.expect("nobody hears yet");
    });
}

/// A configuration with [`KEY`] and no limits worth the name.
pub(crate) fn config(orchestrator: SocketAddr) -> Config {
    hear_everything();
    let many = NonZeroU32::new(1_000_000).expect("not zero");
    Config {
        orchestrator: OrchestratorUrl::parse(&format!("http://{orchestrator}"))
            .expect("an address"),
        keys: ApiKeys::from_list(&KEY.to_owned().into()).expect("a good key"),
        rate_per_second: many,
        rate_burst: many,
        ..Config::default()
    }
}

/// A gateway whose requests go to `upstream`. The host that it is configured with does not exist.
pub(crate) fn gateway_over(upstream: Upstream) -> Client {
    let mut config = config(SocketAddr::from(([127, 0, 0, 1], 1)));
    config.orchestrator = OrchestratorUrl::parse("http://orchestrator.invalid").expect("a URL");
    Client(App::build(config, upstream).router())
}

/// A gateway in front of a fresh stub.
pub(crate) async fn gateway() -> (Client, Stub) {
    gateway_with(|_| {}).await
}

/// The same, with the configuration changed.
pub(crate) async fn gateway_with(change: impl FnOnce(&mut Config)) -> (Client, Stub) {
    let stub = Stub::default();
    let mut config = config(stub.clone().start().await);
    change(&mut config);
    (Client(api_gateway::router(&config)), stub)
}

/// A gateway in front of any router.
pub(crate) async fn gateway_before(upstream: Router) -> Client {
    Client(api_gateway::router(&config(serve(upstream).await)))
}

/// Calls a router without a socket.
#[derive(Clone)]
pub(crate) struct Client(pub(crate) Router);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A request that shows [`KEY`].
pub(crate) fn request(method: Method, target: &str) -> http::request::Builder {
    anonymous(method, target).header("authorization", format!("Bearer {KEY}"))
}

/// A request that shows none.
pub(crate) fn anonymous(method: Method, target: &str) -> http::request::Builder {
    let peer: SocketAddr = PEER.parse().expect("an address");
    let request = Request::builder().method(method).uri(target).extension(ConnectInfo(peer));
    request.header("host", HOST)
}

/// `POST /api/v1/runners` of a JSON text.
pub(crate) fn create(body: impl Into<Body>) -> Request<Body> {
    let request = request(Method::POST, "/api/v1/runners");
    request.header("content-type", "application/json").body(body.into()).expect("a good request")
}

impl Client {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.0.clone().oneshot(request).await.expect("the router cannot fail");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the body is whole").to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        let request = request(Method::GET, target).body(Body::empty());
        self.send(request.expect("a good request")).await
    }

    pub(crate) async fn call(&self, method: Method, target: &str) -> Answer {
        let request = request(method, target).body(Body::empty());
        self.send(request.expect("a good request")).await
    }

    pub(crate) async fn get_anonymously(&self, target: &str) -> Answer {
        let request = anonymous(Method::GET, target).body(Body::empty());
        self.send(request.expect("a good request")).await
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The problem this answer is; panics if it is none, or contradicts itself.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), Some(PROBLEM_JSON), "{}", self.text());
        let problem: Problem = serde_json::from_slice(&self.body).expect("a problem");
        assert_eq!(problem.status, self.status.as_u16());
        assert!(self.header("x-request-id").is_some());
        let after = problem.retry_after.map(|seconds| seconds.to_string());
        assert_eq!(self.header("retry-after"), after.as_deref());
        problem
    }

    /// The pointers of a 422.
    pub(crate) fn pointers(&self) -> Vec<String> {
        assert_eq!(self.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", self.text());
        self.problem().errors.into_iter().map(|error| error.pointer).collect()
    }
}
