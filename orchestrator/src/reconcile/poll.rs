//! Asks GitHub for the jobs that wait, of the repositories that may have some.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use mayfly_common::api::PassReport;
use mayfly_common::job::QueuedJob;
use mayfly_common::scope::{RepoSlug, Scope};

use super::look::CONCURRENT;
use super::show::trouble_at;
use super::{Reconciler, State};
use mayfly_github::{GitHubError, HeldStatus, Look};
use mayfly_planner::Listing;
use mayfly_planner::catalog::JobsNotFound;

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
        let repos = repositories_to_poll(state, registrations, all, now);
        let mut polled: BTreeSet<RepoSlug> = BTreeSet::new();
        let (mut complete, mut missed) = (look || repos.is_empty(), 0);
        if look {
            // With little left of the hour's requests, what is nearly always empty is not asked for.
            let little = self.github.budget().pace(self.github.now()).is_some();
            let held = if all && !little {
                state.checks += 1;
                HeldStatus::at_check(state.checks, repos.len())
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
            let asked = looks.into_iter().map(async |(repo, look): (RepoSlug, Look)| {
                (self.github.queued_jobs(&repo, &look).await, repo)
            });
            let mut results = stream::iter(asked).buffered(CONCURRENT);
            while let Some((result, repo)) = results.next().await {
                match result {
                    Ok(jobs) => {
                        state.catalog.polled(&repo, now);
                        missed += state.ledger.polled(&repo, &jobs, now, state.listening);
                        complete &= jobs.whole;
                        polled.insert(repo);
                    }
                    // It is a problem as long as listings have the repository: its jobs may wait all the same.
                    Err(GitHubError::NotFound) => match state.catalog.jobs_not_found(&repo, now) {
                        JobsNotFound::Hidden { ask } => state.news |= ask,
                        JobsNotFound::Gone(lost) => state.ledger.lost(&lost, now),
                    },
                    Err(error) => {
                        let what = format!("{repo}: jobs cannot be read");
                        trouble_at(report, repo.owner().as_str(), &what, &error);
                        complete = false;
                    }
                }
            }
        }
        if missed > 0 {
            state.hearing.missed(now);
        }
        // Not all of them are asked for in each pass.
        complete &= !state.ledger.waiting_in().keys().any(|repo| state.catalog.hides_jobs(repo));
        // A job that was seen earlier but could not be checked in this pass may already have a runner: too few runners for a moment are
        // better than too many.
        let (catalog, ledger) = (&state.catalog, &state.ledger);
        let known = ledger.queued(|row| {
            (row.told_at.is_some() || polled.contains(&row.repo))
                && catalog.serves(&row.repo)
                && !ledger.is_unsure(row.id)
        });
        Jobs { known, complete }
    }
}

/// All that may have jobs, or, between checks, those where something is going on that no webhook tells of, and those where a job
/// that webhooks told of should have begun: a delivery may be lost.
pub(super) fn repositories_to_poll(
    state: &State,
    registrations: &BTreeMap<Scope, Listing>,
    all: bool,
    now: Timestamp,
) -> Vec<RepoSlug> {
    let healthy = state.hearing.is_healthy(now);
    let waiting = state.ledger.waiting_in();
    let mut repos = state.catalog.relevant(now);
    let relevant: BTreeSet<&RepoSlug> = repos.iter().collect();
    let more: Vec<RepoSlug> = waiting
        .keys()
        .filter(|repo| !relevant.contains(repo) && state.catalog.serves(repo))
        .cloned()
        .collect();
    repos.extend(more);
    let doubtful: BTreeSet<&RepoSlug> = state
        .memory
        .assignments()
        .filter(|known| known.confirm_at().is_some_and(|at| at <= now))
        .map(|known| &known.repo)
        .collect();
    let lost = state.ledger.news_lost(now);
    repos.retain(|repo| {
        let told = waiting.get(repo).copied();
        let may = all || state.catalog.may_ask_for_jobs(repo, now);
        let runs = || registrations.keys().any(|scope| scope.covers(repo));
        let doubted = told.is_some() && (doubtful.contains(repo) || lost.contains(repo));
        may && (all || told == Some(false) || doubted || (!healthy && (told.is_some() || runs())))
    });
    repos
}
