//! `mayfly job` and `explain`.

use serde_json::{Value, json};

use super::answers::job;
use super::{Gateway, compare, problem};

fn explanation(codes: &[&str]) -> Value {
    let reasons: Vec<Value> =
        codes.iter().map(|code| json!({"code": code, "what": format!("It is {code}."), "hint": format!("Mend {code}.")})).collect();
    json!({"job_id": 12, "summary": "All is well.", "reasons": reasons})
}

fn stats() -> Value {
    json!({"since": "2026-01-02T03:04:05Z", "repositories": [
        {"repository": "o/a", "jobs": 3, "unsuccessful": 1, "run_seconds": 90.0, "mean_wait_seconds": 4.25, "unmeasured": 2},
        {"repository": "o/b", "jobs": 4, "unsuccessful": 2, "run_seconds": null, "mean_wait_seconds": null, "unmeasured": 4},
        {"repository": "o/c", "jobs": 5, "unsuccessful": 3, "run_seconds": 30.0, "mean_wait_seconds": 1.0, "unmeasured": 0},
    ]})
}

fn platform(what: &str) -> (u16, Value) {
    match what {
        "GET /jobs/11" => (200, job()),
        "GET /jobs/12/explain" => {
            let mut told = explanation(&["full", "slow"]);
            told["reasons"][1].as_object_mut().unwrap().remove("hint");
            told["job"] = job();
            (200, told)
        }
        "GET /jobs/13/explain?repository=o%2Fa" => (200, explanation(&[])),
        "GET /jobs/14/explain" => (200, explanation(&["docker", "unknown_job"])),
        list if list.starts_with("GET /jobs?") => (200, json!({"total_count": 1, "jobs": [job()]})),
        sums if sums.starts_with("GET /jobs/stats?") => (200, stats()),
        _ => problem(404),
    }
}

#[tokio::test]
async fn each_command_asks_for_one_thing_and_shows_all_of_it() {
    let gateway = Gateway::start(|what, _| platform(what)).await;
    let commands = [
        "job list",
        "job ls --last 100",
        "job list --repo o/a --status waiting",
        "job list --status queued",
        "job list --status in-progress",
        "job list --status completed",
        "job show 11",
        "job stats",
        "job stats --days 7 --price 2.5",
        "job explain 12",
        "explain 12",
        "explain 13 --repo o/a",
        "explain https://github.com/o/a/actions/runs/1/job/13",
        "explain https://github.com/o/z/actions/runs/1/job/13 --repo o/a",
        "explain 14",
    ];
    compare("job", &gateway.transcript(commands).await);
    gateway.tells("job list", &json!({"total_count": 1, "jobs": [job()]})).await;
    gateway.tells("job show 11", &job()).await;
    gateway.tells("explain 12", &platform("GET /jobs/12/explain").1).await;
    let mut sums = stats();
    (sums["minutes"], sums["cost"]) = (json!(2.0), json!(null));
    gateway.tells("job stats", &sums).await;
    sums["cost"] = json!(5.0);
    gateway.tells("job stats --price 2.5", &sums).await;
}

#[tokio::test]
async fn numbers_have_bounds() {
    let gateway = Gateway::start(|what, _| platform(what)).await;
    let rows = [
        ("list --last 0", 2),
        ("list --last 1", 0),
        ("list --last 101", 2),
        ("stats --days 0", 2),
        ("stats --days 1", 0),
        ("stats --days 365", 0),
        ("stats --days 366", 2),
        ("stats --price 0", 0),
        ("stats --price=-0.1", 2),
        ("stats --price inf", 2),
    ];
    for (words, code) in rows {
        let said = gateway.says(&format!("job {words}")).await;
        assert_eq!(said.0, code, "{words}: {said:?}");
    }
}
