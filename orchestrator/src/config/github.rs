//! GitHub's part of the configuration: where it is, who we are there, which repositories are served.

use mayfly_common::env::{Checker, ConfigErrors, boolean, set};
use mayfly_common::scope::Login;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Raw, parse};
use crate::discovery::filter::{Filter, Pattern};
use crate::github::{AppKey, DiscoveryMode, certificates};

/// GitHub's part of the configuration.
#[derive(Debug, Clone)]
pub struct GitHubConfig {
    /// `GITHUB_API_URL` (`https://api.github.com`).
    pub api_url: Url,
    /// `GITHUB_SERVER_URL` (`https://github.com`): what runners are told.
    pub server_url: Url,
    /// `GITHUB_RUNNER_TOKEN`, or `GITHUB_APP_ID` with its key.
    pub credential: Credential,
    /// `GITHUB_CA_FILE`: certificates (PEM) that are trusted, too.
    pub ca: Option<Vec<u8>>,
    /// `DISCOVERY_MODE` (`all`) with `GITHUB_ORGANIZATION`.
    pub discovery: DiscoveryMode,
    /// `DISCOVERY_INCLUDE`, `DISCOVERY_EXCLUDE`, `ALLOW_PUBLIC_REPOS`.
    pub filter: Filter,
    /// `GITHUB_CLEANUP_ENABLED` (true): whether offline registrations of ours without a container are deleted.
    pub cleanup: bool,
}

/// Who we are at GitHub.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A user's token, classic or fine-grained: `GITHUB_RUNNER_TOKEN` or `GITHUB_RUNNER_TOKEN_FILE`.
    Token(SecretString),
    /// A GitHub App.
    App(AppCredential),
}

/// A GitHub App.
#[derive(Debug, Clone)]
pub struct AppCredential {
    /// `GITHUB_APP_ID`: its id or its client id.
    pub issuer: String,
    /// `GITHUB_APP_PRIVATE_KEY` or `GITHUB_APP_PRIVATE_KEY_FILE`.
    pub key: AppKey,
    /// `GITHUB_APP_INSTALLATION`: the one account (or installation id) it acts for; none means all that it is installed on.
    pub only: Option<String>,
}

impl GitHubConfig {
    /// Reads GitHub's part of `variables` alone, for whoever speaks to GitHub and starts no runners.
    ///
    /// Errors: every variable of this part that is missing or wrong.
    pub fn from_variables(variables: Vec<(String, String)>) -> Result<Self, ConfigErrors> {
        let mut check = Checker::new();
        let own =
            variables.into_iter().filter(|(name, _)| !name.starts_with(super::runner::PREFIX));
        let mut raw: Raw =
            envy::from_iter(own).map_err(|error| ConfigErrors(vec![error.to_string()]))?;
        let config = read(&mut raw, &mut check);
        check.finish(config)
    }
}

pub(super) fn read(raw: &mut Raw, check: &mut Checker) -> Option<GitHubConfig> {
    let api_url = check.optional(
        "GITHUB_API_URL",
        raw.github_api_url.take(),
        parse::url("https://api.github.com").ok(),
        |text| parse::url(text).map(Some),
    );
    let server_url = check.optional(
        "GITHUB_SERVER_URL",
        raw.github_server_url.take(),
        parse::url("https://github.com").ok(),
        |text| parse::url(text).map(Some),
    );
    let ca = check.optional("GITHUB_CA_FILE", raw.github_ca_file.take(), None, |path| {
        let bundle = std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
        certificates(&bundle).map_err(|error| format!("{path}: {error}"))?;
        Ok::<_, String>(Some(bundle))
    });
    let credential = credential(raw, check);
    let discovery = discovery(raw, check);
    let filter = Filter {
        include: patterns("DISCOVERY_INCLUDE", raw.discovery_include.take(), check),
        exclude: patterns("DISCOVERY_EXCLUDE", raw.discovery_exclude.take(), check),
        public: check.optional("ALLOW_PUBLIC_REPOS", raw.allow_public_repos.take(), false, boolean),
    };
    let cleanup =
        check.optional("GITHUB_CLEANUP_ENABLED", raw.github_cleanup_enabled.take(), true, boolean);
    Some(GitHubConfig {
        api_url: api_url?,
        server_url: server_url?,
        credential: credential?,
        ca,
        discovery,
        filter,
        cleanup,
    })
}

fn credential(raw: &mut Raw, check: &mut Checker) -> Option<Credential> {
    let (direct, file) = (raw.github_runner_token.take(), raw.github_runner_token_file.take());
    let token_given = set(direct.clone()).is_some() || set(file.clone()).is_some();
    let app_id = set(raw.github_app_id.take());
    let key = (raw.github_app_private_key.take(), raw.github_app_private_key_file.take());
    let key_given = set(key.0.clone()).is_some() || set(key.1.clone()).is_some();
    let only = set(raw.github_app_installation.take());
    if app_id.is_none() && !key_given {
        if only.is_some() {
            check.fail("GITHUB_APP_INSTALLATION", "means nothing without GITHUB_APP_ID");
        }
        return token(direct, file, token_given, check).map(Credential::Token);
    }
    if token_given {
        check.fail(
            "GITHUB_RUNNER_TOKEN",
            "is set beside GITHUB_APP_ID: set either a token or an App",
        );
    }
    app(app_id, key, only, check).map(Credential::App)
}

fn token(
    direct: Option<String>,
    file: Option<String>,
    given: bool,
    check: &mut Checker,
) -> Option<SecretString> {
    if !given {
        check.fail(
            "GITHUB_RUNNER_TOKEN",
            "is required (or GITHUB_RUNNER_TOKEN_FILE, or GITHUB_APP_ID): a token that may manage runners",
        );
        return None;
    }
    let token = check.secret("GITHUB_RUNNER_TOKEN", direct, file)?;
    parse::token(&token).map_err(|reason| check.fail("GITHUB_RUNNER_TOKEN", reason)).ok()?;
    Some(token)
}

fn app(
    id: Option<String>,
    (key, file): (Option<String>, Option<String>),
    only: Option<String>,
    check: &mut Checker,
) -> Option<AppCredential> {
    let issuer = check.required("GITHUB_APP_ID", id, parse::app_id);
    let given = set(key.clone()).is_some() || set(file.clone()).is_some();
    if !given {
        check.fail(
            "GITHUB_APP_PRIVATE_KEY_FILE",
            "is required with GITHUB_APP_ID: the file that GitHub gave when the key was made",
        );
    }
    // One line with \n for line breaks is how such a text survives most environment files.
    let key = check.secret("GITHUB_APP_PRIVATE_KEY", key, file).and_then(|text| {
        let text = text.expose_secret().replace("\\n", "\n");
        let key = AppKey::from_pem(text.as_bytes());
        key.map_err(|error| check.fail("GITHUB_APP_PRIVATE_KEY", error)).ok()
    });
    let only = only.and_then(|text| {
        let wrong = "must be the login of an account, or the number of an installation";
        let text = text.trim().to_owned();
        let is_login = Login::parse(&text).is_ok();
        if !is_login {
            check.fail("GITHUB_APP_INSTALLATION", wrong);
        }
        is_login.then_some(text)
    });
    Some(AppCredential { issuer: issuer?, key: key?, only })
}

fn discovery(raw: &mut Raw, check: &mut Checker) -> DiscoveryMode {
    let organization =
        check.optional("GITHUB_ORGANIZATION", raw.github_organization.take(), None, |text| {
            Login::parse(text.trim()).map(Some)
        });
    let by_organization =
        check.optional("DISCOVERY_MODE", raw.discovery_mode.take(), false, |text| {
            match text.trim().to_ascii_lowercase().as_str() {
                "all" => Ok(false),
                "organization" => Ok(true),
                _ => Err("must be all or organization"),
            }
        });
    match (by_organization, organization) {
        (false, _) => DiscoveryMode::All,
        (true, Some(organization)) => DiscoveryMode::Organization(organization),
        (true, None) => {
            check.fail("GITHUB_ORGANIZATION", "is required when DISCOVERY_MODE=organization");
            DiscoveryMode::All
        }
    }
}

fn patterns(variable: &str, raw: Option<String>, check: &mut Checker) -> Vec<Pattern> {
    let text = set(raw).unwrap_or_default();
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let mut patterns = Vec::new();
    for part in parts {
        match Pattern::parse(part) {
            Ok(pattern) => patterns.push(pattern),
            Err(reason) => check.fail(variable, reason),
        }
    }
    patterns
}
