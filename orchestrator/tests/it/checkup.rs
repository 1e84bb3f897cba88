//! The check of the credential, as the service makes it. `mayfly doctor github` has its own tests.

use std::sync::Arc;
use std::time::Duration;

use github_sim::world::access::Grant;
use github_sim::world::tokens::{Allowance, Resource, UserToken};
use github_sim::{Checked, Fault, FaultKind, Sim, SimConfig};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::clock::{Clock, SystemClock};
use mayfly_github::checkup::{Finding, Level};
use mayfly_github::{GitHubClient, GitHubSettings};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{PATIENT, TOKEN, config};

/// A clock that is this far ahead.
struct Ahead(SignedDuration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.0
    }
}

async fn found(sim: &Sim, ahead: i64) -> Vec<Finding> {
    found_within(sim, ahead, PATIENT).await
}

async fn found_within(sim: &Sim, ahead: i64, timeout: Duration) -> Vec<Finding> {
    let config = config(&sim.url(), &[]).github;
    let clock = Arc::new(Ahead(SignedDuration::from_secs(ahead)));
    let settings = GitHubSettings { retries: 0, timeout, ..config.client() };
    let client = GitHubClient::new(settings, clock).unwrap();
    client.checkup(&config.wanted()).await
}

async fn github() -> Checked {
    let sim = Checked::start(SimConfig::default()).await.unwrap();
    let grant = Grant::Classic(["repo".to_owned()].into());
    sim.with(|world| {
        world.add_user("octo-admin").unwrap();
        world.tokens.add_as(TOKEN, UserToken { grant, ..UserToken::default() });
    });
    sim
}

#[tokio::test]
async fn a_clock_that_differs_is_a_warning() {
    let sim = github().await;
    for (ahead, words) in [(100, "ahead of GitHub's"), (-100, "behind GitHub's")] {
        let found = found(&sim, ahead).await;
        let clock: Vec<_> = found.iter().filter(|one| one.what.contains("clock")).collect();
        assert_eq!((clock.len(), clock[0].level), (1, Level::Warning), "{found:?}");
        assert!(clock[0].what.contains(words), "{clock:?}");
    }
    let found = found(&sim, 10).await;
    assert!(found.iter().all(|one| one.level == Level::Ok), "{found:?}");
}

#[tokio::test]
async fn a_classic_token_costs_one_request_and_a_server_tells_its_version() {
    let sim = github().await;
    let plain = found(&sim, 0).await;
    assert!(plain.iter().all(|one| !one.what.contains("Enterprise Server")), "{plain:?}");
    let asked: u64 = sim.counters().routes.iter().map(|route| route.count).sum();
    assert_eq!(asked, 1);

    let headers = [("x-github-enterprise-version", "3.17.2"), ("x-oauth-scopes", "repo")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let body = Some(r#"{"login": "octo-admin"}"#.to_owned());
    sim.add_fault(Fault { status: 200, headers, body, ..Fault::default() });
    let found = found(&sim, 0).await;
    let told = found.iter().any(|one| one.what == "it is GitHub Enterprise Server 3.17.2");
    assert!(told, "{found:?}");
}

#[tokio::test]
async fn whatever_is_answered_becomes_a_finding() {
    let status = |status| Fault { status, ..Fault::default() };
    let limit = [("retry-after".to_owned(), "60".to_owned())].into();
    let rows = [
        (Fault { times: 2, ..status(401) }, Level::Failure, "401"),
        (status(404), Level::Failure, "404"),
        (status(503), Level::Failure, "503"),
        (Fault { kind: FaultKind::Html, ..status(200) }, Level::Failure, "it is HTML"),
        (Fault { kind: FaultKind::Truncated, ..status(200) }, Level::Failure, "cannot be read"),
        (Fault { headers: limit, ..status(403) }, Level::Warning, "rate limit"),
        (Fault { kind: FaultKind::Hang, ..status(200) }, Level::Failure, "no answer in time"),
    ];
    for (fault, level, words) in rows {
        let sim = github().await;
        sim.add_fault(fault.clone());
        let hangs = fault.kind == FaultKind::Hang;
        let timeout = if hangs { Duration::from_secs(2) } else { PATIENT };
        let found = found_within(&sim, 0, timeout).await;
        let bad: Vec<_> = found.iter().filter(|one| one.level != Level::Ok).collect();
        assert_eq!((bad.len(), bad[0].level), (1, level), "{fault:?}: {found:?}");
        assert!(bad[0].what.contains(words) && bad[0].hint.is_some(), "{fault:?}: {bad:?}");
    }
}

#[tokio::test]
async fn a_token_without_a_user_is_tried_all_the_same() {
    let sim = github().await;
    sim.add_fault(Fault { route: "/user".to_owned(), status: 403, ..Fault::default() });
    let found = found(&sim, 0).await;
    assert!(found.iter().any(|one| one.what.contains("no user is behind")), "{found:?}");
    assert!(found.iter().any(|one| one.what.contains("sees no repository")), "{found:?}");
}

#[tokio::test]
async fn a_credential_with_little_left_is_a_warning_and_asks_no_further() {
    let sim = github().await;
    sim.with(|world| {
        world.tokens.add(TOKEN, None);
        let reset = world.now() + SignedDuration::from_mins(30);
        let few = Allowance { limit: 5_000, used: 4_950, reset };
        world.tokens.set_allowance(TOKEN, Resource::Core, few);
    });
    let found = found(&sim, 0).await;
    let bad: Vec<_> = found.iter().filter(|one| one.level != Level::Ok).collect();
    assert!(bad.iter().all(|one| one.level == Level::Warning), "{found:?}");
    assert!(bad.iter().any(|one| one.what.contains("49 of 5000 requests left")), "{found:?}");
    assert!(bad.iter().any(|one| one.what.contains("put off until")), "{found:?}");
    assert_eq!(sim.counters().of("GET", "/user/repos"), 0);
}

/// The service itself, with an engine that is away: the check waits for nothing, and a failure ends nothing.
#[tokio::test]
async fn the_service_logs_what_it_finds_and_goes_on() {
    let sim = github().await;
    let url = sim.url();
    let grant = Grant::Classic(["gist".to_owned()].into());
    sim.with(|world| world.tokens.add_as(TOKEN, UserToken { grant, ..UserToken::default() }));
    let variables = [
        ("GITHUB_API_URL", url.as_str()),
        ("GITHUB_RUNNER_TOKEN", TOKEN),
        ("RUNNER_IMAGE", "runner:test"),
        ("DOCKER_HOST", "tcp://127.0.0.1:1"),
    ];
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_orchestrator"))
        .env_clear()
        .envs(variables)
        .env("ORCHESTRATOR_PORT", free.to_string())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut found = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("credential check: ") {
                found.push(line);
            }
            if found.last().is_some_and(|line| line.contains("clock")) {
                return;
            }
        }
    };
    let read = tokio::time::timeout(Duration::from_mins(1), reading).await;
    assert!(read.is_ok(), "{found:?}");
    let has = |words: &str| found.iter().any(|line| line.contains(words));
    assert!(
        has("it is octo-admin's") && has("it lacks the scope repo → tick repo in"),
        "{found:?}"
    );
    assert!(found.iter().all(|line| !line.contains(TOKEN)));
    assert_eq!(child.try_wait().unwrap(), None, "it goes on");
}
