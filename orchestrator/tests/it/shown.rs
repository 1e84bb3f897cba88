//! What a pass leaves behind as people see it, whole: every field under its own name.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{Method, Request, StatusCode};
use orchestrator::reconcile::driver;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::jobs::{call, get};
use crate::stub_engine::StubEngine;
use crate::support::{PATIENT, Platform, config, wire};

/// When the simulator's clock begins.
const START: &str = "2027-01-15T08:00:00Z";
/// Far beyond what any of these takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_pool_is_shown_whole() {
    let platform = Platform::new().await;
    let spec = json!({
        "name": "ci", "scopes": ["repo:octo-admin/app"], "labels": ["self-hosted", "gpu"],
        "image": "ci:1", "pull_policy": "never", "min_idle": 1, "max": 3,
    });
    let (status, made) = call(&platform, Method::POST, "/pools", spec.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    for labels in [&["self-hosted", "gpu"][..], &["self-hosted", "gpu"], &["self-hosted", "x64"]] {
        platform.queue("octo-admin/app", labels);
    }
    platform.wait(20);
    platform.pass().await;
    platform.wait(5);
    let (_, mut ci) = get(&platform, "/pools/ci").await;
    let own = ci["spec"].take();
    assert_eq!(
        (&own["name"], &own["min_idle"], &own["max"], &own["labels"]),
        (&json!("ci"), &json!(1), &json!(3), &json!(["gpu", "self-hosted"]))
    );
    assert_eq!(
        ci,
        json!({
            "name": "ci", "source": "api", "revision": made["revision"], "spec": null,
            "status": {
                "state": "active", "labels": ["gpu", "self-hosted"], "image": "ci:1",
                "image_state": "present", "runners": {"starting": 3}, "min_idle": 1, "max": 3,
                "queued_jobs": 2,
            },
            "created_at": START, "updated_at": START,
        })
    );
    let (_, mut default) = get(&platform, "/pools/default").await;
    default["spec"].take();
    assert_eq!(
        default,
        json!({
            "name": "default", "source": "environment", "revision": 0, "spec": null,
            "status": {
                "state": "active", "labels": ["linux", "self-hosted", "x64"],
                "image": "runner:test", "image_state": "present", "runners": {"starting": 1},
                "min_idle": 0, "max": 4, "queued_jobs": 1,
            },
        })
    );
    let (_, changed) = call(&platform, Method::PATCH, "/pools/ci", json!({"paused": true})).await;
    assert_eq!(
        (&changed["status"]["state"], &changed["created_at"], &changed["updated_at"]),
        (&json!("paused"), &json!(START), &json!("2027-01-15T08:00:25Z"))
    );
    let disabled = json!({"enabled": false});
    let (_, changed) = call(&platform, Method::PATCH, "/pools/ci", disabled).await;
    assert_eq!(changed["status"]["state"], "disabled", "whether it is paused or not");
}

#[tokio::test]
async fn a_pool_that_wants_runners_says_that_none_starts_by_itself() {
    let platform = Platform::with(&[("AUTO_CREATE_RUNNERS", "false")]).await;
    let short = async |min_idle: u32, enabled: bool| {
        let spec = json!({"name": "ci", "min_idle": min_idle, "enabled": enabled});
        call(&platform, Method::DELETE, "/pools/ci", Value::Null).await;
        let (_, made) = call(&platform, Method::POST, "/pools", spec).await;
        made["status"].get("short").cloned()
    };
    let words = "AUTO_CREATE_RUNNERS is not true in the orchestrator's environment, so no runner starts by itself";
    assert_eq!(short(1, true).await, Some(json!(words)));
    assert_eq!(short(0, true).await, None);
    assert_eq!(short(1, false).await, None);
    let platform = Platform::new().await;
    let spec = json!({"name": "ci", "min_idle": 1});
    let (_, made) = call(&platform, Method::POST, "/pools", spec).await;
    assert_eq!(made["status"].get("short"), None);
}

#[tokio::test]
async fn a_pull_is_shown_with_how_far_it_is() {
    let platform = Platform::new().await;
    platform.backend.state().image = false;
    platform.backend.state().endless_pulls = true;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    // The pull goes its own way.
    let shown = async {
        loop {
            let (_, default) = get(&platform, "/pools/default").await;
            if default["status"]["image_pull"].is_object() {
                break default["status"].clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let status = tokio::time::timeout(PATIENCE, shown).await.unwrap();
    assert_eq!(status["image_state"], "being pulled", "{status}");
    assert_eq!(status["image_pull"], json!({"done": 1_048_576, "size": 4_194_304}), "{status}");
}

#[tokio::test]
async fn the_status_is_shown_whole() {
    let platform = Platform::with(&[("MAX_RUNNERS", "3")]).await;
    platform.pass().await;
    let (_, mut status) = get(&platform, "/status").await;
    let (github, pass) = (status["github"].take(), status["last_pass"].take());
    assert_eq!((&pass["number"], &pass["started_at"]), (&json!(1), &json!(START)));
    assert!(github["requests"].as_u64().unwrap() > 0, "{github}");
    let expected = |runners: Value, held_back: Value, finished: Value| {
        json!({
            "version": mayfly_common::VERSION, "instance": "fake", "auto_create": true,
            "max_runners": 3, "labels": ["linux", "self-hosted", "x64"], "image": "runner:test",
            "image_state": "present", "runners": runners, "held_back": held_back,
            "github": null, "last_pass": null, "finished": finished,
        })
    };
    assert_eq!(status, expected(json!({}), json!({}), json!([])));

    // One ended before its job; the next is put off.
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(20);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.backend.exit(&name, 0, "Listening for Jobs\n");
    platform.wait(1);
    platform.pass().await;
    let (_, mut status) = get(&platform, "/status").await;
    let finished = status["finished"].as_array().unwrap().clone();
    assert_eq!((finished.len(), &finished[0]["name"]), (1, &json!(name)));
    for field in ["github", "last_pass"] {
        status[field].take();
    }
    let held = status["held_back"]["repo:octo-admin/app"].as_str().unwrap().to_owned();
    let reason = finished[0]["reason"].as_str().unwrap();
    assert_eq!(held, format!("until 2027-01-15T08:00:26Z: {reason}"));
    let held_back = json!({"repo:octo-admin/app": held});
    assert_eq!(status, expected(json!({}), held_back, json!(finished)));
    call(&platform, Method::PUT, "/drain", Value::Null).await;
    let (_, status) = get(&platform, "/status").await;
    assert_eq!(status["draining_since"], "2027-01-15T08:00:21Z");
}

#[tokio::test]
async fn a_drain_counts_all_that_are_left_and_the_busy_ones_among_them() {
    let platform = Platform::new().await;
    for name in ["busy", "waits"] {
        let body = json!({"scope": "repo", "scope_name": "octo-admin/app", "runner_name": name});
        platform.create(&body).await.unwrap();
        if name == "busy" {
            platform.queue("octo-admin/app", &["self-hosted"]);
        }
        platform.connect(name);
        platform.pass().await;
    }
    // GitHub does not let it go yet.
    platform.fault(github_sim::Fault {
        route: "/repos/{owner}/{repo}/actions/runners/{runner_id}".to_owned(),
        method: Some("DELETE".to_owned()),
        status: 422,
        times: 9,
        ..github_sim::Fault::default()
    });
    call(&platform, Method::PUT, "/drain", Value::Null).await;
    platform.pass().await;
    let (_, drain) = get(&platform, "/drain").await;
    assert_eq!((&drain["left"], &drain["busy"]), (&json!(2), &json!(1)), "{drain}");
}

/// Each of these counts at once: the driver looks without waiting for its next turn, which here is far away.
#[tokio::test]
async fn every_change_is_looked_at_at_once() {
    let seldom = [("RUNNER_CHECK_INTERVAL", "31536000"), ("RUNNER_PURGE_INTERVAL", "31536000")];
    let platform = Platform::with(&seldom).await;
    let reconciler = std::sync::Arc::clone(&platform.reconciler);
    let driving = tokio::spawn(driver::run(reconciler, std::future::pending()));
    let passes = || platform.handle.snapshot().report.number;
    // Until there is one more, and none that a former change is the cause of.
    let looked = async |before: u64| {
        let looking = async {
            while passes() <= before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await
    };
    looked(0).await.unwrap();
    let pool = json!({"name": "ci", "labels": ["x"]});
    let changes = [
        (Method::POST, "/pools", pool.clone(), StatusCode::CREATED),
        (Method::PUT, "/pools/ci", json!({"name": "ci", "labels": ["y"]}), StatusCode::OK),
        (Method::PATCH, "/pools/ci", json!({"max": 3}), StatusCode::OK),
        (Method::POST, "/pools/ci/rotate", Value::Null, StatusCode::OK),
        (Method::DELETE, "/pools/ci", Value::Null, StatusCode::NO_CONTENT),
        (Method::PUT, "/drain", Value::Null, StatusCode::OK),
        (Method::DELETE, "/drain", Value::Null, StatusCode::OK),
    ];
    for (method, path, body, expected) in changes {
        let before = passes();
        let (status, answer) = call(&platform, method.clone(), path, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
        assert!(looked(before).await.is_ok(), "{method} {path}: nobody looked");
    }
    driving.abort();
}

#[tokio::test]
async fn two_hundred_lines_of_a_log_are_asked_for() {
    let engine = StubEngine::start().await;
    let clock = github_sim::Clock::manual(START.parse().unwrap());
    let labels = json!({
        "dev.mayfly.instance": "i", "dev.mayfly.schema": "1", "dev.mayfly.runner": "mayfly-i-1",
        "dev.mayfly.pool": "default", "dev.mayfly.scope": "repo:octo-admin/app",
        "dev.mayfly.labels": "self-hosted", "dev.mayfly.github-runner-id": "",
        "dev.mayfly.image": "img", "dev.mayfly.created-at": START,
        "dev.mayfly.deadline": "2027-01-16T08:00:00Z",
    });
    engine.add_one("mayfly-i-1", ("running", "Up"), &labels);
    let variables = [("DOCKER_HOST", engine.host()), ("ORCHESTRATOR_ID", "i".to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let config = config("http://127.0.0.1:9", &variables);
    let backend = std::sync::Arc::new(mayfly_backend_docker::DockerBackend::new(config.docker()));
    let store = mayfly_store::Store::in_memory().unwrap();
    let ahead = jiff::SignedDuration::ZERO;
    let app = wire(&config, backend, &clock, ahead, PATIENT, store);
    let request = Request::get("/api/v1/runners/mayfly-i-1/logs").header("host", "127.0.0.1");
    let request = request.body(Body::empty()).unwrap();
    let response = app.router().oneshot(request).await.unwrap();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, json!({"id": "mayfly-i-1", "logs": "Listening for Jobs\n"}));
    assert_eq!(engine.asked("tail 200"), 1);
}
