//! Which other origins' pages may call the API from a browser.
//!
//! Invariant: origins are compared whole, and credentials (cookies) are never allowed, so `*` gives away nothing that a
//! key does not guard. Where no key is asked for, the configuration refuses `*`.

use std::net::Ipv6Addr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri, header};
use mayfly_common::host::is_host;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// The origins that may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CorsOrigins {
    /// None but the gateway's own.
    #[default]
    None,
    /// Every one.
    Any,
    /// These, compared byte by byte with the `Origin` header.
    Exact(Vec<HeaderValue>),
}

impl CorsOrigins {
    /// Takes `*` or comma-separated origins (`https://ci.example.com, http://localhost:3000`).
    pub fn parse(text: &str) -> Result<Self, String> {
        let items: Vec<&str> =
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
        if items == ["*"] {
            return Ok(Self::Any);
        }
        items.into_iter().map(origin).collect::<Result<_, _>>().map(Self::Exact)
    }

    /// The layer that answers preflights and marks answers, if any origin may call.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        let origins = match self {
            Self::None => return None,
            Self::Any => AllowOrigin::any(),
            Self::Exact(origins) => AllowOrigin::list(origins.iter().cloned()),
        };
        let request_headers = [
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("x-request-id"),
        ];
        Some(
            CorsLayer::new()
                .allow_origin(origins)
                .allow_methods([
                    Method::GET,
                    Method::POST,
                    Method::PUT,
                    Method::PATCH,
                    Method::DELETE,
                ])
                .allow_headers(request_headers)
                .expose_headers([
                    HeaderName::from_static("x-request-id"),
                    header::ETAG,
                    header::RETRY_AFTER,
                ])
                .max_age(Duration::from_mins(10)),
        )
    }

    /// True if a page of `origin` may call.
    pub(crate) fn allows(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Exact(origins) => origins.contains(origin),
        }
    }
}

/// An origin as a browser sends it: scheme and host, and a port that is not the scheme's own (RFC 6454, section 6.2).
fn origin(text: &str) -> Result<HeaderValue, String> {
    let wrong = || format!("{text:?} is not an origin like https://ci.example.com:8443");
    if text.contains('*') {
        return Err(format!(
            "{text:?} has a wildcard, and origins are compared whole: name each one, or give * alone for all"
        ));
    }
    let lower = text.to_ascii_lowercase();
    let uri: Uri = lower.parse().map_err(|_| wrong())?;
    let authority = uri.authority().filter(|authority| is_host(authority)).ok_or_else(wrong)?;
    let usual = match uri.scheme_str() {
        Some("http") => "80",
        Some("https") => "443",
        _ => return Err(wrong()),
    };
    let (start, end) = lower.split_once("://").ok_or_else(wrong)?;
    if end != authority.as_str() || end.ends_with(':') {
        return Err(wrong());
    }
    let port = authority.port_u16();
    if port.is_some_and(|port| port.to_string() == usual) {
        return Err(format!(
            "{text:?} has the port {usual}, which browsers leave out after {start}"
        ));
    }
    if port == Some(0) {
        return Err(wrong());
    }
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let origin = format!("{start}://{}{port}", spelt(authority.host()));
    HeaderValue::from_str(&origin).map_err(|_| wrong())
}

/// A host as browsers spell it: an IPv6 address in its shortest form, in hexadecimal (URL standard, "IPv6 serializer").
fn spelt(host: &str) -> String {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let Some(address) = inner.and_then(|text| text.parse::<Ipv6Addr>().ok()) else {
        return host.to_owned();
    };
    match address.to_ipv4_mapped() {
        Some(_) => {
            let [.., high, low] = address.segments();
            format!("[::ffff:{high:x}:{low:x}]")
        }
        None => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_taken_whole_or_not_at_all() {
        let origins = CorsOrigins::parse("https://A.example, http://localhost:3000").unwrap();
        let expected = ["https://a.example", "http://localhost:3000"].map(HeaderValue::from_static);
        assert_eq!(origins, CorsOrigins::Exact(expected.into()));
        assert_eq!(CorsOrigins::parse(" * ").unwrap(), CorsOrigins::Any);
        for bad in [
            "a.example",
            "https://a.example/",
            "https://a/b",
            "ftp://a",
            "null",
            "https://u@a",
            "https://a,b.example",
            "https://a!b",
            "https://127.1",
            "https://a:",
            "https://a:99999",
        ] {
            assert!(CorsOrigins::parse(bad).is_err(), "{bad}");
        }
        for bad in ["*,https://a", "http://*.b", "https://*", "https://a.*", "https://a:*"] {
            assert!(CorsOrigins::parse(bad).unwrap_err().contains("wildcard"), "{bad}");
        }
        // However it is written, it is compared with what a browser sends.
        for (text, sent) in [
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
            ("https://[2001:db8:0:0:0:0:0:1]:08443", "https://[2001:db8::1]:8443"),
            ("http://[::ffff:192.0.2.1]", "http://[::ffff:c000:201]"),
            ("https://A:08443", "https://a:8443"),
        ] {
            let origins = CorsOrigins::parse(text).unwrap();
            assert!(origins.allows(&HeaderValue::from_static(sent)), "{text}");
        }
        assert!(CorsOrigins::parse("https://a:0").is_err());
        // They would never be equal to what a browser sends.
        for bad in ["https://a:443", "http://a.example:80"] {
            assert!(CorsOrigins::parse(bad).unwrap_err().contains("leave out"), "{bad}");
        }
        for good in ["https://[::1]:8443", "http://192.0.2.1", "http://a:443", "https://my_host"] {
            assert!(CorsOrigins::parse(good).is_ok(), "{good}");
        }
    }
}
