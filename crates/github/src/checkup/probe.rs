//! What a fine-grained token may do. GitHub does not list its permissions, so each is tried: by reading what needs it.

use serde::de::IgnoredAny;

use super::super::budget::Priority;
use super::super::call::Who;
use super::super::client::GitHubClient;
use super::super::error::GitHubError;
use super::super::repositories::DiscoveryMode;
use super::{Finding, Wanted, judge};
use mayfly_common::repository::{Depth, Repository};
use mayfly_planner::filter::RepoFacts;

impl GitHubClient {
    pub(super) async fn probe(&self, wanted: &Wanted, found: &mut Vec<Finding>) {
        found.push(Finding::ok(
            "it is not a classic token with scopes: what it may do is tried, by reading what needs each permission",
        ));
        match self.probed_repository(wanted).await {
            Ok(Some((owner, name))) => self.probe_repository(&owner, &name, wanted, found).await,
            Ok(None) => found.push(Finding::warning(
                "the token sees no repository that is served, so its permissions could not be tried",
                format!(
                    "give it repositories ({}, Repository access), or look at DISCOVERY_MODE, DISCOVERY_INCLUDE and ALLOW_PUBLIC_REPOS",
                    judge::FINE_GRAINED
                ),
            )),
            Err(error) => {
                found.push(judge::trouble("GitHub was asked for the token's repositories", &error));
            }
        }
        if let DiscoveryMode::Organization(org) = &wanted.discovery {
            let outcome = self.reads("/orgs/{org}/actions/runners", &[org.as_str()]).await;
            found.push(judge::probed(&judge::organisation(org), org.as_str(), outcome));
            if wanted.hooks {
                let outcome = self.reads("/orgs/{org}/hooks", &[org.as_str()]).await;
                found.push(judge::probed(&judge::organisation_hooks(), org.as_str(), outcome));
            }
        }
        if let Some(slug) = &wanted.enterprise {
            let outcome =
                self.reads("/enterprises/{enterprise}/actions/runners", &[slug.as_str()]).await;
            found.push(judge::probed(&judge::enterprise(), slug.as_str(), outcome));
        }
    }

    async fn probe_repository(
        &self,
        owner: &str,
        name: &str,
        wanted: &Wanted,
        found: &mut Vec<Finding>,
    ) {
        let place = format!("{owner}/{name}");
        for permission in judge::of_repositories(wanted.hooks) {
            let mut values = vec![owner, name];
            // A file's path is one placeholder and may have many segments.
            values.extend_from_slice(permission.below);
            let mut outcome = self.reads(permission.route, &values).await;
            if permission.may_be_absent && outcome == Err(GitHubError::NotFound) {
                outcome = Ok(());
            }
            found.push(judge::probed(&permission, &place, outcome));
        }
    }

    /// The repository to try on: the one that is named, else one that is served, a private one if there is one. What is
    /// public can be read without any permission.
    async fn probed_repository(
        &self,
        wanted: &Wanted,
    ) -> Result<Option<(String, String)>, GitHubError> {
        let parts = |slug: &mayfly_common::scope::RepoSlug| {
            (slug.owner().to_string(), slug.name().to_owned())
        };
        if let Some(slug) = &wanted.repository {
            return Ok(Some(parts(slug)));
        }
        // The first page of each list: discovery asks for the same ones.
        let listed =
            self.repositories(&wanted.discovery, Depth::Recent, Priority::Upkeep, |_| true).await?;
        let served = |repository: &&Repository| {
            let facts = RepoFacts {
                slug: &repository.slug,
                private: repository.private,
                fork: repository.fork,
                archived: repository.archived,
                disabled: repository.disabled,
            };
            wanted.filter.admits(&facts).is_ok()
        };
        let best = listed.repositories.iter().filter(served).max_by_key(|found| found.private);
        match (best, listed.problems.into_iter().next()) {
            (Some(best), _) => Ok(Some(parts(&best.slug))),
            (None, Some((_, error))) => Err(error),
            (None, None) => Ok(None),
        }
    }

    async fn reads(&self, route: &'static str, values: &[&str]) -> Result<(), GitHubError> {
        let files = route.ends_with("{path}");
        let query: &[(&str, &str)] = if files { &[] } else { &[("per_page", "1")] };
        let call = self.call(Who::User, Priority::Upkeep, route, values, query);
        self.get_with_headers::<IgnoredAny>(&call).await.map(drop)
    }
}
