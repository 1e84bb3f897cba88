//! Runner groups in which GitHub did not assign a job of a repository, remembered for the repository's other jobs.
//!
//! A failure may have a cause in one job alone: its workflow names another group, for example. So it never keeps another job from
//! such a group; it only has other groups tried first, and other repositories served first where room is short.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::{RepoSlug, Scope};

use super::{Assignment, How, NotAssigned};

/// How long a failure counts for the other jobs of its repository.
pub const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);

/// The failures that count. A cache: losing it has each job find out for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailedGroups(BTreeMap<RepoSlug, Vec<FailedGroup>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FailedGroup {
    scope: Scope,
    /// None is GitHub's default group.
    group: Option<String>,
    failed_at: Timestamp,
}

/// A runner that has a job of a repository.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtWork<'a> {
    /// The repository.
    pub(crate) repo: &'a RepoSlug,
    /// Where the runner is registered.
    pub(crate) scope: &'a Scope,
    /// Its runner group; none is GitHub's default group.
    pub(crate) group: Option<&'a str>,
}

impl FailedGroup {
    fn is(&self, scope: &Scope, group: Option<&str>) -> bool {
        self.scope == *scope && self.group.as_deref() == group
    }
}

impl FailedGroups {
    /// True if GitHub did not assign a job of `repo` to runners of this scope and group lately.
    pub fn has(&self, repo: &RepoSlug, scope: &Scope, group: Option<&str>) -> bool {
        let groups = self.0.get(repo);
        groups.is_some_and(|groups| groups.iter().any(|failed| failed.is(scope, group)))
    }

    /// Remembers that GitHub did not assign a job of `repo` to a runner of this scope and group.
    pub fn add(&mut self, repo: &RepoSlug, scope: &Scope, group: Option<&str>, now: Timestamp) {
        let group = group.map(str::to_owned);
        let failed = FailedGroup { scope: scope.clone(), group, failed_at: now };
        self.0.entry(repo.clone()).or_default().push(failed);
    }

    fn remove(&mut self, repo: &RepoSlug, scope: &Scope, group: Option<&str>) {
        if let Some(groups) = self.0.get_mut(repo) {
            groups.retain(|failed| !failed.is(scope, group));
        }
    }

    /// Takes in what a pass saw: jobs whose failures are more than `before`, and where runners are `at_work` on a job of which repository.
    pub(crate) fn update<'a>(
        &mut self,
        before: &BTreeMap<i64, Assignment>,
        after: &BTreeMap<i64, Assignment>,
        at_work: impl Iterator<Item = AtWork<'a>>,
        now: Timestamp,
    ) {
        for (id, known) in after {
            let earlier = before.get(id).map_or(&[][..], |known| &known.failed);
            let is_new =
                |failed: &&NotAssigned| failed.how == How::Idle && !earlier.contains(failed);
            for failed in known.failed.iter().filter(is_new) {
                self.add(&known.repo, &failed.scope, failed.group.as_deref(), now);
            }
        }
        for AtWork { repo, scope, group } in at_work {
            self.remove(repo, scope, group);
        }
        for groups in self.0.values_mut() {
            // A moment that lies ahead is from before the clock was set back.
            groups.retain(|failed| {
                failed.failed_at <= now && now.duration_since(failed.failed_at) < REMEMBERED
            });
        }
        self.0.retain(|_, groups| !groups.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use mayfly_common::name::RunnerName;

    use super::*;
    use crate::github_view::Listing;
    use crate::lifecycle::tests::{at, machine, policy, registered};
    use crate::memory::at_work;
    use crate::not_assigned::{FIRST_WAIT, PATIENCE};
    use crate::observed::Observed;
    use mayfly_common::machine::Phase;

    fn repo(name: &str) -> RepoSlug {
        RepoSlug::parse(name).unwrap()
    }

    fn org() -> Scope {
        "org:o".parse().unwrap()
    }

    /// One job of `o/r` that so many runners of `org:o` were idle beside in vain.
    fn failed(failures: u32) -> BTreeMap<i64, Assignment> {
        let failed = NotAssigned {
            how: How::Idle,
            runner: RunnerName::parse("r1").unwrap(),
            scope: org(),
            group: None,
            failures,
            until: at(i64::from(failures)),
        };
        let known = Assignment {
            repo: repo("o/r"),
            queued_since: at(0),
            beside_since: None,
            listed_at: None,
            failed: if failures == 0 { Vec::new() } else { vec![failed] },
        };
        BTreeMap::from([(1, known)])
    }

    #[test]
    fn a_failure_counts_for_its_repository_scope_and_group_for_a_while() {
        let mut groups = FailedGroups::default();
        groups.update(&failed(0), &failed(1), iter::empty(), at(0));
        assert!(groups.has(&repo("o/r"), &org(), None));
        let others = [
            (repo("o/other"), org(), None),
            (repo("o/r"), "repo:o/r".parse().unwrap(), None),
            (repo("o/r"), org(), Some("ci")),
        ];
        for (repo, scope, group) in others {
            assert!(!groups.has(&repo, &scope, group), "{repo} {scope} {group:?}");
        }
        // The job may be gone, and a failure that was there before is no new one.
        let end = REMEMBERED.as_secs();
        groups.update(&failed(1), &BTreeMap::new(), iter::empty(), at(1));
        groups.update(&failed(1), &failed(1), iter::empty(), at(end - 1));
        assert!(groups.has(&repo("o/r"), &org(), None));
        groups.update(&failed(1), &failed(2), iter::empty(), at(end - 1));
        groups.update(&failed(2), &failed(2), iter::empty(), at(end));
        assert!(groups.has(&repo("o/r"), &org(), None), "a new one counts anew");
        groups.update(&failed(2), &failed(2), iter::empty(), at(2 * end - 1));
        assert_eq!(groups, FailedGroups::default(), "and nothing is kept for ever");
        groups.update(&failed(0), &failed(1), iter::empty(), at(end));
        groups.update(&failed(1), &failed(1), iter::empty(), at(0));
        assert_eq!(groups, FailedGroups::default(), "the clock was set back");
    }

    #[test]
    fn a_runner_of_the_group_that_has_a_job_of_the_repository_ends_it() {
        let runner = machine("a1", Phase::Running { working: None });
        let mut at_org = runner.clone();
        at_org.identity.scope = org();
        let of = |name: &str| BTreeMap::from([(runner.name.clone(), repo(name))]);
        let rows = [
            (&at_org, of("o/r"), false, false),
            (&at_org, of("o/other"), false, true),
            (&at_org, BTreeMap::new(), true, true),
            (&runner, of("o/r"), false, true),
        ];
        for (runner, working_for, busy, counts) in rows {
            let list = vec![registered(1, "a1", true, busy)];
            let seen = Observed {
                machines: vec![runner.clone()],
                registrations: BTreeMap::from([(runner.scope.clone(), Listing::Known(list))]),
                working_for,
                ..Observed::default()
            };
            let mut groups = FailedGroups::default();
            groups.add(&repo("o/r"), &org(), None, at(0));
            groups.update(&BTreeMap::new(), &BTreeMap::new(), at_work(&seen, &policy()), at(1));
            assert_eq!(groups.has(&repo("o/r"), &org(), None), counts, "{seen:?}");
        }
        // A repository's own runner that GitHub calls idle, or does not list, shows nothing.
        for list in [vec![registered(1, "a1", true, false)], vec![]] {
            let seen = Observed {
                machines: vec![runner.clone()],
                registrations: BTreeMap::from([(runner.scope.clone(), Listing::Known(list))]),
                ..Observed::default()
            };
            let mut groups = FailedGroups::default();
            groups.add(&repo("o/r"), &runner.scope, None, at(0));
            groups.add(&repo("o/r"), &org(), None, at(0));
            groups.update(&BTreeMap::new(), &BTreeMap::new(), at_work(&seen, &policy()), at(1));
            assert!(groups.has(&repo("o/r"), &runner.scope, None), "{seen:?}");
            assert!(groups.has(&repo("o/r"), &org(), None), "of several, each counts");
        }
        // A repository's own runner has no other repository's job.
        let seen = Observed {
            machines: vec![runner.clone()],
            registrations: BTreeMap::from([(
                runner.scope.clone(),
                Listing::Known(vec![registered(1, "a1", true, true)]),
            )]),
            ..Observed::default()
        };
        let mut groups = FailedGroups::default();
        groups.add(&repo("o/r"), &runner.scope, None, at(0));
        groups.update(&BTreeMap::new(), &BTreeMap::new(), at_work(&seen, &policy()), at(1));
        assert_eq!(groups, FailedGroups::default());
    }

    #[test]
    fn spans_that_depend_on_each_other_agree() {
        assert!(REMEMBERED > PATIENCE, "a job that comes now does not find out by itself first");
        assert!(REMEMBERED > FIRST_WAIT, "its own job is the first that tries again");
    }
}
