//! What is checked, and which variables each topic reads.

use mayfly_settings::is_engine_variable;
use serde::Serialize;

/// Something that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Topic {
    /// The engine.
    Docker,
    /// The runners' image.
    Image,
    /// Space for images and containers.
    Disk,
    /// The credential.
    #[serde(rename = "github")]
    GitHub,
    /// What became of webhooks.
    Webhooks,
    /// Clocks that differ.
    Clock,
    /// What a runner can reach.
    Isolation,
}

impl Topic {
    /// Its name, as the command line and the output have it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Image => "image",
            Self::Disk => "disk",
            Self::GitHub => "github",
            Self::Webhooks => "webhooks",
            Self::Clock => "clock",
            Self::Isolation => "isolation",
        }
    }

    /// Whether the topic depends on this variable: what is wrong with others does not stop it.
    pub(super) fn reads(self, variable: &str) -> bool {
        let name = variable.to_ascii_uppercase();
        let github = ["GITHUB_", "DISCOVERY_", "ALLOW_PUBLIC_REPOS"];
        let github = github.iter().any(|start| name.starts_with(start));
        let engine = is_engine_variable(&name);
        let listed: &[&str] = match self {
            Self::GitHub => return github,
            Self::Webhooks => return github || name == "MAYFLY_WEBHOOK_URL",
            Self::Clock => return github || engine,
            Self::Disk => return engine,
            Self::Docker => &[
                "DOCKER_NETWORK",
                "DOCKER_NETWORK_MTU",
                "MAX_RUNNERS",
                "MAX_RUNNERS_CPUS",
                "MAX_RUNNERS_MEMORY",
                "RUNNER_CPUS",
                "RUNNER_DOCKER",
                "RUNNER_MAX_LIFETIME",
                "RUNNER_MEMORY",
                "RUNNER_REGISTRATION_TIMEOUT",
            ],
            Self::Image => &["RUNNER_IMAGE", "RUNNER_PULL_POLICY"],
            Self::Isolation => &[
                "DOCKER_NETWORK",
                "DOCKER_NETWORK_MTU",
                "ORCHESTRATOR_HOST",
                "ORCHESTRATOR_PORT",
                "RUNNER_IMAGE",
                "RUNNER_MEMORY",
                "RUNNER_CPUS",
                "RUNNER_PIDS_LIMIT",
                "RUNNER_ISOLATION",
                "RUNNER_SECCOMP_PROFILE",
            ],
        };
        engine || listed.contains(&&*name)
    }
}
