//! Jobs: approved, queued, reported on, finished; and GitHub's own machines, which finish theirs at once.

use std::collections::BTreeMap;

use super::events::JobAction;
use super::model::{Approval, Conclusion, Job, Status, StepResult, Taker};
use super::{DEFAULT_GROUP, Refusal, World};

impl World {
    /// Approves a job that waits for it, as a reviewer of its environment does. Repeating it changes nothing.
    pub fn approve_job(&mut self, id: u64) -> Result<(), Refusal> {
        self.jobs.get_mut(&id).ok_or(Refusal::NotFound("job"))?.approval = Approval::Given;
        self.settle();
        Ok(())
    }

    /// Ends a job that a runner has. Repeating it changes nothing.
    pub fn finish_job(&mut self, job_id: u64, conclusion: Conclusion) -> Result<(), Refusal> {
        let job = self.jobs.get(&job_id).ok_or(Refusal::NotFound("job"))?;
        match job.status {
            Status::Completed => return Ok(()),
            Status::InProgress => self.complete(job_id, conclusion),
            Status::Queued | Status::Waiting => {
                return Err(Refusal::Invalid("no runner has the job".into()));
            }
        }
        self.settle();
        Ok(())
    }

    /// Adds lines to a job's log from line number `from` on (0 is the first), so that a repeated report adds nothing twice.
    pub fn append_log(
        &mut self,
        job_id: u64,
        from: usize,
        lines: Vec<String>,
    ) -> Result<(), Refusal> {
        let job = self.jobs.get_mut(&job_id).ok_or(Refusal::NotFound("job"))?;
        if from > job.log.len() {
            let known = job.log.len();
            return Err(Refusal::Invalid(format!("line {from} does not follow line {known}")));
        }
        job.log.truncate(from);
        job.log.extend(lines);
        Ok(())
    }

    /// Notes how step `number` (1 is the first) ended, just now; a repeated report changes nothing.
    pub fn report_step(
        &mut self,
        job_id: u64,
        number: usize,
        conclusion: Conclusion,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let job = self.jobs.get_mut(&job_id).ok_or(Refusal::NotFound("job"))?;
        if number == 0 || number > job.spec.steps.len() {
            return Err(Refusal::Invalid(format!("the job has no step {number}")));
        }
        if job.step_results.iter().any(|known| known.number == number) {
            return Ok(());
        }
        let before = job.step_results.last().map(|known| known.completed_at);
        let started_at = before.or(job.started_at).unwrap_or(now);
        job.step_results.push(StepResult { number, conclusion, started_at, completed_at: now });
        Ok(())
    }

    /// The one place where a job ends. Its runner is free again; if it was ephemeral, it is gone, or offline where the
    /// world keeps spent runners.
    pub(super) fn complete(&mut self, job_id: u64, conclusion: Conclusion) {
        let now = self.now();
        let Some(job) = self.jobs.get_mut(&job_id) else { return };
        job.status = Status::Completed;
        job.conclusion = Some(conclusion);
        job.completed_at = Some(now);
        job.cancel_requested = false;
        let run_id = job.run_id;
        if let Some(taker) = &job.taker
            && let Some(runner) = self.runners.get_mut(&taker.id)
            && runner.job == Some(job_id)
        {
            runner.job = None;
            if runner.ephemeral && self.keeps_spent_runners {
                (runner.connection, runner.offline_since) = (None, now);
            } else if runner.ephemeral {
                self.runners.remove(&taker.id);
            }
        }
        self.touch(run_id, now);
        self.tell_of_job(job_id, JobAction::Completed);
    }

    /// Brings the world to rest: queues what its needs allow, plays GitHub's own machines, feeds direct runners.
    pub(super) fn settle(&mut self) {
        loop {
            let moved = self.queue_what_may_run() + self.tick_hosted_runners();
            if moved == 0 && self.feed_direct_runners() == 0 {
                return;
            }
        }
    }

    fn queue_what_may_run(&mut self) -> usize {
        let waiting: Vec<u64> = self
            .jobs
            .values()
            .filter(|job| job.status == Status::Waiting)
            .map(|job| job.id)
            .collect();
        let now = self.now();
        let mut moved = 0;
        for id in waiting {
            let Some(verdict) = self.jobs.get(&id).and_then(|job| self.verdict(job)) else {
                continue;
            };
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            let run_id = job.run_id;
            let told = match (verdict, job.approval) {
                (false, _) => {
                    moved += 1;
                    self.complete(id, Conclusion::Skipped);
                    continue;
                }
                (true, Approval::Asked) => continue,
                (true, Approval::Needed) => {
                    job.approval = Approval::Asked;
                    JobAction::Waiting
                }
                (true, Approval::Given) => {
                    job.status = Status::Queued;
                    job.queued_at = Some(now);
                    JobAction::Queued
                }
            };
            moved += 1;
            self.touch(run_id, now);
            self.tell_of_job(id, told);
        }
        moved
    }

    /// True if a waiting job may run as soon as it is approved (`Some(true)`), never will (`Some(false)`) or must wait for others
    /// (`None`).
    fn verdict(&self, job: &Job) -> Option<bool> {
        let needed = || {
            let same_attempt = |other: &&Job| {
                other.run_id == job.run_id
                    && other.attempt == job.attempt
                    && job.spec.needs.contains(&other.spec.key)
            };
            self.jobs.values().filter(same_attempt)
        };
        if needed().any(|other| other.status != Status::Completed) {
            return None;
        }
        let succeeded = needed().all(|other| other.conclusion == Some(Conclusion::Success));
        Some(!job.spec.never && (succeeded || job.spec.always))
    }

    /// Plays GitHub's own machines: every queued job that asks for one succeeds at once, without being executed.
    fn tick_hosted_runners(&mut self) -> usize {
        let hosted = |job: &&Job| job.status == Status::Queued && job.spec.is_hosted();
        let ids: Vec<u64> = self.jobs.values().filter(hosted).map(|job| job.id).collect();
        let now = self.now();
        for &id in &ids {
            self.hosted_count += 1;
            let number = self.hosted_count;
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            job.started_at = Some(now);
            job.taker = Some(Taker {
                id: number,
                name: format!("GitHub Actions {number}"),
                group_id: DEFAULT_GROUP,
                group_name: "GitHub Actions".to_owned(),
            });
            job.log.push("Simulated machine of GitHub's: nothing was executed.".to_owned());
            job.status = Status::InProgress;
            self.tell_of_job(id, JobAction::InProgress);
            self.complete(id, Conclusion::Success);
        }
        ids.len()
    }

    /// How many jobs stand where, for a reader in a hurry.
    pub fn job_counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for job in self.jobs.values() {
            *counts.entry(job.status.as_str()).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{queue, scope, slug, world};
    use super::*;

    const CHAIN: &str = "on: push\njobs:\n  a: {runs-on: self-hosted}\n  b: {runs-on: self-hosted, needs: a}\n  c: {runs-on: self-hosted, needs: [b]}\n  d: {runs-on: self-hosted, needs: a, if: always()}\n  e: {runs-on: ubuntu-latest}";

    fn statuses(world: &World, run: u64) -> Vec<(String, Status, Option<Conclusion>)> {
        let run = world.run(run).unwrap();
        let shown = |job: &Job| (job.spec.key.clone(), job.status, job.conclusion);
        world.jobs_of(run, None).map(shown).collect()
    }

    fn chain(outcome: Conclusion) -> (World, u64) {
        let (mut world, _) = world();
        let repo = slug("octo-org/tools");
        world.put_file(&repo, ".github/workflows/c.yml", CHAIN).unwrap();
        let run = world.dispatch_workflow(&repo, ".github/workflows/c.yml").unwrap();
        let waiting = statuses(&world, run).into_iter().map(|(_, status, _)| status);
        let expected =
            [Status::Queued, Status::Waiting, Status::Waiting, Status::Waiting, Status::Completed];
        assert_eq!(waiting.collect::<Vec<_>>(), expected);
        world.add_offline_runner(&scope("org:octo-org"), "r1", &["self-hosted"]).unwrap();
        let job = world.connect_runner(&scope("org:octo-org"), "r1").unwrap().unwrap();
        // Or it would take the next one.
        world.disconnect_runner("r1").unwrap();
        world.finish_job(job, outcome).unwrap();
        (world, run)
    }

    #[test]
    fn dependants_are_queued_once_what_they_need_succeeded() {
        let (world, run) = chain(Conclusion::Success);
        let found: Vec<_> = statuses(&world, run).into_iter().map(|(_, s, _)| s).collect();
        let (done, queued) = (Status::Completed, Status::Queued);
        assert_eq!(found, [done, queued, Status::Waiting, queued, done]);
        assert_eq!(world.violations(), Vec::<String>::new());
    }

    #[test]
    fn dependants_of_a_failure_are_skipped_unless_they_always_run() {
        let (world, run) = chain(Conclusion::Failure);
        let found: Vec<_> = statuses(&world, run).into_iter().map(|(_, s, c)| (s, c)).collect();
        let skipped = (Status::Completed, Some(Conclusion::Skipped));
        assert_eq!((found[1], found[2], found[3].0), (skipped, skipped, Status::Queued));
    }

    #[test]
    fn github_runs_its_own_jobs_and_no_self_hosted_runner_gets_one() {
        let (mut world, _) = world();
        world.add_offline_runner(&scope("org:octo-org"), "r1", &["ubuntu-latest"]).unwrap();
        assert_eq!(world.connect_runner(&scope("org:octo-org"), "r1").unwrap(), None);
        let job = queue(&mut world, &["Ubuntu-24.04"]);
        let job = world.job(job).unwrap();
        assert_eq!(job.conclusion, Some(Conclusion::Success));
        assert_eq!(job.taker.as_ref().unwrap().name, "GitHub Actions 1");
        let own = queue(&mut world, &["self-hosted", "ubuntu-latest"]);
        assert_eq!(world.job(own).unwrap().status, Status::Queued, "self-hosted wins");
        assert_eq!(world.violations(), Vec::<String>::new());
    }

    #[test]
    fn a_repeated_log_report_adds_nothing_twice() {
        let (mut world, _) = world();
        let job = queue(&mut world, &["x"]);
        world.append_log(job, 0, vec!["a".into(), "b".into()]).unwrap();
        world.append_log(job, 1, vec!["b".into(), "c".into()]).unwrap();
        assert_eq!(world.job(job).unwrap().log, ["a", "b", "c"]);
        assert!(world.append_log(job, 9, vec!["z".into()]).is_err());
    }
}
