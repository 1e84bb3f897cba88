//! Accounts, runner groups, App installations, repositories and their files.

use jiff::Timestamp;
use mayfly_common::scope::{Login, RepoSlug};

use super::model::{Account, Installation, NewRepo, Repo, RunnerGroup};
use super::{Refusal, World};

/// The id of every organisation's default runner group, and of a repository's only one.
pub const DEFAULT_GROUP: u64 = 1;
/// The id of the simulator's one GitHub App, `mayfly-sim`.
pub const APP_ID: u64 = 1;

/// Where GitHub looks for workflows.
pub(crate) const WORKFLOWS: &str = ".github/workflows/";

impl World {
    /// Makes a user. A user that exists stays as it is.
    pub fn add_user(&mut self, login: &str) -> Result<(), Refusal> {
        self.add_account(login, false)
    }

    /// Makes an organisation with its default runner group and the App installed. One that exists stays as it is.
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
        let (id, installation, created_at) = (self.next_id(), self.next_id(), self.now());
        if is_org {
            let name = "Default".to_owned();
            self.groups.push(RunnerGroup { id: DEFAULT_GROUP, name, org: login.clone() });
        }
        let account = login.clone();
        self.installations.push(Installation { id: installation, account, created_at });
        self.accounts.insert(login.clone(), Account { id, login, is_org, created_at });
    }

    /// Adds a runner group to an organisation and returns its id.
    pub fn add_runner_group(&mut self, org: &str, name: &str) -> Result<u64, Refusal> {
        let org = self.org(org).ok_or(Refusal::NotFound("organization"))?.login.clone();
        if self.groups(&org).any(|group| group.name.eq_ignore_ascii_case(name)) {
            return Err(Refusal::NameTaken { what: "runner group", name: name.to_owned() });
        }
        let id = self.next_id();
        self.groups.push(RunnerGroup { id, name: name.to_owned(), org });
        Ok(id)
    }

    /// Makes a repository; its owner must exist.
    pub fn add_repo(&mut self, new: NewRepo) -> Result<&Repo, Refusal> {
        let NewRepo { slug, private, files } = new;
        if !self.accounts.contains_key(slug.owner()) {
            return Err(Refusal::NotFound("owner"));
        }
        if self.repos.contains_key(&slug) {
            return Err(Refusal::NameTaken { what: "repository", name: slug.to_string() });
        }
        let (id, now) = (self.next_id(), self.now());
        let repo = Repo {
            id,
            slug: slug.clone(),
            private,
            fork: false,
            archived: false,
            disabled: false,
            default_branch: "main".to_owned(),
            created_at: now,
            pushed_at: now,
            files: std::collections::BTreeMap::new(),
            workflow_ids: std::collections::BTreeMap::new(),
            runs_made: 0,
        };
        self.repos.insert(slug.clone(), repo);
        for (path, text) in files {
            self.put_file(&slug, &path, &text)?;
        }
        self.repo(&slug).ok_or(Refusal::NotFound("repository"))
    }

    /// Writes a file and moves `pushed_at`; a second write within one second still moves it, so that it tells.
    pub fn put_file(&mut self, slug: &RepoSlug, path: &str, text: &str) -> Result<(), Refusal> {
        let parts = || path.split('/');
        if path.is_empty() || parts().any(|part| matches!(part, "" | "." | "..")) {
            return Err(Refusal::Invalid(format!("{path:?} is not a path of a file")));
        }
        let (id, now) = (self.next_id(), self.now());
        let repo = self.repos.get_mut(slug).ok_or(Refusal::NotFound("repository"))?;
        repo.files.insert(path.to_owned(), text.to_owned());
        if is_workflow(path) {
            repo.workflow_ids.entry(path.to_owned()).or_insert(id);
        }
        repo.pushed_at = later(repo.pushed_at, now);
        Ok(())
    }

    /// Removes a file and moves `pushed_at`.
    pub fn delete_file(&mut self, slug: &RepoSlug, path: &str) -> Result<(), Refusal> {
        let now = self.now();
        let repo = self.repos.get_mut(slug).ok_or(Refusal::NotFound("repository"))?;
        repo.files.remove(path).ok_or(Refusal::NotFound("file"))?;
        repo.workflow_ids.remove(path);
        repo.pushed_at = later(repo.pushed_at, now);
        Ok(())
    }

    /// Changes a repository's flags (archived, disabled, fork, private) in place.
    pub fn change_repo(
        &mut self,
        slug: &RepoSlug,
        change: impl FnOnce(&mut Repo),
    ) -> Result<(), Refusal> {
        change(self.repos.get_mut(slug).ok_or(Refusal::NotFound("repository"))?);
        Ok(())
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

    /// Every repository, by name.
    pub fn repos(&self) -> impl Iterator<Item = &Repo> {
        self.repos.values()
    }

    /// The repository of this name, compared without case.
    pub fn repo(&self, slug: &RepoSlug) -> Option<&Repo> {
        self.repos.get(slug)
    }

    /// The runner groups of an organisation.
    pub fn groups(&self, org: &Login) -> impl Iterator<Item = &RunnerGroup> {
        self.groups.iter().filter(move |group| group.org == *org)
    }

    /// Where the App is installed.
    pub fn installations(&self) -> &[Installation] {
        &self.installations
    }
}

/// Whether GitHub takes the file at `path` for a workflow.
pub(crate) fn is_workflow(path: &str) -> bool {
    path.strip_prefix(WORKFLOWS).is_some_and(|name| {
        let yaml = std::path::Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "yml" || extension == "yaml");
        yaml && !name.contains('/')
    })
}

/// `now`, or one second after `before` if the REST API, which shows whole seconds, could not tell the two apart.
fn later(before: Timestamp, now: Timestamp) -> Timestamp {
    if now.as_second() > before.as_second() {
        now
    } else {
        Timestamp::from_second(before.as_second() + 1).unwrap_or(now)
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

    #[test]
    fn every_change_of_a_file_moves_pushed_at_by_a_second_at_least() {
        let (mut world, _) = world();
        let repo = slug("octo-org/tools");
        let pushed = |world: &super::World| world.repo(&repo).unwrap().pushed_at.as_second();
        let before = pushed(&world);
        world.put_file(&repo, ".github/workflows/x.yml", "on: push").unwrap();
        let after_put = pushed(&world);
        world.delete_file(&repo, ".github/workflows/x.yml").unwrap();
        assert!(before < after_put && after_put < pushed(&world));
        assert!(world.delete_file(&repo, "nothing").is_err());
        assert!(world.put_file(&repo, "../x", "").is_err());
    }
}
