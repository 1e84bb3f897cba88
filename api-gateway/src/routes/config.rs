//! The configuration runners are started with: names, never values.

use axum::extract::{Request, State};
use axum::response::Response;
use http::Method;
use mayfly_common::api::{ConfigInfo, ConfigPlaceholders, ConfigValidation};
use mayfly_service::problem::HttpProblem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{forward, query};
use crate::gateway::Gateway;
use crate::openapi::responses::Problems;
use crate::orchestrator::Call;

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(info))
        .routes(routes!(validate))
        .routes(routes!(placeholders))
}

/// Get the configuration
///
/// The runners' image and the names of the variables every runner gets. No value is shown: it may be a secret.
#[utoipa::path(
    get,
    path = "/api/v1/config/info",
    operation_id = "getConfigInfo",
    tag = "Configuration",
    responses((status = 200, description = "The configuration.", body = ConfigInfo), Problems)
)]
async fn info(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    query::none(parts.uri.query())?;
    Ok(forward(gateway, parts, Call::new(Method::GET, "/api/v1/config/info")).await)
}

/// Check the configuration
///
/// What is wrong, doubtful, or could be better in the orchestrator's environment.
#[utoipa::path(
    get,
    path = "/api/v1/config/validate",
    operation_id = "validateConfig",
    tag = "Configuration",
    responses((status = 200, description = "The verdict.", body = ConfigValidation), Problems)
)]
async fn validate(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    query::none(parts.uri.query())?;
    Ok(forward(gateway, parts, Call::new(Method::GET, "/api/v1/config/validate")).await)
}

/// List placeholders
///
/// What `{…}` in a `runnerenv_` variable can stand for.
#[utoipa::path(
    get,
    path = "/api/v1/config/placeholders",
    operation_id = "listPlaceholders",
    tag = "Configuration",
    responses((status = 200, description = "The placeholders.", body = ConfigPlaceholders), Problems)
)]
async fn placeholders(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    query::none(parts.uri.query())?;
    Ok(forward(gateway, parts, Call::new(Method::GET, "/api/v1/config/placeholders")).await)
}
