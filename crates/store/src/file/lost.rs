//! A file that lost its contents while it was open: it is the same file, but somebody emptied it (`: >`, a log rotation that copies and
//! truncates) or wrote something else over it.
//!
//! What was in the file alone is gone then. `SQLite` still has what is in its log and in its cache, which may be all. Where it is
//! not, there are the tables that nothing else can tell: they are kept in memory, too. Another database of ours that is written over
//! it cannot be told from the old one.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::{StoreError, schema};

/// How long the header of a database is.
const HEADER: usize = 100;
/// What it begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// What is neither at GitHub nor in Docker, and little.
const TABLES: [&str; 2] = ["pools", "drain"];

/// What became of the contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// There are none.
    Emptied,
    /// They are no database.
    Overwritten,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Emptied => "lost its contents",
            Self::Overwritten => "was overwritten with something else",
        })
    }
}

impl Lost {
    /// What became of the contents of `file`, if they are not there any more. What cannot be read tells nothing.
    pub(super) fn of(file: &fs::File) -> Option<Self> {
        let mut header = [0; HEADER];
        match file.read_exact_at(&mut header, 0) {
            Ok(()) => (!header.starts_with(MAGIC)).then_some(Self::Overwritten),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Some(Self::Emptied),
            Err(_) => None,
        }
    }
}

/// The rows of [`TABLES`], column by column.
#[derive(Debug, PartialEq)]
pub(super) struct Kept([Vec<Vec<Value>>; TABLES.len()]);

impl Kept {
    /// What is in the database.
    ///
    /// Errors: it cannot be read.
    pub(super) fn of(connection: &Connection) -> Result<Self, rusqlite::Error> {
        let rows = |table| -> Result<Vec<Vec<Value>>, rusqlite::Error> {
            let mut query = connection.prepare(&format!("SELECT * FROM {table}"))?;
            let columns = query.column_count();
            let rows = query.query_map([], |row| (0..columns).map(|at| row.get(at)).collect())?;
            rows.collect()
        };
        let [pools, drain] = TABLES.map(rows);
        Ok(Self([pools?, drain?]))
    }

    /// Makes a database at `path`, an empty file, that holds them and nothing else.
    ///
    /// Errors: it cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let mut connection = Connection::open(path)?;
        schema::bring_up_to_date(&mut connection)?;
        let transaction = connection.transaction()?;
        for (table, rows) in TABLES.iter().zip(&self.0) {
            for row in rows {
                let places = vec!["?"; row.len()].join(", ");
                let insert = format!("INSERT INTO {table} VALUES ({places})");
                transaction.execute(&insert, params_from_iter(row))?;
            }
        }
        transaction.commit()?;
        connection.close().map_err(|(_, error)| error.into())
    }

    /// True if the database at `path`, copied from one whose file is empty, is all that it was: `SQLite` reads zeros where nothing is.
    /// It notices that in most places; at the end of a long text it does not.
    pub(super) fn are_in_whole(&self, path: &Path) -> Result<bool, StoreError> {
        let copy = Connection::open(path)?;
        let version: isize = copy.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if usize::try_from(version) != Ok(schema::STEPS.len()) || *self != Self::of(&copy)? {
            return Ok(false);
        }
        let mut texts = copy.prepare(
            "SELECT tables.name, columns.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
                 WHERE tables.type = 'table' AND columns.type = 'TEXT'",
        )?;
        let texts = texts.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for text in texts {
            let (table, column): (String, String) = text?;
            let zeros = format!(
                "SELECT EXISTS (SELECT 1 FROM {table} WHERE instr(CAST({column} AS BLOB), x'00'))"
            );
            if copy.query_row(&zeros, [], |row| row.get(0))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
