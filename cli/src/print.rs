//! What commands print: tables that fit the terminal for people, JSON for programs.

use std::io::{self, Write as _};
use std::process::ExitCode;

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::foreign_text::steers;
use serde::Serialize;

use crate::gateway::Failure;

/// Exit code where all is done.
pub(crate) const DONE: u8 = 0;
/// Exit code where something failed.
const FAILED: u8 = 1;
/// Fewest columns that tables are made for.
const NARROWEST: u16 = 60;
/// Exit code for wrong arguments, variables or files, as clap has it.
const USAGE: u8 = 2;

/// The outcome of a command, for people and for programs.
pub(crate) struct Output {
    /// For people; ends with a line break.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: serde_json::Value,
    /// Whether the answer is that there is none: the exit code says so, too.
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
            let code = if output.failed { FAILED } else { DONE };
            let written_out = if json { line(&output.json) } else { out(&output.text) };
            written(written_out, code)
        }
        Err(Failure::Output(error)) => written(Err(error), DONE),
        Err(failure) => {
            complain(&plain(&failure.to_string()));
            let code = if matches!(failure, Failure::Usage(_)) { USAGE } else { FAILED };
            if !json {
                return ExitCode::from(code);
            }
            let value = match &failure {
                Failure::Refused(refusal) => serde_json::json!({ "error": refusal }),
                other => serde_json::json!({ "error": other.to_string() }),
            };
            written(line(&value), code)
        }
    }
}

/// Writes `text` to standard output, all of it.
///
/// Errors: it cannot be written. It is flushed here, because what is left in the buffer when the process ends is lost without an
/// error.
pub(crate) fn out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes one line of JSON to standard output.
///
/// Errors: as [`out`].
pub(crate) fn line(value: &serde_json::Value) -> io::Result<()> {
    out(&format!("{value}\n"))
}

/// The exit code after writing to standard output: `code`, or that of a failure where the output is lost. A closed pipe loses
/// nothing: its reader has enough.
pub(crate) fn written(result: io::Result<()>, code: u8) -> ExitCode {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("standard output cannot be written: {error}"));
            ExitCode::from(if code == DONE { FAILED } else { code })
        }
        _ => ExitCode::from(code),
    }
}

/// Prints an error. Unlike `eprintln!`, it does not panic where standard error is closed.
fn complain(error: &str) {
    let _ = writeln!(io::stderr(), "error: {error}");
}

/// A table that fits the terminal.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    // Some terminals say that they have no columns.
    if table.width().is_some_and(|width| width < NARROWEST) {
        table.set_width(NARROWEST);
    }
    let state = header.iter().position(|name| *name == "state");
    for row in rows {
        let mut cells = row.map(|cell| Cell::new(plain(&cell)));
        if let Some(cell) = state.and_then(|state| cells.get_mut(state)) {
            *cell = tinted(cell.clone());
        }
        table.add_row(cells);
    }
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// A state in the colour that people expect; the table leaves colours out where there is no terminal.
fn tinted(cell: Cell) -> Cell {
    // <https://no-color.org>
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return cell;
    }
    let colour = match cell.content().as_str() {
        "idle" | "active" | "success" | "finished" => Color::Green,
        "busy" | "in progress" => Color::Cyan,
        "starting" | "draining" | "paused" | "waits" => Color::Yellow,
        "failed" | "failure" | "timed_out" => Color::Red,
        "gone" | "disabled" | "cancelled" | "skipped" => Color::DarkGrey,
        _ => return cell,
    };
    cell.fg(colour)
}

/// Names and values, one on a line.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs: Vec<(&str, String)> =
        pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    pairs.iter().fold(String::new(), |text, (name, value)| {
        text + &format!("{name:width$}  {}\n", plain(value))
    })
}

/// Without what could steer the terminal, line breaks excepted: some of it others wrote.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|found| *found == '\n' || !steers(*found)).collect()
}

/// A moment without the fractions of its second.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How long ago, in the largest unit that tells enough.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(at))
}

/// A span, in the largest unit that tells enough.
pub(crate) fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
