//! Says which jobs of a workflow file need self-hosted runners.
//!
//! `scan` is pure: text in, answers out. It follows GitHub's own reading of `runs-on`: the matrix is expanded,
//! expressions over it are evaluated, and what only run time can tell is `Unknown`. Two rules hold for any
//! input:
//!
//! * **No self-hosted job is ever answered with `No`.** Every doubt ends in `Unknown`, which a caller
//!   counts as "may need a runner".
//! * **Work is bounded** (`limits`): size, depth, aliases, matrix legs, outcomes and steps. Nothing panics.
//!
//! ```text
//! text ─ yaml ─▶ jobs ─▶ matrix ─ legs ─▶ runs_on ─ choices ─▶ verdict
//!                           └── template ────┘
//!                               └─ expression (outcomes)
//! ```

mod choice;
mod expression;
mod group;
mod hosted;
mod json;
mod limits;
mod matrix;
mod runs_on;
mod template;
#[cfg(test)]
mod tests;
mod value;
mod verdict;
mod yaml;

pub use group::{AskedGroup, group_of};
pub use limits::MAX_FILE_BYTES;
use limits::{MAX_TREE_BYTES, MAX_WORK, Work};
use matrix::Leg;
use runs_on::RunsOn;
use value::Value;

/// What one job of a workflow file needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobNeeds {
    /// The key below `jobs`.
    pub id: String,
    /// A job with steps, or a call of another workflow.
    pub kind: JobKind,
    /// The distinct label sets that the legs of its matrix ask for; empty if they are not wholly known.
    pub labels: Vec<Vec<String>>,
    /// The runner group asked for (the first, if legs differ), or the expression that gives it. Whether it has self-hosted
    /// runners cannot be seen in the file, so a job that asks for one is answered with `Unknown` unless its labels tell.
    pub group: Option<String>,
    /// True if some leg asks for a self-hosted runner: by that label, or maybe by a group.
    pub self_hosted: Answer,
    /// The reason for the answer, as a short phrase.
    pub why: String,
}

/// The two kinds of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobKind {
    /// Steps on a runner.
    Job,
    /// A call of a reusable workflow, whose own file says what its jobs need.
    Call {
        /// The workflow called, as written.
        uses: String,
        /// True if it lies in the same repository.
        local: bool,
    },
}

/// An answer from the file alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Surely.
    Yes,
    /// Surely not.
    No,
    /// Only run time can tell: count it as "maybe".
    Unknown,
}

/// Why a file has no answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// GitHub would not read it either.
    #[error("the file has {bytes} bytes, more than the {limit} that are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size.
        limit: usize,
    },
    /// Not YAML, or YAML beyond the limits, with the place where known.
    #[error("not readable as YAML: {0}")]
    Yaml(String),
    /// Nothing but blanks and comments.
    #[error("the file is empty")]
    Empty,
    /// No mapping `jobs` with entries: not a workflow.
    #[error("the file has no jobs")]
    NoJobs,
}

/// Reads one workflow file. Never panics; bounded in size, depth, aliases and expansion.
pub fn scan(text: &str) -> Result<Vec<JobNeeds>, ScanError> {
    scan_within(text, &Work::new(MAX_WORK))
}

fn scan_within(text: &str, work: &Work) -> Result<Vec<JobNeeds>, ScanError> {
    let file = yaml::parse(text)?;
    if matches!(file, Value::Null) {
        return Err(ScanError::Empty);
    }
    let Some(Value::Map(jobs)) = file.entry("jobs") else { return Err(ScanError::NoJobs) };
    if jobs.is_empty() {
        return Err(ScanError::NoJobs);
    }
    Ok(jobs.iter().map(|(id, job)| needs(id, job, work)).collect())
}

fn needs(id: &str, job: &Value, work: &Work) -> JobNeeds {
    if let Some(Value::Text(uses)) = job.entry("uses") {
        return call(id, uses);
    }
    let Some(runs_on) = job.entry("runs-on") else { return without_runner(id, job) };
    let runs_on = RunsOn::of(runs_on);
    let request = if runs_on.is_dynamic() {
        let legs = matrix_of(job).map(|matrix| matrix::legs(&matrix, work));
        runs_on.request(&legs.unwrap_or_else(|| vec![Leg::single()]), work)
    } else {
        // Literal labels cost no more than reading them, so what other jobs have used up must not blur them.
        runs_on.request(&[Leg::single()], &Work::new(2 * MAX_TREE_BYTES))
    };
    JobNeeds {
        id: id.into(),
        kind: JobKind::Job,
        labels: request.labels,
        group: request.group,
        self_hosted: request.self_hosted,
        why: request.why,
    }
}

fn call(id: &str, uses: &str) -> JobNeeds {
    JobNeeds {
        id: id.into(),
        kind: JobKind::Call { uses: uses.into(), local: uses.starts_with("./") },
        labels: Vec::new(),
        group: None,
        self_hosted: Answer::No,
        why: "calls another workflow".into(),
    }
}

/// GitHub refuses a job without `runs-on`, unless a part of the job is inserted in a way that is not followed here.
fn without_runner(id: &str, job: &Value) -> JobNeeds {
    let Value::Map(entries) = job else {
        return refused(id, Answer::No, "is not a job that GitHub would run");
    };
    if template::inserts(entries) {
        refused(id, Answer::Unknown, "inserts entries that are not followed")
    } else {
        refused(id, Answer::No, "has no runs-on")
    }
}

fn refused(id: &str, self_hosted: Answer, why: &str) -> JobNeeds {
    JobNeeds {
        id: id.into(),
        kind: JobKind::Job,
        labels: Vec::new(),
        group: None,
        self_hosted,
        why: why.into(),
    }
}

/// What is written below `strategy.matrix`. A strategy that is one expression may give any matrix.
fn matrix_of(job: &Value) -> Option<Value> {
    match job.entry("strategy")? {
        Value::Text(_) => Some(Value::Runtime),
        strategy => strategy.entry("matrix").cloned(),
    }
}
