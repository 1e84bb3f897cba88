//! A GitHub App: two installations, tokens that end during a run, suspension, a clock that differs.

use github_sim::world::access::Selection;
use github_sim::world::keys::PublicKey;
use github_sim::world::model::Status;
use jiff::SignedDuration;
use mayfly_common::webhook::{Content, Delivery};

use crate::support::{Platform, SELF_HOSTED};

const KEY_FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/github/tests/data/test-only-app-key.pkcs1.pem");
const PUBLIC_KEY: &str =
    include_str!("../../../crates/github/tests/data/test-only-app-key.public.pem");
const TOKENS: &str = "/app/installations/{installation_id}/access_tokens";

const APP: [(&str, &str); 3] = [
    ("GITHUB_RUNNER_TOKEN", ""),
    ("GITHUB_APP_ID", "Iv1.0000000000000001"),
    ("GITHUB_APP_PRIVATE_KEY_FILE", KEY_FILE),
];

/// The App is installed on `octo-admin` and on `octo-org`; each has a repository with jobs for us.
async fn platform(skew: i64) -> Platform {
    let platform = Platform::with_clock(&APP, SignedDuration::from_secs(skew)).await;
    platform.sim.with(|world| {
        world.app.key = Some(PublicKey::from_pem(PUBLIC_KEY).unwrap());
        assert_eq!(world.installations().len(), 2);
    });
    platform.repo("octo-org/tool", SELF_HOSTED);
    platform
}

fn installation(platform: &Platform, account: &str) -> u64 {
    platform.sim.with(|world| {
        let login = mayfly_common::scope::Login::parse(account).unwrap();
        world.installation_of(&login).unwrap().id
    })
}

/// What `GET /health` says.
async fn health(platform: &Platform) -> serde_json::Value {
    use tower::ServiceExt as _;
    let request = http::Request::get("/health").body(axum::body::Body::empty()).unwrap();
    let response = platform.router().oneshot(request).await.unwrap();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Queues a job in both repositories and has both done.
async fn both_are_served(platform: &Platform) {
    let jobs = [
        platform.queue("octo-admin/app", &["self-hosted"]),
        platform.queue("octo-org/tool", &["self-hosted"]),
    ];
    platform.wait(10);
    let report = platform.pass().await;
    assert_eq!(report.launched, 2, "{report:?}");
    for name in platform.containers() {
        let job = platform.connect(&name).unwrap();
        platform.finish(&name, job);
    }
    platform.pass().await;
    assert!(jobs.iter().all(|&job| platform.job_status(job) == Status::Completed));
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
}

#[tokio::test]
async fn every_installation_is_served_with_one_token_an_hour() {
    let platform = platform(0).await;
    both_are_served(&platform).await;
    both_are_served(&platform).await;
    assert_eq!(platform.sim.counters().of("POST", TOKENS), 2);
    let github = platform.handle.snapshot().github;
    let accounts: Vec<String> = github.limits.into_iter().map(|limit| limit.account).collect();
    let of =
        |id: u64| accounts.iter().filter(|name| **name == format!("installation {id}")).count();
    for account in ["octo-admin", "octo-org"] {
        assert_eq!(of(installation(&platform, account)), 2, "core and graphql: {accounts:?}");
    }
}

#[tokio::test]
async fn an_installation_that_is_new_is_found_where_it_is_needed() {
    let platform = platform(0).await;
    both_are_served(&platform).await;
    platform.sim.with(|world| world.add_org("octo-new")).unwrap();
    // The list of installations was read a minute ago, and is good for ten.
    platform.wait(60);
    let asked = serde_json::json!({"scope": "org", "scope_name": "octo-new"});
    let made = platform.create(&asked).await;
    assert_eq!(made.expect("a runner").len(), 1);
}

#[tokio::test]
async fn tokens_that_end_during_a_run_are_renewed() {
    let platform = platform(0).await;
    both_are_served(&platform).await;
    platform.wait(3_601);
    both_are_served(&platform).await;
    assert_eq!(platform.sim.counters().of("POST", TOKENS), 4);
    // One that ends before its time: GitHub answers 401, and the request is repeated with a new one.
    platform.sim.with(|world| world.app.token_lifetime = SignedDuration::from_secs(400));
    platform.wait(3_601);
    both_are_served(&platform).await;
    platform.wait(200);
    both_are_served(&platform).await;
}

#[tokio::test]
async fn a_suspended_installation_is_told_and_the_other_goes_on() {
    let platform = platform(0).await;
    both_are_served(&platform).await;
    let id = installation(&platform, "octo-org");
    platform.sim.with(|world| world.suspend_installation(id)).unwrap();
    let stuck = platform.queue("octo-org/tool", &["self-hosted"]);
    let served = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(10);
    let report = platform.pass().await;
    assert_eq!(report.launched, 1, "{report:?}");
    assert_eq!(report.github_error, None, "GitHub as a whole is well");
    let seen = health(&platform).await;
    let said = seen["dependencies"]["github octo-org"].as_str().unwrap_or_default();
    assert!(said.contains(&format!("installation {id} is suspended")), "{seen}");
    assert_eq!(
        (&seen["dependencies"]["github"], &seen["status"]),
        (&"reachable".into(), &"degraded".into())
    );
    let accounts = seen["dependencies"].as_object().unwrap().keys();
    assert_eq!(accounts.filter(|name| name.starts_with("github ")).count(), 1, "{seen}");
    let name = platform.containers()[0].clone();
    let job = platform.connect(&name).unwrap();
    assert_eq!(job, served);
    platform.finish(&name, job);
    platform.pass().await;

    // So it is between two checks, and for as long as it is so; and nothing is asked more often for it.
    for _ in 0..12 {
        platform.wait(400);
        platform.pass().await;
        let now = health(&platform).await;
        assert!(now["dependencies"].get("github octo-org").is_some(), "{now}");
        platform.wait(1);
        platform.pass().await;
        let now = health(&platform).await;
        assert!(now["dependencies"].get("github octo-org").is_some(), "{now}");
    }
    // While none is suspended, the list of installations is read every ten minutes; now, every minute.
    platform.sim.with(|world| world.unsuspend_installation(id)).unwrap();
    platform.wait(60);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), Some(stuck), "and served when it may act again");
    assert_eq!(health(&platform).await["status"], "healthy");
}

#[tokio::test]
async fn a_new_installation_is_served_at_once_where_a_webhook_tells_of_it_and_else_within_ten_minutes()
 {
    for told in [true, false] {
        let platform = platform(0).await;
        let id = installation(&platform, "octo-org");
        platform.sim.with(|world| world.delete_installation(id)).unwrap();
        platform.pass().await;
        platform.sim.with(|world| world.install_app("octo-org", Selection::All, None)).unwrap();
        platform.queue("octo-org/tool", &["self-hosted"]);
        if told {
            let (id, event) = ("d".to_owned(), "installation".to_owned());
            let delivery = Delivery { id, event, hook: None, content: Content::Repositories };
            platform.handle.deliver(delivery).await;
        } else {
            platform.wait(590);
            assert_eq!(platform.pass().await.launched, 0);
            platform.wait(10);
        }
        assert_eq!(platform.pass().await.launched, 1, "told: {told}");
    }
}

#[tokio::test]
async fn a_clock_that_is_ten_minutes_off_is_no_obstacle() {
    for skew in [-600, -90, 90, 600] {
        let platform = platform(skew).await;
        both_are_served(&platform).await;
        let told = platform.handle.snapshot().github.clock_skew_seconds;
        assert_eq!(told, -skew, "GitHub's clock minus ours");
        platform.wait(3_601);
        both_are_served(&platform).await;
    }
}

#[tokio::test]
async fn a_key_that_is_not_the_apps_is_told() {
    let platform = platform(0).await;
    platform.sim.with(|world| world.app.client_id = "Iv1.another".to_owned());
    platform.queue("octo-org/tool", &["self-hosted"]);
    let report = platform.pass().await;
    assert_eq!(report.launched, 0);
    assert!(report.github_error.is_some(), "{report:?}");
}

#[tokio::test]
async fn an_installation_that_cannot_be_read_any_more_is_served_as_before() {
    use github_sim::Fault;

    let platform = platform(0).await;
    both_are_served(&platform).await;
    let other = installation(&platform, "octo-admin");
    let good = serde_json::json!({"id": other, "account": {"login": "octo-admin", "type": "User"}});
    let body = Some(serde_json::json!([good, {"id": "?"}]).to_string());
    let route = "/app/installations".to_owned();
    platform.fault(Fault { route, status: 200, times: 1_000, body, ..Fault::default() });
    for _ in 0..5 {
        platform.wait(3_601);
        both_are_served(&platform).await;
    }
    let report = platform.pass().await;
    let named = "/app/installations: an entry cannot be read";
    assert!(report.problems.iter().any(|line| line.contains(named)), "{report:?}");
}
