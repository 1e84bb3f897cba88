//! What is logged about a request, and what never is.

use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::{Method, StatusCode};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{KEY, SECRET, anonymous, gateway, gateway_with, request, webhook_secrets};

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn capture(level: tracing::Level) -> (Lines, tracing::subscriber::DefaultGuard) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    (lines, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn a_request_and_its_answer_are_one_line_each_without_the_query() {
    let (client, _) = gateway().await;
    let (lines, _guard) = capture(tracing::Level::INFO);
    let request =
        request(Method::GET, "/api/v1/runners?scope_name=octo").header("x-request-id", "id-7");
    assert_eq!(client.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
    let text = lines.text();
    let ours: Vec<&str> = text.lines().filter(|line| line.contains("api_gateway")).collect();
    assert_eq!(ours.len(), 2, "{text}");
    for part in ["REQUEST", "GET /api/v1/runners", "client=192.0.2.1", "id-7"] {
        assert!(ours[0].contains(part), "{part} is missing: {}", ours[0]);
    }
    for part in ["RESPONSE", "200 GET /api/v1/runners", "ms=", "key=1", "id-7"] {
        assert!(ours[1].contains(part), "{part} is missing: {}", ours[1]);
    }
    assert!(!text.contains("octo"), "{text}");
}

#[tokio::test]
async fn probes_are_not_logged() {
    let (client, _) = gateway().await;
    let (lines, _guard) = capture(tracing::Level::INFO);
    for path in ["/health", "/livez", "/readyz"] {
        client.get_anonymously(path).await;
    }
    assert_eq!(lines.text(), "");
}

#[tokio::test]
async fn no_key_is_logged_even_at_the_finest_level() {
    let (lines, _guard) = capture(tracing::Level::TRACE);
    let (client, _) = gateway().await;
    let wrong = "a-wrong-key-with-16-characters";
    for key in [KEY, wrong] {
        for header in ["authorization", "x-api-key"] {
            let target = format!("/api/v1/runners?api_key={key}");
            let request = anonymous(Method::GET, &target).header(header, format!("Bearer {key}"));
            client.send(request.body(Body::empty()).unwrap()).await;
        }
        client.get(&format!("/api/v1/status?key={key}")).await;
    }
    let text = lines.text();
    assert!(text.contains("REQUEST"), "nothing was captured");
    assert!(!text.contains(KEY) && !text.contains(wrong), "{text}");
}

#[tokio::test]
async fn a_failing_orchestrator_is_one_warning_under_the_request_s_id() {
    let config = crate::support::config("127.0.0.1:1".parse().unwrap());
    let client = crate::support::Client(api_gateway::router(&config));
    let (lines, _guard) = capture(tracing::Level::WARN);
    let request = request(Method::GET, "/api/v1/status").header("x-request-id", "id-8");
    client.send(request.body(Body::empty()).unwrap()).await;
    let text = lines.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("id-8") && text.contains("unreachable"), "{text}");
}

#[tokio::test]
async fn a_wrong_signature_is_logged_once_per_client_and_no_secret_ever() {
    let (lines, _guard) = capture(tracing::Level::TRACE);
    let (client, _) = gateway_with(|config| config.webhook_secrets = webhook_secrets()).await;
    let body = r#"{"password":"hunter2"}"#;
    let signature = format!("sha256={}", "0".repeat(64));
    for _ in 0..3 {
        let request = anonymous(Method::POST, "/webhooks/github")
            .header("x-hub-signature-256", &signature)
            .header("x-github-event", "workflow_job");
        client.send(request.body(Body::from(body)).unwrap()).await;
    }
    let text = lines.text();
    assert_eq!(text.matches("signature is refused").count(), 1, "{text}");
    assert!(text.contains("client=192.0.2.1"), "{text}");
    for hidden in [SECRET, "hunter2", &signature] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
}

/// Two lines for each of 200,000 made-up keys would be 43 MB.
#[tokio::test]
async fn refusals_cost_one_line_per_address() {
    let (client, _) = gateway_with(|config| config.webhook_secrets = webhook_secrets()).await;
    let (lines, _guard) = capture(tracing::Level::INFO);
    for number in 0..500 {
        for path in ["/api/v1/runners", "/nowhere", "/api/v1/jobs/1"] {
            let request = anonymous(Method::GET, path).header("x-api-key", format!("key-{number}"));
            client.send(request.body(Body::empty()).unwrap()).await;
        }
        let mut doubled = anonymous(Method::GET, "/docs/").header("host", "evil.example");
        doubled = doubled.header("x-request-id", "id-9");
        client.send(doubled.body(Body::empty()).unwrap()).await;
        let unsigned = anonymous(Method::POST, "/webhooks/github").body(Body::empty()).unwrap();
        client.send(unsigned).await;
    }
    let text = lines.text();
    let ours: Vec<&str> = text.lines().filter(|line| line.contains("api_gateway")).collect();
    // The other line says once an hour that a signature is refused.
    assert_eq!(ours.len(), 2, "{text}");
    for part in ["401 GET /api/v1/runners, refused", "client=192.0.2.1", "unlogged=0"] {
        assert!(ours[0].contains(part), "{part} is missing: {}", ours[0]);
    }
    client.get("/api/v1/status").await;
    let text = lines.text();
    let known = text.lines().filter(|line| line.contains(" GET /api/v1/status category="));
    assert_eq!(known.count(), 2, "a known caller is logged: {text}");
}

#[tokio::test]
async fn a_signed_delivery_is_logged_and_a_caller_past_the_limit_is_not_each_time() {
    let (client, _) = gateway_with(|config| {
        config.webhook_secrets = webhook_secrets();
        config.rate_per_second = std::num::NonZeroU32::MIN;
        config.rate_burst = std::num::NonZeroU32::MIN;
    })
    .await;
    let (lines, _guard) = capture(tracing::Level::INFO);
    let signature = mayfly_common::webhook::signature::sign(&SECRET.to_owned().into(), b"{}");
    let request = anonymous(Method::POST, "/webhooks/github")
        .header("x-hub-signature-256", signature)
        .header("x-github-event", "check_run")
        .header("x-github-delivery", "1")
        .header("content-type", "application/json");
    client.send(request.body(Body::from("{}")).unwrap()).await;
    let text = lines.text();
    assert!(text.contains("202 POST /webhooks/github"), "{text}");
    for _ in 0..50 {
        client.get("/api/v1/status").await;
    }
    let text = lines.text();
    assert_eq!(text.lines().filter(|line| line.contains("api_gateway::edge")).count(), 4, "{text}");
    assert!(text.contains("429 GET /api/v1/status, refused"), "{text}");
}
