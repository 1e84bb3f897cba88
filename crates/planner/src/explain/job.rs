//! How it stands with one job: what the last pass said of it, or why it said nothing.

use mayfly_common::api::{Reason, Runner};
use mayfly_common::identity::BackendName;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::{RepoSlug, Scope};

use super::remedy::{failed, remedied};
use super::{Facts, RESUME, cap, reason};
use crate::Cause;
use crate::backoff::Streak;
use crate::ledger::Row;
use crate::not_assigned::{How, NotAssigned};
use crate::snapshot::{PoolSeen, Wait};

/// What is in the way of this job.
pub(super) fn reasons(facts: &Facts<'_>) -> Vec<Reason> {
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
            let made = facts.seen.being_made.contains(runner).then(|| being_made(runner));
            found.map(|runner| expected(runner, facts)).or(made).or_else(|| refused(row, facts))
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
            let next = facts.seen.github.next_check.map(|at| format!(" (next look at {at:.0})"));
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

fn caused(cause: &Cause, row: &Row, facts: &Facts<'_>) -> Reason {
    match cause {
        Cause::NotAssigned(failed) => not_assigned(failed, &row.repo, &cause.to_string()),
        Cause::Cap(cap) => {
            let what = format!("{cap}{}", cap::users(cap, facts));
            reason("cap", what, Some(&cap::room(cap, facts)))
        }
        Cause::Paused(pool) => reason(
            "paused",
            format!("pool {pool} is paused"),
            Some(&format!("mayfly pool resume {pool} has it go on")),
        ),
        Cause::Unreachable(backend, _) => {
            reason(backend.as_str(), cause.to_string(), Some(&unreachable(backend)))
        }
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
            let what =
                format!("runners of {scope} failed, so the next is started at {until:.0}{why}");
            let hint = streak.map(|streak| failed(streak, place));
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
        Cause::NotServed(..) => reason("repository_refused", cause.to_string(), None),
        Cause::Draining => reason("draining", cause.to_string(), Some(RESUME)),
    }
}

/// What helps where a backend does not answer.
fn unreachable(backend: &BackendName) -> String {
    format!(
        "look at the host of backend {backend} and at the way there; its runners are left as they are until it answers"
    )
}

/// The runners that were there for the job did not take it.
fn not_assigned(failed: &NotAssigned, repo: &RepoSlug, what: &str) -> Reason {
    let code = match (&failed.how, &failed.scope) {
        (How::Ended(_), _) => "ended",
        (How::Idle, Scope::Repo(_)) => "bound",
        (How::Idle, _) => "group",
    };
    let what = format!("{what}. Likely causes: {}", failed.causes(repo));
    reason(code, what, Some(&failed.remedy(repo)))
}

/// Its runner is not there yet.
fn being_made(runner: &RunnerName) -> Reason {
    let what = format!(
        "runner {runner} is being started for it: GitHub is asked to register it, or its machine is being made"
    );
    reason("starting", what, None)
}

/// A runner is there for it, or on its way.
fn expected(runner: &Runner, facts: &Facts<'_>) -> Reason {
    let name = &runner.name;
    if !matches!(runner.state, RunnerState::Idle | RunnerState::Starting) {
        let why = runner.reason.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        let state = runner.state.as_str();
        let what = format!(
            "runner {name}, which was started for it, is {state}{why}: the next pass shows whether it had this job"
        );
        return reason("about_to_start", what, None);
    }
    if runner.state == RunnerState::Starting {
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
        let hint = streak.zip(place.as_ref()).map(|(streak, place)| failed(streak, place));
        let what = format!("runner {name} is starting for it since {age} s{limit}: {why}{before}");
        return reason("starting", what, hint.as_deref());
    }
    let what = format!("runner {name} is idle and GitHub should assign the job to it any moment");
    reason("about_to_start", what, None)
}

/// The latest failure where a runner for the job could be: its own was planned, and is not there.
fn refused(row: &Row, facts: &Facts<'_>) -> Option<Reason> {
    let failures = facts.seen.failures.iter().filter(|((_, scope), _)| scope.covers(&row.repo));
    let (place, streak) = failures.max_by_key(|(_, streak)| streak.failed_at)?;
    Some(caused(&Cause::HeldBack(place.clone(), streak.until), row, facts))
}
