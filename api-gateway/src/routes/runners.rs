//! Runners: start, list, look at, remove.

use axum::Router;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::Method;
use http::request::Parts;
use mayfly_common::api::{
    CleanupQuery, CleanupReport, CreateRunners, DeleteQuery, ListQuery, RegistrationLeft, Runner,
    RunnerList, RunnerLogs,
};
use mayfly_common::name::RunnerName;
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::create_schema::CreateBody;
use super::{body, forward, query};
use crate::gateway::Gateway;
use crate::openapi::responses::{JsonBodyRefused, NoSuchRunner, Problems};
use crate::orchestrator::Call;

/// The path of one runner, for the description.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "the handlers read the path themselves, to answer a bad id with a problem"
)]
pub(super) struct RunnerPath {
    /// The runner's id, which is its name.
    #[param(pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{1,63}$", example = "mayfly-5ehl-0a1b2c")]
    id: String,
}

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, remove))
        .routes(routes!(logs))
        .routes(routes!(cleanup))
}

/// The same without `/api/v1`, as the predecessor's manual promised them.
pub(super) fn aliases() -> Router<Gateway> {
    Router::new()
        .route("/runners", get(list).post(create))
        .route("/runners/{id}", get(read).delete(remove))
        .route("/runners/{id}/logs", get(logs))
        .route("/runners/cleanup", post(cleanup))
}

/// List runners
///
/// The runners that exist now, oldest first. For runners that are gone, see `/api/v1/finished-runners`.
#[utoipa::path(
    get,
    path = "/api/v1/runners",
    operation_id = "listRunners",
    tag = "Runners",
    params(ListQuery),
    responses((status = 200, description = "A page of runners.", body = RunnerList), Problems)
)]
async fn list(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    let filter = query::list(parts.uri.query())?;
    let call = Call::new(Method::GET, &format!("/api/v1/runners{filter}"));
    Ok(forward(gateway, parts, call).await)
}

/// Start runners
///
/// Starts self-hosted runners for a repository or an organisation. Each one registers, takes a single job, and is
/// removed with its container when the job is done. Runners for queued jobs are started without being asked for; use
/// this to warm some up, or to try labels out.
#[utoipa::path(
    post,
    path = "/api/v1/runners",
    operation_id = "createRunners",
    tag = "Runners",
    request_body(content = CreateBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The runners are being started.", body = RunnerList),
        (status = 409, description = "There is no room for the runners, or a runner of that name exists."),
        JsonBodyRefused,
        Problems
    )
)]
async fn create(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    let (parts, body) = request.into_parts();
    query::none(parts.uri.query())?;
    body::expect(&parts.headers, &[body::JSON])?;
    let body = body::read(body).await?;
    // What is checked is what is sent on: the same bytes, so the two services cannot read them differently.
    CreateRunners::from_json(&body)?;
    let call = Call { body, ..Call::new(Method::POST, "/api/v1/runners") };
    Ok(forward(gateway, parts, call).await)
}

/// Get a runner
#[utoipa::path(
    get,
    path = "/api/v1/runners/{id}",
    operation_id = "getRunner",
    tag = "Runners",
    params(RunnerPath),
    responses(
        (status = 200, description = "The runner.", body = Runner),
        NoSuchRunner,
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
    let call = Call::new(Method::GET, &format!("/api/v1/runners/{}", name.as_str()));
    Ok(forward(gateway, parts, call).await)
}

/// Remove a runner
///
/// Deletes the registration at GitHub, then the container. A runner that is executing a job is left alone, unless `force` is
/// `true`: then it is removed, and its job fails. With `force`, the container is also removed if GitHub does not delete the
/// registration; that is deleted later, without being asked for.
#[utoipa::path(
    delete,
    path = "/api/v1/runners/{id}",
    operation_id = "deleteRunner",
    tag = "Runners",
    params(RunnerPath, DeleteQuery),
    responses(
        (status = 202, description = "The container is removed by `force`. GitHub did not delete the registration; it is deleted when GitHub has listed the runner as offline for `RUNNER_REGISTRATION_TIMEOUT`.", body = RegistrationLeft),
        (status = 204, description = "The runner is gone."),
        NoSuchRunner,
        (status = 409, description = "The runner is executing a job, and `force` is not `true`; or it is being started or removed at this moment."),
        Problems
    )
)]
async fn remove(
    State(gateway): State<Gateway>,
    Named(name): Named,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    let options = query::remove(parts.uri.query())?;
    let call = Call::new(Method::DELETE, &format!("/api/v1/runners/{}{options}", name.as_str()));
    Ok(forward(gateway, parts, call).await)
}

/// Get a runner's log
///
/// The last lines the runner printed, for a runner that exists or has just gone.
#[utoipa::path(
    get,
    path = "/api/v1/runners/{id}/logs",
    operation_id = "getRunnerLogs",
    tag = "Runners",
    params(RunnerPath),
    responses(
        (status = 200, description = "The last lines of the log.", body = RunnerLogs),
        NoSuchRunner,
        Problems
    )
)]
async fn logs(
    State(gateway): State<Gateway>,
    Named(name): Named,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    query::none(parts.uri.query())?;
    let call = Call::new(Method::GET, &format!("/api/v1/runners/{}/logs", name.as_str()));
    Ok(forward(gateway, parts, call).await)
}

/// Clean up
///
/// Removes what should not be there: containers that ended, containers without a registration, registrations without a
/// container. Every pass does so by itself; this asks for it now.
#[utoipa::path(
    post,
    path = "/api/v1/runners/cleanup",
    operation_id = "cleanUpRunners",
    tag = "Runners",
    params(CleanupQuery),
    responses((status = 200, description = "What was done.", body = CleanupReport), Problems)
)]
async fn cleanup(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    let options = query::cleanup(parts.uri.query())?;
    let call = Call::new(Method::POST, &format!("/api/v1/runners/cleanup{options}"));
    Ok(forward(gateway, parts, call).await)
}

/// The runner a path names. What cannot be a name is not there, so it is 404 like any other unknown runner.
pub(super) struct Named(pub(super) RunnerName);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpProblem> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        let name = id.ok().and_then(|Path(id)| RunnerName::parse(&id).ok());
        name.map(Self).ok_or_else(|| Problem::not_found("There is no runner of that id.").into())
    }
}
