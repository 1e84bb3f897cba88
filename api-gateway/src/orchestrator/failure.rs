//! The ways in which the orchestrator fails a request, and what the client is told.
//!
//! Invariant: `Display` is for the log; the problem says nothing that came from the orchestrator. (A problem that the orchestrator
//! made for the public is an answer, not a failure.)

use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::BoxError;
use http::StatusCode;
use mayfly_common::problem::Problem;

use super::upstream::UpstreamError;

/// When to try again if nothing says so, in seconds.
const RETRY_AFTER: u64 = 5;

/// Why there is no answer to pass on.
pub(crate) enum Failure {
    /// No connection could be made.
    Unreachable(BoxError),
    /// The connection broke before there was an answer.
    Broken(BoxError),
    /// No answer within the limit.
    TooSlow(Duration),
    /// It said itself that it cannot serve now, and until when (in seconds).
    Unavailable(Option<u64>),
    /// It answered with an error of its own.
    ServerError(StatusCode),
    /// It answered something that the API does not speak, such as HTML.
    Foreign(StatusCode, String),
}

impl Failure {
    /// The failure's name in metrics.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::TooSlow(_) => "timeout",
            Self::Unavailable(_) => "unavailable",
            Self::ServerError(_) => "server_error",
            Self::Foreign(..) => "foreign",
        }
    }

    /// What the client is told.
    pub(super) fn problem(&self) -> Problem {
        match self {
            Self::Unreachable(_) => unavailable(
                "The orchestrator cannot be reached. Jobs keep waiting at GitHub until it is back.",
                RETRY_AFTER,
            ),
            Self::Unavailable(seconds) => unavailable(
                "The orchestrator cannot serve this now.",
                seconds.unwrap_or(RETRY_AFTER),
            ),
            Self::TooSlow(_) => Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                "orchestrator-timeout",
                "The orchestrator took too long",
            )
            .with_detail("It may still act on the request: look before trying again."),
            Self::Broken(_) | Self::ServerError(_) | Self::Foreign(..) => Problem::new(
                StatusCode::BAD_GATEWAY,
                "bad-gateway",
                "The orchestrator did not answer properly",
            )
            .with_detail("The log has the reason under this request's id."),
        }
    }
}

fn unavailable(detail: &str, retry_after: u64) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "orchestrator-unavailable",
        "The orchestrator is not available",
    )
    .with_detail(detail)
    .with_retry_after(retry_after)
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Unreachable(error) => Self::Unreachable(error),
            UpstreamError::Broken(error) => Self::Broken(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "unreachable: {}", Chain(&**error)),
            Self::Broken(error) => write!(f, "connection broke: {}", Chain(&**error)),
            Self::TooSlow(limit) => write!(f, "no answer within {limit:?}"),
            Self::Unavailable(_) => f.write_str("answered 503"),
            Self::ServerError(status) => write!(f, "answered {status}"),
            Self::Foreign(status, kind) => write!(f, "answered {status} as {kind:?}"),
        }
    }
}

/// An error with its causes.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
