//! What is wrong with repositories that are served.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::RepoSlug;

use super::{Catalog, ReadAt};
use crate::backoff::doubled;

/// The wait after the first 404 for a repository's jobs, before it is asked for again between two checks; doubled by each further one.
const HIDDEN_FIRST: SignedDuration = SignedDuration::from_secs(30);
/// The longest such wait.
const HIDDEN_LONGEST: SignedDuration = SignedDuration::from_mins(10);
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
            let hidden = known.jobs_hidden.map(|_| jobs_hidden(slug));
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

    /// GitHub has no such repository when it is asked for its jobs. Answers how often that was so in a row; none if it is not known. As
    /// long as listings have it, the credential may lack a right, and its jobs may be there.
    pub fn jobs_hidden(&mut self, repo: &RepoSlug, now: Timestamp) -> Option<u32> {
        let known = self.entry(repo)?;
        let times = known.jobs_hidden.map_or(0, |hidden| hidden.times).saturating_add(1);
        known.jobs_hidden = Some(Hidden { times, at: now });
        if times == 1 {
            // A whole listing tells whether it is there.
            self.distrust();
        }
        Some(times)
    }

    /// True if GitHub answered 404 when it was last asked for the jobs of a repository.
    pub fn hides_jobs(&self, repo: &RepoSlug) -> bool {
        self.hidden_jobs(repo).is_some()
    }

    /// True if a repository may be asked for jobs between two checks: where the answer is 404, less and less often.
    pub fn may_ask_for_jobs(&self, repo: &RepoSlug, now: Timestamp) -> bool {
        self.hidden_jobs(repo).is_none_or(|Hidden { times, at }| {
            let wait = doubled(HIDDEN_FIRST, HIDDEN_LONGEST, times);
            // A moment that lies ahead is from before the clock was set back.
            at > now || now.duration_since(at) >= wait
        })
    }

    fn hidden_jobs(&self, repo: &RepoSlug) -> Option<Hidden> {
        self.known.get(self.ids.get(repo)?)?.jobs_hidden
    }
}

/// Answers 404 to the question for a repository's jobs, in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hidden {
    /// The number of them.
    times: u32,
    /// When the last one came.
    at: Timestamp,
}

/// What is said of a repository that GitHub lists, and answers 404 for when it is asked for its jobs.
pub(crate) fn jobs_hidden(repo: &RepoSlug) -> String {
    format!(
        "GitHub answers 404 for the jobs of {repo}: the credential may not read its Actions, or it was removed"
    )
}
