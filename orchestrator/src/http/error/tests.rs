//! Every error as a problem: its status, its kind, its words, and when to try again.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;

use super::*;
use crate::heard::Heard;

/// Status, kind without the prefix, detail, seconds to wait.
type Shown<'a> = (u16, &'a str, &'a str, Option<u64>);

fn shown(problem: &Problem) -> Shown<'_> {
    let kind = problem.kind.strip_prefix("urn:mayfly:problem:").unwrap();
    (problem.status, kind, problem.detail.as_deref().unwrap_or_default(), problem.retry_after)
}

fn name() -> RunnerName {
    RunnerName::parse("desk").unwrap()
}

#[test]
fn what_is_refused_says_why_and_whether_to_try_again() {
    let until: Timestamp = "2027-01-15T08:00:00Z".parse().unwrap();
    let text = || "words".to_owned();
    let github = RequestError::GitHub;
    let backend = |error| RequestError::Backend(Arc::new(error));
    let refused = RequestError::Refused;
    let timeout = SignedDuration::from_secs(300);
    let scope = "repo:o/r".parse().unwrap();
    let image = "The runner image is not on the host.";
    let rows: [(RequestError, Shown<'_>); 29] = [
        (
            refused(Refusal::NoSuchRunner(name())),
            (404, "not-found", "There is no runner desk.", None),
        ),
        (
            refused(Refusal::Busy(name())),
            (
                409,
                "runner-busy",
                "Runner desk is running a job. Wait for it, or delete it with force=true and lose the job.",
                None,
            ),
        ),
        (
            refused(Refusal::InHand(name())),
            (
                409,
                "runner-changing",
                "Runner desk is being started or removed at this moment. Try again when that is done.",
                None,
            ),
        ),
        (
            refused(Refusal::Unsure(name())),
            (
                503,
                "unavailable",
                "GitHub could not be asked whether runner desk is running a job. Try again.",
                Some(5),
            ),
        ),
        (
            refused(Refusal::NameTaken(name())),
            (409, "name-taken", "There is a runner desk already.", None),
        ),
        (
            refused(Refusal::Registered { name: name(), scope, timeout }),
            (
                409,
                "name-taken",
                "A runner named desk is registered at GitHub in repo:o/r, and no machine of ours has it. Choose another name, delete it at GitHub, or ask again when it has been offline for 300 s.",
                None,
            ),
        ),
        (
            refused(Refusal::AtCapacity { running: 3, max: 4, asked: 2 }),
            (
                409,
                "at-capacity",
                "3 of at most 4 runners exist; 2 more do not fit. MAX_RUNNERS sets the limit.",
                None,
            ),
        ),
        (refused(Refusal::NoRoom(text())), (409, "at-capacity", "There is no room: words.", None)),
        (
            refused(Refusal::Draining),
            (
                409,
                "draining",
                "The platform is draining: no runner is started. mayfly resume ends the drain.",
                None,
            ),
        ),
        (
            refused(Refusal::NoImage),
            (
                503,
                "unavailable",
                "The runner image is not on the host yet. Try again when it has been pulled.",
                Some(30),
            ),
        ),
        (
            github(GitHubError::NotFound),
            (
                404,
                "not-found",
                "GitHub knows no such repository or organisation, or does not show it to the configured token.",
                None,
            ),
        ),
        (
            github(GitHubError::Forbidden(text())),
            (403, "github-forbids", "GitHub forbids this (403): words", None),
        ),
        (
            github(GitHubError::NotInstalled(text())),
            (403, "github-forbids", "the App cannot act for words", None),
        ),
        (
            github(GitHubError::Conflict(text())),
            (409, "name-taken", "GitHub reports a conflict (409): words", None),
        ),
        (
            github(GitHubError::Invalid(text())),
            (422, "github-refuses", "GitHub refuses the request: words", None),
        ),
        (
            github(GitHubError::RateLimited { until, why: text() }),
            (
                503,
                "unavailable",
                "GitHub's rate limit is spent until 2027-01-15T08:00:00Z: words.",
                Some(5),
            ),
        ),
        (
            github(GitHubError::PutOff { until, why: text() }),
            (
                503,
                "unavailable",
                "GitHub is not asked before 2027-01-15T08:00:00Z: words.",
                Some(5),
            ),
        ),
        (
            github(GitHubError::Unauthorized),
            (
                502,
                "github-unavailable",
                "GitHub refuses the configured credential (401). `mayfly doctor github` checks it.",
                None,
            ),
        ),
        (
            github(GitHubError::Server(503)),
            (
                502,
                "github-unavailable",
                "GitHub answered with an error of its own. Try again later.",
                None,
            ),
        ),
        (
            github(GitHubError::Malformed(text())),
            (502, "github-unavailable", "GitHub's answer cannot be read; the log says why.", None),
        ),
        (
            github(GitHubError::Network(text())),
            (
                502,
                "github-unavailable",
                "GitHub cannot be reached. `mayfly doctor github` checks the way.",
                None,
            ),
        ),
        (
            github(GitHubError::TimedOut),
            (502, "github-unavailable", "GitHub did not answer in time. Try again later.", None),
        ),
        (
            backend(BackendError::NameTaken(name())),
            (409, "name-taken", "another machine is named desk already", None),
        ),
        (backend(BackendError::ImageMissing(text())), (503, "unavailable", image, Some(30))),
        (
            backend(BackendError::PullFailed { image: text(), reason: text() }),
            (503, "unavailable", image, Some(30)),
        ),
        (
            backend(BackendError::unreachable("Docker", text())),
            (503, "unavailable", "Docker cannot be reached.", Some(5)),
        ),
        (
            backend(BackendError::Refused { title: "Docker", what: "do it", reason: text() }),
            (500, "internal", "The log has the reason under this request's id.", None),
        ),
        (
            RequestError::Store(Arc::new(StoreError::Full)),
            (
                503,
                "unavailable",
                "The database cannot be read. Jobs are served all the same.",
                Some(5),
            ),
        ),
        (RequestError::Unavailable(text()), (503, "unavailable", "words", Some(5))),
    ];
    for (error, expected) in rows {
        let (heard, _guard) = Heard::begin();
        let Failure(problem) = error.clone().into();
        assert_eq!(shown(&problem), expected, "{error:?}");
        let logged = heard.lines("request failed: ");
        assert_eq!(logged.len(), usize::from(expected.0 >= 500), "{logged:?}");
        assert!(logged.iter().all(|line| line.contains(&error.to_string())), "{logged:?}");
    }
}

#[test]
fn a_change_of_a_pool_that_is_not_made_says_why() {
    let pool = || PoolName::parse("ci").unwrap();
    let wrong = FieldError { pointer: "/max".to_owned(), detail: "must be less".to_owned() };
    let rows: [(BookError, Shown<'_>); 7] = [
        (BookError::NotFound(pool()), (404, "not-found", "There is no pool ci.", None)),
        (BookError::Exists(pool()), (409, "name-taken", "There is a pool ci already.", None)),
        (
            BookError::Reserved,
            (
                409,
                "reserved",
                "Pool default is made from the orchestrator's environment; change it there.",
                None,
            ),
        ),
        (
            BookError::Stale { name: pool(), current: 7 },
            (
                412,
                "changed-meanwhile",
                "Pool ci was modified concurrently: its revision is now 7. Fetch it again and retry.",
                None,
            ),
        ),
        (BookError::Invalid(vec![wrong.clone()]), (422, "invalid-request", "", None)),
        (
            BookError::Unusable(StoreError::Damaged),
            (
                409,
                "database-unusable",
                "Pools cannot be changed: it is damaged, or not a database; move it away to begin a new one.",
                None,
            ),
        ),
        (
            BookError::Store(StoreError::Full),
            (
                503,
                "unavailable",
                "The database cannot be written, so nothing was changed. Jobs are served all the same.",
                Some(5),
            ),
        ),
    ];
    for (error, expected) in rows {
        let words = error.to_string();
        let Failure(problem) = error.into();
        assert_eq!(shown(&problem), expected, "{words}");
        let errors = if problem.status == 422 { vec![wrong.clone()] } else { Vec::new() };
        assert_eq!(problem.errors, errors, "{words}");
    }
}

#[test]
fn what_the_service_itself_cannot_do_says_so() {
    let Failure(unreadable) = Failure::unreadable(StoreError::Full);
    let words = "The database cannot be read. Jobs are served all the same.";
    assert_eq!(shown(&unreadable), (503, "unavailable", words, Some(5)));
    assert_eq!(unreadable.title, "This cannot be done now");
    let large = too_large();
    assert_eq!(shown(&large), (413, "too-large", "At most 64 KiB.", None));
    assert_eq!(large.title, "The request body is too large");
    for panic in [Box::new("text") as Box<dyn Any + Send>, Box::new("text".to_owned()), Box::new(7)]
    {
        assert_eq!(panicked(panic).status(), 500);
    }
}
