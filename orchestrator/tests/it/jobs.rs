//! The ledger over HTTP, and why a job waits, in staged situations.

use axum::body::{Body, to_bytes};
use github_sim::world::model::Conclusion;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{Platform, SELF_HOSTED};

pub(crate) async fn call(
    platform: &Platform,
    method: Method,
    path: &str,
    body: Value,
) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    let request = request.body(Body::from(body.to_string())).unwrap();
    let response = platform.router().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub(crate) async fn get(platform: &Platform, path: &str) -> (StatusCode, Value) {
    call(platform, Method::GET, path, Value::Null).await
}

/// The code of the first reason, and the answer.
async fn explain(platform: &Platform, job: u64, repo: Option<&str>) -> (String, String) {
    let query = repo.map(|repo| format!("?repository={repo}")).unwrap_or_default();
    let (status, body) = get(platform, &format!("/jobs/{job}/explain{query}")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let code = body["reasons"][0]["code"].as_str().unwrap_or_default().to_owned();
    (code, body["summary"].as_str().unwrap().to_owned())
}

/// A platform with one runner that took a job after 7 s, and a GitHub that answers so, that often, when it is asked about a job.
async fn with_job_and_fault(status: u16, times: u64) -> (Platform, u64, String) {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.wait(7);
    platform.connect(&name);
    let route = "/repos/{owner}/{repo}/actions/jobs/{job_id}".to_owned();
    platform.fault(github_sim::Fault { route, status, times, ..Default::default() });
    (platform, job, name)
}

#[tokio::test]
async fn a_job_is_followed_from_the_queue_to_its_end() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let (_, waiting) = get(&platform, "/jobs?status=queued&repository=Octo-Admin/App").await;
    assert_eq!(
        (waiting["total_count"].as_u64(), waiting["jobs"][0]["id"].as_u64()),
        (Some(1), Some(job))
    );
    assert_eq!(explain(&platform, job, None).await.0, "starting");

    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.pass().await;
    platform.finish(&name, job);
    platform.pass().await;
    let (status, ended) = get(&platform, &format!("/jobs/{job}")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (ended["status"].as_str(), ended["conclusion"].as_str()),
        (Some("completed"), Some("success"))
    );
    assert_eq!(
        (ended["runner"].as_str(), ended["pool"].as_str()),
        (Some(name.as_str()), Some("default"))
    );
    assert_eq!(explain(&platform, job, None).await.0, "completed");

    let (_, summed) = get(&platform, "/jobs/stats?days=1").await;
    let sums = &summed["repositories"][0];
    assert_eq!(
        (sums["repository"].as_str(), sums["jobs"].as_u64(), sums["unsuccessful"].as_u64()),
        (Some("octo-admin/app"), Some(1), Some(0))
    );

    for (path, status) in [
        ("/jobs/stats?days=0", StatusCode::UNPROCESSABLE_ENTITY),
        ("/jobs/999", StatusCode::NOT_FOUND),
        ("/jobs/x", StatusCode::NOT_FOUND),
        ("/jobs/-1/explain", StatusCode::NOT_FOUND),
        ("/jobs/0/explain?repository=octo-admin/app", StatusCode::NOT_FOUND),
        ("/jobs?page=0", StatusCode::UNPROCESSABLE_ENTITY),
        ("/jobs?per_page=101", StatusCode::UNPROCESSABLE_ENTITY),
        ("/jobs?repository=x", StatusCode::UNPROCESSABLE_ENTITY),
        ("/jobs?status=odd", StatusCode::UNPROCESSABLE_ENTITY),
        ("/jobs?colour=red", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(get(&platform, path).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn without_webhooks_a_job_has_github_s_times_and_its_runner() {
    let platform = Platform::new().await;
    let (job, next) = (
        platform.queue("octo-admin/app", &["self-hosted"]),
        platform.queue("octo-admin/app", &["self-hosted"]),
    );
    platform.pass().await;
    let names = platform.containers();
    platform.wait(7);
    platform.sim.with(|world| {
        let run = world.job(next).unwrap().run_id;
        world.cancel_run(run).unwrap();
    });
    assert_eq!(platform.connect(&names[0]), Some(job));
    platform.wait(13);
    platform.sim.clear_counters();
    platform.pass().await;
    let of = |id: u64, field: &'static str| {
        let platform = &platform;
        async move { get(platform, &format!("/jobs/{id}")).await.1[field].clone() }
    };
    let at = |seconds: i64| {
        let start = platform.sim.with(|world| world.job(job).unwrap().created_at);
        json!(start + jiff::SignedDuration::from_secs(seconds))
    };
    assert_eq!(
        (of(job, "status").await, of(job, "runner").await),
        (json!("in_progress"), json!(names[0]))
    );
    assert_eq!((of(job, "started_at").await, of(job, "pool").await), (at(7), json!("default")));
    assert_eq!(explain(&platform, job, None).await.0, "in_progress");
    // The other was cancelled, and never began.
    let ended = (of(next, "status").await, of(next, "conclusion").await);
    assert_eq!(ended, (json!("completed"), json!("cancelled")));
    assert_eq!(
        (of(next, "started_at").await, of(next, "runner").await),
        (Value::Null, Value::Null)
    );
    // One request for the one that was cancelled; the other's times are in the list that is read anyway.
    let asked = || {
        let counters = platform.sim.counters();
        let route = "/repos/{owner}/{repo}/actions/jobs/{job_id}";
        let single = counters.routes.iter().filter(|found| found.route == route);
        single.map(|found| found.count).sum::<u64>()
    };
    assert_eq!(asked(), 1);
    for _ in 0..10 {
        platform.wait(30);
        platform.pass().await;
    }
    assert_eq!(asked(), 1);
    platform.finish(&names[0], job);
    platform.wait(60);
    platform.pass().await;
    assert_eq!(of(job, "completed_at").await, at(320), "GitHub's, not the time somebody looked");
    assert_eq!(
        (of(job, "started_at").await, of(job, "conclusion").await),
        (at(7), json!("success"))
    );
    let text = platform.metrics.render();
    for line in [
        "mayfly_job_wait_seconds_sum{pool=\"default\"} 7.0",
        "mayfly_job_duration_seconds_sum{pool=\"default\"} 313.0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let (_, summed) = get(&platform, "/jobs/stats?days=1").await;
    let sums = &summed["repositories"][0];
    assert_eq!((&sums["mean_wait_seconds"], &sums["run_seconds"]), (&json!(7.0), &json!(313.0)));
    assert_eq!(sums["unmeasured"], 0);
}

#[tokio::test]
async fn what_github_does_not_tell_is_no_number() {
    let (platform, job, name) = with_job_and_fault(404, 999).await;
    // It is over before a list has its beginning.
    platform.finish(&name, job);
    platform.pass().await;
    for _ in 0..40 {
        platform.wait(120);
        platform.pass().await;
    }
    let (_, row) = get(&platform, &format!("/jobs/{job}")).await;
    assert_eq!((row["conclusion"].as_str(), &row["started_at"]), (Some("success"), &Value::Null));
    let (_, summed) = get(&platform, "/jobs/stats?days=1").await;
    let sums = &summed["repositories"][0];
    assert_eq!((&sums["mean_wait_seconds"], &sums["run_seconds"]), (&Value::Null, &Value::Null));
    assert_eq!((&sums["jobs"], &sums["unmeasured"]), (&json!(1), &json!(1)));
    let text = platform.metrics.render();
    assert!(!text.contains("mayfly_job_wait_seconds_count{pool=\"default\"}"), "{text}");
    assert!(text.contains("mayfly_jobs_completed_total{pool=\"default\",result=\"success\"} 1"));
}

#[tokio::test]
async fn a_job_whose_runner_is_lost_has_the_end_that_github_tells() {
    for way in ["deleted", "killed", "removed", "deadline"] {
        let platform = Platform::with(&[("RUNNER_MAX_LIFETIME", "3600")]).await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        platform.pass().await;
        let name = platform.containers()[0].clone();
        platform.wait(7);
        platform.connect(&name);
        platform.pass().await;
        platform.wait(10);
        match way {
            "deleted" => platform.delete(&name, true).await.unwrap(),
            "killed" => platform.backend.exit(&name, 137, "Running job: build\n"),
            "removed" => platform.backend.state().machines.clear(),
            _ => platform.wait(3_600),
        }
        for _ in 0..20 {
            platform.pass().await;
            platform.wait(60);
        }
        // GitHub keeps the registration of a busy runner, and then its container stays.
        let gone = !platform.containers().contains(&name);
        assert_eq!(gone, way != "killed", "{way}");
        let path = format!("/jobs/{job}");
        let (_, row) = get(&platform, &path).await;
        assert_eq!(
            (&row["status"], &row["completed_at"], &row["conclusion"], &row["runner"]),
            (&json!("in_progress"), &Value::Null, &Value::Null, &json!(name)),
            "{way}"
        );
        let sums = async || {
            let (_, summed) = get(&platform, "/jobs/stats?days=1").await;
            let sums = &summed["repositories"][0];
            [&sums["jobs"], &sums["unmeasured"], &sums["unsuccessful"], &sums["run_seconds"]]
                .map(Clone::clone)
        };
        if gone {
            assert_eq!(sums().await, [json!(1), json!(1), json!(0), Value::Null], "{way}");
        }
        platform.sim.with(|world| world.finish_job(job, Conclusion::Failure)).unwrap();
        let ended = platform.now();
        for _ in 0..12 {
            platform.wait(60);
            platform.pass().await;
        }
        let (_, row) = get(&platform, &path).await;
        assert_eq!(
            (&row["status"], &row["completed_at"], &row["conclusion"]),
            (&json!("completed"), &json!(ended), &json!("failure")),
            "{way}"
        );
        assert_eq!(sums().await[..3], [json!(1), json!(0), json!(1)], "{way}");
    }
}

#[tokio::test]
async fn an_outage_of_github_costs_no_job_its_times() {
    let (platform, job, name) = with_job_and_fault(502, 999).await;
    platform.pass().await;
    platform.wait(60);
    platform.finish(&name, job);
    // For three hours.
    for _ in 0..90 {
        platform.wait(120);
        platform.pass().await;
    }
    let completed = "mayfly_jobs_completed_total{pool=\"default\",result=\"success\"} 1";
    assert!(!platform.metrics.render().contains(completed), "its times are not known");
    platform.sim.clear_faults();
    platform.wait(600);
    platform.pass().await;
    let text = platform.metrics.render();
    for line in [
        completed,
        "mayfly_job_wait_seconds_sum{pool=\"default\"} 7.0",
        "mayfly_job_duration_seconds_sum{pool=\"default\"} 60.0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_restart_forgets_no_job_that_has_just_left_the_queue() {
    let (mut platform, job, name) = with_job_and_fault(502, 1).await;
    platform.wait(13);
    // It is over before a list has its beginning, and its runner is about to end.
    platform.sim.with(|world| world.finish_job(job, Conclusion::Success)).unwrap();
    platform.pass().await;
    let (_, left) = get(&platform, &format!("/jobs/{job}")).await;
    assert_eq!((&left["waiting"], &left["runner"]), (&json!(false), &Value::Null));
    platform.restart();
    platform.wait(60);
    platform.pass().await;
    let (_, known) = get(&platform, &format!("/jobs/{job}")).await;
    assert_eq!(
        (known["status"].as_str(), known["runner"].as_str()),
        (Some("completed"), Some(&*name))
    );
}

#[tokio::test]
async fn staged_situations_have_their_true_causes() {
    // Labels that nobody offers.
    let platform = Platform::with(&[("MAX_RUNNERS", "1")]).await;
    let odd = platform.queue("octo-admin/app", &["self-hosted", "gpu"]);
    let hosted = platform.queue("octo-admin/app", &["ubuntu-latest"]);
    let first = platform.queue("octo-admin/app", &["self-hosted"]);
    let second = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let (code, summary) = explain(&platform, odd, None).await;
    assert_eq!((code.as_str(), summary.contains("gpu")), ("no_pool", true), "{summary}");
    // GitHub's own machines take theirs at once, and GitHub is asked about a job that nobody told of.
    let (code, _) = explain(&platform, hosted, Some("octo-admin/app")).await;
    assert_eq!(code, "completed");
    // The one place is taken by the first job.
    assert_eq!(explain(&platform, first, None).await.0, "starting");
    let (code, summary) = explain(&platform, second, None).await;
    assert_eq!(code, "cap");
    assert!(
        summary.contains("MAX_RUNNERS") && summary.contains("octo-admin/app has 1"),
        "{summary}"
    );

    // A pool that is paused, and one that is disabled.
    let platform = Platform::new().await;
    platform.repo("octo-admin/heavy", &SELF_HOSTED.replace("linux", "gpu"));
    let pool = json!({"name": "gpu", "labels": ["self-hosted", "gpu"], "paused": true});
    call(&platform, Method::POST, "/pools", pool).await;
    let job = platform.queue("octo-admin/heavy", &["self-hosted", "gpu"]);
    platform.pass().await;
    assert_eq!(
        explain(&platform, job, None).await,
        ("paused".to_owned(), "pool gpu is paused".to_owned())
    );
    call(&platform, Method::PATCH, "/pools/gpu", json!({"enabled": false})).await;
    platform.pass().await;
    let (code, summary) = explain(&platform, job, None).await;
    assert_eq!((code.as_str(), summary.contains("disabled")), ("no_pool", true), "{summary}");

    // An image that cannot be had.
    let platform = Platform::with(&[("RUNNER_PULL_POLICY", "never")]).await;
    platform.backend.state().image = false;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let (code, summary) = explain(&platform, job, None).await;
    assert_eq!((code.as_str(), summary.contains("not on the host")), ("image", true), "{summary}");

    // Containers that cannot start.
    let platform = Platform::new().await;
    platform.backend.state().failing_launches = 1;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    platform.wait(1);
    platform.pass().await;
    let (code, summary) = explain(&platform, job, None).await;
    assert_eq!(
        (code.as_str(), summary.contains("no space left")),
        ("held_back", true),
        "{summary}"
    );

    // A repository that is not served, and one that nobody knows.
    let platform = Platform::with(&[("DISCOVERY_EXCLUDE", "octo-admin/secret")]).await;
    platform.repo("octo-admin/secret", SELF_HOSTED);
    let job = platform.queue("octo-admin/secret", &["self-hosted"]);
    platform.pass().await;
    let (code, summary) = explain(&platform, job, Some("octo-admin/secret")).await;
    assert_eq!(
        (code.as_str(), summary.contains("DISCOVERY_EXCLUDE")),
        ("repository_refused", true),
        "{summary}"
    );
    assert_eq!(explain(&platform, 4_711, Some("octo-org/nowhere")).await.0, "repository_unknown");
    assert_eq!(explain(&platform, 4_711, None).await.0, "unknown_job");
    assert_eq!(explain(&platform, 4_711, Some("octo-admin/app")).await.0, "unknown_job");

    // A job of a branch whose workflow the default branch does not have.
    let hosted = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: 'true'}]\n";
    platform.repo("octo-admin/branchy", hosted);
    let job = platform.queue("octo-admin/branchy", &["self-hosted"]);
    platform.wait(10);
    platform.pass().await;
    let (code, summary) = explain(&platform, job, Some("octo-admin/branchy")).await;
    assert_eq!(code, "no_self_hosted_job", "{summary}");

    // Docker is away; the credential is refused.
    platform.backend.state().away = true;
    platform.pass().await;
    assert_eq!(explain(&platform, job, Some("octo-admin/branchy")).await.0, "fake");

    // A job that the last look came before.
    let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
    platform.pass().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    let (code, summary) = explain(&platform, job, Some("octo-admin/app")).await;
    assert_eq!(code, "not_seen_yet", "{summary}");
}

#[tokio::test]
async fn what_became_of_a_job_is_measured_by_pool() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.wait(4);
    platform.connect(&name);
    platform.pass().await;
    platform.wait(60);
    platform.finish(&name, job);
    platform.pass().await;
    let text = platform.metrics.render();
    for line in [
        "mayfly_jobs_completed_total{pool=\"default\",result=\"success\"} 1",
        "mayfly_job_wait_seconds_count{pool=\"default\"} 1",
        "mayfly_job_duration_seconds_count{pool=\"default\"} 1",
        "mayfly_runner_creation_seconds_count{pool=\"default\"} 1",
        "mayfly_runner_registration_seconds_sum{pool=\"default\"} 4.0",
        "mayfly_runner_removal_seconds_count{pool=\"default\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("octo-admin") && !text.contains(&name), "bounded labels");
}
