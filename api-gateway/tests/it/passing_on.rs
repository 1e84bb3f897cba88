//! What crosses the gateway, in both directions.

use axum::body::Body;
use axum::extract::Request;
use axum::{Json, Router};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use mayfly_common::problem::PROBLEM_JSON;
use serde_json::{Value, json};

use crate::support::{Client, KEY, create, gateway, gateway_before, request};

/// A gateway before an orchestrator that answers whatever it is asked with what it was asked.
async fn before_an_echo() -> Client {
    let echo = async |request: Request| {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mut headers: Vec<(&str, &str)> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        headers.sort_unstable();
        Json(json!({
            "asked": format!("{} {}", parts.method, parts.uri),
            "body": std::str::from_utf8(&body).unwrap(),
            "headers": headers,
        }))
    };
    gateway_before(Router::new().fallback(echo)).await
}

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

#[tokio::test]
async fn every_operation_asks_the_orchestrator_for_its_own_counterpart() {
    const CREATE: &str = r#"{"scope":"org","scope_name":"octo"}"#;
    const POOL: &str = r#"{"name":"ci","scopes":["org:octo"]}"#;
    let client = before_an_echo().await;
    let bodiless = [
        "GET /api/v1/config/info",
        "GET /api/v1/config/placeholders",
        "GET /api/v1/config/validate",
        "GET /api/v1/drain",
        "PUT /api/v1/drain",
        "DELETE /api/v1/drain",
        "GET /api/v1/events",
        "GET /api/v1/events?after=0&limit=1000",
        "GET /api/v1/finished-runners",
        "GET /api/v1/finished-runners?pool=ci&state=gone&scope_name=octo&page=2&per_page=3",
        "GET /api/v1/finished-runners/box",
        "GET /api/v1/jobs",
        "GET /api/v1/jobs?repository=octo%2Fhello&status=queued&page=2&per_page=3",
        "GET /api/v1/jobs/stats",
        "GET /api/v1/jobs/stats?days=7",
        "GET /api/v1/jobs/51",
        "GET /api/v1/jobs/51/explain",
        "GET /api/v1/jobs/51/explain?repository=octo%2Fhello",
        "GET /api/v1/pools",
        "GET /api/v1/pools/ci",
        "DELETE /api/v1/pools/ci",
        "POST /api/v1/pools/ci/rotate",
        "GET /api/v1/runners",
        "GET /api/v1/runners?state=idle&scope=org&scope_name=octo&page=2&per_page=3",
        "POST /api/v1/runners/cleanup",
        "POST /api/v1/runners/cleanup?dry_run=true",
        "GET /api/v1/runners/box",
        "DELETE /api/v1/runners/box",
        "DELETE /api/v1/runners/box?force=true",
        "GET /api/v1/runners/box/logs",
        "GET /api/v1/status",
        "POST /api/v1/uninstall",
    ];
    let with_body = [
        ("POST /api/v1/runners", "application/json", CREATE),
        ("POST /api/v1/pools", "application/json", POOL),
        ("PUT /api/v1/pools/ci", "application/json", POOL),
        ("PATCH /api/v1/pools/ci", "application/merge-patch+json", r#"{"paused":true}"#),
        ("PATCH /api/v1/pools/ci", "application/json", r#"{ "max": 3 }"#),
    ];
    let rows = bodiless.map(|asked| (asked, "", "")).into_iter().chain(with_body);
    for (asked, kind, body) in rows {
        let (method, target) = asked.split_once(' ').unwrap();
        let mut request = request(method.parse().unwrap(), target);
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let answer = client.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{asked}: {}", answer.text());
        let seen = answer.json();
        assert_eq!((&seen["asked"], &seen["body"]), (&json!(asked), &json!(body)));
    }
}

#[tokio::test]
async fn a_pool_s_change_is_refused_here_where_it_can_be() {
    let client = before_an_echo().await;
    let send = async |method: Method, target: &str, kind: &str, body: &'static str| {
        let request = request(method, target).header("content-type", kind);
        client.send(request.body(Body::from(body)).unwrap()).await
    };
    let (json_kind, patch) = ("application/json", "application/merge-patch+json");
    for (method, target) in [(Method::POST, "/api/v1/pools"), (Method::PUT, "/api/v1/pools/ci")] {
        let odd = send(method.clone(), target, json_kind, r#"{"name":"ci","max":-1}"#).await;
        assert!(odd.pointers().contains(&"/max".to_owned()), "{method}");
        let other = send(method.clone(), target, patch, "{}").await;
        assert_eq!(other.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{method}");
        let said = other.problem().detail.unwrap();
        assert_eq!(said, "Send Content-Type: application/json.", "{method}");
    }
    for target in ["/api/v1/pools/ci", "/api/v1/pools/ci?dry_run=true"] {
        let answer = send(Method::PATCH, target, patch, "[]").await;
        let [error] = &answer.problem().errors[..] else { panic!("{}", answer.text()) };
        let expected = if target.contains('?') {
            ("?dry_run", "is not known; there are no parameters here")
        } else {
            ("", "must be an object")
        };
        assert_eq!((&*error.pointer, &*error.detail), expected);
    }
    let broken = send(Method::PATCH, "/api/v1/pools/ci", patch, "{").await;
    assert_eq!(broken.problem().kind, "urn:mayfly:problem:malformed-request");
    assert!(broken.problem().detail.unwrap().starts_with("The body is not JSON: "));
    let text = send(Method::PATCH, "/api/v1/pools/ci", "text/plain", "{}").await;
    assert_eq!(text.problem().title, "The body must be JSON");
    let said = text.problem().detail.unwrap();
    assert_eq!(said, "Send Content-Type: application/merge-patch+json or application/json.");
    for bad in ["a%20b", "..%2fstatus", "%ff", &"x".repeat(33)] {
        let answer = client.get(&format!("/api/v1/pools/{bad}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{bad}");
        assert_eq!(answer.problem().detail.unwrap(), "There is no pool of that name.");
    }
    for bad in ["0", "-1", "x", "1.0", "9223372036854775808"] {
        for rest in ["", "/explain"] {
            let answer = client.get(&format!("/api/v1/jobs/{bad}{rest}")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{bad}");
            assert_eq!(answer.problem().detail.unwrap(), "There is no job of that id.");
        }
    }
    let runner = client.get("/api/v1/finished-runners/a%20b").await;
    assert_eq!(runner.problem().detail.unwrap(), "There is no runner of that id.");
}

#[tokio::test]
async fn the_headers_that_mean_something_there_go_to_the_orchestrator() {
    let client = before_an_echo().await;
    let mut request = request(Method::GET, "/api/v1/status");
    for (name, value) in [
        ("accept", "application/json"),
        ("accept-language", "en"),
        ("content-type", "text/x-content"),
        ("if-match", "\"match\""),
        ("if-none-match", "\"none\""),
        ("last-event-id", "7"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-request-id", "id-1"),
    ] {
        request = request.header(name, value);
    }
    let seen = client.send(request.body(Body::empty()).unwrap()).await.json();
    let host = &seen["headers"][2];
    assert_eq!(host[0], "host", "{seen}");
    let expected = json!([
        ["accept", "application/json"],
        ["content-type", "text/x-content"],
        host,
        ["if-match", "\"match\""],
        ["if-none-match", "\"none\""],
        ["last-event-id", "7"],
        ["x-request-id", "id-1"],
    ]);
    assert_eq!(seen["headers"], expected);
}

/// The headers of an answer, in order.
fn headers(answer: &crate::support::Answer) -> Vec<(&str, &str)> {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    headers.sort_unstable();
    headers
}

#[tokio::test]
async fn the_headers_that_mean_something_outside_come_back() {
    let sent = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_LENGTH, "2"),
        (header::RETRY_AFTER, "3"),
        (header::ETAG, "\"tag\""),
        (header::LOCATION, "/api/v1/runners/box"),
        (header::LINK, "</next>; rel=next"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
        (header::VARY, "accept"),
        (header::WWW_AUTHENTICATE, "Basic"),
        (HeaderName::from_static("x-request-id"), "of-the-orchestrator"),
    ];
    let client = gateway_before(Router::new().fallback(async move || (sent, "{}"))).await;
    let asked = request(Method::GET, "/api/v1/status").header("x-request-id", "id-1");
    let answer = client.send(asked.body(Body::empty()).unwrap()).await;
    let expected = [
        ("cache-control", "no-store"),
        ("content-length", "2"),
        ("content-type", "application/json"),
        ("etag", "\"tag\""),
        ("link", "</next>; rel=next"),
        ("location", "/api/v1/runners/box"),
        ("retry-after", "3"),
        ("x-accel-buffering", "no"),
        ("x-content-type-options", "nosniff"),
        ("x-request-id", "id-1"),
    ];
    assert_eq!(headers(&answer), expected);
}

/// What is answered, in which form, and whether that passes.
#[tokio::test]
async fn what_the_api_speaks_passes_and_nothing_else() {
    let (json, problem, events) =
        ("application/json", "application/problem+json", "text/event-stream");
    let rows = [
        (200, json, true),
        (201, "Application/JSON; charset=utf-8", true),
        (202, json, true),
        (299, json, true),
        (200, events, true),
        (200, problem, false),
        (200, "application/json-seq", false),
        (200, "", false),
        (204, "", true),
        (205, "", false),
        (300, json, false),
        (302, json, false),
        (303, "", false),
        (304, "", true),
        (305, "", false),
        (400, problem, true),
        (412, problem, true),
        (499, problem, true),
        (404, json, false),
        (404, events, false),
        (500, problem, false),
        (501, problem, true),
        (502, json, false),
    ];
    for (status, kind, passes) in rows {
        let text = format!(r#"{{"type":"urn:mayfly:problem:x","title":"T","status":{status}}}"#);
        let body = text.clone();
        let upstream = async move || {
            let mut answer = axum::response::Response::new(Body::from(body));
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            if !kind.is_empty() {
                answer.headers_mut().insert("content-type", HeaderValue::from_static(kind));
            }
            answer
        };
        let client = gateway_before(Router::new().fallback(upstream)).await;
        let answer = client.get("/api/v1/status").await;
        let expected = if passes { status } else { 502 };
        assert_eq!(answer.status.as_u16(), expected, "{status} {kind:?}");
        let bodiless = matches!(status, 204 | 304);
        if passes {
            assert_eq!(answer.text(), if bodiless { "" } else { &text }, "{status} {kind:?}");
        } else {
            assert_eq!(answer.problem().kind, "urn:mayfly:problem:bad-gateway");
        }
    }
}

#[tokio::test]
async fn a_problem_of_the_orchestrator_s_is_read_up_to_16_kib() {
    for (more, passes) in [(0, true), (1, false)] {
        let rest = r#"{"type":"urn:mayfly:problem:x","title":"T","status":502,"detail":""}"#.len();
        let detail = "x".repeat(16 * 1024 - rest + more);
        let text = format!(
            r#"{{"type":"urn:mayfly:problem:x","title":"T","status":502,"detail":"{detail}"}}"#
        );
        let kind = [(header::CONTENT_TYPE, PROBLEM_JSON)];
        let upstream = async move || (StatusCode::BAD_GATEWAY, kind, text);
        let client = gateway_before(Router::new().fallback(upstream)).await;
        let kind = client.get("/api/v1/status").await.problem().kind;
        assert_eq!(kind == "urn:mayfly:problem:x", passes, "{kind}");
    }
}

#[tokio::test]
async fn an_answer_of_the_gateway_s_own_has_these_headers() {
    let (client, _) = gateway().await;
    let id = |request: http::request::Builder| request.header("x-request-id", "id-1");
    let asked = id(request(Method::GET, "/livez")).body(Body::empty()).unwrap();
    let answer = client.send(asked).await;
    let length = answer.body.len().to_string();
    let expected = [
        ("content-length", &*length),
        ("content-type", "application/json"),
        ("x-content-type-options", "nosniff"),
        ("x-request-id", "id-1"),
    ];
    assert_eq!(headers(&answer), expected);
    let version = mayfly_common::VERSION;
    let alive = json!({"status": "healthy", "service": "api-gateway", "version": version});
    assert_eq!(answer.json(), alive);
    assert_eq!(client.get("/readyz").await.json(), alive);
    let refused = crate::support::anonymous(Method::GET, "/api/v1/status");
    let answer = client.send(id(refused).body(Body::empty()).unwrap()).await;
    let length = answer.body.len().to_string();
    let expected = [
        ("content-length", &*length),
        ("content-type", PROBLEM_JSON),
        ("www-authenticate", "Bearer"),
        ("x-content-type-options", "nosniff"),
        ("x-request-id", "id-1"),
    ];
    assert_eq!(headers(&answer), expected);
    let nothing = client.get("/nothing").await.problem();
    let said = "There is nothing at this path; GET /openapi.json lists what there is.";
    assert_eq!((&*nothing.kind, &*nothing.detail.unwrap()), ("urn:mayfly:problem:not-found", said));
    let wrong = client.call(Method::PUT, "/livez").await;
    assert_eq!(wrong.json()["type"], Value::from("urn:mayfly:problem:method-not-allowed"));
}
