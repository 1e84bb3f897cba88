//! Health says what is true, and says it with 200.

use axum::Router;
use axum::routing::get;
use http::StatusCode;

use crate::support::{Client, config, gateway, gateway_before};

#[tokio::test]
async fn with_an_orchestrator_all_is_healthy() {
    let (client, _) = gateway().await;
    let answer = client.get_anonymously("/health").await;
    assert_eq!(answer.status, StatusCode::OK);
    let health = answer.json();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["service"], "api-gateway");
    assert_eq!(health["dependencies"]["orchestrator"], "healthy");
    assert_eq!(health["orchestrator"]["dependencies"]["docker"], "healthy");
    assert_eq!(client.get_anonymously("/readyz").await.status, StatusCode::OK);
    assert_eq!(client.get_anonymously("/livez").await.json()["status"], "healthy");
}

#[tokio::test]
async fn without_one_health_is_degraded_and_readiness_is_refused() {
    // Port 1 of the loopback: nobody listens there.
    let client = Client(api_gateway::router(&config("127.0.0.1:1".parse().unwrap())));
    let answer = client.get_anonymously("/health").await;
    assert_eq!(answer.status, StatusCode::OK);
    let health = answer.json();
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["dependencies"]["orchestrator"], "unreachable");
    assert!(health.get("orchestrator").is_none());
    let ready = client.get_anonymously("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.problem().kind, "urn:mayfly:problem:not-ready");
    assert_eq!(client.get_anonymously("/livez").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_degraded_or_odd_orchestrator_degrades_the_gateway() {
    let degraded = r#"{"status":"degraded","service":"orchestrator","version":"1","dependencies":{"docker":"unreachable"}}"#;
    for (body, nested) in [(degraded, true), ("<html>hello</html>", false)] {
        let client = gateway_before(Router::new().route("/health", get(async move || body))).await;
        let health = client.get_anonymously("/health").await.json();
        assert_eq!(health["status"], "degraded");
        assert_eq!(health["dependencies"]["orchestrator"], "degraded");
        assert_eq!(health.get("orchestrator").is_some(), nested);
        assert_eq!(client.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
}

/// Probes ask for no key: many of them are one question to the orchestrator.
#[tokio::test]
async fn many_probes_are_one_question_a_second() {
    let (client, stub) = gateway().await;
    let started = std::time::Instant::now();
    for _ in 0..200 {
        assert_eq!(client.get_anonymously("/health").await.status, StatusCode::OK);
        assert_eq!(client.get_anonymously("/readyz").await.status, StatusCode::OK);
    }
    let most = 1 + started.elapsed().as_secs();
    for path in ["/health", "/readyz"] {
        let asked = stub.memory().seen.iter().filter(|seen| seen.target == path).count();
        assert!(u64::try_from(asked).unwrap() <= most, "{path}: {asked}");
    }
}
