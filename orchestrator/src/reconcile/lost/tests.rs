//! Who counts as lost: nobody whom this pass ended, and nobody who is there under another id or name.

use std::slice;

use super::super::testing::{
    Bench, at, deregister, launch, machine, name, pool, reference, retire, scope,
};
use super::*;
use mayfly_common::api::EventKind;
use mayfly_github::GitHubError;
use mayfly_store::{News, Store};

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
        machine: reference(runner),
        pool: pool("ci"),
        scope: scope("org:octo-org"),
        id: None,
        why: "why".to_owned(),
    };
    let rows = [
        (retire("r-1", None), Outcome::Done, false),
        (retire("r-1", None), failed(), false),
        (retire("r-1", None), Outcome::Kept, true),
        (retire("r-1", None), Outcome::Runs, true),
        (retire("r-2", None), Outcome::Done, true),
        (start("r-1"), failed(), false),
        (start("r-1"), Outcome::Done, true),
        (start("r-2"), failed(), true),
        (deregister("r-1"), Outcome::Done, true),
        (Action::Launch(launch("r-1", None)), Outcome::Done, true),
    ];
    let (there, verdicts) = ([machine("r-1")], [verdict("r-1", RunnerState::Idle)]);
    for (action, outcome, stays) in rows {
        let what = format!("{action} {outcome:?}");
        let left = Left::of(&there, &verdicts, &[(action.clone(), outcome)], &[]);
        assert_eq!(left.0.len(), usize::from(stays), "{what}");
        // While it is under way, nobody knows what is left.
        let left = Left::of(&there, &verdicts, &[], slice::from_ref(&action));
        let other = action.runner() != Some(&name("r-1"));
        assert_eq!(left.0.len(), usize::from(other), "{what}");
    }
}

#[tokio::test]
async fn a_lost_runner_is_told_once_as_failed_only_if_it_had_a_job() {
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    let there = ["busy", "idle", "moved", "renamed", "stays"].map(machine);
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
        .map(|(machine, state)| verdict(machine.name.as_str(), state))
        .collect();
    state.told.left = Left::of(&there, &verdicts, &[], &[]);
    let seen = [
        machine("stays"),
        // Its Docker engine stands for it, under its name.
        Machine { id: "another".to_owned(), ..machine("moved") },
        Machine { id: "container-renamed".to_owned(), ..machine("odd") },
    ];
    bench.reconciler.tell_lost(&mut state, &seen, at(5));
    let mut told: Vec<(String, RunnerState, String)> = state
        .told
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
    state.told.journal.write(&store).await.unwrap();
    let events = store.events(Some(0), 10).await.unwrap();
    let kinds: Vec<(EventKind, Option<String>)> =
        events.into_iter().map(|event| (event.kind, event.runner)).collect();
    let kind = |kind, runner: &str| (kind, Some(runner.to_owned()));
    assert_eq!(kinds, [kind(EventKind::RunnerFailed, "busy"), kind(EventKind::RunnerGone, "idle")]);
}

fn left(runner: &str, state: RunnerState) -> LeftRunner {
    LeftRunner::of(&machine(runner), state)
}

/// A bench over a store in which an earlier process left these runners.
async fn after(left: Vec<LeftRunner>) -> Bench {
    let store = Store::in_memory().unwrap();
    let left = Some(("fake".to_owned(), left));
    store.save_history(News { left, ..News::default() }).await.unwrap();
    Bench::over(&[], store)
}

#[tokio::test]
async fn runners_of_an_earlier_process_that_are_gone_are_told_once_github_has_spoken_or_did_not() {
    use RunnerState::{Busy, Gone, Idle};
    let rows = [("busy", Busy), ("idle", Idle), ("works", Busy), ("waits", Idle)];
    let bench = after(rows.map(|(name, state)| left(name, state)).into()).await;
    let mut state = bench.reconciler.state.lock().await;
    let seen = ["works", "waits"].map(machine);
    let look = async |state: &mut State| {
        bench.reconciler.look_for_missing(state, ("fake", &seen), at(0)).await
    };
    assert_eq!(look(&mut state).await, [name("works")], "it is there, and was at work");
    assert_eq!(look(&mut state).await, [] as [RunnerName; 0], "there is one first look");
    // Whatever job the busy one had is looked for.
    let active = [mayfly_common::scope::RepoSlug::parse("octo-org/app").unwrap()];
    let searches = state.ledger.searches(&active, false, at(500));
    let runners: Vec<&String> = searches.iter().flat_map(|search| &search.runners).collect();
    assert_eq!(runners, ["busy"]);
    let told = |state: &State| {
        let gone = state.told.history.latest().into_iter();
        let mut told: Vec<(String, RunnerState)> =
            gone.map(|gone| (gone.name, gone.state)).collect();
        told.sort();
        told
    };
    assert_eq!(told(&state), []);
    bench.reconciler.tell_missing(&mut state, at(599));
    assert_eq!(told(&state), [("idle".to_owned(), Gone)]);
    bench.reconciler.tell_missing(&mut state, at(600));
    assert_eq!(told(&state), [("busy".to_owned(), Gone), ("idle".to_owned(), Gone)]);
}

#[tokio::test]
async fn a_pass_hands_on_which_runners_there_are_and_the_next_one_tells_who_is_lost() {
    let bench = after(vec![left("before", RunnerState::Busy)]).await;
    bench.backend.state().machines.insert(name("r-1"), machine("r-1"));
    let kept = async || {
        let kept = bench.handle.store().left_runners("fake".to_owned()).await.unwrap();
        let mut names: Vec<String> = kept.into_iter().map(|left| left.name.to_string()).collect();
        names.sort();
        names
    };
    let told = async || {
        let state = bench.reconciler.state.lock().await;
        state.told.history.latest().into_iter().map(|gone| gone.name).collect::<Vec<_>>()
    };
    bench.reconciler.pass().await;
    assert_eq!(kept().await, ["before", "r-1"], "it is not told yet what became of the first");
    assert_eq!(told().await, [""; 0]);
    bench.backend.state().machines.clear();
    bench.reconciler.pass().await;
    assert_eq!(told().await, ["r-1"]);
    assert_eq!(kept().await, ["before"]);
}
