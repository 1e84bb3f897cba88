//! What was found, for programs: a line of JSON for each job.

use std::io::{self, Write};

use mayfly_workflow::JobKind;
use serde::Serialize;

use super::calls::{Job, Scanned};
use super::table::word;

/// A line. Its keys are an interface.
#[derive(Default, Serialize)]
struct Line<'a> {
    file: &'a str,
    job: Option<&'a str>,
    kind: Option<&'a str>,
    labels: &'a [Vec<String>],
    group: Option<&'a str>,
    self_hosted: Option<&'a str>,
    error: Option<&'a str>,
}

/// One line for each job, and one for each file that does not parse.
///
/// A call is answered as the scanner does, by its own file alone: what it leads to has lines of its own where it is in the same
/// repository, and counting both would count a job twice.
pub(super) fn write(out: &mut impl Write, scanned: &[Scanned]) -> io::Result<()> {
    for found in scanned {
        let file = found.name.as_str();
        match &found.jobs {
            Err(error) => line(out, &Line { file, error: Some(error), ..Line::default() })?,
            Ok(jobs) => jobs.iter().try_for_each(|job| line(out, &of(file, job)))?,
        }
    }
    Ok(())
}

fn of<'a>(file: &'a str, Job { needs, .. }: &'a Job) -> Line<'a> {
    Line {
        file,
        job: Some(&needs.id),
        kind: Some(match needs.kind {
            JobKind::Job => "job",
            JobKind::Call { .. } => "call",
        }),
        labels: &needs.labels,
        group: needs.group.as_deref(),
        self_hosted: Some(word(needs.self_hosted)),
        error: None,
    }
}

fn line(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
