//! Takes in what the actions of a pass came to: in the memory of passes, the ledger, the journal, the report and the metrics.

use std::sync::atomic::Ordering;

use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::{Finished, PassReport};
use mayfly_common::foreign_text::{message, name};
use mayfly_common::machine::{Machine, MachineRef, Phase};
use mayfly_common::runner::RunnerState;
use mayfly_service::telemetry::{MONITOR, SUCCESS};
use tracing::{info, warn};

use super::act::{Carried, Task};
use super::ask::worker;
use super::flight::{BatchId, Ended};
use super::history::History;
use super::outcome::{ActionError, Outcome, labels};
use super::pass::Round;
use super::show::not_started;
use super::state::Told;
use super::{Reconciler, State};
use crate::metrics::{Orphan, Trouble};
use mayfly_github::GitHubError;
use mayfly_planner::backoff::Failed;
use mayfly_planner::ledger::{Fact, Ran};
use mayfly_planner::lifecycle::{Failure, printed, result_of};
use mayfly_planner::{Action, Batch, Memory, Observed, Policy, Refusal, batches};

/// How long it is remembered that GitHub put off the end of a runner. The next try may be a while off.
const PUT_OFF_KNOWN: SignedDuration = SignedDuration::from_hours(1);

impl Reconciler {
    /// Begins the actions of a plan, but starts no runner once the service stops or the platform drains. Answers with what began.
    pub(super) fn begin(
        &self,
        state: &mut State,
        actions: Vec<Action>,
        seen: &Observed,
        policy: &Policy,
    ) -> Vec<(BatchId, Batch)> {
        // A drain that began after the plan was made counts, too.
        let starts = !self.stopping.load(Ordering::Relaxed) && self.drain.since().is_none();
        let actions = actions.into_iter().filter(|action| starts || !action.is_launch()).collect();
        let mut begun = Vec::new();
        for batch in batches(actions) {
            for action in batch.actions() {
                if let Action::Launch(launch) = action {
                    state.memory.launched(&launch.name, launch.job, state.planned_at);
                }
            }
            let tasks = |actions: &[Action]| {
                actions.iter().cloned().map(|action| Task::of(action, seen, policy)).collect()
            };
            let (first, then) = (tasks(&batch.first), tasks(&batch.then));
            begun.push((state.flight.begin(&self.actor, first, then), batch));
        }
        begun
    }

    /// Takes in what ended since the last pass, before this one looks.
    pub(super) fn take_in_ended(&self, state: &mut State, report: &mut PassReport) {
        let outcomes = self.take_in(state);
        self.settle(state, &outcomes, report);
    }

    /// Takes in what ended: in the memory of passes, the ledger, the history and the journal. Answers with what each action came to.
    pub(super) fn take_in(&self, state: &mut State) -> Vec<(Action, Outcome)> {
        let now = self.clock.now();
        let mut outcomes = Vec::new();
        for Ended { batch, carried } in state.flight.take_ended() {
            for one in carried {
                note_outcome(state, &one, now);
                forget_machine(state, &one);
                let Carried { task: Task { action, machine, .. }, outcome, gone } = one;
                if let Some((finished, log)) = gone {
                    if let Some(machine) = &machine {
                        note_job(state, machine, &log, now);
                    }
                    state.told.history.add(&finished, &log);
                    let log = Some(History::end_of(&log).to_owned());
                    state.told.journal.gone(Finished { log, ..finished }, now);
                }
                state.asked.note(batch, &action, &outcome);
                outcomes.push((action, outcome));
            }
            state.asked.ended(batch);
        }
        if state.flight.is_empty() {
            // Nobody need be woken for what is taken in.
            let _ = self.ended.notified().now_or_never();
        }
        outcomes
    }

    /// Remembers what was seen.
    pub(super) fn remember(&self, state: &mut State, seen: &Observed) {
        self.note_online(state, seen, state.planned_at);
        state.memory = seen.memory.clone();
    }

    /// Notes what a pass says of jobs and names, asks GitHub what is due, and keeps what was learnt.
    pub(super) async fn learn(&self, state: &mut State, round: &Round<'_>) {
        let Round { seen, planned, dry, .. } = *round;
        let now = state.planned_at;
        Self::note_pools(state, &seen.machines);
        if !dry {
            for (_, refusal) in &planned.refusals {
                if let Refusal::Registered { scope, timeout, .. } = refusal {
                    state.schedule.contest(scope, *timeout, now);
                }
            }
            self.ask_about_jobs(state, &seen.machines).await;
            self.search_for_jobs(state, &seen.repositories).await;
            self.tell_missing(state, now);
        }
        Self::note_pools(state, &seen.machines);
        self.keep(state).await;
    }

    /// Measures how long the runners took that have come online.
    fn note_online(&self, state: &State, seen: &Observed, now: Timestamp) {
        for machine in &seen.machines {
            let online = |memory: &Memory| memory.of(machine).was_online;
            // One that was there before we were did not come online just now.
            let ours = machine.created_at >= state.listening;
            if ours && online(&seen.memory) && !online(&state.memory) {
                let after = now.duration_since(machine.created_at);
                self.metrics.came_online(machine.pool.as_str(), after);
            }
        }
    }

    /// Tells jobs the pools of the runners that they have or had.
    fn note_pools(state: &mut State, seen: &[Machine]) {
        let State { ledger, told: Told { history, missing, .. }, .. } = state;
        ledger.pools(|runner| {
            let of = seen.iter().find(|machine| machine.name.as_str() == runner);
            let gone = || history.pool_of(runner).or_else(|| missing.pool_of(runner));
            of.map(|machine| machine.pool.as_str()).or_else(gone)
        });
    }

    pub(super) fn settle(
        &self,
        state: &mut State,
        outcomes: &[(Action, Outcome)],
        report: &mut PassReport,
    ) {
        let now = self.clock.now();
        for carried in outcomes {
            self.settle_one(state, carried, report, now);
        }
        state.told.put_off.retain(|_, at| now.duration_since(*at) < PUT_OFF_KNOWN);
        if outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_))) {
            self.metrics.trouble(Trouble::Action);
        }
        self.metrics.carried_out(outcomes.iter().map(labels));
    }

    /// Takes in what one action came to.
    fn settle_one(
        &self,
        state: &mut State,
        (action, outcome): &(Action, Outcome),
        report: &mut PassReport,
        now: Timestamp,
    ) {
        match (action, outcome) {
            (Action::PullImage { .. }, Outcome::Done) => {}
            (Action::Launch(launch), Outcome::Done) => {
                report.launched += 1;
                state.told.journal.started(launch, now);
                info!(category = SUCCESS, runner = %launch.name, scope = %launch.scope, reason = launch.why, "runner started");
            }
            (Action::Launch(launch), Outcome::Failed(error)) => {
                let place = (launch.pool.clone(), launch.scope.clone());
                let why = message(&error.to_string());
                report.problems.push(not_started(&launch.scope, &why));
                state.backoff.failed(&place, error.what_failed(), &why, now);
            }
            (Action::Start { machine: MachineRef { name, .. }, scope, why, .. }, Outcome::Done) => {
                info!(category = SUCCESS, runner = %name, %scope, reason = why, "runner goes on");
            }
            (Action::Start { pool, scope, .. }, Outcome::Failed(error)) => {
                let place = (pool.clone(), scope.clone());
                let why = message(&error.to_string());
                report.problems.push(not_started(scope, &why));
                state.backoff.failed(&place, error.what_failed(), &why, now);
            }
            (
                Action::Remove { machine: MachineRef { name, .. }, scope, .. },
                Outcome::Done | Outcome::Left(_),
            ) => {
                report.removed += 1;
                self.settle_removal(state, action, now);
                if let Outcome::Left(error) = outcome {
                    report.problems.push(format!(
                        "{scope}: the registration of runner {name} is left for a later pass: {error}"
                    ));
                }
            }
            (
                Action::Retire { machine: MachineRef { name, .. }, scope, why, .. },
                Outcome::Done,
            ) => {
                report.removed += 1;
                report.deregistered += 1;
                info!(category = SUCCESS, runner = %name, %scope, reason = why, "runner retired");
            }
            (Action::Deregister { name, scope, why, .. }, Outcome::Done) => {
                self.metrics.orphan(Orphan::Registration);
                report.deregistered += 1;
                info!(category = SUCCESS, runner = name, %scope, reason = why, "registration deleted");
            }
            (_, Outcome::Kept) => {
                let known = state.told.put_off.insert(action.about().to_owned(), now).is_some();
                if !known {
                    info!(category = MONITOR, action = %action, "put off: GitHub says it is running a job");
                }
            }
            (_, Outcome::Runs) => {
                info!(category = MONITOR, action = %action, "put off: somebody started it since it was seen");
            }
            (_, Outcome::Left(error)) => {
                report.problems.push(format!("could not {action}: {error}"))
            }
            (_, Outcome::Failed(error)) => report.problems.push(could_not(action, error)),
        }
    }

    /// Takes in that a machine was removed.
    fn settle_removal(&self, state: &mut State, action: &Action, now: Timestamp) {
        let Action::Remove {
            machine: MachineRef { name, .. },
            pool,
            scope,
            state: ended,
            why,
            failure,
            holds_back,
            ..
        } = action
        else {
            return;
        };
        if let Some(failure) = failure {
            self.metrics.failed(pool.as_str(), failure);
        }
        let place = (pool.clone(), scope.clone());
        match ended {
            RunnerState::Failed => {
                if *holds_back {
                    let ran = !matches!(failure, Some(Failure::NeverStarted));
                    let name = || Failed::Runner(name.clone());
                    let what = if ran { name() } else { Failed::Container };
                    state.backoff.failed(&place, what, why, now);
                }
                warn!(category = MONITOR, runner = %name, %scope, reason = why, "runner failed and was removed");
            }
            RunnerState::Finished => {
                // What it printed is no sign that the next one can work.
                if !state.memory.left_in_vain(name) {
                    state.backoff.succeeded(&place);
                }
                info!(category = SUCCESS, runner = %name, %scope, reason = why, "runner finished and was removed");
            }
            _ => {
                info!(category = SUCCESS, runner = %name, %scope, reason = why, "runner removed")
            }
        }
    }
}

/// Remembers what an action told: a runner that was started or ended, a deletion that GitHub refused, a name that is taken at GitHub.
pub(super) fn note_outcome(state: &mut State, carried: &Carried, now: Timestamp) {
    let Task { action, listed_busy, registration_timeout, .. } = &carried.task;
    match (action, &carried.outcome) {
        (Action::Launch(launch), Outcome::Done) => {
            let place = (launch.pool.clone(), launch.scope.clone());
            state.memory.started(&launch.name, place);
        }
        (Action::Launch(launch), outcome) => {
            state.memory.not_started(&launch.name);
            if let Some(id) = carried.task.left {
                state.memory.registered(&launch.scope, id, now);
            }
            if let Outcome::Failed(ActionError::GitHub(GitHubError::Conflict(_))) = outcome {
                state.schedule.contest(&launch.scope, *registration_timeout, now);
            }
        }
        (
            Action::Retire { scope, id, .. }
            | Action::Remove { scope, id: Some(id), .. }
            | Action::Deregister { scope, id, .. },
            Outcome::Kept,
        ) => state.memory.refused(scope, *id, *listed_busy, now),
        // Also where its end failed: it may have come half way. One that cannot be started is removed.
        (Action::Remove { machine, .. }, Outcome::Failed(error)) => {
            state.memory.not_ended(machine, could_not(action, error), now);
        }
        (Action::Retire { machine, .. }, Outcome::Done | Outcome::Failed(_))
        | (Action::Remove { machine, .. }, Outcome::Done)
        | (Action::Start { machine, .. }, Outcome::Failed(_)) => state.memory.ended(&machine.name),
        _ => {}
    }
}

/// The problem of an action that failed.
fn could_not(action: &Action, error: &ActionError) -> String {
    format!("could not {action}: {error}")
}

/// Forgets a machine that is gone: where its backend does not answer, it would be shown as it was last seen.
fn forget_machine(state: &mut State, carried: &Carried) {
    let (
        Action::Retire { machine, .. } | Action::Remove { machine, .. },
        Outcome::Done | Outcome::Left(_),
    ) = (&carried.task.action, &carried.outcome)
    else {
        return;
    };
    if let Some(listed) = state.listed.get_mut(&machine.backend) {
        listed.retain(|one| one.reference() != *machine);
    }
}

/// Notes in the ledger which job a runner had, if it says so.
fn note_job(state: &mut State, machine: &Machine, log: &str, now: Timestamp) {
    let (log, result) = match &machine.phase {
        // It holds the first lines, too, which the job could not write.
        Phase::Exited(exit) => (&*exit.log_tail, result_of(exit)),
        _ => (log, None),
    };
    let job = printed::job(log).map(name);
    if job.is_none() && result.is_none() {
        return;
    }
    let ran = Ran {
        worker: worker(machine),
        job,
        result,
        started_at: printed::began(log, (machine.created_at, now)),
    };
    state.ledger.apply(Fact::Ended(ran), now);
}

#[cfg(test)]
mod tests;
