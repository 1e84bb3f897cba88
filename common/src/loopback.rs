//! Names and addresses of this machine itself.

use std::net::IpAddr;

/// `true` for a host of this machine alone: `localhost` and names below it (RFC 6761, section 6.3), 127.0.0.0/8 and `::1`.
///
/// `host` is what a URL has there: an IPv6 address may have its brackets, a name its last dot.
pub fn is_loopback_host(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_name = name == "localhost" || name.ends_with(".localhost");
    is_name || address(host).is_some_and(|address| address.is_loopback())
}

/// The names that Debian's `/etc/hosts` has for `::1`.
const OF_DEBIAN: [&str; 2] = ["ip6-localhost", "ip6-loopback"];

/// The same, other usual names of it, and the unspecified addresses: a connection to 0.0.0.0 or `::` is one to this machine, with
/// no proxy on the way.
pub fn is_this_machine(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let usual = OF_DEBIAN.iter().any(|usual| name.eq_ignore_ascii_case(usual));
    usual || is_loopback_host(host) || address(host).is_some_and(|address| address.is_unspecified())
}

/// The address that a URL's host is, an IPv4-mapped one as IPv4.
fn address(host: &str) -> Option<IpAddr> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
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
            assert!(is_loopback_host(host) && is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "example.org",
            "localhost.example.org",
            "notlocalhost",
            "10.0.0.1",
            "128.0.0.1",
            "127.0.0.1.example.org",
            "[::2]",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(!is_loopback_host(host) && !is_this_machine(host), "{host}");
        }
        let names = ["ip6-localhost", "IP6-Loopback", "ip6-loopback."];
        for host in ["0.0.0.0", "::", "[::]", "[::ffff:0.0.0.0]"].into_iter().chain(names) {
            assert!(!is_loopback_host(host) && is_this_machine(host), "{host}");
        }
    }
}
