//! The internal API: what the gateway forwards to. It sees a [`Handle`], not the reconciler.

mod config;
mod deliveries;
mod door;
mod drain;
mod error;
mod events;
mod finished;
mod health;
mod jobs;
mod page;
mod pools;
mod runners;
mod status;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Router};
use futures::future::Shared;
use mayfly_common::problem::{FieldError, Problem};
use mayfly_service::problem::HttpProblem;
use mayfly_service::{stopping, traces};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use crate::metrics::Metrics;
use crate::reconcile::handle::Handle;
use mayfly_settings::Config;

/// Largest request body, in bytes; the gateway has the same limit.
const MAX_BODY: usize = 64 << 10;

/// What handlers share.
#[derive(Clone)]
pub struct Api {
    /// The way to the reconciler.
    pub handle: Handle,
    /// The configuration, of which only what is no secret is shown.
    pub config: Arc<Config>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

/// All routes.
pub fn router(api: Api) -> Router {
    let door = middleware::from_fn_with_state(api.clone(), door::no_browsers);
    with_parameters()
        .merge(without_parameters().layer(middleware::from_fn(no_parameters)))
        .fallback(async || HttpProblem(Problem::not_found("There is no such path.")))
        .method_not_allowed_fallback(async || HttpProblem(Problem::method_not_allowed()))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(door)
        .layer(middleware::from_fn(traced))
        .with_state(api)
}

/// `router`, which refuses what comes after `stopped`, while the service finishes what it began.
pub fn until<F>(stopped: Shared<F>, router: Router) -> Router
where
    F: Future<Output = ()> + Send + 'static,
{
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let stops = stopped.peek().is_some();
        async move {
            let refusal = stops.then(|| stopping::answer("orchestrator", request.uri().path()));
            match refusal.flatten() {
                Some(refusal) => refusal,
                None => next.run(request).await,
            }
        }
    }))
}

/// The routes with query parameters, each of which refuses those that it does not know.
fn with_parameters() -> Router<Api> {
    Router::new()
        .route("/api/v1/runners", get(runners::list))
        .route("/api/v1/runners/cleanup", post(runners::cleanup))
        .route("/api/v1/runners/{id}", delete(runners::delete))
        .route("/api/v1/finished-runners", get(finished::list))
        .route("/api/v1/events", get(events::list).layer(Extension(events::Places::default())))
        .route("/api/v1/jobs", get(jobs::list))
        .route("/api/v1/jobs/stats", get(jobs::stats))
        .route("/api/v1/jobs/{id}/explain", get(jobs::explained))
}

/// The routes without any.
fn without_parameters() -> Router<Api> {
    Router::new()
        .route("/api/v1/runners", post(runners::create))
        .route("/api/v1/runners/{id}", get(runners::show))
        .route(
            "/api/v1/runners/{id}/logs",
            get(runners::logs).layer(Extension(runners::LogPlaces::default())),
        )
        .route("/api/v1/finished-runners/{name}", get(finished::show))
        .route("/api/v1/jobs/{id}", get(jobs::show))
        .route("/api/v1/pools", get(pools::list).post(pools::create))
        .route(
            "/api/v1/pools/{name}",
            get(pools::show).put(pools::replace).patch(pools::change).delete(pools::delete),
        )
        .route("/api/v1/pools/{name}/rotate", post(pools::rotate))
        .route(
            "/api/v1/deliveries",
            post(deliveries::accept).layer(DefaultBodyLimit::max(deliveries::MAX_BODY)),
        )
        .route("/api/v1/drain", get(drain::show).put(drain::begin).delete(drain::end))
        .route("/api/v1/uninstall", post(drain::uninstall))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/config/info", get(config::info))
        .route("/api/v1/config/validate", get(config::validate))
        .route("/api/v1/config/placeholders", get(config::placeholders))
        .route("/health", get(health::health))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}

/// Refuses a query where there are no parameters: a caller who misspells or misplaces one learns it.
async fn no_parameters(request: Request, next: Next) -> Response {
    match request.uri().query() {
        None | Some("") => next.run(request).await,
        Some(_) => {
            let detail = "there are no parameters here".to_owned();
            let wrong = FieldError { pointer: "?".to_owned(), detail };
            HttpProblem(Problem::invalid(vec![wrong])).into_response()
        }
    }
}

/// Makes a request a span, part of the gateway's.
async fn traced(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str);
    // Probes and Prometheus come every few seconds, and tell nothing.
    if matches!(route, "/health" | "/livez" | "/readyz" | "/metrics") {
        return next.run(request).await;
    }
    let span = traces::request(request.method(), route, Some(request.headers()));
    let response = next.run(request).instrument(span.clone()).await;
    traces::answered(&span, response.status());
    response
}

#[cfg(test)]
mod tests;
