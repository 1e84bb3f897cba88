//! Asks GitHub for the jobs that wait, of the repositories that may have some.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_common::api::PassReport;
use mayfly_common::job::QueuedJob;
use mayfly_common::scope::{RepoSlug, Scope};

use super::show::trouble_at;
use super::{Reconciler, State};
use crate::demand::{DemandSource as _, News};
use mayfly_github::{HeldStatus, Look};
use mayfly_planner::Listing;
use mayfly_planner::agenda::{Extent, Known, are_all_shown, jobs_that_count};

/// The jobs that wait.
pub(super) struct Jobs {
    pub(super) known: Vec<QueuedJob>,
    /// True if that is all of them.
    pub(super) complete: bool,
}

impl Reconciler {
    /// Reads the queued jobs of all repositories that may have some, or, between checks, of those where something is going on
    /// that no webhook tells of.
    pub(super) async fn read_jobs(
        &self,
        state: &mut State,
        registrations: &BTreeMap<Scope, Listing>,
        all: bool,
        look: bool,
        report: &mut PassReport,
    ) -> Jobs {
        let now = self.clock.now();
        let known = Known {
            catalog: &state.catalog,
            ledger: &state.ledger,
            memory: &state.memory,
            registrations,
        };
        let extent = if all { Extent::All } else { Extent::InMotion };
        let repos = known.repositories_to_poll(extent, now);
        let mut polled: BTreeSet<RepoSlug> = BTreeSet::new();
        let mut complete = look || repos.is_empty();
        if look {
            // With little left of the hour's requests, what is nearly always empty is not asked for.
            let little = self.github.budget().pace(self.github.now()).is_some();
            let held = if all && !little {
                HeldStatus::at_check(state.schedule.count_check(), repos.len())
            } else {
                BTreeSet::new()
            };
            let mut waiting = if little { BTreeMap::new() } else { state.ledger.waiting_jobs() };
            let looks: Vec<(RepoSlug, Look)> = repos
                .into_iter()
                .map(|repo| {
                    let expected = waiting.remove(&repo).unwrap_or_default();
                    (repo, Look { held: held.clone(), expected })
                })
                .collect();
            for news in self.polling.read(looks).await {
                if let News::Listed(repo, jobs) = &news {
                    complete &= jobs.whole;
                    polled.insert(repo.clone());
                }
                if let Some((repo, error)) = self.take_in_news(state, news, now).await {
                    let what = format!("{repo}: jobs cannot be read");
                    trouble_at(report, repo.owner().as_str(), &what, &error);
                    complete = false;
                }
            }
        }
        complete &= are_all_shown(&state.catalog, &state.ledger);
        let known = jobs_that_count(&state.catalog, &state.ledger, &polled);
        Jobs { known, complete }
    }
}
