//! Cuts what is in a file and longer than anything that is written now: earlier releases kept whatever a job printed, megabytes of it,
//! and one page of such rows is more memory than the service may have.

use mayfly_common::foreign_text::{MESSAGE, NAME};
use rusqlite::{Connection, params};

/// Longest text of a job's labels, in characters.
const LABELS: usize = 32 << 10;
/// Longest event, in bytes. Ours have a name and a message at most, each character of which takes six bytes at most.
const EVENT: usize = 8 << 10;
/// Longest log, in characters.
const LOG: usize = 64 << 10;

/// Cuts what is too long.
///
/// Errors: the file cannot be written.
pub(super) fn apply(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    let bounds = [
        ("jobs", "name", NAME),
        ("jobs", "labels", LABELS),
        ("jobs", "conclusion", NAME),
        ("jobs", "runner", NAME),
        ("jobs", "pool", NAME),
        ("finished_runners", "reason", MESSAGE),
        ("finished_runners", "image", MESSAGE),
        ("finished_runners", "log", LOG),
    ];
    let transaction = connection.transaction()?;
    for (table, column, most) in bounds {
        // The length in bytes is told without reading the text.
        let cut = format!(
            "UPDATE {table} SET {column} = substr({column}, 1, ?1)
                 WHERE octet_length({column}) > ?1 AND length({column}) > ?1"
        );
        transaction.execute(&cut, params![i64::try_from(most).unwrap_or(i64::MAX)])?;
    }
    let event = "UPDATE events SET event = json_set(event,
                 '$.message', substr(json_extract(event, '$.message'), 1, ?2),
                 '$.job', substr(json_extract(event, '$.job'), 1, ?3))
             WHERE octet_length(event) > ?1 AND json_valid(event)";
    let [size, message, name] =
        [EVENT, MESSAGE, NAME].map(|most| i64::try_from(most).unwrap_or(i64::MAX));
    transaction.execute(event, params![size, message, name])?;
    // Whatever else it is, it is no event.
    transaction.execute("DELETE FROM events WHERE octet_length(event) > ?1", [size])?;
    transaction.commit()
}

#[cfg(test)]
mod tests;
