use std::collections::BTreeMap;
use std::sync::Arc;

use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::ScopeKind;

use super::*;
use crate::reconcile::handle::PoolSeen;

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
        started_at: None,
        completed_at: None,
        runner: None,
        pool: None,
        told_at: None,
        left_at: None,
        seen_at: at(0),
    }
}

fn runner(scope: &str, scope_kind: ScopeKind, state: RunnerState) -> Runner {
    Runner {
        id: "r1".to_owned(),
        name: "r1".to_owned(),
        pool: "default".to_owned(),
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
        ("no_pool", Wait::Unmet("no runner here has the label gpu".to_owned()), "gpu"),
        ("hosted", Wait::Hosted, "GitHub's own machines"),
        ("cap", Wait::For(Cause::Cap(Cap::Runners(1))), "(MAX_RUNNERS): o/r has 1 (1 idle)"),
        ("cap", Wait::For(Cause::Cap(Cap::Pool(pool(), 3))), "all 3 runners of pool ci"),
        ("paused", Wait::For(Cause::Paused(pool())), "pool ci is paused"),
        ("image", Wait::For(Cause::Image("i".to_owned())), "image i cannot be used: denied"),
        ("held_back", Wait::For(Cause::HeldBack(scope(), at(99))), "(until then: it ended)"),
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
        seen.held_back.insert("repo:o/r".to_owned(), "until then: it ended".to_owned());
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
        runner: RunnerName::parse("r1").unwrap(),
        scope: scope.parse().unwrap(),
        group: Some("ci".to_owned()),
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
    let held = |scope| explained(&seen(Some(Wait::For(Cause::NotAssigned(failed(scope))))));
    let (repo, org) = (held("repo:o/r"), held("org:o"));
    assert_eq!((repo[0].code.as_str(), org[0].code.as_str()), ("bound", "group"));
    let group = "its runner group \"ci\" excludes o/r";
    assert!(org[0].what.contains(group) && !repo[0].what.contains(group), "{}", org[0].what);
    assert!(
        org[0].what.contains("runner r1 of org:o") && org[0].what.contains(&at(420).to_string())
    );
    // The next one is on its way: that comes first, and the earlier one after it.
    let mut trying = seen(Some(Wait::Runner(RunnerName::parse("r1").unwrap())));
    trying.runners = vec![runner("o", ScopeKind::Org, RunnerState::Starting)];
    trying.not_assigned.insert(7, failed("org:o"));
    let reasons = explained(&trying);
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["starting", "group"]);
}

#[test]
fn a_job_that_waits_for_room_is_told_of_runners_that_are_idle() {
    let mut seen = seen(Some(Wait::For(Cause::Cap(Cap::Runners(1)))));
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
}

#[test]
fn what_holds_for_all_comes_first() {
    let wait = || Some(Wait::Unmet("no label".to_owned()));
    let blind = Snapshot { blind: Some("Docker cannot be reached".to_owned()), ..seen(wait()) };
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
    assert_eq!(told(&Snapshot::default(), None, |_| {}).0, "cold");
    assert_eq!(told(&Snapshot::default(), None, |facts| facts.repo = None).0, "unknown_job");
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
