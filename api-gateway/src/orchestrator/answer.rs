//! What of the orchestrator's answer reaches the client.
//!
//! Passed on, streamed: JSON with 2xx, problems with 4xx, and 304. Everything else is a failure of ours to explain:
//! a 5xx may say something internal, a redirect leads into the internal network, HTML comes from something that is not
//! the orchestrator.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, StatusCode, header};
use hyper::body::Incoming;
use mayfly_common::problem::PROBLEM_JSON;
use tower_http::timeout::TimeoutBody;

use super::failure::Failure;

/// Response headers that go to the client; the length is one so that the body need not be chunked.
const RESPONSE_HEADERS: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::RETRY_AFTER,
    header::ETAG,
    header::LOCATION,
    header::LINK,
    header::CACHE_CONTROL,
];
/// Longest wait for the next piece of a body.
const BODY_PAUSE: Duration = Duration::from_secs(30);

/// The part of `response` that may be passed on.
pub(super) fn pass_on(response: http::Response<Incoming>) -> Result<Response, Failure> {
    let status = response.status();
    let kind = media_type(response.headers());
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let spoken = match status.as_u16() {
        200..=299 => bodiless || kind == "application/json",
        304 => true,
        400..=499 => kind == PROBLEM_JSON,
        503 => return Err(Failure::Unavailable(retry_after(response.headers()))),
        500.. => return Err(Failure::ServerError(status)),
        _ => false,
    };
    if !spoken {
        return Err(Failure::Foreign(status, kind));
    }
    let (parts, body) = response.into_parts();
    let body = if bodiless { Body::empty() } else { Body::new(TimeoutBody::new(BODY_PAUSE, body)) };
    let mut passed = Response::new(body);
    *passed.status_mut() = status;
    for name in RESPONSE_HEADERS {
        if let Some(value) = parts.headers.get(&name) {
            passed.headers_mut().insert(name, value.clone());
        }
    }
    Ok(passed)
}

/// The media type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()
}
