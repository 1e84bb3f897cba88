//! Runners that are gone: what became of them.

use axum::extract::{Request, State};
use axum::response::Response;
use http::Method;
use mayfly_common::api::{Finished, FinishedList, FinishedQuery};
use mayfly_service::problem::HttpProblem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::runners::{Named, RunnerPath};
use super::{forward, query};
use crate::gateway::Gateway;
use crate::openapi::responses::Problems;
use crate::orchestrator::Call;

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read))
}

/// List runners that are gone
///
/// How they ended and why, the latest first. They are kept for 30 days, or 5,000 of them.
#[utoipa::path(
    get,
    path = "/api/v1/finished-runners",
    operation_id = "listFinishedRunners",
    tag = "Runners",
    params(FinishedQuery),
    responses((status = 200, description = "A page of runners.", body = FinishedList), Problems)
)]
async fn list(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    let filter = query::finished(parts.uri.query())?;
    let call = Call::new(Method::GET, &format!("/api/v1/finished-runners{filter}"));
    Ok(forward(gateway, parts, call).await)
}

/// Get a runner that is gone
///
/// The latest of that name, with the last 200 lines it printed.
#[utoipa::path(
    get,
    path = "/api/v1/finished-runners/{id}",
    operation_id = "getFinishedRunner",
    tag = "Runners",
    params(RunnerPath),
    responses(
        (status = 200, description = "What became of it.", body = Finished),
        (status = 404, description = "It is not known that such a runner was here and is gone."),
        Problems
    )
)]
async fn read(
    State(gateway): State<Gateway>,
    Named(name): Named,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    query::none(parts.uri.query())?;
    let call = Call::new(Method::GET, &format!("/api/v1/finished-runners/{}", name.as_str()));
    Ok(forward(gateway, parts, call).await)
}
