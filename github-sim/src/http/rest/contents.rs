//! Files: `contents` in its three media types, and trees.

use axum::extract::Path;
use axum::response::IntoResponse as _;
use http::{StatusCode, header};
use serde_json::Value;

use super::sha;
use crate::http::answer::{Answer, ApiError, ok};
use crate::http::call::{Call, slug};
use crate::http::render::files;
use crate::world::model::Repo;

pub(crate) async fn root(call: Call, Path((owner, repo)): Path<(String, String)>) -> Answer {
    shown(&call, &owner, &repo, "")
}

pub(crate) async fn contents(
    call: Call,
    Path((owner, repo, path)): Path<(String, String, String)>,
) -> Answer {
    shown(&call, &owner, &repo, path.trim_end_matches('/'))
}

fn shown(call: &Call, owner: &str, repo: &str, path: &str) -> Answer {
    let world = call.shared.look();
    let repo = world.repo(&slug(owner, repo)?).ok_or_else(ApiError::not_found)?;
    if repo.files.is_empty() {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "This repository is empty."));
    }
    if let Some(wanted) = call.parameter("ref")
        && !is_head(repo, wanted)
    {
        let message = format!("No commit found for the ref {wanted}");
        return Err(ApiError::new(StatusCode::NOT_FOUND, message));
    }
    if let Some(text) = repo.files.get(path) {
        if call.accept.contains("raw") {
            let kind = "application/vnd.github.raw+json; charset=utf-8";
            return Ok(([(header::CONTENT_TYPE, kind)], text.clone()).into_response());
        }
        return ok(files::file(repo, path, text, &call.urls));
    }
    let entries = files::entries(repo, path).ok_or_else(ApiError::not_found)?;
    let items: Vec<Value> =
        entries.iter().map(|entry| files::item(repo, entry, &call.urls)).collect();
    if call.accept.contains("vnd.github.object") {
        return ok(files::directory(repo, path, &items, &call.urls));
    }
    ok(Value::Array(items))
}

pub(crate) async fn tree(
    call: Call,
    Path((owner, repo, wanted)): Path<(String, String, String)>,
) -> Answer {
    let world = call.shared.look();
    let repo = world.repo(&slug(&owner, &repo)?).ok_or_else(ApiError::not_found)?;
    if repo.files.is_empty() {
        return Err(ApiError::new(StatusCode::CONFLICT, "Git Repository is empty."));
    }
    let directory = if is_head(repo, &wanted) {
        Some(String::new())
    } else {
        let parents = repo
            .files
            .keys()
            .flat_map(|file| file.match_indices('/').map(|(at, _)| file[..at].to_owned()));
        std::iter::once(String::new()).chain(parents).find(|path| sha::tree(repo, path) == wanted)
    };
    let directory = directory.ok_or_else(ApiError::not_found)?;
    let recursive = call.query.contains_key("recursive");
    let tree = files::tree(repo, &directory, recursive, &call.urls);
    ok(tree.ok_or_else(ApiError::not_found)?)
}

/// True if `name` is the one commit there is.
pub(crate) fn is_head(repo: &Repo, name: &str) -> bool {
    let branch = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("heads/"));
    name == "HEAD" || branch.unwrap_or(name) == repo.default_branch || name == sha::head(&repo.slug)
}
