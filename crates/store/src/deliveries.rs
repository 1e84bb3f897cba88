//! Deliveries that were handled, and the hooks that sent them.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::webhook::{Content, Delivery, HookTarget};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Store, StoreError, cutoff, rows};

/// How long deliveries are remembered: longer than GitHub can redeliver them (docs: "Redelivering webhooks", three days).
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Most deliveries remembered.
const MOST: i64 = 50_000;

/// True if a delivery was there before.
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

impl Store {
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
}

/// Drops what is older, or more, than is kept.
pub(super) fn prune(transaction: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<()> {
    transaction
        .execute(
            "DELETE FROM deliveries WHERE received_at < ?1 OR id IN
                 (SELECT id FROM deliveries ORDER BY received_at DESC LIMIT -1 OFFSET ?2)",
            params![cutoff(now, KEPT), MOST],
        )
        .map(drop)
}
