//! `mayfly drain`, `resume` and `uninstall`: taking an installation out of service, and back.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use mayfly_common::api::{DrainStatus, UninstallReport};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ask;
use crate::failure::Failure;
use crate::gateway::{Connection, Gateway, segment};
use crate::print::{ExitStatus, Output, Progress, moment, plain};
use crate::runner;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How often in a row the gateway may not answer: it may be restarting.
const ATTEMPTS: u32 = 60;

/// How to drain.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Return when no runner is left.
    #[arg(long)]
    wait: bool,
    /// With `--wait`: give up after so many seconds. The drain goes on. Else it waits as long as the jobs take.
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    timeout: Option<u64>,
    // Last, because its heading is for all that follows.
    #[command(flatten)]
    connection: Connection,
}

/// How to uninstall.
#[derive(Debug, Args)]
pub(crate) struct Uninstall {
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// End runners at work, too: their jobs fail.
    #[arg(long)]
    force: bool,
    /// Give up after so many seconds. The drain goes on. Else it waits as long as the jobs take.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    // Last, because its heading is for all that follows.
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn drain(options: Options) -> ExitStatus {
    ask::gateway(&options.connection, async |gateway| begin(gateway, &options).await).await
}

pub(crate) async fn resume(connection: Connection) -> ExitStatus {
    ask::gateway(&connection, async |gateway| end(gateway).await).await
}

pub(crate) async fn uninstall(options: Uninstall) -> ExitStatus {
    ask::gateway(&options.connection, async |gateway| remove_all(gateway, &options).await).await
}

async fn begin(gateway: &Gateway, options: &Options) -> Result<Output, Failure> {
    let mut status: DrainStatus = gateway.send(Method::PUT, "/drain", None, None).await?;
    if options.wait {
        status = until_drained(gateway, options.timeout).await?;
    }
    let since = status.since.map(moment).unwrap_or_default();
    let mut text = match (status.left, status.busy) {
        (Some(0), _) => format!("Drained: no runner is left. Draining since {since}.\n"),
        (Some(_), Some(_)) => {
            format!("Draining since {since}: nothing new is started; {}.\n", told(&status))
        }
        _ => format!("Draining since {since}: nothing new is started.\n"),
    };
    if !status.stored {
        text += "Note: it is not stored, so a restart of the orchestrator ends it (mayfly status shows the job ledger).\n";
    }
    text += "mayfly resume has runners started again.\n";
    Ok(Output::new(text, &status))
}

async fn end(gateway: &Gateway) -> Result<Output, Failure> {
    let status: DrainStatus = gateway.send(Method::DELETE, "/drain", None, None).await?;
    let mut text = "Runners are started again.\n".to_owned();
    if !status.stored {
        text += "Note: that is not stored, so a restart of the orchestrator may drain again (mayfly status shows the job ledger).\n";
    }
    Ok(Output::new(text, &status))
}

/// Waits until no runner is left, and shows meanwhile how many there are.
async fn until_drained(gateway: &Gateway, timeout: Option<u64>) -> Result<DrainStatus, Failure> {
    let until = timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut progress = Progress::default();
    let mut failed = 0;
    loop {
        let status = match gateway.get::<DrainStatus>("/drain").await {
            Ok(status) => status,
            Err(failure) => {
                failed += 1;
                if !may_pass(&failure, failed) {
                    progress.end();
                    return Err(failure);
                }
                tokio::time::sleep(LOOK).await;
                continue;
            }
        };
        failed = 0;
        if !status.draining {
            progress.end();
            return Err(Failure::Failed("the drain was ended by somebody else".to_owned()));
        }
        progress.show(&told(&status));
        if status.left == Some(0) {
            progress.end();
            return Ok(status);
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            progress.end();
            let (told, seconds) = (told(&status), timeout.unwrap_or_default());
            return Err(Failure::Failed(format!(
                "{told} after {seconds} s; the drain goes on\n→ mayfly runner list shows them; mayfly resume ends the drain"
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether to ask once more after so many failures in a row, of which this is the last.
fn may_pass(failure: &Failure, failed: u32) -> bool {
    let refused = matches!(failure, Failure::Refused(refusal) if refusal.problem.status < 500);
    !refused && failed <= ATTEMPTS
}

fn told(status: &DrainStatus) -> String {
    match (status.left, status.busy) {
        (Some(1), Some(busy)) => {
            format!("1 runner is left, {}", if busy == 1 { "at work" } else { "not at work" })
        }
        (Some(0), Some(_)) => "no runner is left".to_owned(),
        (Some(left), Some(0)) => format!("{left} runners are left, none of them at work"),
        (Some(left), Some(busy)) if busy == left => {
            format!("{left} runners are left, all of them at work")
        }
        (Some(left), Some(busy)) => format!("{left} runners are left, {busy} of them at work"),
        _ => "waiting for the first look".to_owned(),
    }
}

async fn remove_all(gateway: &Gateway, options: &Uninstall) -> Result<Output, Failure> {
    if !options.yes {
        confirm(options.force)?;
    }
    gateway.send::<DrainStatus>(Method::PUT, "/drain", None, None).await?;
    if options.force {
        end_runners(gateway).await?;
    }
    until_drained(gateway, options.timeout).await?;
    let until = options.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut removed, mut progress, mut failed) = (Vec::new(), Progress::default(), 0);
    loop {
        let left = match gateway.send(Method::POST, "/uninstall", None, None).await {
            Ok(UninstallReport { removed: more, left }) => {
                removed.extend(more);
                if left.is_empty() {
                    break;
                }
                plain(&left.join("; "))
            }
            // Looking everywhere takes longer than the gateway waits; the orchestrator goes on.
            Err(failure) if failure.is(StatusCode::GATEWAY_TIMEOUT) && failed < ATTEMPTS => {
                failed += 1;
                "the last look is not over yet".to_owned()
            }
            // One that was on its way when the drain was over is there now.
            Err(failure) if is_not_drained(&failure) => {
                until_drained(gateway, options.timeout).await?;
                "a runner that was on its way".to_owned()
            }
            Err(failure) => {
                progress.end();
                return Err(failure);
            }
        };
        if until.is_some_and(|until| Instant::now() >= until) {
            progress.end();
            return Err(Failure::Failed(format!(
                "still there: {left}\n→ repeat the command later"
            )));
        }
        progress.show(&format!("still there: {left}"));
        tokio::time::sleep(LOOK).await;
    }
    progress.end();
    let mut text = String::new();
    for what in &removed {
        text += "removed ";
        text += &plain(what);
        text.push('\n');
    }
    text += "Nothing of this installation is left at GitHub or on the engine, except the images that were pulled.\n\
             The drain goes on. Now stop the services:\n\
             \x20 docker compose down --volumes (or docker-compose), which removes the database, too\n\
             \x20 systemctl disable --now mayfly, or mayfly-orchestrator mayfly-api-gateway\n";
    Ok(Output::new(text, &json!({ "removed": removed })))
}

/// True if the orchestrator refused because runners are left.
fn is_not_drained(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(refusal) if refusal.problem.kind.ends_with(":not-drained"))
}

/// Ends every runner, whatever it does.
async fn end_runners(gateway: &Gateway) -> Result<(), Failure> {
    let mut ended = BTreeSet::new();
    loop {
        // While some leave, the pages move: one that no page showed is on the next list.
        let list = runner::all(gateway).await?.runners;
        let left: Vec<_> = list.into_iter().filter(|one| !ended.contains(&one.name)).collect();
        if left.is_empty() {
            return Ok(());
        }
        for runner in left {
            end_runner(gateway, &runner.name).await?;
            ended.insert(runner.name);
        }
    }
}

/// Ends one runner, as soon as the gateway's rate limit allows.
async fn end_runner(gateway: &Gateway, name: &str) -> Result<(), Failure> {
    let path = format!("/runners/{}?force=true", segment(name));
    loop {
        match gateway.send::<Value>(Method::DELETE, &path, None, None).await {
            Err(failure) if failure.is(StatusCode::NOT_FOUND) => return Ok(()),
            Err(Failure::Refused(refusal))
                if refusal.problem.status == StatusCode::TOO_MANY_REQUESTS =>
            {
                let seconds = refusal.problem.retry_after.unwrap_or(1).max(1);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            outcome => return outcome.map(drop),
        }
    }
}

/// Asks whoever sits there.
fn confirm(force: bool) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage("nobody can be asked here: add --yes".to_owned()));
    }
    let busy = if force { "are ended, and their jobs fail" } else { "finish their jobs first" };
    let _ = write!(
        io::stderr(),
        "Remove all runners, registrations and networks of this installation? Runners at work {busy}. [y/N] "
    );
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::Usage(format!("no answer can be read: {error}")))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Failed("nothing was changed".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use mayfly_common::problem::Problem;

    use super::*;
    use crate::failure::Refusal;

    #[test]
    fn a_minute_without_an_answer_may_pass_and_a_refusal_does_not() {
        let refused = |status| {
            let problem = Problem::new(status, "x", "No");
            Failure::Refused(Box::new(Refusal { problem, request_id: None }))
        };
        for failure in
            [Failure::Unreachable("gone".to_owned()), refused(StatusCode::SERVICE_UNAVAILABLE)]
        {
            assert!(may_pass(&failure, 60) && !may_pass(&failure, 61), "{failure}");
        }
        assert!(!may_pass(&refused(StatusCode::NOT_FOUND), 1));
    }
}
