//! What a refusal means for whoever typed the command.

use serde_json::{Value, json};

use super::{Gateway, problem};

#[tokio::test]
async fn a_refusal_says_what_to_do_next() {
    let key =
        "check MAYFLY_API_KEY, the file that --api-key-file names, or the profile's api_key_file";
    let set = "set MAYFLY_API_KEY, or name the key's file with --api-key-file";
    let rows = [
        (401, "urn:mayfly:problem:invalid-api-key", json!(null), Some(key)),
        (401, "urn:mayfly:problem:missing-api-key", json!(null), Some(set)),
        (
            412,
            "x",
            json!(null),
            Some("somebody changed it meanwhile: look at it again, then repeat your change"),
        ),
        (429, "x", json!(7), Some("try again in 7 s")),
        (503, "x", json!(8), Some("try again in 8 s")),
        (503, "x", json!(null), None),
        (500, "x", json!(9), None),
        (404, "x", json!(null), None),
    ];
    for (status, kind, retry_after, hint) in rows {
        let mut body = json!({
            "type": kind, "title": "No", "status": status, "detail": "It is refused.",
            "errors": [{"pointer": "/a/b", "detail": "must be c"}, {"pointer": "/d", "detail": "is required"}],
        });
        if !retry_after.is_null() {
            body["retry_after"] = retry_after;
        }
        let answer = body.clone();
        let gateway = Gateway::start(move |_, _| (status, answer.clone())).await;
        let hint = hint.map(|hint| format!("→ {hint}\n")).unwrap_or_default();
        let error = format!("error: It is refused.\n  a.b must be c\n  d is required\n{hint}");
        gateway.fails("status", 1, &error).await;
        let (code, told, said) = gateway.says("status --json").await;
        assert_eq!((code, said), (1, error));
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), json!({"error": body}));
    }
    let gateway = Gateway::start(|_, _| {
        let (status, mut body) = problem(409);
        body.as_object_mut().unwrap().remove("detail");
        (status, body)
    })
    .await;
    gateway.fails("status", 1, "error: No\n").await;
}

#[tokio::test]
async fn what_answers_otherwise_than_a_gateway_is_told() {
    let rows = [
        (
            302,
            json!({}),
            "answered 302 Found, a redirect, which is not followed: name the address that it leads to",
        ),
        (404, json!({}), "answered 404 Not Found, and not as a Mayfly gateway does"),
        (404, json!("no stream"), "answered 404 Not Found, and not as a Mayfly gateway does"),
        (
            200,
            json!({}),
            "answered with what is not understood here (missing field `version` at line 1 column 2); is it of another version?",
        ),
    ];
    for (status, body, words) in rows {
        let gateway = Gateway::start(move |_, _| (status, body.clone())).await;
        let error = format!("error: {} {words}\n", gateway.url);
        gateway.fails("status", 1, &error).await;
        let (_, told, _) = gateway.says("status --json").await;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told, json!({"error": format!("{} {words}", gateway.url)}));
    }
    let gateway = Gateway::start(|what, _| match what {
        "GET /events?after=7" => (200, json!({})),
        _ => (200, json!({"events": [], "last_id": 7})),
    })
    .await;
    let (_, _, error) = gateway.says("pool show x").await;
    assert!(error.contains("is not understood here (missing field `name`"), "{error}");
}
