//! The loop around [`Reconciler::pass`]: tick, nudge, Docker event, shutdown; one pass at a time.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mayfly_service::telemetry::SHUTDOWN;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};

use super::Reconciler;
use mayfly_backend::Backend;
use mayfly_backend::bounded::Bounded;
use mayfly_planner::cadence::{GLANCE, MIN_GAP};

/// How long to wait before following events again after the stream broke.
const RECONNECT: Duration = Duration::from_secs(5);

/// How often the engine is asked whether it answers. Passes may be minutes apart, and an engine that froze in between is to be known.
const PING: Duration = Duration::from_secs(15);

/// Runs passes until `shutdown`. A pass that has begun is finished, but starts no further runner.
pub async fn run(reconciler: Arc<Reconciler>, shutdown: impl Future<Output = ()>) {
    let backend: Arc<dyn Backend> = Arc::<Bounded>::clone(&reconciler.backend);
    let events = tokio::spawn(follow(backend, Arc::clone(&reconciler.nudge)));
    let contact = tokio::spawn(keep_contact(Arc::clone(&reconciler.beside)));
    let mut shutdown = pin!(shutdown);
    loop {
        let mut pass = pin!(reconciler.pass());
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
    events.abort();
    contact.abort();
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
        let broken = backend.watch(&nudge).await;
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

#[cfg(test)]
mod tests;
