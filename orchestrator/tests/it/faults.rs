//! What goes wrong at GitHub, on the engine and in runners: a clear word, no leak, no hot loop, and the rest goes on.

use std::collections::BTreeMap;

use github_sim::world::model::Conclusion;
use github_sim::{Effect, Fault, FaultKind};
use mayfly_common::label::LabelSet;
use mayfly_common::machine::Phase;
use mayfly_common::name::RunnerName;
use mayfly_common::runner::RunnerState;
use tower::ServiceExt as _;

use crate::heard::Heard;
use crate::support::{DONE, Platform, SELF_HOSTED, scope};

const JIT: &str = "/repos/{owner}/{repo}/actions/runners/generate-jitconfig";
const RUNNERS: &str = "/repos/{owner}/{repo}/actions/runners";

fn fault(route: &str, status: u16) -> Fault {
    Fault { route: route.to_owned(), status, times: 1, ..Fault::default() }
}

/// A platform with one runner that runs a job.
async fn with_busy_runner() -> (Platform, String, u64) {
    busy(Platform::new().await).await
}

async fn busy(platform: Platform) -> (Platform, String, u64) {
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.pass().await;
    (platform, name, job)
}

#[tokio::test]
async fn no_trouble_of_github_ends_a_busy_runner() {
    let kinds = [
        Fault { status: 401, ..Fault::default() },
        Fault { status: 403, ..Fault::default() },
        Fault { status: 404, ..Fault::default() },
        Fault { status: 500, ..Fault::default() },
        Fault { status: 503, ..Fault::default() },
        Fault { kind: FaultKind::Html, ..Fault::default() },
        Fault { kind: FaultKind::Truncated, ..Fault::default() },
    ];
    for kind in kinds {
        let (platform, name, job) = with_busy_runner().await;
        platform.fault(Fault { times: 1_000, ..kind.clone() });
        for _ in 0..20 {
            platform.wait(60);
            let report = platform.pass().await;
            assert_eq!((report.launched, report.removed), (0, 0), "{kind:?} {report:?}");
            // An unchanged answer (304) has no body that could be cut.
            assert!(!report.problems.is_empty() || kind.kind == FaultKind::Truncated, "{kind:?}");
        }
        assert_eq!(platform.containers(), std::slice::from_ref(&name));
        platform.sim.clear_faults();
        platform.wait(60);
        platform.pass().await;
        assert_eq!(platform.runners()[0].state, RunnerState::Busy, "{kind:?}");
        platform.finish(&name, job);
        assert_eq!(platform.pass().await.removed, 1);
    }
}

#[tokio::test]
async fn what_the_engine_s_network_lacks_is_a_problem_for_as_long_as_it_lasts() {
    let platform = Platform::new().await;
    let open = "runners reach each other on the network theirs".to_owned();
    platform.backend.state().problems = vec![open.clone()];
    for away in [false, true] {
        platform.backend.state().away = away;
        assert!(platform.pass().await.problems.contains(&open), "away: {away}");
        assert!(platform.handle.snapshot().report.problems.contains(&open), "away: {away}");
    }
    platform.backend.state().problems.clear();
    assert!(!platform.pass().await.problems.contains(&open));
}

#[tokio::test]
async fn a_github_that_hangs_is_given_up_and_asked_again() {
    let (platform, name, job) = busy(Platform::impatient().await).await;
    platform.wait(60);
    platform.fault(Fault { kind: FaultKind::Hang, times: 1_000, ..Fault::default() });
    let report = platform.pass().await;
    assert!(
        report.github_error.as_ref().is_some_and(|error| error.contains("no answer in time")),
        "{report:?}"
    );
    assert_eq!((report.removed, platform.containers().len()), (0, 1));
    platform.wait(5);
    platform.sim.quiet().await;
    let asked = platform.sim.counters().total;
    let again = platform.pass().await;
    assert_eq!(platform.sim.counters().total, asked, "nothing is asked, so nothing new is known");
    assert_eq!(again.github_error, report.github_error);
    platform.sim.clear_faults();
    platform.finish(&name, job);
    platform.wait(60);
    assert_eq!(platform.pass().await.removed, 1);
}

#[tokio::test]
async fn a_request_that_hangs_is_no_trouble_of_what_was_not_asked() {
    let (platform, ..) = busy(Platform::impatient().await).await;
    let hang = fault("*generate-jitconfig", 200);
    platform.fault(Fault { kind: FaultKind::Hang, ..hang });
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(60);
    let report = platform.pass().await;
    assert!(report.problems.iter().any(|one| one.contains("no answer in time")), "{report:?}");
    platform.wait(5);
    platform.sim.quiet().await;
    let before = platform.sim.counters().total;
    let report = platform.pass().await;
    assert_eq!(platform.sim.counters().total, before, "nothing is asked");
    assert_eq!((&report.github_error, report.problems.len()), (&None, 0), "{report:?}");
    let waiting = report.waiting.unwrap_or_default();
    assert!(waiting.contains("GitHub did not answer another request in time"), "{waiting}");
    platform.wait(30);
    assert_eq!(platform.pass().await.launched, 1);
}

#[tokio::test]
async fn a_single_401_holds_nothing_up() {
    let platform = Platform::new().await;
    platform.pass().await;
    for route in ["/repos/{owner}/{repo}/actions/runs", "*generate-jitconfig", "/user/repos"] {
        platform.fault(fault(route, 401));
        platform.queue("octo-admin/app", &["self-hosted"]);
        platform.wait(60);
        let report = platform.pass().await;
        assert_eq!((report.launched, report.github_error), (1, None), "{route}");
        assert_eq!(report.problems, Vec::<String>::new(), "{route}");
    }
    platform.fault(fault("*generate-jitconfig", 401));
    let body = serde_json::json!({"scope": "repo", "scope_name": "octo-admin/app"});
    assert_eq!(platform.create(&body).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_check_that_failed_is_repeated_soon_and_not_at_once() {
    let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.fault(fault("/user/repos", 502));
    assert_eq!(platform.pass().await.launched, 0);
    platform.wait(29);
    assert_eq!(platform.pass().await.repositories, 0);
    platform.wait(1);
    assert_eq!(platform.pass().await.launched, 1);
}

#[tokio::test]
async fn a_told_limit_is_obeyed() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted", "gpu"]);
    platform.pass().await;
    let headers = BTreeMap::from([("retry-after".to_owned(), "600".to_owned())]);
    platform.fault(Fault { status: 429, headers, ..Fault::default() });
    platform.wait(60);
    platform.pass().await;
    let before = platform.sim.counters().total;
    for _ in 0..5 {
        platform.wait(60);
        let report = platform.pass().await;
        assert!(
            report.github_error.as_ref().is_some_and(|error| error.contains("rate limit")),
            "{report:?}"
        );
    }
    assert_eq!(
        platform.sim.counters().total,
        before,
        "nothing is asked before the time GitHub named"
    );
    // An App has more requests an hour, which does not help against too many at once.
    let why = crate::assignment::explain(&platform, job).await;
    let reasons = why["reasons"].as_array().unwrap();
    let limit = reasons.iter().find(|reason| reason["code"] == "rate_limit").unwrap();
    let (what, hint) = (limit["what"].as_str().unwrap(), limit["hint"].as_str().unwrap());
    assert!(what.ends_with("GitHub asked for quiet (secondary rate limit)"), "{what}");
    assert!(hint.contains("RUNNER_CHECK_INTERVAL") && !hint.contains("App"), "{hint}");
    platform.wait(400);
    let report = platform.pass().await;
    assert!(report.github_error.is_none() && platform.sim.counters().total > before, "{report:?}");
}

#[tokio::test]
async fn a_registration_that_fails_is_retried_with_growing_waits() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.fault(Fault { times: 3, ..fault(JIT, 500) });
    let mut tries = Vec::new();
    for second in 0..60 {
        let before = platform.sim.counters().of("POST", JIT);
        platform.pass().await;
        if platform.sim.counters().of("POST", JIT) > before {
            tries.push(second);
        }
        platform.wait(1);
    }
    assert_eq!(tries, [0, 5, 15, 35]);
    assert_eq!(platform.containers().len(), 1);
}

#[tokio::test]
async fn one_scope_s_trouble_is_not_another_s() {
    let platform = Platform::new().await;
    platform.repo("octo-admin/other", SELF_HOSTED);
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.queue("octo-admin/other", &["self-hosted"]);
    platform.fault(Fault { times: 9, ..fault("/repos/octo-admin/app/actions/*", 500) });
    platform.pass().await;
    platform.wait(10);
    platform.pass().await;
    assert!(platform.runners().iter().any(|runner| runner.scope_name == "octo-admin/other"));
}

#[tokio::test]
async fn a_container_that_cannot_start_leaves_no_registration() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.backend.state().failing_launches = 1;
    let report = platform.pass().await;
    assert!(report.problems[0].contains("no space left"), "{report:?}");
    assert!(platform.registrations().is_empty() && platform.containers().is_empty());
    assert_eq!(platform.pass().await.launched, 0, "held back");
    platform.wait(5);
    assert_eq!(platform.pass().await.launched, 1);
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_no_registration() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.fault(Fault { effect: Effect::Lost, ..fault(JIT, 502) });
    platform.pass().await;
    assert_eq!((platform.registrations().len(), platform.containers().len()), (1, 0));
    platform.wait(60);
    let report = platform.pass().await;
    assert_eq!((report.launched, report.problems.len()), (1, 0), "it is ours: {report:?}");
    platform.connect(&platform.containers()[0]);
    platform.wait(300);
    platform.pass().await;
    assert_eq!(platform.registrations(), platform.containers(), "the orphan is gone");
}

#[tokio::test]
async fn a_container_removed_behind_our_back_is_replaced() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let lost = platform.containers()[0].clone();
    platform.backend.state().machines.clear();
    platform.wait(60);
    assert_eq!(platform.pass().await.launched, 0, "somebody may go on removing them");
    platform.wait(5);
    let report = platform.pass().await;
    assert_eq!((report.launched, report.deregistered), (1, 0), "{report:?}");
    platform.connect(&platform.containers()[0]);
    platform.wait(300);
    let report = platform.pass().await;
    assert_eq!((report.deregistered, report.problems.len()), (1, 0), "{report:?}");
    assert!(!platform.registrations().contains(&lost));
    assert_eq!(platform.registrations(), platform.containers());
}

#[tokio::test]
async fn a_runner_that_exits_without_a_job_is_replaced_after_a_wait() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    for wait in [5, 10, 20] {
        let name = platform.containers()[0].clone();
        platform.backend.exit(&name, 0, "Listening for Jobs\n");
        let report = platform.pass().await;
        assert_eq!((report.removed, report.launched), (1, 0), "{wait}: {report:?}");
        assert!(platform.registrations().is_empty());
        assert_eq!(platform.handle.snapshot().finished[0].state, RunnerState::Failed);
        platform.wait(wait - 1);
        assert_eq!(platform.pass().await.launched, 0, "{wait}");
        platform.wait(1);
        assert_eq!(platform.pass().await.launched, 1, "{wait}");
    }
}

#[tokio::test]
async fn a_runner_that_never_registers_is_given_up() {
    let platform = Platform::with(&[("RUNNER_REGISTRATION_TIMEOUT", "120")]).await;
    let made = platform
        .create(&serde_json::json!({"scope": "repo", "scope_name": "octo-admin/app"}))
        .await
        .unwrap();
    platform.pass().await;
    platform.wait(119);
    platform.pass().await;
    assert_eq!(platform.runners()[0].state, RunnerState::Starting);
    platform.wait(1);
    let report = platform.pass().await;
    assert_eq!(report.removed, 1, "{report:?}");
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
    assert_eq!(platform.handle.snapshot().finished[0].name, made[0].name);
}

#[tokio::test]
async fn the_last_words_of_a_runner_that_never_came_online_are_part_of_the_reason() {
    let platform = Platform::new().await;
    let token = "ghp_0123456789abcdef0123456789abcdef0123";
    platform.backend.state().printed = format!(
        "starting\n\u{1b}[31mno route to the proxy {token} {}\n\n",
        "and so on ".repeat(500)
    );
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    for _ in 0..2 {
        platform.wait(300);
        platform.pass().await;
    }
    let snapshot = platform.handle.snapshot();
    let reason = &snapshot.finished[0].reason;
    let words = "it was not online 300 s after its start; its last words: no route to the proxy *** and so on";
    assert!(reason.starts_with(words) && reason.len() < 600, "{reason}");
    // Who asks about the job hears it, too.
    let streak = snapshot.failures.values().next().unwrap();
    assert_eq!(&streak.reason, reason, "job {job}");
}

#[tokio::test]
async fn an_engine_that_fails_after_the_job_holds_no_other_job_back() {
    let (platform, name, job) = with_busy_runner().await;
    platform.pass().await;
    platform.backend.spoil(&name, "its engine is out of memory");
    // The job is over, and GitHub has not noticed that the runner is about to go.
    platform.sim.with(|world| world.set_keeps_spent_runners(true));
    platform.sim.with(|world| world.finish_job(job, Conclusion::Failure)).unwrap();
    let report = platform.pass().await;
    assert_eq!(report.removed, 1, "{report:?}");
    let snapshot = platform.handle.snapshot();
    assert!(snapshot.finished[0].reason.starts_with("its engine is out of memory"));
    assert!(snapshot.held_back.is_empty() && snapshot.failures.is_empty());
}

#[tokio::test]
async fn a_runner_killed_in_the_middle_is_cleaned_up() {
    let (platform, name, _) = with_busy_runner().await;
    platform.backend.exit(&name, 137, "Running job: build\n");
    platform.sim.with(|world| world.lose_runner(&name)).unwrap();
    platform.pass().await;
    platform.wait(60);
    platform.pass().await;
    assert!(platform.containers().is_empty());
    assert!(platform.handle.snapshot().finished[0].reason.contains("in the middle of its job"));
}

#[tokio::test]
async fn a_zombie_without_a_registration_is_removed_after_its_grace() {
    let (platform, name, job) = with_busy_runner().await;
    // The job ends and the registration with it; the container hangs.
    platform
        .sim
        .with(|world| world.finish_job(job, github_sim::world::model::Conclusion::Success))
        .unwrap();
    platform.pass().await;
    assert_eq!(platform.runners()[0].state, RunnerState::Draining);
    platform.wait(59);
    platform.pass().await;
    assert_eq!(platform.containers(), [name]);
    platform.wait(1);
    platform.pass().await;
    assert!(platform.containers().is_empty());
}

#[tokio::test]
async fn a_job_that_works_inside_is_never_ended_by_a_lagging_flag() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let run = platform.sim.with(|world| world.job(job).unwrap().run_id);
    platform.sim.with(|world| world.cancel_run(run)).unwrap();
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    for machine in platform.backend.state().machines.values_mut() {
        machine.phase = Phase::Running { working: Some(true) };
    }
    for _ in 0..10 {
        platform.wait(60);
        platform.pass().await;
    }
    assert_eq!(platform.containers(), [name]);
}

#[tokio::test]
async fn an_engine_that_is_away_stops_nothing_for_good() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.backend.state().away = true;
    let report = platform.pass().await;
    assert_eq!(report.problems, ["The fake cannot be reached: no engine"]);
    assert!(platform.handle.snapshot().blind.is_some());
    platform.backend.state().away = false;
    platform.wait(10);
    assert_eq!(platform.pass().await.launched, 1);
    assert!(platform.handle.snapshot().blind.is_none());
}

#[tokio::test]
async fn what_comes_due_while_the_engine_is_away_makes_no_hot_loop() {
    let platform = Platform::new().await;
    platform.backend.state().failing_launches = 1;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    platform.backend.state().away = true;
    // Past the moment at which the launch may be tried again.
    platform.wait(10);
    platform.pass().await;
    let next = platform.reconciler.next_pass().await;
    assert_eq!(next.duration_since(platform.now()).as_secs(), 5);
    platform.backend.state().away = false;
    platform.wait(5);
    assert_eq!(platform.pass().await.launched, 1);
}

#[tokio::test]
async fn a_missing_image_is_pulled_and_a_failed_pull_is_told_and_retried() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    {
        let mut state = platform.backend.state();
        (state.image, state.failing_pulls) = (false, true);
    }
    platform.pass().await;
    until(|| platform.backend.state().pulls == 1).await;
    tokio::task::yield_now().await;
    let report = platform.pass().await;
    assert!(
        report.problems.iter().any(|problem| problem.contains("cannot be pulled: not found")),
        "{report:?}"
    );
    assert_eq!(platform.backend.state().pulls, 1, "no hot loop");
    platform.backend.state().failing_pulls = false;
    platform.wait(5);
    platform.pass().await;
    until(|| platform.backend.state().image).await;
    platform.wait(10);
    assert_eq!(platform.pass().await.launched, 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_stops_nothing() {
    let platform = Platform::new().await;
    platform.pass().await;
    platform.wait(-7_200);
    platform.queue("octo-admin/app", &["self-hosted"]);
    assert_eq!(platform.pass().await.launched, 1);
    let wait = platform.reconciler.next_pass().await.duration_since(platform.now());
    assert!(wait.as_secs() < 60, "{wait}");
}

#[tokio::test]
async fn with_the_policy_never_a_missing_image_is_told_and_not_pulled() {
    let platform = Platform::with(&[("RUNNER_PULL_POLICY", "never")]).await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.backend.state().image = false;
    let report = platform.pass().await;
    assert!(
        report.problems.iter().any(|problem| problem.contains("the pull policy is never")),
        "{report:?}"
    );
    assert_eq!((report.launched, platform.backend.state().pulls), (0, 0));
}

#[tokio::test]
async fn deregistering_that_fails_keeps_the_container_until_it_works() {
    let platform = Platform::new().await;
    platform
        .create(&serde_json::json!({"scope": "repo", "scope_name": "octo-admin/app"}))
        .await
        .unwrap();
    let name = platform.containers()[0].clone();
    platform.backend.exit(&name, 1, "");
    platform.fault(fault(&format!("{RUNNERS}/{{runner_id}}"), 500));
    let report = platform.pass().await;
    assert_eq!((report.removed, platform.containers().len()), (0, 1), "{report:?}");
    let problem = report.problems.last().unwrap().clone();
    assert!(problem.starts_with("could not remove container"), "{problem}");
    // Not again at once, and it is a problem until it is done.
    platform.wait(4);
    let report = platform.pass().await;
    assert_eq!((report.removed, report.problems), (0, vec![problem]));
    platform.wait(1);
    assert_eq!(platform.pass().await.removed, 1);
    assert_eq!(platform.pass().await.problems, Vec::<String>::new());
    assert!(platform.registrations().is_empty());
}

#[tokio::test]
async fn a_good_pull_ends_what_the_failed_one_before_it_left() {
    let platform = Platform::with(&[("RUNNER_PULL_POLICY", "always")]).await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.backend.state().failing_pulls = true;
    platform.pass().await;
    until(|| platform.backend.state().pulls == 1).await;
    tokio::task::yield_now().await;
    let report = platform.pass().await;
    assert!(report.problems.iter().any(|why| why.contains("cannot be pulled")), "{report:?}");
    platform.backend.state().failing_pulls = false;
    platform.wait(5);
    platform.pass().await;
    until(|| platform.backend.state().pulls == 2).await;
    tokio::task::yield_now().await;
    let report = platform.pass().await;
    assert_eq!((report.launched, report.problems.as_slice()), (1, &[][..]), "{report:?}");
    platform.wait(3_600);
    let report = platform.pass().await;
    assert!(report.problems.iter().all(|why| !why.contains("pulled")), "{report:?}");
    let wait = platform.reconciler.next_pass().await.duration_since(platform.now());
    assert!(wait.as_secs() > 0, "a retry that is long past must not be due for ever: {wait}");
}

#[tokio::test]
async fn a_stop_while_github_is_asked_starts_no_runner() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    let asked = async {
        while platform.sim.counters().of("GET", "/user/repos") == 0 {
            tokio::task::yield_now().await;
        }
    };
    let reconciler = std::sync::Arc::clone(&platform.reconciler);
    orchestrator::reconcile::driver::run(reconciler, asked).await;
    let report = platform.handle.snapshot().report;
    assert_eq!((report.queued_jobs, report.launched), (1, 0), "{report:?}");
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
}

#[tokio::test]
async fn a_request_beside_a_clean_up_is_carried_out() {
    let platform = Platform::with(&[("AUTO_CREATE_RUNNERS", "false")]).await;
    let wanted = serde_json::json!({"scope": "repo", "scope_name": "octo-admin/app"});
    let wanted =
        || mayfly_common::api::CreateRunners::from_json(wanted.to_string().as_bytes()).unwrap();
    let passes = async {
        tokio::task::yield_now().await;
        platform.pass().await;
        platform.pass().await;
        platform.pass().await;
    };
    // A dry run between two requests.
    let (first, dry, second, ()) = tokio::join!(
        platform.handle.create(wanted()),
        platform.handle.cleanup(true),
        platform.handle.create(wanted()),
        passes
    );
    assert_eq!((first.unwrap().len(), second.unwrap().len()), (1, 1));
    assert!(dry.unwrap().dry_run);
    assert_eq!(platform.containers().len(), 2);
    // One that is carried out, before a request of the same pass.
    let (wet, third, _) =
        tokio::join!(platform.handle.cleanup(false), platform.handle.create(wanted()), async {
            tokio::task::yield_now().await;
            platform.pass().await
        });
    assert_eq!((wet.unwrap().dry_run, third.unwrap().len()), (false, 1));
}

/// A runner for the next job in `repo` of an organisation-wide pool takes it and crashes, though it says that all is well.
async fn crash(platform: &Platform, repo: &str) -> String {
    let known = platform.containers();
    platform.queue(repo, &["self-hosted"]);
    platform.wait(15);
    platform.pass().await;
    let name = platform.containers().into_iter().find(|name| !known.contains(name)).unwrap();
    platform.connect(&name);
    platform.backend.exit(&name, 139, DONE);
    platform.sim.with(|world| world.lose_runner(&name)).unwrap();
    platform.wait(3);
    platform.pass().await;
    name
}

#[tokio::test]
async fn a_repository_whose_jobs_crash_holds_nobody_back() {
    let discovery = [("DISCOVERY_MODE", "organization"), ("GITHUB_ORGANIZATION", "octo-org")];
    let platform = Platform::with(&discovery).await;
    platform.repo("octo-org/tools", SELF_HOSTED);
    let pool = serde_json::json!({
        "name": "org", "labels": ["self-hosted"], "scopes": ["org:octo-org"], "priority": 9,
    });
    let body = axum::body::Body::from(pool.to_string());
    let made = http::Request::post("/api/v1/pools").body(body).unwrap();
    let made = platform.router().oneshot(made).await.unwrap();
    assert_eq!(made.status(), http::StatusCode::CREATED);
    platform.pass().await;
    for _ in 0..4 {
        let name = crash(&platform, "octo-org/tools").await;
        let finished = platform.handle.snapshot().finished.remove(0);
        assert_eq!((finished.name, finished.state), (name, RunnerState::Failed));
        assert_eq!(finished.reason, "it ended with exit code 139 in the middle of its job");
        assert_eq!(platform.handle.snapshot().finished[0].scope_name, "octo-org");
        assert!(platform.handle.snapshot().held_back.is_empty());
    }
}

#[tokio::test]
async fn a_crash_that_says_it_succeeded_is_no_success() {
    let platform = Platform::new().await;
    let name = crash(&platform, "octo-admin/app").await;
    assert!(!platform.containers().contains(&name));
    let (_, jobs) = platform.handle.store().jobs(None, None, (10, 0)).await.unwrap();
    assert_eq!(jobs.len(), 1);
    assert_ne!(jobs[0].conclusion.as_deref(), Some("success"), "{jobs:?}");
}

#[tokio::test]
async fn that_github_puts_an_end_off_is_logged_once() {
    let (heard, _guard) = Heard::begin();
    let (platform, name, _) = with_busy_runner().await;
    // Its container ended, and GitHub believes in its job still.
    platform.backend.exit(&name, 1, "");
    for _ in 0..100 {
        platform.wait(20);
        platform.pass().await;
    }
    assert_eq!(platform.containers(), std::slice::from_ref(&name));
    let tries = platform.sim.counters().of("DELETE", &format!("{RUNNERS}/{{runner_id}}"));
    assert!(tries > 3, "{tries}");
    assert_eq!(heard.lines("put off").len(), 1);
    platform.sim.with(|world| world.lose_runner(&name)).unwrap();
    platform.wait(600);
    platform.pass().await;
    assert!(!platform.containers().contains(&name));
}

#[tokio::test]
async fn a_success_ends_the_streak_of_failures() {
    let platform = Platform::new().await;
    let launch_fails = async |waits: i64| {
        platform.backend.state().failing_launches = 1;
        assert_eq!(platform.pass().await.launched, 0);
        platform.wait(waits - 1);
        assert_eq!(platform.pass().await.launched, 0, "it waits {waits} s");
        platform.wait(1);
    };
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    launch_fails(5).await;
    launch_fails(10).await;
    assert_eq!(platform.pass().await.launched, 1);
    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), Some(job));
    platform.finish(&name, job);
    platform.pass().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(15);
    launch_fails(5).await;
    assert_eq!(platform.pass().await.launched, 1);
}

#[tokio::test]
async fn rows_of_the_ledger_that_could_not_be_written_are_written_later() {
    let platform = Platform::new().await;
    platform.pass().await;
    let store = platform.handle.store();
    store.refuse_writes(true).await.unwrap();
    let job = i64::try_from(platform.queue("octo-admin/app", &["self-hosted"])).unwrap();
    platform.wait(15);
    platform.pass().await;
    assert_eq!(store.job(job).await.unwrap(), None);
    store.refuse_writes(false).await.unwrap();
    platform.wait(1);
    platform.pass().await;
    assert!(store.job(job).await.unwrap().is_some());
}

#[tokio::test]
async fn a_healthy_start_never_says_that_github_could_not_be_asked() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    for _ in 0..3 {
        platform.pass().await;
        let reason = platform.runners()[0].reason.clone().unwrap();
        assert_eq!(reason, "it is not online yet");
        platform.wait(3);
    }
    platform.fault(Fault { times: 9, ..fault(RUNNERS, 502) });
    platform.pass().await;
    let reason = platform.runners()[0].reason.clone().unwrap();
    assert_eq!(reason, "GitHub could not be asked about it");
}

#[tokio::test]
async fn a_machine_that_somebody_starts_before_it_is_removed_stays_and_did_not_fail() {
    use mayfly_common::machine::{Exit, Phase};
    let ended = Exit { code: 1, ..Exit::default() };
    for phase in [Phase::NeverStarted, Phase::Exited(ended)] {
        let mut platform = Platform::new().await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        platform.pass().await;
        let name = platform.containers()[0].clone();
        // The orchestrator is killed before it starts the machine, or the machine ends; and somebody starts it.
        for machine in platform.backend.state().machines.values_mut() {
            machine.phase = phase.clone();
        }
        platform.restart();
        platform.backend.state().woken = true;
        let report = platform.pass().await;
        assert_eq!((report.removed, report.problems.len()), (0, 0), "{phase:?}: {report:?}");
        assert_eq!(
            (platform.containers(), platform.registrations().len()),
            (vec![name.clone()], 1)
        );
        assert_eq!(platform.connect(&name), Some(job));
        platform.wait(10);
        assert_eq!(platform.pass().await.launched, 0, "nothing waits for a failure");
        platform.finish(&name, job);
        platform.pass().await;
        let finished = platform.handle.snapshot().finished.clone();
        let ends: Vec<_> = finished.iter().map(|one| (&*one.name, one.state)).collect();
        assert_eq!(ends, [(&*name, RunnerState::Finished)], "{phase:?}");
        assert!(platform.handle.snapshot().failures.is_empty(), "{phase:?}");
    }
}

#[tokio::test]
async fn what_a_job_prints_stays_small_wherever_it_is_told() {
    let platform = Platform::new().await;
    let bomb = format!(
        "{DONE}\u{1b}[31m{}\u{202e}\nJob big completed with result: {}",
        "\u{fffd}".repeat(3_000_000),
        "A".repeat(3_000_000)
    );
    for code in [0, 1, 139] {
        platform.queue("octo-admin/app", &["self-hosted"]);
        platform.wait(400);
        platform.pass().await;
        let name = platform.containers()[0].clone();
        platform.backend.exit(&name, code, &bomb);
        platform.wait(3);
        platform.pass().await;
        platform.wait(400);
        platform.pass().await;
    }
    let events = platform.handle.store().events(Some(0), 1_000).await.unwrap();
    let finished = platform.handle.snapshot();
    let log = platform.handle.store().finished_runner(finished.finished[0].name.clone()).await;
    let log = log.unwrap().unwrap().log.unwrap();
    assert!(log.len() <= 16 << 10 && !log.contains(['\u{1b}', '\u{202e}']), "{} bytes", log.len());
    let told = format!("{events:?} {:?} {:?}", finished.finished, finished.report);
    assert!(told.len() < 64 << 10 && !told.contains("AAAA"), "{} bytes", told.len());
}

#[tokio::test]
async fn a_list_is_read_to_its_end_however_short_its_first_page_is() {
    let platform = Platform::new().await;
    for _ in 0..2 {
        platform.queue("octo-admin/app", &["self-hosted"]);
    }
    platform.pass().await;
    let names = platform.containers();
    for name in &names {
        platform.connect(name);
    }
    platform.pass().await;
    let listed: Vec<serde_json::Value> = platform.sim.with(|world| {
        let shown = |runner: &github_sim::world::model::Runner| {
            serde_json::json!({"id": runner.id, "name": runner.name, "status": "online", "busy": true})
        };
        world.all_runners().map(shown).collect()
    });
    let next = format!(
        "{}{}?per_page=100&page=2",
        platform.sim.url(),
        "/repos/octo-admin/app/actions/runners"
    );
    for _ in 0..10 {
        platform.wait(60);
        for (page, rel) in [(&listed[0], "next"), (&listed[1], "prev")] {
            let body = serde_json::json!({"total_count": 2, "runners": [page]}).to_string();
            let headers = BTreeMap::from([("link".to_owned(), format!("<{next}>; rel=\"{rel}\""))]);
            platform.fault(Fault { body: Some(body), headers, ..fault(RUNNERS, 200) });
        }
        let report = platform.pass().await;
        assert_eq!((report.removed, report.problems.len()), (0, 0), "{report:?}");
        assert!(platform.runners().iter().all(|runner| runner.state == RunnerState::Busy));
    }
    assert_eq!(platform.containers(), names);
}

#[tokio::test]
async fn a_permission_that_is_missing_is_not_taken_for_a_job() {
    let platform = Platform::new().await;
    let asked = serde_json::json!({"scope": "repo", "scope_name": "octo-admin/app"});
    let name = platform.create(&asked).await.unwrap()[0].name.clone();
    platform.connect(&name);
    platform.pass().await;
    let one = format!("{RUNNERS}/{{runner_id}}");
    platform.fault(Fault { method: Some("DELETE".to_owned()), ..fault(&one, 403) });
    let error = platform.delete(&name, false).await.unwrap_err();
    assert!(error.to_string().contains("forbids"), "{error}");
    let problems = platform.handle.snapshot().report.problems;
    assert!(problems.iter().any(|problem| problem.contains("forbids")), "{problems:?}");
    assert_eq!(platform.containers(), std::slice::from_ref(&name));
    platform.delete(&name, false).await.unwrap();
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
}

#[tokio::test]
async fn a_registration_that_is_gone_keeps_no_container_while_the_list_is_unknown() {
    let platform = Platform::new().await;
    let asked = serde_json::json!({"scope": "repo", "scope_name": "octo-admin/app"});
    let name = platform.create(&asked).await.unwrap()[0].name.clone();
    platform.sim.with(|world| {
        let id = world.all_runners().next().unwrap().id;
        world.delete_runner(&crate::support::scope("repo:octo-admin/app"), id).unwrap();
    });
    platform.fault(Fault { times: 1_000, ..fault(RUNNERS, 502) });
    platform.backend.exit(&name, 1, "");
    let report = platform.pass().await;
    assert_eq!(report.removed, 1, "{report:?}");
    let route = format!("{RUNNERS}/{{runner_id}}");
    assert_eq!(platform.sim.counters().of("DELETE", &route), 1, "it was asked for, and is gone");
}

const RUNS: &str = "/repos/{owner}/{repo}/actions/runs";

#[tokio::test]
async fn an_idle_runner_stays_while_jobs_cannot_be_read() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let run = platform.sim.with(|world| world.job(job).unwrap().run_id);
    platform.sim.with(|world| world.cancel_run(run)).unwrap();
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.pass().await;
    platform.fault(Fault { times: 1_000, ..fault(RUNS, 502) });
    for _ in 0..10 {
        platform.wait(60);
        let report = platform.pass().await;
        assert_eq!(report.removed, 0, "it may be needed: {report:?}");
    }
    platform.sim.clear_faults();
    platform.wait(60);
    assert_eq!(platform.pass().await.removed, 1);
}

#[tokio::test]
async fn a_job_that_could_not_be_looked_at_again_starts_no_runner() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.backend.state().failing_launches = 1;
    platform.pass().await;
    platform.fault(Fault { times: 1_000, ..fault(RUNS, 502) });
    for _ in 0..5 {
        platform.wait(60);
        let report = platform.pass().await;
        assert_eq!(report.launched, 0, "it may be served by now: {report:?}");
    }
    platform.sim.clear_faults();
    platform.wait(60);
    assert_eq!(platform.pass().await.launched, 1);
}

#[tokio::test]
async fn a_place_where_a_runner_was_is_swept_though_discovery_does_not_know_it() {
    let platform = Platform::new().await;
    let asked = serde_json::json!({"scope": "org", "scope_name": "octo-org"});
    let name = platform.create(&asked).await.unwrap()[0].name.clone();
    platform.delete(&name, false).await.unwrap();
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
    let org = crate::support::scope("org:octo-org");
    let left = "mayfly-fake-0123456789ab";
    platform.sim.with(|world| world.add_offline_runner(&org, left, &["self-hosted"])).unwrap();
    for _ in 0..60 {
        platform.wait(60);
        platform.pass().await;
    }
    assert!(platform.registrations().is_empty(), "{:?}", platform.registrations());
}

#[tokio::test]
async fn a_clock_that_is_set_back_delays_no_check() {
    let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
    platform.pass().await;
    platform.wait(-7_200);
    platform.repo("octo-admin/new", SELF_HOSTED);
    platform.queue("octo-admin/new", &["self-hosted"]);
    let report = platform.pass().await;
    assert_eq!(report.launched, 1, "a repository that is new is found: {report:?}");
}

/// Waits for something another task does.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_request_that_may_pass_is_sent_again_and_one_that_makes_something_is_not() {
    let platform = Platform::new().await;
    let client = platform.client_that_retries(2);
    let repo = scope("repo:octo-admin/app");
    let list = "/repos/{owner}/{repo}/actions/runners";
    let sent = || platform.sim.recorded().iter().filter(|request| request.route == list).count();
    let fault = |status, times| {
        let method = Some("GET".to_owned());
        platform.fault(Fault { route: list.to_owned(), method, status, times, ..Fault::default() });
    };
    // Status, how often it fails, how often it is sent, and whether it comes to a good end.
    for (status, times, expected, good) in [
        (502, 1, 2, true),
        (500, 2, 3, true),
        (503, 3, 3, false),
        (404, 1, 1, false),
        (422, 1, 1, false),
    ] {
        let before = sent();
        fault(status, times);
        let listed = client.registrations(&repo).await;
        assert_eq!(listed.is_ok(), good, "{status}: {:?}", listed.err());
        assert_eq!(sent() - before, expected, "{status}");
    }
    // Its answer may be lost, and the registration made: the next pass sees.
    let route = "/repos/{owner}/{repo}/actions/runners/generate-jitconfig";
    platform.fault(Fault { route: route.to_owned(), status: 502, ..Fault::default() });
    let name = RunnerName::parse("once").unwrap();
    let labels = LabelSet::requested(["self-hosted"]);
    assert!(client.jit_config(&repo, &name, &labels, None).await.is_err());
    let made = platform.sim.recorded().iter().filter(|request| request.route == route).count();
    assert_eq!(made, 1);
}

/// The ledger does not know its job yet, and GitHub lists its registration as offline.
#[tokio::test]
async fn a_runner_that_an_earlier_process_saw_at_work_did_not_fail_to_start() {
    for (was_at_work, reason) in [
        (true, "it ended with exit code 133 in the middle of its job"),
        (false, "it ended with exit code 133 without having run a job; its last words: zzz"),
    ] {
        let mut platform = Platform::new().await;
        platform.queue("octo-admin/app", &["self-hosted"]);
        platform.pass().await;
        let name = platform.containers()[0].clone();
        for machine in platform.backend.state().machines.values_mut() {
            machine.phase = Phase::Running { working: Some(was_at_work) };
        }
        platform.wait(5);
        platform.pass().await;
        platform.restart();
        platform.backend.exit(&name, 133, "zzz\n");
        platform.pass().await;
        let snapshot = platform.handle.snapshot();
        assert_eq!(snapshot.finished[0].reason, reason);
        assert_eq!(snapshot.held_back.is_empty(), was_at_work, "{reason}");
    }
}
