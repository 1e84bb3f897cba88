//! The one mapping from errors to problems. The body of a 5xx says nothing internal; the log says it, here, once.

use std::any::Any;

use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use mayfly_common::problem::{FieldError, Problem};
use mayfly_service::problem::HttpProblem;
use tracing::error;

use crate::book::BookError;
use crate::reconcile::request::RequestError;
use mayfly_backend::BackendError;
use mayfly_github::GitHubError;
use mayfly_planner::Refusal;
use mayfly_store::StoreError;

/// When trying again makes sense after something that needs a moment, in seconds.
const SOON: u64 = 5;
/// The same for an image that is being pulled.
const IMAGE_SOON: u64 = 30;

const UNREADABLE: &str = "The database cannot be read. Jobs are served all the same.";

/// An error as HTTP shows it.
pub(super) struct Failure(Problem);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        HttpProblem(self.0).into_response()
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let problem = match &error {
            RequestError::Refused(refusal) => refused(refusal),
            RequestError::GitHub(error) => github(error),
            RequestError::Backend(error) => backend(error),
            RequestError::Store(_) => unavailable(UNREADABLE),
            // What stands here, /health says to everybody.
            RequestError::Unavailable(why) => unavailable(why),
        };
        if problem.status >= 500 {
            error!(status = problem.status, "request failed: {error}");
        }
        Self(problem)
    }
}

impl Failure {
    /// The store cannot be read.
    #[expect(clippy::needless_pass_by_value, reason = "used as a function value for map_err")]
    pub(super) fn unreadable(error: StoreError) -> Self {
        error!("the ledger cannot be read: {error}");
        Self(unavailable(UNREADABLE))
    }
}

impl From<BookError> for Failure {
    fn from(error: BookError) -> Self {
        Self(match error {
            BookError::NotFound(_) => Problem::not_found(error.to_string()),
            BookError::Exists(_) => Problem::conflict("name-taken", error.to_string()),
            BookError::Reserved => Problem::conflict("reserved", error.to_string()),
            BookError::Stale { .. } => Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "changed-meanwhile",
                "The pool was modified concurrently",
            )
            .with_detail(error.to_string()),
            BookError::Invalid(errors) => Problem::invalid(errors),
            BookError::Unusable(_) => Problem::conflict("database-unusable", error.to_string()),
            BookError::Store(error) => {
                error!("a pool cannot be kept: {error}");
                unavailable(
                    "The database cannot be written, so nothing was changed. Jobs are served all the same.",
                )
            }
        })
    }
}

fn refused(refusal: &Refusal) -> Problem {
    let slug = match refusal {
        Refusal::NoSuchRunner(_) => return Problem::not_found(refusal.to_string()),
        Refusal::NoImage => return unavailable(&refusal.to_string()).with_retry_after(IMAGE_SOON),
        Refusal::Unsure(_) | Refusal::Unseen(..) | Refusal::Unreachable(..) => {
            return unavailable(&refusal.to_string());
        }
        Refusal::Busy(_) => "runner-busy",
        Refusal::InHand(_) => "runner-changing",
        Refusal::Draining => "draining",
        Refusal::NameTaken(_) | Refusal::Registered { .. } => "name-taken",
        Refusal::AtCapacity { .. } | Refusal::NoRoom(_) => "at-capacity",
    };
    Problem::conflict(slug, refusal.to_string())
}

fn github(error: &GitHubError) -> Problem {
    match error {
        GitHubError::NotFound => Problem::not_found(
            "GitHub knows no such repository or organisation, or does not show it to the configured token.",
        ),
        GitHubError::Forbidden(_) | GitHubError::NotInstalled(_) => {
            Problem::new(StatusCode::FORBIDDEN, "github-forbids", "GitHub forbids this")
                .with_detail(error.to_string())
        }
        GitHubError::Conflict(_) => Problem::conflict("name-taken", error.to_string()),
        GitHubError::Invalid(_) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "github-refuses", "GitHub refuses this")
                .with_detail(error.to_string())
        }
        GitHubError::RateLimited { until, why } => {
            unavailable(&format!("GitHub's rate limit is spent until {until:.0}: {why}."))
        }
        GitHubError::PutOff { until, why } => {
            unavailable(&format!("GitHub is not asked before {until:.0}: {why}."))
        }
        GitHubError::Unauthorized => no_help(
            "GitHub refuses the configured credential (401). `mayfly doctor github` checks it.",
        ),
        GitHubError::Server(_) => {
            no_help("GitHub answered with an error of its own. Try again later.")
        }
        GitHubError::Malformed(_) => no_help("GitHub's answer cannot be read; the log says why."),
        GitHubError::Network(_) => {
            no_help("GitHub cannot be reached. `mayfly doctor github` checks the way.")
        }
        GitHubError::TimedOut => no_help("GitHub did not answer in time. Try again later."),
    }
}

/// 502: GitHub did not do its part. The detail is fixed text: what GitHub or the network said is in the log only.
fn no_help(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "github-unavailable", "GitHub did not do its part")
        .with_detail(detail)
}

fn backend(error: &BackendError) -> Problem {
    match error {
        BackendError::NameTaken(_) => Problem::conflict("name-taken", error.to_string()),
        BackendError::ImageMissing(_) | BackendError::PullFailed { .. } => {
            unavailable("The runner image is not on the host.").with_retry_after(IMAGE_SOON)
        }
        BackendError::Unreachable { title, .. } => {
            unavailable(&format!("{title} cannot be reached."))
        }
        BackendError::Refused { .. } => Problem::internal(),
    }
}

pub(super) fn unavailable(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "This cannot be done now")
        .with_detail(detail)
        .with_retry_after(SOON)
}

/// The query string says what is not known, or not as it must be.
#[expect(clippy::needless_pass_by_value, reason = "used as a function value for map_err")]
pub(super) fn bad_query(rejection: QueryRejection) -> Problem {
    Problem::invalid(vec![FieldError { pointer: "?".to_owned(), detail: rejection.body_text() }])
}

/// The body is beyond the limit.
pub(super) fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request body is too large")
        .with_detail("At most 64 KiB.")
}

/// A handler panicked: one request fails, the service goes on.
#[expect(clippy::needless_pass_by_value, reason = "the signature CatchPanicLayer asks for")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    error!("a request handler panicked: {}", text.unwrap_or("no message"));
    HttpProblem(Problem::internal()).into_response()
}

#[cfg(test)]
mod tests;
