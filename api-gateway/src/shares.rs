//! What each of many may take of something that all share.
//!
//! Invariant: only those who hold something are remembered, so memory follows what is held.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A limit for each key on how much it holds.
pub(crate) struct Shares<K>(Arc<Inner<K>>);

struct Inner<K> {
    most: usize,
    held: Mutex<HashMap<K, usize>>,
}

/// What one holds; given back when it is dropped.
pub(crate) struct Share<K: Copy + Eq + Hash> {
    shares: Arc<Inner<K>>,
    key: K,
    amount: usize,
}

impl<K: Copy + Eq + Hash> Shares<K> {
    /// Nobody may hold more than `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Inner { most, held: Mutex::default() }))
    }

    /// An empty share of `key`, to grow.
    pub(crate) fn of(&self, key: K) -> Share<K> {
        Share { shares: Arc::clone(&self.0), key, amount: 0 }
    }

    /// One more for `key`, unless it holds the most already.
    pub(crate) fn take(&self, key: K) -> Option<Share<K>> {
        let mut share = self.of(key);
        share.grow(1).then_some(share)
    }
}

impl<K: Copy + Eq + Hash> Inner<K> {
    fn held(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        // Nothing panics while it holds the lock, and no value is half written.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Share<K> {
    /// Takes `more`; says whether it could be had. If not, the share stays as it is.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let mut held = self.shares.held();
        let together = held.get(&self.key).copied().unwrap_or_default().saturating_add(more);
        if together > self.shares.most {
            return false;
        }
        if together > 0 {
            held.insert(self.key, together);
        }
        drop(held);
        self.amount += more;
        true
    }

    /// Gives all of it back.
    pub(crate) fn clear(&mut self) {
        let mut held = self.shares.held();
        if let Some(together) = held.get_mut(&self.key) {
            *together = together.saturating_sub(self.amount);
            if *together == 0 {
                held.remove(&self.key);
            }
        }
        drop(held);
        self.amount = 0;
    }
}

impl<K: Copy + Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_and_nobody_more() {
        let shares = Shares::new(2);
        let (first, second) = (shares.take("a").unwrap(), shares.take("a").unwrap());
        assert!(shares.take("a").is_none());
        let mut other = shares.of("b");
        assert!(other.grow(2) && !other.grow(1));
        drop(first);
        let third = shares.take("a").unwrap();
        assert!(shares.take("a").is_none());
        drop((second, third, other));
        assert!(shares.0.held().is_empty(), "who holds nothing is forgotten");
        assert!(!shares.of("c").grow(usize::MAX));
        assert!(shares.0.held().is_empty());
    }
}
