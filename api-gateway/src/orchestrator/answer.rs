//! What of the orchestrator's answer reaches the client.
//!
//! Passed on, streamed: JSON and events with 2xx, problems with 4xx, and 304. Of a 5xx only what the orchestrator made for the
//! public: the known fields of a problem of its own ([`public`]), such as that GitHub does not answer. Everything else is a failure
//! of ours to explain: another 5xx may say something internal, a redirect leads into the internal network, HTML comes from
//! something that is not the orchestrator.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use mayfly_common::problem::{PREFIX, PROBLEM_JSON, Problem};
use mayfly_service::problem::HttpProblem;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutBody;

use super::failure::Failure;

/// Response headers that go to the client; the length is one so that the body need not be chunked.
const RESPONSE_HEADERS: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::RETRY_AFTER,
    header::ETAG,
    header::LOCATION,
    header::LINK,
    header::CACHE_CONTROL,
    // What buffers answers (nginx, say) must not hold a stream back.
    HeaderName::from_static("x-accel-buffering"),
];
/// What a stream of events is (WHATWG HTML, "Server-sent events").
const EVENTS: &str = "text/event-stream";
/// Longest wait for the next piece of a body.
const BODY_PAUSE: Duration = Duration::from_secs(30);

/// Most bytes read of a problem that comes with a 5xx.
const MAX_PROBLEM: usize = 16 * 1024;

/// The part of `response` that may be passed on.
pub(super) async fn pass_on(
    response: http::Response<Body>,
    stop: &CancellationToken,
) -> Result<Response, Failure> {
    let status = response.status();
    let kind = media_type(response.headers());
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let spoken = match status.as_u16() {
        200..=299 => bodiless || kind == "application/json" || kind == EVENTS,
        304 => true,
        400..=499 => kind == PROBLEM_JSON,
        500.. => {
            let retry_after = retry_after(response.headers());
            return match public(response).await {
                Some(problem) => Ok(HttpProblem(problem).into_response()),
                None if status == StatusCode::SERVICE_UNAVAILABLE => {
                    Err(Failure::Unavailable(retry_after))
                }
                None => Err(Failure::ServerError(status)),
            };
        }
        _ => false,
    };
    if !spoken {
        return Err(Failure::Foreign(status, kind));
    }
    let (parts, body) = response.into_parts();
    let body = match kind.as_str() {
        _ if bodiless => Body::empty(),
        // It has no end of its own: a stop must not wait for it.
        EVENTS => {
            let stopped = stop.clone().cancelled_owned();
            let pieces = TimeoutBody::new(BODY_PAUSE, body).into_data_stream();
            Body::from_stream(pieces.take_until(stopped))
        }
        _ => Body::new(TimeoutBody::new(BODY_PAUSE, body)),
    };
    let mut passed = Response::new(body);
    *passed.status_mut() = status;
    for name in RESPONSE_HEADERS {
        if let Some(value) = parts.headers.get(&name) {
            passed.headers_mut().insert(name, value.clone());
        }
    }
    Ok(passed)
}

/// The problem in a 5xx, if the orchestrator made it for the public. A 500 is never that: it means that something is wrong there.
async fn public(response: http::Response<Body>) -> Option<Problem> {
    let status = response.status();
    if status == StatusCode::INTERNAL_SERVER_ERROR || media_type(response.headers()) != PROBLEM_JSON
    {
        return None;
    }
    let body = Limited::new(response.into_body(), MAX_PROBLEM).collect().await.ok()?;
    let problem: Problem = serde_json::from_slice(&body.to_bytes()).ok()?;
    let own = problem.kind.starts_with(PREFIX) && problem.status == status.as_u16();
    own.then_some(problem)
}

/// The media type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    /// The answer of a server that says `head` and a byte of a body, and then nothing more for ever.
    async fn standing_still(head: &str) -> http::Response<Body> {
        let (client, mut server) = tokio::io::duplex(1024);
        let head = format!("HTTP/1.1 {head}\r\ncontent-length: 9\r\n\r\n{{");
        tokio::spawn(async move {
            server.read_u8().await.unwrap();
            server.write_all(head.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
            drop(server);
        });
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(http::Request::new(Body::empty())).await.unwrap().map(Body::new)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_given_up_and_a_stream_ends_with_the_gateway() {
        for kind in ["application/json", "text/event-stream"] {
            let head = format!("200 OK\r\ncontent-type: {kind}");
            let stop = CancellationToken::new();
            let started = Instant::now();
            let answer = pass_on(standing_still(&head).await, &stop).await.ok().unwrap();
            assert!(answer.into_body().collect().await.is_err());
            assert_eq!(started.elapsed().as_secs(), 30, "{kind}");
            let answer = pass_on(standing_still(&head).await, &stop).await.ok().unwrap();
            stop.cancel();
            let started = Instant::now();
            let ended = answer.into_body().collect().await.is_ok();
            assert_eq!(ended, kind == "text/event-stream");
            assert_eq!(started.elapsed().as_secs(), if ended { 0 } else { 30 });
        }
    }

    #[test]
    fn only_whole_seconds_say_when_to_try_again() {
        for (value, seconds) in [("17", Some(17)), ("soon", None), ("-1", None)] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers), seconds);
        }
    }
}
