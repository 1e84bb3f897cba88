//! Which file a call leads to, and what the jobs there need.
//!
//! A call of the same repository (`uses: ./.github/workflows/x.yml`) is followed on disk, the file it leads to is scanned as well
//! if it is not among those asked for. GitHub refuses calls in a circle and those nested too deep; neither is followed for ever.

mod outcome;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mayfly_workflow::{Answer, JobKind, JobNeeds};

use super::files::{Source, is_in_a_repository, place};
use super::read::{self, Answers};

/// Levels of workflows that may call each other, the first caller among them (GitHub docs: "Reusing workflow configurations",
/// "Nesting reusable workflows"). GHES up to 3.19 allows four.
const MAX_LEVELS: usize = 10;

/// A file and what its jobs need.
pub(super) struct Scanned {
    /// The file, as it was named.
    pub(super) name: String,
    /// The jobs, or why nobody can say.
    pub(super) jobs: Result<Vec<Job>, String>,
}

/// A job of a file.
pub(super) struct Job {
    /// What the file alone tells.
    pub(super) needs: JobNeeds,
    /// The answer where calls are followed.
    pub(super) self_hosted: Answer,
    /// The reason for that.
    pub(super) why: String,
}

/// What a call leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// A scanned file.
    File(usize),
    /// A workflow of another repository.
    Foreign,
    /// No such file.
    Missing,
    /// The caller is no file of a repository, so nobody knows where to look.
    Homeless,
    /// Beyond [`MAX_LEVELS`].
    TooDeep,
}

/// Scans `sources` and what they call.
pub(super) fn follow(mut sources: Vec<Source>) -> Vec<Scanned> {
    let mut known = BTreeMap::new();
    let mut answers: Vec<Answers> = Vec::new();
    for _ in 0..MAX_LEVELS {
        let fresh = answers.len()..sources.len();
        for (index, place) in
            fresh.clone().filter_map(|index| Some((index, place_of(&sources[index])?)))
        {
            known.insert(place, index);
        }
        answers.extend(read::all(&sources[fresh.clone()]));
        for index in fresh {
            for called in called(&sources[index], &answers[index]) {
                let new = !known.contains_key(&place(&called)) && called.is_file();
                if new {
                    known.insert(place(&called), sources.len());
                    sources.push(Source::File(called));
                }
            }
        }
        if answers.len() == sources.len() {
            break;
        }
    }
    sources.truncate(answers.len());
    known.retain(|_, index| *index < answers.len());
    let files = sources.iter().zip(answers).map(|(source, jobs)| {
        let targets = jobs.iter().flatten().map(|job| target(source, job, &known)).collect();
        (name(source), jobs, targets)
    });
    outcome::judge(files.collect())
}

fn name(source: &Source) -> String {
    match source {
        Source::Stdin => "-".to_owned(),
        Source::File(path) | Source::Unusable(path, _) => path.display().to_string(),
    }
}

fn place_of(source: &Source) -> Option<PathBuf> {
    match source {
        Source::File(path) => Some(place(path)),
        Source::Stdin | Source::Unusable(..) => None,
    }
}

/// The files of the same repository that a file calls.
fn called(source: &Source, jobs: &Answers) -> Vec<PathBuf> {
    jobs.iter().flatten().filter_map(|job| local(source, job).ok()).collect()
}

fn target(source: &Source, job: &JobNeeds, known: &BTreeMap<PathBuf, usize>) -> Option<Target> {
    if job.kind == JobKind::Job {
        return None;
    }
    Some(match local(source, job) {
        Err(target) => target,
        Ok(path) => match known.get(&place(&path)) {
            Some(&index) => Target::File(index),
            None if path.is_file() => Target::TooDeep,
            None => Target::Missing,
        },
    })
}

/// The file that a call leads to, whether it is there or not; else what else the call leads to.
fn local(source: &Source, job: &JobNeeds) -> Result<PathBuf, Target> {
    let JobKind::Call { uses, local: true } = &job.kind else { return Err(Target::Foreign) };
    let Source::File(caller) = source else { return Err(Target::Homeless) };
    if !is_in_a_repository(&place(caller)) {
        return Err(Target::Homeless);
    }
    // Callers and called lie in one folder; a path that leads elsewhere is refused by GitHub.
    let file = uses.strip_prefix("./.github/workflows/").map(Path::new);
    let file = file.filter(|file| file.components().count() == 1 && file.file_name().is_some());
    file.map(|file| caller.with_file_name(file)).ok_or(Target::Missing)
}
