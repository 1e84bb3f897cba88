//! What the world is made of: plain data, without behaviour that needs the rest of the world.

mod job;
mod run;
mod runner;

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{Login, RepoSlug};
use jiff::Timestamp;

pub use job::{Action, Approval, Conclusion, Job, JobSpec, Status, Step, StepResult, Taker};
pub use run::{Run, RunStatus};
pub use runner::{Connection, Runner, RunnerLabel};

/// A user or an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// GitHub's numeric id.
    pub id: u64,
    /// The login in the case it was made with.
    pub login: Login,
    /// True if it is an organisation.
    pub is_org: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What [`World::add_repo`](super::World::add_repo) needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRepo {
    /// `owner/name`; the owner must exist.
    pub slug: RepoSlug,
    /// True if only members see it.
    pub private: bool,
    /// Files by path, as text.
    pub files: BTreeMap<String, String>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of GitHub's answer, in any combination"
)]
pub struct Repo {
    /// GitHub's numeric id.
    pub id: u64,
    /// `owner/name` in the case it was made with.
    pub slug: RepoSlug,
    /// True if only members see it.
    pub private: bool,
    /// True if it is a fork of another.
    pub fork: bool,
    /// Archived repositories are read-only and run no workflow.
    pub archived: bool,
    /// Disabled by GitHub's staff.
    pub disabled: bool,
    /// The branch all files are on.
    pub default_branch: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
    /// When its files last changed.
    pub pushed_at: Timestamp,
    /// Files by path.
    pub files: BTreeMap<String, String>,
    /// Ids of workflows by path; an id stays when the file is edited.
    pub workflow_ids: BTreeMap<String, u64>,
    /// How many runs it had, for `run_number`.
    pub runs_made: u64,
    /// Environments whose reviewers must approve a job before a runner may take it, in lower case.
    pub reviewed: BTreeSet<String>,
}

/// An enterprise: organisations under one roof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enterprise {
    /// GitHub's numeric id.
    pub id: u64,
    /// Its name in URLs, in lower case.
    pub slug: String,
    /// Its organisations.
    pub members: BTreeSet<Login>,
    /// Its runner groups, by id: names. All of its organisations may use them.
    pub groups: BTreeMap<u64, String>,
}

/// A runner group of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerGroup {
    /// GitHub's numeric id; 1 is the default group.
    pub id: u64,
    /// Its name, which `runs-on.group` refers to.
    pub name: String,
    /// The organisation it belongs to.
    pub org: Login,
    /// The ids of the only repositories whose jobs its runners may take; `None`: all of the organisation's.
    pub selected: Option<BTreeSet<u64>>,
    /// True if its runners may take jobs of public repositories. (GitHub's own default is no.)
    pub public: bool,
}

impl RunnerGroup {
    /// True if its runners may take jobs of this repository of its organisation.
    pub fn admits(&self, repo: &Repo) -> bool {
        let selected = self.selected.as_ref().is_none_or(|ids| ids.contains(&repo.id));
        selected && (self.public || repo.private)
    }
}
