//! How long a text of an earlier release may stay.

use super::*;
use crate::schema;

fn prepared() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::bring_up_to_date(&mut connection).unwrap();
    connection
}

fn length(connection: &Connection, table: &str, column: &str, rowid: i64) -> usize {
    let query = format!("SELECT length({column}) FROM {table} WHERE rowid = ?1");
    let found: i64 = connection.query_row(&query, [rowid], |row| row.get(0)).unwrap();
    usize::try_from(found).unwrap()
}

#[test]
fn a_text_is_cut_to_the_length_that_is_written_today() {
    let columns = [
        ("jobs", "name", 256),
        ("jobs", "labels", 32_768),
        ("jobs", "conclusion", 256),
        ("jobs", "runner", 256),
        ("jobs", "pool", 256),
        ("finished_runners", "reason", 600),
        ("finished_runners", "image", 600),
        ("finished_runners", "log", 65_536),
    ];
    let mut connection = prepared();
    for id in [1, 2] {
        let job = "INSERT INTO jobs (id, repository, name, labels, status, queued_at, seen_at)
             VALUES (?1, 'o/r', 'n', 'l', 'queued', 0, 0)";
        let gone = "INSERT INTO finished_runners (rowid, name, pool, scope, scope_name, image, state, reason, out_of_memory,
                 created_at, removed_at)
             VALUES (?1, ?1, 'ci', 'repo', 'o/r', 'i', 'gone', 'r', 0, 0, 0)";
        connection.execute(job, [id]).unwrap();
        connection.execute(gone, [id.to_string()]).unwrap();
    }
    for (table, column, most) in columns {
        for (rowid, characters) in [(1_i64, most), (2, most + 1)] {
            let set = format!("UPDATE {table} SET {column} = ?1 WHERE rowid = ?2");
            connection.execute(&set, params!["é".repeat(characters), rowid]).unwrap();
        }
    }
    apply(&mut connection).unwrap();
    for (table, column, most) in columns {
        let lengths = [1, 2].map(|rowid| length(&connection, table, column, rowid));
        assert_eq!(lengths, [most, most], "{table}.{column}");
    }
}

#[test]
fn an_event_is_cut_in_its_texts_or_goes() {
    let mut connection = prepared();
    let json = |message: usize, pool: usize| {
        let (message, pool) = ("m".repeat(message), "p".repeat(pool));
        format!(r#"{{"message":"{message}","job":"{}","pool":"{pool}"}}"#, "j".repeat(300))
    };
    let frame = json(0, 0).len();
    let events = [
        json(8_192 - frame, 0),
        json(8_193 - frame, 0),
        json(0, 8_193 - frame),
        json(0, 9_000),
        "x".repeat(8_192),
        "x".repeat(8_193),
    ];
    for (id, event) in (1..).zip(&events) {
        connection.execute("INSERT INTO events VALUES (?1, ?2)", params![id, event]).unwrap();
    }
    apply(&mut connection).unwrap();
    let mut query = connection
        .prepare("SELECT id, length(event), event -> '$.message', event -> '$.job' FROM events WHERE json_valid(event)")
        .unwrap();
    let found: Vec<(i64, i64, usize, usize)> = query
        .query_map([], |row| {
            let text = |column| Ok::<_, rusqlite::Error>(row.get::<_, String>(column)?.len() - 2);
            Ok((row.get(0)?, row.get(1)?, text(2)?, text(3)?))
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let bytes = |length: usize| i64::try_from(length).unwrap();
    let cut = frame - 300 + 256;
    assert_eq!(
        found,
        [
            (1, 8_192, 8_192 - frame, 300),
            (2, bytes(cut + 600), 600, 256),
            (3, 8_193 - 300 + 256, 0, 256)
        ]
    );
    let ids: Vec<i64> = connection
        .prepare("SELECT id FROM events ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(ids, [1, 2, 3, 5]);
}
