//! Runners with a Docker engine of their own, from the queued job to the end, on a backend in memory.

use mayfly_common::machine::Phase;
use mayfly_common::runner::RunnerState;
use serde_json::json;

use crate::support::Platform;

const DIND: [(&str, &str); 1] = [("RUNNER_DOCKER", "dind")];

/// A platform with one such runner, whose engine starts.
async fn with_runner(variables: &[(&str, &str)]) -> (Platform, String, u64) {
    let platform = Platform::with(&[&DIND, variables].concat()).await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    assert_eq!(platform.pass().await.launched, 1);
    let name = platform.containers()[0].clone();
    (platform, name, job)
}

fn shown(platform: &Platform) -> (RunnerState, String) {
    let runner = platform.runners().remove(0);
    (runner.state, runner.reason.unwrap_or_default())
}

fn phase(platform: &Platform) -> Phase {
    platform.backend.state().machines.values().next().unwrap().phase.clone()
}

#[tokio::test]
async fn a_runner_waits_for_its_engine_also_through_a_restart() {
    let (mut platform, name, job) = with_runner(&[]).await;
    let starts = (RunnerState::Starting, "it is being prepared".to_owned());
    for _ in 0..3 {
        assert_eq!((shown(&platform), phase(&platform)), (starts.clone(), Phase::Preparing));
        platform.wait(10);
        assert_eq!(platform.pass().await.launched, 0, "one job, one runner");
        platform.restart();
        platform.pass().await;
    }
    platform.backend.turn(&name, &Phase::Ready);
    platform.pass().await;
    assert_eq!(phase(&platform), Phase::Running { working: Some(false) });
    assert_eq!(shown(&platform).0, RunnerState::Starting);
    platform.connect(&name);
    platform.wait(5);
    platform.pass().await;
    assert_eq!(shown(&platform).0, RunnerState::Busy);
    // A job is never ended for its engine's sake.
    platform.backend.spoil(&name, "it ended");
    platform.wait(60);
    assert_eq!(platform.pass().await.removed, 0);
    platform.finish(&name, job);
    platform.pass().await;
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
}

#[tokio::test]
async fn an_engine_that_fails_or_takes_too_long_ends_the_runner_and_says_why() {
    let failed = "its engine ended with exit code 1: no space left";
    let rows = [
        (Phase::Broken(failed.to_owned()), 1, failed),
        (Phase::Preparing, 300, "it was not ready within 300 s"),
    ];
    for (phase, seconds, why) in rows {
        let (platform, name, _) = with_runner(&[]).await;
        platform.backend.turn(&name, &phase);
        platform.wait(seconds);
        platform.pass().await;
        let gone = platform.handle.snapshot().finished.remove(0);
        let words = why.to_owned();
        assert_eq!(
            (gone.name, gone.state, gone.reason),
            (name.clone(), RunnerState::Failed, words)
        );
        assert!(
            !platform.containers().contains(&name) && !platform.registrations().contains(&name)
        );
    }
}

#[tokio::test]
async fn a_runner_that_cannot_be_started_leaves_nothing_and_is_not_tried_again_at_once() {
    let (platform, name, _) = with_runner(&[]).await;
    platform.backend.turn(&name, &Phase::Ready);
    platform.backend.state().failing_starts = 1;
    let report = platform.pass().await;
    assert!(report.problems[0].contains("runner not started"), "{report:?}");
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
    assert_eq!(platform.pass().await.launched, 0, "held back");
    platform.wait(5);
    assert_eq!(platform.pass().await.launched, 1);
}

#[tokio::test]
async fn a_start_that_does_not_reach_the_engine_keeps_the_registration_and_is_tried_again() {
    let (platform, name, job) = with_runner(&[]).await;
    platform.backend.turn(&name, &Phase::Ready);
    platform.backend.state().unreachable_starts = 1;
    platform.pass().await;
    assert_eq!((phase(&platform), platform.registrations()), (Phase::Ready, vec![name.clone()]));
    platform.pass().await;
    assert_eq!(phase(&platform), Phase::Running { working: Some(false) });
    assert_eq!(platform.connect(&name), Some(job), "with the registration it was made with");
}

#[tokio::test]
async fn the_engine_s_image_is_pulled_like_the_runner_s() {
    let platform = Platform::with(&DIND).await;
    platform.backend.state().missing.insert("docker:27-dind".to_owned());
    platform.queue("octo-admin/app", &["self-hosted"]);
    assert_eq!(platform.pass().await.launched, 0);
    let launched = async {
        while platform.pass().await.launched == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::PATIENT, launched).await.unwrap();
    assert_eq!(platform.backend.state().pulls, 1);

    let never = [("RUNNER_DOCKER", "dind"), ("RUNNER_PULL_POLICY", "never")];
    let platform = Platform::with(&never).await;
    platform.backend.state().missing.insert("docker:27-dind".to_owned());
    platform.queue("octo-admin/app", &["self-hosted"]);
    let report = platform.pass().await;
    assert!(
        report.problems.iter().any(|why| why.contains("image docker:27-dind is not on the host")),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_runner_with_an_engine_counts_twice() {
    let room = [("RUNNER_MEMORY", "2g"), ("MAX_RUNNERS_MEMORY", "6g")];
    for (mode, fit) in [("dind", 1), ("none", 3)] {
        let platform = Platform::with(&[&room, &[("RUNNER_DOCKER", mode)][..]].concat()).await;
        for _ in 0..4 {
            platform.queue("octo-admin/app", &["self-hosted"]);
        }
        assert_eq!(platform.pass().await.launched, fit, "{mode}");
        platform.wait(10);
        assert_eq!(platform.pass().await.launched, 0, "{mode}: while its engine starts, too");
    }
}

#[tokio::test]
async fn only_the_pool_s_own_word_gives_its_runners_an_engine() {
    use mayfly_common::pool::PoolSpec;
    use mayfly_settings::pool::Pool;
    let platform = Platform::with(&DIND).await;
    let of = |spec: serde_json::Value| {
        Pool::of(PoolSpec::from_json(&spec, "").unwrap(), &platform.config).unwrap().material
    };
    let plain = of(json!({"name": "ci"}));
    let with = of(json!({"name": "ci", "docker": "dind"}));
    assert_eq!(plain.profile.engine, None, "the environment speaks for its own pool only");
    assert_eq!(with.profile.engine.unwrap().image, "docker:27-dind");
    assert_ne!(plain.fingerprint, with.fingerprint, "waiting runners are replaced");
}

#[tokio::test]
async fn pools_of_the_api_have_engines_only_where_the_machine_s_owner_says_so() {
    use mayfly_common::pool::PoolSpec;
    use mayfly_settings::pool::Pool;
    let of = |variables: &[(&str, &str)]| {
        let config = crate::support::config("http://127.0.0.1:1", variables);
        let spec = PoolSpec::from_json(&json!({"name": "ci", "docker": "dind"}), "").unwrap();
        Pool::of(spec, &config).map(drop)
    };
    let refused = of(&[]).unwrap_err();
    assert_eq!(refused[0].pointer, "/docker");
    assert!(refused[0].detail.contains("DIND_ENABLED=true"), "{refused:?}");
    of(&[("DIND_ENABLED", "true")]).unwrap();
    of(&DIND).unwrap();
}
