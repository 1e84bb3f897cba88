//! Another orchestrator that uses our names.

use std::fmt;

use jiff::Timestamp;
use mayfly_common::scope::Scope;

/// Another orchestrator that makes runners under our names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// Where.
    pub scope: Scope,
    /// The first such runner.
    pub example: String,
    pub(super) sign: Sign,
    pub(super) seen_at: Timestamp,
}

/// What shows that there is another orchestrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// A registration that no machine of ours has.
    Registration,
    /// A machine that this process did not make, and that was not there before it.
    Machine,
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, example, .. } = self;
        match self.sign {
            Sign::Registration => write!(
                f,
                "{scope}: another orchestrator uses this one's runner names: it registered {example}. Neither deletes what the \
                 other runs, but both start runners for the same jobs. Set a different ORCHESTRATOR_ID on each host, and a \
                 different name_prefix in pools with stable names"
            ),
            Sign::Machine => write!(
                f,
                "{scope}: another orchestrator runs beside this one with the same ORCHESTRATOR_ID: it started {example} here. \
                 Both start runners for the same jobs. Stop one of them, or give each its own ORCHESTRATOR_ID"
            ),
        }
    }
}
