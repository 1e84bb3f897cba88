//! Starts a runner: register, render the environment, create and start the container.
//!
//! Invariant: a registration is used once, and never outlives a launch that is known to have failed. Where the engine did not
//! answer, the runner may be there: the next pass sees it, or the sweep finds its registration alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use mayfly_common::name::RunnerName;
use mayfly_common::scope::Scope;
use tracing::warn;

use super::outcome::ActionError;
use super::registrar::{Credentials, Registrar};
use crate::backends::Backends;
use crate::book::Book;
use mayfly_backend::bootstrap::Bootstrap;
use mayfly_backend::spec::MachineSpec;
use mayfly_backend::{Backend, BackendError};
use mayfly_common::identity::RunnerIdentity;
use mayfly_common::machine::MachineRef;
use mayfly_common::material::Material;
use mayfly_common::registration::RunnerId;
use mayfly_github::GitHubClient;
use mayfly_planner::Launch;
use mayfly_settings::pool::Pool;
use mayfly_settings::template::Value;
use mayfly_settings::{Config, Registration};

/// The variable from which the official runner takes a just-in-time configuration.
const JIT_VARIABLE: &str = "ACTIONS_RUNNER_INPUT_JITCONFIG";
/// Asks the official runner to end with exit code 7, not 0, when GitHub refuses its version (actions/runner issue 4285).
const VERSION_VARIABLE: &str = "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE";

/// Starts runners.
pub(super) struct Launcher {
    config: Config,
    book: Arc<Book>,
    backends: Arc<Backends>,
    github: Arc<GitHubClient>,
    registrar: Registrar,
}

/// A runner that was not started, as far as anybody knows.
#[derive(Debug)]
pub(super) struct NotLaunched {
    pub(super) error: ActionError,
    /// Its registration, which a sweep deletes if it stays offline.
    pub(super) left: Option<RunnerId>,
}

impl<E: Into<ActionError>> From<E> for NotLaunched {
    fn from(error: E) -> Self {
        Self { error: error.into(), left: None }
    }
}

impl Launcher {
    pub(super) fn new(
        config: &Config,
        book: Arc<Book>,
        backends: Arc<Backends>,
        github: Arc<GitHubClient>,
    ) -> Self {
        let registrar = Registrar::new(Arc::clone(&github));
        Self { config: config.clone(), book, backends, github, registrar }
    }

    /// Starts one runner, or leaves nothing behind. If the backend cannot be reached, the runner may be there and keeps its registration.
    pub(super) async fn launch(&self, launch: &Launch, now: Timestamp) -> Result<(), NotLaunched> {
        let pool = self.book.material_of(&launch.pool);
        // Before anything is made that would have to be taken back.
        let installation = self.backends.installation().await?;
        let backend = &self.backends.of(&launch.backend)?.actions;
        let credentials = self.registrar.register(launch, pool.registration).await?;
        let id = credentials.id;
        let Material { image, command, profile, fingerprint } = pool.material.clone();
        // The pool may have been changed since the plan was made: the machine says what it is made from.
        let identity = RunnerIdentity {
            installation,
            github_id: id,
            image,
            fingerprint: Some(fingerprint),
            ..launch.identity.clone().created_at(now)
        };
        let (environment, bootstrap) =
            self.environment(launch, &pool, credentials, &identity.installation, now);
        let spec = MachineSpec { identity, bootstrap, command, profile, environment };
        let Err(error) = backend.create(&spec).await else { return Ok(()) };
        let left = self.clear_up(&launch.name, &launch.scope, id, &error).await;
        Err(NotLaunched { error: error.into(), left })
    }

    /// Starts a runner that was created and has waited for its Docker engine, or leaves nothing behind. `id`: its registration.
    pub(super) async fn start(
        &self,
        machine: &MachineRef,
        scope: &Scope,
        id: Option<RunnerId>,
    ) -> Result<(), ActionError> {
        let started = match self.backends.of(&machine.backend) {
            Ok(one) => one.actions.start(machine).await,
            Err(error) => Err(error),
        };
        let Err(error) = started else { return Ok(()) };
        self.clear_up(&machine.name, scope, id, &error).await;
        Err(error.into())
    }

    /// Deletes the registration of a runner that was not started, unless the backend cannot be reached and the runner may run. Answers
    /// with the registration that is left.
    async fn clear_up(
        &self,
        name: &RunnerName,
        scope: &Scope,
        id: Option<RunnerId>,
        error: &BackendError,
    ) -> Option<RunnerId> {
        let id = id?;
        if matches!(error, BackendError::Unreachable { .. }) {
            return Some(id);
        }
        let second = self.github.deregister(scope, id).await.err()?;
        warn!(runner = %name, "registration of a runner that was not started is left for the sweep: {second}");
        Some(id)
    }

    /// Undoes a launch. A registration of that name that belongs to another runner stays.
    pub(super) async fn withdraw(&self, launch: &Launch) -> Result<(), ActionError> {
        let backend = &self.backends.of(&launch.backend)?.actions;
        let machines = backend.list().await?;
        let Some(made) = machines.into_iter().find(|one| one.name == launch.name) else {
            return Ok(());
        };
        let id =
            match made.github_id {
                Some(id) => Some(id),
                // It registers itself, under its name.
                None => self.github.registrations(&launch.scope).await?.list.into_iter().find_map(
                    |one| one.name.eq_ignore_ascii_case(launch.name.as_str()).then_some(one.id),
                ),
            };
        if let Some(id) = id {
            self.github.deregister(&launch.scope, id).await?;
        }
        Ok(backend.delete(&made.reference()).await?)
    }

    /// The variables of the runner's main process, and those that hold its credential.
    fn environment(
        &self,
        launch: &Launch,
        pool: &Pool,
        credentials: Credentials,
        installation: &str,
        now: Timestamp,
    ) -> (Vec<(String, String)>, Bootstrap) {
        let templates = &pool.environment;
        let mut variables: BTreeMap<String, Value> = BTreeMap::new();
        if credentials.placeholder == "jit_config" {
            variables.insert(VERSION_VARIABLE.to_owned(), Value::Plain("1".to_owned()));
            if !templates.values().any(|template| template.uses("jit_config")) {
                let configuration = Value::Secret(credentials.secret.clone());
                variables.insert(JIT_VARIABLE.to_owned(), configuration);
            }
        }
        let mut values = self.values(launch, pool, installation, now);
        values.insert(credentials.placeholder, Value::Secret(credentials.secret));
        variables.extend(
            templates.iter().map(|(name, template)| (name.clone(), template.render(&values))),
        );
        if pool.registration == Registration::Token {
            // The request's word overrules what a template says to every runner. In the myoung34 image RUNNER_LABELS wins.
            if launch.explicit_labels {
                let labels = Value::Plain(launch.labels.to_string());
                variables.insert("RUNNER_LABELS".to_owned(), labels);
            }
            if let Some(group) = &launch.group {
                variables.insert("RUNNER_GROUP".to_owned(), Value::Plain(group.clone()));
            }
        }
        let (mut plain, mut secret) = (Vec::new(), Vec::new());
        for (name, value) in variables {
            match value {
                Value::Plain(value) => plain.push((name, value)),
                Value::Secret(value) => secret.push((name, value)),
            }
        }
        (plain, Bootstrap::new(secret))
    }

    /// What the placeholders stand for in this runner; the credential is added by the caller.
    fn values(
        &self,
        launch: &Launch,
        pool: &Pool,
        installation: &str,
        now: Timestamp,
    ) -> BTreeMap<&'static str, Value> {
        let (config, shown) = (&self.config, &self.config.shown);
        let (owner, repo) = match &launch.scope {
            Scope::Repo(slug) => (slug.owner().to_string(), slug.name().to_owned()),
            Scope::Org(login) => ("unknown".to_owned(), login.to_string()),
            Scope::Enterprise(slug) => ("unknown".to_owned(), slug.to_string()),
        };
        let pairs = [
            ("api_gateway_port", shown.api_gateway_port.to_string()),
            ("cache_url", config.runner.cache_url.clone()),
            ("docker_network", config.network.clone()),
            ("hostname", shown.hostname.clone()),
            ("labels", launch.labels.to_string()),
            ("orchestrator_id", installation.to_owned()),
            ("orchestrator_port", config.listen.port().to_string()),
            ("registry_url", shown.registry.clone()),
            ("repo_full_name", launch.scope.name()),
            ("repo_name", repo),
            ("repo_owner", owner),
            ("runner_group", launch.group.clone().unwrap_or_else(|| "Default".to_owned())),
            ("runner_image", pool.material.image.clone()),
            ("runner_name", launch.name.to_string()),
            ("scope_name", launch.scope.name()),
            ("timestamp", now.as_second().to_string()),
            ("timestamp_date", now.strftime("%Y-%m-%d").to_string()),
            ("timestamp_iso", now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ("timestamp_time", now.strftime("%H-%M-%S").to_string()),
            ("user_login", shown.user_login.clone()),
        ];
        pairs.into_iter().map(|(name, value)| (name, Value::Plain(value))).collect()
    }
}

#[cfg(test)]
mod tests;
