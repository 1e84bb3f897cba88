use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::config::Config;

async fn ask(answer: axum::routing::MethodRouter<Gateway>) -> (StatusCode, String, String) {
    let gateway = Gateway::new(&Config::default());
    let router = Router::new()
        .route("/", answer)
        .layer(from_fn_with_state(gateway.clone(), observe))
        .with_state(gateway);
    let request = Request::get("/").header(header::HOST, "localhost").body(Body::empty());
    let response = router.oneshot(request.unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let length = parts.headers.get(header::CONTENT_LENGTH).cloned();
    let kind = parts.headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    assert!(parts.headers.contains_key(X_REQUEST_ID));
    let body = body.collect().await.unwrap().to_bytes();
    // One of another body's would have the client wait, or stop in the middle.
    assert!(length.is_none_or(|length| length == body.len().to_string().as_str()));
    (parts.status, kind, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_panic_is_a_problem_that_says_nothing_of_its_reason() {
    async fn panics() -> &'static str {
        panic!("the password is hunter2")
    }
    let (status, kind, body) = ask(get(panics)).await;
    assert_eq!((status, &*kind), (StatusCode::INTERNAL_SERVER_ERROR, PROBLEM_JSON));
    assert!(!body.contains("hunter2"), "{body}");
}

#[tokio::test]
async fn an_error_in_another_form_becomes_a_problem() {
    let (status, kind, body) = ask(get(async || {
        let length = [(header::CONTENT_LENGTH, "10")];
        (StatusCode::GONE, length, "plain text")
    }))
    .await;
    assert_eq!((status, &*kind), (StatusCode::GONE, PROBLEM_JSON));
    let problem: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!((problem.status, &*problem.title), (410, "Gone"));
}
