//! What one pass saw: plain data that a test can build by hand.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mayfly_common::identity::BackendName;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::{PoolName, PullPolicy};
use mayfly_common::scope::{RepoSlug, Scope, ScopeKind};

use super::action::Action;
use super::filter::Refusal;
use super::github_view::{Listing, Sight};
use super::lifecycle::{self, Failure, Reason};
use super::memory::Memory;
use super::policy::Policy;
use super::request::{ApiRequest, RequestId};
use super::sighting::Sighting;
use mayfly_common::job::QueuedJob;
use mayfly_common::machine::{Exit, Machine, Phase};
use mayfly_common::registration::Registered;

/// Everything one pass saw.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Our machines; those of a backend that does not answer as they were last seen, in [`Phase::Unknown`].
    pub machines: Vec<Machine>,
    /// The backends that do not list their machines, each with the reason: nothing is started there, and a machine there that was never
    /// seen is not known to be gone.
    pub unreachable: BTreeMap<BackendName, String>,
    /// Runners at GitHub, for every scope that was asked.
    pub registrations: BTreeMap<Scope, Listing>,
    /// Jobs that wait for a runner, read after the registrations: a job taken in between is then not counted twice.
    pub jobs: Vec<QueuedJob>,
    /// The runner groups that jobs ask for, as far as somebody looked.
    pub groups: BTreeMap<i64, Group>,
    /// True if `jobs` is all of them. If GitHub could not be asked, an idle runner may be needed after all.
    pub jobs_complete: bool,
    /// When GitHub last listed the queued jobs of a repository.
    pub listed_at: BTreeMap<RepoSlug, Timestamp>,
    /// The images that pools are made from.
    pub images: BTreeMap<ImageKey, ImageSeen>,
    /// Repositories that may have jobs for us, those first that had one last.
    pub repositories: Vec<RepoSlug>,
    /// Repositories that are not served, each with the reason.
    pub unserved: BTreeMap<RepoSlug, Refusal>,
    /// Requests from the API.
    pub wishes: Vec<(RequestId, ApiRequest)>,
    /// Names for new runners, not in use.
    pub fresh_names: Vec<RunnerName>,
    /// Pools and scopes in which starting runners is put off, and until when.
    pub held_back: BTreeMap<(PoolName, Scope), Timestamp>,
    /// When the policy `ratio` last changed the number of a pool's runners.
    pub scaled: BTreeMap<PoolName, Timestamp>,
    /// When the job of a runner was over, by what webhooks and GitHub's lists told.
    pub jobs_over: BTreeMap<RunnerName, Timestamp>,
    /// The repository whose job a runner has, or had last, as far as that is known; also of runners that left lately.
    pub working_for: BTreeMap<RunnerName, RepoSlug>,
    /// Actions of earlier plans that were under way when this look began: each may have come to an end since, or half way.
    pub in_flight: Vec<Action>,
    /// What earlier passes saw.
    pub memory: Memory,
}

/// Prefixes that a workflow may write before the name of a runner group, and whose group each means.
const PREFIXES: [(&str, ScopeKind); 4] = [
    ("org", ScopeKind::Org),
    ("organization", ScopeKind::Org),
    ("ent", ScopeKind::Enterprise),
    ("enterprise", ScopeKind::Enterprise),
];

/// The runner group that a job asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// The one of this name.
    Named {
        /// Its name.
        name: String,
        /// Whose group it is: an organisation's or an enterprise's; none where the workflow does not say.
        of: Option<ScopeKind>,
    },
    /// It cannot be told; why, as a clause.
    Unknown(String),
}

impl Group {
    /// The group that a workflow names by `text`, which may say whose group it is (docs: "Choosing the runner for a job",
    /// "Using prefixes to differentiate runner groups").
    pub fn named(text: &str) -> Self {
        let prefixed = text.split_once('/').and_then(|(prefix, name)| {
            let known = PREFIXES.iter().find(|(known, _)| known.eq_ignore_ascii_case(prefix));
            known.map(|(_, of)| (name, Some(*of)))
        });
        let (name, of) = prefixed.unwrap_or((text, None));
        Self::Named { name: name.to_owned(), of }
    }

    /// True if it is the group `name` of `scope`; GitHub compares names without case.
    pub fn is(&self, scope: &Scope, name: &str) -> bool {
        match self {
            Self::Named { name: asked, of } => {
                asked.eq_ignore_ascii_case(name) && of.is_none_or(|of| of == scope.kind())
            }
            Self::Unknown(_) => false,
        }
    }
}

/// An image of a backend, as pools with a pull policy see it.
pub type ImageKey = (BackendName, String, PullPolicy);

/// An image that runners are made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageSeen {
    /// True if it is here.
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

impl Observed {
    /// True if a machine of this name is listed.
    pub fn has_machine(&self, name: &RunnerName) -> bool {
        self.machines.iter().any(|machine| machine.name == *name)
    }

    /// True if a machine is being made or started.
    pub fn is_being_started(&self, name: &RunnerName) -> bool {
        self.in_flight.iter().any(|action| action.is_launch() && action.runner() == Some(name))
    }

    /// True if a machine is being started, or ended: what becomes of it is this process's doing.
    pub fn is_in_hand(&self, name: &RunnerName) -> bool {
        self.in_flight.iter().any(|action| action.runner() == Some(name))
    }

    /// Why `machine` is in the state it is in.
    pub fn reason_of(
        &self,
        machine: &Machine,
        sighting: Sighting,
        policy: &Policy,
        now: Timestamp,
    ) -> Reason {
        if machine.phase == Phase::NeverStarted && self.is_being_started(&machine.name) {
            return Reason::BeingStarted;
        }
        let timeout = policy.terms(&machine.pool).registration_timeout;
        lifecycle::reason_of(machine, self.sight_of(machine), sighting, timeout, now)
    }

    /// True if a runner is known to have a job, or to have had one.
    pub fn has_worked(&self, machine: &Machine) -> bool {
        let (sight, sighting) = (self.sight_of(machine), self.memory.of(machine));
        let ended = |exit: &Exit| {
            let reason = lifecycle::exited(machine, exit, sight, sighting);
            matches!(
                reason,
                Reason::Result(_)
                    | Reason::Printed(_)
                    | Reason::AfterItsJob
                    | Reason::WithoutSign(..)
                    | Reason::Failed(Failure::EndedInJob(_) | Failure::EndedDeregistered(..))
            )
        };
        match &machine.phase {
            Phase::Preparing | Phase::Ready | Phase::NeverStarted | Phase::Broken(_) => false,
            Phase::Running { .. } | Phase::Unknown(_) => {
                machine.phase == (Phase::Running { working: Some(true) })
                    || sighting.was_busy
                    || sight.listed().is_some_and(|registered| registered.busy)
            }
            Phase::Exited(exit) => ended(exit),
        }
    }

    /// What GitHub says of `machine`.
    pub fn sight_of(&self, machine: &Machine) -> Sight<'_> {
        match self.registrations.get(&machine.scope) {
            None | Some(Listing::Unasked) => Sight::Unasked,
            Some(Listing::Unknown | Listing::NotFound) => Sight::Unknown,
            Some(Listing::Known(list)) => in_list(list, machine).unwrap_or(Sight::Absent),
            Some(Listing::Partial(list)) => in_list(list, machine).unwrap_or(Sight::Unknown),
        }
    }
}

fn in_list<'a>(list: &'a [Registered], machine: &Machine) -> Option<Sight<'a>> {
    list.iter().find(|registered| is_of(registered, machine)).map(Sight::Listed)
}

/// Ids are compared where we know ours: a name could have been registered again by somebody else.
fn is_of(registered: &Registered, machine: &Machine) -> bool {
    match machine.github_id {
        Some(id) => registered.id == id,
        None => registered.name.eq_ignore_ascii_case(machine.name.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_may_be_named_with_whose_it_is() {
        let rows = [
            ("big", true, true),
            ("org/BIG", true, false),
            ("Organization/big", true, false),
            ("ent/big", false, true),
            ("enterprise/big", false, true),
            ("team/big", false, false),
            ("org/small", false, false),
            ("org/", false, false),
        ];
        for (text, org, enterprise) in rows {
            let group = Group::named(text);
            assert_eq!(group.is(&"org:o".parse().unwrap(), "Big"), org, "{text}");
            assert_eq!(group.is(&"enterprise:e".parse().unwrap(), "Big"), enterprise, "{text}");
        }
        assert!(Group::named("team/big").is(&"org:o".parse().unwrap(), "team/Big"));
    }

    #[test]
    fn nothing_is_said_of_a_runner_where_nobody_was_asked_or_the_list_may_lack_it() {
        use crate::lifecycle::tests::{machine, registered};

        let runner = machine("a1", Phase::Running { working: Some(false) });
        let own = registered(1, "a1", true, false);
        let other = registered(2, "a1", true, false);
        let rows = [
            (None, Sight::Unasked),
            (Some(Listing::Unasked), Sight::Unasked),
            (Some(Listing::Unknown), Sight::Unknown),
            (Some(Listing::NotFound), Sight::Unknown),
            (Some(Listing::Known(vec![other.clone()])), Sight::Absent),
            (Some(Listing::Partial(vec![other.clone()])), Sight::Unknown),
            (Some(Listing::Known(vec![other.clone(), own.clone()])), Sight::Listed(&own)),
            (Some(Listing::Partial(vec![other, own.clone()])), Sight::Listed(&own)),
        ];
        for (listing, expected) in rows {
            let mut seen = Observed::default();
            seen.registrations.extend(listing.map(|listing| (runner.scope.clone(), listing)));
            assert_eq!(seen.sight_of(&runner), expected, "{:?}", seen.registrations);
        }
    }

    #[test]
    fn a_runner_has_worked_once_anything_shows_a_job() {
        use crate::lifecycle::tests::{at, machine, policy, registered};

        let exited = |code, log: &str| {
            let log_tail = log.to_owned();
            Phase::Exited(Exit { code, log_tail, ..Exit::default() })
        };
        let running = |working| Phase::Running { working };
        // What it is, whether GitHub calls it busy, and whether it did so before.
        let rows = [
            ("made", Phase::NeverStarted, false, false, false),
            ("prepared", Phase::Preparing, false, false, false),
            ("unseen", Phase::Unknown("x".to_owned()), false, false, false),
            ("unseen and busy", Phase::Unknown("x".to_owned()), true, false, true),
            ("waits", running(Some(false)), false, false, false),
            ("nobody looked inside", running(None), false, false, false),
            ("a process", running(Some(true)), false, false, true),
            ("busy", running(Some(false)), true, false, true),
            ("was busy", running(Some(false)), false, true, true),
            ("ended", exited(0, "bye"), false, false, false),
            ("failed", exited(1, "bye"), false, false, false),
            ("failed after a job", exited(1, "bye"), false, true, true),
            ("ended after a job", exited(0, "bye"), false, true, true),
            ("a result", exited(0, "Job a completed with result: Failed"), false, false, true),
            ("in a job", exited(1, "Running job: a"), false, false, true),
        ];
        for (what, phase, busy, was_busy, expected) in rows {
            let look = |before: Observed, phase: &Phase, busy| {
                let runner = machine("a1", phase.clone());
                let listing = Listing::Known(vec![registered(1, "a1", true, busy)]);
                let registrations = BTreeMap::from([(runner.scope.clone(), listing)]);
                let (machines, memory) = (vec![runner], before.memory);
                Observed { machines, registrations, memory, ..Observed::default() }
            };
            let before = look(Observed::default(), &running(Some(false)), was_busy);
            let now = look(before.remember(&policy(), at(0)), &phase, busy);
            assert_eq!(now.has_worked(&now.machines[0]), expected, "{what}");
        }
    }
}
