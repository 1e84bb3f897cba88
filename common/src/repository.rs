//! Repositories and their workflow files, as GitHub lists them.

use crate::scope::RepoSlug;

/// A repository as GitHub lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// GitHub's id; stays when the repository is renamed.
    pub id: i64,
    /// Its name.
    pub slug: RepoSlug,
    /// GitHub's time of the last push; none if it does not say.
    pub pushed_at: Option<String>,
    /// True if not everybody sees it; none if GitHub does not say.
    pub private: Option<bool>,
    /// True if it is a fork.
    pub fork: bool,
    /// True if it is archived: no workflow runs there.
    pub archived: bool,
    /// True if GitHub disabled it.
    pub disabled: bool,
}

/// How far a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// All of it.
    Whole,
    /// Until nothing is new.
    Recent,
}

/// How much of what there is was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Coverage {
    /// A part: the rest is as it was, as far as is known.
    Part,
    /// All that could be read, but some entries could not: what is missing may be there all the same.
    Readable,
    /// All of it: what is missing is gone.
    #[default]
    Whole,
}

impl Coverage {
    /// The coverage of a list that was read to its end, `unread` of whose entries could not be read.
    pub fn of(unread: usize) -> Self {
        if unread == 0 { Self::Whole } else { Self::Readable }
    }
}

/// A repository's workflow folder on its default branch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folder {
    /// GitHub's id of the repository, if the answer says.
    pub id: Option<i64>,
    /// The repository's present name, if the answer says: another than asked for after a renaming.
    pub slug: Option<RepoSlug>,
    /// Its YAML files; none also if there is no such folder, or the repository is empty.
    pub files: Vec<FileVersion>,
    /// What is wrong with each entry that could not be read.
    pub odd: Vec<String>,
}

impl Folder {
    /// True if it has no workflow file, as far as it could be read.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.odd.is_empty()
    }
}

/// A version of a workflow file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion {
    /// Its name within the folder.
    pub name: String,
    /// Git's id of its content.
    pub oid: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What was read of a version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileText {
    /// Its text.
    Read(String),
    /// It is too large, or not text.
    NoText,
    /// GitHub listed it and has no such file.
    Missing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_whole_if_every_entry_was_read() {
        assert_eq!((Coverage::of(0), Coverage::of(1)), (Coverage::Whole, Coverage::Readable));
        assert_eq!(Coverage::default(), Coverage::Whole);
        assert!(Coverage::Part < Coverage::Readable && Coverage::Readable < Coverage::Whole);
    }
}
