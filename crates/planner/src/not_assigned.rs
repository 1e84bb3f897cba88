//! Queued jobs that GitHub does not assign to an idle runner that may take them.
//!
//! GitHub assigns a queued job to an idle runner within seconds. A job that stays queued beside an idle runner with its scope and
//! labels is not assigned to that runner at all: its runner group excludes the repository, the workflow names another group, the job
//! is bound to a runner that no longer exists, or the runner does not listen. Another runner of the same kind helps in the last case
//! only, so the next one is started after a wait that doubles, and the idle one holds no room that other jobs need. Runners that are
//! registered elsewhere, or in another group, are tried at once.
//!
//! A runner that was started for a job may also leave, in whichever way, while the job stays queued and GitHub does not say that it had
//! another one. Mostly it had. But an image that cannot work looks the same, so the next runner of that kind for that job waits as
//! after a failed start.

mod failed_groups;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::{RepoSlug, Scope};

use super::backoff;
use mayfly_common::job::QueuedJob;

pub(crate) use failed_groups::AtWork;
pub use failed_groups::{FailedGroups, REMEMBERED};

/// How long a job may be queued beside an idle runner before GitHub is asked whether it is queued still: a delivery may be lost.
pub const DOUBT: SignedDuration = SignedDuration::from_secs(20);
/// How long a job may be queued beside an idle runner before it counts as not assigned.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(2);
/// The wait before the next runner is started for a job that was not assigned; doubled by each further one.
pub const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(5);
/// The longest such wait.
pub const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// What earlier passes saw of a queued job's assignment. A cache: losing it restarts its periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The job's repository.
    pub repo: RepoSlug,
    /// When the job was first seen queued.
    pub queued_since: Timestamp,
    /// Since when a runner has been idle beside it that may take it; runners that failed before count no more.
    pub beside_since: Option<Timestamp>,
    /// When GitHub last listed it as queued.
    pub listed_at: Option<Timestamp>,
    /// The scopes and groups whose runners did not take it: each once, the latest last.
    pub failed: Vec<NotAssigned>,
}

/// How a runner failed to take the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It was idle beside the job for [`PATIENCE`].
    Idle,
    /// It was started for the job and ended without a sign that it had one: how it ended.
    Ended(String),
}

/// The runners of one scope and group that did not take a queued job, one after the other, each in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAssigned {
    /// How the latest runner failed to take it.
    pub how: How,
    /// The latest runner.
    pub runner: RunnerName,
    /// Where it is, or was, registered.
    pub scope: Scope,
    /// Its runner group; none is GitHub's default one.
    pub group: Option<String>,
    /// The number of them.
    pub failures: u32,
    /// Until when no other runner of that scope and group is started for the job.
    pub until: Timestamp,
}

/// A runner that can take no job any more, without a sign that it had one.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The job; none if it was started to wait for one.
    pub job: Option<i64>,
    /// Its pool.
    pub pool: PoolName,
    /// The runner's name.
    pub name: RunnerName,
    /// Where it was registered.
    pub scope: Scope,
    /// Its runner group; none is GitHub's default one.
    pub group: Option<String>,
    /// How it ended.
    pub why: String,
}

/// A runner that GitHub lists as online and not busy.
#[derive(Debug, Clone, Copy)]
pub struct Idle<'a> {
    /// Its name.
    pub name: &'a RunnerName,
    /// Where it is registered.
    pub scope: &'a Scope,
    /// Its labels.
    pub labels: &'a LabelSet,
    /// Its runner group; none is GitHub's default one.
    pub group: Option<&'a str>,
    /// Since when it has been idle.
    pub since: Timestamp,
}

impl Idle<'_> {
    fn may_take(&self, job: &QueuedJob) -> bool {
        self.scope.covers(&job.repo) && self.labels.covers(&job.labels)
    }
}

impl Assignment {
    /// What is known of `job` after a pass that saw these runners idle. `listed_at`: when GitHub last listed the repository's queued
    /// jobs.
    pub fn next(
        previous: Option<&Self>,
        job: &QueuedJob,
        idle: &[Idle<'_>],
        listed_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let mut this = previous.cloned().unwrap_or_else(|| Self {
            repo: job.repo.clone(),
            queued_since: now,
            beside_since: None,
            listed_at: None,
            failed: Vec::new(),
        });
        this.listed_at = this.listed_at.max(listed_at);
        // A runner that failed before proves nothing new.
        let is_new = |idle: &Idle<'_>| {
            let last = this.failed.iter().find(|last| last.is_at(idle.scope, idle.group));
            last.is_none_or(|last| idle.since >= last.until)
        };
        let beside = idle.iter().filter(|idle| is_new(idle) && idle.may_take(job));
        let longest = beside.min_by_key(|idle| idle.since);
        this.beside_since = longest.map(|idle| idle.since.max(this.queued_since));
        if let Some(idle) = longest.filter(|idle| this.is_in_vain(idle.since)) {
            this.note_failure((idle.name, idle.scope, idle.group), How::Idle, now);
        }
        this
    }

    /// Notes that a runner ended that was started for the job.
    pub(crate) fn note_end(&mut self, ended: &Ended, now: Timestamp) {
        let how = How::Ended(ended.why.clone());
        self.note_failure((&ended.name, &ended.scope, ended.group.as_deref()), how, now);
    }

    fn note_failure(
        &mut self,
        (runner, scope, group): (&RunnerName, &Scope, Option<&str>),
        how: How,
        now: Timestamp,
    ) {
        let place = self.failed.iter().position(|last| last.is_at(scope, group));
        let before = place.map(|place| self.failed.remove(place));
        let before = before.filter(|last| last.how.is_like(&how)).map_or(0, |last| last.failures);
        let failures = before.saturating_add(1);
        let wait = match how {
            How::Idle => wait(failures),
            How::Ended(_) => backoff::delay(failures),
        };
        self.failed.push(NotAssigned {
            how,
            runner: runner.clone(),
            scope: scope.clone(),
            group: group.map(str::to_owned),
            failures,
            until: now.saturating_add(wait).unwrap_or(Timestamp::MAX),
        });
    }

    /// True if GitHub lists the job as queued after it was beside a runner, idle `since`, for [`PATIENCE`].
    pub fn is_in_vain(&self, since: Timestamp) -> bool {
        let from = since.max(self.queued_since);
        self.listed_at.is_some_and(|listed_at| listed_at.duration_since(from) >= PATIENCE)
    }

    /// The end of the next wait during which no runner of some scope and group is started for the job.
    pub fn held_until(&self, now: Timestamp) -> Option<Timestamp> {
        let held = self.failed.iter().filter(|failed| failed.holds(now));
        held.map(|failed| failed.until).min()
    }

    /// True if no runner of this scope and group is started for the job.
    pub fn is_held(&self, scope: &Scope, group: Option<&str>, now: Timestamp) -> bool {
        self.failed.iter().any(|failed| failed.is_at(scope, group) && failed.holds(now))
    }

    /// When GitHub is to be asked whether the job is queued still; none if that is known well enough.
    pub fn confirm_at(&self) -> Option<Timestamp> {
        let since = self.beside_since?;
        let moments = [DOUBT, PATIENCE].map(|span| since.saturating_add(span));
        let mut moments = moments.into_iter().map(|moment| moment.unwrap_or(Timestamp::MAX));
        moments.find(|moment| self.listed_at.is_none_or(|listed_at| listed_at < *moment))
    }
}

/// Takes back that these runners ended without a sign of a job: GitHub told of theirs.
pub fn forget_ends(assignments: &mut BTreeMap<i64, Assignment>, had_job: &[RunnerName]) {
    if had_job.is_empty() {
        return;
    }
    for known in assignments.values_mut() {
        let is_taken_back = |failed: &NotAssigned| {
            matches!(failed.how, How::Ended(_)) && had_job.contains(&failed.runner)
        };
        known.failed.retain(|failed| !is_taken_back(failed));
    }
}

/// The wait after so many failures in a row.
fn wait(failures: u32) -> SignedDuration {
    backoff::doubled(FIRST_WAIT, LONGEST_WAIT, failures)
}

impl How {
    /// True if both are of the same kind.
    fn is_like(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Idle, Self::Idle) | (Self::Ended(_), Self::Ended(_)))
    }
}

impl NotAssigned {
    /// True if it is worth a problem: another job takes the runner of a job now and then, but not twice in a row.
    pub fn is_problem(&self) -> bool {
        self.how == How::Idle || self.failures > 1
    }

    fn is_at(&self, scope: &Scope, group: Option<&str>) -> bool {
        self.scope == *scope && self.group.as_deref() == group
    }

    /// True if its wait is not over. A wait above [`LONGEST_WAIT`] dates from before the clock was set back.
    fn holds(&self, now: Timestamp) -> bool {
        self.until > now && self.until.duration_since(now) <= LONGEST_WAIT
    }

    /// The likely causes, for a job of `repo`.
    pub fn causes(&self, repo: &RepoSlug) -> String {
        let bound = "the job is bound to a runner that no longer exists";
        if let How::Ended(_) = self.how {
            return "the image cannot start, somebody else ends its runners, or other jobs took them".to_owned();
        }
        match &self.scope {
            Scope::Repo(_) => format!("{bound}, or the runner does not listen"),
            Scope::Org(_) | Scope::Enterprise(_) => format!(
                "its runner group \"{}\" excludes {repo}, the workflow's runs-on names another group, or {bound}",
                self.group()
            ),
        }
    }

    /// What to do about it, for a job of `repo`.
    pub fn remedy(&self, repo: &RepoSlug) -> String {
        let again = "cancel the run at GitHub and start it again";
        let group = self.group();
        if let How::Ended(_) = self.how {
            return format!("mayfly runner logs {} shows what the runner printed", self.runner);
        }
        match &self.scope {
            Scope::Repo(_) => again.to_owned(),
            Scope::Org(name) => format!(
                "give {repo} access to the runner group \"{group}\" (settings of {name}, Actions, Runner groups); if it has access, {again}"
            ),
            Scope::Enterprise(name) => format!(
                "give {repo} access to the runner group \"{group}\" (settings of the enterprise {name}, Actions, Runner groups); if it has access, {again}"
            ),
        }
    }

    /// The runner group's name.
    fn group(&self) -> &str {
        self.group.as_deref().unwrap_or("Default")
    }
}

impl fmt::Display for NotAssigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (runner, scope, minutes) = (&self.runner, &self.scope, PATIENCE.as_mins());
        if let How::Ended(why) = &self.how {
            let failures = self.failures;
            return write!(
                f,
                "runner {runner} of {scope}, the last of {failures} started for it, ended without a sign of a job: {why}"
            );
        }
        write!(
            f,
            "GitHub did not assign it to runner {runner} of {scope}, which was idle beside it for {minutes} min"
        )
    }
}

#[cfg(test)]
mod tests;
