//! The file behind the store: who may read it, and whether it is still there.
//!
//! A file that was deleted while it was open lives on until it is closed, so that all it holds can be written again. `SQLite` removes
//! its log by name when it closes a database: the old connection is closed before the new one is opened. A link to it: see [`link`].

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use tracing::warn;

use self::link::{Leads, Link};
use self::lost::{Kept, Lost};
use self::record::{Identity, Record};
use super::{BUSY, StoreError, bounds, schema};

mod link;
mod lost;
pub(super) mod record;

/// Only the owner may read and write.
const PRIVATE: u32 = 0o600;
/// The permissions of everybody else.
const OTHERS: u32 = 0o077;

/// A file that is open, and what it was when it was opened.
pub(super) struct File {
    pub(super) path: PathBuf,
    /// The link that led to it, if there was one.
    link: Option<Link>,
    opened: Option<Opened>,
    /// The file itself, to look at what is in it. Closing it ends every lock that this process has on the file, `SQLite`'s too, so it
    /// stays open as long as the database.
    contents: Option<fs::File>,
    /// What is written again if the contents are lost.
    kept: Option<Kept>,
    /// True if the copy beside it is whole and belongs in its place.
    copied: bool,
    /// What became of it since it was last used, if that is a loss.
    pub(super) found: Option<String>,
}

#[derive(Clone, Copy)]
struct Opened {
    main: Identity,
    /// The write-ahead log and its index, which appear with the first use.
    beside: [Option<Identity>; 2],
}

/// What is at the path.
enum Found {
    Same,
    /// The database is not there any more.
    Gone,
    /// Its log is not there any more, or another one.
    LogGone,
    /// Another file is there.
    Replaced,
    /// It is the same file, but the database is not in it any more.
    Lost(Lost),
    /// It was closed, and could not be opened again.
    Closed,
    /// It is there, and the link to it is not.
    LinkGone,
    /// The link leads elsewhere now.
    Elsewhere,
}

/// Opens the file at `path`, which is made if it is not there, and brings its schema up to date.
///
/// Errors: it cannot be used; what it holds is left as it is.
pub(super) fn open(path: &Path) -> Result<(Connection, File), StoreError> {
    let given = path;
    let path = real(given);
    if record::is_strange(&path)? {
        // Another program's database stays as it is, and so does what lies beside it.
        check(&path)?;
        record::set_aside(&path)?;
    }
    let found = record::is_emptied(&path).then(|| {
        format!(
            "the database {} was emptied after it was last used: the pools and the history that it held are gone; restore a backup, \
             or make the pools again",
            path.display()
        )
    });
    let connection = connect(&path)?;
    let (opened, contents, kept) = (None, None, None);
    let link = Link::of(given);
    let mut file = File { path, link, opened, contents, kept, copied: false, found };
    file.opened(&connection)?;
    Ok((connection, file))
}

/// What `SQLite` makes of a path, beside which its log is: what the symbolic links lead to.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// True if the log beside the database at `path` is that of another file, which was there before. Opening it moves that log away.
pub(super) fn has_strange_log(path: &Path) -> bool {
    record::is_strange(&real(path)) == Ok(true)
}

/// True if the file at `path`, if there is one, is no database at all. An empty one becomes one.
pub(super) fn is_something_else(path: &Path) -> bool {
    let filled = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0);
    filled && fs::File::open(path).is_ok_and(|file| Lost::of(&file).is_some())
}

/// Checks that the file at `path`, if there is one, is not the database of another program. It is only read.
///
/// Errors: [`StoreError::Foreign`], and no other: what else is wrong shows when the file is opened.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    // As a log has it, the file alone may not be whole. Without one, not even a lock is needed, which would leave files beside it.
    let path = &real(path);
    let log = fs::metadata(beside(path, "-wal")).is_ok_and(|found| found.len() > 0)
        && record::is_strange(path) == Ok(false);
    let how = if log { "mode=ro" } else { "immutable=1" };
    let mut address = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        let _ = write!(address, "%{byte:02x}");
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let checked = Connection::open_with_flags(format!("{address}?{how}"), flags)
        .map_err(StoreError::from)
        .and_then(|connection| schema::check(&connection));
    if checked == Err(StoreError::Foreign) { checked } else { Ok(()) }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    check(path)?;
    create(path)?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // Before anything is written: a newer version's file stays as it is.
    schema::check(&connection)?;
    make_private(path);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    schema::bring_up_to_date(&mut connection)?;
    bounds::apply(&mut connection)?;
    Ok(connection)
}

/// Makes an empty file at `path`, which nobody else may read, if there is none.
///
/// Errors: it cannot be made, or what is there is no file: a device, say, which every program of the machine may need.
fn create(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_file() => Ok(()),
        Err(_) => Err(StoreError::CannotOpen),
    }
}

/// Takes the permissions of others away from a database that is ours. `SQLite` gives its log those of the database; a log that an
/// earlier version left is changed here, too.
fn make_private(path: &Path) {
    for path in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        let Ok(found) = fs::metadata(&path) else { continue };
        let mode = found.permissions().mode();
        if mode & OTHERS == 0 {
            continue;
        }
        if let Err(error) = fs::set_permissions(&path, fs::Permissions::from_mode(mode & !OTHERS)) {
            warn!("{}: others may read it, and that cannot be changed: {error}", path.display());
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

impl Opened {
    fn at(path: &Path) -> Result<Option<Self>, StoreError> {
        let beside = [Identity::at(&beside(path, "-wal"))?, Identity::at(&beside(path, "-shm"))?];
        Ok(Identity::at(path)?.map(|main| Self { main, beside }))
    }
}

impl File {
    /// Looks whether the file is still the one that was opened, and makes it again if it is gone: with all that it held. Says what
    /// was done, if anything was.
    ///
    /// Errors: it cannot be made again, or another file is in its place.
    pub(super) fn look_after(
        &mut self,
        connection: &mut Connection,
    ) -> Result<Option<String>, StoreError> {
        let shown = self.path.display().to_string();
        match self.find()? {
            Found::Same => {
                self.keep_record();
                Ok(None)
            }
            Found::Replaced => {
                // The database may have been moved away: it is whole without its log from now on.
                let whole = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
                if let Err(error) = whole {
                    warn!(
                        "{shown}: what its log holds is not in the file that was replaced: {error}"
                    );
                }
                self.take_log_away();
                Err(StoreError::Replaced)
            }
            Found::Closed => {
                self.reopen(connection)?;
                Ok(Some(format!("{shown} could be opened again")))
            }
            Found::LogGone => {
                // What the log holds goes into the database, which is still there.
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
                self.close(connection)?;
                self.reopen(connection)?;
                Ok(Some(format!(
                    "the write-ahead log of {shown} was deleted while it was in use; nothing is lost"
                )))
            }
            Found::Lost(lost) => {
                let again = self.write_again_what_is_left(connection, lost).map_err(|error| {
                    let why = format!("the database {shown} {lost} while it was in use, and cannot be made again: {error}");
                    StoreError::Unusable(why)
                })?;
                Ok(Some(format!(
                    "{shown} {lost} while it was in use; it was made again with {again}"
                )))
            }
            Found::Gone => {
                self.write_again(connection)?;
                Ok(Some(format!(
                    "{shown} was deleted while it was in use; it was made again with all that it held"
                )))
            }
            Found::LinkGone => self.link.as_ref().map(Link::make_again).transpose(),
            Found::Elsewhere => self.link.as_ref().map_or(Ok(None), Link::leads_elsewhere),
        }
    }

    fn find(&mut self) -> Result<Found, StoreError> {
        let leads = self.link.as_ref().map_or(Leads::Here, Link::leads);
        if leads == Leads::Elsewhere {
            return Ok(Found::Elsewhere);
        }
        let Some(opened) = &mut self.opened else { return Ok(Found::Closed) };
        let Some(now) = Opened::at(&self.path)? else { return Ok(Found::Gone) };
        if now.main != opened.main {
            return Ok(Found::Replaced);
        }
        if let Some(lost) = self.contents.as_ref().and_then(Lost::of) {
            return Ok(Found::Lost(lost));
        }
        for (before, now) in opened.beside.iter_mut().zip(now.beside) {
            match (&before, now) {
                (None, now) => *before = now,
                (Some(before), now) if now != Some(*before) => return Ok(Found::LogGone),
                _ => {}
            }
        }
        Ok(if leads == Leads::Nowhere { Found::LinkGone } else { Found::Same })
    }

    /// Removes the log and its index, if they are still those of the file that was opened: whoever opens the file that is there now
    /// would take them for that one's, and write what they hold over it. Nothing in a log names its database.
    fn take_log_away(&mut self) {
        let Some(opened) = &mut self.opened else { return };
        for (suffix, ours) in ["-wal", "-shm"].into_iter().zip(&mut opened.beside) {
            let path = beside(&self.path, suffix);
            if ours.is_some()
                && Identity::at(&path) == Ok(*ours)
                && let Err(error) = fs::remove_file(&path)
            {
                warn!("{}: remove it before the next start: {error}", path.display());
                continue;
            }
            // Once it is closed, another file may get its number.
            *ours = None;
        }
    }

    fn write_again(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        self.copy(connection)?;
        self.put_copy(connection)
    }

    /// Makes the file again whose contents are lost. Says what is in it.
    fn write_again_what_is_left(
        &mut self,
        connection: &mut Connection,
        lost: Lost,
    ) -> Result<&'static str, StoreError> {
        let kept = self.kept.as_ref().ok_or(StoreError::Damaged)?;
        // What was written over it must not be taken for what was there.
        let whole = lost == Lost::Emptied
            && self.copy(connection).and_then(|copy| kept.are_in_whole(&copy)) == Ok(true);
        if !whole {
            kept.write(&self.empty_copy()?)?;
        }
        self.put_copy(connection)?;
        Ok(if whole { "all that it held" } else { "the pools, but its history is lost" })
    }

    /// Makes a file beside it, which is empty.
    fn empty_copy(&self) -> Result<PathBuf, StoreError> {
        let copy = beside(&self.path, ".new");
        remove(&copy).map_err(|_| StoreError::CannotOpen)?;
        create(&copy)?;
        Ok(copy)
    }

    /// Makes a file beside it that holds the same.
    fn copy(&self, connection: &Connection) -> Result<PathBuf, StoreError> {
        let copy = self.empty_copy()?;
        let target = copy.to_str().ok_or(StoreError::CannotOpen)?;
        connection.execute("VACUUM INTO ?1", [target])?;
        Ok(copy)
    }

    /// Puts the file beside it in its place, and opens that.
    fn put_copy(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        self.copied = true;
        self.close(connection)?;
        // They belong to the old file, and would be taken for the new one's.
        for suffix in ["-wal", "-shm"] {
            remove(&beside(&self.path, suffix)).map_err(|_| StoreError::CannotOpen)?;
        }
        self.reopen(connection)
    }

    /// Closes the database; until it is opened again, nothing can be read or written.
    fn close(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        self.opened = None;
        drop(std::mem::replace(connection, Connection::open_in_memory()?));
        self.contents = None;
        Ok(())
    }

    fn reopen(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        let copy = beside(&self.path, ".new");
        // It is also put in its place if that could not be done before.
        if Identity::at(&copy)?.is_some() && (self.copied || Identity::at(&self.path)?.is_none()) {
            fs::rename(&copy, &self.path).map_err(|_| StoreError::CannotOpen)?;
        }
        self.copied = false;
        *connection = connect(&self.path)?;
        self.opened(connection)
    }

    fn opened(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.opened = Opened::at(&self.path)?;
        self.contents = fs::File::open(&self.path).ok();
        self.kept = None;
        self.keep(connection);
        self.keep_record();
        Ok(())
    }

    /// Keeps in memory what is written again if the contents are lost. To be called whenever that changes.
    pub(super) fn keep(&mut self, connection: &Connection) {
        if let Ok(kept) = Kept::of(connection) {
            self.kept = Some(kept);
        }
    }

    /// Has the lock tell which files these are: for the next start, which may come after a crash.
    fn keep_record(&self) {
        if let Some(Opened { main, beside: [log, _] }) = self.opened {
            Record { database: main, log }.keep(&self.path);
        }
    }
}

impl Drop for File {
    /// The file may have been replaced since it was last looked at. `SQLite` leaves the log of a replaced file where it is.
    fn drop(&mut self) {
        if matches!(self.find(), Ok(Found::Replaced)) {
            self.take_log_away();
        }
    }
}

/// Removes the file at `path`, if there is one.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
