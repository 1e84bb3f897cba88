//! The rate limit, and whose bucket a request draws from.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use api_gateway::Config;
use api_gateway::auth::ApiKeys;
use api_gateway::client_address::TrustedProxies;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Method, StatusCode};

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

#[tokio::test]
async fn probes_and_documents_are_not_limited() {
    let (client, _) = gateway_with(|config| {
        tight(config);
        config.keys = ApiKeys::default();
    })
    .await;
    for path in ["/health", "/livez", "/readyz", "/openapi.json", "/docs/", "/redoc"] {
        for _ in 0..6 {
            assert_eq!(client.get_anonymously(path).await.status, StatusCode::OK, "{path}");
        }
    }
}
