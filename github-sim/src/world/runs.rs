//! Runs: started, shown, cancelled, repeated.

use std::fmt;

use crate::names::RepoSlug;
use jiff::Timestamp;

use super::model::{Approval, Conclusion, Connection, Job, JobSpec, Run, RunStatus, Status};
use super::{Refusal, World, read, workflow};

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

    pub(super) fn touch(&mut self, run_id: u64, now: Timestamp) {
        if let Some(run) = self.runs.get_mut(&run_id) {
            run.updated_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{queue, scope, slug, world};
    use super::*;

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
}
