//! Errors over HTTP: RFC 9457 `application/problem+json`.
//!
//! Invariant: the body of a 5xx says nothing internal. What went wrong is logged once, where it is turned into a problem.

use http::StatusCode;
use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What the type of every problem of ours begins with.
pub const PREFIX: &str = "urn:mayfly:problem:";

/// The kind of problem that a key which is none of ours is.
pub const INVALID_KEY: &str = "invalid-api-key";

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the request body, or `?name` for a query parameter.
    #[schema(example = "/scope_name")]
    pub pointer: String,
    /// What the field must be.
    #[schema(example = "must have the form owner/repo")]
    pub detail: String,
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// A stable identifier of the kind of problem, for programs.
    #[serde(rename = "type")]
    #[schema(example = "urn:mayfly:problem:invalid-request")]
    pub kind: String,
    /// The kind of problem, for people.
    #[schema(example = "The request is not valid")]
    pub title: String,
    /// The HTTP status code.
    #[schema(minimum = 400, maximum = 599, example = 422)]
    pub status: u16,
    /// What happened this time and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Every field that is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds after which trying again makes sense; also sent as `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem of the kind `slug` (lower-case words joined by hyphens).
    pub fn new(status: StatusCode, slug: &str, title: impl Into<String>) -> Self {
        Self {
            kind: format!("{PREFIX}{slug}"),
            title: title.into(),
            status: status.as_u16(),
            detail: None,
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// Adds what happened this time.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds when to try again, in seconds.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// 400: the body is not JSON.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed-request", "The request cannot be read")
            .with_detail(detail)
    }

    /// 422: these fields are wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid-request",
                "The request is not valid",
            )
        }
    }

    /// 401: the request shows no key.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "An API key is required")
            .with_detail("Send it as `Authorization: Bearer <key>` or `X-API-Key: <key>`.")
    }

    /// 401: the key that the request shows is not one of ours.
    pub fn invalid_key() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, INVALID_KEY, "The API key is not valid").with_detail(
            "The key that was sent is none of the gateway's API_KEYS. Check that it is whole and still in use.",
        )
    }

    /// 404: there is no such runner, route or scope.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found").with_detail(detail)
    }

    /// 405: the path exists, the method does not.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "This path does not take that method",
        )
    }

    /// 409: the request is valid and the state of things is against it.
    pub fn conflict(slug: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, slug, "The request conflicts with the present state")
            .with_detail(detail)
    }

    /// 500: our fault; the log has the reason.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here")
            .with_detail("The log has the reason under this request's id.")
    }

    /// True if this is a problem of the kind `slug`.
    pub fn is(&self, slug: &str) -> bool {
        self.kind.strip_prefix(PREFIX) == Some(slug)
    }

    /// The status as a type.
    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str, title: &str, status: u16, detail: Option<&str>) -> Problem {
        Problem {
            kind: kind.to_owned(),
            title: title.to_owned(),
            status,
            detail: detail.map(str::to_owned),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    #[test]
    fn each_problem_has_its_kind_its_title_and_its_status() {
        let rows = [
            (
                Problem::malformed("x"),
                problem(
                    "urn:mayfly:problem:malformed-request",
                    "The request cannot be read",
                    400,
                    Some("x"),
                ),
            ),
            (
                Problem::unauthorized(),
                problem(
                    "urn:mayfly:problem:unauthorized",
                    "An API key is required",
                    401,
                    Some("Send it as `Authorization: Bearer <key>` or `X-API-Key: <key>`."),
                ),
            ),
            (
                Problem::invalid_key(),
                problem(
                    "urn:mayfly:problem:invalid-api-key",
                    "The API key is not valid",
                    401,
                    Some(
                        "The key that was sent is none of the gateway's API_KEYS. Check that it is whole and still in use.",
                    ),
                ),
            ),
            (
                Problem::not_found("x"),
                problem("urn:mayfly:problem:not-found", "Not found", 404, Some("x")),
            ),
            (
                Problem::method_not_allowed(),
                problem(
                    "urn:mayfly:problem:method-not-allowed",
                    "This path does not take that method",
                    405,
                    None,
                ),
            ),
            (
                Problem::conflict("busy", "x"),
                problem(
                    "urn:mayfly:problem:busy",
                    "The request conflicts with the present state",
                    409,
                    Some("x"),
                ),
            ),
            (
                Problem::invalid(Vec::new()),
                problem(
                    "urn:mayfly:problem:invalid-request",
                    "The request is not valid",
                    422,
                    None,
                ),
            ),
            (
                Problem::internal(),
                problem(
                    "urn:mayfly:problem:internal",
                    "Something went wrong here",
                    500,
                    Some("The log has the reason under this request's id."),
                ),
            ),
        ];
        for (found, expected) in rows {
            assert_eq!(found, expected);
            assert_eq!(found.status_code().as_u16(), expected.status);
        }
        assert!(
            Problem::conflict("busy", "x").is("busy") && !Problem::conflict("busy", "x").is("bus")
        );
        assert_eq!(problem("", "", 7, None).status_code(), 500);
    }
}
