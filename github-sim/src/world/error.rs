//! Why the world refuses something; the HTTP layer turns each into GitHub's status and words.

/// Why a verb of [`World`](super::World) did nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing, or the caller may not know that there is.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The name is taken.
    #[error("Already exists - A {what} with the name *{name}* already exists.")]
    NameTaken {
        /// The kind of thing.
        what: &'static str,
        /// The name that is taken.
        name: String,
    },
    /// The runner has a job.
    #[error("Runner \"{0}\" is currently running a job and cannot be deleted.")]
    Busy(String),
    /// The request cannot be carried out as it is.
    #[error("{0}")]
    Invalid(String),
    /// GitHub's "Validation Failed", with this as the message of its one error.
    #[error("{0}")]
    Validation(String),
    /// The caller is known and may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// A credential is unknown, used up or past its time.
    #[error("{0}")]
    Unauthorized(&'static str),
}
