//! Origins are compared whole, and credentials are never allowed.

use api_gateway::cors::CorsOrigins;
use axum::body::Body;
use http::Method;

use crate::support::{Client, anonymous, gateway, gateway_with, request};

#[tokio::test]
async fn only_the_exact_origin_may_call() {
    let (client, _) = gateway_with(|config| {
        config.cors = CorsOrigins::parse("https://good.example.com").unwrap();
    })
    .await;
    let origins = [
        ("https://good.example.com", true),
        ("https://good.example", false),
        ("https://g", false),
        ("http", false),
        ("https://good.example.com.evil.example", false),
        ("http://good.example.com", false),
        ("https://good.example.com:8443", false),
        ("https://GOOD.example.com", false),
        ("null", false),
        ("*", false),
    ];
    for (origin, allowed) in origins {
        let actual = request(Method::GET, "/api/v1/runners").header("origin", origin);
        let preflight = anonymous(Method::OPTIONS, "/api/v1/runners")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-api-key");
        for request in [actual, preflight] {
            let answer = client.send(request.body(Body::empty()).unwrap()).await;
            let said = answer.header("access-control-allow-origin");
            assert_eq!(said, allowed.then_some(origin), "{origin}");
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
    }
}

#[tokio::test]
async fn a_preflight_needs_no_key_and_errors_can_be_read() {
    let (client, _) = gateway_with(|config| config.cors = CorsOrigins::Any).await;
    let preflight = anonymous(Method::OPTIONS, "/api/v1/runners/some-runner")
        .header("origin", "https://any.example")
        .header("access-control-request-method", "DELETE");
    let answer = client.send(preflight.body(Body::empty()).unwrap()).await;
    assert!(answer.status.is_success());
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("DELETE"));
    let refused = anonymous(Method::GET, "/api/v1/runners").header("origin", "https://any.example");
    let answer = client.send(refused.body(Body::empty()).unwrap()).await;
    answer.problem();
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    for name in ["x-request-id", "retry-after", "etag"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    // What a page needs to change a pool without undoing what somebody else did.
    let allowed = answer_to_preflight(&client).await;
    for name in ["authorization", "content-type", "if-match", "x-api-key", "x-request-id"] {
        assert!(allowed.contains(name), "{allowed}");
    }
}

/// The headers that a page may send.
async fn answer_to_preflight(client: &Client) -> String {
    let preflight = anonymous(Method::OPTIONS, "/api/v1/pools/ci")
        .header("origin", "https://any.example")
        .header("access-control-request-method", "PUT");
    let answer = client.send(preflight.body(Body::empty()).unwrap()).await;
    answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn by_default_no_other_origin_may_call() {
    let (client, _) = gateway().await;
    let request = request(Method::GET, "/api/v1/runners").header("origin", "https://any.example");
    let answer = client.send(request.body(Body::empty()).unwrap()).await;
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
}
