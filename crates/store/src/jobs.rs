//! The job ledger.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::RepositoryStats;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::JobStatus;
use mayfly_planner::ledger::Row;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Store, StoreError, cutoff, rows};

/// How long jobs that are over are remembered.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Most jobs read at a start that are over.
const MOST_OVER: i64 = 5_000;
/// Most jobs remembered.
const MOST: i64 = 100_000;

impl Store {
    /// Keeps rows of the ledger.
    ///
    /// Errors: they cannot be written.
    pub async fn save(&self, jobs: Vec<Row>) -> Result<(), StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            for job in &jobs {
                rows::save(&transaction, job)?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// These repositories have new names, by the old ones: so do their jobs.
    ///
    /// Errors: that cannot be written.
    pub async fn rename(&self, names: BTreeMap<RepoSlug, RepoSlug>) -> Result<(), StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            for (old, new) in &names {
                let update = "UPDATE jobs SET repository = ?2 WHERE repository = ?1 COLLATE NOCASE";
                transaction.execute(update, params![old.to_string(), new.to_string()])?;
            }
            transaction.commit()
        })
        .await
    }

    /// The rows of jobs that are not over, and of those that were over within the last hour that anything is known of: what is told of them
    /// again is no news.
    ///
    /// Errors: they cannot be read.
    pub async fn recent_jobs(&self) -> Result<Vec<Row>, StoreError> {
        self.run(|connection| {
            let columns = rows::JOB;
            let mut query = connection.prepare(&format!(
                // What left the queue in the last hour may still be asked about.
                "WITH last AS (SELECT max(seen_at) - 3600000 AS hour FROM jobs)
                 SELECT {columns} FROM jobs, last WHERE status <> 'completed' AND (left_at IS NULL OR left_at > hour)
                 UNION ALL
                 SELECT * FROM (SELECT {columns} FROM jobs, last WHERE status = 'completed' AND seen_at > hour
                                ORDER BY seen_at DESC LIMIT ?1)"
            ))?;
            let found = query.query_map([MOST_OVER], rows::job)?;
            // A row that cannot be read any more is history that is lost, not a reason to read none.
            Ok(found.flatten().flatten().collect())
        })
        .await
    }

    /// Jobs, the latest first: those of `repo` and with `status`, if given; and how many there are of them in all.
    ///
    /// Errors: they cannot be read.
    pub async fn jobs(
        &self,
        repo: Option<String>,
        status: Option<JobStatus>,
        (limit, offset): (u32, u64),
    ) -> Result<(u64, Vec<Row>), StoreError> {
        let status = status.map(JobStatus::as_str);
        self.run(move |connection| {
            let columns = rows::JOB;
            let wanted = "(?1 IS NULL OR repository = ?1 COLLATE NOCASE) AND (?2 IS NULL OR status = ?2)";
            let count = format!("SELECT count(*) FROM jobs WHERE {wanted}");
            let total: i64 = connection.query_row(&count, params![repo, status], |row| row.get(0))?;
            let mut query = connection.prepare(&format!(
                "SELECT {columns} FROM jobs WHERE {wanted} ORDER BY queued_at DESC, id DESC LIMIT ?3 OFFSET ?4"
            ))?;
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            let found = query.query_map(params![repo, status, limit, offset], rows::job)?;
            Ok((u64::try_from(total).unwrap_or_default(), found.flatten().flatten().collect()))
        })
        .await
    }

    /// Sums up the jobs that runners of ours ended since `since`, by repository. Jobs whose runner is gone and whose end GitHub did not
    /// report are included, as unmeasured.
    ///
    /// Errors: they cannot be read.
    pub async fn job_stats(&self, since: Timestamp) -> Result<Vec<RepositoryStats>, StoreError> {
        self.run(move |connection| {
            let mut query = connection.prepare(
                "SELECT repository, count(*), sum(status = 'completed' AND conclusion IS NOT 'success'),
                     sum(max(completed_at - started_at, 0)) / 1000.0, avg(iif(queue_known, max(started_at - queued_at, 0), NULL)) / 1000.0,
                     sum(started_at IS NULL OR completed_at IS NULL)
                 FROM jobs WHERE pool IS NOT NULL AND (
                     (status = 'completed' AND completed_at >= ?1) OR
                     (status = 'in_progress' AND EXISTS (SELECT 1 FROM finished_runners gone
                         WHERE gone.name = runner AND gone.removed_at >= max(?1, coalesce(started_at, queued_at)))))
                 GROUP BY repository ORDER BY 4 DESC, 1",
            )?;
            let count = |count: i64| u64::try_from(count).unwrap_or_default();
            let found = query.query_map([since.as_millisecond()], |row| {
                Ok(RepositoryStats {
                    repository: row.get(0)?,
                    jobs: count(row.get(1)?),
                    unsuccessful: count(row.get(2)?),
                    run_seconds: row.get(3)?,
                    mean_wait_seconds: row.get(4)?,
                    unmeasured: count(row.get(5)?),
                })
            })?;
            found.collect()
        })
        .await
    }

    /// One job.
    ///
    /// Errors: it cannot be read.
    pub async fn job(&self, id: i64) -> Result<Option<Row>, StoreError> {
        self.run(move |connection| {
            let columns = rows::JOB;
            let query = format!("SELECT {columns} FROM jobs WHERE id = ?1");
            Ok(connection.query_row(&query, [id], rows::job).optional()?.flatten())
        })
        .await
    }
}

/// Drops what is older, or more, than is kept.
pub(super) fn prune(transaction: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<()> {
    transaction
        .execute(
            "DELETE FROM jobs WHERE seen_at < ?1 OR id IN
                 (SELECT id FROM jobs ORDER BY seen_at DESC LIMIT -1 OFFSET ?2)",
            params![cutoff(now, KEPT), MOST],
        )
        .map(drop)
}
