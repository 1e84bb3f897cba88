//! What is under way: actions that began in this pass or an earlier one. Each goes on beside later passes until it ends.
//!
//! Invariant: an action is in flight from when it begins until the first look that begins after it ended. So a look that began before
//! proves nothing about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mayfly_common::name::RunnerName;
use mayfly_planner::Action;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{Instrument as _, Span, error};

use super::act::{Actor, Carried, Task};
use super::outcome::{ActionError, Outcome};

/// Identifies a batch within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BatchId(u64);

/// A batch that came to its end.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) batch: BatchId,
    pub(super) carried: Vec<Carried>,
}

/// How long a pass waits for actions.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// Until all have ended, those of earlier passes included.
    ForAll,
    /// Until those that it began have ended, but no longer than this.
    AtMost(Duration),
}

/// What is under way. Dropped, it ends where it stands: the next process sees what is left.
pub(super) struct Flight {
    running: JoinSet<Vec<Carried>>,
    batches: BTreeMap<BatchId, (Id, Vec<Task>)>,
    ended: Vec<Ended>,
    begun: u64,
    /// Wakes whoever waits for an end.
    news: Arc<Notify>,
}

impl Flight {
    pub(super) fn new(news: Arc<Notify>) -> Self {
        Self {
            running: JoinSet::new(),
            batches: BTreeMap::new(),
            ended: Vec::new(),
            begun: 0,
            news,
        }
    }

    /// The actions that are under way, or whose end was not taken in so far.
    pub(super) fn actions(&self) -> Vec<Action> {
        let tasks = self.batches.values().flat_map(|(_, tasks)| tasks);
        tasks.map(|task| task.action.clone()).collect()
    }

    /// The runners that are being registered, or whose machines are being made.
    pub(super) fn being_made(&self) -> BTreeSet<RunnerName> {
        let tasks = self.batches.values().flat_map(|(_, tasks)| tasks);
        let launches = tasks.filter(|task| matches!(task.action, Action::Launch(_)));
        launches.filter_map(|task| task.action.runner().cloned()).collect()
    }

    /// True if nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Begins a batch: what comes `first`, and then the rest.
    pub(super) fn begin(
        &mut self,
        actor: &Arc<Actor>,
        first: Vec<Task>,
        then: Vec<Task>,
    ) -> BatchId {
        self.begun += 1;
        let batch = BatchId(self.begun);
        let tasks = first.iter().chain(&then).cloned().collect();
        let (actor, news) = (Arc::clone(actor), Arc::clone(&self.news));
        let work = async move {
            let carried = actor.carry_out(first, then).await;
            news.notify_one();
            carried
        };
        let running = self.running.spawn(work.instrument(Span::current()));
        self.batches.insert(batch, (running.id(), tasks));
        batch
    }

    /// Waits for the batches `begun` in this pass, or for all.
    pub(super) async fn wait(&mut self, begun: &BTreeSet<BatchId>, patience: Patience) {
        let at_most = match patience {
            Patience::ForAll => Duration::MAX,
            Patience::AtMost(limit) => limit,
        };
        let all = async {
            while self.awaits(begun, patience) {
                let Some(joined) = self.running.join_next_with_id().await else { break };
                self.note(joined);
            }
        };
        // What has not ended goes on.
        let _ = timeout(at_most, all).await;
    }

    fn awaits(&self, begun: &BTreeSet<BatchId>, patience: Patience) -> bool {
        match patience {
            Patience::ForAll => !self.batches.is_empty(),
            Patience::AtMost(_) => self.batches.keys().any(|batch| begun.contains(batch)),
        }
    }

    /// Takes what ended.
    pub(super) fn take_ended(&mut self) -> Vec<Ended> {
        while let Some(joined) = self.running.try_join_next_with_id() {
            self.note(joined);
        }
        std::mem::take(&mut self.ended)
    }

    fn note(&mut self, joined: Result<(Id, Vec<Carried>), JoinError>) {
        let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(batch) =
            self.batches.iter().find(|(_, (of, _))| *of == id).map(|(batch, _)| *batch)
        else {
            return;
        };
        let Some((_, tasks)) = self.batches.remove(&batch) else { return };
        let carried = match joined {
            Ok((_, carried)) => carried,
            Err(why) => {
                error!("an action broke off: {why}");
                let broke_off = |task| Carried {
                    task,
                    outcome: Outcome::Failed(ActionError::BrokeOff),
                    gone: None,
                };
                tasks.into_iter().map(broke_off).collect()
            }
        };
        self.ended.push(Ended { batch, carried });
    }
}

impl Actor {
    /// Carries a batch out: what comes first, and then the rest.
    async fn carry_out(&self, first: Vec<Task>, then: Vec<Task>) -> Vec<Carried> {
        let mut carried = self.all(first).await;
        carried.append(&mut self.undo_half_done(self.all(then).await).await);
        carried
    }

    /// A request for several runners is carried out whole or not at all: where one failed, the others end again.
    async fn undo_half_done(&self, mut carried: Vec<Carried>) -> Vec<Carried> {
        let request_of = |action: &Action| match action {
            Action::Launch(launch) => launch.request,
            _ => None,
        };
        let failed = carried.iter().find_map(|one| match &one.outcome {
            Outcome::Failed(error) => request_of(&one.task.action).map(|_| error.clone()),
            _ => None,
        });
        let Some(error) = failed else { return carried };
        for one in &mut carried {
            if let (Action::Launch(launch), Outcome::Done) = (&one.task.action, &one.outcome) {
                // What this cannot undo is a runner like any other: idle, seen by the next pass, listed by the API.
                one.outcome = match self.launcher.withdraw(launch).await {
                    Ok(()) => Outcome::Failed(error.clone()),
                    Err(second) => Outcome::Failed(second),
                };
            }
        }
        carried
    }
}

/// The batch of this number.
#[cfg(test)]
pub(super) fn batch_id(number: u64) -> BatchId {
    BatchId(number)
}
