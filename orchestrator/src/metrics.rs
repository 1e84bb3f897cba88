//! What Prometheus reads. Bounded labels: pools, states and kinds, never names of runners, jobs or repositories.

mod labels;
mod registered;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicI64;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::{GitHubStatus, PassReport, Runner};
use mayfly_common::runner::RunnerState;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

pub(crate) use labels::{ActionLabels, Orphan, Trouble};
use labels::{FailureLabels, KindLabel, LimitLabels, PoolLabel, ResultLabels, StateLabels};
use registered::{Registered, Spans};

use mayfly_backend::Storage;
use mayfly_common::job::QueuedJob;
use mayfly_github::Traffic;
use mayfly_planner::ledger::Row;
use mayfly_planner::lifecycle::Failure;

/// The states a runner can be seen in.
const STATES: [RunnerState; 6] = [
    RunnerState::Starting,
    RunnerState::Idle,
    RunnerState::Busy,
    RunnerState::Draining,
    RunnerState::Finished,
    RunnerState::Failed,
];

/// The orchestrator's metrics, in a registry of their own.
pub struct Metrics {
    registry: Registry,
    runners: Family<StateLabels, Gauge>,
    jobs_completed: Family<ResultLabels, Counter>,
    job_wait: Spans,
    job_duration: Spans,
    creation: Spans,
    registration: Spans,
    removal: Spans,
    jobs_queued: Gauge,
    jobs_unmet: Gauge,
    oldest_job: Gauge,
    repositories: Gauge,
    relevant: Gauge,
    actions: Family<ActionLabels, Counter>,
    passes: Counter,
    pass_errors: Family<KindLabel, Counter>,
    failures: Family<FailureLabels, Counter>,
    orphans: Family<KindLabel, Counter>,
    storage: Family<KindLabel, Gauge>,
    problems: Gauge,
    pass_duration: Histogram,
    limits: Family<LimitLabels, Gauge<i64, AtomicI64>>,
    remaining: Family<LimitLabels, Gauge<i64, AtomicI64>>,
    resets: Family<LimitLabels, Gauge<i64, AtomicI64>>,
    next_check: Gauge,
}

impl Metrics {
    /// Metrics that also show `traffic`.
    pub fn new(traffic: &Traffic) -> Self {
        let mut new = Registered(Registry::with_prefix("mayfly"));
        let this = Self {
            runners: new.metric("runners", "Runners by pool and state"),
            jobs_completed: new
                .metric("jobs_completed", "Jobs that runners of ours ended, by result"),
            job_wait: new.spans("job_wait", "From a job's queuing until a runner took it"),
            job_duration: new.spans("job_duration", "From a job's start to its end"),
            creation: new
                .spans("runner_creation", "Registering a runner and starting its container"),
            registration: new.spans(
                "runner_registration",
                "From a container's creation until its runner is online",
            ),
            removal: new.spans("runner_removal", "Removing a runner and its registration"),
            jobs_queued: new.metric("jobs_queued", "Queued jobs that our labels cover"),
            jobs_unmet: new.metric("jobs_unmet", "Queued jobs that no label of ours covers"),
            oldest_job: new.with_unit(
                "oldest_queued_job",
                "Age of the oldest queued job",
                Unit::Seconds,
                Gauge::default(),
            ),
            repositories: new.metric("repositories", "Repositories known"),
            relevant: new
                .metric("repositories_self_hosted", "Repositories with jobs that may need us"),
            actions: new.metric("actions", "Actions of the reconcile loop"),
            passes: new.metric("passes", "Reconcile passes"),
            pass_errors: new.metric("pass_errors", "Passes that had trouble, by what with"),
            failures: new.metric("runner_failures", "Runners that failed, by how"),
            orphans: new.metric(
                "orphans_removed",
                "What was left behind without its other half, and removed",
            ),
            storage: new.with_unit(
                "storage",
                "What is stored, looked at every few minutes",
                Unit::Bytes,
                Family::default(),
            ),
            problems: new.metric("pass_problems", "Problems of the last pass"),
            pass_duration: new.with_unit(
                "pass_duration",
                "How long a pass takes",
                Unit::Seconds,
                Histogram::new(exponential_buckets(0.01, 2.0, 14)),
            ),
            limits: new
                .metric("github_limit", "Requests (GraphQL: points) an hour that GitHub allows"),
            remaining: new.metric("github_limit_remaining", "How many of them are left"),
            resets: new.metric("github_limit_reset_timestamp_seconds", "When that hour ends"),
            next_check: new.metric(
                "github_next_check_timestamp_seconds",
                "When GitHub is next asked for repositories and jobs",
            ),
            registry: new.finish(traffic),
        };
        // Counters begin at 0, not when something happens: else its first time is not seen as an increase.
        for trouble in Trouble::ALL {
            this.pass_errors.get_or_create(&trouble.label()).inc_by(0);
        }
        for orphan in [Orphan::Registration, Orphan::Container] {
            this.orphans.get_or_create(&orphan.label()).inc_by(0);
        }
        this
    }

    /// All metrics in the `OpenMetrics` text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Takes in what a pass saw.
    pub(crate) fn observed(
        &self,
        runners: &[Runner],
        queued: usize,
        unmet: usize,
        jobs: &[QueuedJob],
        now: Timestamp,
    ) {
        self.runners.clear();
        let pools: BTreeSet<&str> = runners.iter().map(|runner| runner.pool.as_str()).collect();
        for pool in pools.into_iter().chain(["default"]) {
            for state in STATES {
                let here = |runner: &&Runner| runner.state == state && runner.pool == pool;
                let count = runners.iter().filter(here).count();
                let labels = StateLabels { pool: pool.to_owned(), state: state.as_str() };
                self.runners.get_or_create(&labels).set(number(count));
            }
        }
        self.jobs_queued.set(number(queued));
        self.jobs_unmet.set(number(unmet));
        let oldest = jobs.iter().map(|job| now.duration_since(job.queued_at).as_secs()).max();
        self.oldest_job.set(oldest.unwrap_or_default().max(0));
    }

    /// A job that a runner of `pool` had has ended.
    pub(crate) fn job_ended(&self, pool: &str, row: &Row) {
        let label = PoolLabel { pool: pool.to_owned() };
        let seconds =
            |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64().max(0.0);
        if let Some(started) = row.started_at {
            if let Some(queued) = row.queued() {
                self.job_wait.get_or_create(&label).observe(seconds(queued, started));
            }
            if let Some(completed) = row.completed_at {
                self.job_duration.get_or_create(&label).observe(seconds(started, completed));
            }
        }
        let known = ["success", "failure", "cancelled", "skipped", "timed_out"];
        let result = row.conclusion.as_deref();
        let result = known.into_iter().find(|known| Some(*known) == result).unwrap_or("other");
        self.jobs_completed.get_or_create(&ResultLabels { pool: label.pool, result }).inc();
    }

    /// A runner of `pool` came online so long after its container was created.
    pub(crate) fn came_online(&self, pool: &str, after: SignedDuration) {
        let label = PoolLabel { pool: pool.to_owned() };
        self.registration.get_or_create(&label).observe(after.as_secs_f64().max(0.0));
    }

    /// A runner of `pool` was started, or removed (`starts` false), which took so long.
    pub(crate) fn took(&self, pool: &str, starts: bool, span: SignedDuration) {
        let spans = if starts { &self.creation } else { &self.removal };
        spans
            .get_or_create(&PoolLabel { pool: pool.to_owned() })
            .observe(span.as_secs_f64().max(0.0));
    }

    /// Takes in what a pass did.
    pub(crate) fn carried_out(&self, actions: impl Iterator<Item = ActionLabels>) {
        for labels in actions {
            self.actions.get_or_create(&labels).inc();
        }
    }

    /// A pass had trouble.
    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.pass_errors.get_or_create(&trouble.label()).inc();
    }

    /// A runner of `pool` failed and was removed.
    pub(crate) fn failed(&self, pool: &str, failure: &Failure) {
        let labels = FailureLabels { pool: pool.to_owned(), reason: failure.kind() };
        self.failures.get_or_create(&labels).inc();
        if failure.is_orphan() {
            self.orphan(Orphan::Container);
        }
    }

    /// Something left behind was removed.
    pub(crate) fn orphan(&self, orphan: Orphan) {
        self.orphans.get_or_create(&orphan.label()).inc();
    }

    /// Takes in what is stored: by the engine, if it told, and the ledger's file, if there is one.
    pub(crate) fn stored(&self, engine: Option<&Storage>, ledger: Option<u64>) {
        self.storage.clear();
        let engine = engine.map(|stored| {
            [
                ("containers", stored.containers),
                ("images", stored.images),
                ("volumes", stored.volumes),
            ]
        });
        let ledger = ledger.map(|bytes| ("database", bytes));
        for (kind, bytes) in engine.into_iter().flatten().chain(ledger) {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            self.storage.get_or_create(&KindLabel { kind }).set(bytes);
        }
    }

    /// Takes in the pass itself, and how GitHub's limits stand.
    pub(crate) fn passed(&self, report: &PassReport, github: &GitHubStatus) {
        self.passes.inc();
        self.problems.set(number(report.problems.len()));
        self.repositories.set(number(report.repositories));
        self.relevant.set(number(report.self_hosted_repositories));
        self.pass_duration
            .observe(std::time::Duration::from_millis(report.duration_ms).as_secs_f64());
        self.next_check.set(github.next_check.map_or(0, jiff::Timestamp::as_second));
        for family in [&self.limits, &self.remaining, &self.resets] {
            family.clear();
        }
        for known in &github.limits {
            let labels =
                LimitLabels { account: known.account.clone(), resource: known.resource.clone() };
            let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            self.limits.get_or_create(&labels).set(signed(known.limit));
            self.remaining.get_or_create(&labels).set(signed(known.remaining));
            self.resets.get_or_create(&labels).set(known.reset.as_second());
        }
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
