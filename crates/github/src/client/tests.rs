use std::collections::BTreeSet;

use mayfly_common::clock::SystemClock;
use mayfly_common::registration::RunnerId;
use mayfly_common::scope::RepoSlug;
use serde_json::json;

use super::*;
use crate::budget::Resource;
use crate::hooks::{HookPlace, KnownHook};
use crate::stand_in::{NOW, StandIn, at, no, ok, silence, told};
use crate::traffic::RouteLabels;

fn thing(client: &GitHubClient, priority: Priority) -> Call {
    client.call(Who::User, priority, "/thing/{id}", &["1"], &[])
}

async fn read(client: &GitHubClient) -> Result<Value, GitHubError> {
    client.get::<Value>(&thing(client, Priority::Demand)).await
}

fn malformed(what: &str) -> GitHubError {
    GitHubError::Malformed(what.to_owned())
}

/// How many requests ended so, by outcome.
fn counted(client: &GitHubClient) -> Vec<(&'static str, u64)> {
    let outcomes = ["done", "unchanged", "refused", "limited", "failed", "unreachable"];
    let count = |outcome| {
        let labels = RouteLabels { route: "/thing/{id}", outcome };
        let count = client.traffic().by_route().get(&labels).map(|counter| counter.get());
        count.map(|count| (outcome, count))
    };
    outcomes.into_iter().filter_map(count).collect()
}

#[tokio::test]
async fn a_request_says_who_asks_for_what_and_names_the_version_that_is_held() {
    let held = || ok(&json!({"a": 1})).with("etag", "\"v1\"");
    let script = vec![held(), told(304, ""), ok(&json!({"a": 2}))];
    let github = StandIn::new([("GET /thing/1", script)]).await;
    let client = github.client();
    for expected in [1, 1, 2] {
        assert_eq!(read(&client).await, Ok(json!({ "a": expected })));
    }
    let asked = github.asked();
    for request in &asked {
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap());
        let sent = ["authorization", "accept", "x-github-api-version", "user-agent"].map(header);
        let agent = format!("mayfly/{}", env!("CARGO_PKG_VERSION"));
        let expected =
            ["Bearer t", "application/vnd.github+json", "2022-11-28", agent.as_str()].map(Some);
        assert_eq!(sent, expected);
    }
    let versions = asked.iter().map(|one| one.headers.get("if-none-match").cloned());
    let v1 = Some(http::HeaderValue::from_static("\"v1\""));
    assert_eq!(versions.collect::<Vec<_>>(), [None, v1.clone(), v1]);
    assert_eq!(counted(&client), [("done", 2), ("unchanged", 1)]);
    assert_eq!((client.traffic().sent(), client.traffic().unchanged()), (3, 1));
}

#[tokio::test]
async fn a_304_that_was_not_asked_for_is_no_answer() {
    let github = StandIn::new([("GET /thing/1", vec![told(304, "")])]).await;
    let refused = GitHubError::Invalid("status 304".to_owned());
    assert_eq!(read(&github.client()).await, Err(refused));
}

#[tokio::test]
async fn what_may_pass_is_sent_again_so_often_and_what_makes_something_is_not() {
    let bad = || no(502, "");
    let fine = || ok(&json!({}));
    let get = "GET /thing/1";
    let rows = [
        (get, vec![bad(), bad(), fine()], Ok(()), 3),
        (get, vec![bad(), bad(), bad(), fine()], Err(GitHubError::Server(502)), 3),
        (get, vec![no(404, ""), fine()], Err(GitHubError::NotFound), 1),
        (get, vec![no(403, "No"), fine()], Err(GitHubError::Forbidden("No".to_owned())), 1),
        // One 401 may pass by itself, whatever is sent; a second one is the verdict.
        (get, vec![no(401, ""), fine()], Ok(()), 2),
        (get, vec![no(401, ""), no(401, ""), fine()], Err(GitHubError::Unauthorized), 2),
        ("POST /thing/1", vec![bad(), fine()], Err(GitHubError::Server(502)), 1),
        ("POST /thing/1", vec![no(401, ""), fine()], Ok(()), 2),
        ("DELETE /thing/1", vec![bad(), fine()], Ok(()), 2),
        ("PATCH /thing/1", vec![bad(), fine()], Ok(()), 2),
        ("POST /graphql", vec![bad(), fine()], Ok(()), 2),
    ];
    for (line, script, expected, requests) in rows {
        let github = StandIn::new([(line, script)]).await;
        let client = github.client_with(|settings| settings.retries = 2);
        let method: Method = line.split(' ').next().unwrap().parse().unwrap();
        let call = match line {
            "POST /graphql" => client.graphql_call(Who::User, Priority::Job),
            _ => thing(&client, Priority::Job),
        };
        let outcome = client.send(method, &call, None, None).await.map(drop);
        assert_eq!((outcome, github.lines().len()), (expected, requests), "{line}");
    }
}

#[tokio::test]
async fn how_a_request_ended_is_counted() {
    let rows = [
        (no(404, ""), "refused"),
        (no(500, ""), "failed"),
        (no(429, ""), "limited"),
        (silence(), "unreachable"),
    ];
    for (answer, outcome) in rows {
        let github = StandIn::new([("GET /thing/1", vec![answer])]).await;
        let client = github.client_with(|settings| settings.timeout = Duration::from_millis(200));
        assert!(read(&client).await.is_err());
        assert_eq!(counted(&client), [(outcome, 1)]);
    }
}

#[tokio::test]
async fn an_answer_is_read_up_to_eight_megabytes() {
    let most = 8 * 1024 * 1024;
    let text = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    let script = vec![told(200, text(most)), told(200, text(most + 1))];
    let github = StandIn::new([("GET /thing/1", script)]).await;
    let client = github.client();
    assert!(read(&client).await.is_ok());
    assert_eq!(read(&client).await, Err(malformed("it is larger than 8388608 bytes")));
}

#[tokio::test]
async fn what_cannot_be_read_is_told_in_a_line() {
    let script = vec![told(200, " \n<html>"), told(200, "[1,")];
    let github = StandIn::new([("GET /thing/1", script)]).await;
    let client = github.client();
    assert_eq!(read(&client).await, Err(malformed("it is HTML")));
    let cut = "EOF while parsing a value at line 1 column 3";
    assert_eq!(read(&client).await, Err(malformed(cut)));
    assert_eq!(decode::<String>(b"\"a\xff\""), Ok("a\u{fffd}".to_owned()));
}

#[tokio::test]
async fn the_headers_of_an_answer_tell_what_is_left() {
    let limited = ok(&json!({}))
        .with("x-ratelimit-limit", "5000")
        .with("x-ratelimit-remaining", "4321")
        .with("x-ratelimit-reset", (NOW + 1_800).to_string());
    let partly = ok(&json!({})).with("x-ratelimit-limit", "10").with("x-ratelimit-remaining", "1");
    let github = StandIn::new([("GET /thing/1", vec![limited, partly])]).await;
    let client = github.client();
    let known = crate::budget::Limit { limit: 5_000, remaining: 4_321, reset: at(1_800) };
    for _ in 0..2 {
        read(&client).await.unwrap();
        assert_eq!(client.budget().limits(at(0)), [(Account::User, Resource::Core, known)]);
    }
}

#[tokio::test]
async fn an_unchanged_answer_costs_nothing_and_a_lost_one_may_have_cost_something() {
    let full = ok(&json!({})).with("etag", "\"v\"");
    let few = |answer: crate::stand_in::Told| {
        answer
            .with("x-ratelimit-limit", "5000")
            .with("x-ratelimit-remaining", "520")
            .with("x-ratelimit-reset", (NOW + 1_000).to_string())
    };
    let script = vec![few(full), few(told(304, "")), silence()];
    let github = StandIn::new([("GET /thing/1", script)]).await;
    let client = github.client_with(|settings| settings.timeout = Duration::from_millis(200));
    read(&client).await.unwrap();
    client.budget().check_began();
    read(&client).await.unwrap();
    let second = SignedDuration::from_secs(1);
    assert_eq!(client.budget().stretch(second, at(0)), second, "nothing was spent");
    assert_eq!(read(&client).await, Err(GitHubError::TimedOut));
    // One of the 500 beyond the reserve, in 1,000 seconds.
    assert_eq!(client.budget().stretch(second, at(0)), SignedDuration::from_secs(2));
}

#[tokio::test]
async fn changing_something_costs_five_times_as_much_as_reading() {
    let rows = [
        ("GET /thing/1", Resource::Core, 854),
        ("DELETE /thing/1", Resource::Core, 850),
        ("PATCH /thing/1", Resource::Core, 850),
        ("POST /thing/1", Resource::Core, 850),
        ("POST /graphql", Resource::Graphql, 1_899),
    ];
    // How many of 855 points a minute, or of 1,900, are left for jobs.
    for (line, resource, left) in rows {
        let github = StandIn::new([(line, vec![ok(&json!({}))])]).await;
        let client = github.client();
        let call = match resource {
            Resource::Core => thing(&client, Priority::Job),
            Resource::Graphql => client.graphql_call(Who::User, Priority::Job),
        };
        let method = line.split(' ').next().unwrap().parse().unwrap();
        client.send(method, &call, None, None).await.unwrap();
        let may = |points| {
            let mut budget = client.budget().clone();
            budget.admit(Account::User, resource, Priority::Job, points, at(0)).is_ok()
        };
        assert_eq!((may(left), may(left + 1)), (true, false), "{line}");
    }
}

#[tokio::test]
async fn a_request_that_is_broken_off_does_not_count_for_ever() {
    let few = ok(&json!({}))
        .with("x-ratelimit-limit", "5000")
        .with("x-ratelimit-remaining", "21")
        .with("x-ratelimit-reset", (NOW + 1_000).to_string());
    let github = StandIn::new([("GET /thing/1", vec![few.clone(), silence(), few])]).await;
    let client = github.client();
    read(&client).await.unwrap();
    let soon = tokio::time::timeout(Duration::from_millis(200), read(&client)).await;
    assert!(soon.is_err(), "no answer yet");
    // 20 are kept for registrations, so that there is room for one at a time.
    assert_eq!(read(&client).await, Ok(json!({})));
}

#[tokio::test]
async fn while_github_hangs_nothing_else_is_tried_for_ten_seconds() {
    let github = StandIn::new([("GET /thing/1", vec![silence(), ok(&json!({}))])]).await;
    let client = github.client_with(|settings| settings.timeout = Duration::from_millis(200));
    assert_eq!(client.hanging_until(), None);
    assert_eq!(read(&client).await, Err(GitHubError::TimedOut));
    assert_eq!(client.hanging_until(), Some(at(10)));
    github.clock.set(9);
    let why = "GitHub did not answer another request in time".to_owned();
    assert_eq!(read(&client).await, Err(GitHubError::PutOff { until: at(10), why }));
    assert_eq!(github.lines().len(), 1);
    github.clock.set(10);
    assert_eq!(client.hanging_until(), None);
    assert_eq!(read(&client).await, Ok(json!({})));
}

#[tokio::test]
async fn the_clock_of_github_counts_where_it_differs() {
    let dated = |date: &str| no(404, "").with("date", date);
    let rows = [
        ("Fri, 15 Jan 2027 08:00:02 GMT", 0),
        ("Fri, 15 Jan 2027 07:59:58 GMT", 0),
        ("Fri, 15 Jan 2027 08:00:03 GMT", 3),
        ("no date", 3),
        ("Fri, 15 Jan 2027 07:59:57 GMT", -3),
    ];
    let script = rows.map(|(date, _)| dated(date)).to_vec();
    let github = StandIn::new([("GET /thing/1", script)]).await;
    let client = github.client();
    assert_eq!(client.answered_at(), None);
    for (date, skew) in rows {
        assert_eq!(read(&client).await, Err(GitHubError::NotFound));
        assert_eq!((client.skew(), client.now()), (skew, at(skew)), "{date}");
        assert_eq!(client.answered_at(), Some(at(0)), "by our own clock");
    }
}

#[tokio::test]
async fn what_moved_is_followed_three_times_on_the_same_host() {
    let to = |place: &str| told(301, "").with("location", place);
    let elsewhere = StandIn::new([("GET /x", vec![ok(&json!({}))])]).await;
    let script = [
        ("GET /thing/1", vec![to("/2"), to("/0"), to(elsewhere.url.join("x").unwrap().as_str())]),
        ("GET /0", vec![to("/1")]),
        ("GET /1", vec![to("/2")]),
        ("GET /2", vec![to("/3")]),
        ("GET /3", vec![ok(&json!({}))]),
    ];
    let github = StandIn::new(script).await;
    let client = github.client();
    let refused = Err(GitHubError::Invalid("status 301".to_owned()));
    assert!(!client.take_moved());
    assert_eq!(read(&client).await, Ok(json!({})));
    assert!(github.asked().iter().all(|one| one.headers["authorization"] == "Bearer t"));
    assert_eq!((client.take_moved(), client.take_moved()), (true, false));
    assert_eq!(read(&client).await, refused, "four are too many");
    assert_eq!(read(&client).await, refused, "another host");
    assert!(elsewhere.lines().is_empty(), "the credential goes nowhere else");
    assert!(!client.take_moved());
}

#[tokio::test]
async fn what_moved_and_did_not_change_counts_once_for_each_place() {
    let to = |place: &str| told(301, "").with("location", place);
    let script = [
        (
            "GET /thing/1",
            vec![ok(&json!({"a": 1})).with("etag", "\"v1\""), to("/2"), to("/2"), to("/3")],
        ),
        ("GET /2", vec![told(304, ""), told(304, "")]),
        ("GET /3", vec![told(304, "")]),
    ];
    let github = StandIn::new(script).await;
    let client = github.client();
    for moved in [false, true, false, true] {
        assert_eq!(read(&client).await, Ok(json!({"a": 1})));
        assert_eq!(client.take_moved(), moved, "{:?}", github.lines());
    }
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_not_sent() {
    let github = StandIn::new([("GET /thing/1", vec![ok(&json!({}))])]).await;
    let client = github.client_with(|settings| {
        settings.credential = Credential::Token("a\nb".to_owned().into());
    });
    assert_eq!(read(&client).await, Err(GitHubError::Unauthorized));
    assert!(github.lines().is_empty());
}

#[test]
fn the_settings_of_a_service_are_half_a_minute_and_two_repetitions() {
    let credential = Credential::Token("t".to_owned().into());
    let made = GitHubSettings::new(Url::parse("http://h").unwrap(), credential, None);
    assert_eq!((made.timeout, made.retries), (Duration::from_secs(30), 2));
}

/// A page of so many runners, the first of which has this id.
fn runners(first: usize, count: usize, total: usize) -> Value {
    let list: Vec<_> = (first..first + count)
        .map(|id| json!({"id": id, "name": "r", "status": "online"}))
        .collect();
    json!({"total_count": total, "runners": list})
}

#[tokio::test]
async fn a_list_is_read_to_its_end_and_again_if_it_changed_meanwhile() {
    let scope = "repo:o/r".parse().unwrap();
    let (first, second) = (
        "GET /repos/o/r/actions/runners?per_page=100",
        "GET /repos/o/r/actions/runners?per_page=100&page=2",
    );
    let third = "GET /repos/o/r/actions/runners?per_page=100&page=3";
    let page = |first, count, total| ok(&runners(first, count, total));
    // What the pages hold and of how many; what is read in the end, and in how many requests.
    let rows = [
        // A full page without a word has another after it, and one that is not full has none.
        (vec![page(0, 100, 100)], vec![page(0, 0, 100)], 100, 2),
        (vec![page(0, 99, 99)], vec![], 99, 1),
        (vec![page(0, 100, 101)], vec![page(100, 1, 101)], 101, 2),
        // The first page alone may say what it likes of the number.
        (vec![page(0, 99, 150)], vec![], 99, 1),
        // One is missing: it is read once more, and no more than that.
        (vec![page(0, 100, 102)], vec![page(100, 1, 102), page(100, 2, 102)], 102, 4),
        (vec![page(0, 100, 109)], vec![page(100, 1, 109)], 101, 4),
    ];
    for (one, two, expected, requests) in rows {
        let mut script = vec![(first, one)];
        script.extend((!two.is_empty()).then_some((second, two)));
        let github = StandIn::new(script).await;
        let found = github.client().registrations(&scope).await.unwrap();
        assert_eq!((found.list.len(), github.lines().len()), (expected, requests));
        assert!(found.whole);
    }
    // Where a header tells of the next page, it counts.
    let linked = |number: u32| {
        format!("</repos/o/r/actions/runners?per_page=100&page={number}>; rel=\"next\"")
    };
    let script = [
        (first, vec![ok(&runners(0, 1, 3)).with("link", linked(2))]),
        (second, vec![ok(&runners(1, 1, 3)).with("link", linked(3))]),
        (third, vec![ok(&runners(2, 1, 3)).with("link", "</>; rel=\"first\"")]),
    ];
    let github = StandIn::new(script).await;
    assert_eq!(github.client().registrations(&scope).await.unwrap().list.len(), 3);
    assert_eq!(github.lines(), [first, second, third]);
}

#[tokio::test]
async fn a_list_without_an_end_is_an_error() {
    let line = "GET /repos/o/r/actions/runners?per_page=100";
    let own = "</repos/o/r/actions/runners?per_page=100>; rel=\"next\"";
    let github = StandIn::new([(line, vec![ok(&runners(0, 1, 1)).with("link", own)])]).await;
    let found = github.client().registrations(&"repo:o/r".parse().unwrap()).await;
    assert_eq!(found, Err(malformed("a list has more than 200 pages")));
    assert_eq!(github.lines().len(), 200);
}

#[tokio::test]
async fn what_cannot_be_read_of_a_list_is_told_until_it_can_be() {
    let odd = json!({"total_count": 2, "runners": [{"id": 7}, {"id": 8, "name": "r"}]});
    let fine = json!({"total_count": 1, "runners": []});
    let script = vec![ok(&odd).with("etag", "\"v\""), told(304, ""), ok(&fine)];
    let line = "GET /repos/o/r/actions/runners?per_page=100";
    let github = StandIn::new([(line, script)]).await;
    let (client, scope) = (github.client(), "repo:o/r".parse().unwrap());
    for second in [0, 3_599] {
        github.clock.set(second);
        let found = client.registrations(&scope).await.unwrap();
        assert_eq!((found.list.len(), found.whole), (1, false), "{second}");
    }
    let told = "GitHub's list /repos/o/r/actions/runners: an entry cannot be read and is left out: id 7: missing field `name`";
    assert_eq!(client.oddities(), [told]);
    assert!(client.registrations(&scope).await.unwrap().whole);
    assert!(client.oddities().is_empty());
}

/// What is asked with so few of 5,000 requests left that only these kinds may.
#[tokio::test]
async fn each_request_is_as_urgent_as_what_it_is_for() {
    use Priority::{Demand, Discovery, Job, Upkeep};
    let kinds = [(1, Job), (21, Demand), (501, Discovery), (1_251, Upkeep)];
    let asked = async |what: &str, remaining: u64| -> Result<(), GitHubError> {
        let few = ok(&json!({"id": 1, "token": "x", "expires_at": at(9_999).to_string()}))
            .with("x-ratelimit-limit", "5000")
            .with("x-ratelimit-remaining", remaining.to_string())
            .with("x-ratelimit-reset", (NOW + 1_000).to_string());
        let github = StandIn::new([("GET /thing/1", vec![few])]).await;
        let client = github.client();
        client.get::<Value>(&thing(&client, Job)).await.unwrap();
        let repo = RepoSlug::parse("o/r").unwrap();
        let scope = "repo:o/r".parse().unwrap();
        let hook = KnownHook { id: 1, place: HookPlace::Repo(repo.clone()) };
        let wanted = std::iter::once("x".to_owned()).collect();
        match what {
            "runners" => client.registrations(&scope).await.map(drop),
            "a token" => client.registration_token(&scope).await.map(drop),
            "a deletion" => client.deregister(&scope, RunnerId(1)).await.map(drop),
            "jobs" => client.queued_jobs(&repo, &crate::Look::default()).await.map(drop),
            "recent jobs" => client.recent_jobs(&repo, at(0), wanted).await.map(drop),
            "an origin" => client.origin(&repo, 1).await.map(drop),
            "a file" => client.text_at(&repo, "x", "y").await.map(drop),
            "hooks" => client.hooks(&hook.place).await.map(drop),
            "a ping" => client.ping_hook(&hook).await,
            "a hook's end" => client.delete_hook(&hook).await,
            "deliveries" => client.deliveries(&hook, at(0), Discovery).await.map(drop),
            "a folder" => client.folder_by_rest(&repo, Upkeep).await.map(drop),
            _ => panic!("{what}"),
        }
    };
    let rows = [
        ("runners", Demand),
        ("a token", Job),
        ("a deletion", Job),
        ("jobs", Demand),
        ("recent jobs", Discovery),
        ("an origin", Demand),
        ("a file", Demand),
        ("hooks", Demand),
        ("a ping", Demand),
        ("a hook's end", Demand),
        ("deliveries", Discovery),
        ("a folder", Upkeep),
    ];
    for (what, kind) in rows {
        for (remaining, least) in kinds {
            let put_off = matches!(asked(what, remaining).await, Err(GitHubError::PutOff { .. }));
            assert_eq!(put_off, kind > least, "{what} with {remaining} left");
        }
    }
}

/// A credential goes to no other host, and nowhere for ever.
#[tokio::test]
async fn three_redirects_on_the_same_host_are_followed_and_no_more() {
    let to = |place: &str| told(302, "").with("location", place);
    let fine = ok(&json!({"a": 1}));
    let script = [
        ("GET /thing/1", vec![to("/1"), to("/2")]),
        ("GET /1", vec![to("/2")]),
        ("GET /2", vec![to("/3")]),
        ("GET /3", vec![to("/4")]),
        ("GET /4", vec![fine.clone()]),
    ];
    let github = StandIn::new(script).await;
    let client = github.client();
    let refused = || Err(GitHubError::Invalid("status 302".to_owned()));
    assert_eq!(read(&client).await, refused(), "the fourth");
    assert_eq!(github.lines(), ["GET /thing/1", "GET /1", "GET /2", "GET /3"]);
    assert_eq!(read(&client).await, Ok(json!({"a": 1})));
    let other = StandIn::new([("GET /4", vec![fine])]).await;
    let away = to(other.url.join("/4").unwrap().as_str());
    let github = StandIn::new([("GET /thing/1", vec![away])]).await;
    assert_eq!(read(&github.client()).await, refused());
    assert!(other.lines().is_empty());
}

/// A client with the token `t` whose requests go to `service`.
fn over(transport: Transport) -> GitHubClient {
    let url = Url::parse("http://github.test/api/v3").unwrap();
    let credential = Credential::Token("t".to_owned().into());
    let settings = GitHubSettings { retries: 0, ..GitHubSettings::new(url, credential, None) };
    GitHubClient::over(transport, settings, Arc::new(SystemClock))
}

#[tokio::test(start_paused = true)]
async fn any_service_can_carry_the_requests() {
    let echo = async |request: axum::extract::Request| {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let headers: BTreeSet<String> = headers.collect();
        axum::Json(json!({"asked": request.uri().to_string(), "headers": headers}))
    };
    let router = axum::Router::new().fallback(echo);
    let said = read(&over(Transport::new(router))).await.unwrap();
    assert_eq!(said["asked"], "http://github.test/api/v3/thing/1");
    let agent = format!("user-agent: mayfly/{}", env!("CARGO_PKG_VERSION"));
    let expected = [
        "accept: application/vnd.github+json",
        "authorization: Bearer t",
        "host: github.test",
        &agent,
        "x-github-api-version: 2022-11-28",
    ];
    assert_eq!(said["headers"], json!(expected));

    let silent = axum::Router::new().fallback(std::future::pending::<StatusCode>);
    let impatient = tower::timeout::Timeout::new(silent, Duration::from_secs(1));
    assert_eq!(read(&over(Transport::new(impatient))).await, Err(GitHubError::TimedOut));
    let broken = |_: http::Request<http_body_util::Full<bytes::Bytes>>| async {
        Err::<axum::response::Response, _>("nobody carries it")
    };
    let broken = Transport::new(tower::service_fn(broken));
    let why = GitHubError::Network("nobody carries it".to_owned());
    assert_eq!(read(&over(broken)).await, Err(why));
}
