//! An engine that accepts calls and never answers, on real sockets: a pass goes on, and what is known is told with its age.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use github_sim::{Checked, Clock as SimClock, SimConfig};
use jiff::{SignedDuration, Timestamp};
use mayfly_backend::Backend as _;
use mayfly_backend::bounded::PASS;
use mayfly_backend_docker::DockerBackend;
use mayfly_common::machine::Phase;
use mayfly_store::Store;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::stub_engine::{Freeze, StubEngine};
use crate::support::{PATIENT, config, wire};

/// What the machine itself may take beside the waiting.
const SLACK: Duration = Duration::from_secs(20);

async fn get(router: &axum::Router, path: &str) -> (StatusCode, Value) {
    let request = Request::get(path).header("host", "127.0.0.1").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, body) =
        (response.status(), to_bytes(response.into_body(), 1 << 20).await.unwrap());
    (status, serde_json::from_slice(&body).unwrap())
}

async fn a_pass_on_an_engine_that_freezes(how: Freeze) {
    let engine = StubEngine::start().await;
    let clock = SimClock::manual(Timestamp::from_second(1_800_000_000).unwrap());
    let sim =
        Checked::start(SimConfig { clock: clock.clone(), ..SimConfig::default() }).await.unwrap();
    sim.with(|world| world.add_user("octo-admin")).unwrap();
    let config =
        config(&sim.url(), &[("DOCKER_HOST", &engine.host()), ("ORCHESTRATOR_ID", "frozen")]);
    let backend = Arc::new(DockerBackend::new(config.docker()));
    let store = Store::in_memory().unwrap();
    let app = wire(&config, backend, &clock, SignedDuration::ZERO, PATIENT, store);
    let (reconciler, router) = (app.reconciler(), app.router());

    let report = reconciler.pass().await;
    assert_eq!(report.problems, Vec::<String>::new());
    clock.advance(SignedDuration::from_secs(7));
    let (_, health) = get(&router, "/health").await;
    assert_eq!(health["dependencies"]["docker"], "reachable", "{health}");
    assert_eq!(health["answered_seconds_ago"]["docker"], 7, "{health}");

    engine.freeze(how);
    let began = Instant::now();
    let report = reconciler.pass().await;
    assert!(began.elapsed() < PASS + SLACK, "{:?}", began.elapsed());
    assert!(report.problems.iter().any(|why| why.contains("no answer within")), "{report:?}");
    clock.advance(SignedDuration::from_secs(20));
    let (_, health) = get(&router, "/health").await;
    assert_eq!(health["status"], "degraded", "{health}");
    assert_ne!(health["dependencies"]["docker"], "reachable", "{health}");
    assert_eq!(health["answered_seconds_ago"]["docker"], 27, "{health}");
    assert_eq!(get(&router, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);

    engine.freeze(Freeze::Not);
    reconciler.pass().await;
    let (_, health) = get(&router, "/health").await;
    assert_eq!(health["dependencies"]["docker"], "reachable", "{health}");
    // No pass, and nobody who asked since: it may have frozen meanwhile.
    clock.advance(SignedDuration::from_mins(2));
    let (_, health) = get(&router, "/health").await;
    assert_eq!(health["dependencies"]["docker"], "unknown: the last answer is 120 s old");
    assert_eq!(get(&router, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_engine_that_freezes_holds_a_pass_for_half_a_minute_at_most_and_is_not_called_reachable()
{
    tokio::join!(
        a_pass_on_an_engine_that_freezes(Freeze::Silent),
        a_pass_on_an_engine_that_freezes(Freeze::HalfWay),
    );
}

#[tokio::test]
async fn a_connection_over_tcp_is_probed() {
    let engine = StubEngine::start().await;
    engine.freeze(Freeze::Silent);
    let host = engine.host();
    let config = config("http://127.0.0.1:9", &[("DOCKER_HOST", &host), ("ORCHESTRATOR_ID", "i")]);
    let backend = DockerBackend::new(config.docker());
    let asking = tokio::spawn(async move { backend.ping().await });
    // Columns of /proc/net/tcp (Linux, Documentation/networking/proc_net_tcp.rst): remote address, state (01: established), timer
    // (02: of keep-alive probes, or another one that is not for sending again).
    let remote = format!(":{:04X}", engine.address().port());
    let probed = async || {
        let table = tokio::fs::read_to_string("/proc/net/tcp").await.unwrap();
        table.lines().any(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns.len() > 5
                && columns[2].ends_with(&remote)
                && columns[3] == "01"
                && columns[5].starts_with("02:")
        })
    };
    let seen = async {
        while !probed().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENT, seen).await.expect("a timer for probes");
    asking.abort();
}

#[tokio::test]
async fn what_cannot_be_looked_into_is_not_called_idle() {
    let engine = StubEngine::start().await;
    engine.add(&json!({
        "dev.mayfly.instance": "i", "dev.mayfly.schema": "1", "dev.mayfly.runner": "mayfly-i-1",
        "dev.mayfly.pool": "default", "dev.mayfly.scope": "repo:o/r", "dev.mayfly.labels": "self-hosted",
        "dev.mayfly.github-runner-id": "7", "dev.mayfly.image": "img", "dev.mayfly.created-at": "2027-01-15T08:00:00Z",
        "dev.mayfly.deadline": "2027-01-16T08:00:00Z",
    }));
    let host = engine.host();
    let config = config("http://127.0.0.1:9", &[("DOCKER_HOST", &host), ("ORCHESTRATOR_ID", "i")]);
    let listed = DockerBackend::new(config.docker()).list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].phase, Phase::Running { working: None }, "`top` failed");
}
