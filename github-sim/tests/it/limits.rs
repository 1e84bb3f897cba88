//! Limits, what tokens may do, and GitHub's clock.

use std::time::Duration;

use github_sim::world::Registration;
use github_sim::world::model::NewRepo;
use github_sim::world::tokens::Secondary;
use github_sim::{Fault, FaultKind, Sim};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{Ask, Reply, control, get, scope, send, sim, slug, spec};

const JIT: &str = "/repos/octo-org/tools/actions/runners/generate-jitconfig";

async fn as_token(sim: &Sim, token: &str, method: &str, path: &str) -> Reply {
    let token = format!("Bearer {token}");
    send(sim, Ask { method, path, token: &token, ..Ask::default() }).await
}

#[tokio::test]
async fn tokens_of_a_user_share_what_is_left_and_each_resource_has_its_own() {
    let (sim, clock) = sim().await;
    for (token, user) in [("a", "octo-admin"), ("b", "octo-admin"), ("c", "mona")] {
        let body = json!({"token": token, "user": user});
        assert_eq!(control(&sim, "POST", "/_sim/tokens", body).await.status, 204);
    }
    let left = json!({"token": "a", "resource": "core", "limit": 5000, "remaining": 50, "reset_in_seconds": 1800});
    assert_eq!(control(&sim, "PUT", "/_sim/limits", left).await.status, 204);
    let reply = as_token(&sim, "b", "GET", "/user").await;
    assert_eq!(reply.header("x-ratelimit-remaining"), "49");
    assert_eq!(reply.header("x-ratelimit-reset"), (1_795_219_200 + 1800).to_string());
    assert_eq!(as_token(&sim, "c", "GET", "/user").await.header("x-ratelimit-remaining"), "4999");
    let left = json!({"token": "a", "resource": "graphql", "limit": 5000, "remaining": 7, "reset_in_seconds": 60});
    control(&sim, "PUT", "/_sim/limits", left).await;
    let limits = as_token(&sim, "b", "GET", "/rate_limit").await.json();
    let of = |resource: &str| limits["resources"][resource]["remaining"].clone();
    assert_eq!((of("core"), of("graphql")), (json!(49), json!(7)));
    clock.advance(SignedDuration::from_mins(30));
    assert_eq!(as_token(&sim, "a", "GET", "/user").await.header("x-ratelimit-remaining"), "4999");
}

#[tokio::test]
async fn whoever_goes_on_after_being_told_to_wait_is_counted() {
    let (sim, clock) = sim().await;
    sim.with(|world| world.tokens.add("t", Some(1)));
    assert_eq!(get(&sim, "/user").await.status, 200);
    assert_eq!(sim.counters().hammered, 0, "it was told with this answer");
    assert_eq!(get(&sim, "/user").await.status, 403);
    assert_eq!(get(&sim, "/rate_limit").await.status, 200);
    assert_eq!(sim.counters().hammered, 1, "to ask for the limit is free");
    clock.advance(SignedDuration::from_hours(1));
    sim.with(|world| world.tokens.add("t", Some(100)));
    let wait = [("retry-after".to_owned(), "30".to_owned())].into();
    sim.add_fault(Fault { status: 429, headers: wait, ..Fault::default() });
    assert_eq!(get(&sim, "/user").await.status, 429);
    assert_eq!(get(&sim, "/user").await.status, 200);
    assert_eq!(sim.counters().hammered, 2, "a fault tells it too");
    clock.advance(SignedDuration::from_secs(30));
    assert_eq!(get(&sim, "/user").await.status, 200);
    assert_eq!(sim.counters().hammered, 2);
}

#[tokio::test]
async fn secondary_limits_refuse_with_a_time_to_wait() {
    let (sim, clock) = sim().await;
    let body = json!({"rest_points": 7, "status": 429, "retry_after": 20});
    assert_eq!(control(&sim, "PUT", "/_sim/limits/secondary", body).await.status, 204);
    let token = "/repos/octo-org/tools/actions/runners/registration-token";
    assert_eq!(as_token(&sim, "t", "POST", token).await.status, 201);
    assert_eq!(get(&sim, "/user").await.status, 200);
    let refused = as_token(&sim, "t", "POST", token).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "20"));
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("You have exceeded a secondary rate limit"), "{message}");
    clock.advance(SignedDuration::from_secs(5));
    let again = get(&sim, "/user").await;
    assert_eq!((again.status, again.header("retry-after")), (429, "15"));
    assert_eq!(sim.counters().hammered, 1);
    clock.advance(SignedDuration::from_secs(60));
    assert_eq!(get(&sim, "/user").await.status, 200);
    let off = control(&sim, "DELETE", "/_sim/limits/secondary", Value::Null).await;
    assert_eq!(off.status, 204);
    for _ in 0..20 {
        assert_eq!(get(&sim, "/user").await.status, 200);
    }
}

#[tokio::test]
async fn requests_under_way_are_counted_until_their_client_leaves() {
    let (sim, clock) = sim().await;
    let one = Secondary { concurrent: Some(1), ..Secondary::default() };
    sim.with(|world| world.tokens.set_secondary(one));
    sim.add_fault(Fault { kind: FaultKind::Hang, ..Fault::default() });
    let held = get(&sim, "/user");
    tokio::pin!(held);
    let first = tokio::time::timeout(Duration::from_millis(50), &mut held).await;
    assert!(first.is_err(), "it hangs");
    assert_eq!(get(&sim, "/user").await.status, 403);
    clock.advance(SignedDuration::from_mins(2));
    assert_eq!(get(&sim, "/user").await.status, 403, "it still hangs");
}

#[tokio::test]
async fn a_request_whose_client_left_is_over() {
    let (sim, _) = sim().await;
    let one = Secondary { concurrent: Some(1), ..Secondary::default() };
    sim.with(|world| world.tokens.set_secondary(one));
    sim.add_fault(Fault { kind: FaultKind::Hang, ..Fault::default() });
    let left = tokio::time::timeout(Duration::from_millis(50), get(&sim, "/user")).await;
    assert!(left.is_err(), "it hung");
    assert_eq!(get(&sim, "/user").await.status, 200);
}

#[tokio::test]
async fn a_token_is_told_what_it_may_do_and_what_it_lacks() {
    let (sim, _) = sim().await;
    sim.with(|world| {
        let secret = NewRepo {
            slug: slug("octo-org/secret"),
            private: true,
            files: [("a".to_owned(), "b".to_owned())].into(),
        };
        world.add_repo(secret).unwrap();
    });
    for body in [
        json!({"token": "classic", "scopes": ["admin:org", "read:user"]}),
        json!({"token": "repo", "scopes": ["repo"]}),
        json!({
            "token": "fine", "owner": "octo-org", "repositories": ["octo-org/secret"],
            "permissions": {"administration": "read", "organization_self_hosted_runners": "write"},
        }),
    ] {
        assert_eq!(control(&sim, "POST", "/_sim/tokens", body).await.status, 204);
    }
    let (tools, secret) = ("/repos/octo-org/tools", "/repos/octo-org/secret");
    let runners = |repo: &str| format!("{repo}/actions/runners");
    let (jit, token) = (JIT.to_owned(), format!("{}/registration-token", runners(secret)));
    let contents = format!("{secret}/contents/a");
    let org = "/orgs/octo-org/actions/runners".to_owned();
    let org_token = format!("{org}/registration-token");
    let hooks = format!("{secret}/hooks");
    let cases = [
        ("classic", "GET", tools.to_owned(), 200, ""),
        ("classic", "GET", secret.to_owned(), 404, "Not Found"),
        ("classic", "GET", runners(tools), 403, "Must have admin rights to Repository."),
        ("classic", "GET", org.clone(), 200, ""),
        (
            "classic",
            "GET",
            "/orgs/octo-org/hooks".to_owned(),
            403,
            "Must have admin rights to Organization.",
        ),
        ("repo", "GET", secret.to_owned(), 200, ""),
        ("repo", "GET", hooks.clone(), 200, ""),
        ("repo", "POST", token.clone(), 201, ""),
        ("repo", "GET", org.clone(), 403, "Must have admin rights to Organization."),
        ("fine", "GET", secret.to_owned(), 200, ""),
        ("fine", "GET", runners(secret), 200, ""),
        ("fine", "POST", token, 403, "Resource not accessible by personal access token"),
        ("fine", "GET", contents, 403, "Resource not accessible by personal access token"),
        ("fine", "GET", hooks, 403, "Resource not accessible by personal access token"),
        ("fine", "GET", format!("{tools}/contents/README.md"), 200, ""),
        ("fine", "POST", jit, 403, "Resource not accessible by personal access token"),
        ("fine", "POST", org_token, 201, ""),
    ];
    for (token, method, path, status, message) in cases {
        let reply = as_token(&sim, token, method, &path).await;
        assert_eq!(reply.status, status, "{token} {method} {path}");
        if status >= 400 {
            assert_eq!(reply.json()["message"], message, "{token} {method} {path}");
        }
    }
    let classic = as_token(&sim, "classic", "GET", &org).await;
    assert_eq!(classic.header("x-oauth-scopes"), "admin:org, read:user");
    assert_eq!(classic.header("x-accepted-oauth-scopes"), "admin:org, manage_runners:org");
    let fine = as_token(&sim, "fine", "POST", &format!("{}/remove-token", runners(secret))).await;
    assert_eq!(fine.header("x-accepted-github-permissions"), "administration=write");
    assert_eq!(fine.header("x-oauth-scopes"), "");
    let names = |reply: Reply| -> Vec<String> {
        let list = reply.json();
        let names = list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    for (token, seen) in [("classic", vec!["tools"]), ("repo", vec!["secret", "tools"])] {
        assert_eq!(names(as_token(&sim, token, "GET", "/user/repos").await), seen);
        let path = "/orgs/octo-org/repos?sort=full_name";
        assert_eq!(names(as_token(&sim, token, "GET", path).await), seen);
    }
}

#[tokio::test]
async fn contradictory_tokens_are_refused_by_field() {
    let (sim, _) = sim().await;
    for (path, method, body, pointer) in [
        ("/_sim/tokens", "POST", json!({"token": ""}), "/token"),
        ("/_sim/tokens", "POST", json!({"token": "t", "scopes": [], "permissions": {}}), "/scopes"),
        ("/_sim/tokens", "POST", json!({"token": "t", "owner": "o"}), "/permissions"),
        ("/_sim/tokens", "POST", json!({"token": "t", "permissions": {}, "owner": "-"}), "/owner"),
        (
            "/_sim/tokens",
            "POST",
            json!({"token": "t", "permissions": {}, "repositories": ["x"]}),
            "/repositories",
        ),
        (
            "/_sim/limits",
            "PUT",
            json!({"token": "t", "resource": "core", "limit": 1, "remaining": 2, "reset_in_seconds": 1}),
            "/remaining",
        ),
        ("/_sim/limits/secondary", "PUT", json!({"status": 500}), "/status"),
        (
            "/_sim/settings",
            "PATCH",
            json!({"clock_offset_seconds": 100_000}),
            "/clock_offset_seconds",
        ),
        ("/_sim/settings", "PATCH", json!({"listing_delay_seconds": -1}), "/listing_delay_seconds"),
        ("/_sim/settings", "PATCH", json!({"clock": 1}), "/clock"),
    ] {
        let reply = control(&sim, method, path, body.clone()).await;
        assert_eq!((reply.status, reply.header("content-type")), (422, "application/problem+json"));
        assert_eq!(reply.json()["errors"][0]["pointer"], pointer, "{path} {body}");
    }
}

#[tokio::test]
async fn a_spent_runner_stays_listed_where_that_is_ordered() {
    let (sim, _) = sim().await;
    let spent = json!({"keeps_spent_runners": true});
    assert_eq!(
        control(&sim, "PATCH", "/_sim/settings", spent).await.json()["keeps_spent_runners"],
        true
    );
    let org = scope("org:octo-org");
    let new =
        Registration { name: "r1".into(), labels: vec!["x".into()], ..Registration::default() };
    sim.with(|world| {
        world.create_jit_runner(&org, new).unwrap();
        world.queue_job(&slug("octo-org/tools"), spec("a", &["x"], &[])).unwrap();
        world.connect_runner(&org, "r1").unwrap().unwrap();
        world.lose_runner("r1").unwrap();
    });
    let listed = get(&sim, "/orgs/octo-org/actions/runners").await.json();
    let one = &listed["runners"][0];
    assert_eq!((&one["status"], &one["busy"]), (&json!("offline"), &json!(false)));
}

#[tokio::test]
async fn githubs_clock_shows_in_every_answer() {
    let (sim, _) = sim().await;
    assert_eq!(get(&sim, "/user").await.header("date"), "Sat, 21 Nov 2026 00:00:00 GMT");
    let body = json!({"clock_offset_seconds": -600});
    let set = control(&sim, "PATCH", "/_sim/settings", body).await;
    assert_eq!(set.json()["clock_offset_seconds"], -600);
    for path in ["/user", "/nothing"] {
        assert_eq!(get(&sim, path).await.header("date"), "Fri, 20 Nov 2026 23:50:00 GMT");
    }
    let reset: i64 = get(&sim, "/user").await.header("x-ratelimit-reset").parse().unwrap();
    let hour = 1_795_219_200 - 600..=1_795_219_200 + 3600;
    assert!(hour.contains(&reset), "{reset}");
}
