//! What runners are made from: image, command, labels, limits, and the templates of their environment.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use mayfly_backend_docker::spec::Profile;
use mayfly_common::clean;
use mayfly_common::image::ImageName;
use mayfly_common::label::LabelSet;
use mayfly_common::material::Engine;
use mayfly_common::pool::{DockerMode, PullPolicy};
use mayfly_service::env::known::RUNNER_PREFIX;
use mayfly_service::env::{Checker, boolean};

use super::images::AllowedImages;
use super::{Raw, Shown, parse};
use crate::template::Template;

mod labels;
mod limits;
mod profile;

/// Where a runner finds a cache server, if its image looks there.
const CACHE_VARIABLE: &str = "CUSTOM_ACTIONS_RESULTS_URL";

/// Variables for runner containers, in the order of their names.
pub type Environment = BTreeMap<String, Template>;

/// How runners register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// The orchestrator registers each with `generate-jitconfig`.
    Jit,
    /// The image registers itself with a registration token.
    Token,
}

/// The runners' part of the configuration.
#[derive(Debug, Clone)]
pub struct RunnerConfig {
    /// `RUNNER_IMAGE`.
    pub image: String,
    /// `ALLOWED_IMAGES`, with the images that the other variables name: what pools may be made from.
    pub allowed_images: AllowedImages,
    /// `RUNNER_PULL_POLICY` (`missing`).
    pub pull: PullPolicy,
    /// `RUNNER_COMMAND`: replaces the image's command; split like a shell does.
    pub command: Option<Vec<String>>,
    /// The `runnerenv_` variables.
    pub environment: Environment,
    /// How runners register: by token if a template asks for one.
    pub registration: Registration,
    /// `RUNNER_CACHE_URL`: a cache server for jobs, with a slash at the end; empty means none.
    pub cache_url: String,
    /// `RUNNER_LABELS`: the labels of the runners started for jobs.
    pub labels: LabelSet,
    /// `RUNNER_GROUP`: their runner group; organisations only.
    pub group: Option<String>,
    /// `MAX_RUNNERS` (10): most runners at a time.
    pub max: usize,
    /// `MAX_RUNNERS_MEMORY`: most memory of all runners together, in bytes; none means any.
    pub max_memory: Option<i64>,
    /// `MAX_RUNNERS_CPUS`: most processors of all runners together, in billionths of one; none means any.
    pub max_nano_cpus: Option<i64>,
    /// `MAX_RUNNERS_PER_OWNER`: most runners of one organisation or user; none means any number.
    pub max_per_owner: Option<usize>,
    /// `MAX_RUNNERS_PER_REPO`: most runners of one repository; none means any number.
    pub max_per_repo: Option<usize>,
    /// `RUNNER_MIN_IDLE` (0): how many runners wait for a job at any time.
    pub min_idle: u32,
    /// `RUNNER_ROTATION_INTERVAL` (86400 s): after how long a waiting runner is replaced; 0 never.
    pub rotation_interval: u32,
    /// `RUNNER_REGISTRATION_TIMEOUT` (300 s): how long a runner may take to come online.
    pub registration_timeout: SignedDuration,
    /// `RUNNER_MAX_LIFETIME` (432000 s, the five days GitHub gives a job): when a runner ends whatever it does.
    pub max_lifetime: SignedDuration,
    /// `RUNNER_MEMORY`, `RUNNER_CPUS`, `RUNNER_PIDS_LIMIT`, `RUNNER_ISOLATION`, `RUNNER_SECCOMP_PROFILE`, `RUNNER_DOCKER`.
    pub profile: Profile,
    /// `DIND_IMAGE` (`docker:27-dind`), `DIND_PRIVILEGED` (true): the engine of each runner in the pools with `docker: dind`.
    pub dind: Engine,
    /// `DIND_ENABLED`: whether pools made through the API may have such engines. By default they may where `RUNNER_DOCKER` is `dind`.
    pub dind_enabled: bool,
}

impl RunnerConfig {
    /// What jobs of the environment's pool have of Docker.
    pub fn docker(&self) -> DockerMode {
        if self.profile.engine.is_some() { DockerMode::Dind } else { DockerMode::None }
    }
}

pub(super) fn read(
    raw: &mut Raw,
    templates: Vec<(String, String)>,
    shown: &Shown,
    check: &mut Checker,
) -> Option<RunnerConfig> {
    let image = check.required("RUNNER_IMAGE", raw.runner_image.take(), image);
    let pull = check.optional(
        "RUNNER_PULL_POLICY",
        raw.runner_pull_policy.take(),
        PullPolicy::Missing,
        pull_policy,
    );
    let command = command(raw, check);
    let cache_url = check.optional(
        "RUNNER_CACHE_URL",
        raw.runner_cache_url.take(),
        String::new(),
        parse::folder_url,
    );
    let mut environment = environment(templates, check);
    point_at_cache(&mut environment, &cache_url);
    one_way(&environment, check);
    let registration = registration_of(&environment);
    let labels = labels::read(raw, &environment, shown, check);
    let group = check.text("RUNNER_GROUP", raw.runner_group.take());
    let limits = limits::read(raw, check);
    let dind = profile::dind(raw, check);
    let profile = profile::read(raw, &dind, check);
    let own = profile.engine.is_some();
    limits::warn_of_small(&limits, &profile, check);
    let allowed_images = check.optional(
        "ALLOWED_IMAGES",
        raw.allowed_images.take(),
        AllowedImages::default(),
        AllowedImages::parse,
    );
    let dind_enabled = check.optional("DIND_ENABLED", raw.dind_enabled.take(), own, boolean);
    if own && !dind_enabled {
        check.fail(
            "DIND_ENABLED",
            "is false while RUNNER_DOCKER=dind: remove one of the two (no pool has Docker inside its jobs, or all may)",
        );
    }
    let image = image?;
    Some(RunnerConfig {
        allowed_images: allowed_images.with_own([image.as_str(), dind.image.as_str()]),
        image,
        pull,
        command,
        environment,
        registration,
        cache_url,
        labels,
        group,
        max: limits.max,
        max_memory: limits.max_memory,
        max_nano_cpus: limits.max_nano_cpus,
        max_per_owner: limits.max_per_owner,
        max_per_repo: limits.max_per_repo,
        min_idle: limits.min_idle,
        rotation_interval: limits.rotation_interval,
        registration_timeout: limits.registration_timeout,
        max_lifetime: limits.max_lifetime,
        profile,
        dind,
        dind_enabled,
    })
}

/// Notes that templates ask for two ways of registration.
fn one_way(environment: &Environment, check: &mut Checker) {
    let uses = |name: &str| {
        environment.iter().find(|(_, template)| template.uses(name)).map(|(variable, _)| variable)
    };
    if let (Some(token), Some(jit)) = (uses("registration_token"), uses("jit_config")) {
        let reason = format!(
            "uses {{registration_token}} while {RUNNER_PREFIX}{jit} uses {{jit_config}}; a runner registers one way"
        );
        check.fail(&format!("{RUNNER_PREFIX}{token}"), reason);
    }
}

/// How a runner with these variables registers: by token if one of them asks for it.
pub fn registration_of(environment: &Environment) -> Registration {
    let token = environment.values().any(|template| template.uses("registration_token"));
    if token { Registration::Token } else { Registration::Jit }
}

fn image(text: &str) -> Result<String, String> {
    ImageName::parse(text).map(|name| name.to_string()).map_err(|error| error.to_string())
}

fn pull_policy(text: &str) -> Result<PullPolicy, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "missing" => Ok(PullPolicy::Missing),
        "always" => Ok(PullPolicy::Always),
        "never" => Ok(PullPolicy::Never),
        _ => Err("must be missing, always or never".to_owned()),
    }
}

/// `RUNNER_COMMAND`, taken apart as a shell does.
fn command(raw: &mut Raw, check: &mut Checker) -> Option<Vec<String>> {
    const NAME: &str = "RUNNER_COMMAND";
    let text = check.free_text(NAME, raw.runner_command.take())?;
    if text.contains(['\r', '\0']) {
        check.fail(NAME, "holds a carriage return or a zero byte: save the file that it comes from with Unix line ends");
        return None;
    }
    // The shell's rules would take the backslash away and leave the letter.
    if let Some(reason) = clean::written_out_end(&text) {
        check.fail(NAME, reason);
        return None;
    }
    let Some(words) = shlex::split(&text) else {
        check.fail(NAME, "has a quotation mark without its partner");
        return None;
    };
    if words.is_empty() {
        check.fail(NAME, "must hold a command");
        return None;
    }
    if words.len() == 1 && words[0].contains(' ') && clean::is_quoted(text.trim()) {
        check.warn(
            NAME,
            "is one word with blanks in it, because quotation marks are around all of it; if it is a program with arguments, remove them",
        );
    }
    Some(words)
}

fn environment(templates: Vec<(String, String)>, check: &mut Checker) -> Environment {
    let mut environment = Environment::new();
    for (variable, text) in templates {
        let name = variable.strip_prefix(RUNNER_PREFIX).unwrap_or_default().to_owned();
        if name.is_empty()
            || name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
        {
            check.fail(&variable, "must have a variable name after the prefix");
            continue;
        }
        if let Some(reason) = clean::garbled(&text) {
            check.fail(&variable, reason);
            continue;
        }
        if clean::is_quoted(text.trim()) {
            check.warn(
                &variable,
                "is in quotation marks, and runners get them as a part of the value: if they are not meant, remove them",
            );
        }
        if let Some(reason) = clean::written_out_end(&text) {
            check.warn(&variable, format!("{reason}, if it is not meant"));
        }
        match Template::parse(&text) {
            Ok(template) => drop(environment.insert(name, template)),
            Err(unknown) => check.fail(&variable, unknown),
        }
    }
    environment
}

/// Tells runners of the cache, in the variable that patched runners and some actions read. The official runner overwrites
/// `ACTIONS_RESULTS_URL` and `ACTIONS_CACHE_URL` for each step, so these would tell nobody; see docs/runner-images.md.
fn point_at_cache(environment: &mut Environment, cache_url: &str) {
    // No URL has a brace in it: they are percent-encoded.
    if let (false, Ok(url)) = (cache_url.is_empty(), Template::parse(cache_url)) {
        environment.entry(CACHE_VARIABLE.to_owned()).or_insert(url);
    }
}
