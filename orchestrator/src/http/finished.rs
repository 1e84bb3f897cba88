//! `/api/v1/finished-runners`: what became of runners that are gone.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use mayfly_common::api::{Finished, FinishedList, FinishedQuery};
use mayfly_common::problem::Problem;

use super::Api;
use super::error::{Failure, bad_query};
use super::page::page;

pub(super) async fn list(
    State(api): State<Api>,
    query: Result<Query<FinishedQuery>, QueryRejection>,
) -> Result<Json<FinishedList>, Failure> {
    let Query(query) = query.map_err(bad_query)?;
    let page = page(query.page, query.per_page).map_err(Problem::invalid)?;
    let found = api.handle.store().finished(query, page).await;
    let (total_count, runners) = found.map_err(Failure::unreadable)?;
    Ok(Json(FinishedList { total_count, runners }))
}

pub(super) async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Finished>, Failure> {
    let found = api.handle.store().finished_runner(name).await.map_err(Failure::unreadable)?;
    let found = found.ok_or_else(|| {
        Problem::not_found("It is not known that a runner of that name was here and is gone.")
    })?;
    Ok(Json(found))
}
