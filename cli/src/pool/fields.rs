//! The options that describe a pool.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::failure::Failure;

/// What a pool is to be. What is not named stays, or is as the orchestrator's environment says.
#[derive(Debug, Args)]
pub(super) struct Fields {
    /// Whose jobs: discovered, repo:OWNER/NAME (with * and ?), org:LOGIN, enterprise:SLUG. Repeat it, or separate by commas.
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// The same for repositories: OWNER/NAME.
    #[arg(long = "repo", value_name = "OWNER/NAME", value_delimiter = ',')]
    repos: Vec<String>,
    /// The runners' labels, separated by commas. `self-hosted` is added.
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    labels: Vec<String>,
    /// Their runner group (organisations and enterprises).
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// What they are made from.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// When the image is pulled.
    #[arg(long, value_enum)]
    pull_policy: Option<PullPolicy>,
    /// A variable for the runners, NAME=TEMPLATE. Repeat it for more; all of them are set anew.
    #[arg(long = "env", value_name = "NAME=TEMPLATE")]
    env: Vec<String>,
    /// The configured backend that makes their machines.
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Memory of each, such as 4g.
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Processors of each, such as 2 or 0.5.
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<String>,
    /// How tightly they are confined.
    #[arg(long, value_enum)]
    isolation: Option<Isolation>,
    /// What their jobs have of Docker: nothing, or an engine of their own beside each runner.
    #[arg(long, value_enum)]
    docker: Option<Docker>,
    /// How many wait for a job at any time.
    #[arg(long = "min", visible_alias = "min-idle", alias = "min-runners", value_name = "COUNT")]
    min: Option<u32>,
    /// Most runners.
    #[arg(long = "max", alias = "max-runners", value_name = "COUNT")]
    max: Option<u32>,
    /// Which pool goes first where several fit: the higher.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    priority: Option<i32>,
    /// Seconds that a runner nobody needs stays.
    #[arg(long, value_name = "SECONDS")]
    idle_timeout: Option<u32>,
    /// Seconds after which a waiting runner is replaced; 0 never.
    #[arg(long, value_name = "SECONDS")]
    rotation_interval: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PullPolicy {
    Missing,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Isolation {
    Strict,
    Compat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Docker {
    None,
    Dind,
}

impl Fields {
    /// What is named, as the API takes it.
    pub(super) fn patch(&self) -> Result<Value, Failure> {
        let mut patch = json!({});
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                patch[name] = value;
            }
        };
        let repos = self.repos.iter().map(|repo| format!("repo:{repo}"));
        let scopes: Vec<String> = self.scopes.iter().cloned().chain(repos).collect();
        set("scopes", (!scopes.is_empty()).then(|| scopes.into()));
        let mut labels = self.labels.clone();
        // Whoever writes runs-on: [self-hosted, …] means it so.
        if !labels.is_empty()
            && !labels.iter().any(|label| label.eq_ignore_ascii_case("self-hosted"))
        {
            labels.insert(0, "self-hosted".to_owned());
        }
        set("labels", (!labels.is_empty()).then(|| labels.into()));
        set("runner_group", self.group.clone().map(Value::from));
        set("backend", self.backend.clone().map(Value::from));
        set("image", self.image.clone().map(Value::from));
        let word =
            |value: &dyn std::fmt::Debug| Value::from(format!("{value:?}").to_ascii_lowercase());
        set("pull_policy", self.pull_policy.as_ref().map(|policy| word(policy)));
        set("isolation", self.isolation.as_ref().map(|isolation| word(isolation)));
        set("docker", self.docker.as_ref().map(|docker| word(docker)));
        let mut env = serde_json::Map::new();
        for pair in &self.env {
            let (name, template) = pair
                .split_once('=')
                .ok_or_else(|| Failure::Usage(format!("--env {pair:?}: write NAME=TEMPLATE")))?;
            env.insert(name.to_owned(), template.into());
        }
        set("env", (!env.is_empty()).then(|| Value::Object(env)));
        let mut resources = json!({});
        if let Some(memory) = &self.memory {
            resources["memory"] = memory.as_str().into();
        }
        if let Some(cpus) = &self.cpus {
            resources["cpus"] = cpus.as_str().into();
        }
        set(
            "resources",
            resources.as_object().is_some_and(|some| !some.is_empty()).then_some(resources),
        );
        set("min_idle", self.min.map(Value::from));
        set("max", self.max.map(Value::from));
        set("priority", self.priority.map(Value::from));
        set("idle_timeout", self.idle_timeout.map(Value::from));
        set("rotation_interval", self.rotation_interval.map(Value::from));
        Ok(patch)
    }
}
