//! Counters and durations, for Prometheus.
//!
//! Invariant: every label has a fixed set of values. A path, a name or an address is never one.

use std::fmt;
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Upper bounds in seconds: from an answer of our own to `REQUEST_TIMEOUT`.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

/// The routes a request can be counted under; anything else is `other`.
const ROUTES: [&str; 29] = [
    "/api/v1/drain",
    "/api/v1/events",
    "/api/v1/finished-runners",
    "/api/v1/finished-runners/{id}",
    "/api/v1/jobs",
    "/api/v1/jobs/stats",
    "/api/v1/jobs/{id}",
    "/api/v1/jobs/{id}/explain",
    "/api/v1/pools",
    "/api/v1/pools/{name}",
    "/api/v1/pools/{name}/rotate",
    "/api/v1/runners",
    "/api/v1/runners/{id}",
    "/api/v1/runners/{id}/logs",
    "/api/v1/runners/cleanup",
    "/api/v1/status",
    "/api/v1/uninstall",
    "/api/v1/config/info",
    "/api/v1/config/validate",
    "/api/v1/config/placeholders",
    "/health",
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/docs/{*rest}",
    "/redoc",
    "/webhooks/github",
];

/// The events a delivery can be counted under; anything else is `other`.
const EVENTS: [&str; 11] = [
    "workflow_job",
    "push",
    "ping",
    "meta",
    "repository",
    "public",
    "installation",
    "installation_repositories",
    "check_run",
    "check_suite",
    "workflow_run",
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    event: &'static str,
    outcome: DeliveryOutcome,
}

/// What became of a webhook's delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DeliveryOutcome {
    /// The orchestrator has it.
    Accepted,
    /// The orchestrator had it already.
    Duplicate,
    /// It tells nothing that matters here.
    Ignored,
    /// It was not signed, or is no delivery.
    Refused,
    /// It could not be handed on.
    Failed,
}

impl EncodeLabelValue for DeliveryOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let text = match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Failed => "failed",
        };
        text.encode(encoder)
    }
}

/// All of the gateway's metrics, with a registry of their own.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabel, Histogram, fn() -> Histogram>,
    upstream_errors: Family<KindLabel, Counter>,
    deliveries: Family<DeliveryLabels, Counter>,
    /// Requests refused because their key is missing or not valid.
    pub(crate) unauthorized: Counter,
    /// Requests refused because their client calls too often.
    pub(crate) rate_limited: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("mayfly_gateway");
        let requests = Family::default();
        let durations: Family<RouteLabel, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let upstream_errors = Family::default();
        let deliveries = Family::default();
        let unauthorized = Counter::default();
        let rate_limited = Counter::default();
        registry.register("requests", "Requests answered", requests.clone());
        registry.register(
            "request_duration_seconds",
            "Time from a request to the head of its answer",
            durations.clone(),
        );
        registry.register(
            "upstream_errors",
            "Requests the orchestrator did not answer properly",
            upstream_errors.clone(),
        );
        registry.register(
            "webhook_deliveries",
            "Deliveries of GitHub's webhooks",
            deliveries.clone(),
        );
        registry.register(
            "unauthorized",
            "Requests refused because their key is missing or not valid",
            unauthorized.clone(),
        );
        registry.register(
            "rate_limited",
            "Requests refused for coming too often",
            rate_limited.clone(),
        );
        registry.register("build", "This build", Info::new([("version", mayfly_common::VERSION)]));
        Self {
            registry,
            requests,
            durations,
            upstream_errors,
            deliveries,
            unauthorized,
            rate_limited,
        }
    }

    /// Counts an answered request.
    pub(crate) fn answered(
        &self,
        method: &Method,
        route: &'static str,
        status: StatusCode,
        took: Duration,
    ) {
        let labels = RequestLabels { method: method_label(method), route, status: class(status) };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&RouteLabel { route }).observe(took.as_secs_f64());
    }

    /// Counts a request that the orchestrator did not answer properly.
    pub(crate) fn upstream_error(&self, kind: &'static str) {
        self.upstream_errors.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts a webhook's delivery, given the event it says it is.
    pub(crate) fn delivery(&self, event: Option<&str>, outcome: DeliveryOutcome) {
        let event = EVENTS.iter().find(|known| Some(**known) == event).copied().unwrap_or("other");
        self.deliveries.get_or_create(&DeliveryLabels { event, outcome }).inc();
    }

    /// Everything as `OpenMetrics` text.
    pub(crate) fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The route's name in metrics, given the pattern that matched: an alias counts as what it stands for.
pub(crate) fn route_label(matched: Option<&str>) -> &'static str {
    let Some(matched) = matched else { return "other" };
    let same = |route: &&&str| **route == matched || route.strip_prefix("/api/v1") == Some(matched);
    ROUTES.iter().find(same).copied().unwrap_or("other")
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded_and_aliases_fold() {
        assert_eq!(route_label(Some("/runners/{id}")), "/api/v1/runners/{id}");
        assert_eq!(route_label(Some("/api/v1/runners/{id}")), "/api/v1/runners/{id}");
        assert_eq!(route_label(Some("/docs/{*rest}")), "/docs/{*rest}");
        for path in crate::routes::document().paths.paths.keys() {
            assert_eq!(route_label(Some(path)), path);
        }
        for path in ["/openapi.json", "/docs", "/redoc"] {
            assert_eq!(route_label(Some(path)), path);
        }
        assert_eq!(route_label(Some("/redoc/start.js")), "other");
        assert_eq!(route_label(None), "other");
    }

    #[test]
    fn all_is_counted_under_its_own_words() {
        let metrics = Metrics::new();
        let methods = ["GET", "POST", "DELETE", "PATCH", "PUT", "HEAD", "OPTIONS", "BREW"];
        for method in methods {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            metrics.answered(&method, "/livez", StatusCode::OK, Duration::from_millis(20));
        }
        for status in [100, 199, 303, 404, 499, 500, 599, 600] {
            let status = StatusCode::from_u16(status).unwrap();
            metrics.answered(&Method::GET, "/redoc", status, Duration::from_secs(61));
        }
        let events = [
            "workflow_job",
            "push",
            "ping",
            "meta",
            "repository",
            "public",
            "installation",
            "installation_repositories",
            "check_run",
            "check_suite",
            "workflow_run",
        ];
        for event in events {
            metrics.delivery(Some(event), DeliveryOutcome::Accepted);
        }
        metrics.delivery(Some("star"), DeliveryOutcome::Refused);
        metrics.delivery(None, DeliveryOutcome::Refused);
        metrics.upstream_error("broken");
        metrics.unauthorized.inc_by(3);
        metrics.rate_limited.inc_by(4);
        let mut expected: Vec<String> = Vec::new();
        let requests = methods[..7].iter().map(|method| (*method, "/livez", "2xx", 1));
        let classes = [("1xx", 2), ("3xx", 1), ("4xx", 2), ("5xx", 3)];
        let classes = classes.map(|(class, count)| ("GET", "/redoc", class, count));
        for (method, route, status, count) in
            requests.chain(classes).chain([("other", "/livez", "2xx", 1)])
        {
            expected.push(format!(
                r#"requests_total{{method="{method}",route="{route}",status="{status}"}} {count}"#
            ));
        }
        for (route, sum, counts) in [
            ("/livez", "0.16", [0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8]),
            ("/redoc", "488.0", {
                let mut none = [0; 12];
                none[11] = 8;
                none
            }),
        ] {
            let bounds = [
                "0.001", "0.0025", "0.005", "0.01", "0.025", "0.1", "0.25", "1.0", "2.5", "10.0",
                "60.0", "+Inf",
            ];
            for (bound, count) in bounds.iter().zip(counts) {
                expected.push(format!(
                    r#"request_duration_seconds_bucket{{le="{bound}",route="{route}"}} {count}"#
                ));
            }
            expected.push(format!(r#"request_duration_seconds_count{{route="{route}"}} 8"#));
            expected.push(format!(r#"request_duration_seconds_sum{{route="{route}"}} {sum}"#));
        }
        for event in events {
            expected.push(format!(
                r#"webhook_deliveries_total{{event="{event}",outcome="accepted"}} 1"#
            ));
        }
        expected.push(r#"webhook_deliveries_total{event="other",outcome="refused"} 2"#.to_owned());
        expected.push(r#"upstream_errors_total{kind="broken"} 1"#.to_owned());
        expected.push("unauthorized_total 3".to_owned());
        expected.push("rate_limited_total 4".to_owned());
        expected.push(format!(r#"build_info{{version="{}"}} 1"#, mayfly_common::VERSION));
        expected.sort_unstable();
        let text = metrics.render().unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("mayfly_gateway_"));
        let mut lines: Vec<&str> = lines.collect();
        lines.sort_unstable();
        assert_eq!(lines, expected);
        let mut helps: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# HELP ")).collect();
        helps.sort_unstable();
        let expected = [
            "mayfly_gateway_build This build.",
            "mayfly_gateway_rate_limited Requests refused for coming too often.",
            "mayfly_gateway_request_duration_seconds Time from a request to the head of its answer.",
            "mayfly_gateway_requests Requests answered.",
            "mayfly_gateway_unauthorized Requests refused because their key is missing or not valid.",
            "mayfly_gateway_upstream_errors Requests the orchestrator did not answer properly.",
            "mayfly_gateway_webhook_deliveries Deliveries of GitHub's webhooks.",
        ];
        assert_eq!(helps, expected);
    }
}
