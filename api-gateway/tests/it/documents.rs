//! The description and its viewers.

use api_gateway::base_path::BasePath;
use http::StatusCode;
use serde_json::Value;

use crate::support::{create, gateway, gateway_with};

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

/// `UPDATE_OPENAPI=1 cargo nextest run -p api-gateway openapi` writes the file anew.
#[test]
fn the_committed_openapi_document_is_the_one_served() {
    let text = api_gateway::document_text().unwrap();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(COMMITTED, &text).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == text,
        "api-gateway/openapi.json is out of date: run this test with UPDATE_OPENAPI=1"
    );
}

#[tokio::test]
async fn the_document_is_served_and_whole() {
    let (client, _) = gateway().await;
    let answer = client.get_anonymously("/openapi.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let place = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{place} has no summary");
            let default = &operation["responses"]["default"]["content"];
            assert!(default["application/problem+json"].is_object(), "{place} has no default");
        }
    }
    assert_eq!(operations, 33);
    let text = answer.text();
    for (index, _) in text.match_indices("\"#/components/") {
        let reference = text[index + 2..].split('"').next().unwrap();
        assert!(document.pointer(reference).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn the_viewers_are_served_from_here_and_may_ask_nobody_else() {
    let (client, _) = gateway().await;
    for page in ["/docs/", "/redoc"] {
        let answer = client.get_anonymously(page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("http"), "{policy}");
        let html = answer.text();
        assert!(!html.contains("//cdn") && !html.contains("https://"), "{html}");
        for source in html.split("src=\"").skip(1) {
            let source = source.split('"').next().unwrap();
            let base = if source.starts_with('/') { "" } else { page };
            let target = format!("{base}{}", source.trim_start_matches("./"));
            let script = client.get_anonymously(&target).await;
            assert_eq!(script.status, StatusCode::OK, "{target}");
        }
    }
    let start = client.get_anonymously("/docs/swagger-initializer.js").await.text();
    assert!(
        start.contains("/openapi.json") && start.contains("\"validatorUrl\": \"none\""),
        "{start}"
    );
}

/// The schema of the create body and the code that reads it must say the same.
#[tokio::test]
async fn the_create_schema_and_the_code_agree() {
    let document = serde_json::to_value(api_gateway::document()).unwrap();
    let forms = document["components"]["schemas"]["CreateRunners"]["oneOf"].as_array().unwrap();
    let property = |form: usize, name: &str| forms[form]["properties"][name].clone();
    assert_eq!(forms.len(), 6, "for each kind of scope one for one runner and one for several");
    for form in forms {
        assert_eq!(form["additionalProperties"], Value::Bool(false));
        let mut required = vec!["scope", "scope_name"];
        required.extend((form["properties"]["count"]["minimum"] == 2).then_some("count"));
        assert_eq!(form["required"], serde_json::json!(required));
    }
    let (client, _) = gateway().await;
    let attempt = async |count: u64, name: &str, value: Value| {
        let mut body = serde_json::json!({"scope": "repo", "scope_name": "o/r", "count": count});
        body[name] = value;
        client.send(create(body.to_string())).await.status == StatusCode::CREATED
    };
    // The forms for a repository: one runner, several runners.
    for (form, count) in [(0, 1), (1, 2)] {
        let most = |name: &str, key: &str| {
            usize::try_from(property(form, name)[key].as_u64().unwrap()).unwrap()
        };
        let name = most("runner_name", "maxLength");
        let labels = most("labels", "maxItems");
        let label = property(form, "labels")["items"]["maxLength"].as_u64().unwrap();
        let label = usize::try_from(label).unwrap();
        let cases: [(&str, Value, bool); 8] = [
            ("runner_name", "x".repeat(name).into(), true),
            ("runner_name", "x".repeat(name + 1).into(), false),
            ("labels", vec!["x"; labels].into(), true),
            ("labels", vec!["x"; labels + 1].into(), false),
            ("labels", vec!["x".repeat(label)].into(), true),
            ("labels", vec!["x".repeat(label + 1)].into(), false),
            ("runner_group", "default".into(), true),
            ("runner_group", "other".into(), false),
        ];
        for (field, value, taken) in cases {
            let shown = value.to_string();
            assert_eq!(attempt(count, field, value).await, taken, "{field} = {shown}");
        }
    }
    let longest = property(4, "scope_name")["maxLength"].as_u64().unwrap();
    let longest = usize::try_from(longest).unwrap();
    for (slug, taken) in [("x".repeat(longest), true), ("x".repeat(longest + 1), false)] {
        let body =
            serde_json::json!({"scope": "enterprise", "scope_name": slug, "runner_group": "big"});
        let status = client.send(create(body.to_string())).await.status;
        assert_eq!(status == StatusCode::CREATED, taken, "{slug}");
    }
    let most = property(1, "count")["maximum"].as_u64().unwrap();
    for (count, taken) in [(0, false), (1, true), (most, true), (most + 1, false)] {
        assert_eq!(attempt(count, "labels", Value::Null).await, taken, "{count}");
    }
}

/// Behind a reverse proxy that shows the gateway under a path, whether or not it takes the path away.
#[tokio::test]
async fn under_a_path_everything_names_itself_with_it_and_is_found_with_and_without() {
    let (client, stub) = gateway_with(|config| {
        config.base_path = BasePath::parse("/tools/mayfly/").unwrap();
    })
    .await;
    let document = client.get_anonymously("/tools/mayfly/openapi.json").await.json();
    assert_eq!(document["servers"], serde_json::json!([{"url": "/tools/mayfly"}]));
    let redirect = client.get_anonymously("/docs").await;
    assert_eq!(redirect.header("location"), Some("/tools/mayfly/docs/"));
    for prefix in ["", "/tools/mayfly"] {
        let start = format!("{prefix}/docs/swagger-initializer.js");
        let start = client.get_anonymously(&start).await.text();
        assert!(start.contains("\"/tools/mayfly/openapi.json\""), "{start}");
        let page = client.get_anonymously(&format!("{prefix}/redoc")).await.text();
        let mut sources = 0;
        for source in page.split("src=\"").skip(1) {
            let source = source.split('"').next().unwrap();
            assert!(source.starts_with("/tools/mayfly/redoc/"), "{source}");
            let script = client.get_anonymously(source).await;
            assert_eq!(script.status, StatusCode::OK, "{source}");
            assert!(!script.text().contains("{base}"), "{source}");
            sources += 1;
        }
        assert_eq!(sources, 2);
        let start = client.get_anonymously("/redoc/start.js").await.text();
        assert!(start.contains("Redoc.init(\"/tools/mayfly/openapi.json\""), "{start}");
        stub.memory().seen.clear();
        let answer = client.get(&format!("{prefix}/api/v1/runners?per_page=5")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(stub.memory().seen[0].target, "/api/v1/runners?per_page=5");
        assert_eq!(client.get_anonymously(&format!("{prefix}/livez")).await.status, StatusCode::OK);
        let guarded = client.get_anonymously(&format!("{prefix}/api/v1/runners")).await;
        assert_eq!(guarded.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(client.get("/tools/mayflyer/livez").await.status, StatusCode::NOT_FOUND);
    let metrics = client.get("/tools/mayfly/metrics").await.text();
    assert!(!metrics.contains("tools"), "{metrics}");
    assert!(metrics.contains("route=\"/api/v1/runners\""), "{metrics}");
}

#[tokio::test]
async fn the_viewers_are_kept_for_a_while_and_errors_are_not() {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
        img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
        form-action 'none'; frame-ancestors 'none'";
    let (client, _) = gateway().await;
    let (html, script) = ("text/html; charset=utf-8", "text/javascript; charset=utf-8");
    for (path, status, kind, kept) in [
        ("/docs/", 200, Some("text/html"), true),
        ("/redoc", 200, Some(html), true),
        ("/redoc/start.js", 200, Some(script), true),
        ("/redoc/viewer.js", 200, Some(script), true),
        ("/docs", 303, None, false),
        ("/docs/nothing.js", 404, Some("application/problem+json"), false),
    ] {
        let answer = client.get_anonymously(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(answer.header("content-type"), kind, "{path}");
        assert_eq!(answer.header("content-security-policy"), Some(POLICY), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        let kept = kept.then_some("public, max-age=600");
        assert_eq!(answer.header("cache-control"), kept, "{path}");
    }
    let description = client.get_anonymously("/openapi.json").await;
    assert_eq!(description.header("content-security-policy"), None);
    assert_eq!(description.header("cache-control"), None);
    let start = client.get_anonymously("/docs/swagger-initializer.js").await.text();
    for setting in [
        r#""url": "/openapi.json""#,
        r#""persistAuthorization": false"#,
        r#""tryItOutEnabled": true"#,
        r#""displayRequestDuration": true"#,
    ] {
        assert!(start.contains(setting), "{setting} is missing in:\n{start}");
    }
    let page = client.get_anonymously("/redoc").await.text();
    let scripts: Vec<&str> = page.lines().filter(|line| line.starts_with("<script")).collect();
    assert_eq!(
        scripts,
        [
            r#"<script src="/redoc/viewer.js"></script>"#,
            r#"<script src="/redoc/start.js"></script>"#
        ]
    );
    assert!(page.contains(r#"<a href="/openapi.json">/openapi.json</a>"#), "{page}");
    assert!(page.contains(r#"<div id="redoc"></div>"#), "{page}");
    let start = client.get_anonymously("/redoc/start.js").await.text();
    for part in [
        r#"Redoc.init("/openapi.json", {"#,
        "disableSearch: true,",
        "hideDownloadButton: false,",
        r#"}, document.getElementById("redoc"));"#,
    ] {
        assert!(start.contains(part), "{part} is missing in:\n{start}");
    }
}
