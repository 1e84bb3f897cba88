//! Actions under way, from earlier plans: they count as if this plan had made them.

use mayfly_common::name::RunnerName;
use mayfly_common::scope::Scope;

use super::Planner;
use crate::action::Action;
use crate::capacity::Counted;

impl<N: Iterator<Item = RunnerName>> Planner<'_, N> {
    /// Counts the runners that are being started and that no list shows yet, and the failures that are still to be counted.
    pub(super) fn take_in_flight(&mut self) {
        let seen = self.seen;
        for action in &seen.in_flight {
            match action {
                Action::Launch(launch) if !seen.has_machine(&launch.name) => {
                    let terms = self.policy.terms(&launch.pool);
                    self.capacity.add(Counted::of(launch), terms);
                    let repo = match &launch.scope {
                        Scope::Repo(repo) => Some(repo),
                        Scope::Org(_) | Scope::Enterprise(_) => {
                            let job = seen.jobs.iter().find(|job| Some(job.id) == launch.job);
                            job.map(|job| &job.repo)
                        }
                    };
                    if let Some(repo) = repo {
                        *self.standing.entry(repo).or_default() += 1;
                    }
                }
                Action::Remove { pool, scope, holds_back: true, .. } => {
                    self.failing.insert((pool.clone(), scope.clone()));
                }
                _ => {}
            }
        }
    }
}
