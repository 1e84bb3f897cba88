//! The catalogue: every repository, when its workflows were last read, and whether they may need a runner of ours.
//!
//! A cache with one owner, the reconciler. Losing it costs one full reading.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::label::LabelSet;
use mayfly_common::scope::RepoSlug;

use super::workflow::{Answer, JobKind, JobNeeds, scan};
use crate::github::{Repository, WorkflowFile};

/// After this long the workflows are read again even if nothing was pushed.
const RECHECK: SignedDuration = SignedDuration::from_hours(1);

/// What is known of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// GitHub's time of the last push when the workflows were read.
    pub pushed_at: Option<String>,
    /// When they were read.
    pub read_at: Timestamp,
    /// Whether a job in them may need a runner of ours.
    pub relevant: bool,
}

/// All repositories known.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    known: BTreeMap<RepoSlug, Known>,
}

impl Catalog {
    /// Forgets the repositories that are not listed any more and names those whose workflows must be read: new ones, those
    /// pushed to since, and those not read for an hour.
    pub fn stale(&mut self, listing: &[Repository], now: Timestamp) -> Vec<Repository> {
        self.known.retain(|slug, _| listing.iter().any(|repo| repo.slug == *slug));
        let fresh = |repo: &Repository| {
            self.known.get(&repo.slug).is_some_and(|known| {
                known.pushed_at.is_some()
                    && known.pushed_at == repo.pushed_at
                    && now.duration_since(known.read_at) < RECHECK
            })
        };
        listing.iter().filter(|repo| !fresh(repo)).cloned().collect()
    }

    /// Takes in what a repository's workflows say. Answers with what could not be read, in words.
    pub fn learn(
        &mut self,
        repo: &Repository,
        files: &[WorkflowFile],
        offered: &LabelSet,
        now: Timestamp,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        let mut relevant = false;
        for file in files {
            match file.text.as_deref().map(scan) {
                // Nobody knows what a file says that cannot be read, so it may need us.
                None => relevant = true,
                Some(Ok(jobs)) => relevant |= jobs.iter().any(|job| may_need_us(job, offered)),
                Some(Err(error)) => problems
                    .push(format!("{}: workflow {} is skipped: {error}", repo.slug, file.name)),
            }
        }
        self.known.insert(
            repo.slug.clone(),
            Known { pushed_at: repo.pushed_at.clone(), read_at: now, relevant },
        );
        problems
    }

    /// How many repositories are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The repositories that may have jobs for us.
    pub fn relevant(&self) -> impl Iterator<Item = &RepoSlug> {
        self.known.iter().filter(|(_, known)| known.relevant).map(|(slug, _)| slug)
    }
}

/// Whether a job may need a runner with the labels `offered`. In doubt, yes: asking GitHub once too often costs a request,
/// not asking costs a job.
pub fn may_need_us(job: &JobNeeds, offered: &LabelSet) -> bool {
    let custom = || {
        job.labels.iter().any(|set| !set.is_empty() && offered.covers(&LabelSet::requested(set)))
    };
    match &job.kind {
        // The called file of the same repository is read by itself.
        JobKind::Call { local, .. } => !local,
        JobKind::Job => job.self_hosted != Answer::No || job.group.is_some() || custom(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo(name: &str, pushed_at: Option<&str>) -> Repository {
        Repository { slug: RepoSlug::parse(name).unwrap(), pushed_at: pushed_at.map(str::to_owned) }
    }

    fn file(text: &str) -> WorkflowFile {
        WorkflowFile { name: "ci.yml".into(), text: Some(text.to_owned()) }
    }

    fn relevant(runs_on: &str) -> bool {
        let text = format!("on: push\njobs:\n  a:\n    {runs_on}\n    steps: [{{run: 'true'}}]\n");
        let mut catalog = Catalog::default();
        let offered = LabelSet::requested(["self-hosted", "linux", "gpu-box"]);
        assert!(
            catalog
                .learn(&repo("o/r", None), &[file(&text)], &offered, Timestamp::UNIX_EPOCH)
                .is_empty(),
            "{text}"
        );
        catalog.relevant().next().is_some()
    }

    #[test]
    fn what_may_need_us_is_kept_and_the_rest_is_not() {
        let rows = [
            ("runs-on: self-hosted", true),
            ("runs-on: [self-hosted, other]", true),
            ("runs-on: gpu-box", true),
            ("runs-on: {group: big}", true),
            ("runs-on: '${{ vars.RUNNER }}'", true),
            ("uses: other/repo/.github/workflows/x.yml@main", true),
            ("uses: ./.github/workflows/x.yml", false),
            ("runs-on: ubuntu-latest", false),
            ("runs-on: some-scale-set", false),
        ];
        for (runs_on, expected) in rows {
            assert_eq!(relevant(runs_on), expected, "{runs_on}");
        }
    }

    #[test]
    fn only_what_changed_is_read_again() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let mut catalog = Catalog::default();
        let listing = [repo("o/a", Some("t1")), repo("o/b", Some("t1")), repo("o/c", None)];
        let names = |repos: Vec<Repository>| {
            repos.iter().map(|repo| repo.slug.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(catalog.stale(&listing, at(0))), ["a", "b", "c"]);
        for repo in &listing {
            catalog.learn(repo, &[], &LabelSet::default(), at(0));
        }
        assert_eq!(
            names(catalog.stale(&listing, at(1))),
            ["c"],
            "a repository without a push time is always read"
        );
        let pushed = [repo("o/a", Some("t2")), repo("o/b", Some("t1"))];
        assert_eq!(names(catalog.stale(&pushed, at(2))), ["a"]);
        assert_eq!(catalog.len(), 2, "c is forgotten");
        assert_eq!(names(catalog.stale(&pushed, at(60))), ["a", "b"]);
    }

    #[test]
    fn a_broken_file_is_told_and_the_others_count() {
        let mut catalog = Catalog::default();
        let files = [
            file("jobs: ["),
            file("on: push\njobs:\n  a:\n    runs-on: self-hosted\n    steps: []\n"),
        ];
        let problems =
            catalog.learn(&repo("o/r", None), &files, &LabelSet::default(), Timestamp::UNIX_EPOCH);
        assert_eq!((problems.len(), catalog.relevant().count()), (1, 1), "{problems:?}");
    }
}
