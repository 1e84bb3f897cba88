//! Images whose runners cannot work, whichever way they go: none makes a hot loop, and all are told of.

use std::collections::BTreeSet;

use mayfly_common::runner::RunnerState;

use crate::support::{Platform, scope};

const REPO: &str = "repo:octo-admin/app";
const PRINTED: &str = "2026-01-31 23:59:59Z: Job build completed with result: Succeeded\n";

/// How runners go that never have a job.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// The registration is deleted, and the container goes on.
    RegistrationGone,
    /// The connection ends, and the container goes on.
    ConnectionGone,
    /// The container prints that a job succeeded and ends, and never was online.
    Printed,
    /// The container says that it took a job and ends, and never was online.
    Claimed,
    /// Somebody removes the container.
    Removed,
    /// The container deletes its registration and ends, as GitHub and it do when a job is over.
    Deregistered,
}

const WAYS: [Way; 6] = [
    Way::RegistrationGone,
    Way::ConnectionGone,
    Way::Printed,
    Way::Claimed,
    Way::Removed,
    Way::Deregistered,
];

/// The id of a runner at GitHub, if it is there.
fn id_of(platform: &Platform, name: &str) -> Option<u64> {
    platform.sim.with(|world| {
        let mut runners = world.all_runners();
        runners.find(|runner| runner.name == name).map(|runner| runner.id)
    })
}

/// The runner comes online, unless that is not its way. It asks for no job.
fn begin(platform: &Platform, name: &str, way: Way) {
    if matches!(way, Way::RegistrationGone | Way::ConnectionGone) {
        let id = id_of(platform, name).unwrap();
        platform.sim.with(|world| world.open_session(id, "linux")).unwrap();
    }
}

/// The runner goes.
fn go(platform: &Platform, name: &str, way: Way) {
    match way {
        Way::RegistrationGone => {
            let id = id_of(platform, name).unwrap();
            platform.sim.with(|world| world.delete_runner(&scope(REPO), id)).unwrap();
        }
        Way::ConnectionGone => platform.sim.with(|world| world.disconnect_runner(name)).unwrap(),
        Way::Printed => platform.backend.exit(name, 0, PRINTED),
        Way::Claimed => platform.backend.exit(name, 1, "Running job: build\n"),
        Way::Removed => {
            platform.backend.state().machines.retain(|one, _| one.as_str() != name);
        }
        Way::Deregistered => {
            go(platform, name, Way::RegistrationGone);
            platform.backend.exit(name, 0, "bye\n");
        }
    }
}

/// Two minutes, a pass each second. How many runners were started, and the problems told.
async fn watch(platform: &Platform, way: Way) -> (usize, BTreeSet<String>) {
    let (mut begun, mut gone) = (BTreeSet::new(), BTreeSet::new());
    let (mut started, mut told) = (0, BTreeSet::new());
    for _ in 0..120 {
        for name in platform.containers() {
            if begun.insert(name.clone()) {
                begin(platform, &name, way);
            } else if gone.insert(name.clone()) {
                go(platform, &name, way);
            }
        }
        platform.wait(1);
        let report = platform.pass().await;
        started += report.launched;
        told.extend(report.problems);
    }
    (started, told)
}

#[tokio::test]
async fn a_runner_that_goes_without_its_job_has_the_next_one_wait_whichever_way_it_goes() {
    for way in WAYS {
        let platform = Platform::with(&[("MAX_RUNNERS", "100")]).await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        assert_eq!(platform.pass().await.launched, 1, "{way:?}");
        let (started, told) = watch(&platform, way).await;
        // After 7, 19, 41 and 83 seconds, or a second later each.
        assert_eq!(started, 4, "{way:?} {told:?}");
        let words = "started for it, ended without a sign of a job: ";
        assert!(told.iter().any(|problem| problem.contains(words)), "{way:?} {told:?}");
        let (_, why) = crate::jobs::get(&platform, &format!("/jobs/{job}/explain")).await;
        assert_eq!(why["reasons"][0]["code"], "ended", "{way:?} {why}");
        if matches!(way, Way::Deregistered) {
            let last_words = "its last words: bye";
            assert!(told.iter().any(|problem| problem.contains(last_words)), "{told:?}");
            let reason = "it ended with exit code 0 without a sign of a job, and GitHub does not list it any more; its last words: bye";
            assert_eq!(platform.handle.snapshot().finished[0].reason, reason);
        }
    }
}

#[tokio::test]
async fn a_runner_that_waits_for_a_job_and_goes_has_the_next_one_wait_whichever_way_it_goes() {
    for way in WAYS {
        let platform = Platform::with(&[("MAX_RUNNERS", "100"), ("RUNNER_MIN_IDLE", "1")]).await;
        assert_eq!(platform.pass().await.launched, 1, "{way:?}");
        let (started, told) = watch(&platform, way).await;
        assert_eq!(started, 4, "{way:?} {told:?}");
        let words = "ended one after the other without a sign of a job";
        assert!(told.iter().any(|problem| problem.contains(words)), "{way:?} {told:?}");
    }
}

/// Its container prints a result, and GitHub says that it had the job: what a working image does.
#[tokio::test]
async fn what_a_runner_printed_is_its_job_s_result_by_github_s_word_only() {
    for (told, reason) in [
        (true, "its job's result was Succeeded"),
        (false, "it printed that its job's result was Succeeded"),
    ] {
        let platform = Platform::new().await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        platform.pass().await;
        let name = platform.containers()[0].clone();
        if told {
            platform.connect(&name);
            platform.pass().await;
            assert_eq!(platform.runners()[0].state, RunnerState::Busy);
            platform.finish(&name, job);
        }
        platform.backend.exit(&name, 0, PRINTED);
        platform.pass().await;
        let snapshot = platform.handle.snapshot();
        assert_eq!(snapshot.finished[0].reason, reason);
        assert_eq!(snapshot.finished[0].state, RunnerState::Finished);
    }
}

/// Quick jobs in a pool that keeps a runner waiting: GitHub's lists tell of each a little later.
#[tokio::test]
async fn a_job_that_was_too_quick_to_see_holds_no_waiting_runner_back_once_github_tells_of_it() {
    let platform = Platform::with(&[("RUNNER_MIN_IDLE", "1")]).await;
    platform.pass().await;
    let mut waits = Vec::new();
    for _ in 0..3 {
        let name = platform.containers()[0].clone();
        platform.sim.with(|world| world.connect_runner(&scope(REPO), &name)).unwrap();
        platform.wait(1);
        platform.pass().await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        platform.finish(&name, job);
        let mut waited = 0;
        while platform.containers().is_empty() || platform.containers()[0] == name {
            platform.wait(1);
            waited += 1;
            platform.pass().await;
        }
        waits.push(waited);
        platform.wait(60);
        platform.pass().await;
    }
    assert_eq!(waits, [6, 6, 6], "no wait grows");
}
