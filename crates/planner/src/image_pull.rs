//! What a pool's pull policy means for an image.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::pool::PullPolicy;

use super::observed::Image;

/// With `always`, how old the last pull may be: a burst of jobs costs one request to the registry.
const ALWAYS_AGE: SignedDuration = SignedDuration::from_mins(10);

/// What is known of an image on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// True if it is here.
    pub present: bool,
    /// True if it is being pulled.
    pub pulling: bool,
    /// When it was last pulled.
    pub pulled_at: Option<Timestamp>,
    /// Before this moment it is not pulled again: a pull failed.
    pub retry_at: Option<Timestamp>,
}

/// How an image stands for a pool with this policy.
pub fn image_for(policy: PullPolicy, image: &ImageFacts, now: Timestamp) -> Image {
    let fresh = image.pulled_at.is_some_and(|at| now.duration_since(at) < ALWAYS_AGE);
    let waits = image.pulling || image.retry_at.is_some_and(|at| at > now);
    match (policy, image.present) {
        (PullPolicy::Missing | PullPolicy::Never, true) => Image::Present,
        (PullPolicy::Always, true) if fresh => Image::Present,
        (PullPolicy::Never, false) => Image::Awaited,
        _ if waits => Image::Awaited,
        (_, true) => Image::Outdated,
        (_, false) => Image::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::at;

    #[test]
    fn every_policy_has_its_rows() {
        use PullPolicy::{Always, Missing, Never};
        let facts = |present, pulling, pulled_at: Option<i64>, retry_at: Option<i64>| ImageFacts {
            present,
            pulling,
            pulled_at: pulled_at.map(at),
            retry_at: retry_at.map(at),
        };
        let rows = [
            (Missing, facts(true, true, None, None), Image::Present),
            (Missing, facts(false, false, None, None), Image::Missing),
            (Missing, facts(false, true, None, None), Image::Awaited),
            (Missing, facts(false, false, None, Some(1_001)), Image::Awaited),
            (Missing, facts(false, false, None, Some(1_000)), Image::Missing),
            (Never, facts(true, true, None, None), Image::Present),
            (Never, facts(false, false, None, None), Image::Awaited),
            (Always, facts(true, false, None, None), Image::Outdated),
            (Always, facts(true, false, Some(401), None), Image::Present),
            (Always, facts(true, false, Some(400), None), Image::Outdated),
            (Always, facts(true, true, Some(401), None), Image::Present),
            (Always, facts(true, true, None, None), Image::Awaited),
            (Always, facts(true, false, None, Some(1_001)), Image::Awaited),
            (Always, facts(false, false, Some(999), None), Image::Missing),
        ];
        for (policy, facts, expected) in rows {
            assert_eq!(image_for(policy, &facts, at(1_000)), expected, "{policy:?} {facts:?}");
        }
    }
}
