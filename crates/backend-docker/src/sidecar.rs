//! The Docker engine beside a runner, for pools with `docker: dind`: names and request bodies. Pure.
//!
//! Invariant: like a runner's, its `HostConfig` comes from the server-side [`Profile`] alone. It shares two anonymous volumes with
//! its runner and nothing with the host: no socket, no path, no namespace. What it does have is power over the kernel:
//! see SECURITY.md.

mod state;

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, NetworkCreateRequest,
    NetworkingConfig,
};
use mayfly_common::name::RunnerName;

pub(super) use self::state::{EngineHealth, ended, failed, health, listed};
use super::labels;
use super::limits::limited;
use super::network::{MTU, mtu_option};
use super::template::Template;
use mayfly_backend::spec::MachineSpec;
use mayfly_common::material::{Engine, Profile};

/// Where a job finds its engine; 2375 is Docker's port without TLS. Only the runner and its engine are on this network.
pub(super) const ADDRESS: (&str, &str) = ("DOCKER_HOST", "tcp://docker:2375");
/// The name by which the runner reaches the engine.
const ALIAS: &str = "docker";
/// What runner and engine both see: the official runner mounts these into the containers of jobs (`container:`, `services:`,
/// Docker actions), by paths that the engine must know, too.
pub(super) const SHARED: [&str; 2] = ["/home/runner/_work", "/home/runner/externals"];
/// Before the daemon: the volume of the jobs' files belongs to root where the image has no such folder, and a runner to whom it
/// may.
const OPEN: &str = "chmod 0777 /home/runner/_work || exit 1";
/// A privileged container's control groups can be written to; any other must open its own. What cannot be opened shows later, in
/// the daemon's words.
const CONTROL_GROUPS: &str = r#"for place in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,bind,rw "$place" 2>/dev/null; done"#;
/// The entry point of the image, which takes options for the daemon.
const DAEMON: &str = r#"exec dockerd-entrypoint.sh "$@""#;
/// The option for all networks that jobs make: since Docker 24.0. An older daemon would refuse it, and not start.
const NETWORKS: &str = "--default-network-opt";
/// Without it a daemon that listens on TCP waits at its start, to warn (moby: `cmd/dockerd/daemon.go`).
const NO_TLS: &str = "--tls=false";
/// What the official image must not find set, or it makes certificates.
const NO_CERTIFICATES: &str = "DOCKER_TLS_CERTDIR=";

const SECOND: i64 = 1_000_000_000;
/// From this version of the API on, a container can be asked more often while it starts (Docker docs: "Engine API version history").
const START_INTERVAL_SINCE: (usize, usize) = (1, 44);

/// The name of the container, and of the network, of a runner's engine.
pub(super) fn name(runner: &RunnerName) -> String {
    format!("{runner}-docker")
}

/// The body of `POST /networks/create` for the network of a runner and its engine: with egress, so that images can be pulled.
pub(super) fn network(
    installation: &str,
    runner: &RunnerName,
    mtu: Option<u32>,
) -> NetworkCreateRequest {
    let labels = [(labels::INSTALLATION, installation), (labels::DOCKER_OF, runner.as_str())];
    NetworkCreateRequest {
        name: name(runner),
        driver: Some("bridge".to_owned()),
        labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
        options: Some(mtu_option(mtu)),
        ..NetworkCreateRequest::default()
    }
}

/// The body of `POST /containers/create` for a runner's engine. `api`: the version of the API that is spoken; `mtu`: what the
/// networks of the job's own containers have, too.
pub(super) fn body(
    template: &Template<'_>,
    spec: &MachineSpec,
    engine: &Engine,
    api: (usize, usize),
    mtu: Option<u32>,
) -> ContainerCreateBody {
    let prepare = if engine.privileged { "" } else { CONTROL_GROUPS };
    let networks = mtu.map(default_mtu).unwrap_or_default();
    let script = [OPEN, prepare, &networks, DAEMON].join("\n");
    // The last word is the script's own name.
    let entry = ["sh", "-c", &script, "docker-engine"];
    let endpoint =
        EndpointSettings { aliases: Some(vec![ALIAS.to_owned()]), ..EndpointSettings::default() };
    ContainerCreateBody {
        image: Some(engine.image.clone()),
        entrypoint: Some(entry.map(str::to_owned).to_vec()),
        cmd: Some(
            std::iter::once(NO_TLS.to_owned())
                .chain(mtu.map(|mtu| format!("--mtu={mtu}")))
                .collect(),
        ),
        hostname: Some(ALIAS.to_owned()),
        env: Some(vec![NO_CERTIFICATES.to_owned()]),
        labels: Some(labels::encode_sidecar(template, spec)),
        healthcheck: Some(healthcheck(api)),
        host_config: Some(host_config(&spec.identity.name, &spec.profile, engine)),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(name(&spec.identity.name), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// Before the daemon, which is asked what it knows: an option that gives the networks that jobs make this MTU.
fn default_mtu(mtu: u32) -> String {
    format!(
        r#"case "$(dockerd --help 2>&1)" in *{NETWORKS}*) set -- "$@" {NETWORKS}=bridge={MTU}={mtu};; esac"#
    )
}

fn host_config(runner: &RunnerName, profile: &Profile, engine: &Engine) -> HostConfig {
    let base = HostConfig {
        network_mode: Some(name(runner)),
        volumes_from: Some(vec![runner.to_string()]),
        ..limited(profile)
    };
    if engine.privileged {
        return HostConfig { privileged: Some(true), ..base };
    }
    let one = |text: &str| Some(vec![text.to_owned()]);
    HostConfig {
        privileged: Some(false),
        cap_add: one("ALL"),
        cap_drop: one("SYS_RESOURCE"),
        security_opt: one("seccomp=unconfined"),
        ..base
    }
}

/// Asks as a job will. Each asking is a process, so that it is rare once the engine answers, where that can be told apart.
fn healthcheck(api: (usize, usize)) -> HealthConfig {
    let test = ["CMD", "docker", "--host", "tcp://127.0.0.1:2375", "version"];
    let (interval, start_interval) =
        if api >= START_INTERVAL_SINCE { (30, Some(SECOND)) } else { (1, None) };
    HealthConfig {
        test: Some(test.map(str::to_owned).to_vec()),
        interval: Some(interval * SECOND),
        timeout: Some(10 * SECOND),
        retries: Some(5),
        start_period: Some(60 * SECOND),
        start_interval,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_common::pool::Isolation;

    fn made(privileged: bool, api: (usize, usize)) -> ContainerCreateBody {
        let engine = Engine { image: "dind".to_owned(), privileged };
        let profile = Profile {
            memory: 1 << 30,
            nano_cpus: 500_000_000,
            pids: 100,
            isolation: Isolation::Strict,
            // It is the runner's alone.
            seccomp: Some("{\"defaultAction\":\"SCMP_ACT_ERRNO\"}".into()),
            engine: Some(engine.clone()),
        };
        let variable = ("ACTIONS_RUNNER_INPUT_JITCONFIG".to_owned(), "c2VjcmV0".into());
        let bootstrap = mayfly_backend::bootstrap::Bootstrap::new([variable]);
        let spec = MachineSpec { profile, bootstrap, ..crate::stand_in::spec() };
        let template = Template { network: "runners", image_id: None };
        body(&template, &spec, &engine, api, Some(1400))
    }

    #[test]
    fn the_whole_of_what_is_asked_of_the_engine() {
        let whole = |privileged, api, mtu| {
            let engine = Engine { image: "dind:1".to_owned(), privileged };
            let mut spec = crate::stand_in::spec();
            spec.profile.engine = Some(engine.clone());
            let template = Template { network: "runners", image_id: Some("sha256:0") };
            serde_json::to_value(body(&template, &spec, &engine, api, mtu)).unwrap()
        };
        let begin = "chmod 0777 /home/runner/_work || exit 1";
        let end = r#"exec dockerd-entrypoint.sh "$@""#;
        let mut expected = serde_json::json!({
            "Image": "dind:1", "Hostname": "docker", "Env": ["DOCKER_TLS_CERTDIR="], "Cmd": ["--tls=false"],
            "Entrypoint": ["sh", "-c", format!("{begin}\n\n\n{end}"), "docker-engine"],
            "Labels": crate::stand_in::labels_with_engine(true),
            "Healthcheck": {
                "Test": ["CMD", "docker", "--host", "tcp://127.0.0.1:2375", "version"],
                "Interval": 1_000_000_000_i64, "Timeout": 10_000_000_000_i64, "Retries": 5,
                "StartPeriod": 60_000_000_000_i64,
            },
            "HostConfig": {
                "Memory": 4_000_000_001_i64, "MemorySwap": 4_000_000_001_i64, "NanoCpus": 2_500_000_000_i64,
                "PidsLimit": 77, "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
                "NetworkMode": "mayfly-i-1-docker", "RestartPolicy": {"Name": "no"}, "AutoRemove": false,
                "VolumesFrom": ["mayfly-i-1"], "Privileged": true,
            },
            "NetworkingConfig": {"EndpointsConfig": {"mayfly-i-1-docker": {"Aliases": ["docker"]}}},
        });
        assert_eq!(whole(true, (1, 43), None), expected);
        let groups = r#"for place in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,bind,rw "$place" 2>/dev/null; done"#;
        let networks = r#"case "$(dockerd --help 2>&1)" in *--default-network-opt*) set -- "$@" --default-network-opt=bridge=com.docker.network.driver.mtu=1400;; esac"#;
        expected["Entrypoint"][2] = format!("{begin}\n{groups}\n{networks}\n{end}").into();
        expected["Cmd"] = serde_json::json!(["--tls=false", "--mtu=1400"]);
        expected["Healthcheck"]["Interval"] = 30_000_000_000_i64.into();
        expected["Healthcheck"]["StartInterval"] = 1_000_000_000_i64.into();
        let host = expected["HostConfig"].as_object_mut().unwrap();
        host["Privileged"] = false.into();
        let one = |text: &str| serde_json::json!([text]);
        host.insert("CapAdd".to_owned(), one("ALL"));
        host.insert("CapDrop".to_owned(), one("SYS_RESOURCE"));
        host.insert("SecurityOpt".to_owned(), one("seccomp=unconfined"));
        assert_eq!(whole(false, (1, 44), Some(1_400)), expected);
        let made = network("i", &RunnerName::parse("mayfly-i-1").unwrap(), Some(1_400));
        let expected = serde_json::json!({
            "Name": "mayfly-i-1-docker", "Driver": "bridge",
            "Labels": {"dev.mayfly.instance": "i", "dev.mayfly.docker-of": "mayfly-i-1"},
            "Options": {"com.docker.network.driver.mtu": "1400"},
        });
        assert_eq!(serde_json::to_value(made).unwrap(), expected);
    }

    #[test]
    fn packets_are_as_small_in_its_networks_and_those_of_jobs_as_in_the_runners_one() {
        let runner = RunnerName::parse("mayfly-i-1").unwrap();
        let option = |mtu| network("i", &runner, mtu).options.unwrap().into_values().next();
        assert_eq!((option(Some(1400)), option(None)), (Some("1400".to_owned()), None));
        let command = made(true, (1, 41)).cmd.unwrap();
        assert!(command.contains(&"--mtu=1400".to_owned()), "{command:?}");
        let said = |help: &str| {
            let dockerd = format!("dockerd() {{ echo '{help}'; }}\n");
            let script = dockerd + &default_mtu(1400) + "\necho \"$@\"";
            let arguments = ["-c", &script, "docker-engine", "--mtu=1400"];
            let output = std::process::Command::new("sh").args(arguments).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(said("  --data-root string"), "--mtu=1400\n", "an older daemon");
        let option = "--default-network-opt=bridge=com.docker.network.driver.mtu=1400";
        assert_eq!(
            said("  --default-network-opt mapmap   Default network options"),
            format!("--mtu=1400 {option}\n")
        );
    }

    #[test]
    fn it_is_limited_like_its_runner_and_has_nothing_of_the_host() {
        for privileged in [true, false] {
            let body = made(privileged, (1, 41));
            let text = serde_json::to_string(&body).unwrap();
            for no in ["docker.sock", "c2VjcmV0", "SCMP_ACT_ERRNO"] {
                assert!(!text.contains(no), "{text}");
            }
            assert_eq!(body.env, Some(vec!["DOCKER_TLS_CERTDIR=".to_owned()]));
            let host = body.host_config.unwrap();
            assert_eq!(
                (host.memory, host.memory_swap, host.nano_cpus, host.pids_limit),
                (Some(1 << 30), Some(1 << 30), Some(500_000_000), Some(100))
            );
            assert_eq!((host.binds, host.mounts, host.devices), (None, None, None));
            assert_eq!((host.pid_mode, host.ipc_mode, host.userns_mode), (None, None, None));
            assert_eq!(host.network_mode.as_deref(), Some("mayfly-i-1-docker"));
            assert_eq!(host.volumes_from, Some(vec!["mayfly-i-1".to_owned()]));
            assert_eq!(host.restart_policy.unwrap().name.unwrap().to_string(), "no");
            assert_eq!(host.log_config.unwrap().config.unwrap()["max-size"], "10m");
            assert_eq!(host.auto_remove, Some(false));
        }
    }

    #[test]
    fn its_rights_are_what_the_environment_says() {
        let rights = |privileged| {
            let host = made(privileged, (1, 41)).host_config.unwrap();
            (host.privileged, host.cap_add, host.cap_drop, host.security_opt)
        };
        let one = |text: &str| Some(vec![text.to_owned()]);
        let rows = [
            (true, (Some(true), None, None, None)),
            (false, (Some(false), one("ALL"), one("SYS_RESOURCE"), one("seccomp=unconfined"))),
        ];
        for (privileged, expected) in rows {
            assert_eq!(rights(privileged), expected, "{privileged}");
            let script = made(privileged, (1, 41)).entrypoint.unwrap().remove(2);
            assert_eq!(script.contains("/sys/fs/cgroup"), !privileged, "{script}");
        }
    }

    #[test]
    fn it_is_asked_often_only_while_it_starts_where_the_engine_can_tell() {
        let rows = [((1, 41), SECOND, None), ((1, 44), 30 * SECOND, Some(SECOND))];
        for (api, interval, start) in rows {
            let check = made(true, api).healthcheck.unwrap();
            assert_eq!((check.interval, check.start_interval), (Some(interval), start), "{api:?}");
        }
    }

    #[test]
    fn its_network_is_marked_as_its_runner_s() {
        let network = network("i", &RunnerName::parse("mayfly-i-1").unwrap(), None);
        let labels = network.labels.unwrap();
        assert_eq!(network.name, "mayfly-i-1-docker");
        assert_eq!(
            (&*labels[labels::INSTALLATION], &*labels[labels::DOCKER_OF]),
            ("i", "mayfly-i-1")
        );
        assert_ne!(network.internal, Some(true), "images are pulled through it");
    }
}
