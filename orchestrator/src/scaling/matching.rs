//! Which queued jobs a runner is there, or on its way, for.
//!
//! GitHub decides which runner gets which job; this only counts, so that exactly the missing runners are started.

use mayfly_common::label::LabelSet;
use mayfly_common::scope::Scope;

use crate::model::QueuedJob;

/// A runner that can still take a job.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Sets jobs against supply: oldest job first, each to the fitting runner with the narrowest scope and fewest labels for which
/// `may_count_on(job, supply)` holds, both given by their index.
pub fn match_jobs(
    jobs: &[QueuedJob],
    supply: &[Supply<'_>],
    may_count_on: impl Fn(usize, usize) -> bool,
) -> Match {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&index| (jobs[index].queued_at, jobs[index].id));
    let mut outcome = Match {
        unserved: Vec::new(),
        needed: vec![false; supply.len()],
        by: vec![None; jobs.len()],
    };
    for index in order {
        let job = &jobs[index];
        let best = (0..supply.len())
            .filter(|&slot| !outcome.needed[slot] && may_count_on(index, slot))
            .filter(|&slot| {
                supply[slot].scope.covers(&job.repo) && supply[slot].labels.covers(&job.labels)
            })
            .min_by_key(|&slot| (supply[slot].scope.kind() as u8, supply[slot].labels.len()));
        match best {
            Some(slot) => {
                outcome.needed[slot] = true;
                outcome.by[index] = Some(slot);
            }
            None => outcome.unserved.push(index),
        }
    }
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
        let outcome = match_jobs(&jobs, &supply, |_, _| true);
        assert_eq!(outcome.needed, [true, true, true]);
        assert_eq!(outcome.unserved, [3, 4]);
        let outcome = match_jobs(&jobs, &supply, |job, slot| (job, slot) != (2, 0));
        assert_eq!(outcome.by, [Some(2), Some(1), None, None, Some(0)]);
    }
}
