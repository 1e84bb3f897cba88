//! Webhooks at GitHub: made and removed, their deliveries read, and what failed asked for again, over real connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use github_sim::conformance::Description;
use github_sim::world::access::{Grant, Level, Selection, permissions};
use github_sim::world::deliveries::{DeliveryFault, DeliveryFaultKind};
use github_sim::world::keys::PublicKey;
use github_sim::world::model::{JobSpec, NewRepo};
use github_sim::world::tokens::UserToken;
use github_sim::{Checked, Clock as SimClock, Fault, SimConfig};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::clock::Clock;
use mayfly_common::scope::Login;
use mayfly_common::webhook::signature::{HEADER, Secrets, Signature};
use mayfly_github::budget::Priority;
use mayfly_github::hooks::{EVENTS, HookPlace, HookUrl, KnownHook, NewHook};
use mayfly_github::redelivery::{MAX_ATTEMPTS, MAX_PER_ROUND};
use mayfly_github::{GitHubClient, GitHubError, GitHubSettings};
use mayfly_settings::GitHubConfig;
use orchestrator::redelivery::{Redeliverer, RoundReport};
use secrecy::SecretString;
use tokio::time::timeout;

use crate::support::slug;

const SECRET: &str = "a secret of many letters";
const TOKEN: &str = "ghp_0123456789";
const KEY_FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/github/tests/data/test-only-app-key.pkcs1.pem");
const PUBLIC_KEY: &str =
    include_str!("../../../crates/github/tests/data/test-only-app-key.public.pem");
const DELIVERIES: &str = "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries";
const ATTEMPTS: &str = "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}/attempts";
/// Far beyond what any of these takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_mins(2);

struct Shared(SimClock);

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// Takes deliveries as the gateway does: 202 where the signature is right, else 401.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<(String, String)>>>);

impl Receiver {
    async fn start() -> (Self, HookUrl) {
        let receiver = Self::default();
        let take = async |State(me): State<Self>, headers: HeaderMap, body: Bytes| {
            let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
            let secrets = Secrets::from_list(&SECRET.to_owned().into()).unwrap();
            let signature = header(HEADER).and_then(|text| Signature::parse(text.as_bytes()));
            if !signature.is_some_and(|signature| secrets.verify(&body, &signature)) {
                return StatusCode::UNAUTHORIZED;
            }
            let text = |name| header(name).unwrap_or_default().to_owned();
            me.0.lock().unwrap().push((text("x-github-event"), text("x-github-delivery")));
            StatusCode::ACCEPTED
        };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks/github", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url.parse().unwrap())
    }

    /// The GUIDs of the deliveries of an event that were taken.
    fn guids(&self, event: &str) -> Vec<String> {
        let got = self.0.lock().unwrap();
        got.iter().filter(|(one, _)| one == event).map(|(_, guid)| guid.clone()).collect()
    }
}

struct Scene {
    sim: Checked,
    clock: SimClock,
    receiver: Receiver,
    url: HookUrl,
    secret: SecretString,
}

impl Scene {
    async fn new() -> Self {
        let clock = SimClock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        let config = SimConfig { clock: clock.clone(), ..SimConfig::default() };
        let sim = Checked::start(config).await.unwrap();
        sim.with(|world| {
            world.add_user("octo-admin").unwrap();
            world.add_org("octo-org").unwrap();
            world.app.key = Some(PublicKey::from_pem(PUBLIC_KEY).unwrap());
            let repo = slug("octo-org/app");
            let new = NewRepo {
                slug: repo.to_string().parse().unwrap(),
                private: true,
                files: BTreeMap::new(),
            };
            world.add_repo(new).unwrap();
            // A busy machine is no receiver that is slow: what fails here fails by a fault.
            world.set_delivery_timeout(PATIENCE);
        });
        let (receiver, url) = Receiver::start().await;
        Self { sim, clock, receiver, url, secret: SECRET.to_owned().into() }
    }

    fn client(&self, variables: &[(&str, &str)]) -> GitHubClient {
        let url = self.sim.url();
        let all = [("GITHUB_API_URL", url.as_str())];
        let all = all.iter().chain(variables);
        let all = all.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let config = GitHubConfig::from_variables(all).unwrap();
        let settings = GitHubSettings { retries: 0, ..config.client() };
        GitHubClient::new(settings, Arc::new(Shared(self.clock.clone()))).unwrap()
    }

    fn as_user(&self) -> GitHubClient {
        self.client(&[("GITHUB_RUNNER_TOKEN", TOKEN)])
    }

    fn as_app(&self) -> GitHubClient {
        let id = ("GITHUB_APP_ID", "Iv1.0000000000000001");
        self.client(&[id, ("GITHUB_APP_PRIVATE_KEY_FILE", KEY_FILE)])
    }

    fn new_hook(&self) -> NewHook<'_> {
        NewHook { url: &self.url, secret: &self.secret, events: &EVENTS }
    }

    /// A hook of `octo-org/app`, once its ping was delivered.
    async fn repo_hook(&self, github: &GitHubClient) -> KnownHook {
        let hook = github.create_hook(&repo(), self.new_hook()).await.unwrap();
        self.delivered().await;
        hook
    }

    /// Waits until nothing is on its way.
    async fn delivered(&self) {
        let quiet = self.sim.until(|world| world.deliveries_under_way() == 0);
        timeout(PATIENCE, quiet).await.unwrap();
    }

    fn fault(&self, kind: DeliveryFaultKind, times: u64) {
        let fault = DeliveryFault { times, ..DeliveryFault::next(kind) };
        self.sim.with(|world| world.add_delivery_fault(fault));
    }

    /// Queues jobs, whose deliveries then end somehow.
    async fn queue(&self, jobs: usize) {
        for _ in 0..jobs {
            let labels = vec!["self-hosted".to_owned()];
            let spec = JobSpec { labels, ..JobSpec::default() };
            self.sim.with(|world| world.queue_job(&slug("octo-org/app"), spec).unwrap());
        }
        self.delivered().await;
    }

    fn wait(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// A round, and what it sets going.
    async fn round(
        &self,
        redeliverer: &Redeliverer,
        github: &GitHubClient,
        hook: &KnownHook,
    ) -> RoundReport {
        let report = redeliverer.round(github, std::slice::from_ref(hook)).await;
        self.delivered().await;
        report
    }

    /// Everything sent so far is what GitHub describes; that an App's webhook can be set is only in its documentation.
    fn conforms(&self) {
        let text = include_str!("../../../github-sim/tests/data/github-rest-trimmed.json");
        let description = Description::from_json(text).unwrap();
        let sent = self.sim.recorded();
        assert!(!sent.is_empty());
        for one in sent.iter().filter(|one| one.method != "PATCH") {
            let wrong = description.check_request(&one.method, &one.path_and_query, &one.body);
            assert!(wrong.is_empty(), "{} {}: {wrong:?}", one.method, one.path_and_query);
        }
    }
}

fn repo() -> HookPlace {
    HookPlace::Repo(slug("octo-org/app"))
}

fn org() -> HookPlace {
    HookPlace::Org(Login::parse("octo-org").unwrap())
}

#[tokio::test]
async fn hooks_are_made_read_pinged_and_deleted() {
    for as_app in [false, true] {
        let scene = Scene::new().await;
        let github = if as_app { scene.as_app() } else { scene.as_user() };
        for place in [repo(), org()] {
            assert!(github.hooks(&place).await.unwrap().is_empty());
            let hook = github.create_hook(&place, scene.new_hook()).await.unwrap();
            let found = github.hooks(&place).await.unwrap();
            assert_eq!((found.len(), found[0].id, found[0].active), (1, Some(hook.id), Some(true)));
            let config = &found[0].config;
            assert!(scene.url.is(config.url.as_deref().unwrap()) && config.has_secret);
            assert!(config.content_type == "json" && !config.insecure_ssl);
            assert!(found[0].missing(&EVENTS).is_empty());
            let again = github.create_hook(&place, scene.new_hook()).await;
            assert!(matches!(again, Err(GitHubError::Invalid(_))), "{again:?}");

            github.ping_hook(&hook).await.unwrap();
            scene.delivered().await;
            let read = github.deliveries(&hook, github.now(), Priority::Demand).await.unwrap();
            assert!(read.complete);
            assert_eq!(read.list.len(), 2, "one at its making, and one that was asked for");
            assert!(read.list.iter().all(|one| one.event == "ping" && one.succeeded()));

            github.delete_hook(&hook).await.unwrap();
            github.delete_hook(&hook).await.unwrap();
            assert!(github.hooks(&place).await.unwrap().is_empty());
        }
        assert_eq!(scene.receiver.guids("ping").len(), 4);
        scene.conforms();
    }
}

#[tokio::test]
async fn the_apps_hook_is_set_and_shown_to_the_app_alone() {
    let scene = Scene::new().await;
    let github = scene.as_app();
    assert!(github.hooks(&HookPlace::App).await.unwrap().is_empty());
    github.set_app_hook(scene.new_hook()).await.unwrap();
    scene.delivered().await;
    let found = github.hooks(&HookPlace::App).await.unwrap();
    assert!(scene.url.is(found[0].config.url.as_deref().unwrap()));
    assert!(found[0].config.has_secret && found[0].missing(&EVENTS).is_empty());
    let hook = KnownHook { id: 0, place: HookPlace::App };
    scene.queue(1).await;
    let read = github.deliveries(&hook, github.now(), Priority::Demand).await.unwrap();
    let job = read.list.iter().find(|one| one.event == "workflow_job").unwrap();
    github.redeliver(&hook, job.id, Priority::Demand).await.unwrap();
    scene.delivered().await;
    assert_eq!(scene.receiver.guids("workflow_job"), [job.guid.clone(), job.guid.clone()]);
    let made = github.create_hook(&HookPlace::App, scene.new_hook()).await;
    assert!(matches!(made, Err(GitHubError::Invalid(_))), "{made:?}");
    scene.conforms();

    let before = scene.sim.counters().total;
    let user = scene.as_user();
    let refused = user.hooks(&HookPlace::App).await;
    assert!(matches!(refused, Err(GitHubError::Forbidden(_))), "{refused:?}");
    assert!(user.deliveries(&hook, user.now(), Priority::Demand).await.is_err());
    assert_eq!(scene.sim.counters().total, before, "a user's token is not even sent there");
}

#[tokio::test]
async fn pages_of_deliveries_are_followed_and_bounded() {
    let scene = Scene::new().await;
    let github = scene.as_user();
    let hook = scene.repo_hook(&github).await;
    // Lists have them, sent or not: a thousand requests one after the other take a busy machine minutes.
    scene.fault(DeliveryFaultKind::Drop, 1_100);
    scene.queue(1_100).await;
    let since = github.now().saturating_sub(SignedDuration::from_hours(1)).unwrap();
    let read = github.deliveries(&hook, since, Priority::Demand).await.unwrap();
    assert_eq!((read.list.len(), read.complete), (1_000, false));
    let mut ids: Vec<i64> = read.list.iter().map(|one| one.id).collect();
    assert!(ids.is_sorted_by(|newer, older| newer > older), "newest first, none twice");
    scene.wait(600);
    scene.queue(1).await;
    scene.sim.clear_counters();
    let later = github.now().saturating_sub(SignedDuration::from_mins(5)).unwrap();
    let read = github.deliveries(&hook, later, Priority::Demand).await.unwrap();
    assert!(read.complete, "everything since then");
    assert_eq!(scene.sim.counters().of("GET", DELIVERIES), 1, "older pages are not read");
    ids.insert(0, read.list[0].id);
    assert!(ids.is_sorted_by(|newer, older| newer > older));
    scene.conforms();
}

#[tokio::test]
async fn what_failed_is_delivered_after_all_and_never_twice() {
    let scene = Scene::new().await;
    let github = scene.as_user();
    let hook = scene.repo_hook(&github).await;
    let redeliverer = Redeliverer::new();
    scene.queue(2).await;
    scene.fault(DeliveryFaultKind::Drop, 3);
    scene.queue(3).await;
    assert_eq!(scene.receiver.guids("workflow_job").len(), 2);
    let early = scene.round(&redeliverer, &github, &hook).await;
    assert_eq!((early.read, early.redelivered), (1, 0), "not within the first minute");
    scene.wait(61);
    let report = scene.round(&redeliverer, &github, &hook).await;
    assert_eq!(report, RoundReport { read: 1, redelivered: 3, ..RoundReport::default() });
    let guids = scene.receiver.guids("workflow_job");
    assert_eq!(guids.len(), 5);
    let different: std::collections::BTreeSet<&String> = guids.iter().collect();
    assert_eq!(different.len(), 5, "what had been delivered was left alone");
    for _ in 0..3 {
        scene.wait(600);
        let report = scene.round(&redeliverer, &github, &hook).await;
        assert_eq!((report.read, report.redelivered), (1, 0));
    }
    assert_eq!(scene.sim.counters().of("POST", ATTEMPTS), 3);
    scene.conforms();
}

#[tokio::test]
async fn what_failed_before_a_start_is_found_behind_everything_since() {
    let scene = Scene::new().await;
    let github = scene.as_user();
    let hook = scene.repo_hook(&github).await;
    scene.fault(DeliveryFaultKind::Drop, 1);
    scene.queue(1).await;
    scene.wait(600);
    // More than one page has.
    scene.queue(110).await;
    scene.wait(2 * 24 * 3_600);
    let report = scene.round(&Redeliverer::new(), &github, &hook).await;
    assert_eq!(report, RoundReport { read: 1, redelivered: 1, ..RoundReport::default() });
}

#[tokio::test]
async fn what_fails_every_time_is_given_up() {
    let scene = Scene::new().await;
    let github = scene.as_user();
    let hook = scene.repo_hook(&github).await;
    let redeliverer = Redeliverer::new();
    scene.fault(DeliveryFaultKind::WrongSecret, 100);
    scene.queue(1).await;
    let mut reports = Vec::new();
    for _ in 0..5 {
        scene.wait(600);
        reports.push(scene.round(&redeliverer, &github, &hook).await);
    }
    let repeats: Vec<usize> = reports.iter().map(|report| report.redelivered).collect();
    assert_eq!(repeats, [1, 1, 0, 0, 0], "{MAX_ATTEMPTS} in all");
    assert_eq!(reports[2].given_up, 1);
    assert!(scene.receiver.guids("workflow_job").is_empty());
}

#[tokio::test]
async fn a_quiet_hook_costs_one_request_that_is_free() {
    let scene = Scene::new().await;
    let github = scene.as_user();
    let hook = scene.repo_hook(&github).await;
    let redeliverer = Redeliverer::new();
    scene.queue(150).await;
    for _ in 0..2 {
        scene.round(&redeliverer, &github, &hook).await;
        scene.wait(600);
    }
    scene.sim.clear_counters();
    let report = scene.round(&redeliverer, &github, &hook).await;
    assert_eq!((report.read, report.redelivered), (1, 0));
    let counters = scene.sim.counters();
    assert_eq!((counters.total, counters.not_modified), (1, 1));
}

#[tokio::test]
async fn a_hook_that_we_may_not_read_is_left_alone_for_a_day() {
    let scene = Scene::new().await;
    let admin = scene.as_user();
    let hook = scene.repo_hook(&admin).await;
    scene.fault(DeliveryFaultKind::Drop, 1);
    scene.queue(1).await;
    let limited = "github_pat_limited";
    let may = |level| {
        let grant = Grant::FineGrained {
            owner: "octo-org".parse().unwrap(),
            repositories: Selection::All,
            permissions: permissions(&[("metadata", Level::Read), ("repository_hooks", level)]),
        };
        scene.sim.with(|world| {
            world.tokens.add_as(limited, UserToken { grant, ..UserToken::default() });
        });
    };
    // It may read what failed, and not ask for it again.
    may(Level::Read);
    let github = scene.client(&[("GITHUB_RUNNER_TOKEN", limited)]);
    let redeliverer = Redeliverer::new();
    scene.wait(61);
    let report = scene.round(&redeliverer, &github, &hook).await;
    assert_eq!((report.left_alone, report.redelivered), (1, 0), "{report:?}");
    scene.sim.clear_counters();
    for _ in 0..3 {
        scene.wait(600);
        let report = scene.round(&redeliverer, &github, &hook).await;
        assert_eq!((report.left_alone, report.read), (1, 0));
    }
    assert_eq!(scene.sim.counters().total, 0, "it is not asked again");
    may(Level::Write);
    // Three rounds were ten minutes apart.
    scene.wait(24 * 3_600 - 1_800 - 1);
    assert_eq!(scene.round(&redeliverer, &github, &hook).await.left_alone, 1, "a second early");
    scene.wait(1);
    let report = scene.round(&redeliverer, &github, &hook).await;
    assert_eq!((report.left_alone, report.redelivered), (0, 1), "{report:?}");
    assert_eq!(scene.receiver.guids("workflow_job").len(), 1);
}

#[tokio::test]
async fn trouble_with_one_hook_is_told_and_the_others_are_looked_at() {
    let scene = Scene::new().await;
    let github = scene.as_user();
    let hook = scene.repo_hook(&github).await;
    let other = github.create_hook(&org(), scene.new_hook()).await.unwrap();
    let gone = KnownHook { id: 999_999, place: repo() };
    scene.fault(DeliveryFaultKind::Drop, 1);
    scene.queue(1).await;
    scene.wait(61);
    let redeliverer = Redeliverer::new();
    let all = [gone, hook, other];
    scene.sim.add_fault(Fault {
        route: DELIVERIES.to_owned(),
        times: 2,
        status: 503,
        ..Fault::default()
    });
    let first = redeliverer.round(&github, &all).await;
    assert_eq!((first.problems.len(), first.read), (2, 1), "{first:?}");
    let second = redeliverer.round(&github, &all).await;
    assert_eq!((second.left_alone, second.read), (1, 2), "one is gone: {second:?}");
    assert_eq!(first.redelivered + second.redelivered, 1);
    scene.delivered().await;
    let guids = scene.receiver.guids("workflow_job");
    assert_eq!((guids.len(), &guids[0]), (2, &guids[1]), "one event, told by both hooks");
}

#[tokio::test]
async fn a_spent_limit_ends_the_round() {
    let scene = Scene::new().await;
    let github = scene.as_user();
    let hook = scene.repo_hook(&github).await;
    scene.fault(DeliveryFaultKind::Drop, 3);
    scene.queue(3).await;
    scene.wait(61);
    let headers = BTreeMap::from([("retry-after".to_owned(), "120".to_owned())]);
    scene.sim.add_fault(Fault {
        route: ATTEMPTS.to_owned(),
        status: 429,
        headers,
        ..Fault::default()
    });
    let redeliverer = Redeliverer::new();
    let report = scene.round(&redeliverer, &github, &hook).await;
    assert!(report.put_off && report.redelivered == 0 && report.problems.is_empty(), "{report:?}");
    assert_eq!(scene.sim.counters().of("POST", ATTEMPTS), 1);
    scene.wait(121);
    let report = scene.round(&redeliverer, &github, &hook).await;
    assert_eq!((report.redelivered, report.put_off), (3, false), "{report:?}");
    assert_eq!(scene.sim.counters().hammered, 0);
}

#[tokio::test]
async fn one_round_asks_for_so_many_however_many_hooks_there_are() {
    let scene = Scene::new().await;
    let github = scene.as_user();
    let hook = scene.repo_hook(&github).await;
    let other = github.create_hook(&org(), scene.new_hook()).await.unwrap();
    scene.delivered().await;
    scene.fault(DeliveryFaultKind::Drop, 60);
    scene.queue(30).await;
    let redeliverer = Redeliverer::new();
    let mut repeats = Vec::new();
    for _ in 0..3 {
        scene.wait(61);
        repeats.push(redeliverer.round(&github, &[hook.clone(), other.clone()]).await.redelivered);
        scene.delivered().await;
    }
    assert_eq!(repeats, [MAX_PER_ROUND, 60 - MAX_PER_ROUND, 0]);
    assert_eq!(scene.receiver.guids("workflow_job").len(), 60);
}

#[tokio::test]
async fn what_github_does_not_repeat_is_asked_for_once() {
    let scene = Scene::new().await;
    let github = scene.as_user();
    let hook = scene.repo_hook(&github).await;
    scene.fault(DeliveryFaultKind::Drop, 1);
    scene.queue(1).await;
    let (route, times) = (ATTEMPTS.to_owned(), 100);
    scene.sim.add_fault(Fault { route, times, status: 422, ..Fault::default() });
    let redeliverer = Redeliverer::new();
    for _ in 0..4 {
        scene.wait(600);
        let report = scene.round(&redeliverer, &github, &hook).await;
        assert_eq!((report.read, report.redelivered, report.problems.len()), (1, 0, 0));
    }
    assert_eq!(scene.sim.counters().of("POST", ATTEMPTS), 1);
}
