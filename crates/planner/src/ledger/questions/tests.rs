use mayfly_common::label::LabelSet;

use super::*;
use crate::ledger::{Ran, Worker};
use JobStatus::{Completed, InProgress, Queued};
use mayfly_common::job::{QueuedJob, QueuedJobs};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn repo() -> RepoSlug {
    RepoSlug::parse("o/r").unwrap()
}

fn job(status: JobStatus) -> EventJob {
    EventJob {
        id: 1,
        name: "build".to_owned(),
        status,
        conclusion: (status == Completed).then(|| "success".to_owned()),
        labels: vec!["self-hosted".to_owned()],
        labels_unread: false,
        created_at: Some(at(0)),
        started_at: Some(at(5)),
        completed_at: (status == Completed).then(|| at(9)),
        runner_name: (status >= InProgress).then(|| "r1".to_owned()),
    }
}

/// A job that was queued, and is not any more since second 10.
fn left(labels: &[&str]) -> Ledger {
    let mut ledger = Ledger::default();
    let queued = QueuedJob {
        id: 1,
        repo: repo(),
        name: "build".to_owned(),
        labels: LabelSet::requested(labels),
        labels_unread: false,
        queued_at: at(0),
    };
    let list = |list| QueuedJobs { list, whole: true, taken: Vec::new() };
    ledger.polled(&repo(), &list(vec![queued]), at(1), at(0));
    assert!(asked(&ledger, 1).is_empty(), "it waits");
    ledger.polled(&repo(), &list(Vec::new()), at(10), at(0));
    ledger
}

/// What the runner `r1` left: it did not print a result.
fn ran() -> Ran {
    let worker = Worker {
        runner: "r1".to_owned(),
        pool: "ci".to_owned(),
        scope: "repo:o/r".parse().unwrap(),
        created_at: at(0),
    };
    Ran { worker, job: Some("build".to_owned()), result: None, started_at: Some(at(6)) }
}

fn asked(ledger: &Ledger, second: i64) -> Vec<i64> {
    ledger.questions(|_, _| Had::Gone, at(second)).into_iter().map(|(_, id)| id).collect()
}

#[test]
fn a_job_that_left_the_queue_is_asked_for_once_while_its_runner_works_and_once_after() {
    let mut ledger = left(&["self-hosted"]);
    assert_eq!(asked(&ledger, 10), [1]);
    ledger.found(&job(InProgress), at(10));
    let row = ledger.row(1).unwrap();
    assert_eq!((row.status, row.started_at), (InProgress, Some(at(5))));
    assert_eq!(row.runner.as_deref(), Some("r1"));
    let with = |had: Had, second| ledger.questions(|_, _| had, at(second)).len();
    assert_eq!(with(Had::AtWork, 9_999), 0, "our runner works");
    assert_eq!((with(Had::Offline, 69), with(Had::Offline, 70)), (0, 1), "GitHub lost it");
    assert!(ledger.ran(&ran(), at(30)));
    assert_eq!(asked(&ledger, 30), [1]);
    assert!(ledger.take_ended().is_empty(), "when it ended is not known");
    let row = ledger.row(1).unwrap();
    assert_eq!((row.status, row.completed_at), (InProgress, None), "nor whether it did");
    ledger.found(&job(Completed), at(30));
    let row = ledger.take_ended().remove(0);
    assert_eq!((row.started_at, row.completed_at), (Some(at(5)), Some(at(9))), "GitHub's");
    assert!(asked(&ledger, 99_999).is_empty());
}

#[test]
fn a_job_that_ended_without_a_runner_never_began() {
    let mut ledger = left(&["self-hosted"]);
    let cancelled =
        EventJob { conclusion: Some("cancelled".to_owned()), runner_name: None, ..job(Completed) };
    ledger.found(&cancelled, at(10));
    let row = ledger.row(1).unwrap();
    assert_eq!((row.status, row.conclusion.as_deref()), (Completed, Some("cancelled")));
    assert_eq!(row.started_at, None, "GitHub gives the time it was made");
}

#[test]
fn questions_are_few_and_end() {
    assert!(asked(&left(&["ubuntu-latest"]), 10).is_empty(), "GitHub's own machines have it");
    let mut ledger = left(&["self-hosted"]);
    let (mut second, mut times) = (10, 0);
    while second < 7_200 {
        if asked(&ledger, second) == [1] {
            times += 1;
            ledger.no_answer(1, NoAnswer::NoSuchJob, at(second));
        }
        second += 1;
    }
    assert_eq!(times, TRIES);
    // It waits after all.
    let mut ledger = left(&["self-hosted"]);
    ledger.found(&EventJob { started_at: None, ..job(Queued) }, at(11));
    assert!(ledger.row(1).unwrap().waits());
    // What a webhook tells the beginning of, it tells the end of.
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &job(InProgress), at(10));
    assert!(asked(&ledger, 9_999).is_empty());
    ledger.pools(|_| Some("ci"));
    assert_eq!(asked(&ledger, 9_999), [1], "but of a runner of ours that is gone");
}

#[test]
fn a_job_that_waits_for_an_approval_waits_for_no_runner() {
    let mut ledger = left(&["self-hosted"]);
    let status = JobStatus::Waiting;
    ledger.found(&EventJob { status, ..job(Queued) }, at(11));
    assert!(!ledger.row(1).unwrap().waits());
}

#[test]
fn the_first_answer_that_tells_of_a_new_state_begins_the_waits_anew() {
    let mut ledger = left(&["self-hosted"]);
    for second in [10, 20, 40] {
        ledger.no_answer(1, NoAnswer::Unclear, at(second));
    }
    ledger.found(&job(InProgress), at(80));
    ledger.pools(|_| Some("ci"));
    assert_eq!((asked(&ledger, 89).len(), asked(&ledger, 90).len()), (0, 1));
    ledger.found(&job(InProgress), at(90));
    assert_eq!((asked(&ledger, 109).len(), asked(&ledger, 110).len()), (0, 1));
}

#[test]
fn where_webhooks_tell_the_end_of_a_job_has_its_time_to_arrive_after_its_runner_ended() {
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &job(InProgress), at(10));
    assert!(ledger.ran(&ran(), at(100)));
    assert_eq!((asked(&ledger, 129).len(), asked(&ledger, 130).len()), (0, 1));
    assert_eq!(ledger.row(1).unwrap().seen_at, at(100));
}

#[test]
fn a_github_that_cannot_be_asked_uses_up_no_question() {
    let mut ledger = left(&["self-hosted"]);
    let (mut second, mut times) = (10, 0);
    // For five hours.
    while second < 18_000 {
        if asked(&ledger, second) == [1] {
            times += 1;
            ledger.no_answer(1, NoAnswer::Unreachable, at(second));
            ledger.take_changed();
            ledger.prune(at(second));
        }
        second += 1;
    }
    assert!((20..50).contains(&times), "a few an hour: {times}");
    ledger.no_answer(1, NoAnswer::Unclear, at(second));
    assert_eq!(asked(&ledger, second + 10), [1], "it is back: no long wait any more");
    ledger.found(&job(Completed), at(second + 10));
    assert_eq!(ledger.row(1).unwrap().status, Completed);
    // But nothing is kept for ever.
    let mut ledger = left(&["self-hosted"]);
    ledger.take_changed();
    ledger.prune(at(25 * 3_600));
    assert!(ledger.is_empty());
}

#[test]
fn a_job_that_a_list_may_hide_waits_until_github_says_otherwise() {
    let doubted = || {
        let mut ledger = Ledger::default();
        ledger.told(&repo(), &EventJob { runner_name: None, ..job(Queued) }, at(0));
        let odd = QueuedJobs::default();
        ledger.polled(&repo(), &odd, at(60), at(0));
        assert!(ledger.row(1).unwrap().waits() && ledger.is_doubted(&repo()));
        assert_eq!(asked(&ledger, 60), [1]);
        ledger
    };
    let mut ledger = doubted();
    for second in 60..7_200 {
        if asked(&ledger, second) == [1] {
            ledger.no_answer(1, NoAnswer::Unclear, at(second));
        }
    }
    assert!(ledger.row(1).unwrap().waits(), "nothing was said");
    assert_eq!(asked(&ledger, 8_000), [1], "it is asked for on and on");
    ledger.polled(&repo(), &QueuedJobs { whole: true, ..QueuedJobs::default() }, at(8_001), at(0));
    assert!(!ledger.row(1).unwrap().waits() && !ledger.is_doubted(&repo()));
    assert_eq!(asked(&ledger, 8_001), [1], "and what became of it anew");
    let mut ledger = doubted();
    ledger.no_answer(1, NoAnswer::NoSuchJob, at(60));
    assert!(!ledger.row(1).unwrap().waits());
    let mut ledger = doubted();
    ledger.found(&job(InProgress), at(60));
    assert!(!ledger.row(1).unwrap().waits() && !ledger.is_doubted(&repo()));
}

/// GitHub would say that it is queued, and it would wait again.
#[test]
fn nobody_asks_for_a_job_that_waited_where_nothing_is_served_any_more() {
    let listed = || QueuedJob {
        id: 1,
        repo: repo(),
        name: "build".to_owned(),
        labels: LabelSet::requested(["self-hosted"]),
        labels_unread: false,
        queued_at: at(0),
    };
    let whole = || QueuedJobs { list: vec![listed()], whole: true, ..QueuedJobs::default() };
    let mut ledger = Ledger::default();
    ledger.polled(&repo(), &whole(), at(1), at(0));
    ledger.forget(&repo(), at(10));
    for hours in 0..24 {
        assert!(asked(&ledger, 100 + hours * 3_600).is_empty(), "{hours}");
    }
    // Nor does the next process, which finds that it left the queue.
    let rows: Vec<Row> = ledger.row(1).into_iter().cloned().collect();
    let mut restarted = Ledger::default();
    restarted.load(rows);
    restarted.forget(&repo(), at(3_600));
    assert!(asked(&restarted, 7_200).is_empty());
    // It is served again.
    ledger.polled(&repo(), &whole(), at(200), at(0));
    ledger.polled(&repo(), &QueuedJobs { whole: true, ..QueuedJobs::default() }, at(300), at(0));
    assert_eq!(asked(&ledger, 400).len(), 1, "it left the queue, and nobody knows why");
    // What began goes on, and its end is asked for.
    let mut begun = left(&["self-hosted"]);
    begun.found(&job(InProgress), at(11));
    begun.forget(&repo(), at(12));
    assert_eq!(asked(&begun, 400).len(), 1);
}
