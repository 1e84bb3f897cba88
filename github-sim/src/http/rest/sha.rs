//! Object names: those of files and directories are git's own, SHA-1 over the object; those of commits only look so, since
//! no history is kept.
//!
//! (Pro Git, "Git Internals - Git Objects".)

use std::fmt::Write as _;

use crate::names::RepoSlug;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use sha2::{Digest as _, Sha256};

use crate::world::model::Repo;

/// A directory's entry, as trees hold it.
const MODE_FILE: &str = "100644";
const MODE_TREE: &str = "40000";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn object(kind: &str, content: &[u8]) -> Vec<u8> {
    let mut hasher = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hasher.update(format!("{kind} {}\0", content.len()).as_bytes());
    hasher.update(content);
    hasher.finish().as_ref().to_vec()
}

/// The name of a file's content.
pub(crate) fn blob(text: &str) -> String {
    hex(&object("blob", text.as_bytes()))
}

/// The name of a directory's content; an empty path is the root.
pub(crate) fn tree(repo: &Repo, path: &str) -> String {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    hex(&tree_of(&below(repo, &prefix), prefix.len(), &mut |_, _, _| ()))
}

/// A file or directory of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Empty for the root.
    pub(crate) path: String,
    pub(crate) is_tree: bool,
    pub(crate) oid: String,
}

/// Every file and directory.
pub(crate) fn all(repo: &Repo) -> Vec<Named> {
    let mut found = Vec::new();
    let root = tree_of(&below(repo, ""), 0, &mut |path, is_tree, oid| {
        found.push(Named { path: path.to_owned(), is_tree, oid: hex(oid) });
    });
    found.push(Named { path: String::new(), is_tree: true, oid: hex(&root) });
    found
}

fn below<'a>(repo: &'a Repo, prefix: &str) -> Vec<(&'a str, &'a str)> {
    let files = repo.files.iter().filter(|(path, _)| path.starts_with(prefix));
    files.map(|(path, text)| (path.as_str(), text.as_str())).collect()
}

/// The name of the directory that `files` are in, which are in the order of their paths and whose paths go on at `start`;
/// tells `found` of everything below. The order is git's, who compares directories as if their names ended with a slash.
fn tree_of(
    files: &[(&str, &str)],
    start: usize,
    found: &mut impl FnMut(&str, bool, &[u8]),
) -> Vec<u8> {
    let mut content = Vec::new();
    let mut rest = files;
    while let Some((&(path, text), after)) = rest.split_first() {
        let (mode, end, oid) = match path[start..].find('/') {
            None => {
                rest = after;
                (MODE_FILE, path.len(), object("blob", text.as_bytes()))
            }
            Some(length) => {
                let directory = &path[..=start + length];
                let inside = rest.iter().take_while(|(path, _)| path.starts_with(directory));
                let (inside, after) = rest.split_at(inside.count());
                rest = after;
                (MODE_TREE, start + length, tree_of(inside, directory.len(), found))
            }
        };
        found(&path[..end], mode == MODE_TREE, &oid);
        content.extend(format!("{mode} {}\0", &path[start..end]).into_bytes());
        content.extend(oid);
    }
    object("tree", &content)
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize()[..20])
}

/// The name of the one commit that runs and jobs refer to.
pub(crate) fn head(slug: &RepoSlug) -> String {
    digest(["commit", &slug.to_string().to_ascii_lowercase()])
}

/// The name of the commit that a push at this moment makes.
pub(crate) fn commit(slug: &RepoSlug, moment: i64) -> String {
    digest(["push", &slug.to_string().to_ascii_lowercase(), &moment.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_gits_own() {
        // As `git hash-object` and `git mktree` give them.
        assert_eq!(blob(""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(blob("hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
        let empty = hex(&tree_of(&[], 0, &mut |_, _, _| ()));
        assert_eq!(empty, "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
        let files = [("a.b", "1"), ("a/x", "2"), ("a/y/z", "3"), ("a0", "4")];
        let mut order = Vec::new();
        let root =
            tree_of(&files, 0, &mut |path, is_tree, _| order.push((path.to_owned(), is_tree)));
        assert_eq!(hex(&root), "1d79bc87f0456182f935aaef1d31eead32435d9d");
        let order: Vec<_> = order.iter().map(|(path, tree)| (path.as_str(), *tree)).collect();
        let expected = [
            ("a.b", false),
            ("a/x", false),
            ("a/y/z", false),
            ("a/y", true),
            ("a", true),
            ("a0", false),
        ];
        assert_eq!(order, expected);
    }
}
