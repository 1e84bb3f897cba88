//! Takes in what the sources of demand tell, and keeps what was learnt of jobs. What webhooks tell only says where to look, or that a
//! job waits that a look would find as well.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::{FinishedQuery, PassReport};
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::EventRepository;
use tracing::warn;

use super::history::KEPT;
use super::{Reconciler, State};
use crate::demand::{DemandSource as _, News};
use mayfly_github::GitHubError;
use mayfly_planner::catalog::JobsNotFound;
use mayfly_planner::filter::RepoFacts;
use mayfly_planner::ledger::Fact;

impl Reconciler {
    /// Takes in what arrived since the last pass; in the first one, also what an earlier process left.
    pub(super) async fn hear(&self, state: &mut State, now: Timestamp) {
        if !std::mem::replace(&mut state.loaded, true) {
            self.load(state, now).await;
        }
        state.ledger.set_skew(SignedDuration::from_secs(self.github.skew()));
        for news in self.webhooks.read(()).await {
            self.take_in_news(state, news, now).await;
        }
    }

    /// Takes in what a source told. Answers with an error of GitHub that hides jobs.
    pub(super) async fn take_in_news(
        &self,
        state: &mut State,
        news: News,
        now: Timestamp,
    ) -> Option<(RepoSlug, GitHubError)> {
        match news {
            News::Delivered => state.ledger.apply(Fact::Delivered, now),
            News::Job(repository, job) => {
                let Ok(repo) = RepoSlug::parse(&repository.full_name) else { return None };
                if self.may_be_served(&repo, &repository) {
                    state.ledger.apply(Fact::Job { repo, job }, now);
                    state.schedule.news |= !state.catalog.heard_job(repository.id, now);
                } else {
                    // It was made public, say: no job of it counts any more, whatever is known of it.
                    state.schedule.news |= state.catalog.heard_unserved(&repo);
                }
            }
            News::Push(repository) => {
                let Ok(slug) = RepoSlug::parse(&repository.full_name) else { return None };
                let known = state.catalog.heard_push(repository.id);
                state.schedule.news |= known || self.may_be_served(&slug, &repository);
            }
            News::Repositories { of_installation } => {
                self.github.installations_changed().await;
                state.catalog.distrust();
                state.schedule.news = true;
                // Jobs may wait there that no webhook told of.
                if of_installation {
                    state.schedule.check_soon();
                }
            }
            News::Listed(repo, jobs) => {
                state.catalog.polled(&repo, now);
                state.ledger.apply(Fact::Listed { repo, jobs }, now);
            }
            // It is a problem as long as listings have the repository: its jobs may wait all the same.
            News::NotListed(repo, GitHubError::NotFound) => {
                match state.catalog.jobs_not_found(&repo, now) {
                    JobsNotFound::Hidden { ask } => state.schedule.news |= ask,
                    JobsNotFound::Gone(lost) => state.ledger.apply(Fact::RepoGone(lost), now),
                }
            }
            News::NotListed(repo, error) => return Some((repo, error)),
        }
        None
    }

    /// Keeps what was learnt of jobs.
    pub(super) async fn keep(&self, state: &mut State) {
        let now = self.clock.now();
        for row in state.ledger.take_ended() {
            self.metrics.job_ended(row.pool.as_deref().unwrap_or("none"), &row);
        }
        let changed = state.ledger.take_changed();
        state.told.journal.jobs(&changed, now);
        if !changed.is_empty() {
            let kept = self.intake.store().save(changed.clone()).await;
            self.intake.written(kept.as_ref().map(drop));
            if kept.is_err() {
                state.ledger.keep_later(&changed);
            }
        }
        state.ledger.prune(now);
        let ledger = &state.ledger;
        state.told.journal.retain_jobs(|id| ledger.row(id).is_some());
        if state.passes % PRUNE_EVERY == 1 {
            let pruned = self.intake.store().prune(now).await;
            self.intake.written(pruned.as_ref().map(drop));
        }
    }

    /// Looks whether the file is still there, and says what is wrong with it or was mended.
    pub(super) async fn look_after_store(&self, report: &mut PassReport) {
        let store = self.intake.store();
        if let Err(error) = store.look_after().await {
            self.intake.written(Err(&error));
            report.problems.push(format!(
                "{error}; the ledger is kept in memory, and pools cannot be changed"
            ));
        }
        report.problems.extend(store.take_mended());
    }

    async fn load(&self, state: &mut State, now: Timestamp) {
        let store = self.intake.store();
        match store.recent_jobs().await {
            Ok(rows) => {
                state.told.journal.go_on(store.last_event().await.unwrap_or_default(), &rows);
                state.ledger.apply(Fact::Kept(rows), now);
            }
            Err(error) => warn!("jobs of the last run cannot be read: {error}"),
        }
        if let Ok((_, gone)) = store.finished(FinishedQuery::default(), (KEPT, 0)).await {
            let workers = self.lately_at_work(&gone, now).await;
            state.ledger.apply(Fact::AtWork(workers), now);
            state.told.history.load(gone);
        }
        if let Ok(Some(at)) = store.last_delivery().await {
            state.ledger.apply(Fact::Delivered, at);
        }
    }

    fn may_be_served(&self, slug: &RepoSlug, repository: &EventRepository) -> bool {
        let facts = RepoFacts {
            slug,
            private: repository.private,
            fork: repository.fork,
            archived: repository.archived,
            disabled: repository.disabled,
        };
        self.config.github.filter.admits(&facts).is_ok()
    }
}

/// Passes between two prunings of the file.
const PRUNE_EVERY: u64 = 1_000;
