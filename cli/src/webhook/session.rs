//! The orchestrator's credential, and what an error of GitHub's means here.

use std::sync::Arc;

use mayfly_common::clock::SystemClock;
use mayfly_github::hooks::{Hook, HookPlace, HookUrl, KnownHook};
use mayfly_github::{GitHubClient, GitHubError};
use mayfly_settings::GitHubConfig;

use super::Failure;

/// GitHub, and the place whose webhook it is about.
pub(super) struct Session {
    pub(super) github: GitHubClient,
    pub(super) place: HookPlace,
}

impl Session {
    pub(super) fn open(
        place: HookPlace,
        variables: Vec<(String, String)>,
    ) -> Result<Self, Failure> {
        let config = GitHubConfig::from_variables(variables)
            .map_err(|errors| Failure::Usage(errors.to_string()))?;
        let github = GitHubClient::new(config.client(), Arc::new(SystemClock))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        if place == HookPlace::App && !github.is_app() {
            return Err(Failure::Usage(
                "--app takes the App's credential: set GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY_FILE".to_owned(),
            ));
        }
        Ok(Self { github, place })
    }

    /// The place's hooks; with a URL only those that send there.
    pub(super) async fn hooks(&self, url: Option<&HookUrl>) -> Result<Vec<Hook>, Failure> {
        let found = self.github.hooks(&self.place).await;
        let mut found =
            found.map_err(|error| self.failure("its webhooks cannot be read", &error))?;
        found.retain(|hook| {
            let there = hook.config.url.as_deref();
            url.is_none_or(|url| there.is_some_and(|there| url.is(there)))
        });
        Ok(found)
    }

    /// What GitHub is asked with about a hook of this place.
    pub(super) fn known(&self, hook: &Hook) -> KnownHook {
        // An App has one hook, and GitHub is asked for it without an id.
        KnownHook { id: hook.id.unwrap_or_default(), place: self.place.clone() }
    }

    /// `what` failed; and what to do next, where that can be told.
    pub(super) fn failure(&self, what: &str, error: &GitHubError) -> Failure {
        Failure::Failed(self.explain(what, error))
    }

    /// What [`Session::failure`] says.
    pub(super) fn explain(&self, what: &str, error: &GitHubError) -> String {
        let hint = hint(&self.place, error).map(|hint| format!("\n{hint}")).unwrap_or_default();
        format!("{}: {what}: {error}{hint}", self.place)
    }
}

/// What to do about an error. Permissions: docs, "Repository webhooks", "Organization webhooks", "GitHub App webhooks".
fn hint(place: &HookPlace, error: &GitHubError) -> Option<&'static str> {
    let missing = matches!(error, GitHubError::Forbidden(_) | GitHubError::NotFound);
    match (place, error) {
        (HookPlace::Repo(_), _) if missing => Some(
            "Check its name, and give the credential: a classic token the scope admin:repo_hook, a fine-grained token or an App \
             the repository permission \"Webhooks\": read and write. A token's user must be an admin of the repository.",
        ),
        (HookPlace::Org(_), _) if missing => Some(
            "Check its name (a user has no such webhook: use --repo or --app), and give the credential: a classic token the scope \
             admin:org_hook, a fine-grained token or an App the organisation permission \"Webhooks\": read and write. A token's \
             user must be an owner of the organisation.",
        ),
        (HookPlace::App, GitHubError::NotFound) => Some(
            "Give the App a webhook first: mayfly webhook install --app --url https://HOST/webhooks/github",
        ),
        (_, GitHubError::NotInstalled(_)) => Some(
            "Install the App there (or end its suspension), with \"Webhooks\": read and write; or use --app, whose webhook hears of \
             everything that the App is installed on.",
        ),
        (_, GitHubError::Invalid(_)) => Some(
            "GitHub takes only URLs that it can reach from the internet (or from its own network), and 20 webhooks for each event.",
        ),
        (_, GitHubError::Unauthorized) => {
            Some("mayfly doctor github says what is wrong with the credential.")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mayfly_common::scope::{Login, RepoSlug};

    use super::*;

    #[test]
    fn a_missing_permission_is_named() {
        let repo = HookPlace::Repo(RepoSlug::parse("o/r").unwrap());
        let org = HookPlace::Org(Login::parse("o").unwrap());
        let forbidden = GitHubError::Forbidden("no".to_owned());
        for error in [forbidden, GitHubError::NotFound] {
            assert!(hint(&repo, &error).unwrap().contains("admin:repo_hook"));
            assert!(hint(&org, &error).unwrap().contains("admin:org_hook"));
        }
        let app = HookPlace::App;
        let rows = [
            (&repo, GitHubError::Server(502), None),
            (&app, GitHubError::Forbidden("no".to_owned()), None),
            (&app, GitHubError::NotFound, Some("mayfly webhook install --app")),
            (&org, GitHubError::NotInstalled("o".to_owned()), Some("Install the App there")),
            (&repo, GitHubError::Invalid("x".to_owned()), Some("reach from the internet")),
            (&app, GitHubError::Unauthorized, Some("mayfly doctor github")),
        ];
        for (place, error, words) in rows {
            let found = hint(place, &error);
            assert_eq!(found.is_some(), words.is_some(), "{place} {error}");
            assert!(
                found.zip(words).is_none_or(|(found, words)| found.contains(words)),
                "{place} {error}: {found:?}"
            );
        }
    }
}
