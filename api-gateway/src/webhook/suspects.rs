//! Addresses that sent wrong signatures, or bodies that came too slowly or broke off; the more room these held, the more they count.
//!
//! Invariant: at most [`MOST`] addresses are remembered, whoever sends what; the ones that have been quiet for longest are
//! forgotten first.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

/// Wrong signatures of one address, on small bodies, that are answered as such per [`WINDOW`].
pub(crate) const QUOTA: u32 = 200;
/// The least number of wrong signatures that a body counts as which came too slowly or broke off: room was held for it.
pub(crate) const SLOW: u32 = 25;
/// The time a quota is for.
const WINDOW: Duration = Duration::from_mins(1);
/// How long nothing more is logged of an address.
const QUIET: Duration = Duration::from_hours(1);
/// Most addresses remembered.
const MOST: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

pub(crate) struct Suspects(Mutex<LruCache<IpAddr, Record>>);

struct Record {
    window: Instant,
    wrong: u32,
    logged: Instant,
}

/// What becomes of the one who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether to log it: once per address and [`QUIET`].
    pub(crate) log: bool,
    /// Seconds until the address has a quota again, if it has used it up.
    pub(crate) wait: Option<u64>,
}

impl Suspects {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }

    /// Counts something of `address` that weighs as much as so many wrong signatures.
    pub(crate) fn count(&self, address: IpAddr, weight: u32, now: Instant) -> Verdict {
        let mut records = self.records();
        let Some(record) = records.get_mut(&address) else {
            records.put(address, Record { window: now, wrong: weight, logged: now });
            return Verdict { log: true, wait: None };
        };
        if now.duration_since(record.window) >= WINDOW {
            (record.window, record.wrong) = (now, 0);
        }
        let log = now.duration_since(record.logged) >= QUIET;
        if log {
            record.logged = now;
        }
        record.wrong = record.wrong.saturating_add(weight);
        let left = (record.window + WINDOW).duration_since(now);
        Verdict { log, wait: (record.wrong > QUOTA).then(|| left.as_secs() + 1) }
    }

    /// True if `address` has used up its quota.
    pub(crate) fn has_none_left(&self, address: IpAddr, now: Instant) -> bool {
        let records = self.records();
        let record = records.peek(&address);
        record.is_some_and(|record| {
            record.wrong >= QUOTA && now.duration_since(record.window) < WINDOW
        })
    }

    fn records(&self) -> MutexGuard<'_, LruCache<IpAddr, Record>> {
        // Nothing panics while it holds the lock, and a record is never half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(number))
    }

    #[test]
    fn an_address_has_its_quota_per_window() {
        let suspects = Suspects::new();
        let start = Instant::now();
        for attempt in 0..QUOTA {
            assert!(!suspects.has_none_left(address(1), start), "{attempt}");
            assert_eq!(suspects.count(address(1), 1, start).wait, None, "{attempt}");
        }
        assert!(suspects.has_none_left(address(1), start));
        let later = start + Duration::from_secs(20);
        assert_eq!(suspects.count(address(1), 1, later).wait, Some(41));
        assert_eq!(suspects.count(address(2), 1, later).wait, None, "somebody else");
        assert!(!suspects.has_none_left(address(3), later));
        let next = start + WINDOW;
        assert!(!suspects.has_none_left(address(1), next));
        assert_eq!(suspects.count(address(1), 1, next).wait, None);
    }

    #[test]
    fn slow_bodies_weigh_more_than_wrong_signatures() {
        let suspects = Suspects::new();
        let now = Instant::now();
        for _ in 0..8 {
            assert!(!suspects.has_none_left(address(1), now));
            suspects.count(address(1), SLOW, now);
        }
        assert!(suspects.has_none_left(address(1), now));
    }

    #[test]
    fn an_address_is_logged_once_in_a_while() {
        let suspects = Suspects::new();
        let start = Instant::now();
        let logged = |address, after| suspects.count(address, 1, start + after).log;
        assert!(logged(address(1), Duration::ZERO));
        assert!(!logged(address(1), Duration::from_mins(5)));
        assert!(logged(address(2), Duration::from_mins(5)));
        assert!(!logged(address(1), Duration::from_secs(3599)));
        assert!(logged(address(1), Duration::from_hours(1)));
        assert!(!logged(address(1), Duration::from_hours(1)));
    }

    #[test]
    fn many_addresses_cost_no_more_memory_than_the_most() {
        let suspects = Suspects::new();
        let now = Instant::now();
        for number in 0..20_000 {
            suspects.count(address(number), 1, now);
        }
        assert_eq!(suspects.records().len(), 4096);
    }
}
