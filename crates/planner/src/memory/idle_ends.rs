//! Runners that were started to wait and left without a sign that they had a job.
//!
//! One may have had a job that was too quick to see. But an image that cannot work looks the same, so the next runner that waits comes
//! later and later, until one has a job. Runners for jobs are not held back.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::name::RunnerName;

use super::{Memory, Sighting};
use crate::backoff::{Failed, Place, Streak};
use crate::not_assigned::Ended;
use crate::observed::Observed;

/// How long it is told after a wait that idle runners ended without a job: longer than the next one needs to end.
const IDLE_ENDS_TOLD: SignedDuration = SignedDuration::from_mins(10);

impl Memory {
    /// Until when no runner is started to wait in this place, because the last ones ended without a job.
    pub fn idle_held_until(&self, place: &Place, now: Timestamp) -> Option<Timestamp> {
        let mut held = self.idle_ends.active(now).filter(|(held, _)| *held == place);
        held.next().map(|(_, streak)| streak.until)
    }

    /// The ends of these waits.
    pub fn idle_waits(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        self.idle_ends.active(now).map(|(_, streak)| streak.until)
    }

    /// Where runners that were started to wait ended one after the other without a job, in words.
    pub fn idle_problems(&self, now: Timestamp) -> Vec<String> {
        let lately = |until: Timestamp| now.duration_since(until) < IDLE_ENDS_TOLD;
        let streaks = self.idle_ends.streaks().iter();
        let several = streaks.filter(|(_, streak)| streak.failures > 1 && lately(streak.until));
        let told = several.map(|((pool, scope), Streak { failures, reason, .. })| {
            format!(
                "pool {pool}: {failures} idle runners of {scope} ended one after the other without a sign of a job, the last: {reason}"
            )
        });
        told.collect()
    }

    /// Has the next runner wait longer and longer where those that were started to wait end like that, until one has a job. `begun`:
    /// where one has a job now that had none before.
    pub(super) fn note_idle_ends(&mut self, begun: &[Place], ended: &[Ended], now: Timestamp) {
        for place in begun {
            self.idle_ends.succeeded(place);
        }
        for end in ended.iter().filter(|end| end.job.is_none()) {
            let place = (end.pool.clone(), end.scope.clone());
            self.idle_ends.failed(&place, Failed::Runner(end.name.clone()), &end.why, now);
        }
    }
}

impl Observed {
    /// Where a runner has a job by GitHub's word, and had none by the last pass: one that works on and on says nothing of the next.
    pub(super) fn begun(
        &self,
        before: &Memory,
        after: &BTreeMap<RunnerName, (Timestamp, Sighting)>,
    ) -> Vec<Place> {
        let begun = self.machines.iter().filter(|machine| {
            let now = after.get(&machine.name).is_some_and(|(_, sighting)| sighting.had_job);
            now && !before.of(machine).had_job
        });
        begun.map(|machine| (machine.pool.clone(), machine.scope.clone())).collect()
    }
}
