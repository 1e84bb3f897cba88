//! `mayfly scan`: which jobs of workflow files need self-hosted runners, and why.
//!
//! | module | what |
//! |---|---|
//! | `files` | from paths to workflow files |
//! | `read` | every file read and scanned, on all processors |
//! | `calls` | which file a call leads to, and what it needs there |
//! | `json` | a line for each job, for programs |
//! | `table` | the same for people |

mod calls;
mod files;
mod json;
mod read;
mod table;

use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::print::{self, ExitStatus, Format, Printer};

/// Say which jobs of workflow files need self-hosted runners, as GitHub reads `runs-on`, and why.
///
/// Calls of workflows in the same repository are followed. Exit code 0 if all files parse, 1 if some do not, 2 if a path
/// cannot be used.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Workflow files, folders, or - for standard input. A folder stands for every *.yml and *.yaml below it, but a repository's
    /// root for the files of its .github/workflows alone.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print one line of JSON for each job, with the keys `file`, `job`, `kind` (job or call), `labels` (a list of label sets),
    /// `group`, `self_hosted` (yes, no or unknown) and `error`. For a file that does not parse: one line with `error` and without
    /// a job. A call is answered with no; the jobs of the file it leads to have lines of their own.
    #[arg(long = "json", action = ArgAction::SetTrue, value_parser = Format::flag())]
    format: Format,
}

pub(crate) fn run(options: &Options) -> ExitStatus {
    let sources = match files::find(&options.paths) {
        Ok(sources) => sources,
        Err(error) => {
            print::complain(&error.to_string());
            return ExitStatus::Usage;
        }
    };
    let scanned = calls::follow(sources);
    let broken = scanned.iter().any(|file| file.jobs.is_err());
    let status = if broken { ExitStatus::Failed } else { ExitStatus::Done };
    Printer::new(options.format).write(
        status,
        |out, colours| table::write(out, &scanned, colours),
        |out| json::write(out, &scanned),
    )
}
