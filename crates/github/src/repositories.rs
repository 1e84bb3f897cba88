//! Which repositories there are.
//!
//! Lists of a user and of an organisation are read in the order of their last push, so that what changed is on the first page
//! and reading can stop where nothing is new. An installation's list has no order and is read whole (REST "Repositories",
//! "Installations").

#[cfg(test)]
mod tests;

use mayfly_common::lenient::List;
use mayfly_common::repository::{Coverage, Depth, Repository};
use mayfly_common::scope::Login;

use super::budget::Priority;
use super::call::{Call, Who};
use super::client::{GitHubClient, PER_PAGE};
use super::error::GitHubError;
use super::identity::Installation;
use super::page::Page;
use super::wire;

/// Whose repositories are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiscoveryMode {
    /// Those that the token's user owns, or those of all installations of the App.
    All,
    /// Those of an organisation, and those that the token's user owns.
    Organization(Login),
}

/// What was listed.
#[derive(Debug, Default)]
pub struct Listed {
    /// The repositories, each once.
    pub repositories: Vec<Repository>,
    /// How much of what there is they are.
    pub coverage: Coverage,
    /// Lists that could not be read.
    pub problems: Vec<(String, GitHubError)>,
    /// Installations of the App that are suspended: nothing of theirs is listed.
    pub suspended: Vec<Installation>,
}

impl GitHubClient {
    /// The repositories of `mode`. With [`Depth::Recent`], a list is left where all on a page is `known` already.
    ///
    /// Errors: not even what lists there are could be read.
    pub async fn repositories(
        &self,
        mode: &DiscoveryMode,
        depth: Depth,
        priority: Priority,
        known: impl Fn(&Repository) -> bool,
    ) -> Result<Listed, GitHubError> {
        let mut listed = Listed::default();
        let lists = self.lists(mode, priority, &mut listed).await?;
        for (name, call) in lists {
            let read = if call.route == "/installation/repositories" {
                self.whole_list::<wire::InstallationRepos>(call).await
            } else {
                self.by_last_push(call, depth, &known).await
            };
            match read {
                Ok((found, coverage)) => {
                    listed.coverage = listed.coverage.min(coverage);
                    listed.repositories.extend(found.into_iter().map(repository));
                }
                // A token of an organisation has no user behind it.
                Err(GitHubError::Forbidden(_) | GitHubError::NotFound)
                    if name == "the user" && !listed.repositories.is_empty() => {}
                Err(error) => {
                    listed.coverage = Coverage::Part;
                    listed.problems.push((name, error));
                }
            }
        }
        listed.repositories.sort_by_key(|repository| repository.id);
        listed.repositories.dedup_by_key(|repository| repository.id);
        Ok(listed)
    }

    /// The lists to read, each with a name for people.
    async fn lists(
        &self,
        mode: &DiscoveryMode,
        priority: Priority,
        listed: &mut Listed,
    ) -> Result<Vec<(String, Call)>, GitHubError> {
        let per_page = PER_PAGE.to_string();
        if self.is_app() {
            let of = |login: &Login| match mode {
                DiscoveryMode::All => true,
                DiscoveryMode::Organization(org) => org == login,
            };
            let (installations, unread) = self.installations_read().await?;
            listed.coverage = Coverage::of(unread);
            let wanted = installations.into_iter().filter(|found| of(&found.owner));
            let (ended, used): (Vec<_>, Vec<_>) = wanted.partition(|found| found.suspended);
            listed.suspended = ended;
            let calls = used.into_iter().map(|found| {
                let query = [("per_page", per_page.as_str())];
                let who = Who::Installation(found.id);
                let call = self.call(who, priority, "/installation/repositories", &[], &query);
                (found.owner.to_string(), call)
            });
            return Ok(calls.collect());
        }
        let query = |kind| {
            [
                ("type", kind),
                ("sort", "pushed"),
                ("direction", "desc"),
                ("per_page", per_page.as_str()),
            ]
        };
        let mut calls = Vec::new();
        if let DiscoveryMode::Organization(org) = mode {
            let route = "/orgs/{org}/repos";
            let call = self.call(Who::User, priority, route, &[org.as_str()], &query("all"));
            calls.push((org.to_string(), call));
        }
        let own = self.call(Who::User, priority, "/user/repos", &[], &query("owner"));
        calls.push(("the user".to_owned(), own));
        Ok(calls)
    }

    async fn whole_list<P: Page<Item = wire::Repo>>(
        &self,
        call: Call,
    ) -> Result<(Vec<wire::Repo>, Coverage), GitHubError> {
        let found = self.get_whole::<P>(call).await?;
        Ok((found.items, Coverage::of(found.unread)))
    }

    /// Reads a list that is ordered by the last push.
    async fn by_last_push(
        &self,
        call: Call,
        depth: Depth,
        known: &impl Fn(&Repository) -> bool,
    ) -> Result<(Vec<wire::Repo>, Coverage), GitHubError> {
        if depth == Depth::Whole {
            return self.whole_list::<List<wire::Repo>>(call).await;
        }
        let (mut all, mut unread, mut at, mut number) = (Vec::new(), 0, call, 1);
        loop {
            let (page, next) = self.get_page::<List<wire::Repo>>(&at, number).await?;
            unread += page.odd().len();
            let page = page.into_entries();
            // Whoever does not order the list may have news on any page.
            let ordered = page.windows(2).all(|pair| pair[0].pushed_at >= pair[1].pushed_at);
            let last = page.last().cloned().map(repository);
            let news_end = ordered && last.is_some_and(|last| known(&last));
            all.extend(page);
            match next {
                None => return Ok((all, Coverage::of(unread))),
                Some(_) if news_end => return Ok((all, Coverage::Part)),
                Some(next) => at = at.at(next),
            }
            number += 1;
        }
    }
}

fn repository(found: wire::Repo) -> Repository {
    Repository {
        id: found.id,
        slug: found.full_name,
        pushed_at: found.pushed_at,
        private: found.private,
        fork: found.fork,
        archived: found.archived,
        disabled: found.disabled,
    }
}
