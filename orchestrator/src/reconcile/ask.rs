//! Asks GitHub what became of jobs that left the queue or ended without anybody telling: their runner, their times and their result;
//! and for jobs that runners of ours took without anybody knowing.

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use mayfly_common::api::Finished;
use mayfly_common::scope::RepoSlug;
use tracing::{debug, warn};

use super::{Reconciler, State};
use mayfly_common::machine::Machine;
use mayfly_github::budget::Priority;
use mayfly_planner::ledger::{Fact, Had, Looked, Row, Worker, ended_lately};

/// Questions that are under way at a time.
const CONCURRENT: usize = 8;

impl Reconciler {
    /// Asks about the jobs that are due. Nobody waits for it: what GitHub has no room for is asked later.
    pub(super) async fn ask_about_jobs(&self, state: &mut State, seen: &[Machine]) {
        let now = self.clock.now();
        let memory = &state.memory;
        let had = |name: &str, row: &Row| {
            let same = |machine: &&Machine| {
                machine.name.as_str() == name
                    && !state.ledger.is_of_an_earlier_machine(row, machine.created_at)
            };
            match seen.iter().find(same) {
                None => Had::Gone,
                Some(machine) if memory.of(machine).jobless_since.is_some() => Had::Offline,
                Some(_) => Had::AtWork,
            }
        };
        let questions = state.ledger.questions(had, now);
        let asked = questions.into_iter().map(async |(repo, id): (RepoSlug, i64)| {
            (self.github.job(&repo, id, Priority::Discovery).await, repo, id)
        });
        let mut answers = stream::iter(asked).buffered(CONCURRENT);
        while let Some((answer, repo, job)) = answers.next().await {
            match answer {
                Ok(found) => state.ledger.apply(Fact::Answered(found), now),
                Err(error) => {
                    debug!(%repo, job, "what became of a job cannot be asked: {error}");
                    let how = error.unanswered();
                    if let Some(why) = how.no_answer() {
                        state.ledger.apply(Fact::Unanswered(job, why), now);
                    }
                    if how.ends_questions() {
                        break;
                    }
                }
            }
        }
    }

    /// Looks for the jobs that runners of ours took without anybody knowing. Nobody waits for it, so that it is left where little is
    /// left of the hour's requests.
    pub(super) async fn search_for_jobs(&self, state: &mut State, active: &[RepoSlug]) {
        if self.github.budget().pace(self.github.now()).is_some() {
            return;
        }
        let now = self.clock.now();
        let told = state.ledger.hearing().is_healthy(now);
        let mut looks = Vec::new();
        let mut spent = false;
        for search in state.ledger.searches(active, told, now) {
            let wanted = state.ledger.still_wanted(&search);
            if wanted.is_empty() {
                continue;
            }
            // The next request would not be sent either.
            if spent {
                looks.push((search, Looked::PutOff));
                continue;
            }
            let looked = match self.github.recent_jobs(&search.repo, search.since, wanted).await {
                Ok(jobs) => {
                    state.ledger.apply(Fact::Searched(search.clone(), jobs), now);
                    Looked::Answered
                }
                Err(error) => {
                    debug!(repo = %search.repo, "jobs of runners cannot be looked for: {error}");
                    let how = error.unanswered();
                    spent = how.ends_looks();
                    how.looked()
                }
            };
            looks.push((search, looked));
        }
        state.ledger.apply(Fact::Looked(looks), now);
    }
}

impl Reconciler {
    /// The runners among those that are gone whose jobs an earlier process may not have looked for.
    pub(super) async fn lately_at_work(&self, gone: &[Finished], now: Timestamp) -> Vec<Worker> {
        let mut workers = Vec::new();
        for one in gone.iter().filter(|one| ended_lately(one, now)) {
            match self.intake.store().finished_runner(one.name.clone()).await {
                Ok(kept) => {
                    let log = kept.and_then(|kept| kept.log).unwrap_or_default();
                    workers.extend(Worker::lately_gone(one, &log, now));
                }
                Err(error) => warn!("what runners of the last run printed cannot be read: {error}"),
            }
        }
        workers
    }
}

/// A runner, as the ledger knows it.
pub(super) fn worker(machine: &Machine) -> Worker {
    Worker {
        runner: machine.name.to_string(),
        pool: machine.pool.to_string(),
        scope: machine.scope.clone(),
        created_at: machine.created_at,
    }
}

#[cfg(test)]
mod tests;
