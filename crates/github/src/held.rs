//! Answers held for conditional requests: GitHub answers 304 to a request that names the version we hold, and that costs
//! nothing of the primary limit (docs: "Best practices for using the REST API").
//!
//! Invariant: bounded in bytes; what was not asked for longest goes first. Losing an answer costs one full request.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use lru::LruCache;
use reqwest::Url;

use super::budget::Account;
use super::page::Next;

/// Largest answer that is held, in bytes.
const LARGEST: usize = 128 << 10;
/// Most bytes of answers that are held.
const MOST: usize = 8 << 20;

/// A successful answer, reduced to the fields that we read.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) body: Arc<[u8]>,
    pub(super) next: Next,
    /// Where it came from.
    pub(super) from: Url,
}

/// The answers by account and URL, each with the version GitHub gave it. Different accounts see different things.
pub(super) struct HeldAnswers(Mutex<Held>);

struct Held {
    answers: LruCache<(Account, String), (HeaderValue, Answer)>,
    bytes: usize,
}

impl HeldAnswers {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Held { answers: LruCache::unbounded(), bytes: 0 }))
    }

    /// The answer held for `url` as `account` sees it, with its version.
    pub(super) fn of(&self, account: Account, url: &Url) -> Option<(HeaderValue, Answer)> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.answers.get(&(account, url.to_string())).cloned()
    }

    /// Holds an answer, unless it is too large.
    pub(super) fn hold(&self, account: Account, url: &Url, version: HeaderValue, answer: Answer) {
        if answer.body.len() > LARGEST {
            return;
        }
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.bytes += answer.body.len();
        if let Some((_, (_, old))) =
            held.answers.push((account, url.to_string()), (version, answer))
        {
            held.bytes -= old.body.len();
        }
        while held.bytes > MOST {
            let Some((_, (_, oldest))) = held.answers.pop_lru() else { return };
            held.bytes -= oldest.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_stays_within_its_bound_and_the_latest_stays() {
        let held = HeldAnswers::new();
        let url = |number: usize| Url::parse(&format!("http://h/{number}")).unwrap();
        let keep = |number: usize, size: usize| {
            let answer = Answer { body: vec![0; size].into(), next: Next::Last, from: url(0) };
            held.hold(Account::User, &url(number), HeaderValue::from_static("\"v\""), answer);
        };
        let bytes = || held.0.lock().unwrap().bytes;
        keep(0, 131_072 + 1);
        assert!(held.of(Account::User, &url(0)).is_none());
        keep(1, 100);
        keep(1, 200);
        assert_eq!(bytes(), 200, "a new version replaces the old");
        for number in 2..200 {
            keep(number, 131_072);
            assert!(bytes() <= 8_388_608);
        }
        assert_eq!(bytes(), 8_388_608, "as many as there is room for");
        let there = |number| held.of(Account::User, &url(number)).is_some();
        assert_eq!([1, 135, 136, 199].map(there), [false, false, true, true]);
        assert!(held.of(Account::App, &url(199)).is_none(), "another account sees other things");
        keep(200, 131_072);
        // What was looked at is kept longest: 136 was, a moment ago.
        assert_eq!([136, 137].map(there), [true, false]);
    }
}
