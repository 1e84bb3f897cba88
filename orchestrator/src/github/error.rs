//! Why GitHub did not do what it was asked, by what the caller can do about it.

use jiff::Timestamp;

/// An error of a request to GitHub. Texts hold no credential; at most what GitHub's `message` says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitHubError {
    /// 401: the token is wrong, expired or revoked.
    #[error("GitHub does not accept the token (401); check GITHUB_RUNNER_TOKEN")]
    Unauthorized,
    /// 403 that is not about a limit: the token may not do this.
    #[error("GitHub forbids this (403): {0}; the token needs administration rights for it")]
    Forbidden(String),
    /// 403 or 429: a limit is spent. Nothing is asked before `until`.
    #[error("GitHub's rate limit is spent until {until}")]
    RateLimited {
        /// When asking makes sense again.
        until: Timestamp,
    },
    /// 404 or 410: not there, or not visible to the token.
    #[error("GitHub does not know it, or does not show it to this token (404)")]
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
}
