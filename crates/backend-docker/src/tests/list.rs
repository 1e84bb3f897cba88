use mayfly_common::identity::RunnerIdentity;
use mayfly_common::machine::{Exit, Machine, Phase};
use serde_json::{Value, json};

use crate::stand_in::{
    StandIn, Told, labels, labels_with_engine, listed, log, no, ok, silence, spec,
};
use mayfly_backend::{Backend as _, BackendError, Console as _};

const LIST: &str = "GET /containers/json";

/// The runner of the launch that is used everywhere, as it is listed.
fn runner(id: &str, phase: Phase) -> Machine {
    let image_id = Some("sha256:0".to_owned());
    Machine {
        identity: RunnerIdentity { image_id, ..spec().identity },
        id: id.to_owned(),
        phase,
        defect: None,
        lingers: false,
        unread: None,
    }
}

fn of(script: Vec<(&'static str, Told)>) -> Vec<(&'static str, Vec<Told>)> {
    script.into_iter().map(|(line, told)| (line, vec![told])).collect()
}

fn ended(code: i64, out_of_memory: bool, log_tail: &str) -> Phase {
    Phase::Exited(Exit { code, out_of_memory, log_tail: log_tail.to_owned() })
}

#[tokio::test]
async fn the_containers_of_this_installation_are_asked_for_with_those_that_ended() {
    let engine = StandIn::new([(LIST, vec![ok(&json!([]))])]).await;
    assert_eq!(engine.backend().list().await.unwrap(), []);
    let asked = engine.asked();
    let query: Vec<_> = asked[0].query.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let filters = r#"{"label":["dev.mayfly.instance=i"]}"#;
    assert_eq!((query, asked.len()), (vec![("all", "true"), ("filters", filters)], 1));
}

#[tokio::test]
async fn each_state_of_a_container_is_a_phase() {
    let working = |working| Some(Phase::Running { working });
    let top = |names: &[&str]| {
        let processes: Vec<_> = names.iter().map(|name| json!(["Runner.Worker", name])).collect();
        ok(&json!({"Titles": ["PID", "COMMAND"], "Processes": processes}))
    };
    let (worker, idle) =
        (top(&["bash", "Runner.Worker"]), top(&["Runner.Listener", "xRunner.Worker"]));
    let rows = [
        ("created", idle.clone(), Some(Phase::NeverStarted)),
        ("running", worker.clone(), working(Some(true))),
        ("running", idle, working(Some(false))),
        ("running", no(409, "is not running"), working(None)),
        ("restarting", worker.clone(), working(Some(true))),
        // Nothing is looked for in what stands still.
        ("paused", worker.clone(), working(None)),
        ("stopping", worker.clone(), working(None)),
        ("", worker.clone(), working(None)),
        ("dead", worker.clone(), Some(ended(0, false, ""))),
        ("removing", worker, None),
    ];
    for (state, top, expected) in rows {
        let list = ok(&json!([listed("c1", "mayfly-i-1", (state, "x"), &labels())]));
        let engine = StandIn::new(of(vec![(LIST, list), ("GET /containers/c1/top", top)])).await;
        let expected: Vec<_> = expected.into_iter().map(|phase| runner("c1", phase)).collect();
        assert_eq!(engine.backend().list().await.unwrap(), expected, "{state}");
        let asked = engine.asked();
        let names = asked.iter().filter(|one| one.line == "GET /containers/c1/top");
        assert!(names.clone().all(|one| one.query["ps_args"] == "-eo pid,comm"));
    }
}

#[tokio::test]
async fn the_end_of_a_container_is_its_state_and_what_it_printed() {
    let state = |state: Value| ok(&json!({ "State": state }));
    let full = || state(json!({"Status": "exited", "ExitCode": 3, "OOMKilled": true}));
    let printed = || log(&[b"one\n", b"two\n"]);
    let gone = || no(404, "no such container");
    let dead = state(json!({"Status": "dead"}));
    let removing = state(json!({"Status": "removing"}));
    let no_log = Some("Docker has no log of it".to_owned());
    // What the engine says of the state, and again after the log if that is asked for; the log.
    let rows = [
        (vec![full()], printed(), Some((ended(3, true, "one\ntwo\n"), None))),
        (vec![state(json!({}))], printed(), Some((ended(9, false, "one\ntwo\n"), None))),
        (vec![gone()], printed(), None),
        (vec![full(), gone()], gone(), None),
        (vec![full(), dead], no(409, "dead"), None),
        (vec![full(), removing], no(409, "being removed"), None),
        (vec![full()], gone(), Some((ended(3, true, ""), no_log))),
    ];
    for (states, log, expected) in rows {
        let ended = listed("c1", "mayfly-i-1", ("exited", "Exited (9) 5 minutes ago"), &labels());
        let script = [
            (LIST, vec![ok(&json!([ended]))]),
            ("GET /containers/c1/json", states),
            ("GET /containers/c1/logs", vec![log]),
        ];
        let engine = StandIn::new(script).await;
        let found = engine.backend().list().await.unwrap();
        let expected = expected.map(|(phase, unread)| Machine { unread, ..runner("c1", phase) });
        assert_eq!(found, Vec::from_iter(expected));
    }
}

#[tokio::test]
async fn of_a_long_log_the_beginning_and_the_end_are_read() {
    let state = ok(&json!({"State": {"Status": "exited", "ExitCode": 1}}));
    let lines = |count: usize| (0..count).map(|at| format!("{at:03}\n")).collect::<Vec<_>>();
    let framed = |lines: &[String]| log(&lines.iter().map(String::as_bytes).collect::<Vec<_>>());
    let text = |lines: &[String]| lines.concat();
    // As much as is shown.
    let long = || vec!["abc\n".repeat(16_384)];
    let beginning = [["first"; 100].join("\n"), "y".repeat(9_000)].join("\n").into_bytes();
    let first = ["first"; 100].join("\n");
    // The end; what the whole log is if that is asked for; what is shown.
    let rows = [
        (framed(&lines(199)), None, Some(text(&lines(199)))),
        (
            framed(&lines(200)),
            Some(log(&[b"begin\nhalf"])),
            Some(format!("begin\n[…]\n{}", text(&lines(200)))),
        ),
        (framed(&long()), None, Some(text(&long()))),
        // No half line: it may be half a credential. And no more than eight kilobytes.
        (
            framed(&lines(200)),
            Some(log(&[&beginning])),
            Some(format!("{first}\n[…]\n{}", text(&lines(200)))),
        ),
        (
            framed(&lines(200)),
            Some(log(&[b"no line"])),
            Some(format!("\n[…]\n{}", text(&lines(200)))),
        ),
        // Rotated away, or going.
        (framed(&lines(200)), Some(no(404, "gone")), None),
        (framed(&lines(200)), Some(no(409, "dead")), None),
    ];
    for (end, beginning, expected) in rows {
        let container = listed("c1", "mayfly-i-1", ("exited", "Exited (1) ago"), &labels());
        let asked_twice = beginning.is_some();
        let logs = [Some(end), beginning].into_iter().flatten().collect();
        let script = [
            (LIST, vec![ok(&json!([container]))]),
            ("GET /containers/c1/json", vec![state.clone()]),
            ("GET /containers/c1/logs", logs),
        ];
        let engine = StandIn::new(script).await;
        let found = engine.backend().list().await.unwrap();
        let unread = expected.is_none().then(|| "Docker has no log of it".to_owned());
        let phase = ended(1, false, &expected.unwrap_or_default());
        assert_eq!(found, [Machine { unread, ..runner("c1", phase) }]);
        let asked = engine.asked();
        let tails = asked.iter().filter(|one| one.line.ends_with("/logs"));
        let tails: Vec<_> = tails
            .map(|one| {
                let of = |name: &str| one.query.get(name).cloned().unwrap_or_default();
                [of("tail"), of("stdout"), of("stderr"), of("follow")]
            })
            .collect();
        let expected = [["200", "true", "true", "false"], ["all", "true", "true", "false"]];
        assert_eq!(tails, expected[..=usize::from(asked_twice)]);
    }
}

#[tokio::test]
async fn one_byte_more_than_is_shown_has_its_beginning_read() {
    let text = "abc\n".repeat(16_384) + "\n";
    let container = listed("c1", "mayfly-i-1", ("exited", "Exited (1) ago"), &labels());
    let script = [
        (LIST, vec![ok(&json!([container]))]),
        ("GET /containers/c1/json", vec![ok(&json!({"State": {"ExitCode": 1}}))]),
        ("GET /containers/c1/logs", vec![log(&[text.as_bytes()]), log(&[b"begin\n"])]),
    ];
    let engine = StandIn::new(script).await;
    let found = engine.backend().list().await.unwrap();
    let Phase::Exited(exit) = &found[0].phase else { panic!("{found:?}") };
    assert!(exit.log_tail.starts_with("begin\n[…]\n"), "{}", &exit.log_tail[..40]);
}

#[tokio::test]
async fn a_runner_s_own_engine_is_looked_at_with_it() {
    let failed =
        |why: &str| Phase::Broken(format!("its Docker engine did not become healthy: {why}"));
    let state = |state: Value| ok(&json!({ "State": state }));
    let running = |health: Value| state(json!({"Status": "running", "Health": health}));
    let exited = state(json!({"Status": "exited", "ExitCode": 4, "OOMKilled": true}));
    let no_log = || no(404, "no");
    let gone = "it has no container";
    let unhealthy = json!({"Status": "unhealthy", "Log": [{"Output": "a"}, {"Output": "b\n\n"}]});
    let memory = "it ended with exit code 4, out of memory";
    // What the engine of the host says of it, and its log; how it is.
    let rows = [
        (Some(running(json!({"Status": "healthy"}))), no_log(), Phase::Ready),
        (Some(running(json!({"Status": "starting"}))), no_log(), Phase::Preparing),
        (Some(running(unhealthy)), no_log(), failed("it does not answer: b")),
        (
            Some(state(json!({"Status": "created"}))),
            no_log(),
            failed("its container was created and never started"),
        ),
        (Some(exited.clone()), log(&[b"no space\n"]), failed(&format!("{memory}: no space"))),
        (Some(exited), no_log(), failed(memory)),
        (Some(state(json!({"Status": "dead"}))), no_log(), failed("it ended with exit code 0")),
        // It was listed, and is gone since; and it was not listed.
        (Some(no(404, "no such container")), no_log(), failed(gone)),
        (None, no_log(), failed(gone)),
    ];
    for (state, log, expected) in rows {
        let created = ("created", "Created");
        let mut list = vec![listed("c1", "mayfly-i-1", created, &labels_with_engine(false))];
        let engine = ("running", "Up 5 minutes");
        if state.is_some() {
            list.push(listed("e1", "mayfly-i-1-docker", engine, &labels_with_engine(true)));
        }
        let mut script = vec![(LIST, ok(&json!(list))), ("GET /containers/e1/logs", log)];
        script.extend(state.map(|state| ("GET /containers/e1/json", state)));
        let engine = StandIn::new(of(script)).await;
        let found = engine.backend().list().await.unwrap();
        assert_eq!(found, [Machine { lingers: true, ..runner("c1", expected) }]);
        let asked = engine.asked();
        let logs = asked.iter().filter(|one| one.line.ends_with("/logs"));
        assert!(logs.clone().all(|one| one.query["tail"] == "10"), "{asked:?}");
    }
}

#[tokio::test]
async fn an_engine_whose_runner_is_gone_stands_for_it() {
    let left = listed("e1", "mayfly-i-1-docker", ("running", "Up"), &labels_with_engine(true));
    let engine = StandIn::new(of(vec![(LIST, ok(&json!([left])))])).await;
    let expected = Machine { lingers: true, ..runner("e1", ended(0, false, "")) };
    assert_eq!(engine.backend().list().await.unwrap(), [expected]);
    assert_eq!(engine.lines(), [LIST]);
}

#[tokio::test]
async fn runners_are_listed_by_age_and_each_once() {
    let of = |name: &str, second: &str| {
        let mut labels = labels();
        labels["dev.mayfly.runner"] = name.into();
        labels["dev.mayfly.created-at"] = format!("2027-01-15T08:00:{second}Z").into();
        labels
    };
    let (created, exited) = (("created", "Created"), ("dead", "Dead"));
    let list = json!([
        listed("c2", "r-2", created, &of("r-2", "30")),
        listed("c3", "r-3", created, &of("r-3", "10")),
        listed("c1", "r-1", created, &of("r-1", "30")),
        // Copies: what runs comes before what has the name, and that before the rest.
        listed("x1", "copy", created, &of("r-4", "40")),
        listed("x2", "r-4", created, &of("r-4", "40")),
        listed("x3", "r-5", exited, &of("r-5", "50")),
        listed("x4", "copy-5", ("running", "Up"), &of("r-5", "50")),
        // Somebody else's.
        listed("y1", "r-6", created, &json!({"dev.mayfly.instance": "i"})),
        listed("y2", "r-7", created, &Value::Null),
        {"State": "created", "Labels": of("r-8", "00")},
    ]);
    let engine = StandIn::new([(LIST, vec![ok(&list)])]).await;
    let found = engine.backend().list().await.unwrap();
    let found: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.id.as_str())).collect();
    assert_eq!(found, [("r-3", "c3"), ("r-1", "c1"), ("r-2", "c2"), ("r-4", "x2"), ("r-5", "x4")]);
}

#[tokio::test]
async fn a_list_that_is_refused_or_cannot_be_read_is_an_error() {
    let rows = [
        (no(500, "a\nb"), "Docker refused to list containers: a b"),
        (
            ok(&json!({})),
            "Docker refused to list containers: its answer cannot be read: invalid type: map, expected a sequence at line 1 column 0",
        ),
    ];
    for (answer, expected) in rows {
        let engine = StandIn::new([(LIST, vec![answer])]).await;
        assert_eq!(engine.backend().list().await.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_container_that_is_not_answered_for_is_asked_about_no_more() {
    let container = listed("c1", "mayfly-i-1", ("exited", "Exited (9) ago"), &labels());
    let script = [
        (LIST, vec![ok(&json!([container]))]),
        ("GET /containers/c1/json", vec![silence()]),
        ("GET /containers/c1/logs", vec![log(&[b"x\n"])]),
    ];
    let engine = StandIn::new(script).await;
    let unread = Some("Docker did not inspect a container within 3 s".to_owned());
    let expected = Machine { unread, ..runner("c1", ended(9, false, "")) };
    assert_eq!(engine.backend().list().await.unwrap(), [expected]);
    assert_eq!(engine.lines(), [LIST, "GET /containers/c1/json"]);
}

#[tokio::test]
async fn the_last_lines_of_a_runner_are_asked_for_by_its_labels() {
    let container = listed("c1", "another-name", ("running", "Up"), &labels());
    let script = [
        (LIST, vec![ok(&json!([container])), ok(&json!([container])), ok(&json!([]))]),
        ("GET /containers/c1/logs", vec![log(&[b"a\n", b"b\n"]), no(404, "gone")]),
    ];
    let engine = StandIn::new(script).await;
    let (backend, name) = (engine.backend(), spec().identity.name);
    let logs = async || backend.logs(&name, 7).await.unwrap();
    assert_eq!(logs().await.as_deref(), Some("a\nb\n"));
    let asked = engine.asked();
    let filters = r#"{"label":["dev.mayfly.instance=i","dev.mayfly.runner=mayfly-i-1"]}"#;
    assert_eq!((&*asked[0].query["filters"], &*asked[1].query["tail"]), (filters, "7"));
    assert_eq!((logs().await, logs().await), (None, None));
    let broken = StandIn::new(of(vec![
        (LIST, ok(&json!([container]))),
        ("GET /containers/c1/logs", no(500, "corrupt")),
    ]))
    .await;
    let error = broken.backend().logs(&name, 7).await.unwrap_err();
    assert!(
        matches!(&error, BackendError::Refused { what: "read a container's log", reason, .. } if reason == "corrupt")
    );
}

/// The engine keeps a line in pieces of 16 KiB.
#[tokio::test]
async fn a_line_of_100_kilobytes_hides_none_of_the_lines_before_it() {
    let container = listed("c1", "mayfly-i-1", ("running", "Up"), &labels());
    let piece = [b'.'; 16 << 10];
    let mut pieces = vec![&b"before\n"[..]];
    pieces.extend(std::iter::repeat_n(&piece[..], 7));
    pieces.extend([&b"\n"[..], b"after\n"]);
    let script =
        [(LIST, vec![ok(&json!([container]))]), ("GET /containers/c1/logs", vec![log(&pieces)])];
    let engine = StandIn::new(script).await;
    let shown = engine.backend().logs(&spec().identity.name, 200).await.unwrap().unwrap();
    assert_eq!(shown, format!("before\n{}…\nafter\n", ".".repeat(8192)));
}

#[tokio::test]
async fn a_line_that_takes_up_all_pieces_hides_none_of_the_lines_before_it() {
    let piece = [b'.'; 16 << 10];
    let number = |at: usize| format!("{at:03}\n").into_bytes();
    // Lines before the long one and after it; whether more pieces are asked for.
    let rows = [(100, 99, true), (300, 99, true), (0, 99, true), (100, 200, false)];
    for (before, after, more) in rows {
        let short: Vec<Vec<u8>> = (0..before + after).map(number).collect();
        let (before, after) = short.split_at(before);
        let long = std::iter::repeat_n(&piece[..], 210).chain([&b"\n"[..]]);
        let pieces: Vec<&[u8]> = before
            .iter()
            .map(|line| &**line)
            .chain(long)
            .chain(after.iter().map(|line| &**line))
            .collect();
        let last = |most: usize| log(&pieces[pieces.len().saturating_sub(most)..]);
        let container = listed("c1", "mayfly-i-1", ("running", "Up"), &labels());
        let script = [
            (LIST, vec![ok(&json!([container]))]),
            ("GET /containers/c1/logs", vec![last(200), last(512)]),
        ];
        let engine = StandIn::new(script).await;
        let shown = engine.backend().logs(&spec().identity.name, 200).await.unwrap().unwrap();
        let mut lines: Vec<String> =
            before.iter().map(|line| String::from_utf8(line.clone()).unwrap()).collect();
        lines.push(format!("{}…\n", ".".repeat(8192)));
        lines.extend(after.iter().map(|line| String::from_utf8(line.clone()).unwrap()));
        let expected = lines[lines.len().saturating_sub(200)..].concat();
        assert_eq!(shown, expected, "{} {}", before.len(), after.len());
        let asked = engine.asked();
        let tails = asked.iter().filter(|one| one.line.ends_with("/logs"));
        let tails: Vec<&str> = tails.map(|one| &*one.query["tail"]).collect();
        assert_eq!(tails, if more { vec!["200", "512"] } else { vec!["200"] });
    }
}
