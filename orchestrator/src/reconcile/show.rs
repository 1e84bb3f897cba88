//! Tells what a pass saw and did: to the log once, to the metrics, and to those who look through the handle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::{
    GitHubStatus, LimitStatus, PassReport, Runner, UninstallReport, UnmetJob,
};
use mayfly_common::foreign_text::message;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::{RepoSlug, Scope};
use mayfly_service::telemetry::{HEALTH, MONITOR};
use tracing::{info, warn};

use super::journal::Mark;
use super::problems::shortened;
use super::request::{Request, RequestError};
use super::{Reconciler, State};
use crate::book::Entry;
use crate::metrics::Trouble;
use mayfly_backend::{Backend as _, BackendError, Capabilities};
use mayfly_common::job::QueuedJob;
use mayfly_common::machine::Machine;
use mayfly_github::GitHubError;
use mayfly_github::budget::{Account, Limit, Priority, Resource};
use mayfly_planner::catalog::RepoFact;
use mayfly_planner::not_assigned::{How, NotAssigned};
use mayfly_planner::snapshot::{Blind, PoolSeen, Snapshot, Wait};
use mayfly_planner::{Plan, RequestId, Unassigned, Unmet, Verdict};

/// What a pass saw beside runners, for people to look at.
pub(super) struct Sight {
    pub(super) pools: BTreeMap<PoolName, PoolSeen>,
    pub(super) waits: BTreeMap<i64, Wait>,
    pub(super) not_assigned: BTreeMap<i64, NotAssigned>,
    pub(super) repositories: Arc<BTreeMap<RepoSlug, RepoFact>>,
}

/// How it stands with each job that waits.
pub(super) fn waits(planned: &Plan) -> BTreeMap<i64, Wait> {
    let unmet = planned
        .unmet
        .iter()
        .map(|unmet| (unmet.job.id, Wait::Unmet(unmet.why.clone(), unmet.remedy.clone())));
    let waiting =
        planned.waiting.iter().map(|waiting| (waiting.job, Wait::For(waiting.cause.clone())));
    let expected =
        planned.expected.iter().map(|(job, runner)| (*job, Wait::Runner(runner.clone())));
    let hosted = planned.hosted.iter().map(|job| (*job, Wait::Hosted));
    unmet.chain(waiting).chain(expected).chain(hosted).collect()
}

/// Most jobs that a report names as those that get no runner.
pub(super) const MOST_UNMET: usize = 200;

/// The queued jobs that their runners did not take.
pub(super) fn by_job(planned: &Plan) -> BTreeMap<i64, NotAssigned> {
    planned.not_assigned.iter().map(|one| (one.job.id, one.failed.clone())).collect()
}

/// The same as problems, one for each repository and place: the oldest job stands for the others.
pub(super) fn not_assigned(planned: &Plan) -> Vec<String> {
    let mut told: BTreeSet<(&RepoSlug, &Scope)> = BTreeSet::new();
    let problem = |Unassigned { job, failed }: &Unassigned| {
        let QueuedJob { id, repo, name, .. } = job;
        let (scope, causes) = (&failed.scope, failed.causes(repo));
        if let How::Ended(_) = failed.how {
            let failed = failed.to_string();
            let failed = failed.trim_end_matches('.');
            return format!(
                "{repo}: job {id} ({name:?}) stays queued: {failed}. Likely causes: {causes}."
            );
        }
        format!(
            "{repo}: GitHub does not assign job {id} ({name:?}) to idle runners of {scope}. Likely causes: {causes}."
        )
    };
    let first = planned
        .not_assigned
        .iter()
        .filter(|one| one.failed.is_problem())
        .filter(|Unassigned { job, failed }| told.insert((&job.repo, &failed.scope)));
    first.map(problem).collect()
}

impl Reconciler {
    /// A pass that saw nothing: it changes nothing, and says why.
    pub(super) async fn give_up(
        &self,
        state: &mut State,
        mut report: PassReport,
        requests: Vec<(RequestId, Request)>,
        error: &BackendError,
    ) -> PassReport {
        self.metrics.trouble(Trouble::Backend);
        let why = error.to_string();
        report.problems.push(why.clone());
        let (runners, installation, sight) = {
            let last = self.snapshot.borrow();
            let sight = Sight {
                pools: last.pools.clone(),
                waits: last.waits.clone(),
                not_assigned: last.not_assigned.clone(),
                repositories: Arc::clone(&last.repositories),
            };
            (last.runners.clone(), last.installation.clone(), sight)
        };
        self.publish(state, &mut report, installation, runners, sight).await;
        let Capabilities { kind, when_silent: hint, .. } =
            *self.backends.docker().passes.capabilities();
        let blind = Blind { kind, why: why.clone(), hint };
        self.snapshot.send_modify(|snapshot| snapshot.blind = Some(blind));
        for (_, request) in requests {
            request.refuse(RequestError::Unavailable(why.clone()));
        }
        state.asked.answer(None, &report, &Err(RequestError::Unavailable(why)));
        let now = self.clock.now();
        // What came due waits for the engine, too.
        state.planned_at = now;
        state.schedule.was_blind(now);
        report
    }

    /// Has an error of GitHub hold until it answers again: a pass that asks nothing learns nothing.
    fn keep_github_error(&self, state: &mut State, report: &mut PassReport) {
        if report.github_error.is_some() {
            state.told.github_failed_at = Some(self.clock.now());
            return;
        }
        let Some(failed_at) = state.told.github_failed_at else { return };
        if self.github.answered_at().is_some_and(|at| at >= failed_at) {
            state.told.github_failed_at = None;
        } else {
            report.github_error.clone_from(&self.snapshot.borrow().report.github_error);
        }
    }

    /// Logs each problem once for as long as it lasts, and shows the pass to those who look and to those who follow.
    pub(super) async fn publish(
        &self,
        state: &mut State,
        report: &mut PassReport,
        installation: String,
        runners: Vec<Runner>,
        sight: Sight,
    ) {
        let images = self.backends.image_problems();
        if !images.is_empty() {
            self.metrics.trouble(Trouble::Image);
        }
        if report.github_error.is_some() || !report.github_accounts.is_empty() {
            self.metrics.trouble(Trouble::GitHub);
        }
        self.keep_github_error(state, report);
        report.problems.extend(images);
        report.repositories = state.catalog.served();
        let now = self.clock.now();
        report.self_hosted_repositories = state.catalog.relevant(now).len();
        let elapsed = report
            .started_at
            .map_or(SignedDuration::ZERO, |started_at| now.duration_since(started_at));
        report.duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or_default();
        for problem in &mut report.problems {
            *problem = message(problem);
        }
        shortened(&mut report.problems);
        // A place that waits after a failure to start a runner has its problem still, though nothing is tried.
        let active = state.backoff.active(now);
        let held: BTreeSet<String> = active
            .map(|((_, scope), streak)| message(&not_started(scope, &streak.reason)))
            .collect();
        let changes =
            state.told.problems.note(&report.problems, |problem| held.contains(problem), now);
        for problem in &changes.began {
            warn!(category = MONITOR, "{problem}");
        }
        state.told.journal.problems(&changes, now);
        state.told.journal.runners(&runners, now);
        state.told.journal.pools(&self.marks(), now);
        state.told.journal.drain(state.draining, now);
        let written = state.told.journal.write(self.intake.store()).await;
        self.intake.written(written.as_ref().map(drop));
        self.tell_recovery(report);
        let github = self.github_status(state, now);
        self.metrics.passed(report, &github);
        self.snapshot.send_replace(Snapshot {
            blind: None,
            installation,
            runners,
            held_back: state.backoff.held_back(now),
            failures: state.backoff.streaks().clone(),
            pools: sight.pools,
            being_made: state.flight.being_made(),
            waits: sight.waits,
            not_assigned: sight.not_assigned,
            repositories: sight.repositories,
            github,
            webhooks: state.ledger.hearing().is_healthy(now),
            draining: state.draining,
            finished: state.told.history.latest(),
            logs: state.told.history.logs(),
            report: report.clone(),
        });
    }

    /// How the pools stand, for people to look at.
    pub(super) fn pools_seen(&self, planned: &Plan) -> BTreeMap<PoolName, PoolSeen> {
        let seen = |entry: Entry| {
            let name = entry.pool.spec.name.clone();
            let engine = entry.pool.material.profile.engine.as_ref();
            let seen = PoolSeen {
                image: entry.pool.material.image.clone(),
                engine_image: engine.map(|engine| engine.image.clone()),
                image_state: self.backends.image_state(&entry.pool),
                queued_jobs: planned.pending.get(&name).copied().unwrap_or_default(),
                short: planned.short.get(&name).map(ToString::to_string),
                registration_timeout: entry.pool.registration_timeout,
            };
            (name, seen)
        };
        self.book.all().into_iter().map(seen).collect()
    }

    /// The pools that are kept, each with what changes when it does.
    fn marks(&self) -> BTreeMap<String, Mark> {
        let mark = |entry: Entry| {
            let mark = Mark { revision: entry.revision, rotate_before: entry.rotate_before };
            (entry.pool.spec.name.to_string(), mark)
        };
        self.book.all().into_iter().map(mark).collect()
    }

    fn github_status(&self, state: &State, now: Timestamp) -> GitHubStatus {
        let (budget, theirs) = (self.github.budget().clone(), self.github.now());
        let limit = |(account, resource, limit): (Account, Resource, Limit)| LimitStatus {
            account: account.to_string(),
            resource: resource.as_str().to_owned(),
            limit: limit.limit,
            remaining: limit.remaining,
            reset: limit.reset,
        };
        let waits = budget.waiting(Priority::Discovery, theirs);
        GitHubStatus {
            requests: self.github.traffic().sent(),
            unchanged: self.github.traffic().unchanged(),
            limits: budget.limits(theirs).into_iter().map(limit).collect(),
            discovery_waits: waits.map(|held| held.to_string()),
            next_check: self.config.auto_create.then(|| state.next_check(now).max(now)),
            not_served: state.catalog.refused(),
            clock_skew_seconds: self.github.skew(),
            webhooks: state.ledger.hearing().verdict(now).to_string(),
            ledger: self.intake.ledger(),
        }
    }

    /// Says when something that was away is back. That it is away, its problem says.
    fn tell_recovery(&self, report: &PassReport) {
        let last = self.snapshot.borrow();
        if last.blind.is_some() && report.problems.is_empty() {
            let title = self.backends.docker().passes.capabilities().title;
            info!(category = HEALTH, "{title} can be reached again");
        }
        if last.report.github_error.is_some()
            && last.blind.is_none()
            && report.github_error.is_none()
        {
            info!(category = HEALTH, "GitHub answers again");
        }
    }

    /// Answers the requests of which nothing is under way any more.
    pub(super) fn answer(
        &self,
        state: &mut State,
        report: &PassReport,
        uninstalled: &Result<UninstallReport, RequestError>,
    ) {
        let runners = self.snapshot.borrow().runners.clone();
        state.asked.answer(Some(&runners), report, uninstalled);
    }

    pub(super) fn tell_unmet(state: &mut State, planned: &Plan) {
        for unmet in planned.unmet.iter().filter(|unmet| !state.told.unmet.contains(&unmet.job.id))
        {
            let job = &unmet.job;
            warn!(category = MONITOR, repository = %job.repo, job = job.name, job_id = job.id, reason = unmet.why, "a queued job gets no runner from here");
        }
        state.told.unmet = planned.unmet.iter().map(|unmet| unmet.job.id).collect();
    }
}

/// The problem of a place where a runner could not be started.
pub(super) fn not_started(scope: &Scope, why: &str) -> String {
    format!("{scope}: runner not started: {why}")
}

/// Most accounts at GitHub that are named.
const ACCOUNTS: usize = 20;

/// Notes what GitHub did not tell of something of `account`. What only has to wait is said once, not for everything that waits;
/// what concerns that account only says nothing of GitHub.
pub(super) fn trouble_at(report: &mut PassReport, account: &str, what: &str, error: &GitHubError) {
    if !error.is_local() {
        return trouble(report, what, error);
    }
    let line = format!("{what}: {error}");
    if report.github_accounts.len() < ACCOUNTS {
        report.github_accounts.entry(account.to_owned()).or_insert_with(|| line.clone());
    }
    report.problems.push(line);
}

/// Notes what GitHub did not tell.
pub(super) fn trouble(report: &mut PassReport, what: &str, error: &GitHubError) {
    // GitHub's own limit counts for more than what was not sent because of one: the two are told together.
    let first = !matches!(error, GitHubError::PutOff { .. }) && report.github_error.is_none();
    if first {
        report.github_error = Some(error.to_string());
    }
    if error.is_wait() {
        if first || report.waiting.is_none() {
            report.waiting = Some(format!("{what}: {error}"));
        }
    } else {
        report.problems.push(format!("{what}: {error}"));
    }
}

pub(super) fn unmet(unmet: &Unmet) -> UnmetJob {
    UnmetJob {
        job_id: unmet.job.id,
        repository: unmet.job.repo.to_string(),
        job: unmet.job.name.clone(),
        reason: unmet.why.clone(),
    }
}

pub(super) fn runner(machine: &Machine, verdict: &Verdict) -> Runner {
    Runner {
        id: machine.name.to_string(),
        name: machine.name.to_string(),
        pool: machine.pool.as_str().to_owned(),
        backend: machine.backend.to_string(),
        scope: machine.scope.kind(),
        scope_name: machine.scope.name(),
        labels: machine.labels.to_strings(),
        state: verdict.state,
        reason: Some(verdict.why.clone()),
        container_id: Some(machine.id.clone()),
        image: machine.image.clone(),
        github_runner_id: verdict.id.or(machine.github_id).map(|id| id.0),
        created_at: machine.created_at,
        deadline: machine.deadline,
    }
}

#[cfg(test)]
mod tests;
