//! Runners of an enterprise: made through the API, counted on by no job, and kept while they have one.

use github_sim::world::access::{Grant, Level, Selection, permissions};
use github_sim::world::keys::PublicKey;
use github_sim::world::model::Status;
use github_sim::world::tokens::UserToken;
use serde_json::json;

use crate::support::{Platform, SELF_HOSTED, TOKEN};

const KEY_FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/github/tests/data/test-only-app-key.pkcs1.pem");
const PUBLIC_KEY: &str =
    include_str!("../../../crates/github/tests/data/test-only-app-key.public.pem");

async fn platform(variables: &[(&str, &str)]) -> Platform {
    let platform = Platform::with(variables).await;
    platform.sim.with(|world| world.add_enterprise("octo-corp", &["octo-org"])).unwrap();
    platform.repo("octo-org/tool", SELF_HOSTED);
    platform
}

#[tokio::test]
async fn a_runner_of_an_enterprise_serves_its_organisations_and_is_gone() {
    let platform = platform(&[("AUTO_CREATE_RUNNERS", "false")]).await;
    let group =
        platform.sim.with(|world| world.add_enterprise_runner_group("octo-corp", "GPU")).unwrap();
    let body = json!({"scope": "enterprise", "scope_name": "Octo-Corp", "runner_group": "gpu", "count": 2});
    let made = platform.create(&body).await.unwrap();
    assert_eq!(made.len(), 2);
    let groups: Vec<u64> =
        platform.sim.with(|world| world.all_runners().map(|runner| runner.group_id).collect());
    assert_eq!(groups, [group, group]);
    platform.pass().await;
    let shown = platform.runners();
    assert!(shown.iter().all(|runner| runner.scope_name == "Octo-Corp"), "{shown:?}");

    // A job of a member is taken, one of somebody else is not.
    let job = platform.queue("octo-org/tool", &["self-hosted"]);
    let other = platform.queue("octo-admin/app", &["self-hosted"]);
    let names = platform.containers();
    assert_eq!(platform.connect(&names[0]), Some(job));
    assert_eq!(platform.connect(&names[1]), None);

    // Neither the one with a job nor the idle one that was asked for is ended, however long it takes.
    for _ in 0..3 {
        platform.wait(120);
        platform.pass().await;
    }
    assert_eq!(platform.containers(), names);
    platform.finish(&names[0], job);
    platform.pass().await;
    assert_eq!(platform.job_status(job), Status::Completed);
    assert_eq!(platform.job_status(other), Status::Queued);
    platform.delete(&names[1], false).await.unwrap();
    platform.pass().await;
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
}

#[tokio::test]
async fn no_waiting_job_counts_on_an_idle_runner_of_an_enterprise() {
    let platform = platform(&[]).await;
    let body = json!({"scope": "enterprise", "scope_name": "octo-corp"});
    let made = platform.create(&body).await.unwrap();
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.connect(&made[0].name);
    platform.wait(10);
    let report = platform.pass().await;
    assert_eq!(report.launched, 1, "{report:?}");
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_leaves_nothing() {
    let platform = platform(&[]).await;
    for body in [
        json!({"scope": "enterprise", "scope_name": "nobody"}),
        json!({"scope": "enterprise", "scope_name": "octo-corp", "runner_group": "none"}),
    ] {
        assert!(platform.create(&body).await.is_err(), "{body}");
    }
    let grant = Grant::FineGrained {
        owner: "octo-admin".parse().unwrap(),
        repositories: Selection::All,
        permissions: permissions(&[("administration", Level::Write)]),
    };
    platform
        .sim
        .with(|world| world.tokens.add_as(TOKEN, UserToken { grant, ..UserToken::default() }));
    let body = json!({"scope": "enterprise", "scope_name": "octo-corp"});
    assert!(platform.create(&body).await.is_err());
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
}

#[tokio::test]
async fn an_app_is_told_that_it_cannot_and_nothing_is_asked() {
    let app = [
        ("GITHUB_RUNNER_TOKEN", ""),
        ("GITHUB_APP_ID", "Iv1.0000000000000001"),
        ("GITHUB_APP_PRIVATE_KEY_FILE", KEY_FILE),
    ];
    let platform = platform(&app).await;
    platform.sim.with(|world| world.app.key = Some(PublicKey::from_pem(PUBLIC_KEY).unwrap()));
    let body = json!({"scope": "enterprise", "scope_name": "octo-corp", "runner_group": "gpu"});
    let error = platform.create(&body).await.unwrap_err();
    assert!(format!("{error:?}").contains("a GitHub App cannot manage"), "{error:?}");
    let asked = platform.sim.counters().routes.into_iter();
    assert_eq!(asked.filter(|found| found.route.starts_with("/enterprises")).count(), 0);
    assert!(platform.containers().is_empty());
}
