//! Git's objects: `Commit`, `Tree`, `TreeEntry`, `Blob`, and how they are found.
//!
//! There is one commit, the head of the default branch. A text is binary as git sees it, by a NUL among its first bytes.

use std::rc::Rc;

use apollo_compiler::resolvers::{ResolveInfo, ResolvedValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Context, Resolved, Thing, id, leaf, text};
use crate::http::render::{files, time};
use crate::http::rest::{contents, sha};
use crate::world::model::Repo;

/// Bytes of a file's text that are given; GitHub documents no number, clients have measured this one.
const MAX_TEXT: usize = 512_000;
/// Bytes that git looks at to tell whether a file is binary.
const LOOKED_AT: usize = 8_000;
/// Modes of a file and of a directory, as git has them.
const FILE: u64 = 0o100_644;
const DIRECTORY: u64 = 0o040_000;

/// An object of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GitObject {
    /// The head of the default branch.
    Commit,
    /// The directory or file at a path.
    Tree(String),
    Blob(String),
}

impl GitObject {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Commit => "Commit",
            Self::Tree(_) => "Tree",
            Self::Blob(_) => "Blob",
        }
    }
}

/// True if `text` can be the id of an object.
pub(super) fn is_oid(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl<'w> Context<'w> {
    pub(super) fn by_oid(&self, repo: &Repo, oid: &str) -> Option<GitObject> {
        let oid = oid.to_ascii_lowercase();
        if repo.files.is_empty() {
            return None;
        }
        if oid == sha::head(&repo.slug) {
            return Some(GitObject::Commit);
        }
        let mut known = self.oids.borrow_mut();
        let all = known.entry(repo.id).or_insert_with(|| Rc::from(sha::all(repo)));
        all.iter().find(|one| one.oid == oid).map(object)
    }

    /// What an expression of git's names: a revision, or a path within one after a colon. (`man gitrevisions`.)
    pub(super) fn by_expression(&self, repo: &Repo, expression: &str) -> Option<GitObject> {
        let root = || GitObject::Tree(String::new());
        let revision = |name: &str| match name.strip_suffix("^{tree}") {
            Some(name) => self.revision(repo, name).map(|_| root()),
            None => self.revision(repo, name),
        };
        let Some((name, path)) = expression.split_once(':') else { return revision(expression) };
        let start = match revision(name)? {
            GitObject::Commit => String::new(),
            GitObject::Tree(path) => path,
            GitObject::Blob(_) => return None,
        };
        let (path, only_tree) = match path.strip_suffix('/') {
            Some(path) => (path, true),
            None => (path, path.is_empty()),
        };
        let full = [start.as_str(), path].into_iter().filter(|part| !part.is_empty());
        let full = full.collect::<Vec<_>>().join("/");
        if repo.files.contains_key(&full) {
            return (!only_tree).then_some(GitObject::Blob(full));
        }
        files::entries(repo, &full).map(|_| GitObject::Tree(full))
    }

    fn revision(&self, repo: &Repo, name: &str) -> Option<GitObject> {
        if repo.files.is_empty() {
            return None;
        }
        if contents::is_head(repo, name) {
            return Some(GitObject::Commit);
        }
        if is_oid(name) { self.by_oid(repo, name) } else { None }
    }

    pub(super) fn git(
        &'w self,
        repo: &'w Repo,
        object: &GitObject,
        info: &ResolveInfo<'_>,
    ) -> Option<Resolved<'w>> {
        let oid = || oid(repo, object);
        let page = || format!("/{}/commit/{}", repo.slug, sha::head(&repo.slug));
        Some(Ok(match (info.field_name(), object) {
            ("oid", _) => leaf(oid()),
            ("abbreviatedOid", _) => leaf(oid().chars().take(7).collect::<String>()),
            ("id", _) => leaf(id::of(object.type_name(), &format!("{}:{}", repo.id, oid()))),
            ("repository", _) => self.resolved(Thing::Repository(repo)),
            ("commitUrl", _) => leaf(format!("{}{}", self.urls.html, page())),
            ("commitResourcePath", _) => leaf(page()),
            (name, GitObject::Commit) => return self.commit(repo, name, info),
            ("entries", GitObject::Tree(path)) => {
                let found = files::entries(repo, path).unwrap_or_default().into_iter();
                let mut found: Vec<sha::Named> = found
                    .map(|entry| sha::Named {
                        path: entry.path,
                        is_tree: entry.text.is_none(),
                        oid: entry.sha,
                    })
                    .collect();
                found.sort_by_key(order);
                let object = |named| self.resolved(Thing::TreeEntry(repo, named));
                ResolvedValue::list(found.into_iter().map(object).collect::<Vec<_>>())
            }
            (name, GitObject::Blob(path)) => {
                let content = repo.files.get(path)?;
                match name {
                    "byteSize" => leaf(content.len() as u64),
                    "isBinary" => leaf(is_binary(content)),
                    "isTruncated" => leaf(content.len() > MAX_TEXT),
                    "text" if is_binary(content) => ResolvedValue::null(),
                    "text" => leaf(&content[..content.floor_char_boundary(MAX_TEXT)]),
                    _ => return None,
                }
            }
            _ => return None,
        }))
    }

    fn commit(
        &'w self,
        repo: &'w Repo,
        name: &str,
        info: &ResolveInfo<'_>,
    ) -> Option<Resolved<'w>> {
        Some(Ok(match name {
            "committedDate" | "authoredDate" => leaf(time(repo.pushed_at)),
            "tree" => self.resolved(Thing::Git(repo, GitObject::Tree(String::new()))),
            "file" => {
                let path = text(info, "path")?.trim_end_matches('/');
                let found = self.by_expression(repo, &format!("HEAD:{path}"));
                let named = found.filter(|_| !path.is_empty()).map(|found| sha::Named {
                    path: path.to_owned(),
                    is_tree: matches!(found, GitObject::Tree(_)),
                    oid: oid(repo, &found),
                });
                ResolvedValue::nullable_object(
                    named.map(|named| self.object(Thing::TreeEntry(repo, named))),
                )
            }
            _ => return None,
        }))
    }

    pub(super) fn tree_entry(
        &'w self,
        repo: &'w Repo,
        named: &sha::Named,
        info: &ResolveInfo<'_>,
    ) -> Option<Resolved<'w>> {
        let path = &named.path;
        let name = path.rsplit('/').next().unwrap_or(path);
        let content = repo.files.get(path).filter(|_| !named.is_tree);
        Some(Ok(match info.field_name() {
            "name" => leaf(name),
            "nameRaw" => leaf(STANDARD.encode(name)),
            "path" => leaf(path.as_str()),
            "pathRaw" => leaf(STANDARD.encode(path)),
            "type" => leaf(if named.is_tree { "tree" } else { "blob" }),
            "mode" => leaf(if named.is_tree { DIRECTORY } else { FILE }),
            "oid" => leaf(named.oid.as_str()),
            "size" => leaf(content.map_or(0, String::len) as u64),
            "extension" => leaf(match name.rfind('.') {
                Some(at) if !named.is_tree => &name[at..],
                _ => "",
            }),
            "isGenerated" => leaf(false),
            "submodule" => ResolvedValue::null(),
            "object" => self.resolved(Thing::Git(repo, object(named))),
            "repository" => self.resolved(Thing::Repository(repo)),
            _ => return None,
        }))
    }
}

fn object(named: &sha::Named) -> GitObject {
    let path = named.path.clone();
    if named.is_tree { GitObject::Tree(path) } else { GitObject::Blob(path) }
}

fn oid(repo: &Repo, object: &GitObject) -> String {
    match object {
        GitObject::Commit => sha::head(&repo.slug),
        GitObject::Tree(path) => sha::tree(repo, path),
        GitObject::Blob(path) => {
            repo.files.get(path).map(|text| sha::blob(text)).unwrap_or_default()
        }
    }
}

/// As git orders entries: directories as if their names ended with a slash.
fn order(named: &sha::Named) -> String {
    format!("{}{}", named.path, if named.is_tree { "/" } else { "" })
}

fn is_binary(text: &str) -> bool {
    text.bytes().take(LOOKED_AT).any(|byte| byte == 0)
}
