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
    /// True if the file was in order when it was last written.
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

    /// True if the file was in order when it was last written.
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
    use crate::heard::Heard;
    use mayfly_common::clock::SystemClock;

    fn delivery(id: &(impl ToString + ?Sized)) -> Delivery {
        Delivery {
            id: id.to_string(),
            event: "ping".to_owned(),
            hook: None,
            content: Content::Ping,
        }
    }

    fn intake(store: &Store) -> (Intake, Arc<Notify>) {
        let nudge = Arc::new(Notify::new());
        (Intake::new(store.clone(), Arc::new(SystemClock), Arc::clone(&nudge)), nudge)
    }

    #[tokio::test]
    async fn an_unwritable_file_keeps_no_delivery_from_being_heard() {
        let store = Store::in_memory().unwrap();
        let (intake, nudge) = intake(&store);
        let delivery = delivery("a");
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

    #[tokio::test]
    async fn deliveries_wait_in_their_order_up_to_a_bound_and_once_each() {
        let (heard, _guard) = Heard::begin();
        let store = Store::in_memory().unwrap();
        let (intake, nudge) = intake(&store);
        for id in ["b", "a", "b"] {
            intake.accept(delivery(&id)).await;
        }
        let ids = |taken: Vec<Delivery>| taken.into_iter().map(|one| one.id).collect::<Vec<_>>();
        assert_eq!(ids(intake.take()), ["b", "a"]);
        assert_eq!(ids(intake.take()), [""; 0]);
        nudge.notified().await;
        assert_eq!(intake.accept(delivery("a")).await, Outcome::Duplicate);
        assert!(futures::poll!(std::pin::pin!(nudge.notified())).is_pending(), "nothing is new");
        // Nothing is written, so that it goes fast.
        store.break_writes();
        for id in 0..=10_000 {
            assert_eq!(intake.accept(delivery(&id)).await, Outcome::Accepted);
        }
        let taken = ids(intake.take());
        assert_eq!((taken.len(), &*taken[0], &*taken[9_999]), (10_000, "0", "9999"));
        let full = heard.lines("more deliveries than can be kept");
        assert!(full.len() == 1 && full[0].contains("10000"), "{full:?}");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_said_once_and_once_that_it_can_again() {
        let (heard, _guard) = Heard::begin();
        let store = Store::in_memory().unwrap();
        let (intake, _) = intake(&store);
        let told = |words: &str| heard.lines(words).len();
        let counts = || (told("ledger cannot be written"), told("ledger can be written again"));
        intake.accept(delivery(&1)).await;
        assert_eq!(counts(), (0, 0));
        for round in 1..=2 {
            store.break_writes();
            for _ in 0..2 {
                intake.accept(delivery("x")).await;
                assert_eq!(counts(), (round, round - 1));
            }
            store.mend_writes();
            for _ in 0..2 {
                intake.accept(delivery("y")).await;
                assert_eq!(counts(), (round, round));
            }
        }
    }

    #[tokio::test]
    async fn how_the_file_is_is_told_in_words() {
        let folder = std::env::temp_dir().join(format!("mayfly-intake-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("mayfly.db");
        let in_memory = Store::in_memory().unwrap();
        assert_eq!(intake(&in_memory).0.ledger(), "in memory: it ends with the process");
        let store = Store::open(&path).unwrap();
        let (kept, _) = intake(&store);
        assert_eq!(kept.ledger(), "kept");
        store.break_writes();
        kept.accept(delivery(&1)).await;
        assert_eq!(kept.ledger(), "cannot be written");
        let instead = Store::instead_of(std::path::Path::new("/x.db"), &StoreError::Full).unwrap();
        assert_eq!(
            intake(&instead).0.ledger(),
            "the database /x.db cannot be used: the disk is full; pools cannot be changed"
        );
        // A file that was replaced takes what is written with it, and it is not written, as far as anybody cares.
        store.mend_writes();
        std::fs::write(folder.join("other.db"), "").unwrap();
        std::fs::rename(folder.join("other.db"), &path).unwrap();
        store.look_after().await.unwrap_err();
        kept.accept(delivery(&2)).await;
        assert!(!kept.is_writable());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
