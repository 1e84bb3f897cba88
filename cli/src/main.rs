//! `mayfly`: the operator's command.

mod demo;
mod doctor;
mod scan;
mod webhook;

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
    /// Check what the platform is configured with, and say what is missing.
    #[command(subcommand)]
    Doctor(doctor::Topic),
    /// Say which jobs of workflow files need self-hosted runners, as GitHub reads `runs-on`, and why.
    ///
    /// Calls of workflows in the same repository are followed. Exit code 0 if all files parse, 1 if some do not, 2 if a path
    /// cannot be used.
    Scan(scan::Options),
    /// Make, check, mend or remove the webhook that tells the platform about jobs at once.
    #[command(subcommand)]
    Webhook(webhook::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Demo(options) => demo::run(options).await,
        Command::Doctor(topic) => doctor::run(topic).await,
        Command::Scan(options) => scan::run(&options),
        Command::Webhook(command) => webhook::run(command).await,
    }
}
