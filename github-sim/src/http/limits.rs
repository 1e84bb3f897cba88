//! The secondary limits, and who goes on calling although it was told to wait.
//!
//! Around everything else, so that it hears what clients hear, also from a fault on order. Sources: GitHub docs, "Best
//! practices for using the REST API" (handle rate limit errors), "Rate limits for the REST API" (secondary limits).

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};

use super::access::bearer;
use super::answer::ApiError;
use super::shared::Shared;
use crate::world::tokens::{Resource, Weight};

/// The layer around all routes that a token opens.
pub(crate) async fn layer(
    State(shared): State<Arc<Shared>>,
    matched: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let route = matched.as_str();
    let Some(token) = bearer(request.headers()).map(str::to_owned) else {
        return next.run(request).await;
    };
    let weight = weight(request.method(), route);
    let _slot = match enter(&shared, &token, route, weight) {
        Ok(slot) => slot,
        Err(wait) => {
            let status = shared.look().tokens.secondary().status;
            return refused(status, wait);
        }
    };
    let response = next.run(request).await;
    listen(&shared, &token, weight.resource, &response);
    response
}

fn weight(method: &Method, route: &str) -> Weight {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if route.ends_with("/graphql") {
        // A query: what a mutation weighs is known only once it was read, and none changes anything here.
        return Weight { resource: Resource::Graphql, points: 1, creates: false };
    }
    let points = if reads { 1 } else { 5 };
    Weight { resource: Resource::Core, points, creates: method == Method::POST }
}

/// One request under way; it is over when this is dropped, also if the client left.
struct Slot<'a> {
    shared: &'a Shared,
    token: String,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.shared.look().tokens.leave(&self.token);
    }
}

/// Lets a request in, or says for how many seconds it must stay away.
fn enter<'a>(
    shared: &'a Shared,
    token: &str,
    route: &str,
    weight: Weight,
) -> Result<Option<Slot<'a>>, u64> {
    let mut world = shared.look();
    let now = world.now();
    let app = token.matches('.').count() == 2;
    let known = app || world.tokens.identify(token, now).is_ok();
    if route == "/rate_limit" || !known {
        return Ok(None);
    }
    if world.tokens.told(token, weight.resource, now).is_some() {
        shared.observed().hammered += 1;
    }
    match world.tokens.enter(token, weight, now) {
        Ok(()) => Ok(Some(Slot { shared, token: token.to_owned() })),
        Err(seconds) => {
            let until = after(now, seconds);
            world.tokens.tell(token, Resource::Core, until);
            world.tokens.tell(token, Resource::Graphql, until);
            Err(seconds)
        }
    }
}

fn refused(status: u16, seconds: u64) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to GitHub Support for help, please include the request ID.";
    let name = HeaderName::from_static("retry-after");
    ([(name, seconds.to_string())], ApiError::new(status, message)).into_response()
}

/// Notes until when an answer told its client to wait.
fn listen(shared: &Shared, token: &str, resource: Resource, response: &Response) {
    let number = |name: &str| -> Option<u64> {
        response.headers().get(name)?.to_str().ok()?.trim().parse().ok()
    };
    let refused =
        matches!(response.status(), StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
    let wait = number("retry-after").filter(|_| refused);
    let spent = number("x-ratelimit-remaining") == Some(0);
    let reset = number("x-ratelimit-reset").filter(|_| spent);
    if wait.is_none() && reset.is_none() {
        return;
    }
    let mut world = shared.look();
    let now = world.now();
    if let Some(seconds) = wait {
        for resource in [Resource::Core, Resource::Graphql] {
            world.tokens.tell(token, resource, after(now, seconds));
        }
    }
    let reset = reset.and_then(|reset| i64::try_from(reset).ok());
    if let Some(reset) = reset.and_then(|reset| Timestamp::from_second(reset).ok()) {
        world.tokens.tell(token, resource, reset);
    }
}

fn after(now: Timestamp, seconds: u64) -> Timestamp {
    let wait = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
