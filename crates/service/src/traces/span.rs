//! Spans: how one begins for a request, what is noted on it, and how a request names it.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, field, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::TARGET;

/// Carries the trace and the span that a request belongs to (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

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
