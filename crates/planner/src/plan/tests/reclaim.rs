//! Room for jobs that wait for it: which idle runners give theirs up, and which do not.

use jiff::SignedDuration;
use mayfly_common::pool::{Autoscaling, Ratio};

use super::pools::{pool, pools_of, retired, waiting, with_pools};
use super::*;
use crate::policy::PoolPolicy;

type Change = fn(&mut PoolPolicy);

/// The pool `warm` beside the default one, and room for so many runners.
fn two_pools(runners: usize, change: impl Fn(&mut PoolPolicy)) -> Policy {
    let mut warm = pool("warm", &["self-hosted"]);
    change(&mut warm);
    with_pools(runners, vec![warm])
}

/// A job of another repository.
fn other(id: i64) -> QueuedJob {
    job(id, "p/q", &["self-hosted", "linux"])
}

/// Runners of the pool `warm` in `o/r`, idle since second 0, in a pass at `now`.
fn idle(names: &[&str], jobs: Vec<QueuedJob>, policy: &Policy, now: i64) -> Observed {
    let seen = names.iter().fold(seen(), |seen, name| waiting(seen, name, 0));
    let first = seen.remember(policy, at(0));
    Observed { jobs, ..first }.remember(policy, at(now))
}

/// The same, and jobs of `o/r` that GitHub has listed as queued beside them all the time.
fn beside(names: &[&str], jobs: &[QueuedJob], policy: &Policy, now: i64) -> Observed {
    let seen = names.iter().fold(seen(), |seen, name| waiting(seen, name, 0));
    let repo = RepoSlug::parse("o/r").unwrap();
    let pass = |seen: Observed, second: i64| {
        let listed_at = BTreeMap::from([(repo.clone(), at(second))]);
        Observed { listed_at, jobs: jobs.to_vec(), ..seen }.remember(policy, at(second))
    };
    pass(pass(seen, 0), now)
}

#[test]
fn an_idle_runner_that_no_job_needs_gives_its_room_to_one_that_waits() {
    let policy = two_pools(2, |_| {});
    let at_once = idle(&["w1", "w2"], vec![other(1)], &policy, 19);
    assert!(plan(&at_once, &policy, at(19)).actions.is_empty(), "it may have a job this moment");
    let seen = idle(&["w1", "w2"], vec![other(1)], &policy, 20);
    let first = plan(&seen, &policy, at(20));
    assert_eq!((retired(&first), launches(&first)), (vec!["w1"], 0), "one, not both");
    let after = carried_out(&seen, &first, at(20)).remember(&policy, at(21));
    assert_eq!(pools_of(&plan(&after, &policy, at(21))), ["default repo:p/q"]);
    // Nobody else waits; a job needs them; GitHub could not be asked who does.
    for jobs in [vec![], vec![job(1, "o/r", &["self-hosted"]), job(2, "o/r", &["self-hosted"])]] {
        let seen = idle(&["w1", "w2"], jobs, &policy, 20);
        assert!(plan(&seen, &policy, at(20)).actions.is_empty());
    }
    let unsure = Observed { jobs_complete: false, ..seen.clone() };
    assert!(plan(&unsure, &policy, at(20)).actions.is_empty());
    let mut by_hand = seen.clone();
    for machine in &mut by_hand.machines {
        machine.identity.pool = PoolName::manual();
    }
    assert!(plan(&by_hand, &policy, at(20)).actions.is_empty());
}

#[test]
fn a_runner_that_a_job_needs_keeps_its_room_beside_one_that_nobody_needs() {
    let policy = two_pools(2, |_| {});
    for names in [["w1", "w2"], ["w2", "w1"]] {
        let jobs = vec![job(1, "o/r", &["self-hosted"]), other(2)];
        let seen = idle(&names, jobs, &policy, 60);
        let plan = plan(&seen, &policy, at(60));
        let needed = plan.expected[&1].as_str();
        let spare = if needed == "w1" { "w2" } else { "w1" };
        assert_eq!(retired(&plan), [spare], "{needed} is needed");
    }
}

#[test]
fn what_a_pool_keeps_waiting_stays_and_ratio_alone_says_how_many_there_are() {
    let ratio =
        Ratio { jobs_per_runner: 1, scale_up_threshold: 0, scale_down_threshold: 0, cooldown: 0 };
    let rows: [(Change, &[&str]); 3] = [
        (|pool| pool.min_idle = 1, &["w1"]),
        (|pool| pool.min_idle = 2, &[]),
        (|pool| pool.idle_timeout = SignedDuration::from_hours(1), &["w1", "w2"]),
    ];
    for (change, expected) in rows {
        let policy = two_pools(2, change);
        let seen = idle(&["w1", "w2"], vec![other(1), other(2)], &policy, 20);
        assert_eq!(retired(&plan(&seen, &policy, at(20))), expected);
    }
    let policy = two_pools(2, |pool| {
        (pool.autoscaling, pool.min_idle) = (Autoscaling::Ratio(ratio), 2);
    });
    let seen = idle(&["w1", "w2"], vec![other(1)], &policy, 20);
    assert_eq!(retired(&plan(&seen, &policy, at(20))), Vec::<&str>::new());
}

#[test]
fn as_many_go_as_make_the_room_and_none_where_that_is_not_enough() {
    // A large runner needs the memory of two small ones.
    let large = |memory: i64| {
        let mut policy = two_pools(9, |pool| pool.memory = 2 << 30);
        caps(&mut policy).memory = Some(6 << 30);
        policy.default.memory = memory;
        policy
    };
    let rows: [(i64, &[&str]); 3] = [(2, &["w1"]), (4, &["w1", "w2"]), (7, &[])];
    for (memory, expected) in rows {
        let policy = large(memory << 30);
        let seen = idle(&["w1", "w2", "w3"], vec![other(1)], &policy, 20);
        assert_eq!(retired(&plan(&seen, &policy, at(20))), expected, "{memory}");
    }
    // The cap counts other runners than those that are idle.
    let mut policy = two_pools(9, |_| {});
    policy.default.max = 0;
    let seen = idle(&["w1"], vec![other(1)], &policy, 20);
    assert!(plan(&seen, &policy, at(20)).actions.is_empty());
    // Room comes anyhow: one that is over goes in this pass.
    let policy = two_pools(2, |_| {});
    let mut seen = idle(&["w1", "w2"], vec![other(1)], &policy, 20);
    seen.machines[1].phase = Phase::Broken("it ended".to_owned());
    let over = plan(&seen, &policy, at(20));
    assert_eq!((retired(&over).len(), over.actions.len()), (0, 1), "{:?}", over.actions);
}

#[test]
fn a_job_that_github_does_not_assign_starts_no_further_runner_and_yields_to_others() {
    let policy = two_pools(2, |_| {});
    let jobs: Vec<QueuedJob> = (1..4).map(|id| job(id, "o/r", &["self-hosted"])).collect();
    let early = plan(&beside(&["w1", "w2"], &jobs, &policy, 119), &policy, at(119));
    assert_eq!((early.expected.len(), early.waiting.len()), (2, 1));
    let seen = beside(&["w1", "w2"], &jobs, &policy, 120);
    let held = plan(&seen, &policy, at(120));
    assert_eq!((held.actions.len(), held.expected.len()), (0, 0));
    let caused = |plan: &Plan| {
        let not_assigned = |one: &&Waiting| matches!(one.cause, Cause::NotAssigned(_));
        plan.waiting.iter().filter(not_assigned).count()
    };
    assert_eq!((caused(&held), held.not_assigned.len()), (3, 3), "the third fits them as well");
    // They stay for long after their idle time, and go when others wait: as many as those need.
    let mut later = seen.clone();
    later.jobs.push(other(9));
    let making_room = plan(&later, &policy, at(400));
    assert_eq!((retired(&making_room), caused(&making_room)), (vec!["w1"], 3));
    let Some(Action::Retire { why, .. }) = making_room.actions.first() else { panic!() };
    assert_eq!(why, "GitHub has not assigned job 1 to it, and other jobs wait for its room");
    // Also where another repository could not be read: they would have had its jobs.
    let unsure = Observed { jobs_complete: false, ..later };
    assert_eq!(retired(&plan(&unsure, &policy, at(400))), ["w1"]);
    // When the wait is over, a fresh one is tried in place of those, and after every other job.
    let over = plan(&seen, &policy, at(420));
    assert_eq!((retired(&over), launches(&over)), (vec!["w1", "w2"], 0));
    let Some(Action::Retire { why, .. }) = over.actions.first() else { panic!() };
    assert_eq!(why, "GitHub has not assigned job 1 to it");
    let mut both = seen;
    both.machines.clear();
    both.jobs.push(other(9));
    both.jobs.push(job(10, "o/r", &["self-hosted"]));
    let order = lines(&plan(&both, &policy, at(420)));
    assert!(order[0].contains("job 9") && order[1].contains("job 10"), "{order:?}");
}

/// A runner group that excludes the repository says nothing of runners in another group, or of the repository's own.
#[test]
fn a_job_that_one_group_s_runners_do_not_get_has_the_next_pool_s_at_once() {
    let org: Scope = "org:o".parse().unwrap();
    let closed = |pool: &mut PoolPolicy| {
        (pool.scopes, pool.group) = (vec!["org:o".parse().unwrap()], Some("closed".to_owned()));
    };
    let policy = two_pools(5, closed);
    let mut first = waiting(seen(), "w1", 0);
    first.machines[0].identity.scope = org.clone();
    first.registrations =
        first.registrations.into_values().map(|list| (org.clone(), list)).collect();
    let repo = RepoSlug::parse("o/r").unwrap();
    let pass = |seen: Observed, second: i64| {
        let listed_at = BTreeMap::from([(repo.clone(), at(second))]);
        let jobs = vec![job(1, "o/r", &["self-hosted"])];
        Observed { jobs, listed_at, ..seen }.remember(&policy, at(second))
    };
    let early = pass(pass(first, 0), 119);
    assert_eq!(plan(&early, &policy, at(119)).expected.len(), 1);
    let late = pass(early, 120);
    let next = plan(&late, &policy, at(120));
    assert_eq!(pools_of(&next), ["default repo:o/r"]);
    assert_eq!(next.not_assigned.len(), 1, "it is said all the same");
    // One more runner in that group changes nothing.
    let mut more = waiting(late.clone(), "w2", 120);
    let second = more.machines.last_mut().unwrap();
    second.identity.scope = org.clone();
    assert_eq!(pools_of(&plan(&more, &policy, at(120))), ["default repo:o/r"]);
    // The runner that is on its way is enough.
    let after = carried_out(&late, &next, at(120)).remember(&policy, at(121));
    let last = plan(&after, &policy, at(121));
    assert_eq!((launches(&last), last.expected.len()), (0, 1));
}

#[test]
fn the_runner_that_is_kept_for_a_job_is_one_that_could_have_it() {
    type Other = fn(&mut Machine);
    let policy = two_pools(3, |_| {});
    let rows: [Other; 2] = [
        |other| other.identity.scope = "repo:p/q".parse().unwrap(),
        |other| other.identity.labels = LabelSet::requested(["other"]),
    ];
    for change in rows {
        let mut seen = ["w0", "w1"].iter().fold(seen(), |seen, name| waiting(seen, name, 0));
        change(&mut seen.machines[0]);
        let list = Listing::Known(vec![registered(1, "w0", true, false)]);
        seen.registrations.entry(seen.machines[0].scope.clone()).or_insert(list);
        for second in [0, 120] {
            seen.listed_at = BTreeMap::from([(RepoSlug::parse("o/r").unwrap(), at(second))]);
            seen.jobs = vec![job(1, "o/r", &["self-hosted"])];
            seen = seen.remember(&policy, at(second));
        }
        let plan = plan(&seen, &policy, at(120));
        assert_eq!((retired(&plan), launches(&plan)), (vec!["w0"], 0), "{:?}", seen.machines[0]);
    }
}

#[test]
fn one_whose_room_another_cap_gives_anyway_stays() {
    let mut policy = two_pools(2, |_| {});
    policy.caps.per_repo = Some(1);
    let mut seen = ["w1", "w2"].iter().fold(seen(), |seen, name| waiting(seen, name, 0));
    seen.machines[0].identity.scope = "repo:p/q".parse().unwrap();
    let list = Listing::Known(vec![registered(1, "w1", true, false)]);
    seen.registrations.insert(seen.machines[0].scope.clone(), list);
    let seen = Observed { jobs: vec![job(1, "o/r", &["self-hosted", "linux"])], ..seen };
    let seen = seen.remember(&policy, at(0)).remember(&policy, at(20));
    assert_eq!(retired(&plan(&seen, &policy, at(20))), ["w2"]);
}
