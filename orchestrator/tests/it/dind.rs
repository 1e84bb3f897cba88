//! Runners with a Docker engine of their own, on the real engine. Images are made from this machine's programs.
//!
//! The engine of such a runner is not privileged here: the machine that runs these tests may refuse that.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use github_sim::world::model::Conclusion;
use github_sim::{Sim, runner_image};
use mayfly_backend::{Backend, BackendError};
use mayfly_backend::{Console as _, Watcher as _};
use mayfly_backend_docker::DockerBackend;
use mayfly_common::machine::Phase;
use mayfly_common::runner::RunnerState;
use orchestrator::{Adapters, App};

use crate::docker::{Engine, PATIENCE, engine, job, machine_of, spec_of, until};
use crate::in_time::InTime as _;
use crate::support::slug;

/// What the official image's entry point does without certificates.
const ENTRY: &str = "#!/bin/sh\nexec dockerd --host=tcp://0.0.0.0:2375 --host=unix:///var/run/docker.sock --storage-driver=vfs \"$@\"\n";
/// An engine that is none, but seems healthy.
const SEEMING: [(&str, &str); 2] =
    [("dockerd-entrypoint.sh", "#!/bin/sh\nexec sleep 600\n"), ("docker", "#!/bin/sh\nexit 0\n")];
/// What the entry point of any engine's image is started with.
const LEAST: [&str; 4] = ["sh", "chmod", "mount", "sleep"];
const PATH: &str = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The simulated runner as an ordinary user, with its work where the official one has it.
const RUNNER: [&str; 3] = ["WORKDIR /home/runner", "USER 1001:1001", PATH];

/// Where this machine has a program.
fn find(program: &str) -> Option<PathBuf> {
    let places = ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    places.iter().map(|place| Path::new(place).join(program)).find(|path| path.exists())
}

/// Adds these of this machine's programs to an archive, with their libraries, and these scripts in `usr/local/bin`.
fn with_programs(archive: Vec<u8>, programs: &[&str], scripts: &[(&str, &str)]) -> Vec<u8> {
    let folder =
        std::env::temp_dir().join(format!("mayfly-test-{}", uuid::Uuid::new_v4().simple()));
    let local = folder.join("usr/local/bin");
    std::fs::create_dir_all(&local).unwrap();
    for (name, text) in scripts {
        std::fs::write(local.join(name), text).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(local.join(name), executable).unwrap();
    }
    let mut files = BTreeSet::new();
    for program in programs {
        let path = find(program).unwrap_or_else(|| {
            panic!("this test needs {program} (MAYFLY_TEST_DOCKER=0 leaves it out)")
        });
        let told = Command::new("ldd").arg(&path).output_in_time();
        let told = String::from_utf8(told.stdout).unwrap();
        files.extend(
            told.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned),
        );
        files.insert(path.display().to_string());
        // What `iptables` loads by itself.
        let extensions = "/usr/lib/x86_64-linux-gnu/xtables";
        if *program == "iptables" && Path::new(extensions).exists() {
            files.insert(extensions.to_owned());
        }
    }
    let all = folder.join("all.tar");
    std::fs::write(&all, archive).unwrap();
    // The engine refuses an archive that has a path twice.
    let there = Command::new("tar").arg("-tf").arg(&all).output_in_time();
    let there = String::from_utf8(there.stdout).unwrap();
    files.retain(|file| there.lines().all(|line| line != file.trim_start_matches('/')));
    let mut tar = Command::new("tar");
    let tar = tar.arg("-rhf").arg(&all).args(["-C", "/"]);
    let tar = tar.args(files.iter().map(|file| file.trim_start_matches('/')));
    let output = tar.arg("-C").arg(&folder).arg("usr").output_in_time();
    let archive = std::fs::read(&all);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    archive.unwrap()
}

/// An archive without anything in it.
fn empty() -> Vec<u8> {
    vec![0; 1024]
}

/// An image of an engine with this entry point and, if it is to seem healthy, a client that is content with anything.
async fn import(engine: &Engine, scripts: &[(&str, &str)]) {
    let archive = with_programs(empty(), &LEAST, scripts);
    engine.import(&engine.sidecar_image(), archive, vec![PATH.to_owned()]).await;
}

/// Variables of a pool whose runners have an engine of their own.
fn variables(engine: &Engine) -> Vec<(&'static str, String)> {
    vec![
        ("RUNNER_DOCKER", "dind".to_owned()),
        ("DIND_IMAGE", engine.sidecar_image()),
        ("DIND_PRIVILEGED", "false".to_owned()),
        ("RUNNER_MEMORY", "512m".to_owned()),
        ("RUNNER_CPUS", "1".to_owned()),
    ]
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn app(engine: &Engine, sim: &Sim) -> (App, DockerBackend) {
    let variables = variables(engine);
    let config = engine.config(&sim.url(), &borrowed(&variables));
    let adapters = Adapters::open(&config).unwrap();
    (App::build(config, adapters), engine.backend(&borrowed(&variables)))
}

/// The containers and networks that are this test's, and the volumes of these names.
async fn left(engine: &Engine, volumes: &[String]) -> Vec<String> {
    let label = format!("dev.mayfly.instance={}", engine.installation);
    let filters = HashMap::from([("label".to_owned(), vec![label])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let containers = engine.docker.list_containers(Some(options)).await.unwrap();
    let mut left: Vec<String> =
        containers.into_iter().flat_map(|found| found.names.unwrap_or_default()).collect();
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let networks = engine.docker.list_networks(Some(options)).await.unwrap();
    left.extend(networks.into_iter().filter_map(|network| network.name));
    for volume in volumes {
        if engine.docker.inspect_volume(volume).await.is_ok() {
            left.push(volume.clone());
        }
    }
    left
}

/// The volumes of a container.
async fn volumes(engine: &Engine, container: &str) -> Vec<String> {
    let mounts = engine.inspect(container).await.mounts.unwrap_or_default();
    mounts.into_iter().filter_map(|mount| mount.name).collect()
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_job_has_an_engine_that_is_not_the_host_s_and_ends_with_it() {
    let programs = [
        "dockerd",
        "containerd",
        "containerd-shim-runc-v2",
        "runc",
        "iptables",
        "ip6tables",
        "docker",
        "docker-init",
        "docker-proxy",
    ];
    let engine = engine().await;
    let all: Vec<&str> = programs.into_iter().chain(LEAST).collect();
    let archive = with_programs(empty(), &all, &[("dockerd-entrypoint.sh", ENTRY)]);
    engine.import(&engine.sidecar_image(), archive, vec![PATH.to_owned()]).await;
    let archive = with_programs(runner_image::tar().unwrap(), &["docker", "tar"], &[]);
    let changes = runner_image::CHANGES.iter().chain(&RUNNER).map(|&change| change.to_owned());
    engine.import(&engine.image(), archive, changes.collect()).await;

    let sim = engine.github().await;
    let step = "set -e
        id -u
        echo engine-of-the-job $(docker info --format '{{.ID}}')
        echo made-by-the-job > made
        tar -ch -C / bin lib lib64 2>/dev/null | docker import --change 'ENV PATH=/bin' - seed:1
        docker run --rm -v \"$PWD:/seen\" seed:1 sh -c 'cat /seen/made; echo made-inside > /seen/back'
        cat back
        test ! -e /var/run/docker.sock";
    let id = sim.with(|world| world.queue_job(&slug("octo-admin/app"), job(step)).unwrap());
    let (app, backend) = app(&engine, &sim);
    let (reconciler, handle) = (app.reconciler(), app.handle());
    assert_eq!(reconciler.pass().await.launched, 1);
    let created = backend.list().await.unwrap().remove(0);
    assert!(matches!(created.phase, Phase::Preparing | Phase::Ready), "{created:?}");
    let (name, sidecar) = (created.name.to_string(), format!("{}-docker", created.name));
    let mut of_it = volumes(&engine, &sidecar).await;
    of_it.extend(volumes(&engine, &name).await);
    assert!(of_it.len() >= 4, "two that both see: {of_it:?}");
    until("its engine is healthy", async || {
        let seen = backend.list().await.unwrap().remove(0);
        let waits = matches!(seen.phase, Phase::Preparing | Phase::Ready);
        assert!(waits, "it waits for its engine: {seen:?}");
        seen.phase == Phase::Ready
    })
    .await;
    reconciler.pass().await;
    assert!(matches!(backend.list().await.unwrap()[0].phase, Phase::Running { .. }));
    let done = |world: &github_sim::world::World| {
        world.job(id).is_some_and(|job| job.conclusion.is_some())
    };
    tokio::time::timeout(PATIENCE, sim.until(done)).await.unwrap();
    let (conclusion, log) = sim.with(|world| {
        let job = world.job(id).unwrap();
        (job.conclusion, job.log.join("\n"))
    });
    assert_eq!(conclusion, Some(Conclusion::Success), "{log}");
    let said = |words: &str| log.lines().any(|line| line.ends_with(words));
    assert!(said("1001") && said("made-by-the-job") && said("made-inside"), "{log}");
    let host = engine.docker.info().await.unwrap().id.unwrap();
    assert!(log.contains("engine-of-the-job ") && !log.contains(&host), "{log}");
    until("nothing is left", async || {
        reconciler.pass().await;
        left(&engine, &of_it).await.is_empty()
    })
    .await;
    let finished = handle.snapshot().finished;
    assert!(finished.iter().all(|gone| gone.state == RunnerState::Finished), "{finished:?}");
    sim.with(|world| assert_eq!((world.all_runners().count(), world.violations()), (0, vec![])));
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn an_engine_that_ends_fails_its_runner_and_says_why() {
    let engine = engine().await;
    let entry = "#!/bin/sh\necho no room for layers >&2\nexit 3\n";
    import(&engine, &[("dockerd-entrypoint.sh", entry)]).await;
    let sim = engine.github().await;
    sim.with(|world| world.queue_job(&slug("octo-admin/app"), job("true")).unwrap());
    let (app, _) = app(&engine, &sim);
    let (reconciler, handle) = (app.reconciler(), app.handle());
    assert_eq!(reconciler.pass().await.launched, 1);
    until("the runner is given up", async || {
        reconciler.pass().await;
        !handle.snapshot().finished.is_empty()
    })
    .await;
    let gone = handle.snapshot().finished.remove(0);
    let why =
        "its Docker engine did not become healthy: it ended with exit code 3: no room for layers";
    assert_eq!((gone.state, &*gone.reason), (RunnerState::Failed, why));
    // The job still waits: another runner may be tried by now.
    let left = left(&engine, &[]).await;
    assert!(left.iter().all(|other| !other.contains(&gone.name)), "{left:?}");
    sim.with(|world| {
        assert!(world.all_runners().all(|other| other.name != gone.name));
        assert!(world.violations().is_empty());
    });
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn an_engine_that_cannot_be_made_leaves_nothing() {
    let engine = engine().await;
    let variables = variables(&engine);
    let backend = engine.backend(&borrowed(&variables));
    let spec = spec_of(&engine, &borrowed(&variables), "mayfly-no-image");
    let error = backend.create(&spec).await.unwrap_err();
    assert!(
        matches!(&error, BackendError::ImageMissing(image) if *image == engine.sidecar_image()),
        "{error}"
    );
    assert_eq!(left(&engine, &[]).await, Vec::<String>::new());
    // An image without a shell.
    let archive = with_programs(empty(), &["sleep"], &[]);
    engine.import(&engine.sidecar_image(), archive, vec![PATH.to_owned()]).await;
    let error = backend.create(&spec).await.unwrap_err();
    let refused = BackendError::Refused {
        title: "Docker",
        what: "start a Docker engine",
        reason: String::new(),
    };
    assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&refused), "{error}");
    assert!(error.to_string().contains("start a Docker engine"), "{error}");
    assert_eq!(left(&engine, &[]).await, Vec::<String>::new());
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn whatever_a_crash_leaves_is_seen_and_removed() {
    let engine = engine().await;
    import(&engine, &SEEMING).await;
    let mut variables = variables(&engine);
    variables.push(("RUNNER_COMMAND", "/bin/sh -c 'sleep 600'".to_owned()));
    let backend = engine.backend(&borrowed(&variables));
    let docker = &engine.docker;
    let force = || Some(RemoveContainerOptionsBuilder::default().force(true).v(true).build());
    for what in ["no engine", "no engine, no network", "never started", "no runner"] {
        let name = format!("mayfly-{}-{}", engine.installation, what.len());
        let sidecar = format!("{name}-docker");
        let spec = spec_of(&engine, &borrowed(&variables), &name);
        backend.create(&spec).await.unwrap();
        backend.create(&spec).await.expect("the same again is no error");
        let mut of_it = volumes(&engine, &sidecar).await;
        of_it.extend(volumes(&engine, &name).await);
        match what {
            "no runner" => docker.remove_container(&name, force()).await.unwrap(),
            _ => docker.remove_container(&sidecar, force()).await.unwrap(),
        }
        if what == "no engine, no network" {
            let request = bollard::models::NetworkDisconnectRequest {
                container: name.clone(),
                force: Some(true),
            };
            docker.disconnect_network(&sidecar, request).await.unwrap();
            docker.remove_network(&sidecar).await.unwrap();
        }
        if what == "never started" {
            let labels = engine.inspect(&name).await.config.unwrap().labels.unwrap();
            let more = ("dev.mayfly.docker-of".to_owned(), name.clone());
            let body = bollard::models::ContainerCreateBody {
                image: Some(engine.sidecar_image()),
                cmd: Some(vec!["sleep".to_owned(), "60".to_owned()]),
                labels: Some(labels.into_iter().chain([more]).collect()),
                ..bollard::models::ContainerCreateBody::default()
            };
            let options = CreateContainerOptionsBuilder::default().name(&sidecar).build();
            docker.create_container(Some(options), body).await.unwrap();
        }
        let listed = backend.list().await.unwrap();
        assert_eq!((listed.len(), listed[0].name.as_str()), (1, &*name), "{what}: {listed:?}");
        assert!(
            matches!(listed[0].phase, Phase::Broken(_) | Phase::Exited(_)),
            "{what}: {listed:?}"
        );
        let machine = listed[0].reference();
        backend.delete(&machine).await.unwrap();
        backend.delete(&machine).await.unwrap();
        assert_eq!(left(&engine, &of_it).await, Vec::<String>::new(), "{what}");
    }
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_runner_starts_once_and_goes_whole() {
    let engine = engine().await;
    import(&engine, &SEEMING).await;
    let mut variables = variables(&engine);
    variables.push(("RUNNER_COMMAND", "/bin/sh -c 'echo $DOCKER_HOST; sleep 600'".to_owned()));
    let backend = engine.backend(&borrowed(&variables));
    let spec = spec_of(&engine, &borrowed(&variables), "mayfly-whole");
    backend.create(&spec).await.unwrap();
    until("its engine seems healthy", async || {
        backend.list().await.unwrap()[0].phase == Phase::Ready
    })
    .await;
    let machine = machine_of(&backend, spec.identity.name.as_str()).await;
    backend.start(&machine).await.unwrap();
    backend.start(&machine).await.unwrap();
    let host = engine.inspect("mayfly-whole").await.host_config.unwrap();
    assert_eq!((host.privileged, host.binds), (Some(false), None));
    assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
    let sidecar = engine.inspect("mayfly-whole-docker").await;
    let networks = sidecar.network_settings.unwrap().networks.unwrap();
    assert_eq!(networks.keys().collect::<Vec<_>>(), ["mayfly-whole-docker"]);
    let config = sidecar.host_config.unwrap();
    assert_eq!((config.memory, config.binds), (Some(512 << 20), None));
    until("it knows its engine", async || {
        backend
            .logs(&spec.identity.name, 9)
            .await
            .unwrap()
            .is_some_and(|log| log.contains("tcp://docker:2375"))
    })
    .await;
    // Events cover the engine, too.
    let changed = tokio::sync::Notify::new();
    let watched = async {
        tokio::select! {
            _ = backend.watch(&changed) => panic!("the events end"),
            () = changed.notified() => {}
        }
    };
    let ended = async {
        // The stream may not be there yet at the first of these.
        loop {
            let _ = engine.docker.kill_container("mayfly-whole-docker", None).await;
            let _ = engine.docker.start_container("mayfly-whole-docker", None).await;
        }
    };
    tokio::time::timeout(PATIENCE, async {
        tokio::select! { () = watched => {}, () = ended => {} }
    })
    .await
    .unwrap();
    until("its engine is seen to be gone", async || {
        let _ = engine.docker.kill_container("mayfly-whole-docker", None).await;
        let seen = backend.list().await.unwrap().remove(0);
        assert!(matches!(seen.phase, Phase::Running { .. }), "{seen:?}");
        seen.defect.is_some_and(|why| why.starts_with("its Docker engine failed"))
    })
    .await;
    let mut of_it = volumes(&engine, "mayfly-whole").await;
    of_it.extend(volumes(&engine, "mayfly-whole-docker").await);
    backend.delete(&machine_of(&backend, "mayfly-whole").await).await.unwrap();
    assert_eq!(left(&engine, &of_it).await, Vec::<String>::new());
}
