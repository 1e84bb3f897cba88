//! Request bodies: marked as what they are, not too large, not too slow.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use mayfly_common::problem::Problem;

/// The media type of JSON.
pub(super) const JSON: &str = "application/json";
/// The media type of a JSON Merge Patch (RFC 7396).
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";
/// Largest request body, in bytes: a hundred labels of full length fit twice.
const MAX_BODY: usize = 64 * 1024;
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Refuses what is not marked as one of these media types.
pub(super) fn expect(headers: &HeaderMap, kinds: &[&str]) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kinds.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    let problem = Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "The body must be JSON",
    );
    Err(problem.with_detail(format!("Send Content-Type: {}.", kinds.join(" or "))))
}

/// Reads a body, within bounds of size and time.
pub(super) async fn read(body: Body) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect());
    match read.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload-too-large",
            "The body is too large",
        )
        .with_detail(format!("At most {MAX_BODY} bytes are taken."))),
        Ok(Err(_)) => Err(Problem::malformed("The body ended early.")),
        Err(_) => {
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body came too slowly"))
        }
    }
}
