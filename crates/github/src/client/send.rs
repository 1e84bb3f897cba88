//! Sending: with leave of the budget, again where that may help, and what an answer means for those that come after it.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::foreign_text::line;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{GitHubClient, Reply};
use crate::budget::{Account, Cause, Held, Limit, Resource, Told};
use crate::call::{Call, GRAPHQL};
use crate::error::GitHubError;
use crate::refusal::{Refusal, refusal};
use crate::traffic::Ended;
use crate::transport::{NoAnswer, RedirectedTo};

/// Who asks; GitHub refuses requests that do not say so.
const USER_AGENT: &str = concat!("mayfly/", env!("CARGO_PKG_VERSION"));
/// The version of the REST API that we speak (docs: "API versions").
const API_VERSION: &str = "2022-11-28";
/// Largest answer that is read, in bytes. A page of 100 repositories is about half a megabyte.
const MAX_ANSWER: usize = 8 << 20;
/// First wait before the same request is sent again; it doubles, with jitter.
const RETRY_WAIT: Duration = Duration::from_millis(250);
/// After a request that got no answer in time, how long the others are not even tried.
const HANGING: SignedDuration = SignedDuration::from_secs(10);
/// Differences to GitHub's clock up to this are the network's, not the clock's.
const SAME_TIME: i64 = 2;

impl GitHubClient {
    /// Sends a request, again if it may succeed then.
    pub(crate) fn send<'a>(
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
        let again = method != Method::POST || call.route == GRAPHQL;
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(RETRY_WAIT)
            .with_jitter()
            .with_max_times(if again { self.retries } else { 0 })
            .build();
        let mut repeated = false;
        loop {
            let skew = self.skew();
            match self.send_once(account, &method, call, etag, body).await {
                // One 401 may pass by itself, an installation's token can end early, and a JSON Web Token is refused by a clock
                // that differs. Nothing was done, so that even what makes something may be sent again.
                Err(GitHubError::Unauthorized) if !repeated => {
                    repeated = true;
                    if self.identity.renew(account, skew != self.skew()).await {
                        self.budget().renewed(account);
                    }
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
        if let Some(until) = self.hanging_until() {
            let why = "GitHub did not answer another request in time".to_owned();
            return Err(GitHubError::PutOff { until, why });
        }
        let leave = self.leave(account, method, call)?;
        let request = request(&token, method, call, etag, body)?;
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
                let Held { until, why, .. } = self.budget().told(account, resource, told, now);
                Err(match told {
                    Told::Credential => GitHubError::Unauthorized,
                    _ => GitHubError::RateLimited { until, why },
                })
            }
            Some(Refusal::Error(error)) => {
                let failed = matches!(error, GitHubError::Server(_));
                self.traffic.ended(call.route, if failed { Ended::Failed } else { Ended::Refused });
                Err(self.named(account, error).await)
            }
        }
    }

    /// The error with the installation's name, if it is that the installation was suspended since its token was made.
    async fn named(&self, account: Account, error: GitHubError) -> GitHubError {
        match (account, error) {
            (Account::Installation(id), GitHubError::Forbidden(said)) if is_suspension(&said) => {
                self.suspended(id).await
            }
            (_, error) => error,
        }
    }

    /// Sends and reads the whole answer, and sorts it.
    async fn read(
        &self,
        request: Request<Bytes>,
        call: &Call,
        conditional: bool,
    ) -> Result<(Reply, Option<Refusal>), GitHubError> {
        let response = self.transport.send(request).await.map_err(|error| self.network(error))?;
        let (head, mut pieces) = response.into_parts();
        let (status, headers) = (head.status, head.headers);
        let url = head.extensions.get::<RedirectedTo>().map_or(&call.url, |to| &to.0).clone();
        self.note_answer(&headers);
        // What is unchanged is compared with where it was when it was held.
        if status.is_success() && url != call.url {
            self.moved.store(true, Ordering::Relaxed);
        }
        let mut body = Vec::new();
        while let Some(piece) = pieces.try_next().await.map_err(|error| self.network(error))? {
            if body.len() + piece.len() > MAX_ANSWER {
                return Err(GitHubError::Malformed(format!(
                    "it is larger than {MAX_ANSWER} bytes"
                )));
            }
            body.extend_from_slice(&piece);
        }
        let fine = status.is_success() || (status == StatusCode::NOT_MODIFIED && conditional);
        let refused = (!fine).then(|| refusal(status, &headers, &body, self.now()));
        Ok((Reply { url, status, headers, body }, refused))
    }

    fn leave(
        &self,
        account: Account,
        method: &Method,
        call: &Call,
    ) -> Result<Leave<'_>, GitHubError> {
        let reads = *method == Method::GET || call.route == GRAPHQL;
        let points = if reads { 1 } else { 5 };
        let (resource, now) = (resource(call), self.now());
        match self.budget().admit(account, resource, call.priority, points, now) {
            Ok(()) => Ok(Leave { client: self, account, resource, used: false }),
            Err(Held { until, cause, why }) => Err(match cause {
                Cause::Kept => GitHubError::PutOff { until, why },
                Cause::Limit => GitHubError::RateLimited { until, why },
                Cause::Credential => GitHubError::Unauthorized,
            }),
        }
    }

    fn note_answer(&self, headers: &HeaderMap) {
        *self.answered_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.now());
        let told = headers.get(header::DATE).and_then(|value| value.to_str().ok());
        let Some(told) = told.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()) else { return };
        let skew = told.timestamp().duration_since(self.clock.now()).as_secs();
        let skew = if skew.abs() <= SAME_TIME { 0 } else { skew };
        self.skew.store(skew, Ordering::Relaxed);
    }

    /// Until when nothing is sent, because GitHub did not answer a request in time.
    pub fn hanging_until(&self) -> Option<Timestamp> {
        let until = *self.hanging_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| self.clock.now() < *until)
    }

    fn network(&self, error: NoAnswer) -> GitHubError {
        if let NoAnswer::Failed(why) = error {
            return GitHubError::Network(line(&why));
        }
        let until = self.clock.now().saturating_add(HANGING).ok();
        *self.hanging_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        GitHubError::TimedOut
    }
}

/// The request that `call` and the others describe.
///
/// Errors: the token cannot stand in a header, or the URL in a request.
fn request(
    token: &SecretString,
    method: &Method,
    call: &Call,
    etag: Option<&HeaderValue>,
    body: Option<&Value>,
) -> Result<Request<Bytes>, GitHubError> {
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| GitHubError::Unauthorized)?;
    authorization.set_sensitive(true);
    let mut request = Request::builder()
        .method(method)
        .uri(call.url.as_str())
        .header(header::AUTHORIZATION, authorization)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "application/vnd.github+json")
        .header("X-GitHub-Api-Version", API_VERSION);
    if let Some(etag) = etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    request.body(body).map_err(|error| GitHubError::Network(line(&error.to_string())))
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
    if call.route == GRAPHQL { Resource::Graphql } else { Resource::Core }
}

/// True if GitHub's words say that an installation is suspended ("This installation has been suspended").
fn is_suspension(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("installation") && message.contains("suspended")
}
