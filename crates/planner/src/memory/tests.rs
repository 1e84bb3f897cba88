use super::*;
use crate::github_view::{Listing, Sight};
use crate::lifecycle::reason_of;
use crate::lifecycle::tests::{at, machine, policy, registered};
use crate::lifecycle::{Failure, Reason};
use crate::observed::Observed;
use crate::request::ApiRequest;
use mayfly_common::job::QueuedJob;
use mayfly_common::label::LabelSet;
use mayfly_common::machine::{Exit, Phase};
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::RepoSlug;

const RUNNING: Phase = Phase::Running { working: Some(false) };

fn scope() -> Scope {
    "repo:o/r".parse().unwrap()
}

/// One runner, and what GitHub lists of its repository; none means that it cannot be asked.
fn seen(before: Observed, runner: Option<&Machine>, list: Option<Vec<Registered>>) -> Observed {
    let listing = list.map_or(Listing::Unknown, Listing::Known);
    Observed {
        machines: runner.into_iter().cloned().collect(),
        registrations: BTreeMap::from([(scope(), listing)]),
        memory: before.memory,
        ..Observed::default()
    }
}

#[test]
fn a_name_that_is_used_again_begins_anew() {
    let first = machine("runner-1", RUNNING);
    let listed = || Some(vec![registered(1, "runner-1", true, true)]);
    let before = seen(Observed::default(), Some(&first), listed()).remember(&policy(), at(0));
    assert!(before.memory.of(&first).was_online && before.memory.of(&first).was_busy);
    // One pass without it, or none: the next of that name has no history.
    let between = seen(before.clone(), None, Some(vec![])).remember(&policy(), at(10));
    assert_eq!(between.memory.of(&first), Sighting::default());
    let mut again = first;
    (again.identity.created_at, again.identity.github_id) = (at(5), Some(RunnerId(2)));
    let after = seen(before, Some(&again), Some(vec![])).remember(&policy(), at(10));
    let sighting = after.memory.of(&again);
    assert!(!sighting.was_online && !sighting.was_busy, "{sighting:?}");
}

#[test]
fn a_machine_that_this_process_did_not_make_is_another_orchestrator_s() {
    let (ours, mut other) = (machine("a1", RUNNING), machine("b1", RUNNING));
    let late = machine("c1", RUNNING);
    other.identity.created_at = at(5);
    let looked = |before, machines: &[&Machine], second| {
        let machines = machines.iter().map(|one| (*one).clone()).collect();
        Observed { machines, ..seen(before, None, None) }.remember(&policy(), at(second))
    };
    let clashes = |seen: &Observed| seen.memory.clashes().count();
    // What was there before is adopted.
    let mut now = looked(Observed::default(), &[&ours], 0);
    assert_eq!(clashes(&now), 0);
    let launched = machine("a2", RUNNING);
    now.memory.launched(&launched.name, None, at(5));
    let now = looked(now, &[&ours, &launched], 10);
    assert_eq!(clashes(&now), 0);
    // One that a list lacked, or that has gone, is no news when it comes again.
    let now = looked(looked(now, &[], 20), &[&ours], 30);
    assert_eq!(clashes(&now), 0);
    // An earlier process was still making it when it ended.
    let now = looked(now, &[&ours, &late], 35);
    assert_eq!(clashes(&now), 0);
    let now = looked(now, &[&ours, &other], 40);
    let told = now.memory.clashes().next().map(ToString::to_string).unwrap_or_default();
    assert!(told.contains("same ORCHESTRATOR_ID: it started b1 here"), "{told}");
    let now = looked(now, &[&ours, &other], 639);
    assert_eq!(clashes(&now), 1);
    assert_eq!(clashes(&looked(now, &[&ours, &other], 640)), 0, "ten minutes without another");
    // The first look may find nothing.
    let empty = looked(Observed::default(), &[], 0);
    assert_eq!(clashes(&looked(empty, &[&other], 10)), 1);
}

#[test]
fn a_runner_that_was_watched_from_its_start_has_no_more_time_than_its_timeout() {
    use RunnerState::{Failed, Starting};
    let runner = machine("a1", RUNNING);
    let offline = || vec![registered(1, "a1", false, false)];
    // Who started it, what GitHub lists of it, when it is looked at for the first time and again, and its state then.
    let rows = [
        (true, offline(), 290, 299, Starting),
        (true, offline(), 290, 300, Failed),
        // Nobody has looked until then.
        (true, offline(), 300, 301, Starting),
        (true, offline(), 300, 360, Failed),
        // It may have been online, and lost its connection a moment ago.
        (false, offline(), 290, 300, Starting),
        (false, offline(), 290, 350, Failed),
        // It may have had a job between two looks, and be about to end.
        (true, vec![], 290, 300, Starting),
        (true, vec![], 290, 350, Failed),
    ];
    for (here, list, first, second, expected) in rows {
        let mut before = Observed::default();
        if here {
            before.memory.launched(&runner.name, None, at(0));
        }
        let look = |before, second| {
            seen(before, Some(&runner), Some(list.clone())).remember(&policy(), at(second))
        };
        let again = look(look(before, first), second);
        let (sight, sighting) = (again.sight_of(&runner), again.memory.of(&runner));
        let timeout = policy().default.registration_timeout;
        let reason = reason_of(&runner, sight, sighting, timeout, at(second));
        assert_eq!(reason.state(), expected, "{here} {list:?} {second}: {reason}");
    }
}

#[test]
fn silence_of_github_is_no_sign_of_anything() {
    let runner = machine("a1", RUNNING);
    let online = || Some(vec![registered(1, "a1", true, false)]);
    let mut now = seen(Observed::default(), Some(&runner), online()).remember(&policy(), at(0));
    for second in [10, 60, 120] {
        now = seen(now, Some(&runner), None).remember(&policy(), at(second));
    }
    let sighting = now.memory.of(&runner);
    assert_eq!((sighting.missing_since, sighting.idle_since), (None, Some(at(0))));
    let gone = seen(now, Some(&runner), Some(vec![])).remember(&policy(), at(130));
    let sighting = gone.memory.of(&runner);
    assert_eq!((sighting.missing_since, sighting.jobless_since), (Some(at(130)), Some(at(130))));
    let timeout = policy().default.registration_timeout;
    let reason = reason_of(&runner, Sight::Absent, sighting, timeout, at(130));
    assert_eq!(reason.state(), RunnerState::Draining, "{reason}");
}

#[test]
fn without_a_job_is_counted_apart_from_offline() {
    let runner = machine("a1", RUNNING);
    let lists = [
        (0, vec![registered(1, "a1", true, true)], (None, None)),
        (10, vec![registered(1, "a1", false, true)], (Some(10), None)),
        (70, vec![], (Some(10), Some(70))),
        (90, vec![], (Some(10), Some(70))),
        (95, vec![registered(1, "a1", false, false)], (Some(10), Some(70))),
        (97, vec![registered(1, "a1", false, true)], (Some(10), None)),
        (99, vec![registered(1, "a1", true, false)], (None, None)),
    ];
    let mut now = Observed::default();
    for (second, list, (missing, jobless)) in lists {
        now = seen(now, Some(&runner), Some(list)).remember(&policy(), at(second));
        let found = now.memory.of(&runner);
        assert_eq!(
            (found.missing_since, found.jobless_since),
            (missing.map(at), jobless.map(at)),
            "{second}"
        );
    }
}

#[test]
fn at_the_first_look_a_runner_has_been_without_a_job_since_its_job_was_over() {
    let mut runner = machine("a1", Phase::Running { working: Some(true) });
    runner.identity.created_at = at(-500);
    let listed = |online, busy| vec![registered(1, "a1", online, busy)];
    let rows = [
        ("gone", vec![], Some(-300), Some(-300)),
        ("offline", listed(false, false), Some(-300), Some(-300)),
        ("the end is not known", vec![], None, Some(0)),
        ("before the machine was there", vec![], Some(-900), Some(-500)),
        ("GitHub's clock is ahead", vec![], Some(30), Some(0)),
        ("online", listed(true, false), Some(-300), None),
        ("busy", listed(false, true), Some(-300), None),
    ];
    let over = |second: Option<i64>| {
        second.map(|second| (runner.name.clone(), at(second))).into_iter().collect()
    };
    for (what, list, end, expected) in rows {
        // GitHub could not be asked at first, which tells nothing.
        let silent = seen(Observed::default(), Some(&runner), None);
        let silent = silent.remember(&policy(), at(-5));
        let mut found = seen(silent, Some(&runner), Some(list));
        found.jobs_over = over(end);
        let found = found.remember(&policy(), at(0));
        assert_eq!(found.memory.of(&runner).jobless_since, expected.map(at), "{what}");
    }
    // A process that was there when it began counts from what it saw.
    let busy = seen(Observed::default(), Some(&runner), Some(listed(true, true)));
    let mut gone = seen(busy.remember(&policy(), at(-5)), Some(&runner), Some(vec![]));
    gone.jobs_over = over(Some(-300));
    let gone = gone.remember(&policy(), at(0));
    assert_eq!(gone.memory.of(&runner).jobless_since, Some(at(0)));
}

#[test]
fn a_registration_of_our_name_with_another_id_is_not_ours() {
    let runner = machine("a1", RUNNING);
    let theirs = vec![registered(2, "a1", true, true)];
    let found = seen(Observed::default(), Some(&runner), Some(theirs));
    assert_eq!(found.sight_of(&runner), Sight::Absent);
    // Without a known id the name decides, in any case.
    let mut token = runner;
    token.identity.github_id = None;
    let list = vec![registered(2, "A1", true, true)];
    let found = seen(Observed::default(), Some(&token), Some(list));
    assert!(found.sight_of(&token).listed().is_some());
}

#[test]
fn a_job_that_is_over_shows_that_its_runner_was_online() {
    let runner = machine("a1", RUNNING);
    let mut found = seen(Observed::default(), Some(&runner), Some(vec![]));
    found.jobs_over = BTreeMap::from([(runner.name.clone(), at(5))]);
    let sighting = found.remember(&policy(), at(10)).memory.of(&runner);
    assert_eq!((sighting.was_online, sighting.job_over_at), (true, Some(at(5))));
}

#[test]
fn only_scopes_with_something_to_delete_are_watched_and_nothing_is_kept_for_ever() {
    let list = vec![
        registered(1, "mayfly-i-0123456789ab", false, false),
        registered(2, "somebody-else", false, false),
    ];
    let now = seen(Observed::default(), None, Some(list)).remember(&policy(), at(0));
    assert_eq!(now.memory.watched(), BTreeSet::from([scope()]));
    let after = seen(now, None, Some(vec![])).remember(&policy(), at(10));
    assert!(after.memory.watched().is_empty() && after.memory.strays.is_empty());
    let runner = machine("a1", RUNNING);
    let days = |days: i64| at(days * 86_400);
    let mut now = seen(after, Some(&runner), Some(vec![])).remember(&policy(), days(0));
    now.memory.refused(&scope(), RunnerId(1), true, days(0));
    let later = seen(now, None, Some(vec![])).remember(&policy(), days(2));
    let memory = &later.memory;
    let kept = (memory.names.len(), memory.registrations.len(), memory.refused.len());
    assert_eq!(kept, (0, 0, 0));
}

fn exited(code: i64, log_tail: &str) -> Phase {
    Phase::Exited(Exit { code, out_of_memory: false, log_tail: log_tail.to_owned() })
}

fn queued(id: i64) -> QueuedJob {
    QueuedJob {
        id,
        repo: RepoSlug::parse("o/r").unwrap(),
        name: "build".to_owned(),
        labels: LabelSet::requested(["self-hosted"]),
        labels_unread: false,
        queued_at: at(0),
    }
}

/// A runner and what GitHub lists where it registers, while the job 7 is queued.
fn beside_a_job(runner: &Machine, listed: Vec<Registered>, memory: Memory) -> Observed {
    Observed {
        machines: vec![runner.clone()],
        registrations: BTreeMap::from([(runner.scope.clone(), Listing::Known(listed))]),
        jobs: vec![queued(7)],
        jobs_complete: true,
        memory,
        ..Observed::default()
    }
}

/// Without a wait, the runners of an image that cannot work would follow each other for ever.
#[test]
fn a_runner_that_left_without_a_sign_of_a_job_holds_back_the_next_one_for_its_job() {
    let runner = machine("r1", exited(1, "An error occurred: Not configured.\n"));
    let place = (runner.pool.clone(), runner.scope.clone());
    let look = |sign: &dyn Fn(&mut Observed), job: Option<i64>, passes: usize| {
        let mut memory = Memory::default();
        memory.launched(&runner.name, job, at(0));
        memory.started(&runner.name, place.clone());
        for pass in 0..passes {
            let mut seen = beside_a_job(&runner, Vec::new(), memory);
            sign(&mut seen);
            memory = seen.remember(&policy(), at(10 + i64::try_from(pass).unwrap())).memory;
        }
        let known = memory.assignment(7).unwrap();
        (known.failed.len(), known.failed.first().map_or(0, |failed| failed.failures))
    };
    let phase = |phase: Phase| move |seen: &mut Observed| seen.machines[0].phase = phase.clone();
    assert_eq!(look(&|_| {}, Some(7), 1), (1, 1));
    assert_eq!(look(&|_| {}, Some(7), 3), (1, 1), "one runner counts once");
    assert_eq!(look(&|_| {}, Some(8), 1), (0, 0), "it was started for another job");
    assert_eq!(look(&|_| {}, None, 1), (0, 0), "it was started to wait");
    assert_eq!(look(&|seen| seen.machines.clear(), Some(7), 3), (1, 1), "somebody removed it");
    for words in ["Running job: build\n", "Job build completed with result: Succeeded\n", "x"] {
        for code in [0, 1] {
            assert_eq!(look(&phase(exited(code, words)), Some(7), 1), (1, 1), "{code} {words}");
        }
    }
    let worker = Phase::Running { working: Some(true) };
    assert_eq!(look(&phase(worker), Some(7), 1), (1, 1), "a name of a process");
    let of_ledger = |seen: &mut Observed| {
        seen.working_for.insert(runner.name.clone(), RepoSlug::parse("o/r").unwrap());
    };
    assert_eq!(look(&of_ledger, Some(7), 1), (0, 0), "the ledger knows its job");
    let unknown = |seen: &mut Observed| {
        seen.registrations.insert(runner.scope.clone(), Listing::Unknown);
    };
    assert_eq!(look(&unknown, Some(7), 1), (0, 0), "its pool waits");
    let printed = |seen: &mut Observed| {
        unknown(seen);
        seen.machines[0].phase = exited(0, "Job build completed with result: Succeeded\n");
    };
    assert_eq!(look(&printed, Some(7), 1), (1, 1), "nobody said that it had a job");
}

/// What GitHub lists of the runner `r1`, if it does: online, busy.
type Registration = Option<(bool, bool)>;

/// How often a runner counts whose container goes on, after looks that found it so. GitHub says the same of it from the second on.
fn left_alive(looks: [Registration; 2], working: bool, job: Option<i64>) -> (usize, bool) {
    let runner = machine("r1", Phase::Running { working: Some(working) });
    let place = (runner.pool.clone(), runner.scope.clone());
    let mut memory = Memory::default();
    memory.launched(&runner.name, job, at(0));
    let [first, second] = looks;
    for (found, second) in [(first, 5), (second, 10), (second, 12), (second, 14)] {
        let list = found.map(|(online, busy)| registered(1, "r1", online, busy));
        let seen = beside_a_job(&runner, list.into_iter().collect(), memory);
        memory = seen.remember(&policy(), at(second)).memory;
    }
    let failures: u32 =
        memory.assignment(7).unwrap().failed.iter().map(|failed| failed.failures).sum();
    (failures.try_into().unwrap(), memory.idle_held_until(&place, at(14)).is_some())
}

#[test]
fn a_runner_that_left_need_not_have_ended() {
    let (idle, busy, offline) = (Some((true, false)), Some((true, true)), Some((false, false)));
    let rows = [
        ("its registration goes", [idle, None], false, true),
        ("its connection goes", [idle, offline], false, true),
        ("a process has a job's name, its registration is gone", [idle, None], true, true),
        ("a process has a job's name, its connection is gone", [idle, offline], true, true),
        ("it has yet to come online", [None, offline], false, false),
        ("it waits", [idle, idle], false, false),
        ("it has a job", [idle, busy], false, false),
        ("it had a job", [busy, None], false, false),
        ("it had a job and does not end", [busy, offline], true, false),
    ];
    for (what, looks, working, counts) in rows {
        let found = left_alive(looks, working, Some(7));
        assert_eq!(found, (usize::from(counts), false), "{what}");
        assert_eq!(left_alive(looks, working, None), (0, counts), "{what}, started to wait");
    }
    // GitHub may give it a job still, and its flag may lag; but nobody counts on it.
    assert_eq!(left_alive([idle, idle], true, Some(7)), (1, false));
    assert_eq!(left_alive([idle, idle], true, None), (0, false));
}

#[test]
fn a_word_of_github_that_comes_late_takes_back_that_a_runner_had_no_job() {
    for (job, alive) in [(Some(7), true), (Some(7), false), (None, true), (None, false)] {
        let runner = machine("r1", exited(0, "Job build completed with result: Succeeded\n"));
        let place = (runner.pool.clone(), runner.scope.clone());
        let mut memory = Memory::default();
        memory.launched(&runner.name, job, at(-5));
        let mut look = |second: i64, there: bool, told: bool| {
            let mut seen = Observed {
                machines: there.then(|| runner.clone()).into_iter().collect(),
                jobs: vec![queued(7)],
                jobs_complete: true,
                memory: std::mem::take(&mut memory),
                ..Observed::default()
            };
            if told {
                let repo = RepoSlug::parse("o/other").unwrap();
                seen.working_for.insert(runner.name.clone(), repo);
            }
            memory = seen.remember(&policy(), at(second)).memory;
            let held = memory.assignment(7).unwrap().held_until(at(second)).is_some();
            let asked = memory.departed().next().map(|(name, made)| (name.to_string(), made));
            (held || memory.idle_held_until(&place, at(second)).is_some(), asked)
        };
        let left = Some(("r1".to_owned(), at(-5)));
        assert_eq!(look(0, true, false), (true, left.clone()), "{job:?}");
        assert_eq!(look(3, alive, false), (true, left), "{job:?}");
        assert_eq!(look(4, alive, true), (false, None), "{job:?}");
        assert_eq!(look(4, alive, true), (false, None), "{job:?}");
    }
}

#[test]
fn what_this_process_ended_holds_nothing_back() {
    let runner = machine("r1", RUNNING);
    for ended in [true, false] {
        let mut memory = Memory::default();
        memory.launched(&runner.name, Some(7), at(0));
        memory.started(&runner.name, (runner.pool.clone(), runner.scope.clone()));
        if ended {
            memory.ended(&runner.name);
        }
        let jobs = vec![queued(7)];
        let seen = Observed { jobs, jobs_complete: true, memory, ..Observed::default() };
        let after = seen.remember(&policy(), at(1)).memory;
        let failed = &after.assignment(7).unwrap().failed;
        let words = failed.first().map(ToString::to_string).unwrap_or_default();
        assert_eq!(failed.len(), usize::from(!ended));
        assert_eq!(ended, words.is_empty(), "{words}");
        assert!(ended || words.ends_with("its container was removed by somebody else"), "{words}");
    }
    // One that could not be made was never there.
    let mut memory = Memory::default();
    memory.launched(&runner.name, Some(7), at(0));
    let seen =
        Observed { jobs: vec![queued(7)], jobs_complete: true, memory, ..Observed::default() };
    assert!(seen.remember(&policy(), at(1)).memory.assignment(7).unwrap().failed.is_empty());
}

/// GitHub's list may lag: a listener needs seconds after its worker to report the job's end.
#[test]
fn a_runner_that_github_does_not_list_yet_has_its_grace_after_its_worker_ended() {
    let at_work = machine("r1", Phase::Running { working: Some(true) });
    let done = machine("r1", RUNNING);
    let mut last = seen(Observed::default(), Some(&at_work), Some(vec![]));
    for second in [0, 400, 1_000] {
        last = seen(last, Some(&at_work), Some(vec![])).remember(&policy(), at(second));
    }
    let reason = |last: &Observed, second: i64| {
        let (sight, sighting) = (last.sight_of(&done), last.memory.of(&done));
        reason_of(&done, sight, sighting, policy().default.registration_timeout, at(second))
    };
    let after = seen(last, Some(&done), Some(vec![])).remember(&policy(), at(1_001));
    assert_eq!(reason(&after, 1_001), Reason::Ending);
    let later = seen(after, Some(&done), Some(vec![])).remember(&policy(), at(1_060));
    assert_eq!(reason(&later, 1_060), Reason::Ending);
    assert_eq!(reason(&later, 1_061), Reason::Failed(Failure::RegistrationGone));
}

#[test]
fn each_sign_of_another_orchestrator_has_its_words() {
    let rows = [
        (Sign::Registration, "it registered b1", "a different name_prefix"),
        (Sign::Machine, "it started b1 here", "the same ORCHESTRATOR_ID"),
    ];
    for (sign, what, why) in rows {
        let clash = Clash { scope: scope(), example: "b1".to_owned(), sign, seen_at: at(0) };
        let told = clash.to_string();
        assert!(told.starts_with("repo:o/r: ") && told.contains(what), "{told}");
        assert!(told.split_whitespace().collect::<Vec<_>>().join(" ").contains(why), "{told}");
    }
}

#[test]
fn where_idle_runners_end_without_a_job_the_next_waits_longer_and_longer_until_one_has_a_job() {
    let place = |runner: &Machine| (runner.pool.clone(), runner.scope.clone());
    let mut memory = Memory::default();
    let mut look = |name: &str, phase: Phase, busy: bool, second: i64| {
        let runner = machine(name, phase);
        memory.launched(&runner.name, None, at(second));
        let list = busy.then(|| registered(1, name, true, true));
        let mut seen = Observed {
            machines: vec![runner.clone()],
            memory: std::mem::take(&mut memory),
            ..Observed::default()
        };
        seen.registrations.insert(runner.scope.clone(), Listing::Known(list.into_iter().collect()));
        memory = seen.remember(&policy(), at(second)).memory;
        let until = memory.idle_held_until(&place(&runner), at(second));
        let problems = memory.idle_problems(at(second)).len();
        (until.map(|until| until.duration_since(at(second)).as_secs()), problems)
    };
    let ends = || exited(0, "bye\n");
    assert_eq!(look("r1", ends(), false, 0), (Some(5), 0), "a job may have been too quick to see");
    assert_eq!(look("r2", ends(), false, 10), (Some(10), 1));
    assert_eq!(look("r3", ends(), false, 30), (Some(20), 1));
    let printed = exited(0, "Job build completed with result: Succeeded\n");
    assert_eq!(look("r4", printed, false, 60), (Some(40), 1), "it is no proof");
    assert_eq!(look("r5", RUNNING, true, 61), (None, 0), "it has a job");
}

#[test]
fn a_runner_that_works_on_is_no_sign_for_those_that_come_after_it() {
    let (busy, idle) = (machine("r5", RUNNING), machine("r6", exited(0, "bye\n")));
    let mut idle = idle;
    idle.identity.github_id = Some(RunnerId(2));
    let mut memory = Memory::default();
    memory.launched(&idle.name, None, at(0));
    for (second, machines) in
        [(0, vec![&busy]), (1, vec![&busy, &idle]), (2, vec![&busy, &idle]), (3, vec![&busy])]
    {
        let mut seen = Observed {
            machines: machines.iter().map(|one| (*one).clone()).collect(),
            memory,
            ..Observed::default()
        };
        let list = vec![registered(1, "r5", true, true)];
        seen.registrations.insert(scope(), Listing::Known(list));
        memory = seen.remember(&policy(), at(second)).memory;
        let held = memory.idle_held_until(&(busy.pool.clone(), scope()), at(second));
        assert_eq!(held, (second > 0).then(|| at(6)), "{second}");
    }
}

#[test]
fn only_a_leftover_of_ours_that_is_offline_has_its_scope_watched() {
    let mut policy = policy();
    policy.pools = vec![crate::policy::PoolPolicy {
        naming: mayfly_common::pool::Naming::Stable,
        name_prefix: "p".to_owned(),
        ..policy.default.clone()
    }];
    let ours = "mayfly-i-0123456789ab";
    let rows = [
        ("offline", ours, false, false, true),
        ("online", ours, true, false, false),
        ("at work", ours, false, true, false),
        ("another's numbered name", "p-1", false, false, false),
        ("another's numbered name, online", "p-1", true, false, false),
    ];
    for (what, name, online, busy, watched) in rows {
        let list = vec![registered(1, name, online, busy)];
        let now = seen(Observed::default(), None, Some(list)).remember(&policy, at(0));
        assert!(now.memory.stray(&scope(), RunnerId(1)).is_some(), "{what}");
        assert_eq!(!now.memory.watched().is_empty(), watched, "{what}");
    }
}

#[test]
fn leftovers_are_forgotten_where_their_scope_is_gone_and_nowhere_else() {
    let other: Scope = "repo:o/other".parse().unwrap();
    let list = || vec![registered(1, "mayfly-i-0123456789ab", false, false)];
    let mut now = seen(Observed::default(), None, Some(list()));
    now.registrations.insert(other.clone(), Listing::Known(list()));
    let mut now = now.remember(&policy(), at(0));
    assert_eq!(now.memory.watched(), BTreeSet::from([scope(), other.clone()]));
    now.memory.forget(&scope());
    assert_eq!(now.memory.watched(), BTreeSet::from([other]));
}

#[test]
fn a_refusal_ends_once_its_own_registration_is_gone_or_not_busy_any_more() {
    let other: Scope = "repo:o/other".parse().unwrap();
    let busy = |id, busy| registered(id, "a1", true, busy);
    let rows = [
        ("still busy", vec![busy(7, false), busy(1, true)], true, true),
        ("not busy any more", vec![busy(7, true), busy(1, false)], true, false),
        ("it never was by the list", vec![busy(1, false)], false, true),
        ("gone", vec![busy(7, true)], true, false),
    ];
    for (what, list, listed_busy, held) in rows {
        let mut now = Observed::default();
        for scope in [&scope(), &other] {
            now.memory.refused(scope, RunnerId(1), listed_busy, at(0));
        }
        let now = seen(now, None, Some(list)).remember(&policy(), at(1));
        let put_off = |scope| now.memory.put_off(scope, RunnerId(1), at(1)).is_some();
        assert_eq!((put_off(&scope()), put_off(&other)), (held, true), "{what}");
    }
}

#[test]
fn a_runner_left_in_vain_where_its_job_is_still_queued_or_there_was_none() {
    let runner = machine("r1", RUNNING);
    for (job, expected) in [(Some(7), true), (Some(8), false), (Some(9), true), (None, true)] {
        let mut memory = Memory::default();
        memory.launched(&runner.name, job, at(0));
        memory.started(&runner.name, (runner.pool.clone(), runner.scope.clone()));
        let jobs = vec![queued(7), queued(9)];
        let seen = Observed { jobs, jobs_complete: true, memory, ..Observed::default() };
        let memory = seen.remember(&policy(), at(1)).memory;
        assert_eq!(memory.left_in_vain(&runner.name), expected, "{job:?}");
        let another = RunnerName::parse("r2").unwrap();
        assert!(!memory.left_in_vain(&another));
    }
}

#[test]
fn idle_runners_that_end_hold_back_their_own_place_alone() {
    let runner = machine("r1", exited(0, "bye\n"));
    let mut memory = Memory::default();
    memory.launched(&runner.name, None, at(0));
    let now = Observed { memory, ..seen(Observed::default(), Some(&runner), Some(vec![])) };
    let memory = now.remember(&policy(), at(1)).memory;
    let held = |pool: &str, scope: &str| {
        let place = (mayfly_common::pool::PoolName::parse(pool).unwrap(), scope.parse().unwrap());
        memory.idle_held_until(&place, at(1)).is_some()
    };
    assert!(held("default", "repo:o/r"));
    assert!(!held("default", "repo:o/other") && !held("warm", "repo:o/r"));
}

#[test]
fn a_word_of_github_is_waited_for_a_quarter_of_an_hour() {
    let runner = machine("r1", exited(0, "bye\n"));
    // The last one: the clock was set back.
    for (second, waits) in [(900, true), (901, false), (0, false)] {
        let mut memory = Memory::default();
        memory.launched(&runner.name, Some(7), at(0));
        let first = Observed { memory, ..seen(Observed::default(), Some(&runner), Some(vec![])) };
        let first = first.remember(&policy(), at(1));
        assert_eq!(first.memory.departed().count(), 1);
        let later = seen(first, None, Some(vec![])).remember(&policy(), at(second));
        assert_eq!(later.memory.departed().count(), usize::from(waits), "{second}");
    }
}

#[test]
fn what_others_knew_of_a_runner_s_job_counts_as_seen() {
    let runner = machine("r1", RUNNING);
    let at_work = machine("r1", Phase::Running { working: Some(true) });
    let silent = |runner: &Machine| seen(Observed::default(), Some(runner), None);
    let facts = |seen: &Observed| {
        let known = seen.memory.of(&seen.machines[0]);
        (known.was_online, known.was_busy, known.had_job)
    };
    assert_eq!(facts(&silent(&runner).remember(&policy(), at(0))), (false, false, false));
    assert_eq!(facts(&silent(&at_work).remember(&policy(), at(0))), (true, true, false));
    let mut told = silent(&runner);
    told.working_for.insert(runner.name.clone(), RepoSlug::parse("o/r").unwrap());
    assert_eq!(facts(&told.remember(&policy(), at(0))), (true, true, true));
    let mut earlier = silent(&runner).remember(&policy(), at(0));
    earlier.memory.had_job(&runner.name);
    assert_eq!(facts(&earlier), (true, true, true));
}

#[test]
fn a_registration_is_noted_from_when_somebody_asks_for_its_name() {
    let wish = |scope: &str, names: &[&str]| {
        let names = names.iter().map(|name| RunnerName::parse(name).unwrap()).collect();
        let scope = scope.parse().unwrap();
        ApiRequest::Create(mayfly_common::api::CreateRunners {
            scope,
            names,
            group: None,
            labels: None,
            count: 1,
        })
    };
    let end = ApiRequest::Delete { name: RunnerName::parse("desk").unwrap(), force: false };
    let rows = [
        (vec![], false),
        (vec![wish("repo:o/r", &["desk"])], true),
        (vec![wish("repo:o/r", &["other", "Desk"]), wish("repo:o/other", &["desk"])], true),
        (vec![wish("repo:o/r", &[])], false),
        (vec![wish("repo:o/r", &["other"])], false),
        (vec![wish("repo:o/other", &["desk"])], false),
        (vec![end], false),
    ];
    let machine = machine("a1", RUNNING);
    for (wishes, noted) in rows {
        let list =
            || Some(vec![registered(1, "a1", true, false), registered(2, "desk", false, false)]);
        let mut asked = seen(Observed::default(), Some(&machine), list());
        asked.wishes = (1..).map(crate::request::RequestId).zip(wishes).collect();
        let asked = asked.remember(&policy(), at(0));
        assert_eq!(asked.memory.stray(&scope(), RunnerId(1)), None, "it has a machine");
        assert_eq!(
            asked.memory.stray(&scope(), RunnerId(2)).is_some(),
            noted,
            "{:?}",
            asked.wishes
        );
        // It was refused then: the time counts from the request on.
        let later = seen(asked, Some(&machine), list()).remember(&policy(), at(10));
        let since = later.memory.stray(&scope(), RunnerId(2)).map(|stray| stray.offline_since);
        assert_eq!(since, noted.then_some(Some(at(0))));
    }
}

#[test]
fn the_group_of_a_job_with_labels_matters_once_it_was_idle_beside_a_runner_in_vain() {
    use crate::not_assigned::{How, NotAssigned};
    let failed = |how| NotAssigned {
        how,
        runner: RunnerName::parse("r1").unwrap(),
        scope: "org:o".parse().unwrap(),
        group: None,
        failures: 1,
        until: at(9),
    };
    let job = |labels: &[&str]| QueuedJob {
        id: 7,
        repo: RepoSlug::parse("o/r").unwrap(),
        name: "job".to_owned(),
        labels: LabelSet::requested(labels),
        labels_unread: false,
        queued_at: at(0),
    };
    let mut grouped = policy();
    grouped.default.scopes = vec!["org:o".parse().unwrap()];
    let ended = || failed(How::Ended("it is gone".to_owned()));
    let rows = [
        (&["gpu"][..], vec![], &grouped, false),
        (&["gpu"], vec![ended()], &grouped, false),
        (&["gpu"], vec![ended(), failed(How::Idle)], &grouped, true),
        (&["gpu"], vec![failed(How::Idle)], &policy(), true),
        (&[], vec![], &grouped, true),
        (&[], vec![], &policy(), false),
    ];
    for (labels, failed, policy, expected) in rows {
        let mut memory = Memory::default();
        let known = Assignment {
            repo: RepoSlug::parse("o/r").unwrap(),
            queued_since: at(0),
            beside_since: None,
            listed_at: None,
            failed: failed.clone(),
        };
        memory.assignments.insert(7, known);
        let wants = crate::wants_group(&job(labels), &memory, policy);
        assert_eq!(wants, expected, "{labels:?} {failed:?}");
    }
}

#[test]
fn an_end_that_failed_is_tried_again_later_and_later_until_the_machine_is_gone() {
    let (one, other) = (machine("a1", RUNNING), machine("b1", RUNNING));
    let (it, mut memory) = (one.reference(), Memory::default());
    let mut now = 0;
    for wait in [5, 10, 20, 40, 80, 160, 300, 300] {
        memory.not_ended(&it, "why".to_owned(), at(now));
        assert_eq!(memory.end_put_off(&it, at(now + wait - 1)), Some(at(now + wait)), "{wait}");
        assert_eq!(memory.end_put_off(&it, at(now + wait)), None, "{wait}");
        assert!(memory.retries().any(|retry| retry == at(now + wait)));
        now += wait;
    }
    // The clock was set back.
    assert_eq!(memory.end_put_off(&it, at(now - 600)), None);
    assert_eq!(memory.end_put_off(&other.reference(), at(0)), None);
    assert_eq!(memory.unended().collect::<Vec<_>>(), ["why"]);
    let seen = |machines: Vec<Machine>| {
        Observed { machines, memory: memory.clone(), ..Observed::default() }
            .remember(&policy(), at(now))
            .memory
    };
    assert_eq!(seen(vec![one.clone()]).unended().count(), 1);
    // Another one of its name is not it.
    let again = Machine { id: "another".to_owned(), ..one };
    assert_eq!(seen(vec![again, other]).unended().count(), 0);
}
