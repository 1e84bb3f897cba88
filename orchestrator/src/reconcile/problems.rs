//! Which problems last: each is told once when it begins and once when it is over, however often passes look, and whatever they
//! look at.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::foreign_text::message;

/// How long a problem must stay away to be over. Not every pass tries what failed.
const QUIET: SignedDuration = SignedDuration::from_secs(10);
/// Most problems that a pass reports.
const MOST: usize = 100;

/// The problems that last.
#[derive(Default)]
pub(super) struct Problems {
    /// Each with when a pass last found it.
    lasting: BTreeMap<String, Timestamp>,
    /// What the last check of repositories found. Only another check can tell that it is over.
    of_check: BTreeSet<String>,
}

/// What changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) began: Vec<String>,
    pub(super) ended: Vec<String>,
}

impl Problems {
    /// A check of repositories found these. They are kept as reports show them, which is how they are compared.
    pub(super) fn checked(&mut self, found: &[String]) {
        self.of_check = found.iter().map(|problem| message(problem)).collect();
    }

    /// A pass found these. Those that `lasts` holds of are not over, though the pass did not try again.
    pub(super) fn note(
        &mut self,
        found: &[String],
        lasts: impl Fn(&str) -> bool,
        now: Timestamp,
    ) -> Changes {
        let mut changes = Changes::default();
        for problem in found {
            if self.lasting.insert(problem.clone(), now).is_none() {
                changes.began.push(problem.clone());
            }
        }
        let of_check = &self.of_check;
        self.lasting.retain(|problem, seen_at| {
            if lasts(problem) || of_check.contains(problem) {
                *seen_at = now;
            }
            // One that was seen later than now was seen before the clock was set back.
            let over = now.duration_since(*seen_at) >= QUIET || *seen_at > now;
            if over {
                changes.ended.push(problem.clone());
            }
            !over
        });
        changes
    }

    /// When the next problem is over that is not found any more.
    pub(super) fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        let away = self.lasting.values().filter(|seen_at| **seen_at < now);
        away.min().map(|seen_at| seen_at.saturating_add(QUIET).unwrap_or(Timestamp::MAX))
    }
}

/// The first of very many problems, each once, and how many more there are.
pub(super) fn shortened(problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    problems.retain(|problem| seen.insert(problem.clone()));
    let more = problems.len().saturating_sub(MOST);
    if more > 0 {
        problems.truncate(MOST);
        problems.push(format!("and {more} more problems"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_problem_is_told_once_until_it_has_been_away_for_a_while() {
        let mut problems = Problems::default();
        let mut pass = |found: &[&str], held: &[&str], second: i64| {
            let found: Vec<String> = found.iter().map(|text| (*text).to_owned()).collect();
            let changes = problems.note(&found, |problem| held.contains(&problem), at(second));
            (changes.began.join(" "), changes.ended.join(" "), problems.next_end(at(second)))
        };
        let told = |began: &str, ended: &str, next: Option<i64>| {
            (began.to_owned(), ended.to_owned(), next.map(at))
        };
        assert_eq!(pass(&["x"], &[], 0), told("x", "", None));
        assert_eq!(pass(&[], &[], 0), told("", "", None), "in the same second");
        assert_eq!(pass(&["y"], &[], 3), told("y", "", Some(10)));
        assert_eq!(pass(&["x"], &[], 9), told("", "", Some(13)));
        assert_eq!(pass(&["x"], &[], 13), told("", "y", None));
        assert_eq!(pass(&[], &["x"], 60), told("", "", None), "nobody tried again");
        assert_eq!(pass(&[], &[], 69), told("", "", Some(70)));
        assert_eq!(pass(&[], &[], 70), told("", "x", None));
        assert_eq!(pass(&["x"], &[], 71), told("x", "", None));
        assert_eq!(pass(&[], &[], 0), told("", "x", None), "the clock was set back");
    }

    #[test]
    fn what_a_check_found_is_over_when_a_check_finds_it_no_more() {
        let mut problems = Problems::default();
        let found = ["x".to_owned()];
        let none = Changes::default();
        problems.checked(&found);
        problems.note(&found, |_| false, at(0));
        assert_eq!(problems.note(&[], |_| false, at(300)), none);
        problems.checked(&[]);
        assert_eq!(problems.note(&[], |_| false, at(309)), none);
        assert_eq!(problems.note(&[], |_| false, at(310)).ended, found);
    }

    #[test]
    fn very_many_problems_are_a_hundred_and_a_number() {
        let mut problems: Vec<String> =
            (0..1_000).map(|n| format!("problem {}", n % 500)).collect();
        shortened(&mut problems);
        assert_eq!((problems.len(), problems[100].as_str()), (101, "and 400 more problems"));
        let mut one_more: Vec<String> = (0..=100).map(|n| format!("problem {n}")).collect();
        shortened(&mut one_more);
        assert_eq!(one_more[99..], ["problem 99", "and 1 more problems"]);
        let mut few = vec!["x".to_owned(), "x".to_owned()];
        shortened(&mut few);
        assert_eq!(few, ["x"]);
    }
}
