//! Files of a repository: written, removed, and which of them are workflows.

use std::fmt;

use crate::names::RepoSlug;

use super::events::{FileChange, What};
use super::model::Repo;
use super::repos::later;
use super::{Refusal, World, read};

/// Where GitHub looks for workflows.
pub(crate) const WORKFLOWS: &str = ".github/workflows/";
impl World {
    /// Writes a file and moves `pushed_at`; a second write within one second still moves it, so that it tells.
    pub fn put_file(
        &mut self,
        slug: &(impl fmt::Display + ?Sized),
        path: &str,
        text: &str,
    ) -> Result<(), Refusal> {
        let slug = &read::<RepoSlug>(slug, "repository")?;
        check_path(path)?;
        let id = self.next_id();
        let repo = self.pushed(slug)?;
        let before = repo.files.insert(path.to_owned(), text.to_owned());
        if is_workflow(path) {
            repo.workflow_ids.entry(path.to_owned()).or_insert(id);
        }
        let change = if before.is_some() { FileChange::Modified } else { FileChange::Added };
        self.tell_of_repo(slug, || What::Push(path.to_owned(), change));
        Ok(())
    }

    /// Removes a file and moves `pushed_at`.
    pub fn delete_file(
        &mut self,
        slug: &(impl fmt::Display + ?Sized),
        path: &str,
    ) -> Result<(), Refusal> {
        let slug = &read::<RepoSlug>(slug, "repository")?;
        let known = self.repos.get(slug).ok_or(Refusal::NotFound("repository"))?;
        if !known.files.contains_key(path) {
            return Err(Refusal::NotFound("file"));
        }
        let repo = self.pushed(slug)?;
        repo.files.remove(path);
        repo.workflow_ids.remove(path);
        self.tell_of_repo(slug, || What::Push(path.to_owned(), FileChange::Removed));
        Ok(())
    }

    /// Leaves a repository without a commit.
    pub fn empty_repo(&mut self, slug: &(impl fmt::Display + ?Sized)) -> Result<(), Refusal> {
        let slug = &read::<RepoSlug>(slug, "repository")?;
        let repo = self.pushed(slug)?;
        repo.files.clear();
        repo.workflow_ids.clear();
        Ok(())
    }

    /// The repository that is pushed to just now.
    fn pushed(&mut self, slug: &RepoSlug) -> Result<&mut Repo, Refusal> {
        let now = self.now();
        let repo = self.repos.get_mut(slug).ok_or(Refusal::NotFound("repository"))?;
        if repo.archived {
            let why = "This repository was archived so it is read-only.";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        repo.pushed_at = later(repo.pushed_at, now);
        repo.updated_at = repo.pushed_at.max(repo.updated_at);
        Ok(repo)
    }
}

pub(super) fn check_path(path: &str) -> Result<(), Refusal> {
    if path.is_empty() || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(Refusal::Invalid(format!("{path:?} is not a path of a file")));
    }
    Ok(())
}

/// True if GitHub takes the file at `path` for a workflow.
pub(crate) fn is_workflow(path: &str) -> bool {
    path.strip_prefix(WORKFLOWS).is_some_and(|name| {
        let yaml = std::path::Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "yml" || extension == "yaml");
        yaml && !name.contains('/')
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{slug, world};
    use super::*;

    #[test]
    fn every_change_of_a_file_moves_pushed_at_by_a_second_at_least() {
        let (mut world, _) = world();
        let repo = slug("octo-org/tools");
        let pushed = |world: &World| world.repo(&repo).unwrap().pushed_at.as_second();
        let before = pushed(&world);
        world.put_file(&repo, ".github/workflows/x.yml", "on: push").unwrap();
        let after_put = pushed(&world);
        world.delete_file(&repo, ".github/workflows/x.yml").unwrap();
        assert!(before < after_put && after_put < pushed(&world));
        assert!(world.delete_file(&repo, "nothing").is_err());
        assert!(world.put_file(&repo, "../x", "").is_err());
        world.change_repo(&repo, |repo| repo.archived = true).unwrap();
        assert!(world.put_file(&repo, "x", "").is_err());
    }
}
