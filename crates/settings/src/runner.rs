//! What runners are made from: image, command, labels, limits, and the templates of their environment.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use mayfly_common::clean;
use mayfly_common::clean::blemish;
use mayfly_common::image::ImageName;
use mayfly_common::label::{Label, LabelSet, MAX_LABELS};
use mayfly_common::pool::{DockerMode, Isolation, PullPolicy, ROTATION};
use mayfly_common::quantity::{memory, nano_cpus};
use mayfly_service::env::known::RUNNER_PREFIX;
use mayfly_service::env::{Checker, boolean, integer};

use super::images::AllowedImages;
use super::{Raw, Shown, parse};
use crate::template::{Template, Value};
use mayfly_backend_docker::spec::Profile;
use mayfly_common::material::Engine;

mod caps;

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
    let uses = |name: &str| {
        environment.iter().find(|(_, template)| template.uses(name)).map(|(variable, _)| variable)
    };
    if let (Some(token), Some(jit)) = (uses("registration_token"), uses("jit_config")) {
        let reason = format!(
            "uses {{registration_token}} while {RUNNER_PREFIX}{jit} uses {{jit_config}}; a runner registers one way"
        );
        check.fail(&format!("{RUNNER_PREFIX}{token}"), reason);
    }
    let registration = registration_of(&environment);
    let labels = labels(raw, &environment, shown, check);
    let group = check.text("RUNNER_GROUP", raw.runner_group.take());
    let number = |least, most| move |text: &str| integer(text, least..=most);
    let max = check.optional("MAX_RUNNERS", raw.max_runners.take(), 10, number(1, 10_000));
    let count = |name: &str, value: Option<String>, check: &mut Checker| {
        let count = |text: &str| integer(text, 1..=10_000).map(Some);
        check.optional(name, value, None, count).and_then(|number| usize::try_from(number).ok())
    };
    let max_per_owner = count("MAX_RUNNERS_PER_OWNER", raw.max_runners_per_owner.take(), check);
    let max_per_repo = count("MAX_RUNNERS_PER_REPO", raw.max_runners_per_repo.take(), check);
    let max_memory =
        check.optional("MAX_RUNNERS_MEMORY", raw.max_runners_memory.take(), None, |text| {
            memory(text).map(Some)
        });
    let max_nano_cpus =
        check.optional("MAX_RUNNERS_CPUS", raw.max_runners_cpus.take(), None, |text| {
            nano_cpus(text).map(Some)
        });
    let min_idle =
        check.optional("RUNNER_MIN_IDLE", raw.runner_min_idle.take(), 0, number(0, 10_000));
    if min_idle > max {
        check.fail("RUNNER_MIN_IDLE", "must not be more than MAX_RUNNERS");
    }
    let rotation = check.optional(
        "RUNNER_ROTATION_INTERVAL",
        raw.runner_rotation_interval.take(),
        u64::from(ROTATION),
        number(0, 31_536_000),
    );
    if (1..60).contains(&rotation) {
        check.fail("RUNNER_ROTATION_INTERVAL", "must be 0 (never) or at least 60");
    }
    let timeout = check.optional(
        "RUNNER_REGISTRATION_TIMEOUT",
        raw.runner_registration_timeout.take(),
        300,
        number(10, 86_400),
    );
    let lifetime = check.optional(
        "RUNNER_MAX_LIFETIME",
        raw.runner_max_lifetime.take(),
        432_000,
        number(60, 31_536_000),
    );
    if lifetime <= timeout {
        check.fail("RUNNER_MAX_LIFETIME", "must be longer than RUNNER_REGISTRATION_TIMEOUT");
    }
    let dind = dind(raw, check);
    let profile = profile(raw, &dind, check);
    let own = profile.engine.is_some();
    caps::warn_of_small(max_memory, max_nano_cpus, &profile, check);
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
        max: usize::try_from(max).unwrap_or(usize::MAX),
        max_memory,
        max_nano_cpus,
        max_per_owner,
        max_per_repo,
        min_idle: u32::try_from(min_idle).unwrap_or(u32::MAX),
        rotation_interval: u32::try_from(rotation).unwrap_or(ROTATION),
        registration_timeout: parse::seconds(timeout),
        max_lifetime: parse::seconds(lifetime),
        profile,
        dind,
        dind_enabled,
    })
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

/// The labels runners for jobs have: `RUNNER_LABELS`; else what a fixed template tells the image; else the usual ones.
fn labels(
    raw: &mut Raw,
    environment: &Environment,
    shown: &Shown,
    check: &mut Checker,
) -> LabelSet {
    let usual = usual_labels();
    if let Some(text) = check.text("RUNNER_LABELS", raw.runner_labels.take()) {
        if text.trim().starts_with('[') && text.trim().ends_with(']') {
            check.warn(
                "RUNNER_LABELS",
                "begins with [ and ends with ], which become parts of labels: write self-hosted,linux without them",
            );
        }
        let labels = parse_labels("RUNNER_LABELS", &text, check).unwrap_or(usual);
        warn_of("RUNNER_LABELS", &labels, check);
        return labels;
    }
    // An image that registers itself is told its labels by a template. If that is fixed text, it is the truth about them.
    let told =
        ["RUNNER_LABELS", "LABELS"].iter().find_map(|name| Some((*name, environment.get(*name)?)));
    match told {
        Some((name, template)) if !template.uses("labels") => {
            let known = BTreeMap::from([("hostname", Value::Plain(shown.hostname.clone()))]);
            let mut labels: Vec<Label> = usual.iter().cloned().collect();
            if environment.contains_key("NO_DEFAULT_LABELS") {
                labels.clear();
            }
            let variable = format!("{RUNNER_PREFIX}{name}");
            let text = template.render(&known);
            // Marks around the whole list are parts of its first and its last label.
            if clean::is_quoted(text.trim()) {
                check.fail(
                    &variable,
                    "is in quotation marks, which would be parts of labels: remove them",
                );
            }
            let told = parse_labels(&variable, &text, check);
            labels.extend(told.unwrap_or_default().iter().cloned());
            let labels = labels.into_iter().collect();
            warn_of(&variable, &labels, check);
            labels
        }
        _ => usual,
    }
}

fn warn_of(variable: &str, labels: &LabelSet, check: &mut Checker) {
    if !labels.contains("self-hosted") {
        check.warn(
            variable,
            "lacks self-hosted: a job whose runs-on has self-hosted gets no runner from here",
        );
    }
}

fn parse_labels(variable: &str, text: &str, check: &mut Checker) -> Option<LabelSet> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    match parts
        .map(|part| match blemish(part) {
            Some(reason) => Err(format!("label {part:?} {reason}")),
            None => Label::parse(part).map_err(|error| format!("label {part:?} {error}")),
        })
        .collect::<Result<LabelSet, _>>()
    {
        Ok(labels) if !labels.is_empty() && labels.len() <= MAX_LABELS => return Some(labels),
        Ok(_) => {
            check.fail(variable, format!("must hold 1 to {MAX_LABELS} labels, separated by commas"))
        }
        Err(reason) => check.fail(variable, reason),
    }
    None
}

/// What `config.sh` gives every Linux runner by itself, and what just-in-time registration does not (GitHub docs: "Using labels
/// with self-hosted runners").
fn usual_labels() -> LabelSet {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "arm" => "arm",
        _ => "x64",
    };
    LabelSet::requested(["self-hosted", "linux", architecture, "ephemeral"])
}

fn dind(raw: &mut Raw, check: &mut Checker) -> Engine {
    let usual = "docker:27-dind".to_owned();
    Engine {
        image: check.optional("DIND_IMAGE", raw.dind_image.take(), usual, image),
        privileged: check.optional("DIND_PRIVILEGED", raw.dind_privileged.take(), true, boolean),
    }
}

/// The seccomp profile in the file at `path`, as short as JSON can be.
fn seccomp(path: &str) -> Result<Arc<str>, String> {
    let text = std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let profile: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| format!("{path} is not JSON: {error}"))?;
    // The engine says the rest, but only when a runner starts.
    if !profile["defaultAction"].is_string() || !profile["syscalls"].is_array() {
        return Err(format!(
            "{path} is no seccomp profile of Docker's form: it needs \"defaultAction\" and \"syscalls\""
        ));
    }
    Ok(profile.to_string().into())
}

fn profile(raw: &mut Raw, dind: &Engine, check: &mut Checker) -> Profile {
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
