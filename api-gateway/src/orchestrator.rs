//! The hop to the orchestrator.
//!
//! Invariants: only the headers named here cross the hop, in either direction, so no credential does; one deadline covers
//! all attempts; a request is repeated only if the orchestrator cannot have acted on it, or if acting twice is the same
//! as acting once.

mod answer;
mod deliver;
mod failure;
mod probe;
mod upstream;
mod url;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;
use mayfly_service::traces;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use upstream::{Upstream, UpstreamError};
pub use url::OrchestratorUrl;

use crate::caller::{Caller, X_REQUEST_ID};
use crate::metrics::Metrics;
use failure::Failure;
use probe::Probe;

/// How often a request is tried when the orchestrator cannot be reached.
const ATTEMPTS: u32 = 3;
/// The wait before the second attempt; twice that before the third.
const BACKOFF: Duration = Duration::from_millis(100);
/// Most bytes read of the orchestrator's own health.
const MAX_HEALTH_BODY: usize = 64 * 1024;

/// Request headers that go to the orchestrator.
const REQUEST_HEADERS: [HeaderName; 5] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    // A stream goes on from there (WHATWG HTML, "Server-sent events").
    HeaderName::from_static("last-event-id"),
];

/// One request to the orchestrator, as often as it is tried.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) target: PathAndQuery,
    pub(crate) body: Bytes,
    /// True if acting twice is the same as acting once.
    pub(crate) repeatable: bool,
}

impl Call {
    /// A request without a body for `target`, which must be a path made of checked parts.
    pub(crate) fn new(method: Method, target: &str) -> Self {
        let target = PathAndQuery::try_from(target)
            .expect("made of fixed parts, checked names and an encoded query");
        let repeatable = method.is_idempotent();
        Self { method, target, body: Bytes::new(), repeatable }
    }
}

/// The client of the orchestrator, one for the whole gateway.
pub(crate) struct Orchestrator {
    upstream: Upstream,
    authority: Authority,
    timeout: Duration,
    metrics: Arc<Metrics>,
    /// Streams end when it is cancelled.
    stop: CancellationToken,
    health: Probe,
    readiness: Probe,
}

impl Orchestrator {
    pub(crate) fn new(
        upstream: Upstream,
        url: &OrchestratorUrl,
        timeout: Duration,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            upstream,
            authority: url.authority().clone(),
            timeout,
            metrics,
            stop,
            health: Probe::default(),
            readiness: Probe::default(),
        }
    }

    /// Sends `call` for `caller` and gives the client what may be passed on of the answer.
    pub(crate) async fn forward(
        &self,
        call: &Call,
        headers: &HeaderMap,
        caller: &Caller,
    ) -> Response {
        let answered = async {
            answer::pass_on(self.attempts(call, headers, caller).await?, &self.stop).await
        };
        let answered = timeout(self.timeout, answered).await;
        let answered = answered.unwrap_or(Err(Failure::TooSlow(self.timeout)));
        answered.unwrap_or_else(|failure| {
            HttpProblem(self.failed(&failure, call, caller)).into_response()
        })
    }

    /// Counts and logs a failure, and says what the client is told.
    fn failed(&self, failure: &Failure, call: &Call, caller: &Caller) -> Problem {
        self.metrics.upstream_error(failure.kind());
        let target = call.target.path();
        tracing::warn!(
            request_id = caller.id(),
            reason = %failure,
            "the orchestrator failed {} {target}",
            call.method
        );
        failure.problem()
    }

    async fn attempts(
        &self,
        call: &Call,
        headers: &HeaderMap,
        caller: &Caller,
    ) -> Result<http::Response<Body>, Failure> {
        let mut attempt = 1;
        loop {
            let request = self.request(call, headers, &caller.id);
            let error = match self.upstream.send(request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            // Without a connection nothing was sent; with one, only a repeatable call is tried again.
            let repeatable = matches!(error, UpstreamError::Unreachable(_)) || call.repeatable;
            if attempt == ATTEMPTS || !repeatable {
                return Err(Failure::from(error));
            }
            sleep(BACKOFF * attempt).await;
            attempt += 1;
        }
    }

    fn request(&self, call: &Call, headers: &HeaderMap, id: &HeaderValue) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = self.uri(call.target.clone());
        let passed = request.headers_mut();
        for name in REQUEST_HEADERS {
            if let Some(value) = headers.get(&name) {
                passed.insert(name, value.clone());
            }
        }
        passed.insert(X_REQUEST_ID, id.clone());
        traces::pass_on(passed);
        request
    }

    /// What the orchestrator's `/health` answered within the last second, or answers within `limit`.
    pub(crate) async fn health(&self, limit: Duration) -> Option<(StatusCode, Bytes)> {
        self.health.answer(self.probe("/health", limit)).await
    }

    /// The same for `/readyz`.
    pub(crate) async fn readiness(&self, limit: Duration) -> Option<(StatusCode, Bytes)> {
        self.readiness.answer(self.probe("/readyz", limit)).await
    }

    /// What `GET path` answers within `limit`: one attempt, no retry, because probes repeat themselves.
    async fn probe(&self, path: &'static str, limit: Duration) -> Option<(StatusCode, Bytes)> {
        let asked = async {
            let mut request = Request::new(Full::default());
            *request.uri_mut() = self.uri(PathAndQuery::from_static(path));
            let response = self.upstream.send(request).await.ok()?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_HEALTH_BODY).collect().await.ok()?;
            Some((status, body.to_bytes()))
        };
        timeout(limit, asked).await.ok().flatten()
    }

    fn uri(&self, target: PathAndQuery) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(target);
        Uri::from_parts(parts).expect("scheme, authority and path are all there")
    }
}

#[cfg(test)]
mod tests {
    use super::upstream::{CONNECT_TIMEOUT, IDLE_TIMEOUT};
    use super::*;

    /// Else an orchestrator that cannot be reached would look like one that is slow.
    #[test]
    fn all_attempts_fit_into_the_default_deadline() {
        let waits: u32 = (1..ATTEMPTS).sum();
        let all = CONNECT_TIMEOUT * ATTEMPTS + BACKOFF * waits;
        assert!(all < crate::Config::default().request_timeout, "{all:?}");
        assert!(all < deliver::DEADLINE, "{all:?}");
        assert_eq!(all, Duration::from_millis(6300), "three times two seconds, and the pauses");
        // What a server closes first, a request can get lost on. Ours keeps what is idle for 20 seconds.
        assert!((5..=10).contains(&IDLE_TIMEOUT.as_secs()), "{IDLE_TIMEOUT:?}");
    }
}
