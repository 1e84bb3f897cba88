//! GitHub as a plain struct: accounts, repositories, runs, jobs, runners, and verbs that change them.
//!
//! | module | verbs |
//! |---|---|
//! | [`model`] | none: the data |
//! | `accounts` | users, organisations, runner groups, repositories and their files |
//! | [`workflow`] | none: pure translation of a workflow file into [`JobSpec`](model::JobSpec)s |
//! | `runs` | dispatch, queue, cancel, re-run, finish |
//! | `registry` | registrations, just-in-time configurations, labels, deletion |
//! | `connections` | sessions, taking a job, losing a runner, what time does |
//! | [`tokens`] | who may call, and how often |
//! | `invariants` | [`World::violations`] |
//!
//! Invariants: no verb waits, reads a clock of its own or does I/O; after every public verb the world is settled, that is,
//! every job whose `needs` are met is queued, every job for GitHub's own machines is done, and every directly connected
//! idle runner has a job if one fits. A job for GitHub's own machines never reaches a self-hosted runner.

mod accounts;
mod connections;
mod error;
mod invariants;
pub mod model;
mod registry;
mod runs;
#[cfg(test)]
mod testing;
pub mod tokens;
pub mod workflow;

use std::collections::BTreeMap;

use jiff::Timestamp;
use mayfly_common::scope::{Login, RepoSlug};

pub use accounts::{APP_ID, DEFAULT_GROUP};
pub use connections::{
    IDLE_TIMEOUT, JOB_LOST_AFTER, OFFLINE_EPHEMERAL_KEPT, OFFLINE_KEPT, QUEUED_KEPT,
};
pub use error::Refusal;
pub use registry::{Keep, Registration, TOKEN_LIFETIME, TokenKind};

use crate::clock::Clock;
use model::{Account, Installation, Job, Repo, Run, Runner, RunnerGroup};

/// The whole of the simulated GitHub.
#[derive(Debug)]
pub struct World {
    clock: Clock,
    last_id: u64,
    accounts: BTreeMap<Login, Account>,
    groups: Vec<RunnerGroup>,
    repos: BTreeMap<RepoSlug, Repo>,
    runs: BTreeMap<u64, Run>,
    jobs: BTreeMap<u64, Job>,
    runners: BTreeMap<u64, Runner>,
    runner_tokens: Vec<registry::RunnerToken>,
    installations: Vec<Installation>,
    served: Vec<invariants::Served>,
    hosted_count: u64,
    /// Who may call the REST API, and how often.
    pub tokens: tokens::Tokens,
}

impl World {
    /// An empty world, but for the user `octo-admin` who owns every token that names nobody.
    pub fn new(clock: Clock) -> Self {
        let mut world = Self {
            clock,
            last_id: 1000,
            accounts: BTreeMap::new(),
            groups: Vec::new(),
            repos: BTreeMap::new(),
            runs: BTreeMap::new(),
            jobs: BTreeMap::new(),
            runners: BTreeMap::new(),
            runner_tokens: Vec::new(),
            installations: Vec::new(),
            served: Vec::new(),
            hosted_count: 0,
            tokens: tokens::Tokens::default(),
        };
        world.ensure_account(tokens::DEFAULT_USER, false);
        world
    }

    /// An empty world again; time goes on, and ids are not used twice.
    pub fn reset(&mut self) {
        let last_id = self.last_id;
        *self = Self::new(self.clock.clone());
        self.last_id += last_id;
    }

    /// The world's present time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Every run, oldest first.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.runs.values()
    }

    /// The run with this id.
    pub fn run(&self, id: u64) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// Every job of every attempt, oldest first.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.jobs.values()
    }

    /// The job with this id.
    pub fn job(&self, id: u64) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// Every registered runner of every scope, oldest first.
    pub fn all_runners(&self) -> impl Iterator<Item = &Runner> {
        self.runners.values()
    }
}

/// A secret that cannot be guessed, behind a prefix that says what it is for.
fn secret(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::new_v4().simple())
}
