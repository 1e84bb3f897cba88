use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::config::Config;

fn edge() -> Arc<Edge> {
    Arc::new(Edge::new(&Config::default(), Arc::new(Metrics::new())))
}

fn identified<T>(request: &http::Request<T>) -> Caller {
    Caller::identify(request, &ApiKeys::default(), &TrustedProxies::default())
}

async fn ask(answer: axum::routing::MethodRouter) -> (StatusCode, String, String) {
    let router = Router::new().route("/", answer).layer(from_fn_with_state(edge(), observe));
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
    let (status, kind, _) = ask(get(async || (StatusCode::BAD_GATEWAY, "plain text"))).await;
    assert_eq!((status, &*kind), (StatusCode::BAD_GATEWAY, PROBLEM_JSON));
}

#[tokio::test]
async fn each_status_has_its_words_and_headers_of_the_answer_stay() {
    let rows = [
        (404, "not-found", "Not found", Some("There is nothing at this path.")),
        (405, "method-not-allowed", "This path does not take that method", None),
        (
            500,
            "internal",
            "Something went wrong here",
            Some("The log has the reason under this request's id."),
        ),
        (410, "http", "Gone", None),
        (599, "http", "The request failed", None),
    ];
    for (status, kind, title, detail) in rows {
        let mut response = Response::new(Body::from("plain text"));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/plain"),
            (header::CONTENT_LENGTH, "10"),
            (header::CONTENT_ENCODING, "br"),
            (header::ALLOW, "GET"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let (parts, body) = as_problem(response).into_parts();
        assert_eq!(parts.status.as_u16(), status);
        let mut names: Vec<&str> = parts.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["allow", "content-type"]);
        assert_eq!(parts.headers[header::CONTENT_TYPE], PROBLEM_JSON);
        let body = body.collect().await.unwrap().to_bytes();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((problem.status, problem.kind), (status, format!("urn:mayfly:problem:{kind}")));
        assert_eq!((&*problem.title, problem.detail.as_deref()), (title, detail));
    }
}

#[test]
fn the_answer_to_a_panic_is_logged_like_any_other_of_a_caller_that_was_admitted() {
    let request = Request::get("/").header("x-request-id", "id-1").body(()).unwrap();
    let caller = identified(&request);
    assert_eq!((caller.id(), caller.address.to_string().as_str()), ("id-1", "0.0.0.0"));
    assert!(caller.key.is_none());
    let response = after_panic(&caller);
    assert!(response.extensions().get::<Admitted>().is_some());
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn a_peer_may_be_given_by_either_extension() {
    let address = |number: u8| std::net::SocketAddr::from(([192, 0, 2, number], 40000));
    let mut request = Request::get("/").body(()).unwrap();
    let mock = axum::extract::connect_info::MockConnectInfo(address(1));
    request.extensions_mut().insert(mock);
    assert_eq!(identified(&request).address.to_string(), "192.0.2.1");
    request.extensions_mut().insert(axum::extract::ConnectInfo(address(2)));
    assert_eq!(identified(&request).address.to_string(), "192.0.2.2");
}

#[tokio::test]
async fn what_is_answered_is_counted_even_a_panic() {
    async fn panics() -> &'static str {
        panic!("a reason")
    }
    let edge = edge();
    let router = Router::new()
        .route("/livez", get(panics))
        .layer(from_fn_with_state(Arc::clone(&edge), observe));
    let request = Request::get("/livez").header(header::HOST, "localhost").body(Body::empty());
    router.oneshot(request.unwrap()).await.unwrap();
    let metrics = edge.metrics.render().unwrap();
    let line = r#"mayfly_gateway_requests_total{method="GET",route="/livez",status="5xx"} 1"#;
    assert!(metrics.lines().any(|it| it == line), "{metrics}");
}
