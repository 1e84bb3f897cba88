//! Events: what happened, as pages or as a stream.

use axum::extract::{Request, State};
use axum::response::Response;
use http::Method;
use mayfly_common::api::{EventList, EventQuery};
use mayfly_common::problem::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{forward, query};
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::orchestrator::Call;

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List events, or follow them
///
/// What happened to jobs, runners and pools, and which problems there were, the oldest first. Events are kept for 30 days, or 50,000
/// of them. With `Accept: text/event-stream` the answer is a stream without an end, in the form of server-sent events: each has
/// the event's `id`, its `kind` as `event`, and the same JSON as here as `data`. A stream goes on after the event that the header
/// `Last-Event-ID` names, else after `after`, else with the next event.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "listEvents",
    tag = "Events",
    params(EventQuery),
    responses((status = 200, description = "A page of events.", body = EventList), Problems)
)]
async fn list(State(gateway): State<Gateway>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let page = query::events(parts.uri.query())?;
    let call = Call::new(Method::GET, &format!("/api/v1/events{page}"));
    Ok(forward(gateway, parts, call).await)
}
