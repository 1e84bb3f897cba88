//! Taking an installation out of service: drain, resume, uninstall.

use axum::body::{Body, to_bytes};
use http::{Method, Request, StatusCode};
use mayfly_common::runner::RunnerState;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{DONE, Platform, scope};

const DRAIN: &str = "/api/v1/drain";

/// Sends one request, beside a pass that answers it if it needs one.
async fn send(platform: &Platform, method: Method, path: &str) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let (response, _) = tokio::join!(platform.router().oneshot(request), platform.answering());
    let response = response.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn get(platform: &Platform, path: &str) -> Value {
    let (status, body) = send(platform, Method::GET, path).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

async fn begin(platform: &Platform) {
    let (status, body) = send(platform, Method::PUT, DRAIN).await;
    assert_eq!((status, &body["draining"]), (StatusCode::OK, &json!(true)));
}

async fn by_hand(platform: &Platform, name: &str) {
    let body = json!({"scope": "repo", "scope_name": "octo-admin/app", "runner_name": name});
    platform.create(&body).await.unwrap();
}

async fn kinds(platform: &Platform) -> Vec<String> {
    let events = get(platform, "/api/v1/events").await;
    let events = events["events"].as_array().unwrap().clone();
    let kinds = events.iter().map(|event| event["kind"].as_str().unwrap().to_owned());
    kinds.filter(|kind| kind.starts_with("drain")).collect()
}

#[tokio::test]
async fn a_drain_starts_nothing_lets_the_busy_finish_and_survives_a_restart() {
    let mut platform = Platform::new().await;
    by_hand(&platform, "busy").await;
    let first = platform.queue("octo-admin/app", &["self-hosted"]);
    assert_eq!(platform.connect("busy"), Some(first));
    by_hand(&platform, "idle").await;
    assert_eq!(platform.connect("idle"), None);
    by_hand(&platform, "starting").await;
    platform.pass().await;
    assert_eq!(platform.containers(), ["busy", "idle", "starting"]);

    begin(&platform).await;
    assert_eq!(platform.containers(), ["busy"], "those that wait or start leave");
    assert_eq!(platform.registrations(), ["busy"]);
    let drain = get(&platform, DRAIN).await;
    assert_eq!((&drain["left"], &drain["busy"]), (&json!(1), &json!(1)), "{drain}");

    // A job comes, and a request: nothing is started.
    let second = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(11);
    assert_eq!(platform.pass().await.launched, 0);
    let body = json!({"scope": "repo", "scope_name": "octo-admin/app"});
    let error = platform.create(&body).await.unwrap_err().to_string();
    assert!(error.contains("draining") && error.contains("mayfly resume"), "{error}");
    let explained = get(&platform, &format!("/api/v1/jobs/{second}/explain")).await;
    assert_eq!(explained["reasons"][0]["code"], "draining", "{explained}");
    assert_eq!(explained["reasons"].as_array().unwrap().len(), 1, "{explained}");
    assert!(get(&platform, "/api/v1/status").await["draining_since"].is_string());
    let health = get(&platform, "/health").await;
    assert!(health["dependencies"]["runners"].as_str().unwrap().contains("draining"), "{health}");
    assert_eq!(health["status"], "healthy", "somebody wants it so");

    platform.restart();
    assert_eq!(platform.pass().await.launched, 0);
    assert_eq!(platform.containers(), ["busy"]);
    platform.finish("busy", first);
    platform.pass().await;
    platform.pass().await;
    let drain = get(&platform, DRAIN).await;
    assert_eq!((&drain["draining"], &drain["left"]), (&json!(true), &json!(0)), "{drain}");
    assert!(platform.registrations().is_empty());

    let (status, drain) = send(&platform, Method::DELETE, DRAIN).await;
    assert_eq!((status, &drain["draining"]), (StatusCode::OK, &json!(false)));
    platform.pass().await;
    let runners = platform.runners();
    assert_eq!(runners.len(), 1, "the job that waited has a runner");
    assert_eq!(runners[0].state, RunnerState::Starting);
    assert_eq!(kinds(&platform).await, ["drain.began", "drain.ended"]);
    platform.restart();
    platform.pass().await;
    assert_eq!(get(&platform, DRAIN).await["draining"], false, "its end survives, too");
}

#[tokio::test]
async fn what_a_drain_has_left_is_not_told_before_a_pass_has_looked() {
    let platform = Platform::new().await;
    by_hand(&platform, "idle").await;
    platform.connect("idle");
    platform.pass().await;
    let request =
        |method| Request::builder().method(method).uri(DRAIN).body(Body::empty()).unwrap();
    let put = platform.router().oneshot(request(Method::PUT)).await.unwrap();
    let body = to_bytes(put.into_body(), 1 << 20).await.unwrap();
    let drain: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&drain["draining"], drain.get("left")), (&json!(true), None));
    platform.pass().await;
    assert_eq!(get(&platform, DRAIN).await["left"], 0);
}

#[tokio::test]
async fn a_runner_that_took_a_job_as_the_drain_began_is_kept() {
    let platform = Platform::new().await;
    by_hand(&platform, "by-hand").await;
    platform.connect("by-hand");
    platform.pass().await;
    // GitHub's list still says idle; its DELETE does not.
    platform.fault(github_sim::Fault {
        route: "/repos/{owner}/{repo}/actions/runners/{runner_id}".to_owned(),
        method: Some("DELETE".to_owned()),
        status: 422,
        ..github_sim::Fault::default()
    });
    begin(&platform).await;
    assert_eq!(platform.containers(), ["by-hand"]);
    assert_eq!(platform.registrations(), ["by-hand"]);
}

#[tokio::test]
async fn an_uninstall_leaves_nothing_of_ours_and_all_of_others() {
    let platform = Platform::new().await;
    // A repository that the sweep would come to in its own time.
    for number in 0..30 {
        platform.repo(&format!("octo-admin/r{number}"), crate::support::SELF_HOSTED);
    }
    platform.repo("octo-admin/zz-last", crate::support::SELF_HOSTED);
    let left = scope("repo:octo-admin/zz-last");
    platform.sim.with(|world| {
        for name in ["mayfly-fake-0123456789ab", "mayfly-other-0123456789ab", "somebody-s-server"] {
            world.add_offline_runner(&left, name, &["self-hosted"]).unwrap();
        }
    });
    platform.backend.state().networks.insert("mayfly-runners".to_owned());
    by_hand(&platform, "busy").await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    assert_eq!(platform.connect("busy"), Some(job));
    let path = "/api/v1/uninstall";
    let (status, problem) = send(&platform, Method::POST, path).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    begin(&platform).await;
    let (status, problem) = send(&platform, Method::POST, path).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(
        problem["detail"].as_str().unwrap().starts_with("Runners that are left: 1."),
        "{problem}"
    );

    platform.finish("busy", job);
    platform.backend.exit("busy", 0, DONE);
    platform.pass().await;
    platform.pass().await;
    let mut removed = Vec::new();
    for attempt in 0.. {
        assert!(attempt < 20, "it never ends");
        let (status, report) = send(&platform, Method::POST, path).await;
        assert_eq!(status, StatusCode::OK, "{report}");
        removed.extend(report["removed"].as_array().unwrap().clone());
        if report["left"].as_array().unwrap().is_empty() {
            break;
        }
        platform.wait(60);
    }
    let mut removed: Vec<&str> = removed.iter().map(|text| text.as_str().unwrap()).collect();
    removed.sort_unstable();
    assert_eq!(
        removed,
        [
            "network mayfly-runners",
            "registration mayfly-fake-0123456789ab of repo:octo-admin/zz-last"
        ]
    );
    assert_eq!(platform.registrations(), ["mayfly-other-0123456789ab", "somebody-s-server"]);
    assert_eq!(get(&platform, DRAIN).await["draining"], true, "until the services are stopped");
}

#[tokio::test]
async fn an_uninstall_ends_hundreds_of_runners_whatever_their_names() {
    let platform = Platform::with(&[("MAX_RUNNERS", "130")]).await;
    for number in 0..13 {
        let body = json!({
            "scope": "repo", "scope_name": "octo-admin/app", "runner_name": format!("desk-{number}"),
            "count": 10,
        });
        platform.create(&body).await.unwrap();
    }
    let repo = scope("repo:octo-admin/app");
    platform.sim.with(|world| world.add_offline_runner(&repo, "desk", &["x"])).unwrap();
    platform.backend.state().networks.insert("mayfly-runners".to_owned());
    // One container went some other way; its registration stayed.
    let lost = platform.backend.state().machines.pop_first().unwrap().0;
    assert_eq!((platform.containers().len(), platform.registrations().len()), (129, 131));
    begin(&platform).await;
    for attempt in 0.. {
        assert!(attempt < 20, "it never ends");
        platform.pass().await;
        let (status, report) = send(&platform, Method::POST, "/api/v1/uninstall").await;
        if status == StatusCode::OK && report["left"].as_array().unwrap().is_empty() {
            break;
        }
        // Of a registration without a machine it is not known that nobody uses it.
        let text = report.to_string();
        assert!(status == StatusCode::CONFLICT || text.contains(lost.as_str()), "{report}");
        platform.wait(60);
    }
    assert!(platform.containers().is_empty());
    assert_eq!(platform.registrations(), ["desk"], "somebody else's");
    assert!(platform.backend.state().networks.is_empty());
}
