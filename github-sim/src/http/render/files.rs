//! Files, directories and trees.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::http::call::Urls;
use crate::http::rest::sha;
use crate::world::model::Repo;

/// A file or a directory directly below another directory.
pub(crate) struct Entry<'a> {
    pub(crate) path: String,
    pub(crate) text: Option<&'a str>,
    pub(crate) sha: String,
}

/// What is directly below the directory `path` (empty is the root), by name; `None` if there is no such directory.
pub(crate) fn entries<'a>(repo: &'a Repo, path: &str) -> Option<Vec<Entry<'a>>> {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let mut found: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for (file, text) in &repo.files {
        let Some(rest) = file.strip_prefix(&prefix) else { continue };
        match rest.split_once('/') {
            None => found.insert(rest, Some(text)),
            Some((directory, _)) => found.insert(directory, None),
        };
    }
    if found.is_empty() && !path.is_empty() {
        return None;
    }
    let entry = |(name, text): (&str, Option<&'a str>)| {
        let path = format!("{prefix}{name}");
        let sha = text.map_or_else(|| sha::tree(repo, &path), sha::blob);
        Entry { path, text, sha }
    };
    Some(found.into_iter().map(entry).collect())
}

/// The fields that files and directories share (schemas `content-directory`, `content-file`).
fn common(repo: &Repo, entry: &Entry<'_>, urls: &Urls) -> Map<String, Value> {
    let Entry { path, text, sha } = entry;
    let kind = if text.is_some() { "file" } else { "dir" };
    let (git_kind, page) = if text.is_some() { ("blobs", "blob") } else { ("trees", "tree") };
    let branch = &repo.default_branch;
    let api = format!("{}/repos/{}", urls.api, repo.slug);
    let html = format!("{}/{}", urls.html, repo.slug);
    let own = format!("{api}/contents/{path}?ref={branch}");
    let git = format!("{api}/git/{git_kind}/{sha}");
    let page = format!("{html}/{page}/{branch}/{path}");
    let raw = text.map(|_| format!("{html}/raw/{branch}/{path}"));
    let value = json!({
        "name": path.rsplit('/').next(),
        "path": path,
        "sha": sha,
        "size": text.map_or(0, str::len),
        "url": own,
        "html_url": page,
        "git_url": git,
        "download_url": raw,
        "type": kind,
        "_links": {"self": own, "git": git, "html": page},
    });
    super::merged(Map::new(), value)
}

/// An item of schema `content-directory`.
pub(crate) fn item(repo: &Repo, entry: &Entry<'_>, urls: &Urls) -> Value {
    Value::Object(common(repo, entry, urls))
}

/// Schema `content-file`.
pub(crate) fn file(repo: &Repo, path: &str, text: &str, urls: &Urls) -> Value {
    let entry = Entry { path: path.to_owned(), text: Some(text), sha: sha::blob(text) };
    // GitHub breaks the base64 into lines of 60 letters.
    let plain = STANDARD.encode(text);
    let mut content = String::with_capacity(plain.len() * 61 / 60 + 1);
    for (index, letter) in plain.chars().enumerate() {
        content.push(letter);
        if index % 60 == 59 {
            content.push('\n');
        }
    }
    if !content.is_empty() && !content.ends_with('\n') {
        content.push('\n');
    }
    let more = json!({"content": content, "encoding": "base64"});
    Value::Object(super::merged(common(repo, &entry, urls), more))
}

/// Schema `content-tree`: a directory as an object.
pub(crate) fn directory(repo: &Repo, path: &str, items: &[Value], urls: &Urls) -> Value {
    let entry = Entry { path: path.to_owned(), text: None, sha: sha::tree(repo, path) };
    Value::Object(super::merged(common(repo, &entry, urls), json!({"entries": items})))
}

/// Schema `git-tree`.
pub(crate) fn tree(repo: &Repo, path: &str, recursive: bool, urls: &Urls) -> Option<Value> {
    let mut shown = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in entries(repo, &directory)? {
            let api = format!("{}/repos/{}/git", urls.api, repo.slug);
            let below = path.len() + usize::from(!path.is_empty());
            let mut item = json!({
                "path": entry.path.get(below..),
                "mode": if entry.text.is_some() { "100644" } else { "040000" },
                "type": if entry.text.is_some() { "blob" } else { "tree" },
                "sha": entry.sha,
                "url": format!("{api}/{}/{}", if entry.text.is_some() { "blobs" } else { "trees" }, entry.sha),
            });
            match entry.text {
                Some(text) => item["size"] = text.len().into(),
                None if recursive => open.push(entry.path.clone()),
                None => {}
            }
            shown.push((entry.path, item));
        }
    }
    shown.sort_by(|one, other| one.0.cmp(&other.0));
    let sha = sha::tree(repo, path);
    Some(json!({
        "sha": sha,
        "url": format!("{}/repos/{}/git/trees/{sha}", urls.api, repo.slug),
        "tree": shown.into_iter().map(|(_, item)| item).collect::<Vec<_>>(),
        "truncated": false,
    }))
}
