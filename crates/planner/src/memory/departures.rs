//! Runners that this process started, and those of them that left without a sign of a job.

use jiff::Timestamp;
use mayfly_common::name::RunnerName;

use super::Memory;
use crate::backoff::Place;

/// What this process started a runner for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Started {
    /// The job; none if it was started to wait for one.
    pub(super) job: Option<i64>,
    /// When.
    pub(super) at: Timestamp,
    /// Its pool and where it registers, once its container is known to be there.
    pub(super) there: Option<Place>,
}

/// A runner that left without a sign of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Departed {
    /// When it was started.
    pub(super) started_at: Timestamp,
    /// When it was seen to have left.
    pub(super) at: Timestamp,
    pub(super) place: Place,
    /// True if it was started to wait, or if the job that it was started for was still queued.
    pub(super) in_vain: bool,
}

impl Memory {
    /// A runner that was launched could not be started. It may be there all the same, where the engine did not answer: then it is listed.
    pub fn not_started(&mut self, name: &RunnerName) {
        if let Some(started) = self.started_for.get_mut(name) {
            started.there = None;
        }
    }

    /// A runner of this name is about to be registered.
    pub fn launched(&mut self, name: &RunnerName, job: Option<i64>, now: Timestamp) {
        self.names.insert(name.clone(), now);
        self.started_for.insert(name.clone(), Started { job, at: now, there: None });
    }

    /// The container of a runner that was launched is there.
    pub fn started(&mut self, name: &RunnerName, place: Place) {
        if let Some(started) = self.started_for.get_mut(name) {
            started.there = Some(place);
        }
    }

    /// This process ended a runner: what becomes of it now says nothing of its image.
    pub fn ended(&mut self, name: &RunnerName) {
        self.started_for.remove(name);
        self.unended.retain(|machine, _| machine.name != *name);
    }

    /// True if a runner left without a sign of a job, and the job that it was started for, if there was one, is still queued.
    pub fn left_in_vain(&self, runner: &RunnerName) -> bool {
        self.departed.get(runner).is_some_and(|departed| departed.in_vain)
    }

    /// Runners that left without a sign of a job, each with when it was started: GitHub may still tell of their jobs.
    pub fn departed(&self) -> impl Iterator<Item = (&RunnerName, Timestamp)> {
        self.departed.iter().map(|(name, departed)| (name, departed.started_at))
    }
}
