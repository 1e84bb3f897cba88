//! Answers that a gateway rarely gives.

use serde_json::{Value, json};

use super::{Gateway, problem, runner};

#[tokio::test]
async fn a_wrong_argument_is_one_also_for_programs() {
    let gateway = Gateway::start(|_, _| problem(500)).await;
    let output = gateway.run(&["runner", "list", "--state", "gone", "--json"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["error"].as_str().unwrap().contains("--finished"), "{said}");
}

#[tokio::test]
async fn a_drain_that_somebody_ends_is_waited_for_no_longer() {
    let status = |draining| json!({"draining": draining, "stored": true, "left": 3, "busy": 3});
    let gateway = Gateway::start(move |what, _| (200, status(what == "PUT /drain"))).await;
    let output = gateway.run(&["drain", "--wait", "--timeout", "0"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the drain was ended by somebody else"), "{said}");
}

#[tokio::test]
async fn a_runner_that_leaves_by_itself_is_no_obstacle_to_an_uninstall() {
    let gateway = Gateway::start(|what, before| match what {
        "DELETE /runners/r?force=true" => problem(404),
        "POST /uninstall" => (200, json!({"removed": [], "left": []})),
        list if list.starts_with("GET /runners") => {
            let runners = if before == 0 { vec![runner("r", "ci")] } else { Vec::new() };
            (200, json!({"total_count": runners.len(), "runners": runners}))
        }
        _ => (200, json!({"draining": true, "stored": true, "left": 0, "busy": 0})),
    })
    .await;
    let output = gateway.run(&["uninstall", "--yes", "--force"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(gateway.asked("POST /uninstall"), 1);
}

#[tokio::test]
async fn events_that_are_refused_are_not_asked_for_again() {
    for status in [403, 404, 422] {
        let gateway = Gateway::start(move |what, _| {
            if what == "GET /events?after=7" {
                return problem(status);
            }
            (200, json!({"events": [], "last_id": 7}))
        })
        .await;
        let output = gateway.run(&["events", "--follow"]).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(gateway.asked("GET /events?after=7"), 1, "{status}");
    }
}

#[tokio::test]
async fn a_list_says_how_many_it_shows() {
    let gateway = Gateway::start(|_, _| {
        (200, json!({"total_count": 2, "runners": [runner("a", "ci"), runner("b", "other")]}))
    })
    .await;
    let output = gateway.run(&["runner", "list", "--pool", "ci", "--json"]).await;
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&list["total_count"], list["runners"].as_array().unwrap().len()), (&json!(1), 1));
}
