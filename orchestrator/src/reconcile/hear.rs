//! Takes in what webhooks told, and keeps what was learnt of jobs. What is told only says where to look, or that a job waits that
//! a look would find as well.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::{FinishedQuery, PassReport};
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::{Content, EventRepository};
use tracing::warn;

use super::history::KEPT;
use super::{Reconciler, State};
use mayfly_planner::cadence::CheckWait;
use mayfly_planner::filter::RepoFacts;
use mayfly_planner::ledger::Fact;

impl Reconciler {
    /// Takes in what arrived since the last pass; in the first one, also what an earlier process left.
    pub(super) async fn hear(&self, state: &mut State, now: Timestamp) {
        if !std::mem::replace(&mut state.loaded, true) {
            self.load(state, now).await;
        }
        state.ledger.set_skew(SignedDuration::from_secs(self.github.skew()));
        for delivery in self.intake.take() {
            if delivery.content != Content::HookDeleted {
                state.ledger.apply(Fact::Delivered, now);
            }
            match delivery.content {
                Content::Job { repository, job } => {
                    let Ok(slug) = RepoSlug::parse(&repository.full_name) else { continue };
                    if !self.may_be_served(&slug, &repository) {
                        // It was made public, say: no job of it counts any more, whatever is known of it.
                        state.news |= state.catalog.heard_unserved(&slug);
                        continue;
                    }
                    state.ledger.apply(Fact::Job { repo: slug, job }, now);
                    state.news |= !state.catalog.heard_job(repository.id, now);
                }
                Content::Push { repository } => {
                    let Ok(slug) = RepoSlug::parse(&repository.full_name) else { continue };
                    let known = state.catalog.heard_push(repository.id);
                    state.news |= known || self.may_be_served(&slug, &repository);
                }
                Content::Repositories => {
                    self.github.installations_changed().await;
                    state.catalog.distrust();
                    state.news = true;
                    // Jobs may wait there that no webhook told of.
                    if delivery.event.starts_with("installation") {
                        state.check_wait = CheckWait::fixed(SignedDuration::ZERO);
                    }
                }
                Content::Ping | Content::HookDeleted => {}
            }
        }
    }

    /// Keeps what was learnt of jobs.
    pub(super) async fn keep(&self, state: &mut State) {
        let now = self.clock.now();
        for row in state.ledger.take_ended() {
            self.metrics.job_ended(row.pool.as_deref().unwrap_or("none"), &row);
        }
        let changed = state.ledger.take_changed();
        state.journal.jobs(&changed, now);
        if !changed.is_empty() {
            let kept = self.intake.store().save(changed.clone()).await;
            self.intake.written(kept.as_ref().map(drop));
            if kept.is_err() {
                state.ledger.keep_later(&changed);
            }
        }
        state.ledger.prune(now);
        let ledger = &state.ledger;
        state.journal.retain_jobs(|id| ledger.row(id).is_some());
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
                state.journal.go_on(store.last_event().await.unwrap_or_default(), &rows);
                state.ledger.apply(Fact::Kept(rows), now);
            }
            Err(error) => warn!("jobs of the last run cannot be read: {error}"),
        }
        if let Ok((_, gone)) = store.finished(FinishedQuery::default(), (KEPT, 0)).await {
            let workers = self.lately_at_work(&gone, now).await;
            state.ledger.apply(Fact::AtWork(workers), now);
            state.history.load(gone);
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
