//! Which pools a queued job can be for, and in which order; or why none can.

use mayfly_common::label::{Label, LabelSet};
use mayfly_common::pool::PoolName;
use mayfly_common::scope::{RepoSlug, Scope, ScopeKind};

use super::observed::Group;
use super::policy::{Policy, PoolPolicy};
use mayfly_common::job::QueuedJob;

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
/// group that a job without labels asks for.
pub fn offer<'a>(job: &QueuedJob, group: Option<&Group>, policy: &'a Policy) -> Offer<'a> {
    let grouped = |pool: &PoolPolicy, scope: &Scope| {
        !job.labels.is_empty() || group.is_some_and(|group| has_group(pool, scope, group))
    };
    let fitting = policy.all().filter(|pool| pool.enabled && pool.labels.covers(&job.labels));
    let mut pools: Vec<(&PoolPolicy, Scope)> =
        fitting.filter_map(|pool| Some((pool, pool.place_for(&job.repo)?))).collect();
    pools.retain(|(pool, scope)| grouped(pool, scope));
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
    let (why, remedy) = why_not(job, policy);
    Offer::Unmet(why, remedy)
}

/// True if a pool serves the organisation or enterprise of `repo`: only those have runner groups.
pub fn has_groups(repo: &RepoSlug, policy: &Policy) -> bool {
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

/// Why no pool takes a job, and which comes nearest.
fn why_not(job: &QueuedJob, policy: &Policy) -> (String, Remedy) {
    if job.labels.are_too_many() {
        let why = "it asks for too many labels, or too long ones, for any runner";
        return (why.to_owned(), Remedy::Labels);
    }
    let fits = |pool: &&PoolPolicy| pool.labels.covers(&job.labels);
    let serves = |pool: &&PoolPolicy| pool.place_for(&job.repo).is_some();
    if let Some(pool) = policy.all().filter(fits).find(serves) {
        let why = format!("pool {} would take it, but is disabled", pool.name);
        return (why, Remedy::Enable(pool.name.clone()));
    }
    if let Some(pool) = policy.all().find(fits) {
        let scopes: Vec<String> = pool.scopes.iter().map(ToString::to_string).collect();
        let (name, scopes) = (&pool.name, scopes.join(", "));
        let why = format!(
            "pool {name} has its labels, but does not serve {}; it serves {scopes}",
            job.repo
        );
        return (why, Remedy::Scope(name.clone()));
    }
    let serving: Vec<&PoolPolicy> =
        policy.all().filter(|pool| pool.enabled).filter(serves).collect();
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
    let nearest = serving.iter().min_by_key(distance);
    let why = match (nearest, serving.len()) {
        (None, _) => return (format!("no pool serves {}", job.repo), Remedy::Pool),
        (Some(pool), 1) => {
            format!("no runner here has the label {}; ours have {}", lacks(pool), pool.labels)
        }
        (Some(pool), _) => format!(
            "no pool offers all its labels; the nearest is {}, which lacks {}",
            pool.name,
            lacks(pool)
        ),
    };
    (why, Remedy::Labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::{at, policy};

    fn job(labels: &[&str]) -> QueuedJob {
        QueuedJob {
            id: 1,
            repo: RepoSlug::parse("o/r").unwrap(),
            name: "job".to_owned(),
            labels: LabelSet::requested(labels),
            labels_unread: false,
            queued_at: at(0),
        }
    }

    fn pool(name: &str, labels: &[&str]) -> PoolPolicy {
        PoolPolicy {
            name: PoolName::parse(name).unwrap(),
            labels: LabelSet::requested(labels),
            ..policy().default
        }
    }

    fn told(offer: Offer<'_>) -> String {
        match offer {
            Offer::Ours(pools) => {
                pools.iter().map(|(pool, _)| pool.name.as_str()).collect::<Vec<_>>().join(" ")
            }
            Offer::Hosted => "hosted".to_owned(),
            Offer::Unmet(why, _) => why,
        }
    }

    #[test]
    fn one_pool_takes_what_its_labels_cover() {
        let rows: [(&[&str], &str); 7] = [
            (
                &["self-hosted", "ubuntu-22.04"],
                "no runner here has the label ubuntu-22.04; ours have linux,self-hosted,x64",
            ),
            (&["self-hosted"], "default"),
            (&["Self-Hosted", "X64"], "default"),
            (&["ubuntu-latest"], "hosted"),
            (
                &["self-hosted", "gpu"],
                "no runner here has the label gpu; ours have linux,self-hosted,x64",
            ),
            (&["my-set"], "no runner here has the label my-set; ours have linux,self-hosted,x64"),
            (
                &[],
                "it asks for a runner group and no label; only organisations and enterprises have groups, and no pool has the scope org:o",
            ),
        ];
        for (labels, expected) in rows {
            assert_eq!(told(offer(&job(labels), None, &policy())), expected, "{labels:?}");
        }
    }

    #[test]
    fn priority_goes_first_then_the_tightest_fit() {
        let mut policy = policy();
        policy.pools = vec![
            pool("wide", &["self-hosted", "linux", "x64", "gpu", "big"]),
            pool("tight", &["self-hosted"]),
            PoolPolicy { priority: 5, ..pool("first", &["self-hosted", "linux", "x64", "gpu"]) },
            PoolPolicy { enabled: false, ..pool("off", &["self-hosted", "special"]) },
            PoolPolicy {
                scopes: vec!["org:p".parse().unwrap()],
                ..pool("theirs", &["self-hosted", "theirs"])
            },
        ];
        let rows: [(&[&str], &str); 5] = [
            (&["self-hosted"], "first tight default wide"),
            (&["self-hosted", "gpu"], "first wide"),
            (&["self-hosted", "special"], "pool off would take it, but is disabled"),
            (
                &["self-hosted", "theirs"],
                "pool theirs has its labels, but does not serve o/r; it serves org:p",
            ),
            (
                &["self-hosted", "gpu", "huge"],
                "no pool offers all its labels; the nearest is wide, which lacks huge",
            ),
        ];
        for (labels, expected) in rows {
            assert_eq!(told(offer(&job(labels), None, &policy)), expected, "{labels:?}");
        }
    }

    #[test]
    fn too_many_labels_are_told_as_such() {
        let mut policy = policy();
        policy.pools = vec![pool("gpu", &["gpu"])];
        let number = |length: usize| (0..200).map(move |n| format!("{n:0length$}"));
        for length in [3, 200] {
            let wanted =
                QueuedJob { labels: LabelSet::requested(number(length)), ..job(&["self-hosted"]) };
            let why = told(offer(&wanted, None, &policy));
            assert_eq!(why, "it asks for too many labels, or too long ones, for any runner");
        }
    }

    #[test]
    fn a_pool_that_lacks_only_self_hosted_is_the_nearest() {
        let mut policy = policy();
        policy.pools = vec![pool("gpu", &["gpu", "linux", "x64"])];
        let why = told(offer(&job(&["self-hosted", "gpu"]), None, &policy));
        assert_eq!(
            why,
            "no pool offers all its labels; the nearest is gpu, which lacks self-hosted"
        );
    }

    #[test]
    fn what_helps_is_what_is_in_the_way() {
        let mut policy = policy();
        policy.pools = vec![
            PoolPolicy { enabled: false, ..pool("off", &["self-hosted", "special"]) },
            PoolPolicy {
                scopes: vec!["org:p".parse().unwrap()],
                ..pool("theirs", &["self-hosted", "theirs"])
            },
        ];
        let name = |name| PoolName::parse(name).unwrap();
        let rows = [
            ("special", Remedy::Enable(name("off"))),
            ("theirs", Remedy::Scope(name("theirs"))),
            ("other", Remedy::Labels),
        ];
        for (label, expected) in rows {
            let Offer::Unmet(_, remedy) = offer(&job(&["self-hosted", label]), None, &policy)
            else {
                panic!("{label} is offered")
            };
            assert_eq!(remedy, expected, "{label}");
        }
        policy.default.scopes = vec!["org:p".parse().unwrap()];
        policy.pools.clear();
        let Offer::Unmet(_, remedy) = offer(&job(&["self-hosted", "other"]), None, &policy) else {
            panic!("it is offered")
        };
        assert_eq!(remedy, Remedy::Pool);
    }

    #[test]
    fn a_job_without_labels_is_for_the_pools_of_its_group_in_the_organisation() {
        let at = |name: &str, group: Option<&str>, scope: &str| PoolPolicy {
            group: group.map(str::to_owned),
            scopes: vec![scope.parse().unwrap()],
            ..pool(name, &["self-hosted"])
        };
        let mut policy = policy();
        policy.pools = vec![
            at("big", Some("Big"), "org:o"),
            at("plain", None, "org:o"),
            at("repo", None, "repo:o/r"),
            at("theirs", Some("big"), "org:p"),
            PoolPolicy { enabled: false, ..at("off", Some("sleepy"), "org:o") },
        ];
        let named = |name: &str| Some(Group::named(name));
        let rows = [
            (named("big"), "big"),
            (named("BIG"), "big"),
            (named("org/Big"), "big"),
            (named("Organization/big"), "big"),
            (named("org/default"), "plain"),
            (
                named("ent/big"),
                "it asks for the runner group big of its enterprise, and no runner of an enterprise is started for a job",
            ),
            (named("org/none"), "it asks for the runner group none, which no pool here has"),
            (named("default"), "plain"),
            (named("sleepy"), "pool off has its runner group sleepy, but is disabled"),
            (named("none"), "it asks for the runner group none, which no pool here has"),
            (
                Some(Group::Unknown("only run time decides it".to_owned())),
                "it asks for a runner group and no label, and which group cannot be told: only run time decides it",
            ),
        ];
        for (group, expected) in rows {
            assert_eq!(told(offer(&job(&[]), group.as_ref(), &policy)), expected, "{group:?}");
        }
        // What cannot be read is not called missing, unless its workflow tells the group.
        let unread = QueuedJob { labels_unread: true, ..job(&[]) };
        let unsure = Group::Unknown("its workflow names no group".to_owned());
        for group in [None, Some(&unsure)] {
            let Offer::Unmet(why, remedy) = offer(&unread, group, &policy) else { panic!() };
            assert_eq!(
                (why.as_str(), remedy),
                (
                    "the labels that GitHub sent for it cannot be read, so it is unknown which runner it asks for",
                    Remedy::ReadLabels
                )
            );
        }
        assert_eq!(told(offer(&unread, named("big").as_ref(), &policy)), "big");
        // What has labels is matched by them.
        assert!(told(offer(&job(&["self-hosted"]), None, &policy)).contains("repo"));
        assert!(has_groups(&RepoSlug::parse("o/r").unwrap(), &policy));
        policy.pools.retain(|pool| pool.name.as_str() == "repo");
        assert!(!has_groups(&RepoSlug::parse("o/r").unwrap(), &policy));
    }
}
