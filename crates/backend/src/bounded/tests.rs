//! How long each call may take, what counts against a pass, and what is known of the engine's answering.

use super::*;
use crate::fake::FakeBackend;
use mayfly_common::clock::SystemClock;
use mayfly_common::identity::BackendName;
use tokio::sync::Notify;

/// Timers end up to a millisecond late.
const TICK: Duration = Duration::from_millis(100);

/// True if a pass has ten seconds or more for the engine, and for callers that no pass counts.
fn has_ten_seconds(backend: &Bounded) -> bool {
    backend.spent().is_none_or(|spent| spent.left() >= Duration::from_secs(10))
}

fn bounded() -> (Arc<FakeBackend>, Bounded, Arc<Contact>) {
    let fake = Arc::new(FakeBackend::new());
    let contact = Arc::new(Contact::new(Arc::new(SystemClock)));
    let inner: Arc<dyn Backend> = Arc::<FakeBackend>::clone(&fake);
    (fake, Bounded::for_passes(inner, Arc::clone(&contact)), contact)
}

#[test]
fn a_pass_with_the_slowest_list_can_ask_for_more() {
    assert!(PASS.checked_sub(LIST).is_some_and(|left| left >= QUESTION));
    assert!(PING <= QUESTION);
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_of_actions_are_under_way_at_a_time_and_the_others_wait_for_their_turn() {
    let fake = Arc::new(FakeBackend::new());
    let contact = Arc::new(Contact::new(Arc::new(SystemClock)));
    let inner: Arc<dyn Backend> = Arc::<FakeBackend>::clone(&fake);
    let backend = Bounded::for_actions(inner, contact);
    fake.state().frozen = true;
    let began = Instant::now();
    let name = RunnerName::parse("runner").unwrap();
    let machine = MachineRef { name, ..machine() };
    let calls = (0..=2 * ACTIONS).map(async |_| {
        backend.delete(&machine).await.unwrap_err();
        began.elapsed().as_secs()
    });
    let ends = futures::future::join_all(calls).await;
    let at = |seconds| ends.iter().filter(|end| **end == seconds).count();
    assert_eq!([at(30), at(60), at(90)], [ACTIONS, ACTIONS, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_engine_costs_a_pass_thirty_seconds_however_many_calls_it_makes() {
    let (fake, backend, contact) = bounded();
    backend.list().await.unwrap();
    let answered = contact.seen();
    assert!(answered.answered_at.is_some() && answered.silent.is_none());
    fake.state().frozen = true;
    let (began, machine) = (Instant::now(), machine());
    for _ in 0..10 {
        backend.list().await.unwrap_err();
        backend.image_id("i").await.unwrap_err();
        futures::future::join_all((0..20).map(|_| backend.delete(&machine))).await;
    }
    assert!(began.elapsed() >= PASS && began.elapsed() < PASS + TICK, "{:?}", began.elapsed());
    assert!(!has_ten_seconds(&backend));
    let seen = contact.seen();
    assert_eq!(seen.answered_at, answered.answered_at, "what was known is as old as before");
    assert!(seen.silent.is_some(), "{seen:?}");

    fake.state().frozen = false;
    backend.begin_pass();
    assert!(has_ten_seconds(&backend));
    backend.list().await.unwrap();
    assert_eq!(contact.seen().silent, None);
}

#[tokio::test(start_paused = true)]
async fn what_a_pass_waits_for_beside_the_engine_does_not_count() {
    let (_, backend, _) = bounded();
    for _ in 0..10 {
        backend.list().await.unwrap();
        tokio::time::sleep(PASS).await;
    }
    assert!(has_ten_seconds(&backend));
    backend.list().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn readers_wait_each_for_themselves() {
    let (fake, _, contact) = bounded();
    let inner: Arc<dyn Backend> = Arc::<FakeBackend>::clone(&fake);
    let reader = Bounded::for_readers(inner, contact);
    fake.state().frozen = true;
    for _ in 0..5 {
        let began = Instant::now();
        reader.logs(&RunnerName::parse("runner").unwrap(), 5).await.unwrap_err();
        let waited = began.elapsed();
        assert!(waited >= QUESTION && waited < QUESTION + TICK, "{waited:?}");
    }
}

/// The seconds that a call took, and the error it ended with.
async fn timed<T>(call: impl Future<Output = Result<T, BackendError>>) -> (u64, String) {
    let began = Instant::now();
    let error = call.await.err().expect("a frozen engine answers nothing");
    (began.elapsed().as_secs(), error.to_string())
}

fn spec() -> MachineSpec {
    let profile = mayfly_common::material::Profile {
        memory: 1,
        nano_cpus: 1,
        pids: 1,
        isolation: mayfly_common::pool::Isolation::Strict,
        seccomp: None,
        engine: None,
    };
    let identity = mayfly_common::identity::RunnerIdentity {
        installation: "fake".into(),
        backend: mayfly_common::identity::BackendName::default(),
        pool: mayfly_common::pool::PoolName::default_pool(),
        scope: "repo:o/r".parse().unwrap(),
        name: machine().name,
        labels: mayfly_common::label::LabelSet::default(),
        github_id: None,
        image: "i".into(),
        image_id: None,
        fingerprint: None,
        created_at: Timestamp::UNIX_EPOCH,
        deadline: Timestamp::UNIX_EPOCH,
    };
    let bootstrap = crate::bootstrap::Bootstrap::default();
    MachineSpec { identity, bootstrap, command: None, profile, environment: Vec::new() }
}

fn machine() -> MachineRef {
    MachineRef {
        backend: BackendName::default(),
        name: RunnerName::parse("runner").unwrap(),
        id: "1".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_has_its_own_longest_time() {
    let (fake, _, contact) = bounded();
    let inner: Arc<dyn Backend> = Arc::<FakeBackend>::clone(&fake);
    let reader = Bounded::for_readers(inner, contact);
    fake.state().frozen = true;
    let name = RunnerName::parse("runner").unwrap();
    let took = [
        ("ping", 5, timed(reader.ping()).await),
        ("installation", 10, timed(reader.installation()).await),
        ("host_resources", 10, timed(reader.host_resources()).await),
        ("logs", 10, timed(reader.logs(&name, 5)).await),
        ("image_id", 10, timed(reader.image_id("i")).await),
        ("list", 15, timed(reader.list()).await),
        ("get", 10, timed(reader.get(&machine())).await),
        ("create", 60, timed(reader.create(&spec())).await),
        ("start", 60, timed(reader.start(&machine())).await),
        ("delete", 30, timed(reader.delete(&machine())).await),
        ("clear", 30, timed(reader.clear()).await),
    ];
    for (call, seconds, found) in took {
        let error = format!("The fake cannot be reached: no answer within {seconds} s");
        assert_eq!(found, (seconds, error), "{call}");
    }
    assert!(has_ten_seconds(&reader), "no pass counts it");
    // These take as long as they take.
    let hour = Duration::from_hours(1);
    let progress = Progress::default();
    assert!(timeout(hour, reader.pull_image("i", &progress)).await.is_err());
    assert!(timeout(hour, reader.storage()).await.is_err());
    let watcher = reader.watcher().unwrap();
    assert!(timeout(hour, watcher.watch(&Notify::new())).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn calls_side_by_side_count_once_and_what_is_left_bounds_the_next() {
    let (fake, backend, _) = bounded();
    fake.state().frozen = true;
    let name = RunnerName::parse("runner").unwrap();
    let began = Instant::now();
    let (list, log) = tokio::join!(timed(backend.list()), timed(backend.logs(&name, 5)));
    assert_eq!((list.0, log.0), (15, 10));
    assert!(has_ten_seconds(&backend));
    timed(backend.ping()).await;
    assert_eq!(began.elapsed().as_secs(), 20);
    assert!(has_ten_seconds(&backend), "ten seconds are enough");
    tokio::time::timeout(Duration::from_millis(1), backend.ping()).await.unwrap_err();
    assert!(!has_ten_seconds(&backend));
    // What is left bounds what may be long.
    let (seconds, why) = timed(backend.list()).await;
    assert_eq!((seconds, why.as_str()), (9, "The fake cannot be reached: no answer within 10 s"));
    let (seconds, why) = timed(backend.list()).await;
    let spent = "The fake cannot be reached: the 30 s that one pass waits for it are used up";
    assert_eq!((seconds, why.as_str()), (0, spent));
    // A call of the last pass that is under way counts against the next, too.
    backend.begin_pass();
    let late = async {
        timed(backend.create(&spec())).await;
    };
    let next = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        backend.begin_pass();
        tokio::time::sleep(Duration::from_secs(21)).await;
        assert!(!has_ten_seconds(&backend));
    };
    tokio::join!(late, next);
}

#[tokio::test]
async fn what_the_engine_refuses_it_has_answered() {
    let (fake, backend, contact) = bounded();
    assert_eq!(contact.seen(), Seen::default());
    fake.state().untold.insert("i".to_owned());
    backend.image_id("i").await.unwrap_err();
    assert_eq!(contact.seen(), Seen::default(), "it says nothing of the engine as a whole");
    fake.state().away = true;
    backend.installation().await.unwrap_err();
    let silent = Some("The fake cannot be reached: no engine".to_owned());
    assert_eq!(contact.seen(), Seen { answered_at: None, silent: silent.clone() });
    fake.state().away = false;
    // Only the two that ask for nothing but the truth of now tell that it answers again.
    backend.installation().await.unwrap();
    backend.image_id("x").await.unwrap();
    assert_eq!(contact.seen().silent, silent);
    for answered in [true, false] {
        fake.state().away = true;
        backend.list().await.unwrap_err();
        fake.state().away = false;
        if answered {
            backend.ping().await.unwrap();
        } else {
            backend.list().await.unwrap();
        }
        let seen = contact.seen();
        assert!(seen.silent.is_none() && seen.answered_at.is_some(), "{seen:?}");
    }
    fake.state().problems.push("odd".to_owned());
    assert_eq!(backend.problems(), ["odd"]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_overlap_count_from_the_first_to_the_last() {
    let (fake, backend, _) = bounded();
    fake.state().frozen = true;
    let name = RunnerName::parse("runner").unwrap();
    let later = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        timed(backend.list()).await
    };
    let (log, list) = tokio::join!(timed(backend.logs(&name, 5)), later);
    assert_eq!((log.0, list.0), (10, 15));
    // 20 s are spent.
    assert!(has_ten_seconds(&backend));
    tokio::time::timeout(Duration::from_millis(1), backend.ping()).await.unwrap_err();
    assert!(!has_ten_seconds(&backend));
}

#[tokio::test]
async fn the_backend_in_memory_keeps_the_contract_also_behind_the_bound() {
    use crate::contract::{a_list_that_failed_is_not_empty, a_machine_lives_once};
    let (fake, bounded, _) = bounded();
    a_machine_lives_once(&*fake, &*fake, spec).await;
    a_machine_lives_once(&bounded, &*fake, spec).await;
    fake.state().away = true;
    a_list_that_failed_is_not_empty(&*fake).await;
    a_list_that_failed_is_not_empty(&bounded).await;
}
