//! Three repositories with workflows as people write them, and a way to dispatch a known number of jobs.

use std::collections::BTreeMap;

use crate::names::RepoSlug;
use serde::Serialize;

use crate::world::model::{Conclusion, NewRepo};
use crate::world::{Refusal, World};

/// One workflow of the demonstration.
struct Demo {
    repo: &'static str,
    file: &'static str,
    text: &'static str,
    /// Jobs for self-hosted runners that one run of it has.
    jobs: usize,
    expected: Conclusion,
}

const fn ok(repo: &'static str, file: &'static str, text: &'static str, jobs: usize) -> Demo {
    Demo { repo, file, text, jobs, expected: Conclusion::Success }
}

const CI: Demo = ok("octo-org/shop", "ci.yml", include_str!("workflows/shop-ci.yml"), 6);
const TRAIN: Demo = ok("octo-org/shop", "train.yml", include_str!("workflows/shop-train.yml"), 3);
const QUICK: Demo = ok("octo-org/tools", "quick.yml", include_str!("workflows/tools-quick.yml"), 1);
const BROKEN: Demo = Demo {
    expected: Conclusion::Failure,
    ..ok("octo-org/tools", "broken.yml", include_str!("workflows/tools-broken.yml"), 1)
};
const PUBLISH: Demo =
    ok("octo-admin/site", "publish.yml", include_str!("workflows/site-publish.yml"), 1);
const LINT: Demo = ok("octo-admin/site", "lint.yml", include_str!("workflows/site-lint.yml"), 0);

const ALL: [Demo; 6] = [CI, TRAIN, QUICK, BROKEN, PUBLISH, LINT];

/// A dispatched job, and how it must end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExpectedJob {
    /// The job's id.
    pub job_id: u64,
    /// `owner/name`.
    pub repo: String,
    /// The job's name.
    pub name: String,
    /// What it asks of a runner.
    pub labels: Vec<String>,
    /// How it must end.
    pub expected: Conclusion,
    /// True if it is for a self-hosted runner; if not, it is done already.
    pub self_hosted: bool,
}

/// Makes the demonstration's organisation, repositories and files. What is there stays as it is.
pub fn load(world: &mut World) -> Result<(), Refusal> {
    world.add_org("octo-org")?;
    world.add_user(crate::world::tokens::DEFAULT_USER)?;
    let mut repos: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for demo in &ALL {
        let files = repos.entry(demo.repo).or_default();
        files.insert(path(demo), demo.text.to_owned());
        files.insert("README.md".to_owned(), format!("# {}\n", demo.repo));
    }
    for (repo, files) in repos {
        let slug = slug(repo)?;
        let Some(repo) = world.repo(&slug) else {
            world.add_repo(NewRepo { slug, private: true, files })?;
            continue;
        };
        let known = repo.files.clone();
        for (path, text) in files.iter().filter(|(path, _)| !known.contains_key(*path)) {
            world.put_file(&slug, path, text)?;
        }
    }
    Ok(())
}

/// Dispatches workflows with exactly `jobs` jobs for self-hosted runners, of which at least one fails on purpose with exit
/// code 3 (if `jobs` is not 0), and one more job for GitHub's own machines. Needs [`load`].
pub fn dispatch(world: &mut World, jobs: usize) -> Result<Vec<ExpectedJob>, Refusal> {
    let mut dispatched = Vec::new();
    for demo in selection(jobs) {
        let run = world.dispatch_workflow(&slug(demo.repo)?, &path(demo))?;
        let of_run = world.jobs().filter(|job| job.run_id == run);
        dispatched.extend(of_run.map(|job| ExpectedJob {
            job_id: job.id,
            repo: job.repo.to_string(),
            name: job.spec.name.clone(),
            labels: job.spec.labels.clone(),
            expected: demo.expected,
            self_hosted: !job.spec.is_hosted(),
        }));
    }
    Ok(dispatched)
}

/// One of each that fits, the big ones again while they fit, and the smallest for what is left.
fn selection(jobs: usize) -> Vec<&'static Demo> {
    let mut left = jobs;
    let mut chosen = vec![&LINT];
    for demo in [&BROKEN, &PUBLISH, &CI, &TRAIN] {
        if demo.jobs <= left {
            left -= demo.jobs;
            chosen.push(demo);
        }
    }
    while left >= CI.jobs + TRAIN.jobs {
        left -= CI.jobs + TRAIN.jobs;
        chosen.extend([&CI, &TRAIN]);
    }
    chosen.extend(std::iter::repeat_n(&QUICK, left));
    chosen
}

fn path(demo: &Demo) -> String {
    format!(".github/workflows/{}", demo.file)
}

fn slug(repo: &str) -> Result<RepoSlug, Refusal> {
    RepoSlug::parse(repo).map_err(|why| Refusal::Invalid(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn exactly_as_many_jobs_as_asked_for() {
        for jobs in [0, 1, 2, 5, 8, 9, 12, 30, 100] {
            let mut world = World::new(Clock::system());
            load(&mut world).unwrap();
            load(&mut world).unwrap();
            let found = dispatch(&mut world, jobs).unwrap();
            let own: Vec<_> = found.iter().filter(|job| job.self_hosted).collect();
            assert_eq!((own.len(), found.len()), (jobs, jobs + 1));
            let failing = own.iter().filter(|job| job.expected == Conclusion::Failure).count();
            assert_eq!(failing, usize::from(jobs > 0));
        }
    }

    #[test]
    fn each_workflow_has_the_jobs_it_says() {
        for demo in &ALL {
            let workflow = crate::world::workflow::parse(demo.file, demo.text).unwrap();
            let own = workflow.jobs.iter().filter(|job| !job.is_hosted()).count();
            assert_eq!(own, demo.jobs, "{}", demo.file);
        }
    }
}
