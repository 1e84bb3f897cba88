use serde_json::json;

use super::*;
use crate::stand_in::{NOW, StandIn, at, no, ok, told};

fn slug(text: &str) -> RepoSlug {
    RepoSlug::parse(text).unwrap()
}

#[test]
fn a_question_holds_names_as_variables_only() {
    let (document, variables) = RepoSlug::document(&[slug("o/r"), slug("p/s")]);
    let declared = "query($o0:String!,$n0:String!,$o1:String!,$n1:String!,){r0:repository(";
    assert!(document.starts_with(declared), "{document}");
    let expected = serde_json::json!({"o0": "o", "n0": "r", "o1": "p", "n1": "s"});
    assert_eq!(Value::from(variables), expected);
}

#[test]
fn batches_are_bounded_in_number_and_bytes() {
    let file = |size| (slug("o/r"), FileVersion { name: "ci.yml".into(), oid: "1".into(), size });
    let sizes = |sizes: &[u64]| {
        let items = sizes.iter().map(|&size| file(size)).collect();
        packed(items).iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&[10; 250]), [100, 100, 50]);
    let half = BATCH_BYTES / 2;
    assert_eq!(sizes(&[half, half, 1, BATCH_BYTES, 1]), [2, 1, 1, 1]);
    assert!(sizes(&[]).is_empty());
}

fn version(name: &str, oid: &str, size: u64) -> FileVersion {
    FileVersion { name: name.to_owned(), oid: oid.to_owned(), size }
}

fn read_text(text: &str) -> FileText {
    FileText::Read(text.to_owned())
}

#[tokio::test]
async fn folders_and_files_are_read_in_one_question_each() {
    let entry = |name: &str, kind: &str, size: u64| json!({"name": name, "type": kind, "oid": format!("o-{name}"), "size": size});
    let entries = json!([
        entry("ci.yml", "blob", 10), entry("CD.YAML", "blob", 20), entry("dir.yml", "tree", 30),
        entry("notes.md", "blob", 40), entry("yml", "blob", 50), {"name": "odd.yml"},
    ]);
    let folders = json!({"data": {
        "r0": {"databaseId": 7, "nameWithOwner": "o/new", "object": {"entries": entries}},
        "r1": null, "r2": {"databaseId": 8, "nameWithOwner": "p/s", "object": null},
    }, "errors": [{"type": "NOT_FOUND", "path": ["r1"], "message": "none"}]});
    let texts = json!({"data": {
        "r0": {"object": {"isTruncated": false, "text": "on: push"}},
        "r1": {"object": {"isTruncated": true, "text": "on:"}},
        "r2": {"object": {"isTruncated": false, "text": null}},
        "r3": {"object": null},
    }});
    let github = StandIn::new([("POST /graphql", vec![ok(&folders), ok(&texts)])]).await;
    let client = github.client();
    let repos = vec![slug("o/r"), slug("o/gone"), slug("p/s")];
    let found = client.workflow_folders(repos, Priority::Discovery).await;
    let folder = Folder {
        id: Some(7),
        slug: Some(slug("o/new")),
        files: vec![version("ci.yml", "o-ci.yml", 10), version("CD.YAML", "o-CD.YAML", 20)],
        odd: vec!["\"odd.yml\": missing field `oid`".to_owned()],
    };
    let empty = Folder { id: Some(8), slug: Some(slug("p/s")), ..Folder::default() };
    let expected = [
        (slug("o/r"), Ok(folder)),
        (slug("o/gone"), Err(GitHubError::NotFound)),
        (slug("p/s"), Ok(empty)),
    ];
    assert_eq!(found, expected);
    let file = |name: &str, size| (slug("o/r"), version(name, "abc", size));
    let files = vec![
        file("a.yml", 1_048_576),
        file("large.yml", 1_048_577),
        file("b.yml", 0),
        file("c.yml", 0),
        file("d.yml", 0),
    ];
    let found = client.workflow_texts(files, Priority::Discovery).await;
    let expected = [
        (file("a.yml", 1_048_576), Ok(read_text("on: push"))),
        (file("b.yml", 0), Ok(FileText::NoText)),
        (file("c.yml", 0), Ok(FileText::NoText)),
        (file("d.yml", 0), Ok(FileText::Missing)),
        (file("large.yml", 1_048_577), Ok(FileText::NoText)),
    ];
    assert_eq!(found, expected);
    let asked = github.asked();
    let alias = |index: usize| {
        format!(
            "r{index}:repository(owner:$o{index},name:$n{index}){{databaseId nameWithOwner object(expression:\"HEAD:.github/workflows\"){{...on Tree{{entries{{name type oid size}}}}}}}}"
        )
    };
    let variables = "$o0:String!,$n0:String!,$o1:String!,$n1:String!,$o2:String!,$n2:String!,";
    let aliases: String = (0..3).map(alias).collect();
    assert_eq!(asked[0].body["query"], format!("query({variables}){{{aliases}}}"));
    let query = asked[1].body["query"].as_str().unwrap();
    let begin = "query($o0:String!,$n0:String!,$b0:GitObjectID!,";
    let first =
        "{r0:repository(owner:$o0,name:$n0){object(oid:$b0){...on Blob{isTruncated text}}}r1:";
    assert!(query.starts_with(begin) && query.contains(first), "{query}");
    let variables = &asked[1].body["variables"];
    assert_eq!(
        (&variables["o3"], &variables["n3"], &variables["b3"]),
        (&json!("o"), &json!("r"), &json!("abc"))
    );
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[2].line, "GET /repos/o/r/contents/.github/workflows/d.yml");
}

#[tokio::test]
async fn a_file_that_graphql_says_nothing_of_is_asked_for_by_rest_once() {
    let texts = json!({"data": {
        "r0": {"object": null}, "r1": null, "r2": {"object": null}, "r3": {"object": null},
        "r4": {"object": {"isTruncated": false, "text": "on: push"}},
    }});
    let contents = |name: &str| format!("GET /repos/o/r/contents/.github/workflows/{name}");
    let file = ok(&json!({"encoding": "base64", "content": "eA=="}));
    let github = StandIn::new([
        ("POST /graphql".to_owned(), vec![ok(&texts)]),
        (contents("a.yml"), vec![file.clone()]),
        (contents("b.yml"), vec![file]),
        (contents("c.yml"), vec![no(404, "")]),
        (contents("d.yml"), vec![no(451, "")]),
    ])
    .await;
    let of = |name: &str| (slug("o/r"), version(name, "abc", 1));
    let files = ["a.yml", "b.yml", "c.yml", "d.yml", "e.yml"].map(of).to_vec();
    let mut found = github.client().workflow_texts(files, Priority::Discovery).await;
    found.sort_by(|one, other| one.0.1.name.cmp(&other.0.1.name));
    let texts: Vec<_> = found.into_iter().map(|(_, text)| text).collect();
    assert!(texts[3].is_err(), "{texts:?}");
    let read = |text: &str| Ok(read_text(text));
    assert_eq!(texts[..3], [read("x"), read("x"), Ok(FileText::Missing)]);
    assert_eq!(texts[4], read("on: push"));
    assert_eq!(github.lines().len(), 5);
}

#[tokio::test]
async fn what_graphql_refuses_is_read_one_by_one_for_an_hour_and_its_trouble_for_ten_minutes() {
    let folder = json!([
        {"type": "file", "name": "ci.yml", "sha": "abc", "size": 12},
        {"type": "dir", "name": "dir.yml", "sha": "x", "size": 1}, {"type": "file", "name": "x.md"},
        {"name": "odd.yaml"},
    ]);
    let expected = Folder {
        files: vec![version("ci.yml", "abc", 12)],
        odd: vec!["\"odd.yaml\": missing field `type`".to_owned()],
        ..Folder::default()
    };
    let rows = [
        (no(403, "No"), 1, 3_600),
        (no(404, ""), 1, 3_600),
        (ok(&json!({"errors": [{"type": "FORBIDDEN", "message": "No"}]})), 1, 3_600),
        (ok(&json!({"errors": [{"message": "Something"}]})), 1, 3_600),
        // In trouble, two are tried one at a time before.
        (no(502, ""), 2, 600),
        (told(200, "<html>"), 2, 600),
        (ok(&json!({})), 2, 600),
    ];
    for (answer, questions, seconds) in rows {
        let contents = |repo: &str| format!("GET /repos/o/{repo}/contents/.github/workflows");
        let github = StandIn::new([
            ("POST /graphql".to_owned(), vec![answer]),
            (contents("a"), vec![ok(&folder)]),
        ])
        .await;
        let client = github.client();
        let read = async || {
            let repos = vec![slug("o/a"), slug("o/b")];
            let mut found = client.workflow_folders(repos, Priority::Discovery).await;
            found.sort_by_key(|(repo, _)| repo.name().to_owned());
            let asked = github.lines();
            (found, asked.iter().filter(|line| *line == "POST /graphql").count(), asked.len())
        };
        let found = vec![(slug("o/a"), Ok(expected.clone())), (slug("o/b"), Ok(Folder::default()))];
        assert_eq!(read().await, (found.clone(), questions, questions + 2));
        github.clock.set(seconds - 1);
        assert_eq!(read().await, (found.clone(), 0, 2), "{seconds}");
        github.clock.set(seconds);
        assert_eq!(read().await, (found, questions, questions + 2), "{seconds}");
    }
}

#[tokio::test]
async fn where_one_has_to_wait_nothing_else_is_tried() {
    let limited = json!({"errors": [{"type": "RATE_LIMITED", "message": "x"}]});
    let github = StandIn::new([("POST /graphql", vec![ok(&limited)])]).await;
    let client = github.client();
    let found = client.workflow_folders(vec![slug("o/a"), slug("o/b")], Priority::Discovery).await;
    let why = "GitHub asked for quiet (secondary rate limit)".to_owned();
    let wait = || Err(GitHubError::RateLimited { until: at(60), why: why.clone() });
    assert_eq!(found, [(slug("o/a"), wait()), (slug("o/b"), wait())]);
    assert_eq!(github.lines().len(), 1);
    // Where the end of the hour is known, that is when.
    let left = ok(&limited)
        .with("x-ratelimit-limit", "5000")
        .with("x-ratelimit-remaining", "4000")
        .with("x-ratelimit-reset", (NOW + 900).to_string());
    let github = StandIn::new([("POST /graphql", vec![left])]).await;
    let found = github.client().workflow_folders(vec![slug("o/a")], Priority::Discovery).await;
    let why = "0 of 5000 graphql requests of this hour are left".to_owned();
    let limited = Err(GitHubError::RateLimited { until: at(900), why });
    assert_eq!(found, [(slug("o/a"), limited)]);
}

#[tokio::test]
async fn a_file_is_read_by_its_path_as_it_was_at_a_commit() {
    let line = "GET /repos/o/r/contents/.github/workflows/a%20b.yml?ref=abc";
    let file =
        |encoding: &str, content: &str| ok(&json!({"encoding": encoding, "content": content}));
    let script = vec![
        file("base64", "b246\nIHB1c2g=\n"),
        file("none", ""),
        file("base64", "!"),
        file("base64", "/w=="),
        no(404, ""),
    ];
    let github = StandIn::new([(line, script)]).await;
    let client = github.client();
    let expected = [
        Ok(read_text("on: push")),
        Ok(FileText::NoText),
        Ok(FileText::NoText),
        Ok(FileText::NoText),
        Ok(FileText::Missing),
    ];
    for expected in expected {
        let found = client.text_at(&slug("o/r"), ".github/workflows/a b.yml", "abc").await;
        assert_eq!(found, expected);
    }
    // The default branch's, where it is read alone.
    let line = "GET /repos/o/r/contents/.github/workflows/ci.yml";
    let github = StandIn::new([(line, vec![file("base64", "eA==")])]).await;
    let ci = version("ci.yml", "o", 1);
    let found = github.client().text_by_rest(&slug("o/r"), &ci, Priority::Discovery).await;
    assert_eq!(found, Ok(read_text("x")));
}

#[test]
fn a_question_is_bounded_at_a_hundred_and_at_a_megabyte() {
    let sizes = |sizes: &[u64]| {
        let items = sizes.iter().map(|&size| (slug("o/r"), version("ci.yml", "1", size))).collect();
        packed(items).iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&[0; 101]), [100, 1]);
    assert_eq!(sizes(&[1_048_575, 1, 0]), [3]);
    assert_eq!(sizes(&[1_048_576, 1, 1_048_576]), [1, 1, 1]);
}

#[test]
fn each_error_says_whether_graphql_is_asked_on() {
    use Verdict::{Refused, Trouble, Wait};
    let (text, until) = (String::new, at(0));
    let rows = [
        (GitHubError::Server(500), Trouble),
        (GitHubError::Malformed(text()), Trouble),
        (GitHubError::Forbidden(text()), Refused),
        (GitHubError::NotFound, Refused),
        (GitHubError::Invalid(text()), Refused),
        (GitHubError::Conflict(text()), Refused),
        (GitHubError::Unauthorized, Wait),
        (GitHubError::NotInstalled(text()), Wait),
        (GitHubError::RateLimited { until, why: "x".into() }, Wait),
        (GitHubError::PutOff { until, why: text() }, Wait),
        (GitHubError::Network(text()), Wait),
        (GitHubError::TimedOut, Wait),
    ];
    for (error, expected) in rows {
        assert_eq!(verdict(&error), expected, "{error}");
    }
}

/// A tenth of the hour is kept for what is more important, of the points of GraphQL, too.
#[tokio::test]
async fn a_question_that_can_wait_leaves_points_for_those_that_cannot() {
    let left = ok(&json!({"data": {}}))
        .with("x-ratelimit-limit", "5000")
        .with("x-ratelimit-remaining", "500")
        .with("x-ratelimit-reset", (NOW + 900).to_string());
    let github = StandIn::new([("POST /graphql", vec![left.clone(), left])]).await;
    let client = github.client();
    let read = async |priority| {
        drop(client.workflow_folders(vec![slug("o/a")], priority).await);
        github.lines()
    };
    assert_eq!(read(Priority::Discovery).await, ["POST /graphql"], "nothing is known yet");
    assert_eq!(read(Priority::Discovery).await, [""; 0]);
    assert_eq!(read(Priority::Demand).await, ["POST /graphql"]);
}

/// Each further half would be one more question that GitHub cannot answer.
#[tokio::test]
async fn a_question_that_github_cannot_answer_is_halved_once() {
    let github = StandIn::new([("POST /graphql", vec![no(502, "")])]).await;
    let repos = ["o/a", "o/b", "o/c", "o/d"].map(slug).to_vec();
    let found = github.client().workflow_folders(repos, Priority::Discovery).await;
    assert_eq!(found.len(), 4);
    let asked = github.lines();
    assert_eq!(asked.iter().filter(|line| *line == "POST /graphql").count(), 2, "{asked:?}");
    assert_eq!(asked.len(), 6, "{asked:?}");
}
