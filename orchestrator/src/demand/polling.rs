//! GitHub's lists of queued jobs.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use mayfly_common::scope::RepoSlug;
use mayfly_github::{GitHubClient, Look};

use super::{DemandSource, News};

/// Lists that are asked for at a time; GitHub allows 100 requests (docs: "Rate limits for the REST API").
const AT_A_TIME: usize = 8;

/// The lists of one GitHub.
pub(crate) struct Polling {
    github: Arc<GitHubClient>,
}

impl Polling {
    /// The lists that `github` gives.
    pub(crate) fn new(github: Arc<GitHubClient>) -> Self {
        Self { github }
    }
}

impl DemandSource for Polling {
    /// The repositories, each with what is known to wait there.
    type Asked = Vec<(RepoSlug, Look)>;

    async fn read(&self, asked: Self::Asked) -> Vec<News> {
        let lists = asked.into_iter().map(async |(repo, look): (RepoSlug, Look)| {
            match self.github.queued_jobs(&repo, &look).await {
                Ok(jobs) => News::Listed(repo, jobs),
                Err(error) => News::NotListed(repo, error),
            }
        });
        stream::iter(lists).buffered(AT_A_TIME).collect().await
    }
}
