//! One request to GitHub.
//!
//! Invariants: the token goes to the configured host and no other; a limit GitHub told about is obeyed before the next request;
//! a GET is conditional wherever an earlier answer is still held, because an unchanged answer (304) costs nothing of the primary
//! limit; an error is never taken for an empty answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use reqwest::redirect;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::GitHubError;
use super::held::{Answer, HeldAnswers, Next};
use super::refusal::refusal;
use super::registration::{Groups, Tokens};
use crate::clock::Clock;
use crate::config::GitHubConfig;

/// The version of the REST API that we speak (docs: "API versions").
const API_VERSION: &str = "2022-11-28";
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer that is read, in bytes. A page of 100 repositories is about half a megabyte.
const MAX_ANSWER: usize = 8 << 20;
/// Most pages of one list: a list that never ends is an error, not a hang.
const MAX_PAGES: u32 = 200;
/// The largest page GitHub gives.
pub(super) const PER_PAGE: usize = 100;

/// Where GitHub is and who we are.
pub struct GitHubSettings {
    /// `GITHUB_API_URL`.
    pub api_url: Url,
    /// The token.
    pub token: SecretString,
    /// Longest wait for a whole answer.
    pub timeout: Duration,
}

impl GitHubSettings {
    /// The settings that `config` describes.
    pub fn of(config: &GitHubConfig) -> Self {
        Self {
            api_url: config.api_url.clone(),
            token: config.token.clone(),
            timeout: Duration::from_secs(30),
        }
    }
}

/// Speaks to GitHub's REST API with one credential.
pub struct GitHubClient {
    http: Client,
    base: Url,
    token: SecretString,
    clock: Arc<dyn Clock>,
    held: HeldAnswers,
    limited_until: Mutex<Option<Timestamp>>,
    requests: AtomicU64,
    pub(super) tokens: Tokens,
    pub(super) groups: Groups,
}

impl GitHubClient {
    /// A client; nothing is sent yet.
    ///
    /// Errors: the TLS library cannot be set up.
    pub fn new(settings: GitHubSettings, clock: Arc<dyn Clock>) -> Result<Self, GitHubError> {
        // An error means that another part of the process was faster, with the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The bundled roots make a client possible in an image without a CA bundle; the system's come on top.
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|der| reqwest::Certificate::from_der(der).ok());
        let http = Client::builder()
            .user_agent(concat!("mayfly/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(settings.timeout)
            .redirect(redirect::Policy::custom(same_host))
            .tls_certs_merge(roots)
            .build()
            .map_err(|error| GitHubError::Network(chain(&error)))?;
        Ok(Self {
            http,
            base: settings.api_url,
            token: settings.token,
            clock,
            held: HeldAnswers::new(),
            limited_until: Mutex::new(None),
            requests: AtomicU64::new(0),
            tokens: Tokens::default(),
            groups: Groups::default(),
        })
    }

    /// How many requests were sent since the start.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Until when GitHub asked to be left alone, if it did.
    pub fn limited_until(&self) -> Option<Timestamp> {
        let until = *self.limited_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > self.clock.now())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The URL of a path, segment by segment, so that no segment can climb out of its place.
    pub(super) fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// GETs one object.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: &Url) -> Result<T, GitHubError> {
        decode(&self.get_answer(url).await?.body)
    }

    /// GETs a list, all pages of it. `items` takes the entries out of a page.
    pub(super) async fn get_all<P: DeserializeOwned, T>(
        &self,
        first: Url,
        items: impl Fn(P) -> Vec<T>,
    ) -> Result<Vec<T>, GitHubError> {
        let mut all = Vec::new();
        let mut url = first.clone();
        for page in 1..=MAX_PAGES {
            let answer = self.get_answer(&url).await?;
            let found = items(decode(&answer.body)?);
            let full = found.len() >= PER_PAGE;
            all.extend(found);
            url = match answer.next {
                Next::Page(next) => next,
                Next::Unsaid if full => numbered(&first, page + 1),
                Next::Unsaid | Next::Last => return Ok(all),
            };
        }
        Err(GitHubError::Malformed(format!("a list has more than {MAX_PAGES} pages")))
    }

    /// POSTs `body` and reads the answer.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<T, GitHubError> {
        let (_, _, bytes) = self.send(Method::POST, url, None, body).await?;
        decode(&bytes)
    }

    /// DELETEs.
    pub(super) async fn delete(&self, url: &Url) -> Result<(), GitHubError> {
        self.send(Method::DELETE, url, None, None).await.map(|_| ())
    }

    async fn get_answer(&self, url: &Url) -> Result<Answer, GitHubError> {
        let held = self.held.of(url);
        let version = held.as_ref().map(|(version, _)| version);
        let (status, headers, body) = self.send(Method::GET, url, version, None).await?;
        if let (StatusCode::NOT_MODIFIED, Some((_, answer))) = (status, held) {
            return Ok(answer);
        }
        let answer = Answer { body: body.into(), next: next_page(&headers, &self.base)? };
        if let Some(version) = headers.get(header::ETAG) {
            self.held.hold(url, version.clone(), answer.clone());
        }
        Ok(answer)
    }

    /// Sends one request and sorts its outcome.
    async fn send(
        &self,
        method: Method,
        url: &Url,
        etag: Option<&HeaderValue>,
        body: Option<&Value>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), GitHubError> {
        if let Some(until) = self.limited_until() {
            return Err(GitHubError::RateLimited { until });
        }
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", self.token.expose_secret()))
                .map_err(|_| GitHubError::Unauthorized)?;
        authorization.set_sensitive(true);
        let mut request = self
            .http
            .request(method, url.clone())
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", API_VERSION);
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut response = request.send().await.map_err(|error| network(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| network(&error))? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(GitHubError::Malformed(format!(
                    "it is larger than {MAX_ANSWER} bytes"
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() || (status == StatusCode::NOT_MODIFIED && etag.is_some()) {
            return Ok((status, headers, bytes));
        }
        let error = refusal(status, &headers, &bytes, self.clock.now());
        if let GitHubError::RateLimited { until } = error {
            *self.limited_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
        Err(error)
    }
}

/// Follows redirects (a renamed repository gives one) on the same host only, three at most.
fn same_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let first = attempt.previous().first();
    let same = first.is_some_and(|first| first.origin() == attempt.url().origin());
    if same && attempt.previous().len() <= 3 { attempt.follow() } else { attempt.stop() }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, GitHubError> {
    serde_json::from_slice(body).map_err(|error| {
        let html = body.trim_ascii_start().starts_with(b"<");
        GitHubError::Malformed(if html { "it is HTML".to_owned() } else { error.to_string() })
    })
}

/// The same list, another page.
fn numbered(first: &Url, page: u32) -> Url {
    let mut url = first.clone();
    url.query_pairs_mut().append_pair("page", &page.to_string());
    url
}

/// Reads the `Link` header (RFC 8288). A next page on another host is not followed: it would carry the token there.
fn next_page(headers: &HeaderMap, base: &Url) -> Result<Next, GitHubError> {
    let Some(link) = headers.get(header::LINK).and_then(|value| value.to_str().ok()) else {
        return Ok(Next::Unsaid);
    };
    for part in link.split(',') {
        let Some((target, parameters)) =
            part.trim().strip_prefix('<').and_then(|rest| rest.split_once('>'))
        else {
            continue;
        };
        if !parameters.split(';').any(|parameter| parameter.trim() == "rel=\"next\"") {
            continue;
        }
        let url = base
            .join(target)
            .map_err(|error| GitHubError::Malformed(format!("its next page: {error}")))?;
        if url.origin() != base.origin() {
            return Err(GitHubError::Malformed(format!(
                "its next page is on another host, {}",
                url.host_str().unwrap_or("?")
            )));
        }
        return Ok(Next::Page(url));
    }
    Ok(Next::Last)
}

fn network(error: &reqwest::Error) -> GitHubError {
    GitHubError::Network(if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        chain(error)
    })
}

/// The causes of an error. The URL of the request is left out: it says nothing that the causes don't.
fn chain(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        texts.push(inner.to_string());
        cause = inner.source();
    }
    if texts.is_empty() { "the connection failed".to_owned() } else { texts.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(link: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::LINK, HeaderValue::from_str(link).unwrap())])
    }

    #[test]
    fn pages_are_followed_on_the_same_host_only() {
        let base = Url::parse("https://ghe.example/api/v3").unwrap();
        let next = |link: &str| next_page(&headers(link), &base);
        let page = Url::parse("https://ghe.example/api/v3/user/repos?page=2").unwrap();
        let both = r#"<https://ghe.example/x?page=1>; rel="prev", <https://ghe.example/api/v3/user/repos?page=2>; rel="next""#;
        assert!(next(both) == Ok(Next::Page(page)));
        assert!(next(r#"<https://ghe.example/x?page=1>; rel="first""#) == Ok(Next::Last));
        assert!(next(r#"<https://evil.example/x?page=2>; rel="next""#).is_err());
        assert!(next_page(&HeaderMap::new(), &base) == Ok(Next::Unsaid));
    }

    #[test]
    fn segments_cannot_climb() {
        let settings = GitHubSettings {
            api_url: Url::parse("http://h/api/v3/").unwrap(),
            token: "t".into(),
            timeout: Duration::from_secs(1),
        };
        let client = GitHubClient::new(settings, Arc::new(crate::clock::SystemClock)).unwrap();
        let url =
            client.url(&["repos", "o", "r", "contents", "a b?c#d/../e"], &[("page", "1&x=2")]);
        assert_eq!(
            url.as_str(),
            "http://h/api/v3/repos/o/r/contents/a%20b%3Fc%23d%2F..%2Fe?page=1%26x%3D2"
        );
    }
}
