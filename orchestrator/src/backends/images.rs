//! The runners' images: whether they are here, and the pulls that fetch them in the background.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mayfly_common::pool::{PoolName, PullPolicy};
use mayfly_service::telemetry::{MONITOR, SUCCESS};
use tokio::sync::Notify;
use tracing::info;

use crate::tasks::Tasks;
use mayfly_backend::{Backend, BackendError, Progress};
use mayfly_common::clock::Clock;
use mayfly_planner::backoff::delay;
use mayfly_planner::image_pull::{ImageFacts, image_for};
use mayfly_planner::{Image, ImageSeen};

/// Said of an image that can be used.
const PRESENT: &str = "present";

/// Who uses an image.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The pull policies of all pools that do.
    pub(crate) policies: BTreeSet<PullPolicy>,
    /// Those that are enabled: what is wrong with an image that no other uses is nobody's problem.
    pub(crate) users: BTreeMap<PoolName, PullPolicy>,
}

/// What is known of the images.
pub(crate) struct Images {
    nudge: Arc<Notify>,
    /// Runs the pulls.
    tasks: Tasks,
    states: Mutex<BTreeMap<String, State>>,
}

#[derive(Default)]
struct State {
    present: bool,
    /// The enabled pools that use it, each with its pull policy.
    users: BTreeMap<PoolName, PullPolicy>,
    /// How far the pull is that is under way.
    pulling: Option<Arc<Progress>>,
    pulled_at: Option<Timestamp>,
    failures: u32,
    retry_at: Option<Timestamp>,
    /// The reason why the last pull failed; none if it does not matter any more.
    reason: Option<String>,
    /// The reason why the engine did not say whether it is here.
    untold: Option<String>,
}

impl State {
    fn problems(&self, image: &str) -> Vec<String> {
        let never = (!self.present && self.untold.is_none()).then(|| not_pulled(image));
        let found = [
            (never, &[PullPolicy::Never][..]),
            (self.reason.clone(), &[PullPolicy::Missing, PullPolicy::Always]),
            (self.untold.clone(), &[PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never]),
        ];
        let told = found.into_iter().filter_map(|(why, concerned)| {
            let users = self.users.iter().filter(|(_, policy)| concerned.contains(policy));
            let names: Vec<&str> = users.map(|(name, _)| name.as_str()).collect();
            let pools = match names[..] {
                [] => return None,
                [name] => format!("pool {name}"),
                _ => format!("pools {}", names.join(", ")),
            };
            Some(format!("{pools}: {}", why?))
        });
        told.collect()
    }
}

impl Images {
    pub(crate) fn new(nudge: Arc<Notify>, tasks: Tasks) -> Self {
        Self { nudge, tasks, states: Mutex::default() }
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the engine for these images, and forgets all others. One that it refuses to inspect waits; the others do not.
    ///
    /// Errors: the engine cannot be reached.
    pub(crate) async fn look(
        &self,
        backend: &dyn Backend,
        wanted: &BTreeMap<String, Wanted>,
        now: Timestamp,
    ) -> Result<BTreeMap<(String, PullPolicy), ImageSeen>, BackendError> {
        let mut seen = BTreeMap::new();
        let Some(store) = backend.images() else {
            // Its machines are made from something that need not be fetched.
            for (image, Wanted { policies, .. }) in wanted {
                let here = || ImageSeen { state: Image::Present, id: None };
                seen.extend(policies.iter().map(|policy| ((image.clone(), *policy), here())));
            }
            return Ok(seen);
        };
        for (image, Wanted { policies, users }) in wanted {
            let (id, untold) = match store.image_id(image).await {
                Ok(id) => (id, None),
                Err(error @ BackendError::Unreachable { .. }) => return Err(error),
                Err(error) => (None, Some(format!("image {image} cannot be looked up: {error}"))),
            };
            let mut states = self.states();
            let state = states.entry(image.clone()).or_default();
            state.untold = untold;
            state.present = id.is_some();
            state.users.clone_from(users);
            if state.present && !policies.contains(&PullPolicy::Always) {
                state.reason = None;
            }
            let facts = ImageFacts {
                present: state.present,
                pulling: state.pulling.is_some(),
                pulled_at: state.pulled_at,
                retry_at: state.retry_at,
            };
            for policy in policies {
                let told = state.untold.is_none();
                let state = if told { image_for(*policy, &facts, now) } else { Image::Awaited };
                seen.insert((image.clone(), *policy), ImageSeen { state, id: id.clone() });
            }
        }
        self.states().retain(|image, state| wanted.contains_key(image) || state.pulling.is_some());
        Ok(seen)
    }

    /// Starts a pull unless one is under way; nudges the loop when it ends.
    pub(crate) fn pull(
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
        self.tasks.spawn(async move {
            let result = match backend.images() {
                Some(store) => store.pull_image(&image, &progress).await,
                None => Ok(()),
            };
            let now = clock.now();
            let mut states = this.states();
            let state = states.entry(image.clone()).or_default();
            state.pulling = None;
            match result {
                Ok(()) => {
                    info!(category = SUCCESS, image, "a runner image is here");
                    let users = std::mem::take(&mut state.users);
                    *state =
                        State { present: true, pulled_at: Some(now), users, ..State::default() };
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
    pub(crate) fn retries(&self) -> Vec<Timestamp> {
        self.states().values().filter_map(|state| state.retry_at).collect()
    }

    /// What is wrong, if anything is, and for which pools.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.states().iter().flat_map(|(image, state)| state.problems(image)).collect()
    }

    /// How far the pull of an image is, in bytes.
    pub(crate) fn progress(&self, image: &str) -> Option<(u64, u64)> {
        self.states().get(image)?.pulling.as_ref()?.get()
    }

    /// The state of all images of a runner in words, for pools with this policy: of the first, and of each other that cannot be used.
    pub(crate) fn describe_all<'a>(
        &self,
        mut images: impl Iterator<Item = &'a str>,
        policy: PullPolicy,
    ) -> String {
        let mut text = images.next().map(|image| self.describe(image, policy)).unwrap_or_default();
        for image in images {
            let other = self.describe(image, policy);
            if other != PRESENT {
                text = format!("{text}; image {image}: {other}");
            }
        }
        text
    }

    /// The state of an image in words, for pools with this policy: what one may use as it is, another may have to pull.
    pub(crate) fn describe(&self, image: &str, policy: PullPolicy) -> String {
        let states = self.states();
        let Some(state) = states.get(image) else { return "not looked for yet".to_owned() };
        if let Some(untold) = &state.untold {
            return untold.clone();
        }
        match (policy, state.present, &state.pulling, &state.reason) {
            (PullPolicy::Never | PullPolicy::Missing, true, _, _) => PRESENT.to_owned(),
            (PullPolicy::Never, false, _, _) => not_pulled(image),
            (_, _, Some(_), _) => "being pulled".to_owned(),
            (_, _, _, Some(reason)) => reason.clone(),
            (_, true, _, None) => PRESENT.to_owned(),
            (_, false, _, None) => "not on the host yet; pulled when a runner is needed".to_owned(),
        }
    }
}

/// The problem of an image that is missing and may not be pulled.
fn not_pulled(image: &str) -> String {
    format!("image {image} is not on the host, and the pull policy is never")
}

#[cfg(test)]
mod tests;
