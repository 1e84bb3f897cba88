use serde_json::{Value, json};

use super::*;
use crate::stand_in::{StandIn, Told, at, no, ok, told};

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

/// Where the runners of each kind of scope are.
const PLACES: [(&str, &str); 3] = [
    ("repo:o/r", "/repos/o/r/actions/runners"),
    ("org:octo", "/orgs/octo/actions/runners"),
    ("enterprise:corp", "/enterprises/corp/actions/runners"),
];

fn name() -> RunnerName {
    RunnerName::parse("mayfly-i-1").unwrap()
}

fn labels() -> LabelSet {
    LabelSet::requested(["self-hosted", "gpu"])
}

fn token(text: &str, second: i64) -> Told {
    ok(&json!({"token": text, "expires_at": at(second).to_string()}))
}

#[tokio::test]
async fn runners_are_asked_for_where_they_are() {
    for (place, path) in PLACES {
        let jit = json!({"runner": {"id": 42}, "encoded_jit_config": "c2VjcmV0"});
        let github = StandIn::new([
            (format!("GET {path}?per_page=100"), vec![ok(&json!({"runners": []}))]),
            (format!("POST {path}/generate-jitconfig"), vec![ok(&jit)]),
            (format!("POST {path}/registration-token"), vec![token("AAAA", 3_600)]),
            (format!("DELETE {path}/42"), vec![told(204, "")]),
        ])
        .await;
        let (client, scope) = (github.client(), scope(place));
        assert_eq!(
            client.registrations(&scope).await,
            Ok(Runners { list: vec![], whole: true }),
            "{place}"
        );
        let made = client.jit_config(&scope, &name(), &labels(), None).await.unwrap();
        assert_eq!((made.id, made.config.expose_secret()), (RunnerId(42), "c2VjcmV0"));
        let token = client.registration_token(&scope).await.unwrap();
        assert_eq!(token.expose_secret(), "AAAA");
        assert_eq!(client.deregister(&scope, RunnerId(42)).await, Ok(Deregistered::Gone));
        let asked = github.asked();
        assert_eq!(asked.len(), 4, "{place}");
        let body = json!({
            "name": "mayfly-i-1", "runner_group_id": 1, "labels": ["gpu", "self-hosted"],
            "work_folder": "_work",
        });
        assert_eq!((&asked[1].body, &asked[2].body), (&body, &Value::Null));
    }
}

#[tokio::test]
async fn routes_are_counted_as_github_writes_them() {
    let below = ["", "/generate-jitconfig", "/registration-token", "/{runner_id}"];
    let kinds = [
        (ScopeKind::Repo, "/repos/{owner}/{repo}/actions/runners"),
        (ScopeKind::Org, "/orgs/{org}/actions/runners"),
        (ScopeKind::Enterprise, "/enterprises/{enterprise}/actions/runners"),
    ];
    for (kind, path) in kinds {
        assert_eq!(
            below.map(|below| route(kind, below)),
            below.map(|below| format!("{path}{below}"))
        );
    }
}

#[tokio::test]
async fn how_a_runner_stands_is_read_with_care() {
    let runner = |id: i64, status: Value, busy: Value| json!({"id": id, "name": format!("r{id}"), "status": status, "busy": busy});
    let rows = [
        ("online".into(), false.into(), (true, false)),
        ("Online".into(), true.into(), (true, true)),
        ("offline".into(), false.into(), (false, false)),
        ("offline".into(), true.into(), (false, true)),
        // Nothing is ended by a field that is missing.
        (Value::Null, Value::Null, (true, true)),
    ];
    let list: Vec<_> = rows
        .iter()
        .zip(1..)
        .map(|((status, busy, _), id)| runner(id, status.clone(), busy.clone()))
        .collect();
    let line = "GET /repos/o/r/actions/runners?per_page=100";
    let mut odd = list.clone();
    odd.push(json!({"id": 9}));
    let script = vec![ok(&json!({ "runners": list })), ok(&json!({ "runners": odd }))];
    let github = StandIn::new([(line, script)]).await;
    let client = github.client();
    for whole in [true, false] {
        let found = client.registrations(&scope("repo:o/r")).await.unwrap();
        let expected: Vec<_> = rows
            .iter()
            .zip(1..)
            .map(|((_, _, (online, busy)), id)| Registered {
                id: RunnerId(id),
                name: format!("r{id}"),
                online: *online,
                busy: *busy,
            })
            .collect();
        assert_eq!(found, Runners { list: expected, whole });
    }
}

#[tokio::test]
async fn what_is_empty_registers_nothing() {
    let jit = json!({"runner": {"id": 42}, "encoded_jit_config": ""});
    let github = StandIn::new([
        (
            "POST /orgs/octo/actions/runners/generate-jitconfig",
            vec![ok(&jit), no(409, "Already exists")],
        ),
        (
            "POST /orgs/octo/actions/runners/registration-token",
            vec![token("", 3_600), token("B", 3_600)],
        ),
    ])
    .await;
    let (client, octo) = (github.client(), scope("org:octo"));
    let made = async || client.jit_config(&octo, &name(), &labels(), None).await.map(drop);
    let what = "the just-in-time configuration is empty".to_owned();
    assert_eq!(made().await, Err(GitHubError::Malformed(what)));
    assert_eq!(made().await, Err(GitHubError::Conflict("Already exists".to_owned())));
    let what = "the registration token is empty".to_owned();
    let token = client.registration_token(&octo).await.map(drop);
    assert_eq!(token, Err(GitHubError::Malformed(what)));
    assert_eq!(client.registration_token(&octo).await.unwrap().expose_secret(), "B");
}

#[tokio::test]
async fn a_registration_token_serves_its_scope_until_ten_minutes_before_its_end() {
    let github = StandIn::new([
        (
            "POST /orgs/octo/actions/runners/registration-token",
            vec![token("A", 3_600), token("B", 9_000)],
        ),
        ("POST /orgs/other/actions/runners/registration-token", vec![token("C", 3_600)]),
    ])
    .await;
    let client = github.client();
    let rows =
        [(0, "octo", "A"), (2_999, "octo", "A"), (2_999, "other", "C"), (3_000, "octo", "B")];
    for (second, org, expected) in rows {
        github.clock.set(second);
        let token = client.registration_token(&scope(&format!("org:{org}"))).await.unwrap();
        assert_eq!(token.expose_secret(), expected, "{second} {org}");
    }
}

#[tokio::test]
async fn what_becomes_of_a_registration_is_what_github_says() {
    let line = "DELETE /repos/o/r/actions/runners/7";
    let script = vec![told(204, ""), no(404, ""), no(422, "busy"), no(403, "No"), no(500, "")];
    let github = StandIn::new([(line, script)]).await;
    let client = github.client();
    let expected = [
        Ok(Deregistered::Gone),
        Ok(Deregistered::Gone),
        Ok(Deregistered::Busy),
        Err(GitHubError::Forbidden("No".to_owned())),
        Err(GitHubError::Server(500)),
    ];
    for expected in expected {
        assert_eq!(client.deregister(&scope("repo:o/r"), RunnerId(7)).await, expected);
    }
}

#[tokio::test]
async fn a_runner_group_is_found_by_its_name_and_asked_for_once() {
    let groups = |list: Value| ok(&json!({ "runner_groups": list }));
    let jit = || ok(&json!({"runner": {"id": 1}, "encoded_jit_config": "x"}));
    for (place, path) in &PLACES[1..] {
        let list = path.replace("runners", "runner-groups?per_page=100");
        let two = json!([{"id": 5, "name": "Fast Ones"}, {"id": 6, "name": "größe"}]);
        let later = json!([{"id": 7, "name": "late"}, {"id": 8}]);
        let github = StandIn::new([
            (format!("GET {list}"), vec![groups(two), groups(later)]),
            (format!("POST {path}/generate-jitconfig"), vec![jit()]),
        ])
        .await;
        let (client, scope) = (github.client(), scope(place));
        let group = async |name: &'static str| {
            let made = client.jit_config(&scope, &self::name(), &labels(), Some(name)).await;
            let sent = github.asked();
            let id = sent.last().map(|last| last.body["runner_group_id"].clone());
            (made.map(|_| id.unwrap()), sent.len())
        };
        assert_eq!(group("fast ones").await, (Ok(5.into()), 2), "{place}");
        assert_eq!(group("GRÖSSE").await.1, 1, "another word: it is asked for again");
        assert_eq!(group("LATE").await, (Ok(7.into()), 1));
        let owner = place.split_once(':').unwrap().1;
        let gone = format!(
            "{owner} has no runner group named fast ones among those that can be read; 1 cannot be"
        );
        assert_eq!(group("fast ones").await, (Err(GitHubError::Invalid(gone)), 1));
    }
    let github = StandIn::new([(
        "GET /orgs/octo/actions/runner-groups?per_page=100",
        vec![groups(json!([]))],
    )])
    .await;
    let client = github.client();
    let made = client.jit_config(&scope("org:octo"), &name(), &labels(), Some("None")).await;
    let none = "octo has no runner group named None".to_owned();
    assert_eq!(made.map(drop), Err(GitHubError::Invalid(none)));
    // A repository has no groups, and nothing is asked.
    let made = client.group_id(&scope("repo:o/r"), Some("Fast")).await;
    assert_eq!((made, github.lines().len()), (Ok(1), 1));
}

#[tokio::test]
async fn an_app_asks_nothing_of_an_enterprise() {
    let github = StandIn::new::<&str>([]).await;
    let (client, corp) = (github.app(None), scope("enterprise:corp"));
    let said = "a GitHub App cannot manage the runners of an enterprise; it takes a classic token with the scope manage_runners:enterprise";
    let forbidden = || GitHubError::Forbidden(said.to_owned());
    assert_eq!(client.registrations(&corp).await, Err(forbidden()));
    assert_eq!(client.group_id(&corp, Some("x")).await, Err(forbidden()));
    assert_eq!(client.deregister(&corp, RunnerId(1)).await, Err(forbidden()));
    assert!(github.lines().is_empty());
}
