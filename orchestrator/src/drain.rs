//! Whether the platform drains: nothing new is started, waiting runners leave, busy ones finish. Stored, so that it outlives a
//! restart, until somebody ends it.
//!
//! Invariant: a drain and its end count at once, also where they cannot be stored. Until they are, a restart undoes them, which is told.

use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use jiff::Timestamp;
use tokio::sync::Mutex;

use mayfly_store::{Store, StoreError};

/// The drain, if there is one.
pub struct Drain {
    store: Store,
    state: RwLock<State>,
    /// One writer at a time.
    writing: Mutex<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    since: Option<Timestamp>,
    /// The store was read, or overruled.
    is_known: bool,
    /// What a restart finds, as far as that is known.
    stored: Option<Found>,
}

/// The drain that a restart finds, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found(Option<Timestamp>);

impl State {
    /// True if a restart finds what holds now.
    fn is_stored(self) -> bool {
        self.stored == Some(Found(self.since))
    }
}

impl Drain {
    /// Not known yet: see [`Drain::settle`].
    pub fn new(store: Store) -> Self {
        Self { store, state: RwLock::default(), writing: Mutex::default() }
    }

    /// Since when the platform drains, if it does.
    pub fn since(&self) -> Option<Timestamp> {
        self.state().since
    }

    /// `true` if a restart finds what holds now.
    pub fn is_stored(&self) -> bool {
        self.state().is_stored()
    }

    /// Reads what the store keeps, or stores what could not be stored before. Every pass calls it.
    ///
    /// Errors: the store cannot be read or written.
    pub async fn settle(&self) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        let state = self.state();
        if !state.is_known {
            let since = self.store.drain().await?;
            let mut state = self.write();
            // One that began meanwhile counts already, and so does an end.
            if !state.is_known {
                (state.since, state.is_known) = (since, true);
            }
            state.stored = self.found(since);
        } else if !state.is_stored() && self.outlives() {
            self.save(state.since).await?;
        }
        Ok(())
    }

    /// Begins a drain, unless there is one.
    pub async fn begin(&self, now: Timestamp) {
        let since = {
            let mut state = self.write();
            // Counts before anything is waited for: a pass may be about to start a runner.
            state.is_known = true;
            *state.since.get_or_insert(now)
        };
        let _writing = self.writing.lock().await;
        if let Err(error) = self.save(Some(since)).await {
            tracing::warn!("the drain cannot be stored, so a restart would end it: {error}");
        }
    }

    /// Ends the drain, if there is one.
    pub async fn end(&self) {
        let _writing = self.writing.lock().await;
        {
            let mut state = self.write();
            (state.since, state.is_known) = (None, true);
        }
        if let Err(error) = self.save(None).await {
            tracing::warn!("the end of the drain cannot be stored: {error}");
        }
    }

    /// Writes what holds now.
    async fn save(&self, since: Option<Timestamp>) -> Result<(), StoreError> {
        self.store.save_drain(since).await?;
        self.write().stored = self.found(since);
        Ok(())
    }

    /// What a restart finds after `since` was written or read.
    fn found(&self, since: Option<Timestamp>) -> Option<Found> {
        if self.store.is_durable() {
            self.outlives().then_some(Found(since))
        } else {
            Some(Found(None))
        }
    }

    fn outlives(&self) -> bool {
        self.store.is_durable() && self.store.sound().is_ok()
    }

    fn state(&self) -> State {
        *self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[tokio::test]
    async fn a_drain_outlives_a_restart_until_it_is_ended() {
        let store = Store::in_memory().unwrap();
        let drain = Drain::new(store.clone());
        drain.settle().await.unwrap();
        assert_eq!(drain.since(), None);
        drain.begin(at(1)).await;
        drain.begin(at(2)).await;
        assert_eq!(drain.since(), Some(at(1)), "it began once");
        let again = Drain::new(store.clone());
        again.settle().await.unwrap();
        assert_eq!(again.since(), Some(at(1)));
        again.end().await;
        let third = Drain::new(store);
        third.settle().await.unwrap();
        assert_eq!(third.since(), None);
    }

    #[tokio::test]
    async fn a_drain_and_its_end_count_at_once_also_where_they_cannot_be_stored() {
        let folder = std::env::temp_dir().join(format!("mayfly-drain-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(&folder.join("mayfly.db")).unwrap();
        let drain = Drain::new(store.clone());
        drain.settle().await.unwrap();
        let found = || (drain.since(), drain.is_stored());
        store.break_writes();
        drain.begin(at(1)).await;
        assert_eq!(found(), (Some(at(1)), false), "a restart would end it");
        drain.end().await;
        assert_eq!(found(), (None, true), "a restart finds none");
        store.mend_writes();
        drain.begin(at(2)).await;
        store.break_writes();
        drain.end().await;
        assert_eq!(found(), (None, false), "a restart would bring it back");
        drain.settle().await.unwrap_err();
        assert_eq!(found(), (None, false));
        // A pass stores it as soon as that is possible.
        store.mend_writes();
        drain.settle().await.unwrap();
        assert_eq!(found(), (None, true));
        let again = Drain::new(store.clone());
        again.settle().await.unwrap();
        assert_eq!((again.since(), again.is_stored()), (None, true));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_drain_that_begins_while_the_store_is_read_counts_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build();
        runtime.unwrap().block_on(async {
            // The one thread that reads is busy until it is told to go on.
            let (go, wait) = std::sync::mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || wait.recv().unwrap());
            let drain = Drain::new(Store::in_memory().unwrap());
            let mut settling = std::pin::pin!(drain.settle());
            assert!(futures::poll!(&mut settling).is_pending());
            let mut beginning = std::pin::pin!(drain.begin(at(1)));
            assert!(futures::poll!(&mut beginning).is_pending());
            go.send(()).unwrap();
            busy.await.unwrap();
            settling.await.unwrap();
            assert_eq!(drain.since(), Some(at(1)), "the pass that settles starts nothing");
            beginning.await;
            assert_eq!(drain.since(), Some(at(1)));
        });
    }

    #[tokio::test]
    async fn a_drain_that_begins_before_the_store_is_read_is_not_overruled_by_it() {
        let drain = Drain::new(Store::in_memory().unwrap());
        drain.begin(at(1)).await;
        drain.settle().await.unwrap();
        assert_eq!(drain.since(), Some(at(1)));
    }

    #[tokio::test]
    async fn whether_a_restart_finds_the_drain_is_told() {
        let folder = std::env::temp_dir().join(format!("mayfly-drain-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("mayfly.db");
        let store = Store::open(&path).unwrap();
        let drain = Drain::new(store.clone());
        assert!(!drain.is_stored(), "not read yet");
        drain.settle().await.unwrap();
        assert!(drain.is_stored(), "that there is none is found, too");
        drain.begin(at(1)).await;
        assert!(drain.is_stored());
        drain.end().await;
        assert_eq!((drain.since(), drain.is_stored()), (None, true));

        // One that could not be stored is stored later, by a pass.
        store.break_writes();
        drain.begin(at(5)).await;
        assert_eq!((drain.since(), drain.is_stored()), (Some(at(5)), false));
        drain.settle().await.unwrap_err();
        assert!(!drain.is_stored());
        store.mend_writes();
        drain.settle().await.unwrap();
        assert!(drain.is_stored());
        let again = Drain::new(store.clone());
        again.settle().await.unwrap();
        assert_eq!((again.since(), again.is_stored()), (Some(at(5)), true));

        // What is written into a file that is no longer the one there is, no restart finds.
        std::fs::write(folder.join("other.db"), "").unwrap();
        std::fs::rename(folder.join("other.db"), &path).unwrap();
        store.look_after().await.unwrap_err();
        again.end().await;
        assert!(!again.is_stored());
        let in_memory = Drain::new(Store::in_memory().unwrap());
        in_memory.settle().await.unwrap();
        in_memory.begin(at(1)).await;
        assert!(!in_memory.is_stored());
        in_memory.settle().await.unwrap();
        assert!(!in_memory.is_stored());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
