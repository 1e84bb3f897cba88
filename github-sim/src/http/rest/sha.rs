//! Object names: 40 hexadecimal digits that follow from the content, as git's do, though not the same digits.

use mayfly_common::scope::RepoSlug;
use sha2::{Digest as _, Sha256};

use crate::world::model::Repo;

fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().take(20).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The name of a file's content.
pub(crate) fn blob(text: &str) -> String {
    digest(["blob", text])
}

/// The name of a directory's content; an empty path is the root.
pub(crate) fn tree(repo: &Repo, path: &str) -> String {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let below = repo
        .files
        .iter()
        .filter_map(|(file, text)| Some([file.strip_prefix(&prefix)?, text.as_str()]));
    digest(std::iter::once("tree").chain(below.flatten()))
}

/// The name of the one commit that runs and jobs refer to.
pub(crate) fn head(slug: &RepoSlug) -> String {
    digest(["commit", &slug.to_string().to_ascii_lowercase()])
}
