//! Who is let in.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Method, StatusCode};

use crate::support::{KEY, anonymous, gateway, gateway_with, webhook_secrets};

fn peer(number: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, number], 40000))
}

#[tokio::test]
async fn either_header_carries_the_key() {
    let (client, _) = gateway().await;
    for (name, value) in [("authorization", format!("Bearer {KEY}")), ("x-api-key", KEY.to_owned())]
    {
        let request = anonymous(Method::GET, "/api/v1/runners").header(name, value);
        let answer = client.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn every_wrong_key_is_refused_alike_and_a_missing_one_is_asked_for() {
    let (client, stub) = gateway().await;
    let longer = format!("Bearer {KEY}x");
    let shorter = format!("Bearer {}", &KEY[..KEY.len() - 1]);
    let upper = format!("Bearer {}", KEY.to_uppercase());
    let mut bodies = Vec::new();
    for value in ["Bearer x", &*longer, &*shorter, &*upper] {
        let request = anonymous(Method::GET, "/api/v1/runners").header("authorization", value);
        let answer = client.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value}");
        let problem = answer.problem();
        assert_eq!(problem.kind, "urn:mayfly:problem:invalid-api-key");
        assert!(!problem.detail.unwrap().contains("Send it as"), "it was sent");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "a refusal says what was wrong with the key");
    for other in [None, Some("Basic dXNlcjpwYXNzd29yZA==")] {
        let mut request = anonymous(Method::GET, "/api/v1/runners");
        if let Some(value) = other {
            request = request.header("authorization", value);
        }
        let missing = client.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(missing.status, StatusCode::UNAUTHORIZED);
        assert_eq!(missing.problem().kind, "urn:mayfly:problem:unauthorized");
        assert!(missing.problem().detail.unwrap().contains("Send it as"));
    }
    assert!(stub.memory().seen.is_empty(), "a refused request went to the orchestrator");
}

#[tokio::test]
async fn a_key_in_the_query_opens_nothing_and_is_not_repeated() {
    let (client, stub) = gateway().await;
    for name in ["api_key", "key", "access_token", "X-API-Key"] {
        let target = format!("/api/v1/runners?{name}={KEY}");
        let answer = client.get_anonymously(&target).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let answer = client.get(&target).await;
        assert_eq!(answer.pointers(), [format!("?{name}")]);
        assert!(!answer.text().contains(KEY));
    }
    assert!(stub.memory().seen.is_empty());
}

#[tokio::test]
async fn every_api_route_asks_for_a_key_and_the_public_ones_do_not() {
    let (client, _) = gateway_with(|config| config.webhook_secrets = webhook_secrets()).await;
    let document = serde_json::to_value(api_gateway::document()).unwrap();
    let mut guarded = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let target = path.replace("{id}", "some-runner");
            let request = anonymous(method, &target).body(Body::empty()).unwrap();
            let status = client.send(request).await.status;
            let public = operation["security"] == serde_json::json!([{}]);
            assert_eq!(status == StatusCode::UNAUTHORIZED, !public, "{path}: {status}");
            guarded += u8::from(!public);
        }
    }
    assert_eq!(guarded, 30);
    for alias in ["/runners", "/runners/some-runner", "/runners/some-runner/logs"] {
        assert_eq!(client.get_anonymously(alias).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn wrong_keys_are_limited_by_address_and_the_right_one_still_works() {
    let (client, stub) = gateway_with(|config| {
        config.rate_per_second = NonZeroU32::MIN;
        config.rate_burst = NonZeroU32::new(3).unwrap();
    })
    .await;
    for attempt in 0..6 {
        let answer = client.get_anonymously("/api/v1/status").await;
        if attempt < 3 {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        } else {
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
            assert!(answer.problem().retry_after.is_some_and(|seconds| seconds >= 1));
        }
    }
    assert!(stub.memory().seen.is_empty());
    let metrics = client.get("/metrics").await.text();
    for line in ["mayfly_gateway_unauthorized_total 6", "mayfly_gateway_rate_limited_total 3"] {
        assert!(metrics.lines().any(|it| it == line), "{line} is missing in:\n{metrics}");
    }
    assert_eq!(client.get("/api/v1/status").await.status, StatusCode::OK);
    let mut elsewhere = anonymous(Method::GET, "/api/v1/status").body(Body::empty()).unwrap();
    elsewhere.extensions_mut().insert(ConnectInfo(peer(9)));
    assert_eq!(client.send(elsewhere).await.status, StatusCode::UNAUTHORIZED);
}
