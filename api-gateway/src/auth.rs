//! API keys: which there are, and whether a request shows one of them.
//!
//! Invariants: a key in the clear lives only as long as it takes to hash it; comparing takes the same time whichever key
//! is shown; a refusal says whether a key was shown, and no more: every wrong key gets the same answer.
//!
//! Wrong keys draw on the quota of the address they come from. A known key is let through even from an address whose
//! wrong ones are being turned away: behind a shared address a stranger could otherwise lock the owner out. Guessing is
//! hopeless either way (16 characters at least); the limit keeps a guesser from filling the log and the processor.

mod keys;

use std::net::IpAddr;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use futures::future::{Either, Ready, ready};
use http::{HeaderMap, Method, StatusCode, header};
use mayfly_common::problem::Problem;
use tower::{Layer, Service};

pub use keys::{ApiKeys, KeyId, MIN_KEY_LENGTH};

use crate::cors::CorsOrigins;
use crate::edge::Caller;
use crate::gateway::Gateway;
use crate::rate_limit::{self, Bucket};

/// The layer that lets a request through if its caller showed a known key, or any if no key is configured. A service of
/// its own rather than a function, because every function layer allocates several times per request.
#[derive(Clone)]
pub(crate) struct RequireKey(pub(crate) Gateway);

/// A service behind [`RequireKey`].
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    gateway: Gateway,
    inner: S,
}

impl<S> Layer<S> for RequireKey {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { gateway: self.0.clone(), inner }
    }
}

impl<S: Service<Request, Response = Response>> Service<Request> for Guarded<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match refusal(&self.gateway, &request) {
            None => Either::Left(self.inner.call(request)),
            Some(problem) => Either::Right(ready(Ok(problem.into_response()))),
        }
    }
}

fn refusal(gateway: &Gateway, request: &Request) -> Option<Problem> {
    if gateway.keys.is_empty() {
        let foreign = is_foreign_page(request.method(), request.headers(), &gateway.cors);
        return foreign.then(foreign_page);
    }
    let caller = Caller::of(request);
    if caller.is_some_and(|caller| caller.key.is_some()) {
        return None;
    }
    gateway.metrics.unauthorized.inc();
    let bucket = Bucket::of_address(caller);
    Some(match gateway.limits.limiter().check_key(&bucket) {
        Ok(()) if presented(request.headers()).is_some() => Problem::invalid_key(),
        Ok(()) => Problem::unauthorized(),
        Err(refusal) => {
            gateway.metrics.rate_limited.inc();
            rate_limit::too_many(rate_limit::seconds_until(&refusal))
        }
    })
}

/// Whether a page of another origin makes a visitor's browser change something here. Where no key is asked for, being on
/// the operator's machine is the only credential, and a browser lends it to every page it shows.
fn is_foreign_page(method: &Method, headers: &HeaderMap, cors: &CorsOrigins) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = origin.to_str().ok().and_then(|origin| origin.splitn(3, '/').nth(2));
    let own = host.is_some_and(|host| authority == Some(host) && is_own_name(host));
    !method.is_safe() && !cors.allows(origin) && !own
}

/// Whether `host` can mean nothing but an address the browser chose. Any other name is up to whoever runs its DNS, who
/// may point it here to make a foreign page look like one of ours.
fn is_own_name(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

fn foreign_page() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "foreign-origin", "Pages of that origin may not do this")
        .with_detail("Add the origin to CORS_ORIGINS, or set API_KEYS and send a key.")
}

/// The key a request shows: `Authorization: Bearer <key>` or `X-API-Key: <key>`. Never the query. An `Authorization` header
/// that is there must carry the key: a request is not to succeed with a credential that is wrong.
pub(crate) fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        return scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii());
    }
    headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_key_is_read_from_either_header() {
        let cases: [(&[_], Option<&str>); 7] = [
            (&[], None),
            (&[("authorization", "Bearer abc")], Some("abc")),
            (&[("authorization", "bearer  abc ")], Some("abc")),
            (&[("authorization", "Basic abc")], None),
            (&[("authorization", "abc")], None),
            (&[("x-api-key", "abc")], Some("abc")),
            (&[("authorization", "Basic x"), ("x-api-key", "abc")], None),
        ];
        for (pairs, key) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert::<&'static str>(name, HeaderValue::from_static(value));
            }
            assert_eq!(presented(&headers), key.map(str::as_bytes), "{pairs:?}");
        }
    }

    #[test]
    fn only_addresses_and_localhost_are_names_of_ours() {
        for own in
            ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]", "192.0.2.1"]
        {
            assert!(is_own_name(own), "{own}");
        }
        for foreign in ["evil.example", "evil.example:8080", "localhost.evil.example", "", ":8080"]
        {
            assert!(!is_own_name(foreign), "{foreign}");
        }
    }
}
