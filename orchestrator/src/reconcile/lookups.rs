//! What GitHub said lately of jobs that people ask about and the ledger does not know.
//!
//! Invariant: whoever asks how often about how many jobs, GitHub gets at most [`QUESTIONS`] questions a [`MINUTE`], and the same one
//! once in that time: its requests are for jobs that wait.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use lru::LruCache;
use mayfly_common::scope::RepoSlug;

use mayfly_github::GitHubError;
use mayfly_planner::ledger::Row;

/// Most questions a minute.
const QUESTIONS: u32 = 30;
const MINUTE: SignedDuration = SignedDuration::from_secs(60);
/// How long an answer is given again.
const FRESH: SignedDuration = MINUTE;
/// The same where GitHub could not be asked: somebody may be mending that.
const FRESH_FAILURE: SignedDuration = SignedDuration::from_secs(5);
/// Most answers that are kept.
const MOST: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

type Answer = Result<Row, GitHubError>;

/// The latest answers.
pub(super) struct Lookups(Mutex<Memory>);

struct Memory {
    answers: LruCache<(RepoSlug, i64), (Timestamp, Answer)>,
    /// When the present minute began, and how many questions there were in it.
    minute: (Timestamp, u32),
}

impl Default for Lookups {
    fn default() -> Self {
        let minute = (Timestamp::UNIX_EPOCH, 0);
        Self(Mutex::new(Memory { answers: LruCache::new(MOST), minute }))
    }
}

impl Lookups {
    /// What GitHub says of a job, by `ask` if it was not said lately.
    ///
    /// Errors: GitHub knows no such job or cannot be asked, or too much was asked within the minute.
    pub(super) async fn job(
        &self,
        repo: &RepoSlug,
        id: i64,
        now: Timestamp,
        ask: impl Future<Output = Answer>,
    ) -> Answer {
        let key = (repo.clone(), id);
        if let Some(known) = self.may_ask(&key, now)? {
            return known;
        }
        let answer = ask.await;
        self.memory().answers.put(key, (now, answer.clone()));
        answer
    }

    /// A fresh answer; nothing if GitHub may be asked, which then counts as done.
    ///
    /// Errors: it may not.
    fn may_ask(
        &self,
        key: &(RepoSlug, i64),
        now: Timestamp,
    ) -> Result<Option<Answer>, GitHubError> {
        let mut memory = self.memory();
        if let Some((at, answer)) = memory.answers.get(key) {
            let is_known = matches!(answer, Ok(_) | Err(GitHubError::NotFound));
            let fresh = if is_known { FRESH } else { FRESH_FAILURE };
            if now.duration_since(*at) < fresh {
                return Ok(Some(answer.clone()));
            }
        }
        let (began, asked) = memory.minute;
        if now.duration_since(began) >= MINUTE {
            memory.minute = (now, 0);
        } else if asked >= QUESTIONS {
            let why = format!("{QUESTIONS} jobs were asked about within a minute");
            return Err(GitHubError::PutOff { until: began + MINUTE, why });
        }
        memory.minute.1 += 1;
        Ok(None)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing panics while it holds the lock, and no value is half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn the_same_question_is_asked_once_a_minute_and_not_too_many_others() {
        let (lookups, questions) = (Lookups::default(), Cell::new(0_u32));
        let repo = RepoSlug::parse("octo-org/app").unwrap();
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let ask = async |id: i64, seconds: i64, error: GitHubError| {
            let answer = async {
                questions.set(questions.get() + 1);
                Err(error)
            };
            let now = start + SignedDuration::from_secs(seconds);
            lookups.job(&repo, id, now, answer).await.unwrap_err()
        };
        for second in 0..60 {
            assert_eq!(ask(1, second, GitHubError::NotFound).await, GitHubError::NotFound);
        }
        assert_eq!(questions.get(), 1);
        ask(1, 60, GitHubError::TimedOut).await;
        ask(1, 64, GitHubError::TimedOut).await;
        assert_eq!(questions.get(), 2);
        ask(1, 65, GitHubError::NotFound).await;
        assert_eq!(questions.get(), 3, "what could not be asked is asked again soon");
        for id in 0..1_200 {
            ask(100 + id, 70, GitHubError::NotFound).await;
        }
        assert_eq!(questions.get(), 1 + QUESTIONS);
        let refused = ask(5_000, 70, GitHubError::NotFound).await;
        assert!(matches!(refused, GitHubError::PutOff { .. }), "{refused}");
        assert_eq!(ask(100, 70, GitHubError::TimedOut).await, GitHubError::NotFound, "known");
        ask(5_000, 120, GitHubError::NotFound).await;
        assert_eq!(questions.get(), 2 + QUESTIONS);
        assert!(lookups.memory().answers.len() <= MOST.get());
    }
}
