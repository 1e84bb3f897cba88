//! Pools: policies for runners, made and changed while the platform runs.

use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::Response;
use http::Method;
use http::request::Parts;
use mayfly_common::api::{Pool, PoolList, PoolSpecBody};
use mayfly_common::pool::{PoolName, PoolSpec};
use mayfly_common::problem::{FieldError, Problem};
use mayfly_service::problem::HttpProblem;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{body, forward, query};
use crate::gateway::Gateway;
use crate::openapi::responses::{JsonBodyRefused, NoSuchPool, PoolChangeRefused, Problems};
use crate::orchestrator::Call;

/// The path of one pool, for the description.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "the handlers read the path themselves, to answer a bad name with a problem"
)]
struct PoolPath {
    /// The pool's name.
    #[param(pattern = "^[a-zA-Z0-9_-]{1,32}$", example = "ci")]
    name: String,
}

/// What a change may depend on, for the description.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is passed on as it comes")]
struct IfMatch {
    /// The `ETag` of the pool that is to be changed. If the pool was modified concurrently, nothing is changed (412).
    #[param(rename = "If-Match", required = false, example = "\"1763719200000000\"")]
    if_match: String,
}

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, replace, change, remove))
        .routes(routes!(rotate))
}

/// List pools
///
/// The pool `default`, which the orchestrator's environment describes, and those made here; each with how it stands.
#[utoipa::path(
    get,
    path = "/api/v1/pools",
    operation_id = "listPools",
    tag = "Pools",
    responses((status = 200, description = "The pools.", body = PoolList), Problems)
)]
async fn list(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    query::none(parts.uri.query())?;
    Ok(forward(gateway, parts, Call::new(Method::GET, "/api/v1/pools")).await)
}

/// Make a pool
///
/// It counts at once. What its description leaves out is as the orchestrator's environment says. No credential belongs
/// into it: pools are stored.
#[utoipa::path(
    post,
    path = "/api/v1/pools",
    operation_id = "createPool",
    tag = "Pools",
    request_body(content = PoolSpecBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The new pool.", body = Pool),
        (status = 409, description = "There is a pool of that name, or the database cannot be used."),
        JsonBodyRefused,
        Problems
    )
)]
async fn create(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    let (parts, body) = request.into_parts();
    query::none(parts.uri.query())?;
    body::expect(&parts.headers, &[body::JSON])?;
    let body = body::read(body).await?;
    PoolSpec::from_body(&body)?;
    Ok(forward(gateway, parts, Call { body, ..Call::new(Method::POST, "/api/v1/pools") }).await)
}

/// Get a pool
#[utoipa::path(
    get,
    path = "/api/v1/pools/{name}",
    operation_id = "getPool",
    tag = "Pools",
    params(PoolPath),
    responses(
        (status = 200, description = "The pool.", body = Pool, headers(("etag" = String, description = "Its revision; see `If-Match`."))),
        NoSuchPool,
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
    let call = Call::new(Method::GET, &format!("/api/v1/pools/{name}"));
    Ok(forward(gateway, parts, call).await)
}

/// Replace a pool's description
///
/// Runners that wait and were made from the former one are replaced; busy ones finish.
#[utoipa::path(
    put,
    path = "/api/v1/pools/{name}",
    operation_id = "replacePool",
    tag = "Pools",
    params(PoolPath, IfMatch),
    request_body(content = PoolSpecBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The pool as it is now.", body = Pool),
        PoolChangeRefused,
        JsonBodyRefused,
        Problems
    )
)]
async fn replace(
    State(gateway): State<Gateway>,
    Named(name): Named,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, body) = request.into_parts();
    query::none(parts.uri.query())?;
    body::expect(&parts.headers, &[body::JSON])?;
    let body = body::read(body).await?;
    PoolSpec::from_body(&body)?;
    let call = Call::new(Method::PUT, &format!("/api/v1/pools/{name}"));
    Ok(forward(gateway, parts, Call { body, ..call }).await)
}

/// Change some of a pool's fields
///
/// A JSON Merge Patch (RFC 7396): fields that are there are set, `null` has one be as the environment says, all others stay.
/// For example `{"paused": true}` or `{"min_idle": 3, "max": 10}`.
#[utoipa::path(
    patch,
    path = "/api/v1/pools/{name}",
    operation_id = "changePool",
    tag = "Pools",
    params(PoolPath, IfMatch),
    request_body(content(
        (Object = "application/merge-patch+json", example = json!({"min_idle": 3, "max": 10})),
        (Object = "application/json", example = json!({"paused": true}))
    )),
    responses(
        (status = 200, description = "The pool as it is now.", body = Pool),
        PoolChangeRefused,
        JsonBodyRefused,
        (status = 415, description = "The body is not marked as JSON."),
        Problems
    )
)]
async fn change(
    State(gateway): State<Gateway>,
    Named(name): Named,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, body) = request.into_parts();
    query::none(parts.uri.query())?;
    body::expect(&parts.headers, &[body::MERGE_PATCH, body::JSON])?;
    let body = body::read(body).await?;
    let patch: Value = serde_json::from_slice(&body)
        .map_err(|error| Problem::malformed(format!("The body is not JSON: {error}.")))?;
    if !patch.is_object() {
        let detail = "must be an object".to_owned();
        return Err(Problem::invalid(vec![FieldError { pointer: String::new(), detail }]).into());
    }
    let call = Call::new(Method::PATCH, &format!("/api/v1/pools/{name}"));
    Ok(forward(gateway, parts, Call { body, ..call }).await)
}

/// Remove a pool
///
/// Its waiting runners go; its busy ones finish their jobs.
#[utoipa::path(
    delete,
    path = "/api/v1/pools/{name}",
    operation_id = "deletePool",
    tag = "Pools",
    params(PoolPath, IfMatch),
    responses(
        (status = 204, description = "The pool is gone."),
        PoolChangeRefused,
        Problems
    )
)]
async fn remove(
    State(gateway): State<Gateway>,
    Named(name): Named,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    query::none(parts.uri.query())?;
    let call = Call::new(Method::DELETE, &format!("/api/v1/pools/{name}"));
    Ok(forward(gateway, parts, call).await)
}

/// Rotate a pool
///
/// Replaces every runner that waits by a fresh one, the new one first. Busy ones finish.
#[utoipa::path(
    post,
    path = "/api/v1/pools/{name}/rotate",
    operation_id = "rotatePool",
    tag = "Pools",
    params(PoolPath),
    responses(
        (status = 200, description = "The pool; its runners are being replaced.", body = Pool),
        NoSuchPool,
        (status = 409, description = "The database cannot be used."),
        Problems
    )
)]
async fn rotate(
    State(gateway): State<Gateway>,
    Named(name): Named,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    query::none(parts.uri.query())?;
    let call = Call::new(Method::POST, &format!("/api/v1/pools/{name}/rotate"));
    Ok(forward(gateway, parts, call).await)
}

/// The pool a path names. What cannot be a name is not there, so it is 404 like any other unknown pool.
struct Named(PoolName);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpProblem> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let name = name.ok().and_then(|Path(name)| PoolName::parse(&name).ok());
        name.map(Self).ok_or_else(|| Problem::not_found("There is no pool of that name.").into())
    }
}
