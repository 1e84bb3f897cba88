//! Accounts, lists in pages, global ids, what a token may see.

use std::collections::{BTreeMap, BTreeSet};

use github_sim::Sim;
use github_sim::names::Login;
use github_sim::world::access::{Grant, Level, Selection, permissions};
use github_sim::world::model::NewRepo;
use github_sim::world::tokens::UserToken;
use serde_json::{Value, json};

use super::{answer, answer_to, data, errors, pair};
use crate::support::{get, sim, slug};

fn add(sim: &Sim, name: &str, private: bool) -> u64 {
    let files = BTreeMap::from([("x".to_owned(), "y".to_owned())]);
    sim.with(|world| world.add_repo(NewRepo { slug: slug(name), private, files }).unwrap().id)
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn accounts_are_found_by_login() {
    let (sim, _) = sim().await;
    let query = "query($o: String!, $u: String!) {
        viewer { login databaseId id isViewer url }
        organization(login: $o) { login databaseId id name createdAt }
        user(login: $u) { login isViewer }
        repositoryOwner(login: $o) { __typename login }
        nobody: repositoryOwner(login: \"nobody\") { login } }";
    let found = data(&sim, query, json!({"o": "OCTO-org", "u": "octo-admin"})).await;
    let me = get(&sim, "/user").await.json();
    let viewer = &found["viewer"];
    assert_eq!(
        (&viewer["login"], &viewer["databaseId"], &viewer["id"]),
        (&me["login"], &me["id"], &me["node_id"])
    );
    assert_eq!((&viewer["isViewer"], &found["user"]["isViewer"]), (&json!(true), &json!(true)));
    assert_eq!(found["organization"]["login"], "octo-org");
    assert_eq!(found["repositoryOwner"]["__typename"], "Organization");
    assert!(found["nobody"].is_null());
    let missing = answer(&sim, query, json!({"o": "octo-admin", "u": "octo-org"})).await;
    assert_eq!(errors(&missing), [pair("NOT_FOUND", "organization"), pair("NOT_FOUND", "user")]);
    let message = "Could not resolve to an Organization with the login of 'octo-admin'.";
    assert_eq!(missing["errors"][0]["message"], message);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let (sim, clock) = sim().await;
    for index in 0..5 {
        clock.advance(jiff::SignedDuration::from_secs(10));
        add(&sim, &format!("octo-org/r{index}"), index % 2 == 0);
    }
    let query = "query($after: String, $order: RepositoryOrder) { organization(login: \"octo-org\") {
        repositories(first: 2, after: $after, orderBy: $order) { totalCount
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } nodes { name } edges { cursor node { name } } } } }";
    let walk = async |order: Value| {
        let (mut seen, mut after, mut pages) = (Vec::new(), Value::Null, 0);
        loop {
            let page = data(&sim, query, json!({"after": after, "order": order})).await;
            let page = &page["organization"]["repositories"];
            pages += 1;
            seen.extend(names(&page["nodes"]).into_iter().map(str::to_owned));
            assert_eq!(page["totalCount"], 6);
            assert_eq!(page["pageInfo"]["hasPreviousPage"], pages > 1);
            assert_eq!(page["edges"][1]["cursor"], page["pageInfo"]["endCursor"]);
            assert_eq!(page["edges"][0]["node"], page["nodes"][0]);
            if page["pageInfo"]["hasNextPage"] == false {
                assert_eq!(pages, 3);
                return seen;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    };
    let made = ["tools", "r0", "r1", "r2", "r3", "r4"];
    assert_eq!(walk(Value::Null).await, made);
    let newest = walk(json!({"field": "PUSHED_AT", "direction": "DESC"})).await;
    assert!(newest.iter().eq(made.iter().rev()));
    let named = walk(json!({"field": "NAME", "direction": "ASC"})).await;
    assert_eq!(named, ["r0", "r1", "r2", "r3", "r4", "tools"]);

    // A page goes on where it was left, also when the repository there has gone.
    let first = data(&sim, query, json!({})).await;
    let after = first["organization"]["repositories"]["pageInfo"]["endCursor"].clone();
    sim.with(|world| world.delete_repo(&slug("octo-org/r0")).unwrap());
    let next = data(&sim, query, json!({"after": after})).await;
    assert_eq!(names(&next["organization"]["repositories"]["nodes"]), ["r1", "r2"]);

    let backwards = "query($before: String) { organization(login: \"octo-org\") {
        repositories(last: 2, before: $before) { pageInfo { hasNextPage hasPreviousPage startCursor } nodes { name } } } }";
    let end = data(&sim, backwards, json!({})).await["organization"]["repositories"].clone();
    assert_eq!(names(&end["nodes"]), ["r3", "r4"]);
    let before = end["pageInfo"]["startCursor"].clone();
    let middle = data(&sim, backwards, json!({"before": before})).await;
    let middle = &middle["organization"]["repositories"];
    assert_eq!(names(&middle["nodes"]), ["r1", "r2"]);
    let info = &middle["pageInfo"];
    assert_eq!((&info["hasNextPage"], &info["hasPreviousPage"]), (&json!(true), &json!(true)));
    let bad = answer(&sim, query, json!({"after": "bm9uZQ=="})).await;
    assert_eq!(errors(&bad), [pair("INVALID_CURSOR_ARGUMENTS", "organization.repositories")]);
}

#[tokio::test]
async fn lists_are_narrowed() {
    let (sim, _) = sim().await;
    sim.with(|world| world.add_user("someone").unwrap());
    for (name, private) in
        [("octo-admin/mine", true), ("octo-admin/old", false), ("someone/theirs", false)]
    {
        add(&sim, name, private);
    }
    sim.with(|world| {
        world.change_repo(&slug("octo-admin/old"), |repo| repo.archived = true).unwrap();
        world.change_repo(&slug("someone/theirs"), |repo| repo.fork = true).unwrap();
    });
    let listed = async |arguments: &str| {
        let query = format!(
            "{{ viewer {{ repositories(first: 100, {arguments}) {{ nodes {{ name }} }} }} }}"
        );
        let found = data(&sim, &query, json!({})).await;
        names(&found["viewer"]["repositories"]["nodes"]).join(" ")
    };
    let all = "ownerAffiliations: [OWNER, COLLABORATOR, ORGANIZATION_MEMBER]";
    for (arguments, expected) in [
        ("after: null", "mine old theirs"),
        ("ownerAffiliations: null", "tools mine old theirs"),
        (all, "tools mine old theirs"),
        ("ownerAffiliations: [ORGANIZATION_MEMBER]", "tools"),
        ("ownerAffiliations: OWNER", "mine old"),
        ("affiliations: [OWNER]", "mine old"),
        (&format!("{all}, affiliations: [COLLABORATOR]"), "theirs"),
        (&format!("{all}, privacy: PRIVATE"), "mine"),
        (&format!("{all}, visibility: PUBLIC"), "tools old theirs"),
        (&format!("{all}, visibility: INTERNAL"), ""),
        (&format!("{all}, isArchived: false"), "tools mine theirs"),
        (&format!("{all}, isFork: true"), "theirs"),
        (&format!("{all}, isLocked: true"), ""),
    ] {
        assert_eq!(listed(arguments).await, expected, "{arguments}");
    }
}

#[tokio::test]
async fn global_ids_find_again() {
    let (sim, _) = sim().await;
    let ids = data(
        &sim,
        "{ viewer { id } repository(owner: \"octo-org\", name: \"tools\") { id owner { id } } }",
        json!({}),
    )
    .await;
    let repo = &ids["repository"];
    let query =
        "query($ids: [ID!]!, $id: ID!) { node(id: $id) { id ... on Repository { nameWithOwner } }
        nodes(ids: $ids) { __typename id ... on RepositoryOwner { login } } }";
    let all = json!([repo["id"], ids["viewer"]["id"], "R_kgDOunknown", repo["owner"]["id"]]);
    let found = answer(&sim, query, json!({"id": repo["id"], "ids": all})).await;
    assert_eq!(found["data"]["node"]["nameWithOwner"], "octo-org/tools");
    let nodes = &found["data"]["nodes"];
    assert_eq!(
        (&nodes[1]["login"], &nodes[3]["login"]),
        (&json!("octo-admin"), &json!("octo-org"))
    );
    assert!(nodes[2].is_null());
    assert_eq!(errors(&found), [pair("NOT_FOUND", "nodes.2")]);
    let message = "Could not resolve to a node with the global id of 'R_kgDOunknown'";
    assert_eq!(found["errors"][0]["message"], message);
    assert_eq!(found["errors"][0]["locations"], json!([{"line": 2, "column": 9}]));
}

#[tokio::test]
async fn a_token_sees_what_it_sees_in_rest() {
    let (sim, _) = sim().await;
    let secret = add(&sim, "octo-org/secret", true);
    let other = add(&sim, "octo-org/other", true);
    sim.with(|world| world.add_org("elsewhere").unwrap());
    add(&sim, "elsewhere/hidden", true);
    add(&sim, "elsewhere/open", false);
    let login = Login::parse("octo-org").unwrap();
    let installation = sim.with(|world| world.installation_of(&login).unwrap().id);
    let app = sim.with(|world| world.create_installation_token(installation).unwrap().0);
    let query = "{ s: repository(owner: \"octo-org\", name: \"secret\") { name object(expression: \"HEAD:x\") { oid } }
        h: repository(owner: \"elsewhere\", name: \"hidden\") { name }
        o: repository(owner: \"elsewhere\", name: \"open\") { name object(expression: \"HEAD:x\") { oid } }
        organization(login: \"octo-org\") { repositories(first: 10) { totalCount nodes { name } } }
        viewer { login repositories(first: 10) { totalCount } } }";
    let found = answer_to(&sim, &app, query, json!({})).await;
    assert_eq!(errors(&found), [pair("NOT_FOUND", "h")]);
    let found = &found["data"];
    assert!(found["s"]["object"]["oid"].is_string() && found["o"]["object"]["oid"].is_string());
    assert_eq!(
        names(&found["organization"]["repositories"]["nodes"]),
        ["tools", "secret", "other"]
    );
    assert_eq!(
        found["viewer"],
        json!({"login": "mayfly-sim[bot]", "repositories": {"totalCount": 0}})
    );

    let fine = |repositories: Selection, rights: &[(&str, Level)]| UserToken {
        grant: Grant::FineGrained {
            owner: login.clone(),
            repositories,
            permissions: permissions(rights),
        },
        ..UserToken::default()
    };
    let one = Selection::Selected(BTreeSet::from([secret]));
    sim.with(|world| {
        let contents = ("contents", Level::Read);
        world.tokens.add_as("t", UserToken::default());
        world.tokens.add_as("reads", fine(one.clone(), &[contents]));
        world.tokens.add_as("names", fine(one, &[("metadata", Level::Read)]));
        world
            .tokens
            .add_as("blind", fine(Selection::Selected(BTreeSet::from([other])), &[contents]));
    });
    let reads = answer_to(&sim, "reads", query, json!({})).await;
    assert_eq!(errors(&reads), [pair("NOT_FOUND", "h")]);
    assert_eq!(
        reads["data"]["organization"]["repositories"]["totalCount"], 2,
        "one private, one public"
    );
    let named = answer_to(&sim, "names", query, json!({})).await;
    assert_eq!(errors(&named), [pair("FORBIDDEN", "s.object"), pair("NOT_FOUND", "h")]);
    assert_eq!(named["errors"][0]["message"], "Resource not accessible by personal access token");
    assert_eq!(named["data"]["s"], json!({"name": "secret", "object": null}));
    let blind = answer_to(&sim, "blind", query, json!({})).await;
    assert_eq!(errors(&blind), [pair("NOT_FOUND", "s"), pair("NOT_FOUND", "h")]);
}
