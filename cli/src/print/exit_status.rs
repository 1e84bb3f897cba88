//! How a command ended.

use std::process::ExitCode;

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
