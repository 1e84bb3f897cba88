//! What a token may do: scopes of classic tokens, permissions of fine-grained ones and of the App's installations.
//!
//! Sources: GitHub docs, "Scopes for OAuth apps", "Permissions required for fine-grained personal access tokens",
//! "Permissions required for GitHub Apps". Every user of this world is a member of every organisation and a collaborator
//! of every repository, so that only the token limits what is allowed. A public repository's files, runs and description
//! are everyone's to read.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{Login, RepoSlug};
use serde::{Deserialize, Serialize};

use super::World;
use super::model::Repo;

/// How far a permission goes; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// To look.
    Read,
    /// To change.
    Write,
    /// To administer.
    Admin,
}

impl Level {
    /// As the REST API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// Permissions by the names that the REST API gives them, for example `administration`.
pub type Permissions = BTreeMap<String, Level>;

/// Permissions from pairs of name and level.
pub fn permissions(pairs: &[(&str, Level)]) -> Permissions {
    pairs.iter().map(|&(name, level)| (name.to_owned(), level)).collect()
}

/// Which of an owner's repositories.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Selection {
    /// Every one, also those still to be made.
    #[default]
    All,
    /// Those with these ids.
    Selected(BTreeSet<u64>),
}

impl Selection {
    /// True if the repository with this id is one of them.
    pub fn holds(&self, id: u64) -> bool {
        match self {
            Self::All => true,
            Self::Selected(ids) => ids.contains(&id),
        }
    }

    /// As `repository_selection` spells it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Selected(_) => "selected",
        }
    }
}

/// What a user gave a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Grant {
    /// Everything; the kind of token is not told.
    #[default]
    Everything,
    /// A classic token with these scopes.
    Classic(BTreeSet<String>),
    /// A fine-grained token.
    FineGrained {
        /// Whose repositories and organisation it is for.
        owner: Login,
        /// Which of the owner's repositories.
        repositories: Selection,
        /// What it may do there.
        permissions: Permissions,
    },
}

/// What a request is about.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A repository.
    Repo(&'a Repo),
    /// An organisation.
    Org(&'a Login),
    /// An enterprise.
    Enterprise,
}

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The permission of fine-grained tokens and Apps.
    pub permission: &'static str,
    /// How far it must go.
    pub level: Level,
    /// The scopes of classic tokens, of which one is enough; none at all is needed if it is empty.
    pub scopes: &'static [&'static str],
}

/// What GitHub says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allowed,
    /// The caller may know that the place exists, but not do this there.
    Forbidden,
    /// The caller may not know that the place exists.
    Hidden,
}

/// What may be read of a public repository without any permission for it.
const PUBLIC: &[&str] = &["metadata", "contents", "actions"];

impl World {
    /// True if `token` may see every repository, which saves asking for each.
    pub fn sees_all(&self, token: &str) -> bool {
        self.tokens.installation_token(token).is_none()
            && *self.tokens.grant(token) == Grant::Everything
    }

    /// True if `token` may see that this repository exists.
    pub fn sees(&self, token: &str, repo: &Repo) -> bool {
        let need = Need { permission: "metadata", level: Level::Read, scopes: &[] };
        self.judge(token, Place::Repo(repo), need) != Verdict::Hidden
    }

    /// What GitHub says to a request of `token`, a token that [`identify`](super::tokens::Tokens::identify) knows.
    pub fn judge(&self, token: &str, place: Place<'_>, need: Need) -> Verdict {
        if let Some(known) = self.tokens.installation_token(token) {
            let Some(installation) = self.installation(known.installation) else {
                return Verdict::Hidden;
            };
            let holds = |repo: &Repo| {
                installation.holds(repo)
                    && known.repositories.as_ref().is_none_or(|ids| ids.contains(&repo.id))
            };
            return fine(place, need, &installation.account, holds, &known.permissions);
        }
        match self.tokens.grant(token) {
            Grant::Everything => Verdict::Allowed,
            Grant::Classic(scopes) => classic(place, need, scopes),
            Grant::FineGrained { owner, repositories, permissions } => {
                let holds = |repo: &Repo| repo.slug.owner() == owner && repositories.holds(repo.id);
                fine(place, need, owner, holds, permissions)
            }
        }
    }

    /// The repositories that these names mean, as a selection.
    pub fn select(&self, repositories: &[RepoSlug]) -> Result<Selection, super::Refusal> {
        let ids = repositories.iter().map(|slug| self.repo(slug).map(|repo| repo.id));
        let ids: Option<BTreeSet<u64>> = ids.collect();
        ids.map(Selection::Selected).ok_or(super::Refusal::NotFound("repository"))
    }
}

fn classic(place: Place<'_>, need: Need, scopes: &BTreeSet<String>) -> Verdict {
    let has = |scope: &&str| scopes.contains(*scope);
    if matches!(place, Place::Repo(repo) if repo.private && !has(&"repo")) {
        return Verdict::Hidden;
    }
    if need.scopes.is_empty() || need.scopes.iter().any(has) {
        return Verdict::Allowed;
    }
    Verdict::Forbidden
}

fn fine(
    place: Place<'_>,
    need: Need,
    owner: &Login,
    holds: impl Fn(&Repo) -> bool,
    permissions: &Permissions,
) -> Verdict {
    let granted = need.permission == "metadata" && need.level == Level::Read
        || permissions.get(need.permission).is_some_and(|level| *level >= need.level);
    let (inside, open) = match place {
        Place::Enterprise => return Verdict::Forbidden,
        Place::Org(org) => (org == owner, need.permission == "metadata"),
        Place::Repo(repo) => {
            let inside = holds(repo);
            if !inside && repo.private {
                return Verdict::Hidden;
            }
            let open =
                !repo.private && need.level == Level::Read && PUBLIC.contains(&need.permission);
            (inside, open)
        }
    };
    if inside && granted || open { Verdict::Allowed } else { Verdict::Forbidden }
}

#[cfg(test)]
mod tests {
    use super::super::model::NewRepo;
    use super::super::testing::{slug, world};
    use super::super::tokens::UserToken;
    use super::*;

    const RUNNERS: Need =
        Need { permission: "administration", level: Level::Write, scopes: &["repo"] };
    const FILES: Need = Need { permission: "contents", level: Level::Read, scopes: &[] };

    #[test]
    fn verdicts() {
        let (mut world, _) = world();
        let secret = slug("octo-org/secret");
        let files = BTreeMap::new();
        world.add_repo(NewRepo { slug: secret.clone(), private: true, files }).unwrap();
        let (open, hidden) = (slug("octo-org/tools"), secret);
        let fine = |repositories: Selection, pairs: &[(&str, Level)]| Grant::FineGrained {
            owner: Login::parse("octo-org").unwrap(),
            repositories,
            permissions: permissions(pairs),
        };
        let classic = |scopes: &[&str]| {
            Grant::Classic(scopes.iter().map(|&scope| scope.to_owned()).collect())
        };
        let only_open = world.select(std::slice::from_ref(&open)).unwrap();
        let write = ("administration", Level::Write);
        let (yes, no, unseen) = (Verdict::Allowed, Verdict::Forbidden, Verdict::Hidden);
        let cases = [
            (Grant::Everything, &hidden, RUNNERS, yes),
            (classic(&["repo"]), &hidden, RUNNERS, yes),
            (classic(&["admin:org"]), &hidden, RUNNERS, unseen),
            (classic(&["admin:org"]), &open, RUNNERS, no),
            (classic(&[]), &open, FILES, yes),
            (fine(Selection::All, &[write]), &hidden, RUNNERS, yes),
            (fine(Selection::All, &[("administration", Level::Read)]), &hidden, RUNNERS, no),
            (fine(Selection::All, &[write]), &hidden, FILES, no),
            (fine(Selection::All, &[write]), &open, FILES, yes),
            (fine(only_open.clone(), &[write]), &hidden, RUNNERS, unseen),
            (fine(only_open, &[write]), &open, RUNNERS, yes),
        ];
        for (grant, repo, need, expected) in cases {
            let shown = format!("{grant:?} {repo:?} {need:?}");
            world.tokens.add_as("t", UserToken { grant, ..UserToken::default() });
            let repo = world.repo(repo).unwrap();
            assert_eq!(world.judge("t", Place::Repo(repo), need), expected, "{shown}");
            assert_eq!(world.sees("t", repo), expected != unseen, "{shown}");
        }
    }
}
