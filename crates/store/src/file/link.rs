//! A link that leads to the database: the next start goes through it.
//!
//! The link itself may be removed while the file stays, and a link, or a folder on the way, may lead elsewhere from some moment on. What
//! is written to the file after that is not what the next start opens.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::StoreError;

/// The way to a database through links, as it was when the database was opened.
#[derive(Debug)]
pub(super) struct Link {
    /// The path that was given.
    name: PathBuf,
    /// What the link at that path holds; none if a folder on the way is the link.
    target: Option<PathBuf>,
    /// The file to which it leads.
    file: PathBuf,
}

/// Where a link leads now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// To the database.
    Here,
    /// To something else, or to a place where nothing is.
    Elsewhere,
    /// It is not there any more.
    Nowhere,
}

impl Link {
    /// The links on the way from `name` to a file that is there, if there are any.
    pub(super) fn of(name: &Path) -> Option<Self> {
        let file = name.canonicalize().ok()?;
        let name = std::path::absolute(name).ok()?;
        let target = fs::read_link(&name).ok();
        (name != file).then_some(Self { name, target, file })
    }

    /// Where it leads now. Whether the database is there makes no difference.
    pub(super) fn leads(&self) -> Leads {
        if end(&self.name).is_some_and(|end| end == self.file) {
            return Leads::Here;
        }
        let there = fs::symlink_metadata(&self.name);
        let gone = there.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if gone && self.target.is_some() { Leads::Nowhere } else { Leads::Elsewhere }
    }

    /// Makes the link again. Says so.
    ///
    /// Errors: it cannot be made.
    pub(super) fn make_again(&self) -> Result<String, StoreError> {
        let (name, file) = (self.name.display(), self.file.display());
        let target = self.target.as_ref().unwrap_or(&self.file);
        symlink(target, &self.name).map_err(|error| {
            StoreError::Unusable(format!(
                "the link {name} to the database {file} was deleted, and cannot be made again: {error}"
            ))
        })?;
        Ok(format!("the link {name} to {file} was deleted while it was in use; it was made again"))
    }

    /// It leads elsewhere.
    ///
    /// Errors: what that means, always.
    pub(super) fn leads_elsewhere<T>(&self) -> Result<T, StoreError> {
        Err(StoreError::Unusable(format!(
            "{} led to the database {} and does not any more: have it lead there again, or restart the orchestrator to use what is there",
            self.name.display(),
            self.file.display()
        )))
    }
}

/// The file to which `name` leads, be it there or not.
fn end(name: &Path) -> Option<PathBuf> {
    if let Ok(file) = name.canonicalize() {
        return Some(file);
    }
    let name = match fs::read_link(name) {
        Ok(target) => name.parent()?.join(target),
        Err(_) => name.to_owned(),
    };
    Some(name.parent()?.canonicalize().ok()?.join(name.file_name()?))
}
