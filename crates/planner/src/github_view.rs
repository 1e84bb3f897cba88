//! What GitHub says of our runners: the list of a scope, and the entry of one runner.

use mayfly_common::registration::Registered;

/// The runners GitHub lists for a scope. A listing that failed is not an empty one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// The whole list.
    Known(Vec<Registered>),
    /// A list with entries that cannot be read: one that is missing in it may be there all the same.
    Partial(Vec<Registered>),
    /// GitHub was not asked in this pass; nothing may be concluded.
    Unasked,
    /// GitHub could not be asked; nothing may be concluded.
    Unknown,
    /// GitHub answers 404, and no list has the place. Nothing may be concluded, unless it lasts.
    NotFound,
}

impl Listing {
    /// What is listed: all of it, a part of it, or nothing because nobody knows.
    pub fn entries(&self) -> &[Registered] {
        match self {
            Self::Known(list) | Self::Partial(list) => list,
            Self::Unasked | Self::Unknown | Self::NotFound => &[],
        }
    }
}

/// What GitHub says of one of our runners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight<'a> {
    /// GitHub could not be asked.
    Unknown,
    /// GitHub was not asked: it started after the asking.
    Unasked,
    /// It is not listed.
    Absent,
    /// Its registration.
    Listed(&'a Registered),
}

impl<'a> Sight<'a> {
    /// The registration, if there is one.
    pub fn listed(self) -> Option<&'a Registered> {
        match self {
            Self::Listed(registered) => Some(registered),
            Self::Unknown | Self::Unasked | Self::Absent => None,
        }
    }
}
