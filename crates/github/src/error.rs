//! Why GitHub did not do what it was asked, by what the caller can do about it.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use mayfly_planner::ledger::Unanswered;

/// An error of a request to GitHub. Texts hold no credential; at most what GitHub's `message` says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitHubError {
    /// 401: the credential is wrong, expired or revoked.
    #[error(
        "GitHub does not accept the credential (401); check the token, or the App's id and key"
    )]
    Unauthorized,
    /// 403 that is not about a limit: the credential may not do this.
    #[error("GitHub forbids this (403): {0}")]
    Forbidden(String),
    /// 403 or 429: a limit is spent. Nothing is asked before `until`.
    #[error("GitHub's rate limit is spent until {until:.0}: {why}")]
    RateLimited {
        /// When asking makes sense again.
        until: Timestamp,
        /// Which limit it is.
        why: String,
    },
    /// It was not sent: a limit lasts, or what is left of the hour is kept for more important requests.
    #[error("put off until {until:.0}: {why}")]
    PutOff {
        /// When it can be sent.
        until: Timestamp,
        /// Why not now.
        why: String,
    },
    /// The App is not installed there, or the installation is suspended: which, and why.
    #[error("the App cannot act for {0}")]
    NotInstalled(String),
    /// 404 or 410: not there, or not visible to the credential.
    #[error("GitHub does not know it, or does not show it to this credential (404)")]
    NotFound,
    /// 409.
    #[error("GitHub reports a conflict (409): {0}")]
    Conflict(String),
    /// 422, or another refusal of what was sent.
    #[error("GitHub refuses the request: {0}")]
    Invalid(String),
    /// 5xx.
    #[error("GitHub has trouble ({0})")]
    Server(u16),
    /// An answer that is not what the documentation says: HTML, cut off, of another shape.
    #[error("GitHub's answer cannot be read: {0}")]
    Malformed(String),
    /// No answer.
    #[error("GitHub cannot be reached: {0}")]
    Network(String),
    /// No answer in time.
    #[error("GitHub cannot be reached: no answer in time")]
    TimedOut,
}

impl GitHubError {
    /// True if the very same request may succeed in a moment.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Server(_) | Self::Network(_) | Self::Malformed(_))
    }

    /// Whether it concerns what was asked about, rather than GitHub or the credential as a whole.
    pub fn is_local(&self) -> bool {
        matches!(
            self,
            Self::Forbidden(_)
                | Self::NotInstalled(_)
                | Self::NotFound
                | Self::Conflict(_)
                | Self::Invalid(_)
        )
    }

    /// True if GitHub handled the request and this is its answer about the subject; false if it did not get that far.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::NotFound
            | Self::Forbidden(_)
            | Self::Conflict(_)
            | Self::Invalid(_)
            | Self::Malformed(_) => true,
            Self::Unauthorized
            | Self::NotInstalled(_)
            | Self::RateLimited { .. }
            | Self::PutOff { .. }
            | Self::Server(_)
            | Self::Network(_)
            | Self::TimedOut => false,
        }
    }

    /// How it leaves a question about jobs unanswered.
    pub fn unanswered(&self) -> Unanswered {
        match self {
            Self::NotFound => Unanswered::NotFound,
            error if error.is_wait() => Unanswered::PutOff,
            error if error.is_answer() => Unanswered::Refused,
            _ => Unanswered::Unreachable,
        }
    }

    /// True if it is only a matter of limits: nothing is wrong, it has to wait.
    pub fn is_wait(&self) -> bool {
        matches!(self, Self::PutOff { .. } | Self::RateLimited { .. })
    }
}
