//! Middleware around every route: request ids, log lines, counters, and problem+json for every error.
//!
//! A request that is admitted has two log lines ([`admit`]); one that is refused has at most one ([`RefusalLog`]): strangers must not
//! fill the log. What is refused here, before any route, [`browser`] says.
//!
//! Invariants: the query is never logged (somebody may have put a key there); probes are not logged, they come every few
//! seconds; an error that some layer answered in another form leaves here as a problem.

pub(crate) mod admit;
mod browser;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::{HeaderValue, StatusCode, header};
use mayfly_common::problem::{PROBLEM_JSON, Problem};
use mayfly_service::problem::HttpProblem;
use mayfly_service::telemetry::RESPONSE;
use mayfly_service::traces;
use tokio::time::Instant;
use tracing::{Instrument as _, Level, Span, enabled, info};

pub(crate) use admit::Admit;
use admit::{Admitted, mark};
use browser::Admission;

use crate::api_keys::ApiKeys;
use crate::caller::{Caller, X_REQUEST_ID};
use crate::client_address::{TrustedProxies, fold};
use crate::config::Config;
use crate::metrics::{Metrics, route_label};
use crate::paths::{is_probe, shortened};
use crate::refusals::RefusalLog;

/// What the outermost layer needs.
pub(crate) struct Edge {
    keys: ApiKeys,
    trusted_proxies: TrustedProxies,
    admission: Admission,
    refusals: RefusalLog,
    metrics: Arc<Metrics>,
}

impl Edge {
    /// The edge that `config` describes; what it answers is counted in `metrics`.
    pub(crate) fn new(config: &Config, metrics: Arc<Metrics>) -> Self {
        Self {
            keys: config.keys.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            admission: Admission {
                has_keys: !config.keys.is_empty(),
                public_hosts: config.public_hosts.clone(),
                cors: config.cors.clone(),
            },
            refusals: RefusalLog::new(),
            metrics,
        }
    }
}

/// The outermost layer.
pub(crate) async fn observe(
    State(edge): State<Arc<Edge>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let caller = Caller::identify(&request, &edge.keys, &edge.trusted_proxies);
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let matched = matched.as_ref().map(MatchedPath::as_str);
    let route = route_label(matched);
    let path = request.uri().path();
    let probe = is_probe(path);
    let quiet = probe || path == "/metrics";
    let health = path == "/health";
    let shown = enabled!(Level::INFO).then(|| shortened(path));
    let refused = edge.admission.check(&request);
    request.extensions_mut().insert(caller.clone());

    // Whoever calls from outside is not believed to be part of a trace of ours.
    let span = if quiet {
        Span::none()
    } else {
        traces::request(&method, matched.unwrap_or("other"), None)
    };
    let mut response = if let Err(problem) = refused {
        HttpProblem(problem).into_response()
    } else {
        let answered = AssertUnwindSafe(next.run(request).instrument(span.clone()));
        answered.catch_unwind().await.unwrap_or_else(|_| after_panic(&caller))
    };
    let admitted = response.extensions_mut().remove::<Admitted>().is_some();

    let status = response.status();
    traces::answered(&span, status);
    // `/health` says how the gateway is even where that is a 503.
    if !health && (status.is_client_error() || status.is_server_error()) {
        response = as_problem(response);
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_REQUEST_ID, caller.id.clone());
    let took = started.elapsed();
    edge.metrics.answered(&method, route, status, took);
    let Some(path) = shown else { return response };
    let failed = status.is_client_error() || status.is_server_error();
    if admitted && !probe {
        let key = caller.key.map(|id| id.0);
        info!(
            category = RESPONSE,
            // Microseconds are as fine as it gets.
            ms = (took.as_secs_f64() * 1e6).round() / 1e3,
            key,
            request_id = caller.id(),
            "{} {method} {path}",
            status.as_u16()
        );
    } else if !admitted
        && failed
        && let Some(unlogged) = edge.refusals.count(fold(caller.address), Instant::now())
    {
        info!(
            category = RESPONSE,
            client = %caller.address,
            request_id = caller.id(),
            unlogged,
            "{} {method} {path}, refused (not said again of this client within a minute)",
            status.as_u16()
        );
    }
    response
}

/// The answer to a panic. Its own text has gone to standard error; the client gets none of it.
fn after_panic(caller: &Caller) -> Response {
    tracing::error!(request_id = caller.id(), "a handler panicked");
    mark(HttpProblem(Problem::internal()).into_response())
}

/// 404 for a path that is not there.
pub(crate) async fn nothing_here() -> HttpProblem {
    let detail = "There is nothing at this path; GET /openapi.json lists what there is.";
    Problem::not_found(detail).into()
}

/// 405; the router adds `Allow`.
pub(crate) async fn wrong_method() -> HttpProblem {
    Problem::method_not_allowed().into()
}

/// The same error as problem+json; headers such as `Allow` stay.
fn as_problem(response: Response) -> Response {
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(PROBLEM_JSON.as_bytes()));
    if is_problem {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let problem = match parts.status {
        StatusCode::NOT_FOUND => Problem::not_found("There is nothing at this path."),
        StatusCode::METHOD_NOT_ALLOWED => Problem::method_not_allowed(),
        StatusCode::INTERNAL_SERVER_ERROR => Problem::internal(),
        status => {
            Problem::new(status, "http", status.canonical_reason().unwrap_or("The request failed"))
        }
    };
    let answer = HttpProblem(problem).into_response();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    Response::from_parts(parts, Body::new(answer.into_body()))
}

#[cfg(test)]
mod tests;
