//! Names and addresses of this machine itself.

use std::net::{IpAddr, Ipv6Addr};

/// `true` for a host of this machine alone: `localhost` and names below it (RFC 6761, section 6.3), 127.0.0.0/8 and `::1`.
///
/// `host` is what a URL has there: an IPv6 address may have its brackets, a name its last dot.
pub fn is_loopback_host(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let lower = name.to_ascii_lowercase();
    if lower == "localhost" || lower.ends_with(".localhost") {
        return true;
    }
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    match bare.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback(),
        Ok(IpAddr::V6(address)) => is_loopback_v6(address),
        Err(_) => false,
    }
}

fn is_loopback_v6(address: Ipv6Addr) -> bool {
    address.is_loopback() || address.to_ipv4_mapped().is_some_and(|mapped| mapped.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in [
            "localhost",
            "LocalHost",
            "localhost.",
            "gateway.localhost",
            "127.0.0.1",
            "127.255.3.4",
            "::1",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in [
            "",
            "example.org",
            "localhost.example.org",
            "notlocalhost",
            "10.0.0.1",
            "0.0.0.0",
            "128.0.0.1",
            "127.0.0.1.example.org",
            "[::2]",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
