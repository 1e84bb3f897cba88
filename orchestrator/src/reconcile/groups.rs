//! Which runner groups queued jobs ask for: GitHub does not say, so their workflows are looked at, once for each job that it matters for.

use std::collections::BTreeMap;

use mayfly_common::api::PassReport;

use super::show::trouble_at;
use super::{Reconciler, State};
use mayfly_common::job::QueuedJob;
use mayfly_common::repository::FileText;
use mayfly_github::GitHubError;
use mayfly_planner::ledger::Row;
use mayfly_planner::{Group, Policy, wants_group};
use mayfly_workflow::{AskedGroup, group_of};

/// Most jobs that are looked at in one pass: each costs up to three requests, most of which are shared within a run.
const AT_A_TIME: usize = 20;
/// Most workflows that call each other (docs: "Reusing workflows", "Limitations").
const CALLS: usize = 10;

impl Reconciler {
    /// The groups that jobs ask for, where that matters; those not known yet are found out.
    pub(super) async fn groups(
        &self,
        state: &mut State,
        jobs: &[QueuedJob],
        policy: &Policy,
        report: &mut PassReport,
    ) -> BTreeMap<i64, Group> {
        let wanted: Vec<&QueuedJob> =
            jobs.iter().filter(|job| wants_group(job, &state.memory, policy)).collect();
        let ledger = &state.ledger;
        state.groups.retain(|id, _| ledger.row(*id).is_some_and(Row::waits));
        let mut groups = BTreeMap::new();
        let mut looked = 0;
        for job in wanted {
            if !state.groups.contains_key(&job.id) && looked < AT_A_TIME {
                looked += 1;
                match self.group(job).await {
                    Ok(group) => drop(state.groups.insert(job.id, group)),
                    Err(error) => {
                        let what =
                            format!("{}: the workflow of a queued job cannot be read", job.repo);
                        trouble_at(report, job.repo.owner().as_str(), &what, &error);
                    }
                }
            }
            let unread = || Group::Unknown("its workflow was not looked at yet".to_owned());
            groups.insert(job.id, state.groups.get(&job.id).cloned().unwrap_or_else(unread));
        }
        groups
    }

    async fn group(&self, job: &QueuedJob) -> Result<Group, GitHubError> {
        let unknown = |why: &str| Ok(Group::Unknown(why.to_owned()));
        let mut origin = match self.github.origin(&job.repo, job.id).await {
            Ok(Some(origin)) => origin,
            Ok(None) => return unknown("no workflow file of its repository is that of its run"),
            Err(GitHubError::NotFound) => return unknown("GitHub does not show its run"),
            Err(error) => return Err(error),
        };
        for _ in 0..CALLS {
            let read = self.github.text_at(&job.repo, &origin.path, &origin.sha).await?;
            let FileText::Read(text) = read else {
                return unknown(&format!("{} cannot be read at {}", origin.path, origin.sha));
            };
            match group_of(&text, &origin.job, &job.labels.to_strings()) {
                AskedGroup::Named(name) => return Ok(Group::named(&name)),
                AskedGroup::Unknown(why) => return Ok(Group::Unknown(why)),
                AskedGroup::Called { path, job } => (origin.path, origin.job) = (path, job),
            }
        }
        unknown("its workflows call each other too often")
    }
}
