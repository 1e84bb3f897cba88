//! Actions that take their time go on beside later passes, and delay nobody else.

use std::time::Duration;

use github_sim::{Fault, FaultKind};
use http::Method;
use mayfly_backend::fake::Hold;
use mayfly_common::api::PassReport;
use mayfly_common::machine::Phase;
use mayfly_common::name::RunnerName;
use orchestrator::reconcile::request::{Deleted, RequestError};
use serde_json::json;

use crate::jobs::{call, get};
use crate::support::{PATIENT, Platform, SELF_HOSTED};

/// A pass that waits for no action.
async fn pass(platform: &Platform) -> PassReport {
    platform.reconciler.pass_beside_actions(Duration::ZERO).await
}

/// Waits until what is under way has come so far.
async fn until(what: impl Fn() -> bool) {
    let reached = async {
        while !what() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENT, reached).await.expect("it comes so far");
}

/// Until a call is held up.
async fn held(platform: &Platform) {
    until(|| platform.backend.state().holds.is_empty()).await;
}

fn hold(platform: &Platform, at: Hold) {
    platform.backend.state().holds.push(at);
}

/// A platform with jobs in so many repositories.
async fn with_jobs(variables: &[(&str, &str)], count: usize) -> (Platform, Vec<u64>) {
    let platform = Platform::with(variables).await;
    let mut jobs = Vec::new();
    for number in 0..count {
        let repo = format!("octo-admin/app{number}");
        platform.repo(&repo, SELF_HOSTED);
        jobs.push(platform.queue(&repo, &["self-hosted"]));
    }
    (platform, jobs)
}

#[tokio::test]
async fn a_container_that_is_slow_to_be_made_is_counted_and_delays_no_other_job() {
    for at in [Hold::Launch, Hold::MadeLaunch] {
        let (platform, jobs) = with_jobs(&[("MAX_RUNNERS", "3")], 1).await;
        hold(&platform, at);
        assert_eq!(pass(&platform).await.launched, 0);
        held(&platform).await;
        let made = usize::from(at == Hold::MadeLaunch);
        assert_eq!((platform.containers().len(), platform.registrations().len()), (made, 1));
        let slow = platform.registrations()[0].clone();
        for number in [1, 2, 3] {
            let repo = format!("octo-admin/more{number}");
            platform.repo(&repo, SELF_HOSTED);
            platform.queue(&repo, &["self-hosted"]);
        }
        platform.wait(20);
        pass(&platform).await;
        // Three fit, of which one is under way: none is started for the same job again.
        until(|| platform.containers().len() == 2 + made).await;
        platform.wait(20);
        let report = pass(&platform).await;
        assert_eq!((platform.containers().len(), platform.registrations().len()), (2 + made, 3));
        assert_eq!(report.problems, Vec::<String>::new(), "{at:?}");
        let (_, told) = get(&platform, &format!("/jobs/{}/explain", jobs[0])).await;
        assert!(told.to_string().contains(&slow), "the job counts on it: {told}");
        platform.backend.go_on();
        until(|| platform.containers().contains(&slow)).await;
        platform.pass().await;
        assert_eq!((platform.containers().len(), platform.registrations().len()), (3, 3));
        let (_, events) = get(&platform, "/events?limit=100").await;
        let started = events.to_string().matches("runner.started").count();
        assert_eq!(started, 3, "each is told once: {events}");
    }
}

#[tokio::test]
async fn a_registration_that_github_does_not_answer_delays_no_other_job() {
    let (platform, _) = with_jobs(&[], 1).await;
    let route = "/repos/octo-admin/app0/actions/runners/generate-jitconfig".to_owned();
    platform.fault(Fault { kind: FaultKind::Hang, route, times: 1, ..Fault::default() });
    pass(&platform).await;
    platform.repo("octo-admin/other", SELF_HOSTED);
    platform.queue("octo-admin/other", &["self-hosted"]);
    platform.wait(20);
    pass(&platform).await;
    until(|| platform.containers().len() == 1).await;
    platform.wait(20);
    pass(&platform).await;
    assert_eq!(platform.containers().len(), 1);
    let repo = |name: &str| {
        platform.sim.with(|world| world.all_runners().any(|one| one.scope.to_string() == name))
    };
    assert!(
        repo("repo:octo-admin/other") && !repo("repo:octo-admin/app0"),
        "it is not asked for again"
    );
}

#[tokio::test]
async fn a_removal_that_is_slow_is_not_repeated_delays_no_job_and_is_told_once() {
    let (platform, jobs) = with_jobs(&[("MAX_RUNNERS", "1")], 2).await;
    platform.pass().await;
    let name = platform.containers()[0].clone();
    let job = platform.connect(&name).expect("a job");
    platform.pass().await;
    platform.finish(&name, job);
    hold(&platform, Hold::Removal);
    pass(&platform).await;
    held(&platform).await;
    // One that has ended takes no room.
    until(|| platform.containers().len() == 2).await;
    for _ in 0..3 {
        platform.wait(20);
        pass(&platform).await;
        assert!(platform.containers().len() == 2 && platform.containers().contains(&name));
        let (_, gone) = get(&platform, "/finished-runners").await;
        assert_eq!(gone["total_count"], 0, "{gone}");
    }
    platform.backend.go_on();
    until(|| platform.containers().len() == 1).await;
    assert_eq!(platform.pass().await.removed, 1);
    let (_, gone) = get(&platform, "/finished-runners").await;
    assert_eq!(
        (&gone["total_count"], &gone["runners"][0]["state"]),
        (&json!(1), &json!("finished")),
        "{gone}"
    );
    let other = jobs.into_iter().find(|one| *one != job).unwrap();
    assert_eq!(platform.connect(&platform.containers()[0]), Some(other));
}

#[tokio::test]
async fn one_that_runs_takes_its_place_until_it_is_gone() {
    let (platform, _) = with_jobs(&[("MAX_RUNNERS", "1")], 0).await;
    let body = json!({"scope": "repo", "scope_name": "octo-admin/app"});
    let name = platform.create(&body).await.unwrap()[0].name.clone();
    platform.connect(&name);
    platform.pass().await;
    hold(&platform, Hold::Removal);
    let delete = platform.handle.delete(RunnerName::parse(&name).unwrap(), false);
    let amid = async {
        tokio::task::yield_now().await;
        pass(&platform).await;
        held(&platform).await;
        platform.repo("octo-admin/other", SELF_HOSTED);
        platform.queue("octo-admin/other", &["self-hosted"]);
        platform.wait(20);
        for _ in 0..2 {
            pass(&platform).await;
        }
        assert_eq!(platform.containers(), std::slice::from_ref(&name));
        let waits = platform.handle.snapshot().waits;
        assert!(format!("{waits:?}").contains("Runners(backend:docker, 1)"), "{waits:?}");
        platform.backend.go_on();
        until(|| platform.containers().is_empty()).await;
        platform.pass().await
    };
    let (deleted, report) = tokio::join!(delete, amid);
    assert_eq!(deleted.unwrap(), Deleted::Gone);
    assert_eq!((report.removed, report.launched), (1, 1));
}

#[tokio::test]
async fn what_is_asked_for_is_answered_when_it_is_done_whatever_passes_come_between() {
    let platform = Platform::new().await;
    let body = json!({"scope": "repo", "scope_name": "octo-admin/app", "runner_name": "desk"});
    hold(&platform, Hold::Launch);
    let wanted = mayfly_common::api::CreateRunners::from_json(body.to_string().as_bytes()).unwrap();
    let handle = platform.handle.clone();
    let asked = tokio::spawn(async move { handle.create(wanted).await });
    tokio::task::yield_now().await;
    pass(&platform).await;
    held(&platform).await;
    for _ in 0..3 {
        platform.wait(20);
        pass(&platform).await;
        assert!(!asked.is_finished());
    }
    // Meanwhile it is neither ended nor made again.
    let answers = async |method: Method, path: &str, body: serde_json::Value| {
        let passing = async {
            tokio::task::yield_now().await;
            pass(&platform).await;
        };
        let ((status, problem), ()) = tokio::join!(call(&platform, method, path, body), passing);
        (status.as_u16(), problem["type"].as_str().unwrap_or_default().to_owned())
    };
    let changing = (409, "urn:mayfly:problem:runner-changing".to_owned());
    assert_eq!(answers(Method::DELETE, "/runners/desk?force=true", json!(null)).await, changing);
    let taken = (409, "urn:mayfly:problem:name-taken".to_owned());
    assert_eq!(answers(Method::POST, "/runners", body).await, taken);
    platform.backend.go_on();
    until(|| platform.containers() == ["desk"]).await;
    platform.pass().await;
    let made = asked.await.unwrap().unwrap();
    assert_eq!(made.iter().map(|runner| runner.name.as_str()).collect::<Vec<_>>(), ["desk"]);
}

#[tokio::test]
async fn who_asked_hears_that_it_failed_also_while_the_engine_is_away() {
    let platform = Platform::new().await;
    let body = json!({"scope": "repo", "scope_name": "octo-admin/app", "runner_name": "desk"});
    hold(&platform, Hold::Launch);
    let wanted = mayfly_common::api::CreateRunners::from_json(body.to_string().as_bytes()).unwrap();
    let handle = platform.handle.clone();
    let asked = tokio::spawn(async move { handle.create(wanted).await });
    tokio::task::yield_now().await;
    pass(&platform).await;
    held(&platform).await;
    platform.backend.state().away = true;
    platform.backend.go_on();
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert_eq!(pass(&platform).await.launched, 0);
    }
    assert!(asked.is_finished(), "while no pass sees the engine");
    let error = asked.await.unwrap().unwrap_err();
    assert!(matches!(error, RequestError::Backend(_)), "{error}");
}

#[tokio::test]
async fn what_is_under_way_ends_with_its_process_and_the_next_one_does_it() {
    let (mut platform, _) = with_jobs(&[], 1).await;
    hold(&platform, Hold::Launch);
    pass(&platform).await;
    held(&platform).await;
    let left = platform.registrations();
    platform.restart();
    platform.wait(20);
    platform.pass().await;
    platform.backend.go_on();
    platform.pass().await;
    assert_eq!(platform.containers().len(), 1, "the old process makes nothing any more");
    assert_ne!(platform.containers(), left);
    // What it had registered is swept once it has been offline for long enough.
    platform.connect(&platform.containers()[0]);
    for _ in 0..8 {
        platform.wait(60);
        platform.pass().await;
    }
    assert_eq!(platform.registrations(), platform.containers());
}

#[tokio::test]
async fn a_drain_waits_for_runners_that_are_on_their_way() {
    let (platform, _) = with_jobs(&[], 1).await;
    hold(&platform, Hold::Launch);
    pass(&platform).await;
    held(&platform).await;
    let (status, _) = call(&platform, Method::PUT, "/drain", json!({})).await;
    assert_eq!(status, http::StatusCode::OK);
    pass(&platform).await;
    let (_, drain) = get(&platform, "/drain").await;
    assert_eq!((&drain["left"], &drain["busy"]), (&json!(1), &json!(0)), "{drain}");
    let (status, told) = call(&platform, Method::POST, "/uninstall", json!({})).await;
    assert_eq!(status, http::StatusCode::CONFLICT, "{told}");
    platform.backend.go_on();
    until(|| platform.containers().len() == 1).await;
    for _ in 0..3 {
        platform.wait(400);
        platform.pass().await;
    }
    let (_, drain) = get(&platform, "/drain").await;
    assert_eq!(drain["left"], 0, "{drain}");
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
}

#[tokio::test]
async fn the_registration_of_a_launch_that_nobody_knows_the_end_of_goes_whatever_its_name_is() {
    let platform = Platform::new().await;
    platform.backend.state().unreachable_launches = 1;
    let wanted = json!({"scope": "repo", "scope_name": "octo-admin/app", "runner_name": "desk"});
    assert!(platform.create(&wanted).await.is_err());
    assert_eq!(platform.registrations(), ["desk"]);
    for _ in 0..3 {
        platform.wait(310);
        platform.pass().await;
    }
    assert!(platform.registrations().is_empty());
}

#[tokio::test]
async fn a_machine_whose_start_nobody_knows_the_end_of_takes_room_until_it_is_gone() {
    let (platform, _) = with_jobs(&[("MAX_RUNNERS", "1")], 2).await;
    platform.pass().await;
    let name = platform.containers().remove(0);
    // The start was not answered in time, and may still take effect; GitHub does not let go of the registration.
    platform.backend.turn(&name, &Phase::NeverStarted);
    let route = "/repos/{owner}/{repo}/actions/runners/{runner_id}".to_owned();
    platform.fault(Fault { route, status: 500, times: 2, ..Fault::default() });
    for _ in 0..2 {
        platform.wait(20);
        let report = platform.pass().await;
        assert_eq!((report.launched, report.removed), (0, 0), "{report:?}");
    }
    platform.wait(30);
    assert_eq!(platform.pass().await.removed, 1);
    platform.wait(90);
    assert_eq!(platform.pass().await.launched, 1);
}
