//! API keys: which there are, and whether a request shows one of them.
//!
//! Invariants: a key in the clear lives only as long as it takes to hash it; comparing takes the same time whichever key
//! is shown; a refusal says whether a key was shown, and no more: every wrong key gets the same answer.
//!
//! Wrong keys draw on the quota of the address they come from. A known key is let through even from an address whose
//! wrong ones are being turned away: behind a shared address a stranger could otherwise lock the owner out. Guessing is
//! hopeless either way (16 characters at least); the limit keeps a guesser from the processor, and `edge` from the log.

mod keys;

use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use futures::future::{Either, Ready, ready};
use http::{HeaderMap, HeaderValue, header};
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;
use tower::{Layer, Service};

pub use keys::{ApiKeys, KeyId, MIN_KEY_LENGTH};

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
            Some(problem) => Either::Right(ready(Ok(HttpProblem(problem).into_response()))),
        }
    }
}

fn refusal(gateway: &Gateway, request: &Request) -> Option<Problem> {
    let caller = Caller::of(request);
    if gateway.keys.is_empty() || caller.is_some_and(|caller| caller.key.is_some()) {
        return None;
    }
    gateway.metrics.unauthorized.inc();
    let bucket = Bucket::of_address(caller);
    Some(match rate_limit::draw(gateway, &gateway.limits, &bucket) {
        Ok(()) if presented(request.headers()).is_some() => Problem::invalid_key(),
        Ok(()) => Problem::unauthorized(),
        Err(problem) => problem,
    })
}

/// The key a request shows: `Authorization: Bearer <key>` or `X-API-Key: <key>`. Never the query. A `Bearer` credential that
/// is there must be the key: a request does not succeed with one that is wrong. Another scheme, such as the `Basic` of a
/// proxy before the gateway, is not for us.
pub(crate) fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(key)
    });
    let key = bearer.or_else(|| headers.get("x-api-key").map(HeaderValue::as_bytes));
    key.map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_from_either_header() {
        let cases: [(&[_], Option<&str>); 9] = [
            (&[], None),
            (&[("authorization", "Bearer abc")], Some("abc")),
            (&[("authorization", "bearer  abc ")], Some("abc")),
            (&[("authorization", "Basic abc")], None),
            (&[("authorization", "abc")], None),
            (&[("x-api-key", "abc")], Some("abc")),
            (&[("authorization", "Basic x"), ("x-api-key", "abc")], Some("abc")),
            (&[("authorization", "Bear"), ("x-api-key", " abc ")], Some("abc")),
            (&[("authorization", "Bearer x"), ("x-api-key", "abc")], Some("x")),
        ];
        for (pairs, key) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert::<&'static str>(name, HeaderValue::from_static(value));
            }
            assert_eq!(presented(&headers), key.map(str::as_bytes), "{pairs:?}");
        }
    }
}
