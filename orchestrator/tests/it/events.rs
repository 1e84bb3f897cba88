//! What happened, over HTTP: pages, streams, and runners that are gone.

use axum::body::{Body, BodyDataStream, to_bytes};
use futures::StreamExt as _;
use github_sim::world::model::Conclusion;
use http::{Request, StatusCode};
use mayfly_common::api::{Event, EventKind, EventList, Finished, FinishedList};
use mayfly_common::runner::RunnerState;
use serde::de::DeserializeOwned;
use serde_json::json;
use tower::ServiceExt as _;

use crate::support::{Platform, SELF_HOSTED};

async fn ask(
    platform: &Platform,
    path: &str,
    headers: &[(&str, &str)],
) -> http::Response<axum::body::Body> {
    let mut request = Request::builder().uri(format!("/api/v1{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    platform.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn get<T: DeserializeOwned>(platform: &Platform, path: &str) -> T {
    let response = ask(platform, path, &[]).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap()
}

fn kinds(events: &[Event]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind).collect()
}

/// A stream of events, read one by one.
struct Follower {
    body: BodyDataStream,
    text: String,
}

impl Follower {
    async fn of(platform: &Platform, path: &str, headers: &[(&str, &str)]) -> Self {
        let headers = [&[("accept", "text/event-stream")], headers].concat();
        let response = ask(platform, path, &headers).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return serde_json::from_str(data).unwrap();
                }
                continue;
            }
            let piece = self.body.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

/// One job from the queue to its end.
async fn one_job(platform: &Platform) -> String {
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(400);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.wait(30);
    platform.pass().await;
    platform.finish(&name, job);
    platform.wait(30);
    platform.pass().await;
    name
}

#[tokio::test]
async fn a_job_s_way_is_told_in_order_once_and_for_good() {
    let mut platform = Platform::new().await;
    platform.pass().await;
    let name = one_job(&platform).await;
    let list: EventList = get(&platform, "/events?after=0").await;
    let told = kinds(&list.events);
    let order = [
        EventKind::JobQueued,
        EventKind::RunnerStarted,
        EventKind::RunnerBusy,
        EventKind::RunnerFinished,
        EventKind::JobCompleted,
    ];
    let mut places = order.map(|kind| told.iter().position(|told| *told == kind));
    assert!(places.iter().all(Option::is_some), "{told:?}");
    // The end of the runner and of the job are noticed together.
    places[3..].sort_unstable();
    assert!(places.is_sorted(), "{told:?}");
    assert!(list.events.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(list.last_id, list.events.last().unwrap().id);
    let finished = list.events.iter().find(|event| event.kind == EventKind::RunnerFinished);
    let finished = finished.unwrap();
    assert_eq!(finished.runner.as_deref(), Some(name.as_str()));
    assert_eq!(finished.pool.as_deref(), Some("default"));
    assert_eq!(finished.scope.as_deref(), Some("octo-admin/app"));

    // A restart tells nothing twice and forgets nothing.
    platform.restart();
    platform.pass().await;
    let again: EventList = get(&platform, "/events?after=0&limit=1000").await;
    assert_eq!(again, list);
    let page: EventList = get(&platform, "/events?limit=2").await;
    assert_eq!(page.events, list.events[list.events.len() - 2..]);
    let page: EventList = get(&platform, &format!("/events?after={}", list.last_id)).await;
    assert_eq!((page.events.len(), page.last_id), (0, list.last_id));
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_cut_and_ends_with_the_service() {
    let platform = Platform::new().await;
    platform.pass().await;
    let mut live = Follower::of(&platform, "/events", &[]).await;
    one_job(&platform).await;
    let all: EventList = get(&platform, "/events?after=0&limit=1000").await;
    // What was there before it began is not told: the first is of the job.
    let first = live.next().await.unwrap();
    assert_eq!(first.kind, EventKind::JobQueued);
    let second = live.next().await.unwrap();
    drop(live);
    let id = second.id.to_string();
    let mut resumed = Follower::of(&platform, "/events?after=0", &[("last-event-id", &id)]).await;
    for expected in all.events.iter().filter(|event| event.id > second.id) {
        assert_eq!(resumed.next().await.as_ref(), Some(expected));
    }
    let mut whole = Follower::of(&platform, "/events?after=0", &[]).await;
    for expected in &all.events {
        assert_eq!(whole.next().await.as_ref(), Some(expected));
    }
    drop(platform);
    assert_eq!(resumed.next().await, None);
    assert_eq!(whole.next().await, None);
}

#[tokio::test]
async fn trouble_is_told_when_it_begins_and_when_it_ends() {
    let platform = Platform::new().await;
    platform.pass().await;
    platform.backend.state().away = true;
    platform.pass().await;
    platform.pass().await;
    platform.backend.state().away = false;
    platform.pass().await;
    let list: EventList = get(&platform, "/events").await;
    assert_eq!(kinds(&list.events), [EventKind::ProblemBegan], "not in the same second");
    platform.wait(1);
    platform.pass().await;
    let due = platform.reconciler.next_pass().await.duration_since(platform.now());
    assert!(due.as_secs() < 10, "{due}");
    platform.wait(9);
    platform.pass().await;
    let list: EventList = get(&platform, "/events").await;
    let trouble = [EventKind::ProblemBegan, EventKind::ProblemEnded];
    assert_eq!(kinds(&list.events), trouble, "{:?}", list.events);
}

#[tokio::test]
async fn a_runner_that_cannot_be_started_is_one_problem_until_one_is() {
    let platform = Platform::new().await;
    platform.pass().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.backend.state().failing_launches = 4;
    platform.wait(400);
    // A pass every second, and each in which the engine tells of a container that is gone.
    for _ in 0..120 {
        platform.pass().await;
        platform.pass().await;
        platform.wait(1);
    }
    let list: EventList = get(&platform, "/events?limit=1000").await;
    let problems: Vec<&Event> = list
        .events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::ProblemBegan | EventKind::ProblemEnded))
        .collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    let message = problems[0].message.as_deref().unwrap();
    assert!(
        message.contains("runner not started") && message.contains("no space left"),
        "{message}"
    );
    assert_eq!(problems[0].message, problems[1].message);
    let started = list.events.iter().find(|event| event.kind == EventKind::RunnerStarted).unwrap();
    assert!(problems[1].at > started.at, "{:?}", list.events);
}

#[tokio::test]
async fn what_a_check_found_is_one_problem_until_a_check_finds_it_no_more() {
    let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
    let broken = github_sim::Fault {
        route: "/user/repos".to_owned(),
        status: 502,
        times: 3,
        ..github_sim::Fault::default()
    };
    platform.fault(broken);
    for _ in 0..60 {
        platform.pass().await;
        platform.wait(5);
    }
    let list: EventList = get(&platform, "/events?limit=1000").await;
    let trouble = [EventKind::ProblemBegan, EventKind::ProblemEnded];
    assert_eq!(kinds(&list.events), trouble, "{:?}", list.events);
}

#[tokio::test]
async fn a_runner_that_somebody_removes_leaves_an_event_and_a_record() {
    for busy in [true, false] {
        let platform = Platform::new().await;
        platform.queue("octo-admin/app", &["self-hosted"]);
        platform.pass().await;
        let name = platform.containers()[0].clone();
        if busy {
            platform.connect(&name);
        }
        platform.wait(5);
        platform.pass().await;
        platform.backend.state().machines.clear();
        platform.wait(5);
        platform.pass().await;
        platform.pass().await;
        let list: EventList = get(&platform, "/events?limit=1000").await;
        let of_it: Vec<&Event> = list
            .events
            .iter()
            .filter(|event| event.runner.as_deref() == Some(name.as_str()))
            .collect();
        let (kind, state) = if busy {
            (EventKind::RunnerFailed, RunnerState::Failed)
        } else {
            (EventKind::RunnerGone, RunnerState::Gone)
        };
        assert_eq!(of_it.last().map(|event| event.kind), Some(kind), "{of_it:?}");
        assert_eq!(of_it.iter().filter(|event| event.kind == kind).count(), 1, "told once");
        let finished: Finished = get(&platform, &format!("/finished-runners/{name}")).await;
        assert_eq!((finished.state, finished.exit_code), (state, None));
        assert_eq!(finished.reason, "its container was removed by somebody else");
        assert_eq!(platform.handle.snapshot().finished[0].name, name);
        let failures = "mayfly_runner_failures_total{pool=\"default\",reason=\"removed\"} 1";
        assert_eq!(platform.metrics.render().contains(failures), busy);
    }
}

/// The events of a runner that is gone, and what is kept of it.
async fn end_of(platform: &Platform, name: &str) -> (Vec<EventKind>, Option<Finished>) {
    let list: EventList = get(platform, "/events?limit=1000").await;
    let of_it = list.events.iter().filter(|event| event.runner.as_deref() == Some(name));
    let ends = [EventKind::RunnerFailed, EventKind::RunnerFinished, EventKind::RunnerGone];
    let told = of_it.map(|event| event.kind).filter(|kind| ends.contains(kind)).collect();
    let list: FinishedList = get(platform, "/finished-runners").await;
    (told, list.runners.into_iter().find(|gone| gone.name == name))
}

/// Its container is removed while no orchestrator runs.
fn vanish(platform: &mut Platform) {
    platform.backend.state().machines.clear();
    platform.restart();
}

#[tokio::test]
async fn a_runner_that_is_removed_while_nobody_looks_leaves_one_event_and_one_record() {
    use Conclusion::{Failure, Success};
    const GONE: &str = "its container was gone when the orchestrator started";
    let open = format!("{GONE}; GitHub does not say that its job has ended");
    let over = |conclusion: &str| format!("{GONE}; its job's conclusion is {conclusion}");
    let rows = [
        (true, None, EventKind::RunnerFailed, open),
        (true, Some(Success), EventKind::RunnerFinished, over("success")),
        (true, Some(Failure), EventKind::RunnerGone, over("failure")),
        (false, None, EventKind::RunnerGone, GONE.to_owned()),
    ];
    for (busy, concluded, kind, reason) in rows {
        for scope in ["repo", "org"] {
            let of_org = [("DISCOVERY_MODE", "organization"), ("GITHUB_ORGANIZATION", "octo-org")];
            let mut platform =
                if scope == "org" { Platform::with(&of_org).await } else { Platform::new().await };
            let place = if scope == "org" { "octo-org" } else { "octo-admin/app" };
            platform.repo("octo-org/app", SELF_HOSTED);
            let asked = json!({"scope": scope, "scope_name": place});
            let made = platform.create(&asked).await.unwrap().remove(0);
            let name = made.name.clone();
            let repo = if scope == "org" { "octo-org/app" } else { place };
            let job = busy.then(|| platform.queue(repo, &["self-hosted"]));
            platform.connect(&name);
            platform.wait(20);
            platform.pass().await;
            platform.wait(60);
            platform.pass().await;
            if let (Some(job), Some(conclusion)) = (job, concluded) {
                platform.sim.with(|world| world.finish_job(job, conclusion)).unwrap();
            }
            vanish(&mut platform);
            platform.wait(60);
            for _ in 0..3 {
                platform.pass().await;
                platform.restart();
                platform.wait(20);
            }
            platform.pass().await;
            let (told, kept) = end_of(&platform, &name).await;
            assert_eq!(told, [kind], "{scope} {reason}");
            let kept = kept.unwrap();
            assert_eq!(kept.reason, reason, "{scope}");
            let known = (&*kept.pool, &*kept.scope_name, &*kept.image, kept.created_at);
            assert_eq!(known, ("manual", place, &*made.image, made.created_at));
            let Some(job) = job else { continue };
            let row: serde_json::Value = get(&platform, &format!("/jobs/{job}")).await;
            let status = if concluded.is_some() { "completed" } else { "in_progress" };
            assert_eq!(
                (row["status"].as_str(), row["pool"].as_str()),
                (Some(status), Some("manual"))
            );
        }
    }
}

#[tokio::test]
async fn a_runner_that_was_removed_while_nobody_looked_waits_for_github_and_for_the_file() {
    let mut platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.wait(20);
    platform.pass().await;
    platform.sim.with(|world| world.finish_job(job, Conclusion::Success)).unwrap();
    vanish(&mut platform);
    let route = "/repos/{owner}/{repo}/actions/jobs/{job_id}".to_owned();
    platform.fault(github_sim::Fault { route, status: 502, times: 99, ..Default::default() });
    platform.wait(60);
    platform.pass().await;
    assert_eq!(end_of(&platform, &name).await, (Vec::new(), None), "GitHub does not answer");
    platform.sim.clear_faults();
    let store = platform.handle.store().clone();
    store.refuse_writes(true).await.unwrap();
    platform.restart();
    platform.pass().await;
    // It is killed before it could write.
    store.refuse_writes(false).await.unwrap();
    platform.restart();
    platform.pass().await;
    let (told, kept) = end_of(&platform, &name).await;
    assert_eq!(
        (told, kept.unwrap().state),
        (vec![EventKind::RunnerFinished], RunnerState::Finished)
    );
}

#[tokio::test]
async fn a_runner_that_we_end_is_not_told_as_removed_by_somebody() {
    let platform = Platform::new().await;
    platform.pass().await;
    one_job(&platform).await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(400);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.delete(&name, false).await.unwrap();
    for _ in 0..3 {
        platform.wait(60);
        platform.pass().await;
    }
    let finished = platform.handle.snapshot().finished;
    let reasons: Vec<&str> = finished.iter().map(|runner| runner.reason.as_str()).collect();
    assert!(!reasons.iter().any(|reason| reason.contains("somebody else")), "{reasons:?}");
}

#[tokio::test]
async fn what_became_of_a_runner_outlives_the_service() {
    let mut platform = Platform::new().await;
    platform.pass().await;
    let name = one_job(&platform).await;
    platform.restart();
    platform.pass().await;
    let list: FinishedList = get(&platform, "/finished-runners?state=finished&pool=DEFAULT").await;
    assert_eq!((list.total_count, list.runners[0].name.as_str()), (1, name.as_str()));
    assert_eq!(list.runners[0].log, None);
    let runner: Finished = get(&platform, &format!("/finished-runners/{name}")).await;
    assert_eq!((runner.state, runner.exit_code), (RunnerState::Finished, Some(0)));
    assert!(runner.log.unwrap().contains("completed with result: Succeeded"));
    let logs: mayfly_common::api::RunnerLogs =
        get(&platform, &format!("/runners/{name}/logs")).await;
    assert!(logs.logs.contains("completed with result: Succeeded"));
    let none: FinishedList = get(&platform, "/finished-runners?scope_name=octo-admin/other").await;
    assert_eq!((none.total_count, none.runners.len()), (0, 0));
    assert_eq!(platform.handle.snapshot().finished[0].name, name);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    type Headers = &'static [(&'static str, &'static str)];
    let rows: [(&str, Headers, StatusCode); 7] = [
        ("/events?after=-1", &[], StatusCode::UNPROCESSABLE_ENTITY),
        ("/events?limit=0", &[], StatusCode::UNPROCESSABLE_ENTITY),
        (
            "/events?limit=1001",
            &[("accept", "text/event-stream")],
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        ("/events?x=1", &[], StatusCode::UNPROCESSABLE_ENTITY),
        (
            "/events",
            &[("accept", "text/event-stream"), ("last-event-id", "x")],
            StatusCode::BAD_REQUEST,
        ),
        ("/finished-runners?per_page=101", &[], StatusCode::UNPROCESSABLE_ENTITY),
        ("/finished-runners/none-such", &[], StatusCode::NOT_FOUND),
    ];
    let platform = Platform::new().await;
    for (path, headers, status) in rows {
        assert_eq!(ask(&platform, path, headers).await.status(), status, "{path} {headers:?}");
    }
}
