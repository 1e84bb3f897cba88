//! What a runner may use of the machine, and what keeps it apart from others.

use std::sync::Arc;

use mayfly_backend_docker::spec::Profile;
use mayfly_common::material::Engine;
use mayfly_common::pool::{DockerMode, Isolation};
use mayfly_common::quantity::{memory, nano_cpus};
use mayfly_service::env::secret::read_plain;
use mayfly_service::env::{Checker, boolean, integer};

use crate::Raw;

/// The actions that a filter may name (runtime-spec: "Seccomp"). `SCMP_ACT_NOTIFY` is left out: it needs a program that answers.
const ACTIONS: [&str; 8] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

/// The engine that a runner may have beside it.
pub(super) fn dind(raw: &mut Raw, check: &mut Checker) -> Engine {
    let usual = "docker:27-dind".to_owned();
    Engine {
        image: check.optional("DIND_IMAGE", raw.dind_image.take(), usual, super::image),
        privileged: check.optional("DIND_PRIVILEGED", raw.dind_privileged.take(), true, boolean),
    }
}

/// The seccomp profile in the file at `path`, as short as JSON can be.
fn seccomp(path: &str) -> Result<Arc<str>, String> {
    let text = read_plain(path)?;
    let profile: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| format!("{path} is not JSON: {error}"))?;
    // The engine says the rest, but only when a runner starts.
    if !profile["defaultAction"].is_string() || !profile["syscalls"].is_array() {
        return Err(format!(
            "{path} is no seccomp profile of Docker's form: it needs \"defaultAction\" and \"syscalls\""
        ));
    }
    let rules = profile["syscalls"].as_array().into_iter().flatten().map(|rule| &rule["action"]);
    for action in std::iter::once(&profile["defaultAction"]).chain(rules) {
        let action = action.as_str().unwrap_or_default();
        if !ACTIONS.contains(&action) {
            return Err(format!(
                "{path} names the action {action:?}, which seccomp does not have; it has {}",
                ACTIONS.join(", ")
            ));
        }
    }
    Ok(profile.to_string().into())
}

/// What a runner may use of the machine, and how it is kept apart.
pub(super) fn read(raw: &mut Raw, dind: &Engine, check: &mut Checker) -> Profile {
    let isolation = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
        "strict" => Ok(Isolation::Strict),
        "compat" => Ok(Isolation::Compat),
        _ => Err("must be strict or compat"),
    };
    let mode = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
        "none" => Ok(DockerMode::None),
        "dind" => Ok(DockerMode::Dind),
        _ => Err("must be none or dind"),
    };
    let docker = check.optional("RUNNER_DOCKER", raw.runner_docker.take(), DockerMode::None, mode);
    let pids = check.optional("RUNNER_PIDS_LIMIT", raw.runner_pids_limit.take(), 4096, |text| {
        integer(text, 16..=4_194_304)
    });
    Profile {
        memory: check.optional("RUNNER_MEMORY", raw.runner_memory.take(), 4 << 30, memory),
        nano_cpus: check.optional("RUNNER_CPUS", raw.runner_cpus.take(), 2_000_000_000, nano_cpus),
        pids: i64::try_from(pids).unwrap_or(i64::MAX),
        isolation: check.optional(
            "RUNNER_ISOLATION",
            raw.runner_isolation.take(),
            Isolation::Strict,
            isolation,
        ),
        seccomp: check.optional(
            "RUNNER_SECCOMP_PROFILE",
            raw.runner_seccomp_profile.take(),
            None,
            |path| seccomp(path.trim()).map(Some),
        ),
        engine: dind.of(docker),
    }
}
