//! Accounts and runner groups.

use std::collections::BTreeSet;
use std::fmt;

use crate::names::{Login, RepoSlug, Scope};

use super::access::Selection;
use super::model::{Account, Runner, RunnerGroup};
use super::{Refusal, World, read};

/// The id of every organisation's default runner group, and of a repository's only one.
pub const DEFAULT_GROUP: u64 = 1;
/// The id of the simulator's one GitHub App, `mayfly-sim`.
pub const APP_ID: u64 = 1;

impl World {
    /// Makes a user. A user that exists stays as it is.
    pub fn add_user(&mut self, login: &str) -> Result<(), Refusal> {
        self.add_account(login, false)
    }

    /// Makes an organisation with its default runner group and, unless told otherwise, the App installed. One that exists stays as it is.
    pub fn add_org(&mut self, login: &str) -> Result<(), Refusal> {
        self.add_account(login, true)
    }

    fn add_account(&mut self, login: &str, is_org: bool) -> Result<(), Refusal> {
        let login = Login::parse(login).map_err(|reason| Refusal::Invalid(reason.to_string()))?;
        match self.accounts.get(&login) {
            Some(known) if known.is_org != is_org => {
                Err(Refusal::NameTaken { what: "account", name: login.to_string() })
            }
            Some(_) => Ok(()),
            None => {
                self.ensure_account(login.as_str(), is_org);
                Ok(())
            }
        }
    }

    /// Makes an account whose login is known to be valid.
    pub(super) fn ensure_account(&mut self, login: &str, is_org: bool) {
        let Ok(login) = Login::parse(login) else { return };
        if self.accounts.contains_key(&login) {
            return;
        }
        let (id, created_at) = (self.next_id(), self.now());
        if is_org {
            let name = "Default".to_owned();
            let (id, org) = (DEFAULT_GROUP, login.clone());
            self.groups.push(RunnerGroup { id, name, org, selected: None, public: true });
        }
        self.accounts
            .insert(login.clone(), Account { id, login: login.clone(), is_org, created_at });
        if self.app.installs_itself {
            // It cannot be installed already, since the account is new.
            let _ = self.install_app(login.as_str(), Selection::All, None);
        }
    }

    /// Adds a runner group to an organisation and returns its id.
    pub fn add_runner_group(&mut self, org: &str, name: &str) -> Result<u64, Refusal> {
        let org = self.org(org).ok_or(Refusal::NotFound("organization"))?.login.clone();
        if self.groups(&org).any(|group| group.name.eq_ignore_ascii_case(name)) {
            return Err(Refusal::NameTaken { what: "runner group", name: name.to_owned() });
        }
        let id = self.next_id();
        self.groups.push(RunnerGroup {
            id,
            name: name.to_owned(),
            org,
            selected: None,
            public: true,
        });
        Ok(id)
    }

    /// Says which repositories' jobs the runners of an organisation's group may take: only those `selected`, or all of them, and
    /// whether public ones are among them. (GitHub docs, "Managing access to self-hosted runners using groups".)
    pub fn set_group_access(
        &mut self,
        org: &str,
        name: &str,
        selected: Option<&[RepoSlug]>,
        public: bool,
    ) -> Result<(), Refusal> {
        let ids = selected.map(|slugs| {
            let id = |slug: &RepoSlug| self.repo(slug).map(|repo| repo.id);
            slugs.iter().map(id).collect::<Option<BTreeSet<u64>>>()
        });
        let selected = match ids {
            Some(None) => return Err(Refusal::NotFound("repository")),
            Some(found) => found,
            None => None,
        };
        let of = |group: &&mut RunnerGroup| {
            group.org.as_str().eq_ignore_ascii_case(org) && group.name.eq_ignore_ascii_case(name)
        };
        let group = self.groups.iter_mut().find(of).ok_or(Refusal::NotFound("runner group"))?;
        (group.selected, group.public) = (selected, public);
        self.settle();
        Ok(())
    }

    /// True if the group of a runner admits a repository.
    pub(super) fn admits(&self, runner: &Runner, repo: &RepoSlug) -> bool {
        let Scope::Org(login) = &runner.scope else { return true };
        let Some(repo) = self.repo(repo) else { return false };
        let group = self.groups(login).find(|group| group.id == runner.group_id);
        group.is_some_and(|group| group.admits(repo))
    }

    /// Every account.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// The account with this login, compared without case.
    pub fn account(&self, login: &str) -> Option<&Account> {
        self.accounts.get(&Login::parse(login).ok()?)
    }

    /// The organisation with this login, compared without case.
    pub fn org(&self, login: &str) -> Option<&Account> {
        self.account(login).filter(|account| account.is_org)
    }

    /// The runner groups of an organisation.
    pub fn groups(&self, org: &(impl fmt::Display + ?Sized)) -> impl Iterator<Item = &RunnerGroup> {
        let org = read::<Login>(org, "organization").ok();
        self.groups.iter().filter(move |group| Some(&group.org) == org.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{slug, world};

    #[test]
    fn names_are_compared_without_case_and_taken_once() {
        let (mut world, _) = world();
        assert_eq!(world.repo(&slug("OCTO-ORG/Tools")).unwrap().slug.to_string(), "octo-org/tools");
        assert!(world.org("Octo-Org").is_some());
        assert!(world.add_org("octo-org").is_ok(), "making it again changes nothing");
        assert!(world.add_user("octo-org").is_err(), "an organisation is no user");
        assert_eq!(world.accounts().filter(|account| account.is_org).count(), 1);
    }
}
