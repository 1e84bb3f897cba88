//! What commands print, and their exit codes.
//!
//! | module | what |
//! |---|---|
//! | `printer` | the one place that knows `--json`, whether there are colours, and how output is written |
//! | `outcome` | the outcome of a command, for people and for programs |
//! | `table` | tables that fit the terminal, and how times are written |
//! | `progress` | what a person who waits looks at, on standard error |

#[cfg(feature = "platform")]
mod outcome;
mod printer;
#[cfg(feature = "platform")]
mod progress;
#[cfg(feature = "platform")]
mod table;

use std::io::{self, Write as _};
use std::process::ExitCode;

#[cfg(feature = "platform")]
pub(crate) use self::outcome::Output;
pub(crate) use self::printer::{Colours, Format, Printer};
#[cfg(feature = "platform")]
pub(crate) use self::progress::Progress;
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

/// The status after writing to standard output: `status`, or that of a failure where the output is lost. A closed pipe loses nothing:
/// its reader has enough.
pub(crate) fn written(result: io::Result<()>, status: ExitStatus) -> ExitStatus {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("standard output cannot be written: {error}"));
            if status == ExitStatus::Done { ExitStatus::Failed } else { status }
        }
        _ => status,
    }
}

/// Prints an error. Unlike `eprintln!`, it does not panic where standard error is closed.
pub(crate) fn complain(error: &str) {
    let _ = writeln!(io::stderr(), "error: {error}");
}
