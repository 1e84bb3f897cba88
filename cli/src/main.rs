//! `mayfly`: the operator's command.

mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A fresh container for every GitHub Actions job.
#[derive(Parser)]
#[command(version = mayfly_common::VERSION)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole platform at work on this machine: a simulated GitHub, real containers, no account needed.
    ///
    /// Exit code 0 if every job ended as it should and nothing is left over, 1 if not, 2 if the demo could not be set up.
    Demo(demo::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Demo(options) => demo::run(options).await,
    }
}
