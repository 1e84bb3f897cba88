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

/// How a command ended, as its exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// All is done.
    Done = 0,
    /// Something failed, or was refused.
    Failed = 1,
    /// Arguments, variables or files are wrong, as clap has it.
    Usage = 2,
    /// It was interrupted, as shells have it: 128 and the number of SIGINT.
    #[cfg(feature = "platform")]
    Interrupted = 130,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
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

/// The exit code after writing to standard output: that of `status`, or of a failure where the output is lost. A closed pipe loses
/// nothing: its reader has enough.
pub(crate) fn written(result: io::Result<()>, status: ExitStatus) -> ExitCode {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("standard output cannot be written: {error}"));
            if status == ExitStatus::Done { ExitStatus::Failed } else { status }.into()
        }
        _ => status.into(),
    }
}

/// Prints an error. Unlike `eprintln!`, it does not panic where standard error is closed.
pub(crate) fn complain(error: &str) {
    let _ = writeln!(io::stderr(), "error: {error}");
}
