//! The names under which a service may be called: what keeps a web page out that reached it by DNS rebinding.
//!
//! A page can have its own name resolve to an address of ours; its requests are then same-origin to the browser, and only `Host`
//! tells (RFC 9110, section 7.2). No page can have an IP literal or a name of the loopback unless it was served from there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, HeaderName, StatusCode, Uri, Version, header};

use crate::loopback::is_loopback_host;
use crate::problem::Problem;

/// Longest DNS name, in characters (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;

/// Names, beside `localhost`, names below it and IP literals, under which a service may be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicHosts(BTreeSet<String>);

impl PublicHosts {
    /// Takes host names without scheme and port, separated by commas (`ci.example.com, api-gateway`).
    pub fn parse(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(name).collect::<Result<_, _>>().map(Self)
    }

    /// True if a service with these names answers to `host`, the host of an authority without its port.
    ///
    /// False for 0.0.0.0, `::` and IPv4-mapped addresses: they lead to this machine, but browsers do not treat them as its own and do
    /// not say which page a request comes from (W3C, "Secure Contexts", section 3.1).
    pub fn answer_to(&self, host: &str) -> bool {
        let lower = host.to_ascii_lowercase();
        let named = lower.strip_suffix('.').unwrap_or(&lower);
        match address(named) {
            Some(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => false,
            Some(address) => !address.is_unspecified(),
            None => is_loopback_host(named) || self.0.contains(named),
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if lower.len() <= MAX_NAME && lower.split('.').all(is_label) {
        Ok(lower)
    } else {
        Err(format!("{text:?} is not a host name like ci.example.com, without scheme and port"))
    }
}

/// The address that `host` is, if it can mean nothing but an address that the browser was given as such.
fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// The hosts that a request names, each with its port if it has one: in `Host` and, if the target is a whole URI, there.
///
/// Errors: 400 where `Host` is missing, there more than once, or no host (RFC 9112, section 3.2). HTTP/1.0 knows no `Host`.
pub fn named(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Vec<Authority>, Problem> {
    let mut named: Vec<Authority> = uri.authority().cloned().into_iter().collect();
    if let Some(value) = only(headers, &header::HOST)? {
        let host = Authority::try_from(value).ok().filter(is_host);
        named.push(host.ok_or_else(|| Problem::malformed("Host is not a host."))?);
    } else if version > Version::HTTP_10 {
        return Err(Problem::malformed("Host is missing."));
    }
    Ok(named)
}

/// True if no user stands before the host, and the port after it is a valid number, empty or missing (RFC 3986, section 3.2.3).
fn is_host(authority: &Authority) -> bool {
    let after = authority.as_str().strip_prefix(authority.host());
    after.is_some_and(|after| {
        let port = after.strip_prefix(':').unwrap_or(after);
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        digits && (port.is_empty() || port.parse::<u16>().is_ok())
    })
}

/// The value of a header that may be there once.
///
/// Errors: 400 where it is there more than once. Which one counts would be up to whoever reads it.
pub fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(http::HeaderValue::as_bytes)),
        (_, Some(_)) => {
            Err(Problem::malformed(format!("The header {name} is there more than once.")))
        }
    }
}

/// 421: the service does not answer to the host that the request names (RFC 9110, section 15.5.20).
pub fn misdirected(detail: impl Into<String>) -> Problem {
    let title = "This service is not called by that name";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown-host", title).with_detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_literals_and_the_names_given_are_answered_to() {
        let hosts = PublicHosts::parse(" CI.example.com, api-gateway,,").unwrap();
        for host in [
            "localhost",
            "LocalHost",
            "localhost.",
            "gateway.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "192.0.2.1",
            "[::1]",
            "[2001:db8::1]",
            "ci.example.com",
            "CI.EXAMPLE.COM",
            "ci.example.com.",
            "api-gateway",
        ] {
            assert!(hosts.answer_to(host), "{host}");
        }
        for host in [
            "",
            ".",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "xci.example.com",
            "example.com",
            "0x7f.1",
            "2130706433",
            "0.0.0.0",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:192.0.2.1]",
            "[::ffff:7f00:1]",
            "[::1",
            "api-gateway.evil.example",
        ] {
            assert!(!hosts.answer_to(host), "{host}");
        }
        assert!(!PublicHosts::default().answer_to("api-gateway"));
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        for bad in [
            "https://ci.example.com",
            "ci.example.com:8443",
            "ci.example.com/path",
            "*",
            "*.example.com",
            "a b",
            "-a",
            "a..b",
            ".",
        ] {
            assert!(PublicHosts::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(PublicHosts::parse(" , ").unwrap(), PublicHosts::default());
    }

    #[test]
    fn a_request_names_one_host_or_is_malformed() {
        let named = |version, target: &str, hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, http::HeaderValue::from_static(host));
            }
            super::named(version, &target.parse().unwrap(), &headers)
                .map(|named| named.iter().map(ToString::to_string).collect::<Vec<_>>())
                .map_err(|problem| problem.status)
        };
        let (old, new) = (Version::HTTP_10, Version::HTTP_11);
        assert_eq!(named(new, "/", &["localhost:8080"]).unwrap(), ["localhost:8080"]);
        assert_eq!(named(new, "/", &["a:"]).unwrap(), ["a:"]);
        assert_eq!(named(new, "/", &["[::1]:8080"]).unwrap(), ["[::1]:8080"]);
        assert_eq!(named(new, "http://a/", &["b"]).unwrap(), ["a", "b"]);
        assert!(named(old, "/", &[]).unwrap().is_empty());
        assert_eq!(named(new, "/", &[]), Err(400));
        assert_eq!(named(new, "http://a/", &[]), Err(400));
        for version in [old, new] {
            assert_eq!(named(version, "/", &["a", "a"]), Err(400));
            assert_eq!(named(version, "/", &["u@a"]), Err(400));
            for odd in ["127.0.0.1:abc", "localhost:99999", "a:-1", "a:+1", "u@a:1"] {
                assert_eq!(named(version, "/", &[odd]), Err(400), "{odd}");
            }
            assert_eq!(named(version, "/", &["a b"]), Err(400));
            assert_eq!(named(version, "/", &[""]), Err(400));
        }
    }
}
