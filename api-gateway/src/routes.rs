//! The routes: one flat list, one file per resource.
//!
//! Invariant: what is listed here is what `/openapi.json` describes; both come from the same `routes!`.

mod body;
mod config;
mod create_schema;
mod drain;
mod events;
mod finished;
mod health;
mod jobs;
mod metrics;
mod pools;
mod query;
mod runners;
mod status;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;
use mayfly_service::stopping;
use tower::ServiceBuilder;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::caller::Caller;
use crate::config::Config;
use crate::edge::Edge;
use crate::gateway::Gateway;
use crate::orchestrator::Call;
use crate::{auth, docs, edge, openapi, rate_limit};

/// Everything the gateway serves, with all of its layers.
pub(crate) fn router(gateway: &Gateway, config: &Config) -> Router {
    let Described { guarded, public, webhooks } = described();
    let (guarded, _) = guarded.split_for_parts();
    let (public, _) = public.split_for_parts();
    let (webhooks, _) = webhooks.split_for_parts();
    // The last layer added is the first to see a request.
    let guarded = guarded
        .merge(runners::aliases())
        .method_not_allowed_fallback(edge::wrong_method)
        // One call for both: each call boxes every route once more.
        .layer(
            ServiceBuilder::new()
                .layer(auth::RequireKey {
                    limits: Arc::clone(&gateway.rate_limits),
                    metrics: Arc::clone(&gateway.metrics),
                    required: !config.keys.is_empty(),
                })
                .layer(gateway.rate_limits.layer())
                .layer(edge::Admit),
        );
    let open = public
        .merge(docs::routes(&document(), &config.base_path))
        .method_not_allowed_fallback(edge::wrong_method)
        .layer(edge::Admit)
        // What is at no path is not admitted, and limited all the same.
        .fallback(edge::nothing_here)
        .layer(from_fn_with_state(Arc::clone(&gateway.rate_limits), rate_limit::public));
    let router =
        open.merge(guarded).merge(webhooks).method_not_allowed_fallback(edge::wrong_method);
    within_edge(router, gateway, config)
}

/// What is still served between the stop signal and the end: that the gateway lives, and that it is shutting down.
pub(crate) fn while_stopping(gateway: &Gateway, config: &Config) -> Router {
    let (health, _) = health::routes().split_for_parts();
    within_edge(health.fallback(edge::nothing_here).layer(from_fn(refuse)), gateway, config)
}

async fn refuse(request: Request, next: Next) -> Response {
    match stopping::answer("api-gateway", request.uri().path()) {
        Some(refusal) => edge::admit::mark(refusal),
        None => next.run(request).await,
    }
}

/// `router` behind what every request passes first.
fn within_edge(mut router: Router<Gateway>, gateway: &Gateway, config: &Config) -> Router {
    if let Some(cors) = config.cors.layer() {
        router = router.layer(cors);
    }
    let edge = Arc::new(Edge::new(config, Arc::clone(&gateway.metrics)));
    let router = router.layer(from_fn_with_state(edge, edge::observe)).with_state(gateway.clone());
    config.base_path.strip_before(router)
}

/// The OpenAPI description of the routes.
pub(crate) fn document() -> OpenApi {
    let Described { guarded, public, webhooks } = described();
    let all = OpenApiRouter::<Gateway>::with_openapi(openapi::base());
    openapi::complete(all.merge(guarded).merge(public).merge(webhooks).into_openapi())
}

/// The described routes, by what they ask of a caller.
struct Described {
    /// A key.
    guarded: OpenApiRouter<Gateway>,
    /// Nothing.
    public: OpenApiRouter<Gateway>,
    /// A signature.
    webhooks: OpenApiRouter<Gateway>,
}

fn described() -> Described {
    let api = runners::routes()
        .merge(finished::routes())
        .merge(pools::routes())
        .merge(jobs::routes())
        .merge(events::routes())
        .merge(status::routes())
        .merge(drain::routes());
    Described {
        guarded: api.merge(config::routes()).merge(metrics::routes()),
        public: health::routes(),
        webhooks: webhooks::routes(),
    }
}

/// Sends `call`, which a handler made of checked input, to the orchestrator. What sending does not need is dropped here,
/// before anything waits: a small future is a cheap one.
fn forward(
    gateway: Gateway,
    mut request: Parts,
    call: Call,
) -> impl Future<Output = Response> + Send {
    let caller = request.extensions.remove::<Caller>();
    let headers = request.headers;
    async move {
        let Some(caller) = caller else {
            tracing::error!("a request came past the outermost layer");
            return HttpProblem(Problem::internal()).into_response();
        };
        gateway.orchestrator.forward(&call, &headers, &caller).await
    }
}
