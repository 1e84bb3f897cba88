//! The options of the demo. A crate of its own, so that `mayfly demo` checks, completes and explains them without linking what
//! `mayfly-demo` carries.

use clap::{Args, value_parser};
use mayfly_service::telemetry;
use tracing::Level;

/// The name of the program, and of its package.
pub const PROGRAM: &str = "mayfly-demo";

/// Show the whole platform at work on this machine: a simulated GitHub, real containers, no account needed.
///
/// Exit code 0 if every job ended as it should and nothing is left over, 1 if not, 2 if the demo could not be set up.
#[derive(Debug, Args)]
pub struct Options {
    /// Jobs for self-hosted runners; one of them fails on purpose.
    #[arg(long, default_value_t = 6, value_parser = value_parser!(u16).range(1..=500))]
    pub jobs: u16,
    /// Then keep so many runners waiting, and measure how soon jobs start with them.
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = value_parser!(u32).range(0..=10))]
    pub warm: u32,
    /// Leave when all jobs are done, rather than stay up for a look at the API.
    #[arg(long)]
    pub exit: bool,
    /// Print the summary as JSON on standard output; everything else goes to standard error.
    #[arg(long)]
    pub json: bool,
    /// Show the services' log lines of this level on standard error.
    #[arg(long, value_name = "LEVEL", default_value = "ERROR", value_parser = telemetry::parse_level)]
    pub log_level: Level,
}
