//! Hooks: where events go. Source: GitHub docs, REST "Repository webhooks", "Organization webhooks", "GitHub App webhooks".

use std::collections::BTreeSet;

use crate::names::{Login, RepoSlug};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::events::What;
use super::model::Repo;
use super::{Refusal, World};

/// How a body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentType {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`, with the JSON as the field `payload`.
    #[default]
    Form,
}

/// Where a hook's events are sent, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct HookConfig {
    /// Where to; only `http://` is served, anything else fails to connect.
    pub url: String,
    /// How.
    pub content_type: ContentType,
    /// What bodies are signed with; no signature without it.
    pub secret: Option<String>,
    /// True if certificates go unchecked; kept, and of no meaning here.
    pub insecure_ssl: bool,
}

impl std::fmt::Debug for HookConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, content_type, secret, insecure_ssl } = self;
        f.debug_struct("HookConfig")
            .field("url", url)
            .field("content_type", content_type)
            .field("secret", &secret.as_ref().map(|_| "…"))
            .field("insecure_ssl", insecure_ssl)
            .finish()
    }
}

impl HookConfig {
    /// JSON to this URL, signed with this secret.
    pub fn json(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            content_type: ContentType::Json,
            secret: Some(secret.into()),
            insecure_ssl: false,
        }
    }
}

/// Whose hook it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookPlace {
    /// The repository with this id.
    Repo(u64),
    /// An organisation.
    Org(Login),
    /// The App.
    App,
}

/// How the last delivery went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastResponse {
    /// The status of the answer, if there was one.
    pub code: Option<u16>,
    /// `unused`, `active`, `misconfigured` or what went wrong.
    pub status: String,
}

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// GitHub's numeric id.
    pub id: u64,
    /// Whose it is.
    pub place: HookPlace,
    /// Where events go.
    pub config: HookConfig,
    /// Which events; `*` is every one. The App's hook has the App's.
    pub events: BTreeSet<String>,
    /// True if any are sent at all.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// How its last delivery went, if there was one.
    pub last_response: Option<LastResponse>,
}

impl Hook {
    /// True if it wants events of this name.
    pub fn wants(&self, event: &str) -> bool {
        self.active && (self.events.contains(event) || self.events.contains("*"))
    }
}

/// What a new hook of a repository or an organisation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHook {
    /// Where events go.
    pub config: HookConfig,
    /// Which events.
    pub events: BTreeSet<String>,
    /// True if any are sent at all.
    pub active: bool,
}

impl World {
    /// Every hook, oldest first.
    pub fn hooks(&self) -> impl Iterator<Item = &Hook> {
        self.hooks.values()
    }

    /// The hooks of a place, oldest first.
    pub fn hooks_of(&self, place: &HookPlace) -> impl Iterator<Item = &Hook> {
        self.hooks.values().filter(move |hook| hook.place == *place)
    }

    /// The hook with this id, if it is of this place.
    pub fn hook(&self, place: &HookPlace, id: u64) -> Result<&Hook, Refusal> {
        self.hooks.get(&id).filter(|hook| hook.place == *place).ok_or(Refusal::NotFound("hook"))
    }

    /// The App's hook, if it has one.
    pub fn app_hook(&self) -> Option<&Hook> {
        self.hooks_of(&HookPlace::App).next()
    }

    /// Makes a hook of a repository and sends it a ping.
    pub fn add_repo_hook(&mut self, slug: &RepoSlug, new: NewHook) -> Result<u64, Refusal> {
        let id = self.repo(slug).ok_or(Refusal::NotFound("repository"))?.id;
        self.add_hook(HookPlace::Repo(id), new, "repository")
    }

    /// Makes a hook of an organisation and sends it a ping.
    pub fn add_org_hook(&mut self, org: &str, new: NewHook) -> Result<u64, Refusal> {
        let login = self.org(org).ok_or(Refusal::NotFound("organization"))?.login.clone();
        self.add_hook(HookPlace::Org(login), new, "organization")
    }

    fn add_hook(&mut self, place: HookPlace, new: NewHook, what: &str) -> Result<u64, Refusal> {
        // GitHub lets hooks share a URL as long as no event goes there twice.
        let doubled = |hook: &Hook| {
            let all = |events: &BTreeSet<String>| events.contains("*");
            hook.config.url == new.config.url
                && (all(&hook.events)
                    || all(&new.events)
                    || hook.events.intersection(&new.events).next().is_some())
        };
        if self.hooks_of(&place).any(doubled) {
            return Err(Refusal::Validation(format!("Hook already exists on this {what}")));
        }
        let (id, now) = (self.next_id(), self.now());
        let NewHook { config, events, active } = new;
        let hook = Hook {
            id,
            place,
            config,
            events,
            active,
            created_at: now,
            updated_at: now,
            last_response: None,
        };
        self.hooks.insert(id, hook);
        self.tell_hook(id, What::Ping);
        Ok(id)
    }

    /// Gives the App a hook, or another configuration to the one it has; a new one is sent a ping. Answers its id.
    pub fn set_app_hook(&mut self, config: HookConfig) -> u64 {
        let (now, events) = (self.now(), self.app.events.clone());
        let known = self.app_hook().map(|hook| hook.id);
        let id = known.unwrap_or_else(|| self.next_id());
        let (place, active) = (HookPlace::App, true);
        let hook = self.hooks.entry(id).or_insert_with(|| Hook {
            id,
            place,
            config: config.clone(),
            events,
            active,
            created_at: now,
            updated_at: now,
            last_response: None,
        });
        (hook.config, hook.updated_at) = (config, now);
        if known.is_none() {
            self.tell_hook(id, What::Ping);
        }
        id
    }

    /// Sends a ping.
    pub fn ping_hook(&mut self, place: &HookPlace, id: u64) -> Result<(), Refusal> {
        self.hook(place, id)?;
        self.tell_hook(id, What::Ping);
        Ok(())
    }

    /// Deletes a hook; if it wants `meta`, that is the last it hears.
    pub fn delete_hook(&mut self, place: &HookPlace, id: u64) -> Result<(), Refusal> {
        if self.hook(place, id)?.wants("meta") {
            self.tell_hook(id, What::MetaDeleted);
        }
        self.hooks.remove(&id);
        self.forget_deliveries(id);
        Ok(())
    }

    /// Which hooks hear of an event about this repository (`None`: only the App's), unless they do not want it.
    pub(super) fn listeners(&self, event: &str, repo: Option<&Repo>) -> Vec<u64> {
        let installed = |repo: &Repo| {
            self.installation_of(repo.slug.owner())
                .is_some_and(|known| known.suspended_at.is_none() && known.holds(repo))
        };
        let hears = |hook: &Hook| match (&hook.place, repo) {
            (HookPlace::Repo(id), Some(repo)) => *id == repo.id,
            (HookPlace::Org(login), Some(repo)) => login == repo.slug.owner(),
            // Every App hears of its own installations, whatever it asked for.
            (HookPlace::App, None) => true,
            (HookPlace::App, Some(repo)) => self.app.events.contains(event) && installed(repo),
            (HookPlace::Repo(_) | HookPlace::Org(_), None) => false,
        };
        let wants = |hook: &Hook| match hook.place {
            HookPlace::App => hook.active,
            HookPlace::Repo(_) | HookPlace::Org(_) => hook.wants(event),
        };
        let found = self.hooks.values().filter(|hook| wants(hook) && hears(hook));
        found.map(|hook| hook.id).collect()
    }
}
