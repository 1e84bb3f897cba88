use super::*;
use crate::lifecycle::tests::at;
use crate::memory::assignments_after;
use crate::observed::Observed;

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
    assert_eq!(failures(&after(&[420, 540], 420, Some(&first))), 2, "just when the wait is over");
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

/// What is known of the job after runners that were started for it ended at these seconds, each without a sign of a job.
fn ended(seconds: &[i64], from: &Assignment) -> Assignment {
    let (name, scope): (_, Scope) = (RunnerName::parse("r9").unwrap(), "org:o".parse().unwrap());
    let mut known = from.clone();
    for second in seconds {
        let why = "it ended with exit code 1; its last words: not configured".to_owned();
        let pool = PoolName::default_pool();
        let (pool, name, scope) = (pool.clone(), name.clone(), scope.clone());
        let end = Ended { job: Some(1), pool, name, scope, group: None, why };
        known.note_end(&end, at(*second));
    }
    known
}

#[test]
fn runners_that_end_without_a_sign_of_the_job_make_the_next_one_wait() {
    let org: Scope = "org:o".parse().unwrap();
    let none = after(&[0], 0, None);
    let once = ended(&[10], &none);
    assert!(once.is_held(&org, None, at(14)) && !once.is_held(&org, None, at(15)));
    assert!(!once.is_held(&org, Some("ci"), at(11)), "another group may be tried");
    assert!(!once.failed[0].is_problem(), "another job may have taken it");
    let waits = [1, 2, 3, 7, 20].map(|times| {
        let known = ended(&vec![0; times], &none);
        assert_eq!((known.failed.len(), known.failed[0].failures as usize), (1, times));
        known.failed[0].until.duration_since(at(0)).as_secs()
    });
    assert_eq!(waits, [5, 10, 20, 300, 300]);
    let twice = ended(&[0, 5], &none);
    assert!(twice.failed[0].is_problem());
    assert_eq!(
        twice.failed[0].to_string(),
        "runner r9 of org:o, the last of 2 started for it, ended without a sign of a job: it ended with exit code 1; its last words: not configured"
    );
    assert!(twice.failed[0].remedy(&job().repo).contains("mayfly runner logs r9"));
    // Another way of failing is counted by itself.
    let idle = after(&[0, 120], 0, None);
    assert_eq!(ended(&[200], &idle).failed[0].failures, 1);
    assert!(idle.failed[0].is_problem());
}

#[test]
fn what_to_do_names_the_repository_the_group_and_where_it_is_set() {
    let again = "cancel the run at GitHub and start it again";
    let give = "give o/r access to the runner group \"ci\" (settings of";
    let rest = format!("Actions, Runner groups); if it has access, {again}");
    for (scope, expected) in [
        ("repo:o/r", again.to_owned()),
        ("org:o", format!("{give} o, {rest}")),
        ("enterprise:e", format!("{give} the enterprise e, {rest}")),
    ] {
        let failed = after(&[0, 120], 0, None).failed.remove(0);
        let (scope, group) = (scope.parse().unwrap(), Some("ci".to_owned()));
        let failed = NotAssigned { scope, group, ..failed };
        assert_eq!(failed.remedy(&job().repo), expected);
    }
}

#[test]
fn of_several_idle_runners_the_one_that_waited_longest_counts() {
    let scope: Scope = "org:o".parse().unwrap();
    let labels = job().labels;
    let names = ["r1", "r2", "r3"].map(|name| RunnerName::parse(name).unwrap());
    let idle: Vec<Idle<'_>> = names
        .iter()
        .zip([60, 5, 90])
        .map(|(name, since)| Idle {
            name,
            scope: &scope,
            labels: &labels,
            group: None,
            since: at(since),
        })
        .collect();
    let first = Assignment::next(None, &job(), &idle, Some(at(0)), at(0));
    let later = Assignment::next(Some(&first), &job(), &idle, Some(at(125)), at(125));
    assert_eq!(later.beside_since, Some(at(5)));
    let failed: Vec<&str> = later.failed.iter().map(|failed| failed.runner.as_str()).collect();
    assert_eq!(failed, ["r2"]);
}

#[test]
fn a_job_that_is_not_queued_any_more_is_forgotten_unless_nobody_could_ask() {
    let known = BTreeMap::from([(1, after(&[0], 0, None))]);
    let repo = job().repo;
    // Whether all repositories could be read, and when this one was listed last.
    let rows = [
        (true, Some(0), false),
        (true, Some(10), false),
        (false, Some(0), true),
        (false, Some(10), false),
        (false, None, false),
    ];
    for (jobs_complete, listed_at, kept) in rows {
        let listed_at = listed_at.map(|second| (repo.clone(), at(second))).into_iter().collect();
        let seen = Observed { jobs_complete, listed_at, ..Observed::default() };
        let policy = crate::lifecycle::tests::policy();
        let after = assignments_after(&seen, &known, |_| None, &[], &policy, at(20));
        let expected = if kept { known.clone() } else { BTreeMap::new() };
        assert_eq!(after, expected, "{jobs_complete} {:?}", seen.listed_at);
    }
}

#[test]
fn only_that_this_runner_ended_without_a_job_is_taken_back() {
    let beside = after(&[0, 120], 0, None);
    let repo: Scope = "repo:o/r".parse().unwrap();
    let mut known = ended(&[200], &beside);
    // The same runner failed in another way, and another one in this way.
    let idle = NotAssigned { how: How::Idle, scope: repo.clone(), ..known.failed[0].clone() };
    let other = RunnerName::parse("r8").unwrap();
    let other = NotAssigned { runner: other, scope: repo, ..known.failed[0].clone() };
    known.failed.extend([idle.clone(), other.clone()]);
    let mut all = BTreeMap::from([(1, known)]);
    forget_ends(&mut all, &[RunnerName::parse("r9").unwrap()]);
    assert_eq!(all[&1].failed, [idle, other]);
}
