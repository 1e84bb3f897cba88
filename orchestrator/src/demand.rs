//! Where facts about jobs come from.
//!
//! | module | source |
//! |---|---|
//! | [`webhooks`] | deliveries that the gateway passed on |
//! | [`polling`] | GitHub's lists of queued jobs |
//!
//! A source tells and decides nothing: what is asked of it is on the pass's agenda, and what a fact means is the ledger's and the
//! catalogue's business.

pub(crate) mod polling;
pub(crate) mod webhooks;

use mayfly_common::job::QueuedJobs;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::{EventJob, EventRepository};
use mayfly_github::GitHubError;

/// A source of facts about jobs, and about the repositories that have them.
pub(crate) trait DemandSource {
    /// What a pass asks of it.
    type Asked;

    /// What it tells now.
    async fn read(&self, asked: Self::Asked) -> Vec<News>;
}

/// What a source tells.
#[derive(Debug)]
pub(crate) enum News {
    /// A delivery came, whatever it tells of.
    Delivered,
    /// A webhook told of a job.
    Job(EventRepository, EventJob),
    /// Somebody pushed to a repository.
    Push(EventRepository),
    /// Repositories came or went, were renamed or changed.
    Repositories {
        /// True if an installation of the App came or went, or was given other repositories.
        of_installation: bool,
    },
    /// GitHub lists the queued jobs of a repository.
    Listed(RepoSlug, QueuedJobs),
    /// GitHub does not list the queued jobs of a repository.
    NotListed(RepoSlug, GitHubError),
}
