//! How what failed is told apart, and what is told of a runner that is gone.

use mayfly_common::scope::{RepoSlug, ScopeKind};
use mayfly_common::webhook::{EventJob, JobStatus};

use super::super::testing::{
    Bench, at, deregister, launch, machine, machine_with, pool, reference, retire, scope,
};
use super::*;

fn refused() -> ActionError {
    BackendError::Refused { what: "act", reason: "why".to_owned() }.into()
}

#[test]
fn what_failed_decides_where_people_look() {
    let of_github =
        [GitHubError::Server(502), GitHubError::Network("x".into()), GitHubError::TimedOut];
    let of_registration = [
        GitHubError::Unauthorized,
        GitHubError::Forbidden("x".into()),
        GitHubError::RateLimited { until: at(1), why: "x".into() },
        GitHubError::PutOff { until: at(1), why: "x".into() },
        GitHubError::NotInstalled("x".into()),
        GitHubError::NotFound,
        GitHubError::Conflict("x".into()),
        GitHubError::Invalid("x".into()),
        GitHubError::Malformed("x".into()),
    ];
    for error in of_github {
        assert_eq!(ActionError::from(error).what_failed(), Failed::GitHub);
    }
    for error in of_registration {
        let shown = error.to_string();
        assert_eq!(ActionError::from(error).what_failed(), Failed::Registration, "{shown}");
    }
    for error in [refused(), ActionError::PutOff] {
        assert_eq!(error.what_failed(), Failed::Container, "{error}");
    }
    let slow = "the Docker Engine is slow, and what is left to do waits for the next pass";
    assert_eq!(ActionError::PutOff.to_string(), slow);
    assert_eq!(refused().to_string(), "Docker refused to act: why");
}

#[test]
fn an_action_and_its_outcome_are_words_that_the_metrics_document() {
    let left = Outcome::Left(GitHubError::Server(500));
    let outcomes = [Outcome::Done, left, Outcome::Kept, Outcome::Runs, Outcome::Failed(refused())];
    let words = outcomes.map(|outcome| labels(&(deregister("x"), outcome)));
    let words = words.map(|labels| (labels.action, labels.outcome));
    let expected =
        ["done", "left", "kept", "runs", "failed"].map(|outcome| ("deregister", outcome));
    assert_eq!(words, expected);
    let docs = include_str!("../../../../docs/metrics.md");
    for (_, outcome) in expected {
        assert!(docs.contains(&format!("`{outcome}`")), "docs/metrics.md does not name {outcome}");
    }
}

fn start() -> Action {
    let (id, why) = (None, "why".to_owned());
    Action::Start {
        machine: reference("r-1"),
        pool: pool("ci"),
        scope: scope("org:octo-org"),
        id,
        why,
    }
}

fn remove(runner: &str) -> Action {
    Action::Remove {
        machine: reference(runner),
        pool: pool("ci"),
        scope: scope("org:octo-org"),
        id: None,
        if_busy: mayfly_planner::IfBusy::Keep,
        state: RunnerState::Failed,
        why: "why".to_owned(),
        failure: None,
        holds_back: false,
        request: None,
    }
}

#[test]
fn what_needs_the_engine_waits_for_a_slow_one() {
    let rows = [
        (Action::PullImage("i".to_owned()), false),
        (deregister("x"), false),
        (Action::Launch(launch("r-1", None)), true),
        (start(), true),
        (retire("r-1", None), true),
        (remove("r-1"), true),
    ];
    for (action, expected) in rows {
        assert_eq!(needs_engine(&action), expected, "{action}");
    }
}

#[test]
fn how_long_it_took_is_noted_by_pool_and_kind() {
    let bench = Bench::new();
    let seen = [machine_with("r-1", |identity| identity.pool = pool("gpu"))];
    let note = |action: &Action, seconds| {
        bench.reconciler.note_span(action, &seen, SignedDuration::from_secs(seconds));
    };
    note(&Action::Launch(launch("r-9", None)), 3);
    note(&retire("r-1", None), 5);
    note(&remove("r-1"), 7);
    note(&remove("r-2"), 11);
    for other in [Action::PullImage("i".to_owned()), start(), deregister("r-1")] {
        note(&other, 100);
    }
    let sum = |what: &str, pool: &str| {
        bench.sample(&format!("mayfly_runner_{what}_seconds_sum{{pool=\"{pool}\"}}"))
    };
    let some = |text: &str| Some(text.to_owned());
    let found = [sum("creation", "ci"), sum("removal", "gpu"), sum("removal", "none")];
    assert_eq!(found, [some("3.0"), some("12.0"), some("11.0")]);
    assert_eq!((sum("creation", "gpu"), sum("removal", "ci")), (None, None));
}

#[test]
fn a_runner_that_is_gone_is_told_of_in_every_field() {
    let bench = Bench::new();
    bench.set(50);
    let exit = Exit { code: 137, out_of_memory: true, log_tail: "words".to_owned() };
    let ended = Machine { phase: Phase::Exited(exit), ..machine("r-1") };
    let told = bench.reconciler.finished(&ended, RunnerState::Failed, "why\nso");
    let expected = Finished {
        name: "r-1".to_owned(),
        scope: ScopeKind::Org,
        scope_name: "octo-org".to_owned(),
        pool: "ci".to_owned(),
        image: "img:1".to_owned(),
        state: RunnerState::Failed,
        reason: message("why\nso"),
        exit_code: Some(137),
        out_of_memory: true,
        created_at: at(-100),
        removed_at: at(50),
        log: None,
    };
    assert_eq!(told, expected);
    assert!(!told.reason.contains('\n'));
    let running = bench.reconciler.finished(&machine("r-1"), RunnerState::Gone, "why");
    assert_eq!((running.exit_code, running.out_of_memory), (None, false));
}

#[tokio::test]
async fn a_runner_s_job_is_noted_where_it_says_which_or_how_that_ended() {
    let began = "2027-01-15 08:00:00Z: Running job: build\n";
    let ended = "2027-01-15 08:00:09Z: Job build completed with result: Failed\n";
    let exited = |log_tail: &str| {
        Phase::Exited(Exit { code: 1, out_of_memory: false, log_tail: log_tail.to_owned() })
    };
    let running = Phase::Running { working: Some(true) };
    let rows = [
        (running.clone(), began, true),
        (running, "words\n", false),
        (exited(began), "", true),
        (exited(ended), "", true),
        (exited("words\n"), "", false),
    ];
    let job = EventJob {
        id: 7,
        run_id: 1,
        name: "build".to_owned(),
        status: JobStatus::InProgress,
        conclusion: None,
        labels: vec!["self-hosted".to_owned()],
        labels_unread: false,
        created_at: Some(at(0)),
        started_at: Some(at(1)),
        completed_at: None,
        runner_name: Some("r-1".to_owned()),
    };
    for (phase, log, noted) in rows {
        let bench = Bench::new();
        let mut state = bench.reconciler.state.lock().await;
        state.ledger.told(&RepoSlug::parse("octo-org/app").unwrap(), &job, at(1));
        let ended = Machine { phase, ..machine("r-1") };
        note_job(&mut state, &ended, log, at(10));
        let row = state.ledger.row(7).unwrap();
        assert_eq!(row.pool.as_deref(), noted.then_some("ci"), "{log:?} {:?}", ended.phase);
    }
}

#[tokio::test]
async fn a_registration_that_github_does_not_delete_is_not_taken_for_deleted() {
    // Nobody listens where this GitHub would be.
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    let plan = Plan { actions: vec![deregister("x")], ..Plan::default() };
    let outcomes = bench.reconciler.execute(&mut state, &plan, &[]).await;
    let words: Vec<&str> = outcomes.iter().map(|(_, outcome)| outcome.as_str()).collect();
    assert_eq!(words, ["failed"]);
}
