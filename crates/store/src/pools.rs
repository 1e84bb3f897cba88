//! Pools, as the API made them.

use jiff::Timestamp;
use rusqlite::params;

use super::{Store, StoreError, rows};

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

impl Store {
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
        self.run_kept(move |connection| {
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
        self.run_kept(move |connection| {
            connection.execute("DELETE FROM pools WHERE name = ?1", [name]).map(drop)
        })
        .await
    }
}
