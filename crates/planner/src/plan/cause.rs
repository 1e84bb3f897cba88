//! Why a runner is not started, in words.

use std::fmt;

use jiff::Timestamp;
use mayfly_common::identity::BackendName;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::RepoSlug;

use crate::backoff::Place;
use crate::capacity::CapacityLimit;
use crate::filter::Refusal;
use crate::naming::NamesTaken;
use crate::not_assigned::NotAssigned;

/// Why a runner is not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The job's last runner did not take it.
    NotAssigned(Box<NotAssigned>),
    /// The platform drains.
    Draining,
    /// There is no room.
    Cap(CapacityLimit),
    /// The pool is paused.
    Paused(PoolName),
    /// The backend does not answer; why.
    Unreachable(BackendName, String),
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
            Self::Unreachable(backend, why) => {
                write!(f, "backend {backend} does not answer: {why}")
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::at;

    #[test]
    fn each_cause_has_its_words() {
        let pool = || PoolName::parse("ci").unwrap();
        let rows = [
            (Cause::Draining, "the platform is draining".to_owned()),
            (Cause::Paused(pool()), "pool ci is paused".to_owned()),
            (
                Cause::Unreachable(BackendName::default(), "no socket".to_owned()),
                "backend docker does not answer: no socket".to_owned(),
            ),
            (Cause::Image("i:1".to_owned()), "image i:1 is not on the host yet".to_owned()),
            (
                Cause::HeldBack((pool(), "repo:o/r".parse().unwrap()), at(9)),
                format!("runners of repo:o/r failed; the next is started at {}", at(9)),
            ),
            (
                Cause::Ratio(pool(), "2 jobs want 1".to_owned()),
                "pool ci starts no runner for it: 2 jobs want 1".to_owned(),
            ),
            (Cause::NoPlace, "no repository is known yet where its runners could wait".to_owned()),
        ];
        for (cause, words) in rows {
            assert_eq!(cause.to_string(), words);
        }
    }
}
