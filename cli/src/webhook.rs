//! `mayfly webhook`: the webhook that tells the platform about jobs at once, made, looked at, mended and removed.
//!
//! | module | what |
//! |---|---|
//! | `target` | whose webhook, and where it sends |
//! | `secret` | what it signs with |
//! | `session` | the credential, and what an error of GitHub's means here |
//! | `install`, `status`, `redeliver`, `remove` | the commands |
//! | `verdict` | what the answer to a delivery says, and what to do about it |
//! | `report` | what a command has to say, for people and for programs |

mod install;
mod redeliver;
mod remove;
mod report;
mod secret;
mod session;
mod status;
mod target;
mod verdict;

use std::process::ExitCode;

use clap::Subcommand;
use mayfly_service::env;

use crate::print::{self, ExitStatus};
use report::Report;

/// What to do with the webhook.
///
/// All commands act with the orchestrator's credential: they read `GITHUB_RUNNER_TOKEN` (or `_FILE`) or `GITHUB_APP_ID` and its key,
/// `GITHUB_API_URL` and `GITHUB_CA_FILE`. Exit codes: 0 done, 1 something failed, 2 wrong arguments or configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the webhook, or make it anew with another secret, and have GitHub try it.
    ///
    /// A webhook that sends to the same URL already is replaced: GitHub does not show its secret. The secret is the first one of
    /// `WEBHOOK_SECRET` (comma-separated) or of the file `WEBHOOK_SECRET_FILE` (one per line), as the gateway reads them; where
    /// neither is set, one is made and printed once. An App's webhook is set up, and the events are named that are missing on
    /// the App's page.
    ///
    /// Exit code 0 if the webhook is there and works as far as that can be tried, 1 if not, 2 if arguments or variables are wrong.
    Install(install::Options),
    /// Show the webhook, its last deliveries, and what failed of a day's.
    ///
    /// Exit code 0 if there is one and it works, 1 if there is none or its last delivery failed, 2 if arguments or variables are
    /// wrong.
    Status(status::Options),
    /// Ask GitHub to deliver once more what failed in the last three days, at most three times in all and 50 at a time.
    ///
    /// What was delivered is never asked for again, nor what failed less than a minute ago. Exit code 0 if GitHub took every
    /// request, 1 if not, 2 if arguments or variables are wrong.
    Redeliver(redeliver::Options),
    /// Remove the webhook that sends to this URL.
    ///
    /// Exit code 0 if it is gone, also if there was none; 1 if that failed, 2 if arguments or variables are wrong.
    Remove(remove::Options),
}

/// Why a command did not do its work.
#[derive(Debug)]
enum Failure {
    /// Arguments or variables are wrong.
    Usage(String),
    /// It was tried.
    Failed(String),
}

pub(crate) async fn run(command: Command) -> ExitCode {
    let variables = env::variables();
    let (json, outcome) = match command {
        Command::Install(options) => (options.target.json, install::run(options, variables).await),
        Command::Status(options) => (options.target.json, status::run(options, variables).await),
        Command::Redeliver(options) => {
            (options.target.json, redeliver::run(options, variables).await)
        }
        Command::Remove(options) => (options.target.json, remove::run(options, variables).await),
    };
    let (status, text) = match outcome {
        Ok(report) if report.good => (ExitStatus::Done, Ok(report)),
        Ok(report) => (ExitStatus::Failed, Ok(report)),
        Err(Failure::Usage(error)) => (ExitStatus::Usage, Err(error)),
        Err(Failure::Failed(error)) => (ExitStatus::Failed, Err(error)),
    };
    match text {
        Ok(Report { json: value, .. }) if json => print::written(print::line(&value), status),
        Ok(Report { text, .. }) => print::written(print::out(&text), status),
        Err(error) => {
            print::complain(&error);
            let value = serde_json::json!({ "error": error });
            let told = if json { print::line(&value) } else { Ok(()) };
            print::written(told, status)
        }
    }
}
