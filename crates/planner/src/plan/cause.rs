//! Why a runner is not started, in words.

use std::fmt;

use jiff::Timestamp;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::RepoSlug;

use crate::assignment::NotAssigned;
use crate::backoff::Place;
use crate::filter::Refusal;
use crate::naming::NamesTaken;
use crate::room::Cap;

/// Why a runner is not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The job's last runner did not take it.
    NotAssigned(Box<NotAssigned>),
    /// The platform drains.
    Draining,
    /// There is no room.
    Cap(Cap),
    /// The pool is paused.
    Paused(PoolName),
    /// The image is not on the host.
    Image(String),
    /// Failures make this place wait.
    HeldBack(Place, Timestamp),
    /// The policy `ratio` wants no more; its reason.
    Ratio(PoolName, String),
    /// All names of the pool are taken.
    NoName(Box<NamesTaken>),
    /// The pool names no place, and none was discovered.
    NoPlace,
    /// The pool names a repository that is not served.
    NotServed(RepoSlug, Refusal),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAssigned(failed) => {
                write!(f, "{failed}; the next is started at {:.0}", failed.until)
            }
            Self::Draining => f.write_str("the platform is draining"),
            Self::Cap(cap) => write!(f, "{cap}"),
            Self::Paused(pool) => write!(f, "pool {pool} is paused"),
            Self::Image(image) => write!(f, "image {image} is not on the host yet"),
            Self::HeldBack((_, scope), until) => {
                write!(f, "runners of {scope} failed; the next is started at {until:.0}")
            }
            Self::Ratio(pool, reason) => {
                write!(f, "pool {pool} starts no runner for it: {reason}")
            }
            Self::NoName(taken) => taken.fmt(f),
            Self::NoPlace => f.write_str("no repository is known yet where its runners could wait"),
            Self::NotServed(repo, why) => write!(f, "{repo} is not served: {why}"),
        }
    }
}
