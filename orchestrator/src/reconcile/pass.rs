//! One pass: look, plan, act, record, show. No decision is made here: the planner makes them all.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mayfly_common::api::{PassReport, Runner};
use mayfly_common::identity::BackendName;
use mayfly_common::machine::Machine;
use mayfly_common::pool::PoolName;
use mayfly_service::traces::{self, TARGET};
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};

use super::flight::Patience;
use super::lost::Left;
use super::outcome::Outcome;
use super::request::{Request, RequestError};
use super::show::{self, Sight, waits};
use super::{Reconciler, State};
use mayfly_planner::{
    Action, BackendCaps, Caps, Observed, Plan, Policy, PoolPolicy, RequestId, Verdict, naming, plan,
};

/// What one pass saw, decided and did.
#[derive(Clone, Copy)]
pub(super) struct Round<'a> {
    pub(super) seen: &'a Observed,
    pub(super) policy: &'a Policy,
    pub(super) planned: &'a Plan,
    /// The actions that came to their end after the plan was made, with what each came to.
    pub(super) outcomes: &'a [(Action, Outcome)],
    /// Nothing was to be done.
    pub(super) dry: bool,
}

impl Reconciler {
    /// A pass that also asks GitHub for new jobs everywhere, whenever that was done last.
    pub async fn check_now(&self) -> PassReport {
        self.state.lock().await.schedule.checked_at = Timestamp::MIN;
        self.pass().await
    }

    /// One pass: look at everything that is due, decide, act, report; and wait until all actions have ended. Has no timer; the
    /// [`driver`](super::driver) has.
    pub async fn pass(&self) -> PassReport {
        self.pass_with(Patience::ForAll).await
    }

    /// The same, but actions that take longer than `patience` go on beside later passes, which take in what came of them.
    pub async fn pass_beside_actions(&self, patience: Duration) -> PassReport {
        self.pass_with(Patience::AtMost(patience)).await
    }

    /// Waits for all that is under way, and takes in what came of it.
    pub async fn finish(&self) {
        if !self.state.lock().await.flight.is_empty() {
            self.pass().await;
        }
    }

    async fn pass_with(&self, patience: Patience) -> PassReport {
        let span = info_span!(
            target: TARGET,
            parent: None,
            "pass",
            otel.status_code = Empty,
            pass.number = Empty,
            pass.queued_jobs = Empty,
            pass.launched = Empty,
            pass.removed = Empty,
            pass.problems = Empty,
        );
        let report = self.one_pass(patience).instrument(span.clone()).await;
        span.record("pass.number", i64::try_from(report.number).unwrap_or(i64::MAX));
        traces::count(&span, "pass.queued_jobs", report.queued_jobs);
        traces::count(&span, "pass.launched", report.launched);
        traces::count(&span, "pass.removed", report.removed);
        traces::count(&span, "pass.problems", report.problems.len());
        if !report.problems.is_empty() {
            traces::failed(&span);
        }
        report
    }

    async fn one_pass(&self, patience: Patience) -> PassReport {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        let started_at = self.clock.now();
        self.backends.begin_pass();
        state.passes += 1;
        let requests = self.take_requests(state);
        let mut report = PassReport {
            started_at: Some(started_at),
            number: state.passes,
            ..PassReport::default()
        };
        self.prepare(state, &mut report, started_at).await;
        self.take_in_ended(state, &mut report);
        let installation = match self.backends.installation().await {
            Ok(installation) => installation,
            Err(error) => return self.give_up(state, report, requests, &error).await,
        };
        let mut policy = self.policy(state, &installation, started_at);
        policy.draining = state.draining.is_some();
        let uninstalls =
            requests.iter().any(|(_, request)| request.is_uninstall()) && policy.draining;
        policy.clean_registrations |= uninstalls;
        let mut seen = match self.look(state, &requests, &installation, &mut report).await {
            Ok(mut seen) => {
                seen.groups = self.groups(state, &seen.jobs, &policy, &mut report).await;
                seen.remember(&policy, self.clock.now())
            }
            Err(error) => return self.give_up(state, report, requests, &error).await,
        };
        let now = self.clock.now();
        self.tell_lost(state, &seen.machines, now);
        // What a backend that does not answer may have is not missing.
        if seen.unreachable.is_empty() {
            let missing = self.look_for_missing(state, (&installation, &seen.machines), now);
            for runner in missing.await {
                seen.memory.had_job(&runner);
            }
        }
        let planned = plan(&seen, &policy, now);
        state.planned_at = now;
        self.note_plan(state, &planned, &mut report);
        self.remember(state, &seen);
        let dry = requests.iter().any(|(_, request)| request.is_dry_run());
        let actions = if dry { Vec::new() } else { planned.actions.clone() };
        let batches = self.begin(state, actions, &seen, &policy);
        state.asked.add(requests, &planned, &batches);
        let begun = batches.into_iter().map(|(id, _)| id).collect();
        state.flight.wait(&begun, patience).await;
        let outcomes = self.take_in(state);
        let round =
            Round { seen: &seen, policy: &policy, planned: &planned, outcomes: &outcomes, dry };
        self.learn(state, &round).await;
        self.settle(state, &outcomes, &mut report);
        let after = self.look_again(state, &round).await;
        let uninstalled = if uninstalls {
            self.uninstall(state, &round, &after.0).await
        } else {
            Err(RequestError::Unavailable("the platform is not draining".to_owned()))
        };
        self.show(state, installation, &round, after, &mut report).await;
        self.answer(state, &report, &uninstalled);
        report
    }

    /// Takes in what others left for this pass: what webhooks told, stored pools, the drain.
    async fn prepare(&self, state: &mut State, report: &mut PassReport, now: Timestamp) {
        self.look_after_store(report).await;
        self.hear(state, now).await;
        self.load_pools(state, report).await;
        if let Err(error) = self.drain.settle().await {
            report.problems.push(format!("the drain cannot be read or stored: {error}"));
        }
        state.draining = self.drain.since();
        report.problems.extend(self.backends.problems());
    }

    /// Notes what the look and the plan say to people.
    fn note_plan(&self, state: &mut State, planned: &Plan, report: &mut PassReport) {
        state.told.accounts.append(&mut report.github_accounts);
        report.github_accounts.clone_from(&state.told.accounts);
        report.problems.extend(state.catalog.problems());
        report.problems.extend(self.github.oddities());
        report.problems.extend(state.ledger.problem());
        report.problems.extend(planned.clashes.iter().map(ToString::to_string));
        let now = state.planned_at;
        state.scaled.extend(planned.scaled.iter().map(|pool| (pool.clone(), now)));
        report.queued_jobs = planned.demand;
        report.unmet = planned.unmet.iter().take(show::MOST_UNMET).map(show::unmet).collect();
        report.problems.extend(show::not_assigned(planned));
        report.problems.extend(state.memory.idle_problems(now));
        for unended in state.memory.unended() {
            if !report.problems.iter().any(|problem| problem == unended) {
                report.problems.push(unended.to_owned());
            }
        }
        Self::tell_unmet(state, planned);
    }

    /// Shows what is there after the actions.
    async fn show(
        &self,
        state: &mut State,
        installation: String,
        round: &Round<'_>,
        (machines, verdicts): (Vec<Machine>, Vec<Verdict>),
        report: &mut PassReport,
    ) {
        let Round { seen, planned, outcomes, .. } = *round;
        state.told.left = Left::of(&machines, &verdicts, outcomes, &state.flight.actions());
        Self::note_left(state, &installation);
        let runners: Vec<Runner> = machines
            .iter()
            .zip(&verdicts)
            .map(|(machine, verdict)| show::runner(machine, verdict))
            .collect();
        let (queued, unmet) = (report.queued_jobs, planned.unmet.len());
        self.metrics.observed(&runners, queued, unmet, &seen.jobs, self.clock.now());
        let sight = Sight {
            pools: self.pools_seen(planned),
            waits: waits(planned),
            not_assigned: show::by_job(planned),
            repositories: Arc::new(state.catalog.facts(self.clock.now())),
        };
        self.publish(state, report, installation, runners, sight).await;
    }

    /// Takes in the pools that the store keeps, once; says which of them cannot be used.
    async fn load_pools(&self, state: &mut State, report: &mut PassReport) {
        if !state.pools_loaded {
            match self.book.load().await {
                Ok(()) => state.pools_loaded = true,
                Err(error) => report.problems.push(format!("stored pools cannot be read: {error}")),
            }
        }
        report.problems.extend(self.book.unread());
    }

    /// What holds in this pass: the configuration, and the pools as they are described now.
    pub(super) fn policy(&self, state: &mut State, installation: &str, now: Timestamp) -> Policy {
        let mut pools: Vec<PoolPolicy> = self
            .book
            .all()
            .iter()
            .map(|entry| entry.pool.policy(installation, entry.rotate_before, now))
            .collect();
        let default = pools.iter().position(|pool| pool.name == PoolName::default_pool());
        let default = match default {
            Some(index) => pools.remove(index),
            None => mayfly_settings::pool::Pool::default_pool(&self.config).policy(
                installation,
                None,
                now,
            ),
        };
        let offered = std::iter::once(&default).chain(&pools);
        let offered = offered.filter(|pool| pool.enabled).map(|pool| pool.labels.clone());
        state.catalog.offer(offered.collect());
        let runner = &self.config.runner;
        let docker = BackendCaps {
            runners: runner.max,
            memory: runner.max_memory,
            nano_cpus: runner.max_nano_cpus,
        };
        Policy {
            auto_create: self.config.auto_create,
            draining: false,
            caps: Caps {
                backends: self.backends.caps().chain([(BackendName::default(), docker)]).collect(),
                per_owner: runner.max_per_owner,
                per_repo: runner.max_per_repo,
            },
            default,
            pools,
            clean_registrations: self.config.github.cleanup,
            installation: installation.to_owned(),
            name_prefix: naming::prefix(installation),
        }
    }

    /// The requests for this pass. One for a dry run has a pass of its own, in which nothing is done; another follows at once.
    fn take_requests(&self, state: &mut State) -> Vec<(RequestId, Request)> {
        let mut requests = Vec::new();
        while let Some(request) = state.held.take().or_else(|| state.requests.try_recv().ok()) {
            if request.1.is_dry_run() && !requests.is_empty() {
                state.held = Some(request);
                self.nudge.notify_one();
                break;
            }
            requests.push(request);
            if requests.iter().any(|(_, request): &(_, Request)| request.is_dry_run()) {
                self.nudge.notify_one();
                break;
            }
        }
        requests
    }
}
