//! Asks GitHub what became of jobs that left the queue or ended without anybody telling: their runner, their times and their result.

use futures::{StreamExt as _, stream};
use mayfly_common::scope::RepoSlug;
use tracing::debug;

use super::{Reconciler, State};
use crate::github::GitHubError;
use crate::github::budget::Priority;
use crate::ledger::{Had, NoAnswer};
use crate::model::Instance;

/// Questions that are under way at a time.
const CONCURRENT: usize = 8;

impl Reconciler {
    /// Asks about the jobs that are due. Nobody waits for it: what GitHub has no room for is asked later.
    pub(super) async fn ask_about_jobs(&self, state: &mut State, seen: &[Instance]) {
        let now = self.clock.now();
        let memory = &state.memory;
        let had = |name: &str| match seen.iter().find(|instance| instance.name.as_str() == name) {
            None => Had::Gone,
            Some(instance) if memory.of(instance).jobless_since.is_some() => Had::Offline,
            Some(_) => Had::AtWork,
        };
        let questions = state.ledger.questions(had, now);
        let asked = questions.into_iter().map(async |(repo, id): (RepoSlug, i64)| {
            (self.github.job(&repo, id, Priority::Discovery).await, repo, id)
        });
        let mut answers = stream::iter(asked).buffered(CONCURRENT);
        while let Some((answer, repo, job)) = answers.next().await {
            match answer {
                Ok(found) => state.ledger.found(&found, now),
                // It does not count, and the next question would fail, too.
                Err(error) if error.is_wait() => break,
                Err(error) => {
                    debug!(%repo, job, "what became of a job cannot be asked: {error}");
                    let why = match error {
                        GitHubError::NotFound => NoAnswer::NoSuchJob,
                        error if error.is_answer() => NoAnswer::Unclear,
                        _ => NoAnswer::Unreachable,
                    };
                    state.ledger.no_answer(job, why, now);
                    if why == NoAnswer::Unreachable {
                        break;
                    }
                }
            }
        }
    }
}
