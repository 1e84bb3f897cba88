use std::collections::BTreeMap;
use std::sync::Arc;

use mayfly_common::api::Runner;
use mayfly_common::identity::BackendName;
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::ScopeKind;

use super::*;
use crate::backoff::{Failed, Place, Streak};
use crate::naming::{Holder, NamesTaken, Presence};
use crate::not_assigned::{How, NotAssigned};
use crate::pool_choice::Remedy;
use crate::snapshot::{Blind, PoolSeen, Wait};
use crate::{CapacityLimit, Cause};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn repo() -> RepoSlug {
    RepoSlug::parse("o/r").unwrap()
}

fn row() -> Row {
    Row {
        id: 7,
        repo: repo(),
        name: "build".to_owned(),
        labels: LabelSet::requested(["self-hosted"]),
        status: JobStatus::Queued,
        conclusion: None,
        queued_at: at(0),
        queue_known: true,
        started_at: None,
        completed_at: None,
        runner: None,
        pool: None,
        told_at: None,
        left_at: None,
        seen_at: at(0),
    }
}

fn blind() -> Blind {
    let (why, hint) = ("Docker cannot be reached".to_owned(), "look at the Docker engine");
    Blind { kind: "docker", why, hint }
}

fn docker() -> BackendName {
    BackendName::default()
}

fn runner(scope: &str, scope_kind: ScopeKind, state: RunnerState) -> Runner {
    Runner {
        id: "r1".to_owned(),
        name: "r1".to_owned(),
        pool: "default".to_owned(),
        backend: "docker".to_owned(),
        scope: scope_kind,
        scope_name: scope.to_owned(),
        labels: vec!["self-hosted".to_owned()],
        state,
        reason: Some("it is not online yet".to_owned()),
        container_id: None,
        image: "i".to_owned(),
        github_runner_id: None,
        created_at: at(0),
        deadline: at(9_999),
    }
}

fn seen(wait: Option<Wait>) -> Snapshot {
    Snapshot {
        waits: wait.map(|wait| (7, wait)).into_iter().collect(),
        repositories: Arc::new(BTreeMap::from([(repo(), RepoFact::Asked)])),
        ..Snapshot::default()
    }
}

fn streak(what: Failed, reason: &str) -> Streak {
    Streak { failures: 2, failed_at: at(89), until: at(99), reason: reason.to_owned(), what }
}

/// The reasons, each with its hint.
fn reasons(seen: &Snapshot) -> Vec<Reason> {
    let (row, repo) = (row(), repo());
    let facts = Facts {
        id: 7,
        job: Some(&row),
        repo: Some(&repo),
        unasked: None,
        seen,
        auto_create: true,
        now: at(75),
    };
    explain(&facts).reasons
}

/// The code of the first reason, and the summary.
fn told(seen: &Snapshot, row: Option<&Row>, change: impl Fn(&mut Facts<'_>)) -> (String, String) {
    let repo = repo();
    let mut facts = Facts {
        id: 7,
        job: row,
        repo: Some(&repo),
        unasked: None,
        seen,
        auto_create: true,
        now: at(30),
    };
    change(&mut facts);
    let explained = explain(&facts);
    let code = explained.reasons.first().map_or_else(String::new, |first| first.code.clone());
    (code, explained.summary)
}

#[test]
fn each_cause_has_its_answer() {
    let pool = || PoolName::parse("ci").unwrap();
    let name = || RunnerName::parse("r1").unwrap();
    let scope = || "repo:o/r".parse().unwrap();
    let rows: Vec<(&str, Wait, &str)> = vec![
        (
            "no_pool",
            Wait::Unmet("no runner here has the label gpu".to_owned(), Remedy::Labels),
            "gpu",
        ),
        ("hosted", Wait::Hosted, "GitHub's own machines"),
        (
            "cap",
            Wait::For(Cause::Cap(CapacityLimit::Runners(docker(), 1))),
            "(MAX_RUNNERS): o/r has 1 (1 idle)",
        ),
        ("cap", Wait::For(Cause::Cap(CapacityLimit::Pool(pool(), 3))), "all 3 runners of pool ci"),
        ("paused", Wait::For(Cause::Paused(pool())), "pool ci is paused"),
        ("image", Wait::For(Cause::Image("i".to_owned())), "image i cannot be used: denied"),
        ("held_back", Wait::For(Cause::HeldBack((pool(), scope()), at(99))), ": it ended"),
        (
            "ratio",
            Wait::For(Cause::Ratio(pool(), "4 queued jobs want 2".to_owned())),
            "4 queued jobs",
        ),
        ("about_to_start", Wait::Runner(name()), "any moment"),
    ];
    for (code, wait, words) in rows {
        let mut seen = seen(Some(wait));
        seen.runners = vec![runner("o/r", ScopeKind::Repo, RunnerState::Idle)];
        seen.failures.insert((pool(), scope()), streak(Failed::Container, "it ended"));
        seen.failures.insert((PoolName::default_pool(), scope()), streak(Failed::Container, "x"));
        seen.pools.insert(
            pool(),
            PoolSeen {
                image: "i".to_owned(),
                image_state: "denied".to_owned(),
                ..PoolSeen::default()
            },
        );
        let (found, summary) = told(&seen, Some(&row()), |_| {});
        assert_eq!(found, code, "{summary}");
        assert!(summary.contains(words), "{code}: {summary}");
    }
}

#[test]
fn a_job_that_github_does_not_assign_is_told_with_its_likely_causes() {
    let failed = |scope: &str| NotAssigned {
        how: How::Idle,
        runner: RunnerName::parse("r1").unwrap(),
        scope: scope.parse().unwrap(),
        group: Some("ci".to_owned()),
        failures: 1,
        until: at(420),
    };
    let explained = |seen: &Snapshot| {
        let (row, repo) = (row(), repo());
        let facts = Facts {
            id: 7,
            job: Some(&row),
            repo: Some(&repo),
            unasked: None,
            seen,
            auto_create: true,
            now: at(130),
        };
        explain(&facts).reasons
    };
    let held =
        |scope| explained(&seen(Some(Wait::For(Cause::NotAssigned(Box::new(failed(scope)))))));
    let (repo, org) = (held("repo:o/r"), held("org:o"));
    assert_eq!((repo[0].code.as_str(), org[0].code.as_str()), ("bound", "group"));
    let likely = |what: &str| what.split_once(". Likely causes: ").unwrap().1.to_owned();
    assert_eq!(
        likely(&repo[0].what),
        "the job is bound to a runner that no longer exists, or the runner does not listen"
    );
    assert_eq!(
        likely(&org[0].what),
        "its runner group \"ci\" excludes o/r, the workflow's runs-on names another group, or the job is bound to a runner that no \
         longer exists"
    );
    let group = "its runner group \"ci\" excludes o/r";
    assert!(org[0].what.contains(group) && !repo[0].what.contains(group), "{}", org[0].what);
    assert!(
        org[0].what.contains("runner r1 of org:o") && org[0].what.contains(&at(420).to_string())
    );
    let ended = NotAssigned { how: How::Ended("it failed".to_owned()), ..failed("org:o") };
    let start = "the image cannot start, somebody else ends its runners, or other jobs took them";
    assert_eq!(ended.causes(&RepoSlug::parse("o/r").unwrap()), start);
    // The next one is on its way: that comes first, and the earlier one after it.
    let mut trying = seen(Some(Wait::Runner(RunnerName::parse("r1").unwrap())));
    trying.runners = vec![runner("o", ScopeKind::Org, RunnerState::Starting)];
    trying.not_assigned.insert(7, failed("org:o"));
    let reasons = explained(&trying);
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["starting", "group"]);
    // As long as none is, the job waits for something else.
    let paused = Cause::Paused(PoolName::parse("ci").unwrap());
    trying.waits.insert(7, Wait::For(paused));
    let reasons = explained(&trying);
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["paused"]);
}

#[test]
fn a_job_that_waits_for_room_is_told_of_runners_that_are_idle() {
    let mut seen = seen(Some(Wait::For(Cause::Cap(CapacityLimit::Runners(docker(), 1)))));
    seen.runners = vec![runner("o", ScopeKind::Org, RunnerState::Idle)];
    seen.waits.insert(8, Wait::Runner(RunnerName::parse("r1").unwrap()));
    let (row, repo) = (row(), repo());
    let facts = Facts {
        id: 7,
        job: Some(&row),
        repo: Some(&repo),
        unasked: None,
        seen: &seen,
        auto_create: true,
        now: at(30),
    };
    let reasons = explain(&facts).reasons;
    assert!(reasons[0].what.ends_with("(MAX_RUNNERS): o has 1 (1 idle)"), "{}", reasons[0].what);
    let hint = reasons[0].hint.as_deref().unwrap();
    assert!(hint.starts_with("runner r1 is idle beside job 8;"), "{hint}");
    // One that has its job makes no room by itself.
    seen.runners[0].state = RunnerState::Busy;
    let hint = self::reasons(&seen).remove(0).hint;
    assert_eq!(hint.as_deref(), Some("raise MAX_RUNNERS if the host has room"));
}

#[test]
fn those_with_the_most_runners_are_named_first_and_none_where_no_runner_that_goes_makes_room() {
    let of = |scope: &str| runner(scope, ScopeKind::Repo, RunnerState::Busy);
    let runners: Vec<Runner> = ["o/a", "o/b", "o/b", "o/c", "o/d", "o/d", "o/d"].map(of).into();
    let told = |cap| {
        let waits = seen(Some(Wait::For(Cause::Cap(cap))));
        reasons(&Snapshot { runners: runners.clone(), ..waits }).remove(0).what
    };
    let what = told(CapacityLimit::Runners(docker(), 7));
    assert!(what.ends_with(": o/d has 3, o/b has 2, o/a has 1"), "{what}");
    // A cap of one owner or repository counts the runners there.
    let what = told(CapacityLimit::Repo(RepoSlug::parse("o/b").unwrap(), 2));
    assert!(what.ends_with(": o/b has 2"), "{what}");
    let pool = || PoolName::parse("ci").unwrap();
    for cap in [
        CapacityLimit::OneMemory(docker(), pool(), 2 << 20, 1 << 20),
        CapacityLimit::OneCpus(docker(), pool(), 2, 1),
    ] {
        let what = told(cap);
        assert!(!what.contains(" has "), "{what}");
    }
}

#[test]
fn what_holds_for_all_comes_first() {
    let wait = || Some(Wait::Unmet("no label".to_owned(), Remedy::Labels));
    let blind = Snapshot { blind: Some(blind()), ..seen(wait()) };
    assert_eq!(told(&blind, Some(&row()), |_| {}).0, "docker");
    assert_eq!(
        told(&seen(wait()), Some(&row()), |facts| facts.auto_create = false).0,
        "automatic_mode_off"
    );
    let mut away = seen(None);
    away.report.github_error = Some("401".to_owned());
    assert_eq!(told(&away, Some(&row()), |_| {}).0, "github");
    // One account's trouble is in the way of its own repositories only.
    let mut suspended = seen(None);
    let why = "o is not served: the App cannot act for o: installation 7 is suspended";
    suspended.report.github_accounts.insert("o".to_owned(), why.to_owned());
    assert_eq!(
        told(&suspended, Some(&row()), |_| {}),
        ("github_account".to_owned(), why.to_owned())
    );
    let mut other = seen(None);
    other.report.github_accounts.insert("p".to_owned(), why.to_owned());
    assert_eq!(told(&other, Some(&row()), |_| {}).0, "not_seen_yet");
    let mut spent = seen(None);
    spent.github.discovery_waits = Some("until 10:00".to_owned());
    assert_eq!(told(&spent, Some(&row()), |_| {}).0, "rate_limit");
    // What is known of the job itself is the better answer.
    let mut known = seen(wait());
    known.github.discovery_waits = Some("until 10:00".to_owned());
    assert_eq!(told(&known, Some(&row()), |_| {}).0, "no_pool");
}

#[test]
fn a_repository_that_is_not_covered_is_told_with_its_rule() {
    let of = |fact: Option<RepoFact>| {
        let other = RepoSlug::parse("o/other").unwrap();
        let mut repositories = BTreeMap::from([(other, RepoFact::Asked)]);
        repositories.extend(fact.map(|fact| (repo(), fact)));
        let seen = Snapshot { repositories: Arc::new(repositories), ..Snapshot::default() };
        told(&seen, None, |_| {})
    };
    let (code, summary) = of(Some(RepoFact::Refused("it is public: …".to_owned())));
    assert_eq!(
        (code.as_str(), summary.as_str()),
        ("repository_refused", "o/r is not served: it is public: …")
    );
    assert_eq!(of(None).0, "repository_unknown");
    assert_eq!(of(Some(RepoFact::Unread)).0, "repository_unread");
    assert_eq!(of(Some(RepoFact::NoJobs)).0, "no_self_hosted_job");
    let hidden = "GitHub answers 404 for the jobs of o/r: the credential may not read its Actions, or it was removed";
    assert_eq!(of(Some(RepoFact::JobsHidden)), ("jobs_hidden".to_owned(), hidden.to_owned()));
    assert_eq!(told(&Snapshot::default(), None, |_| {}).0, "cold");
    assert_eq!(told(&Snapshot::default(), None, |facts| facts.repo = None).0, "unknown_job");
}

#[test]
fn a_job_has_a_time_when_it_was_queued_or_one_when_it_was_first_seen() {
    let known = shown(&row(), &BTreeMap::new());
    assert_eq!((known.queued_at, known.seen_at), (Some(at(0)), None));
    let unknown = shown(&Row { queue_known: false, ..row() }, &BTreeMap::new());
    assert_eq!((unknown.queued_at, unknown.seen_at), (None, Some(at(0))));
}

#[test]
fn a_job_that_does_not_wait_is_said_to() {
    let of = |change: fn(&mut Row)| {
        let mut row = row();
        change(&mut row);
        told(&seen(None), Some(&row), |_| {})
    };
    assert_eq!(of(|row| row.status = JobStatus::Waiting).0, "not_queued");
    assert_eq!(of(|row| row.left_at = Some(at(9))).0, "left_the_queue");
    let expired = of(|row| row.left_at = Some(at(86_400)));
    assert!(expired.0 == "left_the_queue" && expired.1.contains("for a day"), "{expired:?}");
    assert_eq!(of(|_| {}).0, "not_seen_yet");
    let (code, summary) = of(|row| {
        row.status = JobStatus::Completed;
        row.runner = Some("r9".to_owned());
        row.conclusion = Some("failure".to_owned());
    });
    assert_eq!(
        (code.as_str(), summary.as_str()),
        ("completed", "it has ended by runner r9: failure")
    );
    assert_eq!(of(|row| row.status = JobStatus::InProgress).0, "in_progress");
}

#[test]
fn the_next_step_is_that_of_the_cause() {
    let pool = |name| PoolName::parse(name).unwrap();
    let unmet = |remedy| Wait::Unmet("why".to_owned(), remedy);
    let rows = [
        (unmet(Remedy::Enable(pool("off"))), "mayfly pool enable off"),
        (unmet(Remedy::Scope(pool("theirs"))), "add repo:o/r to the scopes of pool theirs"),
        (unmet(Remedy::Labels), "make a pool with the labels self-hosted"),
        (unmet(Remedy::Pool), "make a pool with the scope repo:o/r"),
        (Wait::For(Cause::Paused(pool("ci"))), "mayfly pool resume ci"),
        (Wait::For(Cause::Cap(CapacityLimit::Pool(pool("ci"), 3))), "mayfly pool scale ci --max 4"),
        (
            Wait::For(Cause::Cap(CapacityLimit::OneMemory(docker(), pool("ci"), 2 << 20, 1 << 20))),
            "raise MAX_RUNNERS_MEMORY if the host has room, or give the pool's runners less memory",
        ),
        (
            Wait::For(Cause::Cap(CapacityLimit::OneCpus(docker(), pool("ci"), 2, 1))),
            "raise MAX_RUNNERS_CPUS if the host has room, or give the pool's runners less cpus",
        ),
        (Wait::For(Cause::Image("theirs:1".to_owned())), "pool ci (mayfly pool show ci)"),
        (
            Wait::For(Cause::NoName(Box::new(NamesTaken {
                pool: pool("desk"),
                scope: "repo:o/r".parse().unwrap(),
                holders: vec![Holder::Registration("desk-1".to_owned(), Presence::Online)],
                cleans: true,
            }))),
            "stop what runs as desk-1",
        ),
        (Wait::For(Cause::NoPlace), "in the pool's scopes"),
        (unmet(Remedy::Group("big".to_owned())), "runner_group big and the scope org:o"),
        (
            unmet(Remedy::EnterpriseGroup("big".to_owned())),
            "runner_group big, the scope enterprise:SLUG and min_idle",
        ),
        (
            unmet(Remedy::LabelsInGroup("big".to_owned(), ScopeKind::Org)),
            "labels self-hosted, runner_group big and the scope org:o (mayfly pool create)",
        ),
        (
            unmet(Remedy::LabelsInGroup("big".to_owned(), ScopeKind::Enterprise)),
            "labels self-hosted, runner_group big, the scope enterprise:SLUG and min_idle",
        ),
        (
            unmet(Remedy::AnyGroup),
            "make a pool with the scope org:o and the runner_group that runs-on names",
        ),
        (unmet(Remedy::NameLabels), "name labels in runs-on"),
    ];
    for (wait, words) in rows {
        let mut seen = seen(Some(wait));
        let of = PoolSeen { image: "theirs:1".to_owned(), ..PoolSeen::default() };
        seen.pools.insert(pool("ci"), of);
        let hint = reasons(&seen)[0].hint.clone().unwrap();
        assert!(hint.contains(words), "{hint}");
        assert!(!hint.contains("NAME") && !hint.contains("doctor image"), "{hint}");
    }
}

#[test]
fn nobody_is_advised_to_install_webhooks_that_work() {
    let mut limited = seen(Some(Wait::Hosted));
    limited.github.discovery_waits = Some("until then".to_owned());
    let elsewhere = Arc::new(BTreeMap::from([(repo(), RepoFact::NoJobs)]));
    let elsewhere = Snapshot { repositories: elsewhere, ..Snapshot::default() };
    for seen in [seen(None), limited, elsewhere] {
        let hints = |webhooks: bool| {
            let seen = Snapshot { webhooks, ..seen.clone() };
            let hints = reasons(&seen).into_iter().filter_map(|reason| reason.hint);
            hints.collect::<Vec<_>>().join("; ")
        };
        let advised = |hints: &str| {
            ["webhook install", "webhooks need next to none"]
                .iter()
                .any(|words| hints.contains(words))
        };
        assert!(advised(&hints(false)) && !advised(&hints(true)), "{}", hints(true));
    }
}

#[test]
fn where_runners_fail_the_hint_names_what_failed() {
    let place = |pool: PoolName| -> Place { (pool, "repo:o/r".parse().unwrap()) };
    let name = RunnerName::parse("r9").unwrap();
    let rows = [
        (Failed::Runner(name), "mayfly runner logs r9"),
        (Failed::Registration, "GitHub does not register runners of pool manual in repo:o/r"),
        (Failed::GitHub, "it is tried again by itself; githubstatus.com"),
        (Failed::Container, "the container never ran"),
    ];
    for (what, words) in rows {
        let manual = place(PoolName::manual());
        let mut seen = seen(Some(Wait::For(Cause::HeldBack(manual.clone(), at(99)))));
        // Another pool in the same place is another matter.
        let other = streak(Failed::Container, "not this");
        seen.failures.insert(place(PoolName::default_pool()), other);
        seen.failures.insert(manual, streak(what, "it broke"));
        let reason = reasons(&seen).remove(0);
        assert!(reason.what.ends_with(": it broke"), "{}", reason.what);
        assert!(reason.hint.unwrap().starts_with(words));
    }
}

#[test]
fn a_command_that_is_not_in_the_image_is_what_to_correct() {
    let why = "the runner cannot be started: OCI runtime create failed: exec: \"/nope\": stat /nope: no such file or directory";
    let rows = [
        (PoolName::default_pool(), "correct RUNNER_COMMAND: the image has no such program;"),
        (
            PoolName::parse("ci").unwrap(),
            "correct the command of pool ci (mayfly pool show ci): the image has no such program;",
        ),
    ];
    for (pool, start) in rows {
        let place: Place = (pool, "repo:o/r".parse().unwrap());
        let mut seen = seen(Some(Wait::For(Cause::HeldBack(place.clone(), at(99)))));
        seen.failures.insert(place, streak(Failed::Container, why));
        let hint = reasons(&seen).remove(0).hint.unwrap();
        assert!(hint.starts_with(start) && !hint.contains("doctor"), "{hint}");
    }
}

#[test]
fn moments_are_told_in_whole_seconds() {
    let place: Place = (PoolName::default_pool(), "repo:o/r".parse().unwrap());
    let until: jiff::Timestamp = "2026-01-02T03:04:05.678901234Z".parse().unwrap();
    let held = seen(Some(Wait::For(Cause::HeldBack(place, until))));
    let what = &reasons(&held)[0].what;
    assert!(what.ends_with("the next is started at 2026-01-02T03:04:05Z"), "{what}");
    let mut unseen = seen(None);
    unseen.github.next_check = Some(until);
    let told = reasons(&unseen);
    let words = "(next look at 2026-01-02T03:04:05Z)";
    assert!(told.iter().any(|reason| reason.what.contains(words)), "{told:?}");
}

#[test]
fn between_two_attempts_the_last_failure_is_named() {
    let mut seen = seen(Some(Wait::Runner(RunnerName::parse("r1").unwrap())));
    assert!(reasons(&seen).is_empty(), "it should start any moment");
    for (scope, why, second) in [("repo:o/other", "not this", 95), ("org:o", "it broke", 89)] {
        let place = (PoolName::default_pool(), scope.parse().unwrap());
        let failed = Streak { failed_at: at(second), ..streak(Failed::GitHub, why) };
        seen.failures.insert(place, failed);
    }
    let reason = reasons(&seen).remove(0);
    assert_eq!(reason.code, "held_back");
    assert!(reason.what.ends_with(": it broke") && reason.hint.is_some(), "{}", reason.what);
    // The last one, even where an earlier one has the longer wait.
    let place = (PoolName::default_pool(), "repo:o/r".parse().unwrap());
    let earlier = Streak { failed_at: at(80), until: at(999), ..streak(Failed::GitHub, "before") };
    seen.failures.insert(place, earlier);
    let reason = reasons(&seen).remove(0);
    assert!(reason.what.ends_with(": it broke"), "{}", reason.what);
}

#[test]
fn a_runner_that_is_being_made_is_told_by_its_name_until_it_is_there() {
    let name = RunnerName::parse("r1").unwrap();
    let other = RunnerName::parse("r2").unwrap();
    let mut seen = seen(Some(Wait::Runner(name.clone())));
    seen.being_made = [other].into();
    assert_eq!(reasons(&seen), [], "another one");
    seen.being_made.insert(name);
    let told = reasons(&seen);
    assert_eq!((told.len(), told[0].code.as_str()), (1, "starting"));
    assert!(told[0].what.starts_with("runner r1 is being started for it: "), "{told:?}");
    // An earlier failure of its place says less.
    let place = (PoolName::default_pool(), "repo:o/r".parse().unwrap());
    seen.failures.insert(place, streak(Failed::Container, "why"));
    assert_eq!(reasons(&seen), told);
    seen.runners = vec![runner("o/r", ScopeKind::Repo, RunnerState::Starting)];
    assert!(reasons(&seen)[0].what.contains("is not online yet"));
}

#[test]
fn only_a_runner_that_is_starting_is_said_to_start() {
    let words = |state| {
        let mut seen = seen(Some(Wait::Runner(RunnerName::parse("r1").unwrap())));
        let reason = Some("its job's result was Succeeded".to_owned());
        seen.runners = vec![Runner { reason, ..runner("o/r", ScopeKind::Repo, state) }];
        let reason = reasons(&seen).remove(0);
        (reason.code, reason.what)
    };
    for (state, name) in [
        (RunnerState::Busy, "busy"),
        (RunnerState::Draining, "draining"),
        (RunnerState::Finished, "finished"),
        (RunnerState::Failed, "failed"),
    ] {
        let what = format!(
            "runner r1, which was started for it, is {name} (its job's result was Succeeded): the next pass shows whether it had this job"
        );
        assert_eq!(words(state), ("about_to_start".to_owned(), what));
    }
    assert_eq!(words(RunnerState::Starting).0, "starting");
    assert_eq!(words(RunnerState::Idle).0, "about_to_start");
}

#[test]
fn a_runner_that_does_not_come_online_is_told_with_its_age_its_limit_and_those_before_it() {
    let mut seen = seen(Some(Wait::Runner(RunnerName::parse("r1").unwrap())));
    seen.runners = vec![runner("o/r", ScopeKind::Repo, RunnerState::Starting)];
    let timeout = jiff::SignedDuration::from_secs(300);
    let of = PoolSeen { registration_timeout: timeout, ..PoolSeen::default() };
    seen.pools.insert(PoolName::default_pool(), of);
    let first = reasons(&seen).remove(0);
    let words =
        "runner r1 is starting for it since 75 s, of 300 s that it may take: it is not online yet";
    assert_eq!((first.what.as_str(), first.hint), (words, None));
    for created_at in [at(75), at(80)] {
        let mut young = seen.clone();
        young.runners[0].created_at = created_at;
        let what = reasons(&young).remove(0).what;
        assert!(what.contains("since 0 s"), "{what}");
    }
    let name = RunnerName::parse("r0").unwrap();
    let place = (PoolName::default_pool(), "repo:o/r".parse().unwrap());
    seen.failures.insert(place, streak(Failed::Runner(name), "it was late"));
    let next = reasons(&seen).remove(0);
    assert!(next.what.ends_with("; 2 before it failed in a row, the last because it was late"));
    assert!(next.hint.unwrap().contains("mayfly runner logs r0"));
}

#[test]
fn a_limit_and_a_refused_credential_are_two_things() {
    let codes = |seen: &Snapshot| -> Vec<String> {
        reasons(seen).into_iter().map(|reason| reason.code).collect()
    };
    let hosted = reasons(&seen(Some(Wait::Hosted))).remove(0).hint;
    let needs = "with self-hosted among its labels it would be for a runner from here";
    assert_eq!(hosted.as_deref(), Some(needs));
    let mut refused = seen(Some(Wait::Hosted));
    refused.report.github_error = Some("401 Bad credentials".to_owned());
    refused.github.discovery_waits = Some("until then".to_owned());
    assert_eq!(codes(&refused), ["hosted", "github"]);
    let mut limited = seen(Some(Wait::Hosted));
    limited.report.github_error = Some("rate limit exceeded".to_owned());
    limited.report.waiting = Some("o/r: jobs cannot be read: rate limit exceeded".to_owned());
    assert_eq!(codes(&limited), ["hosted", "rate_limit"]);
    // That some requests wait does not mend what GitHub refuses.
    limited.report.github_error = Some("401 Bad credentials".to_owned());
    assert_eq!(codes(&limited), ["hosted", "github"]);
    // More requests an hour are no more a minute.
    let hint = |why: &str, webhooks| {
        let mut waits = Snapshot { webhooks, ..seen(Some(Wait::Hosted)) };
        waits.github.discovery_waits = Some(format!("until 10:00: token: {why}"));
        reasons(&waits).remove(1).hint.unwrap()
    };
    for webhooks in [false, true] {
        for why in [MINUTE_SPENT, ASKED_FOR_QUIET] {
            let told = hint(why, webhooks);
            assert!(told.contains("RUNNER_CHECK_INTERVAL") && !told.contains("App"), "{told}");
            assert_eq!(told.contains("webhooks"), !webhooks, "{told}");
        }
        let told = hint("0 of 5000 core requests of this hour are left", webhooks);
        assert!(told.contains("an hour") && !told.contains("INTERVAL"), "{told}");
    }
    // A webhook does not help a repository that is not served.
    let fact = RepoFact::Refused("it is public".to_owned());
    let repositories = Arc::new(BTreeMap::from([(repo(), fact)]));
    let excluded = Snapshot { repositories, ..Snapshot::default() };
    assert_eq!(codes(&excluded), ["repository_refused"]);
}

#[test]
fn a_queued_job_of_a_repository_that_is_not_served_is_shown_as_such_and_does_not_wait() {
    let refused = || RepoFact::Refused("it is public".to_owned());
    let left = Row { left_at: Some(at(5)), ..row() };
    let running = Row { status: JobStatus::InProgress, ..row() };
    let other = || RepoSlug::parse("o/other").unwrap();
    // What is known of which repository; whether the job waits, why it is not served, and the first reason that it waits.
    let rows = [
        (Some((repo(), refused())), row(), false, Some("it is public"), "repository_refused"),
        (
            Some((repo(), refused())),
            left.clone(),
            false,
            Some("it is public"),
            "repository_refused",
        ),
        (Some((repo(), refused())), running, false, None, "in_progress"),
        (
            Some((other(), refused())),
            row(),
            false,
            Some("discovery does not find it"),
            "repository_unknown",
        ),
        (Some((repo(), RepoFact::Asked)), row(), true, None, "not_seen_yet"),
        (Some((repo(), RepoFact::NoJobs)), row(), true, None, "no_self_hosted_job"),
        (Some((repo(), RepoFact::Asked)), left, false, None, "left_the_queue"),
        (None, row(), true, None, "cold"),
    ];
    for (fact, row, waits, why, code) in rows {
        let repositories = Arc::new(fact.clone().into_iter().collect::<BTreeMap<_, _>>());
        let shown = shown(&row, &repositories);
        assert_eq!((shown.waiting, shown.not_served.as_deref()), (waits, why), "{fact:?}");
        let snapshot = Snapshot { repositories, ..Snapshot::default() };
        assert_eq!(told(&snapshot, Some(&row), |_| ()).0, code, "{fact:?}");
    }
}

#[test]
fn no_pool_is_advised_that_would_be_refused() {
    let long = "x".repeat(257);
    let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let rows: [(&[&str], &str); 6] = [
        (&["self-hosted", "runner=2cpu-linux-x64"], "mayfly pool create"),
        (&["amazon linux 2"], "mayfly pool create"),
        (&["a,b"], "from a file (mayfly pool apply)"),
        (&[&long], "no pool can offer"),
        (&["a\nb"], "no pool can offer"),
        (&many, "no pool can offer"),
    ];
    for (labels, words) in rows {
        let row = Row { labels: LabelSet::requested(labels), ..row() };
        let hint = remedy::pool_with(&row.labels, "");
        assert!(hint.contains(words), "{labels:?}: {hint}");
        let offered: Result<LabelSet, _> = row
            .labels
            .iter()
            .map(|label| mayfly_common::label::Label::parse(label.as_str()))
            .collect();
        let can = offered.is_ok_and(|labels| (1..=100).contains(&labels.len()));
        assert_eq!(can, hint.contains("mayfly pool"), "{labels:?}");
    }
}
