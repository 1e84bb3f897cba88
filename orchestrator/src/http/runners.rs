//! `/api/v1/runners`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use http::StatusCode;
use mayfly_common::api::{
    CleanupQuery, CleanupReport, CreateRunners, DeleteQuery, ListQuery, Runner, RunnerList,
    RunnerLogs,
};
use mayfly_common::name::RunnerName;
use mayfly_common::problem::Problem;

use super::Api;
use super::error::{Failure, bad_query, too_large};
use super::page::page;
use crate::redact::redact;

/// Lines of a log that are shown.
const LOG_LINES: u32 = 200;

/// 201 with the new runners: all that were asked for, or an error and none.
pub(super) async fn create(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RunnerList>), Failure> {
    let body = body.map_err(|_| too_large())?;
    let wanted = CreateRunners::from_json(&body)?;
    let runners = api.handle.create(wanted).await?;
    Ok((StatusCode::CREATED, Json(RunnerList { total_count: runners.len(), runners })))
}

pub(super) async fn list(
    State(api): State<Api>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<RunnerList>, Failure> {
    let Query(query) = query.map_err(bad_query)?;
    page(query.page, query.per_page).map_err(Problem::invalid)?;
    Ok(Json(RunnerList::page(api.handle.snapshot().runners, &query)))
}

pub(super) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Runner>, Failure> {
    let found = api.handle.snapshot().runners.into_iter().find(|runner| runner.id == id);
    Ok(Json(found.ok_or_else(|| no_such_runner(&id))?))
}

pub(super) async fn logs(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<RunnerLogs>, Failure> {
    let name = RunnerName::parse(&id).map_err(|_| no_such_runner(&id))?;
    let logs = api.handle.logs(&name, LOG_LINES).await?.ok_or_else(|| no_such_runner(&id))?;
    Ok(Json(RunnerLogs { id, logs: redact(&logs) }))
}

pub(super) async fn delete(
    State(api): State<Api>,
    Path(id): Path<String>,
    query: Result<Query<DeleteQuery>, QueryRejection>,
) -> Result<StatusCode, Failure> {
    let Query(query) = query.map_err(bad_query)?;
    let name = RunnerName::parse(&id).map_err(|_| no_such_runner(&id))?;
    api.handle.delete(name, query.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn cleanup(
    State(api): State<Api>,
    query: Result<Query<CleanupQuery>, QueryRejection>,
) -> Result<Json<CleanupReport>, Failure> {
    let Query(query) = query.map_err(bad_query)?;
    Ok(Json(api.handle.cleanup(query.dry_run).await?))
}

fn no_such_runner(id: &str) -> Problem {
    let shown: String = id.chars().filter(|c| !c.is_control()).take(64).collect();
    Problem::not_found(format!("There is no runner {shown}."))
}
