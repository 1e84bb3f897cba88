use serde_json::{Value, json};

use super::*;

const QUERY: &str = r#"query($n: String!, $more: Boolean = false) {
    a: repository(owner: "o", name: $n) {
        databaseId visibility
        object(expression: "HEAD:x") { ... on Tree { oid entries { name } } ... on Blob { text } }
        more: pushedAt @include(if: $more)
    }
    node(id: "x") { __typename id ... on Repository { name } }
}"#;

fn body(query: &str, variables: &Value) -> Vec<u8> {
    json!({"query": query, "variables": variables}).to_string().into_bytes()
}

#[test]
fn requests() {
    let good = [
        (QUERY, json!({"n": "r"})),
        (
            "query($n: Int!) { viewer { repositories(first: $n) { totalCount } } }",
            json!({"n": 100}),
        ),
    ];
    for (query, variables) in good {
        assert_eq!(check_graphql_request(&body(query, &variables)), Vec::<String>::new());
    }
    let bad = [
        (QUERY, json!({})),
        (QUERY, json!({"n": 1})),
        (QUERY, json!({"n": "r", "other": 1})),
        ("{ viewer { nothing } }", json!({})),
        ("{ viewer { login }", json!({})),
        ("{ viewer { login { x } } }", json!({})),
        ("{ repository(owner: \"o\") { id } }", json!({})),
        ("{ viewer { repositories { totalCount } } }", json!({})),
        ("{ viewer { repositories(first: 101) { totalCount } } }", json!({})),
        ("{ viewer { repositories(first: 1, last: 1) { totalCount } } }", json!({})),
        (
            "{ viewer { ...F } } fragment F on User { repositories(last: 0) { totalCount } }",
            json!({}),
        ),
    ];
    for (query, variables) in bad {
        let wrong = check_graphql_request(&body(query, &variables));
        assert_eq!(wrong.len(), 1, "{query} {variables}: {wrong:?}");
    }
    assert_eq!(check_graphql_request(b"{}").len(), 1);
}

#[test]
fn answers() {
    let variables = json!({"n": "r"});
    let check = |answer: &Value| {
        check_graphql_response(&body(QUERY, &variables), answer.to_string().as_bytes())
    };
    let oid = "ce013625030ba8dba906f756967f9e9ca394464a";
    let good = json!({"data": {
        "a": {"databaseId": 1, "visibility": "PRIVATE", "object": {"oid": oid, "entries": [{"name": "x"}]}},
        "node": {"__typename": "Repository", "id": "y", "name": "r"},
    }});
    assert_eq!(check(&good), Vec::<String>::new());
    let error = json!([{"type": "NOT_FOUND", "path": ["a"], "locations": [{"line": 1, "column": 2}], "message": "m"}]);
    for (pointer, value) in [
        ("/data/a/object", json!({"text": null})),
        ("/data/a/object", json!({})),
        ("/data/a/object", json!(null)),
        ("/data/a/databaseId", json!(null)),
        ("/data/node", json!({"__typename": "User", "id": "y"})),
        ("/data/node", json!(null)),
    ] {
        let mut other = good.clone();
        *other.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(check(&other), Vec::<String>::new(), "{pointer} {value}");
    }
    for (pointer, value) in [
        ("/data/a/visibility", json!(null)),
        ("/data/a/visibility", json!("SECRET")),
        ("/data/a/databaseId", json!("1")),
        ("/data/a/object", json!({"oid": oid})),
        ("/data/a/object", json!({"oid": "x", "entries": null})),
        ("/data/a/object", json!({"text": "x", "oid": oid})),
        ("/data/a", json!({"databaseId": 1, "visibility": "PUBLIC"})),
        ("/data/a", json!([])),
        ("/data/node", json!({"__typename": "Nothing", "id": "y"})),
        ("/data/node", json!({"__typename": "User", "id": "y", "name": "r"})),
        ("/data/node", json!({"id": "y"})),
        ("/data", json!(null)),
    ] {
        let mut other = good.clone();
        *other.pointer_mut(pointer).unwrap() = value.clone();
        assert!(!check(&other).is_empty(), "{pointer} {value}");
    }

    let mut partial = good.clone();
    partial["data"]["a"] = Value::Null;
    partial["errors"] = error.clone();
    assert_eq!(check(&partial), Vec::<String>::new());
    assert_eq!(check(&json!({"errors": [{"message": "m"}]})), Vec::<String>::new());
    let mut astray = good.clone();
    astray["errors"] = error;
    assert_eq!(check(&astray), ["errors[0]: the path does not lead to a null"]);
    for answer in [
        json!({}),
        json!([]),
        json!({"errors": []}),
        json!({"errors": [{}]}),
        json!({"data": {}, "x": 1}),
    ] {
        assert!(!check(&answer).is_empty(), "{answer}");
    }
    let undeclared = check_graphql_response(b"{}", good.to_string().as_bytes());
    assert_eq!(undeclared, ["there is data for what is no question"]);
}
