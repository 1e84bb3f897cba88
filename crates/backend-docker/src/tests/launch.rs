use mayfly_backend::spec::MachineSpec;
use mayfly_backend::{Backend as _, BackendError};
use mayfly_common::material::Engine;
use mayfly_common::registration::RunnerId;
use serde_json::{Value, json};

use crate::stand_in::{
    StandIn, Told, cut, labels, labels_with_engine, listed, machine, no, ok, spec,
};

const LIST: &str = "GET /containers/json";
const IMAGE: &str = "GET /images/img:1/json";
const CREATE: &str = "POST /containers/create";
const START: &str = "POST /containers/c1/start";
const REMOVE: &str = "DELETE /containers/c1";

type Script = Vec<(&'static str, Vec<Told>)>;

fn made(id: &str) -> Told {
    ok(&json!({"Id": id, "Warnings": []}))
}

fn empty() -> Told {
    ok(&json!({}))
}

/// An engine that makes and starts the runner; `other` answers first.
async fn engine(other: Script) -> StandIn {
    let own = listed("c1", "mayfly-i-1", ("created", "Created"), &labels());
    let mut script: Script = vec![
        (IMAGE, vec![ok(&json!({"Id": "sha256:0"}))]),
        (CREATE, vec![made("c1")]),
        (START, vec![empty()]),
        (LIST, vec![ok(&json!([own]))]),
        (REMOVE, vec![empty()]),
    ];
    script.extend(other);
    StandIn::new(script).await
}

/// What came of it, in words.
fn words(outcome: Result<(), BackendError>) -> String {
    outcome.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
}

#[tokio::test]
async fn a_runner_is_created_under_its_name_and_started() {
    let engine = engine(vec![]).await;
    engine.backend().create(&spec()).await.unwrap();
    let asked = engine.asked();
    let lines: Vec<_> = asked.iter().map(|one| one.line.as_str()).collect();
    assert_eq!(lines, [IMAGE, CREATE, START]);
    assert_eq!(asked[1].query["name"], "mayfly-i-1");
    let expected = serde_json::to_value(crate::spec::body(
        &crate::spec::Template { network: "runners", image_id: Some("sha256:0") },
        &spec(),
    ));
    assert_eq!((&asked[1].body, &asked[1].body["Labels"]), (&expected.unwrap(), &labels()));
}

#[tokio::test]
async fn a_launch_that_fails_says_why_and_leaves_nothing_that_it_made() {
    let mut older = labels();
    older["dev.mayfly.created-at"] = "2027-01-15T07:59:59Z".into();
    let mut other_id = labels();
    other_id["dev.mayfly.github-runner-id"] = "8".into();
    let list = |labels: &Value| {
        vec![ok(&json!([listed("c1", "mayfly-i-1", ("created", "Created"), labels)]))]
    };
    let taken = "another machine is named mayfly-i-1 already";
    let refused = "Docker refused to start a runner container: no space";
    let network = || no(404, "network runners not found");
    let rows: Vec<(Script, &str, Vec<&str>)> = vec![
        (
            vec![(CREATE, vec![no(404, "no such image")])],
            "the image img:1 is not on the host",
            vec![],
        ),
        (
            vec![(CREATE, vec![no(400, "odd")])],
            "Docker refused to create a runner container: odd",
            vec![],
        ),
        // The same one is there already.
        (vec![(CREATE, vec![no(409, "in use")])], "ok", vec![LIST, START]),
        (vec![(CREATE, vec![no(409, "in use")]), (LIST, list(&older))], taken, vec![LIST]),
        (vec![(CREATE, vec![no(409, "in use")]), (LIST, list(&other_id))], taken, vec![LIST]),
        (vec![(CREATE, vec![no(409, "in use")]), (LIST, vec![ok(&json!([]))])], taken, vec![LIST]),
        (vec![(START, vec![no(500, "no space")])], refused, vec![START, LIST, REMOVE]),
        (
            vec![(START, vec![no(500, "no space")]), (REMOVE, vec![no(500, "busy")])],
            "Docker refused to start a runner container: no space; and then: Docker refused to remove a runner container: busy",
            vec![START, LIST, REMOVE],
        ),
        // Its network was removed: it is made again.
        (vec![(START, vec![network(), empty()])], "ok", vec![START, LIST, REMOVE, CREATE, START]),
        (
            vec![(START, vec![network()])],
            "Docker refused to start a runner container: network runners not found",
            vec![START, LIST, REMOVE, CREATE, START, LIST, REMOVE],
        ),
        (
            vec![(START, vec![no(404, "the file x not found")])],
            "Docker refused to start a runner container: the file x not found",
            vec![START, LIST, REMOVE],
        ),
        (
            vec![(START, vec![no(500, "network is down")])],
            "Docker refused to start a runner container: network is down",
            vec![START, LIST, REMOVE],
        ),
    ];
    for (script, expected, then) in rows {
        let engine = engine(script).await;
        assert_eq!(words(engine.backend().create(&spec()).await), expected);
        let asked = engine.asked();
        let lines: Vec<_> = asked.iter().map(|one| one.line.as_str()).collect();
        assert_eq!(lines, [&[IMAGE, CREATE][..], &then].concat(), "{expected}");
        let removal = asked.iter().find(|one| one.line == REMOVE).map(|one| &one.query);
        assert!(removal.is_none_or(|query| query["force"] == "true" && query["v"] == "true"));
    }
    // Whether it runs is not known: it stays for the next look.
    let engine = engine(vec![(START, vec![cut(500)])]).await;
    let error = engine.backend().create(&spec()).await.unwrap_err();
    assert!(matches!(error, BackendError::Unreachable { .. }), "{error}");
    assert_eq!(engine.lines(), [IMAGE, CREATE, START]);
}

#[tokio::test]
async fn a_runner_that_waited_is_started_where_it_is() {
    let gone = "Docker refused to start a runner container: it is gone";
    let broken = "Docker refused to start a runner container: broken";
    let network = "Docker refused to start a runner container: network x not found";
    let another = listed("c2", "mayfly-i-1", ("created", "Created"), &labels());
    let rows: Vec<(Script, &str, Vec<&str>)> = vec![
        (vec![], "ok", vec![LIST, START]),
        (vec![(LIST, vec![ok(&json!([]))])], gone, vec![LIST]),
        // Another machine has its name.
        (vec![(LIST, vec![ok(&json!([another]))])], gone, vec![LIST]),
        (vec![(START, vec![no(500, "broken")])], broken, vec![LIST, START, LIST, REMOVE]),
        (
            vec![(START, vec![no(404, "network x not found")])],
            network,
            vec![LIST, START, LIST, REMOVE],
        ),
    ];
    for (script, expected, lines) in rows {
        let engine = engine(script).await;
        assert_eq!(words(engine.backend().start(&machine("c1")).await), expected);
        assert_eq!(engine.lines(), lines);
    }
}

const NETWORK: &str = "GET /networks/mayfly-i-1-docker";
const MAKE_NETWORK: &str = "POST /networks/create";
const CONNECT: &str = "POST /networks/n1/connect";
const DISCONNECT: &str = "POST /networks/n1/disconnect";
const REMOVE_NETWORK: &str = "DELETE /networks/n1";
const START_ENGINE: &str = "POST /containers/e1/start";
const REMOVE_ENGINE: &str = "DELETE /containers/e1";

fn with_engine() -> MachineSpec {
    let mut spec = spec();
    spec.profile.engine = Some(Engine { image: "dind:1".to_owned(), privileged: true });
    spec
}

fn network(labels: &Value) -> Told {
    ok(&json!({"Id": "n1", "Name": "mayfly-i-1-docker", "Labels": labels}))
}

fn ours() -> Value {
    json!({"dev.mayfly.instance": "i", "dev.mayfly.docker-of": "mayfly-i-1"})
}

/// An engine that makes the runner and its own Docker engine; `other` answers first. The list shows what is there at the end.
async fn engine_for_two(other: Script) -> StandIn {
    let created = ("created", "Created");
    let both = json!([
        listed("c1", "mayfly-i-1", created, &labels_with_engine(false)),
        listed("e1", "mayfly-i-1-docker", created, &labels_with_engine(true)),
    ]);
    let mut script: Script = vec![
        (CREATE, vec![made("c1"), made("e1")]),
        ("GET /images/dind:1/json", vec![ok(&json!({"Id": "sha256:1"}))]),
        (NETWORK, vec![no(404, "no such network")]),
        (MAKE_NETWORK, vec![ok(&json!({"Id": "n1", "Warning": ""}))]),
        (CONNECT, vec![empty()]),
        (DISCONNECT, vec![empty()]),
        (REMOVE_NETWORK, vec![empty()]),
        (START_ENGINE, vec![empty()]),
        (REMOVE_ENGINE, vec![empty()]),
        (LIST, vec![ok(&both)]),
    ];
    script.extend(other);
    engine(script).await
}

#[tokio::test]
async fn a_runner_with_an_engine_of_its_own_waits_until_that_answers() {
    let engine = engine_for_two(vec![]).await;
    engine.backend().create(&with_engine()).await.unwrap();
    let asked = engine.asked();
    let lines: Vec<_> = asked.iter().map(|one| one.line.as_str()).collect();
    let expected = [IMAGE, CREATE, NETWORK, MAKE_NETWORK, CONNECT, CREATE, START_ENGINE];
    assert_eq!(lines, expected);
    assert_eq!(asked[4].body["Container"], "mayfly-i-1");
    assert_eq!(asked[5].query["name"], "mayfly-i-1-docker");
    let body = &asked[5].body;
    assert_eq!((&body["Image"], &body["Labels"]), (&json!("dind:1"), &labels_with_engine(true)));
    // The engine's default network has it.
    assert_eq!(body["Cmd"], json!(["--tls=false", "--mtu=1450"]));
    assert_eq!(asked[3].body["Options"], json!({"com.docker.network.driver.mtu": "1450"}));
    assert_eq!(asked[3].body["Labels"], ours());
    assert_eq!(body["Healthcheck"]["Interval"], 1_000_000_000, "of API 1.41");
}

#[tokio::test]
async fn what_is_there_of_an_engine_is_left_and_what_fails_is_taken_away() {
    let away = [LIST, LIST, REMOVE_ENGINE, NETWORK, REMOVE];
    let image = "GET /images/dind:1/json";
    let refuse = |what: &str| format!("Docker refused to {what}: no");
    let create = "create the container of a Docker engine";
    let runner =
        json!([listed("c1", "mayfly-i-1", ("created", "Created"), &labels_with_engine(false))]);
    let foreign = json!({"dev.mayfly.instance": "i", "dev.mayfly.docker-of": "another"});
    let elsewhere = json!({"dev.mayfly.instance": "j", "dev.mayfly.docker-of": "mayfly-i-1"});
    let then = |begin: &[&'static str], image: &[&'static str], away: &[&'static str]| {
        [begin, image, away].concat()
    };
    let rows: Vec<(Script, String, Vec<&str>)> = vec![
        (
            vec![
                (NETWORK, vec![network(&ours())]),
                (CONNECT, vec![no(403, "endpoint already exists in network")]),
            ],
            "ok".to_owned(),
            vec![NETWORK, CONNECT, CREATE, START_ENGINE],
        ),
        // A network of that name that is not this runner's.
        (
            vec![(NETWORK, vec![network(&foreign)])],
            "ok".to_owned(),
            vec![NETWORK, MAKE_NETWORK, CONNECT, CREATE, START_ENGINE],
        ),
        (
            vec![(NETWORK, vec![network(&elsewhere)])],
            "ok".to_owned(),
            vec![NETWORK, MAKE_NETWORK, CONNECT, CREATE, START_ENGINE],
        ),
        (
            vec![(NETWORK, vec![no(500, "no")]), (LIST, vec![ok(&runner)])],
            format!("{0}; and then: {0}", refuse("look up the network of a Docker engine")),
            then(&[NETWORK], &[image], &[LIST, LIST, NETWORK]),
        ),
        (
            vec![(MAKE_NETWORK, vec![no(500, "no")])],
            refuse("create the network of a Docker engine"),
            then(&[NETWORK, MAKE_NETWORK], &[image], &away),
        ),
        (
            vec![(CONNECT, vec![no(500, "no")])],
            refuse("connect a runner"),
            then(&[NETWORK, MAKE_NETWORK, CONNECT], &[image], &away),
        ),
        (
            vec![(CREATE, vec![made("c1"), no(500, "no")])],
            refuse(create),
            then(&[NETWORK, MAKE_NETWORK, CONNECT, CREATE], &[image], &away),
        ),
        (
            vec![(CREATE, vec![made("c1"), no(404, "no")]), (image, vec![no(404, "no")])],
            "the image dind:1 is not on the host".to_owned(),
            then(&[NETWORK, MAKE_NETWORK, CONNECT, CREATE], &[image], &away),
        ),
        // It is there already; and another has its name.
        (
            vec![(CREATE, vec![made("c1"), no(409, "in use")])],
            "ok".to_owned(),
            vec![NETWORK, MAKE_NETWORK, CONNECT, CREATE, LIST, START_ENGINE],
        ),
        (
            vec![(CREATE, vec![made("c1"), no(409, "in use")]), (LIST, vec![ok(&runner)])],
            format!(
                "Docker refused to {create}: another container is named mayfly-i-1-docker already"
            ),
            then(
                &[NETWORK, MAKE_NETWORK, CONNECT, CREATE, LIST],
                &[image],
                &[LIST, LIST, NETWORK, REMOVE],
            ),
        ),
        (
            vec![(START_ENGINE, vec![no(500, "no")])],
            refuse("start a Docker engine"),
            then(&[NETWORK, MAKE_NETWORK, CONNECT, CREATE, START_ENGINE], &[image], &away),
        ),
    ];
    for (script, expected, then) in rows {
        let engine = engine_for_two(script).await;
        assert_eq!(words(engine.backend().create(&with_engine()).await), expected);
        assert_eq!(engine.lines(), [&[IMAGE, CREATE][..], &then].concat(), "{expected}");
    }
    // Nothing is removed where the engine cannot be reached.
    let gone =
        engine_for_two(vec![(NETWORK, vec![network(&ours())]), (DISCONNECT, vec![cut(500)])]).await;
    let error = gone.backend().delete(&machine("c1")).await.unwrap_err();
    assert!(matches!(error, BackendError::Unreachable { .. }), "{error}");
    assert!(!gone.lines().contains(&REMOVE_NETWORK.to_owned()));
    let engine = engine_for_two(vec![(START_ENGINE, vec![cut(500)])]).await;
    let error = engine.backend().create(&with_engine()).await.unwrap_err();
    assert!(matches!(error, BackendError::Unreachable { .. }), "{error}");
    assert!(!engine.lines().iter().any(|line| line.starts_with("DELETE")));
}

#[tokio::test]
async fn a_runner_goes_with_all_that_belongs_to_it() {
    let created = ("created", "Created");
    let plain = json!([listed("c1", "mayfly-i-1", created, &labels())]);
    let engine_alone =
        json!([listed("e1", "mayfly-i-1-docker", created, &labels_with_engine(true))]);
    let another = json!([listed("c2", "mayfly-i-1", created, &labels())]);
    let runner = "Docker refused to remove a runner container: no";
    let all = [LIST, LIST, REMOVE_ENGINE, NETWORK, DISCONNECT, REMOVE_NETWORK, REMOVE];
    let there = || (NETWORK, vec![network(&ours())]);
    let rows: Vec<(Script, &str, Vec<&str>)> = vec![
        // Without an engine nothing is looked for.
        (vec![(LIST, vec![ok(&plain)])], "ok", vec![LIST, REMOVE]),
        (vec![(LIST, vec![ok(&plain)]), (REMOVE, vec![no(404, "gone")])], "ok", vec![LIST, REMOVE]),
        (
            vec![(LIST, vec![ok(&plain)]), (REMOVE, vec![no(409, "in progress")])],
            "ok",
            vec![LIST, REMOVE],
        ),
        (vec![(LIST, vec![ok(&plain)]), (REMOVE, vec![no(500, "no")])], runner, vec![LIST, REMOVE]),
        (vec![there()], "ok", all.to_vec()),
        // It was not connected, or the network is gone meanwhile.
        (vec![there(), (DISCONNECT, vec![no(404, "not connected")])], "ok", all.to_vec()),
        (vec![there(), (REMOVE_NETWORK, vec![no(404, "gone")])], "ok", all.to_vec()),
        (
            vec![there(), (REMOVE_NETWORK, vec![no(403, "no")])],
            "Docker refused to remove the network of a Docker engine: no",
            all[..6].to_vec(),
        ),
        (
            vec![(REMOVE_ENGINE, vec![no(500, "no")])],
            "Docker refused to remove a Docker engine: no",
            vec![LIST, LIST, REMOVE_ENGINE],
        ),
        // Another machine has its name.
        (vec![(LIST, vec![ok(&another)])], "ok", vec![LIST]),
        (vec![(LIST, vec![ok(&engine_alone)])], "ok", vec![LIST, LIST]),
        (vec![(LIST, vec![ok(&json!([]))])], "ok", vec![LIST, LIST, NETWORK]),
    ];
    for (script, expected, lines) in rows {
        let engine = engine_for_two(script).await;
        assert_eq!(words(engine.backend().delete(&machine("c1")).await), expected);
        let asked = engine.asked();
        let found: Vec<_> = asked.iter().map(|one| one.line.as_str()).collect();
        assert_eq!(found, lines, "{expected}");
        let disconnected = asked.iter().find(|one| one.line == DISCONNECT).map(|one| &one.body);
        let expected = json!({"Container": "c1", "Force": true});
        assert!(disconnected.is_none_or(|body| *body == expected), "{disconnected:?}");
    }
    // Without the runner there may still be its engine, which is listed in its place.
    let engine = engine_for_two(vec![there(), (LIST, vec![ok(&engine_alone)])]).await;
    engine.backend().delete(&machine("e1")).await.unwrap();
    assert_eq!(engine.lines(), [LIST, LIST, REMOVE_ENGINE, NETWORK, REMOVE_NETWORK]);
}

#[tokio::test]
async fn a_runner_of_another_registration_or_of_none_is_another() {
    let mut none = labels();
    none["dev.mayfly.github-runner-id"] = "".into();
    let list = vec![ok(&json!([listed("c1", "mayfly-i-1", ("created", "Created"), &none)]))];
    let in_use = || vec![no(409, "in use")];
    let engine = engine(vec![(CREATE, in_use()), (LIST, list)]).await;
    let backend = engine.backend();
    let (mut by_token, mut other) = (spec(), spec());
    by_token.identity.github_id = None;
    other.identity.github_id = Some(RunnerId(8));
    assert_eq!(words(backend.create(&by_token).await), "ok");
    assert!(matches!(backend.create(&other).await, Err(BackendError::NameTaken(_))));
}
