//! Why requests wait, and until when.

use std::fmt;

use jiff::Timestamp;

/// Why nothing is asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Until when.
    pub until: Timestamp,
    /// Whose decision it is.
    pub cause: Cause,
    /// In words.
    pub why: String,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "until {:.0}: {}", self.until, self.why)
    }
}

/// Whose decision it is that something waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Ours: what is left is kept for more important requests.
    Kept,
    /// GitHub's: the hour's requests are spent, or it asked for quiet.
    Limit,
    /// GitHub's: the credential is not accepted.
    Credential,
}
