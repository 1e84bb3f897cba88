//! `/api/v1/jobs`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::{ExplainQuery, Explanation, Job, JobList, JobQuery, JobStats, StatsQuery};
use mayfly_common::problem::Problem;
use mayfly_common::scope::RepoSlug;

use super::Api;
use super::error::{Failure, bad_query};
use super::page::{page, wrong};
use mayfly_github::GitHubError;
use mayfly_planner::explain::{Facts, Unasked, explain, shown};
use mayfly_planner::ledger::Row;

pub(super) async fn list(
    State(api): State<Api>,
    query: Result<Query<JobQuery>, QueryRejection>,
) -> Result<Json<JobList>, Failure> {
    let Query(query) = query.map_err(bad_query)?;
    let mut errors = Vec::new();
    let page = page(query.page, query.per_page).unwrap_or_else(|wrong| {
        errors = wrong;
        Default::default()
    });
    let repo = query.repository.as_deref().map(RepoSlug::parse).transpose();
    let repo = repo.unwrap_or_else(|error| {
        errors.push(wrong("repository", &error.to_string()));
        None
    });
    if !errors.is_empty() {
        return Err(Problem::invalid(errors).into());
    }
    let repo = repo.map(|repo| repo.to_string());
    let found = api.handle.store().jobs(repo, query.status, page).await;
    let (total_count, rows) = found.map_err(Failure::unreadable)?;
    let repositories = api.handle.snapshot().repositories.clone();
    let jobs = rows.iter().map(|row| shown(row, &repositories)).collect();
    Ok(Json(JobList { total_count, jobs }))
}

/// How many days are counted, unless the query says otherwise.
const DAYS: u16 = 30;

pub(super) async fn stats(
    State(api): State<Api>,
    query: Result<Query<StatsQuery>, QueryRejection>,
) -> Result<Json<JobStats>, Failure> {
    let Query(query) = query.map_err(bad_query)?;
    let days = query.days.unwrap_or(DAYS);
    if !(1..=365).contains(&days) {
        return Err(Problem::invalid(vec![wrong("days", "must be from 1 to 365")]).into());
    }
    let span = SignedDuration::from_hours(i64::from(days) * 24);
    let since = api.handle.now().saturating_sub(span).unwrap_or(Timestamp::MIN);
    let repositories = api.handle.store().job_stats(since).await.map_err(Failure::unreadable)?;
    Ok(Json(JobStats { since, repositories }))
}

pub(super) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Job>, Failure> {
    let row = row(&api, number(&id)?).await?;
    let row = row.ok_or_else(|| Problem::not_found("There is no such job in the ledger."))?;
    Ok(Json(shown(&row, &api.handle.snapshot().repositories)))
}

pub(super) async fn explained(
    State(api): State<Api>,
    Path(id): Path<String>,
    query: Result<Query<ExplainQuery>, QueryRejection>,
) -> Result<Json<Explanation>, Failure> {
    let id = number(&id)?;
    let Query(query) = query.map_err(bad_query)?;
    let named = query.repository();
    let named = named.map_err(|error| Problem::invalid(vec![wrong("repository", &error)]))?;
    let mut row = row(&api, id).await?;
    let repo = row.as_ref().map(|row| row.repo.clone()).or(named);
    let mut unasked = None;
    if let (None, Some(repo)) = (&row, &repo) {
        // Nobody told us of it; GitHub knows.
        match api.handle.job_at_github(repo, id).await {
            Ok(found) => row = Some(found),
            Err(GitHubError::NotFound) => unasked = Some(Unasked::Unknown),
            Err(error) => unasked = Some(Unasked::Failed(error.to_string())),
        }
    }
    let snapshot = api.handle.snapshot();
    Ok(Json(explain(&Facts {
        id,
        job: row.as_ref(),
        repo: repo.as_ref(),
        unasked,
        seen: &snapshot,
        auto_create: api.config.auto_create,
        now: api.handle.now(),
    })))
}

async fn row(api: &Api, id: i64) -> Result<Option<Row>, Failure> {
    api.handle.store().job(id).await.map_err(Failure::unreadable)
}

fn number(id: &str) -> Result<i64, Problem> {
    let number = id.parse().ok().filter(|number: &i64| *number > 0);
    number.ok_or_else(|| Problem::not_found("There is no such job in the ledger."))
}
