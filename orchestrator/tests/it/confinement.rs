//! What runners may do, on the real engine: the size of their packets, and the system calls they may make.

use std::collections::BTreeSet;
use std::process::Command;

use bollard::models::{ContainerCreateBody, HostConfig};
use github_sim::world::model::Conclusion;
use mayfly_backend::Backend as _;
use mayfly_backend::Console as _;
use mayfly_backend_docker::DockerBackend;
use mayfly_common::machine::Phase;
use mayfly_common::name::RunnerName;
use orchestrator::{Adapters, App};

use crate::docker::{Engine, engine, job, machine_of, spec_of, until};
use crate::in_time::InTime as _;
use crate::support::slug;

const MTU: &str = "com.docker.network.driver.mtu";
/// One that no engine has by default.
const OTHER_MTU: &str = "1313";
const SLEEPS: (&str, &str) = ("RUNNER_COMMAND", "/bin/sh -c 'sleep 60'");
const TELLS: (&str, &str) =
    ("RUNNER_COMMAND", "/bin/sh -c 'cat /sys/class/net/eth0/mtu; exec sleep 60'");
const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/seccomp/runner.json");

async fn mtu(engine: &Engine, network: &str) -> Option<String> {
    let found = engine.docker.inspect_network(network, None).await.unwrap();
    found.options.unwrap_or_default().remove(MTU)
}

/// What a runner printed, as soon as it printed something.
async fn printed(backend: &DockerBackend, name: &RunnerName) -> String {
    let mut said = String::new();
    until("it prints", async || {
        said = backend.logs(name, 100).await.unwrap().unwrap_or_default();
        said.ends_with('\n')
    })
    .await;
    said
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn the_runners_network_has_the_engine_s_mtu_or_the_one_that_is_set() {
    let engine = engine().await;
    let usual = mtu(&engine, "bridge").await.expect("the engine's default network has one");
    assert_ne!(usual, OTHER_MTU);
    let backend = engine.backend(&[]);
    let first = spec_of(&engine, &[SLEEPS], "mayfly-mtu-1");
    backend.create(&first).await.unwrap();
    assert_eq!(mtu(&engine, &engine.network()).await.as_deref(), Some(&*usual));

    // A network of ours with another MTU stays as long as a runner is in it, started or not, and is made again then.
    let other = engine.backend(&[("DOCKER_NETWORK_MTU", OTHER_MTU)]);
    let second = spec_of(&engine, &[SLEEPS], "mayfly-mtu-2");
    other.create(&second).await.unwrap();
    assert_eq!(mtu(&engine, &engine.network()).await.as_deref(), Some(&*usual));
    other.delete(&machine_of(&other, first.identity.name.as_str()).await).await.unwrap();
    let third = spec_of(&engine, &[SLEEPS], "mayfly-mtu-3");
    other.create(&third).await.unwrap();
    assert_eq!(mtu(&engine, &engine.network()).await.as_deref(), Some(&*usual));
    other.delete(&machine_of(&other, second.identity.name.as_str()).await).await.unwrap();
    other.delete(&machine_of(&other, third.identity.name.as_str()).await).await.unwrap();
    let waits = ContainerCreateBody {
        image: Some(engine.image()),
        host_config: Some(HostConfig {
            network_mode: Some(engine.network()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let waits = engine.docker.create_container(None, waits).await.unwrap().id;
    let between = spec_of(&engine, &[SLEEPS], "mayfly-mtu-5");
    other.create(&between).await.unwrap();
    assert_eq!(mtu(&engine, &engine.network()).await.as_deref(), Some(&*usual), "it needs it");
    engine.docker.remove_container(&waits, None).await.unwrap();
    other.delete(&machine_of(&other, between.identity.name.as_str()).await).await.unwrap();
    let fourth = spec_of(&engine, &[TELLS], "mayfly-mtu-4");
    other.create(&fourth).await.unwrap();
    assert_eq!(mtu(&engine, &engine.network()).await.as_deref(), Some(OTHER_MTU));
    assert_eq!(
        printed(&other, &fourth.identity.name).await,
        format!("{OTHER_MTU}\n"),
        "as the runner sees it"
    );
    let found = engine.docker.inspect_network(&engine.network(), None).await.unwrap();
    assert_eq!(found.options.unwrap()["com.docker.network.bridge.enable_icc"], "false");
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn the_engine_s_own_networks_are_refused_by_id_too() {
    let engine = engine().await;
    for shared in ["bridge", "host", "none"] {
        let id = engine.docker.inspect_network(shared, None).await.unwrap().id.unwrap();
        let backend = engine.backend(&[("DOCKER_NETWORK", &id)]);
        let spec = spec_of(&engine, &[SLEEPS], "mayfly-shared");
        let error = backend.create(&spec).await.unwrap_err().to_string();
        assert!(error.contains(&format!("the engine's own network {shared}")), "{error}");
        assert!(backend.list().await.unwrap().is_empty(), "nothing was made");
    }
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_network_that_somebody_else_made_is_left_alone() {
    let engine = engine().await;
    let request = bollard::models::NetworkCreateRequest {
        name: engine.network(),
        ..bollard::models::NetworkCreateRequest::default()
    };
    let id = engine.docker.create_network(request).await.unwrap().id;
    let backend = engine.backend(&[("DOCKER_NETWORK_MTU", OTHER_MTU)]);
    assert!(backend.problems().is_empty(), "nobody looked yet");
    let spec = spec_of(&engine, &[SLEEPS], "mayfly-theirs");
    backend.create(&spec).await.unwrap();
    let found = engine.docker.inspect_network(&engine.network(), None).await.unwrap();
    assert_eq!(found.id, Some(id));
    let open = format!("runners reach each other on the network {}: ", engine.network());
    let problems = backend.problems();
    assert!(problems.len() == 1 && problems[0].starts_with(&open), "{problems:?}");

    // Its owner makes it again, as it should be.
    backend.delete(&machine_of(&backend, spec.identity.name.as_str()).await).await.unwrap();
    engine.docker.remove_network(&engine.network()).await.unwrap();
    engine.backend(&[]).network_gateway().await.unwrap();
    backend.create(&spec_of(&engine, &[SLEEPS], "mayfly-apart")).await.unwrap();
    assert!(backend.problems().is_empty(), "{:?}", backend.problems());
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_network_is_named_and_not_called_by_its_id() {
    let engine = engine().await;
    engine.backend(&[]).network_gateway().await.unwrap();
    let inspect = async || engine.docker.inspect_network(&engine.network(), None).await.unwrap();
    let id = inspect().await.id.unwrap();
    for id in [id.as_str(), &id[..12]] {
        let other = [("DOCKER_NETWORK", id), ("DOCKER_NETWORK_MTU", OTHER_MTU)];
        let spec = spec_of(&engine, &[SLEEPS], "mayfly-by-id");
        let error = engine.backend(&other).create(&spec).await.unwrap_err().to_string();
        let advice = format!("name it, as in DOCKER_NETWORK={}", engine.network());
        assert!(error.contains("DOCKER_NETWORK") && error.ends_with(&advice), "{error}");
    }
    assert_eq!(inspect().await.id.as_deref(), Some(&*id), "it is not made again");
}

/// Says which files of an earlier job are there, and leaves some.
const LEAVES: (&str, &str) = (
    "RUNNER_COMMAND",
    "/bin/sh -c 'for at in / /tmp /dev/shm /home; do [ -e $at/left ] && found=$found,$at; \
     (echo 1 >$at/left) 2>/dev/null && wrote=$wrote,$at; done; echo found$found wrote$wrote; exec sleep 60'",
);

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn no_file_goes_from_one_job_to_the_next() {
    let engine = engine().await;
    let backend = engine.backend(&[]);
    let spec = spec_of(&engine, &[LEAVES], "mayfly-leaves");
    for _ in 0..2 {
        backend.create(&spec).await.unwrap();
        let said = printed(&backend, &spec.identity.name).await;
        assert!(said.contains("found wrote,/"), "{said}");
        backend.delete(&machine_of(&backend, spec.identity.name.as_str()).await).await.unwrap();
    }
}

/// An archive of these programs of this machine, with the libraries they need.
fn programs(programs: &[&str]) -> Vec<u8> {
    let mut files: BTreeSet<String> = BTreeSet::new();
    for program in programs {
        files.insert(program.trim_start_matches('/').to_owned());
        let told = Command::new("ldd").arg(program).output_in_time().stdout;
        let told = String::from_utf8(told).unwrap();
        let words = told.split_whitespace().filter(|word| word.starts_with('/'));
        files.extend(words.map(|word| word.trim_start_matches('/').to_owned()));
    }
    let tar = Command::new("tar").args(["-chf", "-", "-C", "/"]).args(files).output_in_time();
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    tar.stdout
}

/// Tries what a job may and may not do: a number and a word each. 40 is `AF_VSOCK`, 425 `io_uring_setup`, 272 `unshare` with
/// `CLONE_NEWUSER`, 250 `keyctl` (Linux, x86-64).
const TRIES: &str = r#"$| = 1; $p = "\0" x 120; @t = (inet => socket(A, 2, 1, 0), unix => socket(B, 1, 1, 0), netlink => socket(C, 16, 3, 0),
vsock => socket(D, 40, 1, 0), alg => socket(E, 38, 5, 0), io_uring => syscall(425, 8, $p) >= 0,
userns => syscall(272, 0x10000000) == 0, keyctl => syscall(250, 0, -3, 0) >= 0);
while (($n, $r) = splice @t, 0, 2) { $s .= "$n=" . ($r ? 1 : 0) . " " } print "$s\n"; sleep 60"#;

#[cfg(target_arch = "x86_64")]
#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn our_filter_refuses_what_old_engines_let_through() {
    let engine = engine().await;
    let image = engine.sidecar_image();
    engine.import(&image, programs(&["/usr/bin/perl"]), vec![]).await;
    let backend = engine.backend(&[]);
    let command = format!("/usr/bin/perl -e '{TRIES}'");
    for isolation in ["strict", "compat"] {
        let variables = [
            ("RUNNER_IMAGE", &*image),
            ("RUNNER_COMMAND", &*command),
            ("RUNNER_ISOLATION", isolation),
            ("RUNNER_SECCOMP_PROFILE", PROFILE),
        ];
        let spec = spec_of(&engine, &variables, &format!("mayfly-filter-{isolation}"));
        backend.create(&spec).await.unwrap();
        let said = printed(&backend, &spec.identity.name).await;
        let first = said.lines().next().unwrap_or_default().trim();
        let expected = "inet=1 unix=1 netlink=1 vsock=0 alg=0 io_uring=0 userns=0 keyctl=0";
        assert_eq!(first, expected, "{isolation}");
    }
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn jobs_run_under_our_filter() {
    let engine = engine().await;
    let sim = engine.github().await;
    let id = sim.with(|world| {
        world
            .queue_job(&slug("octo-admin/app"), job("echo $((40+2)) | cat; ls / >/dev/null"))
            .unwrap()
    });
    let config = engine.config(&sim.url(), &[("RUNNER_SECCOMP_PROFILE", PROFILE)]);
    let app = App::build(config.clone(), Adapters::open(&config).unwrap());
    let backend = engine.backend(&[]);
    assert_eq!(app.reconciler().pass().await.launched, 1);
    until("the job is done", async || {
        sim.with(|world| world.job(id).unwrap().conclusion.is_some())
    })
    .await;
    assert_eq!(sim.with(|world| world.job(id).unwrap().conclusion), Some(Conclusion::Success));
    until("its runner ended", async || {
        let listed = backend.list().await.unwrap();
        listed.iter().all(|one| matches!(one.phase, Phase::Exited(_)))
    })
    .await;
}
