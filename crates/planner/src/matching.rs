//! Which queued jobs a runner is there, or on its way, for.
//!
//! GitHub decides which runner gets which job; this only counts, so that exactly the missing runners are started.

use std::cmp::Reverse;
use std::collections::VecDeque;

use mayfly_common::label::LabelSet;
use mayfly_common::scope::Scope;

use mayfly_common::job::QueuedJob;

/// A runner that can still take a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supply<'a> {
    /// Where it is registered.
    pub scope: &'a Scope,
    /// Its labels.
    pub labels: &'a LabelSet,
}

/// The chance that GitHub assigns a job to a runner with its scope and labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chance {
    /// It does not.
    None,
    /// It did not assign another job of the repository lately to a runner like this one.
    Doubtful,
    /// Nothing speaks against it.
    Good,
}

/// The outcome of counting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Indices of jobs without a runner, oldest job first.
    pub unserved: Vec<usize>,
    /// The same where only good chances count. The jobs in `unserved` are among them.
    pub doubtful: Vec<usize>,
    /// For each job, the index of the supply it counts on.
    pub by: Vec<Option<usize>>,
}

/// Sets jobs against supply, as many as can be served at once and the oldest first; each to the fitting runner with the narrowest
/// scope and fewest labels. `chance(job, supply)` is asked with their indices. Good chances come first: doubtful ones only add to
/// what those serve, so that a runner with a good chance is never left over for them.
///
/// A job that finds its runners counted on by others has one of them count on another runner, if there is one: more supply never
/// leaves a job without a runner that had one before.
pub fn match_jobs(
    jobs: &[&QueuedJob],
    supply: &[Supply<'_>],
    chance: impl Fn(usize, usize) -> Chance,
) -> Match {
    let mut unserved: Vec<usize> = (0..jobs.len()).collect();
    unserved.sort_by_key(|&index| (jobs[index].queued_at, jobs[index].id));
    let mut counting = Counting {
        jobs,
        supply,
        chance,
        least: Chance::Good,
        by: vec![None; jobs.len()],
        holders: vec![None; supply.len()],
        closed: vec![false; supply.len()],
    };
    unserved.retain(|&job| !counting.serve(job));
    let doubtful = unserved.clone();
    counting.least = Chance::Doubtful;
    counting.closed.fill(false);
    unserved.retain(|&job| !counting.serve(job));
    Match { unserved, doubtful, by: counting.by }
}

struct Counting<'a, F> {
    jobs: &'a [&'a QueuedJob],
    supply: &'a [Supply<'a>],
    chance: F,
    /// The least chance that counts.
    least: Chance,
    by: Vec<Option<usize>>,
    holders: Vec<Option<usize>>,
    /// Runners that no search reaches a free one from: none ever will.
    closed: Vec<bool>,
}

impl<F: Fn(usize, usize) -> Chance> Counting<'_, F> {
    fn fits(&self, job: usize, slot: usize) -> bool {
        let (wanted, runner) = (self.jobs[job], &self.supply[slot]);
        runner.scope.covers(&wanted.repo)
            && runner.labels.covers(&wanted.labels)
            && (self.chance)(job, slot) >= self.least
    }

    fn rank(&self, job: usize, slot: usize) -> (Reverse<Chance>, u8, usize) {
        let runner = &self.supply[slot];
        (Reverse((self.chance)(job, slot)), runner.scope.kind() as u8, runner.labels.len())
    }

    /// Has a job count on a runner. Answers false if there is none for it.
    fn serve(&mut self, first: usize) -> bool {
        // The job from which each runner was reached.
        let mut via: Vec<Option<usize>> = vec![None; self.supply.len()];
        let mut searching = VecDeque::from([first]);
        let mut found = None;
        while let Some(job) = searching.pop_front() {
            let open: Vec<usize> = (0..self.supply.len())
                .filter(|&slot| !self.closed[slot] && via[slot].is_none() && self.fits(job, slot))
                .collect();
            for &slot in &open {
                via[slot] = Some(job);
            }
            let free = open.iter().copied().filter(|&slot| self.holders[slot].is_none());
            found = free.min_by_key(|&slot| self.rank(job, slot));
            if found.is_some() {
                break;
            }
            searching.extend(open.iter().filter_map(|&slot| self.holders[slot]));
        }
        let is_served = found.is_some();
        if !is_served {
            for (slot, _) in via.iter().enumerate().filter(|(_, job)| job.is_some()) {
                self.closed[slot] = true;
            }
        }
        // Each job on the way gives its runner to the one before it.
        while let Some((slot, job)) = found.and_then(|slot| Some((slot, via[slot]?))) {
            self.holders[slot] = Some(job);
            found = self.by[job].replace(slot);
        }
        is_served
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::at;
    use mayfly_common::scope::RepoSlug;

    fn job(id: i64, repo: &str, labels: &[&str], second: i64) -> QueuedJob {
        QueuedJob {
            id,
            repo: RepoSlug::parse(repo).unwrap(),
            name: format!("job {id}"),
            labels: LabelSet::requested(labels),
            labels_unread: false,
            queued_at: at(second),
        }
    }

    fn matched(
        jobs: &[QueuedJob],
        supply: &[Supply<'_>],
        may_count_on: impl Fn(usize, usize) -> bool,
    ) -> Match {
        let chance = |job, slot| if may_count_on(job, slot) { Chance::Good } else { Chance::None };
        match_jobs(&jobs.iter().collect::<Vec<_>>(), supply, chance)
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
        assert_eq!((&outcome.unserved, &outcome.doubtful), (&vec![3, 4], &vec![3, 4]));
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

    #[test]
    fn a_doubtful_chance_is_better_than_none_and_costs_no_good_one() {
        let org: Scope = "org:o".parse().unwrap();
        let (wide, narrow) =
            (LabelSet::requested(["self-hosted", "linux"]), LabelSet::requested(["self-hosted"]));
        let jobs = [job(1, "o/a", &["self-hosted"], 0), job(2, "o/b", &["self-hosted"], 1)];
        let both: Vec<&QueuedJob> = jobs.iter().collect();
        let supply = [narrow.clone(), wide, narrow];
        let supply: Vec<Supply<'_>> =
            supply.iter().map(|labels| Supply { scope: &org, labels }).collect();
        // The first runner is in a group that did not get jobs of `o/a`.
        let chance =
            |job, slot| if (job, slot) == (0, 0) { Chance::Doubtful } else { Chance::Good };
        let enough = match_jobs(&both, &supply, chance);
        assert_eq!((enough.by, enough.doubtful.len()), (vec![Some(2), Some(0)], 0));
        let one = match_jobs(&both[..1], &supply[..1], chance);
        assert_eq!((one.by, one.unserved.len(), one.doubtful), (vec![Some(0)], 0, vec![0]));
        // The job with a good chance at both keeps one, however old the other is.
        let last = match_jobs(&both, &supply[..1], chance);
        assert_eq!(
            (last.by, last.unserved, last.doubtful),
            (vec![None, Some(0)], vec![0], vec![0])
        );
        let alone =
            match_jobs(
                &both,
                &supply[..1],
                |job, _| {
                    if job == 0 { Chance::Doubtful } else { Chance::None }
                },
            );
        assert_eq!(
            (alone.by, alone.unserved, alone.doubtful),
            (vec![Some(0), None], vec![1], vec![0, 1])
        );
    }
}
