//! Runners that this process started and that can take no job any more, though GitHub never said that they had one.
//!
//! One may have had a job that was too quick to see, which GitHub's lists or a webhook then tell. But an image that cannot work looks
//! the same, whatever it prints and whichever way its runners go. So each counts once, as soon as it is seen, and until GitHub tells of
//! its job.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::machine::{Machine, Phase};
use mayfly_common::name::RunnerName;

use crate::github_view::Sight;
use crate::lifecycle::{self, Failure, Reason};
use crate::memory::Memory;
use crate::memory::departures::Departed;
use crate::not_assigned::Ended;
use crate::observed::Observed;
use crate::policy::Policy;

/// How long GitHub's word on the job of a runner that left is waited for.
const WORD_AWAITED: SignedDuration = SignedDuration::from_mins(15);

impl Observed {
    /// The runners that left without a sign of a job since the last pass.
    pub(super) fn note_departures(
        &self,
        memory: &mut Memory,
        policy: &Policy,
        now: Timestamp,
    ) -> Vec<Ended> {
        for machine in &self.machines {
            let place = (machine.pool.clone(), machine.scope.clone());
            memory.started(&machine.name, place);
        }
        let ended: Vec<Ended> = memory
            .started_for
            .iter()
            .filter(|(name, _)| !self.is_in_hand(name))
            .filter_map(|(name, started)| {
                let machine = self.machines.iter().find(|machine| machine.name == *name);
                let why = match machine {
                    Some(machine) => self.departure(memory, machine, started.job, policy, now)?,
                    None => Failure::Removed.to_string(),
                };
                let (pool, scope) = started.there.clone()?;
                let known = self.working_for.contains_key(name);
                let group = policy.pool(&pool).and_then(|pool| pool.group.clone());
                let (job, name) = (started.job, name.clone());
                (!known).then_some(Ended { job, pool, name, scope, group, why })
            })
            .collect();
        // Each counts once, however often its machine is looked at.
        for end in &ended {
            let Some(started) = memory.started_for.remove(&end.name) else { continue };
            let place = (end.pool.clone(), end.scope.clone());
            let queued = |job: i64| self.jobs.iter().any(|one| one.id == job);
            let in_vain = end.job.is_none_or(queued);
            let departed = Departed { started_at: started.at, at: now, place, in_vain };
            memory.departed.insert(end.name.clone(), departed);
        }
        ended
    }

    /// How a runner left without a sign of a job, if it did.
    fn departure(
        &self,
        memory: &Memory,
        machine: &Machine,
        job: Option<i64>,
        policy: &Policy,
        now: Timestamp,
    ) -> Option<String> {
        let (sight, sighting) = (self.sight_of(machine), memory.of(machine));
        if sighting.had_job {
            return None;
        }
        let reason = self.reason_of(machine, sighting, policy, now);
        let left = match &reason {
            // It had its time, or its pool waits in this place.
            Reason::Failed(failure) => {
                let in_time = !matches!(failure, Failure::PastDeadline(_));
                in_time && (!failure.is_of_start() || sighting.was_busy)
            }
            Reason::Result(_)
            | Reason::Printed(_)
            | Reason::AfterItsJob
            | Reason::WithoutSign(..)
            | Reason::Ending
            | Reason::Disconnected => true,
            // The name of a process proves nothing: while GitHub says otherwise, nobody counts on the runner.
            Reason::Working => match sight {
                Sight::Absent => true,
                Sight::Listed(registered) => job.is_some() || !registered.online,
                Sight::Unknown | Sight::Unasked => false,
            },
            Reason::Busy
            | Reason::WasBusy
            | Reason::Waiting
            | Reason::WasOnline
            | Reason::NotAsked
            | Reason::NotOnlineYet
            | Reason::BeingStarted
            | Reason::Preparing
            | Reason::Ready
            | Reason::Unseen(_)
            | Reason::OnlineUnseen(_)
            | Reason::Late => false,
        };
        left.then(|| match &machine.phase {
            Phase::Exited(exit) => lifecycle::how_it_ended(exit),
            _ => match reason {
                Reason::Working => {
                    "a process in it has the name of a job's, and GitHub shows no job".to_owned()
                }
                reason => reason.to_string(),
            },
        })
    }

    /// GitHub told of the jobs of runners that had left without a sign of one: they do not count any more. Answers with their names.
    pub(super) fn note_late_words(&self, memory: &mut Memory, now: Timestamp) -> Vec<RunnerName> {
        let Memory { departed, idle_ends, sightings, .. } = memory;
        let mut had_job = Vec::new();
        departed.retain(|name, left| {
            let seen = sightings.get(name).is_some_and(|(_, sighting)| sighting.had_job);
            if seen || self.working_for.contains_key(name) {
                idle_ends.succeeded(&left.place);
                had_job.push(name.clone());
                return false;
            }
            // A moment that lies ahead is from before the clock was set back.
            left.at <= now && now.duration_since(left.at) < WORD_AWAITED
        });
        had_job
    }
}
