//! The internal API through its real router.

use axum::body::{Body, to_bytes};
use github_sim::Fault;
use http::{Method, Request, StatusCode, header};
use mayfly_common::problem::PROBLEM_JSON;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{Platform, TOKEN};

/// Sends one request, beside a pass that answers it if it needs one.
async fn send(
    platform: &Platform,
    method: Method,
    path: &str,
    body: &str,
) -> (StatusCode, String, String) {
    let request =
        Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap();
    let (response, _) = tokio::join!(platform.router().oneshot(request), platform.answering());
    let response = response.unwrap();
    let status = response.status();
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap().to_owned());
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, kind.unwrap_or_default(), String::from_utf8(bytes.to_vec()).unwrap())
}

async fn post(platform: &Platform, body: &Value) -> (StatusCode, Value) {
    let (status, _, text) =
        send(platform, Method::POST, "/api/v1/runners", &body.to_string()).await;
    (status, serde_json::from_str(&text).unwrap())
}

async fn get(platform: &Platform, path: &str) -> (StatusCode, Value) {
    let (status, _, text) = send(platform, Method::GET, path, "").await;
    (status, serde_json::from_str(&text).unwrap())
}

const REPO: &str = "octo-admin/app";

#[tokio::test]
async fn runners_are_made_listed_shown_and_deleted() {
    let platform = Platform::new().await;
    let (status, made) = post(
        &platform,
        &json!({"scope": "repo", "scope_name": REPO, "runner_name": "by-hand", "count": 2}),
    )
    .await;
    assert_eq!((status, made["total_count"].as_u64()), (StatusCode::CREATED, Some(2)), "{made}");
    assert_eq!(
        (&made["runners"][0]["state"], &made["runners"][0]["pool"]),
        (&json!("starting"), &json!("manual"))
    );
    assert_eq!(
        get(&platform, "/api/v1/runners?state=starting&per_page=1&page=2").await.1["runners"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(get(&platform, "/api/v1/runners?scope=org").await.1["total_count"], 0);
    assert_eq!(get(&platform, "/api/v1/runners/by-hand-1").await.1["scope_name"], REPO);
    assert_eq!(get(&platform, "/api/v1/runners/by-hand-1/logs").await.0, StatusCode::OK);
    let (status, _, body) = send(&platform, Method::DELETE, "/api/v1/runners/by-hand-1", "").await;
    assert_eq!((status, body.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(get(&platform, "/api/v1/runners/by-hand-1").await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        get(&platform, "/api/v1/runners/by-hand-1/logs").await.0,
        StatusCode::OK,
        "logs outlive the runner for a while"
    );
    assert_eq!(platform.containers(), ["by-hand-2"]);
}

#[tokio::test]
async fn a_request_is_carried_out_whole_or_not_at_all() {
    let platform = Platform::new().await;
    let body = json!({"scope": "repo", "scope_name": REPO, "runner_name": "set", "count": 3});
    platform.backend.state().failing_launches = 1;
    let (status, _) = post(&platform, &body).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
    platform.wait(5);
    assert_eq!(post(&platform, &body).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn every_refusal_has_its_status_and_says_why() {
    let platform = Platform::new().await;
    let ask = |name: &str, count: u8| json!({"scope": "repo", "scope_name": name, "count": count});
    let (status, problem) = post(&platform, &ask(REPO, 5)).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (StatusCode::CONFLICT, Some("urn:mayfly:problem:at-capacity"))
    );
    assert!(problem["detail"].as_str().unwrap().contains("MAX_RUNNERS"));
    assert_eq!(post(&platform, &ask("octo-admin/none", 1)).await.0, StatusCode::NOT_FOUND);
    assert_eq!(post(&platform, &ask("owner/../x", 1)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let org = json!({"scope": "org", "scope_name": "octo-org", "runner_group": "nope"});
    let (status, problem) = post(&platform, &org).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        problem["detail"].as_str().unwrap().contains("no runner group named nope"),
        "{problem}"
    );
    let named = json!({"scope": "repo", "scope_name": REPO, "runner_name": "one"});
    assert_eq!(post(&platform, &named).await.0, StatusCode::CREATED);
    assert_eq!(post(&platform, &named).await.1["type"], "urn:mayfly:problem:name-taken");
    platform.queue(REPO, &["self-hosted"]);
    platform.connect("one");
    let (status, _, text) = send(&platform, Method::DELETE, "/api/v1/runners/one", "").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("force=true"), "{text}");
    assert_eq!(
        send(&platform, Method::DELETE, "/api/v1/runners/none", "").await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        send(&platform, Method::DELETE, "/api/v1/runners/one?force=true", "").await.0,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn force_ends_a_runner_at_once_that_takes_a_job_after_github_listed_it_as_idle() {
    for (force, status, left) in
        [("?force=true", StatusCode::NO_CONTENT, 0), ("", StatusCode::CONFLICT, 1)]
    {
        let platform = Platform::new().await;
        let named = json!({"scope": "repo", "scope_name": REPO, "runner_name": "one"});
        assert_eq!(post(&platform, &named).await.0, StatusCode::CREATED);
        platform.connect("one");
        let refusal = Fault {
            route: "/repos/{owner}/{repo}/actions/runners/{runner_id}".to_owned(),
            method: Some("DELETE".to_owned()),
            status: 422,
            times: 9,
            ..Fault::default()
        };
        platform.fault(refusal);
        let path = format!("/api/v1/runners/one{force}");
        assert_eq!(send(&platform, Method::DELETE, &path, "").await.0, status, "{force}");
        assert_eq!(platform.containers().len(), left, "{force}");
    }
}

#[tokio::test]
async fn force_ends_a_runner_while_github_fails_and_its_registration_goes_later() {
    let platform = Platform::new().await;
    let named = json!({"scope": "repo", "scope_name": REPO, "runner_name": "one"});
    assert_eq!(post(&platform, &named).await.0, StatusCode::CREATED);
    platform.connect("one");
    platform.fault(Fault {
        route: "/repos/{owner}/{repo}/actions/runners/{runner_id}".to_owned(),
        method: Some("DELETE".to_owned()),
        status: 500,
        times: 2,
        ..Fault::default()
    });
    let delete = async |force| {
        send(&platform, Method::DELETE, &format!("/api/v1/runners/one{force}"), "").await
    };
    assert_eq!(delete("").await.0, StatusCode::BAD_GATEWAY);
    assert_eq!(platform.containers(), ["one"], "only force does without GitHub");
    let (status, _, told) = delete("?force=true").await;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &told["id"]), (StatusCode::ACCEPTED, &json!("one")));
    assert!(told["detail"].as_str().unwrap().contains("did not delete the registration"), "{told}");
    assert_eq!((platform.containers(), platform.registrations()), (vec![], vec!["one".to_owned()]));
    let problems = platform.handle.snapshot().report.problems;
    assert!(
        problems.iter().any(|told| told.contains("registration of runner one")),
        "{problems:?}"
    );
    // The ordinary sweep: GitHub answers again, and has listed it as offline for as long as a runner may take to register.
    platform.sim.with(|world| world.disconnect_runner("one")).unwrap();
    for (seconds, left) in [(61, 1), (299, 1), (61, 0)] {
        platform.wait(seconds);
        platform.pass().await;
        assert_eq!(platform.registrations().len(), left);
    }
    assert_eq!(delete("?force=true").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_leftover_registration_of_the_same_name_is_replaced_if_it_is_ours_or_stays_offline() {
    let platform = Platform::new().await;
    let repo = crate::support::scope("repo:octo-admin/app");
    let add = |name| {
        platform.sim.with(|world| world.add_offline_runner(&repo, name, &["self-hosted"])).unwrap();
    };
    add("Desk");
    let ask = json!({"scope": "repo", "scope_name": REPO, "runner_name": "desk"});
    // It may be somebody's machine that is off for a moment.
    for wait in [0, 100, 199] {
        platform.wait(wait);
        let (status, problem) = post(&platform, &ask).await;
        assert_eq!(
            (status, &problem["type"]),
            (StatusCode::CONFLICT, &json!("urn:mayfly:problem:name-taken"))
        );
        let words = "A runner named desk is registered at GitHub in repo:octo-admin/app, and no machine of ours has it.";
        assert!(problem["detail"].as_str().unwrap().starts_with(words), "{problem}");
        assert_eq!(platform.registrations(), ["Desk"]);
    }
    platform.wait(1);
    assert_eq!(post(&platform, &ask).await.0, StatusCode::CREATED);
    assert_eq!(platform.registrations(), ["desk"]);
    // One that a machine of ours had is ours, however young: here GitHub did not answer when it was to be deleted.
    platform.pass().await;
    platform.backend.state().machines.clear();
    assert_eq!(post(&platform, &ask).await.0, StatusCode::CREATED);
    assert_eq!(
        (platform.registrations(), platform.containers()),
        (vec!["desk".to_owned()], vec!["desk".to_owned()])
    );
    platform.sim.with(|world| {
        world.add_offline_runner(&repo, "shelf", &["self-hosted"]).unwrap();
        world.connect_runner(&repo, "shelf").unwrap();
    });
    let (status, problem) =
        post(&platform, &json!({"scope": "repo", "scope_name": REPO, "runner_name": "shelf"}))
            .await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::CONFLICT, &json!("urn:mayfly:problem:name-taken"))
    );
    assert_eq!(platform.containers(), ["desk"]);
}

#[tokio::test]
async fn a_request_that_is_taken_back_leaves_a_namesake_of_somebody_else() {
    let platform = Platform::with(&[("runnerenv_REPO_TOKEN", "{registration_token}")]).await;
    let repo = crate::support::scope("repo:octo-admin/app");
    platform.sim.with(|world| world.add_offline_runner(&repo, "two-1", &["self-hosted"])).unwrap();
    let ask = json!({"scope": "repo", "scope_name": REPO, "runner_name": "two", "count": 2});
    let (status, problem) = post(&platform, &ask).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::CONFLICT, &json!("urn:mayfly:problem:name-taken"))
    );
    assert_eq!(platform.registrations(), ["two-1"]);
    assert!(platform.containers().is_empty());
}

#[tokio::test]
async fn trouble_behind_us_is_a_5xx_that_says_nothing_internal() {
    let platform = Platform::new().await;
    let ask = json!({"scope": "repo", "scope_name": REPO});
    for status in [401, 500] {
        platform.fault(Fault {
            route: "*generate-jitconfig".to_owned(),
            status,
            // A single 401 is no verdict.
            times: 2,
            body: Some("secret-detail".to_owned()),
            ..Fault::default()
        });
        let (found, problem) = post(&platform, &ask).await;
        assert_eq!(found, StatusCode::BAD_GATEWAY);
        assert!(
            !problem.to_string().contains("secret-detail")
                && !problem.to_string().contains("TOKEN"),
            "{problem}"
        );
    }
    platform.backend.state().away = true;
    let (status, problem) = post(&platform, &ask).await;
    assert_eq!(
        (status, problem["retry_after"].as_u64()),
        (StatusCode::SERVICE_UNAVAILABLE, Some(5))
    );
    assert_eq!(problem["detail"], "The fake cannot be reached: no engine");
    assert_eq!(get(&platform, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    let (status, health) = get(&platform, "/health").await;
    assert_eq!((status, &health["status"]), (StatusCode::OK, &json!("degraded")));
    assert_eq!(health["dependencies"]["docker"], "The fake cannot be reached: no engine");
}

#[tokio::test]
async fn bad_requests_are_problems_too() {
    let platform = Platform::new().await;
    let rows = [
        (Method::POST, "/api/v1/runners", "{", 400),
        (Method::POST, "/api/v1/runners", "[]", 422),
        (Method::GET, "/api/v1/runners?page=0", "", 422),
        (Method::GET, "/api/v1/runners?per_page=101", "", 422),
        (Method::GET, "/api/v1/runners?state=flying", "", 422),
        (Method::GET, "/api/v1/runners/..%2Fx", "", 404),
        (Method::DELETE, "/api/v1/runners/x?force=perhaps", "", 422),
        (Method::POST, "/api/v1/runners/cleanup?dry=1", "", 422),
        (Method::PUT, "/api/v1/runners", "", 405),
        (Method::GET, "/nothing", "", 404),
    ];
    for (method, path, body, expected) in rows {
        let (status, kind, text) = send(&platform, method.clone(), path, body).await;
        assert_eq!(
            (status.as_u16(), kind.as_str()),
            (expected, PROBLEM_JSON),
            "{method} {path}: {text}"
        );
    }
    let large = "x".repeat(70 << 10);
    assert_eq!(
        send(&platform, Method::POST, "/api/v1/runners", &large).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn a_clean_up_can_be_tried_dry() {
    let platform = Platform::new().await;
    post(&platform, &json!({"scope": "repo", "scope_name": REPO, "runner_name": "old"})).await;
    platform.backend.exit("old", 1, "");
    let cleanup = async |path: &str| -> Value {
        let request =
            Request::builder().method(Method::POST).uri(path).body(Body::empty()).unwrap();
        let (response, _) = tokio::join!(platform.router().oneshot(request), platform.answering());
        serde_json::from_slice(&to_bytes(response.unwrap().into_body(), 1 << 20).await.unwrap())
            .unwrap()
    };
    let dry = cleanup("/api/v1/runners/cleanup?dry_run=true").await;
    assert_eq!((&dry["total"], &dry["cleaned"]), (&json!(1), &json!(0)), "{dry}");
    assert_eq!(platform.containers().len(), 1);
    let wet = cleanup("/api/v1/runners/cleanup").await;
    assert_eq!(
        (&wet["total"], &wet["cleaned"], &wet["failed"]),
        (&json!(1), &json!(1), &json!(0)),
        "{wet}"
    );
    assert!(platform.containers().is_empty());
}

#[tokio::test]
async fn configuration_shows_names_and_never_values() {
    let platform = Platform::with(&[("runnerenv_SECRET_THING", "hunter2-{runner_name}")]).await;
    let (_, info) = get(&platform, "/api/v1/config/info").await;
    assert_eq!(
        (&info["variable_names"], &info["available_placeholders"]),
        (&json!(["SECRET_THING"]), &json!(22))
    );
    let (_, validation) = get(&platform, "/api/v1/config/validate").await;
    assert_eq!(validation["valid"], true);
    let (_, placeholders) = get(&platform, "/api/v1/config/placeholders").await;
    assert!(placeholders["placeholders"]["{registration_token}"].is_string());
    platform.queue(REPO, &["self-hosted"]);
    for path in [
        "/api/v1/config/info",
        "/api/v1/config/validate",
        "/api/v1/status",
        "/api/v1/runners",
        "/health",
        "/metrics",
    ] {
        let (status, _, text) = send(&platform, Method::GET, path, "").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(
            !text.contains("hunter2") && !text.contains(TOKEN) && !text.contains("eyJ"),
            "{path}: {text}"
        );
    }
}

#[tokio::test]
async fn browsers_are_turned_away() {
    let platform = Platform::new().await;
    for (name, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
        for (method, path) in [
            (Method::POST, "/api/v1/runners"),
            (Method::GET, "/api/v1/jobs/1/explain?repository=octo-admin/app"),
            (Method::GET, "/health"),
        ] {
            let request = Request::builder().method(method).uri(path).header(name, value);
            let request = request.body(Body::from(r#"{"scope":"org","scope_name":"octo-org"}"#));
            let response = platform.router().oneshot(request.unwrap()).await.unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name} {path}");
        }
    }
    let blind = Request::post("/api/v1/runners").header(header::CONTENT_TYPE, "text/plain");
    let blind = blind.body(Body::from(r#"{"scope":"org","scope_name":"octo-org"}"#)).unwrap();
    let response = platform.router().oneshot(blind).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let rebound = Request::get("/api/v1/runners").header(header::HOST, "evil.example:8000");
    let response = platform.router().oneshot(rebound.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
    assert!(platform.containers().is_empty());
}

/// Whoever asks about many jobs that nobody knows does not spend the requests that waiting jobs need.
#[tokio::test]
async fn explanations_cost_github_little() {
    let platform = Platform::new().await;
    platform.pass().await;
    let questions = || {
        let recorded = platform.sim.recorded();
        recorded.iter().filter(|request| request.path_and_query.contains("/actions/jobs/")).count()
    };
    for job in 1..=200 {
        let path = format!("/api/v1/jobs/{}/explain?repository={REPO}", 900_000 + job % 100);
        get(&platform, &path).await;
    }
    assert_eq!(questions(), 30);
    platform.wait(60);
    get(&platform, &format!("/api/v1/jobs/900001/explain?repository={REPO}")).await;
    assert_eq!(questions(), 31);
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let platform = Platform::new().await;
    platform.queue(REPO, &["self-hosted"]);
    platform.pass().await;
    let (_, kind, text) = send(&platform, Method::GET, "/metrics", "").await;
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let plain = Request::get("/metrics").header(header::ACCEPT, "text/plain").body(Body::empty());
    let plain = platform.router().oneshot(plain.unwrap()).await.unwrap();
    assert_eq!(plain.headers()[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    let plain = to_bytes(plain.into_body(), 1 << 20).await.unwrap();
    let plain = String::from_utf8(plain.to_vec()).unwrap();
    assert!(plain.contains("# TYPE mayfly_actions_total counter\n"), "{plain}");
    assert!(plain.contains("# TYPE mayfly_build_info gauge\n"), "{plain}");
    assert!(!plain.contains("# UNIT") && !plain.contains("# EOF"), "{plain}");
    for line in [
        "mayfly_runners{pool=\"default\",state=\"starting\"} 1",
        "mayfly_runner_creation_seconds_count{pool=\"default\"} 1",
        "mayfly_actions_total{action=\"launch\",outcome=\"done\"} 1",
        "mayfly_jobs_queued 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn only_a_few_logs_are_read_at_a_time() {
    let platform = Platform::new().await;
    let made =
        post(&platform, &json!({"scope": "repo", "scope_name": REPO, "runner_name": "one"})).await;
    assert_eq!(made.0, StatusCode::CREATED);
    let router = platform.router();
    let ask = async || {
        let request =
            Request::builder().uri("/api/v1/runners/one/logs").body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status()
    };
    let answers = futures::future::join_all((0..40).map(|_| ask())).await;
    assert!(answers.iter().all(|status| *status == StatusCode::OK), "{answers:?}");
    assert_eq!(platform.backend.state().readers, (0, 4));
}
