//! `/api/v1/events`: a page of events, or a stream of them where the client accepts one (WHATWG HTML, "Server-sent events").
//!
//! Invariants: a stream reads what it sends from the store, so that it misses nothing between its pages and what comes; it goes on
//! where `Last-Event-ID` says; it ends when the service stops.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, header};
use mayfly_common::api::{Event, EventList, EventQuery, MAX_EVENTS};
use mayfly_common::problem::Problem;
use tokio::sync::watch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::error;

use super::Api;
use super::error::{Failure, bad_query, unavailable};
use super::page::wrong;
use mayfly_store::Store;

/// How many events a page has, unless the query says otherwise.
const PER_PAGE: u32 = 100;
/// How often a stream without news says that it lives; the gateway cuts off what is silent for 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Most streams at a time.
const STREAMS: usize = 256;

/// Places for streams.
#[derive(Clone)]
pub(super) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS)))
    }
}

/// What a stream reads from.
struct Source {
    store: Store,
    latest: watch::Receiver<i64>,
    after: i64,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn list(
    State(api): State<Api>,
    axum::Extension(places): axum::Extension<Places>,
    headers: HeaderMap,
    query: Result<Query<EventQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) = query.map_err(bad_query)?;
    check(&query)?;
    if headers.get(header::ACCEPT).is_some_and(wants_stream) {
        let latest = api.handle.events();
        let after = match last_seen(&headers)?.or(query.after) {
            Some(after) => after,
            None => api.handle.store().last_event().await.map_err(Failure::unreadable)?,
        };
        let place = places
            .0
            .try_acquire_owned()
            .map_err(|_| unavailable("There are too many streams of events."))?;
        let source = Source { store: api.handle.store().clone(), latest, after, _place: place };
        let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
        let mut response = Sse::new(follow(source)).keep_alive(keep_alive).into_response();
        // What buffers answers (nginx, say) must not do so here.
        let unbuffered = HeaderValue::from_static("no");
        response.headers_mut().insert("x-accel-buffering", unbuffered);
        return Ok(response);
    }
    let limit = query.limit.unwrap_or(PER_PAGE);
    let events = api.handle.store().events(query.after, limit).await;
    let events = events.map_err(Failure::unreadable)?;
    let last_id = events.last().map(|event| event.id).or(query.after).unwrap_or_default();
    Ok(Json(EventList { events, last_id }).into_response())
}

fn check(query: &EventQuery) -> Result<(), Problem> {
    let mut errors = Vec::new();
    if query.after.is_some_and(|after| after < 0) {
        errors.push(wrong("after", "must be 0 or more"));
    }
    if query.limit.is_some_and(|limit| !(1..=MAX_EVENTS).contains(&limit)) {
        errors.push(wrong("limit", "must be from 1 to 1000"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

/// True if a client asks for a stream by name; `*/*` does not.
fn wants_stream(accept: &HeaderValue) -> bool {
    let kinds = accept.to_str().unwrap_or_default().split(',');
    let kind = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kinds.map(kind).any(|kind| kind == "text/event-stream")
}

/// Where a client that was cut off was.
fn last_seen(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let id = id.filter(|id: &i64| *id >= 0);
    id.map(Some).ok_or_else(|| Problem::malformed("Last-Event-ID must be the id of an event."))
}

/// What comes after `source.after`, without end.
fn follow(source: Source) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let pages = stream::unfold(source, async |mut source| {
        loop {
            // Marked as seen before the store is read: what is added meanwhile wakes us again.
            source.latest.borrow_and_update();
            match source.store.events(Some(source.after), PER_PAGE).await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => {
                    source.after = events.last().map_or(source.after, |event| event.id);
                    return Some((events, source));
                }
                Err(error) => {
                    error!("events cannot be read: {error}");
                    return None;
                }
            }
            // There will be no more: the service stops.
            source.latest.changed().await.ok()?;
        }
    });
    pages.flat_map(|events| {
        let spoken: Vec<_> = events.iter().filter_map(spoken).map(Ok).collect();
        stream::iter(spoken)
    })
}

fn spoken(event: &Event) -> Option<sse::Event> {
    let made = sse::Event::default().id(event.id.to_string()).event(event.kind.as_str());
    made.json_data(event).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_goes_on_after_the_event_that_it_names() {
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", value.parse().unwrap());
            last_seen(&headers).map_err(|problem| problem.status)
        };
        assert_eq!(last_seen(&HeaderMap::new()), Ok(None));
        for (value, expected) in [("0", 0), (" 7 ", 7), ("9223372036854775807", i64::MAX)] {
            assert_eq!(asked(value), Ok(Some(expected)), "{value}");
        }
        for value in ["-1", "", "x", "1.5", "9223372036854775808"] {
            assert_eq!(asked(value), Err(400), "{value}");
        }
    }

    #[test]
    fn a_stream_is_asked_for_by_name() {
        let rows = [
            ("text/event-stream", true),
            ("Text/Event-Stream;q=0.9", true),
            ("application/json, text/event-stream", true),
            ("*/*", false),
            ("application/json", false),
            ("text/*", false),
        ];
        for (accept, expected) in rows {
            assert_eq!(wants_stream(&HeaderValue::from_static(accept)), expected, "{accept}");
        }
    }
}
