//! What must hold in every world, whoever drives it: checked by tests at their end.

use std::collections::BTreeMap;

use super::World;
use super::app::Installation;
use super::labels;
use super::model::{Job, Runner, Status};

/// A job that was given to a runner, as both were then; the runner may be gone by now.
#[derive(Debug, Clone)]
pub(super) struct Served {
    runner_id: u64,
    runner_name: String,
    ephemeral: bool,
    /// True if its scope reached the job's repository.
    in_scope: bool,
    offered: Vec<String>,
    job_id: u64,
}

impl Served {
    pub(super) fn new(runner: &Runner, job: &Job, in_scope: bool) -> Self {
        Self {
            runner_id: runner.id,
            runner_name: runner.name.clone(),
            ephemeral: runner.ephemeral,
            in_scope,
            offered: labels::names(&runner.labels).map(str::to_owned).collect(),
            job_id: job.id,
        }
    }
}

impl World {
    /// Everything that is wrong with the world's history and present; empty if all is well.
    pub fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut by_runner: BTreeMap<u64, usize> = BTreeMap::new();
        let mut by_job: BTreeMap<u64, usize> = BTreeMap::new();
        for served in &self.served {
            let name = &served.runner_name;
            let jobs = by_runner.entry(served.runner_id).or_default();
            *jobs += 1;
            if served.ephemeral && *jobs == 2 {
                found.push(format!("ephemeral runner {name} served more than one job"));
            }
            let runners = by_job.entry(served.job_id).or_default();
            *runners += 1;
            if *runners == 2 {
                found.push(format!("job {} was given to more than one runner", served.job_id));
            }
            let Some(job) = self.jobs.get(&served.job_id) else { continue };
            if job.spec.is_hosted() {
                found.push(format!("runner {name} served job {} of GitHub's own", job.id));
            }
            if !served.in_scope {
                found.push(format!("runner {name} served job {} outside its scope", job.id));
            }
            if !labels::suffice(served.offered.iter().map(String::as_str), &job.spec.labels) {
                found.push(format!("runner {name} lacked labels of its job {}", job.id));
            }
        }
        for (slug, repo) in &self.repos {
            if repo.slug != *slug || self.repo_ids.get(&repo.id) != Some(slug) {
                found.push(format!("repository {slug} is not found by its id {}", repo.id));
            }
        }
        for slug in self.moved.keys().filter(|slug| self.repos.contains_key(slug)) {
            found.push(format!("repository {slug} is redirected elsewhere"));
        }
        for installation in &self.installations {
            let on = |other: &&Installation| other.account == installation.account;
            if self.installations.iter().filter(on).count() > 1 {
                found.push(format!("the App is installed twice on {}", installation.account));
            }
        }
        for runner in self.runners.values() {
            let Some(id) = runner.job else { continue };
            if self.jobs.get(&id).is_none_or(|job| job.status != Status::InProgress) {
                found.push(format!("runner {} is busy with job {id}, which is not", runner.name));
            }
        }
        for job in self.jobs.values() {
            if (job.status == Status::Completed) != job.conclusion.is_some() {
                found.push(format!("job {} has a conclusion too early or none", job.id));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Conclusion;
    use super::super::testing::{queue, scope, world};

    #[test]
    fn a_broken_world_is_told() {
        let (mut world, _) = world();
        let org = scope("org:octo-org");
        world.add_offline_runner(&org, "r1", &["x"]).unwrap();
        let (first, second) = (queue(&mut world, &["x"]), queue(&mut world, &["x"]));
        assert_eq!(world.connect_runner(&org, "r1").unwrap(), Some(first));
        world.finish_job(first, Conclusion::Success).unwrap();
        assert_eq!(world.violations(), Vec::<String>::new(), "this one is not ephemeral");
        for served in &mut world.served {
            served.ephemeral = true;
        }
        world.jobs.get_mut(&second).unwrap().spec.labels = vec!["ubuntu-latest".into()];
        let found = world.violations().join("\n");
        for part in ["more than one job", "of GitHub's own", "lacked labels"] {
            assert!(found.contains(part), "{found}");
        }
    }
}
