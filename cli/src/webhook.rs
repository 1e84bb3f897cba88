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

use clap::Subcommand;
use mayfly_service::env;

use crate::failure::Failure;
use crate::print::{ExitStatus, Output, Printer};
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

pub(crate) async fn run(command: Command) -> ExitStatus {
    let variables = env::variables();
    let (format, outcome) = match command {
        Command::Install(options) => {
            (options.target.format, install::run(options, variables).await)
        }
        Command::Status(options) => (options.target.format, status::run(options, variables).await),
        Command::Redeliver(options) => {
            (options.target.format, redeliver::run(options, variables).await)
        }
        Command::Remove(options) => (options.target.format, remove::run(options, variables).await),
    };
    Printer::new(format).finish(outcome.map(Output::from))
}

impl From<Report> for Output {
    fn from(Report { json, text, good }: Report) -> Self {
        let status = if good { ExitStatus::Done } else { ExitStatus::Failed };
        Self { text, json, status }
    }
}
