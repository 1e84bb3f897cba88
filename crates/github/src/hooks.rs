//! Webhooks at GitHub: where deliveries go, what became of them, and asking for one again (REST "Repository webhooks",
//! "Organization webhooks", "GitHub App webhooks").
//!
//! A hook's secret goes to GitHub and never comes back: GitHub only tells that there is one.

mod address;
mod hook;
#[cfg(test)]
pub(super) mod tests;
mod wire;

use http::Method;
use jiff::Timestamp;
use mayfly_common::lenient::List;
use mayfly_common::scope::{Login, RepoSlug};
use mayfly_common::webhook::HookTarget;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::budget::Priority;
use super::call::{Call, Who};
use super::client::{GitHubClient, PER_PAGE};
use super::error::GitHubError;

pub use address::{HookUrl, InvalidHookUrl};
pub use hook::{Hook, HookConfig, HookDelivery};

/// The events that the platform reads and that have to be asked for; an App hears of its installations anyway.
pub const EVENTS: [&str; 3] = ["workflow_job", "push", "repository"];
/// Most pages of deliveries that are read at a time: a thousand deliveries.
const MAX_PAGES: u32 = 10;

/// Whose hook it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookPlace {
    /// A repository.
    Repo(RepoSlug),
    /// An organisation: hears of all its repositories.
    Org(Login),
    /// The App that we are: hears of everything it is installed on.
    App,
}

/// A hook that can be asked for its deliveries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownHook {
    /// GitHub's id. An App has one hook only, which is asked for without it.
    pub id: i64,
    /// Whose it is.
    pub place: HookPlace,
}

/// A hook that is to be.
#[derive(Debug, Clone, Copy)]
pub struct NewHook<'a> {
    /// Where it sends.
    pub url: &'a HookUrl,
    /// What it signs with.
    pub secret: &'a SecretString,
    /// Which events; an App's are set on its page alone.
    pub events: &'a [&'a str],
}

/// Deliveries, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deliveries {
    /// What was read.
    pub list: Vec<HookDelivery>,
    /// True if that is everything in the time asked for. A page can be cut off: at most a thousand are read.
    pub complete: bool,
}

impl HookDelivery {
    /// True if the receiver took it.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status_code)
    }
}

impl Hook {
    /// The events of `wanted` that it does not send.
    pub fn missing<'a>(&self, wanted: &[&'a str]) -> Vec<&'a str> {
        let sent = |event: &str| self.events.iter().any(|one| one == event || one == "*");
        wanted.iter().copied().filter(|event| !sent(event)).collect()
    }
}

impl KnownHook {
    /// The hook that a delivery's headers and payload name; none where they do not say enough, or it is an enterprise's.
    pub fn named(id: i64, target: HookTarget, name: Option<&str>) -> Option<Self> {
        let place = match target {
            HookTarget::Repository => HookPlace::Repo(RepoSlug::parse(name?).ok()?),
            HookTarget::Organization => HookPlace::Org(Login::parse(name?).ok()?),
            HookTarget::Integration => HookPlace::App,
            HookTarget::Business => return None,
        };
        Some(Self { id, place })
    }
}

impl std::fmt::Display for HookPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Repo(slug) => write!(f, "repository {slug}"),
            Self::Org(login) => write!(f, "organisation {login}"),
            Self::App => f.write_str("App"),
        }
    }
}

/// Where one thing is asked for, at each place.
struct Routes {
    repo: &'static str,
    org: &'static str,
    app: Option<&'static str>,
}

const HOOKS: Routes =
    Routes { repo: "/repos/{owner}/{repo}/hooks", org: "/orgs/{org}/hooks", app: None };
const HOOK: Routes = Routes {
    repo: "/repos/{owner}/{repo}/hooks/{hook_id}",
    org: "/orgs/{org}/hooks/{hook_id}",
    app: None,
};
const PINGS: Routes = Routes {
    repo: "/repos/{owner}/{repo}/hooks/{hook_id}/pings",
    org: "/orgs/{org}/hooks/{hook_id}/pings",
    app: None,
};
const DELIVERIES: Routes = Routes {
    repo: "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries",
    org: "/orgs/{org}/hooks/{hook_id}/deliveries",
    app: Some("/app/hook/deliveries"),
};
const ATTEMPTS: Routes = Routes {
    repo: "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}/attempts",
    org: "/orgs/{org}/hooks/{hook_id}/deliveries/{delivery_id}/attempts",
    app: Some("/app/hook/deliveries/{delivery_id}/attempts"),
};
const APP: &str = "/app";
const APP_CONFIG: &str = "/app/hook/config";

impl GitHubClient {
    /// The hooks of a place; of the App the one it has, or none where it has no URL.
    ///
    /// Errors: also [`GitHubError::Forbidden`] for the App's where we are not the App.
    pub async fn hooks(&self, place: &HookPlace) -> Result<Vec<Hook>, GitHubError> {
        if *place == HookPlace::App {
            let config: wire::Config = self.get(&self.app_call(APP_CONFIG)?).await?;
            let app: wire::App = self.get(&self.app_call(APP)?).await?;
            let config = config.into_config();
            let hook = Hook { id: None, active: None, events: app.events, config };
            return Ok(Some(hook).filter(|hook| hook.config.url.is_some()).into_iter().collect());
        }
        let query = [("per_page", &*PER_PAGE.to_string())];
        let call = self.hook_call(place, &HOOKS, None, &[], &query, Priority::Demand)?;
        let found = self.get_all::<List<wire::Hook>>(call).await?;
        Ok(found.into_iter().map(wire::Hook::into_hook).collect())
    }

    /// The events the App gets, whether or not its hook has a URL.
    pub async fn app_events(&self) -> Result<Vec<String>, GitHubError> {
        Ok(self.get::<wire::App>(&self.app_call(APP)?).await?.events)
    }

    /// Makes a hook of a repository or an organisation. GitHub pings it by itself.
    ///
    /// Errors: also [`GitHubError::Invalid`] where one sends the same events to the same URL already.
    pub async fn create_hook(
        &self,
        place: &HookPlace,
        new: NewHook<'_>,
    ) -> Result<KnownHook, GitHubError> {
        let body = json!({
            "name": "web",
            "active": true,
            "events": new.events,
            "config": config_body(new),
        });
        let call = self.hook_call(place, &HOOKS, None, &[], &[], Priority::Demand)?;
        let made: wire::Hook = self.post(&call, Some(&body)).await?;
        Ok(KnownHook { id: made.id, place: place.clone() })
    }

    /// Sets where the App's hook sends and what it signs with (REST "Update a webhook configuration for an app"). Its events and
    /// whether it sends at all are set on the App's page.
    pub async fn set_app_hook(&self, new: NewHook<'_>) -> Result<(), GitHubError> {
        let body = config_body(new);
        self.order(Method::PATCH, &self.app_call(APP_CONFIG)?, Some(&body)).await
    }

    /// Deletes a hook of a repository or an organisation. Deleting one that is gone is a success.
    pub async fn delete_hook(&self, hook: &KnownHook) -> Result<(), GitHubError> {
        let call = self.hook_call(&hook.place, &HOOK, Some(hook.id), &[], &[], Priority::Demand)?;
        match self.delete(&call).await {
            Err(GitHubError::NotFound) => Ok(()),
            outcome => outcome,
        }
    }

    /// Asks GitHub to ping a hook of a repository or an organisation.
    pub async fn ping_hook(&self, hook: &KnownHook) -> Result<(), GitHubError> {
        let call =
            self.hook_call(&hook.place, &PINGS, Some(hook.id), &[], &[], Priority::Demand)?;
        self.order(Method::POST, &call, None).await
    }

    /// What a hook delivered since `since`, newest first, and a little of what was before; at most a thousand.
    ///
    /// GitHub lists a delivery only when it has ended, and forgets it after some days.
    pub async fn deliveries(
        &self,
        hook: &KnownHook,
        since: Timestamp,
        priority: Priority,
    ) -> Result<Deliveries, GitHubError> {
        let query = [("per_page", &*PER_PAGE.to_string())];
        let mut call =
            self.hook_call(&hook.place, &DELIVERIES, Some(hook.id), &[], &query, priority)?;
        let mut found = Deliveries::default();
        for page in 1..=MAX_PAGES {
            let (read, next) = self.get_page::<wire::Deliveries>(&call, page).await?;
            found.list.extend(read.into_deliveries());
            let reached = found.list.last().is_some_and(|oldest| oldest.delivered_at < since);
            let Some(next) = next.filter(|_| !reached) else {
                found.complete = true;
                break;
            };
            call = call.at(next);
        }
        // A page that grows while it is read shows some twice.
        let mut seen = std::collections::BTreeSet::new();
        found.list.retain(|delivery| seen.insert(delivery.id));
        Ok(found)
    }

    /// Asks GitHub to deliver once more. That is a new delivery with the same GUID.
    pub async fn redeliver(
        &self,
        hook: &KnownHook,
        delivery: i64,
        priority: Priority,
    ) -> Result<(), GitHubError> {
        let id = delivery.to_string();
        let call = self.hook_call(&hook.place, &ATTEMPTS, Some(hook.id), &[&id], &[], priority)?;
        self.order(Method::POST, &call, None).await
    }

    fn app_call(&self, route: &'static str) -> Result<Call, GitHubError> {
        self.only_as_app()?;
        Ok(self.call(Who::App, Priority::Demand, route, &[], &[]))
    }

    fn hook_call(
        &self,
        place: &HookPlace,
        routes: &Routes,
        hook: Option<i64>,
        more: &[&str],
        query: &[(&str, &str)],
        priority: Priority,
    ) -> Result<Call, GitHubError> {
        let hook = hook.map(|id| id.to_string());
        let (who, route, mut values) = match place {
            HookPlace::Repo(slug) => {
                let values = vec![slug.owner().as_str(), slug.name()];
                (Who::Owner(slug.owner().clone()), routes.repo, values)
            }
            HookPlace::Org(org) => (Who::Owner(org.clone()), routes.org, vec![org.as_str()]),
            HookPlace::App => {
                self.only_as_app()?;
                let route = routes.app.ok_or_else(|| {
                    GitHubError::Invalid("this is done on the App's page at GitHub only".to_owned())
                })?;
                (Who::App, route, Vec::new())
            }
        };
        if *place != HookPlace::App {
            values.extend(hook.as_deref());
        }
        values.extend(more);
        Ok(self.call(who, priority, route, &values, query))
    }

    /// A user's token is not even sent there: GitHub would answer 401, as it does to a token that is wrong altogether.
    fn only_as_app(&self) -> Result<(), GitHubError> {
        if self.is_app() {
            return Ok(());
        }
        Err(GitHubError::Forbidden(
            "an App's hook is shown to the App alone, not to a user's token".to_owned(),
        ))
    }
}

fn config_body(new: NewHook<'_>) -> serde_json::Value {
    json!({
        "url": new.url.as_str(),
        "content_type": "json",
        "insecure_ssl": "0",
        "secret": new.secret.expose_secret(),
    })
}
