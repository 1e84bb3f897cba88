//! The machine under the engine: whether runners fit on it, and kernel settings that jobs meet.
//!
//! What the engine does not tell is read from this machine's kernel, where the engine's bridge is seen to be on this machine.

use std::path::Path;

use bollard::models::NetworkInspect;
use mayfly_backend::HostResources;
use mayfly_backend_docker::network::{MTU, openness, refusal};
use mayfly_common::quantity::show_cpus;
use mayfly_github::checkup::Finding;
use mayfly_settings::Config;
use mayfly_settings::host::{self, gibibytes};

use super::engine::Engine;
use super::finding::{failure, note, ok, warning};

/// What one machine of its own would have (Linux, `fs/notify/inotify/inotify_user.c`); all runners share the limit of their user.
const INOTIFY_EACH: u64 = 128;
/// What is enough for most machines.
const INOTIFY_ADVICE: u64 = 8192;
/// The MTU of a network that does not say otherwise (Docker docs: "Bridge network driver").
const USUAL_MTU: u32 = 1500;
/// The bridge driver's option for the name of its interface (of the same source).
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
/// The engine's default network.
const DEFAULT_NETWORK: &str = "bridge";

/// What the machine's kernel says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Kernel {
    /// `fs.inotify.max_user_instances`.
    inotify: Option<u64>,
    /// The interface of the way out, and its MTU.
    uplink: Option<(String, u32)>,
}

/// Looks at the machine.
pub(super) async fn check(engine: &Engine, config: &Config) -> Vec<Finding> {
    let resources = HostResources {
        memory: engine.info.mem_total,
        nano_cpus: engine.info.ncpu.map(|count| count.saturating_mul(1_000_000_000)),
    };
    let mut found = limits(&resources, config);
    let network = engine.docker.inspect_network(&config.network, None).await.ok();
    let refusal = network.as_ref().and_then(|network| refusal(&config.network, network));
    found.extend(refusal.map(|why| {
        let what = format!("runners cannot be in the network {}: {why}", config.network);
        failure(what, "set DOCKER_NETWORK to the name of a network for runners alone")
    }));
    let open = network.as_ref().and_then(|network| openness(&config.network, network));
    found.extend(open.map(|why| {
        failure(why, "if that is wanted, all jobs on this network must trust each other")
    }));
    let default = engine.docker.inspect_network(DEFAULT_NETWORK, None).await.ok();
    // In a container, or beside a rootless engine, this machine's interfaces are others.
    let here = default.as_ref().and_then(interface);
    let here = here.is_some_and(|name| Path::new("/sys/class/net").join(name).exists());
    if !engine.local || !here {
        found.push(note(
            "inotify's limit and the MTU of the uplink were not looked at: they are those of the engine's machine",
        ));
        return found;
    }
    let kernel = kernel();
    found.push(inotify(kernel.inotify, config.runner.max));
    let network = network.as_ref().map(mtu_of);
    let default = default.as_ref().map_or(USUAL_MTU, mtu_of);
    let wanted = config.network_mtu.unwrap_or(default);
    found.push(mtu(kernel.uplink.as_ref(), &config.network, network, wanted));
    found
}

/// The interface of a bridge on the engine's machine.
fn interface(network: &NetworkInspect) -> Option<&str> {
    network.options.as_ref()?.get(BRIDGE_NAME).map(String::as_str)
}

fn kernel() -> Kernel {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let uplink = way_out(&routes).and_then(|interface| {
        let mtu = number(&format!("/sys/class/net/{interface}/mtu"))?;
        Some((interface.to_owned(), u32::try_from(mtu).ok()?))
    });
    Kernel { inotify: number("/proc/sys/fs/inotify/max_user_instances"), uplink }
}

/// The interface of the default route with the lowest metric (Linux, `/proc/net/route`: interface, destination, gateway, flags, two
/// counters, metric, mask).
fn way_out(routes: &str) -> Option<&str> {
    let default = |line: &'_ str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        (columns.len() > 7 && columns[1] == "00000000" && columns[7] == "00000000")
            .then(|| columns[6].parse::<u32>().ok())
            .flatten()
    };
    let found = routes.lines().filter_map(|line| Some((default(line)?, line)));
    let (_, line) = found.min_by_key(|(metric, _)| *metric)?;
    line.split_whitespace().next()
}

/// The MTU of a network.
fn mtu_of(network: &NetworkInspect) -> u32 {
    let told = network.options.as_ref().and_then(|options| options.get(MTU));
    told.and_then(|mtu| mtu.parse().ok()).unwrap_or(USUAL_MTU)
}

fn limits(resources: &HostResources, config: &Config) -> Vec<Finding> {
    let misfits = host::environment(resources, &config.runner);
    let told = |misfit: host::Misfit| {
        let finding = if misfit.refused { failure } else { warning };
        finding(misfit.what, misfit.hint)
    };
    let mut found: Vec<Finding> = misfits.into_iter().map(told).collect();
    if found.is_empty() {
        found.push(match (resources.memory, resources.nano_cpus) {
            (Some(memory), Some(_)) => ok(format!(
                "a runner's memory and processors fit the machine ({} of memory)",
                gibibytes(memory)
            )),
            _ => note("the engine does not tell its machine's memory and processors"),
        });
    }
    if let Some(most) = host::unbounded(resources, &config.runner) {
        found.push(note(format!(
            "MAX_RUNNERS={} runners may use {} of memory together, which is more than the machine has; MAX_RUNNERS_MEMORY bounds it",
            config.runner.max,
            gibibytes(most)
        )));
    }
    if let Some(most) = host::unbounded_cpus(resources, &config.runner) {
        found.push(note(format!(
            "MAX_RUNNERS={} runners may use {} processors together, which is more than the machine has: jobs slow each other down then; MAX_RUNNERS_CPUS bounds it",
            config.runner.max,
            show_cpus(most)
        )));
    }
    found
}

/// `runners`: how many there may be at a time.
fn inotify(instances: Option<u64>, runners: usize) -> Finding {
    let Some(instances) = instances else {
        return note("the kernel does not tell fs.inotify.max_user_instances");
    };
    let what = format!("fs.inotify.max_user_instances is {instances}, for all runners together");
    let wanted = u64::try_from(runners).unwrap_or(u64::MAX).saturating_mul(INOTIFY_EACH);
    let wanted = wanted.min(INOTIFY_ADVICE);
    if instances >= wanted {
        return ok(what);
    }
    warning(
        what,
        format!(
            "one job that watches many files leaves none to the others: sysctl -w fs.inotify.max_user_instances={INOTIFY_ADVICE}, and the same in /etc/sysctl.d"
        ),
    )
}

/// `network`: the MTU of the runners' network, if it is there; `wanted`: with what the orchestrator makes it.
fn mtu(uplink: Option<&(String, u32)>, name: &str, network: Option<u32>, wanted: u32) -> Finding {
    let Some((interface, carries)) = uplink else {
        return note(
            "no default route is seen: the networks' MTU was not compared with the uplink's",
        );
    };
    let has = network.unwrap_or(wanted);
    if has <= *carries {
        return ok(format!("the MTU of runners ({has}) fits the uplink {interface} ({carries})"));
    }
    let what = format!(
        "the network {name} lets packets of {has} bytes out, and the uplink {interface} carries {carries}: downloads in jobs can hang"
    );
    if wanted <= *carries {
        // The orchestrator mends its own at the next start of a runner.
        return warning(
            what,
            format!(
                "the orchestrator makes it again with {wanted} when no runner is in it (`mayfly drain --wait`, then `mayfly resume`); if somebody else made it, remove it: docker network rm {name}"
            ),
        );
    }
    warning(
        what,
        format!(
            "set DOCKER_NETWORK_MTU={carries}, or \"mtu\": {carries} in /etc/docker/daemon.json"
        ),
    )
}

#[cfg(test)]
mod tests;
