//! Where a runner registers: a repository, an organisation or an enterprise.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest login GitHub takes, in characters (github.com sign-up form).
pub const MAX_LOGIN_LENGTH: usize = 39;
/// Longest repository name GitHub takes, in characters (REST "Create a repository").
pub const MAX_REPO_LENGTH: usize = 100;
/// Longest slug of an enterprise that is taken, in characters. GitHub documents no limit; its sign-up form stops here.
pub const MAX_ENTERPRISE_LENGTH: usize = 60;

/// Why a text is not a login, a repository or a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    /// Not `owner/repo` with exactly one slash.
    #[error("must have the form owner/repo")]
    NotOwnerRepo,
    /// The owner or organisation part is not a GitHub login.
    #[error(
        "owner must be 1 to {MAX_LOGIN_LENGTH} letters, digits or single hyphens, not starting or ending with a hyphen"
    )]
    Login,
    /// The repository part is not a GitHub repository name.
    #[error(
        "repository must be 1 to {MAX_REPO_LENGTH} letters, digits, '_', '.' or '-', and not '.' or '..'"
    )]
    Repo,
    /// Not the slug of an enterprise.
    #[error(
        "enterprise must be 1 to {MAX_ENTERPRISE_LENGTH} letters, digits or hyphens: its name in the address of its page"
    )]
    Enterprise,
    /// The text of a stored scope has no known kind.
    #[error("must start with repo:, org: or enterprise:")]
    Kind,
}

/// The login of a user or an organisation. Compared without case, as GitHub does.
#[derive(Clone, Eq)]
pub struct Login(String);

/// A repository, `owner/name`. Compared without case, as GitHub does.
#[derive(Clone, Eq)]
pub struct RepoSlug {
    owner: Login,
    name: String,
}

/// The slug of an enterprise: its name in URLs. Compared without case, as GitHub does.
#[derive(Clone, Eq)]
pub struct EnterpriseSlug(String);

/// Where a runner registers, and so which jobs GitHub may give to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One repository.
    Repo(RepoSlug),
    /// Every repository of an organisation that its runner group allows.
    Org(Login),
    /// Every repository of an enterprise's organisations that its runner group allows.
    Enterprise(EnterpriseSlug),
}

/// The kind of a [`Scope`], as the API spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScopeKind {
    /// A repository; the scope's name is `owner/repo`.
    Repo,
    /// An organisation; the scope's name is its login.
    Org,
    /// An enterprise; the scope's name is its slug.
    Enterprise,
}

impl Login {
    /// Takes `text` as a login.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        let hyphens = text.starts_with('-') || text.ends_with('-') || text.contains("--");
        let allowed = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        // Enterprise-managed users carry one underscore before their short code (docs: "username considerations").
        let managed = text.split_once('_').is_some_and(|(name, code)| {
            !name.is_empty()
                && !code.is_empty()
                && code.bytes().all(|b| b.is_ascii_alphanumeric())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
        if text.is_empty() || text.len() > MAX_LOGIN_LENGTH || hyphens || !(allowed || managed) {
            return Err(InvalidScope::Login);
        }
        Ok(Self(text.to_owned()))
    }

    /// The login as text, in the case it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EnterpriseSlug {
    /// Takes `text` as the slug of an enterprise.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        let allowed = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if text.is_empty() || text.len() > MAX_ENTERPRISE_LENGTH || !allowed {
            return Err(InvalidScope::Enterprise);
        }
        Ok(Self(text.to_owned()))
    }

    /// The slug as text, in the case it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RepoSlug {
    /// Takes `text` as `owner/name`.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        let (owner, name) = text.split_once('/').ok_or(InvalidScope::NotOwnerRepo)?;
        if name.contains('/') {
            return Err(InvalidScope::NotOwnerRepo);
        }
        let allowed =
            name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if name.is_empty() || name.len() > MAX_REPO_LENGTH || !allowed || matches!(name, "." | "..")
        {
            return Err(InvalidScope::Repo);
        }
        Ok(Self { owner: Login::parse(owner)?, name: name.to_owned() })
    }

    /// The owner's login.
    pub fn owner(&self) -> &Login {
        &self.owner
    }

    /// The name without the owner.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Scope {
    /// Takes a kind and a name, as the API carries them.
    pub fn parse(kind: ScopeKind, name: &str) -> Result<Self, InvalidScope> {
        match kind {
            ScopeKind::Repo => RepoSlug::parse(name).map(Self::Repo),
            ScopeKind::Org => Login::parse(name).map(Self::Org),
            ScopeKind::Enterprise => EnterpriseSlug::parse(name).map(Self::Enterprise),
        }
    }

    /// Whether the runner registers at a repository, an organisation or an enterprise.
    pub fn kind(&self) -> ScopeKind {
        match self {
            Self::Repo(_) => ScopeKind::Repo,
            Self::Org(_) => ScopeKind::Org,
            Self::Enterprise(_) => ScopeKind::Enterprise,
        }
    }

    /// `owner/repo`, the organisation's login or the enterprise's slug.
    pub fn name(&self) -> String {
        match self {
            Self::Repo(slug) => slug.to_string(),
            Self::Org(login) => login.to_string(),
            Self::Enterprise(slug) => slug.to_string(),
        }
    }

    /// True if a job of `repo` can be counted on to reach a runner of this scope.
    ///
    /// Never for an enterprise: which organisations belong to it, its name does not tell. A job that waits must not count on a
    /// runner that may never take it; a job that such a runner did take is seen by the runner being busy.
    pub fn covers(&self, repo: &RepoSlug) -> bool {
        match self {
            Self::Repo(slug) => slug == repo,
            Self::Org(login) => login == repo.owner(),
            Self::Enterprise(_) => false,
        }
    }
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl PartialOrd for Login {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Login {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.to_ascii_lowercase().cmp(&other.0.to_ascii_lowercase())
    }
}

impl std::hash::Hash for Login {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}

impl PartialEq for EnterpriseSlug {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl PartialOrd for EnterpriseSlug {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EnterpriseSlug {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.to_ascii_lowercase().cmp(&other.0.to_ascii_lowercase())
    }
}

impl std::hash::Hash for EnterpriseSlug {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}

impl PartialEq for RepoSlug {
    fn eq(&self, other: &Self) -> bool {
        self.owner == other.owner && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl PartialOrd for RepoSlug {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RepoSlug {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let name = |slug: &Self| slug.name.to_ascii_lowercase();
        self.owner.cmp(&other.owner).then_with(|| name(self).cmp(&name(other)))
    }
}

impl std::hash::Hash for RepoSlug {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.owner.hash(state);
        self.name.to_ascii_lowercase().hash(state);
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "login:{}", self.0)
    }
}

impl fmt::Display for EnterpriseSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EnterpriseSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enterprise:{}", self.0)
    }
}

impl fmt::Display for RepoSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl fmt::Debug for RepoSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repo:{self}")
    }
}

/// `repo:owner/name`, `org:login` or `enterprise:slug`: the form a container label stores; [`Scope::from_str`] reads it back.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repo(slug) => write!(f, "repo:{slug}"),
            Self::Org(login) => write!(f, "org:{login}"),
            Self::Enterprise(slug) => write!(f, "enterprise:{slug}"),
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        match text.split_once(':') {
            Some(("repo", name)) => Self::parse(ScopeKind::Repo, name),
            Some(("org", name)) => Self::parse(ScopeKind::Org, name),
            Some(("enterprise", name)) => Self::parse(ScopeKind::Enterprise, name),
            _ => Err(InvalidScope::Kind),
        }
    }
}

#[cfg(test)]
mod tests;
