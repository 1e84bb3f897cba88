//! The gateway's own metrics, for Prometheus.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, header};
use mayfly_common::problem::Problem;
use mayfly_service::exposition::Format;
use mayfly_service::problem::HttpProblem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::query;
use crate::gateway::Gateway;
use crate::openapi::responses::Problems;

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Get metrics
///
/// The gateway's own counters, in the format of `OpenMetrics`; in Prometheus' older text format where `Accept` prefers `text/plain`.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    tag = "Health",
    responses(
        (status = 200, description = "The metrics.", content(
            (String = "application/openmetrics-text"),
            (String = "text/plain")
        )),
        Problems
    )
)]
async fn metrics(
    State(gateway): State<Gateway>,
    RawQuery(parameters): RawQuery,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    query::none(parameters.as_deref())?;
    let text = gateway.metrics.render().map_err(|error| {
        tracing::error!(%error, "metrics cannot be written");
        Problem::internal()
    })?;
    let format = Format::preferred(&headers);
    let described = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "accept")];
    Ok((described, format.write(text)).into_response())
}
