//! Own overhead of starting runners: a whole pass (look at everything, decide, register, create, start, look again) against calling
//! the engine's create and start directly, in one run, round by round.
//!
//! `cargo bench -p orchestrator --bench launch` prints the ratios. The target is 1.10 for one runner.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptionsBuilder,
};
use futures::TryStreamExt as _;
use futures::future::{join_all, try_join_all};
use github_sim::world::model::{JobSpec, NewRepo, Step};
use github_sim::{Sim, SimConfig, runner_image};
use mayfly_backend::Backend as _;
use mayfly_backend_docker::DockerBackend;
use mayfly_common::scope::RepoSlug;
use mayfly_settings::Config;
use orchestrator::{Adapters, App};

const ROUNDS: usize = 7;
const REPO: &str = "octo-admin/app";
const WORKFLOW: &str =
    "on: push\njobs:\n  a:\n    runs-on: self-hosted\n    steps: [{run: 'true'}]\n";

fn main() {
    // `cargo test --benches` passes no `--bench`: then there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure());
}

struct Bench {
    docker: Docker,
    name: String,
    image: String,
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
async fn measure() {
    let docker = Docker::connect_with_socket_defaults().expect("an engine");
    let name = format!("mayfly-bench-{}", std::process::id());
    let bench = Bench { docker, image: format!("{name}:1"), name };
    bench.import().await;
    for count in [1, 10] {
        let (mut direct, mut pass) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            direct.push(bench.direct(count).await);
            pass.push(bench.pass(count).await);
        }
        let (direct, pass) = (median(direct), median(pass));
        println!(
            "{count:>2} runner(s): engine alone {:>6.0} ms, whole pass {:>6.0} ms, ratio {:.2}",
            direct.as_secs_f64() * 1e3,
            pass.as_secs_f64() * 1e3,
            pass.as_secs_f64() / direct.as_secs_f64()
        );
    }
    bench.clean().await;
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

impl Bench {
    async fn import(&self) {
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(&self.name).tag("1");
        let changes = vec!["CMD [\"/bin/sleep\", \"60\"]".to_owned()];
        let archive = bollard::body_full(runner_image::tar().expect("an archive").into());
        let imported =
            self.docker.create_image(Some(options.changes(changes).build()), Some(archive), None);
        let _ = imported.try_collect::<Vec<_>>().await;
        self.backend().network_gateway().await.expect("a network");
    }

    fn config(&self, api_url: &str) -> Config {
        let variables = [
            ("GITHUB_RUNNER_TOKEN", "bench-token"),
            ("GITHUB_API_URL", api_url),
            ("RUNNER_IMAGE", &self.image),
            ("RUNNER_MEMORY", "64m"),
            ("AUTO_CREATE_RUNNERS", "true"),
            ("MAX_RUNNERS", "10"),
            ("DOCKER_NETWORK", &self.name),
            ("ORCHESTRATOR_ID", "bench"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Config::from_variables(variables.to_vec()).expect("a valid configuration")
    }

    fn backend(&self) -> DockerBackend {
        DockerBackend::new(self.config("http://127.0.0.1:9").docker())
    }

    /// The engine's create and start of as many containers, with the same confinement, side by side.
    async fn direct(&self, count: usize) -> Duration {
        let profile = self.config("http://127.0.0.1:9").runner.profile;
        let host = bollard::models::HostConfig {
            memory: Some(profile.memory),
            memory_swap: Some(profile.memory),
            nano_cpus: Some(profile.nano_cpus),
            pids_limit: Some(profile.pids),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            network_mode: Some(self.name.clone()),
            ..Default::default()
        };
        let body = ContainerCreateBody {
            image: Some(self.image.clone()),
            host_config: Some(host),
            ..Default::default()
        };
        let names: Vec<String> = (0..count).map(|index| format!("{}-{index}", self.name)).collect();
        let begin = Instant::now();
        let started = names.iter().map(async |name| {
            let options = CreateContainerOptionsBuilder::default().name(name).build();
            self.docker.create_container(Some(options), body.clone()).await?;
            self.docker.start_container(name, None).await
        });
        try_join_all(started).await.expect("containers start");
        let taken = begin.elapsed();
        let force = || Some(RemoveContainerOptionsBuilder::default().force(true).build());
        join_all(names.iter().map(|name| self.docker.remove_container(name, force()))).await;
        taken
    }

    /// One pass over a GitHub with as many queued jobs.
    async fn pass(&self, count: usize) -> Duration {
        let sim = Sim::start(SimConfig {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            ..SimConfig::default()
        });
        let sim = sim.await.expect("a simulator");
        let repo = RepoSlug::parse(REPO).expect("a repository");
        sim.with(|world| {
            world.add_user("octo-admin").expect("a user");
            let files = [(".github/workflows/ci.yml".to_owned(), WORKFLOW.to_owned())].into();
            world
                .add_repo(NewRepo {
                    slug: repo.to_string().parse().expect("a repository"),
                    private: true,
                    files,
                })
                .expect("a repository");
        });
        let config = self.config(&sim.url());
        let adapters = Adapters::open(&config).expect("adapters");
        let app = App::build(config, adapters);
        let (reconciler, backend) = (app.reconciler(), self.backend());
        // The repository is known before the jobs come, as in a running platform.
        reconciler.pass().await;
        for _ in 0..count {
            let spec = JobSpec {
                name: "a".to_owned(),
                labels: vec!["self-hosted".to_owned()],
                steps: vec![Step::run("true")],
                ..JobSpec::default()
            };
            sim.with(|world| world.queue_job(&repo, spec).expect("a job"));
        }
        let (answer, begin) = (reconciler.check_now(), Instant::now());
        let report = answer.await;
        let taken = begin.elapsed();
        assert_eq!(report.launched, count, "{report:?}");
        for machine in backend.list().await.expect("a list") {
            backend.delete(&machine.reference()).await.expect("a removal");
        }
        taken
    }

    async fn clean(&self) {
        self.docker.remove_network(&self.name).await.expect("the network goes");
        let options = RemoveImageOptionsBuilder::default().force(true).build();
        self.docker.remove_image(&self.image, Some(options), None).await.expect("the image goes");
    }
}
