//! The imperative shell: one pass is observe → plan → execute. No decision is made here.
//!
//! Level-triggered: a tick, a Docker event and a request only say "look now"; what is done follows from what is seen. Safe to
//! kill at any instruction: containers carry all we need in their labels, so the next start adopts them.
//!
//! | module | what |
//! |---|---|
//! | [`driver`] | the loop: tick, nudge, Docker event, shutdown; one pass at a time |
//! | `observe`, `discover` | gather: what runs, what is registered, what waits; which repositories there are |
//! | `groups` | which runner groups jobs without labels ask for |
//! | `hear` | takes in what webhooks told, keeps what was learnt |
//! | `ask` | asks GitHub what became of jobs that no webhook reported, or the end of |
//! | `execute` | one match on [`Action`] |
//! | `launch` | register, render the environment, start |
//! | [`handle`] | what the HTTP side sees: requests in, the last snapshot out |
//! | `history` | the latest runners that are gone |
//! | `journal` | what happened, as events |
//! | `lost` | runners that somebody else removed, also while no orchestrator ran |
//! | `problems` | which problems last |
//! | `state` | what passes remember |
//! | `uninstall` | removes what is left of the installation once it is drained |
//! | `report` | tells what was seen and done |
//! | `image` | the runners' image: present, pulling, failed |

mod ask;
mod discover;
pub mod driver;
mod execute;
mod groups;
pub mod handle;
mod hear;
mod history;
mod image;
mod journal;
mod launch;
mod lookups;
mod lost;
mod observe;
mod problems;
mod report;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod uninstall;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::{PassReport, Runner, UninstallReport};
use mayfly_common::pool::PoolName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;
use mayfly_service::traces::{self, TARGET};
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};

pub(crate) use self::execute::Carried;
use self::execute::{ActionError, Outcome};
use self::handle::{Handle, Request, RequestError};
use self::image::Images;
use self::journal::Journal;
use self::launch::Launcher;
use self::lost::Left;
use self::report::{Sight, waits};
use self::state::State;
use crate::book::Book;
use crate::drain::Drain;
use crate::intake::Intake;
use crate::metrics::Metrics;
use mayfly_backend::Backend;
use mayfly_backend::bounded::{Bounded, Contact};
use mayfly_common::clock::Clock;
use mayfly_common::machine::{Instance, Phase};
use mayfly_common::registration::RunnerId;
use mayfly_github::{GitHubClient, GitHubError};
use mayfly_planner::cadence::{self, Pace};
use mayfly_planner::snapshot::Snapshot;
use mayfly_planner::{
    Action, Caps, Listing, Memory, Observed, Plan, Policy, PoolPolicy, Refusal, RequestId, Verdict,
    naming, plan,
};
use mayfly_settings::Config;
use mayfly_store::Store;

/// Requests that may wait for the next pass.
const REQUEST_QUEUE: usize = 64;

/// Runs passes.
pub struct Reconciler {
    config: Config,
    backend: Arc<Bounded>,
    /// The same engine, for questions beside passes.
    beside: Arc<Bounded>,
    github: Arc<GitHubClient>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    nudge: Arc<Notify>,
    stopping: Arc<AtomicBool>,
    launcher: Launcher,
    images: Arc<Images>,
    book: Arc<Book>,
    drain: Arc<Drain>,
    intake: Arc<Intake>,
    snapshot: watch::Sender<Snapshot>,
    state: Mutex<State>,
}

impl Reconciler {
    /// A reconciler and the handle through which others see it.
    pub fn new(
        config: Config,
        backend: Arc<dyn Backend>,
        github: Arc<GitHubClient>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        store: Store,
    ) -> (Self, Handle) {
        let (sender, requests) = mpsc::channel(REQUEST_QUEUE);
        let (snapshot, seen) = watch::channel(Snapshot::default());
        let (journal, events) = Journal::new();
        let nudge = Arc::new(Notify::new());
        let book = Arc::new(Book::new(&config, store.clone()));
        let drain = Arc::new(Drain::new(store.clone()));
        let intake = Arc::new(Intake::new(store, Arc::clone(&clock), Arc::clone(&nudge)));
        let images = Arc::new(Images::new(Arc::clone(&nudge)));
        let contact = Arc::new(Contact::new(Arc::clone(&clock)));
        let beside = Arc::new(Bounded::for_readers(Arc::clone(&backend), Arc::clone(&contact)));
        let backend = Arc::new(Bounded::for_passes(backend, Arc::clone(&contact)));
        let handle = Handle {
            images: Arc::clone(&images),
            requests: sender,
            asked: Arc::new(AtomicU64::new(0)),
            snapshot: seen,
            events,
            nudge: Arc::clone(&nudge),
            backend: Arc::<Bounded>::clone(&beside),
            contact,
            intake: Arc::clone(&intake),
            book: Arc::clone(&book),
            drain: Arc::clone(&drain),
            clock: Arc::clone(&clock),
            github: Arc::clone(&github),
            lookups: Arc::default(),
        };
        let acting: Arc<dyn Backend> = Arc::<Bounded>::clone(&backend);
        let launcher = Launcher::new(&config, Arc::clone(&book), acting, Arc::clone(&github));
        let state = State::new(requests, journal, clock.now());
        let stopping = Arc::new(AtomicBool::new(false));
        let state = Mutex::new(state);
        (
            Self {
                config,
                backend,
                beside,
                github,
                clock,
                metrics,
                nudge,
                stopping,
                launcher,
                images,
                book,
                drain,
                intake,
                snapshot,
                state,
            },
            handle,
        )
    }

    /// From now on no runner is started; everything else goes on.
    pub fn stop_launching(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// A pass that also asks GitHub for new jobs everywhere, whenever that was done last.
    pub async fn check_now(&self) -> PassReport {
        self.state.lock().await.checked_at = Timestamp::MIN;
        self.pass().await
    }

    /// One pass: look at everything that is due, decide, act, report. Has no timer; the [`driver`] has.
    pub async fn pass(&self) -> PassReport {
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
        let report = self.one_pass().instrument(span.clone()).await;
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

    async fn one_pass(&self) -> PassReport {
        let mut state = self.state.lock().await;
        let started_at = self.clock.now();
        self.backend.begin_pass();
        state.passes += 1;
        let requests = self.take_requests(&mut state);
        let mut report = PassReport {
            started_at: Some(started_at),
            number: state.passes,
            ..PassReport::default()
        };

        self.look_after_store(&mut report).await;
        self.hear(&mut state, started_at).await;
        self.load_pools(&mut state, &mut report).await;
        if let Err(error) = self.drain.settle().await {
            report.problems.push(format!("the drain cannot be read or stored: {error}"));
        }
        state.draining = self.drain.since();
        report.problems.extend(self.backend.problems());
        let instance = match self.backend.instance().await {
            Ok(instance) => instance,
            Err(error) => return self.give_up(&mut state, report, requests, &error).await,
        };
        let mut policy = self.policy(&mut state, &instance, started_at);
        policy.draining = state.draining.is_some();
        let uninstalls =
            requests.iter().any(|(_, request)| request.is_uninstall()) && policy.draining;
        policy.clean_registrations |= uninstalls;
        let seen = match self.observe(&mut state, &requests, &instance, &mut report).await {
            Ok(mut seen) => {
                seen.groups = self.groups(&mut state, &seen.jobs, &policy, &mut report).await;
                seen.remember(&policy, self.clock.now())
            }
            Err(error) => return self.give_up(&mut state, report, requests, &error).await,
        };
        state.accounts.append(&mut report.github_accounts);
        report.github_accounts.clone_from(&state.accounts);
        report.problems.extend(state.catalog.problems());
        report.problems.extend(self.github.oddities());
        report.problems.extend(state.ledger.problem());
        let now = self.clock.now();
        self.tell_lost(&mut state, &seen.instances, now);
        self.look_for_missing(&mut state, (&instance, &seen.instances), now).await;
        let planned = plan(&seen, &policy, now);
        state.planned_at = now;
        report.problems.extend(planned.clashes.iter().map(ToString::to_string));

        let now = self.clock.now();
        state.scaled.extend(planned.scaled.iter().map(|pool| (pool.clone(), now)));
        report.queued_jobs = planned.demand;
        report.unmet = planned.unmet.iter().take(report::MOST_UNMET).map(report::unmet).collect();
        report.problems.extend(report::not_assigned(&planned));
        Self::tell_unmet(&mut state, &planned);
        let dry = requests.iter().any(|(_, request)| request.is_dry_run());
        let outcomes = if dry {
            Vec::new()
        } else {
            self.execute(&mut state, &planned, &seen.instances).await
        };
        for instance in &seen.instances {
            let online = |memory: &Memory| memory.of(instance).was_online;
            // One that was there before we were did not come online just now.
            let ours = instance.created_at >= state.listening;
            if ours && online(&seen.memory) && !online(&state.memory) {
                let after = now.duration_since(instance.created_at);
                self.metrics.came_online(instance.pool.as_str(), after);
            }
        }
        state.memory = seen.memory.clone();
        if !dry {
            note_outcomes(&mut state, &seen, &outcomes, &policy, now);
            for (_, refusal) in &planned.refusals {
                if let Refusal::Registered { scope, timeout, .. } = refusal {
                    contest(&mut state, scope, *timeout, now);
                }
            }
        }
        Self::note_pools(&mut state, &seen.instances);
        if !dry {
            self.ask_about_jobs(&mut state, &seen.instances).await;
            self.search_for_jobs(&mut state, &seen.repositories).await;
            self.tell_missing(&mut state, now);
        }
        Self::note_pools(&mut state, &seen.instances);
        self.keep(&mut state).await;
        self.settle(&mut state, &outcomes, &mut report);
        let (instances, verdicts) =
            self.look_again(&seen, &policy, &planned, !outcomes.is_empty()).await;
        state.left = Left::of(&instances, &verdicts, &outcomes);
        Self::note_left(&mut state, &instance);
        let runners: Vec<Runner> = instances
            .iter()
            .zip(&verdicts)
            .map(|(instance, verdict)| report::runner(instance, verdict))
            .collect();
        let (queued, unmet) = (report.queued_jobs, planned.unmet.len());
        self.metrics.observed(&runners, queued, unmet, &seen.jobs, self.clock.now());
        let sight = Sight {
            pools: self.pools_seen(&planned),
            waits: waits(&planned),
            not_assigned: report::by_job(&planned),
            repositories: Arc::new(state.catalog.facts(self.clock.now())),
        };
        let uninstalled = if uninstalls {
            self.uninstall(&seen, &policy, &planned, &outcomes, &instances).await
        } else {
            Err(RequestError::Unavailable("the platform is not draining".to_owned()))
        };
        self.publish(&mut state, &mut report, instance, runners, sight).await;
        self.answer(requests, &planned, &outcomes, &report, &uninstalled);
        report
    }

    /// Tells jobs the pools of the runners that they have or had.
    fn note_pools(state: &mut State, seen: &[Instance]) {
        let State { ledger, history, missing, .. } = state;
        ledger.pools(|runner| {
            let of = seen.iter().find(|instance| instance.name.as_str() == runner);
            let gone = || history.pool_of(runner).or_else(|| missing.pool_of(runner));
            of.map(|instance| instance.pool.as_str()).or_else(gone)
        });
    }

    /// When the next pass is due if nothing nudges before.
    pub async fn next_pass(&self) -> Timestamp {
        let state = self.state.lock().await;
        let now = self.clock.now();
        let snapshot = self.snapshot.borrow();
        let put_off = |runner: &Runner| {
            let scope = Scope::parse(runner.scope, &runner.scope_name).ok();
            let id = runner.github_runner_id.map(RunnerId);
            let both = scope.zip(id);
            both.is_some_and(|(scope, id)| state.memory.put_off(&scope, id, now).is_some())
        };
        let paces = snapshot
            .runners
            .iter()
            .map(|runner| if put_off(runner) { Pace::Alive } else { Pace::of(runner.state) });
        let waiting = !state.ledger.waiting_in().is_empty()
            || snapshot.pools.values().any(|pool| pool.short.is_some());
        let held = state.backoff.active(state.planned_at).map(|(_, streak)| streak.until);
        let starts = held.chain(self.images.retries()).filter(|_| waiting);
        let entries = self.book.all();
        let changes = entries.iter().filter_map(|entry| entry.pool.next_change(state.planned_at));
        let assignments = state.memory.assignments();
        let assigned = assignments
            .flat_map(|known| [known.confirm_at(), known.held_until(state.planned_at)])
            .flatten()
            .filter(|_| waiting);
        let due = starts.chain(changes).chain(state.memory.retries()).chain(assigned);
        let check = if self.config.auto_create {
            state.next_check(now).min(state.next_sweep)
        } else {
            state.next_sweep
        };
        let told = state.hearing.is_healthy(now);
        let due = due
            .chain(state.problems.next_end(now))
            .chain(state.ledger.next_search(told))
            .chain(state.ledger.next_loss(now));
        cadence::next_pass(paces, due, state.planned_at, check, now)
    }

    /// Whether a job's process runs in one of the runners that the last pass saw waiting, in a pool that keeps some waiting.
    pub(super) async fn has_one_been_taken(&self) -> bool {
        let keeps = |pool: &str| {
            let pool = PoolName::parse(pool).ok().and_then(|name| self.book.get(&name));
            pool.is_some_and(|entry| entry.pool.keeps_some_waiting(self.clock.now()))
        };
        let waiting: BTreeSet<String> = {
            let seen = self.snapshot.borrow();
            let idle = seen.runners.iter().filter(|runner| runner.state == RunnerState::Idle);
            idle.filter(|runner| keeps(&runner.pool)).map(|runner| runner.name.clone()).collect()
        };
        if waiting.is_empty() {
            return false;
        }
        // An engine that is away is the next pass' business.
        let instances = self.beside.list().await.unwrap_or_default();
        instances.iter().any(|instance| {
            let works = matches!(instance.phase, Phase::Running { working: Some(true) });
            works && waiting.contains(instance.name.as_str())
        })
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
    fn policy(&self, state: &mut State, instance: &str, now: Timestamp) -> Policy {
        let mut pools: Vec<PoolPolicy> = self
            .book
            .all()
            .iter()
            .map(|entry| entry.pool.policy(instance, entry.rotate_before, now))
            .collect();
        let default = pools.iter().position(|pool| pool.name == PoolName::default_pool());
        let default = match default {
            Some(index) => pools.remove(index),
            None => {
                mayfly_settings::pool::Pool::default_pool(&self.config).policy(instance, None, now)
            }
        };
        let offered = std::iter::once(&default).chain(&pools);
        let offered = offered.filter(|pool| pool.enabled).map(|pool| pool.labels.clone());
        state.catalog.offer(offered.collect());
        let runner = &self.config.runner;
        Policy {
            auto_create: self.config.auto_create,
            draining: false,
            caps: Caps {
                runners: runner.max,
                memory: runner.max_memory,
                nano_cpus: runner.max_nano_cpus,
                per_owner: runner.max_per_owner,
                per_repo: runner.max_per_repo,
            },
            default,
            pools,
            clean_registrations: self.config.github.cleanup,
            name_prefix: naming::prefix(instance),
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

    /// What is there after the actions: runners just started are shown at once.
    async fn look_again(
        &self,
        seen: &mayfly_planner::Observed,
        policy: &Policy,
        planned: &Plan,
        changed: bool,
    ) -> (Vec<Instance>, Vec<Verdict>) {
        if !changed {
            return (seen.instances.clone(), planned.verdicts.clone());
        }
        let Ok(instances) = self.backend.list().await else {
            return (seen.instances.clone(), planned.verdicts.clone());
        };
        let after = mayfly_planner::Observed {
            instances,
            jobs: Vec::new(),
            wishes: Vec::new(),
            ..seen.clone()
        };
        let verdicts = plan(&after, policy, self.clock.now()).verdicts;
        (after.instances, verdicts)
    }

    /// Tells each request what became of it.
    fn answer(
        &self,
        requests: Vec<(RequestId, Request)>,
        planned: &Plan,
        outcomes: &[(Action, Outcome)],
        report: &PassReport,
        uninstalled: &Result<UninstallReport, RequestError>,
    ) {
        let runners = self.snapshot.borrow().runners.clone();
        for (id, request) in requests {
            let refusal = planned
                .refusals
                .iter()
                .find(|(refused, _)| *refused == id)
                .map(|(_, refusal)| refusal.clone());
            match refusal {
                Some(refusal) => request.refuse(RequestError::Refused(refusal)),
                None => request.answer(id, planned, outcomes, &runners, report, uninstalled),
            }
        }
    }
}

/// Has a scope listed in which a wanted name is taken: for long enough to see an unused registration stay offline for `timeout`.
fn contest(state: &mut State, scope: &Scope, timeout: SignedDuration, now: Timestamp) {
    let until = now.saturating_add(timeout.saturating_mul(2)).unwrap_or(Timestamp::MAX);
    state.contested.insert(scope.clone(), until);
}

/// Remembers what the actions told: names that were used, deletions that GitHub refused, names that are taken at GitHub.
fn note_outcomes(
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
            _ => {}
        }
    }
}
