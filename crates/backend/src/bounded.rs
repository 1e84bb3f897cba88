//! A backend whose calls end in time: an engine that accepts a call and never answers holds up neither a pass nor a reader.
//!
//! Pulls, the measuring of storage and the event stream take as long as they take; the adapter bounds them by their own progress.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mayfly_common::name::RunnerName;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::{
    Backend, BackendError, Capabilities, Cleared, Console, HostResources, ImageStore, Progress,
    Storage, Usage, Watcher,
};
use crate::spec::MachineSpec;
use mayfly_common::clock::Clock;
use mayfly_common::machine::{Machine, MachineRef};

/// How long one pass waits for the engine, all calls together.
pub const PASS: Duration = Duration::from_secs(30);
/// How long one call of an action may take, once it is its turn.
const ACTION: Duration = PASS;
/// How long a machine may take to be made: a large image on a slow disk takes its time.
const CREATION: Duration = Duration::from_mins(1);
/// Calls of actions that are under way at a time. The others wait for their turn.
const ACTIONS: usize = 16;
/// How long a list may take. Less than [`PASS`], so that a pass with a slow list can ask for more.
const LIST: Duration = Duration::from_secs(15);
/// How long a simple question may take.
const QUESTION: Duration = Duration::from_secs(10);
/// How long an engine may take to say that it is there.
const PING: Duration = Duration::from_secs(5);

/// When the engine last answered, and what is wrong if something is.
pub struct Contact {
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

/// What is known of the engine's answering.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// When it last answered; none before it did.
    pub answered_at: Option<Timestamp>,
    /// Why the latest call was not answered, if it was not.
    pub silent: Option<String>,
}

impl Contact {
    /// Nothing is known yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// What is known.
    pub fn seen(&self) -> Seen {
        self.state().clone()
    }

    fn state(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, silent: Option<&BackendError>) {
        let now = self.clock.now();
        let mut seen = self.state();
        match silent {
            Some(error) => seen.silent = Some(error.to_string()),
            None => *seen = Seen { answered_at: Some(now), silent: None },
        }
    }
}

/// A backend whose calls end in time.
pub struct Bounded {
    inner: Arc<dyn Backend>,
    contact: Arc<Contact>,
    /// What is left for the pass under way; none for callers outside of passes.
    pass: Option<Mutex<Spent>>,
    /// Places for calls at a time; none where their number is bounded elsewhere.
    places: Option<Semaphore>,
}

/// The time in which at least one call of this pass was under way.
struct Spent {
    before: Duration,
    running: usize,
    since: Instant,
}

impl Spent {
    fn new() -> Self {
        Self { before: Duration::ZERO, running: 0, since: Instant::now() }
    }

    fn left(&self) -> Duration {
        let now = if self.running > 0 { self.since.elapsed() } else { Duration::ZERO };
        PASS.saturating_sub(self.before + now)
    }
}

/// A call that counts against the pass, until it is dropped.
struct Running<'a>(&'a Bounded);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(mut spent) = self.0.spent() {
            spent.running = spent.running.saturating_sub(1);
            if spent.running == 0 {
                let last = spent.since.elapsed();
                spent.before += last;
            }
        }
    }
}

impl Bounded {
    /// The calls of passes: [`Bounded::begin_pass`] gives each pass its time.
    pub fn for_passes(inner: Arc<dyn Backend>, contact: Arc<Contact>) -> Self {
        Self { inner, contact, pass: Some(Mutex::new(Spent::new())), places: None }
    }

    /// The calls of readers beside passes: each is bounded by itself.
    pub fn for_readers(inner: Arc<dyn Backend>, contact: Arc<Contact>) -> Self {
        Self { inner, contact, pass: None, places: None }
    }

    /// The calls of actions, which go on beside passes: each is bounded by itself, and so many are under way at a time.
    pub fn for_actions(inner: Arc<dyn Backend>, contact: Arc<Contact>) -> Self {
        Self { places: Some(Semaphore::new(ACTIONS)), ..Self::for_readers(inner, contact) }
    }

    /// A pass begins: it has [`PASS`] for the engine.
    pub fn begin_pass(&self) {
        if let Some(mut spent) = self.spent() {
            let running = spent.running;
            *spent = Spent { running, ..Spent::new() };
        }
    }

    /// What people call the backend.
    fn title(&self) -> &'static str {
        self.inner.capabilities().title
    }

    fn spent(&self) -> Option<MutexGuard<'_, Spent>> {
        self.pass.as_ref().map(|pass| pass.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self) -> Option<Running<'_>> {
        let mut spent = self.spent()?;
        if spent.running == 0 {
            spent.since = Instant::now();
        }
        spent.running += 1;
        Some(Running(self))
    }

    async fn within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        let _place = match &self.places {
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        let _running = self.begin();
        let left = self.spent().map_or(Duration::MAX, |spent| spent.left());
        let limit = limit.min(left);
        let answer = if limit.is_zero() {
            let why = format!("the {} s that one pass waits for it are used up", PASS.as_secs());
            Err(BackendError::unreachable(self.title(), why))
        } else {
            timeout(limit, call).await.unwrap_or_else(|_| {
                let seconds = limit.as_secs_f32().ceil();
                Err(BackendError::unreachable(
                    self.title(),
                    format!("no answer within {seconds} s"),
                ))
            })
        };
        if let Err(error @ BackendError::Unreachable { .. }) = &answer {
            self.contact.note(Some(error));
        }
        answer
    }
}

/// The facet of the backend behind this one, or the refusal where it has none.
fn facet<'a, T: ?Sized>(
    found: Option<&'a T>,
    (title, what): (&'static str, &'static str),
) -> Result<&'a T, BackendError> {
    found.ok_or_else(|| BackendError::Refused {
        title,
        what,
        reason: "it has no such thing".to_owned(),
    })
}

#[async_trait]
impl Backend for Bounded {
    fn capabilities(&self) -> &'static Capabilities {
        self.inner.capabilities()
    }

    async fn installation(&self) -> Result<String, BackendError> {
        self.within(QUESTION, self.inner.installation()).await
    }

    async fn ping(&self) -> Result<(), BackendError> {
        self.within(PING, self.inner.ping()).await?;
        self.contact.note(None);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Machine>, BackendError> {
        let listed = self.within(LIST, self.inner.list()).await?;
        self.contact.note(None);
        Ok(listed)
    }

    async fn get(&self, machine: &MachineRef) -> Result<Option<Machine>, BackendError> {
        self.within(QUESTION, self.inner.get(machine)).await
    }

    async fn create(&self, spec: &MachineSpec) -> Result<(), BackendError> {
        self.within(CREATION, self.inner.create(spec)).await
    }

    async fn start(&self, machine: &MachineRef) -> Result<(), BackendError> {
        self.within(CREATION, self.inner.start(machine)).await
    }

    async fn delete(&self, machine: &MachineRef) -> Result<(), BackendError> {
        self.within(ACTION, self.inner.delete(machine)).await
    }

    async fn clear(&self) -> Result<Cleared, BackendError> {
        self.within(PASS, self.inner.clear()).await
    }

    fn problems(&self) -> Vec<String> {
        self.inner.problems()
    }

    fn images(&self) -> Option<&dyn ImageStore> {
        self.inner.images().map(|_| self as &dyn ImageStore)
    }

    fn console(&self) -> Option<&dyn Console> {
        self.inner.console().map(|_| self as &dyn Console)
    }

    fn watcher(&self) -> Option<&dyn Watcher> {
        self.inner.watcher()
    }

    fn usage(&self) -> Option<&dyn Usage> {
        self.inner.usage().map(|_| self as &dyn Usage)
    }
}

#[async_trait]
impl ImageStore for Bounded {
    async fn image_id(&self, image: &str) -> Result<Option<String>, BackendError> {
        let images = facet(self.inner.images(), (self.title(), "look an image up"))?;
        self.within(QUESTION, images.image_id(image)).await
    }

    async fn pull_image(&self, image: &str, progress: &Progress) -> Result<(), BackendError> {
        facet(self.inner.images(), (self.title(), "pull an image"))?
            .pull_image(image, progress)
            .await
    }
}

#[async_trait]
impl Console for Bounded {
    async fn logs(&self, name: &RunnerName, lines: u32) -> Result<Option<String>, BackendError> {
        let console = facet(self.inner.console(), (self.title(), "read a log"))?;
        self.within(QUESTION, console.logs(name, lines)).await
    }
}

#[async_trait]
impl Usage for Bounded {
    async fn host_resources(&self) -> Result<HostResources, BackendError> {
        let usage = facet(self.inner.usage(), (self.title(), "tell of its host"))?;
        self.within(QUESTION, usage.host_resources()).await
    }

    async fn storage(&self) -> Result<Storage, BackendError> {
        facet(self.inner.usage(), (self.title(), "measure its storage"))?.storage().await
    }
}

#[cfg(test)]
mod tests;
