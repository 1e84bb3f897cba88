//! Where deliveries arrive: into the file, into an inbox for the next pass, and a nudge.
//!
//! Invariants: a delivery is durable before it is answered; a file that cannot be written does not keep it from being heard; the
//! inbox is bounded, and what does not fit costs latency only, because looking finds the same.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mayfly_common::webhook::{Delivery, Outcome};
use tokio::sync::Notify;
use tracing::{info, warn};

use mayfly_common::clock::Clock;
use mayfly_store::{Recorded, Store, StoreError};

/// Deliveries that may wait for the next pass.
const INBOX: usize = 10_000;

/// Takes deliveries in.
pub struct Intake {
    store: Store,
    clock: Arc<dyn Clock>,
    nudge: Arc<Notify>,
    inbox: Mutex<VecDeque<Delivery>>,
    /// Whether the file was in order when it was last written.
    writable: AtomicBool,
}

impl Intake {
    /// An intake that writes to `store` and wakes `nudge`.
    pub fn new(store: Store, clock: Arc<dyn Clock>, nudge: Arc<Notify>) -> Self {
        Self { store, clock, nudge, inbox: Mutex::default(), writable: AtomicBool::new(true) }
    }

    /// Takes a delivery in.
    pub async fn accept(&self, delivery: Delivery) -> Outcome {
        let recorded = self.store.record(&delivery, self.clock.now()).await;
        self.written(recorded.as_ref().map(|_| ()));
        if matches!(recorded, Ok(Recorded::Duplicate)) {
            return Outcome::Duplicate;
        }
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if inbox.len() < INBOX {
            inbox.push_back(delivery);
        } else {
            warn!(
                delivery = delivery.id,
                "more deliveries than can be kept: this one waits for the next look at GitHub"
            );
        }
        drop(inbox);
        self.nudge.notify_one();
        Outcome::Accepted
    }

    /// Everything that arrived since this was last called, the oldest first.
    pub(crate) fn take(&self) -> Vec<Delivery> {
        std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// The file behind it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How the file is, in words.
    pub fn ledger(&self) -> String {
        match (self.store.sound(), self.store.is_durable(), self.is_writable()) {
            (Err(error), _, _) => format!("{error}; pools cannot be changed"),
            (Ok(()), true, true) => "kept".to_owned(),
            (Ok(()), true, false) => "cannot be written".to_owned(),
            (Ok(()), false, _) => "in memory: it ends with the process".to_owned(),
        }
    }

    /// Whether the file was in order when it was last written.
    pub fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }

    /// Says once that the file cannot be written, and once that it can again.
    pub(crate) fn written(&self, result: Result<(), &StoreError>) {
        // A file that was deleted can still be written, and what is written is lost.
        let sound = self.store.sound();
        let result = result.and(sound.as_ref().copied());
        let was = self.writable.swap(result.is_ok(), Ordering::Relaxed);
        match result {
            Err(error) if was => {
                warn!("the job ledger cannot be written, jobs are served all the same: {error}");
            }
            Ok(()) if !was => info!("the job ledger can be written again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use mayfly_common::webhook::Content;

    use super::*;
    use mayfly_common::clock::SystemClock;

    #[tokio::test]
    async fn an_unwritable_file_keeps_no_delivery_from_being_heard() {
        let nudge = Arc::new(Notify::new());
        let store = Store::in_memory().unwrap();
        let intake = Intake::new(store.clone(), Arc::new(SystemClock), Arc::clone(&nudge));
        let delivery = Delivery {
            id: "a".to_owned(),
            event: "ping".to_owned(),
            hook: None,
            content: Content::Ping,
        };
        store.break_writes();
        assert_eq!(intake.accept(delivery.clone()).await, Outcome::Accepted);
        // Told twice, because nothing could be noted: heard twice rather than never.
        assert_eq!(intake.accept(delivery.clone()).await, Outcome::Accepted);
        assert_eq!(intake.take().len(), 2);
        nudge.notified().await;
        assert!(!intake.is_writable());
        store.mend_writes();
        assert_eq!(intake.accept(delivery.clone()).await, Outcome::Accepted);
        assert_eq!(intake.accept(delivery).await, Outcome::Duplicate);
        assert_eq!((intake.take().len(), intake.is_writable()), (1, true));
    }
}
