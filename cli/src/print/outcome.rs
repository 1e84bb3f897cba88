//! The outcome of a command: for people a text, for programs JSON.

use std::io;
use std::process::ExitCode;

use serde::Serialize;

use super::{ExitStatus, complain, out, plain, written};
use crate::gateway::Failure;

/// The outcome of a command, for people and for programs.
pub(crate) struct Output {
    /// For people; ends with a line break.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: serde_json::Value,
    /// True if the answer is that there is none: the exit code says so, too.
    pub(crate) failed: bool,
}

impl Output {
    /// What `value` is for programs, and `text` for people.
    pub(crate) fn new(text: impl Into<String>, value: &impl Serialize) -> Self {
        // What the gateway answered was JSON.
        let json = serde_json::to_value(value).unwrap_or_default();
        Self { text: text.into(), json, failed: false }
    }
}

/// Prints the outcome; returns the exit code.
pub(crate) fn finish(outcome: Result<Output, Failure>, json: bool) -> ExitCode {
    match outcome {
        Ok(output) => {
            let status = if output.failed { ExitStatus::Failed } else { ExitStatus::Done };
            let written_out = if json { line(&output.json) } else { out(&output.text) };
            written(written_out, status)
        }
        Err(Failure::Output(error)) => written(Err(error), ExitStatus::Done),
        Err(failure) => {
            complain(&plain(&failure.to_string()));
            let usage = matches!(failure, Failure::Usage(_));
            let status = if usage { ExitStatus::Usage } else { ExitStatus::Failed };
            if !json {
                return status.into();
            }
            let value = match &failure {
                Failure::Refused(refusal) => serde_json::json!({ "error": refusal }),
                other => serde_json::json!({ "error": other.to_string() }),
            };
            written(line(&value), status)
        }
    }
}

/// Writes one line of JSON to standard output.
///
/// Errors: as [`out`].
pub(crate) fn line(value: &serde_json::Value) -> io::Result<()> {
    out(&format!("{value}\n"))
}
