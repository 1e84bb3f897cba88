//! The gateway and the orchestrator take the same query parameters, route by route: a parameter that only one of the two knows is
//! of no use to anybody.
//!
//! Neither side's list is written down here. Each is asked with a parameter that nobody knows, and its refusal names those that it
//! does know; the OpenAPI document is the third to agree.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use http::{Method, Request, StatusCode};
use mayfly_common::problem::Problem;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::support::Platform;

const UNKNOWN: &str = "zzz";

async fn refusal(router: &Router, method: &Method, path: &str) -> Problem {
    let peer = SocketAddr::from(([127, 0, 0, 1], 40000));
    let request = Request::builder()
        .method(method)
        .uri(format!("{path}?{UNKNOWN}=1"))
        .header("host", "localhost")
        .header("content-type", "application/json")
        .extension(ConnectInfo(peer));
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{method} {path}");
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// The parameters that the gateway says it knows: `is not known; known are a, b`.
fn named_by_gateway(problem: &Problem) -> BTreeSet<String> {
    let detail = &problem.errors[0].detail;
    let Some((_, names)) = detail.split_once("known are ") else {
        assert!(detail.contains("there are no parameters here"), "{detail}");
        return BTreeSet::new();
    };
    names.split(", ").map(str::to_owned).collect()
}

/// The parameters that the orchestrator says it knows: serde's "unknown field `zzz`, expected `a` or `b`".
fn named_by_orchestrator(problem: &Problem) -> BTreeSet<String> {
    let detail = &problem.errors[0].detail;
    if detail.contains("there are no parameters here") {
        return BTreeSet::new();
    }
    let (_, expected) = detail.split_once("expected").expect(detail);
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn documented(operation: &Value) -> BTreeSet<String> {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let queries = parameters.iter().filter(|parameter| parameter["in"] == "query");
    queries.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn both_routers_take_the_same_parameters() {
    let platform = Platform::new().await;
    let orchestrator = platform.router();
    let gateway = api_gateway::router(&api_gateway::Config::default());
    let document = serde_json::to_value(api_gateway::document()).unwrap();
    let mut compared = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        // The gateway's own: its probes and metrics take whatever a prober adds, and webhooks go elsewhere.
        if !path.starts_with("/api/v1/") {
            continue;
        }
        let target = path.replace("{id}", "1234").replace("{name}", "ci");
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let place = format!("{method} {path}");
            let written = documented(operation);
            let here = named_by_orchestrator(&refusal(&orchestrator, &method, &target).await);
            let there = named_by_gateway(&refusal(&gateway, &method, &target).await);
            assert_eq!(here, written, "{place}: the orchestrator and the OpenAPI document");
            assert_eq!(there, written, "{place}: the gateway and the OpenAPI document");
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

/// A real gateway, before a real orchestrator, whose one runner executes a job.
#[tokio::test]
async fn a_busy_runner_goes_through_the_gateway_only_by_force() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers().pop().unwrap();
    platform.connect(&name).unwrap();
    platform.pass().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let internal = platform.router();
    tokio::spawn(async move { axum::serve(listener, internal).await });
    let variables = [("ORCHESTRATOR_URL".to_owned(), format!("http://{address}"))];
    let gateway = api_gateway::router(&api_gateway::Config::from_variables(variables).unwrap());
    let delete = async |query: &str| {
        let request = Request::delete(format!("/api/v1/runners/{name}{query}"))
            .header("host", "localhost")
            .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40000))))
            .body(Body::empty());
        // The request takes its time over the socket, so passes go on until it is answered.
        let passes = async {
            loop {
                platform.answering().await;
            }
        };
        let response = tokio::select! {
            response = gateway.clone().oneshot(request.unwrap()) => response.unwrap(),
            () = passes => unreachable!("there is no last pass"),
        };
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap_or_default())
    };
    let (status, problem) = delete("").await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::CONFLICT, &json!("urn:mayfly:problem:runner-busy"))
    );
    assert_eq!(delete("?force=false").await.0, StatusCode::CONFLICT);
    assert_eq!(platform.containers(), std::slice::from_ref(&name));
    assert_eq!(delete("?force=true").await.0, StatusCode::NO_CONTENT);
    assert!(platform.containers().is_empty());
}
