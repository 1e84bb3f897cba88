//! Standard output and standard error, where nothing is lost unnoticed.

use std::io::{self, Write as _};

use super::exit_status::ExitStatus;

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
