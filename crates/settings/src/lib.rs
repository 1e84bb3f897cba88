//! The orchestrator's settings: the one reader of its environment, for the service and for `mayfly doctor`.
//!
//! Every problem is reported at once, each with its variable's name; nothing is connected to. `.env.example` in `deploy/`
//! describes the same variables for operators; a test holds the two together.
//!
//! | module | what |
//! |---|---|
//! | here, `credential`, `docker`, `github`, `images`, `runner` | [`Config`], read from variables |
//! | [`template`] | the values of runners' variables, with placeholders |
//! | [`pool`] | a pool, with what its spec leaves open filled in |
//! | [`host`] | whether the limits of runners fit the host that runs them |

mod credential;
mod docker;
mod github;
pub mod host;
mod images;
mod parse;
pub mod pool;
mod runner;
pub mod template;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use jiff::SignedDuration;
use mayfly_backend_docker::DockerSettings;
use mayfly_common::clean;
use mayfly_common::host::PublicHosts;
use mayfly_common::identity::BackendName;
use mayfly_github::DiscoveryMode;
use mayfly_service::env::known::{RUNNER_PREFIX, in_compose, unknown};
use mayfly_service::env::{Checker, ConfigErrors, boolean, integer, port};
use mayfly_service::telemetry::{Format, Logging, parse_format, parse_level};
use mayfly_service::traces::TraceConfig;
use serde::Deserialize;

pub use docker::is_engine_variable;
pub use github::GitHubConfig;
pub use images::AllowedImages;
pub use runner::{Environment, Registration, RunnerConfig, registration_of};

/// What an MTU may be, in bytes: what every IPv4 host takes (RFC 791), and the longest packet.
const MTU: std::ops::RangeInclusive<u64> = 576..=65_535;

/// The variables as they come. Nothing here can fail: [`Config::from_variables`] checks.
#[derive(Debug, Default, Deserialize)]
struct Raw {
    orchestrator_host: Option<String>,
    orchestrator_port: Option<String>,
    public_hosts: Option<String>,
    api_gateway_port: Option<String>,
    log_level: Option<String>,
    log_verbose: Option<String>,
    log_format: Option<String>,
    otel_exporter_otlp_endpoint: Option<String>,
    otel_service_name: Option<String>,
    github_runner_token: Option<String>,
    github_runner_token_file: Option<String>,
    github_api_url: Option<String>,
    github_server_url: Option<String>,
    github_app_id: Option<String>,
    github_app_private_key: Option<String>,
    github_app_private_key_file: Option<String>,
    github_app_installation: Option<String>,
    github_ca_file: Option<String>,
    github_organization: Option<String>,
    github_user_login: Option<String>,
    github_cleanup_enabled: Option<String>,
    discovery_mode: Option<String>,
    discovery_include: Option<String>,
    discovery_exclude: Option<String>,
    allow_public_repos: Option<String>,
    auto_create_runners: Option<String>,
    runner_check_interval: Option<String>,
    runner_purge_interval: Option<String>,
    runner_registration_timeout: Option<String>,
    runner_max_lifetime: Option<String>,
    max_runners: Option<String>,
    max_runners_memory: Option<String>,
    max_runners_cpus: Option<String>,
    max_runners_per_owner: Option<String>,
    max_runners_per_repo: Option<String>,
    runner_min_idle: Option<String>,
    runner_rotation_interval: Option<String>,
    runner_image: Option<String>,
    allowed_images: Option<String>,
    runner_cache_url: Option<String>,
    runner_pull_policy: Option<String>,
    runner_command: Option<String>,
    runner_labels: Option<String>,
    runner_group: Option<String>,
    runner_memory: Option<String>,
    runner_cpus: Option<String>,
    runner_pids_limit: Option<String>,
    runner_isolation: Option<String>,
    runner_seccomp_profile: Option<String>,
    runner_docker: Option<String>,
    dind_enabled: Option<String>,
    dind_image: Option<String>,
    dind_privileged: Option<String>,
    database_path: Option<String>,
    docker_host: Option<String>,
    docker_network: Option<String>,
    docker_network_mtu: Option<String>,
    orchestrator_id: Option<String>,
    registry: Option<String>,
}

/// Everything the orchestrator is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ORCHESTRATOR_HOST` (127.0.0.1) and `ORCHESTRATOR_PORT` (8000): where the internal API listens.
    pub listen: SocketAddr,
    /// `PUBLIC_HOSTS` (none): public names that it may be called by, beside addresses and private ones.
    pub public_hosts: PublicHosts,
    /// `LOG_LEVEL`, `LOG_VERBOSE`, `LOG_FORMAT`.
    pub logging: Logging,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` (none: there are no traces) and `OTEL_SERVICE_NAME` (`orchestrator`).
    pub traces: Option<TraceConfig>,
    /// GitHub.
    pub github: GitHubConfig,
    /// Runners.
    pub runner: RunnerConfig,
    /// `DOCKER_HOST`; none means the local socket.
    pub docker_host: Option<String>,
    /// `DOCKER_NETWORK` (`mayfly-runners`): the network runners join; made if it is not there.
    pub network: String,
    /// `DOCKER_NETWORK_MTU`: the MTU of the networks that runners join; none means that of the engine's default network.
    pub network_mtu: Option<u32>,
    /// `ORCHESTRATOR_ID`: which runners are ours; none means a name made from the Docker engine's own id.
    pub installation: Option<String>,
    /// `DATABASE_PATH`: the file of the job ledger; none means that it ends with the process.
    pub database: Option<PathBuf>,
    /// `AUTO_CREATE_RUNNERS` (false): whether queued jobs start runners.
    pub auto_create: bool,
    /// `RUNNER_CHECK_INTERVAL` (300 s): how often GitHub is asked for new repositories, workflows and jobs.
    pub check_interval: SignedDuration,
    /// `RUNNER_PURGE_INTERVAL` (300 s): how often everything is swept, and how long a runner that no job needs stays idle.
    pub purge_interval: SignedDuration,
    /// What only placeholders show.
    pub shown: Shown,
    /// What is probably not wanted, one line each: `VARIABLE: reason`.
    pub warnings: Vec<String>,
}

/// Values that exist for placeholders alone.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// `API_GATEWAY_PORT` (8080).
    pub api_gateway_port: u16,
    /// `REGISTRY` (unknown).
    pub registry: String,
    /// `GITHUB_USER_LOGIN` (unknown).
    pub user_login: String,
    /// The machine's host name.
    pub hostname: String,
}

impl Config {
    /// Reads the process' environment.
    pub fn from_environment() -> Result<Self, ConfigErrors> {
        Self::from_variables(mayfly_service::env::variables())
    }

    /// Reads `variables`.
    ///
    /// Errors: every variable that is missing or wrong.
    pub fn from_variables(variables: Vec<(String, String)>) -> Result<Self, ConfigErrors> {
        let variables = clean::all(variables);
        let mut warnings = unknown(&variables);
        let (templates, variables): (Vec<_>, Vec<_>) =
            variables.into_iter().partition(|(name, _)| name.starts_with(RUNNER_PREFIX));
        let mut check = Checker::new();
        // The gateway sees only what Compose hands it by name; here all of `.env` is seen, and the gateway starts after this.
        check.api_keys_by_name(&variables);
        github::proxies(&variables, &mut check);
        let mut raw: Raw = check.read(variables.clone());
        let docker_host = docker::host(&mut raw, &variables, &mut check);
        let config = Self::read(raw, docker_host, templates, &mut check);
        if let Some(config) = &config {
            config.doubts(in_compose(&variables), &mut check);
        }
        warnings.append(&mut check.take_warnings());
        check.finish(config.map(|config| Self { warnings, ..config }))
    }

    /// Notes what is probably not wanted although each variable by itself could be.
    fn doubts(&self, in_compose: bool, check: &mut Checker) {
        let host = self.listen.ip();
        if !host.is_loopback() && !in_compose {
            let why = format!(
                "{host} lets other machines reach the orchestrator, which asks for no key: use 127.0.0.1, or, in a container, publish \
                 its port nowhere"
            );
            check.warn("ORCHESTRATOR_HOST", why);
        }
        let group = self.runner.group.as_deref();
        let grouped = group.is_some_and(|group| !group.eq_ignore_ascii_case("default"));
        if grouped && self.github.discovery == DiscoveryMode::All {
            check.warn(
                "RUNNER_GROUP",
                "counts for runners of organisations alone: those of discovered repositories are in no group",
            );
        }
    }

    /// What the Docker backend needs to know.
    pub fn docker(&self) -> DockerSettings {
        DockerSettings {
            host: self.docker_host.clone(),
            name: BackendName::default(),
            installation: self.installation.clone(),
            network: self.network.clone(),
            mtu: self.network_mtu,
        }
    }

    fn read(
        mut raw: Raw,
        docker_host: Option<String>,
        templates: Vec<(String, String)>,
        check: &mut Checker,
    ) -> Option<Self> {
        let listen = listen(&mut raw, check);
        let public_hosts = check.optional(
            "PUBLIC_HOSTS",
            raw.public_hosts.take(),
            PublicHosts::default(),
            PublicHosts::parse,
        );
        let logging = logging(&mut raw, check);
        let traces = TraceConfig::read(
            check,
            raw.otel_exporter_otlp_endpoint.take(),
            raw.otel_service_name.take(),
            "orchestrator",
        );
        let seconds =
            |least: u64| move |text: &str| integer(text, least..=31_536_000).map(parse::seconds);
        let interval = parse::seconds(300);
        let check_interval = check.optional(
            "RUNNER_CHECK_INTERVAL",
            raw.runner_check_interval.take(),
            interval,
            seconds(10),
        );
        let purge_interval = check.optional(
            "RUNNER_PURGE_INTERVAL",
            raw.runner_purge_interval.take(),
            interval,
            seconds(10),
        );
        let auto_create =
            check.optional("AUTO_CREATE_RUNNERS", raw.auto_create_runners.take(), false, boolean);
        let network = check.optional(
            "DOCKER_NETWORK",
            raw.docker_network.take(),
            "mayfly-runners".to_owned(),
            parse::network,
        );
        let network_mtu =
            check.optional("DOCKER_NETWORK_MTU", raw.docker_network_mtu.take(), None, |text| {
                integer(text, MTU).map(|mtu| u32::try_from(mtu).ok())
            });
        let database = database(&mut raw, check);
        let installation =
            check.optional("ORCHESTRATOR_ID", raw.orchestrator_id.take(), None, |text| {
                parse::installation(text).map(Some)
            });
        let shown = shown(&mut raw, check);
        let github = github::read(&mut raw, check);
        let runner = runner::read(&mut raw, templates, &shown, check);
        Some(Self {
            listen,
            public_hosts,
            logging,
            traces,
            github: github?,
            runner: runner?,
            docker_host,
            network,
            network_mtu,
            database,
            installation,
            auto_create,
            check_interval,
            purge_interval,
            shown,
            warnings: Vec::new(),
        })
    }
}

fn listen(raw: &mut Raw, check: &mut Checker) -> SocketAddr {
    let wrong = |_| "must be an IP address";
    let host = check.optional(
        "ORCHESTRATOR_HOST",
        raw.orchestrator_host.take(),
        IpAddr::from([127, 0, 0, 1]),
        |text| text.trim().parse().map_err(wrong),
    );
    SocketAddr::new(
        host,
        check.optional("ORCHESTRATOR_PORT", raw.orchestrator_port.take(), 8000, port),
    )
}

fn database(raw: &mut Raw, check: &mut Checker) -> Option<PathBuf> {
    let database = check.optional("DATABASE_PATH", raw.database_path.take(), None, |text| {
        parse::new_file(text).map(Some)
    });
    if let Some(why) = database.as_deref().and_then(parse::unwritable) {
        check.warn("DATABASE_PATH", why);
    }
    if let Some(why) = database.as_deref().and_then(parse::shared) {
        check.warn("DATABASE_PATH", why);
    }
    database
}

fn shown(raw: &mut Raw, check: &mut Checker) -> Shown {
    Shown {
        api_gateway_port: check.optional(
            "API_GATEWAY_PORT",
            raw.api_gateway_port.take(),
            8080,
            port,
        ),
        registry: check
            .text("REGISTRY", raw.registry.take())
            .unwrap_or_else(|| "unknown".to_owned()),
        user_login: check
            .text("GITHUB_USER_LOGIN", raw.github_user_login.take())
            .unwrap_or_else(|| "unknown".to_owned()),
        hostname: parse::hostname(),
    }
}

fn logging(raw: &mut Raw, check: &mut Checker) -> Logging {
    Logging {
        level: check.optional("LOG_LEVEL", raw.log_level.take(), tracing::Level::INFO, parse_level),
        verbose: check.optional("LOG_VERBOSE", raw.log_verbose.take(), false, boolean),
        format: check.optional("LOG_FORMAT", raw.log_format.take(), Format::Text, parse_format),
    }
}

#[cfg(test)]
mod tests;
