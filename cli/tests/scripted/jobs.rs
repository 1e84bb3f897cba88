//! `mayfly job` and `explain`.

use serde_json::{Value, json};

use super::answers::{JOB_TABLE, job};
use super::{Gateway, problem};

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

const PAGE: &str = "job         11
name        build
repository  o/a
labels      self-hosted,linux
state       success
runner      r-1
pool        ci
queued at   2126-03-04T05:06:07Z
started at  2126-03-04T05:06:10Z
ended at    2126-03-04T05:16:10Z
";

#[tokio::test]
async fn each_command_asks_for_one_thing_and_shows_all_of_it() {
    let gateway = Gateway::start(|what, _| platform(what)).await;
    let sums = " repository  jobs  unsuccessful  minutes  mean wait  cost
 o/a         3     1             1.5      4.2 s
 o/b         4     2             -        -
 o/c         5     3             0.5      1.0 s
 all         12                  2.0
6 of 12 jobs are in no time: GitHub did not tell when they began or ended.
";
    let priced = " repository  jobs  unsuccessful  minutes  mean wait  cost
 o/a         3     1             1.5      4.2 s      3.75
 o/b         4     2             -        -          -
 o/c         5     3             0.5      1.0 s      1.25
 all         12                  2.0                 5.00
6 of 12 jobs are in no time: GitHub did not tell when they began or ended.
";
    let why = "Job 11 \"build\" of o/a, which asks for self-hosted,linux:
  It is full.
    → Mend full.
  It is slow.
";
    let page = "https://github.com/o/a/actions/runs/1/job/13";
    let rows = [
        ("job list", "GET /jobs?per_page=30", JOB_TABLE),
        ("job ls --last 100", "GET /jobs?per_page=100", JOB_TABLE),
        (
            "job list --repo o/a --status waiting",
            "GET /jobs?per_page=30&repository=o%2Fa&status=waiting",
            JOB_TABLE,
        ),
        ("job list --status queued", "GET /jobs?per_page=30&status=queued", JOB_TABLE),
        ("job list --status in-progress", "GET /jobs?per_page=30&status=in_progress", JOB_TABLE),
        ("job list --status completed", "GET /jobs?per_page=30&status=completed", JOB_TABLE),
        ("job show 11", "GET /jobs/11", PAGE),
        ("job stats", "GET /jobs/stats?days=30", sums),
        ("job stats --days 7 --price 2.5", "GET /jobs/stats?days=7", priced),
        ("job explain 12", "GET /jobs/12/explain", why),
        ("explain 12", "GET /jobs/12/explain", why),
        (
            "explain 13 --repo o/a",
            "GET /jobs/13/explain?repository=o%2Fa",
            "Job 12:\n  All is well.\n",
        ),
        (
            &*format!("explain {page}"),
            "GET /jobs/13/explain?repository=o%2Fa",
            "Job 12:\n  All is well.\n",
        ),
        (
            "explain https://github.com/o/z/actions/runs/1/job/13 --repo o/a",
            "GET /jobs/13/explain?repository=o%2Fa",
            "Job 12:\n  All is well.\n",
        ),
    ];
    for (words, asked, text) in rows {
        gateway.shows(words, asked, text).await;
    }
    gateway.tells("job list", &json!({"total_count": 1, "jobs": [job()]})).await;
    gateway.tells("job show 11", &job()).await;
    gateway.tells("explain 12", &platform("GET /jobs/12/explain").1).await;
    let mut sums = stats();
    (sums["minutes"], sums["cost"]) = (json!(2.0), json!(null));
    gateway.tells("job stats", &sums).await;
    sums["cost"] = json!(5.0);
    gateway.tells("job stats --price 2.5", &sums).await;
    let (code, text, error) = gateway.says("explain 14").await;
    let unknown = "Job 12:\n  It is docker.\n    → Mend docker.\n  It is unknown_job.\n    → Mend unknown_job.\n";
    assert_eq!((code, &*text, &*error), (1, unknown, ""));
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
