//! What came of the demo.

use github_sim::demo::ExpectedJob;
use github_sim::world::model::{Conclusion, Job};
use jiff::Timestamp;
use serde::Serialize;

use super::Ending;
use super::stage::{Stage, state};
use super::warm::Warm;

/// The summary, as `--json` prints it. Counts are of jobs for self-hosted runners.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    jobs_total: usize,
    jobs_succeeded: usize,
    jobs_failed: usize,
    max_parallel: usize,
    queue_to_running_ms: Percentiles,
    containers_left: usize,
    registrations_left: usize,
    github_requests: u64,
    /// The second act, if it was played.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warm: Option<Warm>,
}

/// Milliseconds.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Percentiles {
    pub(super) p50: i64,
    pub(super) p95: i64,
}

impl Summary {
    /// Looks at what is there now.
    pub(super) async fn of(stage: &Stage<'_>, jobs: &[ExpectedJob]) -> anyhow::Result<Self> {
        let (containers_left, registrations_left) =
            (stage.containers().await?, stage.registrations());
        let github_requests = stage.sim().counters().total;
        Ok(stage.sim().with(|world| {
            let own: Vec<&Job> = jobs
                .iter()
                .filter(|job| job.self_hosted)
                .filter_map(|job| world.job(job.job_id))
                .collect();
            let ended = |wanted: Conclusion| {
                own.iter().filter(|job| job.conclusion == Some(wanted)).count()
            };
            let spans = own.iter().filter_map(|job| Some((job.started_at?, job.completed_at?)));
            let waits = own.iter().filter_map(|job| Some((job.queued_at?, job.started_at?)));
            let waits = waits.map(|(from, to)| {
                i64::try_from(to.duration_since(from).as_millis()).unwrap_or(i64::MAX)
            });
            Self {
                jobs_total: own.len(),
                jobs_succeeded: ended(Conclusion::Success),
                jobs_failed: ended(Conclusion::Failure),
                max_parallel: most_at_once(spans),
                queue_to_running_ms: percentiles(waits.collect()),
                containers_left,
                registrations_left,
                github_requests,
                warm: None,
            }
        }))
    }

    /// What is not as it should be.
    pub(super) fn problems(
        &self,
        stage: &Stage<'_>,
        jobs: &[ExpectedJob],
        ending: &Ending,
    ) -> Vec<String> {
        if *ending == Ending::Interrupted {
            return vec!["interrupted; everything is being removed".to_owned()];
        }
        let mut problems = stage.sim().with(|world| {
            let mut problems = world.violations();
            for expected in jobs {
                let job = world.job(expected.job_id);
                if job.and_then(|job| job.conclusion) != Some(expected.expected) {
                    let found = job.map_or("gone", state);
                    let wanted = expected.expected.as_str();
                    problems.push(format!(
                        "{} · {} is {found}, expected {wanted}",
                        expected.repo, expected.name
                    ));
                }
            }
            problems
        });
        if *ending == Ending::TimedOut {
            problems.push("time ran out".to_owned());
        }
        if self.containers_left + self.registrations_left > 0 {
            let (containers, registrations) = (self.containers_left, self.registrations_left);
            problems.push(format!(
                "{containers} containers and {registrations} registrations are left"
            ));
        }
        problems
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let cold = &self.queue_to_running_ms;
        let Percentiles { p50, p95 } = cold;
        let text = format!(
            "\n{} jobs: {} succeeded, {} failed (one is meant to). At most {} ran at a time.\n\
             From queued to running: half within {p50} ms, 95 % within {p95} ms.\n\
             Left over: {} containers, {} registrations. Requests to GitHub: {}.\n",
            self.jobs_total,
            self.jobs_succeeded,
            self.jobs_failed,
            self.max_parallel,
            self.containers_left,
            self.registrations_left,
            self.github_requests
        );
        text + &self.warm.as_ref().map(|warm| warm.text(cold)).unwrap_or_default()
    }
}

/// The most spans that overlap at any moment.
fn most_at_once(spans: impl Iterator<Item = (Timestamp, Timestamp)>) -> usize {
    // An end sorts before a start of the same moment: one after the other is not at once.
    let mut edges: Vec<(Timestamp, bool)> =
        spans.flat_map(|(start, end)| [(start, true), (end, false)]).collect();
    edges.sort_unstable();
    let mut running: usize = 0;
    let mut most = 0;
    for (_, starts) in edges {
        running = if starts { running + 1 } else { running.saturating_sub(1) };
        most = most.max(running);
    }
    most
}

/// Nearest-rank percentiles; 0 if there is nothing.
pub(super) fn percentiles(mut values: Vec<i64>) -> Percentiles {
    values.sort_unstable();
    let rank = |percent: usize| {
        values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0)
    };
    Percentiles { p50: rank(50), p95: rank(95) }
}

#[cfg(test)]
mod tests;
