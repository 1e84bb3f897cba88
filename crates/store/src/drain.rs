//! Whether the platform drains: what survives a restart until somebody ends it.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Store, StoreError};

impl Store {
    /// Since when the platform drains, if it does.
    ///
    /// Errors: it cannot be read.
    pub async fn drain(&self) -> Result<Option<Timestamp>, StoreError> {
        self.run(|connection| {
            let since: Option<i64> = connection
                .query_row("SELECT since FROM drain WHERE id = 1", [], |row| row.get(0))
                .optional()?;
            // A moment that cannot be read is no reason to start runners.
            Ok(since.map(|at| Timestamp::from_millisecond(at).unwrap_or_default()))
        })
        .await
    }

    /// Keeps since when the platform drains; `None`: that it does not.
    ///
    /// Errors: it cannot be written.
    pub async fn save_drain(&self, since: Option<Timestamp>) -> Result<(), StoreError> {
        self.run_kept(move |connection| {
            match since {
                Some(since) => connection.execute(
                    "INSERT OR REPLACE INTO drain (id, since) VALUES (1, ?1)",
                    params![since.as_millisecond()],
                ),
                None => connection.execute("DELETE FROM drain", []),
            }
            .map(drop)
        })
        .await
    }
}
