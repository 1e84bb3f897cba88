//! `POST /runners`: what is refused at the edge, and that what passes arrives as it was sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Method, StatusCode};
use mayfly_common::problem::Problem;
use serde_json::{Value, json};

use crate::support::{create, gateway, request};

#[tokio::test]
async fn a_good_request_arrives_unchanged() {
    let (client, stub) = gateway().await;
    let body =
        r#"{ "scope":"repo", "scope_name":"octo-org/octo-repo", "runner_name":"box", "count":2 }"#;
    let answer = client.send(create(body)).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["runners"][1]["name"], "box-2");
    let seen = stub.memory().seen.clone();
    assert_eq!((&*seen[0].method, &*seen[0].target), ("POST", "/api/v1/runners"));
    assert_eq!(seen[0].headers["content-length"], body.len().to_string());
}

#[tokio::test]
async fn every_kind_of_bad_input_is_refused_here_with_its_place() {
    let (client, stub) = gateway().await;
    let good = json!({"scope": "repo", "scope_name": "o/r"});
    let cases: [(&str, Value, &str); 16] = [
        ("scope", json!("user"), "/scope"),
        ("scope", json!(7), "/scope"),
        ("scope_name", json!("owner/../x"), "/scope_name"),
        ("scope_name", json!("o/.."), "/scope_name"),
        ("scope_name", json!("me/r0/forks?x="), "/scope_name"),
        ("scope_name", json!("o/r%2f.."), "/scope_name"),
        ("scope_name", json!(null), "/scope_name"),
        ("runner_name", json!("x".repeat(101)), "/runner_name"),
        ("runner_name", json!("a b"), "/runner_name"),
        ("runner_group", json!(1), "/runner_group"),
        ("labels", json!(["gpu\tother"]), "/labels/0"),
        ("labels", json!("gpu"), "/labels"),
        ("count", json!(0), "/count"),
        ("count", json!(11), "/count"),
        ("count", json!("2"), "/count"),
        ("enable_dind", json!(true), "/enable_dind"),
    ];
    for (name, value, pointer) in cases {
        let mut body = good.clone();
        body[name] = value.clone();
        let answer = client.send(create(body.to_string())).await;
        assert_eq!(answer.pointers(), [pointer], "{name} = {value}");
    }
    let all = json!({"scope": "x", "scope_name": 1, "count": 0, "labels": [], "extra": 1});
    assert_eq!(client.send(create(all.to_string())).await.pointers().len(), 5);
    assert!(stub.memory().seen.is_empty(), "bad input went to the orchestrator");
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let (client, _) = gateway().await;
    for body in ["", "{", "nonsense", "{\"scope\": \"repo\",}", "\u{0}"] {
        let answer = client.send(create(body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body:?}");
        assert_eq!(answer.problem().kind, "urn:mayfly:problem:malformed-request");
    }
    let answer = client.send(create(vec![0xff, 0xfe])).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_of_another_type_or_size_is_refused() {
    let (client, stub) = gateway().await;
    let body = r#"{"scope":"repo","scope_name":"o/r"}"#;
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let mut request = request(Method::POST, "/api/v1/runners");
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = client.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind:?}");
        answer.problem();
    }
    let oversize = format!("{body}{}", " ".repeat(64 * 1024 + 1 - body.len()));
    let answer = client.send(create(oversize)).await;
    let too_large =
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", "The body is too large")
            .with_detail("At most 65536 bytes are taken.");
    assert_eq!(answer.problem(), too_large);
    let broken = futures::stream::iter([Err::<&str, _>(std::io::Error::other("gone"))]);
    let answer = client.send(create(Body::from_stream(broken))).await;
    assert_eq!(answer.problem(), Problem::malformed("The body ended early."));
    assert!(stub.memory().seen.is_empty());
    let with_charset = request(Method::POST, "/api/v1/runners");
    let with_charset = with_charset.header("content-type", "Application/JSON; charset=utf-8");
    let largest = format!("{body}{}", " ".repeat(64 * 1024 - body.len()));
    let answer = client.send(with_charset.body(Body::from(largest)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

/// No socket is involved, so the paused clock jumps straight to the deadline.
#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let router = api_gateway::router(&crate::support::config("127.0.0.1:1".parse().unwrap()));
    let started = tokio::time::Instant::now();
    let answer = crate::support::Client(router).send(create(Body::new(Never))).await;
    let slow = Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body came too slowly");
    assert_eq!(answer.problem(), slow);
    assert_eq!(started.elapsed().as_secs(), 10);
}

/// A body of which nothing ever comes.
struct Never;

impl hyper::body::Body for Never {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        Poll::Pending
    }
}
