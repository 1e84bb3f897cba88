//! The latest runners that are gone, with what they printed: a cache for people who ask "what happened just now", also while the
//! file cannot be written.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use mayfly_common::api::Finished;

/// How many are kept.
pub(super) const KEPT: u32 = 50;
/// How much of a log is kept, in bytes; its end counts.
const KEPT_LOG: usize = 16 << 10;

/// Runners that are gone, newest first.
#[derive(Default)]
pub(super) struct History {
    gone: VecDeque<(Finished, Arc<str>)>,
}

impl History {
    pub(super) fn add(&mut self, finished: &Finished, log: &str) {
        self.gone.push_front((finished.clone(), Self::end_of(log).into()));
        self.gone.truncate(KEPT as usize);
    }

    /// What an earlier process left, the latest first.
    pub(super) fn load(&mut self, gone: Vec<Finished>) {
        self.gone.extend(gone.into_iter().map(|finished| (finished, Arc::from(""))));
        self.gone.truncate(KEPT as usize);
    }

    /// As much of a log as is kept, in whole lines where it has any: who follows it goes on behind a line.
    pub(super) fn end_of(log: &str) -> &str {
        let over = log.len().saturating_sub(KEPT_LOG);
        let end = &log[log.ceil_char_boundary(over)..];
        if over == 0 || log.as_bytes()[over - 1] == b'\n' {
            return end;
        }
        let whole = end.split_once('\n').map(|(_, whole)| whole).filter(|whole| !whole.is_empty());
        whole.unwrap_or(end)
    }

    /// The pool that a runner was of.
    pub(super) fn pool_of(&self, runner: &str) -> Option<&str> {
        let gone = self.gone.iter().find(|(finished, _)| finished.name == runner);
        gone.map(|(finished, _)| finished.pool.as_str())
    }

    pub(super) fn latest(&self) -> Vec<Finished> {
        self.gone.iter().map(|(finished, _)| finished.clone()).collect()
    }

    pub(super) fn logs(&self) -> BTreeMap<String, Arc<str>> {
        self.gone
            .iter()
            .filter(|(_, log)| !log.is_empty())
            .rev()
            .map(|(finished, log)| (finished.name.clone(), Arc::clone(log)))
            .collect()
    }
}

#[cfg(test)]
mod tests;
