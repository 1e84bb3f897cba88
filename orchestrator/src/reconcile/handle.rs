//! What the HTTP side sees of the reconciler: requests in, the last snapshot out. It carries no decision.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use mayfly_common::api::{CleanupReport, CreateRunners, ImagePull, Runner, UninstallReport};
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PullPolicy;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::Delivery;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::lookups::Lookups;
use super::request::{Deleted, Request, RequestError};
use crate::backends::{Backends, One};
use crate::book::Book;
use crate::drain::Drain;
use crate::intake::Intake;
use mayfly_backend::bounded::Seen;
use mayfly_backend::{Backend, BackendError};
use mayfly_common::clock::Clock;
use mayfly_github::budget::Priority;
use mayfly_github::{GitHubClient, GitHubError};
use mayfly_planner::RequestId;
use mayfly_planner::ledger::Row;
use mayfly_planner::snapshot::Snapshot;
use mayfly_settings::pool::Pool;
use mayfly_store::Store;

/// The way to the reconciler.
#[derive(Clone)]
pub struct Handle {
    pub(super) requests: mpsc::Sender<(RequestId, Request)>,
    pub(super) asked: Arc<AtomicU64>,
    pub(super) snapshot: watch::Receiver<Snapshot>,
    pub(super) events: watch::Receiver<i64>,
    pub(super) nudge: Arc<Notify>,
    pub(super) backends: Arc<Backends>,
    pub(super) intake: Arc<Intake>,
    pub(super) book: Arc<Book>,
    pub(super) drain: Arc<Drain>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) github: Arc<GitHubClient>,
    pub(super) lookups: Arc<Lookups>,
}

impl Handle {
    /// The pools. After a change, [`Handle::nudge`] has it count at once.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// True if the platform drains. After a change, [`Handle::nudge`] has it count at once.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// What is kept beyond the process.
    pub fn store(&self) -> &Store {
        self.intake.store()
    }

    /// How the file behind the job ledger is, in words.
    pub fn ledger(&self) -> String {
        self.intake.ledger()
    }

    /// What GitHub says of a job that somebody asks about, or said within the last minute.
    ///
    /// Errors: it cannot be asked, or knows no such job; or too many jobs were asked about.
    pub async fn job_at_github(&self, repo: &RepoSlug, id: i64) -> Result<Row, GitHubError> {
        let now = self.now();
        let ask = async {
            let job = self.github.job(repo, id, Priority::Upkeep).await?;
            Ok(Row::of(repo, &job, now))
        };
        self.lookups.job(repo, id, now, ask).await
    }

    /// Says in words if runners of the environment's variables can be made from their image.
    pub fn default_image_state(&self, image: &str, policy: PullPolicy) -> String {
        self.backends.docker().images.describe(image, policy)
    }

    /// Says in words if a pool can use its image.
    pub fn image_state(&self, pool: &Pool) -> String {
        let describe = |one: &One| one.images.describe(&pool.material.image, pool.pull);
        self.backends.of(&pool.spec.backend).map_or_else(|error| error.to_string(), describe)
    }

    /// How far the pull of a pool's image is, if there is one and that is known.
    pub fn image_pull(&self, pool: &Pool) -> Option<ImagePull> {
        let images = &self.backends.of(&pool.spec.backend).ok()?.images;
        images.progress(&pool.material.image).map(|(done, size)| ImagePull { done, size })
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the last pass left behind.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// The id of the latest event that can be read; it changes when there are more, and is closed when there will be none.
    pub fn events(&self) -> watch::Receiver<i64> {
        self.events.clone()
    }

    /// Waits for a pass that has seen the containers.
    pub async fn first_pass(&self) {
        let mut snapshot = self.snapshot.clone();
        let seen = |snapshot: &Snapshot| snapshot.report.number > 0 && snapshot.blind.is_none();
        // It ends with the process at the latest.
        drop(snapshot.wait_for(seen).await);
    }

    /// When the backend `docker` last answered.
    pub fn contact(&self) -> Seen {
        self.backends.contact()
    }

    /// When GitHub last answered, whatever it said.
    pub fn github_answered_at(&self) -> Option<Timestamp> {
        self.github.answered_at()
    }

    /// Says "look now".
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Takes in what a webhook told.
    pub async fn deliver(&self, delivery: Delivery) -> mayfly_common::webhook::Outcome {
        self.intake.accept(delivery).await
    }

    /// Asks for runners: all of them, or an error and none.
    pub async fn create(&self, wanted: CreateRunners) -> Result<Vec<Runner>, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Create { wanted, reply }, answer).await
    }

    /// Asks for a runner's end.
    pub async fn delete(&self, name: RunnerName, force: bool) -> Result<Deleted, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Delete { name, force, reply }, answer).await
    }

    /// Asks for a clean-up, or for what one would do.
    pub async fn cleanup(&self, dry_run: bool) -> Result<CleanupReport, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Cleanup { dry_run, reply }, answer).await
    }

    /// Asks for the removal of what is left of this installation. Carried out only while it drains and no runner is left.
    pub async fn uninstall(&self) -> Result<UninstallReport, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Uninstall { reply }, answer).await
    }

    /// What a runner printed: one that is there, or one that is gone.
    pub async fn logs(
        &self,
        name: &RunnerName,
        lines: u32,
    ) -> Result<Option<String>, RequestError> {
        match self.printed(name, lines).await {
            Ok(None) => {
                let latest = self.snapshot.borrow().logs.get(name.as_str()).cloned();
                match latest {
                    Some(log) => Ok(Some(log.as_ref().to_owned())),
                    None => self.kept_log(name).await,
                }
            }
            outcome => outcome.map_err(|error| RequestError::Backend(Arc::new(error))),
        }
    }

    /// What a runner that is there printed. One that the last pass did not see may be on any backend.
    async fn printed(&self, name: &RunnerName, lines: u32) -> Result<Option<String>, BackendError> {
        let backend = {
            let snapshot = self.snapshot.borrow();
            let runner = snapshot.runners.iter().find(|one| one.name == name.as_str());
            runner.map(|runner| runner.backend.clone())
        };
        let is_meant = |one: &&One| backend.as_ref().is_none_or(|name| one.name.as_str() == name);
        for one in self.backends.all().filter(is_meant) {
            let Some(console) = one.readers.console() else { continue };
            if let Some(log) = console.logs(name, lines).await? {
                return Ok(Some(log));
            }
        }
        Ok(None)
    }

    async fn kept_log(&self, name: &RunnerName) -> Result<Option<String>, RequestError> {
        let gone = self.store().finished_runner(name.to_string()).await;
        gone.map(|gone| gone?.log).map_err(|error| RequestError::Store(Arc::new(error)))
    }

    async fn send<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        let stopped = || RequestError::Unavailable("the orchestrator is stopping".to_owned());
        let id = RequestId(self.asked.fetch_add(1, Ordering::Relaxed));
        self.requests.send((id, request)).await.map_err(|_| stopped())?;
        self.nudge();
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

#[cfg(test)]
mod tests;
