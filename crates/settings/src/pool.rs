//! A pool as it is run: what its spec leaves open is filled in from the environment's variables.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::identity::BackendName;
use mayfly_common::label::LabelSet;
use mayfly_common::pool::{
    DockerMode, Naming, PoolName, PoolScope, PoolSpec, PullPolicy, Resources, Schedule,
};
use mayfly_common::problem::FieldError;
use mayfly_common::quantity;
use ring::digest::{Context, SHA256};

use crate::template::Template;
use crate::{Config, Environment, Registration, RunnerConfig, registration_of};
use mayfly_common::material::{Material, Profile};
use mayfly_planner::{PoolPolicy, naming};

/// A pool, ready to run.
#[derive(Debug, Clone)]
pub struct Pool {
    /// As its owner describes it.
    pub spec: PoolSpec,
    /// What its runners are made from.
    pub material: Material,
    /// When the image is pulled.
    pub pull: PullPolicy,
    /// Its runners' variables.
    pub environment: Environment,
    /// How they register.
    pub registration: Registration,
    /// Their labels.
    pub labels: LabelSet,
    /// Their runner group.
    pub group: Option<String>,
    /// Most of them.
    pub max: usize,
    /// How long one may take to come online.
    pub registration_timeout: SignedDuration,
    /// How long one that nobody needs may stay.
    pub idle_timeout: SignedDuration,
    /// When one ends whatever it does.
    pub max_lifetime: SignedDuration,
}

impl Pool {
    /// The pool that `config` describes.
    pub fn default_pool(config: &Config) -> Self {
        let runner = &config.runner;
        let whole = |span: SignedDuration| u32::try_from(span.as_secs()).ok();
        let profile = &runner.profile;
        let spec = PoolSpec {
            scopes: vec![PoolScope::Discovered],
            labels: Some(runner.labels.clone()),
            runner_group: runner.group.clone(),
            image: Some(runner.image.clone()),
            pull_policy: Some(runner.pull),
            command: runner.command.clone(),
            resources: Resources {
                memory: Some(quantity::show_memory(profile.memory)),
                cpus: Some(quantity::show_cpus(profile.nano_cpus)),
                pids: u32::try_from(profile.pids).ok(),
            },
            isolation: Some(profile.isolation),
            docker: runner.docker(),
            min_idle: runner.min_idle,
            max: u32::try_from(runner.max).ok(),
            registration_timeout: whole(runner.registration_timeout),
            idle_timeout: whole(config.purge_interval),
            max_lifetime: whole(runner.max_lifetime),
            rotation_interval: runner.rotation_interval,
            ..PoolSpec::named(PoolName::default_pool())
        };
        Self::filled(spec, config, runner.environment.clone())
    }

    /// A pool from `spec`, with `config` where it says nothing.
    ///
    /// Errors: a template uses an unknown placeholder, two ways of registration at once, or Docker or an image where that is
    /// not allowed.
    pub fn of(spec: PoolSpec, config: &Config) -> Result<Self, Vec<FieldError>> {
        let mut environment = config.runner.environment.clone();
        let mut errors = Vec::new();
        if spec.docker == DockerMode::Dind && !config.runner.dind_enabled {
            let detail = "must be none: Docker inside jobs is allowed by DIND_ENABLED=true in the orchestrator's environment";
            errors.push(FieldError { pointer: "/docker".to_owned(), detail: detail.to_owned() });
        }
        if let Some(detail) =
            spec.image.as_deref().and_then(|image| config.runner.allowed_images.refusal(image))
        {
            errors.push(FieldError { pointer: "/image".to_owned(), detail });
        }
        let mut wrong = |name: &str, why: String| {
            let pointer = format!("/env/{}", name.replace('~', "~0").replace('/', "~1"));
            errors.push(FieldError { pointer, detail: why });
        };
        for (name, text) in &spec.env {
            match Template::parse(text) {
                Ok(template) => drop(environment.insert(name.clone(), template)),
                Err(unknown) => wrong(name, unknown.to_string()),
            }
        }
        let uses = |word: &str| environment.iter().find(|(_, template)| template.uses(word));
        if let (Some((token, _)), Some(_)) = (uses("registration_token"), uses("jit_config")) {
            wrong(token, "uses {registration_token} while another variable uses {jit_config}; a runner registers one way".to_owned());
        }
        if registration_of(&environment) == Registration::Token {
            errors.extend(spec.labels.as_ref().and_then(splits));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self::filled(spec, config, environment))
    }

    fn filled(spec: PoolSpec, config: &Config, environment: Environment) -> Self {
        let runner = &config.runner;
        let seconds = |given: Option<u32>, else_: SignedDuration| {
            given.map_or(else_, |seconds| SignedDuration::from_secs(i64::from(seconds)))
        };
        let profile = profile(&spec, runner);
        let labels = spec.labels.clone().unwrap_or_else(|| runner.labels.clone());
        let image = spec.image.clone().unwrap_or_else(|| runner.image.clone());
        let command = spec.command.clone().or_else(|| runner.command.clone());
        let registration = registration_of(&environment);
        let group = spec.runner_group.clone();
        let mut made = Context::new(&SHA256);
        for part in [
            format!("{image} {command:?} {profile:?} {registration:?}"),
            format!("{labels} {group:?}"),
        ] {
            made.update(part.as_bytes());
        }
        for (name, template) in &environment {
            made.update(format!("\n{name}={template}").as_bytes());
        }
        // Runners of releases that knew one backend keep their make.
        if spec.backend != BackendName::default() {
            made.update(format!("\nbackend {}", spec.backend).as_bytes());
        }
        let digest = made.finish();
        let short = digest.as_ref().iter().take(6);
        let fingerprint = short.fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let material = Material { image, command, profile, fingerprint };
        Self {
            pull: spec.pull_policy.unwrap_or(runner.pull),
            registration,
            labels,
            group,
            max: spec.max.map_or(runner.max, |max| max as usize),
            registration_timeout: seconds(spec.registration_timeout, runner.registration_timeout),
            idle_timeout: seconds(spec.idle_timeout, config.purge_interval),
            max_lifetime: seconds(spec.max_lifetime, runner.max_lifetime),
            environment,
            material,
            spec,
        }
    }

    /// What it wants at `now`. `installation`: the name of this installation.
    pub fn policy(
        &self,
        installation: &str,
        rotate_before: Option<Timestamp>,
        now: Timestamp,
    ) -> PoolPolicy {
        let (spec, profile) = (&self.spec, &self.material.profile);
        let rotation = i64::from(spec.rotation_interval);
        PoolPolicy {
            pull: self.pull,
            name: spec.name.clone(),
            backend: spec.backend.clone(),
            scopes: spec.scopes.clone(),
            labels: self.labels.clone(),
            group: self.group.clone(),
            image: self.material.image.clone(),
            engine_image: profile.engine.as_ref().map(|engine| engine.image.clone()),
            min_idle: self.waiting(now),
            max: self.max,
            priority: spec.priority,
            autoscaling: spec.autoscaling,
            registration_timeout: self.registration_timeout,
            max_lifetime: self.max_lifetime,
            idle_timeout: self.idle_timeout,
            rotation: (rotation > 0).then(|| SignedDuration::from_secs(rotation)),
            rotate_before,
            fingerprint: self.material.fingerprint.clone(),
            memory: profile.memory.saturating_mul(profile.containers()),
            nano_cpus: profile.nano_cpus.saturating_mul(profile.containers()),
            naming: spec.naming,
            name_prefix: self.name_prefix(installation),
            enabled: spec.enabled,
            paused: spec.paused,
        }
    }

    /// True if both number their runners from the same prefix. GitHub compares names without case.
    pub fn shares_names_with(&self, other: &Self) -> bool {
        let prefix = |pool: &Self| {
            let prefix = pool.spec.name_prefix.as_ref();
            prefix.filter(|_| pool.spec.naming == Naming::Stable).map(|it| it.to_ascii_lowercase())
        };
        self.spec.name != other.spec.name
            && prefix(self).is_some_and(|it| prefix(other) == Some(it))
    }

    /// How the names of its numbered places begin.
    fn name_prefix(&self, installation: &str) -> String {
        let own = || format!("{}{}", naming::prefix(installation), self.spec.name);
        match (self.spec.naming, &self.spec.name_prefix) {
            (Naming::Stable, Some(prefix)) => prefix.clone(),
            _ => own(),
        }
    }

    /// True if runners of it wait for jobs at `now`.
    pub fn keeps_some_waiting(&self, now: Timestamp) -> bool {
        self.waiting(now) > 0
    }

    /// How many runners are to wait at `now`.
    fn waiting(&self, now: Timestamp) -> usize {
        let scheduled = self.spec.schedules.iter().filter(|schedule| schedule.holds(now));
        let min_idle = scheduled.map(Schedule::min_idle).max();
        (min_idle.unwrap_or(self.spec.min_idle) as usize).min(self.max)
    }

    /// When a schedule next begins or ends to hold.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.spec.schedules.iter().filter_map(|schedule| schedule.next_change(now)).min()
    }
}

/// What is wrong with labels that an image which registers itself is given as one list.
pub fn splits(labels: &LabelSet) -> Option<FieldError> {
    let label = labels.with_comma()?;
    let detail = format!(
        "label {:?} has a comma: an image that registers itself takes it for two labels",
        label.as_str()
    );
    Some(FieldError { pointer: "/labels".to_owned(), detail })
}

fn profile(spec: &PoolSpec, runner: &RunnerConfig) -> Profile {
    let base = &runner.profile;
    let resources = &spec.resources;
    // Specs are checked when they are read; what could not be read then falls back to the environment's value.
    let number = |text: &Option<String>, read: fn(&str) -> Result<i64, String>, else_: i64| {
        text.as_deref().and_then(|text| read(text).ok()).unwrap_or(else_)
    };
    Profile {
        memory: number(&resources.memory, quantity::memory, base.memory),
        nano_cpus: number(&resources.cpus, quantity::nano_cpus, base.nano_cpus),
        pids: resources.pids.map_or(base.pids, i64::from),
        isolation: spec.isolation.unwrap_or(base.isolation),
        seccomp: base.seccomp.clone(),
        engine: runner.dind.of(spec.docker),
    }
}

#[cfg(test)]
mod tests;
