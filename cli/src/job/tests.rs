//! Tables of what there is and what is said about it.

use super::*;
use JobStatus::{Completed, InProgress, Queued};

#[test]
fn what_is_not_known_is_no_number() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let job = |status, waiting, started: Option<i64>, ended: Option<i64>| Job {
        id: 1,
        repository: "o/r".to_owned(),
        name: "build".to_owned(),
        labels: Vec::new(),
        status,
        waiting,
        not_served: None,
        conclusion: None,
        runner: None,
        pool: None,
        queued_at: Some(at(100)),
        seen_at: None,
        started_at: started.map(at),
        completed_at: ended.map(at),
    };
    let rows = [
        (job(Queued, true, None, None), "waits", Some(50), None),
        (job(Queued, false, None, None), "unknown", None, None),
        (job(InProgress, false, Some(103), None), "in progress", Some(3), Some(47)),
        (job(InProgress, false, None, None), "in progress", None, None),
        (job(Completed, false, Some(103), Some(110)), "completed", Some(3), Some(7)),
        (job(Completed, false, Some(103), None), "completed", Some(3), None),
        (job(Completed, false, None, Some(110)), "completed", None, None),
    ];
    for (job, word, waited, ran) in rows {
        let seconds = |span: Option<i64>| span.map(SignedDuration::from_secs);
        let expected = Times { waited: seconds(waited), ran: seconds(ran) };
        assert_eq!((state(&job).as_str(), times(&job, at(150))), (word, expected), "{job:?}");
    }
    let refused =
        Job { not_served: Some("it is public".to_owned()), ..job(Queued, false, None, None) };
    assert_eq!(state(&refused), "not served");
    assert!(page(&refused).contains("it is public"));
    let list = table(&[refused.clone(), job(Queued, true, None, None), refused], at(150));
    assert!(list.ends_with("\no/r is not served: it is public\n"), "{list}");
    assert_eq!(list.matches("it is public").count(), 1, "{list}");
    let approved = Job {
        queued_at: None,
        seen_at: Some(at(100)),
        ..job(Completed, false, Some(103), Some(110))
    };
    assert_eq!(times(&approved, at(150)).waited, None);
    assert_eq!(queued(&approved, ">", |at| at.as_second().to_string()), ">100");
    assert!(page(&approved).contains("before 1970-01-01T00:01:40Z"));
    let line = table(&[job(Queued, false, None, None)], at(150));
    assert_eq!(line.lines().last().unwrap().matches(" - ").count(), 3, "{line}");
}

#[test]
fn a_job_is_named_by_its_id_or_its_page() {
    let repo = || RepoSlug::parse("octo-org/app").ok();
    let rows = [
        ("123", Some((123, None))),
        ("https://github.com/octo-org/app/actions/runs/9/job/123", Some((123, repo()))),
        (
            "https://github.com/octo-org/app/actions/runs/9/job/123?pr=1#step:2:3",
            Some((123, repo())),
        ),
        (
            "https://ghe.example/octo-org/app/actions/runs/9/attempts/2/jobs/123",
            Some((123, repo())),
        ),
        ("https://github.com/octo-org/app/actions/runs/9", None),
        ("https://github.com/actions/runs/9/job/1", None),
        ("x", None),
        ("-1", None),
    ];
    for (text, expected) in rows {
        let found = parse(text).ok().map(|place| (place.id, place.repo));
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_row_tells_how_long_a_job_waited_ran_and_is_known() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let job = Job {
        id: 11,
        repository: "o/a".to_owned(),
        name: "build".to_owned(),
        labels: vec!["x".to_owned(), "y".to_owned()],
        status: InProgress,
        waiting: false,
        not_served: None,
        conclusion: None,
        runner: Some("r-1".to_owned()),
        pool: Some("ci".to_owned()),
        queued_at: Some(at("2026-01-02T03:00:00Z")),
        seen_at: Some(at("2026-01-02T03:00:01Z")),
        started_at: Some(at("2026-01-02T03:00:05Z")),
        completed_at: None,
    };
    let seen = Job { queued_at: None, runner: None, ..job.clone() };
    let text = " job  repository  name   state        labels  waited  ran     runner  queued
 11   o/a         build  in progress  x,y     5 s     58 min  r-1     59 min
 11   o/a         build  in progress  x,y     -       58 min  -       >58 min
";
    assert_eq!(table(&[job.clone(), seen], at("2026-01-02T03:59:00Z")), text);
    let page = page(&Job { conclusion: Some("failure".to_owned()), ..job });
    assert!(page.contains("state       failure\n") && !page.contains("ended at"), "{page}");
}

#[test]
fn a_table_stays_narrow_whatever_labels_a_job_has() {
    let labels = |count: usize, length: usize| vec!["x".repeat(length); count];
    for (given, expected) in [
        (labels(0, 0), String::new()),
        (labels(2, 3), "xxx,xxx".to_owned()),
        (labels(100, 10), "xxxxxxxxxx,xxxxxxxxxx,xxxxxxxxxx,+97".to_owned()),
        (labels(4, 9), "xxxxxxxxx,xxxxxxxxx,xxxxxxxxx,xxxxxxxxx".to_owned()),
        (labels(1, 256), format!("{}…", "x".repeat(39))),
        (labels(3, 256), format!("{}…,+2", "x".repeat(39))),
    ] {
        assert_eq!(few(&given), expected);
    }
}

#[test]
fn a_price_is_a_number_that_is_not_below_nought() {
    for (text, expected) in [
        ("0", Some(0.0)),
        ("0.008", Some(0.008)),
        ("-0.1", None),
        ("NaN", None),
        ("inf", None),
        ("", None),
    ] {
        assert_eq!(price(text).ok(), expected, "{text}");
    }
}

#[test]
fn a_job_that_asks_for_no_label_is_told_so() {
    let explanation: Explanation = serde_json::from_value(serde_json::json!({
        "job_id": 12, "summary": "s", "reasons": [],
        "job": {"id": 12, "repository": "o/a", "name": "b", "labels": [], "status": "queued", "waiting": true},
    }))
    .unwrap();
    assert_eq!(told(&explanation), "Job 12 \"b\" of o/a, which asks for no label:\n  s\n");
}
