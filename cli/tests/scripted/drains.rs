//! `mayfly drain`, `resume` and `uninstall`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Gateway, compare, problem, runner};

const SINCE: &str = "2026-01-02T03:04:05Z";

fn drain(left: Option<usize>, busy: Option<usize>) -> Value {
    let mut status = json!({"draining": true, "since": SINCE, "stored": true});
    for (key, value) in [("left", left), ("busy", busy)] {
        if let Some(value) = value {
            status[key] = json!(value);
        }
    }
    status
}

#[tokio::test]
async fn a_drain_says_what_is_left_and_how_it_ends() {
    let rows = [
        (Some(0), Some(0)),
        (Some(0), None),
        (Some(1), Some(0)),
        (Some(1), Some(1)),
        (Some(3), Some(1)),
        (Some(2), Some(0)),
        (Some(3), Some(3)),
        (Some(3), None),
        (None, None),
    ];
    let mut text = String::new();
    for (left, busy) in rows {
        let status = drain(left, busy);
        writeln!(text, "# left: {left:?}, busy: {busy:?}").unwrap();
        let answer = status.clone();
        let gateway = Gateway::start(move |_, _| (200, answer.clone())).await;
        text += &gateway.transcript(["drain"]).await;
        gateway.tells("drain", &status).await;
    }
    let gateway = Gateway::start(|_, _| {
        let mut status = drain(Some(0), Some(0));
        status["stored"] = json!(false);
        (200, status)
    })
    .await;
    text += "# it is not stored\n";
    text += &gateway.transcript(["drain"]).await;

    let ended = json!({"draining": false, "stored": true, "left": 2, "busy": 1});
    let answer = ended.clone();
    let gateway = Gateway::start(move |_, _| (200, answer.clone())).await;
    text += "# it ends\n";
    text += &gateway.transcript(["resume"]).await;
    gateway.tells("resume", &ended).await;

    let not_stored = json!({"draining": false, "stored": false});
    let gateway = Gateway::start(move |_, _| (200, not_stored.clone())).await;
    text += "# it ends, and that is not stored\n";
    text += &gateway.transcript(["resume"]).await;
    compare("drain", &text);
}

#[tokio::test]
async fn a_drain_is_waited_for_over_a_restart_and_told_as_it_goes() {
    let gateway = Gateway::start(|what, before| match (what, before) {
        ("PUT /drain", _) => (200, drain(Some(9), Some(9))),
        ("GET /drain", 0) => (200, drain(None, None)),
        ("GET /drain", 1) => problem(503),
        ("GET /drain", 2) => (200, drain(Some(1), Some(0))),
        _ => (200, drain(Some(0), Some(0))),
    })
    .await;
    let (code, text, error) = gateway.says("drain --wait").await;
    let end = "mayfly resume has runners started again.\n";
    assert_eq!(
        (code, text),
        (0, format!("Drained: no runner is left. Draining since {SINCE}.\n{end}"))
    );
    assert_eq!(
        error,
        "waiting for the first look\n1 runner is left, not at work\nno runner is left\n"
    );

    let gateway = Gateway::start(|_, _| (200, drain(Some(2), Some(1)))).await;
    let error = "2 runners are left, 1 of them at work\nerror: 2 runners are left, 1 of them at work after 0 s; the drain goes on\n→ mayfly runner list shows them; mayfly resume ends the drain\n";
    gateway.fails("drain --wait --timeout 0", 1, error).await;
    assert_eq!(gateway.asked("GET /drain"), 1);
    gateway.fails("drain --wait --timeout 1", 1, &error.replace("0 s", "1 s")).await;
    let gateway = Gateway::start(|what, _| match what {
        "GET /drain" => problem(404),
        _ => (200, drain(Some(2), Some(1))),
    })
    .await;
    gateway.fails("drain --wait", 1, "error: It is refused.\n").await;
    assert_eq!(gateway.asked("GET /drain"), 1);
}

const GONE: &str = "Nothing of this installation is left at GitHub or on the engine, except the images that were pulled.
The drain goes on. Now stop the services:
  docker compose down --volumes (or docker-compose), which removes the database, too
  systemctl disable --now mayfly, or mayfly-orchestrator mayfly-api-gateway
";

#[tokio::test]
async fn an_uninstall_drains_and_asks_until_nothing_is_left() {
    let gateway = Gateway::start(|what, before| match (what, before) {
        ("POST /uninstall", 0) => problem(504),
        ("POST /uninstall", 1) => (200, json!({"removed": ["network a"], "left": ["b", "c"]})),
        ("POST /uninstall", _) => (200, json!({"removed": ["network b"], "left": []})),
        _ => (200, drain(Some(0), Some(0))),
    })
    .await;
    let (code, text, error) = gateway.says("uninstall --yes").await;
    assert_eq!((code, text), (0, format!("removed network a\nremoved network b\n{GONE}")));
    let progress =
        "no runner is left\nstill there: the last look is not over yet\nstill there: b; c\n";
    assert_eq!(error, progress);
    let asked = "PUT /drain\nGET /drain\nPOST /uninstall\nPOST /uninstall\nPOST /uninstall";
    assert_eq!(
        gateway.whole.lock().unwrap().join("\n"),
        asked,
        "no runner is ended without --force"
    );
    let (_, told, _) = gateway.says("uninstall -y --json").await;
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), json!({"removed": ["network b"]}));

    let gateway = Gateway::start(|what, _| match what {
        "POST /uninstall" => (200, json!({"removed": ["a"], "left": ["b", "c"]})),
        _ => (200, drain(Some(0), Some(0))),
    })
    .await;
    let (code, text, error) = gateway.says("uninstall --yes --timeout 0").await;
    let still = "no runner is left\nerror: still there: b; c\n→ repeat the command later\n";
    assert_eq!((code, &*text, &*error), (1, "", still));
    assert_eq!(gateway.asked("POST /uninstall"), 1);
    let gateway = Gateway::start(|what, _| match what {
        "POST /uninstall" => problem(503),
        _ => (200, drain(Some(0), Some(0))),
    })
    .await;
    let refused = "no runner is left\nerror: It is refused.\n";
    gateway.fails("uninstall --yes", 1, refused).await;
    assert_eq!(
        gateway.asked("POST /uninstall"),
        1,
        "only a look that takes long is asked for again"
    );
    let asked = gateway.asked.lock().unwrap().len();
    gateway.fails("uninstall", 2, "error: nobody can be asked here: add --yes\n").await;
    assert_eq!(gateway.asked.lock().unwrap().len(), asked, "nothing is begun");
}

#[tokio::test]
async fn runners_are_ended_once_each_as_fast_as_the_gateway_lets() {
    let gateway = Gateway::start(|what, before| match (what, before) {
        ("DELETE /runners/a%20b?force=true", 0) => {
            let (status, mut refused) = problem(429);
            refused["retry_after"] = json!(0);
            (status, refused)
        }
        ("GET /runners?per_page=100&page=1", 0 | 1) => {
            let both = ["a b", "c"].map(|name| runner(name, "ci"));
            (200, json!({"total_count": 2, "runners": both}))
        }
        ("GET /runners?per_page=100&page=1", _) => {
            (200, json!({"total_count": 1, "runners": [runner("d", "ci")]}))
        }
        ("POST /uninstall", _) => (200, json!({"removed": [], "left": []})),
        (what, _) if what.starts_with("DELETE") => (200, Value::Null),
        _ => (200, drain(Some(0), Some(0))),
    })
    .await;
    let (code, text, _) = gateway.says("uninstall --yes --force").await;
    assert_eq!((code, &*text), (0, GONE));
    let asked = "PUT /drain
GET /runners?per_page=100&page=1
DELETE /runners/a%20b?force=true
DELETE /runners/a%20b?force=true
DELETE /runners/c?force=true
GET /runners?per_page=100&page=1
GET /drain
POST /uninstall";
    assert_eq!(gateway.whole.lock().unwrap().join("\n"), asked);
    let gateway = Gateway::start(|what, _| match what {
        list if list.starts_with("GET /runners") => {
            (200, json!({"total_count": 1, "runners": [runner("a", "ci")]}))
        }
        what if what.starts_with("DELETE") => problem(500),
        _ => (200, drain(Some(0), Some(0))),
    })
    .await;
    gateway.fails("uninstall --yes --force", 1, "error: It is refused.\n").await;
}
