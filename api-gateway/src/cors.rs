//! Which other origins' pages may call the API from a browser.
//!
//! Invariant: origins are compared whole, and credentials (cookies) are never allowed, so `*` gives away nothing that a
//! key does not guard. Where no key is asked for, the configuration refuses `*`.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri, header};
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

    /// Whether a page of `origin` may call.
    pub(crate) fn allows(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Exact(origins) => origins.contains(origin),
        }
    }
}

/// An origin as a browser sends it: scheme and authority, nothing more.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let wrong = || format!("{text:?} is not an origin like https://ci.example.com:8443");
    let lower = text.to_ascii_lowercase();
    let uri: Uri = lower.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
    let whole = format!("{}://{authority}", scheme.ok_or_else(wrong)?);
    if whole != lower || authority.as_str().contains('@') {
        return Err(wrong());
    }
    HeaderValue::from_str(&whole).map_err(|_| wrong())
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
            "*,https://a",
            "https://u@a",
        ] {
            assert!(CorsOrigins::parse(bad).is_err(), "{bad}");
        }
    }
}
