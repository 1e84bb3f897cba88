//! What the platform is doing.

use axum::extract::{Request, State};
use axum::response::Response;
use http::Method;
use mayfly_common::api::Status;
use mayfly_service::problem::HttpProblem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{forward, query};
use crate::gateway::Gateway;
use crate::openapi::responses::Problems;
use crate::orchestrator::Call;

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(status))
}

/// Get the status
///
/// How many runners there are, what the last look at GitHub and Docker found, which queued jobs get no runner and why,
/// and the runners that ended last.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    operation_id = "getStatus",
    tag = "Status",
    responses((status = 200, description = "The status.", body = Status), Problems)
)]
async fn status(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    query::none(parts.uri.query())?;
    Ok(forward(gateway, parts, Call::new(Method::GET, "/api/v1/status")).await)
}
