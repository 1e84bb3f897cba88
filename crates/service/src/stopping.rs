//! What a service answers between its stop signal and its end, while it finishes what it began.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use mayfly_common::VERSION;
use mayfly_common::api::{Health, HealthStatus};
use mayfly_common::problem::Problem;

use crate::problem::HttpProblem;

/// When to try again, in seconds: about as long as the next start takes.
const RETRY_AFTER: u64 = 5;

/// The answer of the stopping `service` to a request for `path`. `None` for `/livez`, which is answered as before: a process that
/// stops in good order must not be killed for it.
pub fn answer(service: &str, path: &str) -> Option<Response> {
    match path {
        "/livez" => None,
        "/health" => Some(health(service)),
        _ => Some(refusal()),
    }
}

fn health(service: &str) -> Response {
    let health = Health {
        status: HealthStatus::ShuttingDown,
        service: service.to_owned(),
        version: VERSION.to_owned(),
        dependencies: BTreeMap::new(),
        answered_seconds_ago: BTreeMap::new(),
        orchestrator: None,
    };
    let retry = [(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, Json(health)).into_response()
}

fn refusal() -> Response {
    let title = "The service is shutting down";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "shutting-down", title)
        .with_detail("It finishes what it began and takes nothing new. Retry once it runs again.")
        .with_retry_after(RETRY_AFTER);
    HttpProblem(problem).into_response()
}
