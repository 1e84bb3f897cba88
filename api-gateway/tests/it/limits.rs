//! The rate limit, and whose bucket a request draws from.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use api_gateway::Config;
use api_gateway::api_keys::ApiKeys;
use api_gateway::client_address::TrustedProxies;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use http::{Method, StatusCode};
use mayfly_common::problem::Problem;
use tower::ServiceExt as _;

use crate::support::{Client, KEY, anonymous, gateway_with};

const OTHER_KEY: &str = "another-key-of-more-than-16";

/// Three requests at once, then one per second: slow enough that a test cannot see one come back.
fn tight(config: &mut Config) {
    config.rate_per_second = NonZeroU32::MIN;
    config.rate_burst = NonZeroU32::new(3).unwrap();
}

/// How many of eight requests pass.
async fn passing(client: &Client, key: Option<&str>, peer: &str, forwarded: &[&str]) -> usize {
    let peer: SocketAddr = peer.parse().unwrap();
    let mut passed = 0;
    for index in 0..8 {
        let mut request = anonymous(Method::GET, "/api/v1/status");
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        if let Some(value) = forwarded.get(index % forwarded.len().max(1)) {
            request = request.header("x-forwarded-for", *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = client.send(request).await;
        if answer.status == StatusCode::OK {
            passed += 1;
        } else {
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
            assert!(answer.problem().retry_after.is_some_and(|seconds| seconds >= 1));
        }
    }
    passed
}

#[tokio::test]
async fn a_key_is_one_bucket_wherever_it_is_used() {
    let (client, _) = gateway_with(|config| {
        tight(config);
        config.keys = ApiKeys::from_list(&format!("{KEY},{OTHER_KEY}").into()).unwrap();
    })
    .await;
    assert_eq!(passing(&client, Some(KEY), "192.0.2.1:1", &[]).await, 3);
    assert_eq!(passing(&client, Some(KEY), "192.0.2.2:1", &[]).await, 0);
    assert_eq!(passing(&client, Some(OTHER_KEY), "192.0.2.1:1", &[]).await, 3);
    assert_eq!(passing_public(&client, "/nothing", "192.0.2.1:1").await, 3);
    let refused = client.get("/api/v1/status").await.problem();
    let expected = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests")
        .with_detail("Wait for as long as Retry-After says.")
        .with_retry_after(1);
    assert_eq!(refused, expected);
}

/// Refusals by each of the two limits are counted, and nothing else is.
#[tokio::test]
async fn refusals_for_coming_too_often_are_counted() {
    let (client, _) = gateway_with(|config| {
        tight(config);
        config.keys = ApiKeys::from_list(&format!("{KEY},{OTHER_KEY}").into()).unwrap();
    })
    .await;
    passing(&client, Some(OTHER_KEY), "192.0.2.1:1", &[]).await;
    passing_public(&client, "/nothing", "192.0.2.1:1").await;
    let metrics = client.get("/metrics").await.text();
    for line in ["mayfly_gateway_rate_limited_total 8", "mayfly_gateway_unauthorized_total 0"] {
        assert!(metrics.lines().any(|it| it == line), "{line} is missing in:\n{metrics}");
    }
}

#[tokio::test]
async fn without_keys_an_address_is_one_bucket() {
    let (client, _) = gateway_with(|config| {
        tight(config);
        config.keys = ApiKeys::default();
    })
    .await;
    assert_eq!(passing(&client, None, "192.0.2.1:1", &[]).await, 3);
    assert_eq!(passing(&client, None, "192.0.2.1:2", &[]).await, 0);
    assert_eq!(passing(&client, None, "192.0.2.2:1", &[]).await, 3);
    assert_eq!(passing(&client, Some("a-made-up-key"), "192.0.2.1:1", &[]).await, 0);
    assert_eq!(passing(&client, None, "[2001:db8::1]:1", &[]).await, 3);
    assert_eq!(passing(&client, None, "[2001:db8::ffff:1]:1", &[]).await, 0);
    assert_eq!(passing(&client, None, "[2001:db8:0:1::1]:1", &[]).await, 3);
}

#[tokio::test]
async fn a_spoofed_forwarded_for_buys_nothing() {
    let (client, _) = gateway_with(|config| {
        tight(config);
        config.keys = ApiKeys::default();
        config.trusted_proxies = TrustedProxies::parse("10.0.0.0/8").unwrap();
    })
    .await;
    let spoofed = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.100.5"];
    assert_eq!(passing(&client, None, "192.0.2.1:1", &spoofed).await, 3, "from a stranger");
    let through_proxy = [
        "198.51.100.1, 203.0.113.9, 10.0.0.2",
        "198.51.100.2, 203.0.113.9, 10.0.0.2",
        "198.51.100.3, 203.0.113.9",
    ];
    assert_eq!(passing(&client, None, "10.0.0.1:1", &through_proxy).await, 3, "through a proxy");
    assert_eq!(passing(&client, None, "10.0.0.1:1", &["203.0.113.10"]).await, 3, "somebody else");
}

/// How many of six anonymous requests from `peer` pass.
async fn passing_public(client: &Client, path: &str, peer: &str) -> usize {
    let peer: SocketAddr = peer.parse().unwrap();
    let mut passed = 0;
    for _ in 0..6 {
        let mut request = anonymous(Method::GET, path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = client.send(request).await;
        passed += usize::from(answer.status != StatusCode::TOO_MANY_REQUESTS);
    }
    passed
}

#[tokio::test]
async fn what_asks_for_no_key_is_limited_by_address_except_this_machine_s_health_checks() {
    let (client, _) = gateway_with(tight).await;
    let paths =
        ["/health", "/livez", "/readyz", "/openapi.json", "/docs/", "/redoc", "/nowhere", "/"];
    for (number, path) in paths.into_iter().enumerate() {
        let stranger = format!("198.51.100.{number}:1");
        assert_eq!(passing_public(&client, path, &stranger).await, 3, "{path}");
        assert_eq!(passing_public(&client, path, &stranger).await, 0, "{path}");
    }
    for path in ["/health", "/livez", "/readyz"] {
        for own in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(passing_public(&client, path, own).await, 6, "{path} {own}");
        }
    }
    assert_eq!(passing_public(&client, "/docs/", "127.0.0.1:1").await, 3);
    assert_eq!(passing_public(&client, "/docs/", "[2001:db8::1]:1").await, 3);
    assert_eq!(
        passing_public(&client, "/docs/", "[2001:db8::2]:1").await,
        0,
        "its whole /64 is one"
    );
    assert_eq!(passing_public(&client, "/docs/", "[2001:db8:0:1::1]:1").await, 3);
    // A key has its own quota, from wherever.
    assert_eq!(passing(&client, Some(KEY), "198.51.100.1:1", &[]).await, 3);
}

/// With a repository GitHub may be asked, whose requests are for jobs that wait.
#[tokio::test]
async fn explanations_that_may_cost_a_request_to_github_are_limited_by_caller() {
    let explained = get(|| async { ([("content-type", "application/json")], "{}") });
    let upstream = Router::new().route("/api/v1/jobs/{id}/explain", explained);
    let mut config = crate::support::config(crate::stub::serve(upstream).await);
    config.keys = ApiKeys::from_list(&format!("{KEY},{OTHER_KEY}").into()).unwrap();
    let client = Client(api_gateway::router(&config));
    let explain = async |key: &str, query: &str, job: usize| {
        let target = format!("/api/v1/jobs/{}/explain{query}", job + 1);
        let request = anonymous(Method::GET, &target).header("x-api-key", key);
        client.send(request.body(Body::empty()).unwrap()).await.status
    };
    let mut answered = 0;
    for job in 0..200 {
        let status = explain(KEY, "?repository=octo/hello", job).await;
        answered += usize::from(status == StatusCode::OK);
    }
    // Twenty at once, and one more for each second that this took.
    assert!((20..60).contains(&answered), "{answered}");
    assert_eq!(explain(OTHER_KEY, "?repository=octo/hello", 1).await, StatusCode::OK);
    assert_eq!(explain(KEY, "", 1).await, StatusCode::OK, "the ledger costs nothing");
}

/// A caller's streams, and that an ended one counts no more.
#[tokio::test]
async fn a_caller_has_sixteen_streams_of_events() {
    let endless = get(|| async {
        let pending = futures::stream::pending::<std::io::Result<axum::body::Bytes>>();
        ([("content-type", "text/event-stream")], Body::from_stream(pending))
    });
    let upstream = Router::new().route("/api/v1/events", endless);
    let mut config = crate::support::config(crate::stub::serve(upstream).await);
    config.keys = ApiKeys::from_list(&format!("{KEY},{OTHER_KEY}").into()).unwrap();
    let client = Client(api_gateway::router(&config));
    let stream = async |key: &str| {
        let request = anonymous(Method::GET, "/api/v1/events")
            .header("x-api-key", key)
            .header("accept", "text/event-stream");
        client.0.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let mut held = Vec::new();
    for _ in 0..16 {
        let response = stream(KEY).await;
        assert_eq!(response.status(), StatusCode::OK);
        held.push(response);
    }
    let refused = stream(KEY).await;
    let body = axum::body::to_bytes(refused.into_body(), 1 << 20).await.unwrap();
    let expected = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many-streams",
        "Too many streams of events",
    )
    .with_detail("This caller has as many streams as it may have. Close one first.")
    .with_retry_after(5);
    assert_eq!(serde_json::from_slice::<Problem>(&body).unwrap(), expected);
    assert_eq!(stream(OTHER_KEY).await.status(), StatusCode::OK);
    held.pop();
    held.push(stream(KEY).await);
    assert!(held.iter().all(|response| response.status() == StatusCode::OK));
}
