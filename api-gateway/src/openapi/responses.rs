//! The errors that several operations share, as types for their lists of responses. The body of an error need not be described: that it
//! is a problem, [`complete`](super::complete) adds.

use std::collections::BTreeMap;

use mayfly_common::problem::{PROBLEM_JSON, Problem};
use serde_json::json;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema as _};

type Responses = BTreeMap<String, RefOr<Response>>;

/// The errors any guarded operation can answer with.
pub(crate) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> Responses {
        let known = [
            ("401", "No valid key was sent."),
            (
                "403",
                "No key is asked for here, and the request came from a page of another origin.",
            ),
            (
                "421",
                "No key is asked for here, and the request names a host that is neither localhost, an address, nor in PUBLIC_HOSTS.",
            ),
            ("422", "A parameter or field is wrong; `errors` lists each."),
            ("429", "Too many requests: wait for as long as `Retry-After` says."),
            ("500", "Something went wrong in the gateway."),
            (
                "502",
                "GitHub did not do its part (`type` ends with `github-unavailable`), or the orchestrator did not answer properly.",
            ),
            (
                "503",
                "This cannot be done now: try again after `Retry-After`. `type` says whether the orchestrator is not available, or what it waits for.",
            ),
            ("504", "The orchestrator took too long."),
            ("default", "Any other error."),
        ];
        known.map(|(status, text)| (status.to_owned(), with_example(text).into())).into()
    }
}

/// The errors of an operation on one runner.
pub(crate) struct NoSuchRunner;

impl IntoResponses for NoSuchRunner {
    fn responses() -> Responses {
        responses([("404", "There is no such runner.")])
    }
}

/// The errors of an operation on one pool.
pub(crate) struct NoSuchPool;

impl IntoResponses for NoSuchPool {
    fn responses() -> Responses {
        responses([("404", "There is no such pool.")])
    }
}

/// The errors of an operation that changes or deletes one pool.
pub(crate) struct PoolChangeRefused;

impl IntoResponses for PoolChangeRefused {
    fn responses() -> Responses {
        let mut all = responses([
            ("409", "It is the pool of the environment, or the database cannot be used."),
            ("412", "The pool was modified concurrently."),
        ]);
        all.extend(NoSuchPool::responses());
        all
    }
}

/// The errors of an operation with a JSON body.
pub(crate) struct JsonBodyRefused;

impl IntoResponses for JsonBodyRefused {
    fn responses() -> Responses {
        responses([
            ("400", "The body is not JSON."),
            ("408", "The body did not arrive in time."),
            ("413", "The body is larger than 64 KiB."),
            ("415", "The body is not marked as `application/json`."),
        ])
    }
}

fn responses<const N: usize>(known: [(&str, &str); N]) -> Responses {
    let response = |text| ResponseBuilder::new().description(text).build();
    known.map(|(status, text)| (status.to_owned(), response(text).into())).into()
}

fn with_example(description: &str) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Problem::name())))
        .example(Some(json!({
            "type": "urn:mayfly:problem:invalid-request",
            "title": "The request is not valid",
            "status": 422,
            "errors": [{"pointer": "/scope_name", "detail": "must have the form owner/repo"}],
        })))
        .build();
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
}
