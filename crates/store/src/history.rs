//! What happened: events, and runners that are gone with what they printed. History, never a truth that something depends on.

mod left;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::{Event, Finished, FinishedQuery};
use mayfly_common::runner::RunnerState;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row as Found, Transaction, params};

use super::{Store, StoreError};
use mayfly_planner::left_runners::LeftRunner;

/// How long events are kept.
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Most events kept.
const EVENTS_MOST: i64 = 50_000;
/// How long it is kept what became of a runner.
const FINISHED_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Of how many runners at most.
const FINISHED_MOST: i64 = 5_000;

/// Largest page of events, in bytes.
const PAGE: usize = 1 << 20;

/// The columns that [`finished`] reads.
const FINISHED: &str = "name, pool, scope, scope_name, image, state, reason, exit_code, out_of_memory, created_at, removed_at";

/// What happened since the last writing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Runners that are gone. What is known of the same machine is replaced.
    pub finished: Vec<Finished>,
    /// Events. One that is there already stays as it is.
    pub events: Vec<Event>,
    /// The installation, and the runners that it leaves behind in the place of earlier ones.
    pub left: Option<(String, Vec<LeftRunner>)>,
}

impl Store {
    /// Keeps what happened, all of it or nothing: whatever ends the process, what is told of a runner that is gone is told once.
    ///
    /// Errors: it cannot be written.
    pub async fn save_history(&self, news: News) -> Result<(), StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            for runner in &news.finished {
                save_finished(&transaction, runner)?;
            }
            for event in &news.events {
                let text = serde_json::to_string(event).map_err(unwritable)?;
                let insert = "INSERT OR IGNORE INTO events (id, event) VALUES (?1, ?2)";
                transaction.prepare_cached(insert)?.execute(params![event.id, text])?;
            }
            if let Some((installation, runners)) = &news.left {
                left::save(&transaction, installation, runners)?;
            }
            transaction.commit()
        })
        .await
    }

    /// Keeps events. One that is there already stays as it is.
    ///
    /// Errors: they cannot be written.
    #[cfg(any(test, feature = "testing"))]
    pub async fn save_events(&self, events: Vec<Event>) -> Result<(), StoreError> {
        self.save_history(News { events, ..News::default() }).await
    }

    /// Keeps what became of runners.
    ///
    /// Errors: it cannot be written.
    #[cfg(any(test, feature = "testing"))]
    pub async fn save_finished(&self, finished: Vec<Finished>) -> Result<(), StoreError> {
        self.save_history(News { finished, ..News::default() }).await
    }

    /// The runners that the last pass of this `installation` left behind, without those of which it is kept what became of them.
    ///
    /// Errors: they cannot be read.
    pub async fn left_runners(&self, installation: String) -> Result<Vec<LeftRunner>, StoreError> {
        self.run(move |connection| left::load(connection, &installation)).await
    }

    /// At most `limit` events with an id above `after`, the oldest first; without `after` the latest ones. Fewer, but one at least,
    /// where they would be more than a page may be.
    ///
    /// Errors: they cannot be read.
    pub async fn events(&self, after: Option<i64>, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.run(move |connection| {
            let query = match after {
                Some(_) => "SELECT event FROM events WHERE id > ?1 ORDER BY id LIMIT ?2",
                None => "SELECT event FROM events WHERE id > ?1 ORDER BY id DESC LIMIT ?2",
            };
            let mut query = connection.prepare_cached(query)?;
            let mut found = query.query(params![after.unwrap_or_default(), limit])?;
            let (mut events, mut size) = (Vec::new(), 0);
            while let Some(row) = found.next()? {
                let text = row.get_ref(0)?.as_str()?;
                size += text.len();
                if size > PAGE && !events.is_empty() {
                    break;
                }
                // One that a newer release wrote may be of a kind that is not known here.
                events.extend(serde_json::from_str::<Event>(text));
            }
            if after.is_none() {
                events.reverse();
            }
            Ok(events)
        })
        .await
    }

    /// The id of the latest event; 0 if there is none.
    ///
    /// Errors: it cannot be read.
    pub async fn last_event(&self) -> Result<i64, StoreError> {
        let query = "SELECT coalesce(max(id), 0) FROM events";
        self.run(move |connection| connection.query_row(query, [], |row| row.get(0))).await
    }

    /// Runners that are gone, the latest first, without their logs: those that `wanted` names, so many; and how many there are of
    /// them in all.
    ///
    /// Errors: they cannot be read.
    pub async fn finished(
        &self,
        wanted: FinishedQuery,
        (limit, offset): (u32, u64),
    ) -> Result<(u64, Vec<Finished>), StoreError> {
        self.run(move |connection| {
            let state = wanted.state.map(RunnerState::as_str);
            let which = "(?1 IS NULL OR pool = ?1 COLLATE NOCASE) AND (?2 IS NULL OR state = ?2)
                 AND (?3 IS NULL OR scope_name = ?3 COLLATE NOCASE)";
            let count = format!("SELECT count(*) FROM finished_runners WHERE {which}");
            let total: i64 =
                connection.query_row(&count, params![wanted.pool, state, wanted.scope_name], |row| row.get(0))?;
            let mut query = connection.prepare(&format!(
                "SELECT {FINISHED}, NULL AS log FROM finished_runners WHERE {which} ORDER BY removed_at DESC, name LIMIT ?4 OFFSET ?5"
            ))?;
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            let found = query.query_map(params![wanted.pool, state, wanted.scope_name, limit, offset], finished)?;
            Ok((u64::try_from(total).unwrap_or_default(), found.collect::<Result<_, _>>()?))
        })
        .await
    }

    /// What became of the latest runner of this name, with its log.
    ///
    /// Errors: it cannot be read.
    pub async fn finished_runner(&self, name: String) -> Result<Option<Finished>, StoreError> {
        self.run(move |connection| {
            let query = format!(
                "SELECT {FINISHED}, log FROM finished_runners WHERE name = ?1 COLLATE NOCASE ORDER BY removed_at DESC LIMIT 1"
            );
            connection.query_row(&query, [name], finished).optional()
        })
        .await
    }
}

fn save_finished(transaction: &Transaction<'_>, runner: &Finished) -> Result<(), rusqlite::Error> {
    let insert = format!(
        "INSERT OR REPLACE INTO finished_runners ({FINISHED}, log) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    );
    let mut insert = transaction.prepare_cached(&insert)?;
    let saved = insert.execute(params![
        runner.name,
        runner.pool,
        word(&runner.scope)?,
        runner.scope_name,
        runner.image,
        runner.state.as_str(),
        runner.reason,
        runner.exit_code,
        runner.out_of_memory,
        runner.created_at.as_millisecond(),
        runner.removed_at.as_millisecond(),
        runner.log,
    ]);
    saved.map(drop)
}

/// Drops what is older, or more, than is kept.
pub(super) fn prune(transaction: &Transaction<'_>, now: Timestamp) -> Result<(), rusqlite::Error> {
    let before = |kept| now.saturating_sub(kept).unwrap_or(Timestamp::MIN);
    transaction.execute(
        "DELETE FROM events WHERE id < ?1 OR id IN (SELECT id FROM events ORDER BY id DESC LIMIT -1 OFFSET ?2)",
        params![before(EVENTS_KEPT).as_microsecond(), EVENTS_MOST],
    )?;
    transaction.execute(
        "DELETE FROM finished_runners WHERE removed_at < ?1 OR rowid IN
             (SELECT rowid FROM finished_runners ORDER BY removed_at DESC LIMIT -1 OFFSET ?2)",
        params![before(FINISHED_KEPT).as_millisecond(), FINISHED_MOST],
    )?;
    Ok(())
}

fn finished(found: &Found<'_>) -> Result<Finished, rusqlite::Error> {
    let time = |column: &str| -> Result<Timestamp, rusqlite::Error> {
        Ok(Timestamp::from_millisecond(found.get(column)?).unwrap_or_default())
    };
    let (scope, state): (String, String) = (found.get("scope")?, found.get("state")?);
    Ok(Finished {
        name: found.get("name")?,
        pool: found.get("pool")?,
        scope: read(scope)?,
        scope_name: found.get("scope_name")?,
        image: found.get("image")?,
        state: read(state)?,
        reason: found.get("reason")?,
        exit_code: found.get("exit_code")?,
        out_of_memory: found.get("out_of_memory")?,
        created_at: time("created_at")?,
        removed_at: time("removed_at")?,
        log: found.get("log")?,
    })
}

/// A word as the API spells it.
fn word(value: &impl serde::Serialize) -> Result<String, rusqlite::Error> {
    let value = serde_json::to_value(value).map_err(unwritable)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

fn read<T: serde::de::DeserializeOwned>(word: String) -> Result<T, rusqlite::Error> {
    let value = serde_json::from_value(serde_json::Value::String(word));
    value.map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))
}

fn unwritable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}

#[cfg(test)]
mod tests;
