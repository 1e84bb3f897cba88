//! Why a command did not do its work, and what to do about it.

use std::fmt::Write as _;
use std::io;

use mayfly_common::problem::{INVALID_KEY, Problem};
use reqwest::StatusCode;
use serde::Serialize;

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Arguments, variables or files are wrong.
    #[error("{0}")]
    Usage(String),
    /// The gateway cannot be reached, or does not speak as it should.
    #[error("{0}")]
    Unreachable(String),
    /// The gateway refuses.
    #[error("{}", words(.0))]
    Refused(Box<Refusal>),
    /// It was tried, and something is not as it should be.
    #[error("{0}")]
    Failed(String),
    /// Standard output cannot be written.
    #[error("standard output cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// A refusal of the gateway.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Refusal {
    #[serde(flatten)]
    pub(crate) problem: Problem,
    /// The id of the request, by which the logs of both services name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

impl Failure {
    /// True if the gateway refused with this status.
    pub(crate) fn is(&self, status: StatusCode) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.problem.status == status.as_u16())
    }
}

/// A refusal in words, with what to do next.
fn words(refusal: &Refusal) -> String {
    let problem = &refusal.problem;
    let mut text = problem.detail.clone().unwrap_or_else(|| problem.title.clone());
    for error in &problem.errors {
        let pointer = error.pointer.trim_start_matches('/').replace('/', ".");
        let _ = write!(text, "\n  {pointer} {}", error.detail);
    }
    let hint = match problem.status {
        401 if problem.is(INVALID_KEY) => Some(
            "check MAYFLY_API_KEY, the file that --api-key-file names, or the profile's api_key_file"
                .to_owned(),
        ),
        401 => Some("set MAYFLY_API_KEY, or name the key's file with --api-key-file".to_owned()),
        412 => Some(
            "somebody changed it meanwhile: look at it again, then repeat your change".to_owned(),
        ),
        429 | 503 => problem.retry_after.map(|seconds| format!("try again in {seconds} s")),
        _ => None,
    };
    if let Some(hint) = hint {
        let _ = write!(text, "\n→ {hint}");
    }
    if let Some(id) = &refusal.request_id {
        let _ = write!(text, "\n  request id {id}");
    }
    text
}
