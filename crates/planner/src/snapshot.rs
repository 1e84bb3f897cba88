//! What the last pass left behind, for people to look at. It carries no decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::{Finished, GitHubStatus, PassReport, Runner};
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::RepoSlug;

use crate::backoff::{Place, Streak};
use crate::catalog::RepoFact;
use crate::not_assigned::NotAssigned;
use crate::plan::Cause;
use crate::pool_choice::Remedy;

/// Why no machine can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blind {
    /// The kind of the backend that does not answer: the code of the reason.
    pub kind: &'static str,
    /// The reason, as a clause.
    pub why: String,
    /// What helps, as a clause.
    pub hint: &'static str,
}

/// What the last pass left behind, for people to look at.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Why the last pass could not see our machines, if it could not; the rest is then what an earlier pass saw.
    pub blind: Option<Blind>,
    /// The installation; empty until the engine has been reached.
    pub installation: String,
    /// Our runners, oldest first.
    pub runners: Vec<Runner>,
    /// Where starting runners is put off, and until when.
    pub held_back: BTreeMap<Place, Timestamp>,
    /// Where runners failed one after the other, also where the next is not put off any more.
    pub failures: BTreeMap<Place, Streak>,
    /// How the pools stand.
    pub pools: BTreeMap<PoolName, PoolSeen>,
    /// Runners that are being registered, or whose machines are being made, at this moment.
    pub being_made: BTreeSet<RunnerName>,
    /// How it stands with each job that waits.
    pub waits: BTreeMap<i64, Wait>,
    /// Queued jobs that GitHub did not assign to a runner that was idle beside them.
    pub not_assigned: BTreeMap<i64, NotAssigned>,
    /// The repositories known.
    pub repositories: Arc<BTreeMap<RepoSlug, RepoFact>>,
    /// How things stand with GitHub.
    pub github: GitHubStatus,
    /// True if webhooks report jobs.
    pub webhooks: bool,
    /// Since when the platform drains, as the last pass knew.
    pub draining: Option<Timestamp>,
    /// The latest runners that are gone.
    pub finished: Vec<Finished>,
    /// What those printed.
    pub logs: BTreeMap<String, Arc<str>>,
    /// The pass itself.
    pub report: PassReport,
}

/// How it stands with a job that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Nobody here offers what it asks for; the reason, and what helps.
    Unmet(String, Remedy),
    /// It is for GitHub's own machines.
    Hosted,
    /// Something is in the way of a runner for it.
    For(Cause),
    /// This runner waits, or is starting, and may take it.
    Runner(RunnerName),
}

/// What the last pass saw of a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolSeen {
    /// Its image.
    pub image: String,
    /// The image of its runners' own Docker engines, if they have one.
    pub engine_image: Option<String>,
    /// Whether its images can be used, in words.
    pub image_state: String,
    /// Queued jobs for which it comes first.
    pub queued_jobs: usize,
    /// Why it has fewer runners waiting than it should.
    pub short: Option<String>,
    /// How long its runners may take to come online.
    pub registration_timeout: SignedDuration,
}
