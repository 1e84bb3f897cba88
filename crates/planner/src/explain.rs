//! Why a job waits: from what is known to words. Pure.
//!
//! The first reason is the answer. What holds for everything (Docker out of reach) comes first; then what the last pass said of this
//! job; where it said nothing, what keeps it from being seen: GitHub, then the repository.

mod cap;
mod job;
mod remedy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use mayfly_common::api::{Explanation, Job, Reason};
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::JobStatus;

use crate::catalog::{RepoFact, jobs_hidden};
use crate::ledger::Row;
use crate::snapshot::Snapshot;

/// Why a request waits that would be too many for this minute.
pub const MINUTE_SPENT: &str = "this minute's requests are used up";
/// Why a request waits after too many at once.
pub const ASKED_FOR_QUIET: &str = "GitHub asked for quiet (secondary rate limit)";
const RESUME: &str = "mayfly resume has runners started again";

/// Why GitHub did not tell of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unasked {
    /// It has no such job there, or the credential does not reach it.
    Unknown,
    /// It could not be asked, for this reason.
    Failed(String),
}

/// What an explanation is made from.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The job's id.
    pub id: i64,
    /// The job, if anything is known of it.
    pub job: Option<&'a Row>,
    /// Where it is, if that is known.
    pub repo: Option<&'a RepoSlug>,
    /// Why nothing is known of it, if GitHub was asked and did not tell.
    pub unasked: Option<Unasked>,
    /// What the last pass saw.
    pub seen: &'a Snapshot,
    /// True if queued jobs start runners.
    pub auto_create: bool,
    /// The present moment.
    pub now: Timestamp,
}

/// Explains; does nothing.
pub fn explain(facts: &Facts<'_>) -> Explanation {
    let mut reasons = Vec::new();
    match facts.job {
        Some(row) if row.status >= JobStatus::InProgress => reasons.push(taken(row)),
        Some(row) if row.status == JobStatus::Waiting => reasons.push(reason(
            "not_queued",
            "it waits at GitHub for another job or for an approval; no runner may take it yet",
            Some("look at the run's page at GitHub"),
        )),
        _ => {
            reasons.extend(everything(facts));
            // What the last pass said of the job itself is surer than any trouble on the way to GitHub.
            if facts.seen.waits.contains_key(&facts.id) {
                reasons.extend(job::reasons(facts));
                reasons.extend(github(facts));
            } else if is_refused(facts) {
                // Nothing else is in its way, and nothing else helps.
                reasons.extend(repository(facts));
            } else {
                reasons.extend(github(facts));
                let of_repository = repository(facts);
                // No look finds a job of a repository that is not asked for jobs.
                if of_repository.is_empty() || facts.job.is_some_and(|row| !row.waits()) {
                    reasons.extend(job::reasons(facts));
                }
                reasons.extend(of_repository);
            }
        }
    }
    let summary = reasons.first().map_or_else(
        || "nothing is known that is in its way; it should start any moment".to_owned(),
        |first| first.what.clone(),
    );
    Explanation {
        job_id: facts.id,
        job: facts.job.map(|row| shown(row, &facts.seen.repositories)),
        summary,
        reasons,
    }
}

/// A row of the ledger as the API shows it, where the repositories known stand so.
pub fn shown(row: &Row, repositories: &BTreeMap<RepoSlug, RepoFact>) -> Job {
    let not_served = not_served(row, repositories);
    Job {
        id: row.id,
        repository: row.repo.to_string(),
        name: row.name.clone(),
        labels: row.labels.to_strings(),
        status: row.status,
        waiting: row.waits() && not_served.is_none(),
        not_served: not_served.map(str::to_owned),
        conclusion: row.conclusion.clone(),
        runner: row.runner.clone(),
        pool: row.pool.clone(),
        queued_at: row.queued(),
        seen_at: (!row.queue_known).then_some(row.queued_at),
        started_at: row.started_at,
        completed_at: row.completed_at,
    }
}

/// True if it is known that the repository is not served.
fn is_refused(facts: &Facts<'_>) -> bool {
    let fact = facts.repo.and_then(|repo| facts.seen.repositories.get(repo));
    matches!(fact, Some(RepoFact::Refused(_)))
}

/// Why a queued job waits in vain, whatever webhooks told of it: its repository is not served.
fn not_served<'a>(row: &Row, repositories: &'a BTreeMap<RepoSlug, RepoFact>) -> Option<&'a str> {
    if row.status != JobStatus::Queued {
        return None;
    }
    match repositories.get(&row.repo) {
        Some(RepoFact::Refused(why)) => Some(why),
        Some(_) => None,
        // Nothing is known of any yet.
        None if repositories.is_empty() => None,
        None => Some("discovery does not find it"),
    }
}

fn reason(code: &str, what: impl Into<String>, hint: Option<&str>) -> Reason {
    Reason { code: code.to_owned(), what: what.into(), hint: hint.map(str::to_owned) }
}

fn taken(row: &Row) -> Reason {
    let by = row.runner.as_ref().map(|runner| format!(" by runner {runner}")).unwrap_or_default();
    match (row.status, &row.conclusion) {
        (JobStatus::Completed, Some(conclusion)) => {
            reason("completed", format!("it has ended{by}: {conclusion}"), None)
        }
        (JobStatus::Completed, None) => reason("completed", format!("it has ended{by}"), None),
        _ => reason("in_progress", format!("it does not wait: it was taken{by}"), None),
    }
}

/// What is in the way of every job.
fn everything(facts: &Facts<'_>) -> Vec<Reason> {
    let (seen, mut reasons) = (facts.seen, Vec::new());
    if let Some(blind) = &seen.blind {
        let what = format!("no runner can be started: {}", blind.why);
        reasons.push(reason(blind.kind, what, Some(blind.hint)));
    }
    if let Some(since) = seen.draining {
        let what = format!("the platform is draining since {since:.0}: it starts no runner");
        reasons.push(reason("draining", what, Some(RESUME)));
    }
    if !facts.auto_create {
        let hint = "set AUTO_CREATE_RUNNERS=true, or make runners through the API";
        let what = "queued jobs start no runners here: AUTO_CREATE_RUNNERS is not true";
        reasons.push(reason("automatic_mode_off", what, Some(hint)));
    }
    reasons
}

/// What is in the way between GitHub and us.
fn github(facts: &Facts<'_>) -> Vec<Reason> {
    let (seen, mut reasons) = (facts.seen, Vec::new());
    let waiting = seen.report.waiting.as_ref();
    // A limit is no fault of the credential, nor of the way to GitHub.
    let limit = |error: &String| waiting.is_some_and(|waiting| waiting.ends_with(error.as_str()));
    if let Some(error) = seen.report.github_error.as_ref().filter(|error| !limit(error)) {
        let hint =
            "mayfly doctor github says what is wrong with the credential or the way to GitHub";
        reasons.push(reason("github", format!("GitHub cannot be asked: {error}"), Some(hint)));
    }
    let owner = facts.repo.map(|repo| repo.owner().as_str());
    if let Some(error) = owner.and_then(|owner| seen.report.github_accounts.get(owner)) {
        let hint = "mayfly doctor github says what the credential may do there";
        reasons.push(reason("github_account", error.clone(), Some(hint)));
    }
    // Where GitHub refuses something, more requests do not help.
    let waits = waiting.or(seen.github.discovery_waits.as_ref()).filter(|_| reasons.is_empty());
    if let Some(waits) = waits {
        let what = format!("requests to GitHub have to wait: {waits}");
        reasons.push(reason(
            "rate_limit",
            what,
            Some(remedy::fewer_requests(waits, facts.seen.webhooks)),
        ));
    }
    reasons
}

/// What is in the way of every job of its repository.
fn repository(facts: &Facts<'_>) -> Vec<Reason> {
    let Some(repo) = facts.repo else {
        let what = format!("job {} is unknown", facts.id);
        let hint = "give the job's URL, or its repository with --repo";
        return vec![reason("unknown_job", what, Some(hint))];
    };
    let fact = facts.seen.repositories.get(repo);
    let told = matches!(fact, Some(RepoFact::Asked)) || facts.seen.waits.contains_key(&facts.id);
    let mut reasons = Vec::new();
    match fact {
        _ if told => {}
        None if facts.seen.repositories.is_empty() => reasons.push(reason(
            "cold",
            "no list of repositories has been read yet",
            Some("wait for the first look, or see the problems in mayfly status"),
        )),
        None => reasons.push(reason(
            "repository_unknown",
            format!("discovery does not find {repo}: the credential does not reach it, or it is neither the user's nor in GITHUB_ORGANIZATION"),
            Some("mayfly doctor github says whose repositories are listed; DISCOVERY_MODE and GITHUB_ORGANIZATION widen it"),
        )),
        Some(RepoFact::Refused(why)) => {
            reasons.push(reason("repository_refused", format!("{repo} is not served: {why}"), None));
        }
        Some(RepoFact::Unread) => reasons.push(reason(
            "repository_unread",
            format!("the workflows of {repo} are still to be read"),
            None,
        )),
        Some(RepoFact::JobsHidden) => reasons.push(reason(
            "jobs_hidden",
            jobs_hidden(repo),
            Some("give the credential the permission Actions: read for it; mayfly doctor github says what the credential may do"),
        )),
        Some(RepoFact::NoJobs | RepoFact::Asked) => reasons.push(reason(
            "no_self_hosted_job",
            format!("no workflow on the default branch of {repo} has a job for runners like ours, so it is not asked for jobs"),
            Some(if facts.seen.webhooks {
                "mayfly scan shows what a workflow asks for"
            } else {
                "a job that is only on another branch is heard of by webhook (mayfly webhook install); mayfly scan shows what a workflow asks for"
            }),
        )),
    }
    match &facts.unasked {
        None => {}
        Some(Unasked::Unknown) => {
            let what = format!("GitHub knows no job {} in {repo}", facts.id);
            let hint = "compare its number and the repository with the page of the run at GitHub";
            reasons.push(reason("unknown_job", what, Some(hint)));
        }
        Some(Unasked::Failed(error)) => {
            let what = format!("GitHub was asked about the job: {error}");
            reasons.push(reason("unasked", what, None));
        }
    }
    reasons
}
