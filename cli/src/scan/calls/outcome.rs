//! The answer for a call: that of the job it leads to that needs a self-hosted runner the most. Pure.
//!
//! Files are judged after those they call. Who calls in a circle is never judged, and that is how circles are found.

use std::path::Path;

use mayfly_workflow::{Answer, JobNeeds};

use super::{Job, MAX_LEVELS, Scanned, Target};
use crate::scan::read::Answers;

/// The answer for a job, where calls are followed.
struct Outcome {
    answer: Answer,
    why: String,
    /// For a call: the job that decides, if it is another one.
    because: Option<Because>,
}

/// The job that decides what a file needs.
#[derive(Clone)]
struct Because {
    file: usize,
    job: String,
    why: String,
}

/// What a file needs, with all that it calls.
struct Verdict {
    /// How many workflows call each other, this one included.
    levels: usize,
    answer: Answer,
    /// None if no job needs anything, or if none can be read.
    because: Option<Because>,
}

/// Puts together what was read: for each file its name, its jobs, and for each job what it calls, if it is a call.
pub(super) fn judge(files: Vec<(String, Answers, Vec<Option<Target>>)>) -> Vec<Scanned> {
    let judged = Judged::all(&files);
    let outcomes: Vec<Vec<Outcome>> = (0..files.len()).map(|file| judged.outcomes(file)).collect();
    let with_outcomes = |((name, jobs, _), outcomes): ((String, Answers, _), Vec<Outcome>)| {
        let job = |(needs, Outcome { answer, why, .. })| Job { needs, self_hosted: answer, why };
        Scanned { name, jobs: jobs.map(|jobs| jobs.into_iter().zip(outcomes).map(job).collect()) }
    };
    files.into_iter().zip(outcomes).map(with_outcomes).collect()
}

struct Judged<'a> {
    files: &'a [(String, Answers, Vec<Option<Target>>)],
    /// None: the file is in a circle of calls or leads to one.
    verdicts: Vec<Option<Verdict>>,
}

impl<'a> Judged<'a> {
    fn all(files: &'a [(String, Answers, Vec<Option<Target>>)]) -> Self {
        let mut judged = Self { files, verdicts: files.iter().map(|_| None).collect() };
        let mut callers: Vec<Vec<usize>> = vec![Vec::new(); files.len()];
        let mut waits_for = vec![0_usize; files.len()];
        for (file, (.., targets)) in files.iter().enumerate() {
            for called in targets.iter().copied().filter_map(scanned) {
                callers[called].push(file);
                waits_for[file] += 1;
            }
        }
        let mut ready: Vec<usize> = (0..files.len()).filter(|&file| waits_for[file] == 0).collect();
        while let Some(file) = ready.pop() {
            judged.verdicts[file] = Some(judged.verdict(file));
            for &caller in &callers[file] {
                waits_for[caller] -= 1;
                if waits_for[caller] == 0 {
                    ready.push(caller);
                }
            }
        }
        judged
    }

    /// Its called files are judged.
    fn verdict(&self, file: usize) -> Verdict {
        let (_, answers, targets) = &self.files[file];
        let below = targets.iter().copied().filter_map(scanned);
        let below = below.filter_map(|called| Some(self.verdicts[called].as_ref()?.levels));
        let levels = 1 + below.max().unwrap_or(0);
        let Ok(jobs) = answers else {
            return Verdict { levels, answer: Answer::Unknown, because: None };
        };
        let mut strongest = Verdict { levels, answer: Answer::No, because: None };
        for (needs, Outcome { answer, why, because }) in jobs.iter().zip(self.outcomes(file)) {
            if weight(answer) > weight(strongest.answer) {
                let itself = || Because { file, job: needs.id.clone(), why };
                strongest =
                    Verdict { answer, because: Some(because.unwrap_or_else(itself)), ..strongest };
            }
        }
        strongest
    }

    fn outcomes(&self, file: usize) -> Vec<Outcome> {
        let (_, answers, targets) = &self.files[file];
        answers
            .iter()
            .flatten()
            .zip(targets)
            .map(|(needs, target)| self.outcome(needs, *target))
            .collect()
    }

    /// What cannot be seen is unknown; so is what GitHub refuses, for other versions of it may not.
    fn outcome(&self, needs: &JobNeeds, target: Option<Target>) -> Outcome {
        let unknown = |why: String| Outcome { answer: Answer::Unknown, why, because: None };
        let called = match target {
            None => {
                return Outcome {
                    answer: needs.self_hosted,
                    why: needs.why.clone(),
                    because: None,
                };
            }
            Some(Target::File(called)) => called,
            Some(Target::Foreign) => {
                return unknown(
                    "calls a workflow of another repository, which is not followed".to_owned(),
                );
            }
            Some(Target::Missing) => {
                return unknown("calls a workflow that is not in .github/workflows".to_owned());
            }
            Some(Target::Homeless) => {
                return unknown(
                    "calls a workflow of its repository, but is in no .github/workflows".to_owned(),
                );
            }
            Some(Target::TooDeep) => return unknown(too_deep()),
        };
        let name = self.short(called);
        match &self.verdicts[called] {
            None => unknown(format!("calls {name} in a circle, which GitHub refuses")),
            Some(verdict) if verdict.levels >= MAX_LEVELS => unknown(too_deep()),
            Some(Verdict { answer: Answer::No, .. }) => Outcome {
                answer: Answer::No,
                why: format!("calls {name}, where no job needs one"),
                because: None,
            },
            Some(Verdict { because: None, .. }) => {
                unknown(format!("calls {name}, which does not parse"))
            }
            Some(Verdict { answer, because: Some(because), .. }) => {
                let Because { file, job, why } = because;
                let why = format!("leads to {job} in {}, which {why}", self.short(*file));
                Outcome { answer: *answer, why, because: Some(because.clone()) }
            }
        }
    }

    /// Callers and called lie in one folder, so the file's own name tells which it is.
    fn short(&self, file: usize) -> String {
        let name = Path::new(&self.files[file].0);
        name.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

fn scanned(target: Option<Target>) -> Option<usize> {
    match target {
        Some(Target::File(called)) => Some(called),
        _ => None,
    }
}

fn too_deep() -> String {
    format!("calls go deeper than the {MAX_LEVELS} levels that GitHub allows")
}

fn weight(answer: Answer) -> u8 {
    match answer {
        Answer::No => 0,
        Answer::Unknown => 1,
        Answer::Yes => 2,
    }
}

#[cfg(test)]
mod tests {
    use mayfly_workflow::JobKind;

    use super::*;

    /// A file of one job: what it calls, or what it needs.
    fn file(name: &str, job: Result<Answer, Target>) -> (String, Answers, Vec<Option<Target>>) {
        let needs = JobNeeds {
            id: format!("{name}-job"),
            kind: match job {
                Ok(_) => JobKind::Job,
                Err(_) => JobKind::Call { uses: String::new(), local: true },
            },
            labels: Vec::new(),
            group: None,
            self_hosted: job.unwrap_or(Answer::No),
            why: "wants it".to_owned(),
        };
        (name.to_owned(), Ok(vec![needs]), vec![job.err()])
    }

    fn judged(files: Vec<(String, Answers, Vec<Option<Target>>)>) -> Vec<(Answer, String)> {
        let jobs = judge(files).into_iter().flat_map(|file| file.jobs.unwrap_or_default());
        jobs.map(|job| (job.self_hosted, job.why)).collect()
    }

    #[test]
    fn a_call_is_answered_with_what_it_leads_to() {
        let rows = [
            (Ok(Answer::Yes), Answer::Yes, "leads to b-job in b, which wants it"),
            (Ok(Answer::Unknown), Answer::Unknown, "leads to b-job in b, which wants it"),
            (Ok(Answer::No), Answer::No, "calls b, where no job needs one"),
            (Err(Target::File(0)), Answer::Unknown, "calls b in a circle, which GitHub refuses"),
            (Err(Target::File(1)), Answer::Unknown, "calls b in a circle, which GitHub refuses"),
            (
                Err(Target::Foreign),
                Answer::Unknown,
                "leads to b-job in b, which calls a workflow of another repository, which is not followed",
            ),
        ];
        for (called, answer, why) in rows {
            let found = judged(vec![file("a", Err(Target::File(1))), file("b", called)]);
            assert_eq!(found[0], (answer, why.to_owned()), "{called:?}");
        }
        let broken = ("b".to_owned(), Err("bad".to_owned()), Vec::new());
        let found = judged(vec![file("a", Err(Target::File(1))), broken]);
        assert_eq!(found[0], (Answer::Unknown, "calls b, which does not parse".to_owned()));
        let deep = (".github/workflows/b.yml".to_owned(), Err("bad".to_owned()), Vec::new());
        let found = judged(vec![file("a", Err(Target::File(1))), deep]);
        assert_eq!(found[0].1, "calls b.yml, which does not parse", "the file's own name");
    }

    #[test]
    fn the_job_that_decides_is_named_through_several_calls_and_the_strongest_wins() {
        let mut both = file("b", Err(Target::File(2)));
        let (_, Ok(jobs), _) = file("b2", Ok(Answer::Unknown)) else { panic!("it parses") };
        both.1.as_mut().unwrap().splice(0..0, jobs);
        both.2.insert(0, None);
        let found = judged(vec![file("a", Err(Target::File(1))), both, file("c", Ok(Answer::Yes))]);
        assert_eq!(found[0], (Answer::Yes, "leads to c-job in c, which wants it".to_owned()));
    }

    #[test]
    fn as_many_levels_as_github_allows_and_no_more() {
        let chain = |length: usize| {
            let call = |at: usize| file(&at.to_string(), Err(Target::File(at + 1)));
            let mut files: Vec<_> = (0..length - 1).map(call).collect();
            files.push(file("last", Ok(Answer::Yes)));
            judged(files)
        };
        assert_eq!(chain(MAX_LEVELS)[0].0, Answer::Yes);
        let beyond = chain(MAX_LEVELS + 1);
        assert_eq!(beyond[0], (Answer::Unknown, too_deep()));
        assert_eq!(beyond[1].0, Answer::Yes, "from there on it is not too deep");
        // Nothing here calls itself, however long the chain.
        assert_eq!(chain(100_000)[0], (Answer::Unknown, too_deep()));
    }
}
