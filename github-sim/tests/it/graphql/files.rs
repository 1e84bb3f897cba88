//! Repositories and their files, many at a time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use github_sim::Sim;
use github_sim::world::model::NewRepo;
use serde_json::{Map, Value, json};

use super::{answer, data, errors, pair};
use crate::support::{get, sim, slug};

const WORKFLOWS: &str =
    "databaseId nameWithOwner isArchived object(expression: \"HEAD:.github/workflows\") {
    ... on Tree { oid entries { name type oid size } } }";
const BLOB: &str = "... on Blob { oid byteSize isBinary isTruncated text }";
const LIMIT: &str = "rateLimit { cost remaining resetAt limit }";

fn add(sim: &Sim, name: &str, files: &[(&str, &str)]) {
    let files = files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned()));
    let new = NewRepo { slug: slug(name), private: true, files: files.collect() };
    sim.with(|world| world.add_repo(new).unwrap().id);
}

/// `r0: repository(owner: $o0, name: $n0) { … }` for each repository, with variables.
fn batch(repos: &[String], selection: &str) -> (String, Value) {
    let (mut declared, mut fields, mut variables) = (String::new(), String::new(), Map::new());
    for (index, repo) in repos.iter().enumerate() {
        let (owner, name) = repo.split_once('/').unwrap();
        write!(declared, "$o{index}: String!, $n{index}: String!, ").unwrap();
        write!(
            fields,
            "r{index}: repository(owner: $o{index}, name: $n{index}) {{ {selection} }} "
        )
        .unwrap();
        variables.insert(format!("o{index}"), owner.into());
        variables.insert(format!("n{index}"), name.into());
    }
    (format!("query({declared}) {{ {fields} {LIMIT} }}"), variables.into())
}

#[tokio::test]
async fn a_hundred_repositories_are_read_for_one_point() {
    let (sim, _) = sim().await;
    let mut repos = vec!["octo-org/tools".to_owned()];
    for index in 1..100 {
        let name = format!("octo-org/r{index}");
        let files = [(".github/workflows/a.yml", "on: push"), (".github/workflows/sub/b.yml", "x")];
        match index {
            7 => {}
            8 => add(&sim, &name, &[]),
            9 => add(&sim, &name, &[("README.md", "no workflows")]),
            10 => add(&sim, &name, &[(".github/workflows", "a file of that name")]),
            _ => add(&sim, &name, &files),
        }
        repos.push(name);
    }
    sim.with(|world| world.rename_repo(&slug("octo-org/r11"), "other").unwrap());
    let (query, variables) = batch(&repos, WORKFLOWS);
    let answer = answer(&sim, &query, variables).await;
    let data = &answer["data"];
    assert_eq!(errors(&answer), [pair("NOT_FOUND", "r7")]);
    let error = &answer["errors"][0];
    assert_eq!(error["message"], "Could not resolve to a Repository with the name 'octo-org/r7'.");
    assert_eq!(error["locations"][0]["line"], 8, "one line for each repository before it");
    assert!(data["r7"].is_null());
    assert_eq!((&data["r8"]["object"], &data["r9"]["object"]), (&Value::Null, &Value::Null));
    assert_eq!(data["r10"]["object"], json!({}), "a file is no tree");
    assert_eq!(data["r11"]["nameWithOwner"], "octo-org/other");
    let entries = data["r99"]["object"]["entries"].as_array().unwrap();
    let shown = |entry: &Value| json!([entry["name"], entry["type"], entry["size"]]);
    let expected = [json!(["a.yml", "blob", 8]), json!(["sub", "tree", 0])];
    assert_eq!(entries.iter().map(shown).collect::<Vec<_>>(), expected);
    assert_eq!(
        data["rateLimit"],
        json!({"cost": 1, "remaining": 4999, "resetAt": "2026-11-21T01:00:00Z", "limit": 5000})
    );
}

#[tokio::test]
async fn files_are_read_by_their_names_in_git() {
    let (sim, _) = sim().await;
    let long = "ä".repeat(256_001);
    let files = [
        ("plain.yml", "on: push\n"),
        ("empty", ""),
        ("binary", "a\0b"),
        ("long", long.as_str()),
        ("exact", &long[2..]),
    ];
    add(&sim, "octo-org/files", &files);
    let listed = "query($o: String!, $n: String!) { repository(owner: $o, name: $n) {
        object(expression: \"HEAD:\") { ... on Tree { entries { name oid } } } } }";
    let names = json!({"o": "octo-org", "n": "files"});
    let tree = data(&sim, listed, names.clone()).await["repository"]["object"]["entries"].clone();
    let oids: BTreeMap<_, _> = tree
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["name"].as_str().unwrap(), entry["oid"].as_str().unwrap()))
        .collect();
    assert_eq!(oids["empty"], "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", "git's own");

    let (mut declared, mut fields, mut variables) = (String::new(), String::new(), names);
    for (index, (name, _)) in files.iter().enumerate() {
        write!(declared, ", $b{index}: GitObjectID!").unwrap();
        write!(fields, "b{index}: object(oid: $b{index}) {{ {BLOB} }} ").unwrap();
        variables[format!("b{index}")] = oids[name].into();
    }
    variables["b9"] = "0000000000000000000000000000000000000000".into();
    let query = format!(
        "query($o: String!, $n: String!, $b9: GitObjectID!{declared}) {{ r: repository(owner: $o, name: $n) {{
            {fields} none: object(oid: $b9) {{ {BLOB} }} }} {LIMIT} }}"
    );
    let found = data(&sim, &query, variables).await;
    assert_eq!(found["rateLimit"]["cost"], 1);
    let found = &found["r"];
    assert!(found["none"].is_null());
    for (index, (name, text)) in files.iter().enumerate() {
        let blob = &found[format!("b{index}")];
        assert_eq!((&blob["oid"], &blob["byteSize"]), (&json!(oids[name]), &json!(text.len())));
        assert_eq!(blob["isBinary"], *name == "binary", "{name}");
        assert_eq!(blob["isTruncated"], *name == "long", "{name}");
        match *name {
            "binary" => assert!(blob["text"].is_null()),
            "long" => assert_eq!(blob["text"].as_str().unwrap().len(), 512_000),
            _ => assert_eq!(blob["text"], *text),
        }
        let rest = get(&sim, &format!("/repos/octo-org/files/contents/{name}")).await.json();
        assert_eq!(rest["sha"], oids[name], "REST has the same name for it");
    }
}

#[tokio::test]
async fn expressions_name_commits_directories_and_files() {
    let (sim, _) = sim().await;
    let query = "query($e: String!) { repository(owner: \"octo-org\", name: \"tools\") {
        object(expression: $e) { __typename oid abbreviatedOid id repository { name }
            ... on Commit { tree { oid } file(path: \"src/deep\") { path type oid } committedDate }
            ... on Tree { entries { name path type mode extension size object { ... on Blob { text } } } }
            ... on Blob { text } } } }";
    let object = async |expression: &str| {
        let found = data(&sim, query, json!({"e": expression})).await;
        found["repository"]["object"].clone()
    };
    let commit = object("HEAD").await;
    assert_eq!(commit["__typename"], "Commit");
    let (head, root) = (commit["oid"].as_str().unwrap(), commit["tree"]["oid"].as_str().unwrap());
    let rest = get(&sim, "/repos/octo-org/tools/git/trees/main?recursive=1").await.json();
    assert_eq!(rest["sha"], root);
    let deep =
        rest["tree"].as_array().unwrap().iter().find(|one| one["path"] == "src/deep").unwrap();
    assert_eq!((&commit["file"]["oid"], &commit["file"]["type"]), (&deep["sha"], &json!("tree")));
    let tree = object("HEAD:").await;
    let first = &tree["entries"][0];
    assert_eq!(
        (&first["name"], &first["mode"], &first["size"]),
        (&json!(".github"), &json!(0o40_000), &json!(0))
    );
    let readme = &tree["entries"][1];
    assert_eq!((&readme["extension"], &readme["mode"]), (&json!(".md"), &json!(0o100_644)));
    assert_eq!(readme["object"]["text"].as_str().unwrap().len(), 160);
    for (expression, kind) in [
        ("main", "Commit"),
        ("refs/heads/main", "Commit"),
        (head, "Commit"),
        (root, "Tree"),
        ("HEAD^{tree}", "Tree"),
        ("main:src", "Tree"),
        ("main:src/", "Tree"),
        (&format!("{head}:src/deep"), "Tree"),
        (&format!("{root}:src/deep/x.txt"), "Blob"),
        (&format!("{}:x.txt", deep["sha"].as_str().unwrap()), "Blob"),
        ("HEAD:README.md", "Blob"),
    ] {
        assert_eq!(object(expression).await["__typename"], kind, "{expression}");
    }
    for expression in [
        "",
        "other",
        "HEAD:none",
        "HEAD:README.md/",
        "HEAD:README.md/x",
        "other:src",
        ":src",
        &root[1..],
    ] {
        assert!(object(expression).await.is_null(), "{expression}");
    }
}

#[tokio::test]
async fn a_repository_tells_what_rest_tells() {
    let (sim, clock) = sim().await;
    add(&sim, "octo-admin/fork", &[("x", "y")]);
    add(&sim, "octo-org/bare", &[]);
    clock.advance(jiff::SignedDuration::from_mins(5));
    sim.with(|world| {
        let change = |repo: &mut github_sim::world::model::Repo| {
            repo.fork = true;
            repo.archived = true;
            repo.disabled = true;
        };
        world.change_repo(&slug("octo-admin/fork"), change).unwrap();
    });
    let query = "query($o: String!, $n: String!) { repository(owner: $o, name: $n) {
        id databaseId name nameWithOwner owner { __typename login id url } isArchived isDisabled isFork isPrivate isEmpty
        isLocked isMirror isTemplate isInOrganization visibility pushedAt createdAt updatedAt url resourcePath description
        diskUsage defaultBranchRef { id name prefix target { __typename oid } }
        main: ref(qualifiedName: \"refs/heads/main\") { name } none: ref(qualifiedName: \"other\") { name } } }";
    for name in ["octo-org/tools", "octo-admin/fork", "octo-org/bare"] {
        let (owner, short) = name.split_once('/').unwrap();
        let found = data(&sim, query, json!({"o": owner, "n": short.to_uppercase()})).await;
        let found = &found["repository"];
        let rest = get(&sim, &format!("/repos/{name}")).await.json();
        for (field, other) in [
            ("id", "node_id"),
            ("databaseId", "id"),
            ("name", "name"),
            ("nameWithOwner", "full_name"),
            ("isArchived", "archived"),
            ("isDisabled", "disabled"),
            ("isFork", "fork"),
            ("isPrivate", "private"),
            ("pushedAt", "pushed_at"),
            ("createdAt", "created_at"),
            ("updatedAt", "updated_at"),
            ("url", "html_url"),
            ("description", "description"),
        ] {
            assert_eq!(found[field], rest[other], "{name} {field}");
        }
        for (field, other) in
            [("login", "login"), ("__typename", "type"), ("id", "node_id"), ("url", "html_url")]
        {
            assert_eq!(found["owner"][field], rest["owner"][other], "{name} {field}");
        }
        let visibility = found["visibility"].as_str().unwrap();
        assert_eq!(visibility.to_lowercase(), rest["visibility"].as_str().unwrap());
        let empty = short == "bare";
        assert_eq!(found["isEmpty"], empty);
        assert_eq!(found["none"], Value::Null);
        if empty {
            assert_eq!((&found["defaultBranchRef"], &found["main"]), (&Value::Null, &Value::Null));
        } else {
            assert_eq!(found["defaultBranchRef"]["name"], rest["default_branch"]);
            assert_eq!(found["defaultBranchRef"]["prefix"], "refs/heads/");
            assert_eq!(found["main"]["name"], "main");
        }
    }
    let renamed = "query($f: Boolean) { repository(owner: \"octo-org\", name: \"bare\", followRenames: $f) { name } }";
    sim.with(|world| world.rename_repo(&slug("octo-org/bare"), "bear").unwrap());
    assert_eq!(data(&sim, renamed, json!({})).await["repository"]["name"], "bear");
    let refused = answer(&sim, renamed, json!({"f": false})).await;
    assert_eq!(errors(&refused), [pair("NOT_FOUND", "repository")]);
}
