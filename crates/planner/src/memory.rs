//! What passes remember of runners and of registrations: the times and origins that neither Docker nor GitHub keeps.
//!
//! A cache: losing it restarts the periods it measures, which only makes the platform more patient.

mod clash;
mod departures;
mod fold;
mod idle_ends;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::name::RunnerName;
use mayfly_common::scope::Scope;

pub use self::clash::Clash;
use self::clash::Sign;
use self::departures::{Departed, Started};
#[cfg(test)]
pub(crate) use self::fold::{assignments_after, at_work};
use super::backoff::{Backoff, doubled};
use super::gone_places::NotFound;
use super::not_assigned::{Assignment, FailedGroups};
use super::sighting::Sighting;
use mayfly_common::identity::BackendName;
use mayfly_common::machine::{Machine, MachineRef};
use mayfly_common::registration::{Registered, RunnerId};

/// The wait after GitHub first refused to delete a registration; doubled by each further refusal.
const REFUSED_FIRST: SignedDuration = SignedDuration::from_secs(30);
/// The longest wait after a refusal.
const REFUSED_LONGEST: SignedDuration = SignedDuration::from_mins(5);
/// How long the names and registrations of runners that are gone are remembered. GitHub removes an ephemeral registration that
/// is offline for a day (docs: "Ephemeral runners").
const ORIGIN_KEPT: SignedDuration = SignedDuration::from_hours(48);
/// The wait after the end of a machine failed once, and the longest; doubled each time.
const UNENDED_FIRST: SignedDuration = SignedDuration::from_secs(5);
const UNENDED_LONGEST: SignedDuration = SignedDuration::from_mins(5);
/// How long registrations may still appear that an earlier process was making when it ended.
const LATE_REGISTRATION: SignedDuration = SignedDuration::from_mins(1);
/// How long a clash is reported after its last sign.
const CLASH_KEPT: SignedDuration = SignedDuration::from_mins(10);

/// A registration that may be ours, or has a name that somebody asks for, and has no machine here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stray {
    /// Since when GitHub has said, without interruption, that it is offline and not busy.
    pub offline_since: Option<Timestamp>,
    /// True if it is deleted if it stays offline: this installation generated its name, or a machine of ours had it.
    pub ours: bool,
    /// True if another orchestrator must have made it: it came online without a machine of ours, or appeared while we ran.
    pub foreign: bool,
}

/// A registration that GitHub refused to delete because it runs a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refused {
    times: u32,
    until: Timestamp,
    /// True if the list said so, too.
    listed_busy: bool,
}

/// A machine whose end failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unended {
    times: u32,
    until: Timestamp,
    why: String,
}

/// What passes remember.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// By name, each with when the runner was created: a name may be used again.
    sightings: BTreeMap<RunnerName, (Timestamp, Sighting)>,
    strays: BTreeMap<(Scope, RunnerId), Stray>,
    refused: BTreeMap<(Scope, RunnerId), Refused>,
    /// Names that this process used, and when last.
    names: BTreeMap<RunnerName, Timestamp>,
    /// What this process started runners for: a job, or none to wait for one. Those whose end was noted are not there any more.
    started_for: BTreeMap<RunnerName, Started>,
    /// Those whose end was noted, as long as GitHub may still tell of their jobs.
    departed: BTreeMap<RunnerName, Departed>,
    /// Where runners that were started to wait left without a sign that they had a job.
    idle_ends: Backoff,
    /// Registrations that machines of ours had, and when they were last there.
    registrations: BTreeMap<(Scope, RunnerId), Timestamp>,
    /// Scopes for whose runners GitHub answers 404.
    not_found: BTreeMap<Scope, NotFound>,
    /// Scopes whose runners were listed before.
    listed: BTreeSet<Scope>,
    /// When each backend first listed its machines.
    adopted: BTreeMap<BackendName, Timestamp>,
    /// Machines whose end failed.
    unended: BTreeMap<MachineRef, Unended>,
    clashes: BTreeMap<Scope, Clash>,
    /// By job.
    assignments: BTreeMap<i64, Assignment>,
    pub(super) failed_groups: FailedGroups,
}

impl Memory {
    /// What is known of a runner.
    pub fn of(&self, machine: &Machine) -> Sighting {
        let known = self.sightings.get(&machine.name);
        known
            .filter(|(made, _)| *made == machine.created_at)
            .map_or_else(Default::default, |(_, sighting)| *sighting)
    }

    /// An earlier process saw that a runner, which the latest pass saw, had a job.
    pub fn had_job(&mut self, runner: &RunnerName) {
        if let Some((_, sighting)) = self.sightings.get_mut(runner) {
            (sighting.was_online, sighting.was_busy) = (true, true);
            sighting.had_job = true;
        }
    }

    /// What is known of a queued job's assignment.
    pub fn assignment(&self, job: i64) -> Option<&Assignment> {
        self.assignments.get(&job)
    }

    /// What is known of the assignment of all queued jobs.
    pub fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.assignments.values()
    }

    /// What is known of a registration without a machine.
    pub fn stray(&self, scope: &Scope, id: RunnerId) -> Option<Stray> {
        self.strays.get(&(scope.clone(), id)).copied()
    }

    /// True if a machine of ours had a registration.
    pub fn had(&self, scope: &Scope, id: RunnerId) -> bool {
        self.registrations.contains_key(&(scope.clone(), id))
    }

    /// True if a machine of ours had a registration in this scope.
    pub fn knows(&self, scope: &Scope) -> bool {
        self.registrations.keys().any(|(place, _)| place == scope)
    }

    /// Scopes with registrations that are to be deleted if they stay offline: they are looked at with those where runners are.
    pub fn watched(&self) -> BTreeSet<Scope> {
        let fading = |stray: &Stray| stray.ours && stray.offline_since.is_some();
        let offline = self.strays.iter().filter(|(_, stray)| fading(stray));
        offline.map(|((scope, _), _)| scope.clone()).collect()
    }

    /// Forgets the registrations without a machine of a scope that is gone.
    pub fn forget(&mut self, scope: &Scope) {
        self.strays.retain(|(place, _), _| place != scope);
    }

    /// Other orchestrators that use our names.
    pub fn clashes(&self) -> impl Iterator<Item = &Clash> {
        self.clashes.values()
    }

    /// The end of a machine failed; `why`, as a problem that lasts until it is gone.
    pub fn not_ended(&mut self, machine: &MachineRef, why: String, now: Timestamp) {
        let times = self.unended.get(machine).map_or(0, |unended| unended.times).saturating_add(1);
        // It may have come half way.
        self.ended(&machine.name);
        let wait = doubled(UNENDED_FIRST, UNENDED_LONGEST, times);
        let until = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.unended.insert(machine.clone(), Unended { times, until, why });
    }

    /// Until when the end of a machine is not tried again, if it failed.
    pub fn end_put_off(&self, machine: &MachineRef, now: Timestamp) -> Option<Timestamp> {
        let until = self.unended.get(machine)?.until;
        // One that ends later than the longest wait is from before the clock was set back.
        let holds = until > now && until.duration_since(now) <= UNENDED_LONGEST;
        holds.then_some(until)
    }

    /// Why machines could not be ended that are still there, one line each.
    pub fn unended(&self) -> impl Iterator<Item = &str> {
        self.unended.values().map(|unended| unended.why.as_str())
    }

    /// The registration of a launch of which nobody knows what became: if it stays offline, it is ours to delete.
    pub fn registered(&mut self, scope: &Scope, id: RunnerId, now: Timestamp) {
        self.registrations.insert((scope.clone(), id), now);
    }

    /// GitHub refused to delete a registration: its runner runs a job. `listed_busy`: whether its list said so, too.
    pub fn refused(&mut self, scope: &Scope, id: RunnerId, listed_busy: bool, now: Timestamp) {
        let key = (scope.clone(), id);
        let times = self.refused.get(&key).map_or(0, |refused| refused.times).saturating_add(1);
        let wait = doubled(REFUSED_FIRST, REFUSED_LONGEST, times);
        let until = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.refused.insert(key, Refused { times, until, listed_busy });
    }

    /// Until when GitHub is not asked again to delete a registration, if it refused.
    pub fn put_off(&self, scope: &Scope, id: RunnerId, now: Timestamp) -> Option<Timestamp> {
        let refused = self.refused.get(&(scope.clone(), id))?;
        // One that ends later than the longest wait is from before the clock was set back.
        let holds = refused.until > now && refused.until.duration_since(now) <= REFUSED_LONGEST;
        holds.then_some(refused.until)
    }

    /// When GitHub is next asked again to delete a registration, and when the ends of machines are tried again.
    pub fn retries(&self) -> impl Iterator<Item = Timestamp> {
        let refused = self.refused.values().map(|refused| refused.until);
        refused.chain(self.unended.values().map(|unended| unended.until))
    }
}

impl Memory {
    /// When the first backend listed its machines.
    fn began(&self) -> Option<Timestamp> {
        self.adopted.values().min().copied()
    }

    fn note_clash(&mut self, scope: &Scope, example: &str, sign: Sign, now: Timestamp) {
        let clash = self.clashes.entry(scope.clone()).or_insert_with(|| Clash {
            scope: scope.clone(),
            example: example.to_owned(),
            sign,
            seen_at: now,
        });
        clash.seen_at = now;
    }

    /// Forgets refusals of registrations that are gone, or that are not busy any more.
    fn note_refusals(&mut self, scope: &Scope, list: &[Registered]) {
        self.refused.retain(|(place, id), refused| {
            let Some(found) = list.iter().find(|registered| registered.id == *id) else {
                return place != scope;
            };
            place != scope || found.busy || !refused.listed_busy
        });
    }
}

#[cfg(test)]
mod tests;
