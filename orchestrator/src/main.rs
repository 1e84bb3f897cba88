//! `orchestrator`: configuration, telemetry, listener, then [`orchestrator::run`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mayfly_service::env::known::unknown_beside;
use mayfly_service::env::variables;
use mayfly_service::{descriptors, shutdown, telemetry};
use mayfly_settings::Config;
use mayfly_store::Store;

/// Exit code for a wrong configuration (`EX_USAGE` of sysexits.h).
const BAD_CONFIG: u8 = 64;

/// Mayfly's internal service: finds queued jobs and gives each a fresh runner container.
///
/// It is configured by environment variables. deploy/.env.example (in a release: .env.example) lists each with its default and
/// its effect; docs/service.md says how to run it as a service.
#[derive(Parser)]
#[command(name = "orchestrator", version = mayfly_common::VERSION, after_help = AFTER_HELP)]
struct Arguments {
    /// Check the configuration, say what is wrong, and stop.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Ask the service on this machine whether it lives; for Docker's HEALTHCHECK.
    Healthcheck,
}

/// What a caller needs to know first.
const AFTER_HELP: &str = "\
Exit codes: 0 after a stop signal; 1 if it cannot go on; 64 if the configuration or an argument is wrong.

Its HTTP interface asks for no key and is for the api-gateway only. `mayfly` and the gateway's /docs are for people.";

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's own messages")]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => {
            // Help and version are printed, and are no mistake. With a wrong argument, restarting does not help.
            let code = if answer.use_stderr() { BAD_CONFIG } else { 0 };
            return answer.print().map_or(ExitCode::FAILURE, |()| ExitCode::from(code));
        }
    };
    let config = match Config::from_environment() {
        Ok(config) => config,
        Err(errors) => {
            // First, so that the last lines, which are all that a new user may see of the log, say why it does not start.
            for warning in unknown_beside(&errors, &variables()) {
                eprintln!("warning: {warning}");
            }
            eprintln!("{errors}");
            return ExitCode::from(BAD_CONFIG);
        }
    };
    if let Some(Command::Healthcheck) = arguments.command {
        return match mayfly_service::health::check(config.listen.port()).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{why}");
                ExitCode::FAILURE
            }
        };
    }
    if let Some(path) = &config.database
        && let Err(error) = Store::check(path)
    {
        eprintln!("DATABASE_PATH: {}: {error}", path.display());
        return ExitCode::from(BAD_CONFIG);
    }
    if arguments.check_config {
        for warning in &config.warnings {
            eprintln!("warning: {warning}");
        }
        if let Some(path) = config.database.as_ref().filter(|path| Store::is_something_else(path)) {
            eprintln!(
                "warning: DATABASE_PATH: {} is damaged, or not a database: the job ledger is kept in memory until it is moved away",
                path.display()
            );
        }
        if let Some(path) = config.database.filter(|path| Store::has_strange_log(path)) {
            eprintln!(
                "warning: DATABASE_PATH: {} was replaced or removed after a crash: the start will move the write-ahead log of the \
                 old file away, rather than apply it to this one",
                path.display()
            );
        }
        println!("the configuration is valid");
        return ExitCode::SUCCESS;
    }
    let traces = telemetry::start(config.logging, config.traces.as_ref());
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if let Err(error) = descriptors::raise() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let outcome = match tokio::net::TcpListener::bind(config.listen).await {
        Ok(listener) => orchestrator::run(config, listener, shutdown::signal()).await,
        Err(error) => Err(std::io::Error::new(
            error.kind(),
            format!("cannot listen on {}: {error}", config.listen),
        )),
    };
    if let Some(traces) = traces {
        traces.finish().await;
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
