//! `/api/v1/runners`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use mayfly_common::api::{
    CleanupQuery, CleanupReport, CreateRunners, DeleteQuery, ListQuery, RegistrationLeft, Runner,
    RunnerList, RunnerLogs,
};
use mayfly_common::foreign_text::{cut, name};
use mayfly_common::name::RunnerName;
use mayfly_common::problem::Problem;
use tokio::sync::Semaphore;

use super::Api;
use super::error::{Failure, bad_query, too_large, unavailable};
use super::page::page;
use crate::reconcile::request::Deleted;
use mayfly_settings::Registration;
use mayfly_settings::pool::splits;

/// Lines of a log that are shown.
const LOG_LINES: u32 = 200;

/// Logs that are read at a time: the engine sends megabytes for each, whatever is shown of them.
const LOG_READERS: usize = 4;
/// How long a request waits for its turn.
const LOG_PATIENCE: Duration = Duration::from_secs(10);

/// Places for those who read logs.
#[derive(Clone)]
pub(super) struct LogPlaces(Arc<Semaphore>);

impl Default for LogPlaces {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOG_READERS)))
    }
}

#[cfg(test)]
impl LogPlaces {
    /// Takes so many places, and fails if that leaves any.
    pub(super) async fn hold(&self, places: u32) -> tokio::sync::OwnedSemaphorePermit {
        let held = Arc::clone(&self.0).acquire_many_owned(places).await;
        assert_eq!(self.0.available_permits(), 0);
        held.expect("nobody closes it")
    }
}

/// 201 with the new runners: all that were asked for, or an error and none.
pub(super) async fn create(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RunnerList>), Failure> {
    let body = body.map_err(|_| too_large())?;
    let wanted = CreateRunners::from_json(&body)?;
    if api.config.runner.registration == Registration::Token
        && let Some(error) = wanted.labels.as_ref().and_then(splits)
    {
        return Err(Problem::invalid(vec![error]).into());
    }
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
    axum::Extension(places): axum::Extension<LogPlaces>,
    Path(id): Path<String>,
) -> Result<Json<RunnerLogs>, Failure> {
    let name = RunnerName::parse(&id).map_err(|_| no_such_runner(&id))?;
    // Held until the log is read.
    let place = tokio::time::timeout(LOG_PATIENCE, places.0.acquire()).await;
    let _place = place.map_err(|_| unavailable("Too many logs are being read."))?;
    let logs = api.handle.logs(&name, LOG_LINES).await?.ok_or_else(|| no_such_runner(&id))?;
    Ok(Json(RunnerLogs { id, logs }))
}

/// 204 if the runner is gone, 202 if GitHub is yet to delete its registration.
pub(super) async fn delete(
    State(api): State<Api>,
    Path(id): Path<String>,
    query: Result<Query<DeleteQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) = query.map_err(bad_query)?;
    let name = RunnerName::parse(&id).map_err(|_| no_such_runner(&id))?;
    Ok(match api.handle.delete(name, query.force).await? {
        Deleted::Gone => StatusCode::NO_CONTENT.into_response(),
        Deleted::RegistrationLeft => {
            (StatusCode::ACCEPTED, Json(RegistrationLeft::of(id))).into_response()
        }
    })
}

pub(super) async fn cleanup(
    State(api): State<Api>,
    query: Result<Query<CleanupQuery>, QueryRejection>,
) -> Result<Json<CleanupReport>, Failure> {
    let Query(query) = query.map_err(bad_query)?;
    Ok(Json(api.handle.cleanup(query.dry_run).await?))
}

fn no_such_runner(id: &str) -> Problem {
    let shown = cut(&name(id), 64);
    Problem::not_found(format!("There is no runner {shown}."))
}
