//! What outlives the process, in one `SQLite` file: jobs seen, deliveries handled, hooks heard of, pools, what happened. Never a
//! credential.
//!
//! Losing the file loses history, never a job: containers and GitHub are the truth about runners. So nothing here stops the
//! service. A file that cannot be used is left as it is, and everything goes on in memory; what would be lost with the process, a
//! pool say, is refused then. A file that is deleted while the service runs is made again with all that it held.
//!
//! Invariants: only the file's owner may read it; one connection, used by one thread at a time, never on the async threads; a
//! delivery is durable before it is answered (WAL); the schema only grows, by numbered steps.

mod bounds;
mod drain;
mod file;
mod history;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::RepositoryStats;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::{Content, Delivery, HookTarget, JobStatus};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use self::file::File;
use mayfly_planner::ledger::Row;

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
/// How long deliveries are remembered: longer than GitHub can redeliver them (docs: "Redelivering webhooks", three days).
const DELIVERIES_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Most deliveries remembered.
const DELIVERIES_MOST: i64 = 50_000;
/// How long jobs that are over are remembered.
const JOBS_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Most jobs remembered.
const JOBS_MOST: i64 = 100_000;

/// Why the file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is no database, or a damaged one.
    #[error("it is damaged, or not a database; move it away to begin a new one")]
    Damaged,
    /// Another program wrote it.
    #[error("it is the database of another program; name another file")]
    Foreign,
    /// Another version wrote it.
    #[error("it was written by a newer version (schema {found}, this one knows {known})")]
    Newer {
        /// The schema found.
        found: i64,
        /// The newest schema known.
        known: i64,
    },
    /// It cannot be written.
    #[error("it cannot be written: the file or its folder is read-only for this user")]
    ReadOnly,
    /// There is no room.
    #[error("the disk is full")]
    Full,
    /// Another process holds it.
    #[error("another process has locked it")]
    Locked,
    /// It cannot be opened.
    #[error("it cannot be opened; check that its folder exists and that this user may write there")]
    CannotOpen,
    /// Another file was put in its place while it was open.
    #[error(
        "another file was put in its place while it was in use; restart the orchestrator to use that one"
    )]
    Replaced,
    /// `DATABASE_PATH` could not be used at the start; the path, and why.
    #[error("{0}")]
    Unusable(String),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::CannotOpen) => Self::CannotOpen,
            _ => Self::Other(error.to_string()),
        }
    }
}

/// Whether a delivery was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is new.
    New,
    /// It was handled already.
    Duplicate,
}

/// A hook that sent something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHook {
    /// GitHub's id.
    pub id: i64,
    /// What it is installed on.
    pub target: HookTarget,
    /// `owner/repo` or the organisation's login, if it is known.
    pub target_name: Option<String>,
    /// When it last sent something.
    pub last_seen_at: Timestamp,
}

/// A pool as the file keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRow {
    /// Its name.
    pub name: String,
    /// Its description, as JSON.
    pub spec: String,
    /// Changes with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Waiting runners from before this moment are to be replaced.
    pub rotate_before: Option<Timestamp>,
}

/// The way to the file. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    /// The file, unless everything is in memory.
    file: Option<Arc<Mutex<File>>>,
    /// Why what is written now would be lost.
    obstacle: Arc<Mutex<Option<StoreError>>>,
    /// What was mended and not yet told.
    mended: Arc<Mutex<Vec<String>>>,
}

impl Store {
    /// Opens the file at `path`, which is made if it is not there, and brings its schema up to date. Only its owner may read it.
    ///
    /// Errors: it cannot be used; it is left as it is.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (connection, file) = file::open(path)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            file: Some(Arc::new(Mutex::new(file))),
            obstacle: Arc::default(),
            mended: Arc::default(),
        })
    }

    /// Checks that the file at `path`, if there is one, is not the database of another program. It is only read.
    ///
    /// Errors: it is one.
    pub fn check(path: &Path) -> Result<(), StoreError> {
        file::check(path)
    }

    /// A store that ends with the process.
    ///
    /// Errors: none in practice.
    pub fn in_memory() -> Result<Self, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        schema::bring_up_to_date(&mut connection)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            file: None,
            obstacle: Arc::default(),
            mended: Arc::default(),
        })
    }

    /// A store that ends with the process, in the place of the file at `path`, which cannot be used.
    ///
    /// Errors: none in practice.
    pub fn instead_of(path: &Path, error: &StoreError) -> Result<Self, StoreError> {
        let store = Self::in_memory()?;
        let why = format!("the database {} cannot be used: {error}", path.display());
        *store.obstacle.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(StoreError::Unusable(why));
        Ok(store)
    }

    /// Whether it outlives the process.
    pub fn is_durable(&self) -> bool {
        self.file.is_some()
    }

    /// Checks that what is written now is not lost, as far as the last [`Store::look_after`] could tell. A store that was never meant
    /// to outlive the process is sound.
    ///
    /// Errors: why it would be lost.
    pub fn sound(&self) -> Result<(), StoreError> {
        let obstacle = self.obstacle.lock().unwrap_or_else(PoisonError::into_inner);
        obstacle.clone().map_or(Ok(()), Err)
    }

    /// Looks whether the file is still there, and makes it again if it was deleted: see [`Store::take_mended`].
    ///
    /// Errors: as [`Store::sound`].
    pub async fn look_after(&self) -> Result<(), StoreError> {
        let Some(file) = self.file.clone() else { return self.sound() };
        let connection = Arc::clone(&self.connection);
        let looked = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let shown = file.path.display().to_string();
            file.look_after(&mut connection).map_err(|error| match error {
                StoreError::Replaced => {
                    StoreError::Unusable(format!("the database {shown}: {error}"))
                }
                error => StoreError::Unusable(format!(
                    "the database {shown} was deleted, and cannot be made again: {error}"
                )),
            })
        });
        let looked = looked.await.unwrap_or_else(|error| Err(StoreError::Other(error.to_string())));
        *self.obstacle.lock().unwrap_or_else(PoisonError::into_inner) =
            looked.as_ref().err().cloned();
        self.mended.lock().unwrap_or_else(PoisonError::into_inner).extend(looked?);
        Ok(())
    }

    /// What [`Store::look_after`] mended since this was last called, in words.
    pub fn take_mended(&self) -> Vec<String> {
        std::mem::take(&mut *self.mended.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on nothing can be written, as on a disk that is read-only.
    #[cfg(any(test, feature = "testing"))]
    pub fn break_writes(&self) {
        self.pragma("PRAGMA query_only = ON");
    }

    /// Ends what [`Store::break_writes`] began.
    #[cfg(any(test, feature = "testing"))]
    pub fn mend_writes(&self) {
        self.pragma("PRAGMA query_only = OFF");
    }

    #[cfg(any(test, feature = "testing"))]
    fn pragma(&self, pragma: &str) {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // A pragma that fails shows in the test that needs it.
        drop(connection.execute_batch(pragma));
    }

    /// Notes a delivery and the hook that sent it, durably.
    ///
    /// Errors: it cannot be written.
    pub async fn record(
        &self,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let delivery = delivery.clone();
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let new = transaction.execute(
                "INSERT OR IGNORE INTO deliveries (id, event, received_at) VALUES (?1, ?2, ?3)",
                params![delivery.id, delivery.event, now.as_millisecond()],
            )?;
            if let Some(hook) = &delivery.hook {
                let gone = (delivery.content == Content::HookDeleted).then_some(now.as_millisecond());
                transaction.execute(
                    "INSERT INTO hooks (id, target, target_name, last_seen_at, gone_at) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (id) DO UPDATE SET target_name = coalesce(excluded.target_name, target_name),
                         last_seen_at = excluded.last_seen_at, gone_at = excluded.gone_at",
                    params![hook.id, rows::target(hook.target), hook.target_name, now.as_millisecond(), gone],
                )?;
            }
            transaction.commit()?;
            Ok(if new == 0 { Recorded::Duplicate } else { Recorded::New })
        })
        .await
    }

    /// Forgets a delivery, so that it is taken when it comes again.
    ///
    /// Errors: it cannot be written.
    pub async fn forget_delivery(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.run(move |connection| {
            connection.execute("DELETE FROM deliveries WHERE id = ?1", [id])?;
            Ok(())
        })
        .await
    }

    /// The hooks that sent something and are there still, as far as we were told.
    ///
    /// Errors: it cannot be read.
    pub async fn hooks(&self) -> Result<Vec<KnownHook>, StoreError> {
        self.run(|connection| {
            let mut query = connection.prepare(
                "SELECT id, target, target_name, last_seen_at FROM hooks WHERE gone_at IS NULL ORDER BY id",
            )?;
            let found = query.query_map([], rows::hook)?;
            Ok(found.flatten().flatten().collect())
        })
        .await
    }

    /// When the last delivery came.
    ///
    /// Errors: it cannot be read.
    pub async fn last_delivery(&self) -> Result<Option<Timestamp>, StoreError> {
        self.run(|connection| {
            let last: Option<Option<i64>> = connection
                .query_row("SELECT max(received_at) FROM deliveries", [], |row| row.get(0))
                .optional()?;
            Ok(last.flatten().and_then(|at| Timestamp::from_millisecond(at).ok()))
        })
        .await
    }

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

    /// The rows of jobs that are not over.
    ///
    /// Errors: they cannot be read.
    pub async fn open_jobs(&self) -> Result<Vec<Row>, StoreError> {
        self.run(|connection| {
            let columns = rows::JOB;
            let mut query = connection.prepare(&format!(
                // What left the queue in the last hour may still be asked about.
                "SELECT {columns} FROM jobs WHERE status <> 'completed' AND (left_at IS NULL \
                 OR left_at > (SELECT max(seen_at) FROM jobs) - 3600000)"
            ))?;
            let found = query.query_map([], rows::job)?;
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

    /// The pools.
    ///
    /// Errors: they cannot be read.
    pub async fn pools(&self) -> Result<Vec<PoolRow>, StoreError> {
        self.run(|connection| {
            let mut query = connection.prepare(
                "SELECT name, spec, revision, created_at, updated_at, rotate_before FROM pools ORDER BY name",
            )?;
            query.query_map([], rows::pool)?.collect()
        })
        .await
    }

    /// Keeps a pool, in the place of one of the same name.
    ///
    /// Errors: it cannot be written.
    pub async fn save_pool(&self, pool: PoolRow) -> Result<(), StoreError> {
        self.run(move |connection| {
            connection
                .execute(
                    "INSERT OR REPLACE INTO pools (name, spec, revision, created_at, updated_at, rotate_before)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        pool.name,
                        pool.spec,
                        pool.revision,
                        pool.created_at.as_millisecond(),
                        pool.updated_at.as_millisecond(),
                        pool.rotate_before.map(Timestamp::as_millisecond),
                    ],
                )
                .map(drop)
        })
        .await
    }

    /// Forgets a pool.
    ///
    /// Errors: it cannot be written.
    pub async fn delete_pool(&self, name: String) -> Result<(), StoreError> {
        self.run(move |connection| {
            connection.execute("DELETE FROM pools WHERE name = ?1", [name]).map(drop)
        })
        .await
    }

    /// Drops what is older, or more, than is kept.
    ///
    /// Errors: it cannot be written.
    pub async fn prune(&self, now: Timestamp) -> Result<(), StoreError> {
        let before =
            move |kept| now.saturating_sub(kept).unwrap_or(Timestamp::MIN).as_millisecond();
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "DELETE FROM deliveries WHERE received_at < ?1 OR id IN
                     (SELECT id FROM deliveries ORDER BY received_at DESC LIMIT -1 OFFSET ?2)",
                params![before(DELIVERIES_KEPT), DELIVERIES_MOST],
            )?;
            transaction.execute(
                "DELETE FROM jobs WHERE seen_at < ?1 OR id IN (SELECT id FROM jobs ORDER BY seen_at DESC LIMIT -1 OFFSET ?2)",
                params![before(JOBS_KEPT), JOBS_MOST],
            )?;
            history::prune(&transaction, now)?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Refuses whatever would write, as a full disk does, or takes it again.
    ///
    /// Errors: none in practice.
    #[cfg(any(test, feature = "testing"))]
    pub async fn refuse_writes(&self, refuse: bool) -> Result<(), StoreError> {
        self.run(move |connection| connection.pragma_update(None, "query_only", refuse)).await
    }

    /// Runs `work` on a thread that may wait.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        let done = tokio::task::spawn_blocking(move || {
            work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match done.await {
            Ok(result) => result.map_err(StoreError::from),
            Err(error) => Err(StoreError::Other(error.to_string())),
        }
    }
}

/// A repository as the file holds it.
fn repository(text: &str) -> Option<RepoSlug> {
    RepoSlug::parse(text).ok()
}
