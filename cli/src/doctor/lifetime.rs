//! How long a runner may live: a job that hangs keeps its place until then.

use jiff::SignedDuration;
use mayfly_github::checkup::Finding;

use super::finding::note;

/// What is plenty for most: the limit of a job on GitHub's own runners is six hours (docs: "Actions limits").
const PLENTY: SignedDuration = SignedDuration::from_hours(24);

/// Advises a lower `RUNNER_MAX_LIFETIME` where it is longer than a day, as the default is.
pub(super) fn judge(lifetime: SignedDuration) -> Option<Finding> {
    let hours = lifetime.as_hours();
    (lifetime > PLENTY).then(|| {
        note(format!(
            "a job that hangs keeps its runner for RUNNER_MAX_LIFETIME, {hours} hours: set it to little more than your longest job \
             takes, for example 21600 (6 hours, GitHub's own limit)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_day_is_worth_a_word() {
        let seconds = SignedDuration::from_secs;
        for (lifetime, advised) in
            [(432_000, true), (86_401, true), (86_400, false), (3_600, false)]
        {
            let found = judge(seconds(lifetime));
            assert_eq!(found.is_some(), advised, "{lifetime}");
            assert!(found.is_none_or(|found| found.what.contains("RUNNER_MAX_LIFETIME")));
        }
        let found = judge(seconds(432_000)).unwrap();
        let said = "note: a job that hangs keeps its runner for RUNNER_MAX_LIFETIME, 120 hours: set it to little more than your longest job takes, for example 21600 (6 hours, GitHub's own limit)";
        assert_eq!((found.what.as_str(), found.level), (said, mayfly_github::checkup::Level::Ok));
    }
}
