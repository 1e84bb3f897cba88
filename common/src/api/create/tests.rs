use super::*;
use serde_json::json;

fn pointers(body: &Value) -> Vec<String> {
    let problem = CreateRunners::from_json(body.to_string().as_bytes()).unwrap_err();
    assert_eq!(problem.status, 422);
    problem.errors.into_iter().map(|error| error.pointer).collect()
}

#[test]
fn a_full_request_is_read() {
    let body = json!({"scope": "org", "scope_name": "octo", "runner_name": "big", "runner_group": "gpu",
                      "labels": ["self-hosted", "GPU"], "count": 3});
    let request = CreateRunners::from_json(body.to_string().as_bytes()).unwrap();
    assert_eq!(
        request.names.iter().map(RunnerName::as_str).collect::<Vec<_>>(),
        ["big-1", "big-2", "big-3"]
    );
    assert_eq!(request.labels.unwrap().to_string(), "gpu,self-hosted");
    assert_eq!((request.count, request.group.as_deref()), (3, Some("gpu")));
}

#[test]
fn an_enterprise_is_named_by_its_slug() {
    let body =
        |name: &str| json!({"scope": "enterprise", "scope_name": name, "runner_group": "gpu"});
    let request = CreateRunners::from_json(body("Octo-Corp").to_string().as_bytes()).unwrap();
    assert_eq!(request.scope.to_string(), "enterprise:Octo-Corp");
    assert_eq!(pointers(&body("octo/corp")), ["/scope_name"]);
}

#[test]
fn nulls_and_absent_fields_take_the_defaults() {
    let body = json!({"scope": "repo", "scope_name": "o/r", "labels": null, "runner_name": null, "count": null});
    let request = CreateRunners::from_json(body.to_string().as_bytes()).unwrap();
    assert_eq!((request.count, request.names.len(), request.labels), (1, 0, None));
}

#[test]
fn every_bad_field_is_named_at_once() {
    let body = json!({"scope": "user", "scope_name": 7, "runner_name": "-x", "runner_group": "", "labels": ["a\tb", 1, "ok"],
                      "count": 11, "enable_dind": true, "a/b~c": 1});
    let mut found = pointers(&body);
    found.sort();
    let expected = [
        "/a~1b~0c",
        "/count",
        "/enable_dind",
        "/labels/0",
        "/labels/1",
        "/runner_group",
        "/runner_name",
        "/scope",
        "/scope_name",
    ];
    assert_eq!(found, expected);
}

#[test]
fn single_faults() {
    let good = json!({"scope": "repo", "scope_name": "o/r"});
    let cases = [
        ("scope", json!(null), "/scope"),
        ("scope_name", json!("owner/../x"), "/scope_name"),
        ("scope_name", json!("owner"), "/scope_name"),
        ("scope_name", json!("me/r0/forks?x="), "/scope_name"),
        ("runner_name", json!("x".repeat(101)), "/runner_name"),
        ("runner_name", json!("x".repeat(65)), "/runner_name"),
        ("runner_name", json!(5), "/runner_name"),
        ("runner_group", json!("gpu"), "/runner_group"),
        ("labels", json!("self-hosted"), "/labels"),
        ("labels", json!([]), "/labels"),
        ("labels", json!(vec!["x"; 101]), "/labels"),
        ("count", json!(0), "/count"),
        ("count", json!(11), "/count"),
        ("count", json!(-1), "/count"),
        ("count", json!(1.5), "/count"),
        ("count", json!("2"), "/count"),
        ("count", json!(true), "/count"),
    ];
    for (name, value, pointer) in cases {
        let mut body = good.clone();
        body[name] = value.clone();
        assert_eq!(pointers(&body), [pointer], "{name} = {value}");
    }
    let named = |length, count| json!({"scope": "repo", "scope_name": "o/r", "runner_name": "x".repeat(length), "count": count});
    assert_eq!(pointers(&named(62, 2)), ["/runner_name"]);
    for good in [named(61, 10), named(64, 1)] {
        assert!(CreateRunners::from_json(good.to_string().as_bytes()).is_ok());
    }
    assert_eq!(pointers(&json!([])), [""]);
    assert_eq!(CreateRunners::from_json(b"{").unwrap_err().status, 400);
    assert_eq!(CreateRunners::from_json(b"").unwrap_err().status, 400);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = CreateRunners::from_json(&bytes);
    }
}

/// What is said of a body: each pointer with its detail.
fn said(body: &Value) -> Vec<(String, String)> {
    let problem = CreateRunners::from_json(body.to_string().as_bytes()).unwrap_err();
    problem.errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
}

#[test]
fn each_mistake_is_said_in_its_own_words() {
    let name =
        "may hold only letters, digits, '_', '.' and '-', and must start with a letter or digit";
    let group = "must have 1 to 64 printable characters";
    let rows = [
        ("scope", json!("user"), "must be \"repo\", \"org\" or \"enterprise\""),
        ("scope", json!(null), "must be a string"),
        ("scope", json!(1), "must be a string"),
        ("scope_name", json!("owner"), "must have the form owner/repo"),
        ("runner_name", json!("a b"), name),
        ("runner_name", json!("a"), "must have 2 to 64 characters, has 1"),
        ("runner_name", json!(1), "must be a string"),
        ("runner_group", json!("  "), group),
        ("runner_group", json!("g".repeat(65)), group),
        ("runner_group", json!("a\u{7}"), group),
        (
            "runner_group",
            json!("gpu"),
            "only organisations and enterprises have runner groups; leave it out for a repository",
        ),
        ("labels", json!("a"), "must be a list of strings"),
        ("labels", json!([]), "must hold 1 to 100 labels"),
        ("labels", json!(vec!["x"; 101]), "must hold 1 to 100 labels"),
        ("count", json!(11), "must be a whole number from 1 to 10"),
        ("count", json!(2.5), "must be a whole number from 1 to 10"),
        (
            "colour",
            json!(1),
            "is not a known field; known are scope, scope_name, runner_name, runner_group, labels, count",
        ),
    ];
    for (field, value, detail) in rows {
        let mut body = json!({"scope": "repo", "scope_name": "o/r"});
        body[field] = value;
        assert_eq!(said(&body), [(format!("/{field}"), detail.to_owned())], "{body}");
    }
    let only = |pointer: &str, detail: &str| vec![(pointer.to_owned(), detail.to_owned())];
    let required = "is required";
    assert_eq!(said(&json!({"scope_name": "o/r"})), only("/scope", required));
    assert_eq!(said(&json!({"scope": "repo"})), only("/scope_name", required));
    assert_eq!(said(&json!(1)), only("", "must be an object"));
    let login = |word: &str| {
        format!(
            "{word} must be 1 to 39 letters, digits or single hyphens, not starting or ending with a hyphen"
        )
    };
    assert_eq!(
        said(&json!({"scope": "org", "scope_name": "-"})),
        only("/scope_name", &login("organisation"))
    );
    assert_eq!(
        said(&json!({"scope": "repo", "scope_name": "-/r"})),
        only("/scope_name", &login("owner"))
    );
    let labels = json!({"scope": "org", "scope_name": "o", "labels": ["a\n b", 1, "ok"]});
    assert_eq!(
        said(&labels),
        [
            (
                "/labels/0".to_owned(),
                "must have 1 to 256 characters, none of them a line break or another control character".to_owned()
            ),
            ("/labels/1".to_owned(), "must be a string".to_owned()),
        ]
    );
    let numbered =
        json!({"scope": "org", "scope_name": "o", "runner_name": "x".repeat(62), "count": 2});
    assert_eq!(
        said(&numbered),
        only("/runner_name", "must have 2 to 61 characters where several runners are numbered")
    );
    let malformed = CreateRunners::from_json(b"{").unwrap_err();
    assert!(malformed.detail.unwrap().starts_with("The body is not JSON: EOF while parsing"));
}

#[test]
fn what_is_just_allowed_is_taken() {
    let body = json!({"scope": "repo", "scope_name": "O/r", "runner_name": "one", "runner_group": "Default",
                      "labels": (0..100).map(|n| format!("l{n}")).collect::<Vec<_>>(), "count": 1.0});
    let request = CreateRunners::from_json(body.to_string().as_bytes()).unwrap();
    assert_eq!(
        (request.scope.to_string(), request.names[0].as_str(), request.names.len(), request.count),
        ("repo:O/r".to_owned(), "one", 1, 1)
    );
    assert_eq!(request.group.as_deref(), Some("Default"));
    assert_eq!(request.labels.unwrap().len(), 100);
    let body =
        json!({"scope": "org", "scope_name": "o", "runner_group": "g".repeat(64), "count": 10.0});
    let request = CreateRunners::from_json(body.to_string().as_bytes()).unwrap();
    assert_eq!((request.count, request.names.len()), (10, 0));
    assert_eq!(request.group, Some("g".repeat(64)));
    assert_eq!((MAX_COUNT, MAX_NUMBERED_NAME_LENGTH), (10, 61));
}
