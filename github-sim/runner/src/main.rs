//! A stand-in for GitHub's runner: registers at github-sim, takes one job, runs its `run:` steps for real, exits 0.
//!
//! Two processes, as the original has: the listener waits for a job, and for each job starts this same program once more
//! under the name `Runner.Worker`, so that whoever looks at the container's processes sees one exactly while a job runs.
//!
//! | module | what |
//! |---|---|
//! | `config` | what the environment says |
//! | `wire` | requests to the simulator |
//! | `listener` | connect, wait, start the worker, report |
//! | `worker` | run the steps, stream what they print, stop when the run is cancelled |
//! | `script` | one step as a process |

mod config;
mod listener;
mod script;
mod wire;
mod worker;

use std::io::Write as _;
use std::process::ExitCode;

/// The worker's name, in the process list and as the first argument that tells it what it is.
const WORKER: &str = "Runner.Worker";

fn main() -> ExitCode {
    if std::env::args_os().next().is_some_and(|name| name == WORKER) {
        // As the kernel knows it, too; without that nobody sees that a job runs, and the job runs all the same.
        drop(std::fs::write("/proc/self/comm", WORKER));
        return worker::run();
    }
    match config::Config::from_environment() {
        Ok(config) => listener::run(&config),
        Err(reason) => {
            say(&format!("An error occurred: {reason}"));
            ExitCode::from(2)
        }
    }
}

/// A line with the time before it, in the original's form (.NET: "Universal sortable pattern"): what it says of its jobs.
#[expect(clippy::disallowed_methods, reason = "the time that is printed is the wall clock's")]
fn say_at(line: &str) {
    say(&format!("{}: {line}", jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ")));
}

/// One line on standard output, where the original's landmarks are looked for. Nobody reading is no reason to stop.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
