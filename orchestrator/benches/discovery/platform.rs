//! One platform to count: simulated GitHub with many repositories, real client, real reconciler, a backend in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use github_sim::world::model::{JobSpec, NewRepo, Step};
use github_sim::{Clock as SimClock, Sim, SimConfig};
use jiff::{SignedDuration, Timestamp};
use mayfly_backend::fake::FakeBackend;
use mayfly_common::api::PassReport;
use mayfly_common::clock::Clock;
use mayfly_common::scope::RepoSlug;
use mayfly_github::GitHubClient;
use mayfly_settings::Config;
use mayfly_store::Store;
use orchestrator::{Adapters, App};

const OWNER: &str = "octo-admin";
const FILE: &str = ".github/workflows/ci.yml";
const SELF_HOSTED: &str =
    "on: push\njobs:\n  build:\n    runs-on: self-hosted\n    steps: [{run: make}]\n";
const HOSTED: &str =
    "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps: [{run: make}]\n";
/// The default of `RUNNER_CHECK_INTERVAL`.
const INTERVAL: SignedDuration = SignedDuration::from_secs(300);

/// Requests of one cycle.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// All.
    pub(crate) all: u64,
    /// Those answered 304, which cost nothing of the primary limit.
    pub(crate) free: u64,
    /// Those that list repositories and read workflows, GraphQL included.
    pub(crate) discovery: u64,
}

impl Cost {
    /// Requests that count against the primary limit.
    pub(crate) fn primary(self) -> u64 {
        self.all - self.free
    }

    /// How many more there are than in `usual`, in all or against the primary limit, whichever is more.
    pub(crate) fn beyond(self, usual: Self) -> u64 {
        let all = self.all.saturating_sub(usual.all);
        all.max(self.primary().saturating_sub(usual.primary()))
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        let Self { all, free, discovery } = other;
        Self { all: self.all + all, free: self.free + free, discovery: self.discovery + discovery }
    }
}

/// The requests since counting began anew.
pub(crate) fn cost(sim: &Sim) -> Cost {
    let counters = sim.counters();
    // Runs, jobs and runners are below `actions`.
    let discovery = counters.routes.iter().filter(|count| !count.route.contains("/actions/"));
    let discovery = discovery.map(|count| count.count).sum();
    Cost { all: counters.total, free: counters.not_modified, discovery }
}

/// The simulator's clock, as the orchestrator asks for one.
struct Shared(SimClock);

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

pub(crate) struct Platform {
    sim: Sim,
    clock: SimClock,
    app: App,
    repositories: usize,
}

/// A GitHub with so many repositories, each pushed to at another time.
pub(crate) async fn github(repositories: usize, limit: u64) -> (Sim, SimClock) {
    let clock = SimClock::manual(Timestamp::from_second(1_800_000_000).expect("within range"));
    let config = SimConfig { clock: clock.clone(), default_limit: limit, ..SimConfig::default() };
    let sim = Sim::start(config).await.expect("the simulator starts");
    sim.with(|world| world.add_user(OWNER)).expect("a user");
    for number in 0..repositories {
        let text = match kind(number) {
            Kind::SelfHosted => Some(SELF_HOSTED),
            Kind::Hosted => Some(HOSTED),
            Kind::Plain => None,
        };
        let files = text.map(|text| (FILE.to_owned(), text.to_owned()));
        let files = files.into_iter().collect::<BTreeMap<_, _>>();
        sim.with(|world| {
            world
                .add_repo(NewRepo {
                    slug: slug(number).to_string().parse().expect("a repository"),
                    private: true,
                    files,
                })
                .expect("a repository");
        });
        clock.advance(SignedDuration::from_secs(1));
    }
    (sim, clock)
}

#[derive(PartialEq)]
enum Kind {
    SelfHosted,
    Hosted,
    Plain,
}

/// A fifth has workflows; three of fifty, jobs for self-hosted runners.
fn kind(number: usize) -> Kind {
    match number % 50 {
        0 | 15 | 30 => Kind::SelfHosted,
        rest if rest % 5 == 0 => Kind::Hosted,
        _ => Kind::Plain,
    }
}

fn slug(number: usize) -> RepoSlug {
    RepoSlug::parse(&format!("{OWNER}/r{number}")).expect("owner/name")
}

/// Changes the workflow of a repository; what it needs stays.
pub(crate) fn push(sim: &Sim, repo: &RepoSlug) {
    sim.with(|world| {
        let text = world.repo(repo).and_then(|repo| repo.files.get(FILE)).expect("a workflow");
        let text = format!("{text}# changed\n");
        world.put_file(repo, FILE, &text).expect("a push");
    });
}

/// Queues up to `count` jobs, each in a repository of its own, far from each other. Answers how many.
pub(crate) fn queue(sim: &Sim, repositories: usize, count: usize) -> usize {
    let with_jobs = || (0..repositories).filter(|&number| kind(number) == Kind::SelfHosted);
    let apart = (with_jobs().count() / count).max(1);
    let with_jobs = with_jobs().step_by(apart).take(count);
    let queued = with_jobs.map(|number| {
        let spec = JobSpec {
            key: "build".to_owned(),
            name: "build".to_owned(),
            labels: vec!["self-hosted".to_owned()],
            steps: vec![Step::run("make")],
            ..JobSpec::default()
        };
        sim.with(|world| world.queue_job(&slug(number), spec)).expect("a job");
    });
    queued.count()
}

/// A repository with hosted jobs and one with self-hosted ones.
pub(crate) fn pushed_to(repositories: usize) -> Vec<RepoSlug> {
    let first = |wanted: Kind| (0..repositories).find(|&number| kind(number) == wanted).map(slug);
    [first(Kind::Hosted), first(Kind::SelfHosted)].into_iter().flatten().collect()
}

impl Platform {
    pub(crate) async fn start(repositories: usize) -> Self {
        // GitHub's own limit of requests an hour.
        let (sim, clock) = github(repositories, 5_000).await;
        let variables = [
            ("GITHUB_RUNNER_TOKEN", "bench-token"),
            ("GITHUB_API_URL", &sim.url()),
            ("RUNNER_IMAGE", "runner:bench"),
            ("AUTO_CREATE_RUNNERS", "true"),
            ("MAX_RUNNERS", "20"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::from_variables(variables.to_vec()).expect("a valid configuration");
        let ours: Arc<dyn Clock> = Arc::new(Shared(clock.clone()));
        let settings = config.github.client();
        let github = Arc::new(GitHubClient::new(settings, Arc::clone(&ours)).expect("a client"));
        let store = Store::in_memory().expect("a store");
        let adapters = Adapters::new(Arc::new(FakeBackend::new()), github, ours, store);
        Self { sim, clock, app: App::build(config, adapters), repositories }
    }

    /// One cycle, a check interval after the last.
    pub(crate) async fn cycle(&self) -> (Cost, PassReport) {
        self.clock.advance(INTERVAL);
        self.sim.clear_counters();
        let report = self.app.reconciler().check_now().await;
        assert!(report.problems.is_empty() && report.github_error.is_none(), "{report:?}");
        (cost(&self.sim), report)
    }

    /// Cycles until everything was asked for once: with very many repositories, a minute's requests do not reach round.
    pub(crate) async fn warm_up(&self) {
        for _ in 0..self.repositories {
            if self.cycle().await.0.primary() == 0 {
                return;
            }
        }
    }

    /// A cycle in which everything is due again.
    pub(crate) async fn recheck(&self) -> Cost {
        self.clock.advance(SignedDuration::from_hours(1));
        self.cycle().await.0
    }

    pub(crate) fn pushed_to(&self) -> Vec<RepoSlug> {
        pushed_to(self.repositories)
    }

    pub(crate) fn push(&self, repo: &RepoSlug) {
        push(&self.sim, repo);
    }

    pub(crate) fn queue(&self, count: usize) -> usize {
        queue(&self.sim, self.repositories, count)
    }

    /// Runners that were started connect, and take their jobs. Answers how many did.
    pub(crate) fn connect_runners(&self) -> usize {
        self.sim.with(|world| {
            let new: Vec<_> = world.all_runners().filter(|runner| !runner.online()).collect();
            let new: Vec<_> =
                new.iter().map(|runner| (runner.scope.clone(), runner.name.clone())).collect();
            let take = |(scope, name): &(_, String)| {
                world.connect_runner(scope, name).expect("a connection")
            };
            new.iter().filter_map(take).count()
        })
    }

    /// How many repositories have jobs for self-hosted runners.
    pub(crate) fn self_hosted(&self) -> usize {
        (0..self.repositories).filter(|&number| kind(number) == Kind::SelfHosted).count()
    }
}
