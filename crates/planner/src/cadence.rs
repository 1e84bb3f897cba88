//! When to look again.
//!
//! Docker events and requests wake the loop at once; what happens only at GitHub (a runner comes online, takes a job) must be
//! asked for. The more is in motion, the sooner.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::runner::RunnerState;

use crate::ledger::Hearing;

/// While a runner is starting or ending.
pub const IN_MOTION: SignedDuration = SignedDuration::from_secs(3);
/// While runners exist and nothing changes.
pub const ALIVE: SignedDuration = SignedDuration::from_secs(20);
/// Between two passes at least, however many nudges arrive.
pub const MIN_GAP: std::time::Duration = std::time::Duration::from_millis(300);

/// Between two glances at runners that are kept waiting: one that is taken is to be replaced at once.
pub const GLANCE: std::time::Duration = std::time::Duration::from_secs(1);

/// How long a pass waits for the actions that it began. What takes longer goes on beside later passes.
pub const ACTIONS_AWAITED: std::time::Duration = std::time::Duration::from_secs(1);

/// How soon a check that GitHub did not wholly answer is repeated, where the interval is longer.
pub const RETRY_CHECK: SignedDuration = SignedDuration::from_secs(30);

/// How much rarer checks are while webhooks tell of jobs.
const RELAXED_TIMES: i32 = 10;
/// But not rarer than this, so that a lost delivery costs minutes.
const RELAXED_MOST: SignedDuration = SignedDuration::from_mins(10);

/// How long after a check the next is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckWait {
    /// While nobody tells of jobs.
    pub alone: SignedDuration,
    /// While webhooks do.
    pub told: SignedDuration,
}

impl CheckWait {
    /// The same in any case.
    pub fn fixed(wait: SignedDuration) -> Self {
        Self { alone: wait, told: wait }
    }

    /// When the next check is due after one at `checked_at`.
    pub fn next(self, checked_at: Timestamp, hearing: Hearing, now: Timestamp) -> Timestamp {
        // The clock was set back.
        if checked_at > now {
            return now;
        }
        let wait = if hearing.is_healthy(now) { self.told } else { self.alone };
        checked_at.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// After a check with `interval` to the next: sooner if it `failed`, later while webhooks tell of jobs.
    pub fn after(interval: SignedDuration, failed: bool) -> Self {
        if failed {
            return Self::fixed(interval.min(RETRY_CHECK));
        }
        let relaxed = interval.saturating_mul(RELAXED_TIMES).min(RELAXED_MOST);
        Self { alone: interval, told: relaxed.max(interval) }
    }
}

/// How often a runner is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Nothing but GitHub or its own end changes it.
    Alive,
    /// It starts or ends.
    InMotion,
}

impl Pace {
    /// The pace of a runner in this state.
    pub fn of(state: RunnerState) -> Self {
        match state {
            RunnerState::Idle | RunnerState::Busy => Self::Alive,
            RunnerState::Starting
            | RunnerState::Draining
            | RunnerState::Finished
            | RunnerState::Failed
            | RunnerState::Gone => Self::InMotion,
        }
    }

    fn wait(self) -> SignedDuration {
        match self {
            Self::Alive => ALIVE,
            Self::InMotion => IN_MOTION,
        }
    }
}

/// When the next pass is due, if nothing nudges before.
///
/// `next_check` is when GitHub is next asked for jobs. `due` is when something may be tried again or begins to hold; what was due
/// when the last plan was made, at `planned_at`, is done by now or not wanted, and makes no pass.
pub fn next_pass(
    paces: impl IntoIterator<Item = Pace>,
    due: impl IntoIterator<Item = Timestamp>,
    planned_at: Timestamp,
    next_check: Timestamp,
    now: Timestamp,
) -> Timestamp {
    // A plan that lies ahead was made before the clock was set back.
    let planned_at = planned_at.min(now);
    let due = due.into_iter().filter(|at| *at > planned_at).min();
    let pace = paces.into_iter().map(Pace::wait).min();
    let look = pace.map(|wait| now.saturating_add(wait).unwrap_or(Timestamp::MAX));
    [look, due].into_iter().flatten().fold(next_check, Timestamp::min).max(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::at;
    use RunnerState::{Busy, Draining, Failed, Finished, Idle, Starting};

    #[test]
    fn the_more_moves_the_sooner() {
        let rows: [(&[RunnerState], &[i64], i64); 13] = [
            (&[], &[], 300),
            (&[Busy, Idle], &[], 20),
            (&[Busy, Starting], &[], 3),
            (&[Draining], &[], 3),
            (&[Finished], &[], 3),
            (&[Failed], &[], 3),
            (&[], &[7, 9], 7),
            (&[], &[400], 300),
            (&[Busy], &[30], 20),
            // Nobody acted on what was due at the last plan, so nobody will.
            (&[], &[-5], 300),
            (&[], &[-3_600, 7], 7),
            // It came due while the pass went on.
            (&[], &[-1], 0),
            (&[Busy], &[-2], 20),
        ];
        for (states, due, expected) in rows {
            let paces = states.iter().copied().map(Pace::of);
            let due = due.iter().copied().map(at);
            let next = next_pass(paces, due, at(-2), at(300), at(0));
            assert_eq!(next, at(expected), "{states:?} {expected}");
        }
        // The clock was set back after the last plan.
        assert_eq!(next_pass([], [at(7)], at(7_200), at(300), at(0)), at(7));
    }

    #[test]
    fn checks_are_rarer_while_webhooks_tell_and_sooner_after_a_failure() {
        let seconds = SignedDuration::from_secs;
        let rows = [
            (30, false, 30, 300),
            (300, false, 300, 600),
            (900, false, 900, 900),
            (300, true, 30, 30),
            (10, true, 10, 10),
        ];
        for (interval, failed, alone, told) in rows {
            let expected = CheckWait { alone: seconds(alone), told: seconds(told) };
            assert_eq!(
                CheckWait::after(seconds(interval), failed),
                expected,
                "{interval} {failed}"
            );
        }
    }

    #[test]
    fn the_next_check_is_as_soon_as_is_due_without_webhooks_or_with_them() {
        let seconds = SignedDuration::from_secs;
        let wait = CheckWait { alone: seconds(30), told: seconds(300) };
        let mut heard = Hearing::default();
        heard.heard(at(0));
        let rows = [
            (Timestamp::MIN, Hearing::default(), 0, None),
            (at(0), Hearing::default(), 1, Some(30)),
            (at(0), heard, 1, Some(300)),
            (at(0), heard, 0, Some(300)),
            // The clock was set back.
            (at(0), heard, -1, Some(-1)),
        ];
        for (checked_at, hearing, now, expected) in rows {
            let next = wait.next(checked_at, hearing, at(now));
            let expected = expected.map_or(next < at(0), |expected| next == at(expected));
            assert!(expected, "{checked_at} {now}: {next}");
        }
    }

    #[test]
    fn intervals_that_depend_on_each_other_agree() {
        use crate::lifecycle::MISSING_GRACE;
        assert!(IN_MOTION < ALIVE, "a starting runner is looked at more often");
        assert!(
            ALIVE < MISSING_GRACE,
            "a runner is seen missing more than once before it is given up"
        );
        assert!(crate::backoff::FIRST > IN_MOTION, "a failure waits longer than an ordinary look");
    }
}
