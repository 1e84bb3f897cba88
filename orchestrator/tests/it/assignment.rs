//! Jobs that GitHub does not assign to a runner that waits for them, and deliveries that do not arrive.

use axum::body::{Body, to_bytes};
use github_sim::world::model::{JobSpec, Status, Step};
use http::{Method, Request, StatusCode};
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Login;
use mayfly_common::webhook::{Content, Delivery, EventJob, EventRepository, JobStatus, Outcome};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{Platform, SELF_HOSTED, slug};

const BARRED: &str = "octo-org/barred";
const APP: &str = "octo-org/app";
/// What only the default pool offers, whose runners are those of a repository.
const OF_DEFAULT: [&str; 2] = ["self-hosted", "x64"];

async fn call(platform: &Platform, method: Method, path: &str, body: Value) -> Value {
    let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    let request = request.body(Body::from(body.to_string())).unwrap();
    let response = platform.router().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert!(matches!(status, StatusCode::OK | StatusCode::CREATED), "{path}: {status}");
    serde_json::from_slice(&bytes).unwrap()
}

pub(crate) async fn explain(platform: &Platform, job: u64) -> Value {
    call(platform, Method::GET, &format!("/jobs/{job}/explain"), Value::Null).await
}

/// A pool of the organisation's runners, which alone has the label `big`. Jobs of `octo-org/barred` ask for another runner group, which
/// no label tells: GitHub never assigns them.
async fn platform(check_interval: &str) -> Platform {
    let platform = Platform::with(&[
        ("MAX_RUNNERS", "3"),
        ("RUNNER_CHECK_INTERVAL", check_interval),
        ("DISCOVERY_MODE", "organization"),
        ("GITHUB_ORGANIZATION", "octo-org"),
    ])
    .await;
    platform.repo(BARRED, SELF_HOSTED);
    platform.repo(APP, SELF_HOSTED);
    let pool = json!({"name": "org", "scopes": ["org:octo-org"], "labels": ["self-hosted", "linux", "big"]});
    call(&platform, Method::POST, "/pools", pool).await;
    platform
}

fn queue_barred(platform: &Platform) -> u64 {
    platform.sim.with(|world| {
        if world.groups(&Login::parse("octo-org").unwrap()).all(|group| group.name != "elsewhere") {
            world.add_runner_group("octo-org", "elsewhere").unwrap();
        }
        let spec = JobSpec {
            key: "build".to_owned(),
            name: "build".to_owned(),
            labels: vec!["self-hosted".to_owned(), "big".to_owned()],
            group: Some("elsewhere".to_owned()),
            steps: vec![Step::run("echo hello")],
            ..JobSpec::default()
        };
        world.queue_job(&slug(BARRED), spec).unwrap()
    })
}

/// Passes as the platform itself wants them for so many seconds; every runner that starts comes online.
async fn run(platform: &Platform, seconds: i64, mut each: impl FnMut(&Platform)) {
    let start = platform.now();
    while platform.now().duration_since(start).as_secs() < seconds {
        platform.pass().await;
        for runner in platform.runners() {
            if runner.state == RunnerState::Starting {
                platform.connect(&runner.name);
            }
        }
        each(platform);
        platform.to_next_pass().await;
    }
}

fn pools(platform: &Platform) -> Vec<String> {
    platform.runners().into_iter().map(|runner| runner.pool).collect()
}

#[tokio::test]
async fn jobs_that_github_does_not_assign_starve_nobody() {
    let platform = platform("10").await;
    let barred: Vec<u64> = (0..4).map(|_| queue_barred(&platform)).collect();
    run(&platform, 30, |_| {}).await;
    let healthy = platform.queue(APP, &OF_DEFAULT);
    run(&platform, 30, |_| {}).await;
    assert_eq!(pools(&platform), ["org"; 3], "all room is used, and nobody knows better yet");
    let told = explain(&platform, healthy).await;
    assert_eq!(told["reasons"][0]["code"], "cap");
    let hint = told["reasons"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("is idle beside job"), "{hint}");

    run(&platform, 110, |_| {}).await;
    assert_eq!(platform.job_status(healthy), Status::InProgress, "{:?}", platform.runners());
    // Only the room that was needed was taken.
    let mut left = pools(&platform);
    left.sort();
    assert_eq!(left, ["default", "org", "org"]);
    for job in &barred {
        let told = explain(&platform, *job).await;
        assert_eq!(told["reasons"][0]["code"], "group", "{told}");
        let what = told["reasons"][0]["what"].as_str().unwrap();
        assert!(what.contains("runner group \"Default\" excludes octo-org/barred"), "{what}");
    }
    let problems = platform.handle.snapshot().report.problems;
    let about: Vec<&String> = problems.iter().filter(|text| text.contains(BARRED)).collect();
    assert_eq!(about.len(), 1, "one for all of them: {problems:?}");
    assert!(about[0].contains("Likely causes: its runner group \"Default\" excludes"), "{about:?}");
    assert_eq!(explain(&platform, healthy).await["reasons"][0]["code"], "in_progress");
}

#[tokio::test]
async fn no_other_job_waits_long_however_many_are_not_assigned() {
    let platform = platform("10").await;
    for _ in 0..10 {
        queue_barred(&platform);
    }
    let started = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let mut waits = Vec::new();
    run(&platform, 300, |_| {}).await;
    // A healthy job every five minutes, for an hour.
    for _ in 0..12 {
        let job = platform.queue(APP, &OF_DEFAULT);
        let queued = platform.now();
        run(&platform, 300, |platform| {
            started.borrow_mut().extend(platform.containers());
            if platform.job_status(job) == Status::InProgress {
                let runners = platform.runners();
                let took = runners.iter().find(|runner| runner.pool == "default");
                let Some(took) = took.map(|runner| runner.name.clone()) else { return };
                waits.push(platform.now().duration_since(queued).as_secs());
                platform.finish(&took, job);
            }
        })
        .await;
        assert_eq!(platform.job_status(job), Status::Completed, "within five minutes");
    }
    waits.sort_unstable();
    assert!(waits[waits.len() / 2] <= 30, "mostly at once: {waits:?}");
    assert!(waits.last() <= Some(&180), "never long: {waits:?}");
    let of_barred = started.borrow().len() - 12;
    assert!(of_barred <= 15, "a few runners are tried in an hour, not more: {of_barred}");
}

#[tokio::test]
async fn a_runner_that_nobody_else_needs_the_room_of_stays_until_the_group_is_mended() {
    let platform = platform("10").await;
    let job = queue_barred(&platform);
    run(&platform, 240, |_| {}).await;
    let before = platform.containers();
    assert_eq!(before.len(), 1);
    run(&platform, 60, |_| {}).await;
    assert_eq!(platform.containers(), before, "it is not started again and again");
    assert_eq!(explain(&platform, job).await["reasons"][0]["code"], "group");
    // A job of another repository of the organisation may have it.
    let open = platform.queue(APP, &["self-hosted", "big"]);
    run(&platform, 15, |_| {}).await;
    assert_eq!(platform.job_status(open), Status::InProgress);
}

#[tokio::test]
async fn a_job_that_one_pool_s_group_excludes_is_served_by_the_next_pool() {
    let platform = Platform::with(&[
        ("MAX_RUNNERS", "3"),
        ("RUNNER_CHECK_INTERVAL", "10"),
        ("DISCOVERY_MODE", "organization"),
        ("GITHUB_ORGANIZATION", "octo-org"),
    ])
    .await;
    platform.repo(BARRED, SELF_HOSTED);
    platform.repo(APP, SELF_HOSTED);
    let selected = [APP.parse().unwrap()];
    platform.sim.with(|world| {
        world.add_runner_group("octo-org", "closed").unwrap();
        world.set_group_access("octo-org", "closed", Some(&selected), true).unwrap();
    });
    let pool = json!({
        "name": "closed", "scopes": ["org:octo-org"], "labels": ["self-hosted"],
        "runner_group": "closed", "min_idle": 1
    });
    call(&platform, Method::POST, "/pools", pool).await;
    run(&platform, 30, |_| {}).await;
    assert_eq!(pools(&platform), ["closed"]);
    let job = platform.queue(BARRED, &["self-hosted"]);
    run(&platform, 150, |_| {}).await;
    assert_eq!(platform.job_status(job), Status::InProgress, "{:?}", platform.runners());
    assert!(pools(&platform).contains(&"default".to_owned()));
    // And neither has the next one wait for as long beside the runner that is idle, nor a job that the group admits for anything.
    let second = platform.queue(BARRED, &["self-hosted"]);
    run(&platform, 10, |_| {}).await;
    assert_eq!(platform.job_status(second), Status::InProgress, "{:?}", platform.runners());
    let admitted = platform.queue(APP, &["self-hosted"]);
    run(&platform, 10, |_| {}).await;
    assert_eq!(platform.job_status(admitted), Status::InProgress);
}

#[tokio::test]
async fn what_was_learnt_of_one_job_has_the_others_of_its_repository_give_way_at_once() {
    let platform = platform("10").await;
    let first = queue_barred(&platform);
    run(&platform, 150, |_| {}).await;
    assert_eq!(explain(&platform, first).await["reasons"][0]["code"], "group");
    for _ in 0..9 {
        queue_barred(&platform);
        run(&platform, 5, |_| {}).await;
    }
    run(&platform, 20, |_| {}).await;
    assert_eq!(pools(&platform), ["org"; 3], "each has its own attempt while there is room");
    let healthy = platform.queue(APP, &OF_DEFAULT);
    let queued = platform.now();
    let mut waited = None;
    run(&platform, 60, |platform| {
        if waited.is_none() && platform.job_status(healthy) == Status::InProgress {
            waited = Some(platform.now().duration_since(queued).as_secs());
        }
    })
    .await;
    assert!(waited.is_some_and(|waited| waited <= 20), "{waited:?}");
    assert_eq!(pools(&platform).iter().filter(|pool| *pool == "org").count(), 2);
}

#[tokio::test]
async fn a_job_that_names_another_group_holds_up_no_other_of_its_repository() {
    let platform = platform("10").await;
    queue_barred(&platform);
    run(&platform, 150, |_| {}).await;
    let healthy = [(); 3].map(|()| platform.queue(BARRED, &["self-hosted", "big"]));
    run(&platform, 20, |_| {}).await;
    for job in healthy {
        assert_eq!(platform.job_status(job), Status::InProgress, "{:?}", platform.runners());
    }
}

#[tokio::test]
async fn what_was_learnt_ends_when_a_runner_of_the_group_has_a_job_of_the_repository() {
    let platform = platform("10").await;
    queue_barred(&platform);
    run(&platform, 150, |_| {}).await;
    let first = platform.queue(BARRED, &["self-hosted", "big"]);
    run(&platform, 30, |_| {}).await;
    assert_eq!(platform.job_status(first), Status::InProgress, "{:?}", platform.runners());
    // Another pool, which is not as tight a fit.
    let other = json!({
        "name": "other", "scopes": ["repo:octo-org/barred"],
        "labels": ["self-hosted", "linux", "big", "more"]
    });
    call(&platform, Method::POST, "/pools", other).await;
    let second = platform.queue(BARRED, &["self-hosted", "big"]);
    run(&platform, 20, |_| {}).await;
    assert_eq!(platform.job_status(second), Status::InProgress, "{:?}", platform.runners());
    // The job that nobody gets tries the other pool; the second one does not.
    let mut used = pools(&platform);
    used.sort();
    assert_eq!(used, ["org", "org", "other"]);
}

fn content(platform: &Platform, repo: &str, job: u64, status: JobStatus) -> Content {
    platform.sim.with(|world| {
        let (repo, job) = (world.repo(&slug(repo)).unwrap(), world.job(job).unwrap());
        Content::Job {
            repository: EventRepository {
                id: i64::try_from(repo.id).unwrap(),
                full_name: repo.slug.to_string(),
                private: Some(repo.private),
                fork: repo.fork,
                archived: repo.archived,
                disabled: repo.disabled,
            },
            job: EventJob {
                id: i64::try_from(job.id).unwrap(),
                name: job.spec.name.clone(),
                status,
                conclusion: None,
                labels: job.spec.labels.clone(),
                labels_unread: false,
                created_at: Some(job.created_at),
                started_at: None,
                completed_at: None,
                runner_name: None,
            },
        }
    })
}

async fn deliver(platform: &Platform, repo: &str, job: u64, status: JobStatus) {
    let content = content(platform, repo, job, status);
    let event = "workflow_job".to_owned();
    let delivery = Delivery { id: format!("{job}-{status:?}"), event, hook: None, content };
    assert_eq!(platform.handle.deliver(delivery).await, Outcome::Accepted);
}

#[tokio::test]
async fn lost_deliveries_of_a_job_that_is_done_cost_seconds_not_minutes() {
    let variables = [("RUNNER_CHECK_INTERVAL", "300"), ("MAX_RUNNERS", "2")];
    let platform = Platform::with(&variables).await;
    platform.repo("octo-admin/other", SELF_HOSTED);
    platform.pass().await;
    // Two jobs are told of; that they begin and end is not.
    let first = [(); 2].map(|()| platform.queue("octo-admin/app", &["self-hosted"]));
    for job in first {
        deliver(&platform, "octo-admin/app", job, JobStatus::Queued).await;
    }
    platform.pass().await;
    for name in platform.containers() {
        let job = platform.connect(&name).unwrap();
        platform.finish(&name, job);
    }
    // Their runners are gone, and two others start for jobs that seem to wait.
    platform.pass().await;
    let other = platform.queue("octo-admin/other", &["self-hosted"]);
    deliver(&platform, "octo-admin/other", other, JobStatus::Queued).await;
    let queued = platform.now();
    let mut waited = None;
    run(&platform, 120, |platform| {
        if waited.is_none() && platform.job_status(other) == Status::InProgress {
            waited = Some(platform.now().duration_since(queued).as_secs());
        }
    })
    .await;
    assert!(waited.is_some_and(|waited| waited <= 60), "{waited:?}");
    platform.pass().await;
    let rows = call(&platform, Method::GET, "/jobs?status=queued", Value::Null).await;
    let waiting = rows["jobs"].as_array().unwrap().iter().filter(|job| job["waiting"] == true);
    assert_eq!(waiting.count(), 0, "{rows}");
}

#[tokio::test]
async fn a_look_for_a_lost_delivery_is_one_look() {
    let platform = platform("300").await;
    platform.pass().await;
    let job = queue_barred(&platform);
    deliver(&platform, BARRED, job, JobStatus::Queued).await;
    platform.pass().await;
    platform.connect(&platform.containers()[0]);
    platform.pass().await;
    platform.sim.clear_counters();
    let asked = || {
        let counters = platform.sim.counters();
        let runs = "/repos/{owner}/{repo}/actions/runs";
        let of_runs = |found: &&github_sim::RouteCount| found.route.ends_with(runs);
        counters.routes.iter().filter(of_runs).map(|found| found.count).sum::<u64>()
    };
    run(&platform, 19, |_| {}).await;
    assert_eq!(asked(), 0);
    run(&platform, 80, |_| {}).await;
    let once = asked();
    assert!((1..=3).contains(&once), "one reading of the repository's runs: {once}");
    run(&platform, 30, |_| {}).await;
    assert_eq!(asked(), 2 * once, "and one before the runner counts as idle in vain");
    run(&platform, 120, |_| {}).await;
    assert_eq!(asked(), 2 * once);
}
