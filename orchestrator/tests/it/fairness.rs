//! A repository that floods, and four that do not: who waits how long.

use std::collections::BTreeMap;

use github_sim::world::model::Status;
use mayfly_common::runner::RunnerState;

use crate::support::{Platform, SELF_HOSTED};

/// Seconds that a job runs.
const RUNS: i64 = 9;
/// Seconds between two passes while something moves.
const PACE: i64 = 3;
/// Runners at a time.
const CAP: usize = 8;
const QUIET: [&str; 4] = ["octo-admin/a", "octo-admin/b", "octo-admin/c", "octo-admin/d"];
const FLOOD: &str = "octo-admin/flood";

#[tokio::test]
async fn a_flood_does_not_make_the_others_wait_longer_than_twice_their_fair_share() {
    let cap = CAP.to_string();
    let platform = Platform::with(&[("MAX_RUNNERS", &cap)]).await;
    for repo in QUIET.iter().chain([&FLOOD]) {
        platform.repo(repo, SELF_HOSTED);
    }
    let mut jobs: Vec<(u64, &str)> = Vec::new();
    // The flood comes first.
    for _ in 0..160 {
        jobs.push((platform.queue(FLOOD, &["self-hosted"]), FLOOD));
    }
    for _ in 0..10 {
        jobs.extend(QUIET.map(|repo| (platform.queue(repo, &["self-hosted"]), repo)));
    }
    let start = platform.now();
    let mut running: BTreeMap<u64, (String, i64)> = BTreeMap::new();
    let mut waits: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for _ in 0..1_000 {
        let now = platform.now().duration_since(start).as_secs();
        let over = running.iter().filter(|(_, (_, since))| now - since >= RUNS);
        let over: Vec<(u64, String)> = over.map(|(job, (name, _))| (*job, name.clone())).collect();
        for (job, name) in over {
            running.remove(&job);
            platform.finish(&name, job);
        }
        platform.pass().await;
        for runner in platform.runners() {
            if runner.state == RunnerState::Starting
                && let Some(job) = platform.connect(&runner.name)
                && running.insert(job, (runner.name, now)).is_none()
            {
                let (_, repo) = jobs.iter().find(|(id, _)| *id == job).unwrap();
                waits.entry(repo).or_default().push(now);
            }
        }
        assert!(platform.containers().len() <= CAP);
        if jobs.iter().all(|(job, _)| platform.job_status(*job) == Status::Completed) {
            break;
        }
        platform.wait(PACE);
    }
    let done =
        jobs.iter().filter(|(job, _)| platform.job_status(*job) == Status::Completed).count();
    assert_eq!(
        (done, waits.values().map(Vec::len).sum::<usize>()),
        (200, 200),
        "every job ran: {:?}",
        platform.handle.snapshot().report
    );
    // What each of five would wait that had a fifth of the runners for itself.
    let share = 5 * RUNS * 5 / i64::try_from(CAP).unwrap();
    for repo in QUIET {
        let mut waited = waits[repo].clone();
        waited.sort_unstable();
        let median = waited[waited.len() / 2];
        assert!(median <= 2 * share, "{repo} waited {median} s, its fair share is {share} s");
    }
}
