//! Asks GitHub for what is due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mayfly_service::telemetry::MONITOR;
use tracing::{info, warn};

use mayfly_github::budget::Priority;
use mayfly_github::hooks::KnownHook;
use mayfly_github::redelivery::{MAX_PER_ROUND, due, given_up, open_since};
use mayfly_github::{GitHubClient, GitHubError};

/// How far back a hook's deliveries are read at first: GitHub remembers them for three days (docs: "Redelivering webhooks").
const REMEMBERED: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How long a hook that we may not read is left alone.
const LEFT_ALONE: SignedDuration = SignedDuration::from_hours(24);

/// Redelivers what failed, round by round. Start rounds at least [`mayfly_github::redelivery::MIN_AGE`] apart.
#[derive(Debug, Default)]
pub struct Redeliverer(Mutex<BTreeMap<KnownHook, Memory>>);

/// What is known of a hook from earlier rounds. Losing it costs requests only.
#[derive(Debug, Default)]
struct Memory {
    /// What was delivered before is decided for good.
    open_since: Option<Timestamp>,
    left_alone_until: Option<Timestamp>,
    /// True if it was said that we may not read it.
    said: bool,
    /// Attempts that GitHub does not repeat.
    refused: BTreeSet<i64>,
}

/// What one round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoundReport {
    /// Hooks whose deliveries were read.
    pub read: usize,
    /// Hooks that are left alone because we may not read them, or not ask them.
    pub left_alone: usize,
    /// Deliveries that were asked for once more.
    pub redelivered: usize,
    /// Events that were tried often enough and never delivered, of those that were read.
    pub given_up: usize,
    /// True if the round ended early because of a limit.
    pub put_off: bool,
    /// What else went wrong, in words.
    pub problems: Vec<String>,
}

impl Redeliverer {
    /// One that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at every hook, and asks for what is due. Errors are part of the report: the next round tries again.
    pub async fn round(&self, github: &GitHubClient, hooks: &[KnownHook]) -> RoundReport {
        let mut report = RoundReport::default();
        self.memory().retain(|hook, _| hooks.contains(hook));
        for hook in hooks {
            let now = github.now();
            let (since, left_alone) = {
                let mut memory = self.memory();
                let known = memory.entry(hook.clone()).or_default();
                let earliest = now.saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
                let left_alone = known.left_alone_until.is_some_and(|until| now < until);
                (known.open_since.unwrap_or(earliest), left_alone)
            };
            if left_alone {
                report.left_alone += 1;
                continue;
            }
            if let Err(error) = self.look(github, hook, since, &mut report).await
                && self.note(hook, &error, now, &mut report)
            {
                break;
            }
        }
        if report.redelivered > 0 {
            info!(
                category = MONITOR,
                deliveries = report.redelivered,
                "asked GitHub to deliver again what had failed"
            );
        }
        report
    }

    async fn look(
        &self,
        github: &GitHubClient,
        hook: &KnownHook,
        since: Timestamp,
        report: &mut RoundReport,
    ) -> Result<(), GitHubError> {
        let found = github.deliveries(hook, since, Priority::Upkeep).await?;
        let now = github.now();
        report.read += 1;
        report.given_up += given_up(&found.list);
        let due: Vec<i64> = {
            let mut memory = self.memory();
            let known = memory.entry(hook.clone()).or_default();
            known.open_since = Some(open_since(&found.list, now));
            known.refused.retain(|id| found.list.iter().any(|delivery| delivery.id == *id));
            let due = due(&found.list, now).into_iter();
            due.filter(|id| !known.refused.contains(id)).collect()
        };
        let room = MAX_PER_ROUND.saturating_sub(report.redelivered);
        for id in due.into_iter().take(room) {
            match github.redeliver(hook, id, Priority::Upkeep).await {
                Ok(()) => report.redelivered += 1,
                // This one alone cannot be repeated: forgotten since it was listed, or too old.
                Err(GitHubError::NotFound | GitHubError::Invalid(_) | GitHubError::Conflict(_)) => {
                    self.memory().entry(hook.clone()).or_default().refused.insert(id);
                }
                Err(error) => return Err(error),
            }
        }
        let mut memory = self.memory();
        let known = memory.entry(hook.clone()).or_default();
        (known.left_alone_until, known.said) = (None, false);
        Ok(())
    }

    /// Keeps what an error means for this hook. Whether it means the same for all the others.
    fn note(
        &self,
        hook: &KnownHook,
        error: &GitHubError,
        now: Timestamp,
        report: &mut RoundReport,
    ) -> bool {
        match error {
            GitHubError::Forbidden(_) | GitHubError::NotFound | GitHubError::NotInstalled(_) => {
                report.left_alone += 1;
                let mut memory = self.memory();
                let known = memory.entry(hook.clone()).or_default();
                known.left_alone_until = now.saturating_add(LEFT_ALONE).ok();
                if !std::mem::replace(&mut known.said, true) {
                    warn!(category = MONITOR, hook = hook.id, place = %hook.place, %error, "what this webhook failed to deliver cannot be asked for again; jobs are still found by polling");
                }
                false
            }
            error if error.is_wait() => {
                report.put_off = true;
                true
            }
            error => {
                report.problems.push(format!("{} hook {}: {error}", hook.place, hook.id));
                matches!(
                    error,
                    GitHubError::Unauthorized | GitHubError::Network(_) | GitHubError::TimedOut
                )
            }
        }
    }

    fn memory(&self) -> MutexGuard<'_, BTreeMap<KnownHook, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mayfly_common::clock::SystemClock;
    use mayfly_github::hooks::HookPlace;
    use mayfly_settings::GitHubConfig;

    use super::*;

    #[tokio::test]
    async fn a_hook_that_is_not_there_any_more_is_forgotten() {
        let variables = [("GITHUB_RUNNER_TOKEN", "t"), ("GITHUB_API_URL", "http://127.0.0.1:9")];
        let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = GitHubConfig::from_variables(owned.into()).unwrap();
        let github = GitHubClient::new(config.client(), std::sync::Arc::new(SystemClock)).unwrap();
        let hooks = [1, 2].map(|id| KnownHook { id, place: HookPlace::App });
        let redeliverer = Redeliverer::new();
        let left_alone_until = Some(Timestamp::MAX);
        for hook in &hooks {
            let left_alone = Memory { left_alone_until, ..Memory::default() };
            redeliverer.memory().insert(hook.clone(), left_alone);
        }
        let report = redeliverer.round(&github, &hooks[1..]).await;
        assert_eq!(report, RoundReport { left_alone: 1, ..RoundReport::default() });
        assert_eq!(redeliverer.memory().keys().collect::<Vec<_>>(), [&hooks[1]]);
    }
}
