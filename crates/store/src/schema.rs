//! The schema, as the steps that lead to it. A step that was released is never changed: the next one is added.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::StoreError;

/// Step n takes a file from version n to n + 1 (`PRAGMA user_version`).
pub(super) const STEPS: &[&str] = &[
    "
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        repository TEXT NOT NULL,
        name TEXT NOT NULL,
        labels TEXT NOT NULL,
        status TEXT NOT NULL,
        conclusion TEXT,
        queued_at INTEGER NOT NULL,
        started_at INTEGER,
        completed_at INTEGER,
        runner TEXT,
        told_at INTEGER,
        left_at INTEGER,
        seen_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX jobs_by_seen ON jobs (seen_at);
    CREATE TABLE deliveries (
        id TEXT PRIMARY KEY,
        event TEXT NOT NULL,
        received_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX deliveries_by_time ON deliveries (received_at);
    CREATE TABLE hooks (
        id INTEGER PRIMARY KEY,
        target TEXT NOT NULL,
        target_name TEXT,
        last_seen_at INTEGER NOT NULL,
        gone_at INTEGER
    ) STRICT;
",
    "
    CREATE TABLE pools (
        name TEXT PRIMARY KEY,
        spec TEXT NOT NULL,
        revision INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        rotate_before INTEGER
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE jobs ADD COLUMN pool TEXT;
    CREATE INDEX jobs_by_queued ON jobs (queued_at);
",
    "
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        event TEXT NOT NULL
    ) STRICT;
    CREATE TABLE finished_runners (
        name TEXT NOT NULL,
        pool TEXT NOT NULL,
        scope TEXT NOT NULL,
        scope_name TEXT NOT NULL,
        image TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        exit_code INTEGER,
        out_of_memory INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        removed_at INTEGER NOT NULL,
        log TEXT,
        UNIQUE (name, created_at)
    ) STRICT;
    CREATE INDEX finished_runners_by_removal ON finished_runners (removed_at);
",
    "
    CREATE TABLE drain (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        since INTEGER NOT NULL
    ) STRICT;
",
    // Not known for older rows: they have the time when the job was made.
    "
    ALTER TABLE jobs ADD COLUMN queue_known INTEGER NOT NULL DEFAULT 0;
",
    // The runners that the last pass left behind.
    "
    CREATE TABLE left_runners (
        name TEXT NOT NULL,
        installation TEXT NOT NULL,
        machine TEXT NOT NULL,
        pool TEXT NOT NULL,
        scope TEXT NOT NULL,
        scope_name TEXT NOT NULL,
        image TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        state TEXT NOT NULL,
        PRIMARY KEY (name, created_at)
    ) STRICT, WITHOUT ROWID;
",
];

/// Checks that the file is ours, and that its schema is known here. An empty file is ours.
///
/// Errors: another program or a newer version wrote the file, or it cannot be read.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let found = number("PRAGMA user_version")?;
    // Ours has none.
    let marked = number("PRAGMA application_id")? != 0;
    let filled = found == 0 && number("SELECT count(*) FROM sqlite_schema")? > 0;
    if marked || filled || found < 0 {
        return Err(StoreError::Foreign);
    }
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let steps = usize::try_from(found.min(known)).unwrap_or_default();
    let ours = Connection::open_in_memory()?;
    ours.execute_batch(&STEPS.get(..steps).unwrap_or_default().concat())?;
    let mut tables = ours.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    for table in tables.query_map([], |row| row.get::<_, String>(0))? {
        let table = table?;
        if !columns(&ours, &table)?.is_subset(&columns(connection, &table)?) {
            return Err(StoreError::Foreign);
        }
    }
    if found > known { Err(StoreError::Newer { found, known }) } else { Ok(()) }
}

/// The names of a table's columns; none where it is not there.
fn columns(connection: &Connection, table: &str) -> Result<BTreeSet<String>, rusqlite::Error> {
    let mut query = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    query.query_map([table], |row| row.get(0))?.collect()
}

/// Takes the steps that are missing, each whole or not at all.
///
/// Errors: another program or a newer version wrote the file, or it cannot be written.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> Result<(), StoreError> {
    check(connection)?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for (version, step) in (1_i64..).zip(STEPS).filter(|(version, _)| *version > found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
