//! What is asked by GraphQL of folders and of files, and how the answers are read.

use std::fmt::Write as _;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use mayfly_common::foreign_text::line;
use mayfly_common::scope::RepoSlug;
use serde_json::{Map, Value};

use mayfly_common::repository::{FileText, FileVersion, Folder};

use super::Wanted;
use crate::budget::Priority;
use crate::client::GitHubClient;
use crate::error::GitHubError;
use crate::graphql::{Answered, Complaint};
use crate::wire;

/// Writes a question: `fields` of one object per item, each item's values as variables, so that no text becomes part of it.
fn document<I>(
    items: &[I],
    values: impl Fn(&I) -> Vec<(&'static str, &'static str, Value)>,
    fields: impl Fn(usize) -> String,
) -> (String, Map<String, Value>) {
    let (mut declared, mut body, mut variables) = (String::new(), String::new(), Map::new());
    for (index, item) in items.iter().enumerate() {
        for (name, kind, value) in values(item) {
            // Writing to a String does not fail.
            let _ = write!(declared, "${name}{index}:{kind}!,");
            variables.insert(format!("{name}{index}"), value);
        }
        body.push_str(&fields(index));
    }
    (format!("query({declared}){{{body}}}"), variables)
}

impl Wanted for RepoSlug {
    type Found = Folder;

    fn repo(&self) -> &RepoSlug {
        self
    }

    fn weight(&self) -> u64 {
        0
    }

    fn document(repos: &[Self]) -> (String, Map<String, Value>) {
        document(
            repos,
            |repo| {
                vec![
                    ("o", "String", repo.owner().as_str().into()),
                    ("n", "String", repo.name().into()),
                ]
            },
            |index| {
                format!(
                    "r{index}:repository(owner:$o{index},name:$n{index}){{databaseId nameWithOwner object(expression:\"HEAD:.github/workflows\"){{...on Tree{{entries{{name type oid size}}}}}}}}"
                )
            },
        )
    }

    fn answer(index: usize, answered: &Answered) -> Result<Folder, GitHubError> {
        let found: wire::FolderOf = alias(index, answered)?;
        let entries = found.object.map(|tree| tree.entries).unwrap_or_default();
        let odd = entries.odd().to_vec();
        let files = entries
            .into_entries()
            .into_iter()
            .filter(|entry| entry.kind.as_deref() == Some("blob") && is_yaml(&entry.name))
            .map(|entry| FileVersion { name: entry.name, oid: entry.oid, size: entry.size });
        Ok(Folder {
            id: found.database_id,
            slug: Self::parse(&found.name_with_owner).ok(),
            files: files.collect(),
            odd,
        })
    }

    fn is_in_doubt(_: &Result<Folder, GitHubError>) -> bool {
        // Most repositories have no such folder, and a listing tells which of them are gone.
        false
    }

    fn by_rest<'a>(
        &'a self,
        client: &'a GitHubClient,
        priority: Priority,
    ) -> BoxFuture<'a, Result<Folder, GitHubError>> {
        client.folder_by_rest(self, priority).boxed()
    }
}

impl Wanted for (RepoSlug, FileVersion) {
    type Found = FileText;

    fn repo(&self) -> &RepoSlug {
        &self.0
    }

    fn weight(&self) -> u64 {
        self.1.size
    }

    fn document(files: &[Self]) -> (String, Map<String, Value>) {
        document(
            files,
            |(repo, file)| {
                vec![
                    ("o", "String", repo.owner().as_str().into()),
                    ("n", "String", repo.name().into()),
                    ("b", "GitObjectID", file.oid.as_str().into()),
                ]
            },
            |index| {
                format!(
                    "r{index}:repository(owner:$o{index},name:$n{index}){{object(oid:$b{index}){{...on Blob{{isTruncated text}}}}}}"
                )
            },
        )
    }

    fn answer(index: usize, answered: &Answered) -> Result<FileText, GitHubError> {
        #[derive(serde::Deserialize)]
        struct Of {
            object: Option<wire::Blob>,
        }
        let found: Of = alias(index, answered)?;
        let Some(blob) = found.object else { return Ok(FileText::Missing) };
        Ok(blob.text.filter(|_| !blob.is_truncated).map_or(FileText::NoText, FileText::Read))
    }

    fn is_in_doubt(found: &Result<FileText, GitHubError>) -> bool {
        matches!(found, Ok(FileText::Missing) | Err(GitHubError::NotFound))
    }

    fn by_rest<'a>(
        &'a self,
        client: &'a GitHubClient,
        priority: Priority,
    ) -> BoxFuture<'a, Result<FileText, GitHubError>> {
        client.text_by_rest(&self.0, &self.1, priority).boxed()
    }
}

/// What was answered for one item. Nothing at all means that it is not there, but only if no error can be the reason: one that names
/// no item may be about this one.
fn alias<T: serde::de::DeserializeOwned>(
    index: usize,
    answered: &Answered,
) -> Result<T, GitHubError> {
    let name = format!("r{index}");
    let value = answered.data.as_ref().and_then(|data| data.get(&name));
    let value = value.filter(|value| !value.is_null());
    let is_about = |complaint: &&Complaint| match complaint.path.first() {
        Some(first) => first.as_str() == Some(&name),
        None => value.is_none(),
    };
    match (value, answered.errors.iter().find(is_about).map(Complaint::error)) {
        (None, error) => Err(error.unwrap_or(GitHubError::NotFound)),
        // A part of it is missing for a reason.
        (Some(_), Some(error)) if !matches!(error, GitHubError::NotFound) => Err(error),
        (Some(value), _) => {
            T::deserialize(value).map_err(|error| GitHubError::Malformed(line(&error.to_string())))
        }
    }
}

pub(super) fn is_yaml(name: &str) -> bool {
    let extension = std::path::Path::new(name).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|found| matches!(found.to_ascii_lowercase().as_str(), "yml" | "yaml"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_is_never_taken_for_nothing() {
        let tree = json!({"databaseId": 1, "nameWithOwner": "o/r", "object": null});
        let (whole, none) = (json!({"r0": tree}), json!({"r0": null}));
        let not_found = json!([{"type": "NOT_FOUND", "path": ["r0"]}]);
        let of_another = json!([{"type": "NOT_FOUND", "path": ["r1"]}]);
        let nowhere = json!([{"message": "Something went wrong while executing your query."}]);
        let odd = json!(["no object"]);
        let nested = json!([{"type": "FORBIDDEN", "path": ["r0", "object"]}]);
        let missing_part = json!([{"type": "NOT_FOUND", "path": ["r0", "object"]}]);
        let rows = [
            (&whole, json!([]), "folder"),
            (&whole, of_another.clone(), "folder"),
            (&whole, nowhere.clone(), "folder"),
            (&whole, missing_part, "folder"),
            (&whole, nested, "error"),
            (&none, json!([]), "not found"),
            (&none, not_found, "not found"),
            (&none, of_another, "not found"),
            (&none, nowhere, "error"),
            (&none, odd, "error"),
        ];
        for (data, errors, expected) in rows {
            let body = json!({"data": data, "errors": errors}).to_string();
            let answered = Answered::read(body.as_bytes()).unwrap();
            let found = match RepoSlug::answer(0, &answered) {
                Ok(folder) if folder.files.is_empty() => "folder",
                Err(GitHubError::NotFound) => "not found",
                Err(_) => "error",
                Ok(folder) => panic!("{folder:?}"),
            };
            assert_eq!(found, expected, "{body}");
        }
    }
}
