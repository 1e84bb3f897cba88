//! Tables of what there is and what is said about it.

use mayfly_github::checkup::Level;

use super::*;
use crate::doctor::finding::told;

fn targets() -> Targets {
    Targets {
        port: 8000,
        host: vec!["172.17.0.1".parse().unwrap(), "192.0.2.7".parse().unwrap()],
        peer: Some("172.18.0.3".parse().unwrap()),
        driver: Some("bridge".to_owned()),
    }
}

#[test]
fn every_target_is_listed_with_a_name_of_its_own() {
    let list = targets().list();
    let names: Vec<&str> = list.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(
        names,
        ["host-172.17.0.1", "host-192.0.2.7", "peer", "loopback", "metadata", "nowhere"]
    );
    assert_eq!(list.last().map(|target| target.port), Some(80));
}

#[test]
fn what_is_reached_is_a_failure() {
    let unclear = || Answer::Unclear("x".to_owned());
    let (ok, warning, failure) = (Level::Ok, Level::Warning, Level::Failure);
    let cases = [
        (vec![], "127.0.0.1", [ok, ok, ok]),
        (vec![("host-192.0.2.7", Answer::Connected)], "127.0.0.1", [failure, ok, ok]),
        (vec![("host-192.0.2.7", Answer::Refused)], "127.0.0.1", [ok, ok, ok]),
        (vec![("host-192.0.2.7", Answer::Refused)], "0.0.0.0", [warning, ok, ok]),
        (vec![("host-192.0.2.7", Answer::Refused)], "172.17.0.1", [warning, ok, ok]),
        (vec![("host-192.0.2.7", Answer::Closed)], "0.0.0.0", [ok, ok, ok]),
        (vec![("host-192.0.2.7", unclear())], "127.0.0.1", [warning, ok, ok]),
        (vec![("metadata", Answer::Connected)], "127.0.0.1", [ok, failure, ok]),
        (
            vec![("metadata", Answer::Connected), ("nowhere", Answer::Connected)],
            "127.0.0.1",
            [ok, warning, ok],
        ),
        (
            vec![("metadata", Answer::Connected), ("nowhere", Answer::Refused)],
            "127.0.0.1",
            [ok, failure, ok],
        ),
        (vec![("nowhere", Answer::Connected)], "127.0.0.1", [ok, ok, ok]),
        (vec![("metadata", Answer::Refused)], "127.0.0.1", [ok, ok, ok]),
        (vec![("metadata", unclear())], "127.0.0.1", [ok, warning, ok]),
        (vec![("peer", Answer::Connected)], "127.0.0.1", [ok, ok, failure]),
        (vec![("peer", Answer::Refused)], "127.0.0.1", [ok, ok, failure]),
        (vec![("peer", Answer::Closed)], "127.0.0.1", [ok, ok, ok]),
        (vec![("peer", unclear())], "127.0.0.1", [ok, ok, warning]),
    ];
    for (answers, listens, expected) in cases {
        let answers: BTreeMap<String, Answer> =
            answers.into_iter().map(|(name, answer)| (name.to_owned(), answer)).collect();
        let found = findings(&targets(), &answers, listens.parse().unwrap());
        let levels: Vec<Level> = found.iter().map(|one| one.level).collect();
        assert_eq!(levels, expected, "{answers:?} {listens}: {found:?}");
    }
}

#[test]
fn a_runner_on_the_machine_s_own_network_is_a_failure() {
    let listens = IpAddr::from([127, 0, 0, 1]);
    let host = || Targets { driver: Some("host".to_owned()), ..targets() };
    let loopback = |answer| BTreeMap::from([("loopback".to_owned(), answer)]);
    let rows = [
        (targets(), Answer::Refused, Level::Ok, "does not reach port 8000"),
        (targets(), Answer::Connected, Level::Failure, "at 127.0.0.1"),
        (host(), Answer::Refused, Level::Failure, "this machine's own network"),
        (host(), Answer::Connected, Level::Failure, "at 127.0.0.1"),
    ];
    for (targets, answer, level, words) in rows {
        let found = findings(&targets, &loopback(answer), listens);
        assert_eq!(found[0].level, level, "{found:?}");
        assert!(found[0].what.contains(words), "{found:?}");
    }
}

#[test]
fn what_was_not_tried_is_not_said_to_be_well() {
    let targets = Targets { peer: None, ..targets() };
    let found = findings(&targets, &BTreeMap::new(), IpAddr::from([127, 0, 0, 1]));
    assert_eq!(found[2].level, Level::Warning);
}

#[test]
fn what_is_reached_is_said_in_full() {
    let unclear = || Answer::Unclear("x".to_owned());
    let said = |targets: &Targets, answers: Vec<(&str, Answer)>, listens: &str| {
        let answers = answers.into_iter().map(|(name, answer)| (name.to_owned(), answer)).collect();
        told(&findings(targets, &answers, listens.parse().unwrap()))
    };
    let well = [
        "Ok: a runner does not reach port 8000, the orchestrator's, on this machine (tried at 172.17.0.1, 192.0.2.7)",
        "Ok: a runner does not reach the cloud's metadata address 169.254.169.254",
        "Ok: runners do not reach each other",
    ];
    assert_eq!(said(&targets(), Vec::new(), "127.0.0.1"), well);
    let bash =
        "name an image with bash that is on the engine, such as --probe-image debian:stable-slim";
    let could = "could not be told from what the image's tool said";
    let all_unclear = vec![
        ("host-172.17.0.1", unclear()),
        ("host-192.0.2.7", unclear()),
        ("metadata", unclear()),
        ("peer", unclear()),
    ];
    let expected = [
        format!(
            "Warning: whether a runner reaches port 8000 of this machine at 172.17.0.1, 192.0.2.7 {could} → {bash}"
        ),
        format!("Warning: whether a runner reaches 169.254.169.254 {could} → {bash}"),
        format!("Warning: whether a runner reaches another runner {could} → {bash}"),
    ];
    assert_eq!(said(&targets(), all_unclear, "127.0.0.1"), expected);
    let own = "any job could start and remove runners, and reach whatever listens on this machine: set DOCKER_NETWORK to the name of a network for runners alone, or leave it out, and the orchestrator makes one";
    let all = vec![
        ("loopback", Answer::Connected),
        ("metadata", Answer::Connected),
        ("peer", Answer::Refused),
    ];
    let expected = [
        format!("Failure: a runner reaches port 8000, the orchestrator's, at 127.0.0.1: it is on this machine's own network → {own}"),
        "Failure: a runner reaches 169.254.169.254, where a cloud tells this machine's credentials → have the firewall drop it: iptables -I DOCKER-USER -d 169.254.169.254 -j DROP; and let the cloud ask for a token with a hop limit of 1".to_owned(),
        "Failure: runners reach each other on their network → remove the network, and the orchestrator makes it with com.docker.network.bridge.enable_icc=false; where it has that already, set net.bridge.bridge-nf-call-iptables=1".to_owned(),
    ];
    assert_eq!(said(&targets(), all, "127.0.0.1"), expected);
    let on_host = Targets { driver: Some("host".to_owned()), peer: None, ..targets() };
    let found = said(
        &on_host,
        vec![("metadata", Answer::Connected), ("nowhere", Answer::Connected)],
        "127.0.0.1",
    );
    let expected = [
        format!("Failure: runners are on this machine's own network → {own}"),
        "Warning: whether a runner reaches 169.254.169.254 could not be told: something on the way takes every connection, also to an address that nobody has (203.0.113.1) → if this machine is a cloud's, look whether your proxy or firewall lets 169.254.169.254 through".to_owned(),
        "Warning: whether runners reach each other could not be told: the other container has no address → look at the runners' network (DOCKER_NETWORK)".to_owned(),
    ];
    assert_eq!(found, expected);
    let mixed = vec![("host-172.17.0.1", Answer::Connected), ("host-192.0.2.7", Answer::Refused)];
    let found = said(&targets(), mixed, "0.0.0.0");
    let expected = [
        "Failure: a runner reaches port 8000 of this machine, the orchestrator's, at 172.17.0.1 → any job could start and remove runners: let ORCHESTRATOR_HOST be 127.0.0.1, publish no port of the orchestrator, or have the firewall refuse the runners' network",
        "Warning: nobody listens on port 8000 of this machine just now, but a runner's packets get there (at 192.0.2.7) → with ORCHESTRATOR_HOST=0.0.0.0 jobs would reach the orchestrator: let it be 127.0.0.1, or have the firewall refuse the runners' network",
        well[1],
        well[2],
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_target_has_its_address_and_port() {
    let list: Vec<String> =
        targets().list().into_iter().map(|one| format!("{}:{}", one.host, one.port)).collect();
    let expected = [
        "172.17.0.1:8000",
        "192.0.2.7:8000",
        "172.18.0.3:9",
        "127.0.0.1:8000",
        "169.254.169.254:80",
        "203.0.113.1:80",
    ];
    assert_eq!(list, expected);
}
