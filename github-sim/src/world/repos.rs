//! Repositories: made, renamed, moved, changed, deleted. A renamed one is found by its old name until another takes
//! that. (GitHub docs, "Renaming a repository", "Transferring a repository".)

use std::collections::BTreeMap;
use std::fmt;

use crate::names::{Login, RepoSlug, Scope};
use jiff::Timestamp;

use super::events::{RepoAction, What};
use super::files::{check_path, is_workflow};
use super::hooks::HookPlace;
use super::model::{Conclusion, NewRepo, Repo, Status};
use super::{Refusal, World, read};

/// Most repositories that one call makes.
pub const MAX_BULK: usize = 100_000;

impl World {
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
        let mut repo = Repo {
            id,
            slug: slug.clone(),
            private,
            fork: false,
            archived: false,
            disabled: false,
            default_branch: "main".to_owned(),
            created_at: now,
            updated_at: now,
            pushed_at: now,
            files: BTreeMap::new(),
            workflow_ids: BTreeMap::new(),
            runs_made: 0,
            reviewed: std::collections::BTreeSet::new(),
        };
        for (path, text) in files {
            check_path(&path)?;
            if is_workflow(&path) {
                repo.workflow_ids.insert(path.clone(), self.next_id());
            }
            repo.files.insert(path, text);
        }
        self.moved.remove(&slug);
        self.repo_ids.insert(id, slug.clone());
        self.repos.insert(slug.clone(), repo);
        self.tell_of_repo(&slug, || What::Repository(RepoAction::Created));
        self.repo(&slug).ok_or(Refusal::NotFound("repository"))
    }

    /// Makes `count` repositories `<prefix>1`, `<prefix>2`, … of one owner, each with these files.
    pub fn add_repos(
        &mut self,
        owner: &(impl fmt::Display + ?Sized),
        prefix: &str,
        count: usize,
        private: bool,
        files: &BTreeMap<String, String>,
    ) -> Result<(), Refusal> {
        let owner = &read::<Login>(owner, "owner")?;
        if count > MAX_BULK {
            return Err(Refusal::Invalid(format!("at most {MAX_BULK} at once")));
        }
        for number in 1..=count {
            let slug = named(owner, &format!("{prefix}{number}"))?;
            self.add_repo(NewRepo { slug, private, files: files.clone() })?;
        }
        Ok(())
    }

    /// Makes a fork of a repository for another owner, with the same name and files.
    pub fn add_fork(&mut self, of: &RepoSlug, owner: &str) -> Result<&Repo, Refusal> {
        let source = self.repo(of).ok_or(Refusal::NotFound("repository"))?;
        let owner = Login::parse(owner).map_err(|why| Refusal::Invalid(why.to_string()))?;
        let slug = named(&owner, source.slug.name())?;
        let new =
            NewRepo { slug: slug.clone(), private: source.private, files: source.files.clone() };
        self.add_repo(new)?;
        self.change_repo(&slug, |repo| repo.fork = true)?;
        self.repo(&slug).ok_or(Refusal::NotFound("repository"))
    }

    /// Changes a repository's flags (archived, disabled, fork, private) in place.
    pub fn change_repo(
        &mut self,
        slug: &(impl fmt::Display + ?Sized),
        change: impl FnOnce(&mut Repo),
    ) -> Result<(), Refusal> {
        let slug = &read::<RepoSlug>(slug, "repository")?;
        let now = self.now();
        let repo = self.repos.get_mut(slug).ok_or(Refusal::NotFound("repository"))?;
        let (archived, private) = (repo.archived, repo.private);
        change(repo);
        repo.updated_at = later(repo.updated_at, now);
        let mut actions = Vec::new();
        if repo.archived != archived {
            let action = if archived { RepoAction::Unarchived } else { RepoAction::Archived };
            actions.push(action);
        }
        if repo.private != private {
            let action = if private { RepoAction::Publicized } else { RepoAction::Privatized };
            actions.push(action);
        }
        for action in actions {
            self.tell_of_repo(slug, || What::Repository(action));
        }
        Ok(())
    }

    /// Gives a repository another name; requests for the old one are redirected. Answers the new one.
    pub fn rename_repo(
        &mut self,
        slug: &(impl fmt::Display + ?Sized),
        name: &str,
    ) -> Result<RepoSlug, Refusal> {
        let slug = &read::<RepoSlug>(slug, "repository")?;
        let to = named(slug.owner(), name)?;
        self.move_repo(slug, &to, RepoAction::Renamed)
    }

    /// Gives a repository another owner; requests for the old one are redirected. Answers the new name.
    pub fn transfer_repo(
        &mut self,
        slug: &(impl fmt::Display + ?Sized),
        owner: &str,
    ) -> Result<RepoSlug, Refusal> {
        let slug = &read::<RepoSlug>(slug, "repository")?;
        let owner = self.account(owner).ok_or(Refusal::NotFound("owner"))?.login.clone();
        let to = named(&owner, slug.name())?;
        self.move_repo(slug, &to, RepoAction::Transferred)
    }

    fn move_repo(
        &mut self,
        from: &RepoSlug,
        to: &RepoSlug,
        action: impl FnOnce(RepoSlug) -> RepoAction,
    ) -> Result<RepoSlug, Refusal> {
        let now = self.now();
        let old = self.repos.get(from).ok_or(Refusal::NotFound("repository"))?;
        if from != to && self.repos.contains_key(to) {
            return Err(Refusal::NameTaken { what: "repository", name: to.to_string() });
        }
        let (id, old) = (old.id, old.slug.clone());
        let Some(mut repo) = self.repos.remove(from) else {
            return Err(Refusal::NotFound("repository"));
        };
        repo.slug = to.clone();
        repo.updated_at = later(repo.updated_at, now);
        self.repos.insert(to.clone(), repo);
        self.repo_ids.insert(id, to.clone());
        self.moved.remove(to);
        if from != to {
            self.moved.insert(old.clone(), id);
        }
        for run in self.runs.values_mut().filter(|run| run.repo == old) {
            run.repo = to.clone();
        }
        for job in self.jobs.values_mut().filter(|job| job.repo == old) {
            job.repo = to.clone();
        }
        let (was, is) = (Scope::Repo(old.clone()), Scope::Repo(to.clone()));
        for runner in self.runners.values_mut().filter(|runner| runner.scope == was) {
            runner.scope = is.clone();
        }
        for token in self.runner_tokens.iter_mut().filter(|token| token.scope == was) {
            token.scope = is.clone();
        }
        self.tell_of_repo(to, || What::Repository(action(old)));
        self.settle();
        Ok(to.clone())
    }

    /// Deletes a repository with its runs, jobs, runners and hooks; what was not done is cancelled first.
    pub fn delete_repo(&mut self, slug: &(impl fmt::Display + ?Sized)) -> Result<(), Refusal> {
        let slug = &read::<RepoSlug>(slug, "repository")?;
        let id = self.repo(slug).ok_or(Refusal::NotFound("repository"))?.id;
        let open = self.jobs.values().filter(|job| job.repo == *slug);
        let open: Vec<u64> =
            open.filter(|job| job.status != Status::Completed).map(|job| job.id).collect();
        for job in open {
            self.complete(job, Conclusion::Cancelled);
        }
        self.tell_of_repo(slug, || What::Repository(RepoAction::Deleted));
        let scope = Scope::Repo(slug.clone());
        self.runners.retain(|_, runner| runner.scope != scope);
        self.runner_tokens.retain(|token| token.scope != scope);
        self.jobs.retain(|_, job| job.repo != *slug);
        self.runs.retain(|_, run| run.repo != *slug);
        let hooks: Vec<u64> = self.hooks_of(&HookPlace::Repo(id)).map(|hook| hook.id).collect();
        for hook in hooks {
            self.hooks.remove(&hook);
            self.forget_deliveries(hook);
        }
        self.repos.remove(slug);
        self.repo_ids.remove(&id);
        self.moved.retain(|_, to| *to != id);
        self.settle();
        Ok(())
    }

    /// Every repository, by name.
    pub fn repos(&self) -> impl Iterator<Item = &Repo> {
        self.repos.values()
    }

    /// The repository of this name, compared without case.
    pub fn repo(&self, slug: &(impl fmt::Display + ?Sized)) -> Option<&Repo> {
        let slug = &read::<RepoSlug>(slug, "repository").ok()?;
        self.repos.get(slug)
    }

    /// The repository with this id.
    pub fn repo_by_id(&self, id: u64) -> Option<&Repo> {
        self.repos.get(self.repo_ids.get(&id)?)
    }

    /// The repository that had this name before, if none has it now.
    pub fn moved_repo(&self, slug: &RepoSlug) -> Option<&Repo> {
        self.repo_by_id(*self.moved.get(slug)?)
    }
}

fn named(owner: &Login, name: &str) -> Result<RepoSlug, Refusal> {
    RepoSlug::parse(&format!("{owner}/{name}")).map_err(|why| Refusal::Invalid(why.to_string()))
}

/// `now`, or one second after `before` if the REST API, which shows whole seconds, could not tell the two apart.
pub(super) fn later(before: Timestamp, now: Timestamp) -> Timestamp {
    if now.as_second() > before.as_second() {
        now
    } else {
        Timestamp::from_second(before.as_second() + 1).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{queue, scope, slug, world};
    use super::*;

    #[test]
    fn a_renamed_repository_takes_all_along_and_is_found_by_its_old_name() {
        let (mut world, _) = world();
        let (old, new) = (slug("octo-org/tools"), slug("octo-org/kit"));
        let own = scope("repo:octo-org/tools");
        world.add_offline_runner(&own, "r1", &["x"]).unwrap();
        let job = queue(&mut world, &["x"]);
        assert_eq!(world.connect_runner(&own, "r1").unwrap(), Some(job));
        assert_eq!(world.rename_repo(&old, "kit").unwrap(), new);
        assert!(world.repo(&old).is_none());
        assert_eq!(world.moved_repo(&old).unwrap().slug, new);
        assert_eq!(world.runners(&scope("repo:octo-org/kit")).count(), 1);
        world.finish_job(job, Conclusion::Success).unwrap();
        assert_eq!(world.violations(), Vec::<String>::new());
        let files = BTreeMap::new();
        world.add_repo(NewRepo { slug: old.clone(), private: false, files }).unwrap();
        assert!(world.moved_repo(&old).is_none(), "another has the name now");
        assert!(world.rename_repo(&old, "KIT").is_err());
        assert_eq!(world.rename_repo(&new, "Kit").unwrap().name(), "Kit", "only its case");
        assert!(world.moved_repo(&new).is_none());
    }

    #[test]
    fn a_repository_moves_to_another_owner_with_its_jobs() {
        let (mut world, _) = world();
        let org = scope("org:octo-org");
        world.add_org("other").unwrap();
        world.add_offline_runner(&org, "r1", &["x"]).unwrap();
        let job = queue(&mut world, &["x"]);
        world.connect_runner(&org, "r1").unwrap().unwrap();
        let new = world.transfer_repo(&slug("octo-org/tools"), "other").unwrap();
        assert_eq!(new, slug("other/tools"));
        world.finish_job(job, Conclusion::Success).unwrap();
        assert_eq!(world.violations(), Vec::<String>::new(), "it was in scope when it began");
        assert!(world.transfer_repo(&new, "nobody").is_err());
    }

    #[test]
    fn deleting_a_repository_leaves_nothing_of_it() {
        let (mut world, _) = world();
        let org = scope("org:octo-org");
        world.add_offline_runner(&org, "r1", &["x"]).unwrap();
        queue(&mut world, &["x"]);
        queue(&mut world, &["y"]);
        world.connect_runner(&org, "r1").unwrap().unwrap();
        world.delete_repo(&slug("octo-org/tools")).unwrap();
        assert!(world.repos().next().is_none() && world.jobs().next().is_none());
        assert!(!world.all_runners().any(super::super::model::Runner::busy));
        assert_eq!(world.violations(), Vec::<String>::new());
        assert!(world.delete_repo(&slug("octo-org/tools")).is_err());
    }

    #[test]
    fn ten_thousand_repositories_are_made_and_found() {
        let (mut world, _) = world();
        let owner = Login::parse("octo-org").unwrap();
        let files = BTreeMap::from([(".github/workflows/a.yml".to_owned(), "on: push".to_owned())]);
        world.add_repos(&owner, "r-", 10_000, true, &files).unwrap();
        assert_eq!(world.repos().count(), 10_001);
        assert_eq!(world.repo(&slug("Octo-Org/R-10000")).unwrap().workflow_ids.len(), 1);
        assert!(world.add_repos(&owner, "r-", 1, true, &files).is_err());
    }
}
