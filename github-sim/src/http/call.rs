//! One REST request, as its handler sees it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use crate::names::{EnterpriseSlug, Login, RepoSlug, Scope};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::IntoResponse as _;
use http::request::Parts;
use http::{HeaderValue, header};
use serde_json::Value;

use super::answer::{Answer, ApiError};
use super::shared::{self, Shared};
use crate::world::tokens::Identity;

/// The prefix of the GHES form, `/api/v3`, if the client used it; the path is seen without it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Prefix(pub(crate) &'static str);

/// The credential a request was let in with.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) token: String,
    pub(crate) identity: Identity,
}

/// The absolute URLs that answers are made of.
#[derive(Clone)]
pub(crate) struct Urls {
    /// Of the API, without a slash at the end.
    pub(crate) api: String,
    /// Of the pages for people, without a slash at the end.
    pub(crate) html: String,
}

/// What most handlers need of their request.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) urls: Urls,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) caller: Option<Caller>,
    pub(crate) accept: String,
    path: String,
    raw_query: String,
}

impl FromRequestParts<Arc<Shared>> for Call {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Infallible> {
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let prefix = parts.extensions.get::<Prefix>().copied().unwrap_or_default();
        let html = shared.base_url(text(header::HOST));
        Ok(Self {
            shared: Arc::clone(shared),
            urls: Urls { api: format!("{html}{}", prefix.0), html },
            query: shared::query(parts.uri.query()),
            caller: parts.extensions.get::<Caller>().cloned(),
            accept: text(header::ACCEPT).unwrap_or_default().to_owned(),
            path: parts.uri.path().to_owned(),
            raw_query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

impl Call {
    /// The value of a query parameter that is there and not empty.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Answers one page of `items`, wrapped by `wrap(total, page)`, with a `Link` header.
    ///
    /// (GitHub docs, "Using pagination in the REST API": 30 a page unless asked for, 100 at most.)
    #[expect(clippy::unnecessary_wraps, reason = "it is the last expression of a handler")]
    pub(crate) fn page<T>(
        &self,
        items: &[T],
        render: impl Fn(&T) -> Value,
        wrap: impl FnOnce(usize, Vec<Value>) -> Value,
    ) -> Answer {
        let number = |name: &str, default: usize| {
            let given = self.parameter(name).and_then(|value| value.parse().ok());
            given.filter(|&number: &usize| number > 0).unwrap_or(default)
        };
        let (size, page) = (number("per_page", 30).min(100), number("page", 1));
        let last = items.len().div_ceil(size).max(1);
        let start = (page - 1).saturating_mul(size);
        let shown = items.iter().skip(start).take(size).map(render).collect();
        let mut response = Json(wrap(items.len(), shown)).into_response();
        let mut links = Vec::new();
        if page > 1 {
            links.push(self.link(page.min(last + 1) - 1, "prev"));
        }
        if page < last {
            links.push(self.link(page + 1, "next"));
            links.push(self.link(last, "last"));
        }
        if page > 1 {
            links.push(self.link(1, "first"));
        }
        if let (false, Ok(value)) = (links.is_empty(), HeaderValue::from_str(&links.join(", "))) {
            response.headers_mut().insert(header::LINK, value);
        }
        Ok(response)
    }

    fn link(&self, page: usize, relation: &str) -> String {
        self.link_with("page", &page.to_string(), relation)
    }

    /// One entry of a `Link` header: this request's URL, with another value of one query parameter.
    pub(crate) fn link_with(&self, name: &str, value: &str, relation: &str) -> String {
        let pairs = self.raw_query.split('&').filter(|pair| !pair.is_empty());
        let mut pairs: Vec<String> = pairs
            .filter(|pair| pair.split('=').next() != Some(name))
            .map(std::borrow::ToOwned::to_owned)
            .collect();
        pairs.push(format!("{name}={value}"));
        format!("<{}{}?{}>; rel=\"{relation}\"", self.urls.api, self.path, pairs.join("&"))
    }
}

/// The repository a path names; what cannot be one is not found.
pub(crate) fn slug(owner: &str, repo: &str) -> Result<RepoSlug, ApiError> {
    RepoSlug::parse(&format!("{owner}/{repo}")).map_err(|_| ApiError::not_found())
}

/// The organisation scope a path names.
pub(crate) fn org_scope(org: &str) -> Result<Scope, ApiError> {
    Login::parse(org).map(Scope::Org).map_err(|_| ApiError::not_found())
}

/// The enterprise scope a path names.
pub(crate) fn enterprise_scope(slug: &str) -> Result<Scope, ApiError> {
    EnterpriseSlug::parse(slug).map(Scope::Enterprise).map_err(|_| ApiError::not_found())
}

/// The number a path names.
pub(crate) fn id(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

/// A JSON object as the body of a request; none is an empty one.
pub(crate) fn object(body: &[u8]) -> Result<serde_json::Map<String, Value>, ApiError> {
    if body.is_empty() {
        return Ok(serde_json::Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ApiError::new(http::StatusCode::BAD_REQUEST, "Body should be a JSON object")),
        Err(_) => Err(ApiError::new(http::StatusCode::BAD_REQUEST, "Problems parsing JSON")),
    }
}
