//! Jobs that are queued in runs that GitHub shows as held up: they are found, kept, and cost little.

use github_sim::world::model::{RunStatus, Status};
use mayfly_common::webhook::JobStatus;

use crate::support::{Platform, SELF_HOSTED, slug};
use crate::webhooks::{deliver, told};

const RUNS: &str = "/repos/{owner}/{repo}/actions/runs";
const RUN_JOBS: &str = "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs";
const CI: &str = ".github/workflows/ci.yml";
/// A job for us beside one that awaits an approval.
const GATED: &str = "on: push\njobs:\n  build:\n    runs-on: self-hosted\n    steps: [{run: 'true'}]\n  deploy:\n    runs-on: self-hosted\n    environment: prod\n    steps: [{run: 'true'}]\n";
/// Nothing but a job that awaits an approval.
const DEPLOY: &str = "on: push\njobs:\n  deploy:\n    runs-on: self-hosted\n    environment: prod\n    steps: [{run: 'true'}]\n";

/// Runs the workflow of a repository whose environment `prod` has reviewers; tells the run and its jobs by key.
fn dispatch(platform: &Platform, repo: &str, workflow: &str) -> (u64, Vec<(String, u64)>) {
    platform.sim.with(|world| {
        let repo = slug(repo);
        world.put_file(&repo, CI, workflow).unwrap();
        world.require_review(&repo, "prod").unwrap();
        let run = world.dispatch_workflow(&repo, CI).unwrap();
        let jobs = world.jobs_of(world.run(run).unwrap(), None);
        (run, jobs.map(|job| (job.spec.key.clone(), job.id)).collect())
    })
}

fn shown(platform: &Platform, run: u64) -> RunStatus {
    platform.sim.with(|world| world.run_status(world.run(run).unwrap()).0)
}

#[tokio::test]
async fn a_job_beside_one_that_awaits_an_approval_gets_its_runner() {
    let platform = Platform::new().await;
    let (run, jobs) = dispatch(&platform, "octo-admin/app", GATED);
    assert_eq!(shown(&platform, run), RunStatus::Waiting);
    let report = platform.pass().await;
    assert_eq!((report.launched, report.queued_jobs), (1, 1), "{report:?}");
    let name = platform.containers()[0].clone();
    // Looks between two checks do not lose it.
    for _ in 0..5 {
        platform.wait(3);
        let report = platform.pass().await;
        assert_eq!((report.launched, report.removed, report.queued_jobs), (0, 0, 1), "{report:?}");
    }
    assert_eq!(platform.connect(&name), Some(jobs[0].1));
    platform.finish(&name, jobs[0].1);
    platform.wait(60);
    let report = platform.pass().await;
    assert_eq!((report.removed, report.launched), (1, 0), "nobody has approved: {report:?}");
    platform.sim.with(|world| world.approve_job(jobs[1].1)).unwrap();
    platform.wait(60);
    assert_eq!(platform.pass().await.launched, 1);
    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), Some(jobs[1].1));
}

#[tokio::test]
async fn a_job_is_found_however_its_run_is_shown() {
    let all = [
        RunStatus::Requested,
        RunStatus::ActionRequired,
        RunStatus::Pending,
        RunStatus::Waiting,
        RunStatus::Queued,
        RunStatus::InProgress,
    ];
    for status in all {
        let platform = Platform::new().await;
        platform.pass().await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        let run = platform.sim.with(|world| world.job(job).unwrap().run_id);
        platform.sim.with(|world| world.show_run(run, Some(status))).unwrap();
        platform.wait(10);
        let report = platform.pass().await;
        assert_eq!(report.launched, 1, "{status:?} {report:?}");
        // The run is shown otherwise while the job waits on: it is looked for in every list before it is given up.
        for later in all {
            platform.sim.with(|world| world.show_run(run, Some(later))).unwrap();
            platform.wait(20);
            let report = platform.pass().await;
            assert_eq!(report.queued_jobs, 1, "{status:?} then {later:?}: {report:?}");
        }
        let name = platform.containers()[0].clone();
        assert_eq!(platform.connect(&name), Some(job), "{status:?}");
        platform.finish(&name, job);
        platform.wait(20);
        let report = platform.pass().await;
        assert_eq!((report.queued_jobs, report.removed), (0, 1), "{status:?} {report:?}");
    }
}

#[tokio::test]
async fn lists_that_are_empty_nearly_always_are_asked_for_at_checks_only() {
    let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    // It has left the queue: it is looked for once.
    platform.wait(20);
    platform.pass().await;
    platform.sim.clear_counters();
    for _ in 0..10 {
        platform.wait(20);
        platform.pass().await;
    }
    assert_eq!(platform.sim.counters().of("GET", RUNS), 20, "two lists in each of ten looks");
    platform.wait(100);
    platform.sim.clear_counters();
    platform.pass().await;
    assert_eq!(platform.sim.counters().of("GET", RUNS), 6, "a check");
}

#[tokio::test]
async fn fifty_runs_that_await_an_approval_cost_nothing_while_they_do() {
    let platform = Platform::new().await;
    let runs: Vec<_> = (0..50).map(|_| dispatch(&platform, "octo-admin/app", DEPLOY)).collect();
    platform.pass().await;
    platform.sim.clear_counters();
    for _ in 0..20 {
        platform.wait(60);
        platform.pass().await;
    }
    let counters = platform.sim.counters();
    assert_eq!(counters.of("GET", RUN_JOBS), 0, "{counters:?}");
    // One is approved.
    platform.sim.with(|world| world.approve_job(runs[7].1[0].1)).unwrap();
    platform.wait(10);
    assert_eq!(platform.pass().await.launched, 1);
}

#[tokio::test]
async fn many_repositories_cost_little_more_than_before() {
    let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
    for number in 1..120 {
        platform.repo(&format!("octo-admin/r{number:03}"), SELF_HOSTED);
    }
    platform.pass().await;
    platform.wait(300);
    platform.sim.clear_counters();
    platform.pass().await;
    let counters = platform.sim.counters();
    assert_eq!(counters.of("GET", RUNS), 4 * 120);
    assert!(counters.not_modified >= 3 * 120, "what is empty is unchanged, which is free");
}

#[tokio::test]
async fn a_job_that_a_webhook_told_of_is_not_lost_in_a_run_that_waits() {
    let platform = Platform::new().await;
    platform.pass().await;
    let (_, jobs) = dispatch(&platform, "octo-admin/app", GATED);
    let queued = told(&platform, "octo-admin/app", jobs[0].1, JobStatus::Queued);
    deliver(&platform, "d", queued).await;
    assert_eq!(platform.pass().await.launched, 1);
    for _ in 0..8 {
        platform.wait(30);
        let report = platform.pass().await;
        assert_eq!((report.removed, report.queued_jobs), (0, 1), "{report:?}");
    }
    assert_eq!(platform.job_status(jobs[0].1), Status::Queued);
}

#[tokio::test]
async fn a_job_that_was_made_long_before_it_was_approved_is_served() {
    for by_webhook in [false, true] {
        let platform = Platform::new().await;
        platform.pass().await;
        let (_, jobs) = dispatch(&platform, "octo-admin/app", DEPLOY);
        platform.wait(30 * 3_600);
        platform.pass().await;
        platform.sim.with(|world| world.approve_job(jobs[0].1)).unwrap();
        if by_webhook {
            let queued = told(&platform, "octo-admin/app", jobs[0].1, JobStatus::Queued);
            deliver(&platform, "d", queued).await;
        } else {
            platform.wait(60);
        }
        let report = platform.pass().await;
        assert_eq!((report.launched, report.queued_jobs), (1, 1), "{by_webhook} {report:?}");
        let name = platform.containers()[0].clone();
        assert_eq!(platform.connect(&name), Some(jobs[0].1));
    }
}

#[tokio::test]
async fn the_time_until_an_approval_is_no_wait_for_a_runner() {
    let platform = Platform::new().await;
    let (_, jobs) = dispatch(&platform, "octo-admin/app", DEPLOY);
    let job = jobs[0].1;
    for _ in 0..60 {
        platform.wait(60);
        platform.pass().await;
    }
    platform.sim.with(|world| world.approve_job(job)).unwrap();
    platform.wait(60);
    assert_eq!(platform.pass().await.launched, 1);
    let name = platform.containers()[0].clone();
    platform.wait(5);
    assert_eq!(platform.connect(&name), Some(job));
    platform.wait(20);
    platform.pass().await;
    platform.finish(&name, job);
    platform.wait(60);
    platform.pass().await;
    let id = i64::try_from(job).unwrap();
    let row = platform.handle.store().job(id).await.unwrap().unwrap();
    assert_eq!((row.status, row.queued()), (JobStatus::Completed, None));
    let text = platform.metrics.render();
    assert!(text.contains("mayfly_job_duration_seconds_sum{pool=\"default\"} 20.0"), "{text}");
    assert!(!text.contains("mayfly_job_wait_seconds_count{"), "{text}");
    let stats = platform.handle.store().job_stats(row.queued_at).await.unwrap();
    assert_eq!((stats[0].mean_wait_seconds, stats[0].run_seconds), (None, Some(20.0)));
}
