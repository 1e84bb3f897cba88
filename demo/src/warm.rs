//! The demo's second act: runners that wait before the job comes, beside the first act's cold start.
//!
//! One job at a time is queued where runners wait. What counts is how long it takes until it runs, and until the pool is full again.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use github_sim::world::World;
use github_sim::world::model::{JobSpec, Status, Step};
use jiff::Timestamp;
use mayfly_common::scope::RepoSlug;
use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::json;

use super::stage::Stage;
use super::summary::{Percentiles, percentiles};

/// Where the runners wait.
const REPO: &str = "octo-org/tools";
/// The pool's name.
const POOL: &str = "warm";
/// Jobs for each waiting runner.
const ROUNDS: usize = 3;
/// How long anything here may take.
const LIMIT: Duration = Duration::from_mins(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Warm {
    /// Runners that wait.
    pub(super) runners: u32,
    pub(super) jobs: usize,
    pub(super) queue_to_running_ms: Percentiles,
    /// From a job's start until as many runners wait as before.
    pub(super) refilled_ms: Percentiles,
}

impl Warm {
    /// Plays the act with so many waiting runners, and removes the pool.
    pub(super) async fn play(stage: &Stage<'_>, runners: u32) -> anyhow::Result<Self> {
        let client = client()?;
        let pools = format!("{}/api/v1/pools", stage.gateway_url());
        let spec = json!({
            "name": POOL, "scopes": [format!("repo:{REPO}")], "labels": ["self-hosted", "linux", POOL], "min_idle": runners,
        });
        send(client.post(&pools).json(&spec)).await?;
        let measured = Self::measure(stage, runners).await;
        send(client.delete(format!("{pools}/{POOL}"))).await?;
        let until = Instant::now() + LIMIT;
        while !stage.nothing_left().await? {
            ensure!(Instant::now() < until, "the pool's runners do not go");
            tokio::time::sleep(LOOK).await;
        }
        measured
    }

    async fn measure(stage: &Stage<'_>, runners: u32) -> anyhow::Result<Self> {
        full(stage, runners).await?;
        let (mut waits, mut refills) = (Vec::new(), Vec::new());
        for _ in 0..runners as usize * ROUNDS {
            waits.push(run_one(stage).await?);
            let taken = Instant::now();
            full(stage, runners).await?;
            refills.push(i64::try_from(taken.elapsed().as_millis()).unwrap_or(i64::MAX));
        }
        let jobs = waits.len();
        let (queue_to_running_ms, refilled_ms) = (percentiles(waits), percentiles(refills));
        Ok(Self { runners, jobs, queue_to_running_ms, refilled_ms })
    }

    /// For people; `cold`: the first act's percentiles.
    pub(super) fn text(&self, cold: &Percentiles) -> String {
        let (warm, full) = (&self.queue_to_running_ms, &self.refilled_ms);
        format!(
            "With {} runners waiting, {} jobs: from queued to running half within {} ms, 95 % within {} ms (cold: {} and {} ms).\n\
             As many waited again half within {} ms, 95 % within {} ms.\n",
            self.runners, self.jobs, warm.p50, warm.p95, cold.p50, cold.p95, full.p50, full.p95
        )
    }
}

/// A client for the gateway, which is on this machine: no proxy, no certificates.
fn client() -> anyhow::Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().timeout(LIMIT).no_proxy();
    builder.build().context("no HTTP client")
}

/// Sends a request. Errors: the gateway does not answer, or refuses; its reason is in the text.
async fn send(request: RequestBuilder) -> anyhow::Result<()> {
    let response = request.send().await.context("the gateway cannot be reached")?;
    let status = response.status();
    if !status.is_success() {
        bail!("the gateway answered {status}: {}", response.text().await.unwrap_or_default());
    }
    Ok(())
}

/// Waits until GitHub has as many runners online that wait as should.
async fn full(stage: &Stage<'_>, runners: u32) -> anyhow::Result<()> {
    let idle = |world: &World| {
        world.all_runners().filter(|runner| runner.online() && !runner.busy()).count()
    };
    let full = stage.sim().until(|world| idle(world) >= runners as usize);
    let waited = tokio::time::timeout(LIMIT, full).await;
    waited.with_context(|| format!("{runners} runners do not come to wait"))
}

/// Queues a job; tells how many milliseconds it waited.
async fn run_one(stage: &Stage<'_>) -> anyhow::Result<i64> {
    let spec = JobSpec {
        key: "quick".to_owned(),
        name: "Quick".to_owned(),
        labels: ["self-hosted", "linux", POOL].map(str::to_owned).to_vec(),
        steps: vec![Step::run("echo warm; sleep 2")],
        ..JobSpec::default()
    };
    let repo = RepoSlug::parse(REPO).context("a repository")?;
    let job = stage.sim().with(|world| world.queue_job(&repo, spec));
    let job = job.context("a job cannot be queued")?;
    let started = stage.sim().until(|world| {
        world
            .job(job)
            .is_none_or(|job| matches!(job.status, Status::InProgress | Status::Completed))
    });
    tokio::time::timeout(LIMIT, started).await.context("a job did not start in time")?;
    let times = stage.sim().with(|world| {
        let job = world.job(job)?;
        Some((job.queued_at?, job.started_at?))
    });
    let (queued, started): (Timestamp, Timestamp) = times.context("the job is gone")?;
    Ok(i64::try_from(started.duration_since(queued).as_millis()).unwrap_or(i64::MAX))
}
