//! What is and is not to be reached from a runner. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use mayfly_github::checkup::Finding;

use super::probe::{Answer, Target};
use crate::doctor::finding::{failure, ok, warning};

/// Where clouds tell machines about themselves, credentials included.
const METADATA: &str = "169.254.169.254";
const METADATA_PORT: u16 = 80;
/// A container's own loopback, where nobody listens, unless it shares the machine's.
const LOOPBACK: &str = "127.0.0.1";
/// The driver of the network that is the machine's own.
const HOST_DRIVER: &str = "host";
/// An address that nobody has (RFC 5737, TEST-NET-3): if it is reached, something on the way takes every connection.
const NOWHERE: &str = "203.0.113.1";
/// Any port will do: where packets arrive, a closed port answers, too.
const PEER_PORT: u16 = 9;

/// What is tried.
#[derive(Debug, Clone)]
pub(super) struct Targets {
    /// The orchestrator's port.
    pub(super) port: u16,
    /// This machine's addresses.
    pub(super) host: Vec<IpAddr>,
    /// The other container's address, if it has one.
    pub(super) peer: Option<IpAddr>,
    /// The driver of the runners' network.
    pub(super) driver: Option<String>,
}

impl Targets {
    /// Each as the prober takes it.
    pub(super) fn list(&self) -> Vec<Target> {
        let target = |name: &str, host: String, port| Target { name: name.to_owned(), host, port };
        let host = self
            .host
            .iter()
            .map(|address| target(&format!("host-{address}"), address.to_string(), self.port));
        let peer = self.peer.iter().map(|peer| target("peer", peer.to_string(), PEER_PORT));
        let loopback = target("loopback", LOOPBACK.to_owned(), self.port);
        let metadata = target("metadata", METADATA.to_owned(), METADATA_PORT);
        let nowhere = target("nowhere", NOWHERE.to_owned(), METADATA_PORT);
        host.chain(peer).chain([loopback, metadata, nowhere]).collect()
    }
}

/// `answers`: what answered; silence is no answer. `listens`: where the orchestrator is told to listen.
pub(super) fn findings(
    targets: &Targets,
    answers: &BTreeMap<String, Answer>,
    listens: IpAddr,
) -> Vec<Finding> {
    let mut found = match own_network(targets, answers.get("loopback")) {
        Some(finding) => vec![finding],
        None => host(targets, answers, listens),
    };
    found.push(metadata(answers.get("metadata"), answers.get("nowhere")));
    found.push(peer(targets.peer, answers.get("peer")));
    found
}

/// A runner that is on the machine's own network: whatever listens there on 127.0.0.1 is open to it.
fn own_network(targets: &Targets, loopback: Option<&Answer>) -> Option<Finding> {
    let hint = "any job could start and remove runners, and reach whatever listens on this machine: set DOCKER_NETWORK to the name of a network for runners alone, or leave it out, and the orchestrator makes one";
    let port = targets.port;
    match (loopback, targets.driver.as_deref()) {
        (Some(Answer::Connected), _) => Some(failure(
            format!(
                "a runner reaches port {port}, the orchestrator's, at {LOOPBACK}: it is on this machine's own network"
            ),
            hint,
        )),
        (_, Some(HOST_DRIVER)) => Some(failure("runners are on this machine's own network", hint)),
        _ => None,
    }
}

fn host(targets: &Targets, answers: &BTreeMap<String, Answer>, listens: IpAddr) -> Vec<Finding> {
    let port = targets.port;
    let answered = |wanted: &dyn Fn(&Answer) -> bool| {
        let of = |address: &&IpAddr| answers.get(&format!("host-{address}")).is_some_and(wanted);
        let list: Vec<String> = targets.host.iter().filter(of).map(ToString::to_string).collect();
        (!list.is_empty()).then(|| list.join(", "))
    };
    let mut found = Vec::new();
    if let Some(list) = answered(&|answer| *answer == Answer::Connected) {
        found.push(failure(
            format!("a runner reaches port {port} of this machine, the orchestrator's, at {list}"),
            "any job could start and remove runners: let ORCHESTRATOR_HOST be 127.0.0.1, publish no port of the orchestrator, or have the firewall refuse the runners' network",
        ));
    }
    if let Some(list) = answered(&|answer| matches!(answer, Answer::Unclear(_))) {
        found.push(unclear(&format!("port {port} of this machine at {list}")));
    }
    let open = answered(&|answer| *answer == Answer::Refused);
    match open {
        // It may only not be running just now.
        Some(list) if reaches(listens, targets) => found.push(warning(
            format!("nobody listens on port {port} of this machine just now, but a runner's packets get there (at {list})"),
            format!("with ORCHESTRATOR_HOST={listens} jobs would reach the orchestrator: let it be 127.0.0.1, or have the firewall refuse the runners' network"),
        )),
        _ if found.is_empty() => {
            let list: Vec<String> = targets.host.iter().map(ToString::to_string).collect();
            found.push(ok(format!(
                "a runner does not reach port {port}, the orchestrator's, on this machine (tried at {})",
                list.join(", ")
            )));
        }
        _ => {}
    }
    found
}

/// True if one who listens there is heard of at one of the host's addresses.
fn reaches(listens: IpAddr, targets: &Targets) -> bool {
    listens.is_unspecified() || targets.host.contains(&listens)
}

fn metadata(answer: Option<&Answer>, nowhere: Option<&Answer>) -> Finding {
    match answer {
        Some(Answer::Connected) if nowhere == Some(&Answer::Connected) => warning(
            format!(
                "whether a runner reaches {METADATA} could not be told: something on the way takes every connection, also to an address that nobody has ({NOWHERE})"
            ),
            format!(
                "if this machine is a cloud's, look whether your proxy or firewall lets {METADATA} through"
            ),
        ),
        Some(Answer::Connected) => failure(
            format!("a runner reaches {METADATA}, where a cloud tells this machine's credentials"),
            format!(
                "have the firewall drop it: iptables -I DOCKER-USER -d {METADATA} -j DROP; and let the cloud ask for a token with a hop limit of 1"
            ),
        ),
        Some(Answer::Unclear(_)) => unclear(METADATA),
        Some(Answer::Refused | Answer::Closed) | None => {
            ok(format!("a runner does not reach the cloud's metadata address {METADATA}"))
        }
    }
}

fn peer(address: Option<IpAddr>, answer: Option<&Answer>) -> Finding {
    match (address, answer) {
        (None, _) => warning(
            "whether runners reach each other could not be told: the other container has no address",
            "look at the runners' network (DOCKER_NETWORK)",
        ),
        (Some(_), Some(Answer::Connected | Answer::Refused)) => failure(
            "runners reach each other on their network",
            "remove the network, and the orchestrator makes it with com.docker.network.bridge.enable_icc=false; where it has that already, set net.bridge.bridge-nf-call-iptables=1",
        ),
        (Some(_), Some(Answer::Unclear(_))) => unclear("another runner"),
        (Some(_), Some(Answer::Closed) | None) => ok("runners do not reach each other"),
    }
}

fn unclear(what: &str) -> Finding {
    warning(
        format!(
            "whether a runner reaches {what} could not be told from what the image's tool said"
        ),
        "name an image with bash that is on the engine, such as --probe-image debian:stable-slim",
    )
}

#[cfg(test)]
mod tests;
