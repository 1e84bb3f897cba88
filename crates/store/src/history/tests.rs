//! What is told of what happened, which of it, in which order, and for how long.

use mayfly_common::api::EventKind;
use mayfly_common::scope::ScopeKind;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// Every field has a value of its own.
fn gone(name: &str, removed: i64) -> Finished {
    Finished {
        name: name.to_owned(),
        scope: ScopeKind::Enterprise,
        scope_name: "Octo-Corp".to_owned(),
        pool: "ci".to_owned(),
        image: "img:1".to_owned(),
        state: RunnerState::Failed,
        reason: "why".to_owned(),
        exit_code: Some(137),
        out_of_memory: true,
        created_at: at(-100),
        removed_at: at(removed),
        log: Some("words\n".to_owned()),
    }
}

fn names(found: &[Finished]) -> Vec<&str> {
    found.iter().map(|gone| gone.name.as_str()).collect()
}

#[tokio::test]
async fn a_runner_that_is_gone_comes_back_as_it_was_in_every_field() {
    let store = Store::in_memory().unwrap();
    let rows = [
        gone("a", 1),
        Finished {
            scope: ScopeKind::Repo,
            state: RunnerState::Finished,
            exit_code: None,
            out_of_memory: false,
            log: None,
            ..gone("b", 2)
        },
        Finished { scope: ScopeKind::Org, state: RunnerState::Gone, ..gone("c", 3) },
    ];
    store.save_finished(rows.to_vec()).await.unwrap();
    for row in &rows {
        let found = store.finished_runner(row.name.clone()).await.unwrap();
        assert_eq!(found.as_ref(), Some(row));
    }
    assert_eq!(store.finished_runner("d".to_owned()).await.unwrap(), None);
    let (total, listed) = store.finished(FinishedQuery::default(), (10, 0)).await.unwrap();
    let without_log = |row: &Finished| Finished { log: None, ..row.clone() };
    let expected: Vec<Finished> = rows.iter().rev().map(without_log).collect();
    assert_eq!((total, listed), (3, expected), "the latest first");
    let spelt: Vec<(String, String)> = store
        .run(|connection| {
            let mut query =
                connection.prepare("SELECT scope, state FROM finished_runners ORDER BY name")?;
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .await
        .unwrap();
    let words = [("enterprise", "failed"), ("repo", "finished"), ("org", "gone")];
    assert_eq!(spelt, words.map(|(scope, state)| (scope.to_owned(), state.to_owned())));
    // What is told again of the same machine takes the place of what was told.
    store.save_finished(vec![Finished { exit_code: Some(1), ..gone("a", 1) }]).await.unwrap();
    let again = store.finished_runner("a".to_owned()).await.unwrap().unwrap();
    assert_eq!(again.exit_code, Some(1));
    assert_eq!(store.finished(FinishedQuery::default(), (1, 0)).await.unwrap().0, 3);
}

#[tokio::test]
async fn runners_that_are_gone_are_found_by_each_word_and_page_by_page() {
    use RunnerState::{Failed, Finished as Well};
    let store = Store::in_memory().unwrap();
    let other = |name: &str, pool: &str, state, place: &str| Finished {
        pool: pool.to_owned(),
        state,
        scope_name: place.to_owned(),
        ..gone(name, 5)
    };
    let rows = vec![
        other("a", "ci", Failed, "o/r"),
        other("b", "ci", Well, "o/r"),
        other("c", "gpu", Failed, "o/r"),
        other("d", "ci", Failed, "o/x"),
    ];
    store.save_finished(rows).await.unwrap();
    let query = |pool: Option<&str>, state, place: Option<&str>| FinishedQuery {
        pool: pool.map(str::to_owned),
        state,
        scope_name: place.map(str::to_owned),
        ..FinishedQuery::default()
    };
    let cases = [
        (query(None, None, None), vec!["a", "b", "c", "d"]),
        (query(Some("CI"), None, None), vec!["a", "b", "d"]),
        (query(None, Some(Failed), None), vec!["a", "c", "d"]),
        (query(None, None, Some("O/R")), vec!["a", "b", "c"]),
        (query(Some("ci"), Some(Failed), Some("o/r")), vec!["a"]),
        (query(Some("gpu"), Some(Well), None), vec![]),
    ];
    for (wanted, expected) in cases {
        let (total, found) = store.finished(wanted.clone(), (10, 0)).await.unwrap();
        assert_eq!(names(&found), expected, "{wanted:?}");
        assert_eq!(total, expected.len() as u64, "{wanted:?}");
    }
    let page = query(Some("ci"), None, None);
    for (limits, expected) in
        [((2, 0), vec!["a", "b"]), ((2, 2), vec!["d"]), ((1, 1), vec!["b"]), ((2, 3), vec![])]
    {
        let (total, found) = store.finished(page.clone(), limits).await.unwrap();
        assert_eq!((total, names(&found)), (3, expected), "{limits:?}");
    }
}

fn event(id: i64) -> Event {
    Event {
        id,
        at: at(id),
        kind: EventKind::RunnerFailed,
        pool: Some("ci".to_owned()),
        runner: Some("r-1".to_owned()),
        scope: Some("o/r".to_owned()),
        job_id: Some(77),
        job: Some("build".to_owned()),
        message: Some(format!("message {id}")),
    }
}

#[tokio::test]
async fn events_come_back_in_order_from_either_end() {
    let store = Store::in_memory().unwrap();
    assert_eq!(store.last_event().await.unwrap(), 0);
    store.save_events(vec![event(3), event(1), event(2)]).await.unwrap();
    let again = Event { message: None, ..event(2) };
    store.save_events(vec![again, event(4)]).await.unwrap();
    assert_eq!(store.last_event().await.unwrap(), 4);
    let all = [1, 2, 3, 4].map(event);
    assert_eq!(store.events(Some(0), 10).await.unwrap(), all, "what is there stays as it is");
    assert_eq!(store.events(Some(2), 10).await.unwrap(), all[2..]);
    assert_eq!(store.events(Some(1), 2).await.unwrap(), all[1..3]);
    assert_eq!(store.events(Some(4), 2).await.unwrap(), []);
    assert_eq!(store.events(None, 3).await.unwrap(), all[1..]);
    // A newer release wrote of something that is not known here.
    let newer = "UPDATE events SET event = replace(event, 'runner.failed', 'x') WHERE id = 3";
    store.run(|connection| connection.execute(newer, [])).await.unwrap();
    let known: Vec<i64> = store.events(Some(0), 10).await.unwrap().iter().map(|it| it.id).collect();
    assert_eq!(known, [1, 2, 4]);
}

async fn count(store: &Store, query: &'static str) -> i64 {
    store.run(|connection| connection.query_row(query, [], |row| row.get(0))).await.unwrap()
}

#[tokio::test]
async fn everything_is_kept_to_the_end_of_its_time_and_no_longer() {
    const DAY: i64 = 24 * 3_600;
    let store = Store::in_memory().unwrap();
    let now = at(0);
    let ago = |days: i64| at(-days * DAY).as_millisecond();
    let fill = format!(
        "INSERT INTO deliveries VALUES ('old', 'e', {d} - 1), ('edge', 'e', {d});
         INSERT INTO jobs (id, repository, name, labels, status, queued_at, seen_at)
             VALUES (1, 'o/r', 'n', 'l', 'completed', 0, {j} - 1), (2, 'o/r', 'n', 'l', 'completed', 0, {j});
         INSERT INTO events VALUES ({h} * 1000 - 1, 'old'), ({h} * 1000, 'edge');
         INSERT INTO finished_runners (name, pool, scope, scope_name, image, state, reason, out_of_memory, created_at, removed_at)
             VALUES ('old', 'p', 'repo', 'o/r', 'i', 'gone', 'r', 0, 0, {h} - 1),
                    ('edge', 'p', 'repo', 'o/r', 'i', 'gone', 'r', 0, 0, {h})",
        d = ago(7),
        j = ago(90),
        h = ago(30),
    );
    store.run(move |connection| connection.execute_batch(&fill)).await.unwrap();
    store.prune(now).await.unwrap();
    let left = [
        ("deliveries", "SELECT count(*) + 10 * count(iif(id = 'edge', 1, NULL)) FROM deliveries"),
        ("jobs", "SELECT count(*) + 10 * count(iif(id = 2, 1, NULL)) FROM jobs"),
        ("events", "SELECT count(*) + 10 * count(iif(event = 'edge', 1, NULL)) FROM events"),
        (
            "finished_runners",
            "SELECT count(*) + 10 * count(iif(name = 'edge', 1, NULL)) FROM finished_runners",
        ),
    ];
    for (table, query) in left {
        assert_eq!(count(&store, query).await, 11, "{table}: the one at the edge alone");
    }
}

#[tokio::test]
async fn of_very_much_the_latest_is_kept() {
    let store = Store::in_memory().unwrap();
    let fill = format!(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100002) SELECT i FROM n;
         INSERT INTO deliveries SELECT i, 'e', {now} - 200000 + i FROM n WHERE i <= 50002;
         INSERT INTO jobs (id, repository, name, labels, status, queued_at, seen_at)
             SELECT i, 'o/r', 'n', 'l', 'completed', 0, {now} - 200000 + i FROM n;
         INSERT INTO events SELECT {now} * 1000 - 200000 + i, 'e' FROM n WHERE i <= 50002;
         INSERT INTO finished_runners (name, pool, scope, scope_name, image, state, reason, out_of_memory, created_at, removed_at)
             SELECT i, 'p', 'repo', 'o/r', 'i', 'gone', 'r', 0, 0, {now} - 200000 + i FROM n WHERE i <= 5002",
        now = at(0).as_millisecond(),
    );
    store.run(move |connection| connection.execute_batch(&fill)).await.unwrap();
    store.prune(at(0)).await.unwrap();
    let left = [
        ("SELECT count(*) FROM deliveries", 50_000),
        ("SELECT min(received_at) - max(received_at) FROM deliveries", -49_999),
        ("SELECT max(CAST(id AS INTEGER)) FROM deliveries", 50_002),
        ("SELECT count(*) FROM jobs", 100_000),
        ("SELECT min(id) FROM jobs", 3),
        ("SELECT count(*) FROM events", 50_000),
        ("SELECT min(id) - max(id) FROM events", -49_999),
        ("SELECT count(*) FROM finished_runners", 5_000),
        ("SELECT min(CAST(name AS INTEGER)) FROM finished_runners", 3),
    ];
    for (query, expected) in left {
        assert_eq!(count(&store, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn the_runners_that_a_pass_left_come_back_to_their_installation_until_their_end_is_kept() {
    let store = Store::in_memory().unwrap();
    let left = |name: &str, scope: &str, state| LeftRunner {
        name: mayfly_common::name::RunnerName::parse(name).unwrap(),
        machine: format!("machine-{name}"),
        pool: "ci".parse().unwrap(),
        scope: scope.parse().unwrap(),
        image: "img:1".to_owned(),
        created_at: at(-100),
        state,
    };
    let rows = vec![
        left("r-a", "enterprise:octo-corp", RunnerState::Busy),
        left("r-b", "repo:o/r", RunnerState::Idle),
        left("r-c", "org:o", RunnerState::Starting),
    ];
    let there = async |installation: &str| {
        let found = store.left_runners(installation.to_owned()).await.unwrap();
        found.into_iter().map(|one| one.name.to_string()).collect::<Vec<_>>()
    };
    let save = async |left: &[LeftRunner], finished: Vec<Finished>| {
        let left = Some(("one".to_owned(), left.to_vec()));
        store.save_history(News { finished, left, ..News::default() }).await.unwrap();
    };
    save(&rows, Vec::new()).await;
    assert_eq!(store.left_runners("one".to_owned()).await.unwrap(), rows);
    assert!(there("another").await.is_empty(), "they are none of its runners");
    // Another machine of that name ended before.
    let before = Finished { created_at: at(-200), ..gone("r-a", -150) };
    save(&rows, vec![gone("r-b", 1), before]).await;
    assert_eq!(there("one").await, ["r-a", "r-c"]);
    save(&rows[2..], Vec::new()).await;
    assert_eq!(there("one").await, ["r-c"]);
    // What is told and what is left go into the file together.
    store.refuse_writes(true).await.unwrap();
    let news = News {
        finished: vec![gone("r-c", 2)],
        left: Some(("one".into(), Vec::new())),
        ..News::default()
    };
    store.save_history(news).await.unwrap_err();
    assert_eq!(there("one").await, ["r-c"]);
}
