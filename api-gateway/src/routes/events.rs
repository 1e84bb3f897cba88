//! Events: what happened, as pages or as a stream.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures::StreamExt as _;
use http::{HeaderMap, Method, StatusCode, header};
use mayfly_common::api::{EventList, EventQuery};
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{forward, query};
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::openapi::responses::Problems;
use crate::orchestrator::Call;
use crate::rate_limit::Bucket;

/// When to try again for a stream, in seconds.
const RETRY_AFTER: u64 = 5;

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List events, or follow them
///
/// What happened to jobs, runners and pools, and which problems there were, the oldest first. Events are kept for 30 days, or 50,000
/// of them. With `Accept: text/event-stream` the answer is a stream without an end, in the form of server-sent events: each has
/// the event's `id`, its `kind` as `event`, and the same JSON as here as `data`. A stream goes on after the event that the header
/// `Last-Event-ID` names, else after `after`, else with the next event. A caller may have 16 streams at a time; 429 beyond that.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "listEvents",
    tag = "Events",
    params(EventQuery),
    responses((status = 200, description = "A page of events.", body = EventList), Problems)
)]
async fn list(State(gateway): State<Gateway>, request: Request) -> Result<Response, HttpProblem> {
    let (parts, _) = request.into_parts();
    let page = query::events(parts.uri.query())?;
    let call = Call::new(Method::GET, &format!("/api/v1/events{page}"));
    if !wants_stream(&parts.headers) {
        return Ok(forward(gateway, parts, call).await);
    }
    let bucket = Bucket::of(parts.extensions.get::<Caller>());
    let share = gateway.streams.take(bucket).ok_or_else(too_many_streams)?;
    let (head, body) = forward(gateway, parts, call).await.into_parts();
    // The share is given back with the stream's end, whoever ends it.
    let counted = body.into_data_stream().inspect(move |_| {
        let _held = &share;
    });
    Ok(Response::from_parts(head, Body::from_stream(counted)))
}

/// True if a client asks for a stream by name; `*/*` does not.
fn wants_stream(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kinds = accept.flat_map(|line| line.split(','));
    let kind = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kinds.map(kind).any(|kind| kind == "text/event-stream")
}

fn too_many_streams() -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-streams", "Too many streams of events")
        .with_detail("This caller has as many streams as it may have. Close one first.")
        .with_retry_after(RETRY_AFTER)
}
