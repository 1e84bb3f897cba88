//! Several pools: who serves a job, who waits, who is replaced, and who goes first when room is short.

use jiff::SignedDuration;
use mayfly_common::pool::{Autoscaling, PoolScope, Ratio};

use super::*;
use crate::naming::Presence;
use crate::policy::PoolPolicy;

pub(super) fn pool(name: &str, labels: &[&str]) -> PoolPolicy {
    PoolPolicy {
        name: PoolName::parse(name).unwrap(),
        labels: LabelSet::requested(labels),
        ..policy().default
    }
}

/// The usual policy with another room and other pools beside the default one.
pub(super) fn with_pools(runners: usize, pools: Vec<PoolPolicy>) -> Policy {
    Policy { pools, ..capped(runners) }
}

/// A policy with one pool that keeps so many runners waiting in `o/r`.
fn warm(min_idle: usize, max: usize) -> Policy {
    let scopes = vec!["repo:o/r".parse().unwrap()];
    with_pools(20, vec![PoolPolicy { scopes, min_idle, max, ..pool("warm", &["self-hosted"]) }])
}

/// A waiting runner of the pool `warm`, made at a second.
pub(super) fn waiting(seen: Observed, name: &str, created: i64) -> Observed {
    let mut seen = with_runner(seen, name, IDLE, true, false);
    let new = seen.machines.last_mut().unwrap();
    new.identity.pool = PoolName::parse("warm").unwrap();
    new.identity.created_at = at(created);
    new.identity.labels = LabelSet::requested(["self-hosted"]);
    seen
}

pub(super) fn pools_of(plan: &Plan) -> Vec<String> {
    let launched = plan.actions.iter().filter_map(|action| match action {
        Action::Launch(launch) => Some(format!("{} {}", launch.pool, launch.scope)),
        _ => None,
    });
    launched.collect()
}

pub(super) fn retired(plan: &Plan) -> Vec<&str> {
    let names = plan.actions.iter().filter_map(|action| match action {
        Action::Retire { machine: MachineRef { name, .. }, .. } => Some(name.as_str()),
        _ => None,
    });
    names.collect()
}

#[test]
fn waiting_runners_are_started_and_a_taken_one_is_replaced_at_once() {
    let policy = warm(2, 10);
    let first = plan(&seen(), &policy, at(0));
    assert_eq!(pools_of(&first), ["warm repo:o/r", "warm repo:o/r"]);
    // One is needed by a job that is queued, not even taken: another takes its place.
    let mut two = waiting(waiting(seen(), "w1", 0), "w2", 0);
    assert!(plan(&two, &policy, at(1)).actions.is_empty());
    two.jobs = vec![job(1, "o/r", &["self-hosted"])];
    assert_eq!(pools_of(&plan(&two, &policy, at(1))), ["warm repo:o/r"]);
    // The same while it works.
    two.jobs.clear();
    two.machines[0].phase = Phase::Running { working: Some(true) };
    assert_eq!(pools_of(&plan(&two, &policy, at(1))), ["warm repo:o/r"]);
    // But never beyond the pool's own cap.
    let full = plan(&two, &warm(2, 2), at(1));
    assert!(full.actions.is_empty());
    assert_eq!(
        full.short.values().next().unwrap().to_string(),
        "all 2 runners of pool warm are in use"
    );
}

#[test]
fn too_many_waiting_runners_go_after_their_time_and_the_newest_stay() {
    let policy = warm(1, 10);
    let seen = waiting(waiting(waiting(seen(), "old", 0), "middle", 1), "new", 2);
    let seen = seen.remember(&policy, at(10));
    assert!(plan(&seen, &policy, at(129)).actions.is_empty());
    assert_eq!(retired(&plan(&seen, &policy, at(130))), ["old", "middle"]);
}

#[test]
fn a_stale_runner_goes_when_a_fresh_one_waits() {
    let mut policy = warm(1, 10);
    policy.pools[0].rotation = Some(SignedDuration::from_hours(24));
    let day = 86_400;
    let old = waiting(seen(), "old", 0);
    assert!(plan(&old, &policy, at(day - 1)).actions.is_empty());
    let begun = plan(&old, &policy, at(day));
    assert_eq!((pools_of(&begun).len(), retired(&begun).len()), (1, 0), "the new one first");
    let starting = with_runner(old.clone(), "fresh", IDLE, false, false);
    let mut starting = starting;
    starting.machines[1].identity.pool = PoolName::parse("warm").unwrap();
    starting.machines[1].identity.created_at = at(day);
    assert!(plan(&starting, &policy, at(day + 1)).actions.is_empty());
    let both = waiting(old, "fresh", day);
    assert_eq!(retired(&plan(&both, &policy, at(day + 9))), ["old"]);
    // A busy one finishes, however old it is.
    let mut busy = both;
    busy.machines[0].phase = Phase::Running { working: Some(true) };
    assert!(plan(&busy, &policy, at(day + 9)).actions.is_empty());
}

#[test]
fn every_reason_to_replace_a_waiting_runner() {
    let policy = warm(1, 10);
    let fresh = |made: &str| {
        let mut seen = waiting(waiting(seen(), "old", 0), "fresh", 5);
        for (machine, fingerprint) in seen.machines.iter_mut().zip([made, "f"]) {
            machine.identity.fingerprint = Some(fingerprint.to_owned());
            machine.identity.image_id = Some("sha256:2".to_owned());
        }
        seen.images = [(
            key("i", PullPolicy::Missing),
            ImageSeen { state: Image::Present, id: Some("sha256:2".to_owned()) },
        )]
        .into();
        seen
    };
    assert!(retired(&plan(&fresh("f"), &policy, at(10))).is_empty());
    assert_eq!(retired(&plan(&fresh("g"), &policy, at(10))), ["old"], "described differently");
    let mut image = fresh("f");
    image.machines[0].identity.image_id = Some("sha256:1".to_owned());
    assert_eq!(retired(&plan(&image, &policy, at(10))), ["old"], "an older image");
    let mut asked = policy.clone();
    asked.pools[0].rotate_before = Some(at(5));
    assert_eq!(retired(&plan(&fresh("f"), &asked, at(10))), ["old"], "asked for");
}

#[test]
fn without_room_for_a_fresh_one_a_stale_one_makes_room() {
    let mut policy = warm(2, 2);
    policy.pools[0].rotate_before = Some(at(5));
    let both = waiting(waiting(seen(), "w1", 0), "w2", 0);
    assert_eq!(retired(&plan(&both, &policy, at(10))), ["w1"], "one at a time");
}

#[test]
fn a_pool_that_is_disabled_or_gone_loses_its_waiting_runners_and_starts_none() {
    let seen = waiting(with_runner(seen(), "busy", IDLE, true, true), "w1", 0);
    for policy in [Policy { pools: Vec::new(), ..warm(1, 10) }, {
        let mut off = warm(1, 10);
        off.pools[0].enabled = false;
        off
    }] {
        let plan = plan(&seen, &policy, at(1));
        assert_eq!((retired(&plan), launches(&plan)), (vec!["w1"], 0));
    }
    let mut paused = warm(3, 10);
    paused.pools[0].paused = true;
    let plan = plan(&seen, &paused, at(1));
    assert!(plan.actions.is_empty(), "what waits stays, and nothing is started");
}

#[test]
fn a_lower_cap_ends_waiting_runners_and_spares_the_busy() {
    let mut seen = waiting(waiting(waiting(seen(), "w1", 0), "w2", 1), "w3", 2);
    seen.machines[0].phase = Phase::Running { working: Some(true) };
    assert_eq!(retired(&plan(&seen, &warm(0, 2), at(5))), ["w2"]);
    assert_eq!(retired(&plan(&seen, &warm(0, 0), at(5))), ["w2", "w3"]);
}

#[test]
fn a_runner_that_goes_for_one_reason_does_not_go_for_another_as_well() {
    // Four wait, three may be there, one is to wait: two go for a lower cap or their age, never the last.
    let mut seen = seen();
    for (name, created) in [("w1", 0), ("w2", 1), ("w3", 2), ("w4", 3)] {
        seen = waiting(seen, name, created);
    }
    let seen = seen.remember(&warm(1, 3), at(5));
    assert_eq!(retired(&plan(&seen, &warm(1, 3), at(6))), ["w1"]);
    assert_eq!(retired(&plan(&seen, &warm(1, 3), at(500))), ["w1", "w2", "w3"]);
    // Stale ones that go make the cap's room.
    let mut stale = warm(3, 3);
    stale.pools[0].rotate_before = Some(at(1));
    assert_eq!(retired(&plan(&seen, &stale, at(6))), ["w1"]);
}

#[test]
fn a_rotation_that_lies_ahead_makes_nothing_stale() {
    let mut policy = warm(1, 10);
    policy.pools[0].rotate_before = Some(at(7_200));
    let one = waiting(seen(), "w1", 0);
    assert!(plan(&one, &policy, at(10)).actions.is_empty(), "the clock was set back");
    assert_eq!(pools_of(&plan(&one, &policy, at(7_200))), ["warm repo:o/r"]);
}

#[test]
fn pools_of_higher_priority_get_the_last_room() {
    let pools = vec![
        PoolPolicy { priority: 1, ..pool("urgent", &["self-hosted", "urgent"]) },
        pool("usual", &["self-hosted", "usual"]),
    ];
    let mut seen = seen();
    seen.jobs = vec![
        job(1, "o/r", &["self-hosted", "usual"]),
        job(2, "o/r", &["self-hosted", "urgent"]),
        job(3, "p/q", &["self-hosted", "usual"]),
    ];
    let plan = plan(&seen, &with_pools(2, pools), at(10));
    assert_eq!(pools_of(&plan), ["urgent repo:o/r", "usual repo:p/q"]);
    let waits: Vec<(i64, String)> =
        plan.waiting.iter().map(|one| (one.job, one.cause.to_string())).collect();
    assert_eq!(waits, [(1, "all 2 runners of the host are in use (MAX_RUNNERS)".to_owned())]);
}

#[test]
fn equal_pools_take_turns_and_a_full_one_is_passed_over() {
    let pools = vec![
        PoolPolicy { priority: 1, ..pool("a", &["self-hosted", "x"]) },
        PoolPolicy { priority: 1, max: 2, ..pool("b", &["self-hosted", "x"]) },
    ];
    let mut seen = seen();
    seen.jobs = (1..=6).map(|id| job(id, "o/r", &["self-hosted", "x"])).collect();
    let plan = plan(&seen, &with_pools(20, pools), at(10));
    let started = pools_of(&plan);
    let of = |name: &str| started.iter().filter(|one| one.starts_with(name)).count();
    assert_eq!((of("a "), of("b ")), (4, 2), "{started:?}");
}

#[test]
fn a_busy_repository_does_not_starve_a_quiet_one() {
    let mut seen = seen();
    seen.jobs = (0..200).map(|id| job(id, "o/flood", &["self-hosted"])).collect();
    seen.jobs.extend((200..204).map(|id| {
        job(id, ["o/a", "o/b", "o/c", "o/d"][usize::try_from(id).unwrap() % 4], &["self-hosted"])
    }));
    let started = pools_of(&plan(&seen, &capped(8), at(1_000)));
    let of = |repo: &str| started.iter().filter(|one| one.ends_with(repo)).count();
    assert_eq!((of("o/flood"), of("o/a"), of("o/b"), of("o/c"), of("o/d")), (4, 1, 1, 1, 1));
    // What runs already counts.
    for index in 0..7 {
        seen = with_runner(seen, &format!("mayfly-i-f{index}"), IDLE, true, true);
        seen.machines.last_mut().unwrap().identity.scope = "repo:o/flood".parse().unwrap();
    }
    let listing = seen.registrations.remove(&"repo:o/r".parse().unwrap()).unwrap();
    seen.registrations.insert("repo:o/flood".parse().unwrap(), listing);
    assert_eq!(pools_of(&plan(&seen, &capped(8), at(1_000))), ["default repo:o/a"]);
}

#[test]
fn the_ratio_decides_how_many_and_the_jobs_where() {
    let ratio = |numbers| {
        with_pools(
            20,
            vec![PoolPolicy {
                priority: 1,
                autoscaling: Autoscaling::Ratio(numbers),
                max: 10,
                ..pool("r", &["self-hosted"])
            }],
        )
    };
    let mut seen = seen();
    seen.jobs = (1..=4).map(|id| job(id, "o/r", &["self-hosted"])).collect();
    let few = plan(&seen, &ratio(Ratio::default()), at(10));
    assert_eq!(launches(&few), 0, "the known trap: four jobs are within the thresholds");
    assert!(
        few.waiting[0].cause.to_string().contains("4 queued jobs want 2 runners"),
        "{:?}",
        few.waiting[0]
    );
    seen.jobs.extend((5..=9).map(|id| job(id, "p/q", &["self-hosted"])));
    let many = plan(&seen, &ratio(Ratio::default()), at(10));
    assert_eq!(launches(&many), 5);
    assert_eq!(many.scaled.iter().map(PoolName::as_str).collect::<Vec<_>>(), ["r"]);
    seen.scaled = [(PoolName::parse("r").unwrap(), at(5))].into();
    assert_eq!(launches(&plan(&seen, &ratio(Ratio::default()), at(10))), 0, "within the cooldown");
    // Those that are to wait are part of the number there are, not beside it.
    let mut full = ratio(Ratio::default());
    full.pools[0].min_idle = 2;
    let mut busy = Observed { jobs: Vec::new(), scaled: BTreeMap::new(), ..seen.clone() };
    busy.repositories = vec![RepoSlug::parse("o/r").unwrap()];
    for name in ["b1", "b2"] {
        busy = waiting(busy, name, 0);
        let new = busy.machines.last_mut().unwrap();
        new.identity.pool = PoolName::parse("r").unwrap();
        new.phase = Phase::Running { working: Some(true) };
    }
    assert_eq!(launches(&plan(&busy, &full, at(10))), 0);
    // What is missing of them is started, whatever the thresholds and the cooldown say.
    let scaled = BTreeMap::from([(PoolName::parse("r").unwrap(), at(9))]);
    let mut missing = Observed { scaled, ..busy.clone() };
    missing.machines.truncate(1);
    assert_eq!(launches(&plan(&missing, &full, at(10))), 1);
    // Down: those that nobody needs, at once.
    let mut idle = Observed { jobs: Vec::new(), scaled: BTreeMap::new(), ..seen };
    for name in ["r1", "r2", "r3"] {
        idle = waiting(idle, name, 0);
        idle.machines.last_mut().unwrap().identity.pool = PoolName::parse("r").unwrap();
    }
    idle.machines[1].phase = Phase::Running { working: Some(true) };
    assert_eq!(retired(&plan(&idle, &ratio(Ratio::default()), at(10))), ["r1", "r3"]);
}

#[test]
fn numbered_places_are_taken_again() {
    let mut policy = warm(3, 3);
    policy.pools[0].naming = Naming::Stable;
    policy.pools[0].name_prefix = "runner".to_owned();
    let seen = waiting(seen(), "runner-2", 0);
    let names: Vec<String> = plan(&seen, &policy, at(1)).launches_named();
    assert_eq!(names, ["runner-1", "runner-3"]);
}

#[test]
fn places_are_cleared_only_of_registrations_that_are_in_the_way_for_long() {
    let mut policy = warm(2, 2);
    policy.pools[0].naming = Naming::Stable;
    policy.pools[0].name_prefix = "runner".to_owned();
    let scope: Scope = "repo:o/r".parse().unwrap();
    let with = |list: Vec<Registered>, now: i64, wanted: usize| {
        let mut policy = policy.clone();
        policy.pools[0].min_idle = wanted;
        let registrations = BTreeMap::from([(scope.clone(), Listing::Known(list))]);
        let first = Observed { registrations, ..seen() }.remember(&policy, at(0));
        let plan = plan(&first.remember(&policy, at(now)), &policy, at(now));
        (plan.launches_named(), deregistered(&plan))
    };
    let server = || registered(8, "Runner-1", false, false);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    // Somebody's server is off: while another place is free it is nobody's business.
    assert_eq!(with(vec![server()], 9_000, 1), (names(&["runner-2"]), vec![]));
    // In the way it is given the time that a runner has to come online.
    assert_eq!(with(vec![server()], 299, 2), (names(&["runner-2"]), vec![]));
    assert_eq!(with(vec![server()], 300, 2), (names(&["runner-2", "runner-1"]), vec![8]));
    let cleans_nothing = |policy: &mut Policy| policy.clean_registrations = false;
    let mut kept = policy.clone();
    cleans_nothing(&mut kept);
    let registrations = BTreeMap::from([(scope.clone(), Listing::Known(vec![server()]))]);
    let seen = Observed { registrations, ..seen() }.remember(&kept, at(0));
    let plan = plan(&seen.remember(&kept, at(9_000)), &kept, at(9_000));
    assert_eq!((plan.launches_named(), deregistered(&plan)), (names(&["runner-2"]), vec![]));
    let Some(Cause::NoName(taken)) = plan.short.values().next() else { panic!("{plan:?}") };
    let since = at(0);
    assert_eq!(
        taken.to_string(),
        format!(
            "every name of pool warm is taken: at GitHub in repo:o/r, Runner-1 is offline since {since}; its own runners have 1"
        )
    );
    assert!(taken.remedy().starts_with("GITHUB_CLEANUP_ENABLED=false"), "{}", taken.remedy());
    // What is online, busy, or beyond the pool's places stays in any case.
    let theirs = vec![
        registered(1, "runner-1", true, false),
        registered(2, "runner-2", false, true),
        registered(3, "runner-3", false, false),
        registered(4, "runner-01", false, false),
        registered(5, "runner-x", false, false),
    ];
    assert_eq!(with(theirs, 9_000, 2), (vec![], vec![]));
}

#[test]
fn a_job_for_which_no_name_is_free_is_told_who_has_it_and_until_when() {
    let mut policy = warm(0, 1);
    policy.pools[0].naming = Naming::Stable;
    policy.pools[0].name_prefix = "runner".to_owned();
    policy.default.paused = true;
    policy.pools[0].priority = 1;
    let scope: Scope = "repo:o/r".parse().unwrap();
    let cause = |list: Vec<Registered>, policy: &Policy| {
        let registrations = BTreeMap::from([(scope.clone(), Listing::Known(list))]);
        let jobs = vec![job(1, "o/r", &["self-hosted"])];
        let seen = Observed { registrations, jobs, ..seen() };
        let seen = seen.remember(policy, at(5)).remember(policy, at(60));
        let plan = plan(&seen, policy, at(60));
        assert_eq!(plan.actions, []);
        let Cause::NoName(taken) = &plan.waiting[0].cause else { panic!("{plan:?}") };
        taken
            .registrations()
            .map(|(name, presence)| (name.to_owned(), presence))
            .collect::<Vec<_>>()
    };
    let offline = Presence::Offline { since: Some(at(5)), until: Some(at(305)) };
    let rows = [
        (registered(1, "Runner-1", false, false), offline),
        (registered(1, "Runner-1", true, false), Presence::Online),
        (registered(1, "Runner-1", false, true), Presence::Busy),
    ];
    for (one, presence) in rows {
        assert_eq!(cause(vec![one], &policy), [("Runner-1".to_owned(), presence)]);
    }
    // More room would not help: no idle runner is ended for it.
    caps(&mut policy).runners = 0;
    assert_eq!(cause(vec![registered(1, "Runner-1", true, false)], &policy).len(), 1);
}

#[test]
fn a_place_s_leftover_of_a_machine_of_ours_is_deleted_though_nobody_wants_the_place() {
    let mut policy = warm(1, 2);
    policy.pools[0].naming = Naming::Stable;
    policy.pools[0].name_prefix = "runner".to_owned();
    let running = waiting(seen(), "runner-1", 0).remember(&policy, at(0));
    let mut gone = Observed { machines: Vec::new(), ..running };
    let list = vec![registered(1, "runner-1", false, false)];
    gone.registrations.insert("repo:o/r".parse().unwrap(), Listing::Known(list));
    policy.pools[0].min_idle = 0;
    let gone = gone.remember(&policy, at(10));
    let at_300 = gone.remember(&policy, at(310));
    assert_eq!(deregistered(&plan(&at_300, &policy, at(310))), [1]);
}

#[test]
fn waiting_runners_are_spread_over_the_repositories_that_have_jobs() {
    let discovered = PoolPolicy { min_idle: 3, ..pool("warm", &["self-hosted"]) };
    let policy = with_pools(20, vec![discovered]);
    let repositories = ["o/busy", "o/second"].map(|repo| RepoSlug::parse(repo).unwrap()).to_vec();
    let seen = Observed { repositories, ..seen() };
    assert_eq!(
        pools_of(&plan(&seen, &policy, at(0))),
        ["warm repo:o/busy", "warm repo:o/second", "warm repo:o/busy"]
    );
    // A place with something in the way is passed over.
    let mut held = seen.clone();
    let place = (policy.pools[0].name.clone(), "repo:o/busy".parse().unwrap());
    held.held_back.insert(place.clone(), at(60));
    let elsewhere = plan(&held, &policy, at(0));
    assert_eq!(pools_of(&elsewhere), ["warm repo:o/second"; 3]);
    assert!(elsewhere.short.is_empty());
    held.repositories.truncate(1);
    let short = plan(&held, &policy, at(0)).short;
    assert_eq!(short.values().collect::<Vec<_>>(), [&Cause::HeldBack(place, at(60))]);
    let none = plan(&Observed { repositories: Vec::new(), ..seen }, &policy, at(0));
    assert_eq!(none.short.values().collect::<Vec<_>>(), [&Cause::NoPlace]);
}

#[test]
fn idle_runners_of_a_repository_that_is_not_served_go_and_none_take_their_place() {
    use crate::filter::Refusal::{Archived, Excluded, Fork, MaybePublic, NotIncluded, Public};
    type Scopes = fn(&str) -> PoolScope;

    let discovered = |_: &str| PoolScope::Discovered;
    let named = |repo: &str| repo.parse().unwrap();
    let pattern = |_: &str| "repo:o/*".parse().unwrap();
    let rows: [(&str, Scopes, crate::filter::Refusal, bool); 9] = [
        ("public", discovered, Public, true),
        ("public by pattern", pattern, Public, true),
        ("public, although named", named, Public, true),
        ("perhaps public, although named", named, MaybePublic, true),
        ("archived", discovered, Archived, true),
        ("excluded", pattern, Excluded, true),
        ("excluded, but named", named, Excluded, false),
        ("not included, but named", named, NotIncluded, false),
        ("a fork, but named", named, Fork, false),
    ];
    for (what, scope, why, goes) in rows {
        let scopes = vec![scope("repo:o/r")];
        let warm = PoolPolicy { scopes, min_idle: 1, max: 9, ..pool("warm", &["self-hosted"]) };
        let policy = with_pools(20, vec![warm]);
        let served = waiting(seen(), "w1", 0);
        assert!(plan(&served, &policy, at(9)).actions.is_empty(), "{what}: served");
        let repo = RepoSlug::parse("o/r").unwrap();
        let unserved = std::collections::BTreeMap::from([(repo.clone(), why)]);
        let mut seen = Observed { unserved, repositories: Vec::new(), ..served };
        // Whether the jobs of other repositories could be read is of no account.
        seen.jobs_complete = false;
        let planned = plan(&seen, &policy, at(9));
        assert_eq!(retired(&planned), if goes { vec!["w1"] } else { vec![] }, "{what}");
        assert_eq!(pools_of(&planned), [""; 0], "{what}");
        if goes {
            let [Action::Retire { why: told, .. }] = &planned.actions[..] else { panic!("{what}") };
            assert_eq!(*told, format!("o/r is not served: {why}"), "{what}");
        }
        // Nobody starts another one.
        let none = Observed { unserved: seen.unserved.clone(), ..self::seen() };
        let planned = plan(&none, &policy, at(9));
        let cause = planned.short.values().next();
        if !goes {
            assert_eq!((pools_of(&planned).len(), cause), (1, None), "{what}");
        } else if what.contains("named") {
            assert_eq!(cause, Some(&Cause::NotServed(repo, why)), "{what}");
        }
        // One that works finishes; one that starts is looked at when it waits.
        let mut busy = seen.clone();
        busy.machines[0].phase = Phase::Running { working: Some(true) };
        assert_eq!(retired(&plan(&busy, &policy, at(9))), [""; 0], "{what}: busy");
        // Whoever asks by hand decides.
        let mut by_hand = seen;
        by_hand.machines[0].identity.pool = PoolName::manual();
        assert_eq!(retired(&plan(&by_hand, &policy, at(9))), [""; 0], "{what}: by hand");
    }
}

#[test]
fn where_room_is_short_the_pool_that_comes_first_has_its_runner_waiting() {
    let keeps = |name: &str, priority| PoolPolicy {
        scopes: vec!["repo:o/r".parse().unwrap()],
        min_idle: 1,
        priority,
        ..pool(name, &["self-hosted"])
    };
    for pools in [[keeps("low", 0), keeps("high", 1)], [keeps("high", 1), keeps("low", 0)]] {
        let plan = plan(&seen(), &with_pools(1, pools.into()), at(0));
        assert_eq!(pools_of(&plan), ["high repo:o/r"]);
        assert_eq!(plan.short.keys().map(PoolName::as_str).collect::<Vec<_>>(), ["low"]);
    }
}

#[test]
fn the_oldest_runner_too_many_goes_wherever_it_is_listed() {
    let policy = warm(1, 10);
    for names in [[("old", 0), ("new", 2)], [("new", 2), ("old", 0)]] {
        let seen = names.iter().fold(seen(), |seen, (name, made)| waiting(seen, name, *made));
        let seen = seen.remember(&policy, at(10));
        assert_eq!(retired(&plan(&seen, &policy, at(130))), ["old"]);
    }
}
