//! Health says what is true, and says it with 200 as long as the gateway serves.

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use mayfly_common::problem::Problem;

use crate::support::{Client, config, gateway, gateway_before};

#[tokio::test]
async fn with_an_orchestrator_all_is_healthy() {
    let (client, _) = gateway().await;
    let answer = client.get_anonymously("/health").await;
    assert_eq!(answer.status, StatusCode::OK);
    let health = answer.json();
    let version = mayfly_common::VERSION;
    let expected = serde_json::json!({
        "status": "healthy",
        "service": "api-gateway",
        "version": version,
        "dependencies": {"orchestrator": "healthy"},
        "orchestrator": {
            "status": "healthy",
            "service": "orchestrator",
            "version": version,
            "dependencies": {"docker": "healthy"},
            "answered_seconds_ago": {"docker": 3},
        },
    });
    assert_eq!(health, expected);
    assert_eq!(client.get_anonymously("/readyz").await.status, StatusCode::OK);
    assert_eq!(client.get_anonymously("/livez").await.json()["status"], "healthy");
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_here_too() {
    let (client, _) = gateway().await;
    for path in ["/health", "/livez", "/readyz", "/metrics"] {
        let answer = client.get(&format!("{path}?bogus=1")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        let errors = answer.problem().errors;
        let found: Vec<_> =
            errors.iter().map(|error| (error.pointer.as_str(), error.detail.as_str())).collect();
        let none = ("?bogus", "is not known; there are no parameters here");
        assert_eq!(found, [none], "{path}");
        // A lone question mark is no parameter.
        assert_eq!(client.get(&format!("{path}?")).await.status, StatusCode::OK, "{path}");
    }
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
    let problem =
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "The platform is not ready")
            .with_detail("The orchestrator does not answer, or is not ready itself.")
            .with_retry_after(5);
    assert_eq!(ready.problem(), problem);
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

#[tokio::test]
async fn what_says_that_all_is_well_and_is_not_200_is_not_well() {
    let healthy =
        r#"{"status":"healthy","service":"orchestrator","version":"1","dependencies":{}}"#;
    let upstream = Router::new()
        .route("/health", get(async move || (StatusCode::SERVICE_UNAVAILABLE, healthy)))
        .route("/readyz", get(async || StatusCode::NO_CONTENT));
    let client = gateway_before(upstream).await;
    let health = client.get_anonymously("/health").await.json();
    assert_eq!(
        (&health["status"], &health["orchestrator"]["version"]),
        (&"degraded".into(), &"1".into())
    );
    assert_eq!(health["dependencies"]["orchestrator"], "degraded");
    assert_eq!(client.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_orchestrator_that_shuts_down_is_said_to() {
    let body =
        r#"{"status":"shutting_down","service":"orchestrator","version":"1","dependencies":{}}"#;
    let stops = get(async move || (StatusCode::SERVICE_UNAVAILABLE, body));
    let client = gateway_before(Router::new().route("/health", stops)).await;
    let answer = client.get_anonymously("/health").await;
    assert_eq!(answer.status, StatusCode::OK);
    let health = answer.json();
    assert_eq!(health["status"], "degraded", "the gateway itself serves");
    assert_eq!(health["dependencies"]["orchestrator"], "shutting_down");
    assert_eq!(health["orchestrator"]["status"], "shutting_down");
}

/// The most that is read of the orchestrator's health is 64 KiB.
#[tokio::test]
async fn a_health_that_is_too_long_is_none() {
    let rest = r#"{"status":"healthy","service":"","version":"1","dependencies":{}}"#.len();
    for (more, state) in [(0, "healthy"), (1, "unreachable")] {
        let service = "x".repeat(64 * 1024 - rest + more);
        let body = format!(
            r#"{{"status":"healthy","service":"{service}","version":"1","dependencies":{{}}}}"#
        );
        let client = gateway_before(Router::new().route("/health", get(async move || body))).await;
        let health = client.get_anonymously("/health").await.json();
        assert_eq!(health["dependencies"]["orchestrator"], state);
    }
}

/// The clock stands still once the orchestrator was asked, and then jumps to the deadline.
#[tokio::test]
async fn a_probe_waits_two_seconds_for_the_orchestrator() {
    let arrived = std::sync::Arc::new(tokio::sync::Notify::new());
    let tell = std::sync::Arc::clone(&arrived);
    let silent = async move || {
        tell.notify_one();
        std::future::pending::<StatusCode>().await
    };
    let client = gateway_before(Router::new().route("/readyz", get(silent))).await;
    let asked = tokio::spawn(async move { client.get_anonymously("/readyz").await.status });
    arrived.notified().await;
    tokio::time::pause();
    let paused = tokio::time::Instant::now();
    assert_eq!(asked.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    let waited = paused.elapsed().as_millis();
    assert!((1000..=2002).contains(&waited), "{waited}");
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
