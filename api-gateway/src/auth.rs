//! API keys: which there are, and whether a request shows one of them.
//!
//! Invariants: a key in the clear lives only as long as it takes to hash it; comparing takes the same time whichever key
//! is shown; a refusal does not say what was wrong.
//!
//! A known key is let through even from an address whose wrong ones are being turned away: behind a shared address a
//! stranger could otherwise lock the owner out. Guessing is hopeless either way (16 characters at least); the limit on
//! failures keeps a guesser from filling the log and the processor.

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
use crate::rate_limit;

/// Lets a request through that shows a known key, or any request when no key is configured.
pub(crate) async fn require_key(
    State(gateway): State<Gateway>,
    mut request: Request,
    next: Next,
) -> Response {
    if gateway.keys.is_empty() {
        return match is_foreign_page(request.method(), request.headers(), &gateway.cors) {
            true => foreign_page().into_response(),
            false => next.run(request).await,
        };
    }
    if let Some(id) = presented(request.headers()).and_then(|key| gateway.keys.find(key)) {
        request.extensions_mut().insert(id);
        let mut response = next.run(request).await;
        // For the log line, which says which key it was by number.
        response.extensions_mut().insert(id);
        return response;
    }
    gateway.metrics.unauthorized.inc();
    let client = Caller::of(&request).address;
    match gateway.failures.check_key(&rate_limit::fold(client)) {
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

/// The key a request shows: `Authorization: Bearer <key>`, else `X-API-Key: <key>`. Never the query.
fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
    });
    bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_from_either_header() {
        let cases: [(&[(&'static str, &str)], Option<&str>); 6] = [
            (&[], None),
            (&[("authorization", "Bearer abc")], Some("abc")),
            (&[("authorization", "bearer  abc ")], Some("abc")),
            (&[("authorization", "Basic abc")], None),
            (&[("x-api-key", "abc")], Some("abc")),
            (&[("authorization", "Basic x"), ("x-api-key", "abc")], Some("abc")),
        ];
        for (pairs, key) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(presented(&headers), key.map(str::as_bytes), "{pairs:?}");
        }
    }
}
