//! Clocks that differ: GitHub's and the engine's from this machine's.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::repository::Depth;
use mayfly_github::budget::Priority;
use mayfly_github::checkup::Finding;
use mayfly_github::{DiscoveryMode, GitHubClient, GitHubError};

use super::engine::Engine;
use super::finding::{note, ok, warning};

/// Clocks that differ by this many seconds are worth a warning, as for the credential's check.
const SKEW: i64 = 30;

/// Compares with GitHub's clock: the `Date` of whatever it answers to a harmless question.
pub(super) async fn github(client: &GitHubClient, mode: &DiscoveryMode) -> Finding {
    let listed = client.repositories(mode, Depth::Recent, Priority::Upkeep, |_| true).await;
    let error = match listed {
        Ok(listed) if listed.repositories.is_empty() => {
            listed.problems.into_iter().next().map(|(_, error)| error)
        }
        Ok(_) => None,
        Err(error) => Some(error),
    };
    match error {
        Some(
            error @ (GitHubError::Network(_) | GitHubError::TimedOut | GitHubError::PutOff { .. }),
        ) => note(format!("this machine's clock was not compared with GitHub's: {error}")),
        // A refusal has a date, too.
        _ => judge(
            "GitHub's",
            client.skew(),
            "have it set by NTP; until then GitHub's time is reckoned with",
        ),
    }
}

/// Compares with the engine's clock, as it told when it was asked about itself.
pub(super) fn engine(engine: &Engine) -> Finding {
    compared(engine.info.system_time.as_deref(), engine.asked)
}

/// `asked`: when the question was put and when its answer was there.
fn compared(told: Option<&str>, (from, to): (Timestamp, Timestamp)) -> Finding {
    let Some(told) = told.and_then(|text| text.parse::<Timestamp>().ok()) else {
        return note("the Docker Engine does not tell its time");
    };
    // It was told at some moment in between: only what lies outside is a difference.
    let skew = if told < from {
        told.duration_since(from)
    } else if told > to {
        told.duration_since(to)
    } else {
        SignedDuration::ZERO
    };
    let hint = "have both machines' clocks set by NTP: a runner's deadline is reckoned by them";
    judge("the Docker Engine's", skew.as_secs(), hint)
}

/// `skew`: the other clock minus ours, in seconds.
fn judge(whose: &str, skew: i64, hint: &str) -> Finding {
    if skew.abs() < SKEW {
        return ok(format!("this machine's clock agrees with {whose}"));
    }
    let (by, side) = (skew.abs(), if skew > 0 { "behind" } else { "ahead of" });
    warning(format!("this machine's clock is {by} s {side} {whose}"), hint)
}

/// What is said where there is no credential to ask GitHub with.
pub(super) fn without_credential() -> Finding {
    note("this machine's clock was not compared with GitHub's: no credential is set")
}

#[cfg(test)]
mod tests {
    use mayfly_github::checkup::Level;

    use super::*;

    #[test]
    fn half_a_minute_is_too_much() {
        for (skew, level, words) in [
            (0, Level::Ok, "agrees with GitHub's"),
            (29, Level::Ok, "agrees with GitHub's"),
            (-29, Level::Ok, "agrees with GitHub's"),
            (30, Level::Warning, "30 s behind GitHub's"),
            (-3600, Level::Warning, "3600 s ahead of GitHub's"),
        ] {
            let found = judge("GitHub's", skew, "mend");
            assert_eq!((found.level, found.hint.is_some()), (level, level > Level::Ok));
            assert!(found.what.ends_with(words), "{}", found.what);
            assert!(found.hint.is_none_or(|hint| hint == "mend"));
        }
    }

    #[test]
    fn how_long_the_engine_takes_to_answer_is_no_difference() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let asked = (at("2026-01-01T12:00:00Z"), at("2026-01-01T12:01:00Z"));
        for (told, words) in [
            (Some("2026-01-01T12:00:45.1234Z"), "agrees"),
            (Some("2026-01-01T11:59:50Z"), "agrees"),
            (Some("2026-01-01T12:01:31Z"), "31 s behind the Docker Engine's"),
            (Some("2026-01-01T10:00:00+01:00"), "the Docker Engine's"),
            (Some("2026-01-01T11:59:31Z"), "agrees"),
            (Some("2026-01-01T11:59:30Z"), "30 s ahead of the Docker Engine's"),
            (Some("2026-01-01T12:01:29Z"), "agrees"),
            (Some("2026-01-01T12:01:30Z"), "30 s behind the Docker Engine's"),
            (Some("noon"), "does not tell"),
            (None, "does not tell"),
        ] {
            let found = compared(told, asked);
            assert!(found.what.contains(words), "{told:?}: {}", found.what);
            let hint =
                "have both machines' clocks set by NTP: a runner's deadline is reckoned by them";
            assert_eq!(found.hint.is_some(), words.contains("the Docker"), "{told:?}");
            assert!(found.hint.is_none_or(|found| found == hint));
        }
    }
}
