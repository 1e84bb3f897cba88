//! What a person watches: on a terminal a table drawn over and over, elsewhere one line for each change.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, presets};
use github_sim::demo::ExpectedJob;
use github_sim::world::model::{Job, Status};
use jiff::Timestamp;

use super::stage::state;

/// One job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    id: u64,
    repo: String,
    job: String,
    labels: String,
    state: &'static str,
    done: bool,
    runner: String,
    container: String,
    wait: String,
    duration: String,
}

impl Row {
    /// The job as it is `now`.
    pub(super) fn of(
        expected: &ExpectedJob,
        job: &Job,
        containers: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Self {
        let runner = job.taker.as_ref().map(|taker| taker.name.clone()).unwrap_or_default();
        let waiting = job.status == Status::Queued;
        let wait = job.queued_at.zip(job.started_at.or(waiting.then_some(now)));
        let duration = job.started_at.map(|start| (start, job.completed_at.unwrap_or(now)));
        Self {
            id: expected.job_id,
            repo: expected.repo.clone(),
            job: expected.name.clone(),
            labels: expected.labels.join(","),
            state: state(job),
            done: job.status == Status::Completed,
            container: containers
                .get(&runner)
                .map(|id| id.chars().take(12).collect())
                .unwrap_or_default(),
            runner,
            wait: wait.map(between).unwrap_or_default(),
            duration: duration.map(between).unwrap_or_default(),
        }
    }
}

/// The time between two moments as `mayfly job list` shows it, which knows them from GitHub: in whole seconds, later in minutes.
fn between((from, to): (Timestamp, Timestamp)) -> String {
    match (to.as_second() - from.as_second()).max(0) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

/// The view on standard error.
pub(super) struct Table {
    live: bool,
    lines: usize,
    told: BTreeMap<u64, &'static str>,
    /// Containers by job: they are gone from the engine before the table is.
    containers: BTreeMap<u64, String>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            live: std::io::stderr().is_terminal(),
            lines: 0,
            told: BTreeMap::new(),
            containers: BTreeMap::new(),
        }
    }

    /// Shows `rows`.
    pub(super) fn draw(&mut self, rows: &[Row]) {
        for row in rows.iter().filter(|row| !row.container.is_empty()) {
            self.containers.insert(row.id, row.container.clone());
        }
        let text = if self.live { self.table(rows) } else { self.changes(rows) };
        // A closed standard error is no reason to stop the demo.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// Leaves the last picture on the screen.
    pub(super) fn finish(&mut self) {
        self.lines = 0;
    }

    fn container<'a>(&'a self, row: &'a Row) -> &'a str {
        self.containers.get(&row.id).map_or("", String::as_str)
    }

    /// On a terminal: the whole picture, over the last one.
    fn table(&mut self, rows: &[Row]) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header([
            "repository",
            "job",
            "labels",
            "state",
            "runner",
            "container",
            "queued→running",
            "duration",
        ]);
        for row in visible(rows, height()) {
            let container = self.container(row).to_owned();
            table.add_row([
                &row.repo,
                &row.job,
                &row.labels,
                row.state,
                &row.runner,
                &container,
                &row.wait,
                &row.duration,
            ]);
        }
        let picture = table.to_string();
        // Back to the first line of the last picture, and away with it.
        let back =
            if self.lines > 0 { format!("\x1b[{}A\x1b[0J", self.lines) } else { String::new() };
        self.lines = picture.lines().count();
        format!("{back}{picture}\n")
    }

    /// Without a terminal: what is new since the last time.
    fn changes(&mut self, rows: &[Row]) -> String {
        let mut text = String::new();
        for row in rows {
            if self.told.insert(row.id, row.state) != Some(row.state) {
                let on = if row.runner.is_empty() {
                    String::new()
                } else {
                    format!(" on {}", row.runner)
                };
                let within = match self.container(row) {
                    "" => String::new(),
                    container => format!(" in container {container}"),
                };
                let Row { repo, job, labels, state, .. } = row;
                // Writing to a String does not fail.
                let _ = writeln!(text, "{repo} · {job} [{labels}]: {state}{on}{within}");
            }
        }
        text
    }
}

/// Lines of the terminal; 24 if it does not tell.
fn height() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr()).map_or(24, |size| usize::from(size.ws_row))
}

/// The rows that fit under the header: a picture taller than the terminal could not be drawn over. What is done goes first.
fn visible(rows: &[Row], height: usize) -> Vec<&Row> {
    let mut surplus = rows.len().saturating_sub(height.saturating_sub(3));
    let keep = |row: &&Row| {
        let drop = surplus > 0 && row.done;
        surplus -= usize::from(drop);
        !drop
    };
    let mut kept: Vec<&Row> = rows.iter().filter(keep).collect();
    kept.truncate(height.saturating_sub(3).max(1));
    kept
}

#[cfg(test)]
mod tests;
