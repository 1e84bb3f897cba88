//! API keys: which there are, and whether a request shows one of them.
//!
//! Invariants: a key in the clear lives only as long as it takes to hash it; comparing takes the same time whichever key
//! is shown; a refusal does not say what was wrong.
//!
//! Wrong keys draw on the quota of the address they come from. A known key is let through even from an address whose
//! wrong ones are being turned away: behind a shared address a stranger could otherwise lock the owner out. Guessing is
//! hopeless either way (16 characters at least); the limit keeps a guesser from filling the log and the processor.

mod keys;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use mayfly_common::problem::Problem;

pub use keys::{ApiKeys, KeyId, MIN_KEY_LENGTH};

use crate::cors::CorsOrigins;
use crate::edge::Caller;
use crate::gateway::Gateway;
use crate::rate_limit::{self, Bucket};

/// Lets a request through that shows a known key, or any request when no key is configured.
pub(crate) async fn require_key(
    State(gateway): State<Gateway>,
    mut request: Request,
    next: Next,
) -> Response {
    if gateway.keys.is_empty() {
        if is_foreign_page(request.method(), request.headers(), &gateway.cors) {
            return foreign_page().into_response();
        }
        return next.run(request).await;
    }
    if let Some(id) = presented(request.headers()).and_then(|key| gateway.keys.find(key)) {
        request.extensions_mut().insert(id);
        let mut response = next.run(request).await;
        // For the log line, which says which key it was by number.
        response.extensions_mut().insert(id);
        return response;
    }
    gateway.metrics.unauthorized.inc();
    let bucket = Bucket::Address(rate_limit::fold(Caller::of(&request).address));
    match gateway.limits.limiter().check_key(&bucket) {
        Ok(()) => Problem::unauthorized().into_response(),
        Err(refusal) => {
            gateway.metrics.rate_limited.inc();
            rate_limit::too_many(rate_limit::seconds_until(&refusal)).into_response()
        }
    }
}

/// Whether a page of another origin makes a visitor's browser change something here. Where no key is asked for, being on
/// the operator's machine is the only credential, and a browser lends it to every page it shows.
fn is_foreign_page(method: &Method, headers: &HeaderMap, cors: &CorsOrigins) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let authority = origin.as_bytes().splitn(3, |byte| *byte == b'/').nth(2);
    !method.is_safe() && !cors.allows(origin) && (host.is_none() || authority != host)
}

fn foreign_page() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "foreign-origin", "Pages of that origin may not do this")
        .with_detail("Add the origin to CORS_ORIGINS, or set API_KEYS and send a key.")
}

/// The key a request shows: `Authorization: Bearer <key>` or `X-API-Key: <key>`. Never the query. An `Authorization` header
/// that is there must carry the key: a request is not to succeed with a credential that is wrong.
fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        return scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii());
    }
    headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii())
}

#[cfg(test)]
mod tests {
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
}
