//! `mayfly events`.

use serde_json::{Value, json};

use super::answers::{event, event_line};
use super::{Gateway, compare, problem};

/// One that tells nothing but when and what.
fn bare(id: i64, kind: &str) -> Value {
    json!({"id": id, "at": "2026-01-02T03:04:05Z", "kind": kind})
}

fn platform(what: &str) -> (u16, Value) {
    match what {
        list if list.starts_with("GET /events?limit=") => (
            200,
            json!({"events": [event(1), bare(2, "drain.began"), bare(3, "job.queued")], "last_id": 7}),
        ),
        "GET /pools/ci" | "GET /pools/none" => problem(404),
        _ => problem(500),
    }
}

#[tokio::test]
async fn events_are_chosen_by_kind_pool_and_scope() {
    let gateway = Gateway::start(|what, _| platform(what)).await;
    let commands = [
        "events",
        "events --last 1000",
        "events --last 1",
        "events --last 0",
        "events --kind runner",
        "events --kind runner.failed --kind drain",
        "events --kind runner.idle",
        "events --pool ci",
        "events --pool none",
        "events --scope O/A",
        "events --scope o",
        "events --kind drain --scope o/a",
    ];
    let mut text = gateway.transcript(commands).await;
    let told = json!({"events": [event(1)], "last_id": 7});
    gateway.tells("events --kind runner", &told).await;
    assert_eq!(gateway.says("events --last 1001").await.0, 2);
    let quiet = Gateway::start(|_, _| (200, json!({"events": [], "last_id": 0}))).await;
    text += "# nothing happened yet\n";
    text += &quiet.transcript(["events"]).await;
    compare("events", &text);
}

#[tokio::test]
async fn a_stream_that_ends_is_asked_for_what_comes_after_its_last_event() {
    let gateway = Gateway::start(|what, before| match (what, before) {
        // One that ends, and, asked for again, one that breaks.
        ("GET /events?after=7", 0) => (200, json!("")),
        ("GET /events?after=7", 1) => (
            200,
            json!(format!(
                ": alive\n\nid: 8\ndata: {}\n\ndata:{}\n\n",
                event(8),
                bare(9, "drain.ended")
            )),
        ),
        ("GET /events?after=9", 0) => problem(500),
        ("GET /events?after=9", _) => problem(410),
        _ => platform(what),
    })
    .await;
    let (code, text, error) = gateway.says("events --follow --last 0 --kind runner").await;
    assert_eq!((code, &*text, &*error), (1, &*event_line(8), "error: It is refused.\n"));
    assert_eq!(
        (gateway.asked("GET /events?after=7"), gateway.asked("GET /events?after=9")),
        (2, 2)
    );
}

#[tokio::test]
async fn what_is_followed_begins_with_what_was_and_is_a_line_each_for_programs() {
    let gateway = Gateway::start(|what, _| match what {
        "GET /events?after=7" => (200, json!(format!("data: {}\n", event(8)))),
        "GET /events?after=8" => problem(404),
        _ => platform(what),
    })
    .await;
    let (_, text, _) = gateway.says("events -f --kind runner --json").await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[..2], [event(1), event(8)]);
    assert_eq!(lines[2]["error"]["status"], 404);
    let (_, text, _) = gateway.says("events -f --kind runner").await;
    assert_eq!(text, event_line(1) + &event_line(8));
}
