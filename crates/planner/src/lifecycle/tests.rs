use std::collections::BTreeMap;

use super::*;
use crate::policy::{BackendCaps, Caps, Policy, PoolPolicy};
use mayfly_common::identity::{BackendName, RunnerIdentity};
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::{Autoscaling, Naming, PoolName, PoolScope, PullPolicy};
use mayfly_common::registration::{Registered, RunnerId};
use mayfly_common::runner::RunnerState;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// What the machines of the backend `docker` may use.
pub(crate) fn caps(policy: &mut Policy) -> &mut BackendCaps {
    policy.caps.backends.entry(BackendName::default()).or_default()
}

pub(crate) fn policy() -> Policy {
    let default = PoolPolicy {
        name: PoolName::default_pool(),
        backend: BackendName::default(),
        scopes: vec![PoolScope::Discovered],
        labels: LabelSet::requested(["self-hosted", "linux", "x64"]),
        group: None,
        image: "i".to_owned(),
        engine_image: None,
        pull: PullPolicy::Missing,
        min_idle: 0,
        max: 100,
        priority: 0,
        autoscaling: Autoscaling::PerJob,
        registration_timeout: SignedDuration::from_secs(300),
        max_lifetime: SignedDuration::from_secs(100_000),
        idle_timeout: SignedDuration::from_secs(120),
        rotation: None,
        rotate_before: None,
        fingerprint: "f".to_owned(),
        memory: 4 << 30,
        nano_cpus: 2_000_000_000,
        naming: Naming::Unique,
        name_prefix: "mayfly-i-default".to_owned(),
        enabled: true,
        paused: false,
    };
    let docker = BackendCaps { runners: 4, memory: None, nano_cpus: None };
    let backends = BTreeMap::from([(BackendName::default(), docker)]);
    let caps = Caps { backends, per_owner: None, per_repo: None };
    Policy {
        installation: "i".to_owned(),
        auto_create: true,
        draining: false,
        caps,
        default,
        pools: Vec::new(),
        clean_registrations: true,
        name_prefix: "mayfly-i-".to_owned(),
    }
}

pub(crate) fn machine(name: &str, phase: Phase) -> Machine {
    Machine {
        identity: RunnerIdentity {
            installation: "i".to_owned(),
            backend: BackendName::default(),
            pool: PoolName::default_pool(),
            scope: "repo:o/r".parse().unwrap(),
            name: RunnerName::parse(name).unwrap(),
            labels: policy().default.labels,
            github_id: Some(RunnerId(1)),
            image: "i".to_owned(),
            image_id: None,
            fingerprint: None,
            created_at: at(0),
            deadline: at(100_000),
        },
        id: format!("c-{name}"),
        phase,
        defect: None,
        lingers: false,
        unread: None,
    }
}

pub(crate) fn registered(id: i64, name: &str, online: bool, busy: bool) -> Registered {
    Registered { id: RunnerId(id), name: name.to_owned(), online, busy }
}

fn exit(code: i64, log_tail: &str) -> Phase {
    Phase::Exited(Exit { code, out_of_memory: false, log_tail: log_tail.to_owned() })
}

const DONE: &str = "Running job: a\nJob a completed with result: Succeeded\n";
const FAILED: &str = "Running job: a\nJob a completed with result: Failed\n";
const REFUSED: &str = "An error occured: Runner version v2.300.0 is deprecated and cannot receive messages.\nRunner listener exit because of runner version is deprecated.";

#[test]
fn every_state_has_its_row() {
    use RunnerState::{Busy, Draining, Failed, Finished, Idle, Starting};
    let running = Phase::Running { working: Some(false) };
    let worker = Phase::Running { working: Some(true) };
    let unseen = Sighting::default();
    let seen = |missing: Option<i64>| Sighting {
        was_online: true,
        missing_since: missing.map(at),
        ..unseen
    };
    let was_busy = Sighting { was_online: true, was_busy: true, ..unseen };
    let late = |missing: i64| Sighting { missing_since: Some(at(missing)), ..unseen };
    let offline = registered(1, "a1", false, false);
    let online = registered(1, "a1", true, false);
    let busy = registered(1, "a1", true, true);
    let stale_busy = registered(1, "a1", false, true);
    let rows: Vec<(&str, Phase, Sight<'_>, Sighting, i64, RunnerState)> = vec![
        ("created only", Phase::NeverStarted, Sight::Listed(&offline), unseen, 5, Failed),
        (
            "registered, not connected",
            running.clone(),
            Sight::Listed(&offline),
            unseen,
            5,
            Starting,
        ),
        ("not listed yet", running.clone(), Sight::Absent, unseen, 5, Starting),
        ("GitHub silent, never seen", running.clone(), Sight::Unknown, unseen, 5, Starting),
        ("GitHub silent for long", running.clone(), Sight::Unknown, unseen, 5_000, Starting),
        ("GitHub silent, was online", running.clone(), Sight::Unknown, seen(None), 5_000, Idle),
        ("GitHub silent, had a job", running.clone(), Sight::Unknown, was_busy, 5_000, Busy),
        ("not asked, had a job", running.clone(), Sight::Unasked, was_busy, 5_000, Busy),
        ("online", running.clone(), Sight::Listed(&online), seen(None), 5, Idle),
        ("busy", running.clone(), Sight::Listed(&busy), seen(None), 5, Busy),
        ("busy flag lags", worker.clone(), Sight::Listed(&online), seen(None), 5, Busy),
        (
            "busy though offline",
            running.clone(),
            Sight::Listed(&stale_busy),
            seen(Some(0)),
            500,
            Busy,
        ),
        ("worker though deregistered", worker.clone(), Sight::Absent, seen(Some(0)), 5_000, Busy),
        ("deregistered, ending", running.clone(), Sight::Absent, seen(Some(100)), 130, Draining),
        ("deregistered, zombie", running.clone(), Sight::Absent, seen(Some(100)), 160, Failed),
        (
            "connection lost",
            running.clone(),
            Sight::Listed(&offline),
            seen(Some(100)),
            130,
            Starting,
        ),
        (
            "connection lost for good",
            running.clone(),
            Sight::Listed(&offline),
            seen(Some(100)),
            160,
            Failed,
        ),
        ("late, just adopted", running.clone(), Sight::Listed(&offline), late(400), 410, Starting),
        ("never came online", running.clone(), Sight::Listed(&offline), late(0), 300, Failed),
        ("past its deadline", running.clone(), Sight::Listed(&busy), seen(None), 100_000, Failed),
        (
            "past its deadline at work",
            worker.clone(),
            Sight::Listed(&busy),
            seen(None),
            100_000,
            Failed,
        ),
        ("past its deadline, GitHub silent", worker, Sight::Unknown, seen(None), 100_000, Failed),
        (
            "job done",
            exit(0, "Running job: a\nJob a completed with result: Failed"),
            Sight::Absent,
            unseen,
            5,
            Finished,
        ),
        (
            "exit 0 without a job",
            exit(0, "Listening for Jobs"),
            Sight::Listed(&offline),
            unseen,
            5,
            Failed,
        ),
        ("exit 0, GitHub silent", exit(0, ""), Sight::Unknown, seen(None), 5, Failed),
        ("exit 0, registration gone", exit(0, ""), Sight::Absent, unseen, 5, Finished),
        ("exit 0 after being busy", exit(0, ""), Sight::Unknown, was_busy, 5, Finished),
        ("exit 1 after being busy", exit(1, ""), Sight::Absent, was_busy, 5, Failed),
        ("exit 1, registration gone", exit(1, ""), Sight::Absent, unseen, 5, Failed),
        ("killed in the middle", exit(137, "Running job: a"), Sight::Absent, unseen, 5, Failed),
        ("version refused", exit(7, REFUSED), Sight::Unknown, unseen, 5, Failed),
        ("exit 7 for a reason of its own", exit(7, "no disk"), Sight::Unknown, unseen, 5, Failed),
        ("exit 7 after being busy", exit(7, REFUSED), Sight::Unknown, was_busy, 5, Failed),
        ("crashed and says it succeeded", exit(139, DONE), Sight::Absent, unseen, 5, Failed),
        ("killed and says it failed", exit(137, FAILED), Sight::Absent, unseen, 5, Failed),
        ("exit 1 and says it succeeded", exit(1, DONE), Sight::Absent, unseen, 5, Failed),
        ("exit 2 after a job that failed", exit(2, FAILED), Sight::Absent, unseen, 5, Finished),
        ("just started, not asked", running.clone(), Sight::Unasked, unseen, 5, Starting),
        ("not asked, was online", running.clone(), Sight::Unasked, seen(None), 5_000, Idle),
    ];
    // Every row that is missing here has not failed.
    let failures = [
        ("created only", "never_started"),
        ("deregistered, zombie", "registration_gone"),
        ("connection lost for good", "lost_connection"),
        ("never came online", "registration_timeout"),
        ("past its deadline", "past_deadline"),
        ("past its deadline at work", "past_deadline"),
        ("past its deadline, GitHub silent", "past_deadline"),
        ("exit 0 without a job", "ended_before_job"),
        ("exit 0, GitHub silent", "ended_before_job"),
        ("exit 1 after being busy", "ended_in_job"),
        ("exit 1, registration gone", "ended_in_job"),
        ("killed in the middle", "ended_in_job"),
        ("version refused", "version_refused"),
        ("exit 7 for a reason of its own", "ended_before_job"),
        ("exit 7 after being busy", "ended_in_job"),
        ("crashed and says it succeeded", "ended_in_job"),
        ("killed and says it failed", "ended_in_job"),
        ("exit 1 and says it succeeded", "ended_in_job"),
    ];
    for (what, phase, registration, sighting, now, state) in rows {
        let timeout = policy().default.registration_timeout;
        let reason = reason_of(&machine("a1", phase), registration, sighting, timeout, at(now));
        assert_eq!(reason.state(), state, "{what}: {reason}");
        assert_eq!(
            reason.failure().as_ref().map(Failure::kind),
            failures.iter().find(|(name, _)| *name == what).map(|(_, kind)| *kind),
            "{what}: {reason}"
        );
    }
}

#[test]
fn what_is_told_of_a_runner_that_ended_without_an_error_is_what_is_known() {
    let unseen = Sighting::default();
    let was_busy = Sighting { was_busy: true, ..unseen };
    let had_job = Sighting { had_job: true, ..was_busy };
    let without =
        "it ended with exit code 0 without a sign of a job, and GitHub does not list it any more";
    let rows = [
        (exit(0, ""), unseen, without.to_owned()),
        (exit(0, "a\nbye\n"), unseen, format!("{without}; its last words: bye")),
        (exit(0, "bye\n"), was_busy, "it ended after its job".to_owned()),
        (exit(0, "Running job: a\n"), unseen, "it ended after its job".to_owned()),
        (exit(0, DONE), unseen, "it printed that its job's result was Succeeded".to_owned()),
        (exit(0, DONE), had_job, "its job's result was Succeeded".to_owned()),
    ];
    let timeout = policy().default.registration_timeout;
    for (phase, sighting, words) in rows {
        let reason = reason_of(&machine("a1", phase), Sight::Absent, sighting, timeout, at(5));
        assert_eq!((reason.state(), reason.to_string()), (RunnerState::Finished, words));
    }
}

#[test]
fn against_github_s_word_a_worker_s_name_counts_for_a_while_only() {
    let worker = machine("a1", Phase::Running { working: Some(true) });
    let timeout = policy().default.registration_timeout;
    let offline = registered(1, "a1", false, false);
    let online = registered(1, "a1", true, false);
    let busy = registered(1, "a1", true, true);
    let busy_offline = registered(1, "a1", false, true);
    let jobless = |since: i64, over: Option<i64>| Sighting {
        was_online: true,
        was_busy: true,
        missing_since: Some(at(since)),
        jobless_since: Some(at(since)),
        job_over_at: over.map(at),
        ..Sighting::default()
    };
    let gone = [
        ("no end of its job is known", jobless(1_000, None), 1_599, true),
        ("for ten minutes", jobless(1_000, None), 1_600, false),
        ("its job was over a moment ago", jobless(1_000, Some(1_010)), 1_069, true),
        ("its job was over for a minute", jobless(1_000, Some(1_010)), 1_070, false),
        ("the registration went later", jobless(1_000, Some(500)), 1_059, true),
        ("and a minute passed", jobless(1_000, Some(500)), 1_060, false),
    ];
    let ends = [(Sight::Absent, "registration_gone"), (Sight::Listed(&offline), "lost_connection")];
    for (sight, end) in ends {
        for (what, sighting, now, counts) in &gone {
            let reason = reason_of(&worker, sight, *sighting, timeout, at(*now));
            assert_eq!(reason.state() == RunnerState::Busy, *counts, "{what}: {reason}");
            let failed = reason.failure();
            assert_eq!(failed.as_ref().map(Failure::kind), (!counts).then_some(end), "{what}");
            assert!(failed.is_none_or(|failure| !failure.is_of_start()), "{what}");
        }
    }
    // Whatever a webhook told: as long as it is online or busy, or nobody knows, the name counts.
    let others = [
        Sight::Unknown,
        Sight::Unasked,
        Sight::Listed(&online),
        Sight::Listed(&busy),
        Sight::Listed(&busy_offline),
    ];
    for sight in others {
        let reason = reason_of(&worker, sight, jobless(1_000, Some(500)), timeout, at(9_000));
        assert_eq!(reason.state(), RunnerState::Busy, "{sight:?}: {reason}");
    }
}

#[test]
fn a_registration_that_github_deleted_is_that_of_a_runner_that_had_a_job() {
    let timeout = policy().default.registration_timeout;
    // More was printed than is kept: the line that says that the job began is gone.
    let jit = machine("a1", exit(1, "the end of very much output"));
    let mut token = jit.clone();
    token.identity.github_id = None;
    let offline = registered(1, "a1", false, false);
    let rows = [
        (&jit, Sight::Absent, "ended_in_job"),
        (&jit, Sight::Listed(&offline), "ended_before_job"),
        (&jit, Sight::Unknown, "ended_before_job"),
        // It may have ended before it registered itself.
        (&token, Sight::Absent, "ended_before_job"),
    ];
    for (runner, sight, expected) in rows {
        let reason = reason_of(runner, sight, Sighting::default(), timeout, at(5));
        assert_eq!(reason.failure().as_ref().map(Failure::kind), Some(expected), "{sight:?}");
    }
    let refused = machine("a1", exit(7, REFUSED));
    let reason = reason_of(&refused, Sight::Absent, Sighting::default(), timeout, at(5));
    assert_eq!(reason.failure(), Some(Failure::VersionRefused));
}

#[test]
fn spans_that_depend_on_each_other_agree() {
    assert!(WORKER_AFTER_JOB >= MISSING_GRACE, "a container that ends has its usual time");
    assert!(WORKER_WITHOUT_JOB > WORKER_AFTER_JOB);
}

#[test]
fn only_what_waits_or_has_time_left_is_supply() {
    let running = machine("a1", Phase::Running { working: Some(false) });
    let worker = machine("a1", Phase::Running { working: Some(true) });
    let timeout = policy().default.registration_timeout;
    let offline = registered(1, "a1", false, false);
    let online = registered(1, "a1", true, false);
    let seen = |missing: Option<i64>| Sighting {
        was_online: missing.is_none_or(|at| at < 1_000),
        missing_since: missing.map(at),
        ..Sighting::default()
    };
    let rows = [
        ("online", &running, Sight::Listed(&online), seen(None), 5, true),
        ("not online yet", &running, Sight::Listed(&offline), Sighting::default(), 5, true),
        ("not listed yet", &running, Sight::Absent, Sighting::default(), 5, true),
        ("GitHub silent", &running, Sight::Unknown, seen(None), 5, true),
        ("busy", &worker, Sight::Listed(&online), seen(None), 5, false),
        ("ending", &running, Sight::Absent, seen(Some(100)), 130, false),
        ("disconnected", &running, Sight::Listed(&offline), seen(Some(100)), 130, false),
        ("late", &running, Sight::Listed(&offline), seen(Some(1_000)), 1_010, false),
    ];
    for (what, runner, sight, sighting, now, expected) in rows {
        let reason = reason_of(runner, sight, sighting, timeout, at(now));
        assert_eq!(reason.is_supply(), expected, "{what}: {reason}");
    }
}

#[test]
fn a_runner_stands_and_falls_with_its_machine() {
    use RunnerState::{Busy, Failed, Idle, Starting};
    let idle = Phase::Running { working: Some(false) };
    let unsure = Phase::Running { working: None };
    let worker = Phase::Running { working: Some(true) };
    let (online, offline) = (registered(1, "a1", true, false), registered(1, "a1", false, false));
    let busy = registered(1, "a1", true, true);
    let (listed, up, at_work) =
        (Sight::Listed(&offline), Sight::Listed(&online), Sight::Listed(&busy));
    let broken = || Phase::Broken("its engine ended".to_owned());
    let unseen = || Phase::Unknown("its node is down".to_owned());
    let (prepared, why) = ("it is being prepared", "its engine ended");
    let late = "it was not started within 300 s";
    let node = "its state cannot be seen: its node is down";
    let online_unseen = "it is online, and its state cannot be seen: its node is down";
    let rows = [
        (Phase::Preparing, false, listed, 5, Starting, prepared),
        (Phase::Preparing, false, Sight::Unknown, 5, Starting, prepared),
        (Phase::Preparing, false, listed, 300, Failed, "it was not ready within 300 s"),
        (Phase::Ready, false, listed, 5, Starting, "it is ready to be started"),
        (Phase::Ready, false, listed, 300, Failed, late),
        (broken(), false, listed, 5, Failed, why),
        (idle.clone(), false, up, 5, Idle, "it waits for a job"),
        (idle.clone(), true, up, 5, Failed, why),
        (idle.clone(), true, listed, 5, Failed, why),
        (idle.clone(), true, at_work, 5, Busy, "it runs a job"),
        (worker, true, up, 5, Busy, "a job's process runs inside"),
        (unsure, true, up, 5, Idle, "it waits for a job"),
        (idle, true, Sight::Unknown, 5, Starting, "GitHub could not be asked about it"),
        // Whatever its age, and whatever GitHub does not say.
        (unseen(), false, listed, 200_000, Starting, node),
        (unseen(), false, Sight::Absent, 200_000, Starting, node),
        (unseen(), false, Sight::Unknown, 200_000, Starting, node),
        (unseen(), false, up, 200_000, Idle, online_unseen),
        (unseen(), false, at_work, 200_000, Busy, "it runs a job"),
    ];
    for (phase, defect, sight, now, state, words) in rows {
        let mut runner = machine("a1", phase);
        runner.defect = defect.then(|| why.to_owned());
        let timeout = policy().default.registration_timeout;
        let found = reason_of(&runner, sight, Sighting::default(), timeout, at(now));
        assert_eq!((found.state(), &*found.to_string()), (state, words), "{:?}", runner.phase);
        let supply = matches!(state, Starting | Idle) && words != node;
        assert_eq!(found.is_supply(), supply, "{found}");
    }
}

#[test]
fn a_deadline_is_told_in_whole_seconds() {
    let deadline = Timestamp::new(1_800_000_000, 147_974_077).unwrap();
    let words = Failure::PastDeadline(deadline).to_string();
    assert_eq!(words, "it reached its deadline 2027-01-15T08:00:00Z");
}

#[test]
fn the_words_name_the_job_s_result_and_how_it_ended() {
    let why = |code: i64, out_of_memory: bool, log: &str| {
        let exit = Exit { code, out_of_memory, log_tail: log.to_owned() };
        exited(&machine("a1", Phase::NeverStarted), &exit, Sight::Unknown, Sighting::default())
            .to_string()
    };
    let rows = [
        (0, false, DONE, "it printed that its job's result was Succeeded"),
        (139, false, DONE, "it ended with exit code 139 in the middle of its job"),
        (7, false, REFUSED, "GitHub refuses this runner version; update the image"),
        (137, true, "", "it ended with exit code 137, out of memory without having run a job"),
        (
            7,
            false,
            "starting\n\u{1b}[31mno room\u{202e} for ghp_0123456789abcdef0123456789abcdef0123\n\n",
            "it ended with exit code 7 without having run a job; its last words: no room for ***",
        ),
    ];
    for (code, out_of_memory, log, expected) in rows {
        assert_eq!(why(code, out_of_memory, log), expected);
    }
    let bomb = format!(
        "{}\nJob a completed with result: {}",
        "é".repeat(3_000_000),
        "A".repeat(3_000_000)
    );
    for log in [bomb.as_str(), bomb.split_once('\n').unwrap().0] {
        assert!(why(139, false, log).len() < 600);
    }
}

#[test]
fn last_words_are_told_of_a_runner_that_was_given_up_while_it_ran() {
    let late = Failure::RegistrationTimeout(SignedDuration::from_secs(300));
    let rows = [
        (&late, "starting\nno route to host\n\n", Some("no route to host")),
        (&late, "", None),
        (&late, "\u{1b}[0m\n", None),
        (&Failure::LostConnection, "no route to host\n", None),
    ];
    for (failure, log, expected) in rows {
        let words = expected.map(|last| format!("{failure}; its last words: {last}"));
        assert_eq!(failure.with_last_words(log), words, "{log:?}");
    }
}

#[test]
fn only_what_a_crash_or_a_lost_registration_left_behind_is_an_orphan() {
    let ending = Ending { code: 1, out_of_memory: false };
    let (span, words) = (SignedDuration::from_secs(1), String::new);
    let rows = [
        (Failure::NeverStarted, true),
        (Failure::RegistrationGone, true),
        (Failure::NotStartedInTime(span), false),
        (Failure::NotReadyInTime(span), false),
        (Failure::Broken(words()), false),
        (Failure::Defect(words()), false),
        (Failure::PastDeadline(at(0)), false),
        (Failure::RegistrationTimeout(span), false),
        (Failure::LostConnection, false),
        (Failure::Removed, false),
        (Failure::VersionRefused, false),
        (Failure::EndedInJob(ending), false),
        (Failure::EndedDeregistered(ending, words()), false),
        (Failure::EndedBeforeJob(ending, words()), false),
    ];
    for (failure, expected) in rows {
        assert_eq!(failure.is_orphan(), expected, "{failure}");
    }
}
