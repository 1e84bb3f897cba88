//! What one pass saw: plain data that a test can build by hand.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mayfly_common::api::CreateRunners;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::{PoolName, PullPolicy};
use mayfly_common::scope::{RepoSlug, Scope};

use super::action::RequestId;
use super::lifecycle::reason_of;
use super::policy::Policy;
use crate::model::{Instance, QueuedJob, Registered};
use mayfly_common::runner::RunnerState;

/// The runners GitHub lists for a scope. A listing that failed is not an empty one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// The whole list.
    Known(Vec<Registered>),
    /// A list with entries that cannot be read: one that is missing in it may be there all the same.
    Partial(Vec<Registered>),
    /// GitHub could not be asked; nothing may be concluded.
    Unknown,
}

/// What GitHub says of one of our runners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight<'a> {
    /// GitHub could not be asked.
    Unknown,
    /// It is not listed.
    Absent,
    /// Its registration.
    Listed(&'a Registered),
}

impl<'a> Sight<'a> {
    /// The registration, if there is one.
    pub fn listed(self) -> Option<&'a Registered> {
        match self {
            Self::Listed(registered) => Some(registered),
            Self::Unknown | Self::Absent => None,
        }
    }
}

/// Everything one pass saw.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Our containers.
    pub instances: Vec<Instance>,
    /// Runners at GitHub, for every scope that was asked.
    pub registrations: BTreeMap<Scope, Listing>,
    /// Jobs that wait for a runner, read after the registrations: a job taken in between is then not counted twice.
    pub jobs: Vec<QueuedJob>,
    /// Whether `jobs` is all of them. If GitHub could not be asked, an idle runner may be needed after all.
    pub jobs_complete: bool,
    /// The images that pools are made from.
    pub images: BTreeMap<(String, PullPolicy), ImageSeen>,
    /// Repositories that may have jobs for us, those first that had one last.
    pub repositories: Vec<RepoSlug>,
    /// Requests from the API.
    pub wishes: Vec<(RequestId, Wish)>,
    /// Names for new runners, not in use.
    pub fresh_names: Vec<RunnerName>,
    /// Pools and scopes in which starting runners is put off, and until when.
    pub held_back: BTreeMap<(PoolName, Scope), Timestamp>,
    /// When the policy `ratio` last changed the number of a pool's runners.
    pub scaled: BTreeMap<PoolName, Timestamp>,
    /// What earlier passes saw of each runner.
    pub memory: Memory,
}

/// What somebody asked for through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// New runners.
    Create(CreateRunners),
    /// A runner's end.
    Delete {
        /// Which one.
        name: RunnerName,
        /// Even if it is busy.
        force: bool,
    },
}

/// An image that runners are made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageSeen {
    /// Whether it is here.
    pub state: Image,
    /// The engine's id of it; it changes with its content.
    pub id: Option<String>,
}

/// An image on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Image {
    /// It is here.
    Present,
    /// It is here and must be asked for again before a runner is started from it.
    Outdated,
    /// It is not here and may be pulled now.
    #[default]
    Missing,
    /// It is not here; a pull is under way, must wait after a failure, or is not allowed.
    Awaited,
}

/// What earlier passes saw of a runner: the times that neither Docker nor GitHub keeps.
///
/// A cache: losing it restarts the periods it measures, which only makes the platform more patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sighting {
    /// Whether it was ever online.
    pub was_online: bool,
    /// Whether GitHub ever said that it runs a job.
    pub was_busy: bool,
    /// Since when it has been idle, without interruption.
    pub idle_since: Option<Timestamp>,
    /// Since when GitHub has said, without interruption, that it is offline or not there.
    pub missing_since: Option<Timestamp>,
}

/// Sightings by runner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    sightings: BTreeMap<RunnerName, Sighting>,
}

impl Memory {
    /// What is known of `name`.
    pub fn of(&self, name: &RunnerName) -> Sighting {
        self.sightings.get(name).copied().unwrap_or_default()
    }
}

impl Observed {
    /// What GitHub says of `instance`.
    pub fn sight_of(&self, instance: &Instance) -> Sight<'_> {
        match self.registrations.get(&instance.scope) {
            None | Some(Listing::Unknown) => Sight::Unknown,
            Some(Listing::Known(list)) => in_list(list, instance).unwrap_or(Sight::Absent),
            Some(Listing::Partial(list)) => in_list(list, instance).unwrap_or(Sight::Unknown),
        }
    }

    /// Folds what this pass saw into the memory of earlier ones.
    #[must_use]
    pub fn remember(mut self, policy: &Policy, now: Timestamp) -> Self {
        let mut sightings = BTreeMap::new();
        for instance in &self.instances {
            let mut sighting = self.memory.of(&instance.name);
            let sight = self.sight_of(instance);
            if sight != Sight::Unknown {
                let online = sight.listed().is_some_and(|registered| registered.online);
                sighting.was_online |= online;
                sighting.was_busy |= sight.listed().is_some_and(|registered| registered.busy);
                sighting.missing_since =
                    if online { None } else { sighting.missing_since.or(Some(now)) };
                let timeout = policy.terms(&instance.pool).registration_timeout;
                let reason = reason_of(instance, sight, sighting, timeout, now);
                let idle = reason.state() == RunnerState::Idle;
                sighting.idle_since = if idle { sighting.idle_since.or(Some(now)) } else { None };
            }
            sightings.insert(instance.name.clone(), sighting);
        }
        self.memory = Memory { sightings };
        self
    }

    /// The names of all our containers.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.instances.iter().map(|instance| instance.name.as_str()).collect()
    }
}

fn in_list<'a>(list: &'a [Registered], instance: &Instance) -> Option<Sight<'a>> {
    list.iter().find(|registered| is_of(registered, instance)).map(Sight::Listed)
}

/// Ids are compared where we know ours: a name could have been registered again by somebody else.
fn is_of(registered: &Registered, instance: &Instance) -> bool {
    match instance.github_id {
        Some(id) => registered.id == id,
        None => registered.name.eq_ignore_ascii_case(instance.name.as_str()),
    }
}
