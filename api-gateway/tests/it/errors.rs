//! Every error is a problem, whoever made it.

use http::{Method, StatusCode};

use crate::support::gateway;

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let (client, _) = gateway().await;
    for path in ["/", "/api/v1", "/api/v1/nothing", "/runners/a1/b/c", "/docs/nothing.js", "/%ff"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        answer.problem();
    }
    let cases = [
        (Method::PUT, "/api/v1/runners", "GET,HEAD,POST"),
        (Method::PATCH, "/runners/some-runner", "GET,HEAD,DELETE"),
        (Method::GET, "/api/v1/runners/cleanup", "POST"),
        (Method::POST, "/health", "GET,HEAD"),
        (Method::DELETE, "/openapi.json", "GET,HEAD"),
        (Method::OPTIONS, "/api/v1/status", "GET,HEAD"),
    ];
    for (method, path, allow) in cases {
        let answer = client.call(method.clone(), path).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        answer.problem();
        let mut allowed: Vec<&str> = answer.header("allow").unwrap().split(',').collect();
        let mut expected: Vec<&str> = allow.split(',').collect();
        allowed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(allowed, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_runner_s_name_is_not_found_and_not_asked_for() {
    let (client, stub) = gateway().await;
    for id in ["a", "-ab", "..%2Fstatus", "%2e%2e", "a%20b", "a%00b", "%ff%fe", &"x".repeat(65)] {
        for (method, path) in [
            (Method::GET, format!("/api/v1/runners/{id}")),
            (Method::DELETE, format!("/api/v1/runners/{id}")),
            (Method::GET, format!("/runners/{id}/logs")),
        ] {
            let answer = client.call(method, &path).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
            answer.problem();
        }
    }
    assert!(stub.memory().seen.is_empty());
}

#[tokio::test]
async fn unknown_or_bad_parameters_are_named() {
    let (client, stub) = gateway().await;
    let cases = [
        (Method::GET, "/api/v1/runners?page=0&state=x&foo=1", vec!["?page", "?state", "?foo"]),
        (Method::POST, "/api/v1/runners/cleanup?dry_run=perhaps", vec!["?dry_run"]),
        (Method::GET, "/api/v1/status?verbose=1", vec!["?verbose"]),
        (Method::DELETE, "/api/v1/runners/some-runner?force=yes", vec!["?force"]),
        (Method::DELETE, "/runners/some-runner?dry_run=true", vec!["?dry_run"]),
        (Method::GET, "/api/v1/runners/some-runner?force=true", vec!["?force"]),
        (Method::GET, "/api/v1/config/info?x", vec!["?x"]),
    ];
    for (method, path, pointers) in cases {
        assert_eq!(client.call(method, path).await.pointers(), pointers, "{path}");
    }
    assert!(stub.memory().seen.is_empty());
}

#[tokio::test]
async fn no_operation_takes_a_parameter_that_it_does_not_know() {
    let (client, stub) = gateway().await;
    let document = serde_json::to_value(api_gateway::document()).unwrap();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let api = path.starts_with("/api/");
        for method in item.as_object().unwrap().keys().filter(|_| api) {
            let path = path.replace("{id}", "77").replace("{name}", "ci");
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = client.call(method.clone(), &format!("{path}?odd=1")).await;
            assert_eq!(answer.pointers(), ["?odd"], "{method} {path}");
            operations += 1;
        }
    }
    assert_eq!(operations, 28);
    assert!(stub.memory().seen.is_empty());
}
