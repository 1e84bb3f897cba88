//! The runners' images: whether they are here, and the pulls that fetch them in the background.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mayfly_common::pool::PullPolicy;
use mayfly_common::telemetry::{MONITOR, SUCCESS};
use tokio::sync::Notify;
use tracing::info;

use mayfly_backend::{Backend, BackendError, Progress};
use mayfly_common::clock::Clock;
use mayfly_planner::backoff::delay;
use mayfly_planner::pull::{ImageFacts, image_for};
use mayfly_planner::{Image, ImageSeen};

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
    /// True if a pool with the pull policy `never` uses it.
    never: bool,
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

impl Images {
    pub(super) fn new(nudge: Arc<Notify>) -> Self {
        Self { nudge, states: Mutex::default() }
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the engine for these images, and forgets all others. One that it refuses to inspect waits; the others do not.
    ///
    /// Errors: the engine cannot be reached.
    pub(super) async fn look(
        &self,
        backend: &dyn Backend,
        wanted: &BTreeMap<String, BTreeSet<PullPolicy>>,
        now: Timestamp,
    ) -> Result<BTreeMap<(String, PullPolicy), ImageSeen>, BackendError> {
        let mut seen = BTreeMap::new();
        for (image, policies) in wanted {
            let (id, untold) = match backend.image_id(image).await {
                Ok(id) => (id, None),
                Err(error @ BackendError::Unreachable(_)) => return Err(error),
                Err(error) => (None, Some(format!("image {image} cannot be looked up: {error}"))),
            };
            let mut states = self.states();
            let state = states.entry(image.clone()).or_default();
            state.untold = untold;
            state.present = id.is_some();
            state.never = policies.contains(&PullPolicy::Never);
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
        let of = |(image, state): (&String, &State)| {
            let missing = state.never && !state.present && state.untold.is_none();
            let never = missing.then(|| not_pulled(image));
            never.into_iter().chain(state.reason.clone()).chain(state.untold.clone())
        };
        self.states().iter().flat_map(of).collect()
    }

    /// How far the pull of an image is, in bytes.
    pub(super) fn progress(&self, image: &str) -> Option<(u64, u64)> {
        self.states().get(image)?.pulling.as_ref()?.get()
    }

    /// The state of all images of a runner in words, for pools with this policy: of the first, and of each other that cannot be used.
    pub(super) fn describe_all<'a>(
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
    pub(super) fn describe(&self, image: &str, policy: PullPolicy) -> String {
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
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use mayfly_backend::fake::FakeBackend;

    /// Seconds since a moment.
    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(1_800_000_000 + self.0.load(Ordering::Relaxed)).unwrap()
        }
    }

    struct World {
        backend: Arc<FakeBackend>,
        clock: Arc<Hand>,
        nudge: Arc<Notify>,
        images: Arc<Images>,
    }

    impl World {
        fn new() -> Self {
            let nudge = Arc::new(Notify::new());
            let images = Arc::new(Images::new(Arc::clone(&nudge)));
            let clock = Arc::new(Hand(AtomicI64::new(0)));
            Self { backend: Arc::new(FakeBackend::new()), clock, nudge, images }
        }

        async fn look(&self, policies: &[PullPolicy]) -> Vec<Image> {
            let wanted = BTreeMap::from([("i".to_owned(), policies.iter().copied().collect())]);
            let now = self.clock.now();
            let seen = self.images.look(&*self.backend, &wanted, now).await.unwrap();
            policies.iter().map(|policy| seen[&("i".to_owned(), *policy)].state).collect()
        }

        /// A pull that ends before this does; the seconds until the next may begin.
        async fn pull(&self, fails: bool) -> Option<i64> {
            self.backend.state().failing_pulls = fails;
            let backend: Arc<dyn Backend> = Arc::<FakeBackend>::clone(&self.backend);
            let clock: Arc<dyn Clock> = Arc::<Hand>::clone(&self.clock);
            self.images.pull("i", backend, clock);
            self.nudge.notified().await;
            let retry = self.images.retries().first().copied();
            retry.map(|at| at.duration_since(self.clock.now()).as_secs())
        }
    }

    #[tokio::test]
    async fn a_good_pull_ends_the_streak_of_failures() {
        let world = World::new();
        assert_eq!(world.pull(true).await, Some(5));
        assert_eq!(world.pull(true).await, Some(10));
        assert_eq!(world.pull(false).await, None);
        assert_eq!(world.images.problems(), Vec::<String>::new());
        world.clock.0.store(3_600, Ordering::Relaxed);
        assert_eq!(world.pull(true).await, Some(5), "as if it were the first");
    }

    #[tokio::test]
    async fn a_pull_goes_on_though_nobody_wants_its_image_for_a_while() {
        let world = World::new();
        world.backend.state().image = false;
        let backend: Arc<dyn Backend> = Arc::<FakeBackend>::clone(&world.backend);
        let clock: Arc<dyn Clock> = Arc::<Hand>::clone(&world.clock);
        world.backend.state().frozen = true;
        world.images.pull("i", Arc::clone(&backend), Arc::clone(&clock));
        while world.backend.state().taken == 0 {
            tokio::task::yield_now().await;
        }
        world.backend.state().frozen = false;
        let now = world.clock.now();
        world.images.look(&*world.backend, &BTreeMap::new(), now).await.unwrap();
        assert_eq!(world.look(&[PullPolicy::Missing]).await, [Image::Awaited]);
        world.images.pull("i", backend, clock);
        world.backend.answer();
        world.nudge.notified().await;
        assert_eq!(world.backend.state().pulls, 1, "it was not begun a second time");
    }

    #[tokio::test]
    async fn an_image_that_the_engine_refuses_to_tell_of_waits_alone() {
        use PullPolicy::{Missing, Never};
        let world = World::new();
        world.backend.state().untold.insert("i".to_owned());
        assert_eq!(world.look(&[Missing, Never]).await, [Image::Awaited; 2]);
        let why =
            "image i cannot be looked up: Docker refused to inspect an image: its layer is lost";
        assert_eq!(world.images.problems(), [why]);
        assert_eq!(world.images.describe("i", Missing), why);
        world.backend.state().untold.clear();
        assert_eq!(world.look(&[Missing, Never]).await, [Image::Present; 2]);
        assert_eq!(world.images.problems(), Vec::<String>::new());
        world.backend.state().away = true;
        let wanted = BTreeMap::from([("i".to_owned(), BTreeSet::from([Missing]))]);
        let seen = world.images.look(&*world.backend, &wanted, world.clock.now()).await;
        assert!(matches!(seen, Err(BackendError::Unreachable(_))), "{seen:?}");
    }

    #[tokio::test]
    async fn pools_that_share_an_image_are_judged_each_by_its_own_policy() {
        use PullPolicy::{Always, Missing, Never};
        let world = World::new();
        let described =
            || [Always, Missing, Never].map(|policy| world.images.describe("i", policy));
        let all = [Always, Missing, Never];
        let (never, later) = (
            "image i is not on the host, and the pull policy is never",
            "not on the host yet; pulled when a runner is needed",
        );
        let failed = "the image i cannot be pulled: not found";
        world.backend.state().image = false;
        assert_eq!(world.look(&all).await, [Image::Missing, Image::Missing, Image::Awaited]);
        assert_eq!(described(), [later, later, never]);
        assert_eq!(world.images.problems(), [never]);
        world.pull(true).await;
        assert_eq!(world.look(&all).await, [Image::Awaited; 3]);
        assert_eq!(described(), [failed, failed, never]);
        assert_eq!(world.images.problems(), [never, failed]);
        // Somebody loads it by hand: that is enough for all but the pool that always asks the registry.
        world.backend.state().image = true;
        assert_eq!(world.look(&all).await, [Image::Awaited, Image::Present, Image::Present]);
        assert_eq!(described(), [failed, PRESENT, PRESENT]);
        assert_eq!(world.images.problems(), [failed]);
        world.pull(false).await;
        assert_eq!(world.look(&all).await, [Image::Present; 3]);
        assert_eq!(described(), [PRESENT; 3]);
        assert_eq!(world.images.problems(), Vec::<String>::new());
    }
}
