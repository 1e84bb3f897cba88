//! Runs and jobs: made, queued, cancelled, repeated, finished.

use std::collections::BTreeMap;
use std::fmt;

use crate::names::RepoSlug;
use jiff::Timestamp;

use super::events::JobAction;
use super::model::{
    Approval, Conclusion, Connection, Job, JobSpec, Run, RunStatus, Status, StepResult, Taker,
};
use super::{DEFAULT_GROUP, Refusal, World, read, workflow};

impl World {
    /// Starts the workflow at `path` by hand and returns the run's id.
    pub fn dispatch_workflow(
        &mut self,
        slug: &(impl fmt::Display + ?Sized),
        path: &str,
    ) -> Result<u64, Refusal> {
        let slug = &read::<RepoSlug>(slug, "repository")?;
        let repo = self.repos.get(slug).ok_or(Refusal::NotFound("repository"))?;
        let id = *repo.workflow_ids.get(path).ok_or(Refusal::NotFound("workflow"))?;
        let text = repo.files.get(path).ok_or(Refusal::NotFound("workflow"))?;
        let mut parsed =
            workflow::parse(path, text).map_err(|why| Refusal::Invalid(why.to_string()))?;
        for job in &mut parsed.jobs {
            let reviewed = |name: &String| repo.reviewed.contains(&name.to_lowercase());
            job.environment = job.environment.take().filter(reviewed);
        }
        self.start_run(slug, path, id, &parsed.name, parsed.jobs)
    }

    /// From now on jobs that deploy to an environment of a repository wait for someone's approval, as with required reviewers.
    pub fn require_review(
        &mut self,
        slug: &(impl fmt::Display + ?Sized),
        environment: &str,
    ) -> Result<(), Refusal> {
        let slug = &read::<RepoSlug>(slug, "repository")?;
        let repo = self.repos.get_mut(slug).ok_or(Refusal::NotFound("repository"))?;
        repo.reviewed.insert(environment.to_lowercase());
        Ok(())
    }

    /// Has a run shown so while it is not completed: for what is not simulated, as concurrency groups and the first pull request
    /// of a contributor. `None`: as its jobs stand.
    pub fn show_run(&mut self, id: u64, shown_as: Option<RunStatus>) -> Result<(), Refusal> {
        let now = self.now();
        self.runs.get_mut(&id).ok_or(Refusal::NotFound("run"))?.shown_as = shown_as;
        self.touch(id, now);
        Ok(())
    }

    /// Starts a run of one job that no workflow file describes, and returns the job's id.
    pub fn queue_job(
        &mut self,
        slug: &(impl fmt::Display + ?Sized),
        mut spec: JobSpec,
    ) -> Result<u64, Refusal> {
        let slug = &read::<RepoSlug>(slug, "repository")?;
        if spec.key.is_empty() {
            spec.key.clone_from(&spec.name);
        }
        spec.needs.clear();
        let name = spec.name.clone();
        let path = ".github/workflows/queued-by-hand.yml";
        let run = self.start_run(slug, path, 1, &name, vec![spec])?;
        let job = self.jobs.values().find(|job| job.run_id == run).map(|job| job.id);
        job.ok_or(Refusal::NotFound("job"))
    }

    fn start_run(
        &mut self,
        slug: &RepoSlug,
        path: &str,
        workflow_id: u64,
        name: &str,
        specs: Vec<JobSpec>,
    ) -> Result<u64, Refusal> {
        let (id, now) = (self.next_id(), self.now());
        let repo = self.repos.get_mut(slug).ok_or(Refusal::NotFound("repository"))?;
        if repo.archived || repo.disabled {
            return Err(Refusal::Invalid("Repository was archived so is read-only.".to_owned()));
        }
        repo.runs_made += 1;
        let run = Run {
            id,
            repo: repo.slug.clone(),
            name: name.to_owned(),
            path: path.to_owned(),
            workflow_id,
            number: repo.runs_made,
            event: "workflow_dispatch".to_owned(),
            attempt: 1,
            created_at: now,
            started_at: now,
            updated_at: now,
            shown_as: None,
        };
        self.runs.insert(id, run);
        self.add_jobs(id, 1, specs);
        self.settle();
        Ok(id)
    }

    fn add_jobs(&mut self, run_id: u64, attempt: u64, specs: Vec<JobSpec>) {
        let now = self.now();
        for spec in specs {
            let id = self.next_id();
            let Some(run) = self.runs.get(&run_id) else { return };
            let job = Job {
                id,
                run_id,
                attempt,
                repo: run.repo.clone(),
                approval: match spec.environment {
                    Some(_) => Approval::Needed,
                    None => Approval::Given,
                },
                spec,
                status: Status::Waiting,
                conclusion: None,
                taker: None,
                session: None,
                created_at: now,
                queued_at: None,
                started_at: None,
                completed_at: None,
                cancel_requested: false,
                step_results: Vec::new(),
                log: Vec::new(),
            };
            self.jobs.insert(id, job);
        }
    }

    /// Approves a job that waits for it, as a reviewer of its environment does. Repeating it changes nothing.
    pub fn approve_job(&mut self, id: u64) -> Result<(), Refusal> {
        self.jobs.get_mut(&id).ok_or(Refusal::NotFound("job"))?.approval = Approval::Given;
        self.settle();
        Ok(())
    }

    /// The jobs of a run's attempt; of its latest if `attempt` is `None`.
    pub fn jobs_of(&self, run: &Run, attempt: Option<u64>) -> impl Iterator<Item = &Job> + use<'_> {
        let (run_id, attempt) = (run.id, attempt.unwrap_or(run.attempt));
        self.jobs.values().filter(move |job| job.run_id == run_id && job.attempt == attempt)
    }

    /// How a run is shown, which follows from the jobs of its latest attempt unless it is shown otherwise.
    pub fn run_status(&self, run: &Run) -> (RunStatus, Option<Conclusion>) {
        let jobs: Vec<&Job> = self.jobs_of(run, None).collect();
        let any = |status: Status| jobs.iter().any(|job| job.status == status);
        let ended = |how: Conclusion| jobs.iter().any(|job| job.conclusion == Some(how));
        if jobs.iter().any(|job| job.status != Status::Completed) {
            let begun = any(Status::InProgress) || any(Status::Completed);
            let asked = jobs
                .iter()
                .any(|job| job.approval == Approval::Asked && job.status == Status::Waiting);
            let of_jobs = match (asked, begun) {
                (true, _) => RunStatus::Waiting,
                (false, true) => RunStatus::InProgress,
                (false, false) => RunStatus::Queued,
            };
            return (run.shown_as.unwrap_or(of_jobs), None);
        }
        let order = [Conclusion::Failure, Conclusion::Cancelled, Conclusion::Success];
        let conclusion = order.into_iter().find(|&how| ended(how)).unwrap_or(Conclusion::Skipped);
        (RunStatus::Completed, Some(conclusion))
    }

    /// Cancels a run: jobs nobody has end at once, a runner that has one is told with its next heartbeat.
    pub fn cancel_run(&mut self, run_id: u64) -> Result<(), Refusal> {
        let run = self.runs.get(&run_id).ok_or(Refusal::NotFound("run"))?;
        let jobs: Vec<u64> = self.jobs_of(run, None).map(|job| job.id).collect();
        if self.run_status(run).0 == RunStatus::Completed {
            return Err(Refusal::Invalid("Cannot cancel a workflow run that is completed.".into()));
        }
        for id in jobs {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            let taker = job.taker.as_ref().map(|taker| taker.id);
            let told_later = taker
                .and_then(|taker| self.runners.get(&taker))
                .is_some_and(|runner| !matches!(runner.connection, Some(Connection::Direct)));
            match job.status {
                Status::InProgress if told_later => job.cancel_requested = true,
                Status::Completed => {}
                Status::InProgress | Status::Queued | Status::Waiting => {
                    self.complete(id, Conclusion::Cancelled);
                }
            }
        }
        self.settle();
        Ok(())
    }

    /// Runs every job of a completed run again, as a new attempt with new job ids.
    pub fn rerun(&mut self, run_id: u64) -> Result<(), Refusal> {
        let now = self.now();
        let run = self.runs.get(&run_id).ok_or(Refusal::NotFound("run"))?;
        if self.run_status(run).0 != RunStatus::Completed {
            return Err(Refusal::Invalid("This workflow run is still in progress.".into()));
        }
        let specs = self.jobs_of(run, None).map(|job| job.spec.clone()).collect();
        let attempt = run.attempt + 1;
        if let Some(run) = self.runs.get_mut(&run_id) {
            (run.attempt, run.started_at) = (attempt, now);
        }
        self.add_jobs(run_id, attempt, specs);
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

    pub(super) fn touch(&mut self, run_id: u64, now: Timestamp) {
        if let Some(run) = self.runs.get_mut(&run_id) {
            run.updated_at = now;
        }
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

    const GATED: &str = "on: push\njobs:\n  build: {runs-on: self-hosted}\n  deploy: {runs-on: self-hosted, environment: {name: Prod}}\n  later: {runs-on: self-hosted, needs: build, environment: prod}\n  free: {runs-on: self-hosted, environment: test}";

    #[test]
    fn a_run_is_shown_as_waiting_while_a_job_of_it_awaits_an_approval() {
        let (mut world, _) = world();
        let (repo, path) = (slug("octo-org/tools"), ".github/workflows/g.yml");
        world.put_file(&repo, path, GATED).unwrap();
        world.require_review(&repo, "prod").unwrap();
        let run = world.dispatch_workflow(&repo, path).unwrap();
        let shown = |world: &World| world.run_status(world.run(run).unwrap()).0;
        let of = |world: &World, key: &str| {
            let run = world.run(run).unwrap();
            let job = world.jobs_of(run, None).find(|job| job.spec.key == key).unwrap();
            (job.id, job.status, job.approval)
        };
        assert_eq!(shown(&world), RunStatus::Waiting);
        assert_eq!(of(&world, "build").1, Status::Queued);
        assert_eq!(of(&world, "free").1, Status::Queued, "its environment has no reviewers");
        assert_eq!(of(&world, "later").2, Approval::Needed, "nobody is asked before it could run");
        world.approve_job(of(&world, "deploy").0).unwrap();
        assert_eq!((shown(&world), of(&world, "deploy").1), (RunStatus::Queued, Status::Queued));
        let org = scope("org:octo-org");
        world.add_offline_runner(&org, "r1", &["self-hosted"]).unwrap();
        assert_eq!(world.connect_runner(&org, "r1").unwrap(), Some(of(&world, "build").0));
        world.disconnect_runner("r1").unwrap();
        assert_eq!(shown(&world), RunStatus::InProgress);
        world.finish_job(of(&world, "build").0, Conclusion::Success).unwrap();
        assert_eq!((shown(&world), of(&world, "later").2), (RunStatus::Waiting, Approval::Asked));
        world.show_run(run, Some(RunStatus::Pending)).unwrap();
        assert_eq!(shown(&world), RunStatus::Pending);
        world.cancel_run(run).unwrap();
        assert_eq!(shown(&world), RunStatus::Completed);
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
    fn cancelling_ends_what_nobody_has_and_a_rerun_makes_new_jobs() {
        let (mut world, _) = world();
        let job = queue(&mut world, &["self-hosted"]);
        let run = world.job(job).unwrap().run_id;
        assert!(world.rerun(run).is_err());
        world.cancel_run(run).unwrap();
        assert!(world.cancel_run(run).is_err());
        let shown = world.run_status(world.run(run).unwrap());
        assert_eq!(shown, (RunStatus::Completed, Some(Conclusion::Cancelled)));
        world.rerun(run).unwrap();
        let again = world.jobs_of(world.run(run).unwrap(), None).next().unwrap();
        assert_eq!((again.attempt, again.status), (2, Status::Queued));
        assert_ne!(again.id, job);
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
