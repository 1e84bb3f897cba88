//! The outcome of a command: for people a text, for programs JSON.

use serde::Serialize;

use super::exit_status::ExitStatus;

/// The outcome of a command, for people and for programs.
#[derive(Debug)]
pub(crate) struct Output {
    /// For people; ends with a line break.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: serde_json::Value,
    /// [`Failed`](ExitStatus::Failed) if the answer is not what one would wish: the exit code says so, too.
    pub(crate) status: ExitStatus,
}

impl Output {
    /// What `value` is for programs, and `text` for people.
    pub(crate) fn new(text: impl Into<String>, value: &impl Serialize) -> Self {
        // What the gateway answered was JSON.
        let json = serde_json::to_value(value).unwrap_or_default();
        Self { text: text.into(), json, status: ExitStatus::Done }
    }

    /// The same with another end.
    pub(crate) fn ending(self, status: ExitStatus) -> Self {
        Self { status, ..self }
    }
}
