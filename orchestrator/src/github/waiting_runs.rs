//! Queued runs whose jobs were read: while such a run stands as it stood, so do its jobs, and nobody has to ask again.
//!
//! A cache. In a run that is queued no job has begun, so what waits in it changes only when the run does; `updated_at` tells. Without
//! this, two hundred queued runs cost two hundred requests in every pass, which GitHub counts by the minute even where they are
//! answered "unchanged" (docs: "Rate limits for the REST API", secondary limits).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::RepoSlug;

use crate::model::QueuedJob;

/// How long what was read counts, whatever GitHub says of the run: a job of it may have been cancelled alone.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// Jobs of queued runs, by repository and run.
#[derive(Debug, Default)]
pub(super) struct WaitingRuns(Mutex<BTreeMap<(RepoSlug, i64), Known>>);

#[derive(Debug)]
struct Known {
    updated_at: String,
    read_at: Timestamp,
    jobs: Vec<QueuedJob>,
}

impl WaitingRuns {
    /// The jobs of a run that was last changed at `updated_at`, if they are known.
    pub(super) fn jobs(
        &self,
        repo: &RepoSlug,
        run: i64,
        updated_at: &str,
        now: Timestamp,
    ) -> Option<Vec<QueuedJob>> {
        let known = self.known();
        let known = known.get(&(repo.clone(), run))?;
        let same = known.updated_at == updated_at && now.duration_since(known.read_at) < FRESH;
        same.then(|| known.jobs.clone())
    }

    /// The jobs of a queued run were read. None at all means that GitHub is still making them.
    pub(super) fn read(
        &self,
        repo: &RepoSlug,
        run: i64,
        updated_at: &str,
        jobs: &[QueuedJob],
        now: Timestamp,
    ) {
        if jobs.is_empty() {
            return;
        }
        let known = Known { updated_at: updated_at.to_owned(), read_at: now, jobs: jobs.to_vec() };
        self.known().insert((repo.clone(), run), known);
    }

    /// Only these runs of `repo` are queued still.
    pub(super) fn keep(&self, repo: &RepoSlug, runs: &[i64]) {
        self.known().retain(|(other, run), _| other != repo || runs.contains(run));
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<(RepoSlug, i64), Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mayfly_common::label::LabelSet;

    use super::*;

    #[test]
    fn what_was_read_counts_until_the_run_changes_or_time_passes() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let repo = RepoSlug::parse("o/r").unwrap();
        let job = QueuedJob {
            id: 1,
            repo: repo.clone(),
            name: "build".to_owned(),
            labels: LabelSet::default(),
            queued_at: at(0),
        };
        let runs = WaitingRuns::default();
        runs.read(&repo, 7, "t1", std::slice::from_ref(&job), at(0));
        assert_eq!(runs.jobs(&repo, 7, "t1", at(299)), Some(vec![job.clone()]));
        assert_eq!(runs.jobs(&repo, 7, "t2", at(1)), None, "it changed");
        assert_eq!(runs.jobs(&repo, 7, "t1", at(300)), None, "long ago");
        assert_eq!(runs.jobs(&repo, 8, "t1", at(1)), None);
        runs.read(&repo, 9, "t1", &[], at(0));
        assert_eq!(runs.jobs(&repo, 9, "t1", at(1)), None, "its jobs are being made");
        runs.keep(&RepoSlug::parse("o/other").unwrap(), &[]);
        assert!(runs.jobs(&repo, 7, "t1", at(1)).is_some());
        runs.keep(&repo, &[9]);
        assert_eq!(runs.jobs(&repo, 7, "t1", at(1)), None);
    }
}
