//! Runs that may have queued jobs, by the lists of GitHub that have them.

use std::collections::{BTreeMap, BTreeSet};

use super::page::Whole;
use super::wire;

/// Most requests of one check for lists of runs that are nearly always empty.
pub(super) const RARE: usize = 100;

/// A status of runs that are held up and may have queued jobs all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeldStatus {
    /// A job awaits an approval.
    Waiting,
    /// A job awaits a concurrency group.
    Pending,
    /// Somebody must let it go on.
    ActionRequired,
    /// It was just asked for.
    Requested,
}

impl HeldStatus {
    /// All there are.
    pub const ALL: [Self; 4] =
        [Self::Waiting, Self::Pending, Self::ActionRequired, Self::Requested];

    /// Those to ask for in each of `repositories` at the check of this `number`: the one that is common always, the others as
    /// long as that costs little, else in turn.
    pub fn at_check(number: u64, repositories: usize) -> BTreeSet<Self> {
        let [common, rare @ ..] = Self::ALL;
        let few = (RARE / repositories.max(1)).clamp(1, rare.len());
        let first = usize::try_from(number % rare.len() as u64).unwrap_or_default();
        let turn = rare.iter().cycle().skip(first).take(few).copied();
        std::iter::once(common).chain(turn).collect()
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::ActionRequired => "action_required",
            Self::Requested => "requested",
        }
    }
}

/// Runs that may have queued jobs.
pub(super) struct Runs {
    /// By their id.
    pub(super) listed: BTreeMap<i64, Listed>,
    /// Ways in which some are held up, those included that could not be read.
    pub(super) held: BTreeSet<HeldStatus>,
    /// True if every run could be read.
    pub(super) whole: bool,
}

/// A run as a list of GitHub's has it.
pub(super) struct Listed {
    pub(super) id: i64,
    pub(super) updated_at: Option<String>,
    pub(super) standing: Standing,
}

/// In which list a run was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is held up; what is not, goes on.
    Held(HeldStatus),
    /// No job has begun.
    Queued,
    /// Some job has begun.
    Moving,
}

impl Default for Runs {
    fn default() -> Self {
        Self { listed: BTreeMap::new(), held: BTreeSet::new(), whole: true }
    }
}

impl Runs {
    /// Adds a list of runs that all stand so. One of an earlier list stands as this one says.
    pub(super) fn add(&mut self, runs: Whole<wire::Run>, standing: Standing) {
        self.whole &= runs.unread == 0;
        if let (Standing::Held(status), true) =
            (standing, !runs.items.is_empty() || runs.unread > 0)
        {
            self.held.insert(status);
        }
        self.listed.extend(runs.items.into_iter().map(|run| {
            let wire::Run { id, updated_at, .. } = run;
            (id, Listed { id, updated_at, standing })
        }));
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.listed.extend(others.listed);
        self.held.extend(others.held);
        self.whole &= others.whole;
    }
}
