//! Faults on order: wrong statuses, lost and doubled effects, broken bodies, silence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::answer::ApiError;
use super::shared::Shared;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// An error answer with the given status and body.
    #[default]
    Status,
    /// An HTML page, as a proxy in front of GitHub sends it.
    Html,
    /// The real answer, cut in half.
    Truncated,
    /// No answer at all, until the client gives up.
    Hang,
    /// The real answer, later (`delay_ms`).
    Slow,
}

/// True if the request does what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// No.
    #[default]
    None,
    /// Yes, but the client is told otherwise: the answer was lost.
    Lost,
    /// Twice; the client sees the second answer.
    Duplicated,
}

/// One order for faults, used up by the requests it hits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// A route in the spelling of GitHub's description, or a glob over the path (`*` is any text); `*` is every route.
    pub route: String,
    /// Only this method.
    pub method: Option<String>,
    /// How many requests it hits.
    pub times: u64,
    /// What goes wrong.
    pub kind: FaultKind,
    /// True if the request does what it asks for.
    pub effect: Effect,
    /// The status of the answer.
    pub status: u16,
    /// The body of the answer; GitHub's error form if not given.
    pub body: Option<String>,
    /// The body's media type.
    pub content_type: Option<String>,
    /// Further headers, for example `retry-after`.
    pub headers: BTreeMap<String, String>,
    /// Milliseconds to wait before answering.
    pub delay_ms: u64,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            route: "*".to_owned(),
            method: None,
            times: 1,
            kind: FaultKind::Status,
            effect: Effect::None,
            status: 500,
            body: None,
            content_type: None,
            headers: BTreeMap::new(),
            delay_ms: 0,
        }
    }
}

impl Fault {
    /// What is wrong with the order itself, as field and reason.
    pub(crate) fn mistakes(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        if !(200..=599).contains(&self.status) {
            found.push(("/status", "must be from 200 to 599"));
        }
        if self.times == 0 {
            found.push(("/times", "must be at least 1"));
        }
        let valid = |(name, value): (&String, &String)| {
            name.parse::<HeaderName>().is_ok() && value.parse::<HeaderValue>().is_ok()
        };
        if !self.headers.iter().all(valid) {
            found.push(("/headers", "must be names and values of HTTP headers"));
        }
        if self.content_type.as_ref().is_some_and(|text| text.parse::<HeaderValue>().is_err()) {
            found.push(("/content_type", "must be a media type"));
        }
        found
    }

    fn hits(&self, method: &str, route: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && (self.route == route || glob(&self.route, path))
    }

    fn answer(&self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let (default_type, body) = match (self.kind, &self.body) {
            (FaultKind::Html, None) => (
                "text/html; charset=utf-8",
                "<!DOCTYPE html>\n<html><body><h1>Whoa there!</h1></body></html>\n".to_owned(),
            ),
            (FaultKind::Html, Some(body)) => ("text/html; charset=utf-8", body.clone()),
            (_, Some(body)) => ("application/json; charset=utf-8", body.clone()),
            (_, None) => {
                let reason = status.canonical_reason().unwrap_or("Simulated fault");
                let mut response = ApiError::new(status, reason).into_response();
                self.add_headers(&mut response);
                return response;
            }
        };
        let mut response = (status, body).into_response();
        let kind = self.content_type.as_deref().unwrap_or(default_type);
        if let Ok(value) = HeaderValue::from_str(kind) {
            response.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        self.add_headers(&mut response);
        response
    }

    fn add_headers(&self, response: &mut Response) {
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

/// Lets the first order that fits have its way with the request.
pub(crate) async fn layer(
    State(shared): State<Arc<Shared>>,
    route: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let template = super::template(route.as_str());
    let Some(fault) = take(&shared, request.method().as_str(), &template, request.uri().path())
    else {
        return next.run(request).await;
    };
    tracing::debug!(route = %template, kind = ?fault.kind, "answering with a simulated fault");
    tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
    let real = match (fault.kind, fault.effect) {
        (FaultKind::Truncated | FaultKind::Slow, Effect::None | Effect::Lost)
        | (_, Effect::Lost) => Some(next.run(request).await),
        (_, Effect::Duplicated) => {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, super::MAX_BODY).await.unwrap_or_default();
            let first = Request::from_parts(parts.clone(), Body::from(body.clone()));
            drop(next.clone().run(first).await);
            return next.run(Request::from_parts(parts, Body::from(body))).await;
        }
        (_, Effect::None) => None,
    };
    match (fault.kind, real) {
        (FaultKind::Slow, Some(real)) => real,
        (FaultKind::Truncated, Some(real)) => truncated(real).await,
        (FaultKind::Hang, _) => std::future::pending().await,
        _ => fault.answer(),
    }
}

fn take(shared: &Shared, method: &str, route: &str, path: &str) -> Option<Fault> {
    let mut faults = shared.faults();
    let at = faults.iter().position(|fault| fault.hits(method, route, path))?;
    let fault = faults[at].clone();
    faults[at].times -= 1;
    if faults[at].times == 0 {
        faults.remove(at);
    }
    Some(fault)
}

async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body: Bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body.slice(..body.len() / 2)))
}

/// True if `text` fits a pattern in which `*` stands for any text, also none.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let cases = [
            ("*", "/x", true),
            ("/repos/*/actions/*", "/repos/o/r/actions/runs", true),
            ("/repos/*/jobs", "/repos/o/r/runs/1/jobs", true),
            ("/repos/*/jobs", "/repos/o/r/runs/1/jobs/2", false),
            ("/user", "/user/repos", false),
            ("/a*a", "/a", false),
        ];
        for (pattern, text, fits) in cases {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
