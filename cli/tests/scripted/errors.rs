//! What a refusal means for whoever typed the command.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Gateway, compare, problem};

#[tokio::test]
async fn a_refusal_says_what_to_do_next() {
    let rows = [
        (401, "urn:mayfly:problem:invalid-api-key", json!(null)),
        (401, "urn:mayfly:problem:missing-api-key", json!(null)),
        (412, "x", json!(null)),
        (429, "x", json!(7)),
        (503, "x", json!(8)),
        (503, "x", json!(null)),
        (500, "x", json!(9)),
        (404, "x", json!(null)),
    ];
    let mut text = String::new();
    for (status, kind, retry_after) in rows {
        let mut body = json!({
            "type": kind, "title": "No", "status": status, "detail": "It is refused.",
            "errors": [{"pointer": "/a/b", "detail": "must be c"}, {"pointer": "/d", "detail": "is required"}],
        });
        if !retry_after.is_null() {
            body["retry_after"] = retry_after;
        }
        let answer = body.clone();
        let gateway = Gateway::start(move |_, _| (status, answer.clone())).await;
        writeln!(text, "# {status} {kind} {}", body["retry_after"]).unwrap();
        text += &gateway.transcript(["status"]).await;
        let (code, told, _) = gateway.says("status --json").await;
        assert_eq!(code, 1);
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), json!({"error": body}));
    }
    let gateway = Gateway::start(|_, _| {
        let (status, mut body) = problem(409);
        body.as_object_mut().unwrap().remove("detail");
        (status, body)
    })
    .await;
    text += "# 409 without a detail\n";
    text += &gateway.transcript(["status"]).await;
    compare("refusals", &text);
}

#[tokio::test]
async fn what_answers_otherwise_than_a_gateway_is_told() {
    let rows = [(302, json!({})), (404, json!({})), (404, json!("no stream")), (200, json!({}))];
    let mut text = String::new();
    for (status, body) in rows {
        let answer = body.clone();
        let gateway = Gateway::start(move |_, _| (status, answer.clone())).await;
        writeln!(text, "# {status} {body}").unwrap();
        text += &gateway.transcript(["status", "status --json"]).await;
    }
    compare("other_answers", &text);
    let gateway = Gateway::start(|what, _| match what {
        "GET /events?after=7" => (200, json!({})),
        _ => (200, json!({"events": [], "last_id": 7})),
    })
    .await;
    let (_, _, error) = gateway.says("pool show x").await;
    assert!(error.contains("is not understood here (missing field `name`"), "{error}");
}
