//! What outlives the process, in one `SQLite` file: jobs seen, deliveries handled, hooks heard of, pools, what happened. Never a
//! credential.
//!
//! Losing the file loses history, never a job: containers and GitHub are the truth about runners. So nothing here stops the
//! service. A file that cannot be used is left as it is, and everything goes on in memory; what would be lost with the process, a
//! pool say, is refused then. A file that is deleted while the service runs is made again with all that it held. One that is
//! emptied or overwritten in place is made again, too: with what is left, which is the pools at least.
//!
//! Invariants: only the file's owner may read it; one connection, used by one thread at a time, never on the async threads; a
//! delivery is durable before it is answered (WAL); the schema only grows, by numbered steps.

mod bounds;
mod deliveries;
mod drain;
mod error;
mod file;
mod history;
mod jobs;
mod pools;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use self::file::File;

pub use deliveries::{KnownHook, Recorded};
pub use error::StoreError;
pub use history::News;
pub use pools::PoolRow;

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
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
        let (connection, mut file) = file::open(path)?;
        let found = file.found.take();
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            file: Some(Arc::new(Mutex::new(file))),
            obstacle: Arc::default(),
            mended: Arc::new(Mutex::new(Vec::from_iter(found))),
        })
    }

    /// Checks that the file at `path`, if there is one, is not the database of another program. It is only read.
    ///
    /// Errors: it is one.
    pub fn check(path: &Path) -> Result<(), StoreError> {
        file::check(path)
    }

    /// True if the file at `path`, if there is one, is no database at all: [`Store::open`] refuses it. It is only read.
    pub fn is_something_else(path: &Path) -> bool {
        file::is_something_else(path)
    }

    /// True if the write-ahead log beside the file at `path` is that of another file, which was there when the log was last used:
    /// [`Store::open`] moves it away.
    pub fn has_strange_log(path: &Path) -> bool {
        file::has_strange_log(path)
    }

    /// Opens the lock of the database at `path`, which is made if it is not there. It is the caller's to lock. It also holds which
    /// files the database and its log were.
    pub fn open_lock(path: &Path) -> io::Result<std::fs::File> {
        file::record::open(path)
    }

    /// Where the lock of the database at `path` is.
    pub fn lock(path: &Path) -> PathBuf {
        file::record::lock(path)
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

    /// True if it outlives the process.
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

    /// Looks whether the file is still there, and makes it again if it was deleted or lost its contents: see [`Store::take_mended`].
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
                StoreError::Unusable(why) => StoreError::Unusable(why),
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

    /// What [`Store::look_after`] mended since this was last called, in words. Also what [`Store::open`] found to be lost.
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

    /// Drops what is older, or more, than is kept.
    ///
    /// Errors: it cannot be written.
    pub async fn prune(&self, now: Timestamp) -> Result<(), StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            deliveries::prune(&transaction, now)?;
            jobs::prune(&transaction, now)?;
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

    /// As [`Store::run`], for `work` that changes what is kept in memory, too.
    async fn run_kept<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let file = self.file.clone();
        self.run(move |connection| {
            let done = work(connection)?;
            if let Some(file) = file {
                file.lock().unwrap_or_else(PoisonError::into_inner).keep(connection);
            }
            Ok(done)
        })
        .await
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

/// Since when, in milliseconds since 1970, something is not older than `kept`.
fn cutoff(now: Timestamp, kept: SignedDuration) -> i64 {
    now.saturating_sub(kept).unwrap_or(Timestamp::MIN).as_millisecond()
}
