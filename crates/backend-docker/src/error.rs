//! From the client library's errors to ours.
//!
//! Invariant: what the engine says becomes one short line without the bodies of other services' answers.

use bollard::errors::Error;
use mayfly_common::foreign_text::{line, message};
use tracing::debug;

use mayfly_backend::BackendError;

/// What comes before the answer of a registry, or of whatever listens where an image's name points, that is none.
const FOREIGN_ANSWER: &str = "response body:";

/// What people call the engine.
pub(super) const TITLE: &str = "Docker";

/// The HTTP status of an answer of the engine; `None` if the engine did not answer.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Sorts an error of trying `what`: the engine refused, or it could not be reached. What it said may be a whole page of a stranger's.
pub(super) fn refused(what: &'static str) -> impl FnOnce(Error) -> BackendError {
    move |error| match error {
        Error::DockerResponseServerError { message: reason, .. }
        | Error::DockerStreamError { error: reason }
        | Error::JsonDataError { message: reason, .. } => {
            debug!(what, reason = message(own_words(&reason)), "the engine refused");
            BackendError::Refused { title: TITLE, what, reason: short(&reason) }
        }
        other => BackendError::unreachable(TITLE, short(&chain(&other))),
    }
}

/// The first words of what the engine says, in one line.
pub(super) fn short(text: &str) -> String {
    line(own_words(text))
}

/// The engine's own words, without another service's answer that it repeats.
fn own_words(text: &str) -> &str {
    text.find(FOREIGN_ANSWER).map_or(text, |at| &text[..at + FOREIGN_ANSWER.len() - 1])
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

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(message: &str) -> String {
        let error =
            Error::DockerResponseServerError { status_code: 500, message: message.to_owned() };
        refused("pull an image")(error).to_string()
    }

    #[test]
    fn what_the_engine_says_is_one_short_line() {
        assert_eq!(
            reason("manifest for x:1\r\n\tnot\u{1b}found\n"),
            "Docker refused to pull an image: manifest for x:1 not found"
        );
        let long = reason(&"ä\n".repeat(100_000));
        assert!(long.chars().count() < 300 && long.ends_with('…') && !long.contains('\n'));
    }

    #[test]
    fn what_the_engine_answered_is_a_refusal_and_all_else_is_no_answer() {
        let text = || "a\nb".to_owned();
        let json = || serde_json::from_str::<u8>("x").unwrap_err();
        let rows = [
            (
                Error::DockerResponseServerError { status_code: 409, message: text() },
                Some(409),
                "Docker refused to try: a b",
            ),
            (Error::DockerStreamError { error: text() }, None, "Docker refused to try: a b"),
            (
                Error::JsonDataError { message: text(), column: 1 },
                None,
                "Docker refused to try: a b",
            ),
            (Error::RequestTimeoutError, None, "Docker cannot be reached: Timeout error"),
            (
                Error::from(std::io::Error::other("no socket")),
                None,
                "Docker cannot be reached: no socket",
            ),
            (
                Error::from(json()),
                None,
                "Docker cannot be reached: expected value at line 1 column 1",
            ),
        ];
        for (error, code, expected) in rows {
            assert_eq!(status(&error), code, "{expected}");
            assert_eq!(refused("try")(error).to_string(), expected);
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes_each_once() {
        #[derive(Debug)]
        struct Of(&'static str, Option<Box<Self>>);
        impl std::fmt::Display for Of {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.0)
            }
        }
        impl std::error::Error for Of {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                self.1.as_deref().map(|inner| inner as _)
            }
        }
        let of = |text, inner| Of(text, Some(Box::new(inner)));
        let error = of("client error", of("connect", of("client", of("refused", Of("no", None)))));
        assert_eq!(chain(&error), "client error: connect: refused: no");
    }

    #[test]
    fn the_answer_of_a_service_that_is_no_registry_is_left_out() {
        // As Docker 20.10 says it of a web server at 127.0.0.1.
        let message = "error parsing HTTP 404 response body: invalid character 'T' looking for beginning of value: \
                       \"TOP SECRET of the service on loopback\"";
        assert_eq!(
            reason(message),
            "Docker refused to pull an image: error parsing HTTP 404 response body"
        );
    }
}
