//! The control interface: seeding, looking, faults.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Ask, Reply, get, post, send, sim};

async fn delete(sim: &github_sim::Sim, path: &str, body: Option<Value>) -> Reply {
    send(sim, Ask { method: "DELETE", path, body, ..Ask::default() }).await
}

#[tokio::test]
async fn a_repository_is_made_and_its_workflow_dispatched() {
    let (sim, _) = sim().await;
    let workflow = "on: push\njobs: {a: {runs-on: [self-hosted], steps: [{run: echo hi}]}}";
    let body = json!({"repo": "new-org/app", "files": {".github/workflows/a.yml": workflow}});
    assert_eq!(post(&sim, "/_sim/repos", body.clone()).await.status, 201);
    assert_eq!(post(&sim, "/_sim/repos", body).await.status, 409);
    let run = json!({"repo": "new-org/app", "workflow": "a.yml"});
    let run = post(&sim, "/_sim/dispatch", run).await.json();
    let state = get(&sim, "/_sim/state").await.json();
    let job =
        state["jobs"].as_array().unwrap().iter().find(|job| job["id"] == run["jobs"][0]).unwrap();
    assert_eq!((&job["status"], &job["labels"]), (&json!("queued"), &json!(["self-hosted"])));
    let id = &run["run_id"];
    assert_eq!(post(&sim, &format!("/_sim/runs/{id}/cancel"), json!({})).await.status, 204);
    assert_eq!(post(&sim, &format!("/_sim/runs/{id}/cancel"), json!({})).await.status, 422);
    let log = get(&sim, &format!("/_sim/jobs/{}/log", run["jobs"][0])).await;
    assert_eq!((log.status, log.body), (200, Vec::new()));
    let gone = json!({"repo": "new-org/app", "path": ".github/workflows/a.yml"});
    assert_eq!(delete(&sim, "/_sim/files", Some(gone.clone())).await.status, 204);
    assert_eq!(delete(&sim, "/_sim/files", Some(gone)).await.status, 404);
    assert_eq!(post(&sim, "/_sim/reset", json!({})).await.status, 204);
    assert_eq!(get(&sim, "/_sim/state").await.json()["jobs"], json!([]));
}

#[tokio::test]
async fn unknown_fields_are_refused_by_name() {
    let (sim, _) = sim().await;
    for (path, body, pointer) in [
        ("/_sim/jobs", json!({"repo": "o/r", "name": "x", "labels": [], "extra": 1}), "/extra"),
        ("/_sim/faults", json!({"tmes": 1}), "/tmes"),
        ("/_sim/faults", json!({"status": 42}), "/status"),
        ("/_sim/repos", json!({"repo": "no-slash"}), "/repo"),
        ("/_sim/tokens", json!({}), "/token"),
    ] {
        let reply = post(&sim, path, body).await;
        assert_eq!((reply.status, reply.header("content-type")), (422, "application/problem+json"));
        assert_eq!(reply.json()["errors"][0]["pointer"], pointer, "{path}");
    }
}

#[tokio::test]
async fn the_demo_is_dispatched_over_http() {
    let (sim, _) = sim().await;
    let jobs = post(&sim, "/_sim/demo", json!({"jobs": 4})).await.json();
    let own = jobs.as_array().unwrap().iter().filter(|job| job["self_hosted"] == true);
    assert_eq!(own.count(), 4);
}

#[tokio::test]
async fn faults_hit_as_often_as_ordered() {
    let (sim, _) = sim().await;
    let order =
        json!({"route": "/user", "times": 2, "status": 429, "headers": {"retry-after": "7"}});
    assert_eq!(post(&sim, "/_sim/faults", order).await.status, 201);
    for status in [429, 429, 200] {
        assert_eq!(get(&sim, "/user").await.status, status);
    }
    let order = json!({"route": "/repos/{owner}/{repo}", "kind": "html", "status": 502});
    post(&sim, "/_sim/faults", order).await;
    assert_eq!(get(&sim, "/user").await.status, 200, "another route");
    let html = get(&sim, "/repos/octo-org/tools").await;
    assert_eq!((html.status, html.header("content-type")), (502, "text/html; charset=utf-8"));
    assert_eq!(
        sim.counters().of("GET", "/repos/{owner}/{repo}"),
        1,
        "a fault is counted at its route"
    );
    post(&sim, "/_sim/faults", json!({"route": "/user", "kind": "truncated"})).await;
    let cut = get(&sim, "/user").await;
    assert!(cut.status == 200 && serde_json::from_slice::<Value>(&cut.body).is_err());
    post(&sim, "/_sim/faults", json!({"kind": "hang"})).await;
    let hanging = tokio::time::timeout(Duration::from_millis(50), get(&sim, "/user")).await;
    assert!(hanging.is_err(), "no answer");
    post(&sim, "/_sim/faults", json!({})).await;
    assert_eq!(delete(&sim, "/_sim/faults", None).await.status, 204);
    assert_eq!(get(&sim, "/user").await.status, 200);
}

#[tokio::test]
async fn an_effect_can_be_lost_or_doubled() {
    let (sim, _) = sim().await;
    let jit = "/orgs/octo-org/actions/runners/generate-jitconfig";
    let new = |name: &str| json!({"name": name, "runner_group_id": 1, "labels": ["x"]});
    post(&sim, "/_sim/faults", json!({"method": "POST", "effect": "lost", "status": 502})).await;
    assert_eq!(post(&sim, jit, new("r1")).await.status, 502);
    assert_eq!(post(&sim, jit, new("r1")).await.status, 409, "it was made all the same");
    post(&sim, "/_sim/faults", json!({"method": "POST", "effect": "duplicated"})).await;
    assert_eq!(post(&sim, jit, new("r2")).await.status, 409, "the second of two");
    let runners = get(&sim, "/orgs/octo-org/actions/runners").await.json();
    assert_eq!(runners["total_count"], 2);
}
