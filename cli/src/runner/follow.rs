//! The log of a runner, and what comes after it.

use std::borrow::Cow;
use std::time::Duration;

use mayfly_common::api::{Runner, RunnerLogs};
use reqwest::StatusCode;
use serde_json::json;

use crate::failure::Failure;
use crate::gateway::{Gateway, segment};
use crate::print::{self, Output, plain};

/// Between two looks at a log that is followed.
const LOOK: Duration = Duration::from_secs(1);
/// The line that stands for lines that are missing, as in a log of which the beginning and the end are shown.
const GAP: &str = "[…]\n";

/// The log of a runner.
pub(super) async fn logs(gateway: &Gateway, name: &str) -> Result<Output, Failure> {
    let log: RunnerLogs = gateway.get(&path_of(name)).await?;
    let end = if log.logs.is_empty() || log.logs.ends_with('\n') { "" } else { "\n" };
    Ok(Output::new(plain(&log.logs) + end, &log))
}

fn path_of(name: &str) -> String {
    format!("/runners/{}/logs", segment(name))
}

/// Prints the log of a runner, and what is new until the runner is gone.
pub(super) async fn until_gone(gateway: &Gateway, name: &str) -> Result<Output, Failure> {
    let path = path_of(name);
    let RunnerLogs { logs: mut shown, .. } = gateway.get(&path).await?;
    print::out(&plain(&shown))?;
    loop {
        tokio::time::sleep(LOOK).await;
        // A log stays readable for a while after its runner is gone; the runner itself does not.
        let gone = match gateway.get::<Runner>(&format!("/runners/{}", segment(name))).await {
            Err(failure) if failure.is(StatusCode::NOT_FOUND) => true,
            outcome => outcome.map(|_| false)?,
        };
        match gateway.get::<RunnerLogs>(&path).await {
            Ok(now) => {
                print::out(&plain(&news(&shown, &now.logs)))?;
                shown = now.logs;
            }
            Err(failure) if failure.is(StatusCode::NOT_FOUND) => {}
            Err(failure) => return Err(failure),
        }
        if gone {
            return Ok(Output::new("", &json!({"runner": name})));
        }
    }
}

/// What `now` has beyond `before`, of which it shows the last lines: it begins with the longest end of `before` that it can, or goes on
/// so behind the gap between its own beginning and end. If it does neither, lines are missing: more came than a log shows.
fn news<'a>(before: &str, now: &'a str) -> Cow<'a, str> {
    let lines = before.match_indices('\n').map(|(at, _)| at + 1);
    let ends = || std::iter::once(0).chain(lines.clone()).map(|at| &before[at..]);
    let beyond =
        |now: &'a str| ends().filter(|end| !end.is_empty()).find_map(|end| now.strip_prefix(end));
    let behind_gap = || Some(now.split_once(&format!("\n{GAP}"))?.1);
    if let Some(new) = beyond(now).or_else(|| beyond(behind_gap()?)) {
        return new.into();
    }
    if before.is_empty() || now.is_empty() {
        return now.into();
    }
    let end = if before.ends_with('\n') { "" } else { "\n" };
    format!("{end}{GAP}{now}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_printed() {
        let rows = [
            ("", "a\nb\n", "a\nb\n"),
            ("a\n", "a\nb\n", "b\n"),
            ("a\nb\n", "a\nb\n", ""),
            ("a\nb\n", "b\nc\n", "c\n"),
            // More came than a log shows.
            ("a\n", "x\ny\n", "[…]\nx\ny\n"),
            ("a", "x\ny\n", "\n[…]\nx\ny\n"),
            ("a\n", "", ""),
            // A runner that ended shows the beginning of its log, too.
            ("c\nd\n", "a\nb\n[…]\nc\nd\ne\n", "e\n"),
            ("c\nd\n", "a\nb\n[…]\nd\ne\n", "e\n"),
            ("a\nb\nc", "b\ncd\n", "d\n"),
            // A line that comes again and again is neither left out nor repeated.
            ("a\nok\n", "ok\nb\nok\n", "b\nok\n"),
            ("x\nok\na\nok\n", "ok\na\nok\nb\n", "b\n"),
        ];
        for (before, now, new) in rows {
            assert_eq!(news(before, now), new, "{before:?} {now:?}");
        }
    }
}
