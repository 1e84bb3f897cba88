//! What webhooks tell: at once, without asking GitHub; lost, late, repeated and false tellings are harmless.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use github_sim::world::model::{Repo, Status};
use mayfly_common::webhook::{Content, Delivery, EventJob, EventRepository, JobStatus, Outcome};
use serde_json::json;
use tower::ServiceExt as _;

use crate::jobs::get;
use crate::support::{Platform, SELF_HOSTED, slug};

const HOSTED: &str =
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: 'true'}]\n";

fn repository(platform: &Platform, name: &str) -> EventRepository {
    platform.sim.with(|world| {
        let repo = world.repo(&slug(name)).unwrap();
        EventRepository {
            id: i64::try_from(repo.id).unwrap(),
            full_name: repo.slug.to_string(),
            private: Some(repo.private),
            fork: repo.fork,
            archived: repo.archived,
            disabled: repo.disabled,
        }
    })
}

/// What GitHub tells of a job of the simulator, as it stands or as it stood.
pub(crate) fn told(platform: &Platform, repo: &str, job: u64, status: JobStatus) -> Content {
    let created_at = platform.sim.with(|world| world.job(job).unwrap().created_at);
    let labels = platform.sim.with(|world| world.job(job).unwrap().spec.labels.clone());
    Content::Job {
        repository: repository(platform, repo),
        job: EventJob {
            id: i64::try_from(job).unwrap(),
            name: "build".to_owned(),
            status,
            conclusion: None,
            labels,
            labels_unread: false,
            created_at: Some(created_at),
            started_at: None,
            completed_at: None,
            runner_name: None,
        },
    }
}

pub(crate) async fn deliver(platform: &Platform, id: &str, content: Content) -> Outcome {
    let event = "workflow_job".to_owned();
    let delivery = Delivery { id: id.to_owned(), event, hook: None, content };
    platform.handle.deliver(delivery).await
}

/// A platform that has looked at everything and would look again in five minutes.
async fn settled() -> Platform {
    let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
    platform.pass().await;
    platform
}

#[tokio::test]
async fn a_told_job_gets_its_runner_for_one_request() {
    let platform = settled().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.sim.clear_counters();
    let content = told(&platform, "octo-admin/app", job, JobStatus::Queued);
    assert_eq!(deliver(&platform, "d1", content.clone()).await, Outcome::Accepted);
    assert_eq!(platform.pass().await.launched, 1);
    assert_eq!(platform.sim.counters().total, 1, "the registration, and nothing else");
    assert_eq!(deliver(&platform, "d1", content).await, Outcome::Duplicate);
    assert_eq!(platform.pass().await.launched, 0);

    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), Some(job));
    let begun = told(&platform, "octo-admin/app", job, JobStatus::InProgress);
    deliver(&platform, "d2", begun).await;
    platform.finish(&name, job);
    platform.pass().await;
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
    assert!(platform.handle.snapshot().github.webhooks.starts_with("they tell of jobs"));
}

#[tokio::test]
async fn a_job_told_while_nothing_can_be_written_gets_its_runner_all_the_same() {
    let platform = settled().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.handle.store().break_writes();
    let content = told(&platform, "octo-admin/app", job, JobStatus::Queued);
    assert_eq!(deliver(&platform, "d1", content.clone()).await, Outcome::Accepted);
    // Nobody could note the first: it is heard again, and starts no second runner.
    assert_eq!(deliver(&platform, "d1", content).await, Outcome::Accepted);
    assert_eq!(platform.pass().await.launched, 1);
    assert_eq!(platform.pass().await.launched, 0);
    assert_eq!(platform.connect(&platform.containers()[0].clone()), Some(job));
}

#[tokio::test]
async fn tellings_that_are_late_or_out_of_order_start_nothing() {
    let platform = settled().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    for (id, status) in
        [("c", JobStatus::Completed), ("p", JobStatus::InProgress), ("q", JobStatus::Queued)]
    {
        let content = told(&platform, "octo-admin/app", job, status);
        assert_eq!(deliver(&platform, id, content).await, Outcome::Accepted);
    }
    assert_eq!(platform.pass().await.launched, 0);
    let waiting = platform.queue("octo-admin/app", &["self-hosted"]);
    let content = told(&platform, "octo-admin/app", waiting, JobStatus::Waiting);
    deliver(&platform, "w", content).await;
    assert_eq!(platform.pass().await.launched, 0, "a job that waits for approval is no demand");
}

#[tokio::test]
async fn a_false_telling_costs_one_runner_at_most_and_is_corrected() {
    let platform = settled().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    let content = told(&platform, "octo-admin/app", job, JobStatus::Queued);
    platform.sim.with(|world| {
        let run = world.job(job).unwrap().run_id;
        world.cancel_run(run).unwrap();
    });
    deliver(&platform, "stale", content).await;
    assert_eq!(platform.pass().await.launched, 1);
    for _ in 0..20 {
        platform.wait(60);
        platform.pass().await;
        for name in platform.containers() {
            let online = platform.sim.with(|world| {
                world.all_runners().any(|runner| runner.name == name && runner.online())
            });
            if !online {
                platform.connect(&name);
            }
        }
    }
    assert!(platform.containers().is_empty(), "GitHub's list has the last word");
}

#[tokio::test]
async fn repositories_that_are_not_served_are_not_served_by_webhook_either() {
    let platform =
        Platform::with(&[("DISCOVERY_EXCLUDE", "secret-*"), ("RUNNER_CHECK_INTERVAL", "300")])
            .await;
    platform.repo("octo-admin/secret-x", SELF_HOSTED);
    platform.pass().await;
    let job = platform.queue("octo-admin/secret-x", &["self-hosted"]);
    let content = told(&platform, "octo-admin/secret-x", job, JobStatus::Queued);
    deliver(&platform, "d", content).await;
    assert_eq!(platform.pass().await.launched, 0);
    assert_eq!(platform.pass().await.launched, 0);
}

#[tokio::test]
async fn a_job_of_a_repository_that_is_not_served_is_shown_as_such_whatever_the_delivery_says() {
    for known in [true, false] {
        let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
        let open = |world: &mut github_sim::world::World| {
            world.change_repo(&slug("octo-admin/open"), |repo| repo.private = false).unwrap();
        };
        platform.repo("octo-admin/open", SELF_HOSTED);
        platform.sim.with(|world| open(&mut *world));
        if known {
            platform.pass().await;
        }
        let job = platform.queue("octo-admin/open", &["self-hosted"]);
        let mut content = told(&platform, "octo-admin/open", job, JobStatus::Queued);
        let Content::Job { repository, .. } = &mut content else { panic!() };
        repository.private = Some(true);
        deliver(&platform, "d1", content).await;
        for _ in 0..2 {
            assert_eq!(platform.pass().await.launched, 0, "{known}");
            platform.wait(10);
        }
        let (_, list) = get(&platform, "/jobs").await;
        let shown = &list["jobs"][0];
        assert_eq!((&shown["id"], &shown["waiting"]), (&json!(job), &json!(false)), "{known}");
        let why = shown["not_served"].as_str().unwrap();
        assert!(why.starts_with("it is public: "), "{known}: {why}");
        let (_, one) = get(&platform, &format!("/jobs/{job}")).await;
        assert_eq!(one, *shown);
        let (_, explained) = get(&platform, &format!("/jobs/{job}/explain")).await;
        assert_eq!(explained["reasons"][0]["code"], "repository_refused", "{explained}");
        assert_eq!(explained["summary"], format!("octo-admin/open is not served: {why}"));
        assert_eq!(explained["reasons"].as_array().unwrap().len(), 1, "{explained}");
    }
}

#[tokio::test]
async fn a_repository_that_was_made_public_a_fork_archived_or_disabled_is_served_no_more() {
    type Change = fn(&mut Repo);
    let changes: [(&str, Change); 4] = [
        ("public", |repo| repo.private = false),
        ("fork", |repo| repo.fork = true),
        ("archived", |repo| repo.archived = true),
        ("disabled", |repo| repo.disabled = true),
    ];
    for (what, change) in changes {
        let platform = settled().await;
        let app = slug("octo-admin/app");
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        platform.sim.with(|world| world.change_repo(&app, change)).unwrap();
        let content = told(&platform, "octo-admin/app", job, JobStatus::Queued);
        assert_eq!(deliver(&platform, "d1", content).await, Outcome::Accepted);
        let report = platform.pass().await;
        assert_eq!(platform.containers(), Vec::<String>::new(), "{what}: {report:?}");
        platform.wait(600);
        platform.pass().await;
        assert_eq!(platform.containers(), Vec::<String>::new(), "{what}");
    }
}

#[tokio::test]
async fn a_repository_that_is_new_or_hides_its_jobs_is_served_when_it_is_heard_of() {
    let platform = settled().await;
    platform.repo("octo-admin/hosted", HOSTED);
    let hidden = platform.queue("octo-admin/hosted", &["self-hosted"]);
    let content = told(&platform, "octo-admin/hosted", hidden, JobStatus::Queued);
    deliver(&platform, "d", content).await;
    let report = platform.pass().await;
    assert_eq!((report.launched, report.repositories), (1, 2), "{report:?}");
}

#[tokio::test]
async fn a_push_is_read_at_once_and_costs_little() {
    let platform = settled().await;
    platform.repo("octo-admin/later", HOSTED);
    platform.wait(300);
    platform.pass().await;
    let path = ".github/workflows/ci.yml";
    platform
        .sim
        .with(|world| world.put_file(&slug("octo-admin/later"), path, SELF_HOSTED))
        .unwrap();
    platform.wait(1);
    platform.sim.clear_counters();
    let pushed = Content::Push { repository: repository(&platform, "octo-admin/later") };
    deliver(&platform, "p", pushed).await;
    let report = platform.pass().await;
    assert_eq!(report.self_hosted_repositories, 2, "{report:?}");
    assert!(platform.sim.counters().total <= 5, "{:?}", platform.sim.counters());
}

#[tokio::test]
async fn polling_slows_down_while_webhooks_tell_and_speeds_up_when_they_do_not() {
    let platform =
        Platform::with(&[("RUNNER_CHECK_INTERVAL", "30"), ("RUNNER_PURGE_INTERVAL", "3600")]).await;
    let checks = async |seconds: i64| {
        platform.sim.clear_counters();
        for _ in 0..seconds / 10 {
            platform.wait(10);
            platform.pass().await;
        }
        platform.sim.counters().of("GET", "/user/repos")
    };
    platform.pass().await;
    assert_eq!(checks(300).await, 10);
    deliver(&platform, "ping", Content::Ping).await;
    assert_eq!(checks(600).await, 2, "every 300 seconds");
    checks(600).await;
    assert!(platform.handle.snapshot().github.webhooks.starts_with("none came since"));
    assert_eq!(checks(300).await, 10, "silent for a quarter of an hour");

    deliver(&platform, "ping2", Content::Ping).await;
    platform.queue("octo-admin/app", &["other-machine"]);
    checks(600).await;
    assert!(platform.handle.snapshot().github.webhooks.contains("none had told of"));
    assert_eq!(checks(300).await, 10, "a hook is missing somewhere");
}

#[tokio::test]
async fn a_restart_forgets_neither_deliveries_nor_jobs() {
    let mut platform = settled().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    let content = told(&platform, "octo-admin/app", job, JobStatus::Queued);
    deliver(&platform, "d", content.clone()).await;
    platform.pass().await;
    platform.restart();
    assert_eq!(deliver(&platform, "d", content).await, Outcome::Duplicate);
    platform.pass().await;
    assert_eq!(platform.containers().len(), 1, "the runner is adopted, no second one is started");
    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), Some(job));
    assert_eq!(platform.job_status(job), Status::InProgress);
}

#[tokio::test]
async fn the_internal_address_takes_deliveries_and_refuses_what_is_none() {
    let platform = settled().await;
    let post = async |body: String| {
        let request = Request::post("/api/v1/deliveries").body(Body::from(body)).unwrap();
        let answer = platform.router().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let ping = Delivery {
        id: "1".to_owned(),
        event: "ping".to_owned(),
        hook: None,
        content: Content::Ping,
    };
    let body = serde_json::to_string(&ping).unwrap();
    assert_eq!(
        post(body.clone()).await,
        (StatusCode::ACCEPTED, r#"{"outcome":"accepted"}"#.to_owned())
    );
    assert_eq!(post(body).await.1, r#"{"outcome":"duplicate"}"#);
    for wrong in ["", "{", "{}", r#"{"id":"1","event":"x","content":{"kind":"y"}}"#] {
        assert_eq!(post(wrong.to_owned()).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(post("x".repeat(2 << 20)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}
