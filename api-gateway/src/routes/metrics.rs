//! The gateway's own metrics, for Prometheus.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use mayfly_common::problem::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::Gateway;
use crate::metrics::CONTENT_TYPE;
use crate::openapi::Problems;

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Get metrics
///
/// The gateway's own counters in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    tag = "Health",
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "application/openmetrics-text"),
        Problems
    )
)]
async fn metrics(State(gateway): State<Gateway>) -> Result<Response, Problem> {
    let text = gateway.metrics.render().map_err(|error| {
        tracing::error!(%error, "metrics cannot be written");
        Problem::internal()
    })?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
