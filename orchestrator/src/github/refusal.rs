//! What an answer that is not a success means, and until when to wait if it is about a limit.

use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::error::GitHubError;

/// How long to leave GitHub alone after a secondary limit that came without a time ("Rate limits for the REST API").
const SECONDARY_WAIT: SignedDuration = SignedDuration::from_mins(1);

/// Sorts an answer that is not a success.
pub(super) fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> GitHubError {
    let message = message(body);
    match status.as_u16() {
        401 => GitHubError::Unauthorized,
        403 | 429 => match limit(status, headers, &message, now) {
            Some(until) => GitHubError::RateLimited { until },
            None => GitHubError::Forbidden(message),
        },
        404 | 410 => GitHubError::NotFound,
        409 => GitHubError::Conflict(message),
        500..=599 => GitHubError::Server(status.as_u16()),
        other => GitHubError::Invalid(if message.is_empty() {
            format!("status {other}")
        } else {
            message
        }),
    }
}

/// Until when to wait, if the refusal is about a limit: `retry-after`, else the reset of a spent primary limit, else a minute
/// for a secondary one ("Rate limits for the REST API", "Exceeding the rate limit").
fn limit(
    status: StatusCode,
    headers: &HeaderMap,
    message: &str,
    now: Timestamp,
) -> Option<Timestamp> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let later = |wait: SignedDuration| now.checked_add(wait).unwrap_or(Timestamp::MAX);
    if let Some(seconds) = number("retry-after") {
        return Some(later(SignedDuration::from_secs(seconds.clamp(1, 86_400))));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let reset =
            number("x-ratelimit-reset").and_then(|second| Timestamp::from_second(second).ok());
        // A reset in the past, or absent: clocks differ, so wait a little rather than not at all.
        return Some(
            reset
                .unwrap_or(now)
                .max(later(SignedDuration::from_secs(5)))
                .min(later(SignedDuration::from_hours(2))),
        );
    }
    let secondary = message.to_ascii_lowercase().contains("rate limit")
        || status == StatusCode::TOO_MANY_REQUESTS;
    secondary.then(|| later(SECONDARY_WAIT))
}

/// GitHub's `message`, cut to a line an operator can read.
fn message(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = value.get("message").and_then(Value::as_str).unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    #[test]
    fn refusals_are_told_apart() {
        let now = Timestamp::from_second(1_000).unwrap();
        let at =
            |second| GitHubError::RateLimited { until: Timestamp::from_second(second).unwrap() };
        let secondary = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        let rows: Vec<(u16, HeaderMap, &str, GitHubError)> = vec![
            (401, headers(&[]), "", GitHubError::Unauthorized),
            (
                403,
                headers(&[]),
                r#"{"message":"Resource not accessible"}"#,
                GitHubError::Forbidden("Resource not accessible".into()),
            ),
            (
                403,
                headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1900")]),
                "",
                at(1_900),
            ),
            (
                403,
                headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "10")]),
                "",
                at(1_005),
            ),
            (403, headers(&[("x-ratelimit-remaining", "4000")]), secondary, at(1_060)),
            (429, headers(&[("retry-after", "30")]), "", at(1_030)),
            (429, headers(&[]), "<html>", at(1_060)),
            (404, headers(&[]), "<html>", GitHubError::NotFound),
            (410, headers(&[]), "", GitHubError::NotFound),
            (
                409,
                headers(&[]),
                r#"{"message":"Already exists"}"#,
                GitHubError::Conflict("Already exists".into()),
            ),
            (
                422,
                headers(&[]),
                r#"{"message":"Bad\nlabels"}"#,
                GitHubError::Invalid("Badlabels".into()),
            ),
            (502, headers(&[]), "<html>", GitHubError::Server(502)),
            (302, headers(&[]), "", GitHubError::Invalid("status 302".into())),
        ];
        for (status, headers, body, expected) in rows {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                refusal(status, &headers, body.as_bytes(), now),
                expected,
                "{status} {body}"
            );
        }
    }
}
