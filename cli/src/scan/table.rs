//! What was found, for people: a table that fits the terminal, and a line that sums it up.

use std::io::{self, Write};

use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};
use mayfly_common::foreign_text::steers;
use mayfly_workflow::{Answer, JobKind};

use super::calls::{Job, Scanned};
use crate::print::Colours;

/// Label sets of a job that are shown: a matrix can have hundreds.
const MAX_SETS: usize = 8;

/// Marks the first row of a file: of no width, and never part of what is shown (see [`plain`]).
const FIRST: &str = "\u{2063}";

/// The word for an answer, here and in JSON.
pub(super) fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "yes",
        Answer::No => "no",
        Answer::Unknown => "unknown",
    }
}

/// A row for each job, and one for each file that does not parse, below the names of the files.
pub(super) fn write(out: &mut impl Write, scanned: &[Scanned], colours: Colours) -> io::Result<()> {
    // A width only where standard output is a terminal.
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["job", "runs on", "self-hosted", "why"]);
    for file in scanned {
        match &file.jobs {
            Err(error) => {
                let failed = coloured("error", Some(Color::Red), colours);
                table.add_row([first(0, ""), Cell::new(""), failed, Cell::new(plain(error))]);
            }
            Ok(jobs) => {
                for (index, job) in jobs.iter().enumerate() {
                    let (name, why) = (first(index, &job.needs.id), Cell::new(plain(&job.why)));
                    table.add_row([
                        name,
                        Cell::new(wanted(job)),
                        answered(job.self_hosted, colours),
                        why,
                    ]);
                }
            }
        }
    }
    if let Some(answers) = table.column_mut(2) {
        // The word above it, with a blank on each side.
        answers.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(13)));
    }
    let mut files = scanned.iter();
    for line in table.lines() {
        // A file has jobs, or an error: so it has a first line.
        if line.contains(FIRST)
            && let Some(file) = files.next()
        {
            writeln!(out, "\n{}", plain(&file.name))?;
        }
        writeln!(out, "{}", line.replace(FIRST, "").trim_end())?;
    }
    writeln!(out, "\n{}", Summary::of(scanned).text())
}

/// The cell that begins a row; the first of a file is marked.
fn first(index: usize, job: &str) -> Cell {
    let mark = if index == 0 { FIRST } else { "" };
    Cell::new(format!("{mark}{}", plain(job)))
}

fn answered(answer: Answer, colours: Colours) -> Cell {
    let colour = match answer {
        Answer::Yes => Some(Color::Green),
        Answer::Unknown => Some(Color::Yellow),
        Answer::No => None,
    };
    coloured(word(answer), colour, colours)
}

fn coloured(text: &str, colour: Option<Color>, colours: Colours) -> Cell {
    let cell = Cell::new(text);
    match colour {
        Some(colour) if colours == Colours::On => cell.fg(colour),
        _ => cell,
    }
}

/// What a job asks for: one label set per line.
fn wanted(job: &Job) -> String {
    let sets = &job.needs.labels;
    let mut lines: Vec<String> =
        sets.iter().take(MAX_SETS).map(|set| plain(&set.join(", "))).collect();
    if let Some(more @ 1..) = sets.len().checked_sub(MAX_SETS) {
        lines.push(format!("and {more} more"));
    }
    lines.extend(job.needs.group.as_ref().map(|group| plain(&format!("group {group}"))));
    if let JobKind::Call { uses, .. } = &job.needs.kind {
        lines.push(plain(uses));
    }
    lines.join("\n")
}

/// One line without what would steer a terminal, or turn around or hide what is beside it: the text was written by strangers.
fn plain(text: &str) -> String {
    text.chars().map(|found| if steers(found) { ' ' } else { found }).collect()
}

/// How many of everything there are.
#[derive(Default)]
struct Summary {
    files: usize,
    broken: usize,
    jobs: usize,
    yes: usize,
    unknown: usize,
    no: usize,
    calls: usize,
}

impl Summary {
    fn of(scanned: &[Scanned]) -> Self {
        let mut count = Self { files: scanned.len(), ..Self::default() };
        for file in scanned {
            let Ok(jobs) = &file.jobs else {
                count.broken += 1;
                continue;
            };
            for Job { needs, .. } in jobs {
                // What a call leads to is counted where it is.
                if needs.kind != JobKind::Job {
                    count.calls += 1;
                    continue;
                }
                count.jobs += 1;
                match needs.self_hosted {
                    Answer::Yes => count.yes += 1,
                    Answer::Unknown => count.unknown += 1,
                    Answer::No => count.no += 1,
                }
            }
        }
        count
    }

    fn text(&self) -> String {
        let Self { files, broken, jobs, yes, unknown, no, calls } = self;
        let calls = match calls {
            0 => String::new(),
            _ => format!("; {} of workflows", number(*calls, "call")),
        };
        let broken = match broken {
            0 => String::new(),
            1 => "; 1 file does not parse".to_owned(),
            more => format!("; {more} files do not parse"),
        };
        format!(
            "{}, {}: {yes} self-hosted, {unknown} unknown until run time, {no} not{calls}{broken}",
            number(*files, "file"),
            number(*jobs, "job")
        )
    }
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
