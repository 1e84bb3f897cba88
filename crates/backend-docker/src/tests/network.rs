use std::net::IpAddr;
use std::time::Duration;

use bollard::models::NetworkInspect;
use mayfly_backend::Backend as _;
use serde_json::{Value, json};

use crate::network::{openness, refusal};
use crate::stand_in::{StandIn, Told, no, ok};
use crate::{DockerBackend, DockerSettings};

const BRIDGE: &str = "GET /networks/bridge";
const RUNNERS: &str = "GET /networks/runners";
const INSIDE: &str = "GET /containers/json";
const REMOVE: &str = "DELETE /networks/runners";
const MAKE: &str = "POST /networks/create";

/// The runners' network, made with this MTU, if any, and closed or not; ours or not.
fn runners(mtu: Option<&str>, icc: &str, ours: bool) -> Told {
    let mut options = json!({"com.docker.network.bridge.enable_icc": icc});
    if let Some(mtu) = mtu {
        options["com.docker.network.driver.mtu"] = mtu.into();
    }
    let labels = if ours { json!({"dev.mayfly.network": "1"}) } else { json!({}) };
    let ipam =
        json!({"Config": [{"Subnet": "fd00::/64"}, {"Gateway": "odd"}, {"Gateway": "172.20.0.1"}]});
    ok(&json!({"Name": "runners", "Options": options, "Labels": labels, "IPAM": ipam}))
}

fn backend(engine: &StandIn, mtu: Option<u32>) -> DockerBackend {
    DockerBackend::new(DockerSettings {
        host: Some(engine.host.clone()),
        name: mayfly_common::identity::BackendName::default(),
        installation: Some("i".to_owned()),
        network: "runners".to_owned(),
        mtu,
    })
}

/// Makes the network ready. What came of it, in words.
async fn ready(backend: &DockerBackend) -> String {
    match backend.network_gateway().await {
        Ok(gateway) => gateway.map_or_else(|| "none".to_owned(), |address| address.to_string()),
        Err(error) => error.to_string(),
    }
}

fn lines(engine: &StandIn) -> Vec<String> {
    let lines = engine.all_asked().into_iter().map(|one| one.line);
    lines.filter(|line| line != "GET /version").collect()
}

#[tokio::test]
async fn the_network_is_made_as_it_shall_be() {
    let made = ok(&json!({"Id": "n1", "Warning": ""}));
    let bridge = |options: Value| ok(&json!({"Name": "bridge", "Options": options}));
    let mtu = "com.docker.network.driver.mtu";
    // The engine's default network; what is configured; the MTU that the network has then.
    let rows = [
        (bridge(json!({ mtu: "1450" })), None, Some("1450")),
        (bridge(json!({})), None, None),
        (no(404, "no such network"), None, None),
        (bridge(json!({ mtu: "1450" })), Some(1_400), Some("1400")),
    ];
    for (bridge, configured, expected) in rows {
        let there = runners(expected, "false", true);
        let script = [
            (BRIDGE, vec![bridge]),
            (RUNNERS, vec![no(404, "no such network"), there]),
            (MAKE, vec![made.clone()]),
        ];
        let engine = StandIn::new(script).await;
        assert_eq!(ready(&backend(&engine, configured)).await, "172.20.0.1");
        let asked = engine.all_asked();
        let mut body = json!({
            "Name": "runners", "Driver": "bridge", "Labels": {"dev.mayfly.network": "1"},
            "Options": {"com.docker.network.bridge.enable_icc": "false"},
        });
        if let Some(expected) = expected {
            body["Options"][mtu] = expected.into();
        }
        let sent = asked.iter().find(|one| one.line == MAKE).map(|one| &one.body);
        assert_eq!(sent, Some(&body), "{configured:?}");
        let about_bridge = asked.iter().any(|one| one.line == BRIDGE);
        assert_eq!(about_bridge, configured.is_none(), "what is configured is not asked for");
    }
}

#[tokio::test]
async fn what_is_there_is_used_or_made_again_or_refused() {
    let made = || (MAKE, vec![ok(&json!({"Id": "n1", "Warning": ""}))]);
    let inside =
        |ids: &[&str]| (INSIDE, vec![ok(&ids.iter().map(|id| json!({"Id": id})).collect())]);
    let there = |mtu, icc, ours| (RUNNERS, vec![runners(Some(mtu), icc, ours)]);
    let removed = |answer: Told| (REMOVE, vec![answer]);
    let fine = || removed(ok(&json!({})));
    let address = "172.20.0.1";
    let (look, again) = ([BRIDGE, RUNNERS], [BRIDGE, RUNNERS, INSIDE, REMOVE, MAKE]);
    let full = [BRIDGE, RUNNERS, INSIDE];
    // What is asked before the address is; whether it is looked at again the next time; whether it is open.
    let rows = vec![
        (vec![there("1450", "false", true)], address, &look[..], false, false),
        (vec![there("1450", "0", false)], address, &look, false, false),
        (vec![there("1450", "true", true)], address, &look, true, true),
        // Another MTU.
        (vec![there("1500", "false", false)], address, &look, false, false),
        (vec![there("1500", "true", false)], address, &look, true, true),
        (
            vec![there("1500", "false", true), inside(&[]), fine(), made()],
            address,
            &again,
            false,
            false,
        ),
        (vec![there("1500", "false", true), inside(&["c1"])], address, &full, true, false),
        (
            vec![
                there("1500", "false", true),
                inside(&[]),
                removed(no(403, "has active endpoints")),
            ],
            address,
            &again[..4],
            true,
            false,
        ),
        (
            vec![there("1500", "false", true), inside(&[]), removed(no(403, "by the proxy"))],
            address,
            &again[..4],
            false,
            false,
        ),
        (
            vec![
                there("1500", "false", true),
                inside(&[]),
                fine(),
                (MAKE, vec![no(409, "exists")]),
            ],
            address,
            &again,
            false,
            false,
        ),
        (
            vec![there("1500", "false", true), inside(&[]), fine(), (MAKE, vec![no(500, "no")])],
            "Docker refused to create the runner network: no",
            &again,
            true,
            false,
        ),
        (
            vec![(RUNNERS, vec![no(500, "no")])],
            "Docker refused to look up the runner network: no",
            &look,
            true,
            false,
        ),
        (
            vec![(BRIDGE, vec![no(500, "no")])],
            "Docker refused to look up its default network: no",
            &look[..1],
            true,
            false,
        ),
        (
            vec![(RUNNERS, vec![ok(&json!({"Name": "others"}))])],
            "Docker refused to use DOCKER_NETWORK for runners: the id of the network others begins so; name it, as in DOCKER_NETWORK=others",
            &look,
            true,
            false,
        ),
    ];
    for (script, expected, asked, again, open) in rows {
        let engine = StandIn::new(script).await;
        let backend = backend(&engine, None);
        let mut wanted = asked.to_vec();
        wanted.extend((expected == address).then_some(RUNNERS));
        assert_eq!(ready(&backend).await, expected);
        let all = engine.all_asked();
        let filter = all.iter().find(|one| one.line == INSIDE).map(|one| &*one.query["filters"]);
        assert!(filter.is_none_or(|filter| filter == r#"{"network":["runners"]}"#), "{filter:?}");
        let found: Vec<_> =
            all.iter().map(|one| &*one.line).filter(|line| *line != "GET /version").collect();
        assert_eq!(found, wanted, "{expected}");
        assert_eq!(backend.problems().len(), usize::from(open));
        ready(&backend).await;
        assert_eq!(lines(&engine).contains(&BRIDGE.to_owned()), again, "{wanted:?}");
    }
}

#[tokio::test]
async fn a_good_network_is_looked_at_again_after_half_a_minute_and_when_it_was_forgotten() {
    let closed = || runners(Some("1450"), "false", true);
    let open = runners(Some("1450"), "true", true);
    // Each look asks for it, and then for its address.
    let script = [(RUNNERS, vec![closed(), closed(), closed(), open.clone(), open, closed()])];
    let engine = StandIn::new(script).await;
    let backend = backend(&engine, None);
    let looks = async |seconds| {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        ready(&backend).await;
        (lines(&engine).iter().filter(|line| *line == BRIDGE).count(), backend.problems().len())
    };
    assert_eq!(looks(0).await, (1, 0));
    assert_eq!(looks(29).await, (0, 0));
    assert_eq!(looks(1).await, (1, 1), "somebody made it anew, and open");
    assert_eq!(looks(0).await, (1, 0));
    assert_eq!(looks(0).await, (0, 0));
    assert!(backend.clear().await.is_err(), "the stand-in lists no networks");
    lines(&engine);
    assert_eq!(looks(0).await, (1, 0));
}

#[tokio::test]
async fn the_address_of_the_machine_is_the_first_that_can_be_read() {
    let engine = StandIn::new([(RUNNERS, vec![runners(Some("1450"), "false", true)])]).await;
    let found = backend(&engine, None).network_gateway().await.unwrap();
    assert_eq!(found, Some(IpAddr::from([172, 20, 0, 1])));
    let engine = StandIn::new::<&str>([]).await;
    assert_eq!(backend(&engine, None).network_gateway().await.unwrap(), None);
}

#[test]
fn what_runners_must_not_share_is_told_in_words() {
    let found = |name: Option<&str>, icc: Option<&str>| NetworkInspect {
        name: name.map(str::to_owned),
        options: icc.map(|icc| {
            [("com.docker.network.bridge.enable_icc".to_owned(), icc.to_owned())].into()
        }),
        ..NetworkInspect::default()
    };
    for own in ["bridge", "host", "none"] {
        let why = format!(
            "it is the engine's own network {own}, on which runners reach the machine or each other: name another"
        );
        assert_eq!(refusal("ab", &found(Some(own), None)), Some(why));
    }
    let why = "the id of the network runners begins so; name it, as in DOCKER_NETWORK=runners";
    assert_eq!(refusal("ab", &found(Some("runners"), None)).as_deref(), Some(why));
    assert_eq!(refusal("runners", &found(Some("runners"), None)), None);
    assert_eq!(refusal("runners", &found(None, None)), None);
    let open = "runners reach each other on the network n: it was made without com.docker.network.bridge.enable_icc=false; remove it (docker network rm n) when no runner is in it, and the orchestrator makes it with that";
    for closed in ["false", "False", "FALSE", "f", "F", "0"] {
        assert_eq!(openness("n", &found(None, Some(closed))), None, "{closed}");
    }
    for icc in [None, Some("true"), Some("1"), Some(""), Some("fALSE")] {
        assert_eq!(openness("n", &found(None, icc)).as_deref(), Some(open), "{icc:?}");
    }
}

/// The stream of events breaks while a launch hangs: nobody else waits for it.
#[tokio::test]
async fn a_network_that_may_be_gone_is_looked_at_beside_a_launch_that_hangs() {
    let there = || runners(Some("1450"), "false", true);
    let gone = || no(404, "no such network");
    let bridge =
        ok(&json!({"Name": "bridge", "Options": {"com.docker.network.driver.mtu": "1450"}}));
    let made = ok(&json!({"Id": "n1", "Warning": ""}));
    for (found, is_gone) in [(there(), false), (gone(), true)] {
        let script = [
            (BRIDGE, vec![bridge.clone()]),
            (RUNNERS, vec![there(), there(), found, there()]),
            (MAKE, vec![made.clone()]),
        ];
        let engine = StandIn::new(script).await;
        let backend = backend(&engine, None);
        assert_eq!(ready(&backend).await, "172.20.0.1");
        let docker = backend.docker().await.unwrap();
        let hangs = backend.network.ready(docker).await.unwrap();
        backend.network.forget();
        let looked = tokio::time::timeout(Duration::from_secs(10), ready(&backend)).await;
        assert_eq!(looked.expect("it waits for nobody"), "172.20.0.1");
        assert_eq!(lines(&engine).contains(&MAKE.to_owned()), is_gone);
        assert!(!lines(&engine).contains(&REMOVE.to_owned()));
        drop(hangs);
    }
}
