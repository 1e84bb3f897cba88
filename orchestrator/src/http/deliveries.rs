//! `/api/v1/deliveries`: what the gateway was told by a webhook whose signature was right.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use mayfly_common::problem::Problem;
use mayfly_common::webhook::{Delivery, Receipt};
use mayfly_service::problem::HttpProblem;

use super::Api;

/// Largest delivery, in bytes. The gateway sends only what the platform reads of it.
pub(super) const MAX_BODY: usize = 1 << 20;

/// Answers once the delivery is kept.
pub(super) async fn accept(State(api): State<Api>, body: Bytes) -> Response {
    let delivery: Delivery = match serde_json::from_slice(&body) {
        Ok(delivery) => delivery,
        Err(error) => return HttpProblem(Problem::malformed(error.to_string())).into_response(),
    };
    let outcome = api.handle.deliver(delivery).await;
    (StatusCode::ACCEPTED, Json(Receipt { outcome })).into_response()
}
