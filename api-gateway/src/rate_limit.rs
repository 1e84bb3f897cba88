//! How often a client may call.
//!
//! Invariants: a bucket belongs to a key only after that key was found to be one of ours, else to the client's address,
//! so no header a stranger writes makes a new bucket; an IPv6 client is its /64, which is what one customer gets.
//! Webhooks have limits of their own (see `webhook`).
//! Buckets that are full again are forgotten every [`TIDY_EVERY`], so memory follows the number of present clients.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use governor::NotUntil;
use governor::clock::{Clock as _, DefaultClock, QuantaInstant};
use governor::middleware::NoOpMiddleware;
use http::StatusCode;
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use crate::api_keys::KeyId;
use crate::caller::Caller;
use crate::client_address::fold;
use crate::metrics::Metrics;
use crate::paths::is_probe;

/// How often buckets that are full again are forgotten.
pub(crate) const TIDY_EVERY: Duration = Duration::from_mins(1);

/// How often what may cost a request to GitHub may be asked for in the long run, and at once.
const COSTLY_PERIOD: Duration = Duration::from_secs(1);
const COSTLY_BURST: u32 = 20;

/// Who shares a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bucket {
    /// Everybody who shows this key.
    Key(KeyId),
    /// Everybody at this address: all requests when no key is asked for, else those that show a wrong one.
    Address(IpAddr),
    /// Everybody at this address, on routes that ask for no key.
    Public(IpAddr),
}

/// Finds the bucket of a request that has passed authentication.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByCaller;

impl KeyExtractor for ByCaller {
    type Key = Bucket;

    fn extract<T>(&self, request: &http::Request<T>) -> Result<Bucket, GovernorError> {
        Ok(Bucket::of(Caller::of(request)))
    }
}

impl Bucket {
    /// The bucket of a caller: its key's, else its address'.
    pub(crate) fn of(caller: Option<&Caller>) -> Self {
        let key = caller.and_then(|caller| caller.key).map(Self::Key);
        key.unwrap_or_else(|| Self::of_address(caller))
    }

    /// The bucket of an address; one for all whose address is not known.
    pub(crate) fn of_address(caller: Option<&Caller>) -> Self {
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self::Address(caller.map_or(unknown, |caller| fold(caller.address)))
    }
}

/// One limit with its buckets, shared by the layer and the tidying task.
type Limit = Arc<GovernorConfig<ByCaller, NoOpMiddleware<QuantaInstant>>>;

/// The limits, and the metric that counts what they refuse.
pub(crate) struct RateLimits {
    /// On every request.
    requests: Limit,
    /// On what may cost a request to GitHub.
    costly: Limit,
    metrics: Arc<Metrics>,
}

impl RateLimits {
    /// Limits of `per_second` requests per second on average, and `burst` at once.
    pub(crate) fn new(per_second: NonZeroU32, burst: NonZeroU32, metrics: Arc<Metrics>) -> Self {
        // A billion over at most a million is not zero.
        let period = Duration::from_nanos(1_000_000_000 / u64::from(per_second.get()));
        let costly = NonZeroU32::new(COSTLY_BURST).expect("not zero");
        Self { requests: limit(period, burst), costly: limit(COSTLY_PERIOD, costly), metrics }
    }

    /// Takes one request from the quota of `bucket`.
    ///
    /// Errors: 429 if there is none left.
    pub(crate) fn draw(&self, bucket: &Bucket) -> Result<(), Problem> {
        self.take(&self.requests, bucket)
    }

    /// Takes one request that may cost a request to GitHub from the quota of `bucket`.
    ///
    /// Errors: 429 if there is none left.
    pub(crate) fn draw_costly(&self, bucket: &Bucket) -> Result<(), Problem> {
        self.take(&self.costly, bucket)
    }

    fn take(&self, limit: &Limit, bucket: &Bucket) -> Result<(), Problem> {
        limit.limiter().check_key(bucket).map_err(|refusal| {
            self.metrics.rate_limited.inc();
            too_many(seconds_until(&refusal))
        })
    }

    /// The layer that limits requests by their caller.
    pub(crate) fn layer(&self) -> GovernorLayer<ByCaller, NoOpMiddleware<QuantaInstant>, Body> {
        let metrics = Arc::clone(&self.metrics);
        GovernorLayer::new(Arc::clone(&self.requests)).error_handler(move |error| -> Response {
            if let GovernorError::TooManyRequests { wait_time, .. } = error {
                metrics.rate_limited.inc();
                // The wait is rounded down; a client that obeyed would come too early.
                return HttpProblem(too_many(wait_time + 1)).into_response();
            }
            tracing::error!(%error, "the rate limiter failed");
            HttpProblem(Problem::internal()).into_response()
        })
    }

    /// Forgets full buckets every [`TIDY_EVERY`], for ever: drop the future to stop.
    pub(crate) async fn tidy(&self) {
        let mut ticks = tokio::time::interval(TIDY_EVERY);
        loop {
            ticks.tick().await;
            for limit in [&self.requests, &self.costly] {
                limit.limiter().retain_recent();
                limit.limiter().shrink_to_fit();
            }
        }
    }
}

/// One request every `period` in the long run, and `burst` at once.
fn limit(period: Duration, burst: NonZeroU32) -> Limit {
    let mut builder = GovernorConfigBuilder::default();
    // Not `per_second`: that takes the seconds per request, not the requests per second.
    builder.period(period).burst_size(burst.get());
    let limit = builder.key_extractor(ByCaller).finish();
    Arc::new(limit.expect("neither the period nor the burst is zero"))
}

/// Limits the routes that ask for no key, by address; health checks of this machine itself are not limited.
pub(crate) async fn public(
    State(limits): State<Arc<RateLimits>>,
    request: Request,
    next: Next,
) -> Response {
    let caller = Caller::of(&request);
    let address = caller.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |caller| caller.address);
    let is_own_check = is_probe(request.uri().path()) && address.is_loopback();
    let bucket = Bucket::Public(fold(address));
    if !is_own_check && let Err(problem) = limits.draw(&bucket) {
        return HttpProblem(problem).into_response();
    }
    next.run(request).await
}

/// 429, to be tried again in `seconds`.
pub(crate) fn too_many(seconds: u64) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests")
        .with_detail("Wait for as long as Retry-After says.")
        .with_retry_after(seconds)
}

/// How long until a refused request would be taken, in whole seconds, rounded up.
pub(crate) fn seconds_until(refusal: &NotUntil<QuantaInstant>) -> u64 {
    refusal.wait_time_from(DefaultClock::default().now()).as_secs() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_second: u32, burst: u32) -> RateLimits {
        let [per_second, burst] = [per_second, burst].map(|n| NonZeroU32::new(n).unwrap());
        RateLimits::new(per_second, burst, Arc::new(Metrics::new()))
    }

    /// How long a bucket that is used up waits for the next request.
    fn wait(limit: &Limit, bucket: &Bucket) -> Duration {
        let refusal = limit.limiter().check_key(bucket).unwrap_err();
        assert_eq!(seconds_until(&refusal), 1);
        refusal.wait_time_from(DefaultClock::default().now())
    }

    #[test]
    fn twenty_per_second_means_twenty_per_second() {
        let (limits, bucket) = (limits(20, 1), Bucket::Key(KeyId(1)));
        limits.draw(&bucket).unwrap();
        let wait = wait(&limits.requests, &bucket);
        assert!(wait <= Duration::from_millis(50), "{wait:?}");
    }

    #[test]
    fn one_per_second_means_one_per_second() {
        let (limits, bucket) = (limits(1, 1), Bucket::Key(KeyId(1)));
        limits.draw(&bucket).unwrap();
        let wait = wait(&limits.requests, &bucket);
        assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1), "{wait:?}");
    }

    #[test]
    fn what_costs_requests_to_github_is_one_a_second_and_twenty_at_once() {
        let (limits, bucket) = (limits(1_000, 1_000), Bucket::Key(KeyId(1)));
        for _ in 0..20 {
            limits.draw_costly(&bucket).unwrap();
        }
        let wait = wait(&limits.costly, &bucket);
        assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1), "{wait:?}");
        assert!(limits.draw_costly(&Bucket::Key(KeyId(2))).is_ok());
        assert!(limits.draw(&bucket).is_ok(), "the other limit is another one");
    }

    #[test]
    fn every_refusal_is_counted() {
        let (limits, bucket) = (limits(1, 1), Bucket::Key(KeyId(1)));
        limits.draw(&bucket).unwrap();
        assert_eq!(limits.metrics.rate_limited.get(), 0);
        limits.draw(&bucket).unwrap_err();
        for _ in 0..21 {
            let _ = limits.draw_costly(&bucket);
        }
        assert_eq!(limits.metrics.rate_limited.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn full_buckets_are_forgotten_every_minute() {
        let limits = Arc::new(limits(1_000_000, 1_000_000));
        let tidying = Arc::clone(&limits);
        let tidying = tokio::spawn(async move { tidying.tidy().await });
        let known = |limit: &Limit| limit.limiter().len();
        let draw = || {
            limits.draw(&Bucket::Key(KeyId(1))).unwrap();
            limits.costly.limiter().check_key(&Bucket::Key(KeyId(1))).unwrap();
        };
        draw();
        tokio::task::yield_now().await;
        // A bucket is full again after a microsecond of the clock on the wall; a costly one takes a second.
        for _ in 0..2 {
            draw();
            tokio::time::sleep(Duration::from_secs(59)).await;
            assert_eq!((known(&limits.requests), known(&limits.costly)), (1, 1));
            tokio::time::sleep(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
            assert_eq!((known(&limits.requests), known(&limits.costly)), (0, 1));
        }
        tidying.abort();
    }

    #[test]
    fn who_draws_and_what_from() {
        let caller = |key| Caller {
            id: "id".parse().unwrap(),
            address: "2001:db8::1".parse().unwrap(),
            key,
        };
        let address = |text: &str| Bucket::Address(text.parse().unwrap());
        assert_eq!(Bucket::of(Some(&caller(Some(KeyId(7))))), Bucket::Key(KeyId(7)));
        assert_eq!(Bucket::of_address(Some(&caller(Some(KeyId(7))))), address("2001:db8::"));
        assert_eq!(Bucket::of(Some(&caller(None))), address("2001:db8::"));
        assert_eq!(Bucket::of(None), address("0.0.0.0"));
    }
}
