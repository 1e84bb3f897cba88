//! Jobs that a runner of ours took before anybody knew of them: they are in the ledger all the same, for few requests.

use http::{Method, StatusCode};
use mayfly_common::webhook::{Content, JobStatus};
use serde_json::{Value, json};

use crate::jobs::{call, get};
use crate::support::{Platform, SELF_HOSTED, scope};
use crate::webhooks::{deliver, told};

/// A platform with one waiting runner, which was looked at, and that runner's name.
async fn warm(place: &str, variables: &[(&str, &str)]) -> (Platform, String) {
    let of_org = [("DISCOVERY_MODE", "organization"), ("GITHUB_ORGANIZATION", "octo-org")];
    let mut all = variables.to_vec();
    all.extend(of_org.iter().filter(|_| place.starts_with("org")));
    let platform = Platform::with(&all).await;
    platform.repo("octo-org/tool", SELF_HOSTED);
    let pool = json!({"name": "ci", "scopes": [place], "labels": ["self-hosted"], "min_idle": 1, "max": 1});
    call(&platform, Method::POST, "/pools", pool).await;
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.pass().await;
    platform.sim.clear_counters();
    (platform, name)
}

/// How often the latest runs of a repository were looked through.
fn looks(platform: &Platform, repo: &str) -> usize {
    let latest = format!("/repos/{repo}/actions/runs?per_page=20");
    let recorded = platform.sim.recorded();
    recorded.iter().filter(|request| request.path_and_query == latest).count()
}

fn requests(platform: &Platform, route: &str) -> u64 {
    let counters = platform.sim.counters();
    let same = counters.routes.iter().filter(|found| found.route == route);
    same.map(|found| found.count).sum()
}

async fn row(platform: &Platform, job: u64) -> Value {
    get(platform, &format!("/jobs/{job}")).await.1
}

#[tokio::test]
async fn a_job_that_runs_is_known_from_the_list_that_is_read_anyway() {
    for (place, repo) in
        [("repo:octo-admin/app", "octo-admin/app"), ("org:octo-org", "octo-org/tool")]
    {
        let (platform, name) = warm(place, &[]).await;
        platform.wait(30);
        let job = platform.queue(repo, &["self-hosted"]);
        let began = platform.now();
        platform.wait(2);
        platform.pass().await;
        let found = row(&platform, job).await;
        assert_eq!(
            [&found["status"], &found["runner"], &found["pool"], &found["started_at"]],
            [&json!("in_progress"), &json!(name), &json!("ci"), &json!(began)],
            "{place}"
        );
        assert_eq!(looks(&platform, repo), 0, "{place}");
        let single = || requests(&platform, "/repos/{owner}/{repo}/actions/jobs/{job_id}");
        assert_eq!(single(), 0, "{place}");

        platform.wait(18);
        platform.finish(&name, job);
        let ended = platform.now();
        platform.wait(2);
        platform.pass().await;
        let found = row(&platform, job).await;
        assert_eq!(
            [&found["status"], &found["conclusion"], &found["completed_at"]],
            [&json!("completed"), &json!("success"), &json!(ended)],
            "{place}"
        );
        assert_eq!((single(), looks(&platform, repo)), (1, 0), "{place}");
        let text = platform.metrics.render();
        for line in [
            "mayfly_job_wait_seconds_sum{pool=\"ci\"} 0.0",
            "mayfly_job_duration_seconds_sum{pool=\"ci\"} 20.0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}

#[tokio::test]
async fn a_job_that_was_over_before_anybody_looked_is_looked_for_once() {
    for (place, repo) in
        [("repo:octo-admin/app", "octo-admin/app"), ("org:octo-org", "octo-org/tool")]
    {
        for automatic in ["true", "false"] {
            let variables = [("RUNNER_CHECK_INTERVAL", "3600"), ("AUTO_CREATE_RUNNERS", automatic)];
            let is_manual = automatic == "false";
            let ((platform, name), pool) = if is_manual {
                (by_hand(place, &variables).await, "manual")
            } else {
                (warm(place, &variables).await, "ci")
            };
            let job = platform.queue(repo, &["self-hosted"]);
            let began = platform.now();
            platform.wait(5);
            platform.finish(&name, job);
            let ended = platform.now();
            platform.pass().await;
            assert_eq!(looks(&platform, repo), 0, "GitHub's lists lag behind");
            for _ in 0..6 {
                platform.to_next_pass().await;
                platform.pass().await;
            }
            let found = row(&platform, job).await;
            // Without discovery nobody knows the repositories of an organisation.
            if is_manual && place.starts_with("org") {
                assert_eq!(found["status"], 404, "{place}");
                continue;
            }
            assert_eq!(
                [&found["runner"], &found["pool"], &found["started_at"], &found["completed_at"]],
                [&json!(name), &json!(pool), &json!(began), &json!(ended)],
                "{place} {automatic}"
            );
            let (_, sums) = get(&platform, "/jobs/stats?days=1").await;
            assert_eq!(sums["repositories"][0]["jobs"], 1, "{place}");
            for _ in 0..3 {
                platform.wait(400);
                platform.pass().await;
            }
            assert_eq!(looks(&platform, repo), 1, "{place} {automatic}");
        }
    }
}

#[tokio::test]
async fn a_restart_loses_no_job_that_was_over_before_anybody_looked() {
    let (mut platform, name) = warm("org:octo-org", &[("RUNNER_CHECK_INTERVAL", "3600")]).await;
    let job = platform.queue("octo-org/tool", &["self-hosted"]);
    platform.wait(5);
    platform.finish(&name, job);
    platform.pass().await;
    assert_eq!(row(&platform, job).await["status"], 404, "GitHub's lists lag behind");
    platform.restart();
    for _ in 0..6 {
        platform.to_next_pass().await;
        platform.pass().await;
    }
    let found = row(&platform, job).await;
    assert_eq!([&found["runner"], &found["conclusion"]], [&json!(name), &json!("success")]);
    // Another restart tells and counts nothing again, and changes nothing that is known.
    let completed = async |platform: &Platform| {
        let (_, page) = get(platform, "/events?limit=1000").await;
        let events = page["events"].as_array().unwrap();
        events.iter().filter(|event| event["kind"] == "job.completed").count()
    };
    assert_eq!(completed(&platform).await, 1);
    platform.restart();
    for _ in 0..6 {
        platform.to_next_pass().await;
        platform.pass().await;
    }
    assert_eq!((completed(&platform).await, row(&platform, job).await), (1, found));
    let text = platform.metrics.render();
    assert!(!text.contains("mayfly_jobs_completed_total{"), "{text}");
}

/// The same with a runner that somebody asked for.
async fn by_hand(place: &str, variables: &[(&str, &str)]) -> (Platform, String) {
    let platform = Platform::with(variables).await;
    platform.repo("octo-org/tool", SELF_HOSTED);
    let (kind, at) = place.split_once(':').unwrap();
    let asked = json!({"scope": kind, "scope_name": at});
    let name = platform.create(&asked).await.unwrap()[0].name.clone();
    platform.connect(&name);
    platform.pass().await;
    (platform, name)
}

#[tokio::test]
async fn a_job_that_nobody_knows_is_looked_for_once() {
    let (platform, name) = by_hand("repo:octo-admin/app", &[]).await;
    // It says that it ran a job, of which GitHub has nothing.
    platform.backend.exit(&name, 0, crate::support::DONE);
    let id = platform.sim.with(|world| world.all_runners().next().unwrap().id);
    platform.sim.with(|world| world.delete_runner(&scope("repo:octo-admin/app"), id)).unwrap();
    platform.pass().await;
    assert!(platform.containers().is_empty());
    for _ in 0..8 {
        platform.wait(60);
        platform.pass().await;
    }
    assert_eq!(looks(&platform, "octo-admin/app"), 1);
}

#[tokio::test]
async fn a_look_that_does_not_reach_github_is_repeated_with_longer_and_longer_waits() {
    let (platform, name) = warm("repo:octo-admin/app", &[("RUNNER_CHECK_INTERVAL", "3600")]).await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(5);
    platform.finish(&name, job);
    let route = "/repos/{owner}/{repo}/actions/runs".to_owned();
    platform.fault(github_sim::Fault { route, status: 502, times: 9_999, ..Default::default() });
    for _ in 0..120 {
        platform.wait(30);
        platform.pass().await;
    }
    let tries = looks(&platform, "octo-admin/app");
    assert!((5..15).contains(&tries), "in an hour: {tries}");
    platform.sim.clear_faults();
    platform.wait(600);
    platform.pass().await;
    assert_eq!(row(&platform, job).await["runner"], json!(name));
}

#[tokio::test]
async fn what_a_webhook_told_is_not_looked_for() {
    let (platform, name) = warm("repo:octo-admin/app", &[("RUNNER_CHECK_INTERVAL", "3600")]).await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    let content = |status| {
        let mut content = told(&platform, "octo-admin/app", job, status);
        if let Content::Job { job, .. } = &mut content
            && status >= JobStatus::InProgress
        {
            job.runner_name = Some(name.clone());
        }
        content
    };
    deliver(&platform, "d1", content(JobStatus::Queued)).await;
    platform.pass().await;
    // The next one is late.
    platform.wait(20);
    platform.pass().await;
    deliver(&platform, "d2", content(JobStatus::InProgress)).await;
    for _ in 0..20 {
        platform.wait(30);
        platform.pass().await;
    }
    assert_eq!(looks(&platform, "octo-admin/app"), 0);
    assert_eq!(row(&platform, job).await["runner"], json!(name));
}

#[tokio::test]
async fn a_job_that_webhooks_should_have_told_of_is_looked_for_once_while_it_runs() {
    let (platform, name) = warm("repo:octo-admin/app", &[("RUNNER_CHECK_INTERVAL", "3600")]).await;
    deliver(&platform, "d1", Content::Repositories).await;
    platform.pass().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    for expected in [0, 0, 1, 1, 1] {
        platform.wait(20);
        platform.pass().await;
        assert_eq!(looks(&platform, "octo-admin/app"), expected);
    }
    let found = row(&platform, job).await;
    assert_eq!([&found["status"], &found["runner"]], [&json!("in_progress"), &json!(name)]);
}

#[tokio::test]
async fn a_system_that_idles_looks_for_nothing() {
    let (platform, _) = warm("repo:octo-admin/app", &[]).await;
    // One that ended long ago.
    let job = platform.queue("octo-org/tool", &["ubuntu-latest"]);
    for _ in 0..20 {
        platform.wait(30);
        platform.pass().await;
    }
    assert_eq!(looks(&platform, "octo-admin/app") + looks(&platform, "octo-org/tool"), 0);
    assert_eq!(requests(&platform, "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs"), 0);
    assert_eq!(get(&platform, &format!("/jobs/{job}")).await.0, StatusCode::NOT_FOUND);
}
