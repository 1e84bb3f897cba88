//! The names under which a service may be called: what keeps a web page out that reached it by DNS rebinding.
//!
//! A page can have its own name resolve to an address of ours; its requests are then same-origin to the browser, and only `Host`
//! tells (RFC 9110, section 7.2). No page can have an IP literal or a name of the loopback unless it was served from there.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
    if is_name(&lower) || lower.parse::<Ipv4Addr>().is_ok() {
        Ok(lower)
    } else {
        Err(format!("{text:?} is not a host name like ci.example.com, without scheme and port"))
    }
}

/// True if `text` can be the name of a host. What ends in a number can be an address only, in a form that some programs take
/// (`127.1`, `2130706433`, `0x7f000001`; WHATWG URL, "host parsing").
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    text.len() <= MAX_NAME && text.split('.').all(is_label) && !is_number
}

/// The address that `host` is, if it can mean nothing but an address that the browser was given as such.
fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// The hosts that a request names, each with its port if it has one: in `Host` and, if the target is a whole URI, there.
///
/// Errors: 400 where `Host` is missing or there more than once (RFC 9112, section 3.2), or one of them is no host by [`is_host`].
/// HTTP/1.0 knows no `Host`.
pub fn named(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Vec<Authority>, Problem> {
    let mut named: Vec<Authority> = uri.authority().cloned().into_iter().collect();
    if let Some(value) = only(headers, &header::HOST)? {
        named.push(Authority::try_from(value).map_err(|_| no_host())?);
    } else if version > Version::HTTP_10 {
        return Err(Problem::malformed("Host is missing."));
    }
    if named.iter().all(is_host) { Ok(named) } else { Err(no_host()) }
}

fn no_host() -> Problem {
    Problem::malformed("Host is not a host.")
}

/// True if `authority` is a host name, an IPv4 address of four numbers or an IPv6 address in brackets, with a valid, empty or no port
/// and no user. RFC 3986 (section 3.2.2) allows more, which different programs read as different hosts.
pub fn is_host(authority: &Authority) -> bool {
    let host = authority.host();
    let Some(after) = authority.as_str().strip_prefix(host) else { return false };
    let port = after.strip_prefix(':').unwrap_or(after);
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_known = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok() || is_name(host.strip_suffix('.').unwrap_or(host)),
    };
    is_known && digits && (port.is_empty() || port.parse::<u16>().is_ok())
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
mod tests;
