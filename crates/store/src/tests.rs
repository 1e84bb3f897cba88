use std::fs;
use std::path::PathBuf;

use mayfly_common::api::{Event, Finished, FinishedQuery, RepositoryStats};
use mayfly_common::label::LabelSet;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::{RepoSlug, ScopeKind};
use mayfly_common::webhook::{
    Content, Delivery, EventJob, EventRepository, Hook, HookTarget, JobStatus,
};
use rusqlite::params;

use super::*;
use mayfly_planner::ledger::Fact;
use mayfly_planner::ledger::{Ledger, Row};

/// A folder that ends with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("mayfly-store-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("mayfly.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn delivery(id: &str) -> Delivery {
    let repository = EventRepository {
        id: 1,
        full_name: "o/r".to_owned(),
        private: Some(true),
        fork: false,
        archived: false,
        disabled: false,
    };
    let job = EventJob {
        id: 7,
        name: "build".to_owned(),
        status: JobStatus::Queued,
        conclusion: None,
        labels: vec!["self-hosted".to_owned(), "Linux".to_owned()],
        labels_unread: false,
        created_at: Some(at(0)),
        started_at: None,
        completed_at: None,
        runner_name: None,
    };
    Delivery {
        id: id.to_owned(),
        event: "workflow_job".to_owned(),
        hook: Some(Hook {
            id: 5,
            target: HookTarget::Organization,
            target_name: Some("o".to_owned()),
        }),
        content: Content::Job { repository, job },
    }
}

#[tokio::test]
async fn a_delivery_is_new_once_also_after_a_restart() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).unwrap();
    assert_eq!(store.record(&delivery("a"), at(0)).await.unwrap(), Recorded::New);
    assert_eq!(store.record(&delivery("a"), at(1)).await.unwrap(), Recorded::Duplicate);
    // Not closed: as after a kill, only the file is there.
    let again = Store::open(&folder.file()).unwrap();
    assert_eq!(again.record(&delivery("a"), at(2)).await.unwrap(), Recorded::Duplicate);
    assert_eq!(again.record(&delivery("b"), at(3)).await.unwrap(), Recorded::New);
    assert_eq!(again.last_delivery().await.unwrap(), Some(at(3)));
    let hook = KnownHook {
        id: 5,
        target: HookTarget::Organization,
        target_name: Some("o".to_owned()),
        last_seen_at: at(3),
    };
    assert_eq!(again.hooks().await.unwrap(), [hook]);
    let gone = Delivery { content: Content::HookDeleted, ..delivery("c") };
    again.record(&gone, at(4)).await.unwrap();
    assert!(again.hooks().await.unwrap().is_empty());
    again.forget_delivery("b").await.unwrap();
    assert_eq!(again.record(&delivery("b"), at(5)).await.unwrap(), Recorded::New);
}

#[tokio::test]
async fn jobs_come_back_as_they_were() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).unwrap();
    let mut ledger = Ledger::default();
    let Content::Job { job, .. } = delivery("a").content else { panic!("a job") };
    let repo = RepoSlug::parse("o/r").unwrap();
    ledger.apply(Fact::Job { repo: repo.clone(), job: job.clone() }, at(0));
    ledger.apply(
        Fact::Job {
            repo: repo.clone(),
            job: EventJob { id: 8, status: JobStatus::Completed, ..job },
        },
        at(0),
    );
    let rows = ledger.take_changed();
    store.save(rows.clone()).await.unwrap();
    let found = Store::open(&folder.file()).unwrap().recent_jobs().await.unwrap();
    assert_eq!(found, rows);
    assert_eq!(found[0].labels, LabelSet::requested(["self-hosted", "linux"]));
}

#[tokio::test]
async fn what_is_old_or_too_much_goes() {
    let store = Store::in_memory().unwrap();
    store.record(&delivery("old"), at(0)).await.unwrap();
    store.record(&delivery("new"), at(3_600)).await.unwrap();
    store.prune(at(7 * 24 * 3_600 + 1)).await.unwrap();
    assert_eq!(store.record(&delivery("new"), at(0)).await.unwrap(), Recorded::Duplicate);
    assert_eq!(store.record(&delivery("old"), at(0)).await.unwrap(), Recorded::New);
}

fn finished(name: &str, created: i64, removed: i64) -> Finished {
    Finished {
        name: name.to_owned(),
        scope: ScopeKind::Repo,
        scope_name: "o/r".to_owned(),
        pool: "ci".to_owned(),
        image: "i".to_owned(),
        state: RunnerState::Finished,
        reason: "it did its job".to_owned(),
        exit_code: Some(0),
        out_of_memory: false,
        created_at: at(created),
        removed_at: at(removed),
        log: None,
    }
}

#[tokio::test]
async fn history_goes_by_its_own_age() {
    const DAY: i64 = 24 * 3_600;
    let store = Store::in_memory().unwrap();
    let event = |second: i64| {
        let text = r#"{"id":0,"at":"2026-01-01T00:00:00Z","kind":"problem.began"}"#;
        Event { id: at(second).as_microsecond(), ..serde_json::from_str(text).unwrap() }
    };
    store.save_events(vec![event(0), event(DAY)]).await.unwrap();
    let gone = vec![finished("old", -DAY, 0), finished("new", -DAY, DAY)];
    store.save_finished(gone).await.unwrap();
    // What counts of a job is when it was last heard of: a job can wait for approval for months.
    let repo = RepoSlug::parse("o/r").unwrap();
    let Content::Job { job, .. } = delivery("a").content else { panic!("it tells of a job") };
    let mut ledger = Ledger::default();
    ledger.apply(Fact::Job { repo: repo.clone(), job: job.clone() }, at(0));
    let mut rows = ledger.take_changed();
    (rows[0].queued_at, rows[0].seen_at) = (at(-100 * DAY), at(DAY));
    store.save(rows).await.unwrap();
    store.prune(at(30 * DAY + 1)).await.unwrap();
    let ids: Vec<i64> =
        store.events(Some(0), 10).await.unwrap().iter().map(|event| event.id).collect();
    assert_eq!(ids, [at(DAY).as_microsecond()]);
    let (_, gone) = store.finished(FinishedQuery::default(), (10, 0)).await.unwrap();
    assert_eq!(gone.iter().map(|gone| gone.name.as_str()).collect::<Vec<_>>(), ["new"]);
    assert!(store.job(7).await.unwrap().is_some());
}

#[tokio::test]
async fn of_two_runners_with_one_name_the_later_is_told_of() {
    let store = Store::in_memory().unwrap();
    store.save_finished(vec![finished("r-1", 0, 9), finished("r-1", 10, 19)]).await.unwrap();
    let found = store.finished_runner("R-1".to_owned()).await.unwrap().unwrap();
    assert_eq!(found.removed_at, at(19));
}

#[tokio::test]
async fn a_hook_keeps_its_name_when_a_delivery_tells_none() {
    let store = Store::in_memory().unwrap();
    store.record(&delivery("a"), at(0)).await.unwrap();
    let hook = delivery("b").hook.map(|hook| Hook { target_name: None, ..hook });
    store.record(&Delivery { hook, ..delivery("b") }, at(1)).await.unwrap();
    let hooks = store.hooks().await.unwrap();
    assert_eq!((hooks[0].target_name.as_deref(), hooks[0].last_seen_at), (Some("o"), at(1)));
}

#[tokio::test]
async fn jobs_are_found_and_summed_up_as_people_mean_it() {
    let store = Store::in_memory().unwrap();
    let repo = RepoSlug::parse("Octo/App").unwrap();
    let Content::Job { job, .. } = delivery("a").content else { panic!("it tells of a job") };
    let mut ledger = Ledger::default();
    ledger.apply(
        Fact::Job { repo: repo.clone(), job: EventJob { status: JobStatus::Completed, ..job } },
        at(0),
    );
    let mut rows = ledger.take_changed();
    // A job whose end GitHub told without a word on how.
    (rows[0].pool, rows[0].conclusion) = (Some("ci".to_owned()), None);
    (rows[0].started_at, rows[0].completed_at) = (Some(at(1)), Some(at(2)));
    store.save(rows).await.unwrap();
    for name in ["octo/app", "OCTO/APP"] {
        let (total, found) = store.jobs(Some(name.to_owned()), None, (10, 0)).await.unwrap();
        assert_eq!((total, found.len()), (1, 1), "{name}");
    }
    let stats = store.job_stats(at(0)).await.unwrap();
    assert_eq!((stats[0].jobs, stats[0].unsuccessful), (1, 1), "it is no success");
}

#[test]
fn a_file_that_cannot_be_used_is_left_as_it_is_and_told() {
    let folder = Folder::new();
    fs::write(
        folder.file(),
        "this is no database, and it is long enough to look like one".repeat(40),
    )
    .unwrap();
    let before = fs::read(folder.file()).unwrap();
    assert!(matches!(Store::open(&folder.file()), Err(StoreError::Damaged)));
    assert_eq!(fs::read(folder.file()).unwrap(), before);

    let missing = folder.0.join("not").join("there.db");
    assert!(matches!(Store::open(&missing), Err(StoreError::CannotOpen)));

    let newer = folder.0.join("newer.db");
    let connection = Connection::open(&newer).unwrap();
    connection.execute_batch(&schema::STEPS.concat()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = Store::open(&newer).err().unwrap();
    assert_eq!(
        error.to_string(),
        "it was written by a newer version (schema 99, this one knows 7)"
    );
    // Not even its journal mode is changed.
    let mode: String = Connection::open(&newer)
        .unwrap()
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "delete");
}

#[test]
fn the_database_of_another_program_is_refused_and_stays_as_it_is() {
    let made = [
        "CREATE TABLE t (a)",
        "CREATE VIEW v AS SELECT 1",
        "PRAGMA application_id = 1",
        "PRAGMA user_version = -1",
        "PRAGMA user_version = 3",
        "PRAGMA user_version = 99",
        "CREATE TABLE jobs (id); PRAGMA user_version = 1",
        "PRAGMA journal_mode = WAL; CREATE TABLE t (a)",
        "CREATE VIRTUAL TABLE jobs USING fts5(a); PRAGMA user_version = 7",
    ];
    for sql in made {
        let folder = Folder::new();
        // A name that needs care in an address.
        let file = folder.0.join("their data?#%41.db");
        if Connection::open(&file).unwrap().execute_batch(sql).is_err() {
            assert!(sql.contains("fts5"), "{sql}");
            continue;
        }
        let before = fs::read(&file).unwrap();
        for _ in 0..2 {
            let error = Store::open(&file).err();
            assert_eq!(
                (error, Store::check(&file)),
                (Some(StoreError::Foreign), Err(StoreError::Foreign)),
                "{sql}"
            );
        }
        assert!(fs::read(&file).unwrap() == before, "{sql}");
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "{sql}: nothing lies beside it");
    }
    // As a program leaves it that was killed: what it wrote is in the log.
    let folder = Folder::new();
    let connection = Connection::open(folder.file()).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a)").unwrap();
    let (killed, log) = (folder.0.join("killed.db"), folder.0.join("killed.db-wal"));
    fs::copy(folder.file(), &killed).unwrap();
    fs::copy(folder.0.join("mayfly.db-wal"), &log).unwrap();
    let before = (fs::read(&killed).unwrap(), fs::read(&log).unwrap());
    assert_eq!(Store::open(&killed).err(), Some(StoreError::Foreign));
    assert!((fs::read(&killed).unwrap(), fs::read(&log).unwrap()) == before);
}

#[tokio::test]
async fn an_empty_file_and_every_older_schema_open() {
    for version in 0..=schema::STEPS.len() {
        for mode in ["DELETE", "WAL"] {
            let folder = Folder::new();
            let connection = Connection::open(folder.file()).unwrap();
            connection.execute_batch(&format!("PRAGMA journal_mode = {mode}")).unwrap();
            connection.execute_batch(&schema::STEPS[..version].concat()).unwrap();
            connection
                .pragma_update(None, "user_version", i64::try_from(version).unwrap())
                .unwrap();
            // The log of one that was killed has it all.
            let (killed, log) = (folder.0.join("killed.db"), folder.0.join("mayfly.db-wal"));
            fs::copy(folder.file(), &killed).unwrap();
            if log.exists() {
                fs::copy(log, folder.0.join("killed.db-wal")).unwrap();
            }
            for file in [folder.file(), killed] {
                assert_eq!(Store::check(&file), Ok(()), "{version} {mode}");
                let store = Store::open(&file).unwrap();
                assert_eq!(store.record(&delivery("a"), at(0)).await.unwrap(), Recorded::New);
            }
        }
    }
    let folder = Folder::new();
    fs::write(folder.file(), "").unwrap();
    assert!(Store::open(&folder.file()).is_ok());
}

fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_the_owner_reads_the_file_and_what_is_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let names = ["mayfly.db", "mayfly.db-wal", "mayfly.db-shm"].map(|name| folder.0.join(name));
    let store = Store::open(&folder.file()).unwrap();
    store.record(&delivery("a"), at(0)).await.unwrap();
    for name in &names {
        assert_eq!(mode(name), 0o600, "{}", name.display());
        // As an earlier version left them.
        fs::set_permissions(name, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let again = Store::open(&folder.file()).unwrap();
    assert_eq!(again.record(&delivery("a"), at(1)).await.unwrap(), Recorded::Duplicate);
    for name in &names {
        assert_eq!(mode(name), 0o600, "{}", name.display());
    }
}

#[test]
fn what_is_no_database_of_ours_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let other = folder.0.join("hosts");
    fs::write(&other, "127.0.0.1 localhost\n".repeat(100)).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Store::open(&other).is_err());
    assert_eq!((mode(&other), fs::metadata(&other).unwrap().len()), (0o644, 2_000));
    // A device that every program uses; by a name of its own, so that a mistake here costs the machine nothing.
    let (socket, device) = (folder.0.join("socket"), folder.0.join("device"));
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::os::unix::fs::symlink(&socket, &device).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(Store::open(&device).is_err());
    assert_eq!(mode(&socket), 0o666);
}

#[tokio::test]
async fn a_file_that_is_deleted_while_it_is_open_is_made_again_with_all_it_held() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).unwrap();
    store.record(&delivery("a"), at(0)).await.unwrap();
    store.look_after().await.unwrap();
    assert!(store.take_mended().is_empty(), "nothing was wrong");
    for names in [&["mayfly.db"][..], &["mayfly.db", "mayfly.db-wal", "mayfly.db-shm"]] {
        for name in names {
            fs::remove_file(folder.0.join(name)).unwrap();
        }
        // Before anybody noticed.
        let between = format!("{names:?}");
        store.record(&delivery(&between), at(1)).await.unwrap();
        store.look_after().await.unwrap();
        let told = store.take_mended();
        assert!(told.len() == 1 && told[0].contains("was deleted while it was in use"), "{told:?}");
        assert_eq!(mode(&folder.file()), 0o600);
        // What another process finds.
        let found = Store::open(&folder.file()).unwrap();
        for id in ["a", &between] {
            let recorded = found.record(&delivery(id), at(2)).await.unwrap();
            assert_eq!(recorded, Recorded::Duplicate, "{id}");
        }
        drop(found);
        // And it is the file that is written from now on.
        store.record(&delivery("later"), at(3)).await.unwrap();
        let found = Store::open(&folder.file()).unwrap();
        assert_eq!(found.record(&delivery("later"), at(4)).await.unwrap(), Recorded::Duplicate);
        drop(found);
        store.look_after().await.unwrap();
        assert!(store.take_mended().is_empty(), "told once");
    }
    let left: Vec<_> =
        fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("new")), "{left:?}");
}

#[tokio::test]
async fn pools_and_a_drain_outlive_the_contents_of_their_file() {
    let pool = |name: &str| PoolRow {
        name: name.to_owned(),
        spec: "{}".to_owned(),
        revision: 1,
        created_at: at(1),
        updated_at: at(2),
        rotate_before: None,
    };
    let folder = Folder::new();
    let store = Store::open(&folder.file()).unwrap();
    assert!(store.take_mended().is_empty());
    for name in ["gone", "kept"] {
        store.save_pool(pool(name)).await.unwrap();
    }
    store.delete_pool("gone".to_owned()).await.unwrap();
    store.save_drain(Some(at(7))).await.unwrap();
    fs::write(folder.file(), "x".repeat(1 << 20)).unwrap();
    store.look_after().await.unwrap();
    let told = store.take_mended();
    assert!(told.len() == 1 && told[0].contains("was overwritten with something else"), "{told:?}");
    let found = Store::open(&folder.file()).unwrap();
    assert_eq!(found.pools().await.unwrap(), [pool("kept")]);
    assert_eq!(found.drain().await.unwrap(), Some(at(7)));
    drop((store, found));
    // At rest, nobody is there to write it again.
    fs::write(folder.file(), "").unwrap();
    let told = Store::open(&folder.file()).unwrap().take_mended();
    assert!(told.len() == 1 && told[0].contains("was emptied after it was last used"), "{told:?}");
}

#[tokio::test]
async fn a_log_that_is_deleted_while_it_is_open_loses_nothing() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).unwrap();
    store.record(&delivery("a"), at(0)).await.unwrap();
    store.look_after().await.unwrap();
    fs::remove_file(folder.0.join("mayfly.db-wal")).unwrap();
    store.record(&delivery("b"), at(1)).await.unwrap();
    store.look_after().await.unwrap();
    assert_eq!(store.take_mended().len(), 1);
    let found = Store::open(&folder.file()).unwrap();
    for id in ["a", "b"] {
        assert_eq!(found.record(&delivery(id), at(2)).await.unwrap(), Recorded::Duplicate, "{id}");
    }
}

#[tokio::test]
async fn what_cannot_be_made_again_is_said_until_it_can() {
    let folder = Folder::new();
    let inner = folder.0.join("data");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("mayfly.db");
    let store = Store::open(&path).unwrap();
    store.record(&delivery("a"), at(0)).await.unwrap();
    fs::remove_dir_all(&inner).unwrap();
    for _ in 0..2 {
        let error = store.look_after().await.unwrap_err().to_string();
        assert!(error.contains("was deleted, and cannot be made again"), "{error}");
        assert!(store.sound().is_err());
    }
    fs::create_dir(&inner).unwrap();
    store.look_after().await.unwrap();
    assert!(store.sound().is_ok());
    let found = Store::open(&path).unwrap();
    assert_eq!(found.record(&delivery("a"), at(2)).await.unwrap(), Recorded::Duplicate);
}

#[tokio::test]
async fn another_file_in_its_place_is_left_alone() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).unwrap();
    store.record(&delivery("a"), at(0)).await.unwrap();
    for name in ["mayfly.db", "mayfly.db-wal", "mayfly.db-shm"] {
        fs::remove_file(folder.0.join(name)).unwrap();
    }
    fs::write(folder.file(), "a backup, say").unwrap();
    let error = store.look_after().await.unwrap_err().to_string();
    assert!(error.contains("another file") && error.contains("restart"), "{error}");
    assert_eq!(fs::read(folder.file()).unwrap(), b"a backup, say");
}

#[tokio::test]
async fn a_drain_is_kept_until_it_is_ended() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).unwrap();
    assert_eq!(store.drain().await.unwrap(), None);
    store.save_drain(Some(at(7))).await.unwrap();
    let again = Store::open(&folder.file()).unwrap();
    assert_eq!(again.drain().await.unwrap(), Some(at(7)));
    again.save_drain(None).await.unwrap();
    assert_eq!(again.drain().await.unwrap(), None);
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_not_the_end() {
    let store = Store::in_memory().unwrap();
    {
        let connection = store.connection.lock().unwrap();
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    }
    let mut written = 0;
    let error = loop {
        match store.record(&delivery(&format!("{written:0>200}")), at(0)).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 10_000, "it never was full");
    };
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert!(store.hooks().await.is_ok(), "reading goes on");
}

/// A file as an earlier release left it, which kept whatever a job printed.
fn poison(path: &std::path::Path) {
    let big = "é".repeat(3_000_000);
    let connection = Connection::open(path).unwrap();
    let job = "INSERT INTO jobs (id, repository, name, labels, status, conclusion, queued_at, seen_at, runner, pool)
         VALUES (?1, 'o/r', ?2, ?2, 'queued', ?2, 0, 0, ?2, ?2)";
    let event = format!(
        r#"{{"id":1,"at":"2026-01-01T00:00:00Z","kind":"runner.finished","job":"{big}","message":"{big}"}}"#
    );
    let gone = "INSERT INTO finished_runners (name, pool, scope, scope_name, image, state, reason, out_of_memory, created_at,
             removed_at, log) VALUES (?1, 'ci', 'repo', 'o/r', 'i', 'finished', ?2, 0, 0, 0, ?2)";
    for id in 1..=4 {
        connection.execute(job, params![id, big]).unwrap();
        connection.execute("INSERT INTO events VALUES (?1, ?2)", params![id, event]).unwrap();
        connection.execute(gone, params![id.to_string(), big]).unwrap();
    }
    connection.execute("INSERT INTO events VALUES (9, ?1)", [&big]).unwrap();
}

#[tokio::test]
async fn what_an_earlier_release_kept_is_cut() {
    let folder = Folder::new();
    let text =
        r#"{"id":5,"at":"2026-01-01T00:00:00Z","kind":"job.queued","job":"b","message":"m"}"#;
    let keep = |id: i64| Event { id, ..serde_json::from_str(text).unwrap() };
    Store::open(&folder.file()).unwrap().save_events(vec![keep(5)]).await.unwrap();
    poison(&folder.file());
    let store = Store::open(&folder.file()).unwrap();
    let events = store.events(Some(0), 1_000).await.unwrap();
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [1, 1, 1, 1, 5]);
    assert_eq!(events[4], keep(5), "what is short stays as it is");
    let jobs = store.recent_jobs().await.unwrap();
    let (_, gone) = store.finished(FinishedQuery::default(), (10, 0)).await.unwrap();
    let log = store.finished_runner("1".to_owned()).await.unwrap().unwrap().log.unwrap();
    assert_eq!((jobs.len(), gone.len(), log.len() <= 128 << 10), (4, 4, true));
    let told = format!("{events:?}{jobs:?}{gone:?}");
    assert!(told.len() < 64 << 10, "{} bytes", told.len());
}

#[tokio::test]
async fn a_page_of_events_is_bounded_and_the_next_goes_on_there() {
    let store = Store::in_memory().unwrap();
    let event = |id: i64| {
        let text = r#"{"id":0,"at":"2026-01-01T00:00:00Z","kind":"problem.began"}"#;
        Event { id, message: Some("é".repeat(2_000)), ..serde_json::from_str(text).unwrap() }
    };
    store.save_events((1..=600).map(event).collect()).await.unwrap();
    let mut after = 0;
    let mut pages = Vec::new();
    loop {
        let page = store.events(Some(after), 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(serde_json::to_string(&page).unwrap().len() < 1_100_000);
        assert_eq!(page[0].id, after + 1);
        after = last.id;
        pages.push(page.len());
    }
    // A megabyte of events of four kilobytes.
    assert!(after == 600 && pages.len() == 3 && pages[0] == pages[1], "{pages:?}");
    assert!((250..=262).contains(&pages[0]), "{pages:?}");
    let latest = store.events(None, 1_000).await.unwrap();
    assert_eq!(latest.last().unwrap().id, 600);
    assert!(latest.len() < 600 && latest.is_sorted_by_key(|event| event.id));
}

#[tokio::test]
async fn what_left_the_queue_or_was_over_within_the_hour_is_known_after_a_restart() {
    const HOUR: i64 = 3_600;
    let folder = Folder::new();
    let store = Store::open(&folder.file()).unwrap();
    let Content::Job { job, .. } = delivery("a").content else { panic!("it tells of a job") };
    let mut ledger = Ledger::default();
    let repo = mayfly_common::scope::RepoSlug::parse("o/r").unwrap();
    for id in 1..=5 {
        ledger.apply(Fact::Job { repo: repo.clone(), job: EventJob { id, ..job.clone() } }, at(0));
    }
    ledger.apply(
        Fact::Job {
            repo: repo.clone(),
            job: EventJob { id: 5, status: JobStatus::Completed, ..job },
        },
        at(2 * HOUR),
    );
    let mut rows = ledger.take_changed();
    let left_at = |second| Some(at(second));
    // 1 waits; 2 left long ago, 3 an hour before the latest that is known of any job, 4 just now; 5 is over.
    rows[1].left_at = left_at(1);
    rows[2].left_at = left_at(HOUR);
    rows[3].left_at = left_at(HOUR + 1);
    store.save(rows.clone()).await.unwrap();
    drop(store);
    let again = Store::open(&folder.file()).unwrap();
    let open = again.recent_jobs().await.unwrap();
    // What was over within the hour is not news again.
    assert_eq!(open, [rows[0].clone(), rows[3].clone(), rows[4].clone()]);
    let Content::Job { job, .. } = delivery("b").content else { panic!("it tells of a job") };
    ledger.apply(Fact::Job { repo: repo.clone(), job: EventJob { id: 6, ..job } }, at(3 * HOUR));
    again.save(ledger.take_changed()).await.unwrap();
    let ids: Vec<i64> = again.recent_jobs().await.unwrap().iter().map(|row| row.id).collect();
    assert_eq!(ids, [1, 6], "an hour later it is history");
}

#[test]
fn what_sqlite_says_is_told_by_what_can_be_done_about_it() {
    use rusqlite::ffi::{self, Error as Failure};
    let codes = [
        (ffi::SQLITE_NOTADB, StoreError::Damaged),
        (ffi::SQLITE_CORRUPT, StoreError::Damaged),
        (ffi::SQLITE_READONLY, StoreError::ReadOnly),
        (ffi::SQLITE_PERM, StoreError::ReadOnly),
        (ffi::SQLITE_FULL, StoreError::Full),
        (ffi::SQLITE_BUSY, StoreError::Locked),
        (ffi::SQLITE_LOCKED, StoreError::Locked),
        (ffi::SQLITE_CANTOPEN, StoreError::CannotOpen),
        (ffi::SQLITE_IOERR, StoreError::Other("the platter broke".to_owned())),
    ];
    for (code, expected) in codes {
        let text = Some("the platter broke".to_owned());
        let error = rusqlite::Error::SqliteFailure(Failure::new(code), text);
        assert_eq!(StoreError::from(error), expected, "{code}");
    }
    let words = [
        (StoreError::Damaged, "it is damaged, or not a database; move it away to begin a new one"),
        (StoreError::Foreign, "it is the database of another program; name another file"),
        (
            StoreError::ReadOnly,
            "it cannot be written: the file or its folder is read-only for this user",
        ),
        (StoreError::Full, "the disk is full"),
        (StoreError::Locked, "another process has locked it"),
        (
            StoreError::CannotOpen,
            "it cannot be opened; check that its folder exists and that this user may write there",
        ),
        (StoreError::Unusable("why".to_owned()), "why"),
        (StoreError::Other("why".to_owned()), "why"),
    ];
    for (error, expected) in words {
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn a_store_says_whether_it_outlives_the_process_and_why_not() {
    let folder = Folder::new();
    let kept = Store::open(&folder.file()).unwrap();
    assert!(kept.is_durable() && kept.sound().is_ok());
    let memory = Store::in_memory().unwrap();
    assert!(!memory.is_durable() && memory.sound().is_ok());
    memory.look_after().await.unwrap();
    let instead = Store::instead_of(std::path::Path::new("/data/x.db"), &StoreError::Full).unwrap();
    let why = "the database /data/x.db cannot be used: the disk is full".to_owned();
    assert!(!instead.is_durable());
    assert_eq!(instead.sound(), Err(StoreError::Unusable(why.clone())));
    assert_eq!(instead.look_after().await, Err(StoreError::Unusable(why)));
}

#[tokio::test]
async fn what_is_wrong_with_the_file_is_told_with_its_path() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).unwrap();
    store.record(&delivery("a"), at(0)).await.unwrap();
    for name in ["mayfly.db", "mayfly.db-wal", "mayfly.db-shm"] {
        fs::remove_file(folder.0.join(name)).unwrap();
    }
    fs::write(folder.file(), "a backup, say").unwrap();
    let shown = folder.file().display().to_string();
    let why = format!(
        "the database {shown}: another file was put in its place while it was in use; restart the orchestrator to use that one"
    );
    assert_eq!(store.look_after().await, Err(StoreError::Unusable(why.clone())));
    assert_eq!(store.sound(), Err(StoreError::Unusable(why)));
}

#[tokio::test]
async fn the_last_delivery_is_the_latest_and_none_before_the_first() {
    let store = Store::in_memory().unwrap();
    assert_eq!(store.last_delivery().await.unwrap(), None);
    for (id, second) in [("a", 7), ("b", 9), ("c", 8)] {
        store.record(&Delivery { hook: None, ..delivery(id) }, at(second)).await.unwrap();
    }
    assert_eq!(store.last_delivery().await.unwrap(), Some(at(9)));
    assert_eq!(store.hooks().await.unwrap(), []);
    store.forget_delivery("b").await.unwrap();
    assert_eq!(store.last_delivery().await.unwrap(), Some(at(8)), "that one and no other");
}

#[tokio::test]
async fn a_drain_begins_anew_and_one_that_cannot_be_read_holds() {
    let store = Store::in_memory().unwrap();
    store.save_drain(Some(at(7))).await.unwrap();
    store.save_drain(Some(at(8))).await.unwrap();
    assert_eq!(store.drain().await.unwrap(), Some(at(8)));
    let spoil = format!("UPDATE drain SET since = {}", i64::MAX);
    store.run(move |connection| connection.execute(&spoil, [])).await.unwrap();
    assert!(store.drain().await.unwrap().is_some());
}

/// A job of `repo` that a runner of ours had, with whatever else it is.
fn ran(id: i64, repo: &str, change: impl FnOnce(&mut Row)) -> Row {
    let Content::Job { job, .. } = delivery("a").content else { panic!("it tells of a job") };
    let mut ledger = Ledger::default();
    ledger.apply(
        Fact::Job { repo: RepoSlug::parse(repo).unwrap(), job: EventJob { id, ..job } },
        at(0),
    );
    let mut row = ledger.take_changed().remove(0);
    (row.status, row.conclusion) = (JobStatus::Completed, Some("success".to_owned()));
    (row.pool, row.runner) = (Some("ci".to_owned()), Some(format!("r-{id}")));
    (row.queued_at, row.queue_known) = (at(0), true);
    (row.started_at, row.completed_at) = (Some(at(10)), Some(at(40)));
    change(&mut row);
    row
}

#[tokio::test]
async fn jobs_are_summed_up_by_repository_with_what_is_known_of_each() {
    let store = Store::in_memory().unwrap();
    let runs = |row: &mut Row| {
        (row.status, row.conclusion, row.completed_at) = (JobStatus::InProgress, None, None);
    };
    let rows = vec![
        ran(1, "o/a", |_| {}),
        // It is not known since when it waited.
        ran(2, "o/a", |row| {
            (row.conclusion, row.queue_known) = (Some("failure".to_owned()), false);
            (row.started_at, row.completed_at) = (Some(at(100)), Some(at(160)));
        }),
        ran(3, "o/a", |row| row.started_at = None),
        // Just in time, and just too early.
        ran(4, "o/a", |row| (row.started_at, row.completed_at) = (Some(at(16)), Some(at(20)))),
        ran(5, "o/a", |row| row.completed_at = Some(at(19))),
        // Nobody of ours had it.
        ran(6, "o/a", |row| row.pool = None),
        // One whose runner is gone, one whose runner is there, and one whose runner's name another had before.
        ran(7, "o/a", runs),
        ran(8, "o/a", runs),
        ran(9, "o/a", |row| {
            runs(row);
            row.started_at = Some(at(90));
        }),
        // Clocks that differ make no time negative.
        ran(11, "o/b", |row| {
            (row.queued_at, row.started_at, row.completed_at) =
                (at(500), Some(at(400)), Some(at(300)));
        }),
        ran(12, "o/b", |row| (row.started_at, row.completed_at) = (Some(at(20)), Some(at(400)))),
        ran(21, "o/c", |row| (row.started_at, row.queue_known) = (None, false)),
        ran(31, "o/0", |row| row.started_at = None),
    ];
    store.save(rows).await.unwrap();
    store.save_finished(vec![finished("r-7", 0, 25), finished("r-9", 0, 89)]).await.unwrap();
    let sum = |repository: &str, jobs, unsuccessful, run_seconds, mean_wait_seconds, unmeasured| {
        RepositoryStats {
            repository: repository.to_owned(),
            jobs,
            unsuccessful,
            run_seconds,
            mean_wait_seconds,
            unmeasured,
        }
    };
    // Of o/a 30 + 60 + 4 s; waits of 10, 16 and, of the one whose runner is gone, 10 s.
    let expected = [
        sum("o/b", 2, 0, Some(380.0), Some(10.0), 0),
        sum("o/a", 5, 1, Some(94.0), Some(12.0), 2),
        sum("o/0", 1, 0, None, None, 1),
        sum("o/c", 1, 0, None, None, 1),
    ];
    assert_eq!(store.job_stats(at(20)).await.unwrap(), expected);
    // From when on a runner that is gone counts is when it went.
    assert_eq!(store.job_stats(at(25)).await.unwrap()[1].jobs, 4);
    assert_eq!(store.job_stats(at(26)).await.unwrap()[1].jobs, 3);
}

#[tokio::test]
async fn jobs_are_listed_the_latest_first_by_status_and_page() {
    use JobStatus::{Completed, InProgress};
    let store = Store::in_memory().unwrap();
    let row = |id: i64, repo: &str, queued: i64, status| {
        ran(id, repo, |row| (row.queued_at, row.status) = (at(queued), status))
    };
    let rows = vec![
        row(1, "o/a", 5, Completed),
        row(2, "o/a", 5, InProgress),
        row(3, "o/b", 9, Completed),
        row(4, "o/a", 1, Completed),
    ];
    store.save(rows).await.unwrap();
    let a = || Some("O/A".to_owned());
    let cases = [
        (None, None, (10, 0), 4, vec![3, 2, 1, 4]),
        (None, None, (2, 1), 4, vec![2, 1]),
        (a(), None, (10, 0), 3, vec![2, 1, 4]),
        (None, Some(Completed), (10, 0), 3, vec![3, 1, 4]),
        (a(), Some(Completed), (1, 1), 2, vec![4]),
        (a(), Some(JobStatus::Queued), (10, 0), 0, vec![]),
    ];
    for (repo, status, limits, total, expected) in cases {
        let (count, found) = store.jobs(repo.clone(), status, limits).await.unwrap();
        let ids: Vec<i64> = found.iter().map(|row| row.id).collect();
        assert_eq!((count, ids), (total, expected), "{repo:?} {status:?} {limits:?}");
    }
}
