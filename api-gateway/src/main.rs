//! `api-gateway`: serves the gateway. `--check-config`, `healthcheck` and `--version` do what they say and end.

use std::io::Write as _;
use std::process::ExitCode;

use api_gateway::{Config, config};
use mayfly_common::{health, shutdown, telemetry};
use tokio::net::TcpListener;

/// The configuration is wrong: restarting does not help (`EX_USAGE`).
const BAD_CONFIGURATION: u8 = 64;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve().await,
        ["--check-config"] => match Config::from_env() {
            Ok(_) => say("The configuration is valid."),
            Err(errors) => fail(BAD_CONFIGURATION, &errors.to_string()),
        },
        ["healthcheck"] => match config::healthcheck_port() {
            Ok(port) => {
                health::check(port).await.map_or_else(|why| fail(1, &why), |()| ExitCode::SUCCESS)
            }
            Err(errors) => fail(BAD_CONFIGURATION, &errors.to_string()),
        },
        ["--version"] => say(&format!("api-gateway {}", mayfly_common::VERSION)),
        _ => {
            fail(BAD_CONFIGURATION, "usage: api-gateway [--check-config | healthcheck | --version]")
        }
    }
}

async fn serve() -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(errors) => return fail(BAD_CONFIGURATION, &errors.to_string()),
    };
    let traces = telemetry::start(config.logging, config.traces.as_ref());
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

fn say(text: &str) -> ExitCode {
    writeln!(std::io::stdout(), "{text}").map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn fail(code: u8, reason: &str) -> ExitCode {
    // Nothing can be done if even standard error is closed; the code says it all.
    let _ = writeln!(std::io::stderr(), "{reason}");
    ExitCode::from(code)
}
