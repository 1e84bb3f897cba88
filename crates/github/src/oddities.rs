//! Entries of GitHub's lists that could not be read: each list's first, until the list is read without one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;

use super::budget::Account;

/// How long one is told of a list that nobody reads any more.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// Most lists that are remembered.
const MOST: usize = 100;
/// Most lists that are named.
const NAMED: usize = 10;

/// The oddities by account and URL.
#[derive(Default)]
pub(super) struct Oddities(Mutex<BTreeMap<(Account, String), Odd>>);

struct Odd {
    line: String,
    at: Timestamp,
}

impl Oddities {
    /// A page was read: `odd` is the first entry that could not be; `still`: it is unchanged and has one.
    pub(super) fn read(
        &self,
        account: Account,
        url: &Url,
        odd: Option<&String>,
        still: bool,
        now: Timestamp,
    ) {
        let mut known = self.known();
        let key = (account, url.to_string());
        match odd {
            Some(what) => {
                let line =
                    format!("{}: an entry cannot be read and is left out: {what}", url.path());
                known.insert(key, Odd { line, at: now });
                if known.len() > MOST
                    && let Some(oldest) =
                        known.iter().min_by_key(|(_, odd)| odd.at).map(|(key, _)| key.clone())
                {
                    known.remove(&oldest);
                }
            }
            None if still => {
                if let Some(odd) = known.get_mut(&key) {
                    odd.at = now;
                }
            }
            None => drop(known.remove(&key)),
        }
    }

    /// All that waits in a repository, whose lists of runs are at `runs`, was read and was readable: what was odd in them, and in the
    /// lists of those runs' jobs, is over, also where the list is not read again.
    pub(super) fn forget_waiting(&self, runs: &Url) {
        let below = format!("{}/", runs.path());
        self.known().retain(|(_, url), _| {
            let Ok(url) = Url::parse(url) else { return true };
            url.path() != runs.path() && !url.path().starts_with(&below)
        });
    }

    /// What could not be read in the last hour, in a few lines.
    pub(super) fn lines(&self, now: Timestamp) -> Vec<String> {
        let mut known = self.known();
        known.retain(|_, odd| now.duration_since(odd.at) < KEPT);
        let mut lines: Vec<String> =
            known.values().take(NAMED).map(|odd| format!("GitHub's list {}", odd.line)).collect();
        if known.len() > NAMED {
            lines.push(format!("so it is with {} more of GitHub's lists", known.len() - NAMED));
        }
        lines
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<(Account, String), Odd>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_list_is_told_of_until_it_is_read_well_and_few_lines_are_told() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let url = |number: usize| Url::parse(&format!("http://h/list/{number}?page=1")).unwrap();
        let odd = "id 7: null where a text should be".to_owned();
        let known = Oddities::default();
        let note = |number, odd, still, second| {
            known.read(Account::User, &url(number), odd, still, at(second));
        };
        note(1, Some(&odd), false, 0);
        note(2, Some(&odd), false, 0);
        let line = "GitHub's list /list/1: an entry cannot be read and is left out: id 7: null where a text should be";
        assert_eq!(known.lines(at(0))[0], line);
        note(1, None, true, 3_599);
        assert_eq!(known.lines(at(3_600)), [line], "the other was not read for an hour");
        note(1, None, false, 3_601);
        assert!(known.lines(at(3_601)).is_empty());
        for number in 0..1_000 {
            note(number, Some(&odd), false, 4_000);
        }
        let lines = known.lines(at(4_000));
        assert_eq!(
            (lines.len(), lines[10].as_str()),
            (11, "so it is with 90 more of GitHub's lists")
        );
    }
}
