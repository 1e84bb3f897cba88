//! Assignment: which job a runner gets, by its scope, its group and its labels.

use crate::names::Scope;

use super::World;
use super::events::JobAction;
use super::invariants::Served;
use super::labels;
use super::model::{Connection, Job, Runner, Status, Taker};

impl World {
    /// Gives every idle directly connected runner a job if one fits; answers how many got one.
    pub(super) fn feed_direct_runners(&mut self) -> usize {
        let idle = |runner: &&Runner| {
            !runner.busy() && matches!(runner.connection, Some(Connection::Direct))
        };
        let ids: Vec<u64> = self.runners.values().filter(idle).map(|runner| runner.id).collect();
        ids.into_iter().filter_map(|id| self.assign(id)).count()
    }

    /// The one place where a runner gets a job: the oldest queued one that its scope, group and labels permit.
    pub(super) fn assign(&mut self, runner_id: u64) -> Option<u64> {
        let runner = self.runners.get(&runner_id).filter(|r| r.online() && !r.busy())?;
        let group_name = self.group_name(runner);
        let fits = |job: &&Job| {
            job.status == Status::Queued
                && !job.spec.is_hosted()
                && self.reaches(&runner.scope, &job.repo)
                && self.admits(runner, &job.repo)
                && labels::suffice(labels::names(&runner.labels), &job.spec.labels)
                && job
                    .spec
                    .group
                    .as_ref()
                    .is_none_or(|asked| is_group(asked, &runner.scope, &group_name))
        };
        let oldest = self.jobs.values().filter(fits).min_by_key(|job| (job.queued_at, job.id))?;
        let (job_id, run_id, now) = (oldest.id, oldest.run_id, self.now());
        let in_scope =
            self.reaches(&runner.scope, &oldest.repo) && self.admits(runner, &oldest.repo);
        self.served.push(Served::new(runner, oldest, in_scope));
        let taker = Taker {
            id: runner.id,
            name: runner.name.clone(),
            group_id: runner.group_id,
            group_name,
        };
        let job = self.jobs.get_mut(&job_id)?;
        job.status = Status::InProgress;
        job.started_at = Some(now);
        job.taker = Some(taker);
        self.runners.get_mut(&runner_id)?.job = Some(job_id);
        self.touch(run_id, now);
        self.tell_of_job(job_id, JobAction::InProgress);
        Some(job_id)
    }

    fn group_name(&self, runner: &Runner) -> String {
        let named = match &runner.scope {
            Scope::Org(login) => {
                let mut groups = self.groups(login);
                groups.find(|group| group.id == runner.group_id).map(|group| &group.name)
            }
            Scope::Enterprise(slug) => {
                let enterprise = self.enterprise(slug.as_str());
                enterprise.and_then(|known| known.groups.get(&runner.group_id))
            }
            Scope::Repo(_) => None,
        };
        named.cloned().unwrap_or_else(|| "Default".to_owned())
    }
}

/// True if `asked`, which a workflow names in `runs-on`, is the group `name` of `scope`. A prefix says whose group is meant (GitHub
/// docs, "Choosing the runner for a job": "Using prefixes to differentiate runner groups").
fn is_group(asked: &str, scope: &Scope, name: &str) -> bool {
    let (prefix, rest) = asked.split_once('/').unwrap_or_default();
    let (meant, wanted) = match prefix.to_ascii_lowercase().as_str() {
        "org" | "organization" => (matches!(scope, Scope::Org(_)), rest),
        "ent" | "enterprise" => (matches!(scope, Scope::Enterprise(_)), rest),
        _ => (true, asked),
    };
    meant && wanted.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::super::Registration;
    use super::super::model::JobSpec;
    use super::super::testing::{queue, scope, slug, world};
    use super::*;

    #[test]
    fn a_group_hands_over_jobs_of_the_repositories_that_it_admits() {
        let (mut world, _) = world();
        let org = scope("org:octo-org");
        let group_id = Some(world.add_runner_group("octo-org", "big").unwrap());
        let new = Registration {
            name: "r1".into(),
            labels: vec!["x".into()],
            group_id,
            ..Registration::default()
        };
        world.register_runner(&org, new).unwrap();
        let none: Option<&[_]> = Some(&[]);
        world.set_group_access("octo-org", "BIG", none, true).unwrap();
        let job = queue(&mut world, &["x"]);
        assert_eq!(world.connect_runner(&org, "r1").unwrap(), None, "no repository is selected");
        world.set_group_access("octo-org", "big", None, false).unwrap();
        assert_eq!(world.job(job).unwrap().status, Status::Queued, "the repository is public");
        let selected = [slug("octo-org/tools")];
        world.set_group_access("octo-org", "big", Some(&selected), true).unwrap();
        assert_eq!(world.job(job).unwrap().status, Status::InProgress, "now it is admitted");
        assert_eq!(world.violations(), Vec::<String>::new());
        let nowhere = [slug("octo-org/nowhere")];
        assert!(world.set_group_access("octo-org", "big", Some(&nowhere), true).is_err());
        assert!(world.set_group_access("octo-org", "none", None, true).is_err());
    }

    #[test]
    fn a_job_of_another_owner_or_group_is_left_alone() {
        let (mut world, _) = world();
        world.add_runner_group("octo-org", "big").unwrap();
        let spec = |group: &str| JobSpec {
            name: "g".into(),
            group: Some(group.into()),
            ..Default::default()
        };
        let repo = slug("octo-org/tools");
        world.queue_job(&repo, spec("BIG")).unwrap();
        let default = world.queue_job(&repo, spec("default")).unwrap();
        world.add_offline_runner(&scope("org:octo-org"), "r1", &["x"]).unwrap();
        assert_eq!(world.connect_runner(&scope("org:octo-org"), "r1").unwrap(), Some(default));
    }

    #[test]
    fn a_prefix_says_whose_group_is_meant() {
        let rows = [
            ("big", true, true),
            ("org/BIG", true, false),
            ("Organization/big", true, false),
            ("ent/big", false, true),
            ("enterprise/big", false, true),
            ("team/big", false, false),
            ("org/small", false, false),
        ];
        for (asked, org, enterprise) in rows {
            assert_eq!(is_group(asked, &scope("org:o"), "Big"), org, "{asked}");
            assert_eq!(is_group(asked, &scope("enterprise:e"), "Big"), enterprise, "{asked}");
        }
    }
}
