//! What crosses the gateway, in both directions.

use axum::body::Body;
use http::{Method, StatusCode};
use mayfly_common::problem::PROBLEM_JSON;

use crate::support::{KEY, create, gateway, request};

#[tokio::test]
async fn every_route_reaches_its_counterpart_also_by_its_alias() {
    let (client, stub) = gateway().await;
    client.send(create(r#"{"scope":"org","scope_name":"octo","runner_name":"box"}"#)).await;
    let cases = [
        (Method::GET, "/runners", 200, true),
        (Method::GET, "/runners?state=idle&per_page=5", 200, true),
        (Method::GET, "/runners/box", 200, true),
        (Method::GET, "/runners/box/logs", 200, true),
        (Method::POST, "/runners/cleanup", 200, true),
        (Method::POST, "/runners/cleanup?dry_run=true", 200, true),
        (Method::GET, "/runners/none", 404, true),
        (Method::DELETE, "/runners/none", 404, true),
        (Method::GET, "/status", 200, false),
        (Method::GET, "/config/info", 200, false),
        (Method::GET, "/config/validate", 200, false),
        (Method::GET, "/config/placeholders", 200, false),
        (Method::DELETE, "/runners/box", 204, false),
    ];
    for (method, path, status, aliased) in cases {
        stub.memory().seen.clear();
        let full = format!("/api/v1{path}");
        let answer = client.call(method.clone(), &full).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {full}");
        if aliased {
            let alias = client.call(method.clone(), path).await;
            assert_eq!((alias.status, alias.body), (answer.status, answer.body), "{method} {path}");
        }
        for seen in &stub.memory().seen {
            assert_eq!((&*seen.method, &*seen.target), (method.as_str(), &*full));
        }
        assert_eq!(stub.memory().seen.len(), 1 + usize::from(aliased));
    }
}

#[tokio::test]
async fn the_orchestrator_s_problems_pass_unchanged() {
    let (client, _) = gateway().await;
    let body = r#"{"scope":"org","scope_name":"octo","runner_name":"busy-box"}"#;
    assert_eq!(client.send(create(body)).await.status, StatusCode::CREATED);
    let taken = client.send(create(body)).await;
    assert_eq!(
        (taken.status, taken.header("content-type")),
        (StatusCode::CONFLICT, Some(PROBLEM_JSON))
    );
    assert_eq!(taken.problem().kind, "urn:mayfly:problem:name-taken");
    let busy = client.call(Method::DELETE, "/api/v1/runners/busy-box").await;
    assert_eq!(busy.problem().kind, "urn:mayfly:problem:runner-busy");
}

#[tokio::test]
async fn a_runner_at_work_is_removed_if_the_caller_insists() {
    let (client, stub) = gateway().await;
    let body = r#"{"scope":"org","scope_name":"octo","runner_name":"busy-box"}"#;
    assert_eq!(client.send(create(body)).await.status, StatusCode::CREATED);
    for kept in ["/api/v1/runners/busy-box", "/runners/busy-box?force=false"] {
        assert_eq!(client.call(Method::DELETE, kept).await.status, StatusCode::CONFLICT, "{kept}");
    }
    let insisting = "/api/v1/runners/busy-box?force=true";
    assert_eq!(client.call(Method::DELETE, insisting).await.status, StatusCode::NO_CONTENT);
    assert_eq!(stub.memory().seen.last().unwrap().target, insisting);
}

#[tokio::test]
async fn no_credential_and_no_hop_header_is_sent_on() {
    let (client, stub) = gateway().await;
    let request = request(Method::GET, "/api/v1/runners")
        .header("x-api-key", KEY)
        .header("cookie", "session=1")
        .header("connection", "keep-alive, x-private")
        .header("x-private", "1")
        .header("te", "trailers")
        .header("proxy-authorization", "Basic x")
        .header("x-forwarded-for", "198.51.100.1")
        .header("accept", "application/json")
        .header("if-none-match", "\"tag\"")
        .header("x-request-id", "abc-123");
    let answer = client.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let seen = stub.memory().seen[0].headers.clone();
    let mut names: Vec<&str> = seen.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "host", "if-none-match", "x-request-id"]);
    assert_eq!(seen["x-request-id"], "abc-123");
}

#[tokio::test]
async fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let (client, stub) = gateway().await;
    let long = "x".repeat(65);
    let cases = [
        (Some("run-42/attempt:1"), true),
        (Some(&*"x".repeat(64)), true),
        (Some(&*long), false),
        (Some("has space"), false),
        (Some(""), false),
        (None, false),
    ];
    for (given, kept) in cases {
        stub.memory().seen.clear();
        let mut request = request(Method::GET, "/api/v1/status");
        if let Some(id) = given {
            request = request.header("x-request-id", id);
        }
        let answer = client.send(request.body(Body::empty()).unwrap()).await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(Some(&*id) == given, kept, "{given:?} became {id}");
        assert!((1..=64).contains(&id.len()));
        assert_eq!(stub.memory().seen[0].headers["x-request-id"], id);
    }
    let (one, two) = (client.get_anonymously("/nowhere").await, client.get_anonymously("/").await);
    assert!(one.header("x-request-id").is_some_and(|id| id.len() > 16));
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test]
async fn head_works_where_get_does() {
    let (client, _) = gateway().await;
    let answer = client.call(Method::HEAD, "/api/v1/status").await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    let missing = client.call(Method::HEAD, "/api/v1/runners/none").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}
