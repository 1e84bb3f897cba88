//! Repositories: lists, names that change, many at once.

use std::collections::BTreeMap;

use github_sim::Sim;
use github_sim::conformance::Description;
use github_sim::names::Login;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{Ask, control, get, post, scope, send, sim, slug};

const DESCRIPTION: &str = include_str!("../data/github-rest-trimmed.json");

async fn names(sim: &Sim, path: &str) -> Vec<String> {
    let list = get(sim, path).await.json();
    let list = if list.is_array() { list } else { list["repositories"].clone() };
    let all = list.as_array().expect("a list").iter();
    let names = all.map(|one| one["full_name"].as_str().expect("a name"));
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn requests_for_an_old_name_are_redirected() {
    let (sim, _) = sim().await;
    let id = sim.with(|world| world.repo(&slug("octo-org/tools")).unwrap().id);
    let body = json!({"repo": "octo-org/tools", "name": "kit"});
    let renamed = control(&sim, "PATCH", "/_sim/repos", body).await;
    assert_eq!(renamed.json()["repo"], "octo-org/kit");
    let old = "/api/v3/repos/octo-org/tools/actions/runs?status=queued";
    let reply = get(&sim, old).await;
    let target = format!("/api/v3/repositories/{id}/actions/runs?status=queued");
    assert_eq!(reply.status, 301);
    assert_eq!(reply.header("location"), format!("http://sim.test:8090{target}"));
    assert_eq!(get(&sim, &target).await.json()["total_count"], 0);
    let route = "/repos/{owner}/{repo}/actions/runs";
    assert_eq!(sim.counters().of("GET", route), 2);
    let moved = get(&sim, "/repos/octo-org/tools").await;
    assert_eq!((moved.status, &moved.json()["message"]), (301, &json!("Moved Permanently")));
    let description = Description::from_json(DESCRIPTION).unwrap();
    let kind = Some(moved.header("content-type"));
    let wrong = description.check_response("GET", "/repos/octo-org/tools", 301, kind, &moved.body);
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(get(&sim, &format!("/repositories/{id}")).await.json()["name"], "kit");
    let token = "/repos/octo-org/tools/actions/runners/registration-token";
    let changing = post(&sim, token, json!({})).await;
    assert_eq!(changing.status, 307);
    let target = changing.header("location").trim_start_matches("http://sim.test:8090").to_owned();
    let ask = Ask { method: "POST", path: &target, token: "Bearer t", ..Ask::default() };
    assert_eq!(send(&sim, ask).await.status, 201);
    let app = Ask {
        path: "/repos/octo-org/tools/installation",
        token: "Bearer a.b.c",
        method: "GET",
        ..Ask::default()
    };
    assert_eq!(send(&sim, app).await.status, 301);
    for (path, status) in
        [("/repositories/1", 404), ("/repositories/x", 404), ("/repos/octo-org/kit", 200)]
    {
        assert_eq!(get(&sim, path).await.status, status, "{path}");
    }
    let deleted = control(&sim, "DELETE", "/_sim/repos", json!({"repo": "octo-org/kit"})).await;
    assert_eq!(deleted.status, 204);
    assert_eq!(get(&sim, "/repos/octo-org/tools").await.status, 404);
}

#[tokio::test]
async fn a_hidden_repository_is_not_redirected_to() {
    let (sim, _) = sim().await;
    sim.with(|world| {
        world.change_repo(&slug("octo-org/tools"), |repo| repo.private = true).unwrap();
        world.rename_repo(&slug("octo-org/tools"), "kit").unwrap();
    });
    control(&sim, "POST", "/_sim/tokens", json!({"token": "t", "scopes": []})).await;
    assert_eq!(get(&sim, "/repos/octo-org/tools").await.status, 404);
}

#[tokio::test]
async fn lists_are_sorted_and_filtered() {
    let (sim, clock) = sim().await;
    for (repo, private, owner_type) in
        [("octo-org/b", true, "org"), ("octo-admin/a", false, "user"), ("mona/c", true, "user")]
    {
        clock.advance(SignedDuration::from_mins(1));
        let body = json!({"repo": repo, "private": private, "owner_type": owner_type, "files": {"x": "y"}});
        assert_eq!(post(&sim, "/_sim/repos", body).await.status, 201);
    }
    clock.advance(SignedDuration::from_mins(1));
    let fork = json!({"repo": "octo-org/tools", "owner": "octo-admin"});
    assert_eq!(post(&sim, "/_sim/repos/forks", fork).await.status, 201);
    clock.advance(SignedDuration::from_mins(1));
    let archive = json!({"repo": "octo-org/b", "archived": true});
    control(&sim, "PATCH", "/_sim/repos", archive).await;
    clock.advance(SignedDuration::from_mins(1));
    sim.with(|world| world.put_file(&slug("octo-org/tools"), "new", "").unwrap());
    let all = ["mona/c", "octo-admin/a", "octo-admin/tools", "octo-org/b", "octo-org/tools"];
    let cases: [(&str, &[&str]); 10] = [
        ("/user/repos", &all),
        ("/user/repos?affiliation=owner", &["octo-admin/a", "octo-admin/tools"]),
        ("/user/repos?affiliation=collaborator", &["mona/c"]),
        ("/user/repos?affiliation=organization_member&visibility=private", &["octo-org/b"]),
        (
            "/user/repos?type=public&sort=created&direction=asc",
            &["octo-org/tools", "octo-admin/a", "octo-admin/tools"],
        ),
        (
            "/user/repos?sort=pushed",
            &["octo-org/tools", "octo-admin/tools", "mona/c", "octo-admin/a", "octo-org/b"],
        ),
        ("/orgs/octo-org/repos", &["octo-org/b", "octo-org/tools"]),
        ("/orgs/octo-org/repos?sort=full_name&direction=desc", &["octo-org/tools", "octo-org/b"]),
        ("/orgs/octo-org/repos?type=private", &["octo-org/b"]),
        ("/orgs/octo-org/repos?type=forks", &[]),
    ];
    for (path, expected) in cases {
        assert_eq!(names(&sim, path).await, expected, "{path}");
    }
    let updated = names(&sim, "/user/repos?sort=updated&direction=desc").await;
    assert_eq!(updated[..2], ["octo-org/tools", "octo-org/b"], "an archive is an update");
    let fork = get(&sim, "/repos/octo-admin/tools").await.json();
    assert_eq!((&fork["fork"], &fork["archived"]), (&json!(true), &json!(false)));
    assert_eq!(get(&sim, "/user/repos?type=all&visibility=all").await.status, 422);
}

#[tokio::test]
async fn a_fork_is_as_private_as_what_it_is_of() {
    let (sim, _) = sim().await;
    for (name, private) in [("closed", true), ("open", false)] {
        let of = format!("octo-org/{name}");
        let body = json!({"repo": of, "private": private, "files": {"x": "y"}});
        assert_eq!(post(&sim, "/_sim/repos", body).await.status, 201);
        let fork = json!({"repo": of, "owner": "octo-admin"});
        assert_eq!(post(&sim, "/_sim/repos/forks", fork).await.status, 201);
        let fork = get(&sim, &format!("/repos/octo-admin/{name}")).await.json();
        assert_eq!((&fork["fork"], &fork["private"]), (&json!(true), &json!(private)), "{name}");
    }
}

#[tokio::test]
async fn a_page_that_changes_while_it_is_paged_through_shows_and_misses() {
    let (sim, _) = sim().await;
    let owner = Login::parse("octo-org").unwrap();
    sim.with(|world| world.add_repos(&owner, "r", 4, true, &BTreeMap::new()).unwrap());
    let page =
        |number: usize| format!("/orgs/octo-org/repos?sort=full_name&per_page=2&page={number}");
    assert_eq!(names(&sim, &page(1)).await, ["octo-org/r1", "octo-org/r2"]);
    sim.with(|world| world.delete_repo(&slug("octo-org/r1")).unwrap());
    assert_eq!(names(&sim, &page(2)).await, ["octo-org/r4", "octo-org/tools"], "r3 slipped by");
}

#[tokio::test]
async fn an_empty_repository_says_so() {
    let (sim, _) = sim().await;
    let repo = "/repos/octo-org/tools";
    let body = json!({"repo": "octo-org/tools", "empty": true});
    assert_eq!(control(&sim, "PATCH", "/_sim/repos", body).await.status, 200);
    let contents = get(&sim, &format!("{repo}/contents/.github/workflows")).await;
    assert_eq!(
        (contents.status, &contents.json()["message"]),
        (404, &json!("This repository is empty."))
    );
    assert_eq!(get(&sim, &format!("{repo}/git/trees/HEAD")).await.status, 409);
    assert_eq!(get(&sim, &format!("{repo}/actions/workflows")).await.json()["total_count"], 0);
}

#[tokio::test]
async fn ten_thousand_are_made_by_one_request_and_paged_through() {
    let (sim, _) = sim().await;
    let body = json!({
        "owner": "many", "prefix": "r", "count": 10_000, "private": true,
        "files": {".github/workflows/a.yml": "on: push\njobs: {}"},
    });
    assert_eq!(post(&sim, "/_sim/repos/bulk", body.clone()).await.status, 201);
    assert_eq!(post(&sim, "/_sim/repos/bulk", body).await.status, 409);
    let page = |number: usize| format!("/orgs/many/repos?per_page=100&sort=pushed&page={number}");
    let first = get(&sim, &page(1)).await;
    assert!(first.header("link").contains("page=100>; rel=\"last\""), "{}", first.header("link"));
    assert_eq!(names(&sim, &page(100)).await.len(), 100);
    assert!(names(&sim, &page(101)).await.is_empty());
    let too_many = json!({"owner": "many", "prefix": "s", "count": 1_000_000});
    assert_eq!(post(&sim, "/_sim/repos/bulk", too_many).await.status, 422);
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused() {
    let (sim, _) = sim().await;
    for (body, status) in [
        (json!({"repo": "octo-org/none", "archived": true}), 404),
        (json!({"repo": "octo-org/none"}), 404),
        (json!({"repo": "octo-org/tools", "name": "../x"}), 422),
        (json!({"repo": "octo-org/tools", "owner": "nobody"}), 404),
        (json!({"repo": "octo-org/tools", "color": "red"}), 422),
    ] {
        assert_eq!(
            control(&sim, "PATCH", "/_sim/repos", body.clone()).await.status,
            status,
            "{body}"
        );
    }
}

#[tokio::test]
async fn lists_of_runners_lag_behind() {
    let (sim, clock) = sim().await;
    control(&sim, "PATCH", "/_sim/settings", json!({"listing_delay_seconds": 5})).await;
    let body = json!({"name": "r1", "runner_group_id": 1, "labels": ["x"]});
    let runners = "/orgs/octo-org/actions/runners";
    let made = post(&sim, &format!("{runners}/generate-jitconfig"), body.clone()).await.json();
    let listed = |reply: Value| reply["total_count"].as_u64().unwrap();
    assert_eq!(listed(get(&sim, runners).await.json()), 0);
    assert_eq!(listed(get(&sim, &format!("{runners}?name=r1")).await.json()), 0);
    let one = format!("{runners}/{}", made["runner"]["id"]);
    assert_eq!(get(&sim, &one).await.status, 200, "only lists lag");
    let again = post(&sim, &format!("{runners}/generate-jitconfig"), body).await;
    assert_eq!(again.status, 409, "the name is taken all the same");
    clock.advance(SignedDuration::from_secs(5));
    assert_eq!(listed(get(&sim, runners).await.json()), 1);
    assert_eq!(sim.with(|world| world.runners(&scope("org:octo-org")).count()), 1);
}
