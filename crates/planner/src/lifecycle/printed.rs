//! What the official runner prints of its job and of its end. Its exit code does not say it: 0 is also "I gave up".
//!
//! A job can write to its container's output, so that nothing here is proof: only lines of the runner's own form count, a result is
//! one of the runner's words, and a time lies within the container's life.

use std::fmt;

use jiff::Timestamp;

/// `2026-01-31 23:59:59Z: Running job: NAME`.
const STARTED: &str = "Running job: ";
/// `2026-01-31 23:59:59Z: Job NAME completed with result: RESULT`.
const JOB: &str = "Job ";
const RESULT: &str = " completed with result: ";
/// What GitHub says to a version that it does not serve any more: "Runner version v2.300.0 is deprecated and cannot receive
/// messages." (actions/runner issue 4285). Before it is "An error occurred: " in one spelling or another, and at times more.
const REFUSED: [&str; 2] = ["Runner version v", " is deprecated and cannot receive messages"];

/// How a job ended, in the runner's words (actions/runner, `TaskResult`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobResult {
    /// Every step succeeded.
    Succeeded,
    /// The same, with warnings.
    SucceededWithIssues,
    /// A step failed.
    Failed,
    /// Somebody cancelled it.
    Canceled,
    /// It did not have to run.
    Skipped,
    /// The runner was lost.
    Abandoned,
}

impl JobResult {
    const ALL: [Self; 6] = [
        Self::Succeeded,
        Self::SucceededWithIssues,
        Self::Failed,
        Self::Canceled,
        Self::Skipped,
        Self::Abandoned,
    ];

    /// The result as the runner prints it.
    fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::SucceededWithIssues => "SucceededWithIssues",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Skipped => "Skipped",
            Self::Abandoned => "Abandoned",
        }
    }

    /// True if it speaks of success.
    pub(super) fn is_good(self) -> bool {
        matches!(self, Self::Succeeded | Self::SucceededWithIssues)
    }

    /// The result in GitHub's words (REST: `conclusion`).
    pub fn conclusion(self) -> &'static str {
        match self {
            Self::Succeeded | Self::SucceededWithIssues => "success",
            Self::Failed | Self::Abandoned => "failure",
            Self::Canceled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for JobResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The name of the job that the runner took, if it says so.
pub fn job(log: &str) -> Option<&str> {
    log.lines().find_map(started).map(|(_, name)| name)
}

/// When its job began, if it says so and that is within `life`, the time from the container's creation to now.
pub fn began(log: &str, (created_at, now): (Timestamp, Timestamp)) -> Option<Timestamp> {
    let (time, _) = log.lines().find_map(started)?;
    let time: Timestamp = time?.replacen(' ', "T", 1).parse().ok()?;
    // The printed second is cut off, and the engine's clock may differ a little.
    Some(time.min(now).max(created_at))
}

/// The result that it printed last.
pub fn result(log: &str) -> Option<JobResult> {
    log.lines().rev().find_map(|line| {
        // A job's name may hold anything, these words included: what follows the last of them is the runner's.
        let (_, word) = message(line).1.strip_prefix(JOB)?.rsplit_once(RESULT)?;
        JobResult::ALL.into_iter().find(|result| result.word() == word.trim_end())
    })
}

/// True if it says that GitHub refuses its version.
pub(super) fn refused(log: &str) -> bool {
    let [before, after] = REFUSED;
    log.lines().any(|line| {
        line.split(before).skip(1).any(|rest| {
            let version = rest.split_once(after).map_or("", |(version, _)| version);
            !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        })
    })
}

/// The last line with something on it.
pub(super) fn last_line(log: &str) -> Option<&str> {
    log.lines().rev().map(str::trim).find(|line| !line.is_empty())
}

/// The time and the name in a line that says that a job began.
fn started(line: &str) -> Option<(Option<&str>, &str)> {
    let (time, message) = message(line);
    Some((time, message.strip_prefix(STARTED)?.trim_end()))
}

/// A line in two: the time that the runner puts before some of them, and the rest.
fn message(line: &str) -> (Option<&str>, &str) {
    match line.split_once(": ") {
        Some((time, rest)) if is_time(time) => (Some(time), rest),
        _ => (None, line),
    }
}

/// True if `text` has the form `2026-01-31 23:59:59Z` (.NET: "Universal sortable pattern").
fn is_time(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00 00:00:00Z";
    let fits = |(found, form): (u8, &u8)| match form {
        b'0' => found.is_ascii_digit(),
        form => found == *form,
    };
    text.len() == FORM.len() && text.bytes().zip(FORM).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_runner_s_own_words_are_results() {
        let rows = [
            ("Job a completed with result: Succeeded", Some(JobResult::Succeeded)),
            ("2026-01-31 23:59:59Z: Job a completed with result: Failed", Some(JobResult::Failed)),
            (
                "2026-01-31 23:59:59Z: Job a completed with result: Canceled \n",
                Some(JobResult::Canceled),
            ),
            ("Job a completed with result: Skipped", Some(JobResult::Skipped)),
            ("Job a completed with result: Abandoned\nbye", Some(JobResult::Abandoned)),
            (
                "Job a completed with result: SucceededWithIssues",
                Some(JobResult::SucceededWithIssues),
            ),
            // A job by this name.
            (
                "Job a completed with result: Failed…$(id) completed with result: Succeeded",
                Some(JobResult::Succeeded),
            ),
            ("Job a completed with result: Failed…$(id)", None),
            ("Job a completed with result: AAAAAAAAAAAA", None),
            ("Job a completed with result: Succeededly", None),
            ("Job a completed with result: ", None),
            ("echo Job a completed with result: Succeeded", None),
            ("[WORKER 2026-01-31 23:59:59Z INFO] Job a completed with result: Succeeded", None),
            ("2026-01-31 23:59Z: Job a completed with result: Succeeded", None),
            // A name with a line break, and the line that counts.
            (
                "Running job: a\nJob b completed with result: Failed\nJob a\nJob b completed with result: Failed completed with result: Succeeded",
                Some(JobResult::Succeeded),
            ),
            ("", None),
        ];
        for (log, expected) in rows {
            assert_eq!(result(log), expected, "{log}");
        }
    }

    #[test]
    fn a_version_is_refused_only_in_github_s_words() {
        let rows = [
            ("Runner version v2.300.0 is deprecated and cannot receive messages.", true),
            (
                "An error occured: Runner version v2.317.0 is deprecated and cannot receive messages.\nbye",
                true,
            ),
            (
                "An error occurred: Error: Forbidden Runner version v2.336.0 is deprecated and cannot receive messages.",
                true,
            ),
            (
                "Runner version v1: Runner version v2.300.0 is deprecated and cannot receive messages.",
                true,
            ),
            ("Hello, Runner version 3 of my image; the tool x is deprecated", false),
            ("Runner version v3; the tool is deprecated and cannot receive messages", false),
            ("Runner version v is deprecated and cannot receive messages", false),
            ("Runner version v2.300.0\n is deprecated and cannot receive messages", false),
            ("Runner listener exit because of runner version is deprecated.", false),
            ("", false),
        ];
        for (log, expected) in rows {
            assert_eq!(refused(log), expected, "{log}");
        }
    }

    #[test]
    fn a_job_s_name_and_time_are_the_first_that_were_printed_and_lie_within_the_machine_s_life() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let life = (at("2026-01-31T10:00:00.5Z"), at("2026-01-31T12:00:00Z"));
        let rows = [
            (
                "2026-01-31 11:00:00Z: Running job: a\n2026-01-31 11:30:00Z: Running job: b",
                Some("a"),
                Some("2026-01-31T11:00:00Z"),
            ),
            ("0001-01-01 00:00:00Z: Running job: a", Some("a"), Some("2026-01-31T10:00:00.5Z")),
            ("9998-12-31 23:59:59Z: Running job: a", Some("a"), Some("2026-01-31T12:00:00Z")),
            ("2026-99-99 11:00:00Z: Running job: a", Some("a"), None),
            ("Running job: a: Running job: b", Some("a: Running job: b"), None),
            ("say Running job: a", None, None),
            ("2026-01-31: Running job: a", None, None),
            ("2026-01-31 11:00:00Z INFO: Running job: a", None, None),
        ];
        for (log, name, time) in rows {
            assert_eq!((job(log), began(log, life)), (name, time.map(at)), "{log}");
        }
    }
}
