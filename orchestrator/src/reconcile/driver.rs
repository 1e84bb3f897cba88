//! The loop around [`Reconciler::pass`]: tick, nudge, Docker event, shutdown; one pass at a time. And when the next one is due.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use mayfly_common::api::Runner;
use mayfly_common::identity::BackendName;
use mayfly_common::machine::{MachineRef, Phase};
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::registration::RunnerId;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;
use mayfly_service::telemetry::SHUTDOWN;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::Reconciler;
use mayfly_backend::Backend;
use mayfly_backend::bounded::Bounded;
use mayfly_planner::cadence::{self, ACTIONS_AWAITED, GLANCE, MIN_GAP, Pace};

/// How long to wait before following events again after the stream broke.
const RECONNECT: Duration = Duration::from_secs(5);

/// How often the engine is asked whether it answers. Passes may be minutes apart, and an engine that froze in between is to be known.
const PING: Duration = Duration::from_secs(15);

/// How long actions under way are waited for at the end. With the pass before it less than what service managers grant.
const FINISH: Duration = Duration::from_secs(25);

/// Runs passes until `shutdown`. A pass that has begun is finished, but starts no further runner, and what is under way is waited for.
pub async fn run(reconciler: Arc<Reconciler>, shutdown: impl Future<Output = ()>) {
    let mut beside = Vec::new();
    for one in reconciler.backends.all() {
        let watched: Arc<dyn Backend> = Arc::<Bounded>::clone(&one.passes);
        let nudge = Arc::clone(&reconciler.nudge);
        beside.push(reconciler.tasks.spawn(follow(watched, nudge)));
        beside.push(reconciler.tasks.spawn(keep_contact(Arc::clone(&one.readers))));
    }
    let mut shutdown = pin!(shutdown);
    loop {
        let mut pass = pin!(reconciler.pass_beside_actions(ACTIONS_AWAITED));
        tokio::select! {
            _ = &mut pass => {}
            () = &mut shutdown => {
                reconciler.stop_launching();
                pass.await;
                break;
            }
        }
        tokio::select! {
            () = until_due(&reconciler) => {}
            () = &mut shutdown => break,
        }
    }
    reconciler.stop_launching();
    if timeout(FINISH, reconciler.finish()).await.is_err() {
        warn!(
            category = SHUTDOWN,
            "some actions are still under way: the next start takes up what they leave"
        );
    }
    for task in beside {
        task.abort();
    }
    info!(category = SHUTDOWN, "the last pass is done; runners go on without us");
}

/// Completes when the next pass is due, or earlier at a nudge, but leaves a gap so that a burst of nudges is one look.
async fn until_due(reconciler: &Reconciler) {
    let due = reconciler.next_pass().await.duration_since(reconciler.clock.now());
    let due = Duration::try_from(due).unwrap_or_default();
    tokio::time::sleep(MIN_GAP).await;
    tokio::select! {
        () = tokio::time::sleep(due.saturating_sub(MIN_GAP)) => {}
        () = reconciler.nudge.notified() => {}
        () = reconciler.ended.notified() => {}
        () = taken(reconciler) => {}
    }
}

/// Completes when one of the runners that are kept waiting has taken a job: only the engine tells that soon, and free of charge.
async fn taken(reconciler: &Reconciler) {
    loop {
        tokio::time::sleep(GLANCE).await;
        if reconciler.has_one_been_taken().await {
            return;
        }
    }
}

/// Asks the engine now and then whether it answers, beside the passes: [`Contact`](mayfly_backend::bounded::Contact) then knows.
async fn keep_contact(backend: Arc<Bounded>) {
    loop {
        // What comes of it is noted, whatever it is.
        let _ = backend.ping().await;
        tokio::time::sleep(PING).await;
    }
}

/// Turns the backend's events into nudges. That they cannot be followed is said once for as long as it lasts.
async fn follow(backend: Arc<dyn Backend>, nudge: Arc<Notify>) {
    let mut told = false;
    loop {
        let began = Instant::now();
        let Some(watcher) = backend.watcher() else { return };
        let broken = watcher.watch(&nudge).await;
        // It worked in between.
        told &= began.elapsed() < RECONNECT;
        if !std::mem::replace(&mut told, true) {
            warn!("events cannot be followed, looking by the clock: {broken}");
        }
        tokio::time::sleep(RECONNECT).await;
        // Whatever happened in between is seen by a look.
        nudge.notify_one();
    }
}

impl Reconciler {
    /// When the next pass is due if nothing nudges before.
    pub async fn next_pass(&self) -> Timestamp {
        let state = self.state.lock().await;
        let now = self.clock.now();
        let snapshot = self.snapshot.borrow();
        let put_off = |runner: &Runner| {
            let unended = runner.container_id.as_ref().is_some_and(|id| {
                let backend = BackendName::parse(&runner.backend).unwrap_or_default();
                let name = RunnerName::parse(&runner.name).ok();
                name.is_some_and(|name| {
                    let machine = MachineRef { backend, name, id: id.clone() };
                    state.memory.end_put_off(&machine, now).is_some()
                })
            });
            let scope = Scope::parse(runner.scope, &runner.scope_name).ok();
            let id = runner.github_runner_id.map(RunnerId);
            let both = scope.zip(id);
            unended
                || both.is_some_and(|(scope, id)| state.memory.put_off(&scope, id, now).is_some())
        };
        let paces = snapshot
            .runners
            .iter()
            .map(|runner| if put_off(runner) { Pace::Alive } else { Pace::of(runner.state) });
        let waiting = !state.ledger.waiting_in().is_empty()
            || snapshot.pools.values().any(|pool| pool.short.is_some());
        let held = state.backoff.active(state.planned_at).map(|(_, streak)| streak.until);
        let held = held.chain(state.memory.idle_waits(state.planned_at));
        let starts = held.chain(self.backends.image_retries()).filter(|_| waiting);
        let entries = self.book.all();
        let changes = entries.iter().filter_map(|entry| entry.pool.next_change(state.planned_at));
        let assignments = state.memory.assignments();
        let assigned = assignments
            .flat_map(|known| [known.confirm_at(), known.held_until(state.planned_at)])
            .flatten()
            .filter(|_| waiting);
        let due = starts.chain(changes).chain(state.memory.retries()).chain(assigned);
        let check = if self.config.auto_create {
            state.next_check(now).min(state.schedule.next_sweep)
        } else {
            state.schedule.next_sweep
        };
        let told = state.ledger.hearing().is_healthy(now);
        let due = due
            .chain(state.told.problems.next_end(now))
            .chain(state.ledger.next_search(told))
            .chain(state.ledger.next_loss(now));
        cadence::next_pass(paces, due, state.planned_at, check, now)
    }

    /// True if a job's process runs in one of the runners that the last pass saw waiting, in a pool that keeps some waiting.
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
        let lists = join_all(self.backends.all().map(|one| one.readers.list())).await;
        lists.into_iter().flat_map(Result::unwrap_or_default).any(|machine| {
            let works = matches!(machine.phase, Phase::Running { working: Some(true) });
            works && waiting.contains(machine.name.as_str())
        })
    }
}

#[cfg(test)]
mod tests;
