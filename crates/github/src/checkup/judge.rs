//! From scopes, permissions and refusals to words. Pure.
//!
//! Facts are from GitHub's documentation: "Scopes for OAuth apps", "Permissions required for GitHub Apps", "Permissions required
//! for fine-grained personal access tokens", and the notes on each endpoint of REST "Self-hosted runners".

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use mayfly_common::scope::Login;

use super::super::error::GitHubError;
use super::super::identity::Installation;
use super::super::repositories::DiscoveryMode;
use super::{Finding, Level, Wanted};

const CLASSIC: &str = "Settings → Developer settings → Personal access tokens → Tokens (classic)";
pub(super) const FINE_GRAINED: &str =
    "Settings → Developer settings → Personal access tokens → Fine-grained tokens";
const APP: &str = "the App's settings → Permissions & events";

/// Something we do, and what it takes.
pub(super) struct Need {
    /// What it is for, in words: "cannot …".
    does: String,
    /// Scopes of classic tokens, of which one is enough.
    scopes: &'static [&'static str],
    /// The permission's name in an App's settings, and the level it takes.
    setting: &'static str,
    /// The same for the REST API: name and level.
    permission: (&'static str, &'static str),
    /// What is missing if it is.
    without: Level,
    /// What is read to try it, and what follows the owner and the repository in it.
    pub(super) route: &'static str,
    pub(super) below: &'static [&'static str],
    /// True if 404 only says that there is none.
    pub(super) may_be_absent: bool,
}

/// What is done in repositories.
pub(super) fn of_repositories(hooks: bool) -> Vec<Need> {
    let need = |does: &str, setting, permission, route, below| Need {
        does: does.to_owned(),
        scopes: &["repo"],
        setting,
        permission,
        without: Level::Failure,
        route,
        below,
        may_be_absent: false,
    };
    let mut needs = vec![
        need(
            "register runners at repositories",
            "Repository permissions: Administration: Read and write",
            ("administration", "write"),
            "/repos/{owner}/{repo}/actions/runners",
            &[],
        ),
        Need {
            may_be_absent: true,
            ..need(
                "read workflow files",
                "Repository permissions: Contents: Read-only",
                ("contents", "read"),
                "/repos/{owner}/{repo}/contents/{path}",
                &[".github", "workflows"],
            )
        },
        need(
            "read runs and jobs",
            "Repository permissions: Actions: Read-only",
            ("actions", "read"),
            "/repos/{owner}/{repo}/actions/runs",
            &[],
        ),
    ];
    if hooks {
        needs.push(Need {
            scopes: &["repo", "admin:repo_hook", "write:repo_hook"],
            without: Level::Warning,
            ..need(
                "install webhooks at repositories",
                "Repository permissions: Webhooks: Read and write",
                ("repository_hooks", "write"),
                "/repos/{owner}/{repo}/hooks",
                &[],
            )
        });
    }
    needs
}

/// Runners of an organisation. Jobs are served without: the platform registers at repositories.
pub(super) fn organisation(org: &Login) -> Need {
    Need {
        does: format!("register or see runners of the organisation {org}"),
        scopes: &["admin:org", "manage_runners:org"],
        setting: "Organization permissions: Self-hosted runners: Read and write",
        permission: ("organization_self_hosted_runners", "write"),
        without: Level::Warning,
        route: "/orgs/{org}/actions/runners",
        below: &[],
        may_be_absent: false,
    }
}

pub(super) fn organisation_hooks() -> Need {
    Need {
        does: "install a webhook at the organisation".to_owned(),
        scopes: &["admin:org_hook"],
        setting: "Organization permissions: Webhooks: Read and write",
        permission: ("organization_hooks", "write"),
        without: Level::Warning,
        route: "/orgs/{org}/hooks",
        below: &[],
        may_be_absent: false,
    }
}

/// Neither Apps nor most fine-grained tokens can have this.
pub(super) fn enterprise() -> Need {
    Need {
        does: "register runners at the enterprise".to_owned(),
        scopes: &["manage_runners:enterprise", "admin:enterprise"],
        setting: "no fine-grained permission: it takes a classic token with the scope manage_runners:enterprise",
        permission: ("enterprise_self_hosted_runners", "write"),
        without: Level::Failure,
        route: "/enterprises/{enterprise}/actions/runners",
        below: &[],
        may_be_absent: false,
    }
}

/// The scopes of `X-OAuth-Scopes`, with those that they include.
pub(super) fn scopes(text: &str) -> BTreeSet<String> {
    text.split(',')
        .map(|scope| scope.trim().to_ascii_lowercase())
        .filter(|scope| !scope.is_empty())
        .collect()
}

/// What a classic token with these scopes may do.
pub(super) fn classic(scopes: &BTreeSet<String>, wanted: &Wanted) -> Vec<Finding> {
    let listed = scopes.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let mut found = vec![Finding::ok(format!("it is a classic token with the scopes {listed}"))];
    let mut needs = of_repositories(wanted.hooks);
    if let DiscoveryMode::Organization(org) = &wanted.discovery {
        needs.push(organisation(org));
        if wanted.hooks {
            needs.push(organisation_hooks());
        }
    }
    if wanted.enterprise.is_some() {
        needs.push(enterprise());
    }
    let (can, cannot): (Vec<Need>, Vec<Need>) =
        needs.into_iter().partition(|need| need.scopes.iter().any(|scope| scopes.contains(*scope)));
    found.extend(may(&can));
    found.extend(cannot.into_iter().map(|need| Finding {
        level: need.without,
        what: format!("the token cannot {}: it lacks the scope {}", need.does, need.scopes[0]),
        hint: Some(format!("tick {} in {CLASSIC}", need.scopes[0])),
    }));
    found
}

/// What an App may do through its installations. `events`: what it is told, `only`: the one account it is to act for.
pub(super) fn app(
    events: &[String],
    installations: &[Installation],
    only: Option<&str>,
    wanted: &Wanted,
) -> Vec<Finding> {
    let mut found = Vec::new();
    if installations.is_empty() {
        let (what, hint) = match only {
            Some(name) => (
                format!("the App is not installed on {name}"),
                "look at GITHUB_APP_INSTALLATION, or install the App there: its settings → Install App",
            ),
            None => (
                "the App is not installed anywhere".to_owned(),
                "install it on your account or organisation: its settings → Install App",
            ),
        };
        found.push(Finding::failure(what, hint));
    }
    let active = installations.iter().any(|one| !one.suspended);
    for one in installations {
        found.extend(installation(one, active, events, wanted));
    }
    if let DiscoveryMode::Organization(org) = &wanted.discovery
        && !installations.is_empty()
        && !installations.iter().any(|one| one.owner == *org)
    {
        let what =
            format!("the App is not installed on {org}, whose repositories are to be served");
        found.push(Finding::failure(what, "install it there: its settings → Install App"));
    }
    if wanted.enterprise.is_some() {
        let what = "a GitHub App cannot register runners at an enterprise";
        let hint =
            format!("use a classic token with the scope manage_runners:enterprise: {CLASSIC}");
        found.push(Finding::failure(what, hint));
    }
    found
}

fn installation(
    one: &Installation,
    another_active: bool,
    events: &[String],
    wanted: &Wanted,
) -> Vec<Finding> {
    let owner = &one.owner;
    if one.suspended {
        let level = if another_active { Level::Warning } else { Level::Failure };
        let hint = format!("let it go on: {owner}'s settings → GitHub Apps → Configure");
        return vec![Finding {
            hint: Some(hint),
            ..Finding::new(
                level,
                format!("the App is suspended on {owner}: no job is served there"),
            )
        }];
    }
    let which = if one.all_repositories { "all" } else { "selected" };
    let mut found =
        vec![Finding::ok(format!("the App is installed on {owner}, with {which} repositories"))];
    let mut needs = of_repositories(wanted.hooks);
    if matches!(&wanted.discovery, DiscoveryMode::Organization(org) if org == owner) {
        needs.push(organisation(owner));
        if wanted.hooks {
            needs.push(organisation_hooks());
        }
    }
    // The App's own webhook tells of every installation; hooks of repositories and organisations are another way.
    let told = events.iter().any(|event| event == "workflow_job");
    needs.retain(|need| !(told && need.permission.0.ends_with("_hooks")));
    let (can, cannot): (Vec<Need>, Vec<Need>) =
        needs.into_iter().partition(|need| granted(one, need.permission));
    found.extend(may(&can));
    found.extend(cannot.into_iter().map(|need| Finding {
        level: need.without,
        what: format!("on {owner} the App cannot {}", need.does),
        hint: Some(format!(
            "it takes {} in {APP}; then {owner} has to accept it: its settings → GitHub Apps → Review request",
            need.setting
        )),
    }));
    found
}

fn granted(one: &Installation, (name, level): (&str, &str)) -> bool {
    let rank = |level: &str| ["read", "write", "admin"].iter().position(|known| *known == level);
    let has = one.permissions.get(name).and_then(|has| rank(has));
    has.is_some_and(|has| Some(has) >= rank(level))
}

fn may(can: &[Need]) -> Option<Finding> {
    let does = can.iter().map(|need| need.does.as_str()).collect::<Vec<_>>().join(", ");
    (!does.is_empty()).then(|| Finding::ok(format!("it may {does}")))
}

/// What came of reading what needs a permission.
pub(super) fn probed(need: &Need, place: &str, outcome: Result<(), GitHubError>) -> Finding {
    let missing = |why: &str| Finding {
        level: need.without,
        what: format!("the token cannot {}: tried on {place}, {why}", need.does),
        hint: Some(format!("it takes {} in {FINE_GRAINED}", need.setting)),
    };
    match outcome {
        // Reading shows that there is the permission, not that it goes as far as writing.
        Ok(()) if need.permission.1 == "write" => Finding::ok(format!(
            "it may look at what it takes to {} (tried on {place}); that it may also write shows when it does",
            need.does
        )),
        Ok(()) => Finding::ok(format!("it may {} (tried on {place})", need.does)),
        Err(GitHubError::Forbidden(why)) => missing(&format!("GitHub says: {why}")),
        Err(GitHubError::NotFound) => missing("which GitHub does not show to it"),
        Err(error) => {
            trouble(&format!("GitHub was asked whether the token may {}", need.does), &error)
        }
    }
}

/// A request that failed for another reason than a permission.
pub(super) fn trouble(doing: &str, error: &GitHubError) -> Finding {
    let what = format!("{doing}: {error}");
    match error {
        GitHubError::Unauthorized => Finding::failure(
            what,
            "the token was mistyped, revoked or has run out; of an App, the id or the key is another's",
        ),
        GitHubError::RateLimited { .. } | GitHubError::PutOff { .. } => Finding::warning(
            what,
            "nothing is wrong with the credential as far as is known; ask again then",
        ),
        GitHubError::Network(why) if why.to_ascii_lowercase().contains("certificate") => {
            Finding::failure(
                what,
                "a GitHub or proxy with a certificate of your own takes GITHUB_CA_FILE",
            )
        }
        GitHubError::Network(_) | GitHubError::TimedOut => Finding::failure(
            what,
            "look at GITHUB_API_URL, the network, and HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
        ),
        GitHubError::NotFound | GitHubError::Malformed(_) => Finding::failure(
            what,
            "look at GITHUB_API_URL: of GitHub Enterprise Server it ends in /api/v3",
        ),
        GitHubError::Server(_) => {
            Finding::failure(what, "www.githubstatus.com tells whether GitHub is in trouble")
        }
        _ => Finding::new(Level::Failure, what),
    }
}
