//! Which repositories are served: by name, and by what they are. Pure.

use mayfly_common::scope::RepoSlug;
use wildmatch::WildMatch;

/// Which repositories are served.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// `DISCOVERY_INCLUDE`: only repositories that one of these names; all if there is none.
    pub include: Vec<Pattern>,
    /// `DISCOVERY_EXCLUDE`: none that one of these names.
    pub exclude: Vec<Pattern>,
    /// `ALLOW_PUBLIC_REPOS`: whether public repositories are served, too.
    pub public: bool,
}

/// A name with `*` (any text) and `?` (any character), of a repository (`infra-*`) or of an owner and a repository
/// (`my-org/*`). `*` does not go beyond the `/`; upper and lower case are the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    owner: Option<WildMatch>,
    name: WildMatch,
}

/// What is known of a repository.
#[derive(Debug, Clone, Copy)]
pub struct RepoFacts<'a> {
    /// Its name.
    pub slug: &'a RepoSlug,
    /// True if not everybody sees it; none if GitHub does not say.
    pub private: Option<bool>,
    /// True if it is a fork.
    pub fork: bool,
    /// True if it is archived.
    pub archived: bool,
    /// True if GitHub disabled it.
    pub disabled: bool,
}

/// Why a repository is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// No workflow runs there.
    #[error("it is archived")]
    Archived,
    /// No workflow runs there.
    #[error("GitHub disabled it")]
    Disabled,
    /// GitHub runs no workflow in a fork unless somebody switches them on, and then it is best served by name.
    #[error("it is a fork; name it in DISCOVERY_INCLUDE to serve it")]
    Fork,
    /// Not named by `DISCOVERY_INCLUDE`.
    #[error("DISCOVERY_INCLUDE does not name it")]
    NotIncluded,
    /// Named by `DISCOVERY_EXCLUDE`.
    #[error("DISCOVERY_EXCLUDE names it")]
    Excluded,
    /// Anybody could run code on the host ("Secure use reference", "Hardening for self-hosted runners").
    #[error(
        "it is public: a pull request from a fork can run any code on this host; ALLOW_PUBLIC_REPOS=true accepts that"
    )]
    Public,
    /// It may be public, which is the careful reading.
    #[error(
        "GitHub does not say whether it is private, so that it counts as public: a pull request from a fork could run any code on this host; ALLOW_PUBLIC_REPOS=true accepts that"
    )]
    MaybePublic,
}

impl Refusal {
    /// True if the reason is that anybody may propose code there: whoever names the repository does not accept that.
    pub fn is_of_public(self) -> bool {
        matches!(self, Self::Public | Self::MaybePublic)
    }
}

impl Filter {
    /// True if a repository is served.
    ///
    /// Errors: why not.
    pub fn admits(&self, repo: &RepoFacts<'_>) -> Result<(), Refusal> {
        let named = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.names(repo.slug));
        let included = named(&self.include);
        if repo.archived {
            return Err(Refusal::Archived);
        }
        if repo.disabled {
            return Err(Refusal::Disabled);
        }
        if named(&self.exclude) {
            return Err(Refusal::Excluded);
        }
        if !self.include.is_empty() && !included {
            return Err(Refusal::NotIncluded);
        }
        if repo.fork && !included {
            return Err(Refusal::Fork);
        }
        match repo.private {
            Some(false) if !self.public => Err(Refusal::Public),
            None if !self.public => Err(Refusal::MaybePublic),
            _ => Ok(()),
        }
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// Errors: it is empty, has more than one `/`, or characters that no name has.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.*?/".contains(&b);
        let (owner, name) = match text.split_once('/') {
            Some((owner, name)) => (Some(owner), name),
            None => (None, text),
        };
        let wrong = name.is_empty() || owner.is_some_and(str::is_empty) || name.contains('/');
        if wrong || !text.bytes().all(allowed) {
            return Err(format!(
                "{text:?} must be a repository (infra-*) or owner/repository (my-org/*), with * for any text and ? for any character"
            ));
        }
        let pattern = |text: &str| WildMatch::new(&text.to_ascii_lowercase());
        Ok(Self { owner: owner.map(pattern), name: pattern(name) })
    }

    fn names(&self, repo: &RepoSlug) -> bool {
        let owner = repo.owner().as_str().to_ascii_lowercase();
        self.owner.as_ref().is_none_or(|pattern| pattern.matches(&owner))
            && self.name.matches(&repo.name().to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
    }

    #[test]
    fn patterns_name_what_people_expect() {
        let rows = [
            ("my-org/*", "my-org/app", true),
            ("my-org/*", "My-Org/App", true),
            ("my-org/*", "other/app", false),
            ("*/infra-*", "any/infra-x", true),
            ("*/infra-*", "any/app", false),
            ("infra-*", "any/infra-x", true),
            ("my-org/service-?", "my-org/service-1", true),
            ("my-org/service-?", "my-org/service-12", false),
            ("app", "o/app", true),
            ("app", "o/app2", false),
            ("m*", "my-org/x", false),
        ];
        for (pattern, repo, expected) in rows {
            let found = patterns(&[pattern])[0].names(&RepoSlug::parse(repo).unwrap());
            assert_eq!(found, expected, "{pattern} {repo}");
        }
        for wrong in ["", " ", "/", "a/", "/a", "a/b/c", "a b", "[a]", "ä"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_reason_has_its_row() {
        let slug = RepoSlug::parse("o/r").unwrap();
        let plain = RepoFacts {
            slug: &slug,
            private: Some(true),
            fork: false,
            archived: false,
            disabled: false,
        };
        let filter = |include: &[&str], exclude: &[&str], public| Filter {
            include: patterns(include),
            exclude: patterns(exclude),
            public,
        };
        let all = filter(&[], &[], false);
        let public = RepoFacts { private: Some(false), ..plain };
        let unsaid = RepoFacts { private: None, ..plain };
        let fork = RepoFacts { fork: true, ..plain };
        let rows = [
            (&all, plain, Ok(())),
            (&all, RepoFacts { archived: true, ..plain }, Err(Refusal::Archived)),
            (&all, RepoFacts { disabled: true, ..plain }, Err(Refusal::Disabled)),
            (&all, fork, Err(Refusal::Fork)),
            (&all, public, Err(Refusal::Public)),
            (&all, unsaid, Err(Refusal::MaybePublic)),
            (&filter(&[], &[], true), public, Ok(())),
            (&filter(&[], &[], true), unsaid, Ok(())),
            (&filter(&["o/r"], &[], false), fork, Ok(())),
            (&filter(&["o/r"], &[], false), public, Err(Refusal::Public)),
            (&filter(&["o/x"], &[], false), plain, Err(Refusal::NotIncluded)),
            (&filter(&["o/*"], &["o/r"], false), plain, Err(Refusal::Excluded)),
        ];
        for (filter, facts, expected) in rows {
            assert_eq!(filter.admits(&facts), expected, "{filter:?} {facts:?}");
        }
    }
}
