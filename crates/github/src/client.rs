//! One request to GitHub, from the leave to send it to what its answer means.
//!
//! Invariants: a credential goes to the configured host and no other; nothing is sent without leave of the [`Budget`]; a GET is
//! conditional wherever an earlier answer is still held, because an unchanged answer (304) costs nothing of the hour's requests;
//! an error is never taken for an empty answer.

#[cfg(test)]
mod priorities;
mod send;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::foreign_text::line;
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::budget::{Account, Budget, Priority};
use super::by_scope::{Groups, Tokens};
use super::call::{self, Call, Who};
use super::error::GitHubError;
use super::held::{Answer, HeldAnswers};
use super::identity::Identity;
use super::oddities::Oddities;
use super::page::{Next, Page, Whole, next_page, numbered};
use super::traffic::Traffic;
use super::transport::Transport;
use super::waiting_runs::WaitingRuns;
use crate::credential::Credential;
use mayfly_common::clock::Clock;

/// Most pages of one list: a list that never ends is an error, not a hang.
const MAX_PAGES: u32 = 200;
/// The largest page GitHub gives.
pub(super) const PER_PAGE: usize = 100;
/// Requests under way at a time. GitHub allows 100, over all that the same user runs (docs: "Rate limits for the REST API").
const CONCURRENT: usize = 20;

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
    /// The settings of a service: half a minute for an answer, two repetitions.
    pub fn new(api_url: Url, credential: Credential, ca: Option<Vec<u8>>) -> Self {
        Self { api_url, credential, ca, timeout: Duration::from_secs(30), retries: 2 }
    }
}

/// Speaks to GitHub with one credential: a user's token, or an App with its installations.
pub struct GitHubClient {
    transport: Transport,
    base: Url,
    graphql: Url,
    retries: usize,
    clock: Arc<dyn Clock>,
    /// GitHub's clock minus ours, in seconds.
    skew: AtomicI64,
    /// When GitHub last answered, by our clock.
    answered_at: Mutex<Option<Timestamp>>,
    held: HeldAnswers,
    budget: Mutex<Budget>,
    room: Semaphore,
    hanging_until: Mutex<Option<Timestamp>>,
    /// True if an answer came from another address than was asked: a repository was renamed.
    moved: AtomicBool,
    traffic: Traffic,
    pub(super) oddities: Oddities,
    pub(super) identity: Identity,
    pub(super) tokens: Tokens,
    pub(super) groups: Groups,
    pub(super) waiting_runs: WaitingRuns,
    pub(super) no_graphql_until: Mutex<std::collections::BTreeMap<Account, Timestamp>>,
}

/// An answer that is a success.
pub(super) struct Reply {
    /// Where it came from: another address than was asked, if the request was redirected.
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl GitHubClient {
    /// A client over the network; nothing is sent yet.
    ///
    /// Errors: TLS cannot be set up, or a certificate cannot be read.
    pub fn new(settings: GitHubSettings, clock: Arc<dyn Clock>) -> Result<Self, GitHubError> {
        let ca = settings.ca.as_deref();
        let transport = Transport::over_network(&settings.api_url, settings.timeout, ca)
            .map_err(|error| GitHubError::Network(error.to_string()))?;
        Ok(Self::over(transport, settings, clock))
    }

    /// A client that sends through `transport`, which knows of time-outs and certificates what it has to.
    pub fn over(transport: Transport, settings: GitHubSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            transport,
            graphql: call::graphql_url(&settings.api_url),
            base: settings.api_url,
            retries: settings.retries,
            clock,
            skew: AtomicI64::new(0),
            answered_at: Mutex::default(),
            held: HeldAnswers::new(),
            budget: Mutex::default(),
            room: Semaphore::new(CONCURRENT),
            hanging_until: Mutex::default(),
            moved: AtomicBool::new(false),
            traffic: Traffic::default(),
            oddities: Oddities::default(),
            identity: Identity::new(settings.credential),
            tokens: Tokens::default(),
            groups: Groups::default(),
            waiting_runs: WaitingRuns::default(),
            no_graphql_until: Mutex::default(),
        }
    }

    /// What was sent, counted.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// What could not be read in GitHub's lists of the last hour, in words: a few lines of bounded length.
    pub fn oddities(&self) -> Vec<String> {
        self.oddities.lines(self.now())
    }

    /// Every limit, and who may spend what is left.
    pub fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if a repository was found under another name than it was asked for, since this was last asked.
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

    /// When GitHub last answered, whatever it said; none before it did.
    pub fn answered_at(&self) -> Option<Timestamp> {
        *self.answered_at.lock().unwrap_or_else(PoisonError::into_inner)
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
        Ok(self.answer(call).await?.0)
    }

    /// GETs one object, whatever is held, with the answer's headers.
    pub(super) async fn get_with_headers<T: DeserializeOwned>(
        &self,
        call: &Call,
    ) -> Result<(T, HeaderMap), GitHubError> {
        let reply = self.send(Method::GET, call, None, None).await?;
        Ok((decode(&reply.body)?, reply.headers))
    }

    /// GETs a list, all pages of it; entries that cannot be read are left out.
    pub(super) async fn get_all<P: Page>(&self, first: Call) -> Result<Vec<P::Item>, GitHubError> {
        Ok(self.get_whole::<P>(first).await?.items)
    }

    /// GETs a list, all pages of it, and counts what cannot be read. A list that changed while it was read, so that entries are
    /// missing, is read once more.
    pub(super) async fn get_whole<P: Page>(
        &self,
        first: Call,
    ) -> Result<Whole<P::Item>, GitHubError> {
        let (list, complete) = self.read_pages::<P>(&first).await?;
        if complete { Ok(list) } else { Ok(self.read_pages::<P>(&first).await?.0) }
    }

    async fn read_pages<P: Page>(
        &self,
        first: &Call,
    ) -> Result<(Whole<P::Item>, bool), GitHubError> {
        let mut all = Whole { items: Vec::new(), unread: 0 };
        let mut call = first.clone();
        for page in 1..=MAX_PAGES {
            let (found, next) = self.get_page::<P>(&call, page).await?;
            let total = found.total();
            all.unread += found.list().odd().len();
            all.items.extend(found.into_items());
            let Some(next) = next else {
                let listed = all.items.len() + all.unread;
                let complete = total.is_none_or(|total| page == 1 || listed as u64 >= total);
                return Ok((all, complete));
            };
            call = first.at(next);
        }
        Err(GitHubError::Malformed(format!("a list has more than {MAX_PAGES} pages")))
    }

    /// GETs page `number` of a list, and tells where the next is. Entries that cannot be read are noted.
    pub(super) async fn get_page<P: Page>(
        &self,
        call: &Call,
        number: u32,
    ) -> Result<(P, Option<Url>), GitHubError> {
        let (page, read) = self.answer::<P>(call).await?;
        let next = match read.next {
            Next::Page(next) => Some(next),
            Next::Unsaid if P::NUMBERED && page.list().len() >= PER_PAGE => {
                Some(numbered(&call.url, number + 1))
            }
            Next::Unsaid | Next::Last => None,
        };
        let account = self.account(&call.who).await?;
        // Of what is held, only that there was something: what it was is noted already.
        let odd = if read.fresh { page.list().odd().first() } else { None };
        let still = !read.fresh && !page.list().odd().is_empty();
        self.oddities.read(account, &call.url, odd, still, self.now());
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
        Call { who, priority, route: call::GRAPHQL, url: self.graphql.clone() }
    }

    /// GETs and reads an answer, or the one that is held if it has not changed.
    async fn answer<T: DeserializeOwned + Serialize>(
        &self,
        call: &Call,
    ) -> Result<(T, Read), GitHubError> {
        let account = self.account(&call.who).await?;
        let held = self.held.of(account, &call.url);
        let version = held.as_ref().map(|(version, _)| version);
        let reply = self.send(Method::GET, call, version, None).await?;
        if let (StatusCode::NOT_MODIFIED, Some((version, answer))) = (reply.status, held) {
            let read = (decode(&answer.body)?, Read { fresh: false, next: answer.next.clone() });
            if answer.from != reply.url {
                self.moved.store(true, Ordering::Relaxed);
                let answer = Answer { from: reply.url, ..answer };
                self.held.hold(account, &call.url, version, answer);
            }
            return Ok(read);
        }
        // Only what we read of it is held: a hundredth of a page of repositories.
        let read: T = decode(&reply.body)?;
        let body =
            serde_json::to_vec(&read).map_err(|error| GitHubError::Malformed(error.to_string()))?;
        let next = next_page(&reply.headers, &self.base)?;
        if let Some(version) = reply.headers.get(header::ETAG) {
            let answer = Answer { body: body.into(), next: next.clone(), from: reply.url };
            self.held.hold(account, &call.url, version.clone(), answer);
        }
        Ok((read, Read { fresh: true, next }))
    }
}

/// How an answer was had.
struct Read {
    /// Whether GitHub sent it just now; else it is unchanged since it was held.
    fresh: bool,
    /// What it says about further pages.
    next: Next,
}

pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, GitHubError> {
    // A byte that is no text spoils the text it is in, and nothing else.
    serde_json::from_str(&String::from_utf8_lossy(body)).map_err(|error| {
        let html = body.trim_ascii_start().starts_with(b"<");
        GitHubError::Malformed(if html {
            "it is HTML".to_owned()
        } else {
            line(&error.to_string())
        })
    })
}
