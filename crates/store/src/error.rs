//! Why the file cannot be used, in words that say what can be done about it.

use rusqlite::ErrorCode;

/// Why the file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is no database, or a damaged one.
    #[error("it is damaged, or not a database; move it away to begin a new one")]
    Damaged,
    /// Another program wrote it.
    #[error("it is the database of another program; name another file")]
    Foreign,
    /// Another version wrote it.
    #[error("it was written by a newer version (schema {found}, this one knows {known})")]
    Newer {
        /// The schema found.
        found: i64,
        /// The newest schema known.
        known: i64,
    },
    /// It cannot be written.
    #[error("it cannot be written: the file or its folder is read-only for this user")]
    ReadOnly,
    /// There is no room.
    #[error("the disk is full")]
    Full,
    /// Another process holds it.
    #[error("another process has locked it")]
    Locked,
    /// It cannot be opened.
    #[error("it cannot be opened; check that its folder exists and that this user may write there")]
    CannotOpen,
    /// Another file was put in its place while it was open.
    #[error(
        "another file was put in its place while it was in use; restart the orchestrator to use that one"
    )]
    Replaced,
    /// `DATABASE_PATH` could not be used at the start; the path, and why.
    #[error("{0}")]
    Unusable(String),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::CannotOpen) => Self::CannotOpen,
            _ => Self::Other(error.to_string()),
        }
    }
}
