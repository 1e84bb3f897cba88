//! How what failed is told apart, and what is told of a runner that is gone.

use mayfly_common::scope::ScopeKind;
use mayfly_planner::backoff::Failed;

use super::super::outcome::labels;
use super::super::testing::{
    Bench, at, deregister, launch, machine, machine_with, pool, pull, reference, retire, scope,
};
use super::*;

fn refused() -> ActionError {
    BackendError::Refused { title: "Docker", what: "act", reason: "why".to_owned() }.into()
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
    for error in [refused(), ActionError::BrokeOff] {
        assert_eq!(error.what_failed(), Failed::Container, "{error}");
    }
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

fn task(bench: &Bench, action: Action, seen: &Observed) -> Task {
    let mut state = bench.reconciler.state.try_lock().unwrap();
    let policy = bench.reconciler.policy(&mut state, "inst", at(0));
    Task::of(action, seen, &policy)
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
fn how_long_it_took_is_noted_by_pool_and_kind() {
    let bench = Bench::new();
    let gpu = machine_with("r-1", |identity| identity.pool = pool("gpu"));
    let seen = Observed { machines: vec![gpu], ..Observed::default() };
    let note = |action: &Action, seconds| {
        let task = task(&bench, action.clone(), &seen);
        bench.reconciler.actor.note_span(&task, SignedDuration::from_secs(seconds));
    };
    note(&Action::Launch(launch("r-9", None)), 3);
    note(&retire("r-1", None), 5);
    note(&remove("r-1"), 7);
    note(&remove("r-2"), 11);
    for other in [pull("i"), start(), deregister("r-1")] {
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
    let told = bench.reconciler.actor.finished(&ended, RunnerState::Failed, "why\nso");
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
    let running = bench.reconciler.actor.finished(&machine("r-1"), RunnerState::Gone, "why");
    assert_eq!((running.exit_code, running.out_of_memory), (None, false));
}

#[tokio::test]
async fn a_registration_that_github_does_not_delete_is_not_taken_for_deleted() {
    // Nobody listens where this GitHub would be.
    let bench = Bench::new();
    let task = task(&bench, deregister("x"), &Observed::default());
    let carried = bench.reconciler.actor.all(vec![task]).await;
    let words: Vec<&str> = carried.iter().map(|one| one.outcome.as_str()).collect();
    assert_eq!(words, ["failed"]);
}
