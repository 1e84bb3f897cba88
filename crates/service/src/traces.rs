//! Traces over OTLP (protobuf over HTTP), where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector.
//!
//! Spans have a target of their own, [`TARGET`], which logging never enables. So without a collector no span is ever made, and a log
//! line looks the same with one. Of what is logged nothing becomes part of a trace.
//!
//! Invariant: a span holds words of few values, numbers, and names of pools, places and runners; never a header, a query or a body.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::{Span, Subscriber, field, info, info_span, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::env::Checker;

/// The target of spans.
pub const TARGET: &str = "traces";

/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a stop waits for what was not delivered yet.
const LAST: Duration = Duration::from_secs(3);
/// Most bytes read of the collector's answer.
const MAX_ANSWER: usize = 64 * 1024;
/// Carries the trace and the span that a request belongs to (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where traces go, and who they say they are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceConfig {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, with the path for traces that belongs to it (`/v1/traces`).
    pub endpoint: String,
    /// `OTEL_SERVICE_NAME`.
    pub service: String,
}

impl TraceConfig {
    /// What the variables `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_SERVICE_NAME` say; none without a collector.
    pub fn read(
        check: &mut Checker,
        endpoint: Option<String>,
        service: Option<String>,
        default_service: &str,
    ) -> Option<Self> {
        let parse = |text: &str| collector(text).map(Some);
        let service = check.text("OTEL_SERVICE_NAME", service);
        let endpoint = check.optional("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, None, parse)?;
        Some(Self { endpoint, service: service.unwrap_or_else(|| default_service.to_owned()) })
    }
}

/// The address for traces of the collector at `text`.
fn collector(text: &str) -> Result<String, &'static str> {
    let uri: Uri = text.trim().parse().map_err(|_| "must be a URL")?;
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or("must be a URL with a host")?;
    if uri.scheme() != Some(&Scheme::HTTP) {
        return Err(
            "must begin with http://; for TLS let a collector beside this service pass traces on",
        );
    }
    if authority.as_str().contains('@') {
        return Err("must not hold a user name or password");
    }
    if uri.query().is_some() {
        return Err("must not have a query");
    }
    Ok(format!("http://{authority}{}/v1/traces", uri.path().trim_end_matches('/')))
}

/// The way to a collector.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces")
    }
}

impl Traces {
    /// Sets the way up. Nothing is sent before there is a span. Must be called on a runtime, which then carries the requests.
    ///
    /// Errors: another `OTEL_` variable asks for what there is not (compression, say).
    pub fn to(config: &TraceConfig) -> Result<Self, String> {
        let collector = Collector {
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
            runtime: Handle::current(),
            endpoint: config.endpoint.clone(),
            failing: Arc::new(AtomicBool::new(false)),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(&config.endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| error.to_string())?;
        let resource = Resource::builder()
            .with_service_name(config.service.clone())
            .with_attribute(KeyValue::new("service.version", mayfly_common::VERSION))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// Turns spans into traces.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("mayfly"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET))
    }

    /// Delivers what is left, as far as that takes a few seconds only. After that, spans go nowhere.
    pub async fn finish(self) {
        // It blocks, and waits for requests that this runtime carries.
        let last = move || self.provider.shutdown_with_timeout(LAST);
        // That the collector cannot be reached was told.
        let _ = tokio::task::spawn_blocking(last).await;
    }
}

/// Sends what the exporter's own thread hands out.
#[derive(Debug)]
struct Collector {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
    endpoint: String,
    failing: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, endpoint) = (self.client.clone(), self.endpoint.clone());
        let failing = Arc::clone(&self.failing);
        let sent = self.runtime.spawn(async move {
            let sent = tokio::time::timeout(TIMEOUT, send(&client, request)).await;
            let answer = sent.unwrap_or_else(|late| Err(late.into()));
            tell(&answer, &endpoint, &failing);
            answer
        });
        sent.await.unwrap_or_else(|ended| Err(ended.into()))
    }
}

/// Says once that traces cannot be delivered, and once that they can again.
fn tell(answer: &Result<Response<Bytes>, HttpError>, endpoint: &str, failing: &AtomicBool) {
    match answer {
        Ok(answer) if answer.status().is_success() => {
            if failing.swap(false, Ordering::Relaxed) {
                info!("traces can be delivered again");
            }
        }
        _ if failing.swap(true, Ordering::Relaxed) => {}
        Ok(answer) => warn!("traces cannot be delivered to {endpoint}: HTTP {}", answer.status()),
        Err(error) => warn!("traces cannot be delivered to {endpoint}: {error}"),
    }
}

async fn send(
    client: &Client<HttpConnector, Full<Bytes>>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let (parts, body) = client.request(request.map(Full::new)).await?.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

/// A span for a request to one of our services; `route` is the pattern that matched. `headers`, if they are believed, may name the
/// span that it is part of.
pub fn request(method: &Method, route: &str, headers: Option<&HeaderMap>) -> Span {
    let method = known(method);
    let span = info_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
    );
    if let (Some(headers), false) = (headers, span.is_disabled()) {
        let context = Context::new();
        let context =
            TraceContextPropagator::new().extract_with_context(&context, &HeaderExtractor(headers));
        // Without a layer there would be no span.
        let _ = span.set_parent(context);
    }
    span
}

/// Notes how a request was answered.
pub fn answered(span: &Span, status: StatusCode) {
    // The bridge to OpenTelemetry makes texts of unsigned numbers.
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        failed(span);
    }
}

/// Notes how many there were of something.
pub fn count(span: &Span, field: &str, number: usize) {
    span.record(field, i64::try_from(number).unwrap_or(i64::MAX));
}

/// Marks what `span` stands for as failed.
pub fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

/// Names the current span, if there is one, to whom a request with these headers goes.
pub fn pass_on(headers: &mut HeaderMap) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    let context = span.context();
    let here = context.span().span_context().clone();
    let text =
        format!("00-{}-{}-{:02x}", here.trace_id(), here.span_id(), here.trace_flags().to_u8());
    if let (true, Ok(value)) = (here.is_valid(), HeaderValue::try_from(text)) {
        headers.insert(TRACEPARENT, value);
    }
}

/// The method, if it is a usual one: others are text from outside.
fn known(method: &Method) -> &str {
    let usual = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if usual.contains(method) { method.as_str() } else { "_OTHER" }
}

#[cfg(test)]
mod tests;
