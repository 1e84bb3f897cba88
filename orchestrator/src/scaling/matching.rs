//! Which queued jobs a runner is there, or on its way, for.
//!
//! GitHub decides which runner gets which job; this only counts, so that exactly the missing runners are started.

use std::collections::VecDeque;

use mayfly_common::label::LabelSet;
use mayfly_common::scope::Scope;

use crate::model::QueuedJob;

/// A runner that can still take a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supply<'a> {
    /// Where it is registered.
    pub scope: &'a Scope,
    /// Its labels.
    pub labels: &'a LabelSet,
}

/// The outcome of counting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Indices of jobs without a runner, oldest job first.
    pub unserved: Vec<usize>,
    /// For each supply, whether a job counts on it.
    pub needed: Vec<bool>,
    /// For each job, the index of the supply it counts on.
    pub by: Vec<Option<usize>>,
}

/// Sets jobs against supply, as many as can be served at once and the oldest first; each to the fitting runner with the narrowest
/// scope and fewest labels for which `may_count_on(job, supply)` holds, both given by their index.
///
/// A job that finds its runners counted on by others has one of them count on another runner, if there is one: more supply never
/// leaves a job without a runner that had one before.
pub fn match_jobs(
    jobs: &[&QueuedJob],
    supply: &[Supply<'_>],
    may_count_on: impl Fn(usize, usize) -> bool,
) -> Match {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&index| (jobs[index].queued_at, jobs[index].id));
    let fits = |job: usize, slot: usize| {
        let (wanted, runner) = (jobs[job], &supply[slot]);
        runner.scope.covers(&wanted.repo)
            && runner.labels.covers(&wanted.labels)
            && may_count_on(job, slot)
    };
    let rank = |slot: usize| (supply[slot].scope.kind() as u8, supply[slot].labels.len());
    let mut outcome =
        Match { unserved: Vec::new(), needed: Vec::new(), by: vec![None; jobs.len()] };
    let mut holders: Vec<Option<usize>> = vec![None; supply.len()];
    // Runners that no search reaches a free one from: none ever will.
    let mut closed = vec![false; supply.len()];
    for first in order {
        // The job from which each runner was reached.
        let mut via: Vec<Option<usize>> = vec![None; supply.len()];
        let mut searching = VecDeque::from([first]);
        let mut found = None;
        while let Some(job) = searching.pop_front() {
            let open: Vec<usize> = (0..supply.len())
                .filter(|&slot| !closed[slot] && via[slot].is_none() && fits(job, slot))
                .collect();
            for &slot in &open {
                via[slot] = Some(job);
            }
            found = open
                .iter()
                .copied()
                .filter(|&slot| holders[slot].is_none())
                .min_by_key(|&slot| rank(slot));
            if found.is_some() {
                break;
            }
            searching.extend(open.iter().filter_map(|&slot| holders[slot]));
        }
        if found.is_none() {
            outcome.unserved.push(first);
            for (slot, _) in via.iter().enumerate().filter(|(_, job)| job.is_some()) {
                closed[slot] = true;
            }
        }
        // Each job on the way gives its runner to the one before it.
        while let Some((slot, job)) = found.and_then(|slot| Some((slot, via[slot]?))) {
            holders[slot] = Some(job);
            found = outcome.by[job].replace(slot);
        }
    }
    outcome.needed = holders.iter().map(Option::is_some).collect();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::lifecycle::tests::at;
    use mayfly_common::scope::RepoSlug;

    fn job(id: i64, repo: &str, labels: &[&str], second: i64) -> QueuedJob {
        QueuedJob {
            id,
            repo: RepoSlug::parse(repo).unwrap(),
            name: format!("job {id}"),
            labels: LabelSet::requested(labels),
            queued_at: at(second),
        }
    }

    fn matched(
        jobs: &[QueuedJob],
        supply: &[Supply<'_>],
        may_count_on: impl Fn(usize, usize) -> bool,
    ) -> Match {
        match_jobs(&jobs.iter().collect::<Vec<_>>(), supply, may_count_on)
    }

    #[test]
    fn each_runner_serves_one_job_and_the_tightest_fit_goes_first() {
        let (repo, org): (Scope, Scope) = ("repo:o/r".parse().unwrap(), "org:o".parse().unwrap());
        let small = LabelSet::requested(["self-hosted"]);
        let large = LabelSet::requested(["self-hosted", "gpu"]);
        let supply = [
            Supply { scope: &org, labels: &small },
            Supply { scope: &repo, labels: &large },
            Supply { scope: &repo, labels: &small },
        ];
        let jobs = [
            job(1, "o/r", &["self-hosted"], 3),
            job(2, "o/r", &["self-hosted", "gpu"], 2),
            job(3, "o/other", &["self-hosted"], 1),
            job(4, "x/y", &["self-hosted"], 0),
            job(5, "o/r", &["self-hosted"], 9),
        ];
        let outcome = matched(&jobs, &supply, |_, _| true);
        assert_eq!(outcome.needed, [true, true, true]);
        assert_eq!(outcome.unserved, [3, 4]);
        let outcome = matched(&jobs, &supply, |job, slot| (job, slot) != (2, 0));
        assert_eq!(outcome.by, [Some(2), Some(1), None, None, Some(0)]);
    }

    #[test]
    fn another_runner_leaves_no_job_without_the_one_it_had() {
        let org: Scope = "org:o".parse().unwrap();
        let plain = LabelSet::requested(["self-hosted", "linux", "x64"]);
        let special = LabelSet::requested(["self-hosted", "gpu"]);
        let supply = |labels| Supply { scope: &org, labels };
        // The older job would rather have the runner with fewer labels, which is the only one for the other.
        let jobs = [job(1, "o/r", &["self-hosted"], 0), job(2, "o/r", &["self-hosted", "gpu"], 1)];
        let before = matched(&jobs, &[supply(&plain)], |_, _| true);
        assert_eq!(before.by, [Some(0), None]);
        let after = matched(&jobs, &[supply(&plain), supply(&special)], |_, _| true);
        assert_eq!(after.by, [Some(0), Some(1)]);
        // Over several jobs, and the youngest is the one that is left.
        let jobs = [
            job(1, "o/r", &["self-hosted"], 0),
            job(2, "o/r", &["self-hosted"], 1),
            job(3, "o/r", &["gpu"], 2),
            job(4, "o/r", &["gpu"], 3),
        ];
        let supply = [supply(&special), supply(&special), supply(&plain), supply(&plain)];
        assert_eq!(matched(&jobs, &supply, |_, _| true).unserved, [0usize; 0]);
        assert_eq!(matched(&jobs, &supply[..3], |_, _| true).unserved, [3]);
        assert_eq!(matched(&jobs, &supply[1..], |_, _| true).unserved, [3]);
    }
}
