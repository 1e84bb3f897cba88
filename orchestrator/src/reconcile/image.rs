//! The runners' image: whether it is here, and the pull that fetches it in the background.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::telemetry::{MONITOR, SUCCESS};
use tokio::sync::Notify;
use tracing::info;

use crate::backend::{Backend, BackendError};
use crate::clock::Clock;
use crate::config::PullPolicy;
use crate::scaling::Image;
use crate::scaling::backoff::delay;

/// With `always`, how old the last pull may be: a burst of jobs costs one request to the registry.
const ALWAYS_AGE: SignedDuration = SignedDuration::from_mins(10);

/// What is known of the image.
pub(super) struct ImageState {
    policy: PullPolicy,
    nudge: Arc<Notify>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    present: bool,
    pulling: bool,
    pulled_at: Option<Timestamp>,
    failures: u32,
    retry_at: Option<Timestamp>,
    reason: Option<String>,
}

impl ImageState {
    pub(super) fn new(policy: PullPolicy, nudge: Arc<Notify>) -> Self {
        Self { policy, nudge, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the engine whether the image is there.
    pub(super) async fn look(
        &self,
        backend: &dyn Backend,
        now: Timestamp,
    ) -> Result<Image, BackendError> {
        let present = backend.has_image().await?;
        let mut state = self.state();
        state.present = present;
        if present && self.policy != PullPolicy::Always {
            state.reason = None;
        }
        let current =
            state.pulled_at.is_some_and(|pulled_at| now.duration_since(pulled_at) < ALWAYS_AGE);
        let waits = state.pulling || state.retry_at.is_some_and(|retry_at| retry_at > now);
        Ok(match self.policy {
            PullPolicy::Missing | PullPolicy::Never if present => Image::Present,
            PullPolicy::Always if present && current => Image::Present,
            PullPolicy::Never => {
                state.reason = Some(
                    "the runner image is not on the host and RUNNER_PULL_POLICY=never".to_owned(),
                );
                Image::Awaited
            }
            _ if waits => Image::Awaited,
            _ if present => Image::Outdated,
            _ => Image::Missing,
        })
    }

    /// Starts a pull unless one is under way; nudges the loop when it ends.
    pub(super) fn pull(self: &Arc<Self>, backend: Arc<dyn Backend>, clock: Arc<dyn Clock>) {
        if std::mem::replace(&mut self.state().pulling, true) {
            return;
        }
        info!(category = MONITOR, "pulling the runner image");
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let result = backend.pull_image().await;
            let now = clock.now();
            let mut state = this.state();
            state.pulling = false;
            match result {
                Ok(()) => {
                    info!(category = SUCCESS, "the runner image is here");
                    *state = State { present: true, pulled_at: Some(now), ..State::default() };
                }
                Err(error) => {
                    state.failures = state.failures.saturating_add(1);
                    state.retry_at = now.checked_add(delay(state.failures)).ok();
                    state.reason = Some(error.to_string());
                }
            }
            drop(state);
            this.nudge.notify_one();
        });
    }

    /// When a failed pull is tried again.
    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        self.state().retry_at
    }

    /// What is wrong, if anything is.
    pub(super) fn problem(&self) -> Option<String> {
        self.state().reason.clone()
    }

    /// The state in words.
    pub(super) fn describe(&self) -> String {
        let state = self.state();
        match (state.pulling, &state.reason, state.present) {
            (true, _, _) => "being pulled".to_owned(),
            (_, Some(reason), _) => reason.clone(),
            (_, None, true) => "present".to_owned(),
            (_, None, false) => "not on the host yet; pulled when a runner is needed".to_owned(),
        }
    }
}
