use std::time::Duration;

use mayfly_common::machine::{Exit, Phase};

use mayfly_backend::{
    Backend as _, BackendError, Cleared, Console as _, HostResources, ImageStore as _, Progress,
    Storage, Usage as _, Watcher as _,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::stand_in::{
    StandIn, Told, begun, labels, labels_with_engine, listed, machine, no, ok, raw, silence, spec,
};
use crate::{DockerBackend, DockerSettings, short_id};

#[test]
fn an_installation_without_a_name_has_one_of_its_engine_s_id() {
    let rows = [
        ("7TLN:Q3PH:NL2G", "7tlnq3ph"),
        ("a1b2", "a1b2"),
        ("AB-CD_EF.GH12", "abcdefgh"),
        (":::", "docker"),
        ("", "docker"),
    ];
    for (id, expected) in rows {
        assert_eq!(short_id(id), expected, "{id}");
    }
}

#[tokio::test]
async fn the_engine_tells_of_itself_and_of_its_machine() {
    let info = json!({"ID": "7TLN:Q3PH:NL2G", "NCPU": 3, "MemTotal": 4_000_000_001_i64});
    let script = [
        ("GET /info", vec![ok(&info), ok(&info), ok(&json!({}))]),
        ("GET /_ping", vec![raw("OK")]),
    ];
    let engine = StandIn::new(script).await;
    let settings = DockerSettings {
        host: Some(engine.host.clone()),
        name: mayfly_common::identity::BackendName::default(),
        installation: None,
        network: "runners".to_owned(),
        mtu: None,
    };
    let backend = DockerBackend::new(settings);
    for _ in 0..2 {
        assert_eq!(backend.installation().await.unwrap(), "7tlnq3ph");
    }
    let machine = HostResources { memory: Some(4_000_000_001), nano_cpus: Some(3_000_000_000) };
    assert_eq!(backend.host_resources().await.unwrap(), machine);
    assert_eq!(backend.host_resources().await.unwrap(), HostResources::default());
    assert!(backend.ping().await.is_ok());
    assert_eq!(
        engine.lines(),
        ["GET /info", "GET /info", "GET /info", "GET /_ping"],
        "its name is asked for once"
    );
    let refusing =
        StandIn::new([("GET /info", vec![no(500, "no")]), ("GET /_ping", vec![no(500, "no")])])
            .await;
    let backend = refusing.backend();
    let told = backend.host_resources().await.unwrap_err().to_string();
    assert_eq!(told, "Docker refused to tell of its machine: no");
    assert!(backend.ping().await.is_err());
}

#[tokio::test]
async fn an_image_is_there_or_it_is_not() {
    let line = "GET /images/reg.example/img:1/json";
    let script =
        [(line, vec![ok(&json!({"Id": "sha256:0"})), no(404, "no such image"), no(500, "a\nb")])];
    let engine = StandIn::new(script).await;
    let backend = engine.backend();
    let id = async || backend.image_id("reg.example/img:1").await;
    assert_eq!(id().await.unwrap().as_deref(), Some("sha256:0"));
    assert_eq!(id().await.unwrap(), None);
    assert_eq!(id().await.unwrap_err().to_string(), "Docker refused to inspect an image: a b");
}

#[tokio::test]
async fn a_runner_runs_at_a_glance_if_one_of_its_containers_does() {
    let ended = |code| Phase::Exited(Exit { code, ..Exit::default() });
    let runs = || Phase::Running { working: None };
    let container = |state: &str| listed("c1", "mayfly-i-1", (state, ""), &labels());
    let copy = |state: &str| listed("c2", "a-copy", (state, ""), &labels());
    let own = listed("e1", "mayfly-i-1-docker", ("running", ""), &labels_with_engine(true));
    let rows = [
        (json!([]), None),
        (json!([container("created")]), Some(Phase::NeverStarted)),
        (json!([container("exited")]), Some(ended(0))),
        (
            json!([listed("c1", "mayfly-i-1", ("exited", "Exited (7) now"), &labels())]),
            Some(ended(7)),
        ),
        (json!([container("dead")]), Some(ended(0))),
        (json!([container("removing")]), None),
        (json!([container("running")]), Some(runs())),
        (json!([container("paused")]), Some(runs())),
        (json!([container("restarting")]), Some(runs())),
        (json!([container("exited"), copy("running")]), Some(runs())),
        // Another machine of its name.
        (json!([copy("running")]), None),
        // Its Docker engine is not the runner.
        (json!([container("created"), own]), Some(Phase::NeverStarted)),
    ];
    for (list, expected) in rows {
        let engine = StandIn::new([("GET /containers/json", vec![ok(&list)])]).await;
        let found = engine.backend().get(&machine("c1")).await.unwrap();
        assert_eq!(found.map(|one| one.phase), expected, "{list}");
        let asked = engine.asked();
        let filters = r#"{"label":["dev.mayfly.instance=i","dev.mayfly.runner=mayfly-i-1"]}"#;
        assert_eq!((asked.len(), &*asked[0].query["filters"]), (1, filters));
    }
    let engine = StandIn::new([("GET /containers/json", vec![no(500, "no")])]).await;
    assert!(engine.backend().get(&machine("c1")).await.is_err());
}

/// A program with 256 MB reads them: a broken engine, or what listens in its place, must not fill its memory.
#[tokio::test]
async fn no_answer_is_longer_than_its_bound() {
    let long = |json: &str, length: usize| {
        raw([json.as_bytes(), &vec![b' '; length - json.len()]].concat())
    };
    let (list, one) = (16_777_216, 1_048_576);
    let container = listed("c1", "mayfly-i-1", ("running", "Up"), &labels());
    let (container, containers) = (json!([container]).to_string(), "GET /containers/json");
    let fits = [
        (containers, vec![long("[]", list), long("[]", one)]),
        ("GET /images/i/json", vec![long("{}", one)]),
        ("GET /info", vec![long("{}", one)]),
        ("GET /networks", vec![long("[]", list)]),
        ("GET /system/df", vec![long("{}", list)]),
        ("GET /networks/runners", vec![long(r#"{"Name": "runners"}"#, list)]),
    ];
    let name = spec().identity.name;
    let engine = StandIn::new(fits).await;
    let backend = engine.backend();
    assert!(backend.list().await.unwrap().is_empty());
    assert_eq!(backend.logs(&name, 9).await.unwrap(), None);
    assert_eq!(backend.image_id("i").await.unwrap(), Some(String::new()));
    assert_eq!(backend.host_resources().await.unwrap(), HostResources::default());
    assert_eq!(backend.clear().await.unwrap(), Cleared::default());
    assert_eq!(backend.storage().await.unwrap(), Storage::default());
    assert_eq!(backend.network_gateway().await.unwrap(), None);

    let exceeds = [
        (containers, vec![long("[]", list + 1), long("[]", one + 1)]),
        ("GET /images/i/json", vec![long("{}", one + 1)]),
        ("GET /info", vec![long("{}", one + 1)]),
        ("GET /networks", vec![long("[]", list + 1)]),
        ("GET /system/df", vec![long("{}", list + 1)]),
        ("GET /networks/runners", vec![long(r#"{"Name": "runners"}"#, list + 1)]),
    ];
    let engine = StandIn::new(exceeds).await;
    let backend = engine.backend();
    let refused = |what: &str, most: u32| {
        format!("Docker refused to {what}: its answer is longer than {most} MiB")
    };
    let rows = [
        (backend.list().await.map(drop), refused("list containers", 16)),
        (backend.logs(&name, 9).await.map(drop), refused("list containers", 1)),
        (backend.image_id("i").await.map(drop), refused("inspect an image", 1)),
        (backend.host_resources().await.map(drop), refused("tell of its machine", 1)),
        (backend.clear().await.map(drop), refused("list networks", 16)),
        (backend.storage().await.map(drop), refused("measure its storage", 16)),
        (backend.network_gateway().await.map(drop), refused("look up the runner network", 16)),
    ];
    for (outcome, expected) in rows {
        assert_eq!(outcome.unwrap_err().to_string(), expected);
    }

    // What is said of one container does not hide it, however long it is.
    let processes = r#"{"Processes": [["1", "Runner.Worker"]]}"#;
    for (length, working) in [(one, Some(true)), (one + 1, None)] {
        let script = [
            (containers, vec![raw(container.clone())]),
            ("GET /containers/c1/top", vec![long(processes, length)]),
        ];
        let found = StandIn::new(script).await.backend().list().await.unwrap();
        assert_eq!(found[0].phase, Phase::Running { working });
    }
}

fn lines(told: &[Value]) -> Told {
    raw(told.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n")
}

#[tokio::test]
async fn an_image_is_pulled_in_one_version_and_what_goes_wrong_is_told() {
    let layer = |status: &str, current: i64| json!({"id": "a", "status": status, "progressDetail": {"current": current, "total": 100}});
    let fine = lines(&[layer("Downloading", 30), layer("Downloading", 60)]);
    let bad = lines(&[
        layer("Downloading", 30),
        json!({"errorDetail": {"message": "no\nspace"}, "error": "no\nspace"}),
    ]);
    let denied = no(500, "pull access denied");
    let failed = |image: &str, why: &str| format!("the image {image} cannot be pulled: {why}");
    // What is asked for, and with which tag; what the engine says, and whether the image is there then.
    let rows = [
        ("img", Some("latest"), fine.clone(), false, "ok".to_owned()),
        ("reg:5000/img", Some("latest"), fine.clone(), false, "ok".to_owned()),
        ("reg:5000/img:1", None, fine.clone(), false, "ok".to_owned()),
        ("img@sha256:0", None, fine, false, "ok".to_owned()),
        ("img:1", None, bad.clone(), false, failed("img:1", "no space")),
        ("img:1", None, bad, true, "ok".to_owned()),
        ("img:1", None, denied, false, failed("img:1", "pull access denied")),
    ];
    for (image, tag, told, there, expected) in rows {
        let mut script = vec![("POST /images/create".to_owned(), vec![told])];
        if there {
            script
                .push((format!("GET /images/{image}/json"), vec![ok(&json!({"Id": "sha256:0"}))]));
        }
        let (engine, progress) = (StandIn::new(script).await, Progress::default());
        let outcome = engine.backend().pull_image(image, &progress).await;
        assert_eq!(outcome.map_or_else(|error| error.to_string(), |()| "ok".to_owned()), expected);
        let asked = engine.asked().remove(0);
        assert_eq!(asked.query["fromImage"], image);
        let sent = asked.query.get("tag").map(String::as_str).filter(|tag| !tag.is_empty());
        assert_eq!(sent, tag, "{image}");
        if expected == "ok" && !there {
            assert_eq!(progress.get(), Some((60, 100)));
        }
    }
}

#[tokio::test]
async fn a_pull_and_the_events_may_be_silent_for_five_minutes() {
    let layer =
        json!({"id": "a", "status": "Downloading", "progressDetail": {"current": 1, "total": 9}});
    let script = [
        ("POST /images/create", vec![begun(&format!("{layer}\n"))]),
        ("GET /events", vec![begun("{\"Type\": \"container\"}\n"), no(500, "no")]),
    ];
    let engine = StandIn::new(script).await;
    let (backend, progress, changed) = (engine.backend(), Progress::default(), Notify::new());
    let mut pull = std::pin::pin!(backend.pull_image("img:1", &progress));
    while progress.get().is_none() {
        assert!(futures::poll!(&mut pull).is_pending());
        tokio::task::yield_now().await;
    }
    // The clock goes on by itself where everybody waits.
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let error = pull.await.unwrap_err().to_string();
    let told = "the image img:1 cannot be pulled: the engine told of no progress for 5 minutes";
    assert_eq!(error, told);
    assert!((299..=305).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    tokio::time::resume();
    let mut watch = std::pin::pin!(backend.watch(&changed));
    let mut woken = std::pin::pin!(changed.notified());
    while futures::poll!(&mut woken).is_pending() {
        assert!(futures::poll!(&mut watch).is_pending());
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let mut again = std::pin::pin!(changed.notified());
    while futures::poll!(&mut again).is_pending() {
        assert!(
            futures::poll!(&mut watch).is_pending(),
            "what a frozen stream kept back is looked at"
        );
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!((299..=305).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    tokio::time::resume();
    let end = watch.await.to_string();
    assert_eq!(end, "Docker refused to stream events: no", "it is opened again");
}

#[tokio::test]
async fn what_is_left_of_an_installation_is_removed_and_what_is_used_is_told() {
    let names = |names: &[&str]| {
        let list: Vec<_> = names.iter().map(|name| json!({ "Name": name })).collect();
        ok(&json!(list))
    };
    let list = || {
        vec![
            names(&["mayfly-i-1-docker", "mayfly-i-2-docker", "mayfly-i-3-docker"]),
            names(&["runners-of-others", "runners"]),
        ]
    };
    let removal = |answers: [Told; 4]| {
        let lines = ["mayfly-i-1-docker", "mayfly-i-2-docker", "mayfly-i-3-docker", "runners"];
        let removals = lines.map(|name| format!("DELETE /networks/{name}"));
        removals.into_iter().zip(answers.map(|answer| vec![answer]))
    };
    let fine = || ok(&json!({}));
    let script = removal([fine(), no(404, "gone"), no(403, "active endpoints"), no(409, "in use")]);
    let engine = StandIn::new(script.chain([("GET /networks".to_owned(), list())])).await;
    let left = |name: &str| format!("network {name}: something is connected to it");
    let expected = Cleared {
        removed: vec!["network mayfly-i-1-docker".to_owned()],
        left: vec![left("mayfly-i-3-docker"), left("runners")],
    };
    assert_eq!(engine.backend().clear().await.unwrap(), expected);
    let asked = engine.asked();
    let filters: Vec<_> =
        asked.iter().filter_map(|one| one.query.get("filters").map(String::as_str)).collect();
    let expected =
        [r#"{"label":["dev.mayfly.instance=i"]}"#, r#"{"label":["dev.mayfly.network"]}"#];
    assert_eq!((filters, asked.len()), (expected.to_vec(), 6), "that of others stays");
    let script = removal([fine(), no(500, "no"), fine(), fine()]);
    let engine = StandIn::new(script.chain([("GET /networks".to_owned(), list())])).await;
    let error = engine.backend().clear().await.unwrap_err().to_string();
    assert_eq!(error, "Docker refused to remove a network: no");
    let engine = StandIn::new([("GET /networks", vec![no(500, "no")])]).await;
    let error = engine.backend().clear().await.unwrap_err().to_string();
    assert_eq!(error, "Docker refused to list networks: no");
}

#[tokio::test]
async fn what_is_stored_is_asked_for_in_a_form_that_every_engine_knows() {
    let usage = json!({
        "LayersSize": 11, "Containers": [{"Labels": {"dev.mayfly.instance": "i"}, "SizeRw": 22}],
        "Volumes": [{"UsageData": {"Size": 33}}],
    });
    let expected = Storage { containers: 22, images: 11, volumes: 33 };
    let engine = StandIn::new([("GET /system/df", vec![ok(&usage)])]).await;
    assert_eq!(engine.backend().storage().await.unwrap(), expected);
    let script = [("GET /v1.51/system/df", vec![ok(&usage)])];
    let newer = StandIn::new(script).await;
    let found = crate::usage::measure(Some(&newer.host), 52, "i").await.unwrap();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn every_event_of_our_containers_wakes_and_the_end_is_told() {
    let event = json!({"Type": "container", "Action": "die"});
    let engine =
        StandIn::new([("GET /events", vec![lines(&[event.clone(), event]), no(500, "no")])]).await;
    let (backend, changed) = (engine.backend(), Notify::new());
    let end = backend.watch(&changed).await;
    assert!(
        matches!(&end, BackendError::Unreachable { why, .. } if why == "the event stream ended"),
        "{end}"
    );
    let woken = tokio::time::timeout(Duration::from_secs(5), changed.notified());
    assert!(woken.await.is_ok());
    let filters: Value = serde_json::from_str(&engine.asked()[0].query["filters"]).unwrap();
    let expected = json!({
        "type": ["container"], "event": ["die", "oom", "destroy", "health_status"],
        "label": ["dev.mayfly.instance=i"],
    });
    assert_eq!(filters, expected);
    let end = backend.watch(&changed).await;
    assert_eq!(end.to_string(), "Docker refused to stream events: no");
}

#[tokio::test]
async fn a_removal_that_takes_long_goes_on_without_us() {
    let list = ok(&json!([listed("c1", "mayfly-i-1", ("running", "Up"), &labels())]));
    let state = |status: &str| ok(&json!({"State": {"Status": status}}));
    let unreachable = "Docker cannot be reached: no answer within 8 s";
    let rows = [
        (state("removing"), "ok"),
        (state("dead"), "ok"),
        (no(404, "gone"), "ok"),
        (state("running"), unreachable),
        (silence(), unreachable),
        (no(500, "no"), "Docker refused to remove a runner container: no"),
    ];
    let removals = rows.map(|(answer, expected)| {
        let list = list.clone();
        async move {
            let script = [
                ("GET /containers/json", vec![list]),
                ("DELETE /containers/c1", vec![silence()]),
                ("GET /containers/c1/json", vec![answer]),
            ];
            let engine = StandIn::new(script).await;
            let outcome = engine.backend().delete(&machine("c1")).await;
            assert_eq!(
                outcome.map_or_else(|error| error.to_string(), |()| "ok".to_owned()),
                expected
            );
        }
    });
    futures::future::join_all(removals).await;
}

#[tokio::test]
async fn why_an_engine_does_not_answer_is_told_without_the_client_s_words() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("tcp://{}", free.local_addr().unwrap());
    drop(free);
    let (client, base) = crate::raw::client(Some(&host), Duration::from_secs(30)).unwrap();
    let error = client.get(base).send().await.unwrap_err();
    let expected = "Docker cannot be reached: Connection refused (os error 111)";
    assert_eq!(crate::raw::unreachable(&error).to_string(), expected);
}
