//! Points, nodes, depth, and the bucket that is GraphQL's own.

use std::fmt::Write as _;

use github_sim::world::tokens::{Allowance, Resource, Secondary};
use serde_json::{Value, json};

use super::{answer, data, errors, pair, reply};
use crate::support::{get, sim};

#[tokio::test]
async fn points_come_from_a_bucket_of_their_own() {
    let (sim, clock) = sim().await;
    let cheap = "{ rateLimit { cost limit remaining used resetAt nodeCount } }";
    let first = reply(&sim, cheap, &json!({})).await;
    assert_eq!(
        first.json()["data"]["rateLimit"],
        json!({"cost": 1, "limit": 5000, "remaining": 4999, "used": 1, "resetAt": "2026-11-21T01:00:00Z", "nodeCount": 0})
    );
    let header = |name: &str| first.header(&format!("x-ratelimit-{name}")).to_owned();
    let headers = ["resource", "limit", "remaining", "used", "reset"].map(header);
    assert_eq!(headers, ["graphql", "5000", "4999", "1", &(1_795_219_200 + 3600).to_string()]);
    assert!(!first.header("x-github-request-id").is_empty());

    let dear = "{ viewer { repositories(first: 100) { nodes { issues(first: 50) { nodes { labels(first: 60) { totalCount } } } } } }
        rateLimit { cost nodeCount } }";
    let found = answer(&sim, dear, json!({})).await;
    assert_eq!(found["data"]["rateLimit"], json!({"cost": 51, "nodeCount": 100 + 5_000 + 300_000}));

    let limits = get(&sim, "/rate_limit").await.json();
    let used = |resource: &str| limits["resources"][resource]["used"].as_u64().unwrap();
    assert_eq!((used("graphql"), used("core")), (52, 0));
    get(&sim, "/user").await;
    clock.advance(jiff::SignedDuration::from_hours(1));
    let again = data(&sim, cheap, json!({})).await;
    assert_eq!(again["rateLimit"]["remaining"], 4999);
}

#[tokio::test]
async fn who_has_no_points_left_is_told_in_an_answer() {
    let (sim, clock) = sim().await;
    let reset = clock.now().saturating_add(jiff::SignedDuration::from_mins(30)).unwrap();
    let set = Allowance { limit: 5_000, used: 4_999, reset };
    sim.with(|world| world.tokens.set_allowance("t", Resource::Graphql, set));
    let query = "{ rateLimit { remaining } }";
    assert_eq!(data(&sim, query, json!({})).await["rateLimit"]["remaining"], 0);
    assert_eq!(sim.counters().hammered, 0);
    let spent = reply(&sim, query, &json!({})).await;
    assert_eq!((spent.status, spent.header("x-ratelimit-remaining")), (200, "0"));
    let body = spent.json();
    assert_eq!((errors(&body), body.get("data")), (vec![pair("RATE_LIMITED", "")], None));
    let message = body["errors"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("API rate limit exceeded for user ID "), "{message}");
    assert_eq!(sim.counters().hammered, 1, "it had been told that nothing was left");
    assert_eq!(get(&sim, "/user").await.status, 200, "REST has its own");
    clock.advance(jiff::SignedDuration::from_mins(30));
    assert_eq!(data(&sim, query, json!({})).await["rateLimit"]["remaining"], 4_999);
}

#[tokio::test]
async fn secondary_limits_count_questions() {
    let (sim, _) = sim().await;
    let limits = Secondary { graphql_points: Some(2), retry_after: 7, ..Secondary::default() };
    sim.with(|world| world.tokens.set_secondary(limits));
    let ask = || reply(&sim, "{ viewer { login } }", &Value::Null);
    assert_eq!((ask().await.status, ask().await.status), (200, 200));
    let refused = ask().await;
    assert_eq!((refused.status, refused.header("retry-after")), (403, "7"));
    assert!(refused.json()["message"].as_str().unwrap().contains("secondary rate limit"));
}

#[tokio::test]
async fn pages_are_asked_for_by_one_to_a_hundred() {
    let (sim, _) = sim().await;
    for (arguments, kind) in [
        ("", "MISSING_PAGINATION_BOUNDARIES"),
        ("(first: 101)", "EXCESSIVE_PAGINATION"),
        ("(last: 1000)", "EXCESSIVE_PAGINATION"),
        ("(first: 0)", "ARGUMENT_ERROR"),
        ("(last: -1)", "ARGUMENT_ERROR"),
        ("(first: 1, last: 1)", "ARGUMENT_ERROR"),
    ] {
        let query = format!(
            "{{ organization(login: \"octo-org\") {{ repositories{arguments} {{ totalCount }} }} }}"
        );
        let reply = reply(&sim, &query, &json!({})).await;
        assert_eq!(reply.status, 200);
        let body = reply.json();
        assert_eq!(errors(&body), [pair(kind, "organization.repositories")]);
        assert_eq!(body["data"], json!({"organization": null}), "the list itself may not be null");
    }
}

#[tokio::test]
async fn what_asks_for_too_much_is_refused_as_a_whole() {
    let (sim, _) = sim().await;
    let many = "{ viewer { repositories(first: 100) { nodes { issues(first: 100) { nodes { labels(first: 60) { totalCount } } } } } } }";
    let refused = reply(&sim, many, &json!({})).await.json();
    assert_eq!(
        (errors(&refused), refused.get("data")),
        (vec![pair("MAX_NODE_LIMIT_EXCEEDED", "")], None)
    );
    let message = "This query requests up to 610,100 possible nodes which exceeds the maximum limit of 500,000.";
    assert_eq!(refused["errors"][0]["message"], message);

    let nested = |levels: usize| {
        let mut selection = "oid".to_owned();
        for _ in 0..levels {
            selection = format!("... on Tree {{ entries {{ object {{ {selection} }} }} }}");
        }
        format!(
            "{{ repository(owner: \"octo-org\", name: \"tools\") {{ object(expression: \"HEAD:\") {{ {selection} }} }} }}"
        )
    };
    let deep = data(&sim, &nested(45), json!({})).await;
    assert!(deep["repository"]["object"]["entries"][0]["object"]["entries"].is_array());
    let deeper = reply(&sim, &nested(60), &json!({})).await.json();
    assert_eq!(
        (errors(&deeper), deeper.get("data")),
        (vec![pair("RESOURCE_LIMITS_EXCEEDED", "")], None)
    );
    for levels in [500, 20_000] {
        let deepest = reply(&sim, &nested(levels), &json!({})).await;
        let body = deepest.json();
        assert_eq!((deepest.status, body.get("data")), (200, None), "{levels}");
    }

    let mut doubling = "{ viewer { ...F0 } }".to_owned();
    for index in 0..40 {
        let next = index + 1;
        write!(doubling, " fragment F{index} on User {{ a: organization(login: \"x\") {{ ...G{next} }} b: organization(login: \"y\") {{ ...G{next} }} }} fragment G{next} on Organization {{ repository(name: \"z\") {{ owner {{ ...F{next} }} }} }}").unwrap();
    }
    doubling += " fragment F40 on User { login }";
    let refused = reply(&sim, &doubling, &json!({})).await.json();
    assert_eq!(
        (errors(&refused), refused.get("data")),
        (vec![pair("RESOURCE_LIMITS_EXCEEDED", "")], None)
    );
}
