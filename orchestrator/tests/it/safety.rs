//! What must never be destroyed by a neighbour or a misreading, and what must not stay for ever.

use github_sim::Fault;
use github_sim::world::model::Conclusion;
use mayfly_common::machine::Phase;
use mayfly_common::pool::PoolSpec;
use mayfly_common::runner::RunnerState;
use mayfly_common::webhook::{Content, Delivery, EventJob, EventRepository, JobStatus};

use crate::assignment::explain;
use crate::support::{Platform, SELF_HOSTED, scope};

const RUNNER: &str = "/repos/{owner}/{repo}/actions/runners/{runner_id}";

/// A process named like a job's worker runs in all containers.
fn pretend_to_work(platform: &Platform) {
    for machine in platform.backend.state().machines.values_mut() {
        machine.phase = Phase::Running { working: Some(true) };
    }
}

/// A platform with a runner whose job ended, while a process inside calls itself a worker. The registration goes with the job, or
/// stays listed, offline.
async fn with_pretender(stays_listed: bool) -> (Platform, String) {
    let platform = Platform::new().await;
    platform.sim.with(|world| world.set_keeps_spent_runners(stays_listed));
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), Some(job));
    pretend_to_work(&platform);
    platform.pass().await;
    platform.sim.with(|world| world.finish_job(job, Conclusion::Cancelled)).unwrap();
    assert_eq!(platform.registrations().len(), usize::from(stays_listed));
    (platform, name)
}

#[tokio::test]
async fn a_process_that_calls_itself_a_worker_keeps_no_runner_against_github_s_word() {
    let ends = [
        (false, "its registration is gone and the container did not end"),
        (true, "it lost its connection to GitHub and did not come back"),
    ];
    for (stays_listed, reason) in ends {
        let (platform, name) = with_pretender(stays_listed).await;
        // Nobody tells what became of the job.
        let route = "/repos/{owner}/{repo}/actions/jobs/{job_id}".to_owned();
        platform.fault(Fault { route, status: 502, times: 999, ..Default::default() });
        platform.pass().await;
        platform.wait(599);
        platform.pass().await;
        assert_eq!(platform.runners()[0].state, RunnerState::Busy);
        let error = platform.delete(&name, false).await.unwrap_err();
        assert!(error.to_string().contains("is running a job"), "{error}");
        platform.wait(1);
        platform.delete(&name, false).await.unwrap();
        assert!(platform.containers().is_empty() && platform.registrations().is_empty());
        let snapshot = platform.handle.snapshot();
        assert_eq!(snapshot.finished[0].reason, reason);
        assert!(snapshot.held_back.is_empty(), "no other job waits for it");
    }
}

#[tokio::test]
async fn without_webhooks_github_is_asked_whether_the_job_of_an_unregistered_runner_is_over() {
    for stays_listed in [false, true] {
        let (platform, name) = with_pretender(stays_listed).await;
        platform.wait(30);
        platform.sim.clear_counters();
        for _ in 0..6 {
            platform.pass().await;
            assert_eq!(platform.containers(), std::slice::from_ref(&name), "{stays_listed}");
            platform.wait(10);
        }
        let counters = platform.sim.counters();
        let of_job = counters.routes.iter().find(|found| found.route.ends_with("/jobs/{job_id}"));
        assert_eq!(of_job.map(|found| found.count), Some(1), "{stays_listed}");
        // GitHub lists it as gone for a minute.
        platform.pass().await;
        assert!(platform.containers().is_empty(), "{stays_listed}");
    }
}

#[tokio::test]
async fn a_restart_gives_a_runner_whose_job_is_over_no_further_time() {
    for stays_listed in [false, true] {
        let (mut platform, name) = with_pretender(stays_listed).await;
        // The second of these passes asks what became of the job, a minute after the last question.
        for _ in 0..2 {
            platform.wait(30);
            platform.pass().await;
            assert_eq!(platform.containers(), std::slice::from_ref(&name), "{stays_listed}");
        }
        platform.wait(30);
        platform.restart();
        platform.pass().await;
        assert!(platform.containers().is_empty(), "{stays_listed}");
    }
}

#[tokio::test]
async fn a_job_that_a_webhook_ended_a_minute_ago_keeps_no_runner_either() {
    for stays_listed in [false, true] {
        ended_by_webhook(stays_listed).await;
    }
}

async fn ended_by_webhook(stays_listed: bool) {
    let (platform, name) = with_pretender(stays_listed).await;
    let repository = EventRepository {
        id: 1,
        full_name: "octo-admin/app".to_owned(),
        private: Some(true),
        fork: false,
        archived: false,
        disabled: false,
    };
    let job = EventJob {
        id: 1,
        name: "build".to_owned(),
        status: JobStatus::Completed,
        conclusion: Some("cancelled".to_owned()),
        labels: vec!["self-hosted".to_owned()],
        labels_unread: false,
        created_at: Some(platform.now()),
        started_at: Some(platform.now()),
        completed_at: Some(platform.now()),
        runner_name: Some(name.clone()),
    };
    let content = Content::Job { repository, job };
    let (id, event) = ("d1".to_owned(), "workflow_job".to_owned());
    platform.handle.deliver(Delivery { id, event, hook: None, content }).await;
    platform.pass().await;
    platform.wait(59);
    platform.pass().await;
    assert_eq!(platform.containers(), [name]);
    platform.wait(1);
    platform.pass().await;
    assert!(platform.containers().is_empty());
}

#[tokio::test]
async fn two_hosts_with_one_id_leave_each_other_s_runners_alone_and_say_so() {
    let ours = Platform::new().await;
    ours.repo("octo-admin/other", SELF_HOSTED);
    ours.queue("octo-admin/app", &["self-hosted"]);
    ours.pass().await;
    ours.wait(60);
    ours.pass().await;
    // The other host, a clone of this one, starts a runner of its own.
    let (place, theirs) = (scope("repo:octo-admin/app"), "mayfly-fake-aaaaaaaaaaaa");
    ours.sim.with(|world| world.add_offline_runner(&place, theirs, &["self-hosted"])).unwrap();
    for _ in 0..10 {
        ours.wait(3);
        let report = ours.pass().await;
        assert_eq!(report.deregistered, 0);
        let clash = report.problems.iter().find(|problem| problem.contains("ORCHESTRATOR_ID"));
        let clash = clash.unwrap_or_else(|| panic!("{report:?}"));
        assert!(clash.contains("repo:octo-admin/app") && clash.contains(theirs), "{clash}");
    }
    assert!(ours.registrations().contains(&theirs.to_owned()));
    // It works and goes, and with it the problem.
    ours.connect(theirs);
    ours.pass().await;
    let id = ours.sim.with(|world| {
        world.all_runners().find(|runner| runner.name == theirs).map(|runner| runner.id).unwrap()
    });
    ours.sim.with(|world| world.lose_runner(theirs)).unwrap();
    ours.sim.with(|world| world.delete_runner(&place, id)).unwrap();
    ours.pass().await;
    ours.wait(600);
    assert_eq!(ours.pass().await.problems, [] as [&str; 0]);
}

#[tokio::test]
async fn an_id_that_is_a_prefix_of_another_deletes_nothing_of_it() {
    let platform = Platform::new().await;
    let place = scope("repo:octo-admin/app");
    let theirs = ["mayfly-fake-2-0123456789ab", "mayfly-fake-ci-1", "mayfly-fake"];
    for name in theirs {
        platform.sim.with(|world| world.add_offline_runner(&place, name, &["x"])).unwrap();
    }
    for _ in 0..5 {
        platform.wait(300);
        let report = platform.pass().await;
        assert_eq!((report.deregistered, report.problems.len()), (0, 0), "{report:?}");
    }
    assert_eq!(platform.registrations().len(), 3);
}

#[tokio::test]
async fn a_job_that_github_still_believes_in_is_asked_about_seldom() {
    let platform = Platform::with(&[("MAX_RUNNERS", "8")]).await;
    for _ in 0..8 {
        platform.queue("octo-admin/app", &["self-hosted"]);
    }
    platform.pass().await;
    for name in platform.containers() {
        platform.connect(&name);
    }
    platform.pass().await;
    // The host kills them all; GitHub goes on showing them at work.
    for name in platform.containers() {
        platform.backend.exit(&name, 137, "Running job: build\n");
    }
    let deletes = || platform.sim.counters().of("DELETE", RUNNER);
    platform.pass().await;
    assert_eq!(deletes(), 8, "each is asked about once");
    let began = platform.now();
    let mut passes = 0;
    while platform.now().duration_since(began).as_secs() < 75 {
        platform.to_next_pass().await;
        platform.pass().await;
        passes += 1;
    }
    assert!(deletes() <= 16, "{} requests in 75 s", deletes());
    assert!(passes <= 12, "{passes} passes: nothing is in motion");
    // GitHub gives them up: they go at once, with their containers.
    for name in platform.containers() {
        platform.sim.with(|world| world.lose_runner(&name)).unwrap();
    }
    platform.pass().await;
    assert!(platform.containers().is_empty());
}

/// A pool with one numbered place that keeps a runner waiting there.
fn one_place() -> serde_json::Value {
    serde_json::json!({
        "name": "desk", "scopes": ["repo:octo-admin/app"], "labels": ["self-hosted", "desk"],
        "naming": "stable", "name_prefix": "runner", "min_idle": 1, "max": 1,
    })
}

#[tokio::test]
async fn somebody_s_server_that_is_off_is_given_time_before_its_name_is_used() {
    let platform = Platform::new().await;
    let place = scope("repo:octo-admin/app");
    for name in ["Runner-1", "runner-2", "runner-99"] {
        platform.sim.with(|world| world.add_offline_runner(&place, name, &["x"])).unwrap();
    }
    let spec = PoolSpec::from_json(&one_place(), "").unwrap();
    platform.handle.book().create(spec, platform.now()).await.unwrap();
    let began = platform.now();
    platform.pass().await;
    let job = platform.queue("octo-admin/app", &["self-hosted", "desk"]);
    // GitHub refuses the name; the list that is read then tells more than that the next attempt waits.
    platform.wait(10);
    platform.pass().await;
    platform.wait(2);
    platform.pass().await;
    let told = explain(&platform, job).await;
    assert_eq!(told["reasons"][0]["code"], "no_name", "{told}");
    let what = told["reasons"][0]["what"].as_str().unwrap();
    assert!(what.contains("Runner-1 is offline since"), "{what}");
    let hint = told["reasons"][0]["hint"].as_str().unwrap();
    assert!(hint.starts_with("the name Runner-1 is used from 20"), "{hint}");
    for _ in 0..300 {
        if !platform.containers().is_empty() {
            break;
        }
        assert_eq!(platform.registrations().len(), 3);
        platform.to_next_pass().await;
        platform.pass().await;
    }
    let waited = platform.now().duration_since(began).as_secs();
    assert!((300..420).contains(&waited), "{waited} s");
    let mut left = platform.registrations();
    left.sort();
    assert_eq!(left, ["runner-1", "runner-2", "runner-99"], "what is not in the way stays");
    assert_eq!(platform.containers(), ["runner-1"]);
}

#[tokio::test]
async fn a_refused_deletion_of_an_idle_runner_is_answered_and_not_repeated() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let run = platform.sim.with(|world| world.job(job).unwrap().run_id);
    platform.sim.with(|world| world.cancel_run(run)).unwrap();
    platform.connect(&platform.containers()[0].clone());
    platform.pass().await;
    let busy = Fault { route: RUNNER.to_owned(), status: 422, times: 100, ..Fault::default() };
    platform.fault(Fault { method: Some("DELETE".to_owned()), ..busy });
    platform.wait(60);
    for _ in 0..29 {
        platform.pass().await;
        platform.wait(1);
    }
    assert_eq!(platform.sim.counters().of("DELETE", RUNNER), 1);
}
