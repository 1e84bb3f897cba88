//! Origins are compared whole, and credentials are never allowed.

use api_gateway::cors::CorsOrigins;
use axum::body::Body;
use http::Method;

use crate::support::{Answer, anonymous, gateway, gateway_with, request};

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
    assert_eq!(list(&answer, "access-control-allow-methods"), "DELETE GET PATCH POST PUT");
    assert_eq!(
        list(&answer, "access-control-allow-headers"),
        "authorization content-type if-match x-api-key x-request-id",
        "with If-Match a page changes a pool without undoing what somebody else did"
    );
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    let refused = anonymous(Method::GET, "/api/v1/runners").header("origin", "https://any.example");
    let answer = client.send(refused.body(Body::empty()).unwrap()).await;
    answer.problem();
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(list(&answer, "access-control-expose-headers"), "etag retry-after x-request-id");
}

/// The items of a header, in order.
fn list(answer: &Answer, name: &str) -> String {
    let text = answer.header(name).unwrap();
    let mut items: Vec<&str> = text.split(',').map(str::trim).collect();
    items.sort_unstable();
    items.join(" ")
}

#[tokio::test]
async fn by_default_no_other_origin_may_call() {
    let (client, _) = gateway().await;
    let request = request(Method::GET, "/api/v1/runners").header("origin", "https://any.example");
    let answer = client.send(request.body(Body::empty()).unwrap()).await;
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
}
