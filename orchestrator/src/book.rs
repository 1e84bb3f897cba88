//! All pools: the one of the environment, and those made through the API, which the store keeps.
//!
//! Invariants: a change is in the store before it counts, and counts from the next pass on; two writers never overwrite each
//! other unknowingly, because a change names the revision that it changes; no credential is part of a pool.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use mayfly_common::identity::BackendName;
use mayfly_common::pool::{PoolName, PoolSpec};
use mayfly_common::problem::FieldError;
use tokio::sync::Mutex;

use mayfly_settings::Config;
use mayfly_settings::pool::Pool;
use mayfly_store::{PoolRow, Store, StoreError};

/// A pool and what the book knows of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The pool.
    pub pool: Arc<Pool>,
    /// Changes with every change; never used twice for a name.
    pub revision: i64,
    /// When it was made; none for the pool of the environment.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Waiting runners from before this moment are to be replaced.
    pub rotate_before: Option<Timestamp>,
}

/// Why a change is not made.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// There is no pool of this name.
    #[error("There is no pool {0}.")]
    NotFound(PoolName),
    /// There is one already.
    #[error("There is a pool {0} already.")]
    Exists(PoolName),
    /// It is the pool of the environment.
    #[error("Pool default is made from the orchestrator's environment; change it there.")]
    Reserved,
    /// Somebody else changed it since it was read.
    #[error(
        "Pool {name} was modified concurrently: its revision is now {current}. Fetch it again and retry."
    )]
    Stale {
        /// The pool.
        name: PoolName,
        /// The revision it has.
        current: i64,
    },
    /// The spec does not fit this installation.
    #[error("the pool is not valid")]
    Invalid(Vec<FieldError>),
    /// The file cannot be used, so that the change would be lost with the process.
    #[error("Pools cannot be changed: {0}.")]
    Unusable(StoreError),
    /// The file cannot be written.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// All pools.
pub struct Book {
    config: Config,
    /// The backends that a pool may name, each with the most machines that it runs.
    backends: BTreeMap<BackendName, usize>,
    store: Store,
    entries: RwLock<BTreeMap<PoolName, Entry>>,
    /// By name: pools in the store that cannot be used, and why.
    unread: RwLock<BTreeMap<String, String>>,
    /// One writer at a time.
    writing: Mutex<()>,
    /// True if something changed since somebody last asked.
    changed: AtomicBool,
    /// The newest revision given out.
    newest: AtomicI64,
}

impl Book {
    /// A book with the pool of the environment alone, and with `docker` as the only backend.
    pub fn new(config: &Config, store: Store) -> Self {
        let default = Entry {
            pool: Arc::new(Pool::default_pool(config)),
            revision: 0,
            created_at: None,
            updated_at: None,
            rotate_before: None,
        };
        let entries = BTreeMap::from([(PoolName::default_pool(), default)]);
        Self {
            config: config.clone(),
            backends: BTreeMap::from([(BackendName::default(), config.runner.max)]),
            store,
            entries: RwLock::new(entries),
            unread: RwLock::default(),
            writing: Mutex::default(),
            changed: AtomicBool::new(false),
            newest: AtomicI64::new(0),
        }
    }

    /// The same, where pools may name these backends, too, each of which runs so many machines at most.
    #[must_use]
    pub fn with_backends(mut self, others: impl IntoIterator<Item = (BackendName, usize)>) -> Self {
        self.backends.extend(others);
        self
    }

    /// The pool that `spec` describes.
    ///
    /// Errors: what is wrong with it, field by field.
    fn pool(&self, spec: PoolSpec) -> Result<Pool, Vec<FieldError>> {
        let most = self.backends.get(&spec.backend).copied();
        let unknown = most.is_none().then(|| {
            let known: Vec<&str> = self.backends.keys().map(BackendName::as_str).collect();
            let known = known.join(", ");
            let detail = format!("names no configured backend ({known})");
            FieldError { pointer: "/backend".to_owned(), detail }
        });
        match (Pool::of(spec, &self.config), unknown) {
            (Ok(mut pool), None) => {
                if let (None, Some(most)) = (pool.spec.max, most) {
                    pool.max = most;
                }
                Ok(pool)
            }
            (Ok(_), Some(unknown)) => Err(vec![unknown]),
            (Err(errors), unknown) => Err(unknown.into_iter().chain(errors).collect()),
        }
    }

    /// Takes in what the store keeps. What cannot be used any more is left there: see [`Book::unread`].
    ///
    /// Errors: the store cannot be read.
    pub async fn load(&self) -> Result<(), StoreError> {
        let (mut unread, mut found) = (BTreeMap::new(), Vec::new());
        for row in self.store.pools().await? {
            let spec = serde_json::from_str(&row.spec)
                .map_err(|error| error.to_string())
                .and_then(|value| PoolSpec::from_json(&value, "").map_err(|errors| words(&errors)));
            let pool = spec.and_then(|spec| self.pool(spec).map_err(|errors| words(&errors)));
            match pool {
                Ok(pool) => found.push((row, pool)),
                Err(why) => drop(unread.insert(row.name, why)),
            }
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for (row, pool) in found {
            let entry = Entry {
                pool: Arc::new(pool),
                revision: row.revision,
                created_at: Some(row.created_at),
                updated_at: Some(row.updated_at),
                rotate_before: row.rotate_before,
            };
            self.newest.fetch_max(entry.revision, Ordering::Relaxed);
            entries.insert(entry.pool.spec.name.clone(), entry);
        }
        drop(entries);
        *self.unread.write().unwrap_or_else(PoisonError::into_inner) = unread;
        Ok(())
    }

    /// The pools in the store that cannot be used, each with why not: of another release, say, or with Docker where that is not
    /// allowed any more. Each can be deleted, or made anew.
    pub fn unread(&self) -> Vec<String> {
        let unread = self.unread.read().unwrap_or_else(PoisonError::into_inner);
        unread.iter().map(|(name, why)| format!("pool {name} is not served: {why}")).collect()
    }

    fn is_unread(&self, name: &PoolName) -> bool {
        let unread = self.unread.read().unwrap_or_else(PoisonError::into_inner);
        unread.contains_key(name.as_str())
    }

    fn forget_unread(&self, name: &PoolName) {
        let mut unread = self.unread.write().unwrap_or_else(PoisonError::into_inner);
        unread.remove(name.as_str());
    }

    /// True if a pool was made, changed or removed since this was last asked: jobs may be for us now that were not before.
    pub fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::Relaxed)
    }

    /// All pools, in the order of their names.
    pub fn all(&self) -> Vec<Entry> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// One pool.
    pub fn get(&self, name: &PoolName) -> Option<Entry> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// What runners of the pool `name` are made from: its own, or, where there is none of that name, the environment's.
    pub fn material_of(&self, name: &PoolName) -> Arc<Pool> {
        let found = self.get(name).or_else(|| self.get(&PoolName::default_pool()));
        found.map_or_else(|| Arc::new(Pool::default_pool(&self.config)), |entry| entry.pool)
    }

    /// Adds a pool.
    ///
    /// Errors: the name is taken, the spec does not fit, the file cannot be written.
    pub async fn create(&self, spec: PoolSpec, now: Timestamp) -> Result<Entry, BookError> {
        let _writing = self.writing.lock().await;
        self.check_file().await?;
        if self.get(&spec.name).is_some() {
            return Err(BookError::Exists(spec.name));
        }
        self.write(spec, None, now).await
    }

    /// Puts `spec` in the place of the pool of the same name. With `revision` only if that is still the pool's.
    ///
    /// Errors: there is none, it was changed meanwhile, the spec does not fit, the file cannot be written.
    pub async fn replace(
        &self,
        spec: PoolSpec,
        revision: Option<i64>,
        now: Timestamp,
    ) -> Result<Entry, BookError> {
        let _writing = self.writing.lock().await;
        self.check_file().await?;
        let old = self.current(&spec.name, revision)?;
        if old.pool.spec == spec {
            return Ok(old);
        }
        self.write(spec, Some(old), now).await
    }

    /// Replaces the pool's idle runners.
    ///
    /// Errors: there is no such pool, the file cannot be written.
    pub async fn rotate(&self, name: &PoolName, now: Timestamp) -> Result<Entry, BookError> {
        let _writing = self.writing.lock().await;
        self.check_file().await?;
        let old = self.get(name).ok_or_else(|| BookError::NotFound(name.clone()))?;
        let entry = Entry { rotate_before: Some(now), ..old };
        if !name.is_reserved() {
            self.store.save_pool(row(&entry)?).await?;
        }
        Ok(self.keep(entry))
    }

    /// Removes a pool. Its waiting runners go, its busy ones finish.
    ///
    /// Errors: there is none, it was changed meanwhile, the file cannot be written.
    pub async fn delete(&self, name: &PoolName, revision: Option<i64>) -> Result<(), BookError> {
        let _writing = self.writing.lock().await;
        self.check_file().await?;
        match self.current(name, revision) {
            Err(BookError::NotFound(_)) if self.is_unread(name) => {}
            other => drop(other?),
        }
        self.store.delete_pool(name.to_string()).await?;
        self.forget_unread(name);
        self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.changed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Checks that a change outlives the process, where one should.
    async fn check_file(&self) -> Result<(), BookError> {
        self.store.look_after().await.map_err(BookError::Unusable)
    }

    /// The pool to change, if it is still at `revision`.
    fn current(&self, name: &PoolName, revision: Option<i64>) -> Result<Entry, BookError> {
        if name.is_reserved() {
            return Err(BookError::Reserved);
        }
        let entry = self.get(name).ok_or_else(|| BookError::NotFound(name.clone()))?;
        match revision {
            Some(revision) if revision != entry.revision => {
                Err(BookError::Stale { name: name.clone(), current: entry.revision })
            }
            _ => Ok(entry),
        }
    }

    async fn write(
        &self,
        spec: PoolSpec,
        old: Option<Entry>,
        now: Timestamp,
    ) -> Result<Entry, BookError> {
        let pool = self.pool(spec).map_err(BookError::Invalid)?;
        if let Some(other) = self.all().iter().find(|other| pool.shares_names_with(&other.pool)) {
            let detail = format!(
                "is the prefix of pool {}, too: no two runners can have one name",
                other.pool.spec.name
            );
            return Err(BookError::Invalid(vec![FieldError {
                pointer: "/name_prefix".to_owned(),
                detail,
            }]));
        }
        // Greater than any before, also when the clock was set back or the pool was removed in between.
        let newest = self.newest.load(Ordering::Relaxed);
        let entry = Entry {
            pool: Arc::new(pool),
            revision: now.as_microsecond().max(newest.saturating_add(1)),
            created_at: old.as_ref().map_or(Some(now), |old| old.created_at),
            updated_at: Some(now),
            rotate_before: old.and_then(|old| old.rotate_before),
        };
        self.store.save_pool(row(&entry)?).await?;
        Ok(self.keep(entry))
    }

    fn keep(&self, entry: Entry) -> Entry {
        self.newest.fetch_max(entry.revision, Ordering::Relaxed);
        self.forget_unread(&entry.pool.spec.name);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.insert(entry.pool.spec.name.clone(), entry.clone());
        self.changed.store(true, Ordering::Relaxed);
        entry
    }
}

fn row(entry: &Entry) -> Result<PoolRow, StoreError> {
    let spec = serde_json::to_string(&entry.pool.spec);
    Ok(PoolRow {
        name: entry.pool.spec.name.to_string(),
        spec: spec.map_err(|error| StoreError::Other(error.to_string()))?,
        revision: entry.revision,
        created_at: entry.created_at.unwrap_or_default(),
        updated_at: entry.updated_at.unwrap_or_default(),
        rotate_before: entry.rotate_before,
    })
}

fn words(errors: &[FieldError]) -> String {
    let each = errors.iter().map(|error| format!("{} {}", error.pointer, error.detail));
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
