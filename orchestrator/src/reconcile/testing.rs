//! One reconciler for tests of its parts: a backend in memory, a GitHub at which nobody listens, a clock that is set by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use mayfly_backend::Backend;
use mayfly_backend::fake::FakeBackend;
use mayfly_common::clock::{Clock, SystemClock};
use mayfly_common::identity::{BackendName, RunnerIdentity};
use mayfly_common::label::LabelSet;
use mayfly_common::machine::{Machine, MachineRef, Phase};
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::registration::RunnerId;
use mayfly_common::scope::Scope;
use mayfly_common::webhook::{EventJob, JobStatus};
use mayfly_github::{GitHubClient, GitHubSettings};
use mayfly_planner::{Action, Launch, RequestId};
use mayfly_store::Store;
use tokio::sync::Notify;

use super::Reconciler;
use super::handle::Handle;
use crate::adapters::Adapters;
use crate::backends::{Backends, Configured};
use crate::metrics::Metrics;
use crate::tasks::Tasks;
use mayfly_settings::Config;

/// Seconds since a moment.
pub(super) struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        at(self.0.load(Ordering::Relaxed))
    }
}

pub(super) struct Bench {
    pub(super) reconciler: Arc<Reconciler>,
    pub(super) handle: Handle,
    pub(super) backend: Arc<FakeBackend>,
    clock: Arc<Hand>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    /// The same, with further variables.
    pub(super) fn with(variables: &[(&str, &str)]) -> Self {
        Self::over(variables, Store::in_memory().unwrap())
    }

    /// The same, over a store.
    pub(super) fn over(variables: &[(&str, &str)], store: Store) -> Self {
        let config = config(variables);
        let clock = Arc::new(Hand(AtomicI64::new(0)));
        let time: Arc<dyn Clock> = Arc::<Hand>::clone(&clock);
        let settings = GitHubSettings { retries: 0, ..config.github.client() };
        let github = Arc::new(GitHubClient::new(settings, Arc::clone(&time)).unwrap());
        let metrics = Arc::new(Metrics::new(github.traffic()));
        let backend = Arc::new(FakeBackend::new());
        let engine: Arc<dyn Backend> = Arc::<FakeBackend>::clone(&backend);
        let adapters = Adapters::new(engine, github, time, store);
        let (reconciler, handle) = Reconciler::new(config, &adapters, metrics, Tasks::default());
        Self { reconciler: Arc::new(reconciler), handle, backend, clock }
    }

    /// It is so many seconds later than at first.
    pub(super) fn set(&self, second: i64) {
        self.clock.0.store(second, Ordering::Relaxed);
    }

    /// The value of a sample among the metrics.
    pub(super) fn sample(&self, name: &str) -> Option<String> {
        let text = self.reconciler.metrics.render();
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
        text.lines().find_map(value)
    }
}

pub(super) fn config(variables: &[(&str, &str)]) -> Config {
    let base = [
        ("GITHUB_RUNNER_TOKEN", "t"),
        ("GITHUB_API_URL", "http://127.0.0.1:9"),
        ("RUNNER_IMAGE", "runner:test"),
    ];
    let all = base.iter().chain(variables);
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Config::from_variables(all.map(owned).collect()).unwrap()
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn name(text: &str) -> RunnerName {
    RunnerName::parse(text).unwrap()
}

pub(super) fn pool(text: &str) -> PoolName {
    PoolName::parse(text).unwrap()
}

pub(super) fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

/// The identity of a runner of `ci` before it is registered.
fn identity(runner: &str) -> RunnerIdentity {
    RunnerIdentity {
        installation: "fake".to_owned(),
        backend: BackendName::default(),
        pool: pool("ci"),
        scope: scope("org:octo-org"),
        name: name(runner),
        labels: LabelSet::requested(["self-hosted", "gpu"]),
        github_id: None,
        image: "img:1".to_owned(),
        image_id: None,
        fingerprint: Some("f".to_owned()),
        created_at: at(-100),
        deadline: at(1_000),
    }
}

/// The pull of an image on the backend `docker`.
pub(super) fn pull(image: &str) -> Action {
    Action::PullImage { backend: BackendName::default(), image: image.to_owned() }
}

/// These backends, one of which there is.
pub(super) fn backends(docker: Arc<dyn Backend>) -> Arc<Backends> {
    let (clock, nudge): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Arc::new(Notify::new()));
    let docker = Configured { backend: docker, caps: None };
    let tasks = Tasks::default();
    Arc::new(Backends::new(&docker, &BTreeMap::new(), (&clock, &nudge, &tasks)))
}

/// The machine of [`machine`], and no other of its name.
pub(super) fn reference(runner: &str) -> MachineRef {
    machine(runner).reference()
}

/// A runner of `ci` that runs; every field has a value of its own.
pub(crate) fn machine(runner: &str) -> Machine {
    Machine {
        identity: RunnerIdentity {
            github_id: Some(RunnerId(7)),
            image_id: Some("sha256:1".to_owned()),
            ..identity(runner)
        },
        id: format!("container-{runner}"),
        phase: Phase::Running { working: Some(false) },
        defect: None,
        lingers: false,
        unread: None,
    }
}

/// The same, with another identity.
pub(super) fn machine_with(runner: &str, change: impl FnOnce(&mut RunnerIdentity)) -> Machine {
    let mut machine = machine(runner);
    change(&mut machine.identity);
    machine
}

/// A launch for `ci`.
pub(super) fn launch(runner: &str, request: Option<u64>) -> Launch {
    Launch {
        identity: identity(runner),
        explicit_labels: false,
        group: Some("big".to_owned()),
        job: None,
        why: format!("{runner} is wanted"),
        request: request.map(RequestId),
    }
}

pub(super) fn retire(runner: &str, request: Option<u64>) -> Action {
    Action::Retire {
        machine: reference(runner),
        scope: scope("org:octo-org"),
        id: RunnerId(7),
        why: format!("{runner} is surplus"),
        request: request.map(RequestId),
    }
}

pub(super) fn deregister(registration: &str) -> Action {
    Action::Deregister {
        scope: scope("org:octo-org"),
        id: RunnerId(8),
        name: registration.to_owned(),
        why: "it has no machine".to_owned(),
    }
}

/// A job that is queued, as a webhook tells of it.
pub(super) fn queued(id: i64) -> EventJob {
    EventJob {
        id,
        name: "build".to_owned(),
        status: JobStatus::Queued,
        conclusion: None,
        labels: vec!["self-hosted".to_owned()],
        labels_unread: false,
        created_at: Some(at(0)),
        started_at: None,
        completed_at: None,
        runner_name: None,
    }
}
