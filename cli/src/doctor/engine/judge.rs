//! What an engine's answers mean for runners. Pure.
//!
//! Facts are from Docker's documentation: "Docker Engine API", "Engine version history", "Rootless mode", "Isolate containers
//! with a user namespace", "Select a storage driver", "Protect the Docker daemon socket".

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bollard::models::{SystemInfo, SystemVersion};
use mayfly_github::checkup::Finding;

use crate::doctor::finding::{failure, note, ok, warning};

/// The oldest engine that is worked with, and the API it has.
const OLDEST: (u64, u64) = (20, 10);
const OLDEST_API: (u64, u64) = (1, 41);
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// How the engine is reached, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// The socket that is used where `DOCKER_HOST` is not set.
    Default,
    /// A socket that `DOCKER_HOST` names.
    Socket(PathBuf),
    /// An address that `DOCKER_HOST` names.
    Address(String),
}

impl Way {
    pub(super) fn of(host: Option<&str>) -> Self {
        match host.map(|host| (host, host.strip_prefix("unix://"))) {
            None => Self::Default,
            Some((_, Some(path))) => Self::Socket(path.into()),
            Some((host, None)) => Self::Address(host.to_owned()),
        }
    }

    pub(super) fn socket(&self) -> Option<&Path> {
        match self {
            Self::Default => Some(Path::new(DEFAULT_SOCKET)),
            Self::Socket(path) => Some(path),
            Self::Address(_) => None,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "{DEFAULT_SOCKET} (DOCKER_HOST is not set)"),
            Self::Socket(path) => write!(f, "{} (from DOCKER_HOST)", path.display()),
            Self::Address(host) => write!(f, "{host} (from DOCKER_HOST)"),
        }
    }
}

/// Who may use a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) mode: u32,
    pub(super) owner: u32,
    /// By name if it has one.
    pub(super) group: String,
}

/// The name of a group in the text of `/etc/group`, or its number.
pub(super) fn group(text: &str, id: u32) -> String {
    let number = id.to_string();
    let named = text.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == number).then(|| name.to_owned())
    });
    named.unwrap_or(number)
}

/// A socket that does not open.
pub(super) fn closed(way: &Way, error: &io::Error, rights: Option<&Rights>) -> Finding {
    match error.kind() {
        io::ErrorKind::NotFound => failure(
            format!("there is no Docker socket at {way}"),
            "start the Docker Engine, or have DOCKER_HOST name its socket; rootless Docker's is that of its user's number, such as unix:///run/user/1000/docker.sock",
        ),
        io::ErrorKind::PermissionDenied => match rights {
            Some(Rights { mode, owner, group }) => failure(
                format!(
                    "you may not use the Docker socket {way}: it is for user {owner} and group {group} (mode {mode:04o})"
                ),
                format!(
                    "join the group (sudo usermod -aG {group} $USER) and log in anew; know that whoever may use this socket can become root on this machine"
                ),
            ),
            None => failure(
                format!("you may not use the Docker socket {way}, nor look at whose it is"),
                "a folder above it is closed to you: ask whoever runs the engine",
            ),
        },
        io::ErrorKind::ConnectionRefused => failure(
            format!("the Docker socket {way} is there, but nobody answers"),
            "start the Docker Engine (sudo systemctl start docker)",
        ),
        _ => failure(
            format!("the Docker socket {way} does not open: {error}"),
            "look at whether the Docker Engine runs",
        ),
    }
}

/// An engine that does not answer as one does.
pub(super) fn silent(way: &Way, why: &str) -> Finding {
    failure(
        format!("the Docker Engine does not answer at {way}: {why}"),
        "look at DOCKER_HOST, and at whether the engine runs and listens there",
    )
}

/// An engine that answered.
pub(super) fn engine(way: &Way, version: &SystemVersion, info: &SystemInfo) -> Vec<Finding> {
    let mut found = vec![ok(format!("the Docker Engine answers at {way}"))];
    found.push(versions(version));
    found.extend(system(info));
    found.push(runtimes(info));
    found.push(storage(info.driver.as_deref().unwrap_or_default()));
    found.extend(security(info));
    found.extend(limits(info));
    found
}

fn versions(version: &SystemVersion) -> Finding {
    let engine = version.version.as_deref().unwrap_or("unknown");
    let api = version.api_version.as_deref().unwrap_or("unknown");
    let least = version.min_api_version.as_deref();
    let least = least.map(|least| format!(", down to {least}")).unwrap_or_default();
    let what = format!("its version is {engine}, its API's {api}{least}");
    let hint = format!(
        "versions from {}.{} (API {}.{}) are worked with: update the engine",
        OLDEST.0, OLDEST.1, OLDEST_API.0, OLDEST_API.1
    );
    match (number(engine), number(api)) {
        // Whether an engine of another name is new enough shows in its API.
        (_, Some(api)) if api < OLDEST_API => failure(what, hint),
        (Some(engine), Some(_)) if engine < OLDEST => failure(what, hint),
        (Some(_), Some(_)) => ok(what),
        _ => warning(format!("{what}: whether that is new enough cannot be told"), hint),
    }
}

/// The first two numbers of a version.
fn number(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn system(info: &SystemInfo) -> Option<Finding> {
    let system = info.os_type.as_deref().unwrap_or("linux");
    (system != "linux").then(|| {
        failure(
            format!("it runs {system} containers"),
            "runners are Linux containers: switch the engine",
        )
    })
}

fn runtimes(info: &SystemInfo) -> Finding {
    let mut names: Vec<&str> =
        info.runtimes.iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let default = info.default_runtime.as_deref().unwrap_or("unknown");
    ok(format!("runners are run by {default} (its runtimes: {})", names.join(", ")))
}

fn storage(driver: &str) -> Finding {
    let what = format!("its storage driver is {driver}");
    match driver {
        "vfs" => warning(
            what,
            "vfs copies the whole image for every runner: use overlay2 (see \"Select a storage driver\")",
        ),
        "devicemapper" | "aufs" | "overlay" => {
            warning(what, "newer engines do not know it any more: move to overlay2")
        }
        "" => note("it does not tell its storage driver"),
        _ => ok(what),
    }
}

fn security(info: &SystemInfo) -> Vec<Finding> {
    let options = info.security_options.clone().unwrap_or_default();
    let has = |name: &str| {
        let named = |option: &String| option.split(',').any(|part| part == format!("name={name}"));
        options.iter().any(named)
    };
    let mut found = Vec::new();
    found.push(match (has("rootless"), has("userns")) {
        (true, _) => ok("it is rootless: root in a container is an ordinary user outside"),
        (false, true) => {
            ok("user namespaces are used: root in a container is an ordinary user outside")
        }
        (false, false) => note(
            "it is not rootless and maps no users: root in a container has root's number outside; runners get no capability by RUNNER_ISOLATION=strict all the same",
        ),
    });
    if !has("seccomp") || options.iter().any(|option| option.contains("profile=unconfined")) {
        found.push(warning(
            "it does not filter system calls (seccomp)",
            "build or configure the engine with seccomp: it is one wall less between jobs and this machine",
        ));
    }
    found
}

/// Limits that the kernel or a rootless engine does not keep are taken and silently dropped.
fn limits(info: &SystemInfo) -> Option<Finding> {
    let kept = [
        ("RUNNER_MEMORY", info.memory_limit),
        ("RUNNER_CPUS", info.cpu_cfs_quota),
        ("RUNNER_PIDS_LIMIT", info.pids_limit),
    ];
    let dropped: Vec<&str> =
        kept.iter().filter(|(_, kept)| *kept == Some(false)).map(|(name, _)| *name).collect();
    (!dropped.is_empty()).then(|| {
        warning(
            format!("it cannot keep these limits: {}", dropped.join(", ")),
            "have the kernel's control groups delegated to the engine: for rootless Docker that takes cgroup v2 and systemd",
        )
    })
}
