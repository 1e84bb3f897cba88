//! From JSON to a valid pool, with every mistake told at once.

mod credential;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Autoscaling, DockerMode, Isolation, MAX_POOL, Naming, PoolName, PoolScope, PoolSpec,
    PullPolicy, Ratio, Resources, Schedule,
};
use crate::api::fields::{Fields, error};
use crate::backend::BackendName;
use crate::image::ImageName;
use crate::label::{Label, LabelSet, MAX_LABELS};
use crate::name::{InvalidName, MAX_NAME_LENGTH, RunnerName};
use crate::problem::{FieldError, Problem};
use crate::{quantity, scope};

/// Most scopes, and most schedules, of one pool.
const MAX_LIST: usize = 100;
/// Longest time a pool may state, in seconds: a year.
const YEAR: u32 = 31_536_000;

impl PoolSpec {
    /// Reads a request body.
    ///
    /// Errors: 400 when it is not JSON, 422 listing every bad field otherwise.
    pub fn from_body(body: &[u8]) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Problem::malformed(format!("The body is not JSON: {error}.")))?;
        Self::from_json(&value, "").map_err(Problem::invalid)
    }

    /// Reads a pool from the value at the JSON Pointer `at`.
    ///
    /// Errors: every field that is wrong.
    pub fn from_json(value: &Value, at: &str) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(value, at)?;
        let credentials = credential::all(value, at)?;
        fields.fail_with::<()>(credentials);
        let fields_ref = &mut fields;
        let name = name(fields_ref);
        let mut spec = Self::named(name.clone().unwrap_or_else(PoolName::default_pool));
        places(fields_ref, &mut spec);
        material(fields_ref, &mut spec);
        numbers(fields_ref, &mut spec);
        naming(fields_ref, &mut spec);
        if let Some(enabled) = fields.flag("enabled") {
            spec.enabled = enabled;
        }
        if let Some(paused) = fields.flag("paused") {
            spec.paused = paused;
        }
        fields.finish()?;
        Ok(spec)
    }
}

fn name(fields: &mut Fields<'_>) -> Option<PoolName> {
    match fields.value("name") {
        None => fields.fail("name", "is required"),
        Some(_) => match fields.parsed("name", PoolName::parse)? {
            name if name.is_reserved() => fields.fail(
                "name",
                "is the platform's own: default is made from the environment, manual is for single runners",
            ),
            name => Some(name),
        },
    }
}

/// Scopes, labels, group.
fn places(fields: &mut Fields<'_>, spec: &mut PoolSpec) {
    if let Some(scopes) = fields.each("scopes", 1..=MAX_LIST, str::parse::<PoolScope>) {
        spec.scopes = scopes;
    }
    let labels = fields.each("labels", 1..=MAX_LABELS, Label::parse);
    spec.labels = labels.map(|labels| labels.into_iter().collect::<LabelSet>());
    spec.runner_group = fields.parsed("runner_group", |text| {
        let good =
            (1..=64).contains(&text.trim().chars().count()) && !text.chars().any(char::is_control);
        if good {
            Ok(text.trim().to_owned())
        } else {
            Err("must have 1 to 64 printable characters")
        }
    });
    let grouped =
        spec.runner_group.as_deref().is_some_and(|group| !group.eq_ignore_ascii_case("default"));
    let at_repositories = |scope: &PoolScope| {
        !matches!(scope, PoolScope::One(scope::Scope::Org(_) | scope::Scope::Enterprise(_)))
    };
    if grouped && spec.scopes.iter().any(at_repositories) {
        fields.fail::<()>(
            "runner_group",
            "only organisations and enterprises have runner groups; name only org: and enterprise: under scopes",
        );
    }
}

/// What runners are made from.
fn material(fields: &mut Fields<'_>, spec: &mut PoolSpec) {
    spec.backend = fields.parsed("backend", BackendName::parse).unwrap_or_default();
    spec.image = fields.parsed("image", |text| ImageName::parse(text).map(|name| name.to_string()));
    spec.pull_policy = fields.word(
        "pull_policy",
        &[
            ("missing", PullPolicy::Missing),
            ("always", PullPolicy::Always),
            ("never", PullPolicy::Never),
        ],
    );
    spec.command = fields.each("command", 1..=100, |word| match without_line_end(word) {
        word if word.contains('\0') => Err("must not hold a zero byte"),
        word => Ok(word),
    });
    spec.env = env(fields);
    if let Some(value) = fields.value("resources") {
        let at = fields.pointer("resources");
        match resources(value, &at) {
            Ok(resources) => spec.resources = resources,
            Err(errors) => drop(fields.fail_with::<()>(errors)),
        }
    }
    spec.isolation =
        fields.word("isolation", &[("strict", Isolation::Strict), ("compat", Isolation::Compat)]);
    spec.docker = fields
        .word("docker", &[("none", DockerMode::None), ("dind", DockerMode::Dind)])
        .unwrap_or_default();
}

/// A text without what a file with Windows line ends leaves behind it.
fn without_line_end(text: &str) -> String {
    text.trim_end_matches('\r').to_owned()
}

fn env(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let Some(value) = fields.value("env") else { return BTreeMap::new() };
    let Value::Object(map) = value else {
        return fields.fail("env", "must be an object of names and texts").unwrap_or_default();
    };
    let at = fields.pointer("env");
    let (mut env, mut errors) = (BTreeMap::new(), Vec::new());
    for (name, value) in map {
        let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        let unfit = |c: char| c == '=' || c.is_whitespace() || c.is_control();
        match value.as_str() {
            _ if name.is_empty() || name.contains(unfit) => {
                errors.push(error(&pointer, "is not the name of a variable"))
            }
            None => errors.push(error(&pointer, "must be a string")),
            Some(text) if text.contains('\0') => {
                errors.push(error(&pointer, "must not hold a zero byte"))
            }
            Some(text) => drop(env.insert(name.clone(), without_line_end(text))),
        }
    }
    fields.fail_with::<()>(errors);
    env
}

fn resources(value: &Value, at: &str) -> Result<Resources, Vec<FieldError>> {
    let mut fields = Fields::of(value, at)?;
    let found = Resources {
        memory: fields.parsed("memory", |text| quantity::memory(text).map(|_| text.to_owned())),
        cpus: match fields.value("cpus") {
            Some(Value::Number(number)) => match quantity::nano_cpus(&number.to_string()) {
                Ok(_) => Some(number.to_string()),
                Err(why) => fields.fail("cpus", why),
            },
            Some(_) => {
                fields.parsed("cpus", |text| quantity::nano_cpus(text).map(|_| text.to_owned()))
            }
            None => None,
        },
        pids: fields.integer("pids", 16..=4_194_304),
    };
    fields.finish()?;
    Ok(found)
}

/// How many, when, how long.
fn numbers(fields: &mut Fields<'_>, spec: &mut PoolSpec) {
    spec.min_idle = fields.integer("min_idle", 0..=MAX_POOL).unwrap_or(0);
    spec.max = fields.integer("max", 0..=MAX_POOL);
    if let Some(max) = spec.max.filter(|max| *max < spec.min_idle) {
        fields.fail::<()>("min_idle", format!("must not be more than max, which is {max}"));
    }
    spec.priority = fields.integer("priority", -1000..=1000).unwrap_or(0);
    if let Some(value) = fields.value("autoscaling") {
        let at = fields.pointer("autoscaling");
        match autoscaling(value, &at) {
            Ok(policy) => spec.autoscaling = policy,
            Err(errors) => drop(fields.fail_with::<()>(errors)),
        }
    }
    for (value, at) in fields.list("schedules", 0..=MAX_LIST).unwrap_or_default() {
        match schedule(value, &at) {
            Ok(schedule) => spec.schedules.push(schedule),
            Err(errors) => drop(fields.fail_with::<()>(errors)),
        }
    }
    spec.registration_timeout = fields.integer("registration_timeout", 10..=86_400);
    spec.idle_timeout = fields.integer("idle_timeout", 10..=YEAR);
    spec.max_lifetime = fields.integer("max_lifetime", 60..=YEAR);
    if let (Some(lifetime), Some(timeout)) = (spec.max_lifetime, spec.registration_timeout)
        && lifetime <= timeout
    {
        fields.fail::<()>("max_lifetime", "must be longer than registration_timeout");
    }
    if let Some(seconds) = fields.integer("rotation_interval", 0..=YEAR) {
        spec.rotation_interval = seconds;
        if (1..60).contains(&seconds) {
            fields.fail::<()>("rotation_interval", "must be 0 (never) or at least 60 seconds");
        }
    }
}

fn autoscaling(value: &Value, at: &str) -> Result<Autoscaling, Vec<FieldError>> {
    let mut fields = Fields::of(value, at)?;
    let ratio = match fields.value("policy") {
        None => fields.fail("policy", "is required: per-job or ratio"),
        Some(_) => fields.word("policy", &[("per-job", false), ("ratio", true)]),
    };
    let mut numbers = Ratio::default();
    if ratio == Some(true) {
        let most = MAX_POOL;
        if let Some(found) = fields.integer("jobs_per_runner", 1..=most) {
            numbers.jobs_per_runner = found;
        }
        if let Some(found) = fields.integer("scale_up_threshold", 0..=most) {
            numbers.scale_up_threshold = found;
        }
        if let Some(found) = fields.integer("scale_down_threshold", 0..=most) {
            numbers.scale_down_threshold = found;
        }
        if let Some(found) = fields.integer("cooldown", 0..=86_400) {
            numbers.cooldown = found;
        }
    }
    fields.finish()?;
    Ok(if ratio == Some(true) { Autoscaling::Ratio(numbers) } else { Autoscaling::PerJob })
}

fn schedule(value: &Value, at: &str) -> Result<Schedule, Vec<FieldError>> {
    let mut fields = Fields::of(value, at)?;
    let min_idle = match fields.value("min_idle") {
        None => fields.fail("min_idle", "is required"),
        Some(_) => fields.integer("min_idle", 0..=MAX_POOL),
    };
    let found = match fields.value("when") {
        None => fields.fail("when", "is required: five fields as crontab has them"),
        Some(_) => fields.parsed("when", |text| Schedule::new(text, min_idle.unwrap_or_default())),
    };
    let zone = fields.text("timezone");
    let found = match (found, zone) {
        (Some(schedule), Some(zone)) => match schedule.in_zone(zone) {
            Ok(schedule) => Some(schedule),
            Err(why) => fields.fail("timezone", why),
        },
        (found, _) => found,
    };
    fields.finish()?;
    found.ok_or_else(|| vec![error(at, "is no schedule")])
}

fn naming(fields: &mut Fields<'_>, spec: &mut PoolSpec) {
    let words = [("unique", Naming::Unique), ("stable", Naming::Stable)];
    spec.naming = fields.word("naming", &words).unwrap_or_default();
    spec.name_prefix = fields.parsed("name_prefix", |text| {
        // Room for the number of a place.
        let number = format!("-{MAX_POOL}");
        match RunnerName::parse(&format!("{text}{number}")) {
            Ok(_) => Ok(text.to_owned()),
            Err(InvalidName::Length(_)) => Err(format!(
                "must have at most {} characters, has {}: a number follows in the names of runners, up to {number}",
                MAX_NAME_LENGTH - number.len(),
                text.chars().count()
            )),
            Err(error) => Err(error.to_string()),
        }
    });
    if spec.name_prefix.is_some() && spec.naming != Naming::Stable {
        fields.fail::<()>("name_prefix", "goes with naming: stable");
    }
    if spec.naming == Naming::Stable && spec.max.is_none() {
        fields
            .fail::<()>("max", "is required with naming: stable: it is how many places there are");
    }
}

#[cfg(test)]
mod tests;
