//! Which refusals are logged.
//!
//! Invariants: whoever sends what, an address costs at most one line per [`QUIET`], all addresses together at most
//! [`MOST_LINES`] in that time, and at most [`MOST`] addresses are remembered.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

/// How long nothing more is logged of an address.
pub(crate) const QUIET: Duration = Duration::from_mins(1);
/// Most lines in that time.
const MOST_LINES: u32 = 100;
/// Most addresses remembered.
const MOST: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// What decides whether a refusal gets a log line.
pub(crate) struct RefusalLog(Mutex<Memory>);

struct Memory {
    records: LruCache<IpAddr, Record>,
    /// When the present count of lines began.
    since: Option<Instant>,
    lines: u32,
}

struct Record {
    logged: Instant,
    unlogged: u32,
}

impl RefusalLog {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Memory { records: LruCache::new(MOST), since: None, lines: 0 }))
    }

    /// Counts a refusal. If it is to be logged: how many of this address were not, since the last one that was.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) -> Option<u32> {
        // Nothing panics while it holds the lock, and no value is half written.
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = memory.records.get_mut(&address)
            && now.duration_since(record.logged) < QUIET
        {
            record.unlogged = record.unlogged.saturating_add(1);
            return None;
        }
        if memory.since.is_none_or(|since| now.duration_since(since) >= QUIET) {
            (memory.since, memory.lines) = (Some(now), 0);
        }
        if memory.lines >= MOST_LINES {
            return None;
        }
        memory.lines += 1;
        let known = memory.records.put(address, Record { logged: now, unlogged: 0 });
        Some(known.map_or(0, |record| record.unlogged))
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
    fn an_address_is_logged_once_a_minute_with_what_was_not() {
        let refusals = RefusalLog::new();
        let start = Instant::now();
        assert_eq!(refusals.count(address(1), start), Some(0));
        for second in 0..60 {
            assert_eq!(refusals.count(address(1), start + Duration::from_secs(second)), None);
        }
        assert_eq!(refusals.count(address(2), start), Some(0), "somebody else");
        let minute = Duration::from_mins(1);
        assert_eq!(refusals.count(address(1), start + minute), Some(60));
        assert_eq!(refusals.count(address(1), start + minute * 2), Some(0));
    }

    #[test]
    fn many_addresses_cost_neither_lines_nor_memory_without_end() {
        let refusals = RefusalLog::new();
        let start = Instant::now();
        let lines = |from: u32, now| {
            (from..from + 20_000).filter_map(|n| refusals.count(address(n), now)).count()
        };
        assert_eq!(lines(0, start), 100);
        assert_eq!(lines(20_000, start + Duration::from_secs(59)), 0);
        for minute in 1..=50 {
            let now = start + Duration::from_secs(60 * u64::from(minute));
            assert_eq!(lines(20_000 * minute, now), 100);
        }
        assert_eq!(refusals.0.lock().unwrap().records.len(), 4096);
    }
}
