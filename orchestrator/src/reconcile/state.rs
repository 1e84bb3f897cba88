//! What passes remember from one to the next.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mayfly_common::identity::BackendName;
use mayfly_common::machine::Machine;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::{RepoSlug, Scope};
use tokio::sync::mpsc;

use super::asked::Asked;
use super::flight::Flight;
use super::history::History;
use super::journal::Journal;
use super::lost::{Left, Missing};
use super::problems::Problems;
use super::request::Request;
use mayfly_planner::Group;
use mayfly_planner::Memory;
use mayfly_planner::RequestId;
use mayfly_planner::agenda::Schedule;
use mayfly_planner::backoff::Backoff;
use mayfly_planner::catalog::Catalog;
use mayfly_planner::ledger::Ledger;

/// What passes remember. All of it may vanish; see [`Memory`], [`Catalog`] and [`Backoff`] for what that costs.
pub(super) struct State {
    pub(super) requests: mpsc::Receiver<(RequestId, Request)>,
    /// A request that waits for a pass of its own.
    pub(super) held: Option<(RequestId, Request)>,
    /// Requests whose actions are not all done.
    pub(super) asked: Asked,
    /// Actions under way.
    pub(super) flight: Flight,
    /// What each backend listed last.
    pub(super) listed: BTreeMap<BackendName, Vec<Machine>>,
    pub(super) memory: Memory,
    pub(super) backoff: Backoff,
    pub(super) catalog: Catalog,
    /// What was told of passes so far.
    pub(super) told: Told,
    /// Every job known.
    pub(super) ledger: Ledger,
    /// Which runner groups queued jobs ask for, where that matters.
    pub(super) groups: BTreeMap<i64, Group>,
    /// When this process began to look.
    pub(super) listening: Timestamp,
    /// What an earlier process left was taken in.
    pub(super) loaded: bool,
    /// When the policy `ratio` last changed the number of a pool's runners.
    pub(super) scaled: BTreeMap<PoolName, Timestamp>,
    /// What was said of pools' stored descriptions.
    pub(super) pools_loaded: bool,
    /// When GitHub is asked for what.
    pub(super) schedule: Schedule,
    /// When the last plan was made: what is due later than that is still to come.
    pub(super) planned_at: Timestamp,
    pub(super) passes: u64,
    /// Since when the platform drains, as this pass knows.
    pub(super) draining: Option<Timestamp>,
}

/// What was told of passes so far: what is told once, as long as it lasts, and what people may look up.
pub(super) struct Told {
    /// The latest runners that are gone.
    pub(super) history: History,
    /// What happened, as events.
    pub(super) journal: Journal,
    /// Which problems last.
    pub(super) problems: Problems,
    /// Jobs that get no runner from here, and were logged as such.
    pub(super) unmet: BTreeSet<i64>,
    /// Runners whose end GitHub puts off, each with when it last did.
    pub(super) put_off: BTreeMap<String, Timestamp>,
    /// When GitHub last failed as a whole; none once it has answered since.
    pub(super) github_failed_at: Option<Timestamp>,
    /// Errors that concern one account at GitHub only, since the last check.
    pub(super) accounts: BTreeMap<String, String>,
    /// The runners that the last pass left behind.
    pub(super) left: Left,
    /// Those of an earlier process that were gone.
    pub(super) missing: Missing,
}

impl Told {
    /// Nothing was told yet.
    fn new(journal: Journal) -> Self {
        Self {
            history: History::default(),
            journal,
            problems: Problems::default(),
            unmet: BTreeSet::new(),
            put_off: BTreeMap::new(),
            github_failed_at: None,
            accounts: BTreeMap::new(),
            left: Left::default(),
            missing: Missing::default(),
        }
    }
}

impl State {
    /// These repositories are gone: discovery does not list them, GitHub does not know them, and no machine of ours is registered there.
    pub(super) fn forget_registrations(&mut self, repositories: Vec<RepoSlug>) {
        for scope in repositories.into_iter().map(Scope::Repo) {
            self.schedule.forget(&scope);
            self.memory.forget(&scope);
        }
    }

    /// Nothing is known yet. `now`: since when webhooks can tell of a job.
    pub(super) fn new(
        requests: mpsc::Receiver<(RequestId, Request)>,
        journal: Journal,
        flight: Flight,
        now: Timestamp,
    ) -> Self {
        Self {
            requests,
            held: None,
            asked: Asked::default(),
            flight,
            listed: BTreeMap::new(),
            memory: Memory::default(),
            backoff: Backoff::default(),
            catalog: Catalog::default(),
            told: Told::new(journal),
            ledger: Ledger::new(now),
            groups: BTreeMap::new(),
            listening: now,
            loaded: false,
            scaled: BTreeMap::new(),
            pools_loaded: false,
            schedule: Schedule::default(),
            planned_at: Timestamp::MIN,
            passes: 0,
            draining: None,
        }
    }

    /// When GitHub is next asked for repositories and jobs.
    pub(super) fn next_check(&self, now: Timestamp) -> Timestamp {
        self.schedule.next_check(self.ledger.hearing(), now)
    }
}

#[cfg(test)]
mod tests;
