//! What is wrong with repositories that are served.

use jiff::Timestamp;
use mayfly_common::scope::RepoSlug;

use super::{Catalog, ReadAt};

/// Most problems of workflows that are named.
const NAMED: usize = 20;

impl Catalog {
    /// What is wrong with workflows of repositories that are served, in a few lines.
    pub fn problems(&self) -> Vec<String> {
        let served = self.known.values().filter(|known| known.refused.is_none());
        let lines = served.flat_map(|known| {
            let slug = &known.slug;
            let odd = known.odd.iter().map(move |odd| format!("{slug}: {odd}"));
            let files = known.files.iter().filter_map(move |(name, file)| {
                Some(format!("{slug}: workflow {name} {}", file.problem.as_ref()?))
            });
            let hidden = known.jobs_hidden.then(|| jobs_hidden(slug));
            hidden.into_iter().chain(odd).chain(files)
        });
        let mut lines: Vec<String> = lines.collect();
        let more = lines.len().saturating_sub(NAMED);
        lines.truncate(NAMED);
        if more > 0 {
            lines.push(format!("so it is with {more} more workflows"));
        }
        lines
    }

    /// GitHub lists the repository, and has no such one when it is asked for its workflows. It is asked again after a while.
    pub fn hidden(&mut self, repo: &RepoSlug, now: Timestamp) {
        if let Some(known) = self.entry(repo) {
            known.files.clear();
            known.unread = false;
            known.read = Some(ReadAt { at: now, pushed_at: known.pushed_at.clone() });
            known.odd = Some(
                "GitHub lists it, but has no such repository when it is asked for its workflows; the credential may not read its contents"
                    .to_owned(),
            );
        }
    }

    /// GitHub has no such repository when it is asked for its jobs. Answers whether it is known: as long as listings have it,
    /// the credential may lack a right, and its jobs may be there.
    pub fn jobs_hidden(&mut self, repo: &RepoSlug) -> bool {
        let Some(known) = self.entry(repo) else { return false };
        if !std::mem::replace(&mut known.jobs_hidden, true) {
            // A whole listing tells whether it is there.
            self.distrust();
        }
        true
    }
}

/// What is said of a repository that GitHub lists, and answers 404 for when it is asked for its jobs.
pub(crate) fn jobs_hidden(repo: &RepoSlug) -> String {
    format!(
        "GitHub answers 404 for the jobs of {repo}: the credential may not read its Actions, or it was removed"
    )
}
