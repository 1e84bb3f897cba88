//! The outermost layer: takes off the prefix of the GHES form, records REST requests, ends held requests at the stop.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use jiff::fmt::rfc2822::DateTimePrinter;

use super::Route;
use super::answer::ApiError;
use super::call::Prefix;
use super::observed::Recorded;
use super::shared::Shared;

const GHES: &str = "/api/v3";

/// Sees every request first and every answer last.
pub(crate) async fn layer(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(uri) = without_prefix(request.uri()) {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(Prefix(GHES));
    }
    let uri = request.uri().clone();
    if let Some(uri) = by_id(&shared, &uri) {
        *request.uri_mut() = uri;
    }
    let rest = !uri.path().starts_with("/_sim") && !uri.path().starts_with("/_runner");
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, super::MAX_BODY).await else {
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large")
            .into_response();
    };
    let mut note = rest.then(|| {
        let recorded = Recorded {
            method: parts.method.to_string(),
            path_and_query: uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            route: "unmatched".to_owned(),
            body: body.to_vec(),
            status: 0,
        };
        Note::begin(&shared, recorded)
    });
    let request = Request::from_parts(parts, Body::from(body));
    let mut response = tokio::select! {
        response = next.run(request) => response,
        () = shared.stop.cancelled() => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "The simulator stops").into_response()
        }
    };
    if let Some(date) = date(&shared) {
        response.headers_mut().insert(header::DATE, date);
    }
    if let Some(note) = &mut note {
        note.recorded.status = response.status().as_u16();
        if let Some(Route(route)) = response.extensions().get::<Route>() {
            note.recorded.route.clone_from(route);
        }
    }
    response
}

/// Records on drop, so that a request whose client left is counted too.
struct Note<'a> {
    shared: &'a Shared,
    recorded: Recorded,
}

impl<'a> Note<'a> {
    fn begin(shared: &'a Shared, recorded: Recorded) -> Self {
        shared.open.send_modify(|open| *open += 1);
        Self { shared, recorded }
    }
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        self.shared.observed().note(self.recorded.clone());
        self.shared.open.send_modify(|open| *open -= 1);
    }
}

/// The time by GitHub's clock, which may differ from the machine's.
fn date(shared: &Shared) -> Option<HeaderValue> {
    let now = shared.look().now();
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok()?;
    HeaderValue::from_str(&text).ok()
}

/// The path by name of one by a repository's id, `/repositories/{id}/…`, where redirects lead to.
fn by_id(shared: &Shared, uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix("/repositories/")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (id, below) = rest.split_at(end);
    let world = shared.look();
    let slug = &world.repo_by_id(id.parse().ok()?)?.slug;
    format!("/repos/{slug}{below}").parse().ok()
}

fn without_prefix(uri: &Uri) -> Option<Uri> {
    // GraphQL has a prefix of its own, and is not below that of REST.
    match uri.path() {
        "/api/graphql" => return Some(Uri::from_static(super::graphql::ROUTE)),
        "/api/v3/graphql" => return None,
        _ => {}
    }
    let rest = uri.path_and_query()?.as_str().strip_prefix(GHES)?;
    match rest.chars().next() {
        None => Some(Uri::from_static("/")),
        Some('/') => rest.parse().ok(),
        Some('?') => format!("/{rest}").parse().ok(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_goes_and_nothing_else() {
        let cases = [
            ("/api/v3/user?x=1", Some("/user?x=1")),
            ("/api/v3", Some("/")),
            ("/api/v3/", Some("/")),
            ("/api/v30/user", None),
            ("/api/graphql", Some("/graphql")),
            ("/api/v3/graphql", None),
            ("/user", None),
        ];
        for (given, expected) in cases {
            let found = without_prefix(&given.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{given}");
        }
    }
}
