//! From a launch to the body of `POST /containers/create`.
//!
//! Invariant: `HostConfig` comes from the server-side [`Profile`] alone. Nothing that a request, a workflow file or a label says
//! reaches it: no mounts, no devices, no privileges, no host namespaces.

use bollard::models::{ContainerCreateBody, HostConfig};

use super::limits::limited;
pub use super::template::Template;
use super::{labels, sidecar};
use mayfly_backend::spec::MachineSpec;
pub use mayfly_common::material::Profile;
pub use mayfly_common::pool::Isolation;

/// What an entry point that starts as root needs to change to another user, and `sudo` to work. Never `NET_RAW`: with it a
/// container can speak past "no inter-container communication".
const COMPAT_CAPABILITIES: [&str; 7] =
    ["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];

/// The body of `POST /containers/create` (Docker Engine API 1.41).
pub fn body(template: &Template<'_>, spec: &MachineSpec) -> ContainerCreateBody {
    let has_engine = spec.profile.engine.is_some();
    let own = spec.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut environment: Vec<(&str, &str)> = own.chain(spec.bootstrap.expose()).collect();
    let (host, address) = sidecar::ADDRESS;
    if has_engine && !environment.iter().any(|(name, _)| *name == host) {
        environment.push((host, address));
    }
    ContainerCreateBody {
        image: Some(spec.identity.image.clone()),
        cmd: spec.command.clone(),
        // A host name has at most 63 characters (RFC 1123); a runner's name may have one more.
        hostname: Some(spec.identity.name.as_str().chars().take(63).collect()),
        env: Some(environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(labels::encode(template, spec)),
        // Anonymous: they are filled from the image, and go with the container.
        volumes: has_engine.then(|| sidecar::SHARED.map(str::to_owned).to_vec()),
        host_config: Some(host_config(template, &spec.profile)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(template: &Template<'_>, profile: &Profile) -> HostConfig {
    let (mut security, capabilities) = match profile.isolation {
        Isolation::Strict => (vec!["no-new-privileges".to_owned()], Vec::new()),
        Isolation::Compat => (Vec::new(), COMPAT_CAPABILITIES.map(str::to_owned).to_vec()),
    };
    security.extend(profile.seccomp.iter().map(|filter| format!("seccomp={filter}")));
    HostConfig {
        security_opt: Some(security),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(capabilities),
        privileged: Some(false),
        network_mode: Some(template.network.to_owned()),
        ..limited(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_backend::bootstrap::Bootstrap;
    use mayfly_common::label::LabelSet;
    use mayfly_common::material::Engine;
    use mayfly_common::name::RunnerName;

    fn made(isolation: Isolation) -> ContainerCreateBody {
        made_with(isolation, None, "A")
    }

    fn made_with(
        isolation: Isolation,
        engine: Option<Engine>,
        variable: &str,
    ) -> ContainerCreateBody {
        let profile = Profile {
            memory: 4 << 30,
            nano_cpus: 2_000_000_000,
            pids: 4096,
            isolation,
            seccomp: None,
            engine,
        };
        let template = Template { network: "runners", image_id: Some("sha256:0") };
        let mut spec = crate::stand_in::spec();
        spec.identity.name = RunnerName::parse(&"x".repeat(64)).unwrap();
        spec.profile = profile;
        spec.environment = vec![(variable.into(), "$$HOME {x}".into())];
        spec.bootstrap = Bootstrap::default();
        body(&template, &spec)
    }

    #[test]
    fn the_whole_of_what_is_asked_of_the_engine() {
        let whole = |spec: &MachineSpec| {
            let template = Template { network: "runners", image_id: Some("sha256:0") };
            serde_json::to_value(body(&template, spec)).unwrap()
        };
        let mut spec = crate::stand_in::spec();
        let mut expected = serde_json::json!({
            "Hostname": "mayfly-i-1", "Image": "img:1", "Cmd": ["/run.sh", "x y"], "Env": ["A=$$HOME {x}", "JIT=the-secret"],
            "Labels": crate::stand_in::labels(),
            "HostConfig": {
                "Memory": 4_000_000_001_i64, "MemorySwap": 4_000_000_001_i64, "NanoCpus": 2_500_000_000_i64,
                "PidsLimit": 77, "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
                "NetworkMode": "runners", "RestartPolicy": {"Name": "no"}, "AutoRemove": false,
                "CapAdd": [], "CapDrop": ["ALL"], "Privileged": false, "SecurityOpt": ["no-new-privileges"],
            },
        });
        assert_eq!(whole(&spec), expected);
        let profile = &mut spec.profile;
        profile.isolation = Isolation::Compat;
        profile.seccomp = Some("{}".into());
        profile.engine = Some(Engine { image: "dind".to_owned(), privileged: true });
        spec.command = None;
        expected["Env"] =
            serde_json::json!(["A=$$HOME {x}", "JIT=the-secret", "DOCKER_HOST=tcp://docker:2375"]);
        expected["Labels"] = crate::stand_in::labels_with_engine(false);
        expected["Volumes"] =
            serde_json::json!({"/home/runner/_work": {}, "/home/runner/externals": {}});
        let host = &mut expected["HostConfig"];
        host["CapAdd"] = serde_json::json!([
            "AUDIT_WRITE",
            "CHOWN",
            "DAC_OVERRIDE",
            "FOWNER",
            "KILL",
            "SETGID",
            "SETUID",
        ]);
        host["SecurityOpt"] = serde_json::json!(["seccomp={}"]);
        expected.as_object_mut().unwrap().shift_remove("Cmd");
        assert_eq!(whole(&spec), expected);
    }

    #[test]
    fn nothing_that_a_workflow_a_label_or_a_request_says_changes_the_confinement() {
        let template = Template { network: "runners", image_id: None };
        let profile = Profile {
            memory: 4 << 30,
            nano_cpus: 2_000_000_000,
            pids: 4096,
            isolation: Isolation::Strict,
            seccomp: None,
            engine: None,
        };
        let spec = |scope: &str, labels: &[&str], environment: &[(&str, &str)]| {
            let mut spec = crate::stand_in::spec();
            spec.identity.name = RunnerName::parse("privileged").unwrap();
            spec.identity.scope = scope.parse().unwrap();
            spec.identity.labels = LabelSet::requested(labels);
            spec.profile = profile.clone();
            spec.environment = environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            spec
        };
        let plain = body(&template, &spec("repo:o/r", &["self-hosted"], &[]));
        // What is registered by a request, or named in runs-on, and what ends up in the environment by way of a template.
        let labels = [
            "self-hosted",
            "privileged=true",
            "--privileged",
            "HostConfig.Binds=/:/host",
            "\"},\"HostConfig\":{\"Privileged\":true},\"x\":{\"",
            "network=host",
        ];
        let environment = [
            ("RUNNER_LABELS", "\"},\"HostConfig\":{\"Privileged\":true}"),
            ("DOCKER_OPTS", "--privileged -v /:/host --network=host"),
            ("RUNNER_ISOLATION", "compat"),
            ("SECURITY_OPT", "seccomp=unconfined"),
        ];
        let hostile = body(&template, &spec("org:privileged", &labels, &environment));
        assert_eq!(hostile.host_config, plain.host_config);
        assert_eq!(
            (hostile.image, hostile.cmd, hostile.entrypoint, hostile.user, hostile.volumes),
            (plain.image, plain.cmd, plain.entrypoint, plain.user, plain.volumes)
        );
        assert_eq!(hostile.networking_config, plain.networking_config);
    }

    #[test]
    fn a_runner_is_confined() {
        let body = made(Isolation::Strict);
        let host = body.host_config.unwrap();
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(
            (host.cap_add, host.security_opt),
            (Some(vec![]), Some(vec!["no-new-privileges".to_owned()]))
        );
        assert_eq!((host.privileged, host.auto_remove), (Some(false), Some(false)));
        assert_eq!(
            (host.memory, host.memory_swap, host.nano_cpus, host.pids_limit),
            (Some(4 << 30), Some(4 << 30), Some(2_000_000_000), Some(4096))
        );
        assert_eq!((host.binds, host.mounts, host.devices), (None, None, None));
        assert_eq!((host.pid_mode, host.ipc_mode, host.userns_mode), (None, None, None));
        assert_eq!(host.network_mode.as_deref(), Some("runners"));
        assert_eq!(host.log_config.unwrap().config.unwrap()["max-size"], "10m");
        assert_eq!(
            (body.hostname.unwrap().len(), body.env.unwrap()),
            (63, vec!["A=$$HOME {x}".to_owned()])
        );
    }

    #[test]
    fn a_runner_with_an_engine_of_its_own_is_confined_no_less() {
        let engine = || Some(Engine { image: "dind".to_owned(), privileged: true });
        let (plain, with) = (made(Isolation::Strict), made_with(Isolation::Strict, engine(), "A"));
        assert_eq!(with.host_config, plain.host_config);
        assert_eq!(plain.volumes, None);
        assert_eq!(with.volumes.unwrap(), ["/home/runner/_work", "/home/runner/externals"]);
        assert_eq!(with.env.unwrap(), ["A=$$HOME {x}", "DOCKER_HOST=tcp://docker:2375"]);
        let own = made_with(Isolation::Strict, engine(), "DOCKER_HOST");
        assert_eq!(own.env.unwrap(), ["DOCKER_HOST=$$HOME {x}"], "the pool's own word counts");
    }

    #[test]
    fn a_filter_of_system_calls_takes_the_place_of_the_engine_s() {
        let options = |isolation| {
            let mut profile = Profile {
                memory: 1,
                nano_cpus: 1,
                pids: 1,
                isolation,
                seccomp: None,
                engine: None,
            };
            let template = Template { network: "n", image_id: None };
            let without = host_config(&template, &profile).security_opt.unwrap();
            profile.seccomp = Some("{}".into());
            (without, host_config(&template, &profile).security_opt.unwrap())
        };
        let (without, with) = options(Isolation::Strict);
        assert_eq!(without, ["no-new-privileges"]);
        assert_eq!(with, ["no-new-privileges", "seccomp={}"]);
        let (without, with) = options(Isolation::Compat);
        assert!(without.is_empty());
        assert_eq!(with, ["seccomp={}"]);
    }

    #[test]
    fn compat_adds_what_changing_user_needs_and_no_raw_sockets() {
        let added = made(Isolation::Compat).host_config.unwrap().cap_add.unwrap();
        assert!(
            added.contains(&"SETUID".to_owned())
                && !added.iter().any(|cap| cap.contains("NET") || cap.contains("SYS"))
        );
    }
}
