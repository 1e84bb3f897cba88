//! What to do about it: the next step that an operator can take, and never one that would be refused.

use mayfly_common::label::{Label, LabelSet, MAX_LABELS};
use mayfly_common::scope::ScopeKind;

use super::{ASKED_FOR_QUIET, MINUTE_SPENT};
use crate::backoff::{Failed, Place, Streak};
use crate::ledger::Row;
use crate::pool_choice::Remedy;

/// What helps a job that no pool takes.
pub(super) fn remedied(remedy: &Remedy, row: &Row) -> String {
    let (repo, labels) = (&row.repo, &row.labels);
    match remedy {
        Remedy::Enable(pool) if pool.is_reserved() => {
            "have RUNNER_LABELS of the environment's pool serve it".to_owned()
        }
        Remedy::Enable(pool) => format!("mayfly pool enable {pool}"),
        Remedy::Scope(pool) if pool.is_reserved() => {
            format!("have discovery find {repo}, or make a pool with the scope repo:{repo}")
        }
        Remedy::Scope(pool) => format!("add repo:{repo} to the scopes of pool {pool}"),
        Remedy::Labels => pool_with(labels, ""),
        Remedy::LabelsInGroup(group, of) => {
            let scope = match of {
                ScopeKind::Enterprise => ", the scope enterprise:SLUG and min_idle".to_owned(),
                ScopeKind::Repo | ScopeKind::Org => format!(" and the scope org:{}", repo.owner()),
            };
            pool_with(labels, &format!(", runner_group {group}{scope}"))
        }
        Remedy::Pool => format!("make a pool with the scope repo:{repo} (mayfly pool create)"),
        Remedy::Group(group) => format!(
            "make a pool with runner_group {group} and the scope org:{} (mayfly pool create), or name labels in runs-on",
            repo.owner()
        ),
        Remedy::AnyGroup => format!(
            "make a pool with the scope org:{} and the runner_group that runs-on names (mayfly pool create), or name labels in runs-on",
            repo.owner()
        ),
        Remedy::EnterpriseGroup(group) => format!(
            "make a pool with runner_group {group}, the scope enterprise:SLUG and min_idle (mayfly pool create), or name labels in runs-on"
        ),
        Remedy::NameLabels => "name labels in runs-on".to_owned(),
        Remedy::ReadLabels => {
            "GitHub is asked again at the next check; the job's page at GitHub shows its labels"
                .to_owned()
        }
    }
}

/// What to do about labels that no pool offers: nothing that would be refused. `more`: what else the pool needs.
pub(super) fn pool_with(labels: &LabelSet, more: &str) -> String {
    let refused = |label: &Label| Label::parse(label.as_str()).is_err();
    if labels.is_empty() || labels.len() > MAX_LABELS || labels.iter().any(refused) {
        "change runs-on: no pool can offer these labels".to_owned()
    } else if labels.with_comma().is_some() {
        format!(
            "create a pool with these labels{more} from a file (mayfly pool apply), as one of them has a comma; or change runs-on"
        )
    } else {
        format!(
            "make a pool with the labels {labels}{more} (mayfly pool create), or change runs-on"
        )
    }
}

/// Where to look when runners of a place fail.
pub(super) fn failed(streak: &Streak, (pool, scope): &Place) -> String {
    match &streak.what {
        Failed::Runner(name) => {
            format!("mayfly runner logs {name} shows what the last one printed")
        }
        Failed::Registration => format!(
            "GitHub does not register runners of pool {pool} in {scope}: look at the pool's runner group and at the credential's rights: mayfly doctor github"
        ),
        Failed::GitHub => "it is tried again by itself; githubstatus.com tells of trouble at GitHub, mayfly doctor github of the way there".to_owned(),
        // The engine's words for a program that is not there, or is none.
        Failed::Container if streak.reason.contains("exec: ") => {
            let command = if pool.is_reserved() {
                "RUNNER_COMMAND".to_owned()
            } else {
                format!("the command of pool {pool} (mayfly pool show {pool})")
            };
            format!("correct {command}: the image has no such program; where no command is set, it is the image's own")
        }
        Failed::Container => "the container never ran: mayfly doctor docker".to_owned(),
    }
}

/// What helps where requests wait for this reason. An App has more of them an hour, but not a minute.
pub(super) fn fewer_requests(waits: &str, webhooks: bool) -> &'static str {
    let at_once = [MINUTE_SPENT, ASKED_FOR_QUIET].iter().any(|why| waits.contains(why));
    match (at_once, webhooks) {
        (true, true) => "it passes by itself; a longer RUNNER_CHECK_INTERVAL needs fewer requests",
        (true, false) => {
            "it passes by itself; a longer RUNNER_CHECK_INTERVAL needs fewer requests, and webhooks need next to none"
        }
        (false, true) => "a GitHub App has more requests an hour than a token",
        (false, false) => {
            "a GitHub App has more requests an hour than a token, and webhooks need next to none"
        }
    }
}
