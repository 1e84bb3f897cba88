//! Little is left of the hour's requests: waiting jobs get runners all the same, everything else yields, nothing is hammered.

use github_sim::world::limits::{Allowance, Resource, Secondary};
use github_sim::world::model::Status;
use jiff::SignedDuration;

use crate::support::{Platform, SELF_HOSTED, TOKEN};

const REPOS: [&str; 4] = ["octo-admin/app", "octo-admin/a", "octo-admin/b", "octo-admin/c"];

async fn platform() -> Platform {
    let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "30")]).await;
    for repo in &REPOS[1..] {
        platform.repo(repo, SELF_HOSTED);
    }
    platform
}

/// Of 5,000 requests an hour `left` are left, and the hour ends in 30 minutes.
fn leave(platform: &Platform, left: u64) {
    platform.sim.with(|world| {
        let reset = world.now().checked_add(SignedDuration::from_mins(30)).expect("a time");
        let allowance = Allowance { limit: 5_000, used: 5_000 - left, reset };
        world.tokens.set_allowance(TOKEN, Resource::Core, allowance);
    });
}

fn left(platform: &Platform) -> u64 {
    platform.sim.with(|world| world.tokens.allowance(TOKEN, world.now()).remaining())
}

/// Lets the platform run until every job is done, as its own timetable has it. Runners work at once.
async fn until_done(platform: &Platform, jobs: &[u64]) {
    for _ in 0..400 {
        platform.pass().await;
        for name in platform.containers() {
            let offline = platform.sim.with(|world| {
                world.all_runners().any(|runner| runner.name == name && !runner.online())
            });
            if offline && let Some(job) = platform.connect(&name) {
                platform.finish(&name, job);
            }
        }
        if jobs.iter().all(|&job| platform.job_status(job) == Status::Completed) {
            return;
        }
        platform.to_next_pass().await;
    }
    panic!("some jobs got no runner: {:?}", platform.handle.snapshot());
}

#[tokio::test]
async fn with_fifty_requests_left_jobs_still_get_runners() {
    for warm in [true, false] {
        let mut platform = platform().await;
        if warm {
            platform.pass().await;
        }
        leave(&platform, 50);
        let jobs: Vec<u64> =
            REPOS.iter().map(|repo| platform.queue(repo, &["self-hosted"])).collect();
        if !warm {
            platform.restart();
        }
        platform.wait(30);
        until_done(&platform, &jobs).await;
        let (remaining, hammered) = (left(&platform), platform.sim.counters().hammered);
        assert!(remaining > 0 && hammered == 0, "warm {warm}: {remaining} left, {hammered}");
        let github = platform.handle.snapshot().github;
        let waits = github.discovery_waits.clone().expect("discovery waits");
        assert!(waits.contains("kept for waiting jobs") && waits.contains("until "), "{waits}");
        assert!(github.next_check.is_some() && github.limits[0].limit == 5_000, "{github:?}");
        assert!(platform.metrics.render().contains("mayfly_github_limit_remaining{"));
    }
}

#[tokio::test]
async fn looks_at_github_are_spread_over_what_is_left() {
    let platform = platform().await;
    platform.pass().await;
    leave(&platform, 50);
    let end = platform.now() + SignedDuration::from_mins(29);
    // Something changes all the time, so that no answer is free.
    let mut turn = 0;
    while platform.now() < end {
        platform.queue(REPOS[turn % REPOS.len()], &["other-machine"]);
        turn += 1;
        platform.pass().await;
        platform.to_next_pass().await;
    }
    assert!(left(&platform) >= 20, "{} left: what is kept for jobs was used", left(&platform));
    assert_eq!(platform.sim.counters().hammered, 0);
}

#[tokio::test]
async fn a_spent_hour_is_waited_for() {
    let platform = platform().await;
    platform.pass().await;
    leave(&platform, 0);
    let job = platform.queue(REPOS[0], &["self-hosted"]);
    platform.wait(30);
    let report = platform.pass().await;
    assert!(report.github_error.is_some_and(|error| error.contains("rate limit")));
    let before = platform.sim.counters().total;
    for _ in 0..20 {
        platform.wait(60);
        platform.pass().await;
    }
    assert_eq!(platform.sim.counters().total, before, "nothing is asked before the hour ends");
    platform.wait(600);
    until_done(&platform, &[job]).await;
}

#[tokio::test]
async fn a_burst_of_jobs_stays_below_the_secondary_limits() {
    let platform = Platform::with(&[("MAX_RUNNERS", "50")]).await;
    platform.sim.with(|world| world.tokens.set_secondary(Secondary::published()));
    let jobs: Vec<u64> =
        (0..40).map(|_| platform.queue("octo-admin/app", &["self-hosted"])).collect();
    until_done(&platform, &jobs).await;
    assert_eq!(platform.sim.counters().hammered, 0);
}
