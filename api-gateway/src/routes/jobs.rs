//! Jobs: what is known of them, and why one waits.

use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::Response;
use http::Method;
use http::request::Parts;
use mayfly_common::api::{ExplainQuery, Explanation, Job, JobList, JobQuery, JobStats, StatsQuery};
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{forward, query};
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::openapi::responses::Problems;
use crate::orchestrator::Call;
use crate::rate_limit::Bucket;

/// The path of one job, for the description.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "the handlers read the path themselves, to answer a bad id with a problem"
)]
struct JobPath {
    /// GitHub's id of the job, as in the address of its page.
    #[param(minimum = 1, example = 51_234_567_890_i64)]
    id: i64,
}

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(stats))
        .routes(routes!(read))
        .routes(routes!(explain))
}

/// List jobs
///
/// The ledger: jobs that webhooks told of or that GitHub listed, the latest first. It is kept for 90 days, or 100,000 jobs.
#[utoipa::path(
    get,
    path = "/api/v1/jobs",
    operation_id = "listJobs",
    tag = "Jobs",
    params(JobQuery),
    responses((status = 200, description = "A page of jobs.", body = JobList), Problems)
)]
async fn list(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    let filter = query::jobs(parts.uri.query())?;
    let call = Call::new(Method::GET, &format!("/api/v1/jobs{filter}"));
    Ok(forward(gateway, parts, call).await)
}

/// Sum jobs up
///
/// How many jobs runners from here ended, how long they ran and waited, by repository.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/stats",
    operation_id = "getJobStats",
    tag = "Jobs",
    params(StatsQuery),
    responses((status = 200, description = "The sums.", body = JobStats), Problems)
)]
async fn stats(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    let days = query::stats(parts.uri.query())?;
    let call = Call::new(Method::GET, &format!("/api/v1/jobs/stats{days}"));
    Ok(forward(gateway, parts, call).await)
}

/// Get a job
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{id}",
    operation_id = "getJob",
    tag = "Jobs",
    params(JobPath),
    responses(
        (status = 200, description = "The job.", body = Job),
        (status = 404, description = "The ledger has no such job."),
        Problems
    )
)]
async fn read(
    State(gateway): State<Gateway>,
    Numbered(id): Numbered,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    query::none(parts.uri.query())?;
    let call = Call::new(Method::GET, &format!("/api/v1/jobs/{id}"));
    Ok(forward(gateway, parts, call).await)
}

/// Explain why a job waits
///
/// All that is in its way, the most likely cause first, each with what to do about it. If the query names the repository, this also
/// explains a job that no webhook and no check has reported: GitHub is then asked, at low priority. A caller may send such a query
/// once a second, and 20 times at once.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{id}/explain",
    operation_id = "explainJob",
    tag = "Jobs",
    params(JobPath, ExplainQuery),
    responses(
        (status = 200, description = "The explanation.", body = Explanation),
        (status = 404, description = "That is no job's id."),
        Problems
    )
)]
async fn explain(
    State(gateway): State<Gateway>,
    Numbered(id): Numbered,
    request: Request,
) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    let repository = query::explain(parts.uri.query())?;
    // An unknown job costs a request to GitHub, which queued jobs then lack.
    if !repository.is_empty() {
        let bucket = Bucket::of(parts.extensions.get::<Caller>());
        gateway.rate_limits.draw_costly(&bucket)?;
    }
    let call = Call::new(Method::GET, &format!("/api/v1/jobs/{id}/explain{repository}"));
    Ok(forward(gateway, parts, call).await)
}

/// The job a path names. What cannot be an id is not there, so it is 404 like any other unknown job.
struct Numbered(i64);

impl<S: Send + Sync> FromRequestParts<S> for Numbered {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpProblem> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        let id = id.ok().and_then(|Path(id)| id.parse().ok()).filter(|id: &i64| *id > 0);
        id.map(Self).ok_or_else(|| Problem::not_found("There is no job of that id.").into())
    }
}
