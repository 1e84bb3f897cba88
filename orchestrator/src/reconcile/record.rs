//! Takes in what the actions of a pass came to: in the memory of passes, the ledger, the journal, the report and the metrics.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::PassReport;
use mayfly_common::foreign_text::message;
use mayfly_common::machine::{Machine, MachineRef};
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;
use mayfly_service::telemetry::{MONITOR, SUCCESS};
use tracing::{info, warn};

use super::act::{ActionError, Outcome, labels};
use super::pass::Round;
use super::show::not_started;
use super::{Reconciler, State};
use crate::metrics::{Orphan, Trouble};
use mayfly_github::GitHubError;
use mayfly_planner::backoff::Failed;
use mayfly_planner::lifecycle::Failure;
use mayfly_planner::{Action, Listing, Memory, Observed, Policy, Refusal};

/// How long it is remembered that GitHub put off the end of a runner. The next try may be a while off.
const PUT_OFF_KNOWN: SignedDuration = SignedDuration::from_hours(1);

impl Reconciler {
    /// Takes in what the actions of a pass came to, and keeps what was learnt.
    pub(super) async fn record(
        &self,
        state: &mut State,
        round: &Round<'_>,
        report: &mut PassReport,
    ) {
        let Round { seen, policy, planned, outcomes, dry } = *round;
        let now = state.planned_at;
        self.note_online(state, seen, now);
        state.memory = seen.memory.clone();
        if !dry {
            note_outcomes(state, seen, outcomes, policy, now);
            for (_, refusal) in &planned.refusals {
                if let Refusal::Registered { scope, timeout, .. } = refusal {
                    contest(state, scope, *timeout, now);
                }
            }
        }
        Self::note_pools(state, &seen.machines);
        if !dry {
            self.ask_about_jobs(state, &seen.machines).await;
            self.search_for_jobs(state, &seen.repositories).await;
            self.tell_missing(state, now);
        }
        Self::note_pools(state, &seen.machines);
        self.keep(state).await;
        self.settle(state, outcomes, report);
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
        let State { ledger, history, missing, .. } = state;
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
        let put_off = |(_, outcome): &&(Action, Outcome)| {
            matches!(outcome, Outcome::Failed(ActionError::PutOff))
        };
        let waiting = outcomes.iter().filter(put_off).count();
        if waiting > 0 {
            let why = ActionError::PutOff;
            report.problems.push(format!("{waiting} actions were not begun: {why}"));
            self.nudge.notify_one();
        }
        for carried in outcomes {
            self.settle_one(state, carried, report, now);
        }
        state.put_off.retain(|_, at| now.duration_since(*at) < PUT_OFF_KNOWN);
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
            // What was put off is said above, once.
            (_, Outcome::Failed(ActionError::PutOff)) | (Action::PullImage(_), Outcome::Done) => {}
            (Action::Launch(launch), Outcome::Done) => {
                report.launched += 1;
                state.journal.started(launch, now);
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
                let known = state.put_off.insert(action.about().to_owned(), now).is_some();
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
            (_, Outcome::Failed(error)) => {
                report.problems.push(format!("could not {action}: {error}"))
            }
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

/// Has a scope listed in which a wanted name is taken: for long enough to see an unused registration stay offline for `timeout`.
pub(super) fn contest(state: &mut State, scope: &Scope, timeout: SignedDuration, now: Timestamp) {
    let until = now.saturating_add(timeout.saturating_mul(2)).unwrap_or(Timestamp::MAX);
    state.contested.insert(scope.clone(), until);
}

/// Remembers what the actions told: names that were used, runners that were ended, deletions that GitHub refused, names that are taken
/// at GitHub.
pub(super) fn note_outcomes(
    state: &mut State,
    seen: &Observed,
    outcomes: &[(Action, Outcome)],
    policy: &Policy,
    now: Timestamp,
) {
    for (action, outcome) in outcomes {
        match (action, outcome) {
            (Action::Launch(launch), outcome) => {
                state.memory.launched(&launch.name, launch.job, now);
                if matches!(outcome, Outcome::Done) {
                    let place = (launch.pool.clone(), launch.scope.clone());
                    state.memory.started(&launch.name, place);
                }
                if let Outcome::Failed(ActionError::GitHub(GitHubError::Conflict(_))) = outcome {
                    let timeout = policy.terms(&launch.pool).registration_timeout;
                    contest(state, &launch.scope, timeout, now);
                }
            }
            (
                Action::Retire { scope, id, .. }
                | Action::Remove { scope, id: Some(id), .. }
                | Action::Deregister { scope, id, .. },
                Outcome::Kept,
            ) => {
                let listed = seen.registrations.get(scope).map_or(&[][..], Listing::entries);
                let busy = listed.iter().any(|registered| registered.id == *id && registered.busy);
                state.memory.refused(scope, *id, busy, now);
            }
            // Also where its end failed: it may have come half way. One that cannot be started is removed.
            (
                Action::Retire { machine: MachineRef { name, .. }, .. }
                | Action::Remove { machine: MachineRef { name, .. }, .. },
                Outcome::Done | Outcome::Failed(ActionError::GitHub(_) | ActionError::Backend(_)),
            )
            | (
                Action::Start { machine: MachineRef { name, .. }, .. },
                Outcome::Failed(ActionError::GitHub(_) | ActionError::Backend(_)),
            ) => state.memory.ended(name),
            _ => {}
        }
    }
}
