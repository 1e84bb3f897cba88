//! What happens in the world, as hooks are told of it: a snapshot, so that what is told later is what was true then.
//!
//! Source: GitHub docs, "Webhook events and payloads". Invariant: nothing is kept of an event that no hook wants.

use std::sync::Arc;

use crate::names::RepoSlug;
use jiff::Timestamp;

use super::World;
use super::app::Installation;
use super::model::{Job, Repo};

/// What an installation went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallationAction {
    /// It was made.
    Created,
    /// It was deleted.
    Deleted,
    /// It was suspended.
    Suspend,
    /// It goes on.
    Unsuspend,
}

/// Where a job went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobAction {
    /// A runner may take it.
    Queued,
    /// It waits for someone's approval.
    Waiting,
    /// A runner has it.
    InProgress,
    /// It has a conclusion.
    Completed,
}

impl JobAction {
    /// As the payload's `action` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
        }
    }
}

/// How a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    /// It was not there.
    Added,
    /// It was there.
    Modified,
    /// It is gone.
    Removed,
}

/// What a repository went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepoAction {
    /// It was made.
    Created,
    /// It was deleted.
    Deleted,
    /// It has another name; this was the old one.
    Renamed(RepoSlug),
    /// It has another owner; this was the old name.
    Transferred(RepoSlug),
    /// It is read-only.
    Archived,
    /// It is no longer read-only.
    Unarchived,
    /// Only members see it.
    Privatized,
    /// Everyone sees it.
    Publicized,
}

/// As little of a repository as tells which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoName {
    /// GitHub's numeric id.
    pub id: u64,
    /// `owner/name`.
    pub slug: RepoSlug,
    /// True if only members see it.
    pub private: bool,
}

impl From<&Repo> for RepoName {
    fn from(repo: &Repo) -> Self {
        Self { id: repo.id, slug: repo.slug.clone(), private: repo.private }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A hook was made, or someone asked for it.
    Ping,
    /// The hook itself was deleted.
    MetaDeleted,
    /// A job moved.
    WorkflowJob {
        /// Where it went.
        action: JobAction,
        /// The job as it was then, without its log.
        job: Box<Job>,
        /// The name of its workflow.
        workflow: String,
    },
    /// A commit changed a file.
    Push(String, FileChange),
    /// A repository changed.
    Repository(RepoAction),
    /// An installation changed; if it was made or deleted, with the repositories it has or had.
    Installation(InstallationAction, Vec<RepoName>),
    /// An installation was given repositories, or lost them.
    InstallationRepositories {
        /// True if they were given.
        added: bool,
        /// Which.
        repos: Vec<RepoName>,
    },
}

impl What {
    /// As `X-GitHub-Event` spells it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::MetaDeleted => "meta",
            Self::WorkflowJob { .. } => "workflow_job",
            Self::Push(..) => "push",
            Self::Repository(_) => "repository",
            Self::Installation(..) => "installation",
            Self::InstallationRepositories { .. } => "installation_repositories",
        }
    }

    /// As the payload's `action` spells it, if it has one.
    pub fn action(&self) -> Option<&'static str> {
        Some(match self {
            Self::Ping | Self::Push(..) => return None,
            Self::MetaDeleted
            | Self::Repository(RepoAction::Deleted)
            | Self::Installation(InstallationAction::Deleted, _) => "deleted",
            Self::WorkflowJob { action, .. } => action.as_str(),
            Self::Repository(RepoAction::Created)
            | Self::Installation(InstallationAction::Created, _) => "created",
            Self::Repository(RepoAction::Renamed(_)) => "renamed",
            Self::Repository(RepoAction::Transferred(_)) => "transferred",
            Self::Repository(RepoAction::Archived) => "archived",
            Self::Repository(RepoAction::Unarchived) => "unarchived",
            Self::Repository(RepoAction::Privatized) => "privatized",
            Self::Repository(RepoAction::Publicized) => "publicized",
            Self::Installation(InstallationAction::Suspend, _) => "suspend",
            Self::Installation(InstallationAction::Unsuspend, _) => "unsuspend",
            Self::InstallationRepositories { added: true, .. } => "added",
            Self::InstallationRepositories { added: false, .. } => "removed",
        })
    }
}

/// An event, as all hooks that hear of it are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The same for every hook and every repetition.
    pub guid: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
    /// The repository it is about, as it was then, without the text of its files.
    pub repo: Option<Box<Repo>>,
    /// The installation it is about or that covers the repository.
    pub installation: Option<Box<Installation>>,
}

impl World {
    /// Tells of something about a repository.
    pub(super) fn tell_of_repo(&mut self, slug: &RepoSlug, what: impl FnOnce() -> What) {
        if self.hooks.is_empty() {
            return;
        }
        let Some(repo) = self.repos.get(slug) else { return };
        let what = what();
        let listeners = self.listeners(what.name(), Some(repo));
        if listeners.is_empty() {
            return;
        }
        let repo = snapshot(repo);
        let installation = self.installation_of(repo.slug.owner()).filter(|one| one.holds(&repo));
        let installation = installation.cloned().map(Box::new);
        self.post(&listeners, what, Some(Box::new(repo)), installation);
    }

    /// Tells of a job where it stands now.
    pub(super) fn tell_of_job(&mut self, id: u64, action: JobAction) {
        if self.hooks.is_empty() {
            return;
        }
        let Some(job) = self.jobs.get(&id) else { return };
        let (slug, job) = (job.repo.clone(), Job { log: Vec::new(), ..job.clone() });
        let workflow = self.runs.get(&job.run_id).map(|run| run.name.clone()).unwrap_or_default();
        let job = Box::new(job);
        self.tell_of_repo(&slug, || What::WorkflowJob { action, job, workflow });
    }

    /// Tells the App of one of its installations.
    pub(super) fn tell_installation(&mut self, id: u64, action: InstallationAction) {
        let listed = matches!(action, InstallationAction::Created | InstallationAction::Deleted);
        let installation = self.installation(id).filter(|_| listed && !self.hooks.is_empty());
        let holds = |repo: &&Repo| installation.is_some_and(|known| known.holds(repo));
        let repos = self.repos().filter(holds).map(RepoName::from).collect();
        self.tell_of_app(id, What::Installation(action, repos));
    }

    pub(super) fn tell_of_app(&mut self, id: u64, what: What) {
        let listeners = self.listeners(what.name(), None);
        if listeners.is_empty() {
            return;
        }
        let installation = self.installation(id).cloned().map(Box::new);
        self.post(&listeners, what, None, installation);
    }

    /// Tells one hook something about itself.
    pub(super) fn tell_hook(&mut self, id: u64, what: What) {
        let place = self.hooks.get(&id).map(|hook| hook.place.clone());
        let repo = match place {
            Some(super::hooks::HookPlace::Repo(id)) => self.repo_by_id(id).map(snapshot),
            _ => None,
        };
        self.post(&[id], what, repo.map(Box::new), None);
    }

    fn post(
        &mut self,
        hooks: &[u64],
        what: What,
        repo: Option<Box<Repo>>,
        installation: Option<Box<Installation>>,
    ) {
        let (guid, at) = (uuid::Uuid::new_v4().to_string(), self.now());
        let event = Arc::new(Event { guid, at, what, repo, installation });
        for &hook in hooks {
            self.queue_delivery(hook, Arc::clone(&event), false);
        }
    }
}

/// What is told of a repository, which its files are not.
fn snapshot(repo: &Repo) -> Repo {
    Repo { files: std::collections::BTreeMap::new(), ..repo.clone() }
}
