//! The routes, before any pass: no GitHub, an engine in memory, a clock that stands still.

use axum::body::{Body, to_bytes};
use futures::StreamExt as _;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use mayfly_backend::fake::FakeBackend;
use mayfly_common::api::{Event, EventKind};
use mayfly_common::clock::Clock;
use mayfly_github::GitHubClient;
use mayfly_store::Store;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};
use tower::ServiceExt as _;

use super::*;
use crate::adapters::Adapters;
use crate::reconcile::Reconciler;
use crate::tasks::Tasks;

const NOW: &str = "2027-01-15T08:00:00Z";

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }
}

struct Scene {
    api: Api,
    backend: Arc<FakeBackend>,
    reconciler: Reconciler,
    store: Store,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    /// Status, kind of problem, and detail.
    fn problem(&self) -> (u16, &str, &str) {
        let text = |field: &str| self.body[field].as_str().unwrap_or_default();
        let kind = text("type").strip_prefix("urn:mayfly:problem:").unwrap_or_default();
        (self.status.as_u16(), kind, text("detail"))
    }

    /// Pointer and detail of the first field that is wrong.
    fn wrong(&self) -> (u16, &str, &str) {
        let text = |field: &str| self.body["errors"][0][field].as_str().unwrap_or_default();
        (self.status.as_u16(), text("pointer"), text("detail"))
    }
}

fn scene(variables: &[(&str, &str)]) -> Scene {
    scene_with(variables, Store::in_memory().unwrap())
}

fn scene_with(variables: &[(&str, &str)], store: Store) -> Scene {
    let fixed = [
        ("GITHUB_RUNNER_TOKEN", "t"),
        ("RUNNER_IMAGE", "img:1"),
        ("GITHUB_API_URL", "http://127.0.0.1:9"),
    ];
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let fixed = fixed.iter().filter(|(name, _)| !variables.iter().any(|(other, _)| other == name));
    let config = Config::from_variables(fixed.chain(variables).map(owned).collect()).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(Still);
    let github = GitHubClient::new(config.github.client(), Arc::clone(&clock)).unwrap();
    let github = Arc::new(github);
    let metrics = Arc::new(Metrics::new(github.traffic()));
    let backend = Arc::new(FakeBackend::new());
    let adapters = Adapters::new(Arc::<FakeBackend>::clone(&backend), github, clock, store.clone());
    let (reconciler, handle) =
        Reconciler::new(config.clone(), &adapters, Arc::clone(&metrics), Tasks::default());
    Scene { api: Api { handle, config: Arc::new(config), metrics }, backend, reconciler, store }
}

impl Scene {
    async fn respond(&self, method: Method, path: &str, body: String) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "orchestrator")
            .header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).unwrap();
        router(self.api.clone()).oneshot(request).await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: String) -> Answer {
        let response = self.respond(method, path, body).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, String::new()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body.to_string()).await
    }

    /// A stream of events from the beginning.
    async fn stream(&self) -> Response {
        let request = Request::get("/api/v1/events?after=0")
            .header(header::HOST, "orchestrator")
            .header(header::ACCEPT, "text/event-stream");
        router(self.api.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn add_events(&self, ids: std::ops::RangeInclusive<i64>) {
        let event = |id| Event {
            id,
            at: NOW.parse().unwrap(),
            kind: EventKind::PoolChanged,
            pool: Some("ci".to_owned()),
            runner: None,
            scope: None,
            job_id: None,
            job: None,
            message: None,
        };
        self.store.save_events(ids.map(event).collect()).await.unwrap();
    }
}

#[tokio::test]
async fn a_body_may_be_so_long_and_no_longer() {
    let scene = scene(&[]);
    let rows =
        [("/api/v1/runners", 65_536), ("/api/v1/pools", 65_536), ("/api/v1/deliveries", 1_048_576)];
    for (path, most) in rows {
        let fits = scene.send(Method::POST, path, "x".repeat(most)).await;
        assert_eq!(fits.status, StatusCode::BAD_REQUEST, "{path}: read, and no JSON");
        let beyond = scene.send(Method::POST, path, "x".repeat(most + 1)).await;
        assert_eq!(beyond.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    for (method, path) in [
        (Method::POST, "/api/v1/runners"),
        (Method::POST, "/api/v1/pools"),
        (Method::PUT, "/api/v1/pools/ci"),
        (Method::PATCH, "/api/v1/pools/ci"),
    ] {
        let beyond = scene.send(method.clone(), path, "x".repeat(65_537)).await;
        assert_eq!(beyond.problem(), (413, "too-large", "At most 64 KiB."), "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_known_is_refused() {
    let scene = scene(&[]);
    let none = (422, "?", "there are no parameters here");
    assert_eq!(scene.get("/api/v1/status?x=1").await.wrong(), none);
    assert_eq!(scene.get("/health?x").await.wrong(), none);
    assert_eq!(scene.get("/livez?").await.status, StatusCode::OK, "nothing is asked for");
    let missing = scene.get("/api/v2/status").await;
    assert_eq!(missing.problem(), (404, "not-found", "There is no such path."));
    let method = scene.send(Method::DELETE, "/api/v1/status", String::new()).await;
    assert_eq!((method.problem().0, method.problem().1), (405, "method-not-allowed"));
    let (status, pointer, detail) = {
        let answer = scene.get("/api/v1/runners?colour=red").await;
        let (status, pointer, detail) = answer.wrong();
        (status, pointer.to_owned(), detail.to_owned())
    };
    assert_eq!((status, &*pointer, detail.contains("`colour`")), (422, "?", true), "{detail}");
    let long = "x".repeat(65);
    let runner = scene.get(&format!("/api/v1/runners/{long}")).await;
    let shown = format!("There is no runner {}….", "x".repeat(63));
    assert_eq!(runner.problem(), (404, "not-found", &*shown));
    let just = "x".repeat(64);
    let runner = scene.get(&format!("/api/v1/runners/{just}")).await;
    assert_eq!(runner.problem().2, format!("There is no runner {just}."));
    let gone = scene.get("/api/v1/finished-runners/none").await;
    let words = "It is not known that a runner of that name was here and is gone.";
    assert_eq!(gone.problem(), (404, "not-found", words));
    for path in ["/api/v1/jobs/7", "/api/v1/jobs/0", "/api/v1/jobs/x/explain"] {
        let words = "There is no such job in the ledger.";
        assert_eq!(scene.get(path).await.problem(), (404, "not-found", words), "{path}");
    }
    let pool = scene.get("/api/v1/pools/none").await;
    assert_eq!(pool.problem(), (404, "not-found", "There is no pool of that name."));
}

#[tokio::test]
async fn the_configuration_is_told_without_values() {
    let info = async |variables: &[(&str, &str)]| {
        let scene = scene(variables);
        scene.reconciler.pass().await;
        let answer = scene.get("/api/v1/config/info").await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.body
    };
    assert_eq!(
        info(&[]).await,
        json!({
            "runner_image": "img:1", "total_variables": 0, "variable_names": [],
            "has_configuration": false, "available_placeholders": 22, "orchestrator_id": "fake",
            "registration": "jit",
        })
    );
    let two = [("runnerenv_B", "{registration_token}"), ("runnerenv_A", "x")];
    assert_eq!(
        info(&two).await,
        json!({
            "runner_image": "img:1", "total_variables": 2, "variable_names": ["A", "B"],
            "has_configuration": true, "available_placeholders": 22, "orchestrator_id": "fake",
            "registration": "token",
        })
    );
    let scene = scene(&[]);
    let listed = scene.get("/api/v1/config/placeholders").await.body;
    let names: Vec<&str> =
        listed["placeholders"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "{api_gateway_port}",
            "{cache_url}",
            "{docker_network}",
            "{hostname}",
            "{jit_config}",
            "{labels}",
            "{orchestrator_id}",
            "{orchestrator_port}",
            "{registration_token}",
            "{registry_url}",
            "{repo_full_name}",
            "{repo_name}",
            "{repo_owner}",
            "{runner_group}",
            "{runner_image}",
            "{runner_name}",
            "{scope_name}",
            "{timestamp_date}",
            "{timestamp_iso}",
            "{timestamp_time}",
            "{timestamp}",
            "{user_login}",
        ]
    );
    assert_eq!(listed["total_placeholders"], 22);
    assert_eq!(listed["placeholders"]["{registry_url}"], "Value of REGISTRY");
    assert_eq!(listed["placeholders"]["{runner_name}"], "Name of the runner");
}

#[tokio::test]
async fn probes_answer_in_a_few_words() {
    let scene = scene(&[]);
    assert_eq!(scene.get("/livez").await.body, json!({"status": "healthy"}));
    let not_yet = scene.get("/readyz").await;
    let words = "The containers cannot be seen just now; GET /health tells why.";
    assert_eq!(not_yet.problem(), (503, "not-ready", words));
    assert_eq!(not_yet.headers[header::RETRY_AFTER], "5");
    scene.reconciler.pass().await;
    let ready = scene.get("/readyz").await;
    assert_eq!((ready.status, ready.body), (StatusCode::OK, json!({"status": "ready"})));
    scene.backend.state().away = true;
    scene.reconciler.pass().await;
    assert_eq!(scene.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let metrics = scene.get("/metrics").await;
    assert_eq!(
        (metrics.status, &metrics.headers[header::VARY]),
        (StatusCode::OK, &"accept".parse().unwrap())
    );
}

#[tokio::test]
async fn health_tells_of_the_ledger_and_of_a_drain() {
    let sound = scene(&[]);
    sound.reconciler.pass().await;
    let health = sound.get("/health").await.body;
    assert_eq!(health["dependencies"]["ledger"], "in memory: it ends with the process");
    assert_eq!(health["dependencies"].get("runners"), None);
    sound.send(Method::PUT, "/api/v1/drain", String::new()).await;
    let health = sound.get("/health").await.body;
    assert_eq!(
        health["dependencies"]["runners"],
        "draining since 2027-01-15T08:00:00Z: none is started; mayfly resume ends it"
    );
    let why = mayfly_store::StoreError::Full;
    let instead = Store::instead_of(std::path::Path::new("/x.db"), &why).unwrap();
    let health = scene_with(&[], instead).get("/health").await.body;
    assert_eq!(health["status"], "degraded");
    let ledger = "the database /x.db cannot be used: the disk is full; pools cannot be changed";
    assert_eq!(health["dependencies"]["ledger"], ledger);
}

#[tokio::test]
async fn a_store_that_is_not_sound_alone_makes_it_degraded() {
    let github = github_sim::Sim::start(github_sim::SimConfig::default()).await.unwrap();
    github.with(|world| world.add_user("octo-admin")).unwrap();
    let url = github.url();
    let why = mayfly_store::StoreError::Full;
    let instead = Store::instead_of(std::path::Path::new("/x.db"), &why).unwrap();
    for (store, status) in [(Store::in_memory().unwrap(), "healthy"), (instead, "degraded")] {
        let variables = [("GITHUB_API_URL", &*url), ("AUTO_CREATE_RUNNERS", "true")];
        let scene = scene_with(&variables, store);
        scene.reconciler.pass().await;
        let health = scene.get("/health").await.body;
        assert_eq!(health["dependencies"]["github"], "reachable", "{health}");
        assert_eq!(health["status"], status, "{health}");
    }
}

#[tokio::test]
async fn a_drain_is_told_whole_at_every_step() {
    const DRAIN: &str = "/api/v1/drain";
    let scene = scene(&[]);
    let ask = async |method: Method| scene.send(method, DRAIN, String::new()).await;
    let uninstall = async || scene.post("/api/v1/uninstall", &Value::Null).await;
    assert_eq!(ask(Method::GET).await.body, json!({"draining": false, "stored": false}));
    let words =
        "The platform is not draining: PUT /api/v1/drain first, and wait until no runner is left.";
    assert_eq!(uninstall().await.problem(), (409, "not-drained", words));
    let begun = json!({"draining": true, "since": NOW, "stored": false});
    assert_eq!(ask(Method::PUT).await.body, begun);
    let words = "No pass has looked since the drain began.";
    assert_eq!(uninstall().await.problem(), (503, "unavailable", words));
    scene.reconciler.pass().await;
    let seen = json!({"draining": true, "since": NOW, "stored": false, "left": 0, "busy": 0});
    assert_eq!(ask(Method::GET).await.body, seen);
    // What cannot be seen is not counted.
    scene.backend.state().away = true;
    scene.reconciler.pass().await;
    assert_eq!(ask(Method::GET).await.body, begun);
    scene.store.break_writes();
    let ended = json!({"draining": false, "stored": true});
    assert_eq!(ask(Method::DELETE).await.body, ended, "a full disk keeps nobody from serving");
    assert_eq!(ask(Method::GET).await.body, ended);
}

#[tokio::test]
async fn a_page_of_events_has_a_hundred_and_says_where_to_go_on() {
    let scene = scene(&[]);
    assert_eq!(scene.get("/api/v1/events").await.body, json!({"events": [], "last_id": 0}));
    assert_eq!(scene.get("/api/v1/events?after=5").await.body["last_id"], 5);
    scene.add_events(1..=150).await;
    let ends = async |query: &str| {
        let page = scene.get(&format!("/api/v1/events{query}")).await.body;
        let events = page["events"].as_array().unwrap();
        let ids = [&events[0]["id"], &events[events.len() - 1]["id"], &page["last_id"]];
        ids.map(|id| id.as_i64().unwrap())
    };
    assert_eq!(ends("").await, [51, 150, 150], "the latest");
    assert_eq!(ends("?after=0").await, [1, 100, 100]);
    assert_eq!(ends("?after=100").await, [101, 150, 150]);
    assert_eq!(ends("?limit=1").await, [150, 150, 150]);
    assert_eq!(ends("?after=0&limit=1000").await, [1, 150, 150]);
    for (query, pointer, words) in [
        ("?after=-1", "?after", "must be 0 or more"),
        ("?limit=0", "?limit", "must be from 1 to 1000"),
        ("?limit=1001", "?limit", "must be from 1 to 1000"),
    ] {
        let answer = scene.get(&format!("/api/v1/events{query}")).await;
        assert_eq!(answer.wrong(), (422, pointer, words));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_names_what_it_sends_and_says_every_ten_seconds_that_it_lives() {
    let scene = scene(&[]);
    scene.add_events(1..=101).await;
    let response = scene.stream().await;
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    // Two pages, without a pause between them.
    while text.matches("\n\n").count() < 101 {
        text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let data = |id: i64| json!({"id": id, "at": NOW, "kind": "pool.changed", "pool": "ci"});
    for (event, id) in lines.chunks(3).zip(1_i64..) {
        let mut sent = event.to_vec();
        sent.sort_unstable();
        let told: Value = serde_json::from_str(sent[0].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(told, data(id));
        assert_eq!(sent[1..], ["event: pool.changed", &*format!("id: {id}")]);
    }
    let began = Instant::now();
    for _ in 0..2 {
        let sign = body.next().await.unwrap().unwrap();
        assert!(sign.starts_with(b":"), "{sign:?}");
    }
    let passed = began.elapsed();
    assert!((20_000..20_100).contains(&passed.as_millis()), "{passed:?}");
}

#[tokio::test]
async fn there_are_256_streams_at_a_time_and_a_place_is_free_again() {
    let scene = scene(&[]);
    let router = router(scene.api.clone());
    let stream = async || {
        let request = Request::get("/api/v1/events")
            .header(header::HOST, "orchestrator")
            .header(header::ACCEPT, "text/event-stream");
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let mut open = Vec::new();
    for _ in 0..256 {
        let response = stream().await;
        assert_eq!(response.status(), StatusCode::OK);
        open.push(response);
    }
    assert_eq!(stream().await.status(), StatusCode::SERVICE_UNAVAILABLE);
    open.pop();
    assert_eq!(stream().await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_a_log_waits_ten_seconds_for_a_place_of_four() {
    let scene = scene(&[]);
    let places = runners::LogPlaces::default();
    let held = places.hold(4).await;
    let ask = || {
        let (api, places) = (scene.api.clone(), places.clone());
        let path = axum::extract::Path("desk".to_owned());
        async move {
            let began = Instant::now();
            let answer = runners::logs(axum::extract::State(api), Extension(places), path).await;
            let waited = began.elapsed();
            match answer {
                Ok(_) => ((200, String::new()), waited),
                Err(failure) => (told(failure).await, waited),
            }
        }
    };
    let (answer, waited) = ask().await;
    assert_eq!(answer, (503, "Too many logs are being read.".to_owned()));
    assert!((10_000..10_100).contains(&waited.as_millis()), "{waited:?}");
    let (answer, ()) = tokio::join!(ask(), async {
        tokio::time::sleep(Duration::from_secs(9)).await;
        drop(held);
    });
    assert_eq!(answer.0, (404, "There is no runner desk.".to_owned()));
}

/// The status of a failure, and its detail.
async fn told(failure: error::Failure) -> (u16, String) {
    let response = failure.into_response();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let problem: Problem = serde_json::from_slice(&body).unwrap();
    (status, problem.detail.unwrap_or_default())
}

#[tokio::test]
async fn jobs_are_counted_over_thirty_days_unless_others_are_asked_for() {
    let scene = scene(&[]);
    for (query, since) in [
        ("", "2026-12-16T08:00:00Z"),
        ("?days=1", "2027-01-14T08:00:00Z"),
        ("?days=365", "2026-01-15T08:00:00Z"),
    ] {
        let stats = scene.get(&format!("/api/v1/jobs/stats{query}")).await;
        assert_eq!(stats.body, json!({"since": since, "repositories": []}), "{query}");
    }
    for days in ["0", "366"] {
        let stats = scene.get(&format!("/api/v1/jobs/stats?days={days}")).await;
        assert_eq!(stats.wrong(), (422, "?days", "must be from 1 to 365"));
    }
    let both = scene.get("/api/v1/jobs?page=0&per_page=101&repository=x").await.body;
    let pointers: Vec<&str> = both["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, ["?page", "?per_page", "?repository"]);
    let odd = scene.get("/api/v1/jobs/1/explain?repository=x").await;
    assert_eq!((odd.wrong().0, odd.wrong().1), (422, "?repository"));
}

#[tokio::test]
async fn a_delivery_is_taken_once() {
    let scene = scene(&[]);
    let delivery = serde_json::to_value(mayfly_common::webhook::Delivery {
        id: "a".to_owned(),
        event: "ping".to_owned(),
        hook: None,
        content: mayfly_common::webhook::Content::Ping,
    })
    .unwrap();
    for outcome in ["accepted", "duplicate"] {
        let answer = scene.post("/api/v1/deliveries", &delivery).await;
        assert_eq!(
            (answer.status, answer.body),
            (StatusCode::ACCEPTED, json!({"outcome": outcome}))
        );
    }
    let odd = scene.post("/api/v1/deliveries", &json!({"id": "b"})).await;
    assert_eq!((odd.problem().0, odd.problem().1), (400, "malformed-request"));
}

#[tokio::test]
async fn a_label_that_an_image_would_split_is_refused_where_images_register_themselves() {
    let token = ("runnerenv_TOKEN", "{registration_token}");
    let body = json!({"scope": "repo", "scope_name": "o/r", "labels": ["self-hosted", "a,b"]});
    let refused = scene(&[token]).post("/api/v1/runners", &body).await;
    let words = "label \"a,b\" has a comma: an image that registers itself takes it for two labels";
    assert_eq!(refused.wrong(), (422, "/labels", words));
}

#[tokio::test]
async fn a_pool_is_changed_only_as_whoever_asks_has_read_it() {
    let scene = scene(&[]);
    let made = scene.post("/api/v1/pools", &json!({"name": "ci"})).await;
    let tag = made.headers[header::ETAG].to_str().unwrap().to_owned();
    let change = async |method: Method, tag: &str, body: Value| {
        let request = Request::builder()
            .method(method)
            .uri("/api/v1/pools/ci")
            .header(header::HOST, "orchestrator")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::IF_MATCH, tag);
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = router(scene.api.clone()).oneshot(request).await.unwrap();
        let tag = response.headers().get(header::ETAG).map(|tag| tag.to_str().unwrap().to_owned());
        (response.status().as_u16(), tag.unwrap_or_default())
    };
    let (status, second) = change(Method::PATCH, &tag, json!({"max": 3})).await;
    assert_eq!((status, second == tag), (200, false));
    let spec = json!({"name": "ci"});
    for old in [&*tag, "\"99\"", "17"] {
        assert_eq!(change(Method::PATCH, old, json!({"max": 4})).await.0, 412, "{old}");
        assert_eq!(change(Method::PUT, old, spec.clone()).await.0, 412, "{old}");
        assert_eq!(change(Method::DELETE, old, Value::Null).await.0, 412, "{old}");
    }
    assert_eq!(change(Method::PATCH, "*", json!({"max": 4})).await.0, 200);
    let (status, last) = change(Method::PUT, "*", spec).await;
    assert_eq!(status, 200);
    assert_eq!(change(Method::DELETE, &last, Value::Null).await.0, 204);
}

#[tokio::test]
async fn what_cannot_be_done_to_a_pool_is_refused_with_its_place() {
    let scene = scene(&[]);
    scene.post("/api/v1/pools", &json!({"name": "ci"})).await;
    let ask = async |method: Method, path: &str, body: &str| {
        scene.send(method, &format!("/api/v1/pools/{path}"), body.to_owned()).await
    };
    let object = ask(Method::PATCH, "ci", "[]").await;
    assert_eq!(object.wrong(), (422, "", "must be an object"));
    let text = ask(Method::PATCH, "ci", "{").await;
    assert_eq!((text.problem().0, text.problem().1), (400, "malformed-request"));
    let name = (422, "/name", "must be ci, as in the path: a pool keeps its name");
    assert_eq!(ask(Method::PATCH, "ci", "{\"name\": \"x\"}").await.wrong(), name);
    assert_eq!(ask(Method::PUT, "ci", "{\"name\": \"x\"}").await.wrong(), name);
    let own = "Pool default is made from the orchestrator's environment; change it there.";
    for (method, body) in [(Method::PUT, "{\"name\": \"x\"}"), (Method::PATCH, "{}")] {
        let answer = ask(method.clone(), "default", body).await;
        assert_eq!((answer.status.as_u16(), answer.problem().2), (409, own), "{method}");
    }
    for (method, path, body) in [
        (Method::PUT, "a%20b", "{\"name\": \"x\"}"),
        (Method::PATCH, "a%20b", "{}"),
        (Method::DELETE, "a%20b", ""),
        (Method::POST, "a%20b/rotate", ""),
    ] {
        let answer = ask(method.clone(), path, body).await;
        assert_eq!(answer.problem().2, "There is no pool of that name.", "{method}");
    }
}

#[tokio::test]
async fn the_status_counts_the_runners_of_each_state() {
    let scene = scene(&[]);
    for (name, working) in [("r-1", true), ("r-2", false), ("r-3", true)] {
        let machine = mayfly_common::machine::Machine {
            identity: mayfly_common::identity::RunnerIdentity {
                installation: "fake".to_owned(),
                backend: mayfly_common::identity::BackendName::default(),
                pool: mayfly_common::pool::PoolName::default_pool(),
                scope: "org:octo-org".parse().unwrap(),
                name: mayfly_common::name::RunnerName::parse(name).unwrap(),
                labels: mayfly_common::label::LabelSet::requested(["self-hosted"]),
                github_id: None,
                image: "img:1".to_owned(),
                image_id: None,
                fingerprint: None,
                created_at: NOW.parse().unwrap(),
                deadline: "2027-01-16T08:00:00Z".parse().unwrap(),
            },
            id: name.to_owned(),
            phase: mayfly_common::machine::Phase::Running { working: Some(working) },
            defect: None,
            lingers: false,
            unread: None,
        };
        scene.backend.state().machines.insert(machine.name.clone(), machine);
    }
    scene.reconciler.pass().await;
    let status = scene.get("/api/v1/status").await.body;
    assert_eq!(status["runners"], json!({"busy": 2, "starting": 1}));
}

#[tokio::test]
async fn a_job_that_github_cannot_be_asked_about_is_not_one_that_github_does_not_know() {
    // Nobody listens where this GitHub would be.
    let scene = scene(&[]);
    let said = scene.get("/api/v1/jobs/7/explain?repository=o/r").await;
    let reasons = said.body["reasons"].as_array().unwrap();
    let reasons: Vec<&str> = reasons.iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["automatic_mode_off", "cold", "unasked"], "{}", said.body);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_made_counts_at_once() {
    let Scene { api, reconciler, .. } = scene(&[]);
    let passes = crate::reconcile::driver::run(Arc::new(reconciler), std::future::pending());
    let passes = tokio::spawn(passes);
    api.handle.first_pass().await;
    // Nothing is due for some minutes.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut events = api.handle.events();
    events.mark_unchanged();
    let made = Request::post("/api/v1/pools")
        .header(header::HOST, "orchestrator")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(r#"{"name": "ci"}"#))
        .unwrap();
    let began = Instant::now();
    let made = router(api.clone()).oneshot(made).await.unwrap();
    assert_eq!(made.status(), StatusCode::CREATED);
    events.changed().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    passes.abort();
}
