use super::*;

#[test]
fn every_error_says_what_it_is_and_what_follows_from_it() {
    let until = Timestamp::from_second(1_800_000_000).unwrap();
    let text = || "x y".to_owned();
    // Whether the same request may pass in a moment, whether it is about its subject alone, whether it is an answer, whether it is a
    // wait.
    let rows = [
        (
            GitHubError::Unauthorized,
            [false, false, false, false],
            "GitHub does not accept the credential (401); check the token, or the App's id and key",
        ),
        (
            GitHubError::Forbidden(text()),
            [false, true, true, false],
            "GitHub forbids this (403): x y",
        ),
        (
            GitHubError::RateLimited { until, why: text() },
            [false, false, false, true],
            "GitHub's rate limit is spent until 2027-01-15T08:00:00Z: x y",
        ),
        (
            GitHubError::PutOff { until, why: text() },
            [false, false, false, true],
            "put off until 2027-01-15T08:00:00Z: x y",
        ),
        (
            GitHubError::NotInstalled(text()),
            [false, true, false, false],
            "the App cannot act for x y",
        ),
        (
            GitHubError::NotFound,
            [false, true, true, false],
            "GitHub does not know it, or does not show it to this credential (404)",
        ),
        (
            GitHubError::Conflict(text()),
            [false, true, true, false],
            "GitHub reports a conflict (409): x y",
        ),
        (
            GitHubError::Invalid(text()),
            [false, true, true, false],
            "GitHub refuses the request: x y",
        ),
        (GitHubError::Server(503), [true, false, false, false], "GitHub has trouble (503)"),
        (
            GitHubError::Malformed(text()),
            [true, false, true, false],
            "GitHub's answer cannot be read: x y",
        ),
        (
            GitHubError::Network(text()),
            [true, false, false, false],
            "GitHub cannot be reached: x y",
        ),
        (
            GitHubError::TimedOut,
            [false, false, false, false],
            "GitHub cannot be reached: no answer in time",
        ),
    ];
    for (error, expected, words) in rows {
        let found = [error.may_pass(), error.is_local(), error.is_answer(), error.is_wait()];
        assert_eq!((found, error.to_string().as_str()), (expected, words));
    }
}

#[test]
fn what_was_not_sent_is_told_from_what_was_refused_and_from_what_did_not_arrive() {
    use Unanswered::{NotFound, PutOff, Refused, Unreachable};
    let until = Timestamp::from_second(1_800_000_000).unwrap();
    let why = || "why".to_owned();
    let rows = [
        (GitHubError::PutOff { until, why: why() }, PutOff),
        (GitHubError::RateLimited { until, why: why() }, PutOff),
        (GitHubError::NotFound, NotFound),
        (GitHubError::Forbidden(why()), Refused),
        (GitHubError::Conflict(why()), Refused),
        (GitHubError::Invalid(why()), Refused),
        (GitHubError::Malformed(why()), Refused),
        (GitHubError::Unauthorized, Unreachable),
        (GitHubError::NotInstalled(why()), Unreachable),
        (GitHubError::Server(502), Unreachable),
        (GitHubError::Network(why()), Unreachable),
        (GitHubError::TimedOut, Unreachable),
    ];
    for (error, expected) in rows {
        assert_eq!(error.unanswered(), expected, "{error}");
    }
}
