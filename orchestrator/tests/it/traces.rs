//! Spans of the real gateway and the real orchestrator, as a collector gets them.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::post;
use http::{Request, StatusCode};
use mayfly_service::telemetry::{Logging, dispatch_with};
use mayfly_service::traces::{TraceConfig, Traces};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::support::{Platform, TOKEN};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What came, and the services it was from.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

impl Received {
    fn spans(&self) -> Vec<Span> {
        let received = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let resources = received.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    fn text(&self) -> String {
        format!("{:?}", self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Serves `router`.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn collector() -> (SocketAddr, Received) {
    let received = Received::default();
    let into = received.clone();
    let take = async move |body: Bytes| {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        into.0.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        StatusCode::OK
    };
    (serve(Router::new().route("/v1/traces", post(take))).await, received)
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|pair| pair.key == key)?;
    Some(format!("{:?}", found.value.as_ref()?.value.as_ref()?))
}

/// A platform with a gateway before it, and one job's runner started. The answers' status codes.
async fn go(
    endpoint: String,
    log: &Log,
) -> (Vec<StatusCode>, Traces, tracing::subscriber::DefaultGuard) {
    let config = TraceConfig { endpoint, service: "mayfly-test".to_owned() };
    let traces = Traces::to(&config).unwrap();
    let log = log.clone();
    let writer = move || log.clone();
    let guard =
        tracing::dispatcher::set_default(&dispatch_with(Logging::default(), writer, Some(&traces)));
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let behind = serve(platform.router()).await;
    let gateway = api_gateway::router(&api_gateway::Config {
        orchestrator: api_gateway::orchestrator::OrchestratorUrl::parse(&format!(
            "http://{behind}"
        ))
        .unwrap(),
        ..api_gateway::Config::default()
    });
    let mut answers = Vec::new();
    for path in ["/api/v1/runners?state=idle", "/api/v1/runners/nobody", "/health"] {
        let request = Request::get(path)
            .header("host", "localhost")
            .header("traceparent", "00-11111111111111111111111111111111-2222222222222222-01")
            .header("authorization", "Bearer a-key-that-must-not-show");
        let request = request.body(Body::empty()).unwrap();
        answers.push(gateway.clone().oneshot(request).await.unwrap().status());
    }
    (answers, traces, guard)
}

#[tokio::test]
async fn a_request_is_one_trace_through_both_services_and_a_pass_has_its_actions() {
    let (address, received) = collector().await;
    let (answers, traces, _guard) =
        go(format!("http://{address}/v1/traces"), &Log::default()).await;
    assert_eq!(answers[..2], [StatusCode::OK, StatusCode::NOT_FOUND]);
    traces.finish().await;

    let spans = received.spans();
    let named =
        |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    let pair = named("GET /api/v1/runners");
    let [inner, outer] = pair[..] else { panic!("{spans:#?}") };
    assert!(outer.parent_span_id.is_empty(), "nobody outside is believed: {outer:#?}");
    assert_eq!((&inner.trace_id, &inner.parent_span_id), (&outer.trace_id, &outer.span_id));
    for span in named("GET /api/v1/runners/{id}") {
        let status = attribute(span, "http.response.status_code");
        assert_eq!(status.as_deref(), Some("IntValue(404)"));
    }
    assert_eq!(named("GET /api/v1/runners/{id}").len(), 2);

    let [pass] = named("pass")[..] else { panic!("{spans:#?}") };
    let [launch] = named("launch")[..] else { panic!("{spans:#?}") };
    assert_eq!((&launch.trace_id, &launch.parent_span_id), (&pass.trace_id, &pass.span_id));
    assert_eq!(attribute(launch, "pool").as_deref(), Some("StringValue(\"default\")"));
    assert_eq!(attribute(launch, "outcome").as_deref(), Some("StringValue(\"done\")"));
    assert_eq!(attribute(pass, "pass.launched").as_deref(), Some("IntValue(1)"));
    assert_eq!(attribute(pass, "pass.problems").as_deref(), Some("IntValue(0)"));
    assert!(!spans.iter().any(|span| span.name.contains("/health")), "probes are not traced");

    let text = received.text();
    assert!(text.contains("mayfly-test"), "{text}");
    for secret in [TOKEN, "a-key-that-must-not-show", "state=idle"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_told_once_and_costs_nothing_else() {
    let log = Log::default();
    let (answers, traces, _guard) = go("http://127.0.0.1:1/v1/traces".to_owned(), &log).await;
    assert_eq!(answers[..2], [StatusCode::OK, StatusCode::NOT_FOUND]);
    // More than one delivery takes.
    for _ in 0..1_200 {
        drop(mayfly_service::traces::request(&http::Method::GET, "/", None));
    }
    traces.finish().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let told = log.lines().filter(|line| line.contains("traces cannot be delivered")).count();
    assert_eq!(told, 1, "{log}");
}

#[tokio::test]
async fn the_end_of_a_registration_without_a_machine_is_an_action_with_its_place() {
    let (address, received) = collector().await;
    let endpoint = format!("http://{address}/v1/traces");
    let traces = Traces::to(&TraceConfig { endpoint, service: "mayfly-test".to_owned() }).unwrap();
    let log = dispatch_with(Logging::default(), std::io::sink, Some(&traces));
    let guard = tracing::dispatcher::set_default(&log);
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers().remove(0);
    platform.backend.state().machines.clear();
    for _ in 0..3 {
        platform.wait(600);
        platform.pass().await;
    }
    assert!(!platform.registrations().contains(&name));
    drop(guard);
    traces.finish().await;
    let ours = Some(format!("StringValue({name:?})"));
    let spans = received.spans();
    let ends = spans.iter().filter(|span| span.name == "deregister");
    let ends: Vec<&Span> = ends.filter(|span| attribute(span, "runner") == ours).collect();
    let [end] = ends[..] else { panic!("{spans:#?}") };
    assert_eq!(attribute(end, "scope").as_deref(), Some("StringValue(\"repo:octo-admin/app\")"));
    assert_eq!(attribute(end, "outcome").as_deref(), Some("StringValue(\"done\")"));
}
