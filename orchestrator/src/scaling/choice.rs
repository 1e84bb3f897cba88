//! Which pools a queued job can be for, and in which order; or why none can.

use mayfly_common::label::{Label, LabelSet};
use mayfly_common::scope::Scope;

use super::policy::{Policy, PoolPolicy};
use crate::model::QueuedJob;

/// Labels of GitHub's own machines begin with one of these (GitHub docs: "Standard GitHub-hosted runners").
const HOSTED: [&str; 3] = ["ubuntu-", "windows-", "macos-"];

/// What can be offered to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer<'a> {
    /// These pools may take it, the best first; with where their runners register for it.
    Ours(Vec<(&'a PoolPolicy, Scope)>),
    /// It is for GitHub's own machines.
    Hosted,
    /// It asks for what nobody here offers; the reason.
    Unmet(String),
}

/// The pools for `job`: higher priority first, then the tightest fit (the fewest labels).
pub fn offer<'a>(job: &QueuedJob, policy: &'a Policy) -> Offer<'a> {
    if job.labels.is_empty() {
        return Offer::Unmet(
            "it asks for a runner group and no label; groups are not served automatically"
                .to_owned(),
        );
    }
    let fitting = policy.all().filter(|pool| pool.enabled && pool.labels.covers(&job.labels));
    let mut pools: Vec<(&PoolPolicy, Scope)> =
        fitting.filter_map(|pool| Some((pool, pool.place_for(&job.repo)?))).collect();
    pools.sort_by_key(|(pool, _)| (std::cmp::Reverse(pool.priority), pool.labels.len()));
    if !pools.is_empty() {
        return Offer::Ours(pools);
    }
    if is_hosted(&job.labels) { Offer::Hosted } else { Offer::Unmet(why_not(job, policy)) }
}

/// Whether labels name one of GitHub's own machines.
pub fn is_hosted(labels: &LabelSet) -> bool {
    let hosted = |label: &str| HOSTED.iter().any(|prefix| label.starts_with(prefix));
    !labels.contains("self-hosted") && labels.iter().any(|label| hosted(label.as_str()))
}

/// Why no pool takes a job, and which comes nearest.
fn why_not(job: &QueuedJob, policy: &Policy) -> String {
    let fits = |pool: &&PoolPolicy| pool.labels.covers(&job.labels);
    let serves = |pool: &&PoolPolicy| pool.place_for(&job.repo).is_some();
    if let Some(pool) = policy.all().filter(fits).find(serves) {
        return format!("pool {} would take it, but is disabled", pool.name);
    }
    if let Some(pool) = policy.all().find(fits) {
        let scopes: Vec<String> = pool.scopes.iter().map(ToString::to_string).collect();
        let (name, scopes) = (&pool.name, scopes.join(", "));
        return format!(
            "pool {name} has its labels, but does not serve {}; it serves {scopes}",
            job.repo
        );
    }
    let serving: Vec<&PoolPolicy> =
        policy.all().filter(|pool| pool.enabled).filter(serves).collect();
    let lacks = |pool: &PoolPolicy| {
        let missing: Vec<&str> =
            pool.labels.missing(&job.labels).into_iter().map(Label::as_str).collect();
        missing.join(", ")
    };
    let nearest = serving.iter().min_by_key(|pool| pool.labels.missing(&job.labels).len());
    match (nearest, serving.len()) {
        (None, _) => format!("no pool serves {}", job.repo),
        (Some(pool), 1) => {
            format!("no runner here has the label {}; ours have {}", lacks(pool), pool.labels)
        }
        (Some(pool), _) => format!(
            "no pool offers all its labels; the nearest is {}, which lacks {}",
            pool.name,
            lacks(pool)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::lifecycle::tests::{at, policy};
    use mayfly_common::pool::PoolName;
    use mayfly_common::scope::RepoSlug;

    fn job(labels: &[&str]) -> QueuedJob {
        QueuedJob {
            id: 1,
            repo: RepoSlug::parse("o/r").unwrap(),
            name: "job".to_owned(),
            labels: LabelSet::requested(labels),
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
            Offer::Unmet(why) => why,
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
            (&[], "it asks for a runner group and no label; groups are not served automatically"),
        ];
        for (labels, expected) in rows {
            assert_eq!(told(offer(&job(labels), &policy())), expected, "{labels:?}");
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
            assert_eq!(told(offer(&job(labels), &policy)), expected, "{labels:?}");
        }
    }
}
