//! Why no pool takes a job that has labels, and which comes nearest.

use mayfly_common::job::QueuedJob;
use mayfly_common::label::Label;
use mayfly_common::scope::{RepoSlug, Scope, ScopeKind};

use super::{Remedy, is_in_group};
use crate::observed::Group;
use crate::policy::{Policy, PoolPolicy};

/// Why no pool takes a job, and what helps. `group` is what is known of the runner group that it asks for.
pub(super) fn why_not(job: &QueuedJob, group: Option<&Group>, policy: &Policy) -> (String, Remedy) {
    if job.labels.are_too_many() {
        let why = "it asks for too many labels, or too long ones, for any runner";
        return (why.to_owned(), Remedy::Labels);
    }
    let fits = |pool: &&PoolPolicy| pool.labels.covers(&job.labels);
    let placed = |pool: &PoolPolicy| pool.place_for(&job.repo);
    let serves = |pool: &&PoolPolicy| placed(pool).is_some();
    let in_group = |pool: &&PoolPolicy| {
        placed(pool).is_some_and(|scope| is_in_group(job, group, pool, &scope))
    };
    if let Some(pool) = policy.all().filter(fits).find(in_group) {
        let why = format!("pool {} would take it, but is disabled", pool.name);
        return (why, Remedy::Enable(pool.name.clone()));
    }
    let missing = missing(group);
    let fitting = || policy.all().filter(fits);
    let enabled = || fitting().filter(|pool| pool.enabled);
    if let Some((name, _)) = &missing
        && let Some((pool, scope)) = nearest_to_a_group(enabled(), &job.repo)
    {
        return (in_another_group(pool, &scope, name), remedy(missing));
    }
    if let Some(pool) = fitting().next() {
        let scopes: Vec<String> = pool.scopes.iter().map(ToString::to_string).collect();
        let (name, scopes) = (&pool.name, scopes.join(", "));
        let why = format!(
            "pool {name} has its labels, but does not serve {}; it serves {scopes}",
            job.repo
        );
        let scope = || Remedy::Scope(name.clone());
        return (why, if missing.is_some() { remedy(missing) } else { scope() });
    }
    let serving: Vec<&PoolPolicy> =
        policy.all().filter(|pool| pool.enabled).filter(serves).collect();
    match nearest(job, &serving) {
        Some(why) => (why, remedy(missing)),
        None => (format!("no pool serves {}", job.repo), Remedy::Pool),
    }
}

/// The runner group that is asked for, and whose it is, where that is known.
fn missing(group: Option<&Group>) -> Option<(String, ScopeKind)> {
    match group {
        Some(Group::Named { name, of }) => Some((name.clone(), of.unwrap_or(ScopeKind::Org))),
        Some(Group::Unknown(_)) | None => None,
    }
}

/// What helps where labels are missing, and perhaps a group, too.
fn remedy(missing: Option<(String, ScopeKind)>) -> Remedy {
    missing.map_or(Remedy::Labels, |(name, of)| Remedy::LabelsInGroup(name, of))
}

/// One of these pools that serves `repo`, and where: rather one whose runners are in a runner group.
fn nearest_to_a_group<'a>(
    pools: impl Iterator<Item = &'a PoolPolicy>,
    repo: &RepoSlug,
) -> Option<(&'a PoolPolicy, Scope)> {
    let placed = pools.filter_map(|pool| Some((pool, pool.place_for(repo)?)));
    placed.min_by_key(|(pool, scope)| pool.group_at(scope).is_none())
}

/// What is said of a pool that has the labels and serves the repository, where the job asks for the runner group `asked`.
fn in_another_group(pool: &PoolPolicy, scope: &Scope, asked: &str) -> String {
    let name = &pool.name;
    match pool.group_at(scope) {
        Some(group) => format!(
            "pool {name} has its labels, but its runners are in the runner group {group}, and it asks for the group {asked}"
        ),
        None => format!(
            "pool {name} has its labels, but its runners are those of the repository, which are in no runner group, and it asks for the group {asked}"
        ),
    }
}

/// What the nearest of the pools that serve the repository lacks; none if none does.
fn nearest(job: &QueuedJob, serving: &[&PoolPolicy]) -> Option<String> {
    let lacks = |pool: &PoolPolicy| {
        let missing: Vec<&str> =
            pool.labels.missing(&job.labels).into_iter().map(Label::as_str).collect();
        missing.join(", ")
    };
    // `self-hosted` is no property of a runner: a pool that lacks that alone is nearer than any other.
    let distance = |pool: &&&PoolPolicy| {
        let missing = pool.labels.missing(&job.labels);
        let own = missing.iter().filter(|label| label.as_str() != "self-hosted").count();
        (own, missing.len())
    };
    let pool = serving.iter().min_by_key(distance)?;
    Some(if serving.len() == 1 {
        format!("no runner here has the label {}; ours have {}", lacks(pool), pool.labels)
    } else {
        format!(
            "no pool offers all its labels; the nearest is {}, which lacks {}",
            pool.name,
            lacks(pool)
        )
    })
}
