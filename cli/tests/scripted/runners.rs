//! `mayfly runner`.

use serde_json::{Value, json};

use super::answers::{finished, pool, runner};
use super::{Gateway, compare, problem};

fn platform(what: &str) -> (u16, Value) {
    let list =
        |runners: Vec<Value>| (200, json!({"total_count": runners.len(), "runners": runners}));
    match what {
        "POST /runners" | "GET /runners?per_page=100&page=1" => list(vec![runner()]),
        "GET /runners/r-1" => (200, runner()),
        "GET /finished-runners/r-0" => (200, finished()),
        "GET /runners/r-1/logs" => (200, json!({"id": "r-id", "logs": "one\ntwo"})),
        "DELETE /runners/r-1" | "DELETE /runners/r-1?force=true" => (200, Value::Null),
        "DELETE /runners/r-2?force=true" => (202, json!({"id": "r-2", "detail": "It is left."})),
        cleanup if cleanup.starts_with("POST /runners/cleanup") => (
            200,
            json!({
                "dry_run": true, "total": 5, "cleaned": 4, "failed": 3, "actions": ["remove a", "remove b"], "problems": ["c stays"],
            }),
        ),
        gone if gone.starts_with("GET /finished-runners?") => list(vec![finished()]),
        "GET /pools/ci" => (200, pool()),
        _ => problem(404),
    }
}

#[tokio::test]
async fn each_command_asks_for_one_thing_and_says_what_was_done() {
    let gateway = Gateway::start(|what, _| platform(what)).await;
    let commands = [
        "runner list",
        "runner ls --pool ci --state busy",
        "runner list --state idle",
        "runner list --pool ci --state idle",
        "runner list --finished",
        "runner list --finished --pool ci",
        "runner list --finished --state gone",
        "runner list --finished --pool ci --state failed",
        "runner show r-1",
        "runner show r-0",
        "runner create o/a",
        "runner create o --scope org --count 3 --name n --labels x,y --group big",
        "runner create e --scope enterprise",
        "runner delete r-1",
        "runner delete r-2 --force",
        "runner rm r-1 --force",
        "runner logs r-1",
        "runner purge",
        "runner cleanup --dry-run",
    ];
    compare("runner", &gateway.transcript(commands).await);
    let list = json!({"total_count": 1, "runners": [runner()]});
    let report = platform("POST /runners/cleanup").1;
    let rows = [
        ("list", list.clone()),
        ("create o/a", list),
        ("list --finished", json!({"total_count": 1, "runners": [finished()]})),
        ("show r-1", runner()),
        ("show r-0", finished()),
        ("delete r-1", json!({"deleted": "r-1"})),
        ("logs r-1", json!({"id": "r-id", "logs": "one\ntwo"})),
        ("logs r-1 --follow", json!({"id": "r-id", "logs": "one\ntwo"})),
        ("purge", report),
    ];
    for (words, value) in rows {
        gateway.tells(&format!("runner {words}"), &value).await;
    }
}

#[tokio::test]
async fn states_are_told_apart_by_the_list_they_can_be_on() {
    let gateway = Gateway::start(|what, _| platform(what)).await;
    for state in ["starting", "idle", "busy", "draining"] {
        let gone = format!(
            "error: --state {state}: a runner that is gone is finished, failed or gone; leave --finished out for those that are there\n"
        );
        gateway.fails(&format!("runner list --finished --state {state}"), 2, &gone).await;
        assert_eq!(gateway.says(&format!("runner list --state {state}")).await.0, 0);
    }
    for state in ["finished", "failed"] {
        for list in ["--finished", "--pool=ci"] {
            assert_eq!(gateway.says(&format!("runner list {list} --state {state}")).await.0, 0);
        }
    }
    let gone = "error: --state gone: add --finished to list the runners that are gone\n";
    gateway.fails("runner list --state gone", 2, gone).await;
}

#[tokio::test]
async fn all_pages_are_read_until_all_are_there_or_none_comes() {
    for (total, asked) in [(3, 2), (4, 3)] {
        let gateway = Gateway::start(move |what, _| {
            let name = what.strip_prefix("GET /runners?per_page=100&page=").unwrap();
            let named = |name: &str| super::runner(name, "ci");
            let runners = match name {
                "1" => vec![named("a"), named("b")],
                "2" => vec![named("c")],
                _ => Vec::new(),
            };
            (200, json!({"total_count": total, "runners": runners}))
        })
        .await;
        let (_, told, _) = gateway.says("runner list --json").await;
        let list: Value = serde_json::from_str(&told).unwrap();
        let names: Vec<_> =
            list["runners"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!((json!(names), &list["total_count"]), (json!(["a", "b", "c"]), &json!(3)));
        assert_eq!(gateway.asked.lock().unwrap().len(), asked, "{total}");
    }
}

#[tokio::test]
async fn a_log_is_followed_until_its_runner_is_gone() {
    let gateway = Gateway::start(|what, before| match (what, before) {
        ("GET /runners/r/logs", 0) => (200, json!({"id": "r", "logs": "one\n"})),
        ("GET /runners/r/logs", 1) => (200, json!({"id": "r", "logs": "one\ntwo\n"})),
        ("GET /runners/r/logs", 2) => (200, json!({"id": "r", "logs": "one\ntwo\nthree\n"})),
        ("GET /runners/r", 0) => (200, super::runner("r", "ci")),
        _ => problem(404),
    })
    .await;
    gateway
        .shows(
            "runner logs r --follow",
            "GET /runners/r/logs\nGET /runners/r\nGET /runners/r/logs\nGET /runners/r\nGET /runners/r/logs",
            "one\ntwo\nthree\n",
        )
        .await;
    for failing in ["GET /runners/r", "GET /runners/r/logs"] {
        let gateway = Gateway::start(move |what, before| match (what, before) {
            (what, 1) if what == failing && failing.ends_with("logs") => problem(500),
            (what, _) if what == failing && !failing.ends_with("logs") => problem(500),
            ("GET /runners/r", _) => (200, super::runner("r", "ci")),
            _ => (200, json!({"id": "r", "logs": "one\n"})),
        })
        .await;
        let said = gateway.says("runner logs r -f").await;
        assert_eq!(
            said,
            (1, "one\n".to_owned(), "error: It is refused.\n".to_owned()),
            "{failing}"
        );
    }
}
