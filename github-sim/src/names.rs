//! Names of accounts, repositories and the places where runners register.
//!
//! Read here, by GitHub's rules as its documentation states them, and not by the code that is tested against this world. Names are
//! compared without case, as GitHub does.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// Longest login, in characters (github.com's sign-up form).
const LOGIN: usize = 39;
/// Longest name of a repository, in characters (REST "Create a repository").
const REPOSITORY: usize = 100;
/// Longest slug of an enterprise, in characters (github.com's sign-up form).
const ENTERPRISE: usize = 60;

/// Why a text names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(&'static str);

/// Text that is compared without case.
#[derive(Clone)]
struct Name(String);

/// The login of a user or an organisation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Login(Name);

/// The slug of an enterprise.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnterpriseSlug(Name);

/// A repository, `owner/name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoSlug {
    owner: Login,
    name: Name,
}

/// Where a runner registers. As text `repo:owner/name`, `org:login` or `enterprise:slug`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One repository.
    Repo(RepoSlug),
    /// An organisation.
    Org(Login),
    /// An enterprise.
    Enterprise(EnterpriseSlug),
}

impl Login {
    /// Reads a login: letters, digits and single hyphens inside. An enterprise's managed users have `_` and a short code at the end.
    ///
    /// Errors: GitHub has no such logins.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let (name, code) = match text.rsplit_once('_') {
            Some((name, code)) => (name, Some(code)),
            None => (text, None),
        };
        let words = || name.split('-');
        let is_word =
            |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric());
        if text.len() <= LOGIN && words().all(is_word) && code.is_none_or(is_word) {
            Ok(Self(Name(text.to_owned())))
        } else {
            Err(BadName("no login: letters, digits and single hyphens inside"))
        }
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0.0
    }
}

impl EnterpriseSlug {
    /// Reads a slug: letters, digits and hyphens.
    ///
    /// Errors: it has others, none, or too many.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if (1..=ENTERPRISE).contains(&text.len()) && text.chars().all(allowed) {
            Ok(Self(Name(text.to_owned())))
        } else {
            Err(BadName("no enterprise: letters, digits and hyphens"))
        }
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0.0
    }
}

impl RepoSlug {
    /// Reads `owner/name`.
    ///
    /// Errors: it has not this form, or GitHub has no such names.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let (owner, name) = text.split_once('/').ok_or(BadName("no owner/name"))?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_name = (1..=REPOSITORY).contains(&name.len())
            && name.chars().all(allowed)
            && name != "."
            && name != "..";
        if !is_name {
            return Err(BadName("no repository: letters, digits, '-', '_' and '.'"));
        }
        Ok(Self { owner: Login::parse(owner)?, name: Name(name.to_owned()) })
    }

    /// The account that owns it.
    pub fn owner(&self) -> &Login {
        &self.owner
    }

    /// Its name without the owner's.
    pub fn name(&self) -> &str {
        &self.name.0
    }
}

impl FromStr for Login {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::parse(text)
    }
}

impl FromStr for EnterpriseSlug {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::parse(text)
    }
}

impl FromStr for RepoSlug {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::parse(text)
    }
}

impl FromStr for Scope {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.split_once(':') {
            Some(("repo", slug)) => RepoSlug::parse(slug).map(Self::Repo),
            Some(("org", login)) => Login::parse(login).map(Self::Org),
            Some(("enterprise", slug)) => EnterpriseSlug::parse(slug).map(Self::Enterprise),
            _ => Err(BadName("no scope: repo:owner/name, org:login or enterprise:slug")),
        }
    }
}

impl Name {
    fn letters(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|letter| letter.to_ascii_lowercase())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.letters().eq(other.letters())
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.letters().cmp(other.letters())
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for EnterpriseSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RepoSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repo(slug) => write!(f, "repo:{slug}"),
            Self::Org(login) => write!(f, "org:{login}"),
            Self::Enterprise(slug) => write!(f, "enterprise:{slug}"),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for EnterpriseSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for RepoSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_github_s() {
        for good in ["o", "octo-org", "a1-b2", "mona_acme", "A".repeat(39).as_str()] {
            assert_eq!(Login::parse(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "-a", "a-", "a--b", "a b", "ä", "a_", "_a", "a_b_c", "A".repeat(40).as_str()]
        {
            assert!(Login::parse(bad).is_err(), "{bad}");
        }
        for good in ["o/r", "o/.github", "octo-org/a_b.c-d"] {
            assert_eq!(RepoSlug::parse(good).unwrap().to_string(), good);
        }
        for bad in ["o", "o/", "/r", "o/r/s", "o/.", "o/..", "o/a b", "o/ä"] {
            assert!(RepoSlug::parse(bad).is_err(), "{bad}");
        }
        for text in ["repo:o/r", "org:o", "enterprise:acme"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for bad in ["o/r", "repo:o", "user:o", "enterprise:", "org:"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }

    #[test]
    fn case_makes_no_other_name() {
        let (one, same) =
            (RepoSlug::parse("Octo/App").unwrap(), RepoSlug::parse("octo/aPP").unwrap());
        assert!(one == same && one.cmp(&same) == Ordering::Equal);
        assert!(one < RepoSlug::parse("octo/b").unwrap() && one > RepoSlug::parse("ab/z").unwrap());
        let all = std::collections::HashSet::from([one, same]);
        assert_eq!(all.len(), 1);
    }

    /// What a test checks against is not the code under test: of Mayfly's own crates the simulator has what every program of the
    /// workspace does with logs, signals and errors, and nothing that reads names, matches labels or decides.
    #[test]
    fn nothing_that_decides_is_mayfly_s() {
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut used = std::collections::BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                for of in ["_common::", "_service::"] {
                    for rest in text.split(&format!("mayfly{of}")).skip(1) {
                        let end = rest.find([':', ';']).unwrap_or(rest.len());
                        used.insert(rest[..end].to_owned());
                    }
                }
            }
        }
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        assert_eq!(used, ["VERSION", "problem", "shutdown", "telemetry"]);
    }
}
