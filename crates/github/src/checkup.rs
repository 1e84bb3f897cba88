//! The credential, checked once: who we are, how much we may ask, and which permission is missing for what we are to do.
//!
//! Invariants: it asks and changes nothing; whatever GitHub answers, also that it is away, becomes a [`Finding`]; no finding holds
//! a credential. What a permission is for is judged in `judge`, which is pure.

mod judge;
mod probe;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use mayfly_common::lenient;
use mayfly_common::scope::{EnterpriseSlug, RepoSlug};
use serde::{Deserialize, Serialize};

use super::budget::Priority;
use super::call::Who;
use super::client::GitHubClient;
use super::error::GitHubError;
use super::repositories::DiscoveryMode;
use mayfly_planner::filter::Filter;

/// Clocks that differ by this many seconds are worth a warning.
const SKEW: i64 = 30;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Something will not work, or not for long.
    Warning,
    /// Jobs will not get runners.
    Failure,
}

/// One thing that was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How serious it is.
    pub level: Level,
    /// What it is, in words.
    pub what: String,
    /// What to do about it, and where.
    pub hint: Option<String>,
}

impl Finding {
    pub(super) fn new(level: Level, what: impl Into<String>) -> Self {
        Self { level, what: what.into(), hint: None }
    }

    pub(super) fn ok(what: impl Into<String>) -> Self {
        Self::new(Level::Ok, what)
    }

    pub(super) fn warning(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::new(Level::Warning, what) }
    }

    pub(super) fn failure(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::new(Level::Failure, what) }
    }
}

/// What the configuration asks of the credential.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whose repositories are served.
    pub discovery: DiscoveryMode,
    /// Which of them.
    pub filter: Filter,
    /// A repository to try permissions on; none means one that is found.
    pub repository: Option<RepoSlug>,
    /// True if hooks are to be installed and looked after.
    pub hooks: bool,
    /// The enterprise in which runners are to be registered, too.
    pub enterprise: Option<EnterpriseSlug>,
}

impl Wanted {
    /// What is asked for these repositories, without hooks and without an enterprise.
    pub fn new(discovery: DiscoveryMode, filter: Filter) -> Self {
        Self { discovery, filter, repository: None, hooks: false, enterprise: None }
    }
}

/// `GET /user`.
#[derive(Deserialize)]
struct User {
    login: String,
}

/// `GET /app`.
#[derive(Deserialize)]
struct App {
    #[serde(default, deserialize_with = "lenient::or_default")]
    slug: String,
    #[serde(default, deserialize_with = "lenient::texts")]
    events: Vec<String>,
}

impl GitHubClient {
    /// Finds out what the credential is and can do. A handful of requests, none of which changes anything.
    pub async fn checkup(&self, wanted: &Wanted) -> Vec<Finding> {
        let mut found = Vec::new();
        let answered = if self.is_app() {
            self.check_app(wanted, &mut found).await
        } else {
            self.check_token(wanted, &mut found).await
        };
        self.check_limits(&mut found);
        if answered {
            self.check_clock(&mut found);
        }
        found
    }

    /// Answers whether GitHub did.
    async fn check_token(&self, wanted: &Wanted, found: &mut Vec<Finding>) -> bool {
        let call = self.call(Who::User, Priority::Upkeep, "/user", &[], &[]);
        let headers = match self.get_with_headers::<User>(&call).await {
            Ok((user, headers)) => {
                found.push(Finding::ok(format!("GitHub knows the token: it is {}'s", user.login)));
                Some(headers)
            }
            // The token of an installation, or of a workflow: it has permissions, and nobody behind it.
            Err(GitHubError::Forbidden(_)) => {
                found.push(Finding::warning(
                    "no user is behind this token",
                    "such a token lives an hour at most: make one of a user's, or have GITHUB_APP_ID set and the App's key",
                ));
                None
            }
            Err(error) => {
                found.push(judge::trouble("GitHub was asked whose token this is", &error));
                return answered(&error);
            }
        };
        if let Some(headers) = &headers {
            found.extend(version(headers));
        }
        let text =
            headers.as_ref().and_then(|headers| headers.get("x-oauth-scopes")?.to_str().ok());
        match text.filter(|text| !text.trim().is_empty()) {
            Some(text) => found.extend(judge::classic(&judge::scopes(text), wanted)),
            None => self.probe(wanted, found).await,
        }
        true
    }

    /// Answers whether GitHub did.
    async fn check_app(&self, wanted: &Wanted, found: &mut Vec<Finding>) -> bool {
        let call = self.call(Who::App, Priority::Upkeep, "/app", &[], &[]);
        let app = match self.get_with_headers::<App>(&call).await {
            Ok((app, headers)) => {
                found.push(Finding::ok(format!("GitHub knows the App {}", app.slug)));
                found.extend(version(&headers));
                app
            }
            Err(error) => {
                found.push(judge::trouble("GitHub was asked which App this is", &error));
                return answered(&error);
            }
        };
        match self.installations().await {
            Ok(installations) => {
                let only = self.only_installation();
                found.extend(judge::app(&app.events, &installations, only, wanted));
            }
            Err(error) => {
                found.push(judge::trouble("GitHub was asked where the App is installed", &error));
            }
        }
        true
    }

    fn check_limits(&self, found: &mut Vec<Finding>) {
        let now = self.now();
        let limits = self.budget().limits(now);
        for (account, resource, limit) in limits {
            let what = format!(
                "{account}: {} of {} requests left ({}) until {}",
                limit.remaining,
                limit.limit,
                resource.as_str(),
                minute(limit.reset),
            );
            found.push(if limit.remaining < limit.limit / 10 {
                let hint = "discovery waits for the next hour, and what is left is kept for jobs; an App has more";
                Finding::warning(what, hint)
            } else {
                Finding::ok(what)
            });
        }
    }

    fn check_clock(&self, found: &mut Vec<Finding>) {
        let skew = self.skew();
        found.push(if skew.abs() < SKEW {
            Finding::ok("this machine's clock agrees with GitHub's")
        } else {
            let (by, side) = (skew.abs(), if skew > 0 { "behind" } else { "ahead of" });
            let what = format!("this machine's clock is {by} s {side} GitHub's");
            Finding::warning(what, "have it set by NTP; until then GitHub's time is reckoned with")
        });
    }
}

/// Only a GitHub Enterprise Server says its version (docs: "Getting started with the REST API", "API versions" of GHES).
fn version(headers: &http::HeaderMap) -> Option<Finding> {
    let version = headers.get("x-github-enterprise-version")?.to_str().ok()?;
    Some(Finding::ok(format!("it is GitHub Enterprise Server {version}")))
}

fn answered(error: &GitHubError) -> bool {
    !matches!(error, GitHubError::Network(_) | GitHubError::TimedOut | GitHubError::PutOff { .. })
}

fn minute(at: Timestamp) -> String {
    at.strftime("%H:%M UTC").to_string()
}
