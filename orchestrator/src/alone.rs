//! One orchestrator for one database: two would each take the other's jobs for theirs.
//!
//! A lock on a file beside the database says so, for as long as the process lives. Somebody may remove that file, alone or with the
//! database: it is looked at again, made again and locked again.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mayfly_service::telemetry::MONITOR;
use mayfly_store::Store;
use tracing::{error, info};

/// How long from one look at the lock to the next.
const INTERVAL: Duration = Duration::from_secs(10);

/// The lock, if one could be had. It is free again once this is dropped.
#[derive(Debug)]
pub(crate) struct Alone {
    database: PathBuf,
    held: Option<File>,
}

impl Alone {
    /// Locks the file beside the database at `path`.
    ///
    /// Errors: another process has it, or something else is in its place. Where files cannot be locked, or not be made, there is no
    /// lock.
    pub(crate) fn lock_beside(path: &Path) -> io::Result<Self> {
        // One file may have several names.
        let database = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut alone = Self { database, held: None };
        alone.lock().map_err(|why| io::Error::other(format!("DATABASE_PATH: {why}")))?;
        Ok(alone)
    }

    /// Keeps the file locked until the future is dropped.
    pub(crate) async fn keep(mut self) {
        let mut told = false;
        loop {
            tokio::time::sleep(INTERVAL).await;
            match self.look() {
                Ok(false) => told = false,
                Ok(true) => {
                    told = false;
                    info!(category = MONITOR, "the database is locked again");
                }
                Err(why) if !told => {
                    told = true;
                    error!(category = MONITOR, "DATABASE_PATH: {why}");
                }
                Err(_) => {}
            }
        }
    }

    /// Locks again if no file is locked, or the one that is locked is not the one beside the database any more. True if it did.
    ///
    /// Errors: another process has that one.
    fn look(&mut self) -> Result<bool, String> {
        let Some(held) = &self.held else { return self.lock() };
        let identity = |found: io::Result<std::fs::Metadata>| {
            found.ok().map(|found| (found.dev(), found.ino()))
        };
        let there = std::fs::symlink_metadata(Store::lock(&self.database));
        if identity(held.metadata()) == identity(there) {
            return Ok(false);
        }
        self.lock()
    }

    /// What it means that the lock cannot be opened: nothing, unless something else is in its place.
    fn without(&self, error: &io::Error) -> Result<bool, String> {
        let lock = Store::lock(&self.database);
        let strange = std::fs::symlink_metadata(&lock).is_ok_and(|found| !found.is_file());
        if strange {
            return Err(format!(
                "{} is no regular file ({error}): remove it, so that the database can be locked",
                lock.display()
            ));
        }
        Ok(false)
    }

    /// True if it is locked now.
    fn lock(&mut self) -> Result<bool, String> {
        let file = match Store::open_lock(&self.database) {
            Ok(file) => file,
            Err(error) => return self.without(&error),
        };
        match file.try_lock() {
            Ok(()) => {
                self.held = Some(file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Err(format!(
                "another orchestrator uses {}: stop it, or give each a database and an ORCHESTRATOR_ID of its own",
                self.database.display()
            )),
            Err(TryLockError::Error(_)) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::tasks::TaskSet;

    fn is_locked(path: &Path) -> bool {
        let file = File::options().append(true).open(path).unwrap();
        matches!(file.try_lock(), Err(TryLockError::WouldBlock))
    }

    #[tokio::test]
    async fn the_lock_is_free_again_once_nobody_keeps_it() {
        let folder = std::env::temp_dir().join(format!("mayfly-alone-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let set = TaskSet::default();
        set.tasks().spawn(Alone::lock_beside(&folder.join("m.db")).unwrap().keep());
        assert!(is_locked(&folder.join("m.db.lock")));
        set.end().await;
        assert!(!is_locked(&folder.join("m.db.lock")));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn something_else_in_the_place_of_the_lock_is_told_and_left_alone() {
        let folder = std::env::temp_dir().join(format!("mayfly-alone-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, other) = (folder.join("m.db.lock"), folder.join("other"));
        std::fs::write(&other, "theirs").unwrap();
        std::os::unix::fs::symlink(&other, &file).unwrap();
        let mut alone = Alone { database: folder.join("m.db"), held: None };
        let why = alone.lock().unwrap_err();
        assert!(why.contains("m.db.lock is no regular file"), "{why}");
        assert_eq!(std::fs::read(&other).unwrap(), b"theirs");
        // It comes while the file is locked.
        std::fs::remove_file(&file).unwrap();
        assert_eq!(alone.lock(), Ok(true));
        std::fs::rename(&file, folder.join("moved")).unwrap();
        std::os::unix::fs::symlink(folder.join("moved"), &file).unwrap();
        assert!(alone.look().is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_lock_that_is_removed_or_replaced_is_taken_again() {
        let folder = std::env::temp_dir().join(format!("mayfly-alone-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut alone = Alone { database: folder.join("m.db"), held: None };
        let file = folder.join("m.db.lock");
        // As an earlier release made it: anybody could open it, and so lock it.
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let mode = || std::fs::metadata(&file).unwrap().mode() & 0o777;
        assert_eq!((alone.lock(), mode()), (Ok(true), 0o600));
        assert!(is_locked(&file));
        assert_eq!(alone.look(), Ok(false), "it is there");
        std::fs::remove_file(&file).unwrap();
        assert_eq!((alone.look(), mode()), (Ok(true), 0o600));
        assert!(is_locked(&file));
        // The folder was made again.
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(alone.look(), Ok(false), "there is no place for it");
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(alone.look(), Ok(true));
        assert!(is_locked(&file));
        // Another one was faster.
        std::fs::remove_file(&file).unwrap();
        let other = File::create(&file).unwrap();
        other.try_lock().unwrap();
        for _ in 0..2 {
            let why = alone.look().unwrap_err();
            assert!(why.starts_with("another orchestrator uses "), "{why}");
        }
        drop(other);
        assert_eq!((alone.look(), is_locked(&file)), (Ok(true), true));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
