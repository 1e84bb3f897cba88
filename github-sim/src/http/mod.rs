//! GitHub over HTTP: one flat list of routes per audience, and the layers around them.
//!
//! | module | what |
//! |---|---|
//! | `entry` | every request first: the GHES prefix, recording, the stop |
//! | `faults` | faults on order |
//! | `limits` | secondary limits, and who goes on calling although told to wait |
//! | `github` | credentials, rate limit, `ETag` of the REST API |
//! | `access` | what each route asks of a token |
//! | `deliver` | sends what hooks are told |
//! | `graphql` | the GraphQL API |
//! | `rest` | the REST API's handlers; they look or call one verb of the world, and render |
//! | `render` | the world's data in GitHub's shapes |
//! | `protocol` | what simulated runners speak |
//! | `control` | what people and tests speak |
//!
//! Invariant: no handler decides anything about jobs or runners; that is the world's.

mod access;
mod answer;
mod call;
pub(crate) mod control;
pub(crate) mod deliver;
mod entry;
pub(crate) mod faults;
mod github;
pub(crate) mod graphql;
mod limits;
pub(crate) mod observed;
mod protocol;
mod render;
mod rest;
pub(crate) mod shared;
mod strict;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};

use answer::ApiError;
use shared::Shared;

/// Largest request body, in bytes; far beyond what any client of the API sends.
pub(crate) const MAX_BODY: usize = 8 << 20;

/// The route that answered, in the spelling of GitHub's description; rides on the answer to the recorder.
#[derive(Clone)]
pub(crate) struct Route(pub(crate) String);

/// A route as GitHub's description spells it: its wildcards have no star.
fn template(matched: &str) -> String {
    matched.replace("{*", "{")
}

/// Everything that is served.
pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    let faulty = || from_fn_with_state(Arc::clone(shared), faults::layer);
    let rest = rest::routes()
        .route_layer(from_fn_with_state(Arc::clone(shared), github::layer))
        .route_layer(faulty())
        .route_layer(from_fn_with_state(Arc::clone(shared), limits::layer))
        .route_layer(from_fn(name_route));
    let graphql = graphql::routes()
        .route_layer(faulty())
        .route_layer(from_fn_with_state(Arc::clone(shared), limits::layer))
        .route_layer(from_fn(name_route));
    let routes = rest
        .merge(graphql)
        .merge(protocol::routes().route_layer(faulty()))
        .merge(control::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .with_state(Arc::clone(shared));
    Router::new()
        .fallback_service(routes)
        .layer(from_fn_with_state(Arc::clone(shared), entry::layer))
}

/// Names the route on the answer, also where a fault took the handler's place.
async fn name_route(
    matched: axum::extract::MatchedPath,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Route(template(matched.as_str())));
    response
}

async fn not_found() -> Response {
    ApiError::not_found().into_response()
}
