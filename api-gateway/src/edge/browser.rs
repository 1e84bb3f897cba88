//! What a request must be, whoever sends it, and what keeps web pages out where no key is asked for.
//!
//! Without keys, being on the operator's machine or network is the only credential, and a browser lends it to every page it shows.
//! So there a request must name a host of ours (against DNS rebinding: [`PublicHosts`]), must not come from a page of another
//! origin (`Origin`), and a browser that says where a request comes from must not name another site (`Sec-Fetch-Site`, "Fetch
//! Metadata Request Headers"): that also refuses what sends no `Origin`, such as an image. A link to the documentation works.
//! Webhooks are excepted: their signature is a credential that no page has.
//!
//! [`PublicHosts`]: mayfly_common::host::PublicHosts

use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use mayfly_common::host::{PublicHosts, misdirected, named, only};
use mayfly_common::problem::Problem;

use crate::cors::CorsOrigins;
use crate::paths::WEBHOOKS;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What decides whether a request is let in.
pub(super) struct Admission {
    /// API keys are configured, so that a browser's word counts for nothing.
    pub(super) has_keys: bool,
    pub(super) public_hosts: PublicHosts,
    pub(super) cors: CorsOrigins,
}

impl Admission {
    /// Refuses a request that must not be looked at further.
    ///
    /// Errors: the problem to answer with.
    pub(super) fn check<T>(&self, request: &Request<T>) -> Result<(), Problem> {
        let headers = request.headers();
        let hosts = named(request.version(), request.uri(), headers)?;
        only(headers, &header::AUTHORIZATION)?;
        only(headers, &X_API_KEY)?;
        only(headers, &header::ORIGIN)?;
        only(headers, &SEC_FETCH_SITE)?;
        let path = request.uri().path();
        if self.has_keys || path == WEBHOOKS {
            return Ok(());
        }
        if let Some(host) = hosts.iter().find(|host| !self.public_hosts.answer_to(host.host())) {
            return Err(unknown_host(host));
        }
        let allowed = match headers.get(header::ORIGIN) {
            Some(origin) => is_own(origin, hosts.last()) || self.cors.allows(origin),
            None => {
                is_same_site(headers)
                    || (request.method().is_safe() && is_navigation(headers) && is_document(path))
            }
        };
        if allowed { Ok(()) } else { Err(foreign_page(request.method())) }
    }
}

/// True if a page's origin is this gateway under the name that the request uses.
fn is_own(origin: &HeaderValue, host: Option<&Authority>) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.splitn(3, '/').nth(2));
    match (authority, host) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host.as_str()),
        _ => false,
    }
}

/// True if a browser says that the request is the user's own or a page's of this origin. What is no browser says nothing.
fn is_same_site(headers: &HeaderMap) -> bool {
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    matches!(site, None | Some(b"same-origin" | b"none"))
}

/// True if the browser goes there with its whole window.
fn is_navigation(headers: &HeaderMap) -> bool {
    let is = |name, value: &str| headers.get(name).is_some_and(|found| found == value);
    is(SEC_FETCH_MODE, "navigate") && is(SEC_FETCH_DEST, "document")
}

/// True if the path is part of the documentation, which tells nobody anything.
fn is_document(path: &str) -> bool {
    matches!(path, "/docs" | "/docs/" | "/redoc" | "/openapi.json")
}

fn unknown_host(host: &Authority) -> Problem {
    let name: String = host.host().chars().take(100).collect();
    misdirected(format!(
        "Without API keys the gateway answers to localhost, to IP addresses and to the names in PUBLIC_HOSTS, and {name} is none \
         of these. Add it to PUBLIC_HOSTS, or set API_KEYS."
    ))
}

fn foreign_page(method: &Method) -> Problem {
    let what = if method.is_safe() { "read this" } else { "do this" };
    let title = format!("Pages of another origin may not {what}");
    Problem::new(StatusCode::FORBIDDEN, "foreign-origin", title)
        .with_detail("Add the origin to CORS_ORIGINS, or set API_KEYS and send a key.")
}
