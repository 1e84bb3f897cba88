//! What holds in a pass, when the next one is due, and what its actions teach.

use std::collections::BTreeMap;

use mayfly_common::pool::PoolSpec;
use mayfly_common::registration::{Registered, RunnerId};
use serde_json::{Value, json};

use super::act::{Carried, Task};
use super::outcome::{ActionError, Outcome};
use super::pass::Round;
use super::record::note_outcome;
use super::testing::{
    Bench, at, deregister, launch, machine, machine_with, name, pool, queued, reference, retire,
    scope,
};
use super::*;
use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::Runner;
use mayfly_common::identity::BackendName;
use mayfly_common::machine::{Machine, Phase};
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;
use mayfly_github::GitHubError;
use mayfly_planner::backoff::Failed;
use mayfly_planner::ledger::Fact;
use mayfly_planner::{Action, BackendCaps, Caps, Listing, Memory, Observed, Verdict, plan};
use mayfly_store::Store;

async fn add(bench: &Bench, spec: Value) {
    let spec = PoolSpec::from_json(&spec, "").unwrap();
    bench.handle.book().create(spec, at(0)).await.unwrap();
}

#[tokio::test]
async fn what_holds_in_a_pass_is_as_the_configuration_and_the_pools_say() {
    let bench = Bench::with(&[
        ("AUTO_CREATE_RUNNERS", "true"),
        ("MAX_RUNNERS", "7"),
        ("MAX_RUNNERS_MEMORY", "9g"),
        ("MAX_RUNNERS_CPUS", "11"),
        ("MAX_RUNNERS_PER_OWNER", "5"),
        ("MAX_RUNNERS_PER_REPO", "3"),
        ("GITHUB_CLEANUP_ENABLED", "false"),
    ]);
    add(&bench, json!({"name": "a"})).await;
    add(&bench, json!({"name": "z", "enabled": false})).await;
    bench.handle.book().rotate(&pool("a"), at(5)).await.unwrap();
    let policy = {
        let mut state = bench.reconciler.state.lock().await;
        bench.reconciler.policy(&mut state, "inst", at(9))
    };
    let of_docker = |docker| BTreeMap::from([(BackendName::default(), docker)]);
    let caps = Caps {
        backends: of_docker(BackendCaps {
            runners: 7,
            memory: Some(9 << 30),
            nano_cpus: Some(11_000_000_000),
        }),
        per_owner: Some(5),
        per_repo: Some(3),
    };
    assert_eq!(policy.caps, caps);
    let flags = (policy.auto_create, policy.draining, policy.clean_registrations);
    assert_eq!((flags, policy.name_prefix.as_str()), ((true, false, false), "mayfly-inst-"));
    assert_eq!(policy.default.name, PoolName::default_pool());
    let others: Vec<(&str, Option<Timestamp>)> =
        policy.pools.iter().map(|pool| (pool.name.as_str(), pool.rotate_before)).collect();
    assert_eq!(others, [("a", Some(at(5))), ("z", None)]);
    let manual = Bench::new();
    let mut state = manual.reconciler.state.lock().await;
    let policy = manual.reconciler.policy(&mut state, "inst", at(0));
    let docker = BackendCaps { runners: 10, memory: None, nano_cpus: None };
    let caps = Caps { backends: of_docker(docker), per_owner: None, per_repo: None };
    assert_eq!((policy.auto_create, policy.clean_registrations, policy.caps), (false, true, caps));
}

#[tokio::test]
async fn a_name_that_is_taken_has_its_place_looked_at_for_twice_the_time_that_it_must_stay_offline()
{
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    state.schedule.contest(&scope("org:o"), SignedDuration::from_secs(60), at(0));
    assert_eq!(state.schedule.contested, BTreeMap::from([(scope("org:o"), at(120))]));
    let policy = bench.reconciler.policy(&mut state, "inst", at(0));
    let taken = Outcome::Failed(GitHubError::Conflict("taken".to_owned()).into());
    let other = Outcome::Failed(GitHubError::Invalid("x".to_owned()).into());
    let mut at_other = launch("r-2", None);
    at_other.identity.scope = scope("org:other");
    for (launch, outcome) in [(launch("r-1", None), taken), (at_other, other)] {
        let task = Task::of(Action::Launch(launch), &Observed::default(), &policy);
        note_outcome(&mut state, &Carried { task, outcome, gone: None }, at(10));
    }
    // 300 s, twice.
    let expected = [(scope("org:o"), at(120)), (scope("org:octo-org"), at(610))];
    assert_eq!(state.schedule.contested, BTreeMap::from(expected));
}

#[tokio::test]
async fn an_end_that_github_refused_is_put_off_whatever_kind_of_end_it_was() {
    let bench = Bench::new();
    let place = scope("org:octo-org");
    let policy = {
        let mut state = bench.reconciler.state.lock().await;
        bench.reconciler.policy(&mut state, "inst", at(0))
    };
    let carried = |seen: &Observed, action, outcome| Carried {
        task: Task::of(action, seen, &policy),
        outcome,
        gone: None,
    };
    let remove = |id| Action::Remove {
        machine: reference("r-1"),
        pool: pool("ci"),
        scope: scope("org:octo-org"),
        id,
        if_busy: mayfly_planner::IfBusy::Keep,
        state: RunnerState::Failed,
        why: "why".to_owned(),
        failure: None,
        holds_back: false,
        request: None,
    };
    let id = RunnerId(7);
    let rows = [
        (retire("r-1", None), Outcome::Kept, Some(id)),
        (remove(Some(id)), Outcome::Kept, Some(id)),
        (remove(None), Outcome::Kept, None),
        (deregister("x"), Outcome::Kept, Some(RunnerId(8))),
        (retire("r-1", None), Outcome::Done, None),
    ];
    for (action, outcome, refused) in rows {
        let mut state = bench.reconciler.state.lock().await;
        state.memory = Memory::default();
        let what = format!("{action} {outcome:?}");
        note_outcome(&mut state, &carried(&Observed::default(), action, outcome), at(0));
        for id in [RunnerId(7), RunnerId(8)] {
            let off = state.memory.put_off(&place, id, at(1));
            assert_eq!(off.is_some(), refused == Some(id), "{what}");
        }
    }
    // Whether GitHub's own list says so counts, too: of that very registration.
    let registered =
        |id, busy| Registered { id: RunnerId(id), name: "x".into(), online: true, busy };
    let listed = |list| Observed {
        registrations: BTreeMap::from([(place.clone(), Listing::Known(list))]),
        ..Observed::default()
    };
    let after = async |list: Vec<Registered>| {
        let mut state = bench.reconciler.state.lock().await;
        state.memory = Memory::default();
        let kept = carried(&listed(list), retire("r-1", None), Outcome::Kept);
        note_outcome(&mut state, &kept, at(0));
        state.memory.clone()
    };
    let busy = after(vec![registered(8, false), registered(7, true)]).await;
    let idle = after(vec![registered(8, true), registered(7, false)]).await;
    let mut expected = Memory::default();
    expected.refused(&place, id, true, at(0));
    assert_eq!(busy, expected);
    assert_ne!(idle, expected);
    // A name that is used once is known from then on, whatever becomes of its runner.
    let begun = |at| {
        let mut memory = Memory::default();
        memory.launched(&name("r-9"), None, at);
        memory
    };
    let mut state = bench.reconciler.state.lock().await;
    state.memory = Memory::default();
    state.planned_at = at(3);
    let launch = Action::Launch(launch("r-9", None));
    bench.reconciler.begin(&mut state, vec![launch.clone()], &Observed::default(), &policy);
    assert_eq!(state.memory, begun(at(3)));
    let done = carried(&Observed::default(), launch.clone(), Outcome::Done);
    note_outcome(&mut state, &done, at(4));
    let mut there = begun(at(3));
    there.started(&name("r-9"), (pool("ci"), place));
    assert_ne!(state.memory, begun(at(3)), "its container is there");
    assert_eq!(state.memory, there);
    let failed = || Outcome::Failed(ActionError::GitHub(GitHubError::NotFound));
    note_outcome(&mut state, &carried(&Observed::default(), launch, failed()), at(4));
    assert_eq!(state.memory, begun(at(3)), "it is not");
    // What this process ended says nothing of its image.
    let broke_off = || Outcome::Failed(ActionError::BrokeOff);
    let rows = [
        (retire("r-1", None), Outcome::Done, true),
        (retire("r-1", None), failed(), true),
        (retire("r-1", None), broke_off(), true),
        (remove(None), Outcome::Done, true),
        (remove(None), Outcome::Kept, false),
        (remove(None), failed(), true),
    ];
    for (action, outcome, ended) in rows {
        let mut before = Memory::default();
        before.launched(&name("r-1"), None, at(3));
        state.memory = before.clone();
        let what = format!("{action} {outcome:?}");
        if ended {
            before.ended(&name("r-1"));
        }
        let fails = matches!((&action, &outcome), (Action::Remove { .. }, Outcome::Failed(_)));
        if let (true, Outcome::Failed(error)) = (fails, &outcome) {
            let why = format!("could not {action}: {error}");
            before.not_ended(&reference("r-1"), why, at(4));
        }
        note_outcome(&mut state, &carried(&Observed::default(), action, outcome), at(4));
        assert_eq!(state.memory, before, "{what}");
    }
}

fn shown(runner: &str, of: &str, state: RunnerState) -> Runner {
    let verdict = Verdict {
        name: name(runner),
        state,
        why: "why".to_owned(),
        failure: None,
        id: None,
        is_supply: true,
    };
    show::runner(&machine_with(runner, |identity| identity.pool = pool(of)), &verdict)
}

/// When the next pass is due, in seconds, on a bench that is changed so; the last plan was made at 0, and nothing is checked before
/// 10,000 s.
async fn due(bench: &Bench, now: i64, change: impl FnOnce(&mut State)) -> i64 {
    {
        let mut state = bench.reconciler.state.lock().await;
        state.planned_at = at(0);
        state.schedule.checked_at = at(0);
        state.schedule.check_wait =
            mayfly_planner::cadence::CheckWait::fixed(SignedDuration::from_secs(10_000));
        state.schedule.next_sweep = at(20_000);
        change(&mut state);
    }
    bench.set(now);
    bench.reconciler.next_pass().await.duration_since(at(0)).as_secs()
}

fn place() -> (PoolName, Scope) {
    (pool("ci"), scope("org:octo-org"))
}

#[tokio::test]
async fn the_next_pass_is_due_when_something_is() {
    let auto = || Bench::with(&[("AUTO_CREATE_RUNNERS", "true")]);
    assert_eq!(due(&auto(), 0, |_| {}).await, 10_000, "the next check");
    assert_eq!(due(&auto(), 0, |state| state.schedule.next_sweep = at(50)).await, 50);
    let manual = Bench::new();
    assert_eq!(due(&manual, 0, |_| {}).await, 20_000, "nothing is checked without automatic mode");

    // A place that waits after a failure counts where somebody waits for it.
    let fail = |state: &mut State| state.backoff.failed(&place(), Failed::Container, "why", at(0));
    assert_eq!(due(&auto(), 0, fail).await, 10_000);
    let bench = auto();
    let content = BTreeMap::from([(pool("ci"), mayfly_planner::snapshot::PoolSeen::default())]);
    bench.reconciler.snapshot.send_modify(|snapshot| snapshot.pools = content);
    assert_eq!(due(&bench, 0, fail).await, 10_000, "no pool is short of runners");
    let bench = auto();
    bench.reconciler.snapshot.send_modify(|snapshot| {
        let short = mayfly_planner::snapshot::PoolSeen {
            short: Some("why".to_owned()),
            ..Default::default()
        };
        snapshot.pools = BTreeMap::from([(pool("ci"), short)]);
    });
    assert_eq!(due(&bench, 1, fail).await, 5);
    let queued = |state: &mut State| {
        fail(state);
        state.ledger.apply(Fact::Job { repo: repo("o/r"), job: queued(7) }, at(0));
    };
    assert_eq!(due(&auto(), 1, queued).await, 5);

    // Runners: the more is in motion the sooner, but for an end that GitHub puts off.
    for (state, seconds) in [(RunnerState::Idle, 21), (RunnerState::Starting, 4)] {
        let bench = auto();
        let runners = vec![shown("r-1", "ci", state)];
        bench.reconciler.snapshot.send_modify(|snapshot| snapshot.runners = runners);
        assert_eq!(due(&bench, 1, |_| {}).await, seconds, "{state:?}");
    }
    let bench = auto();
    let runners = vec![shown("r-1", "ci", RunnerState::Failed)];
    bench.reconciler.snapshot.send_modify(|snapshot| snapshot.runners = runners);
    let refused = |state: &mut State| {
        for _ in 0..3 {
            state.memory.refused(&scope("org:octo-org"), RunnerId(7), true, at(0));
        }
    };
    assert_eq!(due(&bench, 1, refused).await, 21);
    // When GitHub is asked again.
    let again = due(&auto(), 0, |state| {
        state.memory.refused(&scope("org:octo-org"), RunnerId(7), true, at(0));
    })
    .await;
    assert!((1..10_000).contains(&again), "{again}");

    // A problem that is not found any more ends in time, and a schedule begins in time.
    let problem = |state: &mut State| {
        state.told.problems.note(&["x".to_owned()], |_| false, at(0));
    };
    assert_eq!(due(&auto(), 1, problem).await, 10);
    let bench = auto();
    // 08:00 at first.
    let schedule = json!([{"when": "5 8 * * *", "min_idle": 1}]);
    add(&bench, json!({"name": "ci", "schedules": schedule})).await;
    assert_eq!(due(&bench, 0, |_| {}).await, 300);
}

#[tokio::test]
async fn a_runner_that_is_kept_waiting_and_works_is_noticed_between_passes() {
    let bench = Bench::with(&[("RUNNER_MIN_IDLE", "0")]);
    add(&bench, json!({"name": "warm", "min_idle": 1})).await;
    add(&bench, json!({"name": "cold", "min_idle": 0})).await;
    let show = |runners: Vec<Runner>| {
        bench.reconciler.snapshot.send_modify(|snapshot| snapshot.runners = runners);
    };
    let run = |runner: &str, working| {
        let phase = Phase::Running { working };
        let machine = Machine { phase, ..machine(runner) };
        bench.backend.state().machines.insert(name(runner), machine);
    };
    let taken = async || bench.reconciler.has_one_been_taken().await;
    run("r-1", Some(true));
    assert!(!taken().await, "nobody waited");
    show(vec![shown("r-1", "cold", RunnerState::Idle)]);
    assert!(!taken().await, "its pool keeps none waiting");
    show(vec![shown("r-1", "warm", RunnerState::Busy)]);
    assert!(!taken().await, "that is known");
    show(vec![shown("r-1", "warm", RunnerState::Idle)]);
    assert!(taken().await);
    for working in [Some(false), None] {
        run("r-1", working);
        assert!(!taken().await, "{working:?}");
    }
    run("r-2", Some(true));
    assert!(!taken().await, "another one works");
    run("r-1", Some(true));
    bench.backend.state().away = true;
    assert!(!taken().await, "that is the next pass' business");
}

#[tokio::test]
async fn what_is_shown_after_the_actions_is_what_is_there_or_else_what_was_seen() {
    let bench = Bench::new();
    let policy = {
        let mut state = bench.reconciler.state.lock().await;
        bench.reconciler.policy(&mut state, "inst", at(0))
    };
    let seen = Observed { machines: vec![machine("old")], ..Observed::default() };
    let planned = plan(&seen, &policy, at(0));
    bench.backend.state().machines.insert(name("new"), machine("new"));
    let ended = [(deregister("x"), Outcome::Done)];
    let shown = async |changed| {
        let outcomes = if changed { &ended[..] } else { &[] };
        let round = Round { seen: &seen, policy: &policy, planned: &planned, outcomes, dry: false };
        let mut state = bench.reconciler.state.lock().await;
        let (machines, verdicts) = bench.reconciler.look_again(&mut state, &round).await;
        let names = |names: Vec<&RunnerName>| {
            names.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let there = names(machines.iter().map(|one| &one.name).collect());
        (there, names(verdicts.iter().map(|one| &one.name).collect()))
    };
    let pair = |text: &str| (text.to_owned(), text.to_owned());
    assert_eq!(shown(false).await, pair("old"));
    assert_eq!(shown(true).await, pair("new"));
    bench.backend.state().away = true;
    assert_eq!(shown(true).await, pair("old"));
}

#[tokio::test]
async fn the_report_of_a_pass_has_its_number_its_beginning_and_the_trouble_of_the_store() {
    let bench = Bench::new();
    bench.set(4);
    let first = bench.reconciler.pass().await;
    bench.set(9);
    let second = bench.reconciler.pass().await;
    assert_eq!((first.number, first.started_at), (1, Some(at(4))));
    assert_eq!((second.number, second.started_at), (2, Some(at(9))));
    assert_eq!(first.problems, Vec::<String>::new());
    let snapshot = bench.handle.snapshot();
    assert_eq!((snapshot.installation.as_str(), snapshot.report), ("fake", second));
}

#[tokio::test]
async fn github_is_asked_when_a_check_is_due_or_wanted() {
    let bench = Bench::with(&[("AUTO_CREATE_RUNNERS", "true")]);
    assert!(bench.reconciler.pass().await.github_error.is_some(), "nobody listens there");
    {
        let mut state = bench.reconciler.state.lock().await;
        state.schedule.check_wait =
            mayfly_planner::cadence::CheckWait::fixed(SignedDuration::from_secs(10_000));
        state.schedule.next_sweep = at(20_000);
    }
    bench.set(60);
    let unasked = bench.reconciler.pass().await;
    assert_eq!(unasked.problems, Vec::<String>::new());
    assert!(unasked.github_error.is_some(), "nobody knows better");
    assert_ne!(bench.reconciler.check_now().await.problems, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_wrong_with_the_store_is_a_problem_and_what_was_mended_is_told_once() {
    let full = mayfly_store::StoreError::Full;
    let store = Store::instead_of(std::path::Path::new("/data/x.db"), &full).unwrap();
    let problems = Bench::over(&[], store).reconciler.pass().await.problems;
    let why = "the database /data/x.db cannot be used: the disk is full; the ledger is kept in memory, and pools cannot be changed";
    assert_eq!(problems, [why]);

    let path = std::env::temp_dir().join(format!("mayfly-{}.db", uuid::Uuid::new_v4()));
    let bench = Bench::over(&[], Store::open(&path).unwrap());
    assert_eq!(bench.reconciler.pass().await.problems, [] as [&str; 0]);
    std::fs::remove_file(&path).unwrap();
    let told = bench.reconciler.pass().await.problems;
    let after = bench.reconciler.pass().await.problems;
    for end in ["", "-wal", "-shm"] {
        // What is not there needs no removal.
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    assert_eq!((told.len(), after.len()), (1, 0), "{told:?} {after:?}");
    assert!(told[0].contains("was deleted while it was in use"), "{told:?}");
}

#[tokio::test]
async fn events_that_cannot_be_written_show_that_the_file_cannot() {
    let bench = Bench::new();
    bench.reconciler.pass().await;
    assert!(bench.handle.intake.is_writable());
    bench.handle.store().refuse_writes(true).await.unwrap();
    bench.backend.state().problems.push("odd".to_owned());
    bench.reconciler.pass().await;
    assert!(!bench.handle.intake.is_writable());
}

#[tokio::test]
async fn very_many_and_very_long_problems_are_shortened() {
    let bench = Bench::new();
    bench.backend.state().problems =
        (0..150).map(|number| format!("{number} {}", "so it is ".repeat(100))).collect();
    let problems = bench.reconciler.pass().await.problems;
    assert_eq!((problems.len(), problems[100].as_str()), (101, "and 50 more problems"));
    assert_eq!(problems[0].chars().count(), 600);
}

#[tokio::test]
async fn each_kind_of_trouble_is_counted_in_the_pass_that_has_it() {
    let bench = Bench::with(&[("RUNNER_PULL_POLICY", "never")]);
    let count =
        |kind: &str| bench.sample(&format!("mayfly_pass_errors_total{{kind=\"{kind}\"}}")).unwrap();
    bench.reconciler.pass().await;
    assert_eq!((count("image"), count("github")), ("0".to_owned(), "0".to_owned()));
    bench.backend.state().image = false;
    bench.reconciler.pass().await;
    assert_eq!((count("image"), count("github")), ("1".to_owned(), "0".to_owned()));
    // Of one account only.
    bench.reconciler.state.lock().await.told.accounts.insert("o".to_owned(), "why".to_owned());
    bench.backend.state().image = true;
    let report = bench.reconciler.pass().await;
    assert_eq!((count("image"), count("github")), ("1".to_owned(), "1".to_owned()));
    assert_eq!(report.github_accounts, BTreeMap::from([("o".to_owned(), "why".to_owned())]));
}

#[tokio::test]
async fn a_place_is_looked_at_for_a_taken_name_until_its_time_is_over() {
    let bench = Bench::new();
    for (second, left) in [(4, 1), (5, 0)] {
        bench.set(second);
        bench.reconciler.state.lock().await.schedule.contested.insert(scope("org:o"), at(5));
        bench.reconciler.pass().await;
        assert_eq!(bench.reconciler.state.lock().await.schedule.contested.len(), left, "{second}");
    }
}

#[tokio::test]
async fn the_first_pass_is_one_that_saw_the_machines() {
    let bench = Bench::new();
    let seen = async || {
        let wait = tokio::time::timeout(std::time::Duration::ZERO, bench.handle.first_pass());
        wait.await.is_ok()
    };
    assert!(!seen().await);
    bench.backend.state().away = true;
    bench.reconciler.pass().await;
    assert!(!seen().await);
    bench.backend.state().away = false;
    bench.reconciler.pass().await;
    assert!(seen().await);
}

fn repo(text: &str) -> mayfly_common::scope::RepoSlug {
    mayfly_common::scope::RepoSlug::parse(text).unwrap()
}

#[tokio::test]
async fn the_group_of_a_job_is_forgotten_once_it_does_not_wait() {
    use mayfly_planner::Group;
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    state.ledger.apply(Fact::Job { repo: repo("o/r"), job: queued(7) }, at(0));
    state.groups = BTreeMap::from([7, 8].map(|id| (id, Group::named("big"))));
    let policy = bench.reconciler.policy(&mut state, "inst", at(0));
    let mut report = mayfly_common::api::PassReport::default();
    bench.reconciler.groups(&mut state, &[], &policy, &mut report).await;
    assert_eq!(state.groups, BTreeMap::from([(7, Group::named("big"))]));
}

#[tokio::test]
async fn what_is_learnt_of_a_job_is_kept() {
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    state.ledger.apply(Fact::Job { repo: repo("o/r"), job: queued(7) }, at(0));
    bench.reconciler.keep(&mut state).await;
    let kept = bench.handle.store().job(7).await.unwrap();
    assert_eq!(kept.as_ref(), state.ledger.row(7));
    assert_eq!(kept.unwrap().repo, repo("o/r"));
}

#[tokio::test]
async fn the_ids_of_events_go_on_after_those_of_an_earlier_process() {
    let store = Store::in_memory().unwrap();
    let id = at(9_999_999).as_microsecond();
    let event = mayfly_common::api::Event {
        id,
        at: at(0),
        kind: mayfly_common::api::EventKind::PoolChanged,
        pool: None,
        runner: None,
        scope: None,
        job_id: None,
        job: None,
        message: None,
    };
    store.save_events(vec![event]).await.unwrap();
    let bench = Bench::over(&[], store);
    let feed = bench.handle.events();
    bench.reconciler.pass().await;
    assert_eq!(*feed.borrow(), id);
    bench.backend.state().problems.push("odd".to_owned());
    bench.reconciler.pass().await;
    assert_eq!(*feed.borrow(), id + 1);
}

#[tokio::test]
async fn stored_pools_are_taken_in_once() {
    let store = Store::in_memory().unwrap();
    let row = |name: &str| mayfly_store::PoolRow {
        name: name.to_owned(),
        spec: json!({"name": name}).to_string(),
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
        rotate_before: None,
    };
    store.save_pool(row("first")).await.unwrap();
    let bench = Bench::over(&[], store.clone());
    let there = |name: &str| bench.handle.book().get(&pool(name)).is_some();
    bench.reconciler.pass().await;
    assert!(there("first"));
    // Whatever is in the file later is what this process wrote, or is about to.
    store.save_pool(row("later")).await.unwrap();
    bench.reconciler.pass().await;
    assert!(!there("later"));
}

#[tokio::test]
async fn an_uninstall_needs_a_drain() {
    let bench = Bench::new();
    let asked = async || {
        let pass = async {
            tokio::task::yield_now().await;
            bench.reconciler.pass().await
        };
        tokio::join!(bench.handle.uninstall(), pass).0
    };
    assert_eq!(asked().await.unwrap_err().to_string(), "the platform is not draining");
    bench.handle.drain().begin(at(0)).await;
    assert_eq!(asked().await.unwrap().left, [""; 0]);
}

#[tokio::test]
async fn a_pass_counts_the_runners_that_it_saw_and_no_offline_one_as_come_online() {
    let bench = Bench::new();
    let machine = machine_with("r-1", |identity| identity.created_at = at(0));
    bench.backend.state().machines.insert(name("r-1"), machine);
    bench.reconciler.pass().await;
    let starting = "mayfly_runners{pool=\"ci\",state=\"starting\"}";
    assert_eq!(bench.sample(starting).as_deref(), Some("1"));
    let online = "mayfly_runner_registration_seconds_count{pool=\"ci\"}";
    assert!(bench.sample(online).is_none_or(|count| count == "0"));
}
