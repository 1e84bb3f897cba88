//! What an answer that is not a success means, and until when to wait if it is about a limit.

use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::foreign_text::line;
use serde_json::Value;

use super::budget::Told;
use super::error::GitHubError;

/// What a refusal is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A limit, or the credential: nothing else is worth asking for a while.
    Told(Told),
    /// This request alone.
    Error(GitHubError),
}

/// Sorts an answer that is not a success.
pub(super) fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Refusal {
    let message = message(body);
    Refusal::Error(match status.as_u16() {
        401 => return Refusal::Told(Told::Credential),
        403 | 429 => match limit(status, headers, &message, now) {
            Some(told) => return Refusal::Told(told),
            None => GitHubError::Forbidden(forbidden(message, headers)),
        },
        404 | 410 => GitHubError::NotFound,
        409 => GitHubError::Conflict(message),
        500..=599 => GitHubError::Server(status.as_u16()),
        other => GitHubError::Invalid(if message.is_empty() {
            format!("status {other}")
        } else {
            message
        }),
    })
}

/// What is missing, where GitHub says it ("Permissions required for GitHub Apps"; "Scopes for OAuth apps").
fn forbidden(message: String, headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name)?.to_str().ok().filter(|text| !text.is_empty());
    if let Some(permissions) = text("x-accepted-github-permissions") {
        return format!("{message}; it takes the permission {permissions}");
    }
    match text("x-accepted-oauth-scopes") {
        Some(scopes) => format!("{message}; it takes one of the scopes {scopes}"),
        None => message,
    }
}

/// Which limit a refusal is about, if any: `retry-after` or GitHub's words mean a secondary one, `remaining: 0` the primary one
/// ("Rate limits for the REST API", "Exceeding the rate limit").
fn limit(status: StatusCode, headers: &HeaderMap, message: &str, now: Timestamp) -> Option<Told> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let later = |wait: SignedDuration| now.checked_add(wait).unwrap_or(Timestamp::MAX);
    if let Some(seconds) = number("retry-after") {
        let until = later(SignedDuration::from_secs(seconds.clamp(1, 86_400)));
        return Some(Told::Secondary(Some(until)));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let reset =
            number("x-ratelimit-reset").and_then(|second| Timestamp::from_second(second).ok());
        // A reset in the past, or absent: wait a little rather than not at all.
        return Some(Told::Primary(
            reset
                .unwrap_or(now)
                .max(later(SignedDuration::from_secs(5)))
                .min(later(SignedDuration::from_hours(2))),
        ));
    }
    let secondary = message.to_ascii_lowercase().contains("rate limit")
        || message.to_ascii_lowercase().contains("abuse detection")
        || status == StatusCode::TOO_MANY_REQUESTS;
    secondary.then_some(Told::Secondary(None))
}

/// GitHub's `message`, cut to a line an operator can read.
fn message(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = value.get("message").and_then(Value::as_str).unwrap_or_default();
    line(text)
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
        let at = |second| Timestamp::from_second(second).unwrap();
        let primary = |second| Refusal::Told(Told::Primary(at(second)));
        let secondary = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        let error = Refusal::Error;
        let secondary_until = |until| Refusal::Told(Told::Secondary(until));
        let spent =
            |reset| headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)]);
        let rows: Vec<(u16, HeaderMap, &str, Refusal)> = vec![
            (401, headers(&[]), "", Refusal::Told(Told::Credential)),
            (
                403,
                headers(&[]),
                r#"{"message":"Resource not accessible"}"#,
                error(GitHubError::Forbidden("Resource not accessible".into())),
            ),
            (
                403,
                headers(&[("x-accepted-github-permissions", "administration=write")]),
                r#"{"message":"Resource not accessible"}"#,
                error(GitHubError::Forbidden(
                    "Resource not accessible; it takes the permission administration=write".into(),
                )),
            ),
            (403, spent("1900"), "", primary(1_900)),
            (403, spent("10"), "", primary(1_005)),
            (429, spent("1900"), "", primary(1_900)),
            (403, headers(&[("x-ratelimit-remaining", "4000")]), secondary, secondary_until(None)),
            (429, headers(&[("retry-after", "30")]), "", secondary_until(Some(at(1_030)))),
            (429, headers(&[]), "<html>", secondary_until(None)),
            (404, headers(&[]), "<html>", error(GitHubError::NotFound)),
            (410, headers(&[]), "", error(GitHubError::NotFound)),
            (
                409,
                headers(&[]),
                r#"{"message":"Already exists"}"#,
                error(GitHubError::Conflict("Already exists".into())),
            ),
            (
                422,
                headers(&[]),
                r#"{"message":"Bad\nlabels"}"#,
                error(GitHubError::Invalid("Bad labels".into())),
            ),
            (502, headers(&[]), "<html>", error(GitHubError::Server(502))),
            (302, headers(&[]), "", error(GitHubError::Invalid("status 302".into()))),
            (500, headers(&[]), "", error(GitHubError::Server(500))),
            (599, headers(&[]), "", error(GitHubError::Server(599))),
            (600, headers(&[]), "", error(GitHubError::Invalid("status 600".into()))),
            (400, headers(&[]), r#"{"message":"Bad"}"#, error(GitHubError::Invalid("Bad".into()))),
            (
                403,
                headers(&[("x-accepted-oauth-scopes", "repo, admin:org")]),
                r#"{"message":"No"}"#,
                error(GitHubError::Forbidden(
                    "No; it takes one of the scopes repo, admin:org".into(),
                )),
            ),
            (
                403,
                headers(&[
                    ("x-accepted-oauth-scopes", "repo"),
                    ("x-accepted-github-permissions", "actions=read"),
                ]),
                r#"{"message":"No"}"#,
                error(GitHubError::Forbidden("No; it takes the permission actions=read".into())),
            ),
            (
                403,
                headers(&[("x-accepted-oauth-scopes", ""), ("x-accepted-github-permissions", "")]),
                r#"{"message":"No"}"#,
                error(GitHubError::Forbidden("No".into())),
            ),
            // A wait is neither nothing nor endless.
            (403, headers(&[("retry-after", "0")]), "", secondary_until(Some(at(1_001)))),
            (403, headers(&[("retry-after", " 90000")]), "", secondary_until(Some(at(87_400)))),
            (403, spent("1005"), "", primary(1_005)),
            (403, spent("1006"), "", primary(1_006)),
            (403, spent("8200"), "", primary(8_200)),
            (403, spent("8201"), "", primary(8_200)),
            (403, headers(&[("x-ratelimit-remaining", "0")]), "", primary(1_005)),
            (
                403,
                headers(&[("x-ratelimit-remaining", "0"), ("retry-after", "7")]),
                "",
                secondary_until(Some(at(1_007))),
            ),
            (
                403,
                headers(&[]),
                r#"{"message":"You have triggered an Abuse Detection mechanism."}"#,
                secondary_until(None),
            ),
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
