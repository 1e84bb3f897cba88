//! The catalogue: every repository, when its workflows were last read, and whether they may need a runner of ours.
//!
//! A cache with one owner, the reconciler. Losing it costs one full reading. It decides what must be read next and does not read.
//!
//! Invariants: a repository is known by GitHub's id, so a new name is not a new repository; a version of a file is read once; what
//! could not be read stays due; a repository is forgotten only when GitHub says it is gone, or when two whole listings lack it.

mod depth;
mod facts;
mod lost;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::label::LabelSet;
use mayfly_common::scope::RepoSlug;

pub use self::lost::{JobsNotFound, Loss, Lost};
use self::trouble::Hidden;
pub(crate) use self::trouble::jobs_hidden;
use crate::filter::{Filter, Refusal, RepoFacts};
use mayfly_common::repository::{Coverage, FileText, FileVersion, Folder, Repository};
use mayfly_workflow::{Answer, JobKind, JobNeeds, scan};

/// After this long the whole listing is read, and every workflow folder looked at, even if nothing was pushed.
const RECHECK: SignedDuration = SignedDuration::from_hours(1);
/// After this long a file is asked for again that GitHub lists and did not have when it was asked for it.
const REREAD: SignedDuration = SignedDuration::from_mins(10);
/// How long a repository counts as relevant after a job of it was heard of that its workflows on the default branch do not tell.
const HEARD: SignedDuration = SignedDuration::from_hours(1);
/// Whole listings in a row that a repository may be missing from: a list that changes while it is read can skip one.
const MISSED: u32 = 2;

/// All repositories known.
#[derive(Debug, Default)]
pub struct Catalog {
    known: BTreeMap<i64, Known>,
    /// The same by their present names.
    ids: BTreeMap<RepoSlug, i64>,
    whole_at: Option<Timestamp>,
    /// The labels of the runners that pools offer.
    offered: Vec<LabelSet>,
    /// The new names of repositories that were renamed or moved, by the old ones, since that was last asked.
    renamed: BTreeMap<RepoSlug, RepoSlug>,
}

/// How a repository stands, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepoFact {
    /// It is not served; why.
    Refused(String),
    /// Its workflows were not read yet.
    Unread,
    /// Its workflows have no job for runners like ours.
    NoJobs,
    /// It is asked for jobs.
    Asked,
    /// It is asked for jobs, and GitHub answers that there is no such thing.
    JobsHidden,
}

/// What is known of a repository.
#[derive(Debug)]
struct Known {
    slug: RepoSlug,
    /// GitHub's time of the last push, as listed.
    pushed_at: Option<String>,
    /// Why it is not served, if it is not.
    refused: Option<Refusal>,
    read: Option<ReadAt>,
    files: BTreeMap<String, FileKnown>,
    /// What is wrong with its workflow folder, in words.
    odd: Option<String>,
    /// True if an entry of its workflow folder could not be read: it may need us.
    unread: bool,
    missed: u32,
    heard_at: Option<Timestamp>,
    polled_at: Option<Timestamp>,
    /// GitHub answered 404 when it was last asked for its jobs.
    jobs_hidden: Option<Hidden>,
}

#[derive(Debug)]
struct ReadAt {
    at: Timestamp,
    pushed_at: Option<String>,
}

/// What is known of a workflow file.
#[derive(Debug)]
struct FileKnown {
    oid: String,
    /// None: this version was not read yet.
    verdict: Option<FileVerdict>,
    /// What is wrong with this version, in words.
    problem: Option<String>,
    /// True if GitHub did not have it when it was asked for it: it is asked for again.
    missing: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FileVerdict {
    /// Whatever pools offer.
    NeedsUs,
    /// If a pool offers one of these.
    Asks(Vec<LabelSet>),
}

impl Catalog {
    /// Pools offer runners with these labels from now on.
    pub fn offer(&mut self, labels: Vec<LabelSet>) {
        self.offered = labels;
    }

    /// True if a listed repository is as it was.
    pub fn is_known(&self, repo: &Repository) -> bool {
        self.known
            .get(&repo.id)
            .is_some_and(|known| known.slug == repo.slug && known.pushed_at == repo.pushed_at)
    }

    /// Takes in a listing. Answers with the repositories that are not served any more, or not under the name that they had.
    pub fn listed(
        &mut self,
        listing: &[Repository],
        coverage: Coverage,
        filter: &Filter,
        now: Timestamp,
    ) -> Vec<Lost> {
        let mut lost = Vec::new();
        for repo in listing {
            let refused = filter.admits(&facts(repo)).err();
            let known = self.known.entry(repo.id).or_insert_with(|| Known::new(repo.slug.clone()));
            if known.slug != repo.slug || (refused.is_some() && known.refused.is_none()) {
                lost.push(known.slug.clone());
                known.jobs_hidden = None;
            }
            if known.slug != repo.slug && refused.is_none() {
                self.renamed.insert(known.slug.clone(), repo.slug.clone());
            }
            if self.ids.get(&known.slug) == Some(&repo.id) {
                self.ids.remove(&known.slug);
            }
            self.ids.insert(repo.slug.clone(), repo.id);
            known.slug = repo.slug.clone();
            known.pushed_at.clone_from(&repo.pushed_at);
            known.refused = refused;
            known.missed = 0;
        }
        // Jobs under a name that has a new owner may be of either.
        let ids = &self.ids;
        self.renamed.retain(|old, _| !ids.contains_key(old));
        if coverage >= Coverage::Readable {
            self.whole_at = Some(now);
        }
        if coverage == Coverage::Whole {
            let present: BTreeSet<i64> = listing.iter().map(|repo| repo.id).collect();
            for (_, known) in self.known.iter_mut().filter(|(id, _)| !present.contains(id)) {
                known.missed += 1;
                // Reading it tells whether it is there.
                known.read = None;
            }
            lost.extend(self.forget(|known| {
                // Of one that answers 404, too, there is no doubt.
                known.missed >= if known.jobs_hidden.is_some() { 1 } else { MISSED }
            }));
        }
        lost.into_iter().map(|repo| self.lost(repo)).collect()
    }

    /// The repositories that were renamed or moved since this was last asked, and are served: their new names, by the old ones.
    pub fn take_renamed(&mut self) -> BTreeMap<RepoSlug, RepoSlug> {
        std::mem::take(&mut self.renamed)
    }

    /// The repositories whose workflow folder must be looked at: new ones, those pushed to since, those not looked at for an hour, or for
    /// less where a file is missing.
    pub fn due(&self, now: Timestamp) -> Vec<RepoSlug> {
        let fresh = |known: &Known| {
            let missing = known.files.values().any(|file| file.missing);
            let span = if missing { REREAD } else { RECHECK };
            known.read.as_ref().is_some_and(|read| {
                read.pushed_at == known.pushed_at && now.duration_since(read.at) < span
            })
        };
        let due = self.known.values().filter(|known| known.refused.is_none() && !fresh(known));
        due.map(|known| known.slug.clone()).collect()
    }

    /// Takes in a workflow folder. Answers with the versions of files that must be read.
    pub fn folder(&mut self, repo: &RepoSlug, folder: Folder, now: Timestamp) -> Vec<FileVersion> {
        let Some(known) = self.entry(repo) else { return Vec::new() };
        let mut files = BTreeMap::new();
        let mut unread = Vec::new();
        for file in folder.files {
            let old = known.files.remove(&file.name);
            let same = old.filter(|old| old.oid == file.oid && old.verdict.is_some());
            // What is known of a missing one holds until it is read.
            if same.as_ref().is_none_or(|same| same.missing) {
                unread.push(file.clone());
            }
            let new = FileKnown { oid: file.oid, verdict: None, problem: None, missing: false };
            files.insert(file.name, same.unwrap_or(new));
        }
        known.files = files;
        known.unread = !folder.odd.is_empty();
        let odd = folder.odd.into_iter().next();
        known.odd = odd.map(|odd| {
            format!("an entry of .github/workflows cannot be read and is left out: {odd}")
        });
        known.read = Some(ReadAt { at: now, pushed_at: known.pushed_at.clone() });
        unread
    }

    /// True if a repository had workflow files, and would have none by what was answered of its folder; none for a 404. It is worth
    /// another question: without its files it is not asked for jobs.
    pub fn would_lose_files(&self, repo: &RepoSlug, folder: Option<&Folder>) -> bool {
        let known = self.ids.get(repo).and_then(|id| self.known.get(id));
        known.is_some_and(|known| !known.files.is_empty()) && folder.is_none_or(Folder::is_empty)
    }

    /// Takes in what was read of a file.
    pub fn text(&mut self, repo: &RepoSlug, file: &FileVersion, text: &FileText) {
        // Nobody knows what a file says that cannot be read, so it may need us.
        let (verdict, problem) = match text {
            FileText::Read(text) => match scan(text) {
                Ok(jobs) => (judge(&jobs), None),
                Err(error) => (FileVerdict::Asks(Vec::new()), Some(format!("is skipped: {error}"))),
            },
            FileText::NoText => (FileVerdict::NeedsUs, None),
            FileText::Missing => (
                FileVerdict::NeedsUs,
                Some("is listed by GitHub, which has no such file when it is asked for it; it is asked again after a while".to_owned()),
            ),
        };
        let known = self.entry(repo).and_then(|known| known.files.get_mut(&file.name));
        if let Some(known) = known.filter(|known| known.oid == file.oid) {
            (known.verdict, known.problem) = (Some(verdict), problem);
            known.missing = *text == FileText::Missing;
        }
    }

    /// A file could not be read now: its repository stays due.
    pub fn unread(&mut self, repo: &RepoSlug) {
        if let Some(known) = self.entry(repo) {
            known.read = None;
        }
    }

    /// GitHub does not know the repository any more.
    pub fn gone(&mut self, repo: &RepoSlug) {
        if let Some(id) = self.ids.remove(repo) {
            self.known.remove(&id);
        }
    }

    /// Something was heard of a repository: its workflow folder is looked at again. Answers whether it is known.
    pub fn heard_push(&mut self, id: i64) -> bool {
        self.known.get_mut(&id).map(|known| known.read = None).is_some()
    }

    /// A job of a repository was heard of. Answers whether it is known and served.
    pub fn heard_job(&mut self, id: i64, now: Timestamp) -> bool {
        let known = self.known.get_mut(&id).filter(|known| known.refused.is_none());
        known.map(|known| known.heard_at = Some(now)).is_some()
    }

    /// True if a repository is known and served.
    pub fn serves(&self, repo: &RepoSlug) -> bool {
        let known = self.ids.get(repo).and_then(|id| self.known.get(id));
        known.is_some_and(|known| known.refused.is_none())
    }

    /// The jobs of a repository were asked for.
    pub fn polled(&mut self, repo: &RepoSlug, now: Timestamp) {
        if let Some(known) = self.entry(repo) {
            known.polled_at = Some(now);
            known.jobs_hidden = None;
        }
    }

    /// When the jobs of a repository were last asked for.
    pub fn polled_at(&self, repo: &RepoSlug) -> Option<Timestamp> {
        self.known.get(self.ids.get(repo)?)?.polled_at
    }

    /// The repositories that may have jobs for us, those first that were not asked for jobs the longest.
    pub fn relevant(&self, now: Timestamp) -> Vec<RepoSlug> {
        let heard = |known: &Known| known.heard_at.is_some_and(|at| now.duration_since(at) < HEARD);
        let needed = |known: &&Known| {
            let offered = |asked: &LabelSet| self.offered.iter().any(|offer| offer.covers(asked));
            let needs = |file: &FileKnown| match &file.verdict {
                Some(FileVerdict::NeedsUs) => true,
                Some(FileVerdict::Asks(sets)) => sets.iter().any(offered),
                None => false,
            };
            known.refused.is_none()
                && (heard(known) || known.unread || known.files.values().any(needs))
        };
        let mut relevant: Vec<&Known> = self.known.values().filter(needed).collect();
        relevant.sort_by_key(|known| known.polled_at);
        relevant.into_iter().map(|known| known.slug.clone()).collect()
    }

    fn entry(&mut self, repo: &RepoSlug) -> Option<&mut Known> {
        self.known.get_mut(self.ids.get(repo)?)
    }

    fn forget(&mut self, which: impl Fn(&Known) -> bool) -> Vec<RepoSlug> {
        let (gone, kept) =
            std::mem::take(&mut self.known).into_iter().partition(|(_, known)| which(known));
        self.known = kept;
        let gone: BTreeMap<i64, Known> = gone;
        self.ids.retain(|_, id| !gone.contains_key(id));
        gone.into_values().map(|known| known.slug).collect()
    }
}

impl Known {
    fn new(slug: RepoSlug) -> Self {
        Self {
            slug,
            pushed_at: None,
            refused: None,
            read: None,
            files: BTreeMap::new(),
            odd: None,
            unread: false,
            missed: 0,
            heard_at: None,
            polled_at: None,
            jobs_hidden: None,
        }
    }
}

fn facts(repo: &Repository) -> RepoFacts<'_> {
    RepoFacts {
        slug: &repo.slug,
        private: repo.private,
        fork: repo.fork,
        archived: repo.archived,
        disabled: repo.disabled,
    }
}

/// What a file's jobs ask for. In doubt they need us: asking GitHub once too often costs a request, not asking costs a job.
fn judge(jobs: &[JobNeeds]) -> FileVerdict {
    let mut asked = Vec::new();
    for job in jobs {
        let needs = match &job.kind {
            // The called file of the same repository is read by itself.
            JobKind::Call { local, .. } => !local,
            JobKind::Job => job.self_hosted != Answer::No || job.group.is_some(),
        };
        if needs {
            return FileVerdict::NeedsUs;
        }
        let sets = job.labels.iter().filter(|set| !set.is_empty());
        asked.extend(sets.map(LabelSet::requested));
    }
    FileVerdict::Asks(asked)
}

#[cfg(test)]
mod tests;
