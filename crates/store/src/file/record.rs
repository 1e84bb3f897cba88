//! Which database a write-ahead log belongs to, from one start to the next.
//!
//! Nothing in a log names its database. After a crash the log stays, and if somebody puts another file in the place of the database
//! before the next start, `SQLite` would write what the log holds over that one. So the lock beside the database also holds which
//! files the two were. Only this one case is told for sure: the database is another file, and the log is the same. If both are
//! others, a copy of both may have been put there; if the database is the same file, it may have been written over, which nothing
//! tells.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, StatxFlags, statx};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::{OTHERS, PRIVATE, StoreError, beside, remove};

/// Far more than a record has.
const LONGEST: u64 = 4_096;

/// Which file something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    /// When it was made, in seconds and nanoseconds, if the file system tells: a number may be given again.
    born: Option<(i64, u32)>,
}

/// What the lock holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) database: Identity,
    pub(super) log: Option<Identity>,
}

impl Identity {
    /// Of the file at `path`, if there is one.
    pub(super) fn at(path: &Path) -> Result<Option<Self>, StoreError> {
        match fs::metadata(path) {
            Ok(found) => {
                Ok(Some(Self { device: found.dev(), inode: found.ino(), born: born(path) }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_) => Err(StoreError::CannotOpen),
        }
    }

    /// True if it is the same file, also after a restart of the machine, which may give devices other numbers.
    fn is_still(&self, other: &Self) -> bool {
        let same = match (self.born, other.born) {
            (Some(one), Some(other)) => one == other,
            _ => self.device == other.device,
        };
        same && self.inode == other.inode
    }
}

/// The standard library asks for it only with some C libraries.
fn born(path: &Path) -> Option<(i64, u32)> {
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::BTIME).ok()?;
    let told = found.stx_mask & StatxFlags::BTIME.bits() != 0;
    told.then_some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec))
}

/// The lock of the database at `database`.
pub(crate) fn lock(database: &Path) -> PathBuf {
    beside(database, ".lock")
}

/// Opens the lock of the database at `database`, which is made if it is not there. Nobody else may open it, and so lock it.
///
/// Errors: it cannot be opened, or what is there is no file of its own: a symbolic link, which may lead to anybody's file, or a pipe.
pub(crate) fn open(database: &Path) -> io::Result<File> {
    let file = opened(database, OpenOptions::new().write(true).create(true).mode(PRIVATE))?;
    let mode = file.metadata()?.permissions().mode();
    if mode & OTHERS != 0 {
        // Where that cannot be, it is a lock all the same.
        let _ = file.set_permissions(Permissions::from_mode(mode & !OTHERS));
    }
    Ok(file)
}

/// Opens the lock of `database` for reading and `how`: never through a symbolic link, and without waiting for anybody.
fn opened(database: &Path, how: &mut OpenOptions) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    let file = how.read(true).custom_flags(flags).open(lock(database))?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))
}

impl Record {
    /// What the lock of `database` holds. What cannot be read says nothing: an earlier release wrote none.
    fn of(database: &Path) -> Option<Self> {
        let mut text = Vec::new();
        opened(database, &mut OpenOptions::new())
            .ok()?
            .take(LONGEST)
            .read_to_end(&mut text)
            .ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes it, unless it is there. Where that cannot be, the log is taken for the database's after a crash.
    pub(super) fn keep(&self, database: &Path) {
        if Self::of(database).as_ref() == Some(self) {
            return;
        }
        // The file stays the one that is locked.
        let written = serde_json::to_string(self).map_err(io::Error::from).and_then(|text| {
            let file = open(database)?;
            file.write_all_at(text.as_bytes(), 0)?;
            file.set_len(u64::try_from(text.len()).unwrap_or_default())
        });
        if let Err(error) = written {
            debug!("{}: {error}", lock(database).display());
        }
    }
}

/// True if the log beside `database` is that of another file, which was there before.
pub(super) fn is_strange(database: &Path) -> Result<bool, StoreError> {
    let Some(record) = Record::of(database) else { return Ok(false) };
    let (Some(before), Some(log)) = (record.log, Identity::at(&beside(database, "-wal"))?) else {
        return Ok(false);
    };
    let same = Identity::at(database)?.is_some_and(|now| now.is_still(&record.database));
    Ok(!same && log.is_still(&before))
}

/// True if `database` is the file that it was when it was last used, but nothing is in it any more.
pub(super) fn is_emptied(database: &Path) -> bool {
    let empty = fs::metadata(database).is_ok_and(|found| found.len() == 0);
    let now = || Identity::at(database).ok().flatten();
    empty
        && Record::of(database)
            .zip(now())
            .is_some_and(|(before, now)| now.is_still(&before.database))
}

/// Moves such a log away, under a name that nothing has, and says so.
///
/// Errors: it cannot be moved.
pub(super) fn set_aside(database: &Path) -> Result<(), StoreError> {
    let log = beside(database, "-wal");
    let mut place = beside(&log, ".old");
    let mut number = 1;
    while place.symlink_metadata().is_ok() {
        number += 1;
        place = beside(&log, &format!(".old-{number}"));
    }
    // Its index is made anew from it.
    let moved = fs::rename(&log, &place).and_then(|()| remove(&beside(database, "-shm")));
    moved.map_err(|error| {
        StoreError::Other(format!(
            "another file is in its place, and the write-ahead log of the old one cannot be moved away ({error}): remove {}",
            log.display()
        ))
    })?;
    warn!(
        "{} was replaced or removed while it was not in use: the write-ahead log of the old file is not applied to it, and is now {}",
        database.display(),
        place.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests;
