//! The latest runners that are gone, with what they printed. A cache for people who ask "what happened just now".

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use mayfly_common::api::Finished;

/// How many are kept.
const KEPT: usize = 50;
/// How much of a log is kept, in bytes; its end counts.
const KEPT_LOG: usize = 16 << 10;

/// Runners that are gone, newest first.
#[derive(Default)]
pub(super) struct History {
    gone: VecDeque<(Finished, Arc<str>)>,
}

impl History {
    pub(super) fn add(&mut self, finished: Finished, log: &str) {
        let cut = log.len().saturating_sub(KEPT_LOG);
        let start = (cut..log.len()).find(|index| log.is_char_boundary(*index)).unwrap_or(cut);
        self.gone.push_front((finished, log[start..].into()));
        self.gone.truncate(KEPT);
    }

    pub(super) fn latest(&self) -> Vec<Finished> {
        self.gone.iter().map(|(finished, _)| finished.clone()).collect()
    }

    pub(super) fn logs(&self) -> BTreeMap<String, Arc<str>> {
        self.gone
            .iter()
            .rev()
            .map(|(finished, log)| (finished.name.clone(), Arc::clone(log)))
            .collect()
    }
}
