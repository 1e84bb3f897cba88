//! Runs whose jobs were read. As long as a run is unchanged, its jobs are too, and are not requested again.
//!
//! A cache. In a run in which nothing moves, what waits changes only when the run does; `updated_at` tells. Without this, two hundred
//! queued runs cost two hundred requests in every pass, which GitHub counts by the minute even where they are answered "unchanged"
//! (docs: "Rate limits for the REST API", secondary limits).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::RepoSlug;

use super::runs::{HeldStatus, Listed, Runs, Standing};
use super::wire;
use mayfly_common::job::QueuedJob;

/// How long what was read counts, whatever GitHub says of the run: a job of it may have been cancelled alone.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// The same where nothing in the run can begin before somebody approves it.
const FRESH_HELD: SignedDuration = SignedDuration::from_mins(30);

/// What is known of runs, by repository.
#[derive(Debug, Default)]
pub(super) struct WaitingRuns(Mutex<BTreeMap<RepoSlug, Of>>);

/// Of one repository.
#[derive(Debug, Default)]
struct Of {
    /// Ways in which runs of it were held up when it was last looked at.
    held: BTreeSet<HeldStatus>,
    runs: BTreeMap<i64, Known>,
}

#[derive(Debug)]
struct Known {
    updated_at: String,
    standing: Standing,
    read_at: Timestamp,
    jobs: Vec<QueuedJob>,
}

impl WaitingRuns {
    /// In which ways runs of `repo` were held up when it was last looked at.
    pub(super) fn held_in(&self, repo: &RepoSlug) -> BTreeSet<HeldStatus> {
        self.known().get(repo).map(|of| of.held.clone()).unwrap_or_default()
    }

    /// What waits in `run`, if that is known.
    pub(super) fn jobs(
        &self,
        repo: &RepoSlug,
        run: &Listed,
        now: Timestamp,
    ) -> Option<Vec<QueuedJob>> {
        let known = self.known();
        let known = known.get(repo)?.runs.get(&run.id)?;
        let same = Some(&known.updated_at) == run.updated_at.as_ref()
            && known.standing == run.standing
            && now.duration_since(known.read_at) < known.good_for();
        same.then(|| known.jobs.clone())
    }

    /// The `jobs` of a run were read, and `queued` is what waits of them.
    pub(super) fn read(
        &self,
        repo: &RepoSlug,
        run: &Listed,
        jobs: &[wire::Job],
        queued: &[QueuedJob],
        now: Timestamp,
    ) {
        let Some(updated_at) = run.updated_at.clone() else { return };
        let still = match run.standing {
            Standing::Moving => false,
            // Where none is there, GitHub is still making them.
            Standing::Queued => !queued.is_empty(),
            // What is queued there can begin without a change of the run's status.
            Standing::Held(_) => {
                !jobs.is_empty() && jobs.iter().all(|job| !moves(job.status.as_str()))
            }
        };
        if still {
            let jobs = queued.to_vec();
            let known = Known { updated_at, standing: run.standing, read_at: now, jobs };
            self.known().entry(repo.clone()).or_default().runs.insert(run.id, known);
        }
    }

    /// These are the runs of `repo` that are there.
    pub(super) fn keep(&self, repo: &RepoSlug, runs: &Runs) {
        let mut known = self.known();
        let of = known.entry(repo.clone()).or_default();
        of.runs.retain(|id, _| runs.listed.contains_key(id));
        of.held.clone_from(&runs.held);
        if of.held.is_empty() && of.runs.is_empty() {
            known.remove(repo);
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<RepoSlug, Of>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn good_for(&self) -> SignedDuration {
        match self.standing {
            Standing::Held(_) => FRESH_HELD,
            Standing::Queued | Standing::Moving => FRESH,
        }
    }
}

fn moves(status: &str) -> bool {
    matches!(status, "queued" | "in_progress")
}

#[cfg(test)]
mod tests {
    use mayfly_common::label::LabelSet;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn repo() -> RepoSlug {
        RepoSlug::parse("o/r").unwrap()
    }

    fn run(id: i64, updated_at: &str, standing: Standing) -> Listed {
        Listed { id, updated_at: Some(updated_at.to_owned()), standing }
    }

    fn runs(list: impl IntoIterator<Item = Listed>) -> Runs {
        let mut runs = Runs::default();
        for run in list {
            if let Standing::Held(status) = run.standing {
                runs.held.insert(status);
            }
            runs.listed.insert(run.id, run);
        }
        runs
    }

    fn jobs(statuses: &[&str]) -> Vec<wire::Job> {
        let job = |status: &&str| {
            serde_json::from_value(serde_json::json!({"id": 1, "status": status})).unwrap()
        };
        statuses.iter().map(job).collect()
    }

    fn job() -> QueuedJob {
        QueuedJob {
            id: 1,
            repo: repo(),
            name: "build".to_owned(),
            labels: LabelSet::default(),
            labels_unread: false,
            queued_at: at(0),
        }
    }

    #[test]
    fn what_was_read_counts_while_the_run_stands_and_not_for_long() {
        let known = WaitingRuns::default();
        let queued = |id, updated_at| run(id, updated_at, Standing::Queued);
        known.read(&repo(), &queued(7, "t1"), &jobs(&["queued"]), &[job()], at(0));
        let ask = |run: &Listed, second| known.jobs(&repo(), run, at(second));
        assert_eq!(ask(&queued(7, "t1"), 299), Some(vec![job()]));
        assert_eq!(ask(&queued(7, "t2"), 1), None, "it changed");
        assert_eq!(ask(&queued(7, "t1"), 300), None, "long ago");
        assert_eq!(ask(&queued(8, "t1"), 1), None);
        assert_eq!(ask(&run(7, "t1", Standing::Moving), 1), None, "it began");
        let other = RepoSlug::parse("o/other").unwrap();
        known.keep(&other, &runs([]));
        assert!(ask(&queued(7, "t1"), 1).is_some());
        known.keep(&repo(), &runs([queued(7, "t1")]));
        assert!(ask(&queued(7, "t1"), 1).is_some(), "it is still there");
        known.keep(&repo(), &runs([queued(9, "t1")]));
        assert_eq!(ask(&queued(7, "t1"), 1), None);
    }

    #[test]
    fn what_moves_is_read_every_time() {
        let held = Standing::Held(HeldStatus::Waiting);
        let rows: [(Standing, &[&str], bool, bool); 8] = [
            (Standing::Queued, &["queued"], true, true),
            (Standing::Queued, &[], false, false),
            (Standing::Moving, &["queued", "in_progress"], true, false),
            (Standing::Moving, &["completed"], false, false),
            (held, &["waiting", "completed"], false, true),
            (held, &["waiting", "queued"], true, false),
            (held, &["waiting", "in_progress"], false, false),
            (held, &[], false, false),
        ];
        for (standing, statuses, waits, kept) in rows {
            let known = WaitingRuns::default();
            let waiting: Vec<QueuedJob> = waits.then(job).into_iter().collect();
            known.read(&repo(), &run(7, "t", standing), &jobs(statuses), &waiting, at(0));
            let found = known.jobs(&repo(), &run(7, "t", standing), at(1));
            assert_eq!(found.is_some(), kept, "{standing:?} {statuses:?}");
        }
    }

    #[test]
    fn what_is_held_up_counts_for_half_an_hour_and_what_has_no_time_not_at_all() {
        let (known, held) = (WaitingRuns::default(), Standing::Held(HeldStatus::Waiting));
        let of =
            |standing, second| known.jobs(&repo(), &run(7, "t", standing), at(second)).is_some();
        known.read(&repo(), &run(7, "t", held), &jobs(&["waiting"]), &[], at(0));
        assert_eq!((of(held, 1_799), of(held, 1_800)), (true, false));
        assert!(!of(Standing::Held(HeldStatus::Pending), 1), "held up in another way");
        let untold = Listed { id: 8, updated_at: None, standing: Standing::Queued };
        known.read(&repo(), &untold, &jobs(&["queued"]), &[job()], at(0));
        assert_eq!(known.jobs(&repo(), &untold, at(1)), None);
    }

    #[test]
    fn in_which_way_runs_are_held_up_is_remembered_from_look_to_look() {
        let known = WaitingRuns::default();
        let held = |id, status| run(id, "t", Standing::Held(status));
        known.keep(&repo(), &runs([held(1, HeldStatus::Pending), run(2, "t", Standing::Queued)]));
        assert_eq!(known.held_in(&repo()), BTreeSet::from([HeldStatus::Pending]));
        known.keep(&repo(), &runs([run(2, "t", Standing::Queued)]));
        assert!(known.held_in(&repo()).is_empty());
        assert!(known.known().is_empty(), "nothing is remembered of it");
    }
}
