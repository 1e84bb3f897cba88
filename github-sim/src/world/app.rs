//! The one GitHub App: its key and permissions, where it is installed, and the tokens of its installations.
//!
//! Sources: GitHub docs, "Authenticating with a GitHub App", REST "Apps". Invariant: an account has the App installed once at
//! most, and a token never reaches a repository or a permission that its installation does not have.

use std::collections::BTreeSet;
use std::fmt;

use crate::names::Login;
use jiff::{SignedDuration, Timestamp};

use super::access::{Level, Permissions, Selection, permissions};
use super::events::{InstallationAction, RepoName, What};
use super::hooks::HookConfig;
use super::keys::PublicKey;
use super::model::Repo;
use super::tokens::InstallationToken;
use super::{APP_ID, Refusal, World, read, secret};

/// How long an installation's token works unless set otherwise (GitHub docs: one hour).
pub const INSTALLATION_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// The App itself.
#[derive(Debug, Clone)]
pub struct App {
    /// GitHub's numeric id.
    pub id: u64,
    /// Its other name, which is preferred as the issuer of a JSON Web Token.
    pub client_id: String,
    /// The name in URLs.
    pub slug: String,
    /// What its JSON Web Tokens are verified with; while there is none, any that has three parts will do.
    pub key: Option<PublicKey>,
    /// What it asks of accounts, and so what new installations have.
    pub permissions: Permissions,
    /// What its hook is told, besides its installations.
    pub events: BTreeSet<String>,
    /// Where its events go.
    pub hook: Option<HookConfig>,
    /// How long the tokens of its installations work.
    pub token_lifetime: SignedDuration,
    /// True if accounts made from now on have it installed.
    pub installs_itself: bool,
}

impl Default for App {
    fn default() -> Self {
        let write = |name| (name, Level::Write);
        Self {
            id: APP_ID,
            client_id: "Iv1.0000000000000001".to_owned(),
            slug: "mayfly-sim".to_owned(),
            key: None,
            permissions: permissions(&[
                ("actions", Level::Read),
                write("administration"),
                ("contents", Level::Read),
                ("metadata", Level::Read),
                write("organization_hooks"),
                write("organization_self_hosted_runners"),
                write("repository_hooks"),
            ]),
            events: ["push", "repository", "workflow_job"].map(str::to_owned).into(),
            hook: None,
            token_lifetime: INSTALLATION_TOKEN_LIFETIME,
            installs_itself: true,
        }
    }
}

/// An installation of the App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// GitHub's numeric id.
    pub id: u64,
    /// The account it is installed on.
    pub account: Login,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Which of the account's repositories it has.
    pub repositories: Selection,
    /// What it may do.
    pub permissions: Permissions,
    /// Since when it is suspended, if it is.
    pub suspended_at: Option<Timestamp>,
}

impl Installation {
    /// True if it has this repository.
    pub fn holds(&self, repo: &Repo) -> bool {
        repo.slug.owner() == &self.account && self.repositories.holds(repo.id)
    }
}

/// What a token of an installation is narrowed to; `None` is all that the installation has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// Ids of repositories.
    pub repositories: Option<BTreeSet<u64>>,
    /// Permissions.
    pub permissions: Option<Permissions>,
}

/// A token of an installation, as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeToken {
    /// What requests carry.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it may do.
    pub permissions: Permissions,
    /// Ids of the repositories it was narrowed to.
    pub repositories: Option<BTreeSet<u64>>,
}

impl World {
    /// Where the App is installed, oldest first.
    pub fn installations(&self) -> &[Installation] {
        &self.installations
    }

    /// The installation with this id.
    pub fn installation(&self, id: u64) -> Option<&Installation> {
        // Ids only grow.
        let at = self.installations.binary_search_by_key(&id, |known| known.id).ok()?;
        self.installations.get(at)
    }

    /// The installation on this account.
    pub fn installation_of(&self, account: &(impl fmt::Display + ?Sized)) -> Option<&Installation> {
        let account = &read::<Login>(account, "account").ok()?;
        self.installations.iter().find(|known| known.account == *account)
    }

    /// Installs the App on an account and returns the installation's id; permissions are the App's own if not given.
    pub fn install_app(
        &mut self,
        account: &str,
        repositories: Selection,
        permissions: Option<Permissions>,
    ) -> Result<u64, Refusal> {
        let account = self.account(account).ok_or(Refusal::NotFound("account"))?.login.clone();
        if self.installation_of(&account).is_some() {
            let name = account.to_string();
            return Err(Refusal::NameTaken { what: "installation", name });
        }
        let (id, now) = (self.next_id(), self.now());
        let permissions = permissions.unwrap_or_else(|| self.app.permissions.clone());
        self.installations.push(Installation {
            id,
            account,
            created_at: now,
            updated_at: now,
            repositories,
            permissions,
            suspended_at: None,
        });
        self.tell_installation(id, InstallationAction::Created);
        Ok(id)
    }

    /// Ends an installation and all its tokens.
    pub fn delete_installation(&mut self, id: u64) -> Result<(), Refusal> {
        self.installation(id).ok_or(Refusal::NotFound("installation"))?;
        self.tell_installation(id, InstallationAction::Deleted);
        self.installations.retain(|known| known.id != id);
        self.tokens.forget(id);
        Ok(())
    }

    /// Suspends an installation: its tokens are refused until it goes on. Repeating it changes nothing.
    pub fn suspend_installation(&mut self, id: u64) -> Result<(), Refusal> {
        self.set_suspended(id, true)
    }

    /// Lets a suspended installation go on. Repeating it changes nothing.
    pub fn unsuspend_installation(&mut self, id: u64) -> Result<(), Refusal> {
        self.set_suspended(id, false)
    }

    fn set_suspended(&mut self, id: u64, suspended: bool) -> Result<(), Refusal> {
        let now = self.now();
        let known = self.change_installation(id)?;
        if known.suspended_at.is_some() == suspended {
            return Ok(());
        }
        (known.suspended_at, known.updated_at) = (suspended.then_some(now), now);
        self.tokens.suspend(id, suspended);
        let action =
            if suspended { InstallationAction::Suspend } else { InstallationAction::Unsuspend };
        self.tell_installation(id, action);
        Ok(())
    }

    /// Gives an installation these repositories in place of those it has; the App's hook is told of the difference.
    pub fn set_installation_repositories(
        &mut self,
        id: u64,
        repositories: Selection,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let known = self.change_installation(id)?;
        let account = known.account.clone();
        let before = std::mem::replace(&mut known.repositories, repositories);
        let after = known.repositories.clone();
        known.updated_at = now;
        for added in [true, false] {
            let (had, has) = if added { (&before, &after) } else { (&after, &before) };
            let own = self.repos().filter(|repo| repo.slug.owner() == &account);
            let changed = own.filter(|repo| has.holds(repo.id) && !had.holds(repo.id));
            let repos: Vec<RepoName> = changed.map(RepoName::from).collect();
            if !repos.is_empty() {
                self.tell_of_app(id, What::InstallationRepositories { added, repos });
            }
        }
        Ok(())
    }

    /// Gives an installation these permissions in place of those it has. Tokens it has made keep theirs, but no more than
    /// what is left.
    pub fn set_installation_permissions(
        &mut self,
        id: u64,
        permissions: Permissions,
    ) -> Result<(), Refusal> {
        let now = self.now();
        self.change_installation(id)?;
        self.tokens.narrow(id, &permissions);
        let known = self.change_installation(id)?;
        (known.permissions, known.updated_at) = (permissions, now);
        Ok(())
    }

    fn change_installation(&mut self, id: u64) -> Result<&mut Installation, Refusal> {
        let found = self.installations.binary_search_by_key(&id, |known| known.id).ok();
        let found = found.and_then(|at| self.installations.get_mut(at));
        found.ok_or(Refusal::NotFound("installation"))
    }

    /// Makes a token for an installation of the App that may do all the installation may.
    pub fn create_installation_token(&mut self, id: u64) -> Result<(String, Timestamp), Refusal> {
        let made = self.create_narrowed_token(id, Narrowed::default())?;
        Ok((made.token, made.expires_at))
    }

    /// Makes a token for an installation of the App.
    pub fn create_narrowed_token(
        &mut self,
        id: u64,
        narrowed: Narrowed,
    ) -> Result<MadeToken, Refusal> {
        let installation = self.installation(id).ok_or(Refusal::NotFound("installation"))?;
        if installation.suspended_at.is_some() {
            return Err(Refusal::Forbidden("This installation has been suspended"));
        }
        let Narrowed { repositories, permissions } = narrowed;
        let holds = |id: &u64| self.repo_by_id(*id).is_some_and(|repo| installation.holds(repo));
        if !repositories.iter().flatten().all(holds) {
            let why = "There is at least one repository that does not exist or is not accessible to the parent installation.";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        let granted = |(name, level): (&String, &Level)| {
            installation.permissions.get(name).is_some_and(|most| level <= most)
        };
        if !permissions.iter().flatten().all(granted) {
            let why = "The permissions requested are not granted to this installation.";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        let permissions = permissions.unwrap_or_else(|| installation.permissions.clone());
        let expires = self.now().saturating_add(self.app.token_lifetime).unwrap_or(Timestamp::MAX);
        let token = opaque(self.app.id);
        let stored = InstallationToken {
            installation: id,
            expires,
            repositories: repositories.clone(),
            permissions: permissions.clone(),
        };
        self.tokens.add_installation_token(&token, stored);
        Ok(MadeToken { token, expires_at: expires, permissions, repositories })
    }
}

/// A token of the length that GitHub's have since April 2026 (`ghs_<app>_<JWT>`), so that nothing counts on 40 characters.
fn opaque(app: u64) -> String {
    const PARTS: usize = 15;
    let rest: String = (0..PARTS).map(|_| secret("")).collect();
    format!("ghs_{app}_{rest}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::access::{Need, Place, Verdict};
    use super::super::model::NewRepo;
    use super::super::testing::{slug, world};
    use super::super::tokens::Identity;
    use super::*;

    fn installed(world: &World) -> u64 {
        world.installation_of(&Login::parse("octo-org").unwrap()).unwrap().id
    }

    #[test]
    fn an_installation_token_is_long_and_ends_after_an_hour() {
        let (mut world, clock) = world();
        let id = installed(&world);
        let (token, _) = world.create_installation_token(id).unwrap();
        assert!(token.starts_with("ghs_") && token.len() > 400);
        let identity = |world: &World| world.tokens.identify(&token, world.now());
        assert_eq!(identity(&world), Ok(Identity::Installation(id)));
        clock.advance(INSTALLATION_TOKEN_LIFETIME);
        assert!(identity(&world).is_err());
        world.expire(clock.now());
        assert!(identity(&world).is_err());
        assert!(world.create_installation_token(7).is_err());
    }

    #[test]
    fn suspension_stops_tokens_and_deletion_ends_them() {
        let (mut world, _) = world();
        let id = installed(&world);
        let (token, _) = world.create_installation_token(id).unwrap();
        world.suspend_installation(id).unwrap();
        let refused = Err(Refusal::Forbidden("This installation has been suspended"));
        assert_eq!(world.tokens.identify(&token, world.now()), refused);
        assert!(matches!(world.create_installation_token(id), Err(Refusal::Forbidden(_))));
        world.unsuspend_installation(id).unwrap();
        assert!(world.tokens.identify(&token, world.now()).is_ok());
        world.delete_installation(id).unwrap();
        assert!(matches!(
            world.tokens.identify(&token, world.now()),
            Err(Refusal::Unauthorized(_))
        ));
        assert!(world.install_app("octo-org", Selection::All, None).is_ok());
        assert!(world.install_app("octo-org", Selection::All, None).is_err(), "once");
    }

    #[test]
    fn a_token_reaches_no_further_than_its_installation() {
        let (mut world, _) = world();
        let other = slug("octo-org/other");
        let new = NewRepo { slug: other.clone(), private: true, files: BTreeMap::new() };
        world.add_repo(new).unwrap();
        let (id, tools) = (installed(&world), slug("octo-org/tools"));
        world.set_installation_repositories(id, world.select(&[tools]).unwrap()).unwrap();
        let outside = world.repo(&other).unwrap().id;
        let narrowed = Narrowed { repositories: Some([outside].into()), ..Narrowed::default() };
        assert!(world.create_narrowed_token(id, narrowed).is_err());
        let much = permissions(&[("contents", Level::Write)]);
        let narrowed = Narrowed { permissions: Some(much), ..Narrowed::default() };
        assert!(world.create_narrowed_token(id, narrowed).is_err());
        let (token, _) = world.create_installation_token(id).unwrap();
        let need = Need { permission: "contents", level: Level::Read, scopes: &[] };
        let place = Place::Repo(world.repo(&other).unwrap());
        assert_eq!(world.judge(&token, place, need), Verdict::Hidden);
        world.set_installation_permissions(id, permissions(&[])).unwrap();
        let org = Login::parse("octo-org").unwrap();
        let need = Need { permission: "organization_hooks", level: Level::Read, scopes: &[] };
        assert_eq!(world.judge(&token, Place::Org(&org), need), Verdict::Forbidden);
    }
}
