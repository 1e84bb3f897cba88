//! Runners that were started to wait and ended, their registrations gone, without a sign that they had a job.
//!
//! One may have had a job that was too quick to see. But an image that deletes its own registration when it cannot start looks the same,
//! so the next runner that waits comes later and later, until one has a job. Runners for jobs are not held back.

use jiff::{SignedDuration, Timestamp};

use super::Memory;
use crate::assignment::Ended;
use crate::backoff::{Failed, Place, Streak};
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
}

impl Observed {
    /// Has the next runner wait longer and longer where those that were started to wait end like that, until one has a job.
    pub(super) fn note_idle_ends(&self, memory: &mut Memory, ended: &[Ended<'_>], now: Timestamp) {
        for instance in &self.instances {
            if memory.of(instance).was_busy {
                memory.idle_ends.succeeded(&(instance.pool.clone(), instance.scope.clone()));
            }
        }
        for end in ended.iter().filter(|end| end.job.is_none()) {
            let place = (end.pool.clone(), end.scope.clone());
            memory.idle_ends.failed(&place, Failed::Runner(end.name.clone()), &end.why, now);
        }
    }
}
