//! Who is turned away before any route: odd requests always, and web pages where no key is asked for.

use api_gateway::api_keys::ApiKeys;
use api_gateway::cors::CorsOrigins;
use axum::body::Body;
use http::{HeaderMap, Method, StatusCode};
use mayfly_common::host::PublicHosts;

use crate::stub::Stub;
use crate::support::{
    Answer, Client, KEY, SECRET, anonymous, gateway, gateway_with, webhook_secrets,
};

/// A gateway without keys, which has a name and lets one origin in.
async fn open() -> (Client, Stub) {
    gateway_with(|config| {
        config.keys = ApiKeys::default();
        config.cors = CorsOrigins::parse("https://ci.example").unwrap();
        config.public_hosts = PublicHosts::parse("mayfly.example, api-gateway").unwrap();
        config.webhook_secrets = webhook_secrets();
    })
    .await
}

/// A request with these headers in place of those that every request here has.
async fn send(
    client: &Client,
    method: Method,
    path: &str,
    headers: &[(&'static str, &'static str)],
) -> Answer {
    let mut request = anonymous(method, path).body(Body::empty()).unwrap();
    let mut replaced = HeaderMap::new();
    for (name, value) in headers {
        replaced.append(*name, value.parse().unwrap());
    }
    for name in replaced.keys() {
        request.headers_mut().remove(name);
    }
    request.headers_mut().extend(replaced);
    client.send(request).await
}

const PATHS: [&str; 6] =
    ["/api/v1/runners", "/runners/box/logs", "/health", "/metrics", "/docs/", "/nothing"];

#[tokio::test]
async fn without_keys_only_names_of_ours_are_answered_to() {
    let (client, stub) = open().await;
    let foreign = ["evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"];
    for path in PATHS {
        for host in foreign {
            let answer = send(&client, Method::GET, path, &[("host", host)]).await;
            assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{path} {host}");
            let problem = answer.problem();
            assert_eq!(problem.kind, "urn:mayfly:problem:unknown-host");
            assert!(problem.detail.unwrap().contains("PUBLIC_HOSTS"));
        }
    }
    let long: &str = format!("{}.{}.example", "x".repeat(60), "y".repeat(60)).leak();
    let headers = [("host", long)];
    let said = send(&client, Method::GET, "/health", &headers).await.problem().detail.unwrap();
    let expected = format!(
        "Without API keys the gateway answers to localhost, to IP addresses and to the names in PUBLIC_HOSTS, \
         and {} is none of these. Add it to PUBLIC_HOSTS, or set API_KEYS.",
        &long[..100]
    );
    assert_eq!(said, expected);
    // The whole URI names the host, whatever `Host` says.
    let whole = "http://evil.example/api/v1/runners";
    let answer = send(&client, Method::GET, whole, &[]).await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
    assert!(stub.memory().seen.is_empty());
    let own = ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080", "192.0.2.7"];
    for host in own.into_iter().chain(["mayfly.example", "Mayfly.Example.:443", "api-gateway:8080"])
    {
        let answer = send(&client, Method::GET, "/api/v1/runners", &[("host", host)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn with_keys_and_for_signed_webhooks_any_name_will_do() {
    let (client, _) = gateway_with(|config| config.webhook_secrets = webhook_secrets()).await;
    let headers = [("host", "ci.example"), ("origin", "https://evil.example"), ("x-api-key", KEY)];
    assert_eq!(
        send(&client, Method::GET, "/api/v1/runners", &headers).await.status,
        StatusCode::OK
    );
    let (client, _) = open().await;
    let signature = mayfly_common::webhook::signature::sign(&SECRET.to_owned().into(), b"{}");
    let mut request = anonymous(Method::POST, "/webhooks/github")
        .header("x-github-event", "check_run")
        .header("x-github-delivery", "1")
        .header("x-hub-signature-256", signature)
        .header("content-type", "application/json")
        .body(Body::from("{}"))
        .unwrap();
    request.headers_mut().insert("host", "ci.example".parse().unwrap());
    assert_eq!(client.send(request).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn without_keys_a_foreign_page_can_change_and_read_nothing() {
    let (client, stub) = open().await;
    for (method, path) in [
        (Method::POST, "/api/v1/runners/cleanup"),
        (Method::GET, "/api/v1/runners"),
        (Method::GET, "/health"),
        (Method::HEAD, "/api/v1/status"),
    ] {
        for headers in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://localhost:8081")],
            // No matter what the page has the browser say besides.
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "image"),
            ],
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
        ] {
            let answer = send(&client, method.clone(), path, headers).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path} {headers:?}");
        }
        for headers in [
            &[][..],
            &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-site", "same-origin")],
            &[("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://ci.example"), ("sec-fetch-site", "cross-site")],
            &[("host", "mayfly.example"), ("origin", "https://mayfly.example")],
            &[("host", "MAYFLY.example:81"), ("origin", "http://mayfly.EXAMPLE:81")],
        ] {
            stub.memory().seen.clear();
            let answer = send(&client, method.clone(), path, headers).await;
            assert_eq!(answer.status, StatusCode::OK, "{method} {path} {headers:?}");
        }
    }
    for (method, title) in [
        (Method::GET, "Pages of another origin may not read this"),
        (Method::POST, "Pages of another origin may not do this"),
    ] {
        let refused = send(&client, method, "/api/v1/runners", &[("origin", "null")]).await;
        let problem = refused.problem();
        assert_eq!(problem.kind, "urn:mayfly:problem:foreign-origin");
        assert_eq!(problem.title, title);
        let said = "Add the origin to CORS_ORIGINS, or set API_KEYS and send a key.";
        assert_eq!(problem.detail.unwrap(), said);
    }
}

#[tokio::test]
async fn a_link_to_the_documentation_works_and_an_image_or_a_frame_of_it_does_not() {
    let (client, _) = open().await;
    let with = |dest: &'static str, mode: &'static str| {
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)]
    };
    let gone_on = send(&client, Method::GET, "/docs", &with("document", "navigate")).await;
    assert_eq!(gone_on.status, StatusCode::SEE_OTHER);
    for path in ["/docs/", "/redoc", "/openapi.json"] {
        let followed = send(&client, Method::GET, path, &with("document", "navigate")).await;
        assert_eq!(followed.status, StatusCode::OK, "{path}");
        let posted = send(&client, Method::POST, path, &with("document", "navigate")).await;
        assert_eq!(posted.status, StatusCode::FORBIDDEN, "a form is no link");
        for (dest, mode) in [("iframe", "navigate"), ("image", "no-cors"), ("empty", "cors")] {
            let embedded = send(&client, Method::GET, path, &with(dest, mode)).await;
            assert_eq!(embedded.status, StatusCode::FORBIDDEN, "{path} {dest}");
        }
    }
}

#[tokio::test]
async fn a_host_or_a_key_that_is_missing_or_doubled_is_malformed() {
    for (client, stub) in [open().await, gateway().await] {
        for headers in [
            &[("host", "localhost"), ("host", "localhost")][..],
            &[("host", "localhost"), ("host", "evil.example")],
            &[("host", "user@localhost")],
            &[("host", "local host")],
            &[("host", "")],
            &[("host", "2130706433")],
            &[("host", "localhost,evil.example")],
            &[("x-api-key", KEY), ("x-api-key", "another")],
            &[("x-api-key", KEY), ("x-api-key", KEY)],
            &[("authorization", "Bearer x"), ("authorization", "Bearer y")],
            &[("origin", "http://localhost"), ("origin", "http://evil.example")],
            &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")],
        ] {
            for path in ["/api/v1/runners", "/livez", "/webhooks/github"] {
                let answer = send(&client, Method::GET, path, headers).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {headers:?}");
                assert_eq!(answer.problem().kind, "urn:mayfly:problem:malformed-request");
                assert!(!answer.text().contains(KEY));
            }
        }
        let mut without = anonymous(Method::GET, "/livez").body(Body::empty()).unwrap();
        without.headers_mut().remove("host");
        assert_eq!(client.send(without).await.status, StatusCode::BAD_REQUEST);
        assert!(stub.memory().seen.is_empty());
    }
}
