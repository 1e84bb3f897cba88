//! What is not answered, and how that is said; faults on order.

use axum::body::{Body, to_bytes};
use github_sim::{Effect, Fault, FaultKind};
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{answer, errors, pair, reply};
use crate::support::{Ask, post, send, sim, slug};

#[tokio::test]
async fn what_does_not_fit_the_schema_has_errors_and_no_data() {
    let (sim, _) = sim().await;
    let none = json!({});
    let needs = "query($o: String!) { user(login: $o) { id } }";
    for (query, variables, word) in [
        ("{ viewer { login nothing } }", &none, "nothing"),
        ("{ viewer { login }", &none, "syntax"),
        ("", &none, ""),
        ("{ viewer }", &none, "viewer"),
        ("{ user { id } }", &none, "login"),
        ("{ user(login: 1) { id } }", &none, "String"),
        ("{ viewer { ... on Repository { id } } }", &none, "Repository"),
        ("query A { viewer { id } } query B { viewer { id } }", &none, ""),
        (needs, &none, "variable"),
        (needs, &json!({"o": null}), "variable"),
        (needs, &json!({"o": 1}), "variable"),
        ("query($x: Int) { viewer { id } }", &none, "x"),
        ("query($o: Nothing!) { user(login: $o) { id } }", &none, "Nothing"),
        ("subscription { x }", &none, "subscription"),
    ] {
        let reply = reply(&sim, query, variables).await;
        let found = reply.json();
        assert_eq!((reply.status, found.get("data")), (200, None), "{query}: {found}");
        let message = found["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(word), "{query}: {message}");
    }
    let location = &reply(&sim, "{\n  nothing\n}", &none).await.json()["errors"][0]["locations"];
    assert_eq!(*location, json!([{"line": 2, "column": 3}]));
    let left = sim.with(|world| {
        world.tokens.allowance_of("t", github_sim::world::tokens::Resource::Graphql, world.now())
    });
    assert_eq!(left.used, 0, "what was not executed costs nothing");
}

#[tokio::test]
async fn operations_are_named_where_there_are_several() {
    let (sim, _) = sim().await;
    let query = "query A { a: viewer { login } } query B { b: viewer { login } }";
    let named =
        |name: Value| post(&sim, "/graphql", json!({"query": query, "operationName": name}));
    assert!(named(json!("B")).await.json()["data"].get("b").is_some());
    assert!(named(json!("C")).await.json().get("data").is_none());
    assert_eq!(named(json!(1)).await.status, 400);
}

#[tokio::test]
async fn a_body_that_asks_nothing_is_400() {
    let (sim, _) = sim().await;
    for body in [
        "",
        "{",
        "[]",
        "\"x\"",
        "{}",
        "{\"query\": 1}",
        "{\"query\": \"{viewer{id}}\", \"variables\": []}",
    ] {
        let request = Request::post("/graphql")
            .header("user-agent", "test")
            .header("authorization", "Bearer t")
            .body(Body::from(body))
            .unwrap();
        let response = sim.router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let read = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let read: Value = serde_json::from_slice(&read).unwrap();
        assert!(read["message"].is_string() && read["status"] == "400", "{read}");
    }
}

#[tokio::test]
async fn without_a_valid_token_nothing_is_answered() {
    let (sim, _) = sim().await;
    let body = json!({"query": "{ viewer { login } }"});
    let ask = |token: &'static str| {
        let body = Some(body.clone());
        send(&sim, Ask { method: "POST", path: "/graphql", token, body, ..Ask::default() })
    };
    let none = ask("").await;
    assert_eq!((none.status, none.header("x-ratelimit-limit")), (401, ""));
    assert_eq!(none.json()["message"], "This endpoint requires you to be authenticated.");
    sim.with(|world| world.tokens.add("good", None));
    assert_eq!(ask("bearer good").await.status, 200);
    let bad = ask("Bearer other").await;
    assert_eq!((bad.status, &bad.json()["message"]), (401, &json!("Bad credentials")));
    sim.with(|world| world.tokens.revoke("good"));
    assert_eq!(ask("bearer good").await.status, 401);
    let get = Ask { method: "GET", path: "/graphql", token: "Bearer good", ..Ask::default() };
    assert_eq!(send(&sim, get).await.status, 404, "questions are posted");
    let nameless =
        Request::post("/graphql").header("authorization", "Bearer t").body(Body::empty());
    assert_eq!(sim.router().oneshot(nameless.unwrap()).await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_suspended_installation_is_refused() {
    let (sim, _) = sim().await;
    let token = sim.with(|world| {
        let login = github_sim::names::Login::parse("octo-org").unwrap();
        let id = world.installation_of(&login).unwrap().id;
        let token = world.create_installation_token(id).unwrap().0;
        world.suspend_installation(id).unwrap();
        format!("Bearer {token}")
    });
    let body = Some(json!({"query": "{ viewer { login } }"}));
    let ask = Ask { method: "POST", path: "/graphql", token: &token, body, ..Ask::default() };
    let refused = send(&sim, ask).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["message"], "This installation has been suspended");
}

#[tokio::test]
async fn what_is_not_simulated_says_so_where_it_was_asked_for() {
    let (sim, _) = sim().await;
    let query = "{ repository(owner: \"octo-org\", name: \"tools\") { name latestRelease { name } } meta { gitHubServicesSha } }";
    let found = answer(&sim, query, json!({})).await;
    assert_eq!(
        errors(&found),
        [pair("NOT_SIMULATED", "repository.latestRelease"), pair("NOT_SIMULATED", "meta")]
    );
    assert_eq!(found["data"], Value::Null, "`meta` may not be null, and so nothing may be there");
    let message = "`Repository.latestRelease` is in GitHub's schema, but not simulated";
    assert_eq!(found["errors"][0]["message"], message);
    let partly =
        "{ repository(owner: \"octo-org\", name: \"tools\") { name latestRelease { name } } }";
    let found = answer(&sim, partly, json!({})).await;
    assert_eq!(found["data"]["repository"], json!({"name": "tools", "latestRelease": null}));

    let before = sim.with(|world| world.repo(&slug("octo-org/tools")).unwrap().clone());
    let change = "mutation($id: ID!) { archiveRepository(input: {repositoryId: $id}) { repository { isArchived } } }";
    let refused = answer(&sim, change, json!({"id": "x"})).await;
    assert_eq!(errors(&refused), [pair("NOT_SIMULATED", "archiveRepository")]);
    assert_eq!(refused["data"], json!({"archiveRepository": null}));
    assert_eq!(sim.with(|world| world.repo(&slug("octo-org/tools")).unwrap().clone()), before);

    let asked_twice = "{ repository(owner: \"octo-org\", name: \"tools\") { object { oid } other: object(oid: \"zz\") { oid } } }";
    let found = answer(&sim, asked_twice, json!({})).await;
    assert_eq!(
        errors(&found),
        [pair("ARGUMENT_ERROR", "repository.object"), pair("ARGUMENT_ERROR", "repository.other")]
    );
}

#[tokio::test]
async fn the_schema_can_be_asked_for() {
    let (sim, _) = sim().await;
    let query =
        "{ __schema { queryType { name } } __type(name: \"Blob\") { kind fields { name } } }";
    let found = super::data(&sim, query, json!({})).await;
    assert_eq!(found["__schema"]["queryType"]["name"], "Query");
    let fields = found["__type"]["fields"].as_array().unwrap();
    assert!(fields.contains(&json!({"name": "isTruncated"})), "{fields:?}");
}

#[tokio::test]
async fn faults_on_order() {
    let (sim, _) = sim().await;
    let order = |kind: FaultKind, status: u16| {
        sim.add_fault(Fault { route: "/graphql".to_owned(), kind, status, ..Fault::default() });
    };
    let body = json!({"query": "{ viewer { login } }"});
    let ask = || post(&sim, "/graphql", body.clone());
    for status in [403, 404, 502] {
        order(FaultKind::Status, status);
        let reply = ask().await;
        assert_eq!(reply.status, status);
        assert!(reply.json()["message"].is_string());
    }
    order(FaultKind::Html, 200);
    let page = ask().await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    order(FaultKind::Truncated, 200);
    let cut = ask().await;
    assert_eq!(cut.status, 200);
    assert!(serde_json::from_slice::<Value>(&cut.body).is_err());
    sim.add_fault(Fault {
        route: "/graphql".to_owned(),
        status: 200,
        body: Some("{\"errors\": [{\"type\": \"RATE_LIMIT\", \"message\": \"m\"}]}".to_owned()),
        effect: Effect::None,
        ..Fault::default()
    });
    assert_eq!(ask().await.json()["errors"][0]["type"], "RATE_LIMIT");
    order(FaultKind::Status, 502);
    assert_eq!(
        post(&sim, "/api/graphql", body.clone()).await.status,
        502,
        "the GHES form is the same route"
    );
    let used = sim.with(|world| {
        world
            .tokens
            .allowance_of("t", github_sim::world::tokens::Resource::Graphql, world.now())
            .used
    });
    assert_eq!(used, 1, "only the one that was cut was answered");
    assert_eq!(ask().await.status, 200, "every order was for one request");
}

#[tokio::test]
async fn questions_are_recorded_and_counted() {
    let (sim, _) = sim().await;
    let body = json!({"query": "{ viewer { login } }"});
    for path in ["/graphql", "/api/graphql"] {
        assert_eq!(post(&sim, path, body.clone()).await.status, 200);
    }
    assert_eq!(
        post(&sim, "/api/v3/graphql", body.clone()).await.status,
        404,
        "REST's prefix has no GraphQL"
    );
    assert_eq!(sim.counters().of("POST", "/graphql"), 2);
    let recorded = sim.recorded();
    assert_eq!(
        (recorded.len(), recorded[1].route.as_str(), recorded[1].status),
        (3, "/graphql", 200)
    );
    assert_eq!(recorded[1].body, body.to_string().into_bytes());
    assert_eq!(recorded[2].route, "unmatched");
}
