//! What the loop does by the clock: asks whether the engine answers, follows its events, looks when something is due.

use super::*;
use crate::heard::Heard;
use mayfly_backend::bounded::Contact;
use mayfly_backend::fake::FakeBackend;
use mayfly_common::clock::SystemClock;

#[tokio::test(start_paused = true)]
async fn an_engine_that_freezes_between_passes_is_known_within_half_a_minute() {
    let fake = Arc::new(FakeBackend::new());
    let contact = Arc::new(Contact::new(Arc::new(SystemClock)));
    let inner: Arc<dyn Backend> = Arc::<FakeBackend>::clone(&fake);
    let backend = Arc::new(Bounded::for_readers(inner, Arc::clone(&contact)));
    let asking = tokio::spawn(keep_contact(backend));
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(contact.seen().answered_at.is_some() && contact.seen().silent.is_none());
    fake.state().frozen = true;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(contact.seen().silent.is_some_and(|why| why.contains("no answer")));
    fake.state().frozen = false;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(contact.seen().silent, None);
    asking.abort();
}
#[tokio::test(start_paused = true)]
async fn what_happened_while_events_could_not_be_followed_is_looked_for() {
    let fake = Arc::new(FakeBackend::new());
    fake.state().deaf = true;
    let nudge = Arc::new(Notify::new());
    let following = tokio::spawn(follow(fake, Arc::clone(&nudge)));
    for _ in 0..3 {
        tokio::time::timeout(RECONNECT * 2, nudge.notified()).await.expect("a nudge");
    }
    following.abort();
}

#[tokio::test(start_paused = true)]
async fn events_that_cannot_be_followed_are_told_once_for_as_long_as_that_lasts() {
    let fake = Arc::new(FakeBackend::new());
    let (heard, _guard) = Heard::begin();
    let told = || heard.lines("events cannot be followed, looking by the clock").len();
    fake.state().deaf = true;
    let nudge = Arc::new(Notify::new());
    let backend: Arc<dyn Backend> = Arc::<FakeBackend>::clone(&fake);
    let following = tokio::spawn(follow(backend, Arc::clone(&nudge)));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(told(), 1);
    // They can be followed for a while, and then no more.
    for (seconds, expected) in [(60, 2), (1, 2), (60, 3)] {
        fake.state().deaf = false;
        tokio::time::sleep(RECONNECT + Duration::from_secs(seconds)).await;
        fake.state().deaf = true;
        fake.exit("nobody", 0, "");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(told(), expected, "after {seconds} s");
    }
    following.abort();
    // Every five seconds.
    let began = Instant::now();
    let backend: Arc<dyn Backend> = Arc::<FakeBackend>::clone(&fake);
    let following = tokio::spawn(follow(backend, Arc::clone(&nudge)));
    nudge.notified().await;
    nudge.notified().await;
    let waited = began.elapsed().as_secs();
    assert!((5..=10).contains(&waited), "{waited}");
    following.abort();
}

#[tokio::test(start_paused = true)]
async fn the_next_look_is_when_it_is_due_or_at_a_nudge_but_never_at_once() {
    use super::super::testing::Bench;
    // Nothing is due but the sweep, 300 s after the first pass.
    let bench = Bench::new();
    bench.reconciler.pass().await;
    let gap = Duration::from_millis(300);
    let wait = async || {
        let began = Instant::now();
        until_due(&bench.reconciler).await;
        began.elapsed()
    };
    // What the pass itself left behind.
    let _ = tokio::time::timeout(Duration::ZERO, bench.reconciler.nudge.notified()).await;
    let due = wait().await;
    assert_eq!(due.as_secs(), 300);
    bench.reconciler.nudge.notify_one();
    let nudged = wait().await;
    assert!(nudged >= gap && nudged < gap * 2, "{nudged:?}");
    // A runner that waits is taken.
    let bench = Bench::with(&[("RUNNER_MIN_IDLE", "1")]);
    let name = super::super::testing::name("r-1");
    let mut machine = super::super::testing::machine("r-1");
    machine.identity.pool = mayfly_common::pool::PoolName::default_pool();
    machine.phase = mayfly_common::machine::Phase::Running { working: Some(true) };
    let verdict = mayfly_planner::Verdict {
        name: name.clone(),
        state: mayfly_common::runner::RunnerState::Idle,
        why: "why".to_owned(),
        failure: None,
        id: None,
        is_supply: true,
    };
    let shown = super::super::show::runner(&machine, &verdict);
    bench.backend.state().machines.insert(name, machine);
    bench.reconciler.state.lock().await.schedule.next_sweep = super::super::testing::at(9_999);
    bench.reconciler.snapshot.send_modify(|snapshot| snapshot.runners = vec![shown]);
    let began = Instant::now();
    until_due(&bench.reconciler).await;
    // Sooner than the twenty seconds after which runners are looked at anyway.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn events_that_could_be_followed_for_five_seconds_were_followed() {
    let fake = Arc::new(FakeBackend::new());
    let (heard, _guard) = Heard::begin();
    let told = || heard.lines("events cannot be followed, looking by the clock").len();
    fake.state().deaf = true;
    let backend: Arc<dyn Backend> = Arc::<FakeBackend>::clone(&fake);
    let following = tokio::spawn(follow(backend, Arc::new(Notify::new())));
    tokio::time::sleep(RECONNECT / 2).await;
    assert_eq!(told(), 1);
    fake.state().deaf = false;
    // It begins again at five seconds, and breaks at ten.
    tokio::time::sleep(RECONNECT / 2 + RECONNECT).await;
    fake.state().deaf = true;
    fake.exit("nobody", 0, "");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(told(), 2);
    following.abort();
}

#[tokio::test]
async fn a_service_that_stops_waits_for_what_is_under_way_and_tells_of_it() {
    use super::super::testing::{Bench, machine, name};
    use mayfly_backend::fake::Hold;
    use mayfly_common::machine::{Exit, Machine};
    use tokio::sync::oneshot;

    let bench = Bench::new();
    let exit = Exit { code: 1, out_of_memory: false, log_tail: "Running job: a\n".to_owned() };
    let mut ended = Machine { phase: Phase::Exited(exit), ..machine("r-1") };
    ended.identity.github_id = None;
    bench.backend.state().machines.insert(name("r-1"), ended);
    bench.backend.state().holds = vec![Hold::Removal];
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let running = tokio::spawn(run(Arc::clone(&bench.reconciler), shutdown));
    let until = async |reached: &dyn Fn() -> bool| {
        let reached = async {
            while !reached() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), reached).await.expect("it comes so far");
    };
    until(&|| bench.backend.state().holds.is_empty()).await;
    stop.send(()).unwrap();
    until(&|| bench.reconciler.stopping.load(std::sync::atomic::Ordering::Relaxed)).await;
    until(&|| bench.reconciler.snapshot.borrow().report.number > 0).await;
    assert!(!running.is_finished());
    bench.backend.go_on();
    tokio::time::timeout(Duration::from_mins(1), running).await.expect("it ends").unwrap();
    assert_eq!(bench.backend.names(), [] as [&str; 0]);
    let gone: Vec<String> =
        bench.reconciler.snapshot.borrow().finished.iter().map(|one| one.name.clone()).collect();
    assert_eq!(gone, ["r-1"]);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_is_under_way_is_waited_for_but_not_for_long() {
    use super::super::testing::{Bench, machine, name};
    use mayfly_common::machine::{Exit, Phase};
    let bench = Bench::new();
    let mut ended = machine("r-1");
    ended.identity.github_id = None;
    ended.phase = Phase::Exited(Exit {
        log_tail: "Running job: a\nJob a completed with result: Succeeded".to_owned(),
        ..Exit::default()
    });
    bench.backend.state().machines.insert(name("r-1"), ended);
    bench.backend.state().holds.push(mayfly_backend::fake::Hold::Removal);
    let (heard, _guard) = Heard::begin();
    let began = Instant::now();
    let stop = tokio::time::sleep(Duration::from_secs(5));
    run(Arc::clone(&bench.reconciler), stop).await;
    let took = began.elapsed().as_secs();
    assert!((29..=31).contains(&took), "{took} s");
    assert_eq!(heard.lines("some actions are still under way").len(), 1);
}
