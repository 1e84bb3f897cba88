//! Runners at GitHub: list, register, deregister.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::scope::{Login, Scope};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::sync::Mutex;

use super::client::{GitHubClient, PER_PAGE};
use super::error::GitHubError;
use super::wire;
use crate::model::{Registered, RunnerId};

/// Every scope has this group; a repository has no other (REST "Self-hosted runner groups").
const DEFAULT_GROUP: i64 = 1;
/// A registration token lives an hour; it is renewed this long before.
const TOKEN_MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// Registration tokens by scope.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<Scope, (SecretString, Timestamp)>>);

/// Ids of runner groups by organisation and lower-case name.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<(Login, String), i64>>);

/// A registration made for one runner, and what the runner needs to use it, once.
pub struct JitConfig {
    /// The registration.
    pub id: RunnerId,
    /// For `ACTIONS_RUNNER_INPUT_JITCONFIG`. Holds a private key.
    pub config: SecretString,
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
    pub async fn registrations(&self, scope: &Scope) -> Result<Vec<Registered>, GitHubError> {
        let url = self.runners(scope, &[], &[("per_page", &PER_PAGE.to_string())]);
        let registered = |runner: wire::Runner| Registered {
            id: RunnerId(runner.id),
            name: runner.name,
            online: runner.status.eq_ignore_ascii_case("online"),
            busy: runner.busy,
        };
        self.get_all(url, |page: wire::Runners| page.runners.into_iter().map(registered).collect())
            .await
    }

    /// Registers `name` for one job. A leftover registration of that name is replaced if it is offline and idle.
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
        let url = self.runners(scope, &["generate-jitconfig"], &[]);
        let made: wire::Jit = match self.post(&url, Some(&body)).await {
            Err(GitHubError::Conflict(message)) => {
                self.clear_name(scope, name, message).await?;
                self.post(&url, Some(&body)).await?
            }
            outcome => outcome?,
        };
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
        let mut tokens = self.tokens.0.lock().await;
        let fresh_until = self.now().saturating_add(TOKEN_MARGIN).unwrap_or(Timestamp::MAX);
        if let Some((token, _)) =
            tokens.get(scope).filter(|(_, expires_at)| *expires_at > fresh_until)
        {
            return Ok(token.clone());
        }
        let made: wire::Token =
            self.post(&self.runners(scope, &["registration-token"], &[]), None).await?;
        let token = SecretString::from(made.token);
        if token.expose_secret().is_empty() {
            return Err(GitHubError::Malformed("the registration token is empty".to_owned()));
        }
        tokens.insert(scope.clone(), (token.clone(), made.expires_at));
        Ok(token)
    }

    /// Deletes a registration. Deleting one that is gone is a success.
    pub async fn deregister(
        &self,
        scope: &Scope,
        id: RunnerId,
    ) -> Result<Deregistered, GitHubError> {
        match self.delete(&self.runners(scope, &[&id.0.to_string()], &[])).await {
            Ok(()) | Err(GitHubError::NotFound) => Ok(Deregistered::Gone),
            Err(GitHubError::Invalid(_)) => Ok(Deregistered::Busy),
            Err(error) => Err(error),
        }
    }

    async fn clear_name(
        &self,
        scope: &Scope,
        name: &RunnerName,
        message: String,
    ) -> Result<(), GitHubError> {
        let list = self.registrations(scope).await?;
        let same =
            list.iter().find(|registered| registered.name.eq_ignore_ascii_case(name.as_str()));
        match same {
            Some(found) if !found.online && !found.busy => {
                self.deregister(scope, found.id).await.map(|_| ())
            }
            Some(_) => {
                Err(GitHubError::Conflict(format!("a runner named {name} is online there already")))
            }
            None => Err(GitHubError::Conflict(message)),
        }
    }

    async fn group_id(&self, scope: &Scope, group: Option<&str>) -> Result<i64, GitHubError> {
        let (Scope::Org(org), Some(name)) = (scope, group) else { return Ok(DEFAULT_GROUP) };
        let key = (org.clone(), name.to_lowercase());
        let mut groups = self.groups.0.lock().await;
        if !groups.contains_key(&key) {
            let query = [("per_page", &*PER_PAGE.to_string())];
            let url = self.url(&["orgs", org.as_str(), "actions", "runner-groups"], &query);
            let found = self.get_all(url, |page: wire::RunnerGroups| page.runner_groups).await?;
            groups.retain(|(owner, _), _| owner != org);
            groups.extend(
                found.into_iter().map(|group| ((org.clone(), group.name.to_lowercase()), group.id)),
            );
        }
        groups
            .get(&key)
            .copied()
            .ok_or_else(|| GitHubError::Invalid(format!("{org} has no runner group named {name}")))
    }

    /// A URL below `…/actions/runners` of a scope.
    fn runners(&self, scope: &Scope, rest: &[&str], query: &[(&str, &str)]) -> Url {
        let mut segments = match scope {
            Scope::Repo(slug) => vec!["repos", slug.owner().as_str(), slug.name()],
            Scope::Org(login) => vec!["orgs", login.as_str()],
        };
        segments.extend(["actions", "runners"]);
        segments.extend(rest);
        self.url(&segments, query)
    }
}
