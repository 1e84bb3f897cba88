//! Brings the catalogue up to date: lists what may have changed, looks at the folders that are due, reads versions of files that
//! nobody has read. What cannot be read keeps its last known state and stays due.

use std::collections::BTreeSet;

use jiff::Timestamp;
use mayfly_common::api::PassReport;
use mayfly_common::scope::RepoSlug;
use tracing::warn;

use super::show::{trouble, trouble_at};
use super::{Reconciler, State};
use mayfly_common::repository::{Depth, FileText, FileVersion, Folder};
use mayfly_github::GitHubError;
use mayfly_github::budget::Priority;
use mayfly_planner::ledger::Fact;

impl Reconciler {
    pub(super) async fn discover(
        &self,
        state: &mut State,
        now: Timestamp,
        report: &mut PassReport,
    ) {
        // Until everything was listed once, no job can be found otherwise.
        let priority = if state.catalog.is_cold() { Priority::Demand } else { Priority::Discovery };
        if self.github.take_moved() {
            state.catalog.distrust();
        }
        let depth = state.catalog.depth(now);
        let Some(listed) = self.list(state, now, priority, report).await else { return };
        let due = state.catalog.due(now);
        let mut unread: Vec<(RepoSlug, FileVersion)> = Vec::new();
        for (repo, folder) in self.github.workflow_folders(due, priority).await {
            let listed = match depth {
                _ if listed.contains(&repo) => Some(true),
                Depth::Whole => Some(false),
                Depth::Recent => None,
            };
            let folder = self.confirmed(state, &repo, folder, priority).await;
            let files = learn_folder(state, (&repo, listed), folder, now, report);
            unread.extend(files.into_iter().map(|file| (repo.clone(), file)));
        }
        for ((repo, file), text) in self.github.workflow_texts(unread, priority).await {
            match text {
                Ok(text) => state.catalog.text(&repo, &file, &text),
                Err(GitHubError::NotFound) => {
                    state.catalog.text(&repo, &file, &FileText::Missing);
                }
                Err(error) => {
                    state.catalog.unread(&repo);
                    let what = format!("{repo}: workflow {} cannot be read", file.name);
                    trouble_at(report, repo.owner().as_str(), &what, &error);
                }
            }
        }
    }

    /// What is answered of a workflow folder, by REST where it had files and has none any more: GraphQL may answer null for once.
    async fn confirmed(
        &self,
        state: &State,
        repo: &RepoSlug,
        folder: Result<Folder, GitHubError>,
        priority: Priority,
    ) -> Result<Folder, GitHubError> {
        let told = match &folder {
            Ok(folder) => Some(folder),
            Err(GitHubError::NotFound) => None,
            Err(_) => return folder,
        };
        if !state.catalog.would_lose_files(repo, told) {
            return folder;
        }
        let found = self.github.workflow_folder(repo, priority).await?;
        if found.is_empty() { folder } else { Ok(found) }
    }

    /// Answers with what was listed just now, unless nothing could be.
    async fn list(
        &self,
        state: &mut State,
        now: Timestamp,
        priority: Priority,
        report: &mut PassReport,
    ) -> Option<BTreeSet<RepoSlug>> {
        let (config, depth) = (&self.config.github, state.catalog.depth(now));
        let catalog = &state.catalog;
        let known = |repo: &_| catalog.is_known(repo);
        let listed = match self.github.repositories(&config.discovery, depth, priority, known).await
        {
            Ok(listed) => listed,
            Err(error) => {
                trouble(report, "repositories cannot be listed", &error);
                return None;
            }
        };
        for (list, error) in &listed.problems {
            let what = format!("repositories of {list} cannot be listed");
            // Each installation is an account of its own; a token that may not list is wrong altogether.
            if self.github.is_app() {
                trouble_at(report, list, &what, error);
            } else {
                trouble(report, &what, error);
            }
        }
        for installation in &listed.suspended {
            let what = format!("{} is not served", installation.owner);
            let error = installation.suspension();
            trouble_at(report, installation.owner.as_str(), &what, &error);
        }
        let lost = state.catalog.listed(&listed.repositories, listed.coverage, &config.filter, now);
        self.rename(state, now).await;
        for lost in lost {
            state.ledger.apply(Fact::RepoGone(lost), now);
        }
        let any = listed.problems.is_empty() || !listed.repositories.is_empty();
        any.then(|| listed.repositories.into_iter().map(|repo| repo.slug).collect())
    }

    /// Gives the jobs of repositories that were renamed or moved their new names.
    async fn rename(&self, state: &mut State, now: Timestamp) {
        let names = state.catalog.take_renamed();
        if names.is_empty() {
            return;
        }
        state.ledger.apply(Fact::Renamed(names.clone()), now);
        if let Err(error) = self.intake.store().rename(names).await {
            warn!("jobs of renamed repositories keep their old names in the history: {error}");
        }
    }
}

/// Answers with the versions of files that must be read. The repository comes with whether GitHub lists it; `None`: the listing
/// ended before.
fn learn_folder(
    state: &mut State,
    (repo, listed): (&RepoSlug, Option<bool>),
    folder: Result<Folder, GitHubError>,
    now: Timestamp,
    report: &mut PassReport,
) -> Vec<FileVersion> {
    match folder {
        Ok(folder) => {
            // It has another name now: the next listing tells all about it.
            if folder.slug.as_ref().is_some_and(|slug| slug != repo) {
                state.catalog.distrust();
            }
            state.catalog.folder(repo, folder, now)
        }
        Err(GitHubError::NotFound) => {
            if let Some(lost) = state.catalog.folder_not_found(repo, listed, now) {
                state.ledger.apply(Fact::RepoGone(lost), now);
            }
            Vec::new()
        }
        Err(error) => {
            let what = format!("{repo}: workflows cannot be read");
            trouble_at(report, repo.owner().as_str(), &what, &error);
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
