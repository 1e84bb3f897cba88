//! Tables of what there is and what is said about it.

use super::*;

#[test]
fn percentiles_are_of_the_nearest_rank() {
    assert_eq!(percentiles((1..=100).rev().collect()), Percentiles { p50: 50, p95: 95 });
    assert_eq!(percentiles(vec![7]), Percentiles { p50: 7, p95: 7 });
    assert_eq!(percentiles(vec![]), Percentiles { p50: 0, p95: 0 });
}

#[test]
fn overlaps_are_counted() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let spans =
        |spans: &[(i64, i64)]| most_at_once(spans.iter().map(|(from, to)| (at(*from), at(*to))));
    assert_eq!(spans(&[(0, 10), (1, 3), (2, 4), (3, 5)]), 3);
    assert_eq!(spans(&[(0, 1), (1, 2)]), 1);
    assert_eq!(spans(&[]), 0);
}

#[test]
fn a_summary_tells_each_number_in_its_place() {
    let summary = Summary {
        jobs_total: 1,
        jobs_succeeded: 2,
        jobs_failed: 3,
        max_parallel: 4,
        queue_to_running_ms: Percentiles { p50: 5, p95: 6 },
        containers_left: 7,
        registrations_left: 8,
        github_requests: 9,
        warm: None,
    };
    let text = "
1 jobs: 2 succeeded, 3 failed (one is meant to). At most 4 ran at a time.
From queued to running: half within 5 ms, 95 % within 6 ms.
Left over: 7 containers, 8 registrations. Requests to GitHub: 9.
";
    assert_eq!(summary.text(), text);
    let warm = Warm {
        runners: 10,
        jobs: 11,
        queue_to_running_ms: Percentiles { p50: 12, p95: 13 },
        refilled_ms: Percentiles { p50: 14, p95: 15 },
    };
    let both = Summary { warm: Some(warm), ..summary };
    let more = "With 10 runners waiting, 11 jobs: from queued to running half within 12 ms, 95 % within 13 ms (cold: 5 and 6 ms).
As many waited again half within 14 ms, 95 % within 15 ms.
";
    assert_eq!(both.text(), format!("{text}{more}"));
    let json = serde_json::json!({
        "jobs_total": 1, "jobs_succeeded": 2, "jobs_failed": 3, "max_parallel": 4,
        "queue_to_running_ms": {"p50": 5, "p95": 6}, "containers_left": 7, "registrations_left": 8, "github_requests": 9,
        "warm": {
            "runners": 10, "jobs": 11, "queue_to_running_ms": {"p50": 12, "p95": 13}, "refilled_ms": {"p50": 14, "p95": 15},
        },
    });
    assert_eq!(serde_json::to_value(&both).unwrap(), json);
}

#[test]
fn percentiles_of_few_values_are_of_their_rank() {
    assert_eq!(percentiles(vec![3, 1, 2]), Percentiles { p50: 2, p95: 3 });
    assert_eq!(percentiles((1..=20).collect()), Percentiles { p50: 10, p95: 19 });
    assert_eq!(percentiles((1..=21).collect()), Percentiles { p50: 11, p95: 20 });
}
