//! How many connections there may be, of all and of one address.
//!
//! Invariant: only a trusted proxy has more than [`MOST_OF_ONE`], and no proxy has all, so that one address cannot keep
//! others out.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::client_address::{TrustedProxies, fold};
use crate::refusals::RefusalLog;
use crate::shares::{Share, Shares};

/// Most connections at a time, if there are descriptors for so many.
const MOST: u64 = 2048;
/// Most connections of one address (IPv6: of one /64).
pub(super) const MOST_OF_ONE: usize = 128;
/// Descriptors that are kept for other things: the listener, the log, the runtime.
const KEPT: u64 = 64;
/// Descriptors that a connection can need: its own, and one to the orchestrator.
const EACH: u64 = 2;

pub(super) struct Places {
    most: usize,
    all: Arc<Semaphore>,
    each: Shares<IpAddr>,
    /// Three quarters for each proxy: who calls directly has the rest.
    proxies: Shares<IpAddr>,
    trusted_proxies: TrustedProxies,
    refusals: RefusalLog,
}

/// The part of an address' share that one connection takes.
pub(super) struct Taken(#[expect(dead_code, reason = "held until it is dropped")] Share<IpAddr>);

impl Places {
    /// As many as fit into so many descriptors.
    pub(super) fn new(descriptors: u64, trusted_proxies: TrustedProxies) -> Self {
        let most = (descriptors.saturating_sub(KEPT) / EACH).clamp(1, MOST);
        let most = usize::try_from(most).unwrap_or(1);
        Self {
            most,
            all: Arc::new(Semaphore::new(most)),
            // With few descriptors even one address must not have them all.
            each: Shares::new(MOST_OF_ONE.min(most.div_ceil(2))),
            proxies: Shares::new(most - most / 4),
            trusted_proxies,
            refusals: RefusalLog::new(),
        }
    }

    /// How many connections there may be.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// A place for anybody's connection, as soon as there is one.
    pub(super) async fn any(&self) -> OwnedSemaphorePermit {
        let place = Arc::clone(&self.all).acquire_owned().await;
        place.expect("nobody closes the semaphore")
    }

    /// A connection of `peer`'s share, unless it has used it up. That is logged once per address and minute.
    pub(super) fn of(&self, peer: IpAddr) -> Option<Taken> {
        let (address, is_proxy) = (fold(peer), self.trusted_proxies.contains(peer));
        let share =
            if is_proxy { self.proxies.take(peer.to_canonical()) } else { self.each.take(address) };
        if share.is_none()
            && let Some(unlogged) = self.refusals.count(address, Instant::now())
        {
            let advice = if is_proxy { "" } else { "; a proxy must be named in TRUSTED_PROXIES" };
            tracing::warn!(client = %peer, unlogged, "connection refused: the client has used up its share{advice}");
        }
        share.map(Taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(descriptors: u64, trusted: &str) -> Places {
        Places::new(descriptors, TrustedProxies::parse(trusted).unwrap())
    }

    #[test]
    fn there_are_as_many_as_the_descriptors_allow() {
        for (descriptors, most) in
            [(0, 1), (64, 1), (1024, 480), (4096, 2016), (8192, 2048), (u64::MAX, 2048)]
        {
            assert_eq!(places(descriptors, "").most(), most, "{descriptors}");
        }
    }

    #[test]
    fn an_address_has_its_share_and_a_proxy_a_larger_one() {
        let places = places(u64::MAX, "10.0.0.1");
        let of = |text: &str| places.of(text.parse().unwrap());
        let mut held: Vec<_> = (0..MOST_OF_ONE).map(|_| of("192.0.2.1").unwrap()).collect();
        assert!(of("192.0.2.1").is_none() && of("::ffff:192.0.2.1").is_none());
        assert!(of("192.0.2.2").is_some());
        held.pop();
        assert!(of("192.0.2.1").is_some(), "a connection that ended counts no more");
        let _one: Vec<_> = (0..MOST_OF_ONE).map(|_| of("2001:db8::1").unwrap()).collect();
        assert!(of("2001:db8::2").is_none(), "its whole /64 is one");
        assert!(of("2001:db8:0:1::1").is_some());
        let proxied: Vec<_> = (0..places.most()).map_while(|_| of("::ffff:10.0.0.1")).collect();
        assert_eq!(proxied.len(), places.most() / 4 * 3);
        assert!(of("192.0.2.3").is_some(), "who calls directly has the rest");
    }

    #[test]
    fn with_few_descriptors_one_address_does_not_get_them_all() {
        let places = places(128, "");
        let held: Vec<_> = (0..64).map_while(|_| places.of([192, 0, 2, 1].into())).collect();
        assert_eq!((places.most(), held.len()), (32, 16));
    }
}
