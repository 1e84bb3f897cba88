//! The addresses by which a container may reach this machine.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::Network;
use bollard::query_parameters::ListNetworksOptions;

/// Most addresses that are tried.
const MOST: usize = 16;

/// The gateways of the engine's bridges, and, where the engine is on this machine, what the kernel has on its interfaces.
pub(super) async fn of_host(docker: &Docker, local: bool) -> Result<Vec<IpAddr>, Error> {
    let networks = docker.list_networks(None::<ListNetworksOptions>).await?;
    let mut found: BTreeSet<IpAddr> = networks.iter().flat_map(gateways).collect();
    if local {
        let table = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
        found.extend(interfaces(&table).into_iter().map(IpAddr::V4));
    }
    Ok(found.into_iter().take(MOST).collect())
}

fn gateways(network: &Network) -> Vec<IpAddr> {
    if network.driver.as_deref() != Some("bridge") {
        return Vec::new();
    }
    let configs = network.ipam.iter().flat_map(|ipam| ipam.config.iter().flatten());
    configs.filter_map(|config| config.gateway.as_deref()?.parse().ok()).collect()
}

/// This machine's addresses in the kernel's table of routes, but for loopback: a leaf's address stands above the line that says
/// that it is local (Linux, `net/ipv4/fib_trie.c`).
fn interfaces(table: &str) -> BTreeSet<Ipv4Addr> {
    let mut leaf = None;
    let mut found = BTreeSet::new();
    for line in table.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(leaf.filter(|address| !address.is_loopback()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use bollard::models::{Ipam, IpamConfig};

    use super::*;

    const TABLE: &str = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 172.17.0.0/16 2 0 2
        |-- 172.17.0.0
           /16 link UNICAST
        |-- 172.17.0.1
           /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.0.2.7
        /32 host LOCAL
";

    #[test]
    fn local_addresses_are_read_from_the_kernel_s_table() {
        let found: Vec<String> = interfaces(TABLE).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["172.17.0.1", "192.0.2.7"]);
        assert!(interfaces("").is_empty());
    }

    #[test]
    fn only_bridges_have_this_machine_as_their_gateway() {
        let network = |driver: &str, gateway: &str| Network {
            driver: Some(driver.to_owned()),
            ipam: Some(Ipam {
                config: Some(vec![IpamConfig {
                    gateway: Some(gateway.to_owned()),
                    ..IpamConfig::default()
                }]),
                ..Ipam::default()
            }),
            ..Network::default()
        };
        assert_eq!(gateways(&network("bridge", "172.18.0.1")).len(), 1);
        assert_eq!(gateways(&network("bridge", "fd00::1")).len(), 1);
        assert!(gateways(&network("macvlan", "192.0.2.1")).is_empty());
        assert!(gateways(&network("bridge", "")).is_empty());
        assert!(gateways(&Network::default()).is_empty());
    }
}
