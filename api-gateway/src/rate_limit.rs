//! How often a client may call.
//!
//! Invariants: a bucket belongs to a key only after that key was found to be one of ours, else to the client's address,
//! so no header a stranger writes makes a new bucket; an IPv6 client is its /64, which is what one customer gets.
//! Webhooks have limits of their own (see `webhook`).
//! Buckets that are full again are forgotten every [`TIDY_EVERY`], so memory follows the number of present clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
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

use crate::auth::KeyId;
use crate::config::Config;
use crate::edge::{Caller, is_probe};
use crate::gateway::Gateway;

/// How often buckets that are full again are forgotten.
pub const TIDY_EVERY: Duration = Duration::from_mins(1);

/// How often what may cost a request to GitHub may be asked for in the long run, and at once.
const COSTLY_PERIOD: Duration = Duration::from_secs(1);
const COSTLY_BURST: u32 = 20;

/// Who shares a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Everybody who shows this key.
    Key(KeyId),
    /// Everybody at this address: all requests when no key is asked for, else those that show a wrong one.
    Address(IpAddr),
    /// Everybody at this address, on routes that ask for no key.
    Public(IpAddr),
}

/// Finds the bucket of a request that has passed authentication.
#[derive(Debug, Clone, Copy)]
pub struct ByCaller;

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

/// The limit, shared by the layer and the tidying task.
pub(crate) type Limits = Arc<GovernorConfig<ByCaller, NoOpMiddleware<QuantaInstant>>>;

/// The limit that `config` describes.
pub(crate) fn limits(config: &Config) -> Limits {
    // Not `per_second`: that takes the seconds per request, not the requests per second.
    let interval = 1_000_000_000 / u64::from(config.rate_per_second.get());
    let mut builder = GovernorConfigBuilder::default();
    builder.period(Duration::from_nanos(interval)).burst_size(config.rate_burst.get());
    let limits = builder.key_extractor(ByCaller).finish();
    Arc::new(
        limits.expect("a billion over at most a million is not zero, and neither is the burst"),
    )
}

/// The limit on what may cost a request to GitHub: one per second, and some at once.
pub(crate) fn costly() -> Limits {
    let mut builder = GovernorConfigBuilder::default();
    builder.period(COSTLY_PERIOD).burst_size(COSTLY_BURST);
    let limits = builder.key_extractor(ByCaller).finish();
    Arc::new(limits.expect("neither the period nor the burst is zero"))
}

/// Takes one from the quota of `bucket`.
///
/// Errors: 429 if there is none left.
pub(crate) fn draw(gateway: &Gateway, limits: &Limits, bucket: &Bucket) -> Result<(), Problem> {
    limits.limiter().check_key(bucket).map_err(|refusal| {
        gateway.metrics.rate_limited.inc();
        too_many(seconds_until(&refusal))
    })
}

/// Limits the routes that ask for no key, by address; health checks of this machine itself are not limited.
pub(crate) async fn public(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Response {
    let caller = Caller::of(&request);
    let address = caller.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |caller| caller.address);
    let is_own_check = is_probe(request.uri().path()) && address.is_loopback();
    let bucket = Bucket::Public(fold(address));
    if !is_own_check && let Err(problem) = draw(&gateway, &gateway.limits, &bucket) {
        return HttpProblem(problem).into_response();
    }
    next.run(request).await
}

/// The layer that enforces the limit.
pub(crate) fn layer(
    gateway: &Gateway,
) -> GovernorLayer<ByCaller, NoOpMiddleware<QuantaInstant>, Body> {
    let metrics = Arc::clone(&gateway.metrics);
    GovernorLayer::new(Arc::clone(&gateway.limits)).error_handler(move |error| -> Response {
        if let GovernorError::TooManyRequests { wait_time, .. } = error {
            metrics.rate_limited.inc();
            // The wait is rounded down; a client that obeyed would come too early.
            return HttpProblem(too_many(wait_time + 1)).into_response();
        }
        tracing::error!(%error, "the rate limiter failed");
        HttpProblem(Problem::internal()).into_response()
    })
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

/// The address whose quota counts: IPv4 as it is, IPv6 by its /64.
pub(crate) fn fold(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Forgets full buckets every [`TIDY_EVERY`], for ever: drop the future to stop.
pub(crate) async fn tidy(gateway: &Gateway) {
    let mut ticks = tokio::time::interval(TIDY_EVERY);
    loop {
        ticks.tick().await;
        for limits in [&gateway.limits, &gateway.costly] {
            limits.limiter().retain_recent();
            limits.limiter().shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn ipv6_counts_by_its_64_and_mapped_ipv4_as_ipv4() {
        let folded = |text: &str| fold(text.parse().unwrap()).to_string();
        assert_eq!(folded("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(folded("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(folded("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(folded("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn twenty_per_second_means_twenty_per_second() {
        let config = Config { rate_burst: NonZeroU32::MIN, ..Config::default() };
        let limits = limits(&config);
        let bucket = Bucket::Key(KeyId(1));
        limits.limiter().check_key(&bucket).unwrap();
        let refusal = limits.limiter().check_key(&bucket).unwrap_err();
        let wait = refusal.wait_time_from(DefaultClock::default().now());
        assert!(wait <= Duration::from_millis(50), "{wait:?}");
        assert_eq!(seconds_until(&refusal), 1);
    }

    #[test]
    fn one_per_second_means_one_per_second() {
        let one = NonZeroU32::MIN;
        let limits = limits(&Config { rate_per_second: one, rate_burst: one, ..Config::default() });
        let bucket = Bucket::Key(KeyId(1));
        limits.limiter().check_key(&bucket).unwrap();
        let refusal = limits.limiter().check_key(&bucket).unwrap_err();
        let wait = refusal.wait_time_from(DefaultClock::default().now());
        assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1), "{wait:?}");
    }

    #[test]
    fn what_costs_requests_to_github_is_one_a_second_and_twenty_at_once() {
        let (limits, bucket) = (costly(), Bucket::Key(KeyId(1)));
        for _ in 0..20 {
            limits.limiter().check_key(&bucket).unwrap();
        }
        let refusal = limits.limiter().check_key(&bucket).unwrap_err();
        let wait = refusal.wait_time_from(DefaultClock::default().now());
        assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1), "{wait:?}");
        assert!(limits.limiter().check_key(&Bucket::Key(KeyId(2))).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn full_buckets_are_forgotten_every_minute() {
        let many = NonZeroU32::new(1_000_000).unwrap();
        let gateway =
            Gateway::new(&Config { rate_per_second: many, rate_burst: many, ..Config::default() });
        let tidying = gateway.clone();
        let tidying = tokio::spawn(async move { tidy(&tidying).await });
        let draw = || draw(&gateway, &gateway.limits, &Bucket::Key(KeyId(1))).unwrap();
        draw();
        tokio::task::yield_now().await;
        // A bucket is full again after a microsecond of the clock on the wall.
        for _ in 0..2 {
            draw();
            tokio::time::sleep(Duration::from_secs(59)).await;
            assert_eq!(gateway.limits.limiter().len(), 1);
            tokio::time::sleep(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
            assert_eq!(gateway.limits.limiter().len(), 0);
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
