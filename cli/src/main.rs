//! `mayfly`: the operator's command. Without the feature `platform` it is `mayfly scan` alone.

#[cfg(feature = "platform")]
mod ask;
#[cfg(feature = "platform")]
mod commands;
#[cfg(feature = "platform")]
mod demo;
#[cfg(feature = "platform")]
mod doctor;
#[cfg(feature = "platform")]
mod drain;
#[cfg(feature = "platform")]
mod events;
#[cfg(feature = "platform")]
mod failure;
#[cfg(feature = "platform")]
mod gateway;
#[cfg(feature = "platform")]
mod job;
#[cfg(feature = "platform")]
mod pool;
mod print;
#[cfg(feature = "platform")]
mod runner;
mod scan;
#[cfg(feature = "platform")]
mod status;
#[cfg(feature = "platform")]
mod top;
#[cfg(feature = "platform")]
mod webhook;

use std::process::ExitCode;

use clap::Parser;

#[cfg(feature = "platform")]
use self::commands::{Command, FIRST_STEPS};

/// The one command there is.
#[cfg(not(feature = "platform"))]
#[derive(clap::Subcommand)]
enum Command {
    Scan(scan::Options),
}

#[cfg(not(feature = "platform"))]
impl Command {
    fn run(self) -> print::ExitStatus {
        let Self::Scan(options) = self;
        scan::run(&options)
    }
}

/// What to read first, below `--help`.
#[cfg(not(feature = "platform"))]
const FIRST_STEPS: &str = "This build has no other command.";

/// A fresh container for every GitHub Actions job.
#[derive(Parser)]
#[command(version = mayfly_common::VERSION, after_help = FIRST_STEPS)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => arguments.command.run().into(),
        // Help and version are answers like any other.
        Err(asked) if !asked.use_stderr() => {
            print::written(asked.print().and_then(|()| print::out("")), print::ExitStatus::Done)
                .into()
        }
        Err(wrong) => wrong.exit(),
    }
}
