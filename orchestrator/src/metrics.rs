//! What Prometheus reads. Bounded labels: pools, states and kinds, never names of runners, jobs or repositories.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicI64;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::{GitHubStatus, PassReport, Runner};
use mayfly_common::runner::RunnerState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::reconcile::Carried;
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    pool: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabel {
    pool: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    pool: String,
    result: &'static str,
}

/// Spans by pool.
type Spans = Family<PoolLabel, Histogram, fn() -> Histogram>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    pool: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// What a pass can have trouble with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The engine could not be asked: the pass did nothing.
    Docker,
    /// GitHub did not tell something.
    GitHub,
    /// A runner image cannot be had.
    Image,
    /// An action failed.
    Action,
}

impl Trouble {
    const ALL: [Self; 4] = [Self::Docker, Self::GitHub, Self::Image, Self::Action];

    fn label(self) -> KindLabel {
        let kind = match self {
            Self::Docker => "docker",
            Self::GitHub => "github",
            Self::Image => "image",
            Self::Action => "action",
        };
        KindLabel { kind }
    }
}

/// What can be left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orphan {
    /// A registration without a container.
    Registration,
    /// A container without a registration, or one that was never started.
    Container,
}

impl Orphan {
    fn label(self) -> KindLabel {
        let kind = match self {
            Self::Registration => "registration",
            Self::Container => "container",
        };
        KindLabel { kind }
    }
}

/// A bucket of requests. As many values as the App has installations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    account: String,
    resource: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    action: &'static str,
    outcome: &'static str,
}

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
        let mut registry = Registry::with_prefix("mayfly");
        let this = Self {
            runners: Family::default(),
            jobs_completed: Family::default(),
            job_wait: spans(),
            job_duration: spans(),
            creation: spans(),
            registration: spans(),
            removal: spans(),
            jobs_queued: Gauge::default(),
            jobs_unmet: Gauge::default(),
            oldest_job: Gauge::default(),
            repositories: Gauge::default(),
            relevant: Gauge::default(),
            actions: Family::default(),
            passes: Counter::default(),
            pass_errors: Family::default(),
            failures: Family::default(),
            orphans: Family::default(),
            storage: Family::default(),
            problems: Gauge::default(),
            pass_duration: Histogram::new(exponential_buckets(0.01, 2.0, 14)),
            limits: Family::default(),
            remaining: Family::default(),
            resets: Family::default(),
            next_check: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("runners", "Runners by pool and state", this.runners.clone());
        registry.register(
            "jobs_completed",
            "Jobs that runners of ours ended, by result",
            this.jobs_completed.clone(),
        );
        for (name, help, spans) in [
            ("job_wait", "From a job's queuing until a runner took it", &this.job_wait),
            ("job_duration", "From a job's start to its end", &this.job_duration),
            ("runner_creation", "Registering a runner and starting its container", &this.creation),
            (
                "runner_registration",
                "From a container's creation until its runner is online",
                &this.registration,
            ),
            ("runner_removal", "Removing a runner and its registration", &this.removal),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, spans.clone());
        }
        registry.register(
            "jobs_queued",
            "Queued jobs that our labels cover",
            this.jobs_queued.clone(),
        );
        registry.register(
            "jobs_unmet",
            "Queued jobs that no label of ours covers",
            this.jobs_unmet.clone(),
        );
        registry.register_with_unit(
            "oldest_queued_job",
            "Age of the oldest queued job",
            Unit::Seconds,
            this.oldest_job.clone(),
        );
        registry.register("repositories", "Repositories known", this.repositories.clone());
        registry.register(
            "repositories_self_hosted",
            "Repositories with jobs that may need us",
            this.relevant.clone(),
        );
        registry.register("actions", "Actions of the reconcile loop", this.actions.clone());
        registry.register("passes", "Reconcile passes", this.passes.clone());
        registry.register(
            "pass_errors",
            "Passes that had trouble, by what with",
            this.pass_errors.clone(),
        );
        registry.register("runner_failures", "Runners that failed, by how", this.failures.clone());
        registry.register(
            "orphans_removed",
            "What was left behind without its other half, and removed",
            this.orphans.clone(),
        );
        registry.register_with_unit(
            "storage",
            "What is stored, looked at every few minutes",
            Unit::Bytes,
            this.storage.clone(),
        );
        registry.register("pass_problems", "Problems of the last pass", this.problems.clone());
        registry.register_with_unit(
            "pass_duration",
            "How long a pass takes",
            Unit::Seconds,
            this.pass_duration.clone(),
        );
        registry.register(
            "github_limit",
            "Requests (GraphQL: points) an hour that GitHub allows",
            this.limits.clone(),
        );
        registry.register(
            "github_limit_remaining",
            "How many of them are left",
            this.remaining.clone(),
        );
        registry.register(
            "github_limit_reset_timestamp_seconds",
            "When that hour ends",
            this.resets.clone(),
        );
        registry.register(
            "github_next_check_timestamp_seconds",
            "When GitHub is next asked for repositories and jobs",
            this.next_check.clone(),
        );
        registry.register(
            "build",
            "This build",
            Info::new(vec![("version", mayfly_common::VERSION)]),
        );
        registry.register(
            "github_requests",
            "Requests sent to GitHub; `unchanged` ones (304) cost nothing of the hour's",
            traffic.by_route(),
        );
        // Counters begin at 0, not when something happens: else its first time is not seen as an increase.
        for trouble in Trouble::ALL {
            this.pass_errors.get_or_create(&trouble.label()).inc_by(0);
        }
        for orphan in [Orphan::Registration, Orphan::Container] {
            this.orphans.get_or_create(&orphan.label()).inc_by(0);
        }
        Self { registry, ..this }
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
    pub(crate) fn carried_out(&self, carried: impl Iterator<Item = Carried>) {
        for Carried { action, outcome } in carried {
            self.actions.get_or_create(&ActionLabels { action, outcome }).inc();
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

fn spans() -> Spans {
    // From a twentieth of a second to over two hours.
    Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.05, 2.0, 18)))
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
