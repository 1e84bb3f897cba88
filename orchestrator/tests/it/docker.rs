//! On the real engine. Each test has its own installation, network and image, and removes exactly those, even when it fails.
//!
//! `MAYFLY_TEST_DOCKER=0` leaves these tests out: they show as ignored (build.rs).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListNetworksOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder, RenameContainerOptionsBuilder,
};
use futures::TryStreamExt as _;
use github_sim::world::model::{Conclusion, JobSpec, NewRepo, Status, Step};
use github_sim::{Checked, Sim, SimConfig, runner_image};
use jiff::Timestamp;
use mayfly_backend::bootstrap::Bootstrap;
use mayfly_backend::spec::MachineSpec;
use mayfly_backend::{Backend, BackendError, Console as _, ImageStore as _, Usage as _};
use mayfly_backend_docker::DockerBackend;
use mayfly_common::clock::{Clock as _, SystemClock};
use mayfly_common::identity::{BackendName, RunnerIdentity};
use mayfly_common::label::LabelSet;
use mayfly_common::machine::{MachineRef, Phase};
use mayfly_common::material::Material;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::registration::RunnerId;
use mayfly_settings::Config;
use mayfly_settings::pool::Pool;
use orchestrator::{Adapters, App};

use crate::support::{SELF_HOSTED, TOKEN, config, scope, slug};

/// The longest a test waits for the engine or a runner.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// The engine with what one test makes on it.
pub(crate) struct Engine {
    pub(crate) docker: Docker,
    pub(crate) installation: String,
}

/// The engine; the test fails where there is none.
pub(crate) async fn engine() -> Engine {
    let unreachable = "these tests need a Docker Engine (MAYFLY_TEST_DOCKER=0 leaves them out)";
    let docker = Docker::connect_with_socket_defaults()
        .unwrap_or_else(|error| panic!("{unreachable}: {error}"));
    docker.ping().await.unwrap_or_else(|error| panic!("{unreachable}: {error}"));
    let random = uuid::Uuid::new_v4().simple().to_string();
    let engine = Engine { docker, installation: format!("test-{}", &random[..8]) };
    // A command rather than an entry point, so that a test can replace it.
    let changes =
        runner_image::CHANGES.iter().map(|change| change.replace("ENTRYPOINT", "CMD")).collect();
    engine.import(&engine.image(), runner_image::tar().unwrap(), changes).await;
    engine
}

impl Engine {
    pub(crate) fn image(&self) -> String {
        format!("mayfly-test-runner:{}", self.installation)
    }

    pub(crate) fn network(&self) -> String {
        format!("mayfly-{}", self.installation)
    }

    /// The image of the Docker engines of runners, for tests that make one.
    pub(crate) fn sidecar_image(&self) -> String {
        format!("mayfly-test-dind:{}", self.installation)
    }

    /// Makes an image from an archive; one of this name is replaced.
    pub(crate) async fn import(&self, image: &str, archive: Vec<u8>, changes: Vec<String>) {
        // Without its name it would stay behind.
        let options = RemoveImageOptionsBuilder::default().force(true).build();
        let _ = self.docker.remove_image(image, Some(options), None).await;
        let (repo, tag) = image.split_once(':').unwrap();
        let options = CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(repo)
            .tag(tag)
            .changes(changes)
            .build();
        let body = bollard::body_full(archive.into());
        let imported = self.docker.create_image(Some(options), Some(body), None);
        let outcome = imported.try_collect::<Vec<_>>().await;
        // How the stream ends is not always well-formed; the image is looked for below.
        let refused =
            matches!(outcome, Err(bollard::errors::Error::DockerResponseServerError { .. }));
        assert!(!refused, "{outcome:?}");
        self.docker.inspect_image(image).await.unwrap();
    }

    pub(crate) fn config(&self, api_url: &str, variables: &[(&str, &str)]) -> Config {
        let (image, network) = (self.image(), self.network());
        let mut all = vec![
            ("RUNNER_IMAGE", image.as_str()),
            ("RUNNER_PULL_POLICY", "never"),
            ("RUNNER_MEMORY", "128m"),
            ("RUNNER_CPUS", "0.5"),
            ("DOCKER_NETWORK", &network),
            ("ORCHESTRATOR_ID", &self.installation),
        ];
        all.retain(|(name, _)| !variables.iter().any(|(other, _)| other == name));
        all.extend(variables);
        config(api_url, &all)
    }

    pub(crate) fn backend(&self, variables: &[(&str, &str)]) -> DockerBackend {
        DockerBackend::new(self.config("http://127.0.0.1:9", variables).docker())
    }

    /// A simulated GitHub that runners on the test's network reach.
    pub(crate) async fn github(&self) -> Checked {
        let sim = Checked::start(SimConfig::default()).await.unwrap();
        let gateway = self.backend(&[]).network_gateway().await.unwrap().unwrap();
        let reachable = sim.listen(SocketAddr::new(gateway, 0)).await.unwrap();
        sim.set_public_url(format!("http://{reachable}"));
        sim.with(|world| {
            world.add_user("octo-admin").unwrap();
            let files = [(".github/workflows/ci.yml".to_owned(), SELF_HOSTED.to_owned())].into();
            world
                .add_repo(NewRepo { slug: "octo-admin/app".parse().unwrap(), private: true, files })
                .unwrap();
        });
        sim
    }

    pub(crate) async fn inspect(&self, name: &str) -> ContainerInspectResponse {
        self.docker.inspect_container(name, None).await.unwrap()
    }

    async fn clean(docker: Docker, installation: String, network: String, images: [String; 2]) {
        let filters = HashMap::from([(
            "label".to_owned(),
            vec![format!("dev.mayfly.instance={installation}")],
        )]);
        let options = bollard::query_parameters::ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let force = || Some(RemoveContainerOptionsBuilder::default().force(true).v(true).build());
        for container in docker.list_containers(Some(options)).await.unwrap_or_default() {
            let _ = docker.remove_container(&container.id.unwrap_or_default(), force()).await;
        }
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        for network in docker.list_networks(Some(options)).await.unwrap_or_default() {
            let _ = docker.remove_network(&network.id.unwrap_or_default()).await;
        }
        // Absent where the test did not get so far.
        let _ = docker.remove_network(&network).await;
        for image in images {
            let options = RemoveImageOptionsBuilder::default().force(true).build();
            let _ = docker.remove_image(&image, Some(options), None).await;
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let images = [self.image(), self.sidecar_image()];
        let cleaning =
            Self::clean(self.docker.clone(), self.installation.clone(), self.network(), images);
        let clean = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(cleaning)
        };
        // A runtime of its own: the test's is being dropped.
        std::thread::scope(|scope| drop(scope.spawn(clean).join()));
    }
}

/// A launch of the default pool as these variables describe it.
pub(crate) fn spec_of(engine: &Engine, variables: &[(&str, &str)], name: &str) -> MachineSpec {
    let pool = Pool::default_pool(&engine.config("http://127.0.0.1:9", variables));
    let environment = vec![("ODD".to_owned(), "$$HOME {x}".to_owned())];
    let identity = RunnerIdentity {
        installation: engine.installation.clone(),
        created_at: Timestamp::from_second(SystemClock.now().as_second()).unwrap(),
        deadline: Timestamp::MAX,
        ..identity_of(&pool.material, name)
    };
    let Material { command, profile, .. } = pool.material;
    let bootstrap = Bootstrap::default();
    MachineSpec { identity, bootstrap, command, profile, environment }
}

/// The identity of a runner that nobody registered.
pub(crate) fn identity_of(material: &Material, name: &str) -> RunnerIdentity {
    RunnerIdentity {
        installation: "i".to_owned(),
        backend: BackendName::default(),
        pool: PoolName::manual(),
        scope: scope("repo:octo-admin/app"),
        name: RunnerName::parse(name).unwrap(),
        labels: LabelSet::requested(["self-hosted"]),
        github_id: None,
        image: material.image.clone(),
        image_id: None,
        fingerprint: Some(material.fingerprint.clone()),
        created_at: Timestamp::UNIX_EPOCH,
        deadline: Timestamp::MAX,
    }
}

/// The machine of this name.
pub(crate) async fn machine_of(backend: &dyn Backend, name: &str) -> MachineRef {
    let listed = backend.list().await.unwrap();
    listed.iter().find(|one| one.name.as_str() == name).unwrap().reference()
}

pub(crate) fn job(step: &str) -> JobSpec {
    JobSpec {
        key: "build".to_owned(),
        name: "build".to_owned(),
        labels: vec!["self-hosted".to_owned()],
        steps: vec![Step::run(step)],
        ..JobSpec::default()
    }
}

/// Looks until it is so.
pub(crate) async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn jobs_really_run_in_containers_that_vanish() {
    let engine = engine().await;
    let sim = engine.github().await;
    let (good, bad) = sim.with(|world| {
        let repo = slug("octo-admin/app");
        (
            world.queue_job(&repo, job("echo from-inside $((40+2)); id -u")).unwrap(),
            world.queue_job(&repo, job("exit 3")).unwrap(),
        )
    });
    let config = engine.config(&sim.url(), &[]);
    let app = App::build(config.clone(), Adapters::open(&config).unwrap());
    let (reconciler, handle, backend) = (app.reconciler(), app.handle(), engine.backend(&[]));
    assert_eq!(reconciler.pass().await.launched, 2);
    let done = |world: &github_sim::world::World| {
        [good, bad]
            .iter()
            .all(|id| world.job(*id).is_some_and(|job| job.status == Status::Completed))
    };
    tokio::time::timeout(PATIENCE, sim.until(done)).await.unwrap();
    until("both containers are gone", async || {
        reconciler.pass().await;
        backend.list().await.unwrap().is_empty()
    })
    .await;
    sim.with(|world| {
        assert_eq!(world.job(good).unwrap().conclusion, Some(Conclusion::Success));
        assert_eq!(world.job(bad).unwrap().conclusion, Some(Conclusion::Failure));
        assert!(world.job(good).unwrap().log.iter().any(|line| line.contains("from-inside 42")));
        assert_eq!((world.all_runners().count(), world.violations()), (0, vec![]));
    });
    let finished = handle.snapshot().finished;
    assert!(finished.iter().any(|runner| runner.reason.contains("Failed")), "{finished:?}");
    let logs = handle.snapshot().logs;
    assert!(
        logs.values().all(|log| log.contains("Running job") && !log.contains("eyJ")),
        "{logs:?}"
    );
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_container_is_confined_and_labelled() {
    let engine = engine().await;
    let backend = engine.backend(&[]);
    let spec = spec_of(&engine, &[("RUNNER_COMMAND", "/bin/sh -c 'sleep 60'")], "mayfly-confined");
    backend.create(&spec).await.unwrap();
    backend.create(&spec).await.unwrap();
    let found = engine.inspect("mayfly-confined").await;
    let host = found.host_config.unwrap();
    assert_eq!(
        (host.memory, host.nano_cpus, host.pids_limit),
        (Some(128 << 20), Some(500_000_000), Some(4096))
    );
    assert_eq!(
        (host.cap_drop, host.security_opt),
        (Some(vec!["ALL".to_owned()]), Some(vec!["no-new-privileges".to_owned()]))
    );
    assert_eq!((host.privileged, host.auto_remove, host.binds), (Some(false), Some(false), None));
    assert_eq!(host.log_config.unwrap().config.unwrap()["max-size"], "10m");
    let config = found.config.unwrap();
    assert!(
        config.env.unwrap().contains(&"ODD=$$HOME {x}".to_owned()),
        "the environment is taken verbatim"
    );
    let network = engine.docker.inspect_network(&engine.network(), None).await.unwrap();
    assert_eq!(network.options.unwrap()["com.docker.network.bridge.enable_icc"], "false");

    let listed = backend.list().await.unwrap();
    assert_eq!(
        (listed.len(), &listed[0].name, listed[0].created_at),
        (1, &spec.identity.name, spec.identity.created_at)
    );
    assert_eq!(listed[0].phase, Phase::Running { working: Some(false) });
    let machine = listed[0].reference();
    backend.delete(&machine).await.unwrap();
    backend.delete(&machine).await.unwrap();
    assert!(backend.list().await.unwrap().is_empty());
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn the_docker_backend_keeps_the_contract() {
    use mayfly_backend::contract::{a_list_that_failed_is_not_empty, a_machine_lives_once};
    let engine = engine().await;
    let made = spec_of(&engine, &[], "mayfly-contract").identity;
    let spec = || {
        let sleeps = [("RUNNER_COMMAND", "/bin/sh -c 'sleep 60'")];
        MachineSpec { identity: made.clone(), ..spec_of(&engine, &sleeps, "mayfly-contract") }
    };
    a_machine_lives_once(&engine.backend(&[]), &engine.backend(&[]), spec).await;
    a_list_that_failed_is_not_empty(&engine.backend(&[("DOCKER_HOST", "tcp://127.0.0.1:9")])).await;
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_name_is_one_runner_s_alone() {
    let engine = engine().await;
    let backend = engine.backend(&[]);
    let sleeps = [("RUNNER_COMMAND", "/bin/sh -c 'sleep 60'")];
    let first = spec_of(&engine, &sleeps, "mayfly-twin");
    backend.create(&first).await.unwrap();
    let id = engine.inspect("mayfly-twin").await.id;
    let created_at = first.identity.created_at + jiff::SignedDuration::from_secs(1);
    let github_id = Some(mayfly_common::registration::RunnerId(7));
    let others = [
        RunnerIdentity { created_at, ..first.identity.clone() },
        RunnerIdentity { github_id, ..first.identity.clone() },
    ];
    for identity in others {
        let other = MachineSpec { identity, ..spec_of(&engine, &sleeps, "mayfly-twin") };
        let taken = backend.create(&other).await.unwrap_err();
        assert!(matches!(taken, BackendError::NameTaken(_)), "{taken}");
    }
    assert_eq!(engine.inspect("mayfly-twin").await.id, id, "and the first goes on");
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_container_that_somebody_renames_or_copies_stays_its_runner_s() {
    let engine = engine().await;
    let backend = engine.backend(&[]);
    let sleeps = [("RUNNER_COMMAND", "/bin/sh -c 'sleep 60'")];
    let spec = spec_of(&engine, &sleeps, "mayfly-renamed");
    backend.create(&spec).await.unwrap();
    let other = format!("{}-by-hand", engine.installation);
    let options = RenameContainerOptionsBuilder::default().name(&other).build();
    engine.docker.rename_container("mayfly-renamed", options).await.unwrap();
    assert_eq!(backend.list().await.unwrap().len(), 1);
    assert!(backend.logs(&spec.identity.name, 10).await.unwrap().is_some());
    // As programs do that make containers anew: the same labels, and the old name.
    let body = ContainerCreateBody {
        image: Some(engine.image()),
        labels: engine.inspect(&other).await.config.unwrap().labels,
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name("mayfly-renamed").build();
    engine.docker.create_container(Some(options), body).await.unwrap();
    let listed = backend.list().await.unwrap();
    let phases: Vec<_> = listed.iter().map(|one| &one.phase).collect();
    assert_eq!(phases, [&Phase::Running { working: Some(false) }], "the one that may have a job");
    backend.delete(&machine_of(&backend, "mayfly-renamed").await).await.unwrap();
    assert_eq!(backend.list().await.unwrap(), []);
    for name in ["mayfly-renamed", &other] {
        assert!(engine.docker.inspect_container(name, None).await.is_err(), "{name}");
    }
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_worker_inside_is_seen_and_an_exit_is_read() {
    let engine = engine().await;
    let worker = engine.backend(&[]);
    let works =
        [("RUNNER_COMMAND", "/bin/sh -c 'printf Runner.Worker >/proc/$$/comm; sleep 60; :'")];
    worker.create(&spec_of(&engine, &works, "mayfly-works")).await.unwrap();
    until("the worker is seen", async || {
        worker.list().await.unwrap()[0].phase == Phase::Running { working: Some(true) }
    })
    .await;
    worker.delete(&machine_of(&worker, "mayfly-works").await).await.unwrap();

    let ends = engine.backend(&[]);
    let last_words = [("RUNNER_COMMAND", "/bin/sh -c 'echo last words; exit 7'")];
    ends.create(&spec_of(&engine, &last_words, "mayfly-ends")).await.unwrap();
    until("it ended", async || matches!(ends.list().await.unwrap()[0].phase, Phase::Exited(_)))
        .await;
    let Phase::Exited(exit) = ends.list().await.unwrap()[0].phase.clone() else {
        panic!("it ended")
    };
    assert_eq!((exit.code, exit.out_of_memory, exit.log_tail.trim()), (7, false, "last words"));
}

/// The labels are written out, as releases before there were several backends wrote them.
#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_runner_that_an_earlier_release_started_is_adopted() {
    let engine = engine().await;
    let name = format!("mayfly-{}-0123456789ab", engine.installation);
    let labels = [
        ("dev.mayfly.instance", engine.installation.as_str()),
        ("dev.mayfly.pool", "default"),
        ("dev.mayfly.scope", "repo:octo-admin/app"),
        ("dev.mayfly.runner", &name),
        ("dev.mayfly.github-runner-id", "7"),
        ("dev.mayfly.created-at", "2026-11-21T15:05:12Z"),
        ("dev.mayfly.deadline", "2026-11-26T15:05:12Z"),
        ("dev.mayfly.image", "img:1"),
        ("dev.mayfly.labels", "linux,self-hosted"),
        ("dev.mayfly.schema", "1"),
    ];
    let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned()));
    let body = ContainerCreateBody {
        image: Some(engine.image()),
        cmd: Some(["/bin/sh", "-c", "sleep 60"].map(str::to_owned).to_vec()),
        labels: Some(labels.into()),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    let id = engine.docker.create_container(Some(options), body).await.unwrap().id;
    engine.docker.start_container(&id, None).await.unwrap();
    let backend = engine.backend(&[]);
    let listed = backend.list().await.unwrap();
    let [machine] = &listed[..] else { panic!("{listed:?}") };
    let expected = RunnerIdentity {
        installation: engine.installation.clone(),
        backend: BackendName::default(),
        pool: PoolName::default_pool(),
        scope: "repo:octo-admin/app".parse().unwrap(),
        name: RunnerName::parse(&name).unwrap(),
        labels: LabelSet::requested(["linux", "self-hosted"]),
        github_id: Some(RunnerId(7)),
        image: "img:1".to_owned(),
        image_id: None,
        fingerprint: None,
        created_at: "2026-11-21T15:05:12Z".parse().unwrap(),
        deadline: "2026-11-26T15:05:12Z".parse().unwrap(),
    };
    assert_eq!(machine.identity, expected);
    assert!(runs(&backend, &machine.reference()).await);
    backend.delete(&machine.reference()).await.unwrap();
    assert!(backend.list().await.unwrap().is_empty());
}

/// True if a machine runs now.
async fn runs(backend: &DockerBackend, machine: &MachineRef) -> bool {
    let found = backend.get(machine).await.unwrap();
    found.is_some_and(|one| matches!(one.phase, Phase::Running { .. }))
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_runner_runs_until_it_is_stopped_and_again_once_somebody_starts_it() {
    let (engine, name) = (engine().await, "mayfly-again");
    let backend = engine.backend(&[]);
    let spec = spec_of(&engine, &[("RUNNER_COMMAND", "/bin/sh -c 'sleep 60'")], name);
    backend.create(&spec).await.unwrap();
    let machine = machine_of(&backend, name).await;
    let other = MachineRef { id: "0".repeat(64), ..machine.clone() };
    assert!(runs(&backend, &machine).await && !runs(&backend, &other).await);
    engine.docker.kill_container(name, None).await.unwrap();
    until("it has ended", async || !runs(&backend, &machine).await).await;
    engine.docker.start_container(name, None).await.unwrap();
    assert!(runs(&backend, &machine).await);
    backend.delete(&machine).await.unwrap();
    assert!(!runs(&backend, &machine).await);
}

/// The engine keeps a line in pieces of 16 KiB, and takes those for lines where it is asked for the last ones.
#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_line_of_four_megabytes_hides_none_of_the_lines_before_it() {
    let (engine, name) = (engine().await, "mayfly-long-line");
    let backend = engine.backend(&[]);
    let command = "/bin/sh -c 'seq 101 150; printf \"%04000000d\\n\" 7; seq 201 220'";
    let spec = spec_of(&engine, &[("RUNNER_COMMAND", command)], name);
    backend.create(&spec).await.unwrap();
    let machine = machine_of(&backend, name).await;
    until("it has ended", async || !runs(&backend, &machine).await).await;
    let shown = backend.logs(&machine.name, 200).await.unwrap().unwrap();
    let numbers: Vec<&str> = shown.lines().filter(|line| line.len() == 3).collect();
    let expected: Vec<String> = (101..=150).chain(201..=220).map(|it| it.to_string()).collect();
    assert_eq!(numbers, expected, "{} bytes", shown.len());
    assert_eq!(shown.lines().count(), expected.len() + 1);
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn what_runners_store_is_measured() {
    let engine = engine().await;
    let backend = engine.backend(&[]);
    // The engine measures for one at a time, and not while a container of another test goes.
    let containers = async || backend.storage().await.ok().map(|stored| stored.containers);
    until("it is measured", async || containers().await == Some(0)).await;
    let writes = [("RUNNER_COMMAND", "/bin/sh -c 'printf %03145728d 1 >/tmp/big; exec sleep 60'")];
    backend.create(&spec_of(&engine, &writes, "mayfly-writes")).await.unwrap();
    until("what it wrote is seen", async || containers().await >= Some(3 << 20)).await;
    until("images count", async || backend.storage().await.is_ok_and(|stored| stored.images > 0))
        .await;
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn what_is_not_ours_is_never_touched() {
    let engine = engine().await;
    let backend = engine.backend(&[]);
    let name = format!("victim-{}", engine.installation);
    // All but one of our labels: found by the filter, and still not ours.
    let labels = HashMap::from([("dev.mayfly.instance".to_owned(), engine.installation.clone())]);
    let body = ContainerCreateBody {
        image: Some(engine.image()),
        labels: Some(labels),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    let id = engine.docker.create_container(Some(options), body).await.unwrap().id;
    assert!(backend.list().await.unwrap().is_empty());
    for text in [name.as_str(), &name[..10], &id, &id[..12]] {
        let name = RunnerName::parse(text).unwrap();
        backend
            .delete(&MachineRef {
                name: name.clone(),
                id: id.clone(),
                backend: BackendName::default(),
            })
            .await
            .unwrap();
        assert_eq!(backend.logs(&name, 10).await.unwrap(), None, "{text}");
    }
    engine.inspect(&name).await;
    let taken = backend.create(&spec_of(&engine, &[], &name)).await.unwrap_err();
    assert!(matches!(taken, BackendError::NameTaken(_)), "{taken}");
    engine.inspect(&name).await;
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn what_cannot_start_leaves_nothing() {
    let engine = engine().await;
    let bad = engine.backend(&[]);
    let no_program = spec_of(&engine, &[("RUNNER_COMMAND", "/no/such/program")], "mayfly-bad");
    let error = bad.create(&no_program).await.unwrap_err();
    assert!(
        matches!(error, BackendError::Refused { what: "start a runner container", .. }),
        "{error}"
    );
    assert!(bad.list().await.unwrap().is_empty());

    let image = "mayfly-test-runner:not-there";
    let missing = engine.backend(&[]);
    assert_eq!(missing.image_id(image).await.unwrap(), None);
    let no_image = spec_of(&engine, &[("RUNNER_IMAGE", image)], "mayfly-missing");
    let error = missing.create(&no_image).await.unwrap_err();
    assert!(matches!(error, BackendError::ImageMissing(_)), "{error}");
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_network_removed_behind_our_back_is_made_again() {
    let engine = engine().await;
    let backend = engine.backend(&[]);
    backend
        .create(&spec_of(&engine, &[("RUNNER_COMMAND", "/bin/sh -c 'sleep 60'")], "mayfly-first"))
        .await
        .unwrap();
    backend.delete(&machine_of(&backend, "mayfly-first").await).await.unwrap();
    engine.docker.remove_network(&engine.network()).await.unwrap();
    backend
        .create(&spec_of(&engine, &[("RUNNER_COMMAND", "/bin/sh -c 'sleep 60'")], "mayfly-second"))
        .await
        .unwrap();
    assert_eq!(backend.list().await.unwrap().len(), 1);
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn an_engine_that_is_not_there_is_told_in_words() {
    let engine = engine().await;
    for host in ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"] {
        let backend = engine.backend(&[("DOCKER_HOST", host)]);
        let error = backend.list().await.unwrap_err();
        assert!(matches!(error, BackendError::Unreachable { .. }), "{host}: {error}");
    }
}

/// The built program as an operator runs it.
struct Service {
    child: tokio::process::Child,
}

impl Service {
    fn start(engine: &Engine, sim: &Sim) -> Self {
        Self::start_with(engine, sim, &[])
    }

    fn start_with(engine: &Engine, sim: &Sim, variables: &[(&str, &str)]) -> Self {
        let (image, network) = (engine.image(), engine.network());
        let child = tokio::process::Command::new(env!("CARGO_BIN_EXE_orchestrator"))
            .env_clear()
            .env("ORCHESTRATOR_PORT", free_port().to_string())
            .env("GITHUB_RUNNER_TOKEN", TOKEN)
            .env("GITHUB_API_URL", sim.url())
            .env("RUNNER_IMAGE", image)
            .env("RUNNER_PULL_POLICY", "never")
            .env("RUNNER_MEMORY", "128m")
            .env("RUNNER_CHECK_INTERVAL", "10")
            .env("RUNNER_PURGE_INTERVAL", "10")
            .env("AUTO_CREATE_RUNNERS", "true")
            .env("MAX_RUNNERS", "6")
            .env("DOCKER_NETWORK", network)
            .env("ORCHESTRATOR_ID", &engine.installation)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child }
    }

    /// SIGTERM, and the exit code.
    async fn stop(mut self) -> Option<i32> {
        let id = self.child.id().unwrap().to_string();
        let sent =
            tokio::process::Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(sent.success());
        tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code()
    }

    /// `kill -9`. What it had logged.
    async fn kill(mut self) -> String {
        use tokio::io::AsyncReadExt as _;
        self.child.kill().await.unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
        log
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn killed_ten_times_while_twenty_jobs_run_all_finish_and_nothing_is_left() {
    let engine = engine().await;
    let sim = engine.github().await;
    let jobs: Vec<u64> = sim.with(|world| {
        (0..20).map(|_| world.queue_job(&slug("octo-admin/app"), job("sleep 1")).unwrap()).collect()
    });
    // A registration whose container was never made goes once it has been offline for so long.
    let soon = [("RUNNER_REGISTRATION_TIMEOUT", "20")];
    let mut logs = String::new();
    for _ in 0..10 {
        let service = Service::start_with(&engine, &sim, &soon);
        let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
        tokio::time::sleep(Duration::from_millis(100 + random % 2_400)).await;
        logs += &service.kill().await;
    }
    let service = Service::start_with(&engine, &sim, &soon);
    let all_done = |world: &github_sim::world::World| {
        jobs.iter().all(|id| world.job(*id).is_some_and(|job| job.status == Status::Completed))
    };
    tokio::time::timeout(PATIENCE, sim.until(all_done)).await.expect("all jobs finish");
    let backend = engine.backend(&[]);
    until("nothing is left", async || {
        backend.list().await.unwrap().is_empty()
            && sim.with(|world| world.all_runners().count()) == 0
    })
    .await;
    logs += &service.kill().await;
    sim.with(|world| {
        let failed: Vec<_> = jobs
            .iter()
            .filter(|id| world.job(**id).unwrap().conclusion != Some(Conclusion::Success))
            .collect();
        assert_eq!((failed, world.violations()), (vec![], vec![]));
    });
    assert!(!logs.contains(TOKEN) && !logs.contains("eyJ"), "no credential in the log");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_stop_leaves_busy_runners_alone_and_the_next_start_adopts_them() {
    let engine = engine().await;
    let sim = engine.github().await;
    let id = sim
        .with(|world| world.queue_job(&slug("octo-admin/app"), job("sleep 4; echo done")).unwrap());
    let service = Service::start(&engine, &sim);
    let running =
        |world: &github_sim::world::World| world.job(id).unwrap().status == Status::InProgress;
    tokio::time::timeout(PATIENCE, sim.until(running)).await.unwrap();
    assert_eq!(service.stop().await, Some(0));
    assert!(sim.with(|world| running(world)), "the stop did not wait for the job, nor end it");
    assert_eq!(engine.backend(&[]).list().await.unwrap().len(), 1);
    let done = |world: &github_sim::world::World| {
        world.job(id).unwrap().conclusion == Some(Conclusion::Success)
    };
    tokio::time::timeout(PATIENCE, sim.until(done)).await.unwrap();
    let service = Service::start(&engine, &sim);
    let backend = engine.backend(&[]);
    until("the finished runner is gone", async || backend.list().await.unwrap().is_empty()).await;
    assert_eq!(service.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn an_image_that_registers_itself_works_by_token() {
    let engine = engine().await;
    let sim = engine.github().await;
    let id =
        sim.with(|world| world.queue_job(&slug("octo-admin/app"), job("echo by-token")).unwrap());
    let gateway = engine.backend(&[]).network_gateway().await.unwrap().unwrap();
    let port = sim.addresses()[1].port();
    let repo_url = format!("http://{gateway}:{port}/{{scope_name}}");
    let service = Service::start_with(
        &engine,
        &sim,
        &[
            ("runnerenv_REPO_URL", &repo_url),
            ("runnerenv_RUNNER_TOKEN", "{registration_token}"),
            ("runnerenv_RUNNER_NAME", "{runner_name}"),
            ("runnerenv_LABELS", "{labels}"),
            ("runnerenv_EPHEMERAL", "1"),
        ],
    );
    let done = |world: &github_sim::world::World| {
        world.job(id).unwrap().conclusion == Some(Conclusion::Success)
    };
    tokio::time::timeout(PATIENCE, sim.until(done)).await.unwrap();
    let backend = engine.backend(&[]);
    until("nothing is left", async || {
        backend.list().await.unwrap().is_empty()
            && sim.with(|world| world.all_runners().count()) == 0
    })
    .await;
    let log = service.kill().await;
    assert!(!log.contains(TOKEN) && !log.contains("by-token"), "{log}");
}
