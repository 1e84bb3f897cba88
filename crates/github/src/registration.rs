//! Runners at GitHub: list, register, deregister.

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::foreign_text;
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::scope::{Scope, ScopeKind};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::budget::Priority;
use super::call::{Call, Who};
use super::client::{GitHubClient, PER_PAGE};
use super::error::GitHubError;
use super::wire;
use mayfly_common::registration::{Registered, RunnerId};

/// Every scope has this group; a repository has no other (REST "Self-hosted runner groups").
const DEFAULT_GROUP: i64 = 1;
/// A registration token lives an hour; it is renewed this long before.
const TOKEN_MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// A registration made for one runner, and what the runner needs to use it, once.
pub struct JitConfig {
    /// The registration.
    pub id: RunnerId,
    /// For `ACTIONS_RUNNER_INPUT_JITCONFIG`. Holds a private key.
    pub config: SecretString,
}

/// The runners of a scope, as GitHub lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runners {
    /// Those that could be read.
    pub list: Vec<Registered>,
    /// True if those are all: else one that is missing here may be there all the same.
    pub whole: bool,
}

/// What became of a registration that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deregistered {
    /// It is gone.
    Gone,
    /// GitHub keeps it: the runner is running a job.
    Busy,
}

impl GitHubClient {
    /// All runners of `scope`, ours or not.
    pub async fn registrations(&self, scope: &Scope) -> Result<Runners, GitHubError> {
        let per_page = PER_PAGE.to_string();
        let call = self.runners(scope, Priority::Demand, "", &[], &[("per_page", &per_page)])?;
        let listed = self.get_whole::<wire::Runners>(call).await?;
        // Where GitHub does not say, it is taken for one that works: nothing is ended by a field that is missing.
        let registered = |runner: wire::Runner| Registered {
            id: RunnerId(runner.id),
            name: foreign_text::name(&runner.name),
            online: runner.status.is_none_or(|status| status.eq_ignore_ascii_case("online")),
            busy: runner.busy.unwrap_or(true),
        };
        let list = listed.items.into_iter().map(registered).collect();
        Ok(Runners { list, whole: listed.unread == 0 })
    }

    /// Registers `name` for one job.
    ///
    /// Errors: [`GitHubError::Conflict`] if a runner of that name is registered there, whoever made it.
    pub async fn jit_config(
        &self,
        scope: &Scope,
        name: &RunnerName,
        labels: &LabelSet,
        group: Option<&str>,
    ) -> Result<JitConfig, GitHubError> {
        let body = json!({
            "name": name.as_str(),
            "runner_group_id": self.group_id(scope, group).await?,
            "labels": labels.to_strings(),
            "work_folder": "_work",
        });
        let call = self.runners(scope, Priority::Job, "/generate-jitconfig", &[], &[])?;
        let made: wire::Jit = self.post(&call, Some(&body)).await?;
        if made.encoded_jit_config.is_empty() {
            return Err(GitHubError::Malformed(
                "the just-in-time configuration is empty".to_owned(),
            ));
        }
        Ok(JitConfig { id: RunnerId(made.runner.id), config: made.encoded_jit_config.into() })
    }

    /// A token with which runners of `scope` register themselves. One per scope and hour.
    pub async fn registration_token(&self, scope: &Scope) -> Result<SecretString, GitHubError> {
        // Held across the request on purpose: ten runners that start at once share one token.
        let known = self.tokens.of(scope).await;
        let mut known = known.lock().await;
        let fresh_until = self.now().saturating_add(TOKEN_MARGIN).unwrap_or(Timestamp::MAX);
        if let Some((token, _)) = known.as_ref().filter(|(_, expires_at)| *expires_at > fresh_until)
        {
            return Ok(token.clone());
        }
        let call = self.runners(scope, Priority::Job, "/registration-token", &[], &[])?;
        let made: wire::Token = self.post(&call, None).await?;
        let token = SecretString::from(made.token);
        if token.expose_secret().is_empty() {
            return Err(GitHubError::Malformed("the registration token is empty".to_owned()));
        }
        *known = Some((token.clone(), made.expires_at));
        Ok(token)
    }

    /// Deletes a registration. Deleting one that is gone is a success.
    pub async fn deregister(
        &self,
        scope: &Scope,
        id: RunnerId,
    ) -> Result<Deregistered, GitHubError> {
        let id = id.0.to_string();
        let call = self.runners(scope, Priority::Job, "/{runner_id}", &[&id], &[])?;
        match self.delete(&call).await {
            Ok(()) | Err(GitHubError::NotFound) => Ok(Deregistered::Gone),
            Err(GitHubError::Invalid(_)) => Ok(Deregistered::Busy),
            Err(error) => Err(error),
        }
    }

    async fn group_id(&self, scope: &Scope, group: Option<&str>) -> Result<i64, GitHubError> {
        let Some(name) = group else { return Ok(DEFAULT_GROUP) };
        let (who, route, owner) = match scope {
            Scope::Repo(_) => return Ok(DEFAULT_GROUP),
            Scope::Org(org) => {
                (Who::Owner(org.clone()), "/orgs/{org}/actions/runner-groups", org.as_str())
            }
            Scope::Enterprise(slug) => {
                self.no_app_for_enterprises()?;
                (Who::User, "/enterprises/{enterprise}/actions/runner-groups", slug.as_str())
            }
        };
        let key = name.to_lowercase();
        let groups = self.groups.of(scope).await;
        let mut groups = groups.lock().await;
        let mut unread = 0;
        if !groups.contains_key(&key) {
            let query = [("per_page", &*PER_PAGE.to_string())];
            let call = self.call(who, Priority::Job, route, &[owner], &query);
            let found = self.get_whole::<wire::RunnerGroups>(call).await?;
            unread = found.unread;
            let found = found.items.into_iter().map(|group| (group.name.to_lowercase(), group.id));
            *groups = found.collect();
        }
        groups.get(&key).copied().ok_or_else(|| {
            GitHubError::Invalid(if unread == 0 {
                format!("{owner} has no runner group named {name}")
            } else {
                format!("{owner} has no runner group named {name} among those that can be read; {unread} cannot be")
            })
        })
    }

    /// GitHub lets no App manage an enterprise's runners (REST "Self-hosted runners", "for an enterprise").
    fn no_app_for_enterprises(&self) -> Result<(), GitHubError> {
        if self.is_app() {
            return Err(GitHubError::Forbidden(
                "a GitHub App cannot manage the runners of an enterprise; it takes a classic token with the scope manage_runners:enterprise"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// A request below `…/actions/runners` of a scope.
    fn runners(
        &self,
        scope: &Scope,
        priority: Priority,
        below: &str,
        values: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Call, GitHubError> {
        if matches!(scope, Scope::Enterprise(_)) {
            self.no_app_for_enterprises()?;
        }
        let (who, owner): (Who, Vec<&str>) = match scope {
            Scope::Repo(slug) => {
                (Who::Owner(slug.owner().clone()), vec![slug.owner().as_str(), slug.name()])
            }
            Scope::Org(login) => (Who::Owner(login.clone()), vec![login.as_str()]),
            Scope::Enterprise(slug) => (Who::User, vec![slug.as_str()]),
        };
        let values: Vec<&str> = owner.into_iter().chain(values.iter().copied()).collect();
        Ok(self.call(who, priority, route(scope.kind(), below), &values, query))
    }
}

/// The routes below `…/actions/runners`, as GitHub's documentation writes them.
fn route(kind: ScopeKind, below: &str) -> &'static str {
    match (kind, below) {
        (ScopeKind::Repo, "/generate-jitconfig") => {
            "/repos/{owner}/{repo}/actions/runners/generate-jitconfig"
        }
        (ScopeKind::Repo, "/registration-token") => {
            "/repos/{owner}/{repo}/actions/runners/registration-token"
        }
        (ScopeKind::Repo, "/{runner_id}") => "/repos/{owner}/{repo}/actions/runners/{runner_id}",
        (ScopeKind::Repo, _) => "/repos/{owner}/{repo}/actions/runners",
        (ScopeKind::Org, "/generate-jitconfig") => "/orgs/{org}/actions/runners/generate-jitconfig",
        (ScopeKind::Org, "/registration-token") => "/orgs/{org}/actions/runners/registration-token",
        (ScopeKind::Org, "/{runner_id}") => "/orgs/{org}/actions/runners/{runner_id}",
        (ScopeKind::Org, _) => "/orgs/{org}/actions/runners",
        (ScopeKind::Enterprise, "/generate-jitconfig") => {
            "/enterprises/{enterprise}/actions/runners/generate-jitconfig"
        }
        (ScopeKind::Enterprise, "/registration-token") => {
            "/enterprises/{enterprise}/actions/runners/registration-token"
        }
        (ScopeKind::Enterprise, "/{runner_id}") => {
            "/enterprises/{enterprise}/actions/runners/{runner_id}"
        }
        (ScopeKind::Enterprise, _) => "/enterprises/{enterprise}/actions/runners",
    }
}
