//! The one place that knows for whom a command prints: `--json`.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use clap::builder::{BoolValueParser, TypedValueParser};

use super::colours::Colours;
use super::exit_status::ExitStatus;
#[cfg(feature = "platform")]
use super::outcome::Output;
use super::streams::written;
#[cfg(feature = "platform")]
use super::streams::{complain, out};
#[cfg(feature = "platform")]
use super::table::plain;
#[cfg(feature = "platform")]
use crate::failure::Failure;

/// For whom the output is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: `--json`.
    Json,
}

impl Format {
    /// Reads the flag `--json`.
    pub(crate) fn flag() -> impl TypedValueParser<Value = Self> {
        BoolValueParser::new().map(|json| if json { Self::Json } else { Self::Text })
    }
}

/// Where long output goes.
pub(crate) type Out = BufWriter<StdoutLock<'static>>;

/// Prints what a command has to say in the format that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    format: Format,
}

impl Printer {
    /// One for this format.
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Prints what one of the two writes; returns `status`, or that of a failure where the output is lost.
    pub(crate) fn write(
        self,
        status: ExitStatus,
        text: impl FnOnce(&mut Out, Colours) -> io::Result<()>,
        json: impl FnOnce(&mut Out) -> io::Result<()>,
    ) -> ExitStatus {
        let mut out = BufWriter::new(io::stdout().lock());
        let result = match self.format {
            Format::Text => text(&mut out, Colours::of_output()),
            Format::Json => json(&mut out),
        };
        written(result.and_then(|()| out.flush()), status)
    }

    /// Prints the outcome of a command; returns how it ended.
    #[cfg(feature = "platform")]
    pub(crate) fn finish(self, outcome: Result<Output, Failure>) -> ExitStatus {
        match outcome {
            Ok(Output { text, json, status }) => {
                let result = match self.format {
                    Format::Text => out(&text),
                    Format::Json => line(&json),
                };
                written(result, status)
            }
            Err(Failure::Output(error)) => written(Err(error), ExitStatus::Done),
            Err(failure) => {
                complain(&plain(&failure.to_string()));
                let status = match failure {
                    Failure::Usage(_) => ExitStatus::Usage,
                    _ => ExitStatus::Failed,
                };
                match (self.format, &failure) {
                    (Format::Text, _) => status,
                    (Format::Json, Failure::Refused(refusal)) => {
                        written(line(&serde_json::json!({ "error": refusal })), status)
                    }
                    (Format::Json, other) => {
                        written(line(&serde_json::json!({ "error": other.to_string() })), status)
                    }
                }
            }
        }
    }
}

/// Writes one line of JSON to standard output.
#[cfg(feature = "platform")]
fn line(value: &serde_json::Value) -> io::Result<()> {
    out(&format!("{value}\n"))
}
