//! Runners whose machines are gone though nobody here ended them: they were there after the last pass, of this process or of the one
//! before it.

use jiff::Timestamp;
use mayfly_common::api::Finished;
use mayfly_common::foreign_text::message;
use mayfly_common::name::RunnerName;
use mayfly_common::runner::RunnerState;
use mayfly_service::telemetry::MONITOR;
use tracing::{debug, info, warn};

use super::outcome::Outcome;
use super::{Reconciler, State};
use mayfly_common::machine::Machine;
use mayfly_planner::ledger::Fact;
use mayfly_planner::left_runners::{LeftRunner, ending};
use mayfly_planner::lifecycle::Failure;
use mayfly_planner::{Action, Verdict};

/// The runners that a pass leaves behind.
#[derive(Default)]
pub(super) struct Left(Vec<LeftRunner>);

impl Left {
    /// Those that were seen after the actions, without those that the actions ended, or are ending.
    pub(super) fn of(
        machines: &[Machine],
        verdicts: &[Verdict],
        outcomes: &[(Action, Outcome)],
        in_flight: &[Action],
    ) -> Self {
        let ended = |name: &RunnerName| {
            in_flight.iter().any(|action| action.runner() == Some(name))
                || outcomes.iter().any(|(action, outcome)| match (action, outcome) {
                    (Action::Remove { .. } | Action::Retire { .. }, _) => {
                        action.ends(name) && !matches!(outcome, Outcome::Kept | Outcome::Runs)
                    }
                    // One that cannot be started is removed.
                    (Action::Start { .. }, Outcome::Failed(_)) => action.runner() == Some(name),
                    _ => false,
                })
        };
        let left = machines.iter().zip(verdicts).filter(|(machine, _)| !ended(&machine.name));
        Self(left.map(|(machine, verdict)| LeftRunner::of(machine, verdict.state)).collect())
    }

    /// Those that are not there any more.
    fn lost(&self, seen: &[Machine]) -> Vec<LeftRunner> {
        self.0.iter().filter(|runner| runner.is_missing(seen)).cloned().collect()
    }
}

/// Runners that an earlier process left behind and whose machines were gone at the first look.
#[derive(Default)]
pub(super) struct Missing {
    runners: Vec<LeftRunner>,
    /// When that look was; none before it.
    since: Option<Timestamp>,
}

impl Missing {
    /// The pool of a runner.
    pub(super) fn pool_of(&self, runner: &str) -> Option<&str> {
        let found = self.runners.iter().find(|one| one.name.as_str() == runner);
        found.map(|one| one.pool.as_str())
    }
}

impl Reconciler {
    /// Tells of the runners that are gone though nobody here ended them.
    pub(super) fn tell_lost(&self, state: &mut State, seen: &[Machine], now: Timestamp) {
        for runner in state.told.left.lost(seen) {
            let was_busy = runner.state == RunnerState::Busy;
            let ended = if was_busy { RunnerState::Failed } else { RunnerState::Gone };
            self.tell_gone(state, &runner, ended, &Failure::Removed.to_string(), now);
        }
    }

    /// At the first look: which of the runners that an earlier process left behind are not there. Answers with those that are there and
    /// were at work.
    pub(super) async fn look_for_missing(
        &self,
        state: &mut State,
        (installation, seen): (&str, &[Machine]),
        now: Timestamp,
    ) -> Vec<RunnerName> {
        if state.told.missing.since.is_some() {
            return Vec::new();
        }
        let left = match self.intake.store().left_runners(installation.to_owned()).await {
            Ok(left) => left,
            Err(error) => {
                debug!("runners of the last run cannot be read: {error}");
                return Vec::new();
            }
        };
        let (runners, there): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|runner| runner.is_missing(seen));
        let busy = runners.iter().filter(|runner| runner.state == RunnerState::Busy);
        state.ledger.apply(Fact::AtWork(busy.map(LeftRunner::worker).collect()), now);
        state.told.missing = Missing { runners, since: Some(now) };
        let at_work = there.into_iter().filter(|runner| runner.state == RunnerState::Busy);
        at_work.map(|runner| runner.name).collect()
    }

    /// Tells of the runners that an earlier process left behind and that were gone, where GitHub has said what became of their jobs.
    pub(super) fn tell_missing(&self, state: &mut State, now: Timestamp) {
        let Some(since) = state.told.missing.since else { return };
        for runner in std::mem::take(&mut state.told.missing.runners) {
            let job = state.ledger.latest_job(runner.name.as_str(), runner.created_at);
            match ending(runner.state, &job, now.duration_since(since)) {
                Some(end) => self.tell_gone(state, &runner, end.state, &end.why, now),
                None => state.told.missing.runners.push(runner),
            }
        }
    }

    /// Hands on which runners are there, and of which it is still to be told that they are not.
    pub(super) fn note_left(state: &mut State, installation: &str) {
        // What the earlier process left was not read: it is not replaced.
        if state.told.missing.since.is_some() {
            let left =
                state.told.left.0.iter().chain(&state.told.missing.runners).cloned().collect();
            state.told.journal.left(installation, left);
        }
    }

    fn tell_gone(
        &self,
        state: &mut State,
        left: &LeftRunner,
        ended: RunnerState,
        reason: &str,
        now: Timestamp,
    ) {
        let (runner, scope) = (&left.name, &left.scope);
        if ended == RunnerState::Failed {
            self.metrics.failed(left.pool.as_str(), &Failure::Removed);
            warn!(category = MONITOR, %runner, %scope, reason, "runner is gone, and its job with it");
        } else {
            info!(category = MONITOR, %runner, %scope, reason, "runner is gone");
        }
        let finished = Finished {
            name: runner.to_string(),
            scope: scope.kind(),
            scope_name: scope.name(),
            pool: left.pool.to_string(),
            image: left.image.clone(),
            state: ended,
            reason: message(reason),
            exit_code: None,
            out_of_memory: false,
            created_at: left.created_at,
            removed_at: now,
            log: None,
        };
        state.told.history.add(&finished, "");
        state.told.journal.gone(finished, now);
    }
}

#[cfg(test)]
mod tests;
