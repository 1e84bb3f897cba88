//! Rows of the file and values of the program, one into the other. Times are milliseconds since 1970.

use jiff::Timestamp;
use mayfly_common::label::LabelSet;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::{HookTarget, JobStatus};
use rusqlite::{Connection, Row as Found, params};

use super::{KnownHook, PoolRow};
use mayfly_planner::ledger::Row;

const TARGETS: [(HookTarget, &str); 4] = [
    (HookTarget::Repository, "repository"),
    (HookTarget::Organization, "organization"),
    (HookTarget::Integration, "integration"),
    (HookTarget::Business, "business"),
];

pub(super) fn target(target: HookTarget) -> &'static str {
    TARGETS.iter().find(|(known, _)| *known == target).map_or("", |(_, name)| *name)
}

/// The columns that [`job`] reads.
pub(super) const JOB: &str =
    "id, repository, name, labels, status, conclusion, queued_at, started_at, completed_at, runner,
    told_at, left_at, seen_at, pool, queue_known";

pub(super) fn save(connection: &Connection, job: &Row) -> Result<(), rusqlite::Error> {
    let milliseconds = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO jobs (id, repository, name, labels, status, conclusion, queued_at, started_at, completed_at,
                 runner, told_at, left_at, seen_at, pool, queue_known) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            job.id,
            job.repo.to_string(),
            job.name,
            // No label has a line break.
            job.labels.to_strings().join("\n"),
            job.status.as_str(),
            job.conclusion,
            job.queued_at.as_millisecond(),
            milliseconds(job.started_at),
            milliseconds(job.completed_at),
            job.runner,
            milliseconds(job.told_at),
            milliseconds(job.left_at),
            job.seen_at.as_millisecond(),
            job.pool,
            job.queue_known,
        ])
        .map(drop)
}

/// None: the row is not one that this program wrote.
pub(super) fn job(found: &Found<'_>) -> Result<Option<Row>, rusqlite::Error> {
    let time = |column: &str| -> Result<Option<Timestamp>, rusqlite::Error> {
        let at: Option<i64> = found.get(column)?;
        Ok(at.and_then(|at| Timestamp::from_millisecond(at).ok()))
    };
    let (repo, labels): (String, String) = (found.get("repository")?, found.get("labels")?);
    let status: String = found.get("status")?;
    let status = JobStatus::ALL.iter().find(|(_, name)| *name == status).map(|(known, _)| *known);
    let (Some(repo), Some(status)) = (RepoSlug::parse(&repo).ok(), status) else { return Ok(None) };
    let (Some(queued_at), Some(seen_at)) = (time("queued_at")?, time("seen_at")?) else {
        return Ok(None);
    };
    Ok(Some(Row {
        id: found.get("id")?,
        repo,
        name: found.get("name")?,
        labels: LabelSet::requested(labels.lines()),
        status,
        conclusion: found.get("conclusion")?,
        queued_at,
        queue_known: found.get("queue_known")?,
        started_at: time("started_at")?,
        completed_at: time("completed_at")?,
        runner: found.get("runner")?,
        pool: found.get("pool")?,
        told_at: time("told_at")?,
        left_at: time("left_at")?,
        seen_at,
    }))
}

pub(super) fn pool(found: &Found<'_>) -> Result<PoolRow, rusqlite::Error> {
    let time = |at: i64| Timestamp::from_millisecond(at).unwrap_or_default();
    let rotate_before: Option<i64> = found.get("rotate_before")?;
    Ok(PoolRow {
        name: found.get("name")?,
        spec: found.get("spec")?,
        revision: found.get("revision")?,
        created_at: time(found.get("created_at")?),
        updated_at: time(found.get("updated_at")?),
        rotate_before: rotate_before.map(time),
    })
}

/// None: the row is not one that this program wrote.
pub(super) fn hook(found: &Found<'_>) -> Result<Option<KnownHook>, rusqlite::Error> {
    let target: String = found.get("target")?;
    let target = TARGETS.iter().find(|(_, name)| *name == target).map(|(known, _)| *known);
    let seen: i64 = found.get("last_seen_at")?;
    let (Some(target), Ok(last_seen_at)) = (target, Timestamp::from_millisecond(seen)) else {
        return Ok(None);
    };
    let (id, target_name) = (found.get("id")?, found.get("target_name")?);
    Ok(Some(KnownHook { id, target, target_name, last_seen_at }))
}

#[cfg(test)]
mod tests;
