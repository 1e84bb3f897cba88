//! What one job's failure to be assigned means for the other jobs of its repository.

use mayfly_common::pool::{Autoscaling, Ratio};

use super::pools::{pool, pools_of, retired, waiting, with_pools};
use super::*;
use crate::not_assigned::REMEMBERED;

fn repo(name: &str) -> RepoSlug {
    RepoSlug::parse(name).unwrap()
}

fn org() -> Scope {
    "org:o".parse().unwrap()
}

/// The pool `warm` of the organisation's runners in a group of its own, which alone have the label `big`, beside the default pool.
fn policy_with(runners: usize, change: impl Fn(&mut PoolPolicy)) -> Policy {
    let mut warm = pool("warm", &["self-hosted", "big"]);
    (warm.scopes, warm.group) = (vec!["org:o".parse().unwrap()], Some("closed".to_owned()));
    warm.priority = 1;
    change(&mut warm);
    with_pools(runners, vec![warm])
}

/// Runners of `warm` that have been idle since second 0, in a pass at `now`; GitHub did not assign a job of `o/r` to such a one.
fn learnt(names: &[&str], jobs: Vec<QueuedJob>, policy: &Policy, now: i64) -> Observed {
    let mut seen = names.iter().fold(seen(), |seen, name| waiting(seen, name, 0));
    for machine in &mut seen.machines {
        machine.identity.scope = org();
        machine.identity.labels = LabelSet::requested(["self-hosted", "big"]);
    }
    let lists = std::mem::take(&mut seen.registrations);
    seen.registrations = lists.into_values().map(|list| (org(), list)).collect();
    let mut first = seen.remember(policy, at(0));
    first.memory.failed_groups.add(&repo("o/r"), &org(), Some("closed"), at(now));
    Observed { jobs, ..first }.remember(policy, at(now))
}

fn plain(id: i64, repo: &str) -> QueuedJob {
    job(id, repo, &["self-hosted"])
}

fn big(id: i64, repo: &str) -> QueuedJob {
    job(id, repo, &["self-hosted", "big"])
}

#[test]
fn another_pool_is_tried_first_and_at_once() {
    let policy = policy_with(5, |_| {});
    let of = |job: QueuedJob| plan(&learnt(&["w1"], vec![job], &policy, 60), &policy, at(60));
    let first = of(plain(1, "o/r"));
    assert_eq!(pools_of(&first), ["default repo:o/r"], "not the idle one");
    assert_eq!(first.pending[&PoolName::parse("default").unwrap()], 1);
    let other = of(plain(1, "o/s"));
    assert_eq!((launches(&other), other.expected[&1].as_str()), (0, "w1"));
    // The next plan has nothing left to do.
    let seen = learnt(&["w1"], vec![plain(1, "o/r")], &policy, 60);
    let after = carried_out(&seen, &plan(&seen, &policy, at(60)), at(60));
    assert!(plan(&after.remember(&policy, at(61)), &policy, at(61)).actions.is_empty());
}

#[test]
fn where_no_other_pool_is_open_the_job_has_its_own_attempt() {
    type Change = fn(&mut Policy);
    let rows: [(&str, Change); 3] = [
        ("paused", |policy| policy.default.paused = true),
        ("full", |policy| policy.default.max = 0),
        ("for others", |policy| policy.default.scopes = vec!["repo:p/q".parse().unwrap()]),
    ];
    for (what, change) in rows {
        let mut policy = policy_with(5, |_| {});
        change(&mut policy);
        let idle = learnt(&["w1"], vec![plain(1, "o/r")], &policy, 60);
        let beside = plan(&idle, &policy, at(60));
        assert_eq!((launches(&beside), beside.waiting.len()), (0, 0), "{what}");
        assert_eq!(beside.expected[&1].as_str(), "w1", "{what}");
        let none = learnt(&[], vec![plain(1, "o/r"), big(2, "o/r")], &policy, 60);
        let started = plan(&none, &policy, at(60));
        assert_eq!(pools_of(&started), ["warm org:o"; 2], "{what}");
        let ratio = Autoscaling::Ratio(Ratio {
            jobs_per_runner: 1,
            scale_up_threshold: 0,
            scale_down_threshold: 0,
            cooldown: 0,
        });
        policy.pools[0].autoscaling = ratio;
        let started = plan(&none, &policy, at(60));
        assert_eq!(pools_of(&started), ["warm org:o"; 2], "{what}: its jobs count there");
    }
}

#[test]
fn where_room_is_short_other_repositories_come_first_but_not_for_ever() {
    let policy = policy_with(1, |_| {});
    let jobs = || vec![big(1, "o/r"), plain(2, "p/q")];
    let at_first = plan(&learnt(&[], jobs(), &policy, 60), &policy, at(60));
    assert_eq!(pools_of(&at_first), ["default repo:p/q"], "whatever the priority");
    let caused: Vec<&Cause> = at_first.waiting.iter().map(|one| &one.cause).collect();
    assert_eq!(caused, [&Cause::Cap(CapacityLimit::Runners(BackendName::default(), 1))]);
    let end = 60 + REMEMBERED.as_secs();
    let later = learnt(&[], jobs(), &policy, 60).remember(&policy, at(end));
    assert_eq!(pools_of(&plan(&later, &policy, at(end))), ["warm org:o"]);
    let more = policy_with(2, |_| {});
    let both = plan(&learnt(&[], jobs(), &more, 60), &more, at(60));
    assert_eq!(pools_of(&both), ["default repo:p/q", "warm org:o"]);
}

#[test]
fn runners_with_a_doubtful_chance_give_their_room_at_once_to_others() {
    let policy = policy_with(2, |_| {});
    let barred = || vec![big(1, "o/r"), big(2, "o/r"), big(3, "o/r")];
    let alone = plan(&learnt(&["w1", "w2"], barred(), &policy, 20), &policy, at(20));
    assert_eq!((alone.actions.len(), alone.expected.len(), alone.waiting.len()), (0, 2, 1));
    let with_other = |now| {
        let jobs = barred().into_iter().chain([plain(9, "p/q")]).collect();
        learnt(&["w1", "w2"], jobs, &policy, now)
    };
    let early = plan(&with_other(19), &policy, at(19));
    assert!(early.actions.is_empty(), "they may have a job this moment");
    let seen = with_other(20);
    let first = plan(&seen, &policy, at(20));
    assert_eq!((retired(&first), launches(&first)), (vec!["w1"], 0), "as many as are needed");
    let Some(Action::Retire { why, .. }) = first.actions.first() else { panic!() };
    assert_eq!(
        why,
        "GitHub did not assign jobs of o/r lately to runners like it, and other jobs wait for its room"
    );
    let after = carried_out(&seen, &first, at(20)).remember(&policy, at(21));
    let second = plan(&after, &policy, at(21));
    assert_eq!((pools_of(&second), second.actions.len()), (vec!["default repo:p/q".to_owned()], 1));
    let last = carried_out(&after, &second, at(21)).remember(&policy, at(22));
    assert!(plan(&last, &policy, at(22)).actions.is_empty(), "and nothing comes back");
    // What the pool keeps waiting stays, and a job with the same doubt gets nobody else's.
    let keeps = policy_with(2, |warm| warm.min_idle = 2);
    let jobs = barred().into_iter().chain([plain(9, "p/q")]).collect();
    assert!(plan(&learnt(&["w1", "w2"], jobs, &keeps, 20), &keeps, at(20)).actions.is_empty());
    // A job that may be served elsewhere has that room, too.
    let jobs = vec![big(1, "o/r"), big(2, "o/r"), plain(3, "o/r")];
    let seen = learnt(&["w1", "w2"], jobs, &policy, 20);
    let first = plan(&seen, &policy, at(20));
    assert_eq!(retired(&first), ["w1"]);
    let after = carried_out(&seen, &first, at(20)).remember(&policy, at(21));
    assert_eq!(pools_of(&plan(&after, &policy, at(21))), ["default repo:o/r"]);
}

#[test]
fn a_job_that_does_not_fit_a_runner_is_no_reason_for_its_end() {
    let policy = policy_with(5, |_| {});
    let ended = |job: QueuedJob| {
        let seen = learnt(&["w1"], vec![job], &policy, 3_000);
        let plan = plan(&seen, &policy, at(3_000));
        plan.actions.into_iter().find_map(|action| match action {
            Action::Retire { why, .. } => Some(why),
            _ => None,
        })
    };
    let other = job(1, "o/r", &["self-hosted", "gpu"]);
    assert_eq!(ended(other).as_deref(), Some("no job has needed it for 120 s"));
    let barred = "GitHub did not assign jobs of o/r lately to runners like it";
    assert_eq!(ended(plain(1, "o/r")).as_deref(), Some(barred));
}
