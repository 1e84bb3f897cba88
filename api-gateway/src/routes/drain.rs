//! Taking an installation out of service.

use axum::extract::{Request, State};
use axum::response::Response;
use http::Method;
use mayfly_common::api::{DrainStatus, UninstallReport};
use mayfly_service::problem::HttpProblem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{forward, query};
use crate::gateway::Gateway;
use crate::openapi::responses::Problems;
use crate::orchestrator::Call;

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(show, begin, end)).routes(routes!(uninstall))
}

/// Get the drain
///
/// True if the platform drains, and how many runners are left.
#[utoipa::path(
    get,
    path = "/api/v1/drain",
    operation_id = "getDrain",
    tag = "Service",
    responses((status = 200, description = "The drain.", body = DrainStatus), Problems)
)]
async fn show(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    send(gateway, request, Method::GET, "/api/v1/drain").await
}

/// Drain
///
/// Nothing new is started, waiting runners leave, busy ones finish their jobs. It is stored, and survives a restart, until it is
/// ended. Jobs wait at GitHub meanwhile.
#[utoipa::path(
    put,
    path = "/api/v1/drain",
    operation_id = "beginDrain",
    tag = "Service",
    responses((status = 200, description = "The drain, which has begun.", body = DrainStatus), Problems)
)]
async fn begin(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    send(gateway, request, Method::PUT, "/api/v1/drain").await
}

/// End the drain
///
/// Runners are started again.
#[utoipa::path(
    delete,
    path = "/api/v1/drain",
    operation_id = "endDrain",
    tag = "Service",
    responses((status = 200, description = "There is no drain any more.", body = DrainStatus), Problems)
)]
async fn end(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    send(gateway, request, Method::DELETE, "/api/v1/drain").await
}

/// Uninstall
///
/// Removes what is left of this installation at GitHub and on the host once it is drained: registrations, containers that ended,
/// networks. Images and the database stay. Ask again until nothing is left.
#[utoipa::path(
    post,
    path = "/api/v1/uninstall",
    operation_id = "uninstall",
    tag = "Service",
    responses(
        (status = 200, description = "What was removed, and what is left.", body = UninstallReport),
        (status = 409, description = "The platform is not draining, or runners are left."),
        Problems
    )
)]
async fn uninstall(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Response, HttpProblem> {
    send(gateway, request, Method::POST, "/api/v1/uninstall").await
}

async fn send(
    gateway: Gateway,
    request: Request,
    method: Method,
    path: &str,
) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    query::none(parts.uri.query())?;
    Ok(forward(gateway, parts, Call::new(method, path)).await)
}
