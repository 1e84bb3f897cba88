//! What discovery costs in requests, beside what the obvious way of doing it costs.
//!
//! `cargo bench -p orchestrator --bench discovery` prints one table for 10 to 10,000 repositories, of which a fifth has workflows
//! and every sixteenth or so jobs for self-hosted runners. Everything is counted at the simulated GitHub, with the real reconciler
//! and the real client over HTTP. It ends with exit code 1 if a target for 1,000 repositories is missed.

#[path = "discovery/naive.rs"]
mod naive;
#[path = "discovery/platform.rs"]
mod platform;

use std::process::ExitCode;

use crate::naive::Naive;
use crate::platform::{Cost, Platform};

/// Numbers of repositories.
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
/// The size that has targets.
const JUDGED: usize = 1_000;
/// Cycles in which nothing changes; the dearest of them counts.
const CYCLES: usize = 4;
/// Jobs queued at once, each in a repository of its own as far as there are so many.
const JOBS: usize = 10;
/// Cycles after which a job that has no runner counts as missed.
const MAX_WAIT: usize = 20;

/// What was counted for one number of repositories.
struct Measured {
    repositories: usize,
    self_hosted: usize,
    cold: Cost,
    unchanged: Cost,
    recheck: Cost,
    push: u64,
    /// None: some jobs got no runner.
    job: Option<PerJob>,
    naive: Naive,
}

struct PerJob {
    requests: f64,
    /// How many cycles it took until the last job had its runner: in one, a minute's requests may not reach round.
    cycles: usize,
}

fn main() -> ExitCode {
    // `cargo test --benches` passes no `--bench`: then there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure_all())
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
async fn measure_all() -> ExitCode {
    println!("{}", heading());
    let mut missed = Vec::new();
    for repositories in SIZES {
        let measured = measure(repositories).await;
        println!("{}", row(&measured));
        if repositories == JUDGED {
            missed = misses(&measured);
        }
    }
    println!("\n{LEGEND}");
    for miss in &missed {
        println!("MISSED for {JUDGED} repositories: {miss}");
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn measure(repositories: usize) -> Measured {
    let platform = Platform::start(repositories).await;
    let (cold, report) = platform.cycle().await;
    if report.waiting.is_some() {
        platform.warm_up().await;
    }
    let mut cycles = Vec::new();
    for _ in 0..CYCLES {
        cycles.push(platform.cycle().await.0);
    }
    let unchanged = cycles.iter().copied().max_by_key(|cost| cost.all).unwrap_or_default();
    // What is more than the cheapest of those, so that nothing is hidden.
    let usual = cycles.into_iter().min_by_key(|cost| cost.all).unwrap_or_default();
    let mut push = 0;
    for repo in platform.pushed_to() {
        platform.push(&repo);
        push = push.max(platform.cycle().await.0.beyond(usual));
    }
    let recheck = platform.recheck().await;
    let job = queued_jobs(&platform, usual).await;
    let naive = naive::measure(repositories).await;
    let self_hosted = platform.self_hosted();
    Measured { repositories, self_hosted, cold, unchanged, recheck, push, job, naive }
}

/// Queues jobs and lets cycles go by until each has its runner.
async fn queued_jobs(platform: &Platform, usual: Cost) -> Option<PerJob> {
    let jobs = platform.queue(JOBS);
    let (mut taken, mut spent, mut unspent) = (0, Cost::default(), Cost::default());
    for cycles in 1..=MAX_WAIT {
        spent = spent.and(platform.cycle().await.0);
        unspent = unspent.and(usual);
        taken += platform.connect_runners();
        if taken == jobs {
            return Some(PerJob { requests: per(spent.beyond(unspent), jobs), cycles });
        }
    }
    None
}

/// `requests` for each of `things`.
fn per(requests: u64, things: usize) -> f64 {
    f64::from(u32::try_from(requests).unwrap_or(u32::MAX))
        / f64::from(u32::try_from(things).unwrap_or(u32::MAX))
}

/// The targets that are missed.
fn misses(measured: &Measured) -> Vec<String> {
    let Measured { cold, unchanged, push, job, .. } = measured;
    let (primary, each) =
        (unchanged.primary(), job.as_ref().map_or(f64::INFINITY, |job| job.requests));
    let rows = [
        (cold.discovery <= 60, format!("cold discovery: {} requests, at most 60", cold.discovery)),
        (primary <= 3, format!("an unchanged cycle: {primary} of the primary limit, at most 3")),
        (
            unchanged.all <= 150,
            format!("an unchanged cycle: {} requests in all, at most 150", unchanged.all),
        ),
        (*push <= 5, format!("one push: {push} more requests, at most 5")),
        (each <= 3.0, format!("each queued job: {each:.1} requests, at most 3")),
    ];
    rows.into_iter().filter(|(kept, _)| !kept).map(|(_, found)| found).collect()
}

const LEGEND: &str = "\
cold       the first look: listing and reading workflows + asking for jobs and runners
unchanged  a cycle in which nothing changed: against the primary limit / in all (the rest is answered 304, which is free)
re-check   the same once an hour, when everything is listed and looked at again
push       one push to one repository: more than an unchanged cycle, in all or against the primary limit
job        each queued job until its runner is started: the same; and how many cycles that took
naive      every cycle lists all, reads every workflow and asks every repository for runs; all of it counts";

fn heading() -> String {
    let ours =
        "repositories  self-hosted |        cold    unchanged     re-check   push    job  cycles";
    let line = format!("{ours} | naive: a cycle   push    job");
    format!("Requests to GitHub\n\n{line}\n{}", "-".repeat(line.len()))
}

fn row(measured: &Measured) -> String {
    let Measured { repositories, self_hosted, cold, unchanged, recheck, push, job, naive } =
        measured;
    let cold = format!("{} + {}", cold.discovery, cold.all - cold.discovery);
    let [unchanged, recheck] =
        [unchanged, recheck].map(|cost| format!("{} / {}", cost.primary(), cost.all));
    let job = job.as_ref().map_or("   none       -".to_owned(), |job| {
        format!("{:>6.1} {:>7}", job.requests, job.cycles)
    });
    let ours = format!(
        "{repositories:>12}  {self_hosted:>11} | {cold:>11} {unchanged:>12} {recheck:>12} {push:>6} {job}"
    );
    format!("{ours} | {:>14} {:>6} {:>6.1}", naive.cycle, naive.push, naive.job)
}
