//! What is logged about a request, and what never is.

use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::{Method, StatusCode};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{KEY, SECRET, anonymous, gateway, gateway_with, request, webhook_secrets};

/// Keeps what is logged.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn text(&self) -> String {
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

pub(crate) fn capture(level: tracing::Level) -> (Lines, tracing::subscriber::DefaultGuard) {
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

#[tokio::test(start_paused = true)]
async fn a_refused_client_s_line_comes_once_a_minute_with_what_was_not_said() {
    let config = crate::support::config("127.0.0.1:1".parse().unwrap());
    let client = crate::support::Client(api_gateway::router(&config));
    let (lines, _guard) = capture(tracing::Level::INFO);
    let long = format!("/{}", "x".repeat(200));
    for path in [&*long, "/b", "/c"] {
        client.get(path).await;
    }
    tokio::time::advance(std::time::Duration::from_secs(59)).await;
    client.get("/d").await;
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    client.get("/e").await;
    let text = lines.text();
    let ours: Vec<&str> = text.lines().filter(|line| line.contains("api_gateway")).collect();
    assert_eq!(ours.len(), 2, "{text}");
    let rest = "refused (not said again of this client within a minute) category=\"RESPONSE\"";
    let first = format!("404 GET /{}, {rest}", "x".repeat(199));
    assert!(ours[0].contains(&first) && ours[0].contains("unlogged=0"), "{}", ours[0]);
    let second = format!("404 GET /e, {rest} client=192.0.2.1 request_id=");
    assert!(ours[1].contains(&second) && ours[1].contains("unlogged=3"), "{}", ours[1]);
}

/// No socket is involved, so the paused clock jumps straight to the deadline.
#[tokio::test(start_paused = true)]
async fn the_time_that_an_answer_took_is_logged_in_milliseconds() {
    let config = crate::support::config("127.0.0.1:1".parse().unwrap());
    let client = crate::support::Client(api_gateway::router(&config));
    let (lines, _guard) = capture(tracing::Level::INFO);
    let never = futures::stream::pending::<io::Result<axum::body::Bytes>>();
    client.send(crate::support::create(Body::from_stream(never))).await;
    let text = lines.text();
    let answer = text.lines().find(|line| line.contains("408 POST /api/v1/runners ")).unwrap();
    let took = answer.split("ms=").nth(1).unwrap().split(' ').next().unwrap();
    let took: f64 = took.parse().unwrap();
    assert!((10_000.0..10_010.0).contains(&took), "{answer}");
}

#[tokio::test]
async fn the_start_says_who_may_call_and_the_end_that_it_is_the_end() {
    let rows = [
        (None, false, "access=\"anybody who can reach it\"", "webhooks=\"off\""),
        (Some(format!("{KEY},{KEY}2")), true, "access=\"2 API keys\"", "signed with any of 1"),
    ];
    for (keys, hooks, access, webhooks) in rows {
        let mut config = crate::support::config("127.0.0.1:1".parse().unwrap());
        config.keys = keys.map_or_else(Default::default, |keys| {
            api_gateway::api_keys::ApiKeys::from_list(&keys.into()).unwrap()
        });
        if hooks {
            config.webhook_secrets = webhook_secrets();
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (lines, _guard) = capture(tracing::Level::INFO);
        api_gateway::run(config, listener, async {}).await.unwrap();
        let text = lines.text();
        let [start, end] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
        let (address, version) = (format!("address={address} "), mayfly_common::VERSION);
        let version = format!("version=\"{version}\"");
        let orchestrator = "orchestrator=http://127.0.0.1:1 ";
        for part in [
            "START",
            "api-gateway is listening",
            &version,
            &address,
            orchestrator,
            access,
            webhooks,
        ] {
            assert!(start.contains(part), "{part} is missing in {start}");
        }
        assert!(start.contains(" connections="), "{start}");
        for part in ["SHUTDOWN", "api-gateway is stopping", "open=0"] {
            assert!(end.contains(part), "{part} is missing in {end}");
        }
    }
}

#[tokio::test]
async fn why_a_signature_is_refused_is_logged() {
    let wrong = format!("sha256={}", "0".repeat(64));
    let rows: [(&[(&str, &str)], &str); 5] = [
        (&[("x-hub-signature-256", &wrong)], "it is wrong"),
        (&[("x-hub-signature-256", "sha256=0")], "it cannot be read"),
        (
            &[("x-hub-signature-256", &wrong), ("x-hub-signature-256", &wrong)],
            "there is more than one",
        ),
        (&[("x-hub-signature", "sha1=0")], "only the SHA-1 one is there"),
        (&[], "there is none: the webhook at GitHub has no secret"),
    ];
    for (headers, why) in rows {
        let (client, _) = gateway_with(|config| config.webhook_secrets = webhook_secrets()).await;
        let (lines, _guard) = capture(tracing::Level::WARN);
        let mut request = anonymous(Method::POST, "/webhooks/github");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        client.send(request.body(Body::from("{}")).unwrap()).await;
        let text = lines.text();
        let said = format!(
            "a webhook's signature is refused: {why} (not said again of this client within an hour)"
        );
        assert!(text.lines().count() == 1 && text.contains(&said), "{text}");
        assert!(text.contains(" WARN ") && text.contains("client=192.0.2.1"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_s_body_that_breaks_off_or_cannot_be_read_is_logged() {
    let mut config = crate::support::config("127.0.0.1:1".parse().unwrap());
    config.webhook_secrets = webhook_secrets();
    let client = crate::support::Client(api_gateway::router(&config));
    let (lines, _guard) = capture(tracing::Level::WARN);
    let signature = mayfly_common::webhook::signature::sign(&SECRET.to_owned().into(), b"{");
    let send = async |body: Body| {
        let request = anonymous(Method::POST, "/webhooks/github")
            .header("x-hub-signature-256", &signature)
            .header("x-github-event", "push")
            .header("x-github-delivery", "1")
            .header("x-request-id", "id-6")
            .header("content-type", "application/json");
        client.send(request.body(body).unwrap()).await.status
    };
    for _ in 0..2 {
        let broken = futures::stream::iter([Err::<&str, _>(io::Error::other("gone"))]);
        assert_eq!(send(Body::from_stream(broken)).await, StatusCode::BAD_REQUEST);
    }
    assert_eq!(send(Body::from("{")).await, StatusCode::BAD_REQUEST);
    let text = lines.text();
    let [broken, unread] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    let said = "a webhook's body came too slowly, broke off or was too large \
                (not said again of this client within an hour)";
    assert!(broken.contains(said) && broken.contains("client=192.0.2.1"), "{broken}");
    let said =
        "a webhook cannot be read request_id=\"id-6\" detail=\"This is no delivery of GitHub's: ";
    assert!(unread.contains(said) && unread.contains("not JSON"), "{unread}");
}

#[tokio::test]
async fn what_prometheus_reads_is_logged_and_what_a_probe_reads_is_not_even_a_span() {
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    /// Keeps the names of spans, and with which status each was answered.
    struct Spans(Lines);

    impl Spans {
        fn keep(&self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            if matches!(field.name(), "otel.name" | "http.response.status_code") {
                let mut kept = self.0.0.lock().unwrap();
                kept.extend_from_slice(format!("{value:?}\n").as_bytes());
            }
        }
    }

    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Spans {
        fn on_new_span(
            &self,
            span: &tracing::span::Attributes<'_>,
            _: &tracing::Id,
            _: Context<'_, S>,
        ) {
            span.record(&mut |field: &_, value: &dyn std::fmt::Debug| self.keep(field, value));
        }

        fn on_record(
            &self,
            _: &tracing::Id,
            values: &tracing::span::Record<'_>,
            _: Context<'_, S>,
        ) {
            values.record(&mut |field: &_, value: &dyn std::fmt::Debug| self.keep(field, value));
        }
    }

    let (client, _) = gateway().await;
    let spans = Lines::default();
    let subscriber = tracing_subscriber::registry().with(Spans(spans.clone()));
    let guard = tracing::subscriber::set_default(subscriber);
    for path in
        ["/metrics", "/health", "/livez", "/readyz", "/api/v1/runners/box", "/runners", "/nothing"]
    {
        client.get(path).await;
    }
    client.call(Method::PUT, "/api/v1/status").await;
    drop(guard);
    let expected = "GET /api/v1/runners/{id}\n404\nGET /runners\n200\nGET other\n404\nPUT /api/v1/status\n405\n";
    assert_eq!(spans.text(), expected);
    let (lines, _guard) = capture(tracing::Level::INFO);
    client.get("/metrics").await;
    assert_eq!(lines.text().lines().filter(|line| line.contains("GET /metrics")).count(), 2);
}

#[tokio::test]
async fn the_path_of_an_admitted_request_is_cut_too() {
    let (client, _) = gateway().await;
    let (lines, _guard) = capture(tracing::Level::INFO);
    let path = format!("/docs/{}", "x".repeat(195));
    client.get_anonymously(&path).await;
    let text = lines.text();
    let cut = format!("GET {} category=", &path[..200]);
    assert_eq!(text.matches(&cut).count(), 2, "{text}");
}

#[tokio::test]
async fn a_refused_client_is_its_whole_64() {
    let (client, _) = gateway().await;
    let (lines, _guard) = capture(tracing::Level::INFO);
    for peer in ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8:0:1::3]:1"] {
        let mut request = anonymous(Method::GET, "/nothing").body(Body::empty()).unwrap();
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        client.send(request).await;
    }
    let text = lines.text();
    assert_eq!(text.lines().filter(|line| line.contains("refused")).count(), 2, "{text}");
    assert!(text.contains("client=2001:db8::1 ") && text.contains("client=2001:db8:0:1::3 "));
}

#[tokio::test]
async fn a_signed_delivery_that_fails_is_logged_as_an_answer_and_counted_as_failed() {
    let silent = axum::Router::new().fallback(async || "hello");
    let mut config = crate::support::config(crate::stub::serve(silent).await);
    config.webhook_secrets = webhook_secrets();
    let client = crate::support::Client(api_gateway::router(&config));
    let (lines, _guard) = capture(tracing::Level::INFO);
    let signature = mayfly_common::webhook::signature::sign(&SECRET.to_owned().into(), b"{}");
    for (event, status) in [("ping", 502), ("push", 400)] {
        let request = anonymous(Method::POST, "/webhooks/github")
            .header("x-hub-signature-256", &signature)
            .header("x-github-event", event)
            .header("x-github-delivery", "1")
            .header("content-type", "application/json");
        let answer = client.send(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{event}");
        let said = format!("{status} POST /webhooks/github category=\"RESPONSE\" ms=");
        assert!(lines.text().contains(&said), "{}", lines.text());
    }
    let metrics = client.get("/metrics").await.text();
    let counted = metrics.lines().filter(|line| line.contains("webhook_deliveries_total{"));
    let mut counted: Vec<&str> = counted.collect();
    counted.sort_unstable();
    let expected = [
        r#"mayfly_gateway_webhook_deliveries_total{event="ping",outcome="failed"} 1"#,
        r#"mayfly_gateway_webhook_deliveries_total{event="push",outcome="refused"} 1"#,
    ];
    assert_eq!(counted, expected);
}
