//! The autoscaling policy `ratio`: one runner for some queued jobs, changed only beyond thresholds and not too often.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::pool::Ratio;

/// What to do about the number of runners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// More of them, up to the target.
    Up,
    /// Fewer of them, down to the target.
    Down,
    /// Nothing.
    Maintain,
}

/// A decision, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub step: Step,
    /// How many there are to be.
    pub target: u32,
    /// How many there are.
    pub current: u32,
    /// Why, in words.
    pub reason: String,
}

/// Decides for `pending` queued jobs and `current` runners, of which there may be `min` to `max`.
///
/// The target is `pending / jobs_per_runner`, rounded up, within the bounds. Within the cooldown after `last_change` nothing is
/// changed; then there are more only if the target is above `current + scale_up_threshold`, and fewer only if it is below
/// `current - scale_down_threshold`.
pub fn decide(
    pending: u32,
    current: u32,
    (min, max): (u32, u32),
    ratio: &Ratio,
    last_change: Option<Timestamp>,
    now: Timestamp,
) -> Decision {
    let cooldown = SignedDuration::from_secs(i64::from(ratio.cooldown));
    if let Some(last) = last_change {
        let passed = now.duration_since(last);
        // A change that lies ahead was made before the clock was set back: it holds nothing up.
        if !passed.is_negative() && passed < cooldown {
            let left = (cooldown - passed).as_secs().max(1);
            let reason = format!("the last change is too fresh: {left} s of the cooldown are left");
            return Decision { step: Step::Maintain, target: current, current, reason };
        }
    }
    let wanted = pending.div_ceil(ratio.jobs_per_runner.max(1));
    let target = wanted.max(min).min(max);
    let (up, down) = (i64::from(ratio.scale_up_threshold), i64::from(ratio.scale_down_threshold));
    let (goal, there) = (i64::from(target), i64::from(current));
    let (step, relation) = if goal > there + up {
        (Step::Up, "more than")
    } else if goal < there - down {
        (Step::Down, "fewer than")
    } else {
        (Step::Maintain, "within the thresholds of")
    };
    let reason =
        format!("{pending} queued jobs want {target} runners, {relation} the {current} there are");
    Decision { step, target, current, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::at;

    #[test]
    fn every_boundary() {
        use Step::{Down, Maintain, Up};
        let default = Ratio::default();
        let tight = Ratio { jobs_per_runner: 1, scale_up_threshold: 0, ..default };
        let wide = Ratio { scale_down_threshold: 2, ..default };
        let rows = [
            // The known trap: from nothing, four queued jobs start nothing with the defaults.
            (default, 0, 0, (0, 10), Maintain, 0),
            (default, 4, 0, (0, 10), Maintain, 2),
            (default, 5, 0, (0, 10), Up, 3),
            (default, 100, 0, (0, 10), Up, 10),
            (default, 100, 8, (0, 10), Maintain, 10),
            (default, 100, 7, (0, 10), Up, 10),
            (default, 0, 1, (0, 10), Down, 0),
            (default, 0, 1, (1, 10), Maintain, 1),
            (default, 0, 0, (3, 10), Up, 3),
            (default, 0, 0, (2, 10), Maintain, 2),
            (default, 9, 12, (0, 10), Down, 5),
            (tight, 1, 0, (0, 10), Up, 1),
            (tight, 1, 1, (0, 10), Maintain, 1),
            (tight, 0, 0, (0, 0), Maintain, 0),
            (wide, 0, 2, (0, 10), Maintain, 0),
            (wide, 0, 3, (0, 10), Down, 0),
        ];
        for (ratio, pending, current, bounds, step, target) in rows {
            let found = decide(pending, current, bounds, &ratio, None, at(0));
            assert_eq!(
                (found.step, found.target, found.current),
                (step, target, current),
                "{pending} {current} {bounds:?}: {}",
                found.reason
            );
        }
    }

    /// The same said in another way: in real numbers, and by what each outcome means.
    #[test]
    fn it_is_the_formula_on_all_small_numbers() {
        let bounds = [(0, 0), (0, 10), (3, 5), (0, 30), (30, 30)];
        let thresholds = [0, 2, 30];
        for (pending, current, per) in small_numbers(30) {
            for (min, max) in bounds {
                for (up, down) in
                    thresholds.into_iter().flat_map(|up| thresholds.map(|down| (up, down)))
                {
                    let ratio = Ratio {
                        jobs_per_runner: per,
                        scale_up_threshold: up,
                        scale_down_threshold: down,
                        cooldown: 0,
                    };
                    let wanted = (f64::from(pending) / f64::from(per)).ceil();
                    let target = wanted.clamp(f64::from(min), f64::from(max));
                    let missing = target - f64::from(current);
                    let step = if missing > f64::from(up) {
                        Step::Up
                    } else if -missing > f64::from(down) {
                        Step::Down
                    } else {
                        Step::Maintain
                    };
                    let found = decide(pending, current, (min, max), &ratio, None, at(0));
                    assert!(
                        found.step == step && (f64::from(found.target) - target).abs() < 0.5,
                        "{pending} {current} {ratio:?} {min} {max}: {found:?}"
                    );
                }
            }
        }
    }

    /// All `pending`, `current` and `jobs_per_runner` up to `most`.
    fn small_numbers(most: u32) -> impl Iterator<Item = (u32, u32, u32)> {
        let pairs =
            (0..=most).flat_map(move |pending| (0..=most).map(move |current| (pending, current)));
        pairs.flat_map(move |(pending, current)| (1..=most).map(move |per| (pending, current, per)))
    }

    #[test]
    fn within_the_cooldown_nothing_changes() {
        let decide = |last, now| decide(100, 3, (0, 10), &Ratio::default(), last, at(now));
        assert_eq!(
            (decide(Some(at(0)), 299).step, decide(Some(at(0)), 299).target),
            (Step::Maintain, 3)
        );
        assert_eq!(decide(Some(at(0)), 300).step, Step::Up);
        assert_eq!(decide(None, 0).step, Step::Up);
        assert_eq!(decide(Some(at(3_600)), 0).step, Step::Up, "the clock was set back");
        let none = Ratio { cooldown: 0, ..Ratio::default() };
        assert_eq!(super::decide(100, 3, (0, 10), &none, Some(at(0)), at(0)).step, Step::Up);
    }

    proptest::proptest! {
        #[test]
        fn the_target_is_within_its_bounds(pending in 0..1000u32, current in 0..100u32, min in 0..50u32, more in 0..50u32, per in 1..9u32) {
            let ratio = Ratio { jobs_per_runner: per, ..Ratio::default() };
            let found = decide(pending, current, (min, min + more), &ratio, None, at(0));
            proptest::prop_assert!((min..=min + more).contains(&found.target));
        }
    }
}
