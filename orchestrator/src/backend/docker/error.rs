//! From the client library's errors to ours.

use bollard::errors::Error;

use crate::backend::BackendError;

/// The HTTP status of an answer of the engine; `None` if the engine did not answer.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Sorts an error of trying `what`: the engine refused, or it could not be reached.
pub(super) fn refused(what: &'static str) -> impl FnOnce(Error) -> BackendError {
    move |error| match error {
        Error::DockerResponseServerError { message: reason, .. }
        | Error::DockerStreamError { error: reason }
        | Error::JsonDataError { message: reason, .. } => BackendError::Refused { what, reason },
        other => BackendError::Unreachable(chain(&other)),
    }
}

/// An error with its causes: the library's outermost text is often just "client error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
