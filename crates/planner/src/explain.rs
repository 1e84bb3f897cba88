//! Why a job waits: from what is known to words. Pure.
//!
//! The first reason is the answer. What holds for everything (Docker out of reach) comes first; then what the last pass said of this
//! job; where it said nothing, what keeps it from being seen: GitHub, then the repository.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use mayfly_common::api::{Explanation, Job, Reason, Runner};
use mayfly_common::label::{Label, LabelSet, MAX_LABELS};
use mayfly_common::pool::PoolName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::{RepoSlug, Scope};
use mayfly_common::webhook::JobStatus;

use crate::assignment::{NotAssigned, PATIENCE};
use crate::backoff::{Failed, Place, Streak};
use crate::catalog::RepoFact;
use crate::choice::Remedy;
use crate::ledger::Row;
use crate::snapshot::{PoolSeen, Snapshot, Wait};
use crate::{Cap, Cause};

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
    /// Whether queued jobs start runners.
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
                reasons.extend(job(facts));
                reasons.extend(github(facts));
            } else {
                reasons.extend(github(facts));
                let of_repository = repository(facts);
                // No look finds a job of a repository that is not asked for jobs.
                if of_repository.is_empty() || facts.job.is_some_and(|row| !row.waits()) {
                    reasons.extend(job(facts));
                }
                reasons.extend(of_repository);
            }
        }
    }
    let summary = reasons.first().map_or_else(
        || "nothing is known that is in its way; it should start any moment".to_owned(),
        |first| first.what.clone(),
    );
    Explanation { job_id: facts.id, job: facts.job.map(shown), summary, reasons }
}

/// A row of the ledger as the API shows it.
pub fn shown(row: &Row) -> Job {
    Job {
        id: row.id,
        repository: row.repo.to_string(),
        name: row.name.clone(),
        labels: row.labels.to_strings(),
        status: row.status,
        waiting: row.waits(),
        conclusion: row.conclusion.clone(),
        runner: row.runner.clone(),
        pool: row.pool.clone(),
        queued_at: row.queued(),
        seen_at: (!row.queue_known).then_some(row.queued_at),
        started_at: row.started_at,
        completed_at: row.completed_at,
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
        let hint =
            "look at the Docker engine and at the rights to its socket: mayfly doctor docker";
        reasons.push(reason("docker", format!("no runner can be started: {blind}"), Some(hint)));
    }
    if let Some(since) = seen.draining {
        let what = format!("the platform is draining since {since}: it starts no runner");
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
        let hint = if facts.seen.webhooks {
            "a GitHub App has more requests an hour than a token"
        } else {
            "a GitHub App has more requests an hour than a token, and webhooks need next to none"
        };
        reasons.push(reason(
            "rate_limit",
            format!("requests to GitHub have to wait: {waits}"),
            Some(hint),
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

/// What is in the way of this job.
fn job(facts: &Facts<'_>) -> Vec<Reason> {
    let Some(row) = facts.job else { return Vec::new() };
    let mut reasons: Vec<Reason> = wait(row, facts).into_iter().collect();
    // Another runner is on its way: the earlier one tells more.
    let failed = facts.seen.not_assigned.get(&facts.id);
    if let (Some(Wait::Runner(_)), Some(failed)) = (facts.seen.waits.get(&facts.id), failed) {
        reasons.push(not_assigned(failed, &row.repo, &failed.to_string()));
    }
    reasons
}

/// How it stands with this job.
fn wait(row: &Row, facts: &Facts<'_>) -> Option<Reason> {
    match facts.seen.waits.get(&facts.id) {
        Some(Wait::Hosted) => Some(reason(
            "hosted",
            format!("it asks for GitHub's own machines: {}", row.labels),
            Some("with self-hosted among its labels it would be for a runner from here"),
        )),
        Some(Wait::Unmet(why, remedy)) => {
            Some(reason("no_pool", why.clone(), Some(&remedied(remedy, row))))
        }
        // It is said already: it holds for every job.
        Some(Wait::For(Cause::Draining)) => None,
        Some(Wait::For(cause)) => Some(caused(cause, row, facts)),
        Some(Wait::Runner(runner)) => {
            let found = facts.seen.runners.iter().find(|other| other.name == runner.as_str());
            found.map(|runner| expected(runner, facts)).or_else(|| refused(row, facts))
        }
        None if row.expired() => Some(reason(
            "left_the_queue",
            "GitHub has not listed it for a day, and ends jobs that are queued for longer",
            None,
        )),
        None if !row.waits() => Some(reason(
            "left_the_queue",
            "GitHub does not list it among the queued jobs any more: a runner has it, or it was cancelled; GitHub is asked which",
            None,
        )),
        None => {
            let next = facts.seen.github.next_check.map(|at| format!(" (next look at {at})"));
            let what = format!("the last look came before it{}", next.unwrap_or_default());
            let hint = if facts.seen.webhooks {
                "webhooks tell of jobs here; if this one stays unseen: mayfly webhook status says which deliveries failed"
            } else {
                "webhooks have jobs seen at once: mayfly webhook install"
            };
            Some(reason("not_seen_yet", what, Some(hint)))
        }
    }
}

/// What to do about labels that no pool offers: nothing that would be refused.
fn pool_with(labels: &LabelSet) -> String {
    let refused = |label: &Label| Label::parse(label.as_str()).is_err();
    if labels.is_empty() || labels.len() > MAX_LABELS || labels.iter().any(refused) {
        "change runs-on: no pool can offer these labels".to_owned()
    } else if labels.with_comma().is_some() {
        "create a pool with these labels from a file (mayfly pool apply), as one of them has a comma; or change runs-on".to_owned()
    } else {
        format!("make a pool with the labels {labels} (mayfly pool create), or change runs-on")
    }
}

fn caused(cause: &Cause, row: &Row, facts: &Facts<'_>) -> Reason {
    match cause {
        Cause::NotAssigned(failed) => not_assigned(failed, &row.repo, &cause.to_string()),
        Cause::Cap(cap) => {
            let what = format!("{cap}{}", users(cap, facts));
            reason("cap", what, Some(&room(cap, facts)))
        }
        Cause::Paused(pool) => reason(
            "paused",
            format!("pool {pool} is paused"),
            Some(&format!("mayfly pool resume {pool} has it go on")),
        ),
        Cause::Image(image) => {
            let of =
                |pool: &PoolSeen| pool.image == *image || pool.engine_image.as_ref() == Some(image);
            let found = facts.seen.pools.iter().find(|(_, pool)| of(pool));
            let state = found.map(|(_, pool)| format!(": {}", pool.image_state));
            let named = match found {
                Some((pool, _)) if pool.is_reserved() => "RUNNER_IMAGE or DIND_IMAGE".to_owned(),
                Some((pool, _)) => format!("pool {pool} (mayfly pool show {pool})"),
                None => "the pool".to_owned(),
            };
            let what = format!("image {image} cannot be used{}", state.unwrap_or_default());
            let hint = format!(
                "{named} names the image: look at the name, the registry and the pull policy. Mayfly sends a registry no credentials: an image that only `docker login` opens has to be pulled on the host, with RUNNER_PULL_POLICY=never"
            );
            reason("image", what, Some(&hint))
        }
        Cause::HeldBack(place, until) => {
            let scope = &place.1;
            let streak = facts.seen.failures.get(place);
            let why = streak.map(|streak| format!(": {}", streak.reason)).unwrap_or_default();
            let what = format!("runners of {scope} failed, so the next is started at {until}{why}");
            let hint = streak.map(|streak| failed(&streak.what, place));
            reason("held_back", what, hint.as_deref())
        }
        Cause::Ratio(..) => reason(
            "ratio",
            cause.to_string(),
            Some("lower jobs_per_runner or scale_up_threshold, or take the policy per-job"),
        ),
        Cause::NoName(taken) => reason("no_name", cause.to_string(), Some(&taken.remedy())),
        Cause::NoPlace => reason(
            "no_place",
            cause.to_string(),
            Some(
                "wait for the first look, or name a repository or an organisation in the pool's scopes",
            ),
        ),
        Cause::Draining => reason("draining", cause.to_string(), Some(RESUME)),
    }
}

/// What helps a job that no pool takes.
fn remedied(remedy: &Remedy, row: &Row) -> String {
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
        Remedy::Labels => pool_with(labels),
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

/// Where to look when runners of a place fail.
fn failed(what: &Failed, (pool, scope): &Place) -> String {
    match what {
        Failed::Runner(name) => {
            format!("mayfly runner logs {name} shows what the last one printed")
        }
        Failed::Registration => format!(
            "GitHub does not register runners of pool {pool} in {scope}: look at the pool's runner group and at the credential's rights: mayfly doctor github"
        ),
        Failed::GitHub => "it is tried again by itself; githubstatus.com tells of trouble at GitHub, mayfly doctor github of the way there".to_owned(),
        Failed::Container => "the container never ran: mayfly doctor docker".to_owned(),
    }
}

/// Whether a cap counts a runner.
fn counts(cap: &Cap, runner: &Runner) -> bool {
    match cap {
        Cap::Pool(pool, _) => runner.pool == pool.as_str(),
        Cap::Owner(owner, _) => runner.scope_name.split('/').next() == Some(owner.as_str()),
        Cap::Repo(repo, _) => runner.scope_name == repo.to_string(),
        Cap::Runners(_) | Cap::Memory(_) | Cap::Cpus(_) => true,
    }
}

/// Who has the runners that a cap counts.
fn users(cap: &Cap, facts: &Facts<'_>) -> String {
    let mut by: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for runner in facts.seen.runners.iter().filter(|runner| counts(cap, runner)) {
        let (all, idle) = by.entry(&runner.scope_name).or_default();
        *all += 1;
        *idle += usize::from(runner.state == RunnerState::Idle);
    }
    let mut by: Vec<(&str, (usize, usize))> = by.into_iter().collect();
    by.sort_by_key(|(name, (all, _))| (std::cmp::Reverse(*all), *name));
    let shown = by.iter().take(3).map(|(name, (all, idle))| match idle {
        0 => format!("{name} has {all}"),
        _ => format!("{name} has {all} ({idle} idle)"),
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { String::new() } else { format!(": {}", shown.join(", ")) }
}

/// How room comes: by itself, from a runner that is idle beside a job, or by a higher cap.
fn room(cap: &Cap, facts: &Facts<'_>) -> String {
    let idle_for = |name: &str| {
        let mut idle = facts.seen.runners.iter().filter(|runner| counts(cap, runner));
        idle.any(|runner| runner.name == name && runner.state == RunnerState::Idle)
    };
    let mut beside = facts.seen.waits.iter().filter_map(|(job, wait)| match wait {
        Wait::Runner(runner) if idle_for(runner.as_str()) => Some((*job, runner.as_str())),
        _ => None,
    });
    match beside.next() {
        Some((job, runner)) => format!(
            "runner {runner} is idle beside job {job}; if GitHub does not assign the job to it within {} min, the runner is removed and its room is free; else {}",
            PATIENCE.as_mins(),
            raise(cap)
        ),
        None => raise(cap),
    }
}

fn raise(cap: &Cap) -> String {
    match cap {
        Cap::Runners(_) => "raise MAX_RUNNERS if the host has room".to_owned(),
        Cap::Memory(_) => {
            "raise MAX_RUNNERS_MEMORY if the host has room, or give runners less".to_owned()
        }
        Cap::Cpus(_) => {
            "raise MAX_RUNNERS_CPUS if the host has room, or give runners less".to_owned()
        }
        Cap::Pool(pool, max) => {
            format!("raise the pool's max: mayfly pool scale {pool} --max {}", max + 1)
        }
        Cap::Owner(..) => "raise MAX_RUNNERS_PER_OWNER".to_owned(),
        Cap::Repo(..) => "raise MAX_RUNNERS_PER_REPO".to_owned(),
    }
}

/// GitHub did not assign the job to a runner that was idle beside it.
fn not_assigned(failed: &NotAssigned, repo: &RepoSlug, what: &str) -> Reason {
    let code = if matches!(failed.scope, Scope::Repo(_)) { "bound" } else { "group" };
    let what = format!("{what}. Likely causes: {}", failed.causes(repo));
    reason(code, what, Some(&failed.remedy(repo)))
}

/// A runner is there for it, or on its way.
/// The latest failure where a runner for the job could be: its own was planned, and is not there.
fn refused(row: &Row, facts: &Facts<'_>) -> Option<Reason> {
    let failures = facts.seen.failures.iter().filter(|((_, scope), _)| scope.covers(&row.repo));
    let (place, streak) = failures.max_by_key(|(_, streak)| streak.failed_at)?;
    Some(caused(&Cause::HeldBack(place.clone(), streak.until), row, facts))
}

fn expected(runner: &Runner, facts: &Facts<'_>) -> Reason {
    let name = &runner.name;
    if runner.state != RunnerState::Idle {
        let why = runner.reason.as_deref().unwrap_or("it is not online yet");
        let age = facts.now.duration_since(runner.created_at).as_secs().max(0);
        let pool = PoolName::parse(&runner.pool).ok();
        let seen = pool.as_ref().and_then(|pool| facts.seen.pools.get(pool));
        let limit = seen.map(|seen| seen.registration_timeout.as_secs());
        let limit =
            limit.map(|limit| format!(", of {limit} s that it may take")).unwrap_or_default();
        let scope = Scope::parse(runner.scope, &runner.scope_name).ok();
        let place = pool.zip(scope);
        let streak = place.as_ref().and_then(|place| facts.seen.failures.get(place));
        let before = streak.map(|streak| {
            let Streak { failures, reason, .. } = streak;
            format!("; {failures} before it failed in a row, the last because {reason}")
        });
        let before = before.unwrap_or_default();
        let hint = streak.zip(place.as_ref()).map(|(streak, place)| failed(&streak.what, place));
        let what = format!("runner {name} is starting for it since {age} s{limit}: {why}{before}");
        return reason("starting", what, hint.as_deref());
    }
    let what = format!("runner {name} is idle and GitHub should assign the job to it any moment");
    reason("about_to_start", what, None)
}
