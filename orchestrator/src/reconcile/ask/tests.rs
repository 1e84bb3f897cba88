//! What an error means for a look, and how a runner is known to the ledger.

use mayfly_common::registration::RunnerId;

use super::super::testing::{at, instance, scope};
use super::*;

#[test]
fn a_look_that_was_not_sent_is_no_failure_and_one_that_was_refused_is_an_answer() {
    let until = at(60);
    let rows = [
        (GitHubError::PutOff { until, why: "why".to_owned() }, Looked::PutOff),
        (GitHubError::RateLimited { until }, Looked::PutOff),
        (GitHubError::NotFound, Looked::Answered),
        (GitHubError::Forbidden("why".to_owned()), Looked::Answered),
        (GitHubError::Malformed("why".to_owned()), Looked::Answered),
        (GitHubError::Server(502), Looked::Failed),
        (GitHubError::TimedOut, Looked::Failed),
        (GitHubError::Unauthorized, Looked::Failed),
    ];
    for (error, expected) in rows {
        assert_eq!(looked(&error), expected, "{error}");
    }
}

#[test]
fn a_runner_is_known_by_its_name_its_pool_its_place_and_its_beginning() {
    let machine = Instance { github_id: Some(RunnerId(1)), ..instance("r-1") };
    let expected = Worker {
        runner: "r-1".to_owned(),
        pool: "ci".to_owned(),
        scope: scope("org:octo-org"),
        created_at: at(-100),
    };
    assert_eq!(worker(&machine), expected);
}
