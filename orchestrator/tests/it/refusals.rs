//! An engine that answers, and refuses what is asked of one container: that one is still there, and no other is lost from sight.

use std::sync::Arc;
use std::time::Duration;

use github_sim::{Clock as SimClock, Sim, SimConfig};
use jiff::{SignedDuration, Timestamp};
use mayfly_backend::bootstrap::Bootstrap;
use mayfly_backend::spec::MachineSpec;
use mayfly_backend::{Backend as _, BackendError, Progress};
use mayfly_backend::{ImageStore as _, Usage as _, Watcher as _};
use mayfly_backend_docker::{DockerBackend, DockerSettings};
use mayfly_common::machine::{Machine, Phase};
use mayfly_common::material::Material;
use mayfly_common::runner::RunnerState;
use mayfly_settings::pool::Pool;
use mayfly_store::Store;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::docker::identity_of;
use crate::stub_engine::StubEngine;
use crate::support::{PATIENT, Platform, config, wire};

/// The reason of `refused`, as it is reported.
const LOST: &str = "its layer is lost";

/// A question about a container, and the status of the answer; none is silence.
type Refusal = (&'static str, Option<u16>);

fn labels(name: &str) -> Value {
    json!({
        "dev.mayfly.instance": "i", "dev.mayfly.schema": "1", "dev.mayfly.runner": name,
        "dev.mayfly.pool": "default", "dev.mayfly.scope": "repo:octo-admin/app",
        "dev.mayfly.labels": "self-hosted", "dev.mayfly.github-runner-id": "",
        "dev.mayfly.image": "img", "dev.mayfly.created-at": "2027-01-15T08:00:00Z",
        "dev.mayfly.deadline": "2027-01-16T08:00:00Z",
    })
}

fn variables(engine: &StubEngine) -> [(&'static str, String); 2] {
    [("DOCKER_HOST", engine.host()), ("ORCHESTRATOR_ID", "i".to_owned())]
}

fn backend(engine: &StubEngine) -> DockerBackend {
    let variables = variables(engine);
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    DockerBackend::new(config("http://127.0.0.1:9", &variables).docker())
}

/// One ended container, of which a list says that it ended with code 9 and everything else code 3.
async fn ended(refusals: &[Refusal]) -> Vec<Machine> {
    let engine = StubEngine::start().await;
    let ended = ("exited", "Exited (9) 5 minutes ago");
    engine.add_one("mayfly-i-1", ended, &labels("mayfly-i-1"));
    engine.add_one("mayfly-i-2", ended, &labels("mayfly-i-2"));
    for (path, status) in refusals {
        engine.refuse(&format!("/mayfly-i-1/{path}"), *status);
    }
    let mut listed = backend(&engine).list().await.unwrap();
    let last = listed.pop().unwrap();
    assert_eq!((last.name.as_str(), &last.unread), ("mayfly-i-2", &None), "{refusals:?}");
    assert!(matches!(&last.phase, Phase::Exited(exit) if exit.code == 3), "{refusals:?}");
    listed
}

#[tokio::test]
async fn a_refusal_about_one_container_hides_neither_it_nor_another() {
    let inspect = "Docker refused to inspect a container: ";
    let log = "Docker refused to read a container's log: ";
    let rows: [(&[Refusal], i64, bool, String); 7] = [
        (&[("json", Some(500))], 9, true, format!("{inspect}{LOST}")),
        (&[("json", Some(409))], 9, true, format!("{inspect}{LOST}")),
        (&[("json", None)], 9, false, "Docker did not inspect a container within 3 s".to_owned()),
        (&[("logs", Some(500))], 3, false, format!("{log}{LOST}")),
        (&[("logs", Some(409))], 3, false, "Docker has no log of it".to_owned()),
        (&[("logs", Some(404))], 3, false, "Docker has no log of it".to_owned()),
        (&[("json", Some(500)), ("logs", Some(500))], 9, false, format!("{inspect}{LOST}")),
    ];
    for (refusals, code, has_log, unread) in rows {
        let listed = ended(refusals).await;
        let Phase::Exited(exit) = &listed[0].phase else { panic!("{refusals:?}: {listed:?}") };
        assert_eq!((exit.code, !exit.log_tail.is_empty()), (code, has_log), "{refusals:?}");
        assert_eq!(listed[0].unread, Some(unread), "{refusals:?}");
    }
    assert_eq!(ended(&[("json", Some(404))]).await, [], "gone since the list");
}

#[tokio::test]
async fn a_docker_engine_that_is_not_told_of_is_as_the_list_has_it() {
    let rows = [
        (("running", "Up 5 minutes (healthy)"), Phase::Ready),
        (("running", "Up 5 minutes"), Phase::Preparing),
        (
            ("exited", "Exited (4) 5 minutes ago"),
            Phase::Broken(
                "its Docker engine did not become healthy: it ended with exit code 4: Listening for Jobs"
                    .to_owned(),
            ),
        ),
    ];
    for (state, phase) in rows {
        let engine = StubEngine::start().await;
        let mut own = labels("mayfly-i-1");
        own["dev.mayfly.docker"] = json!("dind");
        engine.add_one("mayfly-i-1", ("created", "Created"), &own);
        own["dev.mayfly.docker-of"] = json!("mayfly-i-1");
        engine.add_one("mayfly-i-1-docker", state, &own);
        engine.refuse("/mayfly-i-1-docker/json", Some(500));
        let listed = backend(&engine).list().await.unwrap();
        assert_eq!((listed.len(), &listed[0].phase), (1, &phase), "{state:?}");
        assert!(listed[0].unread.as_ref().is_some_and(|why| why.ends_with(LOST)), "{state:?}");
    }
}

/// The stub's other answers have such words, too.
#[tokio::test]
async fn a_word_that_only_a_newer_engine_knows_hides_no_container() {
    let engine = StubEngine::start().await;
    engine.add_one("mayfly-i-1", ("hibernating", "Asleep for\n5 minutes"), &labels("mayfly-i-1"));
    engine.add_one("mayfly-i-2", ("exited", "Exited (9) ago"), &labels("mayfly-i-2"));
    let mut odd = labels("mayfly-i-3");
    odd["another"] = json!(["of", "another", "form"]);
    engine.add_one("mayfly-i-3", ("running", "Up"), &odd);
    let backend = backend(&engine);
    let listed = backend.list().await.unwrap();
    let [first, second, third] = &listed[..] else { panic!("{listed:?}") };
    let said = "Docker lists it in a state that is not known (Asleep for 5 minutes)";
    assert_eq!(
        (&first.phase, first.unread.as_deref()),
        (&Phase::Running { working: None }, Some(said))
    );
    assert!(matches!(&second.phase, Phase::Exited(exit) if exit.code == 3), "{second:?}");
    assert_eq!((second.unread.as_ref(), third.unread.as_ref()), (None, None));
    assert_eq!(backend.image_id("img").await.unwrap().as_deref(), Some("sha256:0"));
    assert_eq!(backend.host_resources().await.unwrap().memory, Some(4096));
    let variables = [("DOCKER_HOST", &*engine.host())];
    let unnamed = DockerBackend::new(config("http://127.0.0.1:9", &variables).docker());
    assert_eq!(unnamed.installation().await.unwrap(), "stub");
}

#[tokio::test]
async fn a_list_that_is_none_is_never_an_empty_one() {
    for status in [Some(404), Some(403), Some(500)] {
        let engine = StubEngine::start().await;
        engine.refuse("/containers/json", status);
        let error = backend(&engine).list().await.unwrap_err();
        assert!(matches!(error, BackendError::Refused { .. }), "{status:?}: {error}");
        assert!(error.to_string().ends_with(LOST), "{error}");
    }
}

#[tokio::test]
async fn an_engine_that_cannot_be_reached_is_an_error_of_the_list() {
    let engine = StubEngine::start().await;
    let backend = backend(&engine);
    backend.ping().await.unwrap();
    drop(engine);
    backend.list().await.unwrap_err();
}

#[tokio::test]
async fn a_container_whose_start_is_not_answered_is_left_to_the_next_look() {
    let engine = StubEngine::start().await;
    let backend = backend(&engine);
    let variables = variables(&engine);
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let pool = Pool::default_pool(&config("http://127.0.0.1:9", &variables));
    let identity = identity_of(&pool.material, "mayfly-i-1");
    let Material { command, profile, .. } = pool.material;
    let (bootstrap, environment) = (Bootstrap::default(), Vec::new());
    let spec = MachineSpec { identity, bootstrap, command, profile, environment };
    let error = backend.create(&spec).await.unwrap_err();
    assert!(matches!(error, BackendError::Unreachable { .. }), "{error}");
    assert_eq!(engine.removed(), Vec::<String>::new(), "it may have a job already");
    let seen = backend.list().await.unwrap();
    assert_eq!((seen.len(), &seen[0].name), (1, &spec.identity.name));
    assert!(matches!(seen[0].phase, Phase::Running { .. }), "{seen:?}");
}

#[tokio::test]
async fn the_network_s_mtu_is_looked_at_again_when_the_engine_was_started_anew() {
    let engine = StubEngine::start().await;
    let backend = backend(&engine);
    for _ in 0..2 {
        backend.network_gateway().await.unwrap();
        assert_eq!(engine.asked("/networks/bridge"), 1, "it is known");
    }
    // Its event stream ends, as in every restart.
    backend.watch(&Notify::new()).await;
    backend.network_gateway().await.unwrap();
    assert_eq!(engine.asked("/networks/bridge"), 2);
}

#[tokio::test]
async fn a_network_that_somebody_made_anew_and_open_is_told_of() {
    let engine = StubEngine::start().await;
    let backend = backend(&engine);
    backend.network_gateway().await.unwrap();
    engine.open_networks();
    for (seconds, told) in [(29, 0), (1, 1)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        backend.network_gateway().await.unwrap();
        assert_eq!(backend.problems().len(), told, "{:?}", backend.problems());
    }
    let why = backend.problems().remove(0);
    assert!(why.starts_with("runners reach each other on the network mayfly-runners: "), "{why}");
}

#[tokio::test]
async fn runners_beside_a_refusal_are_seen_and_one_problem_names_the_container() {
    let engine = StubEngine::start().await;
    let clock = SimClock::manual("2027-01-15T08:00:10Z".parse::<Timestamp>().unwrap());
    let sim = Sim::start(SimConfig { clock: clock.clone(), ..SimConfig::default() }).await.unwrap();
    sim.with(|world| world.add_user("octo-admin")).unwrap();
    let variables = variables(&engine);
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let config = config(&sim.url(), &variables);
    let backend = Arc::new(DockerBackend::new(config.docker()));
    let store = Store::in_memory().unwrap();
    let app = wire(&config, backend, &clock, SignedDuration::ZERO, PATIENT, store);
    let (reconciler, handle) = (app.reconciler(), app.handle());
    engine.add_one("mayfly-i-1", ("exited", "Exited (1) ago"), &labels("mayfly-i-1"));
    engine.add_one("mayfly-i-2", ("running", "Up"), &labels("mayfly-i-2"));
    engine.refuse("/mayfly-i-1/json", Some(500));
    engine.refuse("/mayfly-i-1/logs", Some(500));

    let report = reconciler.pass().await;
    let of_container = report.problems.iter().filter(|problem| problem.contains(LOST));
    let of_container: Vec<&String> = of_container.collect();
    let expected = format!(
        "container mayfly-i-1 cannot be read: Docker refused to inspect a container: {LOST}"
    );
    assert_eq!(of_container, [&expected], "{report:?}");
    let runners = handle.snapshot().runners;
    let second = runners.iter().find(|runner| runner.name == "mayfly-i-2").unwrap();
    assert_eq!(second.state, RunnerState::Starting, "{runners:?}");
    // It ended, by what the list says, and goes like any other.
    assert_eq!((engine.removed(), report.removed), (vec!["mayfly-i-1".to_owned()], 1));
    let report = reconciler.pass().await;
    assert!(!report.problems.iter().any(|problem| problem.contains(LOST)), "{report:?}");
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_makes_one_runner_which_serves_its_job() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.backend.state().half_launches = 1;
    let report = platform.pass().await;
    assert!(report.problems.iter().any(|why| why.contains("the answer was lost")), "{report:?}");
    assert_eq!(platform.containers(), platform.registrations(), "it may run");
    let name = platform.containers().remove(0);
    for _ in 0..3 {
        platform.wait(60);
        let report = platform.pass().await;
        assert_eq!((report.launched, report.removed, report.deregistered), (0, 0, 0), "{report:?}");
    }
    assert_eq!(platform.connect(&name), Some(job));
    platform.finish(&name, job);
    platform.wait(60);
    assert_eq!(platform.pass().await.removed, 1);
    assert_eq!((platform.containers().len(), platform.registrations().len()), (0, 0));
}

#[tokio::test]
async fn what_is_being_removed_is_gone_and_what_stands_still_is_there() {
    let engine = StubEngine::start().await;
    for (name, state) in [("mayfly-i-1", "removing"), ("mayfly-i-2", "paused")] {
        engine.add_one(name, (state, ""), &labels(name));
    }
    let listed = backend(&engine).list().await.unwrap();
    assert_eq!((listed.len(), listed[0].name.as_str()), (1, "mayfly-i-2"));
    assert_eq!(listed[0].phase, Phase::Running { working: None });
}

#[tokio::test]
async fn an_image_without_a_tag_is_pulled_in_one_version() {
    let rows = [
        ("runner", "latest"),
        ("127.0.0.1:5000/x/runner", "latest"),
        ("127.0.0.1:5000/x/runner:2", ""),
        ("runner@sha256:0", ""),
    ];
    for (image, tag) in rows {
        let engine = StubEngine::start().await;
        backend(&engine).pull_image(image, &Progress::default()).await.unwrap();
        assert_eq!(engine.asked(&format!("{image} {tag}")), 1, "{image}");
    }
}

#[tokio::test]
async fn only_the_networks_of_this_installation_are_cleared_away() {
    let engine = StubEngine::start().await;
    let settings = DockerSettings {
        host: Some(engine.host()),
        name: mayfly_common::identity::BackendName::default(),
        installation: Some("i".to_owned()),
        network: "runners".to_owned(),
        mtu: None,
    };
    let cleared = DockerBackend::new(settings).clear().await.unwrap();
    assert_eq!(cleared.removed, ["network mayfly-i-1-docker", "network runners"]);
    assert_eq!(engine.removed(), ["mayfly-i-1-docker", "runners"]);
}
