//! A runner's registration at GitHub.

/// The id GitHub gives to a runner's registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunnerId(pub i64);

/// A runner as GitHub lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: RunnerId,
    /// Its name; any text, because others register runners too.
    pub name: String,
    /// True if it is connected.
    pub online: bool,
    /// True if GitHub says that it runs a job. May lag behind by a minute.
    pub busy: bool,
}
