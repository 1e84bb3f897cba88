//! Pools: made, changed and removed through the internal API, and what that does to runners.

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode, header};
use mayfly_common::runner::RunnerState;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{Platform, SELF_HOSTED};

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn tag(&self) -> String {
        self.headers[header::ETAG].to_str().unwrap().to_owned()
    }

    fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().unwrap();
        errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
    }
}

async fn send(
    platform: &Platform,
    method: Method,
    path: &str,
    tag: Option<&str>,
    body: &Value,
) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("/api/v1/pools{path}"));
    if let Some(tag) = tag {
        request = request.header(header::IF_MATCH, tag);
    }
    let request = request.body(Body::from(body.to_string())).unwrap();
    let response = platform.router().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status, headers, body }
}

async fn make(platform: &Platform, spec: Value) -> Answer {
    let made = send(platform, Method::POST, "", None, &spec).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    made
}

async fn get(platform: &Platform, name: &str) -> Answer {
    send(platform, Method::GET, &format!("/{name}"), None, &Value::Null).await
}

async fn patch(platform: &Platform, name: &str, change: Value) -> Answer {
    send(platform, Method::PATCH, &format!("/{name}"), None, &change).await
}

/// The runners of a pool and their states.
fn of(platform: &Platform, pool: &str) -> Vec<(String, RunnerState)> {
    let runners = platform.runners().into_iter().filter(|runner| runner.pool == pool);
    runners.map(|runner| (runner.name, runner.state)).collect()
}

/// `ci`, which keeps so many runners waiting in `octo-admin/app`.
fn warm(min_idle: u32) -> Value {
    json!({"name": "ci", "scopes": ["repo:octo-admin/app"], "labels": ["self-hosted", "linux", "docker"], "min_idle": min_idle})
}

/// A pass, and every runner that is starting comes online.
async fn settle(platform: &Platform) {
    platform.pass().await;
    for (name, state) in of(platform, "ci") {
        if state == RunnerState::Starting {
            platform.connect(&name);
        }
    }
    platform.pass().await;
}

#[tokio::test]
async fn pools_are_made_read_changed_and_removed() {
    let mut platform = Platform::new().await;
    let made = make(&platform, warm(0)).await;
    assert_eq!(
        (made.body["source"].as_str(), made.body["spec"]["min_idle"].as_u64()),
        (Some("api"), Some(0))
    );
    assert_eq!(format!("\"{}\"", made.body["revision"]), made.tag());

    let listed = send(&platform, Method::GET, "", None, &Value::Null).await.body;
    let names: Vec<&str> = listed["pools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pool| pool["name"].as_str().unwrap())
        .collect();
    assert_eq!((names, listed["total_count"].as_u64()), (vec!["ci", "default"], Some(2)));

    let changed = patch(&platform, "ci", json!({"max": 7, "priority": 3})).await;
    assert_eq!((changed.status, changed.body["status"]["max"].as_u64()), (StatusCode::OK, Some(7)));
    // Whoever read the pool before does not undo the change.
    let stale = send(&platform, Method::PUT, "/ci", Some(&made.tag()), &warm(5)).await;
    assert_eq!(
        (stale.status, stale.body["type"].as_str()),
        (StatusCode::PRECONDITION_FAILED, Some("urn:mayfly:problem:changed-meanwhile"))
    );
    let stale = send(&platform, Method::DELETE, "/ci", Some(&made.tag()), &Value::Null).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let replaced = send(&platform, Method::PUT, "/ci", Some(&changed.tag()), &warm(0)).await;
    assert_eq!((replaced.status, replaced.body["spec"]["max"].is_null()), (StatusCode::OK, true));
    // The same again is no change.
    let same = send(&platform, Method::PUT, "/ci", None, &warm(0)).await;
    assert_eq!(same.tag(), replaced.tag());

    platform.restart();
    platform.pass().await;
    assert_eq!(get(&platform, "ci").await.tag(), replaced.tag(), "it is kept");
    let gone = send(&platform, Method::DELETE, "/ci", Some(&replaced.tag()), &Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(get(&platform, "ci").await.status, StatusCode::NOT_FOUND);
    let again = make(&platform, warm(0)).await;
    assert_ne!(again.tag(), made.tag(), "a tag is never used twice");
}

#[tokio::test]
async fn every_refusal_has_its_status_and_says_why() {
    let platform = Platform::new().await;
    make(&platform, warm(0)).await;
    let status = async |method, path: &str, body: Value| {
        send(&platform, method, path, None, &body).await.status
    };
    assert_eq!(status(Method::POST, "", warm(0)).await, StatusCode::CONFLICT);
    assert_eq!(status(Method::GET, "/none", Value::Null).await, StatusCode::NOT_FOUND);
    assert_eq!(status(Method::PUT, "/none", json!({"name": "none"})).await, StatusCode::NOT_FOUND);
    assert_eq!(status(Method::PATCH, "/none", json!({})).await, StatusCode::NOT_FOUND);
    assert_eq!(status(Method::DELETE, "/none", Value::Null).await, StatusCode::NOT_FOUND);
    assert_eq!(status(Method::POST, "/none/rotate", Value::Null).await, StatusCode::NOT_FOUND);
    for method in [Method::PATCH, Method::DELETE] {
        assert_eq!(
            status(method, "/default", json!({})).await,
            StatusCode::CONFLICT,
            "the environment's own"
        );
    }
    let bad =
        send(&platform, Method::POST, "", None, &json!({"name": "a b", "max": -1, "colour": 1}))
            .await;
    assert_eq!(
        (bad.status, bad.pointers()),
        (StatusCode::UNPROCESSABLE_ENTITY, vec!["/name", "/max", "/colour"])
    );
    let unknown = json!({"name": "x", "env": {"A": "{nonsense}"}});
    let bad = send(&platform, Method::POST, "", None, &unknown).await;
    assert_eq!((bad.status, bad.pointers()), (StatusCode::UNPROCESSABLE_ENTITY, vec!["/env/A"]));
    let renamed = patch(&platform, "ci", json!({"name": "other"})).await;
    assert_eq!(
        (renamed.status, renamed.pointers()),
        (StatusCode::UNPROCESSABLE_ENTITY, vec!["/name"])
    );
    let contradiction = patch(&platform, "ci", json!({"min_idle": 5, "max": 4})).await;
    assert_eq!(contradiction.pointers(), ["/min_idle"]);
    assert_eq!(patch(&platform, "ci", json!([])).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn of_two_who_change_a_pool_at_once_none_undoes_what_the_other_did() {
    let platform = Platform::new().await;
    make(&platform, warm(0)).await;
    // Whether the second reads the pool before the first has written is up to chance: often enough it does.
    for number in 1..=50 {
        let (first, second) = tokio::join!(
            patch(&platform, "ci", json!({"max": number})),
            patch(&platform, "ci", json!({"priority": number})),
        );
        let spec = get(&platform, "ci").await.body["spec"].clone();
        for (answer, field) in [(first, "max"), (second, "priority")] {
            let done = answer.status == StatusCode::OK;
            assert!(done || answer.status == StatusCode::PRECONDITION_FAILED, "{}", answer.body);
            assert_eq!(done, spec[field] == number, "{field} {number}: {spec}");
        }
    }
}

#[tokio::test]
async fn a_job_gets_a_runner_of_the_pool_that_offers_its_labels() {
    let platform = Platform::new().await;
    let spec = json!({
        "name": "gpu", "labels": ["self-hosted", "gpu"], "image": "gpu-runner:1", "command": ["/run", "it"],
        "env": {"POOL_OF": "{runner_name} {runner_image}"}, "max_lifetime": 4000
    });
    platform.repo("octo-admin/heavy", &SELF_HOSTED.replace("linux", "gpu"));
    platform.queue("octo-admin/heavy", &["self-hosted", "gpu"]);
    let before = platform.pass().await;
    assert_eq!((before.launched, before.unmet.len()), (0, 1), "nobody offers it yet");
    make(&platform, spec).await;
    // No interval has to pass: a new pool is a reason to look.
    assert_eq!(platform.pass().await.launched, 1);
    let runner = platform.runners().remove(0);
    assert_eq!(
        (runner.pool.as_str(), runner.image.as_str(), runner.scope_name.as_str()),
        ("gpu", "gpu-runner:1", "octo-admin/heavy")
    );
    assert_eq!(runner.labels, ["gpu", "self-hosted"]);
    assert_eq!(runner.deadline.duration_since(runner.created_at).as_secs(), 4000);
    let environments = platform.backend.state().environments.clone();
    let variables = environments.values().next().unwrap();
    assert!(
        variables.contains(&("POOL_OF".to_owned(), format!("{} gpu-runner:1", runner.name))),
        "{:?}",
        variables.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    // Without the pool the job would wait again; its runner stays for it.
    send(&platform, Method::DELETE, "/gpu", None, &Value::Null).await;
    assert_eq!(platform.pass().await.removed, 0, "a runner on its way is left alone");
}

#[tokio::test]
async fn a_warm_runner_takes_the_job_and_is_replaced_at_once() {
    let platform = Platform::with(&[("MAX_RUNNERS", "10")]).await;
    make(&platform, warm(3)).await;
    settle(&platform).await;
    assert_eq!(of(&platform, "ci").len(), 3);
    assert!(of(&platform, "ci").iter().all(|(_, state)| *state == RunnerState::Idle));

    let launches = platform.backend.state().environments.len();
    let job = platform.queue("octo-admin/app", &["self-hosted", "docker"]);
    let taken = platform.sim.with(|world| world.job(job).unwrap().taker.is_some());
    assert!(taken, "GitHub hands it to a runner that waits");
    assert_eq!(
        platform.backend.state().environments.len(),
        launches,
        "no container was started for it"
    );
    settle(&platform).await;
    let states: Vec<RunnerState> =
        of(&platform, "ci").into_iter().map(|(_, state)| state).collect();
    let count = |wanted| states.iter().filter(|state| **state == wanted).count();
    assert_eq!(
        (count(RunnerState::Busy), count(RunnerState::Idle)),
        (1, 3),
        "replaced while the job still runs"
    );
    platform.pass().await;
    assert_eq!(of(&platform, "ci").len(), 4, "and no more than that");
}

#[tokio::test]
async fn a_rotated_pool_is_fresh_and_no_job_is_lost() {
    let platform = Platform::with(&[("MAX_RUNNERS", "10")]).await;
    make(&platform, warm(2)).await;
    settle(&platform).await;
    let job = platform.queue("octo-admin/app", &["self-hosted", "docker"]);
    settle(&platform).await;
    let old: Vec<String> = of(&platform, "ci").into_iter().map(|(name, _)| name).collect();
    platform.wait(5);
    let rotated = send(&platform, Method::POST, "/ci/rotate", None, &Value::Null).await;
    assert_eq!(rotated.status, StatusCode::OK);
    for _ in 0..3 {
        settle(&platform).await;
    }
    let now = of(&platform, "ci");
    let busy: Vec<&String> =
        now.iter().filter(|(_, state)| *state == RunnerState::Busy).map(|(name, _)| name).collect();
    assert_eq!(busy.len(), 1, "the busy one finishes");
    assert!(old.contains(busy[0]));
    let idle = now.iter().filter(|(_, state)| *state == RunnerState::Idle);
    assert!(
        idle.clone().count() == 2 && idle.clone().all(|(name, _)| !old.contains(name)),
        "{now:?}"
    );
    let name = busy[0].clone();
    platform.finish(&name, job);
    settle(&platform).await;
    assert_eq!(of(&platform, "ci").len(), 2);
}

#[tokio::test]
async fn a_pool_that_is_disabled_or_removed_lets_its_busy_runner_finish() {
    for end in ["disable", "delete"] {
        let platform = Platform::with(&[("MAX_RUNNERS", "10")]).await;
        make(&platform, warm(2)).await;
        settle(&platform).await;
        let job = platform.queue("octo-admin/app", &["self-hosted", "docker"]);
        settle(&platform).await;
        match end {
            "disable" => drop(patch(&platform, "ci", json!({"enabled": false})).await),
            _ => drop(send(&platform, Method::DELETE, "/ci", None, &Value::Null).await),
        }
        settle(&platform).await;
        let left = of(&platform, "ci");
        assert!(matches!(left.as_slice(), [(_, RunnerState::Busy)]), "{end}: {left:?}");
        platform.finish(&left[0].0, job);
        settle(&platform).await;
        assert!(
            platform.containers().is_empty() && platform.registrations().is_empty(),
            "{end}: nothing is left"
        );
    }
}

#[tokio::test]
async fn a_paused_pool_starts_nothing_and_says_so() {
    let platform = Platform::new().await;
    make(&platform, warm(1)).await;
    patch(&platform, "ci", json!({"paused": true})).await;
    platform.pass().await;
    assert!(platform.containers().is_empty());
    let shown = get(&platform, "ci").await.body;
    assert_eq!(
        (shown["status"]["state"].as_str(), shown["status"]["short"].as_str()),
        (Some("paused"), Some("pool ci is paused"))
    );
    patch(&platform, "ci", json!({"paused": null})).await;
    platform.pass().await;
    assert_eq!(platform.containers().len(), 1);
}

#[tokio::test]
async fn the_environment_s_pool_can_keep_runners_waiting_too() {
    let platform = Platform::with(&[("RUNNER_MIN_IDLE", "2")]).await;
    platform.pass().await;
    assert_eq!(platform.containers().len(), 2, "in the repository that has jobs for us");
    assert!(platform.runners().iter().all(|runner| runner.scope_name == "octo-admin/app"));
    let shown = get(&platform, "default").await.body;
    assert_eq!(
        (shown["source"].as_str(), shown["status"]["min_idle"].as_u64()),
        (Some("environment"), Some(2))
    );
    assert!(!shown.to_string().contains("topsecret"));
}

#[tokio::test]
async fn schedules_have_more_runners_wait_for_as_long_as_they_hold() {
    // The clock begins at 2027-01-15T08:00:00Z, a Friday.
    let platform = Platform::with(&[("MAX_RUNNERS", "10")]).await;
    let mut spec = warm(0);
    spec["schedules"] = json!([{"when": "* 9 * * fri", "min_idle": 2}]);
    spec["idle_timeout"] = json!(60);
    make(&platform, spec).await;
    settle(&platform).await;
    assert!(of(&platform, "ci").is_empty());
    while platform.now() < "2027-01-15T09:00:00Z".parse().unwrap() {
        platform.to_next_pass().await;
        platform.pass().await;
    }
    settle(&platform).await;
    assert_eq!(
        (of(&platform, "ci").len(), platform.now().to_string()),
        (2, "2027-01-15T09:00:00Z".to_owned()),
        "on the minute"
    );
    platform.wait(3700);
    settle(&platform).await;
    platform.wait(61);
    settle(&platform).await;
    assert!(of(&platform, "ci").is_empty());
}

#[tokio::test]
async fn every_runner_is_told_of_the_cache_and_a_pool_s_own_word_wins() {
    let platform = Platform::with(&[
        ("RUNNER_CACHE_URL", "http://cache.lan:3000"),
        ("runnerenv_MY_CACHE", "{cache_url}v2"),
    ])
    .await;
    let mut own = warm(1);
    own["env"] = json!({"CUSTOM_ACTIONS_RESULTS_URL": "http://pool.lan/"});
    make(&platform, own).await;
    platform.queue("octo-admin/app", &["self-hosted", "x64"]);
    platform.pass().await;
    let seen = |pool: &str, variable: &str| {
        let (runner, _) = of(&platform, pool).remove(0);
        let state = platform.backend.state();
        let name = mayfly_common::name::RunnerName::parse(&runner).unwrap();
        let variables: std::collections::BTreeMap<_, _> =
            state.environments[&name].iter().cloned().collect();
        variables[variable].clone()
    };
    assert_eq!(seen("default", "CUSTOM_ACTIONS_RESULTS_URL"), "http://cache.lan:3000/");
    assert_eq!(seen("default", "MY_CACHE"), "http://cache.lan:3000/v2");
    assert_eq!(seen("ci", "CUSTOM_ACTIONS_RESULTS_URL"), "http://pool.lan/");
}

#[tokio::test]
async fn a_stored_pool_that_cannot_be_used_is_named_until_it_is_removed_or_made_anew() {
    let mut platform = Platform::with(&[("DIND_ENABLED", "true")]).await;
    for name in ["a", "b"] {
        make(&platform, json!({"name": name, "docker": "dind"})).await;
    }
    // The machine's owner does not allow it any more.
    platform.config.runner.dind_enabled = false;
    platform.restart();
    for _ in 0..2 {
        let problems = platform.pass().await.problems;
        assert!(problems[0].starts_with("pool a is not served: "), "{problems:?}");
        assert!(problems[0].contains("DIND_ENABLED=true"), "{problems:?}");
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
    let deleted = send(&platform, Method::DELETE, "/a", None, &Value::Null).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    make(&platform, json!({"name": "b"})).await;
    assert_eq!(platform.pass().await.problems, Vec::<String>::new());
    platform.restart();
    assert_eq!(platform.pass().await.problems, Vec::<String>::new());
    assert_eq!(get(&platform, "a").await.status, StatusCode::NOT_FOUND);
}

/// Its repositories would be asked in vain.
#[tokio::test]
async fn what_only_a_pool_that_is_off_could_serve_is_not_asked_for_jobs() {
    let platform = Platform::new().await;
    let asked = async || {
        platform.wait(60);
        platform.sim.clear_counters();
        platform.reconciler.check_now().await;
        platform.sim.counters().of("GET", "/repos/{owner}/{repo}/actions/runs")
    };
    let of_one = asked().await;
    assert!(of_one > 0);
    let spec = json!({"name": "gpu", "labels": ["self-hosted", "gpu"], "enabled": false});
    make(&platform, spec).await;
    platform.repo("octo-admin/gpu", &SELF_HOSTED.replace("[self-hosted, linux]", "gpu"));
    assert_eq!((asked().await, asked().await), (of_one, of_one));
    patch(&platform, "gpu", json!({"enabled": true})).await;
    assert_eq!(asked().await, 2 * of_one);
}
