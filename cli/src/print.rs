//! What commands print, and their exit codes.

#[cfg(feature = "platform")]
mod outcome;
#[cfg(feature = "platform")]
mod table;

use std::io::{self, Write as _};
use std::process::ExitCode;

#[cfg(feature = "platform")]
pub(crate) use self::outcome::{Output, finish, line};
#[cfg(feature = "platform")]
pub(crate) use self::table::{ago, moment, pairs, plain, span, table};

/// Exit code where all is done.
pub(crate) const DONE: u8 = 0;
/// Exit code where something failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code for wrong arguments, variables or files, as clap has it.
pub(crate) const USAGE: u8 = 2;

/// Writes `text` to standard output, all of it.
///
/// Errors: it cannot be written. It is flushed here, because what is left in the buffer when the process ends is lost without an
/// error.
pub(crate) fn out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
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
pub(crate) fn complain(error: &str) {
    let _ = writeln!(io::stderr(), "error: {error}");
}
