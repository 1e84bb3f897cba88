//! Queued jobs that GitHub does not assign to an idle runner that may take them.
//!
//! GitHub assigns a queued job to an idle runner within seconds. A job that stays queued beside an idle runner with its scope and
//! labels is not assigned to that runner at all: its runner group excludes the repository, the workflow names another group, the job
//! is bound to a runner that no longer exists, or the runner does not listen. Another runner of the same kind helps in the last case
//! only, so the next one is started after a wait that doubles, and the idle one holds no room that other jobs need. Runners that are
//! registered elsewhere, or in another group, are tried at once.

mod failed_groups;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::scope::{RepoSlug, Scope};

use super::observed::Observed;
use super::policy::Policy;
use mayfly_common::job::QueuedJob;
use mayfly_common::machine::Instance;

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
    /// The scopes and groups in which runners were idle beside it in vain: each once, the latest last.
    pub failed: Vec<NotAssigned>,
}

/// The runners of one scope and group that were idle beside a queued job for [`PATIENCE`], one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAssigned {
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
            this.note_failure(idle, now);
        }
        this
    }

    fn note_failure(&mut self, idle: &Idle<'_>, now: Timestamp) {
        let place = self.failed.iter().position(|last| last.is_at(idle.scope, idle.group));
        let before = place.map_or(0, |place| self.failed.remove(place).failures);
        let failures = before.saturating_add(1);
        self.failed.push(NotAssigned {
            runner: idle.name.clone(),
            scope: idle.scope.clone(),
            group: idle.group.map(str::to_owned),
            failures,
            until: now.saturating_add(wait(failures)).unwrap_or(Timestamp::MAX),
        });
    }

    /// Whether GitHub lists the job as queued after it was beside a runner, idle `since`, for [`PATIENCE`].
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

/// What is known of the assignment of each queued job after a pass that saw this. `idle_since`: since when a runner has been idle.
pub fn after(
    seen: &Observed,
    before: &BTreeMap<i64, Assignment>,
    idle_since: impl Fn(&Instance) -> Option<Timestamp>,
    policy: &Policy,
    now: Timestamp,
) -> BTreeMap<i64, Assignment> {
    let listed = |one: &&Instance| seen.sight_of(one).listed().is_some();
    let idle = seen.instances.iter().filter(listed).filter_map(|instance| {
        let Instance { name, scope, labels, pool, .. } = instance;
        let group = policy.pool(pool).and_then(|pool| pool.group.as_deref());
        Some(Idle { name, scope, labels, group, since: idle_since(instance)? })
    });
    let idle: Vec<Idle<'_>> = idle.collect();
    // A job that is missing because GitHub could not be asked about its repository may be queued still.
    let unasked = |last: &Assignment| {
        let listed_at = seen.listed_at.get(&last.repo).copied();
        !seen.jobs_complete && listed_at.is_some() && listed_at == last.listed_at
    };
    let mut after = before.clone();
    after.retain(|_, last| unasked(last));
    for job in &seen.jobs {
        let listed_at = seen.listed_at.get(&job.repo).copied();
        let next = Assignment::next(before.get(&job.id), job, &idle, listed_at, now);
        after.insert(job.id, next);
    }
    after
}

/// The wait after so many failures in a row.
fn wait(failures: u32) -> SignedDuration {
    let factor = 1i32.checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(i32::MAX);
    FIRST_WAIT.checked_mul(factor).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
}

impl NotAssigned {
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
        write!(
            f,
            "GitHub did not assign it to runner {runner} of {scope}, which was idle beside it for {minutes} min"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::at;

    fn job() -> QueuedJob {
        QueuedJob {
            id: 1,
            repo: RepoSlug::parse("o/r").unwrap(),
            name: "build".to_owned(),
            labels: LabelSet::requested(["self-hosted"]),
            labels_unread: false,
            queued_at: at(0),
        }
    }

    /// Passes at these seconds, each with GitHub's list and one runner idle since a second.
    fn after(passes: &[i64], idle_since: i64, from: Option<&Assignment>) -> Assignment {
        let (name, scope) = (RunnerName::parse("r1").unwrap(), "org:o".parse().unwrap());
        let labels = LabelSet::requested(["self-hosted", "linux"]);
        let since = at(idle_since);
        let idle = [Idle { name: &name, scope: &scope, labels: &labels, group: None, since }];
        let pass = |last: Option<Assignment>, second: &i64| {
            let (now, last) = (at(*second), last.as_ref().or(from));
            Some(Assignment::next(last, &job(), &idle, Some(now), now))
        };
        passes.iter().fold(None, pass).unwrap()
    }

    fn failures(this: &Assignment) -> u32 {
        this.failed.iter().map(|failed| failed.failures).sum()
    }

    #[test]
    fn each_scope_and_group_has_its_own_wait() {
        let first = after(&[0, 120], 0, None);
        let org: Scope = "org:o".parse().unwrap();
        let repo: Scope = "repo:o/r".parse().unwrap();
        assert!(first.is_held(&org, None, at(419)) && !first.is_held(&org, None, at(420)));
        assert!(!first.is_held(&org, Some("ci"), at(200)) && !first.is_held(&repo, None, at(200)));
        let (name, labels) = (RunnerName::parse("r2").unwrap(), job().labels);
        let group = Some("ci");
        let idle = [Idle { name: &name, scope: &org, labels: &labels, group, since: at(130) }];
        let pass = |last: &Assignment, second| {
            Assignment::next(Some(last), &job(), &idle, Some(at(second)), at(second))
        };
        let waiting = pass(&first, 249);
        assert_eq!((waiting.beside_since, failures(&waiting)), (Some(at(130)), 1));
        let both = pass(&waiting, 250);
        assert!(both.is_held(&org, group, at(419)) && both.is_held(&org, None, at(419)));
        assert!(both.is_held(&org, group, at(549)), "its first wait, whatever the others' are");
        assert_eq!(both.held_until(at(250)), Some(at(420)));
        assert_eq!(both.held_until(at(420)), Some(at(550)));
        assert_eq!(both.failed.last().map(|last| last.runner.as_str()), Some("r2"));
    }

    #[test]
    fn two_minutes_beside_an_idle_runner_are_a_failure_and_waits_double() {
        assert_eq!(after(&[0, 119], 0, None).failed, []);
        // A runner that was idle before the job came, and a job that came before the runner.
        assert_eq!(failures(&after(&[100, 219], 0, None)), 0);
        assert_eq!(failures(&after(&[0, 219], 100, None)), 0);
        let first = after(&[0, 120], 0, None);
        assert_eq!((failures(&first), first.held_until(at(120))), (1, Some(at(420))));
        assert_eq!(first.held_until(at(420)), None);
        assert_eq!(first.held_until(at(-3_600)), None, "the clock was set back");
        // The same runner is no second failure, whatever time passes; a new one is.
        assert_eq!(failures(&after(&[140, 420, 900], 0, Some(&first))), 1);
        let second = after(&[430, 550], 430, Some(&first));
        assert_eq!((failures(&second), second.held_until(at(550))), (2, Some(at(1_150))));
        let waits = [1, 2, 3, 4, 5, u32::MAX].map(|failures| wait(failures).as_mins());
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn only_what_github_listed_proves_anything() {
        let first = after(&[0], 0, None);
        let (name, scope) = (RunnerName::parse("r1").unwrap(), "repo:o/r".parse().unwrap());
        let labels = job().labels;
        let since = at(0);
        let idle = [Idle { name: &name, scope: &scope, labels: &labels, group: None, since }];
        let later = Assignment::next(Some(&first), &job(), &idle, Some(at(119)), at(500));
        assert_eq!(failures(&later), 0, "it may have been taken since");
        let other = [Idle { scope: &"repo:o/other".parse().unwrap(), ..idle[0] }];
        let later = Assignment::next(Some(&first), &job(), &other, Some(at(500)), at(500));
        assert_eq!((failures(&later), later.beside_since), (0, None));
        let fewer = LabelSet::requested(["linux"]);
        let other = [Idle { labels: &fewer, ..idle[0] }];
        let later = Assignment::next(Some(&first), &job(), &other, Some(at(500)), at(500));
        assert_eq!(failures(&later), 0);
    }

    #[test]
    fn github_is_asked_once_after_a_while_and_once_before_the_runner_is_given_up() {
        let mut this = after(&[10], 0, None);
        assert_eq!(this.confirm_at(), Some(at(30)), "from when both were there");
        this.listed_at = Some(at(29));
        assert_eq!(this.confirm_at(), Some(at(30)));
        this.listed_at = Some(at(31));
        assert_eq!(this.confirm_at(), Some(at(130)));
        this.listed_at = Some(at(130));
        assert_eq!(this.confirm_at(), None);
        this.listed_at = None;
        assert_eq!(this.confirm_at(), Some(at(30)));
    }
}
