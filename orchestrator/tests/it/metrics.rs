//! What is measured, and that docs/metrics.md says so.

use orchestrator::storage;

use crate::metrics_table::{documented, exposed};
use crate::support::{Platform, scope};

const FAILED_JOB: &str = "Listening for Jobs\n";

/// The value of a sample.
fn value<'a>(text: &'a str, sample: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))
}

#[tokio::test]
async fn the_page_lists_every_metric() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.wait(4);
    platform.connect(&name);
    platform.pass().await;
    platform.finish(&name, job);
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(10);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.backend.exit(&name, 0, FAILED_JOB);
    platform.pass().await;
    storage::look(&*platform.backend, None, &platform.metrics).await.unwrap();
    let exposed = exposed(&platform.metrics.render());
    assert_eq!(exposed, documented("mayfly_", &["mayfly_gateway_"]));
}

#[tokio::test]
async fn failures_and_orphans_are_counted_by_kind() {
    let mut platform = Platform::with(&[("RUNNER_REGISTRATION_TIMEOUT", "120")]).await;
    let text = platform.metrics.render();
    for kind in ["docker", "github", "image", "action"] {
        let sample = format!("mayfly_pass_errors_total{{kind=\"{kind}\"}}");
        assert_eq!(value(&text, &sample), Some("0"), "{text}");
    }
    platform.sim.with(|world| {
        let place = scope("repo:octo-admin/app");
        world.add_offline_runner(&place, "mayfly-fake-0123456789ab", &["self-hosted"]).unwrap();
    });
    platform.restart();
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    // One ends before its job.
    let name = platform.containers()[0].clone();
    platform.backend.exit(&name, 0, FAILED_JOB);
    platform.pass().await;
    // One never comes online.
    let late = "mayfly_runner_failures_total{pool=\"default\",reason=\"registration_timeout\"}";
    for _ in 0..20 {
        if value(&platform.metrics.render(), late).is_some() && !platform.containers().is_empty() {
            break;
        }
        platform.wait(20);
        platform.pass().await;
    }
    // One hangs after its job, when its registration is gone.
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.pass().await;
    platform
        .sim
        .with(|world| world.finish_job(job, github_sim::world::model::Conclusion::Success))
        .unwrap();
    platform.pass().await;
    platform.wait(60);
    platform.pass().await;
    platform.backend.state().away = true;
    platform.pass().await;
    let text = platform.metrics.render();
    for (sample, expected) in [
        ("mayfly_runner_failures_total{pool=\"default\",reason=\"ended_before_job\"}", "1"),
        (late, "1"),
        ("mayfly_runner_failures_total{pool=\"default\",reason=\"registration_gone\"}", "1"),
        ("mayfly_orphans_removed_total{kind=\"registration\"}", "1"),
        ("mayfly_orphans_removed_total{kind=\"container\"}", "1"),
        ("mayfly_pass_errors_total{kind=\"docker\"}", "1"),
        ("mayfly_pass_errors_total{kind=\"github\"}", "0"),
    ] {
        assert_eq!(value(&text, sample), Some(expected), "{sample} in\n{text}");
    }
}

#[tokio::test]
async fn what_is_stored_is_shown_and_what_is_not_known_is_not() {
    let platform = Platform::new().await;
    let sample = |kind: &str| {
        let text = platform.metrics.render();
        let sample = format!("mayfly_storage_bytes{{kind=\"{kind}\"}}");
        value(&text, &sample).map(str::to_owned)
    };
    let path = std::env::temp_dir().join(format!("mayfly-storage-{}.db", std::process::id()));
    std::fs::write(&path, [0; 4096]).unwrap();
    let seen = storage::look(&*platform.backend, Some(&path), &platform.metrics).await;
    std::fs::remove_file(&path).unwrap();
    seen.unwrap();
    let all = ["containers", "images", "volumes", "database"].map(&sample);
    assert_eq!(all, ["1000", "2000", "3000", "4096"].map(|text| Some(text.to_owned())));
    platform.backend.state().away = true;
    let why = storage::look(&*platform.backend, None, &platform.metrics).await.unwrap_err();
    assert!(why.contains("no engine"), "{why}");
    assert_eq!(["containers", "images", "volumes", "database"].map(&sample), [const { None }; 4]);
}
