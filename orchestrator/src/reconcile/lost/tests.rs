//! Who counts as lost: nobody whom this pass ended, and nobody who is there under another id or name.

use super::super::testing::{Bench, at, deregister, instance, launch, name, pool, retire, scope};
use super::*;
use mayfly_common::api::EventKind;
use mayfly_github::GitHubError;

fn verdict(runner: &str, state: RunnerState) -> Verdict {
    Verdict {
        name: name(runner),
        state,
        why: "why".to_owned(),
        failure: None,
        id: None,
        is_supply: false,
    }
}

#[test]
fn what_a_pass_ended_or_could_not_start_is_not_left_behind() {
    let failed = || Outcome::Failed(GitHubError::Server(502).into());
    let start = |runner: &str| Action::Start {
        name: name(runner),
        pool: pool("ci"),
        scope: scope("org:octo-org"),
        id: None,
        why: "why".to_owned(),
    };
    let rows = [
        (retire("r-1", None), Outcome::Done, false),
        (retire("r-1", None), failed(), false),
        (retire("r-1", None), Outcome::Kept, true),
        (retire("r-2", None), Outcome::Done, true),
        (start("r-1"), failed(), false),
        (start("r-1"), Outcome::Done, true),
        (start("r-2"), failed(), true),
        (deregister("r-1"), Outcome::Done, true),
        (Action::Launch(launch("r-1", None)), Outcome::Done, true),
    ];
    let (there, verdicts) = ([instance("r-1")], [verdict("r-1", RunnerState::Idle)]);
    for (action, outcome, stays) in rows {
        let what = format!("{action} {outcome:?}");
        let left = Left::of(&there, &verdicts, &[(action, outcome)]);
        assert_eq!(left.0.len(), usize::from(stays), "{what}");
    }
}

#[tokio::test]
async fn a_lost_runner_is_told_once_as_failed_only_if_it_had_a_job() {
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    let there = ["busy", "idle", "moved", "renamed", "stays"].map(instance);
    let states = [
        RunnerState::Busy,
        RunnerState::Idle,
        RunnerState::Busy,
        RunnerState::Busy,
        RunnerState::Busy,
    ];
    let verdicts: Vec<Verdict> = there
        .iter()
        .zip(states)
        .map(|(instance, state)| verdict(instance.name.as_str(), state))
        .collect();
    state.left = Left::of(&there, &verdicts, &[]);
    let seen = [
        instance("stays"),
        // Its Docker engine stands for it, under its name.
        Instance { container_id: "another".to_owned(), ..instance("moved") },
        Instance { container_id: "container-renamed".to_owned(), ..instance("odd") },
    ];
    bench.reconciler.tell_lost(&mut state, &seen, at(5));
    let mut told: Vec<(String, RunnerState, String)> = state
        .history
        .latest()
        .into_iter()
        .map(|gone| (gone.name, gone.state, gone.reason))
        .collect();
    told.sort();
    let why = "its container was removed by somebody else".to_owned();
    let expected = [
        ("busy".to_owned(), RunnerState::Failed, why.clone()),
        ("idle".to_owned(), RunnerState::Gone, why),
    ];
    assert_eq!(told, expected);
    let removed = "mayfly_runner_failures_total{pool=\"ci\",reason=\"removed\"}";
    assert_eq!(bench.sample(removed).as_deref(), Some("1"));
    let store = bench.handle.store().clone();
    state.journal.write(&store).await.unwrap();
    let events = store.events(Some(0), 10).await.unwrap();
    let kinds: Vec<(EventKind, Option<String>)> =
        events.into_iter().map(|event| (event.kind, event.runner)).collect();
    let kind = |kind, runner: &str| (kind, Some(runner.to_owned()));
    assert_eq!(kinds, [kind(EventKind::RunnerFailed, "busy"), kind(EventKind::RunnerGone, "idle")]);
}
