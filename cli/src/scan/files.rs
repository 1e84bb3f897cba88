//! From paths to workflow files, each once, in an order that does not change from call to call.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf, absolute};

/// A workflow file to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
    /// What a folder holds that cannot be looked at, and why.
    Unusable(PathBuf, String),
}

/// Why there is nothing to scan.
#[derive(Debug, thiserror::Error)]
pub(super) enum FindError {
    #[error("{path}: {error}")]
    Unreadable { path: String, error: io::Error },
    #[error("{0}: there is no workflow file (*.yml, *.yaml) in it")]
    Nothing(String),
}

/// The workflow files that `paths` stand for.
///
/// Errors: a path that is not there or cannot be read, or a folder without workflow files.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<Source>, FindError> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for path in paths {
        for source in named(path)? {
            // A name with `.` in it and one without are the same file.
            let identity = match &source {
                Source::Stdin => PathBuf::from("-"),
                Source::File(path) | Source::Unusable(path, _) => place(path),
            };
            if seen.insert(identity) {
                found.push(source);
            }
        }
    }
    Ok(found)
}

/// Where a file lies, whatever the working directory. By name alone: a link is a workflow of its own.
pub(super) fn place(path: &Path) -> PathBuf {
    absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// True if GitHub would take the file for a workflow of a repository: it lies in `.github/workflows`.
pub(super) fn is_in_a_repository(place: &Path) -> bool {
    place.parent().is_some_and(|folder| folder.ends_with(".github/workflows"))
}

fn named(path: &Path) -> Result<Vec<Source>, FindError> {
    if path == Path::new("-") {
        return Ok(vec![Source::Stdin]);
    }
    let shown = || path.display().to_string();
    let unreadable = |error| FindError::Unreadable { path: shown(), error };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![Source::File(path.to_path_buf())]);
    }
    let mut files = Vec::new();
    look(path, &mut files).map_err(unreadable)?;
    if files.is_empty() { Err(FindError::Nothing(shown())) } else { Ok(files) }
}

/// Looks through a folder and what is below it. Links to folders are not followed: they may lead in a circle.
fn look(whole: &Path, files: &mut Vec<Source>) -> io::Result<()> {
    let mut folders = vec![whole.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let (folder, deeper) = match workflows_of(&folder) {
            // GitHub reads no folders below it.
            Some(workflows) => (workflows, false),
            None => (folder, true),
        };
        let mut entries =
            match fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
                Ok(entries) => entries,
                Err(error) if folder == whole => return Err(error),
                Err(error) => {
                    files.push(Source::Unusable(folder, format!("cannot be read: {error}")));
                    continue;
                }
            };
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut below = Vec::new();
        for entry in entries {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if deeper && entry.file_name() != ".git" {
                    below.push(path);
                }
            } else if is_yaml(&path) {
                files.extend(file(path));
            }
        }
        // The last one is looked at first.
        folders.extend(below.into_iter().rev());
    }
    Ok(())
}

/// A file that a folder holds. A link to a folder is none; a pipe or a device is not read, for it may never end.
fn file(path: PathBuf) -> Option<Source> {
    match fs::metadata(&path) {
        Ok(kind) if kind.is_dir() => None,
        Ok(kind) if kind.is_file() => Some(Source::File(path)),
        Ok(_) => Some(Source::Unusable(path, "is not a file".to_owned())),
        Err(error) => Some(Source::Unusable(path, format!("cannot be read: {error}"))),
    }
}

/// The folder of workflows that `folder` stands for: it is one itself, or holds one as the root of a repository does.
fn workflows_of(folder: &Path) -> Option<PathBuf> {
    let place = place(folder);
    let below = if place.ends_with(".github/workflows") {
        folder.to_path_buf()
    } else if place.ends_with(".github") {
        folder.join("workflows")
    } else {
        folder.join(".github").join("workflows")
    };
    below.is_dir().then_some(below)
}

fn is_yaml(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|found| matches!(found.to_ascii_lowercase().as_str(), "yml" | "yaml"))
}
