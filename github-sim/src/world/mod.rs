//! GitHub as a plain struct: accounts, repositories, runs, jobs, runners, and verbs that change them.
//!
//! | module | verbs |
//! |---|---|
//! | [`model`] | none: the data |
//! | `accounts` | users, organisations, runner groups |
//! | [`enterprises`] | organisations under one roof |
//! | [`repos`], [`files`] | repositories and their files |
//! | [`app`] | the App, its key, its installations and their tokens |
//! | [`jwt`], [`keys`] | none: whether a JSON Web Token is the App's |
//! | [`workflow`] | none: pure translation of a workflow file into [`JobSpec`](model::JobSpec)s |
//! | `runs` | dispatch, queue, cancel, re-run |
//! | `jobs` | approve, report, finish; GitHub's own machines |
//! | `registry` | registrations, just-in-time configurations, labels, deletion |
//! | `connections` | sessions, losing a runner, what time does |
//! | `assignment` | none: which job a runner gets |
//! | [`tokens`] | who may call |
//! | [`limits`] | how often |
//! | [`access`] | what a token may do |
//! | [`hooks`], [`deliveries`] | where events go, and what came of it |
//! | [`events`] | none: what hooks are told of |
//! | `invariants` | [`World::violations`] |
//!
//! Invariants: no verb waits, reads a clock of its own or does I/O; after every public verb the world is settled, that is,
//! every job whose `needs` are met is queued, every job for GitHub's own machines is done, and every directly connected
//! idle runner has a job if one fits. A job for GitHub's own machines never reaches a self-hosted runner.

pub mod access;
mod accounts;
pub mod app;
mod assignment;
mod connections;
pub mod deliveries;
pub mod enterprises;
mod error;
pub mod events;
pub mod files;
pub mod hooks;
mod invariants;
mod jobs;
pub mod jwt;
pub mod keys;
mod labels;
pub mod limits;
pub mod model;
mod registry;
pub mod repos;
mod runs;
#[cfg(test)]
pub(crate) mod testing;
pub mod tokens;
pub mod workflow;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::names::{Login, RepoSlug};
use jiff::{SignedDuration, Timestamp};

pub use accounts::{APP_ID, DEFAULT_GROUP};
pub use connections::{
    IDLE_TIMEOUT, JOB_LOST_AFTER, OFFLINE_EPHEMERAL_KEPT, OFFLINE_KEPT, QUEUED_KEPT,
};
pub use error::Refusal;
pub use registry::{Keep, Registration, TOKEN_LIFETIME, TokenKind};

use crate::clock::Clock;
use model::{Account, Enterprise, Job, Repo, Run, Runner, RunnerGroup};

/// The whole of the simulated GitHub.
#[derive(Debug)]
pub struct World {
    clock: Clock,
    clock_offset: SignedDuration,
    listing_delay: SignedDuration,
    keeps_spent_runners: bool,
    delivery_timeout: Duration,
    last_id: u64,
    accounts: BTreeMap<Login, Account>,
    enterprises: BTreeMap<String, Enterprise>,
    groups: Vec<RunnerGroup>,
    repos: BTreeMap<RepoSlug, Repo>,
    repo_ids: BTreeMap<u64, RepoSlug>,
    /// Repositories by the names they had before.
    moved: BTreeMap<RepoSlug, u64>,
    runs: BTreeMap<u64, Run>,
    jobs: BTreeMap<u64, Job>,
    runners: BTreeMap<u64, Runner>,
    runner_tokens: Vec<registry::RunnerToken>,
    installations: Vec<app::Installation>,
    hooks: BTreeMap<u64, hooks::Hook>,
    deliveries: BTreeMap<u64, deliveries::Delivery>,
    delivery_faults: Vec<deliveries::DeliveryFault>,
    outbox: VecDeque<deliveries::Outgoing>,
    under_way: usize,
    served: Vec<invariants::Served>,
    hosted_count: u64,
    /// Who may call the REST API, and how often.
    pub tokens: tokens::Tokens,
    /// The one GitHub App.
    pub app: app::App,
}

/// A name as a caller has it: one of ours, or whatever shows as one.
fn read<T: FromStr>(name: &(impl fmt::Display + ?Sized), what: &'static str) -> Result<T, Refusal> {
    name.to_string().parse().map_err(|_| Refusal::NotFound(what))
}

impl World {
    /// An empty world, but for the user `octo-admin` who owns every token that names nobody.
    pub fn new(clock: Clock) -> Self {
        let mut world = Self {
            clock,
            clock_offset: SignedDuration::ZERO,
            listing_delay: SignedDuration::ZERO,
            keeps_spent_runners: false,
            delivery_timeout: deliveries::TIMEOUT,
            last_id: 1000,
            accounts: BTreeMap::new(),
            enterprises: BTreeMap::new(),
            groups: Vec::new(),
            repos: BTreeMap::new(),
            repo_ids: BTreeMap::new(),
            moved: BTreeMap::new(),
            runs: BTreeMap::new(),
            jobs: BTreeMap::new(),
            runners: BTreeMap::new(),
            runner_tokens: Vec::new(),
            installations: Vec::new(),
            hooks: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            delivery_faults: Vec::new(),
            outbox: VecDeque::new(),
            under_way: 0,
            served: Vec::new(),
            hosted_count: 0,
            tokens: tokens::Tokens::default(),
            app: app::App::default(),
        };
        world.ensure_account(tokens::DEFAULT_USER, false);
        world
    }

    /// An empty world again; time goes on, and ids are not used twice.
    pub fn reset(&mut self) {
        let (last_id, under_way) = (self.last_id, self.under_way);
        *self = Self::new(self.clock.clone());
        self.last_id += last_id;
        self.under_way = under_way;
    }

    /// The world's present time, by GitHub's own clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now().saturating_add(self.clock_offset).unwrap_or(Timestamp::MAX)
    }

    /// Sets by how much GitHub's clock is ahead of the clock that the world was made with (behind, if negative). It shows in
    /// the `Date` header, in all times that GitHub gives, and in what it thinks of a JSON Web Token.
    pub fn set_clock_offset(&mut self, offset: SignedDuration) {
        self.clock_offset = offset;
    }

    /// By how much GitHub's clock is ahead.
    pub fn clock_offset(&self) -> SignedDuration {
        self.clock_offset
    }

    /// Sets for how long a runner that was just registered is missing from lists, as GitHub's answers lag behind its changes.
    pub fn set_listing_delay(&mut self, delay: SignedDuration) {
        self.listing_delay = delay;
    }

    /// For how long a runner that was just registered is missing from lists.
    pub fn listing_delay(&self) -> SignedDuration {
        self.listing_delay
    }

    /// Sets what becomes of an ephemeral runner whose job has ended: if `keeps`, its registration stays listed, offline and not
    /// busy, until it is deleted or a day has passed, as at GitHub when the machine could not report the end.
    pub fn set_keeps_spent_runners(&mut self, keeps: bool) {
        self.keeps_spent_runners = keeps;
    }

    /// True if the registration of an ephemeral runner outlives its job.
    pub fn keeps_spent_runners(&self) -> bool {
        self.keeps_spent_runners
    }

    /// Sets how long the receiver of a delivery has to answer, by the machine's clock.
    pub fn set_delivery_timeout(&mut self, timeout: Duration) {
        self.delivery_timeout = timeout;
    }

    /// How long the receiver of a delivery has to answer.
    pub fn delivery_timeout(&self) -> Duration {
        self.delivery_timeout
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
