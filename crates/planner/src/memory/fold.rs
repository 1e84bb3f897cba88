//! Folds what a pass saw into the memory of earlier ones.

mod departures;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mayfly_common::identity::RunnerIdentity;
use mayfly_common::machine::{Machine, MachineRef, Phase};
use mayfly_common::name::RunnerName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;

use super::{CLASH_KEPT, LATE_REGISTRATION, Memory, ORIGIN_KEPT, Sign, Stray};
use crate::action::Action;
use crate::github_view::{Listing, Sight};
use crate::gone_places::{GONE_AFTER, GONE_ANSWERS, NotFound};
use crate::naming;
use crate::not_assigned::{self, Assignment, AtWork, Ended, Idle};
use crate::observed::Observed;
use crate::policy::Policy;
use crate::request::ApiRequest;
use crate::sighting::Sighting;

impl Observed {
    /// Folds what this pass saw into the memory of earlier ones.
    #[must_use]
    pub fn remember(mut self, policy: &Policy, now: Timestamp) -> Self {
        let mut memory = std::mem::take(&mut self.memory);
        memory.not_found = self.note_not_found(&memory.not_found, now);
        for machine in &self.machines {
            let known = memory.names.insert(machine.name.clone(), now).is_some();
            // One that was made before was on its way when an earlier process ended.
            let late =
                memory.adopted.get(&machine.backend).is_none_or(|at| machine.created_at <= *at);
            if !late && !known {
                memory.note_clash(&machine.scope, machine.name.as_str(), Sign::Machine, now);
            }
            let listed = self.sight_of(machine).listed().map(|registered| registered.id);
            for id in listed.into_iter().chain(machine.github_id) {
                memory.registrations.insert((machine.scope.clone(), id), now);
            }
        }
        let listed =
            policy.caps.backends.keys().filter(|name| !self.unreachable.contains_key(name));
        for backend in listed {
            memory.adopted.entry(backend.clone()).or_insert(now);
        }
        let there: BTreeSet<MachineRef> = self.machines.iter().map(Machine::reference).collect();
        memory.unended.retain(|machine, _| there.contains(machine));
        memory.names.retain(|_, at| now.duration_since(*at) < ORIGIN_KEPT);
        memory.started_for.retain(|name, _| memory.names.contains_key(name));
        memory.registrations.retain(|_, at| now.duration_since(*at) < ORIGIN_KEPT);
        let sightings = self.machines.iter().map(|machine| {
            let mut before = memory.of(machine);
            before.watched |= memory.started_for.contains_key(&machine.name);
            let mut sighting = self.sighting(before, machine, policy, now);
            let reason = self.reason_of(machine, sighting, policy, now);
            let failed = reason.failure().is_some();
            sighting.failed_passes =
                if failed { before.failed_passes.saturating_add(1) } else { 0 };
            (machine.name.clone(), (machine.created_at, sighting))
        });
        let sightings: BTreeMap<RunnerName, (Timestamp, Sighting)> = sightings.collect();
        let begun = self.begun(&memory, &sightings);
        memory.sightings = sightings;
        let ended = self.note_departures(&mut memory, policy, now);
        let had_job = self.note_late_words(&mut memory, now);
        not_assigned::forget_ends(&mut memory.assignments, &had_job);
        let idle_since = |machine: &Machine| memory.of(machine).idle_since;
        let assignments =
            assignments_after(&self, &memory.assignments, idle_since, &ended, policy, now);
        memory.note_idle_ends(&begun, &ended, now);
        let at_work = at_work(&self, policy);
        memory.failed_groups.update(&memory.assignments, &assignments, at_work, now);
        memory.assignments = assignments;
        for (scope, listing) in &self.registrations {
            self.note_strays(&mut memory, scope, listing, policy, now);
            if let Listing::Known(list) = listing {
                memory.note_refusals(scope, list);
                memory.listed.insert(scope.clone());
            }
        }
        memory.clashes.retain(|_, clash| now.duration_since(clash.seen_at) < CLASH_KEPT);
        self.memory = memory;
        self
    }

    fn sighting(
        &self,
        mut sighting: Sighting,
        machine: &Machine,
        policy: &Policy,
        now: Timestamp,
    ) -> Sighting {
        // A moment that lies ahead is from before the clock was set back.
        let since = |before: Option<Timestamp>| Some(before.map_or(now, |at| at.min(now)));
        let over = self.jobs_over.get(&machine.name).copied();
        sighting.job_over_at = over.or(sighting.job_over_at);
        // One that had a job was online, whether or not somebody looked at that moment.
        let had_job = over.is_some() || self.working_for.contains_key(&machine.name);
        // GitHub is asked now and then, and its list may lag; that a job began is remembered however it was seen.
        let worked = machine.phase == Phase::Running { working: Some(true) };
        sighting.was_online |= had_job || worked;
        sighting.was_busy |= worked || had_job;
        sighting.had_job |= had_job;
        let sight = self.sight_of(machine);
        if matches!(sight, Sight::Unknown | Sight::Unasked) {
            return sighting;
        }
        let listed = sight.listed();
        let online = listed.is_some_and(|registered| registered.online);
        sighting.was_online |= online;
        let busy = listed.is_some_and(|registered| registered.busy);
        sighting.was_busy |= busy;
        sighting.had_job |= busy;
        sighting.missing_since =
            if online || worked { None } else { since(sighting.missing_since) };
        let jobless = listed.is_none_or(|registered| !registered.online && !registered.busy);
        // What GitHub said to an earlier process is forgotten, but the job was over by then, within the machine's life.
        let first = !std::mem::replace(&mut sighting.was_told, true);
        let begun = over.filter(|_| first).map(|at| at.max(machine.created_at));
        let jobless_since = sighting.jobless_since.or(begun);
        sighting.jobless_since = if jobless { since(jobless_since) } else { None };
        let reason = self.reason_of(machine, sighting, policy, now);
        let idle = reason.state() == RunnerState::Idle;
        sighting.idle_since = if idle { since(sighting.idle_since) } else { None };
        sighting
    }

    /// True if a request gives a new runner this name.
    fn is_asked_for(&self, scope: &Scope, name: &str) -> bool {
        self.wishes.iter().any(|(_, wish)| {
            let ApiRequest::Create(wanted) = wish else { return false };
            let same = |one: &RunnerName| one.as_str().eq_ignore_ascii_case(name);
            wanted.scope == *scope && wanted.names.iter().any(same)
        })
    }

    /// Notes what a list says of registrations that may be ours, or are in the way, and have no machine here.
    fn note_strays(
        &self,
        memory: &mut Memory,
        scope: &Scope,
        listing: &Listing,
        policy: &Policy,
        now: Timestamp,
    ) {
        let was_listed = memory.listed.contains(scope);
        let mut strays = BTreeMap::new();
        for registered in listing.entries() {
            let key = (scope.clone(), registered.id);
            let ours = naming::is_generated(&policy.name_prefix, &registered.name)
                || memory.registrations.contains_key(&key);
            // GitHub keeps the names of each scope apart.
            let place = policy.all().any(|pool| {
                pool.registers_at(scope) && naming::place_number(pool, &registered.name).is_some()
            });
            let same = |name: &RunnerName| name.as_str().eq_ignore_ascii_case(&registered.name);
            let listed = self.machines.iter().filter(|machine| machine.scope == *scope);
            let listed = listed.map(|machine| &machine.name);
            let machine = listed.chain(self.in_flight.iter().filter_map(Action::runner)).any(same);
            let before = memory.strays.get(&key).copied();
            // Somebody asks, or asked, for a runner of this name.
            let wanted = before.is_some() || self.is_asked_for(scope, &registered.name);
            if machine || !(ours || place || wanted) {
                continue;
            }
            let offline = !registered.online && !registered.busy;
            let since = before.and_then(|stray| stray.offline_since).map_or(now, |at| at.min(now));
            let known = RunnerName::parse(&registered.name)
                .is_ok_and(|name| memory.names.contains_key(&name));
            let came_online =
                registered.online && before.is_some_and(|stray| stray.offline_since.is_some());
            // The name of a numbered place may have been there before its pool: only one at work appeared.
            let late = memory.began().is_none_or(|at| now.duration_since(at) < LATE_REGISTRATION);
            let appeared = was_listed && before.is_none() && ((ours && !late) || !offline);
            // A backend that does not answer may have made it.
            let foreign = self.unreachable.is_empty()
                && (ours || place)
                && !known
                && (came_online || appeared || before.is_some_and(|stray| stray.foreign));
            if foreign {
                memory.note_clash(scope, &registered.name, Sign::Registration, now);
            }
            strays.insert(key, Stray { offline_since: offline.then_some(since), ours, foreign });
        }
        // What is not in a whole list is gone.
        let whole = matches!(listing, Listing::Known(_));
        memory.strays.retain(|(place, _), _| place != scope || !whole);
        memory.strays.append(&mut strays);
    }

    /// Counts the answers 404 on from `before`, and has those that lasted count as lists without runners.
    fn note_not_found(
        &mut self,
        before: &BTreeMap<Scope, NotFound>,
        now: Timestamp,
    ) -> BTreeMap<Scope, NotFound> {
        let mut after = BTreeMap::new();
        for (scope, listing) in &mut self.registrations {
            let known = before.get(scope).copied();
            match listing {
                Listing::NotFound => {
                    // A moment that lies ahead is from before the clock was set back.
                    let since = known.map_or(now, |known| known.since.min(now));
                    let answers = known.map_or(0, |known| known.answers).saturating_add(1);
                    after.insert(scope.clone(), NotFound { since, answers });
                    if answers >= GONE_ANSWERS && now.duration_since(since) >= GONE_AFTER {
                        *listing = Listing::Known(Vec::new());
                    }
                }
                Listing::Unasked => after.extend(known.map(|known| (scope.clone(), known))),
                Listing::Known(_) | Listing::Partial(_) | Listing::Unknown => {}
            }
        }
        after
    }
}

/// What is known of the assignment of each queued job after a pass that saw this. `idle_since`: since when a runner has been idle;
/// `ended`: runners that ended without a sign of a job.
pub(crate) fn assignments_after(
    seen: &Observed,
    before: &BTreeMap<i64, Assignment>,
    idle_since: impl Fn(&Machine) -> Option<Timestamp>,
    ended: &[Ended],
    policy: &Policy,
    now: Timestamp,
) -> BTreeMap<i64, Assignment> {
    let listed = |one: &&Machine| seen.sight_of(one).listed().is_some();
    let idle = seen.machines.iter().filter(listed).filter_map(|machine| {
        let RunnerIdentity { name, scope, labels, pool, .. } = &machine.identity;
        let group = policy.pool(pool).and_then(|pool| pool.group.as_deref());
        Some(Idle { name, scope, labels, group, since: idle_since(machine)? })
    });
    let idle: Vec<Idle<'_>> = idle.collect();
    // A job that is missing because GitHub could not be asked about its repository may be queued still.
    let unasked = |last: &Assignment| {
        let listed_at = seen.listed_at.get(&last.repo).copied();
        !seen.jobs_complete && listed_at.is_some() && listed_at == last.listed_at
    };
    let mut after = before.clone();
    after.retain(|_, last| unasked(last));
    for job in &seen.jobs {
        let listed_at = seen.listed_at.get(&job.repo).copied();
        let mut next = Assignment::next(before.get(&job.id), job, &idle, listed_at, now);
        for ended in ended.iter().filter(|ended| ended.job == Some(job.id)) {
            next.note_end(ended, now);
        }
        after.insert(job.id, next);
    }
    after
}

/// The runners that have a job of a known repository.
pub(crate) fn at_work<'a>(
    seen: &'a Observed,
    policy: &'a Policy,
) -> impl Iterator<Item = AtWork<'a>> {
    seen.machines.iter().filter_map(|machine| {
        let busy = || seen.sight_of(machine).listed().is_some_and(|one| one.busy);
        let repo = match &machine.scope {
            Scope::Repo(repo) if busy() => Some(repo),
            _ => seen.working_for.get(&machine.name),
        };
        let group = policy.pool(&machine.pool).and_then(|pool| pool.group.as_deref());
        Some(AtWork { repo: repo?, scope: &machine.scope, group })
    })
}
