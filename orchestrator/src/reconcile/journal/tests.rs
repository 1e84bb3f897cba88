//! Which changes are told, with what, and once.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn runner(name: &str, state: RunnerState) -> Runner {
    Runner {
        id: name.to_owned(),
        name: name.to_owned(),
        pool: "ci".to_owned(),
        backend: "docker".to_owned(),
        scope: mayfly_common::scope::ScopeKind::Repo,
        scope_name: "o/r".to_owned(),
        labels: Vec::new(),
        state,
        reason: None,
        container_id: None,
        image: "i".to_owned(),
        github_runner_id: None,
        created_at: at(0),
        deadline: at(1),
    }
}

fn queued(labels: &[&str]) -> Row {
    Row {
        id: 7,
        repo: mayfly_common::scope::RepoSlug::parse("o/r").unwrap(),
        name: "build".to_owned(),
        labels: mayfly_common::label::LabelSet::requested(labels),
        status: JobStatus::Queued,
        conclusion: None,
        queued_at: at(0),
        queue_known: true,
        started_at: None,
        completed_at: None,
        runner: None,
        pool: None,
        told_at: None,
        left_at: None,
        seen_at: at(0),
    }
}

fn told(journal: &mut Journal) -> Vec<(EventKind, String)> {
    let about = |event: Event| {
        let what = event.runner.or(event.pool).or(event.job).or(event.message);
        (event.kind, what.unwrap_or_default())
    };
    std::mem::take(&mut journal.events).into_iter().map(about).collect()
}

#[test]
fn what_is_first_seen_is_not_news_and_what_changes_is() {
    use RunnerState::{Busy, Idle, Starting};
    let (mut journal, _feed) = Journal::new();
    journal.runners(&[runner("a", Idle)], at(0));
    assert_eq!(told(&mut journal), []);
    journal.runners(&[runner("a", Busy), runner("b", Starting)], at(1));
    assert_eq!(told(&mut journal), [(EventKind::RunnerBusy, "a".to_owned())]);
    journal.runners(&[runner("a", Busy), runner("b", Idle)], at(2));
    assert_eq!(told(&mut journal), [(EventKind::RunnerIdle, "b".to_owned())]);
    let mark = |revision| Mark { revision, rotate_before: None };
    let marks = |marks: &[(&str, i64)]| -> BTreeMap<String, Mark> {
        marks.iter().map(|(name, revision)| ((*name).to_owned(), mark(*revision))).collect()
    };
    journal.pools(&marks(&[("ci", 1)]), at(3));
    assert_eq!(told(&mut journal), []);
    journal.pools(&marks(&[("ci", 2), ("new", 1)]), at(4));
    journal.pools(&marks(&[("new", 1)]), at(5));
    let rotated = Mark { revision: 2, rotate_before: Some(at(6)) };
    journal.pools(&BTreeMap::from([("new".to_owned(), rotated)]), at(6));
    let expected = [
        (EventKind::PoolChanged, "ci".to_owned()),
        (EventKind::PoolCreated, "new".to_owned()),
        (EventKind::PoolDeleted, "ci".to_owned()),
        (EventKind::PoolRotated, "new".to_owned()),
    ];
    assert_eq!(told(&mut journal), expected);
    let changes = Changes { began: vec!["z".to_owned()], ended: vec!["x".to_owned()] };
    journal.problems(&changes, at(7));
    let expected =
        [(EventKind::ProblemBegan, "z".to_owned()), (EventKind::ProblemEnded, "x".to_owned())];
    assert_eq!(told(&mut journal), expected);
}

#[test]
fn jobs_of_ours_are_told_once_for_each_step() {
    let (mut journal, _feed) = Journal::new();
    let row = |labels: &[&str], status: JobStatus| Row { status, ..queued(labels) };
    let ours = |status| row(&["self-hosted"], status);
    let steps = [
        (ours(JobStatus::Waiting), vec![]),
        (ours(JobStatus::Queued), vec![EventKind::JobQueued]),
        (ours(JobStatus::Queued), vec![]),
        (ours(JobStatus::InProgress), vec![EventKind::JobStarted]),
        (ours(JobStatus::Completed), vec![EventKind::JobCompleted]),
        (row(&["ubuntu-latest"], JobStatus::Queued), vec![]),
        (
            Row { pool: Some("ci".into()), ..row(&["ubuntu-latest"], JobStatus::Completed) },
            vec![EventKind::JobCompleted],
        ),
    ];
    for (row, expected) in steps {
        journal.jobs(std::slice::from_ref(&row), at(1));
        let kinds: Vec<EventKind> = told(&mut journal).iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, expected, "{row:?}");
    }
}

#[test]
fn a_job_is_no_news_again_until_the_ledger_has_forgotten_it() {
    let (mut journal, _feed) = Journal::new();
    let row = |id: i64| Row { id, name: id.to_string(), ..queued(&["self-hosted"]) };
    journal.jobs(&[row(1), row(2)], at(0));
    assert_eq!(told(&mut journal).len(), 2);
    journal.retain_jobs(|id| id == 1);
    journal.jobs(&[row(1), row(2)], at(1));
    assert_eq!(told(&mut journal), [(EventKind::JobQueued, "2".to_owned())]);
}

#[tokio::test]
async fn ids_only_grow_and_what_was_written_can_be_read() {
    let (mut journal, feed) = Journal::new();
    let began = Changes { began: vec!["x".to_owned()], ..Changes::default() };
    let ended = Changes { ended: vec!["x".to_owned()], ..Changes::default() };
    journal.problems(&began, at(10));
    journal.problems(&ended, at(10));
    // The clock is set back.
    journal.problems(&began, at(0));
    let store = Store::in_memory().unwrap();
    assert_eq!(*feed.borrow(), 0);
    journal.write(&store).await.unwrap();
    let events = store.events(Some(0), 10).await.unwrap();
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    let first = at(10).as_microsecond();
    assert_eq!(ids, [first, first + 1, first + 2]);
    assert_eq!(*feed.borrow(), first + 2);
    assert_eq!(store.last_event().await.unwrap(), first + 2);
    assert_eq!(store.events(None, 1).await.unwrap()[0].id, first + 2);
    assert_eq!(store.events(Some(first), 1).await.unwrap()[0].id, first + 1);
    // Another process goes on from there, though its clock is behind.
    let (mut next, _feed) = Journal::new();
    next.go_on(store.last_event().await.unwrap(), &[]);
    next.problems(&began, at(0));
    next.write(&store).await.unwrap();
    assert_eq!(store.last_event().await.unwrap(), first + 3);
}
#[tokio::test]
async fn what_cannot_be_written_is_kept_and_written_with_the_next_call() {
    let (mut journal, feed) = Journal::new();
    let began = Changes { began: vec!["x".to_owned()], ..Changes::default() };
    journal.problems(&began, at(10));
    let store = Store::in_memory().unwrap();
    store.refuse_writes(true).await.unwrap();
    journal.write(&store).await.unwrap_err();
    assert_eq!(*feed.borrow(), 0, "nobody is told of what cannot be read");
    store.refuse_writes(false).await.unwrap();
    journal.write(&store).await.unwrap();
    let events = store.events(Some(0), 10).await.unwrap();
    assert_eq!((events.len(), *feed.borrow()), (1, at(10).as_microsecond()));
}

#[test]
fn an_event_is_small_and_plain_whatever_it_repeats() {
    let (mut journal, _feed) = Journal::new();
    let bomb = format!("\u{202e}\u{1b}[31m{}", "é".repeat(3_000_000));
    let changes = Changes { began: vec![bomb], ..Changes::default() };
    journal.problems(&changes, at(0));
    let event = serde_json::to_string(&journal.events[0]).unwrap();
    assert!(event.len() < 2_000 && !event.contains('\u{202e}'), "{} bytes", event.len());
}

/// The event with everything but its id and time, which are those of the moment.
fn event(kind: EventKind, second: i64) -> Event {
    Event {
        id: at(second).as_microsecond(),
        at: at(second),
        kind,
        pool: None,
        runner: None,
        scope: None,
        job_id: None,
        job: None,
        message: None,
    }
}

fn gone(name: &str, state: RunnerState) -> Finished {
    Finished {
        name: name.to_owned(),
        scope: mayfly_common::scope::ScopeKind::Org,
        scope_name: "octo-org".to_owned(),
        pool: "gpu".to_owned(),
        image: "i".to_owned(),
        state,
        reason: "it was so".to_owned(),
        exit_code: Some(3),
        out_of_memory: false,
        created_at: at(-9),
        removed_at: at(-1),
        log: Some("words".to_owned()),
    }
}

#[test]
fn each_event_tells_what_it_concerns_and_nothing_else() {
    use super::super::testing::launch;
    let (mut journal, _feed) = Journal::new();
    let took = Row {
        runner: Some("r-9".to_owned()),
        pool: Some("ci".to_owned()),
        conclusion: Some("failure".to_owned()),
        status: JobStatus::Completed,
        ..queued(&["self-hosted"])
    };
    journal.jobs(&[took], at(1));
    journal.started(&launch("r-1", None), at(2));
    journal.runners(&[], at(3));
    let draining =
        Runner { reason: Some("it ends".to_owned()), ..runner("r-2", RunnerState::Draining) };
    journal.runners(&[draining], at(3));
    for (second, state) in [
        (4, RunnerState::Finished),
        (5, RunnerState::Failed),
        (6, RunnerState::Gone),
        (7, RunnerState::Idle),
    ] {
        journal.gone(gone("r-3", state), at(second));
    }
    journal.drain(None, at(8));
    journal.drain(Some(at(8)), at(8));
    journal.drain(Some(at(8)), at(8));
    journal.drain(None, at(9));
    let over = |kind, second| Event {
        pool: Some("gpu".to_owned()),
        runner: Some("r-3".to_owned()),
        scope: Some("octo-org".to_owned()),
        message: Some("it was so".to_owned()),
        ..event(kind, second)
    };
    let expected = [
        Event {
            pool: Some("ci".to_owned()),
            runner: Some("r-9".to_owned()),
            scope: Some("o/r".to_owned()),
            job_id: Some(7),
            job: Some("build".to_owned()),
            message: Some("failure".to_owned()),
            ..event(EventKind::JobCompleted, 1)
        },
        Event {
            pool: Some("ci".to_owned()),
            runner: Some("r-1".to_owned()),
            scope: Some("octo-org".to_owned()),
            message: Some("r-1 is wanted".to_owned()),
            ..event(EventKind::RunnerStarted, 2)
        },
        Event {
            pool: Some("ci".to_owned()),
            runner: Some("r-2".to_owned()),
            scope: Some("o/r".to_owned()),
            message: Some("it ends".to_owned()),
            ..event(EventKind::RunnerDraining, 3)
        },
        over(EventKind::RunnerFinished, 4),
        over(EventKind::RunnerFailed, 5),
        over(EventKind::RunnerGone, 6),
        over(EventKind::RunnerGone, 7),
        event(EventKind::DrainBegan, 8),
        event(EventKind::DrainEnded, 9),
    ];
    assert_eq!(journal.events, expected);
    assert_eq!(journal.gone.len(), 4);
    assert_eq!(journal.gone[0], gone("r-3", RunnerState::Finished), "with its log");
}

#[test]
fn what_an_earlier_process_left_is_no_news_and_its_ids_are_not_used_again() {
    let (mut journal, feed) = Journal::new();
    let later = at(100).as_microsecond();
    journal.go_on(later, &[queued(&["self-hosted"])]);
    assert_eq!(*feed.borrow(), later);
    // What is lost of the file does not count back.
    journal.go_on(5, &[]);
    assert_eq!(*feed.borrow(), later);
    journal.jobs(&[queued(&["self-hosted"])], at(0));
    assert_eq!(told(&mut journal), []);
    journal.jobs(&[Row { status: JobStatus::InProgress, ..queued(&["self-hosted"]) }], at(0));
    assert_eq!(journal.events[0].id, later + 1);
    // A drain and pools that were there are no news either.
    journal.drain(Some(at(0)), at(0));
    assert_eq!(journal.events.len(), 1);
}

#[tokio::test]
async fn of_what_cannot_be_written_the_latest_thousand_wait() {
    let (mut journal, _feed) = Journal::new();
    let store = Store::in_memory().unwrap();
    for number in 0..1_002 {
        let began = Changes { began: vec![number.to_string()], ..Changes::default() };
        journal.problems(&began, at(number));
        journal.gone.push(gone(&format!("r-{number}"), RunnerState::Gone));
    }
    store.refuse_writes(true).await.unwrap();
    journal.write(&store).await.unwrap_err();
    // The runners that are gone come first: what of the events is too much is seen when they can be written.
    assert_eq!((journal.gone.len(), journal.gone[0].name.as_str()), (1_000, "r-2"));
    journal.gone.clear();
    journal.write(&store).await.unwrap_err();
    let (first, count) = (journal.events[0].message.clone(), journal.events.len());
    assert_eq!((count, first.as_deref()), (1_000, Some("2")));
    store.refuse_writes(false).await.unwrap();
    journal.gone.push(gone("last", RunnerState::Gone));
    journal.write(&store).await.unwrap();
    assert!(journal.gone.is_empty() && journal.events.is_empty());
    let kept = store.finished_runner("last".to_owned()).await.unwrap();
    assert_eq!(kept, Some(gone("last", RunnerState::Gone)));
}

#[tokio::test]
async fn the_runners_that_are_left_behind_are_written_when_they_change() {
    let (mut journal, _feed) = Journal::new();
    let store = Store::in_memory().unwrap();
    let left =
        |name: &str| LeftRunner::of(&super::super::testing::machine(name), RunnerState::Idle);
    let kept = async || store.left_runners("i".to_owned()).await.unwrap();
    for runners in [vec![left("aa")], vec![left("aa"), left("bb")], vec![]] {
        journal.left("i", runners.clone());
        assert!(journal.left_is_new);
        journal.write(&store).await.unwrap();
        assert_eq!(kept().await, runners);
        journal.left("i", runners);
        assert!(!journal.left_is_new, "that is written");
    }
}

#[test]
fn where_nothing_was_left_there_is_no_event_to_read() {
    let (mut journal, feed) = Journal::new();
    journal.go_on(0, &[]);
    assert_eq!(*feed.borrow(), 0);
}
