//! Which pools a queued job can be for, and in which order; or why none can.

#[cfg(test)]
mod tests;
mod why_not;

use mayfly_common::label::LabelSet;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::{RepoSlug, Scope, ScopeKind};

use super::memory::Memory;
use super::not_assigned::{Assignment, How};
use super::observed::Group;
use super::policy::{Policy, PoolPolicy};
use mayfly_common::job::QueuedJob;
use why_not::why_not;

/// Labels of GitHub's own machines begin with one of these (GitHub docs: "Standard GitHub-hosted runners").
const HOSTED: [&str; 3] = ["ubuntu-", "windows-", "macos-"];

/// What can be offered to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer<'a> {
    /// These pools may take it, the best first; with where their runners register for it.
    Ours(Vec<(&'a PoolPolicy, Scope)>),
    /// It is for GitHub's own machines.
    Hosted,
    /// It asks for what nobody here offers; the reason, and what helps.
    Unmet(String, Remedy),
}

/// What helps a job that no pool takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// A pool with its labels, or other labels.
    Labels,
    /// A pool with its labels in the runner group that it asks for, too.
    LabelsInGroup(String, ScopeKind),
    /// To enable this pool.
    Enable(PoolName),
    /// To have this pool serve its repository.
    Scope(PoolName),
    /// A pool that serves its repository.
    Pool,
    /// A pool in this runner group of its organisation.
    Group(String),
    /// A pool of its organisation in the runner group that its workflow names.
    AnyGroup,
    /// Runners that wait in this runner group of its enterprise.
    EnterpriseGroup(String),
    /// Labels in its workflow.
    NameLabels,
    /// That GitHub's answer can be read: it is asked again.
    ReadLabels,
}

/// The pools for `job`: higher priority first, then the tightest fit (the fewest labels). `group` is what is known of the runner
/// group that it asks for.
pub fn offer<'a>(job: &QueuedJob, group: Option<&Group>, policy: &'a Policy) -> Offer<'a> {
    let fitting = policy.all().filter(|pool| pool.enabled && pool.labels.covers(&job.labels));
    let mut pools: Vec<(&PoolPolicy, Scope)> =
        fitting.filter_map(|pool| Some((pool, pool.place_for(&job.repo)?))).collect();
    pools.retain(|(pool, scope)| is_in_group(job, group, pool, scope));
    pools.sort_by_key(|(pool, _)| (std::cmp::Reverse(pool.priority), pool.labels.len()));
    if !pools.is_empty() {
        return Offer::Ours(pools);
    }
    if job.labels.is_empty() {
        let (why, remedy) = no_group(job, group, policy);
        return Offer::Unmet(why, remedy);
    }
    if is_hosted(&job.labels) {
        return Offer::Hosted;
    }
    let (why, remedy) = why_not(job, group, policy);
    Offer::Unmet(why, remedy)
}

/// True if runners of `pool` at `scope` are in the runner group that `job` asks for, as far as is known. One with labels may ask for none;
/// one without labels asks for a group, whichever it is.
pub fn is_in_group(
    job: &QueuedJob,
    group: Option<&Group>,
    pool: &PoolPolicy,
    scope: &Scope,
) -> bool {
    match group {
        Some(group @ Group::Named { .. }) => has_group(pool, scope, group),
        Some(Group::Unknown(_)) | None => !job.labels.is_empty(),
    }
}

/// True if it is worth finding out which runner group `job` asks for. GitHub does not tell, and it costs requests: so only where it asks
/// for no label and a pool could have the group, or where GitHub has not assigned it to a runner that has its labels.
pub fn wants_group(job: &QueuedJob, memory: &Memory, policy: &Policy) -> bool {
    if job.labels.is_empty() {
        return has_groups(&job.repo, policy);
    }
    let in_vain = |known: &Assignment| known.failed.iter().any(|failed| failed.how == How::Idle);
    memory.assignment(job.id).is_some_and(in_vain)
}

/// True if a pool serves the organisation or enterprise of `repo`: only those have runner groups.
fn has_groups(repo: &RepoSlug, policy: &Policy) -> bool {
    let placed = policy.all().filter(|pool| pool.enabled).filter_map(|pool| pool.place_for(repo));
    placed.into_iter().any(|scope| !matches!(scope, Scope::Repo(_)))
}

/// True if runners of a pool in `scope` are in `group`.
fn has_group(pool: &PoolPolicy, scope: &Scope, group: &Group) -> bool {
    pool.group_at(scope).is_some_and(|name| group.is(scope, name))
}

/// Why no pool takes a job without labels, and what helps.
fn no_group(job: &QueuedJob, group: Option<&Group>, policy: &Policy) -> (String, Remedy) {
    if job.labels_unread && !matches!(group, Some(Group::Named { .. })) {
        let why = "the labels that GitHub sent for it cannot be read, so it is unknown which runner it asks for";
        return (why.to_owned(), Remedy::ReadLabels);
    }
    match group {
        Some(Group::Named { name, of: Some(ScopeKind::Enterprise) }) => {
            let why = format!(
                "it asks for the runner group {name} of its enterprise, and no runner of an enterprise is started for a job"
            );
            (why, Remedy::EnterpriseGroup(name.clone()))
        }
        Some(group @ Group::Named { name, .. }) => {
            let disabled = policy.all().find(|pool| {
                pool.place_for(&job.repo).is_some_and(|scope| has_group(pool, &scope, group))
            });
            if let Some(pool) = disabled {
                let why =
                    format!("pool {} has its runner group {name}, but is disabled", pool.name);
                return (why, Remedy::Enable(pool.name.clone()));
            }
            let why = format!("it asks for the runner group {name}, which no pool here has");
            (why, Remedy::Group(name.clone()))
        }
        Some(Group::Unknown(why)) => {
            let why = format!(
                "it asks for a runner group and no label, and which group cannot be told: {why}"
            );
            (why, Remedy::NameLabels)
        }
        None => {
            let owner = job.repo.owner();
            let why = format!(
                "it asks for a runner group and no label; only organisations and enterprises have groups, and no pool has the scope org:{owner}"
            );
            (why, Remedy::AnyGroup)
        }
    }
}

/// True if labels name one of GitHub's own machines.
pub fn is_hosted(labels: &LabelSet) -> bool {
    let hosted = |label: &str| HOSTED.iter().any(|prefix| label.starts_with(prefix));
    !labels.contains("self-hosted") && labels.iter().any(|label| hosted(label.as_str()))
}
