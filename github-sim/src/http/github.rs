//! What every REST answer goes through: who calls, how much is left of the hour, `ETag`.
//!
//! Sources: GitHub docs, "Authenticating to the REST API", "Rate limits for the REST API", "Best practices for using the
//! REST API" (an authorised 304 does not count), "Getting started with the REST API" (a `User-Agent` is required).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::access;
use super::answer::ApiError;
use super::call::Caller;
use super::shared::Shared;
use crate::world::jwt::{self, InvalidJwt};
use crate::world::tokens::{Allowance, Resource};

/// What is said to a request that does not name its sender.
pub(super) const NO_USER_AGENT: &str = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";

/// Who may call a route.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Anyone.
    Public,
    /// The App itself, by a JSON Web Token.
    App,
    /// A user or an installation.
    Token,
}

fn access_of(route: &str) -> Access {
    match route {
        "/" | "/meta" => Access::Public,
        "/orgs/{org}/installation"
        | "/repos/{owner}/{repo}/installation"
        | "/users/{username}/installation" => Access::App,
        route if route == "/app" || route.starts_with("/app/") => Access::App,
        _ => Access::Token,
    }
}

/// The layer around all REST routes.
pub(crate) async fn layer(
    State(shared): State<Arc<Shared>>,
    matched: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let route = super::template(matched.as_str());
    let answer = match authorize(&shared, &route, request.headers()) {
        Err(refused) => (refused.into_response(), None),
        Ok(caller) => {
            if let Some(caller) = &caller {
                request.extensions_mut().insert(caller.clone());
            }
            limited(&shared, &route, caller.as_ref(), request, next).await
        }
    };
    let (mut response, allowance) = answer;
    if let Some(allowance) = allowance {
        add_limits(response.headers_mut(), &allowance, Resource::Core);
    }
    add_marks(response.headers_mut());
    response
}

/// What every answer carries, whatever it says.
pub(super) fn add_marks(headers: &mut HeaderMap) {
    let id = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static("x-github-request-id"), value);
    }
    let media = HeaderValue::from_static("github.v3; format=json");
    headers.insert(HeaderName::from_static("x-github-media-type"), media);
}

fn authorize(
    shared: &Shared,
    route: &str,
    headers: &HeaderMap,
) -> Result<Option<Caller>, ApiError> {
    if !headers.contains_key(header::USER_AGENT) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, NO_USER_AGENT));
    }
    let token = access::bearer(headers);
    let world = shared.look();
    match access_of(route) {
        Access::Public => Ok(None),
        Access::Token => access::caller(&world, token).map(Some),
        Access::App => {
            let checked = jwt::check(token.unwrap_or_default(), &world.app, world.now());
            let status = |why: &InvalidJwt| match why {
                InvalidJwt::OtherApp => StatusCode::NOT_FOUND,
                _ => StatusCode::UNAUTHORIZED,
            };
            checked.map(|()| None).map_err(|why| ApiError::new(status(&why), why.to_string()))
        }
    }
}

async fn limited(
    shared: &Shared,
    route: &str,
    caller: Option<&Caller>,
    request: Request,
    next: Next,
) -> (Response, Option<Allowance>) {
    let Some(caller) = caller else {
        return (permitted(shared, route, None, request, next).await, None);
    };
    let token = &caller.token;
    let allowance = || {
        let world = shared.look();
        world.tokens.allowance(token, world.now())
    };
    let free = route == "/rate_limit";
    let before = allowance();
    if before.remaining() == 0 && !free {
        let message = "API rate limit exceeded. If you reach out to GitHub Support for help, please include the request ID.";
        return (ApiError::new(StatusCode::FORBIDDEN, message).into_response(), Some(before));
    }
    let wanted = request.headers().get(header::IF_NONE_MATCH).cloned();
    let conditional = request.method() == Method::GET && !free;
    let mut response = permitted(shared, route, Some(caller), request, next).await;
    if conditional && response.status() == StatusCode::OK {
        response = with_etag(response, wanted.as_ref()).await;
    }
    if response.status() != StatusCode::NOT_MODIFIED && !free {
        let mut world = shared.look();
        let now = world.now();
        world.tokens.spend(token, now);
    }
    (response, Some(allowance()))
}

/// The handler's answer, if the caller may have it.
async fn permitted(
    shared: &Shared,
    route: &str,
    caller: Option<&Caller>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let mut response = match access::refusal(shared, route, &request, caller) {
        None => next.run(request).await,
        Some(refused) => refused,
    };
    if let Some(caller) = caller {
        let world = shared.look();
        access::add_headers(&world, route, &method, caller, response.headers_mut());
    }
    response
}

/// Adds a weak `ETag` made of the body and the links, and answers 304 where the client has it already.
async fn with_etag(response: Response, wanted: Option<&HeaderValue>) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error").into_response();
    };
    let mut hasher = DefaultHasher::new();
    (&body, parts.headers.get(header::LINK)).hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    if let Ok(value) = HeaderValue::from_str(&format!("W/{tag}")) {
        parts.headers.insert(header::ETAG, value);
    }
    parts.headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=60, s-maxage=60"),
    );
    parts.headers.insert(
        header::VARY,
        HeaderValue::from_static("Accept, Authorization, Cookie, X-GitHub-OTP"),
    );
    // Weak comparison (RFC 9110 section 13.1.2): `W/` does not matter.
    let known = wanted.and_then(|value| value.to_str().ok()).is_some_and(|list| {
        list.split(',').any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*")
    });
    if !known {
        return Response::from_parts(parts, Body::from(body));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

pub(super) fn add_limits(headers: &mut HeaderMap, allowance: &Allowance, resource: Resource) {
    let reset = u64::try_from(allowance.reset.as_second()).unwrap_or_default();
    let pairs = [
        ("x-ratelimit-limit", allowance.limit),
        ("x-ratelimit-remaining", allowance.remaining()),
        ("x-ratelimit-used", allowance.used),
        ("x-ratelimit-reset", reset),
    ];
    for (name, value) in pairs {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    let resource = HeaderValue::from_static(resource.as_str());
    headers.insert(HeaderName::from_static("x-ratelimit-resource"), resource);
}
