//! What is known of an image, and when it is pulled.

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

/// A pool for each of these policies, by its name.
fn used_by(policies: &[PullPolicy]) -> Wanted {
    let name =
        |policy: &PullPolicy| PoolName::parse(&format!("{policy:?}").to_lowercase()).unwrap();
    Wanted {
        policies: policies.iter().copied().collect(),
        users: policies.iter().map(|policy| (name(policy), *policy)).collect(),
    }
}

impl World {
    fn new() -> Self {
        let nudge = Arc::new(Notify::new());
        let images = Arc::new(Images::new(Arc::clone(&nudge), Tasks::default()));
        let clock = Arc::new(Hand(AtomicI64::new(0)));
        Self { backend: Arc::new(FakeBackend::new()), clock, nudge, images }
    }

    async fn look(&self, policies: &[PullPolicy]) -> Vec<Image> {
        let wanted = BTreeMap::from([("i".to_owned(), used_by(policies))]);
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
        "image i cannot be looked up: The fake refused to inspect an image: its layer is lost";
    assert_eq!(world.images.problems(), [format!("pools missing, never: {why}")]);
    assert_eq!(world.images.describe("i", Missing), why);
    world.backend.state().untold.clear();
    assert_eq!(world.look(&[Missing, Never]).await, [Image::Present; 2]);
    assert_eq!(world.images.problems(), Vec::<String>::new());
    world.backend.state().away = true;
    let wanted = BTreeMap::from([("i".to_owned(), used_by(&[Missing]))]);
    let seen = world.images.look(&*world.backend, &wanted, world.clock.now()).await;
    assert!(matches!(seen, Err(BackendError::Unreachable { .. })), "{seen:?}");
}

#[tokio::test]
async fn pools_that_share_an_image_are_judged_each_by_its_own_policy() {
    use PullPolicy::{Always, Missing, Never};
    let world = World::new();
    let described = || [Always, Missing, Never].map(|policy| world.images.describe("i", policy));
    let all = [Always, Missing, Never];
    let (never, later) = (
        "image i is not on the host, and the pull policy is never",
        "not on the host yet; pulled when a runner is needed",
    );
    let failed = "the image i cannot be pulled: not found";
    world.backend.state().image = false;
    assert_eq!(world.look(&all).await, [Image::Missing, Image::Missing, Image::Awaited]);
    assert_eq!(described(), [later, later, never]);
    let (no_pull, no_image) =
        (format!("pool never: {never}"), format!("pools always, missing: {failed}"));
    assert_eq!(world.images.problems(), [no_pull.as_str()]);
    world.pull(true).await;
    assert_eq!(world.look(&all).await, [Image::Awaited; 3]);
    assert_eq!(described(), [failed, failed, never]);
    assert_eq!(world.images.problems(), [no_pull, no_image.clone()]);
    // Somebody loads it by hand: that is enough for all but the pool that always asks the registry.
    world.backend.state().image = true;
    assert_eq!(world.look(&all).await, [Image::Awaited, Image::Present, Image::Present]);
    assert_eq!(described(), [failed, PRESENT, PRESENT]);
    assert_eq!(world.images.problems(), [no_image]);
    world.pull(false).await;
    assert_eq!(world.look(&all).await, [Image::Present; 3]);
    assert_eq!(described(), [PRESENT; 3]);
    assert_eq!(world.images.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn an_image_that_no_pool_wants_any_more_is_forgotten() {
    let world = World::new();
    world.look(&[PullPolicy::Missing]).await;
    assert_eq!(world.images.describe("i", PullPolicy::Missing), "present");
    let now = world.clock.now();
    world.images.look(&*world.backend, &BTreeMap::new(), now).await.unwrap();
    assert_eq!(world.images.describe("i", PullPolicy::Missing), "not looked for yet");
    assert_eq!(world.images.progress("i"), None);
}

#[tokio::test]
async fn an_image_that_only_pools_use_that_are_disabled_is_no_problem() {
    use PullPolicy::{Missing, Never};
    let world = World::new();
    world.backend.state().image = false;
    let look = async |users: &[PullPolicy]| {
        let wanted = Wanted { users: used_by(users).users, ..used_by(&[Missing, Never]) };
        let wanted = BTreeMap::from([("i".to_owned(), wanted)]);
        world.images.look(&*world.backend, &wanted, world.clock.now()).await.unwrap();
        world.images.problems().len()
    };
    world.pull(true).await;
    assert_eq!(look(&[Missing, Never]).await, 2);
    assert_eq!(look(&[Missing]).await, 1);
    assert_eq!(look(&[]).await, 0);
    world.backend.state().untold.insert("i".to_owned());
    assert_eq!(look(&[]).await, 0);
    // It is described all the same.
    assert!(world.images.describe("i", Never).contains("cannot be looked up"));
}
