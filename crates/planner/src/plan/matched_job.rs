//! A queued job with the pools that may take it.

use mayfly_common::job::QueuedJob;
use mayfly_common::scope::Scope;

use crate::policy::PoolPolicy;

/// A job of ours and the pools for it, the best first; none where only a runner made by hand has the labels.
pub(super) struct MatchedJob<'a> {
    pub(super) job: &'a QueuedJob,
    pub(super) pools: Vec<(&'a PoolPolicy, Scope)>,
    /// Those of the pools in whose runner groups GitHub did not fail to assign a job of the repository lately.
    pub(super) likely: Vec<(&'a PoolPolicy, Scope)>,
}

/// Which of its pools a job has a runner started in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Among {
    /// The likely ones.
    Likely,
    /// All, since no likely one can start a runner.
    All,
}

impl<'a> MatchedJob<'a> {
    pub(super) fn among(&self, among: Among) -> &[(&'a PoolPolicy, Scope)] {
        match among {
            Among::Likely => &self.likely,
            Among::All => &self.pools,
        }
    }

    /// True if some of its pools are worth a try only where the likely ones can start no runner.
    pub(super) fn has_doubtful(&self) -> bool {
        self.likely.len() < self.pools.len()
    }
}
