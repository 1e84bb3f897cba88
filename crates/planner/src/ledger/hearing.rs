//! Whether webhooks tell of jobs, so that GitHub need not be asked so often. Pure.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// How long after a delivery webhooks count as working.
const HEARD: SignedDuration = SignedDuration::from_mins(15);
/// How long after a job that webhooks did not tell of they count as not working: some repository has no hook.
const MISSED: SignedDuration = SignedDuration::from_hours(1);

/// What was heard, and what was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hearing {
    heard_at: Option<Timestamp>,
    missed_at: Option<Timestamp>,
}

/// Whether webhooks can be relied on, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They tell of jobs.
    Healthy(Timestamp),
    /// None came yet.
    Never,
    /// None came for a while.
    Silent(Timestamp),
    /// GitHub listed a job that none told of.
    Missed(Timestamp),
}

impl Hearing {
    /// A delivery came.
    pub(crate) fn heard(&mut self, now: Timestamp) {
        self.heard_at = self.heard_at.max(Some(now));
    }

    /// GitHub listed a job that no delivery had told of.
    pub(crate) fn missed(&mut self, now: Timestamp) {
        if self.heard_at.is_some() {
            self.missed_at = self.missed_at.max(Some(now));
        }
    }

    /// True if webhooks can be relied on.
    pub fn verdict(&self, now: Timestamp) -> Verdict {
        let within = |at: Timestamp, span| now.duration_since(at) < span;
        match (self.heard_at, self.missed_at) {
            (None, _) => Verdict::Never,
            (_, Some(missed)) if within(missed, MISSED) => Verdict::Missed(missed),
            (Some(heard), _) if within(heard, HEARD) => Verdict::Healthy(heard),
            (Some(heard), _) => Verdict::Silent(heard),
        }
    }

    /// True if webhooks can be relied on.
    pub fn is_healthy(&self, now: Timestamp) -> bool {
        matches!(self.verdict(now), Verdict::Healthy(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy(at) => write!(f, "they tell of jobs, last at {at:.0}"),
            Self::Never => f.write_str("none came yet"),
            Self::Silent(at) => write!(f, "none came since {at:.0}"),
            Self::Missed(at) => {
                write!(
                    f,
                    "at {at:.0} a job was found that none had told of: a repository has no hook, or deliveries fail"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    #[test]
    fn webhooks_are_relied_on_while_they_tell_and_nothing_is_missed() {
        let mut hearing = Hearing::default();
        hearing.missed(at(0));
        assert_eq!(hearing.verdict(at(0)), Verdict::Never, "without hooks nothing can be missed");
        hearing.heard(at(1));
        hearing.heard(at(0));
        assert!(hearing.is_healthy(at(15)));
        assert_eq!(hearing.verdict(at(16)), Verdict::Silent(at(1)));
        hearing.missed(at(16));
        hearing.heard(at(17));
        assert_eq!(hearing.verdict(at(75)), Verdict::Missed(at(16)));
        hearing.heard(at(76));
        assert!(hearing.is_healthy(at(76)));
    }
}
