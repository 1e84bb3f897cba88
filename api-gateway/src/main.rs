//! `api-gateway`: serves the gateway. `--check-config`, `healthcheck`, `--help` and `--version` do what they say and end.

use std::io::Write as _;
use std::process::ExitCode;

use api_gateway::{Config, config};
use clap::{Parser, Subcommand};
use mayfly_service::env::known::unknown_beside;
use mayfly_service::env::{ConfigErrors, variables};
use mayfly_service::{descriptors, health, shutdown, telemetry};
use tokio::net::TcpListener;

/// The configuration is wrong: restarting does not help (`EX_USAGE`).
const BAD_CONFIGURATION: u8 = 64;

/// Mayfly's public interface: checks API keys, limits and input, verifies GitHub's webhooks, and forwards to the orchestrator.
///
/// It is configured by environment variables. deploy/.env.example (in a release: .env.example) lists each with its default and
/// its effect, in the section "Public interface (api-gateway)"; docs/service.md says how to run it as a service.
#[derive(Parser)]
#[command(name = "api-gateway", version = mayfly_common::VERSION, after_help = AFTER_HELP)]
struct Arguments {
    /// Check the configuration, say everything that is wrong with it, and stop.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Ask the gateway on this machine whether it lives; for Docker's HEALTHCHECK.
    Healthcheck,
}

/// What a caller needs to know first.
const AFTER_HELP: &str = "\
Exit codes: 0 after a stop signal; 1 if it cannot go on; 64 if the configuration or an argument is wrong.

Once it runs: GET /docs (Swagger UI), /redoc, /openapi.json, /health, /metrics.";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return parsed(&answer),
    };
    if let Some(Command::Healthcheck) = arguments.command {
        return match config::healthcheck_port(&variables()) {
            Ok(port) => {
                health::check(port).await.map_or_else(|why| fail(1, &why), |()| ExitCode::SUCCESS)
            }
            Err(why) => fail(BAD_CONFIGURATION, &why),
        };
    }
    match Config::from_env() {
        Err(errors) => refuse(&errors),
        Ok(config) if arguments.check_config => {
            warn(&config.warnings);
            say("The configuration is valid.")
        }
        Ok(config) => serve(config).await,
    }
}

/// Help and version are printed and are no mistake; a wrong argument ends as a wrong configuration does: restarting does not help.
fn parsed(answer: &clap::Error) -> ExitCode {
    let printed = answer.print();
    let code = if answer.use_stderr() { BAD_CONFIGURATION } else { 0 };
    printed.map_or(ExitCode::FAILURE, |()| ExitCode::from(code))
}

async fn serve(config: Config) -> ExitCode {
    let traces = telemetry::start(config.logging, config.traces.as_ref());
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if let Err(error) = descriptors::raise() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let listener = match TcpListener::bind(config.address()).await {
        Ok(listener) => listener,
        Err(error) => return fail(1, &format!("cannot listen on {}: {error}", config.address())),
    };
    let outcome = api_gateway::run(config, listener, shutdown::signal()).await;
    if let Some(traces) = traces {
        traces.finish().await;
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error.to_string()),
    }
}

/// Ends because of the configuration. A misspelt name may be why one is missing, so these are said, too.
fn refuse(errors: &ConfigErrors) -> ExitCode {
    // First, so that the last lines, which are all that a new user may see of the log, say why it does not start.
    warn(&unknown_beside(errors, &variables()));
    fail(BAD_CONFIGURATION, &errors.to_string())
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        // Nothing can be done if even standard error is closed.
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
}

fn say(text: &str) -> ExitCode {
    writeln!(std::io::stdout(), "{text}").map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn fail(code: u8, reason: &str) -> ExitCode {
    // Nothing can be done if even standard error is closed; the code says it all.
    let _ = writeln!(std::io::stderr(), "{reason}");
    ExitCode::from(code)
}
