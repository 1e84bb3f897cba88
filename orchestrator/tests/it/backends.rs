//! Several backends: each has its own limits, and one that does not answer blinds for its own machines only.

use http::{Method, StatusCode};
use mayfly_common::runner::RunnerState;
use serde_json::json;

use crate::jobs::{call, get};
use crate::support::{Platform, SELF_HOSTED};

const APP: &str = "octo-admin/app";

/// A platform with a backend `second` for so many runners, and a pool there for jobs with the label `second`.
async fn with_pool(variables: &[(&str, &str)], runners: usize) -> Platform {
    let platform = Platform::with_second(variables, runners).await;
    let pool = json!({"name": "far", "backend": "second", "labels": ["self-hosted", "second"]});
    let (status, told) = call(&platform, Method::POST, "/pools", pool).await;
    assert_eq!(status, StatusCode::CREATED, "{told}");
    platform
}

fn queue_far(platform: &Platform) -> u64 {
    platform.queue(APP, &["self-hosted", "second"])
}

fn queue_near(platform: &Platform) -> u64 {
    platform.queue(APP, &["self-hosted", "linux"])
}

/// The runners with their backends and states.
fn shown(platform: &Platform) -> Vec<(String, String, RunnerState)> {
    let all = platform.runners().into_iter();
    all.map(|one| (one.name, one.backend, one.state)).collect()
}

#[tokio::test]
async fn machines_are_made_where_their_pool_says_and_each_backend_has_its_own_limit() {
    let platform = with_pool(&[("MAX_RUNNERS", "1")], 2).await;
    for _ in 0..3 {
        queue_far(&platform);
        queue_near(&platform);
    }
    platform.pass().await;
    assert_eq!((platform.containers().len(), platform.machines_of_second().len()), (1, 2));
    let near = platform.containers().remove(0);
    let (status, log) = get(&platform, &format!("/runners/{near}/logs")).await;
    assert_eq!(status, StatusCode::OK, "{log}");
    for (name, backend, _) in shown(&platform) {
        assert_eq!(backend, if name == near { "docker" } else { "second" });
    }
    let waits = format!("{:?}", platform.handle.snapshot().waits);
    assert!(waits.contains("Runners(backend:docker, 1)"), "{waits}");
    assert!(waits.contains("Runners(backend:second, 2)"), "{waits}");
    // What ends on one makes room there only.
    let job = platform.connect(&near).unwrap();
    platform.finish(&near, job);
    platform.wait(20);
    platform.pass().await;
    platform.wait(20);
    platform.pass().await;
    assert_eq!((platform.containers().len(), platform.machines_of_second().len()), (1, 2));
    assert!(!platform.containers().contains(&near));
}

#[tokio::test]
async fn a_pool_names_a_backend_that_is_configured() {
    let platform = with_pool(&[], 2).await;
    for (backend, wrong) in
        [("third", "names no configured backend (docker, second)"), ("Docker", "must be 1 to 32")]
    {
        let pool = json!({"name": "other", "backend": backend});
        let (status, told) = call(&platform, Method::POST, "/pools", pool).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{told}");
        assert_eq!(told["errors"][0]["pointer"], "/backend");
        let detail = told["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.starts_with(wrong), "{detail}");
    }
    let (_, far) = get(&platform, "/pools/far").await;
    assert_eq!(far["spec"]["backend"], "second");
    let (_, default) = get(&platform, "/pools/default").await;
    assert_eq!(default["spec"]["backend"], serde_json::Value::Null, "as before there were others");
}

#[tokio::test]
async fn a_backend_that_does_not_answer_keeps_what_it_has_and_the_others_go_on() {
    let platform = with_pool(&[], 3).await;
    queue_far(&platform);
    platform.pass().await;
    let far = platform.machines_of_second().remove(0);
    let job = platform.connect(&far).unwrap();
    platform.second.state().away = true;
    let near = queue_near(&platform);
    let waits = queue_far(&platform);
    platform.wait(20);
    let report = platform.pass().await;
    assert_eq!((report.launched, platform.containers().len()), (1, 1), "{report:?}");
    let told = "backend second does not answer: The fake cannot be reached: no engine. Its runners are left as they are";
    assert_eq!(report.problems, [told]);
    let (_, explained) = get(&platform, &format!("/jobs/{waits}/explain")).await;
    assert_eq!(explained["reasons"][0]["code"], "second", "{explained}");
    assert!(explained["summary"].as_str().unwrap().contains("backend second does not answer"));
    // Its runner is there for all that is known, and takes its room.
    let (_, backend, state) = shown(&platform).into_iter().find(|one| one.0 == far).unwrap();
    assert_eq!((backend.as_str(), state), ("second", RunnerState::Busy));
    // What ends elsewhere is removed; on the silent one, nothing is, however long it lasts.
    let name = platform.containers().remove(0);
    assert_eq!(platform.connect(&name), Some(near));
    platform.finish(&name, near);
    platform.sim.with(|world| {
        world.finish_job(job, github_sim::world::model::Conclusion::Success).unwrap();
    });
    platform.second.exit(&far, 0, crate::support::DONE);
    for _ in 0..4 {
        platform.wait(400);
        let report = platform.pass().await;
        assert_eq!(report.problems, [told]);
    }
    assert!(platform.containers().is_empty());
    assert_eq!(platform.machines_of_second(), [far.as_str()]);
    // It answers again: what it has is taken up, and what waited is done.
    platform.second.state().away = false;
    platform.wait(20);
    let report = platform.pass().await;
    assert_eq!(report.problems, Vec::<String>::new());
    platform.wait(20);
    platform.pass().await;
    let now = platform.machines_of_second();
    assert!(now.len() == 1 && now != [far], "{now:?}");
}

#[tokio::test]
async fn whatever_started_where_nobody_looked_is_neither_deleted_nor_called_another_s() {
    let mut platform = with_pool(&[], 3).await;
    queue_far(&platform);
    platform.pass().await;
    let far = platform.machines_of_second().remove(0);
    let registered = platform.registrations();
    platform.second.state().away = true;
    platform.restart();
    for _ in 0..4 {
        platform.wait(400);
        let report = platform.pass().await;
        assert_eq!(report.problems.len(), 1, "{report:?}");
        assert_eq!((report.deregistered, report.removed), (0, 0), "{report:?}");
    }
    assert_eq!(platform.registrations(), registered);
    platform.connect(&far).unwrap();
    platform.wait(20);
    platform.pass().await;
    platform.second.state().away = false;
    platform.wait(20);
    let report = platform.pass().await;
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(shown(&platform), [(far, "second".to_owned(), RunnerState::Busy)]);
}

#[tokio::test]
async fn an_empty_list_is_no_proof_that_machines_are_gone() {
    let platform = Platform::new().await;
    queue_near(&platform);
    platform.pass().await;
    let name = platform.containers().remove(0);
    platform.connect(&name).unwrap();
    platform.backend.state().lists_nothing = true;
    for _ in 0..3 {
        platform.wait(400);
        let report = platform.pass().await;
        let told = format!("The fake cannot be reached: it lists no machine, and {name} is there");
        assert_eq!(report.problems, [told]);
    }
    platform.backend.state().lists_nothing = false;
    platform.wait(20);
    let report = platform.pass().await;
    assert_eq!((report.problems.len(), report.removed), (0, 0));
    assert_eq!(shown(&platform), [(name, "docker".to_owned(), RunnerState::Busy)]);
    // Where it is true, it is believed.
    platform.backend.state().machines.clear();
    platform.wait(20);
    let report = platform.pass().await;
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(shown(&platform).is_empty());
}

#[tokio::test]
async fn the_other_backend_goes_on_while_docker_is_away() {
    let platform = with_pool(&[], 3).await;
    platform.pass().await;
    platform.backend.state().away = true;
    queue_far(&platform);
    queue_near(&platform);
    platform.repo("octo-admin/more", SELF_HOSTED);
    platform.wait(20);
    let report = platform.pass().await;
    assert_eq!((report.launched, platform.machines_of_second().len()), (1, 1), "{report:?}");
    let told = platform.create(&json!({"scope": "repo", "scope_name": APP})).await.unwrap_err();
    assert!(format!("{told:?}").contains("Unreachable(backend:docker"), "{told:?}");
}
