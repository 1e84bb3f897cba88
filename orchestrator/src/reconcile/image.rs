//! The runners' images: whether they are here, and the pulls that fetch them in the background.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mayfly_common::pool::PullPolicy;
use mayfly_common::telemetry::{MONITOR, SUCCESS};
use tokio::sync::Notify;
use tracing::info;

use crate::backend::{Backend, BackendError, Progress};
use crate::clock::Clock;
use crate::scaling::backoff::delay;
use crate::scaling::pull::{ImageFacts, image_for};
use crate::scaling::{Image, ImageSeen};

/// Said of an image that can be used.
const PRESENT: &str = "present";

/// What is known of the images.
pub(super) struct Images {
    nudge: Arc<Notify>,
    states: Mutex<BTreeMap<String, State>>,
}

#[derive(Default)]
struct State {
    present: bool,
    /// How far the pull is that is under way.
    pulling: Option<Arc<Progress>>,
    pulled_at: Option<Timestamp>,
    failures: u32,
    retry_at: Option<Timestamp>,
    reason: Option<String>,
}

impl Images {
    pub(super) fn new(nudge: Arc<Notify>) -> Self {
        Self { nudge, states: Mutex::default() }
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the engine for these images, and forgets all others.
    pub(super) async fn look(
        &self,
        backend: &dyn Backend,
        wanted: &BTreeMap<String, BTreeSet<PullPolicy>>,
        now: Timestamp,
    ) -> Result<BTreeMap<(String, PullPolicy), ImageSeen>, BackendError> {
        let mut seen = BTreeMap::new();
        for (image, policies) in wanted {
            let id = backend.image_id(image).await?;
            if id.is_some() && !policies.contains(&PullPolicy::Always) {
                self.states().entry(image.clone()).or_default().reason = None;
            }
            for policy in policies {
                let state = self.judge(image, *policy, id.is_some(), now);
                seen.insert((image.clone(), *policy), ImageSeen { state, id: id.clone() });
            }
        }
        self.states().retain(|image, state| wanted.contains_key(image) || state.pulling.is_some());
        Ok(seen)
    }

    /// How an image stands for pools with this policy.
    fn judge(&self, image: &str, policy: PullPolicy, present: bool, now: Timestamp) -> Image {
        let mut states = self.states();
        let state = states.entry(image.to_owned()).or_default();
        state.present = present;
        if policy == PullPolicy::Never && !present {
            let why = format!("image {image} is not on the host, and the pull policy is never");
            state.reason = Some(why);
        }
        let facts = ImageFacts {
            present,
            pulling: state.pulling.is_some(),
            pulled_at: state.pulled_at,
            retry_at: state.retry_at,
        };
        image_for(policy, &facts, now)
    }

    /// Starts a pull unless one is under way; nudges the loop when it ends.
    pub(super) fn pull(
        self: &Arc<Self>,
        image: &str,
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
    ) {
        let image = image.to_owned();
        let progress = Arc::new(Progress::default());
        let mut states = self.states();
        let pulling = &mut states.entry(image.clone()).or_default().pulling;
        if pulling.is_some() {
            return;
        }
        *pulling = Some(Arc::clone(&progress));
        drop(states);
        info!(category = MONITOR, image, "pulling a runner image");
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let result = backend.pull_image(&image, &progress).await;
            let now = clock.now();
            let mut states = this.states();
            let state = states.entry(image.clone()).or_default();
            state.pulling = None;
            match result {
                Ok(()) => {
                    info!(category = SUCCESS, image, "a runner image is here");
                    *state = State { present: true, pulled_at: Some(now), ..State::default() };
                }
                Err(error) => {
                    state.failures = state.failures.saturating_add(1);
                    state.retry_at = now.checked_add(delay(state.failures)).ok();
                    state.reason = Some(error.to_string());
                }
            }
            drop(states);
            this.nudge.notify_one();
        });
    }

    /// When failed pulls may be tried again; moments of the past are those of images that nobody wants any more.
    pub(super) fn retries(&self) -> Vec<Timestamp> {
        self.states().values().filter_map(|state| state.retry_at).collect()
    }

    /// What is wrong, if anything is.
    pub(super) fn problems(&self) -> Vec<String> {
        self.states().values().filter_map(|state| state.reason.clone()).collect()
    }

    /// How far the pull of an image is, in bytes.
    pub(super) fn progress(&self, image: &str) -> Option<(u64, u64)> {
        self.states().get(image)?.pulling.as_ref()?.get()
    }

    /// The state of all images of a runner in words: of the first, and of each other that cannot be used.
    pub(super) fn describe_all<'a>(&self, mut images: impl Iterator<Item = &'a str>) -> String {
        let mut text = images.next().map(|image| self.describe(image)).unwrap_or_default();
        for image in images {
            let other = self.describe(image);
            if other != PRESENT {
                text = format!("{text}; image {image}: {other}");
            }
        }
        text
    }

    /// The state of an image in words.
    pub(super) fn describe(&self, image: &str) -> String {
        let states = self.states();
        let Some(state) = states.get(image) else { return "not looked for yet".to_owned() };
        match (&state.pulling, &state.reason, state.present) {
            (Some(_), _, _) => "being pulled".to_owned(),
            (_, Some(reason), _) => reason.clone(),
            (_, None, true) => PRESENT.to_owned(),
            (_, None, false) => "not on the host yet; pulled when a runner is needed".to_owned(),
        }
    }
}
