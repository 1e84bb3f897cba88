//! `mayfly status`, `version` and `top`.

use serde_json::{Value, json};

use super::answers::{event, pool, runner, status, waiting};
use super::{Gateway, compare, problem};

pub(super) fn platform(what: &str) -> (u16, Value) {
    let jobs = || {
        // The latest first; the last has begun meanwhile.
        let mut jobs: Vec<Value> = (101..=109).rev().map(waiting).collect();
        jobs.push(json!({"id": 100, "repository": "o/a", "name": "b", "labels": [], "status": "queued", "waiting": false}));
        json!({"total_count": 10, "jobs": jobs})
    };
    match what {
        "GET /status" => (200, status()),
        "GET /pools" => (200, json!({"total_count": 1, "pools": [pool()]})),
        "GET /runners?per_page=100" => (200, json!({"total_count": 1, "runners": [runner()]})),
        "GET /jobs?status=queued&per_page=100" => (200, jobs()),
        "GET /events?limit=20" => {
            (200, json!({"events": (1..=9).map(event).collect::<Vec<_>>(), "last_id": 9}))
        }
        _ => problem(404),
    }
}

#[tokio::test]
async fn the_status_is_a_page_and_the_pools() {
    let gateway = Gateway::start(|what, _| platform(what)).await;
    compare("status", &gateway.transcript(["status"]).await);
    gateway.tells("status", &json!({"status": status(), "pools": [pool()]})).await;

    let mut quiet = status();
    quiet["auto_create"] = json!(false);
    quiet["runners"] = json!({});
    quiet["last_pass"]["problems"] = json!([]);
    quiet["github"]["limits"] = json!([]);
    for (object, key) in [("last_pass", "waiting"), ("github", "next_check")] {
        quiet[object].as_object_mut().unwrap().remove(key);
    }
    quiet["held_back"] = json!({});
    quiet.as_object_mut().unwrap().remove("draining_since");
    let gateway = Gateway::start(move |what, _| match what {
        "GET /status" => (200, quiet.clone()),
        _ => platform(what),
    })
    .await;
    compare("status_with_little_to_say", &gateway.transcript(["status"]).await);
}

#[tokio::test]
async fn versions_are_told_also_where_the_platform_does_not_answer() {
    let ours = env!("CARGO_PKG_VERSION");
    let gateway = Gateway::start(|what, _| platform(what)).await;
    let text = format!("mayfly    {ours}\nplatform  1.2.3\n");
    gateway.shows("version", "GET /status", &text).await;
    gateway.tells("version", &json!({"mayfly": ours, "platform": "1.2.3"})).await;

    let gateway = Gateway::start(|_, _| {
        let (status, mut refused) = problem(503);
        refused["retry_after"] = json!(5);
        (status, refused)
    })
    .await;
    let text = format!("mayfly    {ours}\nplatform  It is refused.\n");
    gateway.shows("version", "GET /status", &text).await;
    gateway.tells("version", &json!({"mayfly": ours, "platform": null})).await;
}

#[tokio::test]
async fn a_picture_shows_the_longest_waits_and_the_latest_events() {
    let gateway = Gateway::start(|what, _| platform(what)).await;
    // The five requests of a look are sent beside each other.
    let (code, shown, error) = gateway.says("top --once").await;
    compare("top", &shown);
    assert_eq!((code, &*error), (0, ""));
    assert_eq!(gateway.says("top").await, (0, shown, String::new()));
    let jobs: Vec<Value> = (101..=109).rev().map(waiting).collect();
    let events: Vec<Value> = (1..=9).map(event).collect();
    let all = json!({
        "status": status(), "pools": [pool()], "runners": [runner()], "waiting_jobs": jobs, "events": events,
    });
    gateway.tells("top", &all).await;
    for (interval, code) in [("0", 2), ("1", 0), ("60", 0), ("61", 2)] {
        let said = gateway.says(&format!("top --once --interval {interval}")).await;
        assert_eq!(said.0, code, "{said:?}");
    }
}

#[tokio::test]
async fn what_there_is_not_has_no_place_in_the_picture() {
    let gateway = Gateway::start(|what, _| match what {
        list if list.starts_with("GET /runners") => (200, json!({"total_count": 0, "runners": []})),
        list if list.starts_with("GET /jobs") => {
            (200, json!({"total_count": 1, "jobs": [waiting(1)]}))
        }
        list if list.starts_with("GET /events") => (200, json!({"events": [], "last_id": 0})),
        _ => platform(what),
    })
    .await;
    let (_, shown, _) = gateway.says("top").await;
    compare("top_with_little_to_show", &shown);
}
