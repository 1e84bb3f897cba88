//! `POST /webhooks/github`: what is taken, what is ignored, and everything that is refused.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use api_gateway::Config;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::routing::post;
use futures::future::join_all;
use futures::{StreamExt as _, stream};
use http::{Method, Request, StatusCode, header};
use mayfly_common::webhook::signature::{Secrets, sign};
use mayfly_common::webhook::{Content, HookTarget, JobStatus};
use serde_json::json;

use crate::metrics_table::{documented, exposed};
use crate::stub::{Stub, serve};
use crate::support::{Answer, Client, SECRET, anonymous, gateway, gateway_with, webhook_secrets};

const GUID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
const MAX_BODY: usize = 25 * 1024 * 1024;

async fn listening() -> (Client, Stub) {
    gateway_with(|config| config.webhook_secrets = webhook_secrets()).await
}

/// A request as GitHub makes it.
struct Call {
    event: Option<&'static str>,
    id: Option<String>,
    kind: Option<&'static str>,
    signature: Option<String>,
    peer: SocketAddr,
    body: Body,
}

impl Call {
    /// A signed delivery of `body`.
    fn of(event: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            event: Some(event),
            id: Some(GUID.to_owned()),
            kind: Some("application/json"),
            signature: Some(sign(&SECRET.to_owned().into(), &body)),
            peer: SocketAddr::from(([140, 82, 112, 1], 40000)),
            body: body.into(),
        }
    }

    fn request(self) -> Request<Body> {
        let mut request = anonymous(Method::POST, "/webhooks/github")
            .header("user-agent", "GitHub-Hookshot/044aadd")
            .header("x-github-hook-id", "292430182")
            .header("x-github-hook-installation-target-type", "repository");
        let headers = [
            ("x-github-event", self.event.map(str::to_owned)),
            ("x-github-delivery", self.id),
            ("content-type", self.kind.map(str::to_owned)),
            ("x-hub-signature-256", self.signature),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let mut request = request.body(self.body).unwrap();
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request
    }

    async fn send(self, client: &Client) -> Answer {
        client.send(self.request()).await
    }
}

fn outcome(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()["outcome"].as_str().unwrap().to_owned()
}

/// The real payloads, each with its event and whether it matters.
fn payloads() -> Vec<(&'static str, String, Vec<u8>, bool)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../common/tests/data/webhooks");
    let known = [
        "workflow_job",
        "push",
        "ping",
        "meta",
        "installation",
        "installation_repositories",
        "check_run",
        "workflow_run",
    ];
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|it| it == "json"))
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let event = name.split('.').next().unwrap();
            let event = *known.iter().find(|known| **known == event).unwrap();
            let matters =
                !matches!(event, "check_run" | "workflow_run") && name != "push.plain.json";
            (event, name, fs::read(entry.path()).unwrap(), matters)
        })
        .collect();
    found.sort();
    assert!(found.len() >= 17, "{}", found.len());
    found
}

const JOB: &str = r#"{"action":"queued","workflow_job":{"id":1,"run_id":2,"status":"queued","labels":["self-hosted"]},
    "repository":{"id":3,"full_name":"octo/hello","private":true}}"#;

#[tokio::test]
async fn every_real_payload_is_handed_on_or_ignored() {
    let (client, stub) = listening().await;
    for (number, (event, name, body, matters)) in payloads().into_iter().enumerate() {
        let id = Some(format!("{GUID}-{number}"));
        let answer = Call { id: id.clone(), ..Call::of(event, body) }.send(&client).await;
        assert_eq!(outcome(&answer), if matters { "accepted" } else { "ignored" }, "{name}");
        let last = stub.memory().deliveries.last().cloned();
        let last = last.filter(|delivery| Some(&delivery.id) == id.as_ref());
        assert_eq!(last.is_some(), matters, "{name}");
        if let Some(delivery) = last {
            let hook = delivery.hook.unwrap();
            assert_eq!((hook.id, hook.target), (292_430_182, HookTarget::Repository));
            assert_eq!(delivery.event, event);
        }
    }
}

#[tokio::test]
async fn every_real_payload_with_a_flipped_byte_is_refused() {
    for (event, name, body, _) in payloads() {
        let (client, stub) = listening().await;
        let signature = Call::of(event, body.clone()).signature;
        for place in [0, body.len() / 2, body.len() - 1] {
            let mut flipped = body.clone();
            flipped[place] ^= 0x20;
            let call = Call { signature: signature.clone(), ..Call::of(event, flipped) };
            let answer = call.send(&client).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name} {place}");
            assert_eq!(answer.problem().kind, "urn:mayfly:problem:bad-signature");
        }
        assert!(stub.memory().seen.is_empty());
    }
}

#[tokio::test]
async fn a_job_arrives_at_the_orchestrator_as_it_is_and_nothing_else_does() {
    let (client, stub) = listening().await;
    let mut request = Call::of("workflow_job", JOB).request();
    request.headers_mut().insert("x-request-id", "id-9".parse().unwrap());
    assert_eq!(outcome(&client.send(request).await), "accepted");
    let memory = stub.memory();
    let delivery = &memory.deliveries[0];
    assert_eq!(delivery.id, GUID);
    let Content::Job { repository, job } = &delivery.content else { panic!("{delivery:?}") };
    assert_eq!((repository.full_name.as_str(), repository.private), ("octo/hello", Some(true)));
    assert_eq!(
        (job.id, job.status, &*job.labels),
        (1, JobStatus::Queued, &["self-hosted".to_owned()][..])
    );
    let seen = &memory.seen[0];
    assert_eq!((&*seen.method, &*seen.target), ("POST", "/api/v1/deliveries"));
    assert_eq!(seen.headers["x-request-id"], "id-9");
    let mut names: Vec<&str> = seen.headers.keys().map(header::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "content-length", "content-type", "host", "x-request-id"]);
}

#[tokio::test]
async fn nothing_is_taken_while_there_is_no_secret() {
    let (client, stub) = gateway().await;
    let signed = Call::of("workflow_job", JOB);
    let unsigned = Call { signature: None, ..Call::of("workflow_job", JOB) };
    for call in [signed, unsigned] {
        let answer = call.send(&client).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let problem = answer.problem();
        assert_eq!(problem.kind, "urn:mayfly:problem:webhooks-off");
        assert_eq!(problem.title, "Webhooks are off");
        let said = "Nothing that is not signed is taken. Set WEBHOOK_SECRET or WEBHOOK_SECRET_FILE, here and at GitHub.";
        assert_eq!(problem.detail.unwrap(), said);
    }
    assert!(stub.memory().seen.is_empty());
}

#[tokio::test]
async fn a_missing_and_a_wrong_signature_get_the_same_answer_whatever_else_is_wrong() {
    let (client, stub) = listening().await;
    let good = Call::of("workflow_job", JOB).signature.unwrap();
    let other = sign(&"some other secret of 32 letters".to_owned().into(), JOB.as_bytes());
    let mut bodies = Vec::new();
    let signatures = [
        None,
        Some(String::new()),
        Some("sha256=".to_owned()),
        Some(good.replace("sha256", "sha1")),
        Some(good[..good.len() - 1].to_owned()),
        Some(format!("{good}0")),
        Some(other),
        Some(format!("sha256={}", "0".repeat(64))),
    ];
    for (index, signature) in signatures.into_iter().enumerate() {
        let mut call = Call { signature, ..Call::of("workflow_job", JOB) };
        if index % 2 == 0 {
            call = Call { event: None, id: None, kind: Some("text/plain"), ..call };
        }
        let answer = call.send(&client).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{index}");
        assert_eq!(answer.header("www-authenticate"), Some("X-Hub-Signature-256"));
        let problem = answer.problem();
        assert_eq!(problem.title, "A valid signature is required");
        let said = "X-Hub-Signature-256 must be the HMAC-SHA256 of the body with one of the secrets in WEBHOOK_SECRET.";
        assert_eq!(problem.detail.unwrap(), said);
        bodies.push(answer.body);
    }
    let mut legacy = Call { signature: None, ..Call::of("workflow_job", JOB) }.request();
    legacy.headers_mut().insert("x-hub-signature", "sha1=0000".parse().unwrap());
    let mut twice = Call::of("workflow_job", JOB).request();
    twice.headers_mut().append("x-hub-signature-256", good.parse().unwrap());
    for request in [legacy, twice] {
        let answer = client.send(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "a refusal says what was wrong");
    assert!(stub.memory().seen.is_empty());
}

#[tokio::test]
async fn a_key_of_the_api_is_no_signature() {
    let (client, _) = listening().await;
    let mut request = Call { signature: None, ..Call::of("workflow_job", JOB) }.request();
    let key = format!("Bearer {}", crate::support::KEY);
    request.headers_mut().insert("authorization", key.parse().unwrap());
    assert_eq!(client.send(request).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn while_the_secret_is_changed_both_are_good() {
    let new = "the new secret of many letters";
    let (client, _) = gateway_with(|config| {
        config.webhook_secrets = Secrets::from_list(&format!("{new},{SECRET}").into()).unwrap();
    })
    .await;
    let with_new = Some(sign(&new.to_owned().into(), JOB.as_bytes()));
    let with_new = Call { signature: with_new, ..Call::of("workflow_job", JOB) };
    assert_eq!(outcome(&with_new.send(&client).await), "accepted");
    assert_eq!(outcome(&Call::of("workflow_job", JOB).send(&client).await), "duplicate");
}

#[tokio::test]
async fn the_same_delivery_again_is_what_the_orchestrator_says() {
    let (client, stub) = listening().await;
    let outcomes: Vec<String> =
        join_all((0..2).map(async |_| outcome(&Call::of("workflow_job", JOB).send(&client).await)))
            .await;
    assert!(outcomes.contains(&"accepted".to_owned()), "{outcomes:?}");
    assert!(outcomes.contains(&"duplicate".to_owned()), "{outcomes:?}");
    assert_eq!(stub.memory().deliveries.len(), 2);
}

#[tokio::test]
async fn a_form_is_taken_too_and_its_raw_bytes_are_what_is_signed() {
    let (client, stub) = listening().await;
    let form: String =
        form_urlencoded::Serializer::new(String::new()).append_pair("payload", JOB).finish();
    for (kind, expected) in [
        ("application/x-www-form-urlencoded", "accepted"),
        ("Application/X-WWW-Form-URLEncoded; charset=utf-8", "duplicate"),
    ] {
        let call = Call { kind: Some(kind), ..Call::of("workflow_job", form.clone()) };
        assert_eq!(outcome(&call.send(&client).await), expected);
    }
    assert!(matches!(stub.memory().deliveries[0].content, Content::Job { .. }));
    // Signed as if the signature were over the JSON inside.
    let wrong = Some(sign(&SECRET.to_owned().into(), JOB.as_bytes()));
    let kind = Some("application/x-www-form-urlencoded");
    let call = Call { kind, signature: wrong, ..Call::of("workflow_job", form) };
    assert_eq!(call.send(&client).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_signed_body_that_is_no_delivery_is_malformed() {
    let (client, stub) = listening().await;
    let json = Some("application/json");
    let form = Some("application/x-www-form-urlencoded");
    let cases: [(&'static str, Option<&'static str>, &'static str, &str); 10] = [
        ("workflow_job", json, "", "not JSON"),
        ("workflow_job", json, "{", "not JSON"),
        ("workflow_job", json, "payload=%7B%7D", "not JSON"),
        ("workflow_job", json, "[]", "not the object"),
        ("workflow_job", json, "{}", "lacks workflow_job"),
        (
            "workflow_job",
            json,
            r#"{"action":"queued","workflow_job":{"id":1}}"#,
            "lacks repository",
        ),
        ("push", json, "{}", "lacks ref"),
        ("workflow_job", form, JOB, "no field named payload"),
        ("workflow_job", form, "payload=%7B", "not JSON"),
        ("from_the_future", json, "<html>", "not JSON"),
    ];
    for (event, kind, body, said) in cases {
        let answer = Call { kind, ..Call::of(event, body) }.send(&client).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let problem = answer.problem();
        assert_eq!(problem.kind, "urn:mayfly:problem:malformed-request");
        assert!(problem.detail.as_ref().unwrap().contains(said), "{problem:?}");
    }
    assert!(stub.memory().seen.is_empty());
}

#[tokio::test]
async fn a_missing_or_odd_header_is_malformed_and_named() {
    let (client, _) = listening().await;
    let cases = [
        (Call { event: None, ..Call::of("push", JOB) }, "X-GitHub-Event"),
        (Call::of("", JOB), "X-GitHub-Event"),
        (Call::of("no event", JOB), "X-GitHub-Event"),
        (Call { id: None, ..Call::of("push", JOB) }, "X-GitHub-Delivery"),
        (Call { id: Some("../x".to_owned()), ..Call::of("push", JOB) }, "X-GitHub-Delivery"),
        (Call { id: Some("a".repeat(101)), ..Call::of("push", JOB) }, "X-GitHub-Delivery"),
    ];
    for (call, header) in cases {
        let answer = call.send(&client).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{header}");
        assert!(answer.problem().detail.unwrap().contains(header), "{header}");
    }
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let (client, _) = listening().await;
    for kind in [None, Some("text/plain"), Some("application/xml"), Some("application/json-seq")] {
        let answer = Call { kind, ..Call::of("workflow_job", JOB) }.send(&client).await;
        let problem = answer.problem();
        assert_eq!(problem.status, 415, "{kind:?}");
        assert_eq!(problem.kind, "urn:mayfly:problem:unsupported-media-type");
        assert_eq!(problem.title, "The body must be JSON or a form");
        let said = "Set the webhook's content type to application/json.";
        assert_eq!(problem.detail.unwrap(), said);
    }
}

#[tokio::test]
async fn an_unknown_event_or_action_is_ignored_without_asking_anybody() {
    let (client, stub) = listening().await;
    for event in ["check_suite", "star", "from_the_future"] {
        assert_eq!(outcome(&Call::of(event, "{}").send(&client).await), "ignored", "{event}");
    }
    let requeued = JOB.replace("\"queued\",\"workflow_job\"", "\"requeued\",\"workflow_job\"");
    assert_eq!(outcome(&Call::of("workflow_job", requeued).send(&client).await), "ignored");
    assert!(stub.memory().seen.is_empty());
}

#[tokio::test]
async fn a_body_of_25_mib_is_read_and_one_byte_more_is_not() {
    let (client, stub) = listening().await;
    let padded = |length: usize| {
        let mut body = JOB.as_bytes().to_vec();
        body.resize(length, b' ');
        body
    };
    assert_eq!(
        outcome(&Call::of("workflow_job", padded(MAX_BODY)).send(&client).await),
        "accepted"
    );
    let large = Call::of("workflow_job", padded(MAX_BODY + 1));
    let signature = large.signature.clone();
    let mut announced = Call { body: Body::empty(), ..Call::of("workflow_job", "") }.request();
    announced.headers_mut().insert(header::CONTENT_LENGTH, (MAX_BODY + 1).into());
    let pieces: Vec<_> = padded(MAX_BODY + 1).chunks(1 << 16).map(Bytes::copy_from_slice).collect();
    let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let unannounced =
        Call { signature, body: Body::from_stream(pieces), ..Call::of("workflow_job", "") };
    for request in [announced, unannounced.request()] {
        let answer = client.send(request).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.problem().kind, "urn:mayfly:problem:payload-too-large");
    }
    assert_eq!(stub.memory().deliveries.len(), 1);
}

#[tokio::test]
async fn many_large_bodies_at_once_leave_ordinary_ones_alone() {
    let (client, _) = listening().await;
    let stuck = |_| {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
        let body = Body::from_stream(first.chain(stream::pending()));
        let mut request = Call { body, ..Call::of("push", "{") }.request();
        request.headers_mut().insert(header::CONTENT_LENGTH, MAX_BODY.into());
        let client = client.clone();
        tokio::spawn(async move { client.send(request).await })
    };
    let stuck: Vec<_> = (0..500).map(stuck).collect();
    tokio::task::yield_now().await;
    assert_eq!(outcome(&Call::of("workflow_job", JOB).send(&client).await), "accepted");
    stuck.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A hundred bodies with a wrong signature that stand still half-way, from one address, as often as it likes. The signed deliveries
/// are of an event for which the orchestrator is not asked, so no socket is involved, and the paused clock does not run ahead.
#[tokio::test(start_paused = true)]
async fn slow_bodies_of_one_address_do_not_keep_signed_deliveries_out() {
    let client = at("127.0.0.1:1".parse().unwrap());
    let stranger = SocketAddr::from(([198, 51, 100, 66], 40000));
    let slow = |length: usize| {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![b'{'; 131_073]))]);
        let body = Body::from_stream(first.chain(stream::pending()));
        let signature = Some(format!("sha256={}", "0".repeat(64)));
        let call = Call { signature, body, peer: stranger, ..Call::of("push", "{") };
        let mut request = call.request();
        request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        let client = client.clone();
        tokio::spawn(async move { client.send(request).await.status })
    };
    for _ in 0..3 {
        let held: Vec<_> = (0..100).map(|_| slow(262_144)).collect();
        tokio::task::yield_now().await;
        assert_eq!(outcome(&Call::of("check_run", "{}").send(&client).await), "ignored");
        let mut given_up = 0;
        for held in held {
            given_up += usize::from(held.await.unwrap() == StatusCode::REQUEST_TIMEOUT);
        }
        assert!(given_up <= 32, "{given_up} held room");
    }
    // The address is now a suspect: its large bodies are refused, its ordinary ones accepted only while there is room.
    assert_eq!(slow(1 << 20).await.unwrap(), StatusCode::TOO_MANY_REQUESTS);
    let large = format!("{{}}{}", " ".repeat(300_000));
    assert_eq!(outcome(&Call::of("check_run", large).send(&client).await), "ignored");
    let shared = Call { peer: stranger, ..Call::of("check_run", "{}") };
    assert_eq!(outcome(&shared.send(&client).await), "ignored", "a signature counts from anywhere");
}

/// Four addresses behind a trusted proxy send wrongly signed bodies, just fast enough and as many as they can, and each begins
/// anew when one is refused. The clock stands still unless everybody waits.
#[tokio::test(start_paused = true)]
async fn paced_and_wrongly_signed_bodies_of_several_addresses_do_not_keep_signed_deliveries_out() {
    let proxy = SocketAddr::from(([10, 0, 0, 1], 40000));
    let config = Config {
        webhook_secrets: webhook_secrets(),
        trusted_proxies: api_gateway::client_address::TrustedProxies::parse("10.0.0.1").unwrap(),
        ..crate::support::config("127.0.0.1:1".parse().unwrap())
    };
    let client = Client(api_gateway::router(&config));
    let paced = move |client: Client, from: u8, length: usize, speed: usize| async move {
        let pieces = stream::unfold(0, move |sent| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let piece = (speed / 10).min(length - sent);
            (piece > 0)
                .then(|| (Ok::<_, std::io::Error>(Bytes::from(vec![b'{'; piece])), sent + piece))
        });
        let signature = Some(format!("sha256={}", "0".repeat(64)));
        let body = Body::from_stream(pieces);
        let mut request = Call { signature, body, peer: proxy, ..Call::of("push", "{") }.request();
        request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        let address = format!("198.51.100.{from}").parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", address);
        client.send(request).await.status
    };
    // A whole share of the ordinary room for each address, and four that want the place for large bodies.
    let (many, ever) = (20, Duration::from_mins(3));
    let until = tokio::time::Instant::now() + ever;
    let strangers: Vec<_> = (0..4 * many)
        .map(|number| {
            let (client, from) = (client.clone(), u8::try_from(number % 4).unwrap());
            let (length, speed) =
                if number / 4 % 5 == 0 { (2 << 20, 300 << 10) } else { (256 << 10, 40 << 10) };
            tokio::spawn(async move {
                let mut unsigned = 0;
                while tokio::time::Instant::now() < until {
                    let status = paced(client.clone(), from, length, speed).await;
                    unsigned += usize::from(status == StatusCode::UNAUTHORIZED);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                unsigned
            })
        })
        .collect();
    let job = " ".repeat(30_000);
    while tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let signed = Call::of("check_run", format!("{{}}{job}")).send(&client).await;
        assert_eq!(signed.status, StatusCode::ACCEPTED, "{}", signed.text());
    }
    let unsigned: usize = join_all(strangers).await.into_iter().map(Result::unwrap).sum();
    assert!(unsigned > 0, "some came as far as their signature");
}

/// No socket is involved, so the paused clock jumps straight to the deadline.
#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_408() {
    let client = at("127.0.0.1:1".parse().unwrap());
    let body = Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
    let answer = Call { body, ..Call::of("workflow_job", JOB) }.send(&client).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    answer.problem();
}

/// A gateway before whatever is at `orchestrator`.
fn at(orchestrator: SocketAddr) -> Client {
    let config =
        Config { webhook_secrets: webhook_secrets(), ..crate::support::config(orchestrator) };
    Client(api_gateway::router(&config))
}

#[tokio::test]
async fn without_an_orchestrator_a_delivery_fails_so_that_it_can_be_repeated() {
    let client = at("127.0.0.1:1".parse().unwrap());
    for (event, body) in [("workflow_job", JOB), ("ping", "{}")] {
        let answer = Call::of(event, body).send(&client).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.problem().kind, "urn:mayfly:problem:orchestrator-unavailable");
    }
    assert_eq!(outcome(&Call::of("check_run", "{}").send(&client).await), "ignored");
}

#[tokio::test]
async fn an_orchestrator_that_does_not_understand_is_502_and_one_that_is_slow_504() {
    let receipts = [
        (StatusCode::ACCEPTED, "{\"outcome\":\"eaten\"}"),
        (StatusCode::ACCEPTED, "{"),
        (StatusCode::NOT_FOUND, "{\"type\":\"x\",\"title\":\"hunter2\",\"status\":404}"),
        (StatusCode::INTERNAL_SERVER_ERROR, "{\"title\":\"hunter2\"}"),
    ];
    for (status, text) in receipts {
        let kind =
            if status.is_success() { "application/json" } else { "application/problem+json" };
        let answering = post(async move || (status, [("content-type", kind)], text));
        let client = at(serve(Router::new().route("/api/v1/deliveries", answering)).await);
        let answer = Call::of("workflow_job", JOB).send(&client).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{text}");
        assert_eq!(answer.problem().kind, "urn:mayfly:problem:bad-gateway");
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    }
    let silent = serve(Router::new().fallback(std::future::pending::<StatusCode>)).await;
    let config = Config {
        webhook_secrets: webhook_secrets(),
        request_timeout: Duration::from_millis(30),
        ..crate::support::config(silent)
    };
    let client = Client(api_gateway::router(&config));
    let answer = Call::of("workflow_job", JOB).send(&client).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn a_burst_of_one_address_is_taken_whole_whatever_the_api_s_limit() {
    let (client, stub) = gateway_with(|config| {
        config.webhook_secrets = webhook_secrets();
        config.rate_per_second = std::num::NonZeroU32::MIN;
        config.rate_burst = std::num::NonZeroU32::MIN;
    })
    .await;
    let all = join_all((0..300).map(async |number| {
        let id = Some(format!("{GUID}-{number}"));
        outcome(&Call { id, ..Call::of("workflow_job", JOB) }.send(&client).await)
    }))
    .await;
    assert!(all.iter().all(|outcome| outcome == "accepted"), "{all:?}");
    assert_eq!(stub.memory().deliveries.len(), 300);
}

#[tokio::test]
async fn wrong_signatures_are_limited_by_address_and_a_right_one_still_counts() {
    let (client, stub) = listening().await;
    let from = |number: u8| SocketAddr::from(([198, 51, 100, number], 40000));
    let wrong = async |number: u8| {
        let signature = Some(format!("sha256={}", "0".repeat(64)));
        let call = Call { signature, peer: from(number), ..Call::of("workflow_job", JOB) };
        call.send(&client).await
    };
    let mut refused = 0;
    for attempt in 0..300 {
        let answer = wrong(1).await;
        if answer.status == StatusCode::UNAUTHORIZED {
            refused += 1;
        } else {
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{attempt}");
            assert!(
                answer.problem().retry_after.is_some_and(|seconds| (1..=60).contains(&seconds))
            );
        }
    }
    assert_eq!(refused, 200);
    assert!(stub.memory().seen.is_empty());
    let metrics = client.get("/metrics").await.text();
    let line = "mayfly_gateway_rate_limited_total 100";
    assert!(metrics.lines().any(|it| it == line), "{metrics}");
    // A body that took up much room counts as sixteen.
    for attempt in 1..=13 {
        let signature = Some(format!("sha256={}", "0".repeat(64)));
        let body = vec![b' '; 256 * 1024];
        let call = Call { signature, peer: from(3), ..Call::of("workflow_job", body) };
        let expected = if attempt < 13 { 401 } else { 429 };
        assert_eq!(call.send(&client).await.status.as_u16(), expected, "{attempt}");
    }
    assert_eq!(wrong(2).await.status, StatusCode::UNAUTHORIZED, "somebody else");
    let right = Call { peer: from(1), ..Call::of("workflow_job", JOB) };
    assert_eq!(outcome(&right.send(&client).await), "accepted");
    let mut large = Call { peer: from(1), ..Call::of("push", "{}") }.request();
    large.headers_mut().insert(header::CONTENT_LENGTH, MAX_BODY.into());
    assert_eq!(client.send(large).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(client.get("/api/v1/status").await.status, StatusCode::OK, "the API has its own");
}

#[tokio::test]
async fn deliveries_are_counted_by_event_and_outcome() {
    let (client, _) = listening().await;
    for _ in 0..2 {
        Call::of("workflow_job", JOB).send(&client).await;
    }
    Call::of("star", "{}").send(&client).await;
    Call::of("push", "{").send(&client).await;
    Call { signature: None, event: None, ..Call::of("push", "") }.send(&client).await;
    Call::of("check_run", json!({"action": "created"}).to_string()).send(&client).await;
    let metrics = client.get("/metrics").await.text();
    for (event, outcome) in [
        ("workflow_job", "accepted"),
        ("workflow_job", "duplicate"),
        ("other", "ignored"),
        ("push", "refused"),
        ("other", "refused"),
        ("check_run", "ignored"),
    ] {
        let line = format!(
            r#"mayfly_gateway_webhook_deliveries_total{{event="{event}",outcome="{outcome}"}} 1"#
        );
        assert!(metrics.lines().any(|it| it == line), "{line} is missing in:\n{metrics}");
    }
    assert!(metrics.contains(r#"route="/webhooks/github""#), "{metrics}");
    let away = at("127.0.0.1:1".parse().unwrap());
    Call::of("ping", "{}").send(&away).await;
    let metrics = away.get("/metrics").await.text();
    assert!(metrics.contains(r#"deliveries_total{event="ping",outcome="failed"} 1"#), "{metrics}");
    // By now each metric has a sample.
    assert_eq!(exposed(&metrics), documented("mayfly_gateway_", &[]));
}

#[tokio::test]
async fn other_methods_and_paths_are_not_webhooks() {
    let (client, _) = listening().await;
    assert_eq!(client.get("/webhooks/github").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(client.call(Method::POST, "/webhooks").await.status, StatusCode::NOT_FOUND);
    let answer = client.call(Method::POST, "/api/v1/webhooks/github").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let internal = client.call(Method::POST, "/api/v1/deliveries").await;
    assert_eq!(
        internal.status,
        StatusCode::NOT_FOUND,
        "the orchestrator's own route is not passed on"
    );
}

#[tokio::test]
async fn a_delivery_is_handed_on_again_where_the_connection_broke() {
    let (orchestrator, count) = crate::upstream_faults::hangs_up().await;
    let answer = Call::of("workflow_job", JOB).send(&at(orchestrator)).await;
    assert_eq!(answer.problem().kind, "urn:mayfly:problem:bad-gateway");
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_orchestrator_that_cannot_serve_says_so_and_a_receipt_is_short() {
    let problem = r#"{"type":"urn:mayfly:problem:unavailable","title":"hunter2","status":503}"#;
    let receipt = |length: usize| format!("{:<length$}", r#"{"outcome":"accepted"}"#);
    for (status, kind, text, expected) in [
        (503, "application/problem+json", problem.to_owned(), "orchestrator-unavailable"),
        (503, "text/plain", "hunter2".to_owned(), "orchestrator-unavailable"),
        (202, "application/json", receipt(16 * 1024), "accepted"),
        (202, "application/json", receipt(16 * 1024 + 1), "bad-gateway"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let answering = post(async move || (status, [("content-type", kind)], text));
        let client = at(serve(Router::new().route("/api/v1/deliveries", answering)).await);
        let answer = Call::of("workflow_job", JOB).send(&client).await;
        if expected == "accepted" {
            assert_eq!(outcome(&answer), expected);
        } else {
            let problem = answer.problem();
            assert_eq!(problem.kind, format!("urn:mayfly:problem:{expected}"));
            assert_eq!(problem.retry_after, (problem.status == 503).then_some(5));
            assert!(!answer.text().contains("hunter2"));
        }
    }
}

/// The clock stands still once the orchestrator was asked, and then jumps to the deadline.
#[tokio::test]
async fn a_delivery_waits_eight_seconds_for_the_orchestrator() {
    let arrived = std::sync::Arc::new(tokio::sync::Notify::new());
    let tell = std::sync::Arc::clone(&arrived);
    let silent = post(async move || {
        tell.notify_one();
        std::future::pending::<StatusCode>().await
    });
    let client = at(serve(Router::new().route("/api/v1/deliveries", silent)).await);
    let asked = tokio::spawn(async move { Call::of("workflow_job", JOB).send(&client).await });
    arrived.notified().await;
    let (lines, _guard) = crate::logs::capture(tracing::Level::WARN);
    tokio::time::pause();
    let paused = tokio::time::Instant::now();
    assert_eq!(asked.await.unwrap().status, StatusCode::GATEWAY_TIMEOUT);
    let waited = paused.elapsed().as_millis();
    assert!((7000..=8002).contains(&waited), "{waited}");
    assert!(lines.text().contains("POST /api/v1/deliveries"), "{}", lines.text());
    assert!(lines.text().contains("reason=no answer within 8s"), "{}", lines.text());
}
