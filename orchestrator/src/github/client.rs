//! One request to GitHub, from the leave to send it to what its answer means.
//!
//! Invariants: a credential goes to the configured host and no other; nothing is sent without leave of the [`Budget`]; a GET is
//! conditional wherever an earlier answer is still held, because an unchanged answer (304) costs nothing of the hour's requests;
//! an error is never taken for an empty answer.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Url};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::budget::{Account, Budget, Cause, Held, Limit, Priority, Resource, Told};
use super::call::{self, Call, Who};
use super::error::GitHubError;
use super::graphql;
use super::held::{Answer, HeldAnswers};
use super::identity::Identity;
use super::page::{Next, Page, next_page, numbered};
use super::refusal::{Refusal, refusal};
use super::registration::{Groups, Tokens};
use super::traffic::{Ended, Traffic};
use super::transport;
use super::waiting_runs::WaitingRuns;
use crate::clock::Clock;
use crate::config::{Credential, GitHubConfig};

/// The version of the REST API that we speak (docs: "API versions").
const API_VERSION: &str = "2022-11-28";
/// Largest answer that is read, in bytes. A page of 100 repositories is about half a megabyte.
const MAX_ANSWER: usize = 8 << 20;
/// Most pages of one list: a list that never ends is an error, not a hang.
const MAX_PAGES: u32 = 200;
/// The largest page GitHub gives.
pub(super) const PER_PAGE: usize = 100;
/// Requests under way at a time. GitHub allows 100, over all that the same user runs (docs: "Rate limits for the REST API").
const CONCURRENT: usize = 20;
/// First wait before the same request is sent again; it doubles, with jitter.
const RETRY_WAIT: Duration = Duration::from_millis(250);
/// After a request that got no answer in time, how long the others are not even tried.
const HANGING: SignedDuration = SignedDuration::from_secs(10);
/// Differences to GitHub's clock up to this are the network's, not the clock's.
const SAME_TIME: i64 = 2;

/// Where GitHub is and who we are.
pub struct GitHubSettings {
    /// `GITHUB_API_URL`.
    pub api_url: Url,
    /// Who we are.
    pub credential: Credential,
    /// `GITHUB_CA_FILE`: certificates (PEM) trusted beside the system's and the bundled ones.
    pub ca: Option<Vec<u8>>,
    /// Longest wait for a whole answer.
    pub timeout: Duration,
    /// How often a request that may succeed in a moment is sent again.
    pub retries: usize,
}

impl GitHubSettings {
    /// The settings that `config` describes.
    pub fn of(config: &GitHubConfig) -> Self {
        Self {
            api_url: config.api_url.clone(),
            credential: config.credential.clone(),
            ca: config.ca.clone(),
            timeout: Duration::from_secs(30),
            retries: 2,
        }
    }
}

/// Speaks to GitHub with one credential: a user's token, or an App with its installations.
pub struct GitHubClient {
    http: Client,
    base: Url,
    graphql: Url,
    retries: usize,
    clock: Arc<dyn Clock>,
    /// GitHub's clock minus ours, in seconds.
    skew: AtomicI64,
    held: HeldAnswers,
    budget: Mutex<Budget>,
    room: Semaphore,
    hanging_until: Mutex<Option<Timestamp>>,
    /// Whether an answer came from another address than was asked: a repository was renamed.
    moved: AtomicBool,
    traffic: Traffic,
    pub(super) identity: Identity,
    pub(super) tokens: Tokens,
    pub(super) groups: Groups,
    pub(super) waiting_runs: WaitingRuns,
    pub(super) no_graphql_until: Mutex<std::collections::BTreeMap<Account, Timestamp>>,
}

/// An answer that is a success.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl GitHubClient {
    /// A client; nothing is sent yet.
    ///
    /// Errors: TLS cannot be set up, a certificate or the App's key cannot be read.
    pub fn new(settings: GitHubSettings, clock: Arc<dyn Clock>) -> Result<Self, GitHubError> {
        let http = transport::client(settings.timeout, settings.ca.as_deref())
            .map_err(|error| GitHubError::Network(error.to_string()))?;
        Ok(Self {
            http,
            graphql: graphql::url(&settings.api_url),
            base: settings.api_url,
            retries: settings.retries,
            clock,
            skew: AtomicI64::new(0),
            held: HeldAnswers::new(),
            budget: Mutex::default(),
            room: Semaphore::new(CONCURRENT),
            hanging_until: Mutex::default(),
            moved: AtomicBool::new(false),
            traffic: Traffic::default(),
            identity: Identity::new(settings.credential),
            tokens: Tokens::default(),
            groups: Groups::default(),
            waiting_runs: WaitingRuns::default(),
            no_graphql_until: Mutex::default(),
        })
    }

    /// What was sent, counted.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Every limit, and who may spend what is left.
    pub fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a repository was found under another name than it was asked for, since this was last asked.
    pub fn take_moved(&self) -> bool {
        self.moved.swap(false, Ordering::Relaxed)
    }

    /// The present moment by GitHub's clock, as far as it is known: what GitHub's times are compared with.
    pub fn now(&self) -> Timestamp {
        let skew = SignedDuration::from_secs(self.skew.load(Ordering::Relaxed));
        self.clock.now().saturating_add(skew).unwrap_or(Timestamp::MAX)
    }

    /// GitHub's clock minus ours, in seconds, as the last answer told it.
    pub fn skew(&self) -> i64 {
        self.skew.load(Ordering::Relaxed)
    }

    /// A request on `route`, whose `{placeholders}` take `values` in their order.
    pub(super) fn call(
        &self,
        who: Who,
        priority: Priority,
        route: &'static str,
        values: &[&str],
        query: &[(&str, &str)],
    ) -> Call {
        Call { who, priority, route, url: call::url(&self.base, route, values, query) }
    }

    /// GETs one object.
    pub(super) async fn get<T: DeserializeOwned + Serialize>(
        &self,
        call: &Call,
    ) -> Result<T, GitHubError> {
        decode(&self.get_answer::<T>(call).await?.body)
    }

    /// GETs one object, whatever is held, with the answer's headers.
    pub(super) async fn get_with_headers<T: DeserializeOwned>(
        &self,
        call: &Call,
    ) -> Result<(T, HeaderMap), GitHubError> {
        let reply = self.send(Method::GET, call, None, None).await?;
        Ok((decode(&reply.body)?, reply.headers))
    }

    /// GETs a list, all pages of it. A list that changed while it was read, so that entries are missing, is read once more.
    pub(super) async fn get_all<P: Page>(&self, first: Call) -> Result<Vec<P::Item>, GitHubError> {
        let (items, whole) = self.read_pages::<P>(&first).await?;
        if whole { Ok(items) } else { Ok(self.read_pages::<P>(&first).await?.0) }
    }

    async fn read_pages<P: Page>(&self, first: &Call) -> Result<(Vec<P::Item>, bool), GitHubError> {
        let mut all = Vec::new();
        let mut call = first.clone();
        for page in 1..=MAX_PAGES {
            let (found, next) = self.get_page::<P>(&call, page).await?;
            let total = found.total();
            all.extend(found.into_items());
            let Some(next) = next else {
                let whole = total.is_none_or(|total| page == 1 || all.len() as u64 >= total);
                return Ok((all, whole));
            };
            call = first.at(next);
        }
        Err(GitHubError::Malformed(format!("a list has more than {MAX_PAGES} pages")))
    }

    /// GETs page `number` of a list, and tells where the next is.
    pub(super) async fn get_page<P: Page>(
        &self,
        call: &Call,
        number: u32,
    ) -> Result<(P, Option<Url>), GitHubError> {
        let answer = self.get_answer::<P>(call).await?;
        let page: P = decode(&answer.body)?;
        let next = match answer.next {
            Next::Page(next) => Some(next),
            Next::Unsaid if P::NUMBERED && page.len() >= PER_PAGE => {
                Some(numbered(&call.url, number + 1))
            }
            Next::Unsaid | Next::Last => None,
        };
        Ok((page, next))
    }

    /// POSTs `body` and reads the answer.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        call: &Call,
        body: Option<&Value>,
    ) -> Result<T, GitHubError> {
        decode(&self.send(Method::POST, call, None, body).await?.body)
    }

    /// Sends `body` and reads nothing of the answer.
    pub(super) async fn order(
        &self,
        method: Method,
        call: &Call,
        body: Option<&Value>,
    ) -> Result<(), GitHubError> {
        self.send(method, call, None, body).await.map(drop)
    }

    /// DELETEs.
    pub(super) async fn delete(&self, call: &Call) -> Result<(), GitHubError> {
        self.order(Method::DELETE, call, None).await
    }

    /// The call that POSTs a GraphQL document.
    pub(super) fn graphql_call(&self, who: Who, priority: Priority) -> Call {
        Call { who, priority, route: graphql::ROUTE, url: self.graphql.clone() }
    }

    async fn get_answer<T: DeserializeOwned + Serialize>(
        &self,
        call: &Call,
    ) -> Result<Answer, GitHubError> {
        let account = self.account(&call.who).await?;
        let held = self.held.of(account, &call.url);
        let version = held.as_ref().map(|(version, _)| version);
        let reply = self.send(Method::GET, call, version, None).await?;
        if let (StatusCode::NOT_MODIFIED, Some((_, answer))) = (reply.status, held) {
            return Ok(answer);
        }
        // Only what we read of it is held: a hundredth of a page of repositories.
        let read: T = decode(&reply.body)?;
        let body =
            serde_json::to_vec(&read).map_err(|error| GitHubError::Malformed(error.to_string()))?;
        let answer = Answer { body: body.into(), next: next_page(&reply.headers, &self.base)? };
        if let Some(version) = reply.headers.get(header::ETAG) {
            self.held.hold(account, &call.url, version.clone(), answer.clone());
        }
        Ok(answer)
    }

    /// Sends a request, again if it may succeed then.
    pub(super) fn send<'a>(
        &'a self,
        method: Method,
        call: &'a Call,
        etag: Option<&'a HeaderValue>,
        body: Option<&'a Value>,
    ) -> BoxFuture<'a, Result<Reply, GitHubError>> {
        async move { self.send_until_done(method, call, etag, body).await }.boxed()
    }

    async fn send_until_done(
        &self,
        method: Method,
        call: &Call,
        etag: Option<&HeaderValue>,
        body: Option<&Value>,
    ) -> Result<Reply, GitHubError> {
        let account = self.account(&call.who).await?;
        // What made something may have made it although no answer came; the next pass sees.
        let again = method != Method::POST || call.route == graphql::ROUTE;
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(RETRY_WAIT)
            .with_jitter()
            .with_max_times(if again { self.retries } else { 0 })
            .build();
        let mut renewed = false;
        loop {
            let skew = self.skew();
            match self.send_once(account, &method, call, etag, body).await {
                // An installation's token can end early, and a JSON Web Token is refused by a clock that differs.
                Err(GitHubError::Unauthorized)
                    if !renewed && self.identity.renew(account, skew != self.skew()).await =>
                {
                    renewed = true;
                    self.budget().renewed(account);
                }
                Err(error) if error.may_pass() => match waits.next() {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(error),
                },
                outcome => return outcome,
            }
        }
    }

    async fn send_once(
        &self,
        account: Account,
        method: &Method,
        call: &Call,
        etag: Option<&HeaderValue>,
        body: Option<&Value>,
    ) -> Result<Reply, GitHubError> {
        let token = self.bearer(account).await?;
        let Ok(_room) = self.room.acquire().await else { return Err(GitHubError::TimedOut) };
        if self.hanging() {
            return Err(GitHubError::TimedOut);
        }
        let leave = self.leave(account, method, call)?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| GitHubError::Unauthorized)?;
        authorization.set_sensitive(true);
        let mut request = self
            .http
            .request(method.clone(), call.url.clone())
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", API_VERSION);
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let outcome = self.read(request, call, etag.is_some()).await;
        let (reply, refused) = match outcome {
            Ok(both) => both,
            Err(error) => {
                self.traffic.ended(call.route, Ended::Unreachable);
                leave.counted(None);
                return Err(error);
            }
        };
        leave.answered(&reply);
        match refused {
            None => {
                let unchanged = reply.status == StatusCode::NOT_MODIFIED;
                self.traffic
                    .ended(call.route, if unchanged { Ended::Unchanged } else { Ended::Done });
                let now = self.now();
                self.budget().succeeded(account, now);
                Ok(reply)
            }
            Some(Refusal::Told(told)) => {
                self.traffic.ended(call.route, Ended::Limited);
                let (resource, now) = (resource(call), self.now());
                let until = self.budget().told(account, resource, told, now);
                Err(match told {
                    Told::Credential => GitHubError::Unauthorized,
                    _ => GitHubError::RateLimited { until },
                })
            }
            Some(Refusal::Error(error)) => {
                let failed = matches!(error, GitHubError::Server(_));
                self.traffic.ended(call.route, if failed { Ended::Failed } else { Ended::Refused });
                Err(error)
            }
        }
    }

    /// Sends and reads the whole answer, and sorts it.
    async fn read(
        &self,
        request: reqwest::RequestBuilder,
        call: &Call,
        conditional: bool,
    ) -> Result<(Reply, Option<Refusal>), GitHubError> {
        let mut response = request.send().await.map_err(|error| self.network(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        self.note_time(&headers);
        if status.is_success() && response.url() != &call.url {
            self.moved.store(true, Ordering::Relaxed);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.network(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(GitHubError::Malformed(format!(
                    "it is larger than {MAX_ANSWER} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        let fine = status.is_success() || (status == StatusCode::NOT_MODIFIED && conditional);
        let refused = (!fine).then(|| refusal(status, &headers, &body, self.now()));
        Ok((Reply { status, headers, body }, refused))
    }

    fn leave(
        &self,
        account: Account,
        method: &Method,
        call: &Call,
    ) -> Result<Leave<'_>, GitHubError> {
        let reads = *method == Method::GET || call.route == graphql::ROUTE;
        let points = if reads { 1 } else { 5 };
        let (resource, now) = (resource(call), self.now());
        match self.budget().admit(account, resource, call.priority, points, now) {
            Ok(()) => Ok(Leave { client: self, account, resource, used: false }),
            Err(Held { until, cause, why }) => Err(match cause {
                Cause::Kept => GitHubError::PutOff { until, why },
                Cause::Limit => GitHubError::RateLimited { until },
                Cause::Credential => GitHubError::Unauthorized,
            }),
        }
    }

    fn note_time(&self, headers: &HeaderMap) {
        let told = headers.get(header::DATE).and_then(|value| value.to_str().ok());
        let Some(told) = told.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()) else { return };
        let skew = told.timestamp().duration_since(self.clock.now()).as_secs();
        let skew = if skew.abs() <= SAME_TIME { 0 } else { skew };
        self.skew.store(skew, Ordering::Relaxed);
    }

    fn hanging(&self) -> bool {
        let until = *self.hanging_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| self.clock.now() < until)
    }

    fn network(&self, error: &reqwest::Error) -> GitHubError {
        if !error.is_timeout() {
            return GitHubError::Network(transport::causes(error));
        }
        let until = self.clock.now().saturating_add(HANGING).ok();
        *self.hanging_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        GitHubError::TimedOut
    }
}

/// Leave to send one request. Given back when it is dropped, so that a request that is broken off does not count for ever.
struct Leave<'a> {
    client: &'a GitHubClient,
    account: Account,
    resource: Resource,
    used: bool,
}

impl Leave<'_> {
    fn answered(self, reply: &Reply) {
        let number = |name: &str| reply.headers.get(name)?.to_str().ok()?.trim().parse().ok();
        let limit = || {
            let reset = i64::try_from(number("x-ratelimit-reset")?).ok()?;
            Some(Limit {
                limit: number("x-ratelimit-limit")?,
                remaining: number("x-ratelimit-remaining")?,
                reset: Timestamp::from_second(reset).ok()?,
            })
        };
        let (limit, counted) = (limit(), reply.status != StatusCode::NOT_MODIFIED);
        self.over(limit, counted);
    }

    /// No answer came: it may have counted.
    fn counted(self, limit: Option<Limit>) {
        self.over(limit, true);
    }

    fn over(mut self, limit: Option<Limit>, counted: bool) {
        self.used = true;
        let now = self.client.now();
        self.client.budget().answered(self.account, self.resource, limit, counted, now);
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if !self.used {
            let now = self.client.now();
            self.client.budget().answered(self.account, self.resource, None, false, now);
        }
    }
}

fn resource(call: &Call) -> Resource {
    if call.route == graphql::ROUTE { Resource::Graphql } else { Resource::Core }
}

pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, GitHubError> {
    serde_json::from_slice(body).map_err(|error| {
        let html = body.trim_ascii_start().starts_with(b"<");
        GitHubError::Malformed(if html { "it is HTML".to_owned() } else { error.to_string() })
    })
}
