//! GitHub's part of the configuration: where it is, who we are there, which repositories are served.

use std::collections::BTreeSet;

use mayfly_common::loopback::is_loopback_host;
use mayfly_common::scope::Login;
use mayfly_service::env::secret::read_plain;
use mayfly_service::env::{Checker, ConfigErrors, boolean};
use reqwest::Url;

use super::{Raw, parse};
use mayfly_github::checkup::Wanted;
use mayfly_github::{Credential, DiscoveryMode, GitHubSettings, certificates};
use mayfly_planner::filter::{Filter, Pattern};

const API_URL: &str = "GITHUB_API_URL";
const SERVER_URL: &str = "GITHUB_SERVER_URL";
/// Hosts of GitHub.com.
const PUBLIC_API: &str = "api.github.com";
const PUBLIC_SERVER: &str = "github.com";

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

impl GitHubConfig {
    /// What the client needs to know.
    pub fn client(&self) -> GitHubSettings {
        GitHubSettings::new(self.api_url.clone(), self.credential.clone(), self.ca.clone())
    }

    /// What is asked of the credential, without hooks.
    pub fn wanted(&self) -> Wanted {
        Wanted::new(self.discovery.clone(), self.filter.clone())
    }

    /// Reads GitHub's part of `variables` alone, for whoever speaks to GitHub and starts no runners.
    ///
    /// Errors: every variable of this part that is missing or wrong.
    pub fn from_variables(variables: Vec<(String, String)>) -> Result<Self, ConfigErrors> {
        let mut check = Checker::new();
        proxies(&variables, &mut check);
        let mut raw: Raw = check.read(variables);
        let config = read(&mut raw, &mut check);
        check.finish(config)
    }
}

pub(super) fn read(raw: &mut Raw, check: &mut Checker) -> Option<GitHubConfig> {
    let (api_url, server_url) = addresses(raw, check);
    let ca = check.optional("GITHUB_CA_FILE", raw.github_ca_file.take(), None, |path| {
        let bundle = read_plain(path)?;
        certificates(&bundle).map_err(|error| format!("{path}: {error}"))?;
        Ok::<_, String>(Some(bundle))
    });
    let credential = super::credential::read(raw, check);
    let discovery = discovery(raw, check);
    let texts = [&raw.discovery_include, &raw.discovery_exclude].map(|text| names(text.as_deref()));
    if !texts[0].is_empty() && texts[0].is_subset(&texts[1]) {
        check.warn(
            "DISCOVERY_EXCLUDE",
            "names all that DISCOVERY_INCLUDE names, and it counts for more: no repository is served",
        );
    }
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

/// Checks the proxies of the environment: requests would go to GitHub directly, without a word, where one cannot be read.
pub(super) fn proxies(variables: &[(String, String)], check: &mut Checker) {
    for (name, value) in variables.iter().filter(|(_, value)| !value.trim().is_empty()) {
        let proxies = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"];
        if proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(name))
            && let Err(reason) = parse::proxy(value)
        {
            check.fail(name, reason);
        }
    }
}

/// Where GitHub's API is, and GitHub itself.
fn addresses(raw: &mut Raw, check: &mut Checker) -> (Option<Url>, Option<Url>) {
    let (api_set, server_set) = (raw.github_api_url.is_some(), raw.github_server_url.is_some());
    let api = check.optional(
        API_URL,
        raw.github_api_url.take(),
        parse::url("https://api.github.com").ok(),
        |text| api_url(text).map(Some),
    );
    let server = check.optional(
        SERVER_URL,
        raw.github_server_url.take(),
        parse::url("https://github.com").ok(),
        |text| parse::url(text).map(Some),
    );
    if let (Some(api), Some(server)) = (&api, &server) {
        if let Some(reason) = doubt(api) {
            check.warn(API_URL, reason);
        }
        let (at, of) = (host(api), host(server));
        if at != PUBLIC_API && is_name(api) && of == PUBLIC_SERVER {
            let why = if server_set { "is" } else { "is not set, so it is" };
            let reason = format!(
                "{why} https://{of}, while {API_URL} is at {at}: images that register themselves go to the wrong GitHub"
            );
            check.warn(SERVER_URL, reason);
        }
        if at == PUBLIC_API && is_name(server) && of != PUBLIC_SERVER {
            let why = if api_set { "is" } else { "is not set, so it is" };
            let reason = format!(
                "{why} https://{PUBLIC_API}, while {SERVER_URL} is at {of}: the credential goes to GitHub.com"
            );
            check.warn(API_URL, reason);
        }
    }
    (api, server)
}

/// A URL's host, a name without its last dot. (The case is the parser's: it makes all letters small.)
fn host(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    host.strip_suffix('.').unwrap_or(host)
}

/// True if a URL's host is a name that can be a GitHub's: no IP address, and not this machine.
fn is_name(url: &Url) -> bool {
    let host = host(url);
    url.domain().is_some() && host.contains('.') && !host.ends_with(".localhost")
}

fn api_url(text: &str) -> Result<Url, String> {
    let url = parse::url(text)?;
    let path = url.path().trim_end_matches('/');
    match host(&url) {
        PUBLIC_SERVER | "www.github.com" => {
            Err(format!("is GitHub's web site; its API is at https://{PUBLIC_API}"))
        }
        public if url.scheme() == "http" && (public == PUBLIC_API || public.ends_with(".ghe.com")) => {
            Err("must begin with https://: the credential would go through the network in the clear".to_owned())
        }
        PUBLIC_API if !path.is_empty() => {
            Err(format!("must have no path at {PUBLIC_API}; {path} is of GitHub Enterprise Server"))
        }
        _ => Ok(url),
    }
}

/// What is unusual in the address of an API (GitHub Enterprise Server docs: "REST API endpoints"; data residency has
/// `api.SUBDOMAIN.ghe.com`).
fn doubt(api: &Url) -> Option<String> {
    let host = host(api);
    // On this machine it is the simulator.
    if host == PUBLIC_API || is_loopback_host(host) {
        return None;
    }
    if host.ends_with(".ghe.com") {
        let fits = host.starts_with("api.");
        return (!fits).then(|| format!("GitHub Enterprise Cloud's API is at https://api.{host}"));
    }
    if api.scheme() == "http" && is_name(api) {
        return Some(
            "begins with http://: the credential goes through the network in the clear".to_owned(),
        );
    }
    let whole = api.path().trim_end_matches('/').ends_with("/api/v3");
    let server = api.origin().ascii_serialization();
    (!whole).then(|| format!("GitHub Enterprise Server's API is at {server}/api/v3"))
}

fn discovery(raw: &mut Raw, check: &mut Checker) -> DiscoveryMode {
    let named = raw.github_organization.is_some();
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
        (false, Some(_)) => {
            check.warn(
                "GITHUB_ORGANIZATION",
                "counts with DISCOVERY_MODE=organization alone: set that, too",
            );
            DiscoveryMode::All
        }
        (false, None) => DiscoveryMode::All,
        (true, Some(organization)) => DiscoveryMode::Organization(organization),
        (true, None) => {
            // One that is wrong is told of already.
            if !named {
                check.fail("GITHUB_ORGANIZATION", "is required when DISCOVERY_MODE=organization");
            }
            DiscoveryMode::All
        }
    }
}

/// The patterns in `text`, in small letters.
fn names(text: Option<&str>) -> BTreeSet<String> {
    let parts = text.unwrap_or_default().split(',').map(|part| part.trim().to_ascii_lowercase());
    parts.filter(|part| !part.is_empty()).collect()
}

fn patterns(variable: &str, raw: Option<String>, check: &mut Checker) -> Vec<Pattern> {
    let text = check.text(variable, raw).unwrap_or_default();
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
