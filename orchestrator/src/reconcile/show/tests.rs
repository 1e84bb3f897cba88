//! What a pass tells: to the report, to those who look, to the metrics, to the history.

use mayfly_common::label::LabelSet;
use mayfly_common::machine::{Exit, Phase};
use mayfly_common::name::RunnerName;
use mayfly_common::registration::RunnerId;
use mayfly_common::scope::ScopeKind;

use super::super::outcome::{ActionError, Outcome};
use super::super::testing::{
    Bench, at, deregister, launch, machine, name, pool, pull, reference, retire, scope,
};
use super::*;
use mayfly_common::api::EventKind;
use mayfly_common::runner::RunnerState;
use mayfly_planner::backoff::Failed;
use mayfly_planner::lifecycle::Failure;
use mayfly_planner::pool_choice::Remedy;
use mayfly_planner::{Action, Cause, Listing, Memory, Observed, Waiting};

fn slug(text: &str) -> RepoSlug {
    RepoSlug::parse(text).unwrap()
}

fn job(id: i64, repo: &str) -> QueuedJob {
    QueuedJob {
        id,
        repo: slug(repo),
        name: format!("job {id}"),
        labels: LabelSet::requested(["self-hosted"]),
        labels_unread: false,
        queued_at: at(0),
    }
}

fn in_vain(place: &str) -> NotAssigned {
    NotAssigned {
        how: How::Idle,
        runner: name("r-1"),
        scope: scope(place),
        group: Some("big".to_owned()),
        failures: 1,
        until: at(300),
    }
}

#[test]
fn each_waiting_job_stands_as_the_plan_has_it() {
    let unmet = Unmet { job: job(1, "o/a"), why: "nobody".to_owned(), remedy: Remedy::Labels };
    let planned = Plan {
        unmet: vec![unmet.clone()],
        waiting: vec![Waiting { job: 2, pool: None, cause: Cause::Draining }],
        expected: BTreeMap::from([(3, name("r-3"))]),
        hosted: BTreeSet::from([4]),
        not_assigned: vec![Unassigned { job: job(5, "o/a"), failed: in_vain("org:o") }],
        ..Plan::default()
    };
    let expected = BTreeMap::from([
        (1, Wait::Unmet("nobody".to_owned(), Remedy::Labels)),
        (2, Wait::For(Cause::Draining)),
        (3, Wait::Runner(name("r-3"))),
        (4, Wait::Hosted),
    ]);
    assert_eq!(waits(&planned), expected);
    assert_eq!(by_job(&planned), BTreeMap::from([(5, in_vain("org:o"))]));
    let told = UnmetJob {
        job_id: 1,
        repository: "o/a".to_owned(),
        job: "job 1".to_owned(),
        reason: "nobody".to_owned(),
    };
    assert_eq!(super::unmet(&unmet), told);
}

#[test]
fn jobs_that_are_not_assigned_are_one_problem_for_each_repository_and_place() {
    let of =
        |id, repo: &str, place: &str| Unassigned { job: job(id, repo), failed: in_vain(place) };
    let planned = Plan {
        not_assigned: vec![
            of(1, "o/a", "org:o"),
            of(2, "o/a", "org:o"),
            of(3, "o/a", "repo:o/a"),
            of(4, "o/b", "org:o"),
        ],
        ..Plan::default()
    };
    let bound = "the job is bound to a runner that no longer exists";
    let group = |repo: &str| {
        format!(
            "its runner group \"big\" excludes {repo}, the workflow's runs-on names another group, or {bound}"
        )
    };
    let expected = [
        format!(
            "o/a: GitHub does not assign job 1 (\"job 1\") to idle runners of org:o. Likely causes: {}.",
            group("o/a")
        ),
        format!(
            "o/a: GitHub does not assign job 3 (\"job 3\") to idle runners of repo:o/a. Likely causes: {bound}, or the runner does not listen."
        ),
        format!(
            "o/b: GitHub does not assign job 4 (\"job 4\") to idle runners of org:o. Likely causes: {}.",
            group("o/b")
        ),
    ];
    assert_eq!(not_assigned(&planned), expected);
}

#[test]
fn a_runner_is_shown_in_every_field() {
    let verdict = |id| Verdict {
        name: name("r-1"),
        state: RunnerState::Busy,
        why: "it runs a job".to_owned(),
        failure: None,
        id,
        is_supply: false,
    };
    let shown = Runner {
        id: "r-1".to_owned(),
        name: "r-1".to_owned(),
        pool: "ci".to_owned(),
        backend: "docker".to_owned(),
        scope: ScopeKind::Org,
        scope_name: "octo-org".to_owned(),
        labels: vec!["gpu".to_owned(), "self-hosted".to_owned()],
        state: RunnerState::Busy,
        reason: Some("it runs a job".to_owned()),
        container_id: Some("container-r-1".to_owned()),
        image: "img:1".to_owned(),
        github_runner_id: Some(9),
        created_at: at(-100),
        deadline: at(1_000),
    };
    assert_eq!(runner(&machine("r-1"), &verdict(Some(RunnerId(9)))), shown);
    // What it was made with counts where GitHub does not list it.
    let unlisted = Runner { github_runner_id: Some(7), ..shown };
    assert_eq!(runner(&machine("r-1"), &verdict(None)), unlisted);
}

#[test]
fn trouble_is_told_by_whom_it_concerns() {
    let until = at(60);
    let limited = || GitHubError::RateLimited { until, why: "quiet".to_owned() };
    let put_off = || GitHubError::PutOff { until, why: "kept".to_owned() };
    let forbidden = || GitHubError::Forbidden("no".to_owned());
    let mut report = PassReport::default();
    trouble_at(&mut report, "octo-org", "first", &forbidden());
    trouble_at(&mut report, "octo-org", "second", &forbidden());
    trouble_at(&mut report, "other", "third", &put_off());
    trouble_at(&mut report, "other", "fourth", &limited());
    trouble(&mut report, "fifth", &GitHubError::Server(502));
    trouble(&mut report, "sixth", &forbidden());
    let expected = PassReport {
        github_error: Some(limited().to_string()),
        github_accounts: BTreeMap::from([(
            "octo-org".to_owned(),
            "first: GitHub forbids this (403): no".to_owned(),
        )]),
        // Why GitHub says nothing, rather than why it was not asked: `explain` needs to know that the error is a limit.
        waiting: Some(format!("fourth: {}", limited())),
        problems: vec![
            "first: GitHub forbids this (403): no".to_owned(),
            "second: GitHub forbids this (403): no".to_owned(),
            "fifth: GitHub has trouble (502)".to_owned(),
            "sixth: GitHub forbids this (403): no".to_owned(),
        ],
        ..PassReport::default()
    };
    assert_eq!(report, expected);
    // Twenty accounts are named, and no more.
    let mut report = PassReport::default();
    for number in 0..25 {
        trouble_at(&mut report, &format!("a{number}"), "x", &forbidden());
    }
    assert_eq!((report.github_accounts.len(), report.problems.len()), (20, 25));
}

fn remove(runner: &str, ended: RunnerState, failure: Option<Failure>, holds_back: bool) -> Action {
    Action::Remove {
        machine: reference(runner),
        pool: pool("ci"),
        scope: scope("org:octo-org"),
        id: None,
        if_busy: mayfly_planner::IfBusy::Keep,
        state: ended,
        why: format!("{runner} is over"),
        failure,
        holds_back,
        request: None,
    }
}

fn start(runner: &str) -> Action {
    Action::Start {
        machine: reference(runner),
        pool: pool("ci"),
        scope: scope("org:octo-org"),
        id: None,
        why: "why".to_owned(),
    }
}

fn refused() -> Outcome {
    let error = BackendError::Refused { title: "Docker", what: "act", reason: "why".to_owned() };
    Outcome::Failed(error.into())
}

/// The report of these outcomes, and what then holds the place back: the failures in a row, why, and what failed.
async fn settled(
    bench: &Bench,
    outcomes: &[(Action, Outcome)],
) -> (PassReport, Option<(u32, String, Failed)>) {
    let mut report = PassReport::default();
    let mut state = bench.reconciler.state.lock().await;
    bench.reconciler.settle(&mut state, outcomes, &mut report);
    let place = (pool("ci"), scope("org:octo-org"));
    let streak = state.backoff.streaks().get(&place).cloned();
    (report, streak.map(|streak| (streak.failures, streak.reason, streak.what)))
}

#[tokio::test]
async fn what_was_done_is_counted_by_what_it_was() {
    let bench = Bench::new();
    let outcomes = [
        (Action::Launch(launch("aa", None)), Outcome::Done),
        (Action::Launch(launch("bb", None)), Outcome::Done),
        (start("cc"), Outcome::Done),
        (remove("dd", RunnerState::Finished, None, false), Outcome::Done),
        (remove("ee", RunnerState::Gone, None, false), Outcome::Done),
        (retire("ff", None), Outcome::Done),
        (deregister("gg"), Outcome::Done),
        (deregister("hh"), Outcome::Done),
        (retire("ii", None), Outcome::Kept),
        (pull("j"), Outcome::Done),
    ];
    let (report, streak) = settled(&bench, &outcomes).await;
    let expected = PassReport { launched: 2, removed: 3, deregistered: 3, ..PassReport::default() };
    assert_eq!((report, streak), (expected, None));
    let count = |labels: &str| bench.sample(&format!("mayfly_actions_total{{{labels}}}"));
    let rows = [
        ("launch", "done", "2"),
        ("start", "done", "1"),
        ("remove", "done", "2"),
        ("retire", "done", "1"),
        ("retire", "kept", "1"),
        ("deregister", "done", "2"),
        ("pull_image", "done", "1"),
    ];
    for (action, outcome, times) in rows {
        let found = count(&format!("action=\"{action}\",outcome=\"{outcome}\""));
        assert_eq!(found.as_deref(), Some(times), "{action} {outcome}");
    }
    let orphans = bench.sample("mayfly_orphans_removed_total{kind=\"registration\"}");
    assert_eq!(orphans.as_deref(), Some("2"));
    assert_eq!(bench.sample("mayfly_pass_errors_total{kind=\"action\"}").as_deref(), Some("0"));
    let mut state = bench.reconciler.state.lock().await;
    state.told.journal.write(bench.handle.store()).await.unwrap();
    let events = bench.handle.store().events(Some(0), 10).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.kind, event.runner.as_deref())).collect();
    let started = |runner| (EventKind::RunnerStarted, Some(runner));
    assert_eq!(told, [started("aa"), started("bb")]);
    assert_eq!(state.told.put_off.keys().collect::<Vec<_>>(), ["ii"]);
}

#[tokio::test]
async fn what_failed_is_a_problem_and_holds_its_place_back_where_a_start_failed() {
    let failed = "org:octo-org: runner not started: Docker refused to act: why".to_owned();
    let why = "Docker refused to act: why".to_owned();
    let no_start = |failure| remove("aa", RunnerState::Failed, Some(failure), true);
    let last = |what| Some((1, "aa is over".to_owned(), what));
    let timeout = Failure::RegistrationTimeout(SignedDuration::from_secs(5));
    let rows = [
        (
            (Action::Launch(launch("aa", None)), refused()),
            vec![failed.clone()],
            Some((1, why.clone(), Failed::Container)),
        ),
        (
            (
                Action::Launch(launch("aa", None)),
                Outcome::Failed(GitHubError::Forbidden("no".to_owned()).into()),
            ),
            vec!["org:octo-org: runner not started: GitHub forbids this (403): no".to_owned()],
            Some((1, "GitHub forbids this (403): no".to_owned(), Failed::Registration)),
        ),
        ((start("aa"), refused()), vec![failed], Some((1, why, Failed::Container))),
        (
            (retire("aa", None), refused()),
            vec!["could not retire runner aa: aa is surplus: Docker refused to act: why".to_owned()],
            None,
        ),
        (
            (deregister("aa"), refused()),
            vec![
                "could not delete registration aa of org:octo-org: it has no machine: Docker refused to act: why"
                    .to_owned(),
            ],
            None,
        ),
        ((no_start(timeout), Outcome::Done), vec![], last(Failed::Runner(name("aa")))),
        ((no_start(Failure::NeverStarted), Outcome::Done), vec![], last(Failed::Container)),
        (
            (remove("aa", RunnerState::Failed, Some(Failure::LostConnection), false), Outcome::Done),
            vec![],
            None,
        ),
        (
            (start("aa"), Outcome::Failed(ActionError::BrokeOff)),
            vec!["org:octo-org: runner not started: it broke off; the log says where".to_owned()],
            Some((1, "it broke off; the log says where".to_owned(), Failed::Container)),
        ),
    ];
    for (outcome, problems, expected) in rows {
        let bench = Bench::new();
        let what = format!("{outcome:?}");
        let errors = matches!(outcome.1, Outcome::Failed(_));
        let (report, streak) = settled(&bench, &[outcome]).await;
        assert_eq!((report.problems, streak), (problems, expected), "{what}");
        let count = bench.sample("mayfly_pass_errors_total{kind=\"action\"}");
        assert_eq!(count, Some(u32::from(errors).to_string()), "{what}");
    }
}

#[tokio::test]
async fn a_runner_that_did_its_job_ends_the_streak_and_failures_are_counted_by_kind() {
    let bench = Bench::new();
    let failure = Failure::RegistrationGone;
    settled(&bench, &[(remove("aa", RunnerState::Failed, Some(failure), true), Outcome::Done)])
        .await;
    let kind = "mayfly_runner_failures_total{pool=\"ci\",reason=\"registration_gone\"}";
    assert_eq!(bench.sample(kind).as_deref(), Some("1"));
    let (_, streak) =
        settled(&bench, &[(remove("bb", RunnerState::Gone, None, true), Outcome::Done)]).await;
    assert!(streak.is_some(), "that nobody needed one proves nothing");
    let finished = || (remove("cc", RunnerState::Finished, None, true), Outcome::Done);
    let look = async |working_for: BTreeMap<RunnerName, RepoSlug>| {
        let mut state = bench.reconciler.state.lock().await;
        let policy = bench.reconciler.policy(&mut state, "inst", at(0));
        let exit = Exit { code: 0, out_of_memory: false, log_tail: String::new() };
        let ended = Machine { phase: Phase::Exited(exit), ..machine("cc") };
        let registrations = BTreeMap::from([(ended.scope.clone(), Listing::Known(Vec::new()))]);
        let mut memory = Memory::default();
        memory.launched(&name("cc"), None, at(0));
        let machines = vec![ended];
        let seen = Observed { machines, registrations, working_for, memory, ..Observed::default() };
        state.memory = seen.remember(&policy, at(0)).memory;
    };
    look(BTreeMap::new()).await;
    let (_, streak) = settled(&bench, &[finished()]).await;
    assert!(streak.is_some(), "nor does one of whose job nobody knows");
    look(BTreeMap::from([(name("cc"), slug("octo-org/app"))])).await;
    let (_, streak) = settled(&bench, &[finished()]).await;
    assert_eq!(streak, None);
}

#[tokio::test]
async fn that_github_puts_an_end_off_is_remembered_for_an_hour() {
    let bench = Bench::new();
    settled(&bench, &[(retire("aa", None), Outcome::Kept)]).await;
    for (second, known) in [(3_599, true), (3_600, false)] {
        bench.set(second);
        settled(&bench, &[]).await;
        assert_eq!(
            bench.reconciler.state.lock().await.told.put_off.len(),
            usize::from(known),
            "{second}"
        );
    }
}

#[tokio::test]
async fn a_pass_that_saw_nothing_leaves_what_was_seen_and_is_repeated_in_five_seconds() {
    let bench = Bench::new();
    bench.reconciler.snapshot.send_modify(|snapshot| {
        snapshot.installation = "inst".to_owned();
        snapshot.waits = BTreeMap::from([(4, Wait::Hosted)]);
        snapshot.not_assigned = BTreeMap::from([(5, in_vain("org:o"))]);
        snapshot.pools = BTreeMap::from([(pool("ci"), PoolSeen::default())]);
        let verdict = Verdict {
            name: name("r-1"),
            state: RunnerState::Idle,
            why: "why".to_owned(),
            failure: None,
            id: None,
            is_supply: true,
        };
        snapshot.runners = vec![runner(&machine("r-1"), &verdict)];
    });
    bench.set(7);
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    let request = (RequestId(1), Request::Uninstall { reply });
    let error = BackendError::unreachable("Docker", "no engine");
    let before = bench.handle.snapshot();
    let report = {
        let mut state = bench.reconciler.state.lock().await;
        let report = PassReport { started_at: Some(at(5)), ..PassReport::default() };
        bench.reconciler.give_up(&mut state, report, vec![request], &error).await
    };
    let why = "Docker cannot be reached: no engine";
    assert_eq!((report.problems.as_slice(), report.duration_ms), (&[why.to_owned()][..], 2_000));
    let after = bench.handle.snapshot();
    assert_eq!(after.blind.map(|blind| blind.why).as_deref(), Some(why));
    assert_eq!(after.report, report);
    assert_eq!(
        (after.installation, after.runners, after.waits, after.not_assigned, after.pools),
        (before.installation, before.runners, before.waits, before.not_assigned, before.pools)
    );
    let refusal = answer.try_recv().unwrap().unwrap_err();
    assert!(matches!(&refusal, RequestError::Unavailable(said) if said == why), "{refusal:?}");
    assert_eq!(bench.sample("mayfly_pass_errors_total{kind=\"docker\"}").as_deref(), Some("1"));
    assert_eq!(bench.reconciler.next_pass().await, at(12));
}

#[tokio::test]
async fn a_pool_is_shown_as_it_was_planned() {
    let bench = Bench::with(&[("DIND_ENABLED", "true"), ("DIND_IMAGE", "dind:1")]);
    let spec = serde_json::json!({
        "name": "ci", "image": "img:1", "docker": "dind", "registration_timeout": 77, "pull_policy": "never"
    });
    let spec = mayfly_common::pool::PoolSpec::from_json(&spec, "").unwrap();
    bench.handle.book().create(spec, at(3)).await.unwrap();
    bench.handle.book().rotate(&pool("ci"), at(4)).await.unwrap();
    let planned = Plan {
        pending: BTreeMap::from([(pool("ci"), 3)]),
        short: BTreeMap::from([(pool("ci"), Cause::NoPlace)]),
        ..Plan::default()
    };
    let seen = bench.reconciler.pools_seen(&planned);
    let ci = PoolSeen {
        image: "img:1".to_owned(),
        engine_image: Some("dind:1".to_owned()),
        image_state: "not looked for yet; image dind:1: not looked for yet".to_owned(),
        queued_jobs: 3,
        short: Some(Cause::NoPlace.to_string()),
        registration_timeout: SignedDuration::from_secs(77),
    };
    let default = PoolSeen {
        image: "runner:test".to_owned(),
        image_state: "not looked for yet".to_owned(),
        registration_timeout: SignedDuration::from_secs(300),
        ..PoolSeen::default()
    };
    assert_eq!(seen, BTreeMap::from([(pool("ci"), ci), (PoolName::default_pool(), default)]));
    let mark = |revision, rotate_before| Mark { revision, rotate_before };
    let marks = BTreeMap::from([
        ("ci".to_owned(), mark(at(3).as_microsecond(), Some(at(4)))),
        ("default".to_owned(), mark(0, None)),
    ]);
    assert_eq!(bench.reconciler.marks(), marks);
}

#[tokio::test]
async fn only_what_was_away_is_said_to_be_back_and_once() {
    let bench = Bench::new();
    let (heard, _guard) = crate::heard::Heard::begin();
    let counts = || {
        ["The fake can be reached again", "GitHub answers again"]
            .map(|line| heard.lines(line).len())
    };
    bench.reconciler.pass().await;
    assert_eq!(counts(), [0, 0]);
    for round in 1..=2 {
        bench.backend.state().away = true;
        bench.reconciler.pass().await;
        bench.reconciler.pass().await;
        assert_eq!(counts(), [round - 1, 0]);
        bench.backend.state().away = false;
        bench.reconciler.pass().await;
        bench.reconciler.pass().await;
        assert_eq!(counts(), [round, 0]);
    }
    let error = Some("it has trouble".to_owned());
    bench.reconciler.snapshot.send_modify(|snapshot| snapshot.report.github_error = error);
    bench.reconciler.pass().await;
    bench.reconciler.pass().await;
    assert_eq!(counts(), [2, 1]);
}

#[tokio::test]
async fn a_github_that_cannot_be_reached_is_not_back_because_nobody_asks_it() {
    // Without automatic mode GitHub is asked now and then, and nobody listens where it would be.
    let bench = Bench::new();
    let (heard, _guard) = crate::heard::Heard::begin();
    bench.backend.state().machines.insert(name("r-1"), machine("r-1"));
    let first = bench.reconciler.pass().await.github_error;
    assert!(first.is_some());
    bench.backend.state().machines.clear();
    bench.set(1);
    for _ in 0..3 {
        let pass = bench.reconciler.pass().await;
        assert_eq!((pass.github_error.as_ref(), pass.problems.len()), (first.as_ref(), 0));
    }
    assert_eq!(heard.lines("GitHub answers again").len(), 0);
    let count = bench.sample("mayfly_pass_errors_total{kind=\"github\"}");
    assert_eq!(count.as_deref(), Some("1"), "the pass that asked");
}
