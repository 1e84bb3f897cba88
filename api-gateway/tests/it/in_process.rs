//! The gateway in front of an orchestrator in the same process: no socket between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use api_gateway::orchestrator::{Upstream, UpstreamError};
use axum::body::Body;
use axum::response::Response;
use axum::{Json, Router};
use futures::{StreamExt as _, stream};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::{ServiceExt as _, service_fn};

use crate::stub::Stub;
use crate::support::{create, gateway_over, request};

#[tokio::test]
async fn requests_reach_a_router_with_what_may_pass_and_its_answers_come_back() {
    let stub = Stub::default();
    let client = gateway_over(Upstream::new(stub.clone().remembering()));
    let made = client
        .send(create(r#"{"scope":"org","scope_name":"octo","runner_name":"busy-box"}"#))
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let busy = client.call(Method::DELETE, "/api/v1/runners/busy-box").await;
    assert_eq!(busy.problem().kind, "urn:mayfly:problem:runner-busy");
    let seen = std::mem::take(&mut stub.memory().seen);
    let [made, busy] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(made.target, "http://orchestrator.invalid/api/v1/runners");
    assert_eq!(made.headers["content-type"], "application/json");
    assert_eq!(made.headers["host"], "orchestrator.invalid");
    assert_eq!((busy.method.as_str(), busy.headers.get("authorization")), ("DELETE", None));
    assert_eq!(client.get_anonymously("/health").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_is_passed_on_piece_by_piece() {
    let events = async || {
        let first = stream::iter([Ok::<_, std::io::Error>("data: 1\n\n")]);
        let body = Body::from_stream(first.chain(stream::pending()));
        Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
    };
    let client = gateway_over(Upstream::new(Router::new().fallback(events)));
    let asked = request(Method::GET, "/api/v1/events").body(Body::empty()).unwrap();
    let mut body = client.0.oneshot(asked).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "data: 1\n\n", "the rest never comes");
}

/// How often a request was tried, and how it ended, where the first try fails in this way.
async fn tried(method: Method, failure: fn() -> UpstreamError) -> (u32, StatusCode) {
    let count = Arc::new(AtomicU32::new(0));
    let tries = Arc::clone(&count);
    let service = service_fn(move |_: axum::http::Request<_>| {
        let try_number = tries.fetch_add(1, Ordering::Relaxed);
        async move {
            match try_number {
                0 => Err(failure()),
                _ => Ok(axum::response::IntoResponse::into_response(Json(json!({})))),
            }
        }
    });
    let client = gateway_over(Upstream::new(service));
    let request = match method {
        Method::POST => create(r#"{"scope":"org","scope_name":"octo"}"#),
        method => request(method, "/api/v1/status").body(Body::empty()).unwrap(),
    };
    let status = client.send(request).await.status;
    (count.load(Ordering::Relaxed), status)
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_and_may_have_been_done_is_not_sent_again() {
    let unreachable = || UpstreamError::Unreachable("nobody listens".into());
    let broken = || UpstreamError::Broken("the connection broke".into());
    assert_eq!(tried(Method::GET, unreachable).await, (2, StatusCode::OK));
    assert_eq!(tried(Method::POST, unreachable).await, (2, StatusCode::OK));
    assert_eq!(tried(Method::GET, broken).await, (2, StatusCode::OK));
    assert_eq!(tried(Method::POST, broken).await, (1, StatusCode::BAD_GATEWAY));
}
