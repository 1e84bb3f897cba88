//! What an uninstall says that it removed, and what is left.

use super::super::testing::{Bench, deregister, launch, machine, pull, retire};
use super::*;
use mayfly_github::GitHubError;
use mayfly_planner::{Observed, Plan, Policy};

#[tokio::test]
async fn what_is_removed_and_what_is_left_is_told_in_words() {
    let bench = Bench::new();
    bench.backend.state().networks.insert("ours".to_owned());
    let mut policy = {
        let mut state = bench.reconciler.state.lock().await;
        bench.reconciler.policy(&mut state, "inst", super::super::testing::at(0))
    };
    policy.draining = true;
    let failed = || Outcome::Failed(GitHubError::Server(502).into());
    let outcomes = [
        (deregister("aa"), Outcome::Done),
        (retire("bb", None), Outcome::Done),
        (deregister("cc"), Outcome::Kept),
        (retire("dd", None), Outcome::Kept),
        (retire("hh", None), Outcome::Runs),
        (retire("ee", None), failed()),
        (Action::Launch(launch("ff", None)), Outcome::Done),
        (pull("g"), failed()),
    ];
    let uninstall = async |policy: &Policy, there: &[Machine]| {
        let (seen, planned) = (Observed::default(), Plan::default());
        let round =
            Round { seen: &seen, policy, planned: &planned, outcomes: &outcomes, dry: false };
        let state = bench.reconciler.state.lock().await;
        bench.reconciler.uninstall(&state, &round, there).await
    };
    let removed = ["registration aa of org:octo-org", "runner bb"].map(str::to_owned);
    let left = [
        "registration cc of org:octo-org: GitHub says that it runs a job",
        "runner dd: GitHub says that it runs a job",
        "runner hh: somebody started it just now",
        "runner ee: GitHub has trouble (502)",
    ]
    .map(str::to_owned);
    // A runner is left: what it needs stays.
    let report = uninstall(&policy, &[machine("r-1")]).await.unwrap();
    assert_eq!(report.removed, removed);
    assert_eq!(report.left, [&left[..], &["1 runners".to_owned()]].concat());
    assert!(bench.backend.state().networks.contains("ours"));
    // The engine does not answer.
    bench.backend.state().away = true;
    assert!(matches!(uninstall(&policy, &[]).await, Err(RequestError::Backend(_))));
    bench.backend.state().away = false;
    let stuck = "volume v: it is in use".to_owned();
    bench.backend.state().stuck = vec![stuck.clone()];
    let report = uninstall(&policy, &[]).await.unwrap();
    assert_eq!(report.removed, [&removed[..], &["network ours".to_owned()]].concat());
    assert_eq!(report.left, [&left[..], &[stuck]].concat());
    assert!(bench.backend.state().networks.is_empty());
}
