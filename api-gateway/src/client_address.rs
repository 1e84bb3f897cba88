//! Whose request it is: the peer's address, or what a trusted proxy says about it.
//!
//! Invariant: `X-Forwarded-For` from anybody but a trusted proxy changes nothing. A proxy appends the address it saw, so
//! the list is read from the right: the first hop that is not a trusted proxy is the client; whatever stands left of it,
//! the client may have made up.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr as _;

use http::HeaderMap;
use ipnet::IpNet;

/// Most hops looked at: more proxies in a row than anybody runs.
const MAX_HOPS: usize = 16;

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Takes comma-separated addresses and networks (`10.0.0.1, 172.16.0.0/12, fd00::/8`).
    pub fn parse(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items
            .map(|item| {
                IpNet::from_str(item).or_else(|_| IpAddr::from_str(item).map(IpNet::from)).map_err(
                    |_| format!("{item:?} is neither an IP address nor a network like 10.0.0.0/8"),
                )
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The first network that everybody is in, if there is one.
    pub(crate) fn everybody(&self) -> Option<IpNet> {
        self.0.iter().find(|network| network.prefix_len() == 0).copied()
    }

    /// True if `address` is one of these proxies.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client's address, given its peer's address and the request's headers.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() || !self.contains(client) {
            return client;
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops.take(MAX_HOPS) {
            // An unreadable hop was not written by a proxy of ours, so nothing beyond it counts.
            let Some(address) = hop_address(hop) else { break };
            client = address;
            if !self.contains(client) {
                break;
            }
        }
        client
    }
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse::<IpAddr>();
    let address = address.or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// The address whose quota counts: IPv4 as it is, IPv6 by its /64.
pub(crate) fn fold(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted = TrustedProxies::parse(trusted).unwrap();
        trusted.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_stranger_s_header_is_ignored() {
        assert_eq!(client("", "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.0/8", "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_other_hop_is_the_client() {
        let trusted = "10.0.0.0/8, fd00::1";
        let cases: [(&[&str], &str); 10] = [
            (&[], "10.0.0.1"),
            (&["198.51.100.7"], "198.51.100.7"),
            (&["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            (&["203.0.113.9, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
            (&["203.0.113.9", "198.51.100.7 , fd00::1"], "198.51.100.7"),
            (&["198.51.100.7, garbage"], "10.0.0.1"),
            (&["garbage, 10.2.2.2"], "10.2.2.2"),
            (&["198.51.100.7:4711"], "198.51.100.7"),
            (&["[2001:db8::1]:4711, ::ffff:10.9.9.9"], "2001:db8::1"),
            (&["203.0.113.9, ::ffff:198.51.100.7"], "198.51.100.7"),
        ];
        for (forwarded, expected) in cases {
            assert_eq!(client(trusted, "10.0.0.1", forwarded), expected, "{forwarded:?}");
        }
        assert_eq!(client(trusted, "::ffff:10.0.0.1", &["[2001:db8::2]"]), "2001:db8::2");
    }

    /// Sixteen proxies in a row are followed, and what stands beyond them is not looked at.
    #[test]
    fn a_long_list_is_read_from_the_right_up_to_a_point() {
        for (proxies, expected) in [(15, "198.51.100.7"), (16, "10.0.0.100")] {
            let hops: Vec<String> =
                (0..proxies).map(|number| format!("10.0.0.{}", 100 + number)).collect();
            let list = format!("198.51.100.7, {}", hops.join(", "));
            assert_eq!(client("10.0.0.0/8", "10.0.0.1", &[&list]), expected, "{proxies}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["10.0.0.0/33", "proxy", "10.0.0"] {
            let expected =
                format!("{bad:?} is neither an IP address nor a network like 10.0.0.0/8");
            assert_eq!(TrustedProxies::parse(&format!("::1, {bad}")), Err(expected));
        }
    }

    #[test]
    fn ipv6_counts_by_its_64_and_mapped_ipv4_as_ipv4() {
        let folded = |text: &str| fold(text.parse().unwrap()).to_string();
        assert_eq!(folded("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(folded("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(folded("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(folded("192.0.2.1"), "192.0.2.1");
    }
}
