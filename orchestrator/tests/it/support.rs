//! One platform to test: simulated GitHub, real client, real reconciler, backend in memory, one clock for all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody as _;
use github_sim::world::model::{Conclusion, JobSpec, NewRepo, Status, Step};
use github_sim::{Checked, Clock as SimClock, Fault, SimConfig};
use http::{HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use mayfly_backend::Backend;
use mayfly_backend::fake::FakeBackend;
use mayfly_common::api::{CreateRunners, PassReport, Runner};
use mayfly_common::clock::Clock;
use mayfly_common::identity::BackendName;
use mayfly_common::name::RunnerName;
use mayfly_common::scope::{RepoSlug, Scope};
use mayfly_github::{GitHubClient, GitHubSettings};
use mayfly_planner::BackendCaps;
use mayfly_settings::Config;
use mayfly_store::Store;
use orchestrator::metrics::Metrics;
use orchestrator::reconcile::Reconciler;
use orchestrator::reconcile::handle::Handle;
use orchestrator::reconcile::request::RequestError;
use orchestrator::{Adapters, App};
use tower::ServiceExt as _;

/// The workflow of repositories made by [`Platform::repo`].
pub(crate) const SELF_HOSTED: &str = "on: push\njobs:\n  build:\n    runs-on: [self-hosted, linux]\n    steps:\n      - run: echo hello\n";

/// The token the platform uses: a test looks for it where it must not be.
pub(crate) const TOKEN: &str = "ghp_topsecret0123456789topsecret0123456789";

/// What a runner prints that has done its job.
pub(crate) const DONE: &str = "Running job: build\nJob build completed with result: Succeeded\n";

/// The simulator's clock, as the orchestrator asks for one, and how far ours is ahead of it.
struct Shared(SimClock, SignedDuration);

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        self.0.now() + self.1
    }
}

pub(crate) struct Platform {
    app: App,
    pub(crate) sim: Arc<Checked>,
    pub(crate) backend: Arc<FakeBackend>,
    /// The backend beside `docker`, in a platform that has one.
    pub(crate) second: Arc<FakeBackend>,
    /// What its machines may use together; none where it is not configured.
    second_caps: Option<BackendCaps>,
    pub(crate) reconciler: Arc<Reconciler>,
    pub(crate) handle: Handle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) config: Config,
    clock: SimClock,
    ahead: SignedDuration,
    timeout: Duration,
    store: Store,
}

/// How long GitHub may take to answer: as good as for ever, for a simulator next door on a machine that is busy.
pub(crate) const PATIENT: Duration = Duration::from_mins(2);
/// The same in a test of a GitHub that never answers, and then does.
const IMPATIENT: Duration = Duration::from_secs(5);

impl Platform {
    /// Automatic mode, four runners at most, one repository `octo-admin/app` with a job for self-hosted runners.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The same, with further variables.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        Self::with_clock(variables, SignedDuration::ZERO).await
    }

    /// The same, with a clock that is `ahead` of GitHub's.
    pub(crate) async fn with_clock(variables: &[(&str, &str)], ahead: SignedDuration) -> Self {
        Self::start(variables, None, ahead, PATIENT).await
    }

    /// The same, with a backend `second` that may run so many machines.
    pub(crate) async fn with_second(variables: &[(&str, &str)], runners: usize) -> Self {
        let caps = BackendCaps { runners, ..BackendCaps::default() };
        Self::start(variables, Some(caps), SignedDuration::ZERO, PATIENT).await
    }

    /// A platform that gives up on a GitHub that does not answer, while the test waits.
    pub(crate) async fn impatient() -> Self {
        Self::start(&[], None, SignedDuration::ZERO, IMPATIENT).await
    }

    async fn start(
        variables: &[(&str, &str)],
        second_caps: Option<BackendCaps>,
        ahead: SignedDuration,
        timeout: Duration,
    ) -> Self {
        let clock = SimClock::manual(Timestamp::from_second(1_800_000_000).expect("within range"));
        let sim = Checked::start(SimConfig { clock: clock.clone(), ..SimConfig::default() })
            .await
            .expect("the simulator starts");
        let sim = Arc::new(sim);
        sim.with(|world| {
            world.add_user("octo-admin").expect("a user");
            world.add_org("octo-org").expect("an organisation");
        });
        let (backend, second) = (Arc::new(FakeBackend::new()), Arc::new(FakeBackend::new()));
        let store = Store::in_memory().expect("a store");
        let config = config(&sim.url(), variables);
        let app = wire_with(
            &config,
            Arc::<FakeBackend>::clone(&backend),
            second_caps.clone().map(|caps| (Arc::clone(&second), caps)),
            &clock,
            ahead,
            timeout,
            store.clone(),
        );
        let platform = Self {
            sim,
            backend,
            second,
            second_caps,
            reconciler: Arc::clone(app.reconciler()),
            handle: app.handle().clone(),
            metrics: Arc::clone(app.metrics()),
            app,
            config,
            clock,
            ahead,
            timeout,
            store,
        };
        platform.repo("octo-admin/app", SELF_HOSTED);
        platform
    }

    /// The internal API, without a socket, for requests that are like the gateway's where they do not say otherwise: they name a
    /// host, and a body is JSON.
    pub(crate) fn router(&self) -> Router {
        let filled = self.app.router().map_request(|mut request: axum::extract::Request| {
            let is_empty = request.body().is_end_stream();
            let headers = request.headers_mut();
            let host = || HeaderValue::from_static("orchestrator:8000");
            headers.entry(header::HOST).or_insert_with(host);
            if !is_empty {
                let json = || HeaderValue::from_static("application/json");
                headers.entry(header::CONTENT_TYPE).or_insert_with(json);
            }
            request
        });
        Router::new().fallback_service(filled)
    }

    /// A client of its own, with the platform's credential.
    pub(crate) fn client(&self) -> GitHubClient {
        self.client_that_retries(0)
    }

    /// The same, which sends a request again so often.
    pub(crate) fn client_that_retries(&self, retries: usize) -> GitHubClient {
        let settings = GitHubSettings { retries, ..self.config.github.client() };
        let clock: Arc<dyn Clock> = Arc::new(Shared(self.clock.clone(), self.ahead));
        GitHubClient::new(settings, clock).expect("a client")
    }

    /// What a restart does: everything in memory is gone, containers and GitHub stay.
    pub(crate) fn restart(&mut self) {
        let backend: Arc<FakeBackend> = Arc::clone(&self.backend);
        let second = self.second_caps.clone().map(|caps| (Arc::clone(&self.second), caps));
        let (ahead, timeout, store) = (self.ahead, self.timeout, self.store.clone());
        self.app = wire_with(&self.config, backend, second, &self.clock, ahead, timeout, store);
        self.reconciler = Arc::clone(self.app.reconciler());
        self.handle = self.app.handle().clone();
        self.metrics = Arc::clone(self.app.metrics());
    }

    pub(crate) fn repo(&self, name: &str, workflow: &str) {
        let files = BTreeMap::from([(".github/workflows/ci.yml".to_owned(), workflow.to_owned())]);
        self.sim.with(|world| {
            world
                .add_repo(NewRepo {
                    slug: slug(name).to_string().parse().unwrap(),
                    private: true,
                    files,
                })
                .expect("a repository");
        });
    }

    /// Queues a job and tells its id.
    pub(crate) fn queue(&self, repo: &str, labels: &[&str]) -> u64 {
        let spec = JobSpec {
            key: "build".to_owned(),
            name: "build".to_owned(),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            steps: vec![Step::run("echo hello")],
            ..JobSpec::default()
        };
        self.sim.with(|world| world.queue_job(&slug(repo), spec).expect("a job"))
    }

    pub(crate) async fn pass(&self) -> PassReport {
        self.reconciler.pass().await
    }

    /// Lets time pass; by default more than a check interval.
    pub(crate) fn wait(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass until the platform itself wants to look again.
    pub(crate) async fn to_next_pass(&self) {
        let ours = self.clock.now() + self.ahead;
        let wait = self.reconciler.next_pass().await.duration_since(ours);
        self.clock.advance(wait.max(SignedDuration::from_secs(1)));
    }

    /// The machines of the backend `second`.
    pub(crate) fn machines_of_second(&self) -> Vec<String> {
        self.second.names()
    }

    /// The containers there are.
    pub(crate) fn containers(&self) -> Vec<String> {
        self.backend.names()
    }

    /// The registrations there are, of all scopes.
    pub(crate) fn registrations(&self) -> Vec<String> {
        self.sim.with(|world| world.all_runners().map(|runner| runner.name.clone()).collect())
    }

    /// The runner in the container `name` connects and may take a job.
    pub(crate) fn connect(&self, name: &str) -> Option<u64> {
        self.sim.with(|world| {
            let scope = world
                .all_runners()
                .find(|runner| runner.name == name)
                .expect("a registration")
                .scope
                .clone();
            world.connect_runner(&scope, name).expect("a connection")
        })
    }

    /// The runner does its job and ends.
    pub(crate) fn finish(&self, name: &str, job: u64) {
        self.sim
            .with(|world| world.finish_job(job, Conclusion::Success).expect("a job that can end"));
        self.backend.exit(name, 0, DONE);
    }

    pub(crate) fn job_status(&self, id: u64) -> Status {
        self.sim.with(|world| world.job(id).expect("a job").status)
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.sim.add_fault(fault);
    }

    pub(crate) fn runners(&self) -> Vec<Runner> {
        self.handle.snapshot().runners
    }

    /// Asks through the API and runs the pass that answers.
    pub(crate) async fn create(
        &self,
        body: &serde_json::Value,
    ) -> Result<Vec<Runner>, RequestError> {
        let wanted =
            CreateRunners::from_json(body.to_string().as_bytes()).expect("a valid request");
        let (answer, _) = tokio::join!(self.handle.create(wanted), self.answering());
        answer
    }

    pub(crate) async fn delete(&self, name: &str, force: bool) -> Result<(), RequestError> {
        let name = RunnerName::parse(name).expect("a name");
        let (answer, _) = tokio::join!(self.handle.delete(name, force), self.answering());
        answer.map(drop)
    }

    /// A pass that begins when the request beside it has been sent.
    pub(crate) async fn answering(&self) -> PassReport {
        tokio::task::yield_now().await;
        self.pass().await
    }
}

pub(crate) fn wire(
    config: &Config,
    backend: Arc<dyn Backend>,
    clock: &SimClock,
    ahead: SignedDuration,
    timeout: Duration,
    store: Store,
) -> App {
    wire_with(config, backend, None, clock, ahead, timeout, store)
}

/// The same, with the backend `second` and what its machines may use.
fn wire_with(
    config: &Config,
    backend: Arc<dyn Backend>,
    second: Option<(Arc<FakeBackend>, BackendCaps)>,
    clock: &SimClock,
    ahead: SignedDuration,
    timeout: Duration,
    store: Store,
) -> App {
    let clock: Arc<dyn Clock> = Arc::new(Shared(clock.clone(), ahead));
    let settings = GitHubSettings { timeout, retries: 0, ..config.github.client() };
    let github = Arc::new(GitHubClient::new(settings, Arc::clone(&clock)).expect("a client"));
    let mut adapters = Adapters::new(backend, github, clock, store);
    if let Some((second, caps)) = second {
        let name = BackendName::parse("second").expect("a name");
        adapters = adapters.with_backend(name, second, caps);
    }
    App::build(config.clone(), adapters)
}

pub(crate) fn config(api_url: &str, variables: &[(&str, &str)]) -> Config {
    let base = [
        ("GITHUB_RUNNER_TOKEN", TOKEN),
        ("GITHUB_API_URL", api_url),
        ("RUNNER_IMAGE", "runner:test"),
        ("AUTO_CREATE_RUNNERS", "true"),
        ("RUNNER_CHECK_INTERVAL", "10"),
        ("RUNNER_PURGE_INTERVAL", "60"),
        ("MAX_RUNNERS", "4"),
        ("RUNNER_LABELS", "self-hosted,linux,x64"),
    ];
    let kept =
        base.into_iter().filter(|(name, _)| !variables.iter().any(|(other, _)| other == name));
    let all = kept
        .chain(variables.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::from_variables(all.collect()).expect("a valid configuration")
}

pub(crate) fn slug(name: &str) -> RepoSlug {
    RepoSlug::parse(name).expect("owner/name")
}

pub(crate) fn scope(text: &str) -> Scope {
    text.parse().expect("a scope")
}
