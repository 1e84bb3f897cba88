//! How long a pool waits in a scope after failures, so that nothing is tried in a hot loop.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::Scope;

/// The wait after the first failure; doubled by each further one.
pub const FIRST: SignedDuration = SignedDuration::from_secs(5);
/// The longest wait.
pub const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// How long after its end a wait is remembered.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(1);

/// A pool, and where it registers.
pub type Place = (PoolName, Scope);

/// Failures in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streak {
    /// How many.
    pub failures: u32,
    /// When the latest of them was.
    pub failed_at: Timestamp,
    /// Until when nothing is started.
    pub until: Timestamp,
    /// The latest reason.
    pub reason: String,
    /// What failed.
    pub what: Failed,
}

/// What failed, so that people look in the right place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// This runner, which was there and printed something.
    Runner(RunnerName),
    /// The registration, which GitHub refused: there was no runner.
    Registration,
    /// GitHub itself, or the way to it: there was no runner.
    GitHub,
    /// The engine: the runner's container never ran.
    Container,
}

/// Streaks by place. A cache: losing it costs one early retry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backoff {
    streaks: BTreeMap<Place, Streak>,
}

/// The wait after so many failures in a row.
pub fn delay(failures: u32) -> SignedDuration {
    doubled(FIRST, LONGEST, failures)
}

/// The wait after `times` of something: `first`, doubled by each further one up to `longest`.
pub(crate) fn doubled(
    first: SignedDuration,
    longest: SignedDuration,
    times: u32,
) -> SignedDuration {
    let factor = 1i32.checked_shl(times.saturating_sub(1).min(16)).unwrap_or(i32::MAX);
    first.saturating_mul(factor).min(longest)
}

impl Backoff {
    /// A runner of `place` could not be started, or ended without a job. Several at one moment have one cause and count once.
    pub fn failed(&mut self, place: &Place, what: Failed, reason: &str, now: Timestamp) {
        let before = self.streaks.get(place);
        let at_once = before.is_some_and(|streak| streak.failed_at == now);
        let failures =
            before.map_or(0, |streak| streak.failures).saturating_add(u32::from(!at_once));
        // Nobody has tried for long: forgotten, so that made-up scopes do not pile up.
        self.streaks.retain(|_, streak| now.duration_since(streak.until) < FORGOTTEN);
        let until = now.saturating_add(delay(failures)).unwrap_or(Timestamp::MAX);
        let reason = reason.to_owned();
        self.streaks
            .insert(place.clone(), Streak { failures, failed_at: now, until, reason, what });
    }

    /// A runner of `place` did its work.
    pub fn succeeded(&mut self, place: &Place) {
        self.streaks.remove(place);
    }

    /// The places that wait, and until when.
    pub fn held_back(&self, now: Timestamp) -> BTreeMap<Place, Timestamp> {
        self.active(now).map(|(place, streak)| (place.clone(), streak.until)).collect()
    }

    /// All streaks, also those whose wait is over: the next success ends them.
    pub fn streaks(&self) -> &BTreeMap<Place, Streak> {
        &self.streaks
    }

    /// The streaks that hold something back. One that ends later than the longest wait is from before the clock was set back.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = (&Place, &Streak)> {
        self.streaks.iter().filter(move |(_, streak)| {
            streak.until > now && streak.until.duration_since(now) <= LONGEST
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::at;

    #[test]
    fn waits_double_up_to_the_longest_and_a_success_ends_them() {
        let seconds: Vec<i64> =
            [1, 2, 3, 6, 7, 40, u32::MAX].iter().map(|&n| delay(n).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 160, 300, 300, 300]);
        let place: Place = (PoolName::default_pool(), "repo:o/r".parse().unwrap());
        let mut backoff = Backoff::default();
        backoff.failed(&place, Failed::Registration, "x", at(0));
        backoff.failed(&place, Failed::Registration, "y", at(5));
        assert_eq!(backoff.held_back(at(14)), [(place.clone(), at(15))].into());
        assert!(backoff.held_back(at(15)).is_empty());
        backoff.failed(&place, Failed::Registration, "z", at(15));
        assert_eq!(backoff.held_back(at(16))[&place], at(35));
        assert!(backoff.held_back(at(-3_600)).is_empty(), "the clock was set back");
        for what in ["a", "b", "c"] {
            backoff.failed(&place, Failed::Registration, what, at(40));
        }
        assert_eq!(backoff.held_back(at(41))[&place], at(80), "all that failed at once count once");
        backoff.succeeded(&place);
        assert!(backoff.held_back(at(16)).is_empty());
    }

    #[test]
    fn the_longest_wait_holds_from_its_first_moment() {
        let place: Place = (PoolName::default_pool(), "repo:o/r".parse().unwrap());
        let mut backoff = Backoff::default();
        for second in 0..9 {
            backoff.failed(&place, Failed::Registration, "x", at(second));
        }
        assert_eq!(backoff.held_back(at(8)), [(place, at(308))].into());
    }

    #[test]
    fn a_success_ends_the_streak_of_its_place_alone() {
        let place = |pool: &str, scope: &str| -> Place {
            (PoolName::parse(pool).unwrap(), scope.parse().unwrap())
        };
        let places = [place("ci", "repo:o/r"), place("ci", "repo:o/s"), place("gpu", "repo:o/r")];
        let mut backoff = Backoff::default();
        for place in &places {
            backoff.failed(place, Failed::Registration, "x", at(0));
            backoff.failed(place, Failed::Registration, "x", at(0));
        }
        backoff.succeeded(&places[0]);
        let held: Vec<Place> = backoff.held_back(at(1)).into_keys().collect();
        assert_eq!(held, places[1..]);
        backoff.failed(&places[0], Failed::Registration, "x", at(1));
        assert_eq!(backoff.held_back(at(1))[&places[0]], at(6), "it begins anew");
    }

    #[test]
    fn old_failures_are_forgotten() {
        let mut backoff = Backoff::default();
        for number in 0..100 {
            let scope = format!("repo:o/r{number}").parse().unwrap();
            let place = (PoolName::default_pool(), scope);
            backoff.failed(&place, Failed::Registration, "x", at(number * 100));
        }
        assert_eq!(backoff.streaks.len(), 37, "those of the last hour and their waits");
    }
}
