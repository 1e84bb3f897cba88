//! Every way in which the orchestrator can fail, and that none of its inside shows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::{Html, IntoResponse, Redirect};
use http::{Method, StatusCode, header};
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;
use tokio::net::TcpListener;

use crate::stub::serve;
use crate::support::{Client, config, create, gateway_before};

const SECRET: &str = "password=hunter2 at /srv/orchestrator.rs:42";

async fn answering<A: IntoResponse + Clone + Send + Sync + 'static>(answer: A) -> Client {
    gateway_before(Router::new().fallback(async move || answer)).await
}

#[tokio::test]
async fn an_orchestrator_that_is_down_is_503() {
    let client = Client(api_gateway::router(&config("127.0.0.1:1".parse().unwrap())));
    let body = r#"{"scope":"org","scope_name":"octo"}"#;
    for answer in [client.get("/api/v1/runners").await, client.send(create(body)).await] {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let problem = answer.problem();
        assert_eq!(problem.kind, "urn:mayfly:problem:orchestrator-unavailable");
        assert!(problem.retry_after.is_some());
    }
    let metrics = client.get("/metrics").await.text();
    assert!(metrics.contains(r#"upstream_errors_total{kind="unreachable"} 2"#), "{metrics}");
}

#[tokio::test]
async fn one_that_does_not_answer_in_time_is_504() {
    let silent = serve(Router::new().fallback(std::future::pending::<StatusCode>)).await;
    let mut config = config(silent);
    config.request_timeout = Duration::from_millis(30);
    let answer = Client(api_gateway::router(&config)).get("/api/v1/status").await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(answer.problem().kind, "urn:mayfly:problem:orchestrator-timeout");
}

#[tokio::test]
async fn a_5xx_is_replaced_and_says_nothing_of_its_inside() {
    let plain = (StatusCode::INTERNAL_SERVER_ERROR, SECRET);
    let problem = Problem::internal().with_detail(SECRET);
    let of_another = (
        StatusCode::BAD_GATEWAY,
        [(header::CONTENT_TYPE, "application/problem+json")],
        format!(r#"{{"type":"about:blank","title":"{SECRET}","status":502}}"#),
    );
    let contradicting = (
        StatusCode::BAD_GATEWAY,
        [(header::CONTENT_TYPE, "application/problem+json")],
        format!(r#"{{"type":"urn:mayfly:problem:x","title":"{SECRET}","status":200}}"#),
    );
    let endless = (
        StatusCode::BAD_GATEWAY,
        [(header::CONTENT_TYPE, "application/problem+json")],
        format!(
            r#"{{"type":"urn:mayfly:problem:x","title":"{SECRET}","status":502,"detail":"{}"}}"#,
            "x".repeat(20_000)
        ),
    );
    let odd = (StatusCode::from_u16(599).unwrap(), [(header::SERVER, SECRET)], SECRET);
    for client in [
        answering(plain).await,
        answering(Answering(problem)).await,
        answering(of_another).await,
        answering(contradicting).await,
        answering(endless).await,
        answering(odd).await,
    ] {
        let answer = client.get("/api/v1/runners").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(answer.problem().kind, "urn:mayfly:problem:bad-gateway");
        assert!(!format!("{answer:?} {}", answer.text()).contains("hunter2"));
    }
}

/// A problem as something that can be answered more than once.
#[derive(Clone)]
struct Answering(Problem);

impl IntoResponse for Answering {
    fn into_response(self) -> axum::response::Response {
        HttpProblem(self.0).into_response()
    }
}

#[tokio::test]
async fn a_503_keeps_its_retry_after() {
    let busy = (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "17")], SECRET);
    let answer = answering(busy).await.get("/api/v1/runners").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.problem().retry_after, Some(17));
    assert_eq!(answer.problem().kind, "urn:mayfly:problem:orchestrator-unavailable");
    assert!(!answer.text().contains("hunter2"));
}

/// GitHub's trouble is not the orchestrator's, and the orchestrator's own reasons are worth reading.
#[tokio::test]
async fn a_problem_made_for_the_public_passes_with_its_known_fields_only() {
    let away =
        Problem::new(StatusCode::BAD_GATEWAY, "github-unavailable", "GitHub did not do its part")
            .with_detail("GitHub cannot be reached.");
    let image =
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "This cannot be done now")
            .with_detail("The runner image is not on the host.")
            .with_retry_after(30);
    for problem in [away, image] {
        let client = answering(Answering(problem.clone())).await;
        assert_eq!(client.get("/api/v1/runners").await.problem(), problem);
        let body = r#"{"scope":"org","scope_name":"octo"}"#;
        assert_eq!(client.send(create(body)).await.problem(), problem);
        let metrics = client.get("/metrics").await.text();
        assert!(!metrics.contains("upstream_errors_total{"), "the orchestrator did its part");
    }
    let more = (
        StatusCode::BAD_GATEWAY,
        [(header::CONTENT_TYPE, "application/problem+json"), (header::SERVER, SECRET)],
        format!(r#"{{"type":"urn:mayfly:problem:x","title":"T","status":502,"cause":"{SECRET}"}}"#),
    );
    let answer = answering(more).await.get("/api/v1/runners").await;
    assert_eq!(answer.problem().title, "T");
    assert!(!format!("{answer:?} {}", answer.text()).contains("hunter2"));
}

#[tokio::test]
async fn what_the_api_does_not_speak_is_502() {
    let html = Html("<h1>It works!</h1>");
    let redirect = Redirect::temporary("http://10.0.0.5/internal");
    let text_404 = (StatusCode::NOT_FOUND, SECRET);
    for client in [
        answering(html).await,
        answering(redirect).await,
        answering(text_404).await,
        answering((StatusCode::OK, SECRET)).await,
    ] {
        let answer = client.get("/api/v1/runners").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(answer.header("location"), None);
        let text = answer.text();
        assert!(!text.contains("works") && !text.contains("hunter2"), "{text}");
        answer.problem();
    }
}

#[tokio::test]
async fn headers_of_the_inside_stay_inside() {
    let headers = [
        (header::SERVER, "orchestrator"),
        (header::SET_COOKIE, "session=1"),
        (header::CONTENT_TYPE, "application/json"),
        (header::ETAG, "\"1\""),
    ];
    let answer = answering((headers, "{}")).await.get("/api/v1/runners").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!((answer.header("server"), answer.header("set-cookie")), (None, None));
    assert_eq!(answer.header("etag"), Some("\"1\""));
}

/// Answers nothing: every connection is closed once something was sent. Counts the connections.
pub(crate) async fn hangs_up() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            stream.readable().await.unwrap();
            // Dropped with the request unread, which resets the connection.
        }
    });
    (address, count)
}

/// A gateway before that.
async fn hanging_up() -> (Client, Arc<AtomicUsize>) {
    let (address, count) = hangs_up().await;
    (Client(api_gateway::router(&config(address))), count)
}

#[tokio::test]
async fn only_what_may_be_repeated_is_repeated_after_it_was_sent() {
    let (client, count) = hanging_up().await;
    let answer = client.get("/api/v1/runners").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(count.swap(0, Ordering::SeqCst), 3, "GET is tried three times");
    let answer = client.send(create(r#"{"scope":"org","scope_name":"octo"}"#)).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(count.swap(0, Ordering::SeqCst), 1, "POST may have been acted on");
    client.call(Method::POST, "/api/v1/runners/cleanup").await;
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

/// Each failure: what the client is told, how it is counted, and that the log has the reason.
#[tokio::test]
async fn each_failure_has_its_problem_its_count_and_its_reason() {
    let unavailable = |detail: &str, seconds| {
        let title = "The orchestrator is not available";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "orchestrator-unavailable", title)
            .with_detail(detail)
            .with_retry_after(seconds)
    };
    let bad = Problem::new(
        StatusCode::BAD_GATEWAY,
        "bad-gateway",
        "The orchestrator did not answer properly",
    )
    .with_detail("The log has the reason under this request's id.");
    let slow = Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "orchestrator-timeout",
        "The orchestrator took too long",
    )
    .with_detail("It may still act on the request: look before trying again.");
    let silent = serve(Router::new().fallback(std::future::pending::<StatusCode>)).await;
    let mut impatient = config(silent);
    impatient.request_timeout = Duration::from_millis(30);
    let rows = [
        (
            Client(api_gateway::router(&config("127.0.0.1:1".parse().unwrap()))),
            unavailable(
                "The orchestrator cannot be reached. Jobs keep waiting at GitHub until it is back.",
                5,
            ),
            "unreachable",
            "reason=unreachable: client error (Connect): tcp connect error: Connection refused",
        ),
        (hanging_up().await.0, bad.clone(), "broken", "reason=connection broke: client error ("),
        (Client(api_gateway::router(&impatient)), slow, "timeout", "reason=no answer within 30ms"),
        (
            answering(StatusCode::SERVICE_UNAVAILABLE).await,
            unavailable("The orchestrator cannot serve this now.", 5),
            "unavailable",
            "reason=answered 503",
        ),
        (
            answering(StatusCode::INTERNAL_SERVER_ERROR).await,
            bad.clone(),
            "server_error",
            "reason=answered 500 Internal Server Error",
        ),
        (answering(Html("hello")).await, bad, "foreign", "reason=answered 200 OK as \"text/html\""),
    ];
    for (client, problem, kind, reason) in rows {
        let (lines, _guard) = crate::logs::capture(tracing::Level::WARN);
        let started = std::time::Instant::now();
        let asked = crate::support::request(Method::GET, "/api/v1/runners?state=idle");
        let asked = asked.header("x-request-id", "id-5").body(axum::body::Body::empty()).unwrap();
        assert_eq!(client.send(asked).await.problem(), problem, "{kind}");
        if kind == "unreachable" {
            assert!(started.elapsed() >= Duration::from_millis(300), "it waits, and longer again");
        }
        let text = lines.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        for part in [" WARN ", "the orchestrator failed GET /api/v1/runners ", "id-5", reason] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let metrics = client.get("/metrics").await.text();
        let counted: Vec<&str> =
            metrics.lines().filter(|line| line.contains("upstream_errors_total{")).collect();
        let expected = format!("mayfly_gateway_upstream_errors_total{{kind=\"{kind}\"}} 1");
        assert_eq!(counted, [expected]);
    }
}

#[tokio::test]
async fn what_acts_once_however_often_it_is_asked_for_is_repeated() {
    let (client, count) = hanging_up().await;
    for (method, path, attempts) in [
        (Method::DELETE, "/api/v1/pools/ci", 3),
        (Method::PUT, "/api/v1/drain", 3),
        (Method::DELETE, "/api/v1/runners/box", 3),
        (Method::POST, "/api/v1/pools/ci/rotate", 1),
        (Method::POST, "/api/v1/uninstall", 1),
    ] {
        let answer = client.call(method.clone(), path).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(count.swap(0, Ordering::SeqCst), attempts, "{method} {path}");
    }
}

/// Its queue of connections is full, so that the kernel answers none: as where a packet filter drops what is sent.
#[tokio::test(start_paused = true)]
async fn a_network_that_does_not_connect_is_given_up_after_three_times_two_seconds() {
    use socket2::{Domain, Socket, Type};

    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let waiting = [(); 3].map(|()| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address.into());
        socket
    });
    let client = Client(api_gateway::router(&config(address)));
    let start = tokio::time::Instant::now();
    let answer = client.get("/api/v1/status").await;
    // And a tenth and two tenths of a second between them.
    assert_eq!(start.elapsed().as_millis(), 6_300);
    assert_eq!(answer.problem().kind, "urn:mayfly:problem:orchestrator-unavailable");
    drop(waiting);
}

#[tokio::test]
async fn a_connection_that_is_not_used_is_kept_for_ten_seconds() {
    use axum::extract::ConnectInfo;

    let latest = Arc::new(std::sync::Mutex::new(None));
    let noted = Arc::clone(&latest);
    let answer = async move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
        *noted.lock().unwrap() = Some(peer);
        axum::Json(serde_json::json!({}))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client(api_gateway::router(&config(listener.local_addr().unwrap())));
    let router = Router::new().fallback(answer);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let connection = async || {
        assert_eq!(client.get("/api/v1/status").await.status, StatusCode::OK);
        // It goes back when the answer was read to its end.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        latest.lock().unwrap().take().unwrap()
    };
    let first = connection().await;
    for (seconds, kept) in [(9, true), (9, true), (11, false)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        assert_eq!(connection().await == first, kept, "after {seconds} s");
    }
}
