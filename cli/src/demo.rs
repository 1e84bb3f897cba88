//! `mayfly demo`: starts the program `mayfly-demo`, which carries both services and a simulated GitHub so that this one need not.
//!
//! It lies beside this program. Under `cargo run` it is built first, because cargo builds only the program that it runs.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mayfly_demo_options::PROGRAM;
use serde_json::Value;

use crate::print::{self, ExitStatus};

/// Where this package was built.
const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// Why the demo cannot be started.
#[derive(Debug, thiserror::Error)]
enum Missing {
    #[error("the place of this program cannot be found: {0}")]
    Lost(std::io::Error),
    #[error(
        "{PROGRAM} is not in {}\n\
         → copy it there from the release's archive, where it lies beside mayfly, or build it in a clone of the repository:\n  \
         cargo build --release -p {PROGRAM}", .0.display()
    )]
    NotBeside(PathBuf),
    #[error("{} cannot be started: {error}", program.display())]
    NotStarted { program: PathBuf, error: std::io::Error },
    #[error("{PROGRAM} cannot be built")]
    NotBuilt,
}

/// Becomes the demo, with this program's arguments, which are checked already. It returns only where that is not possible.
pub(crate) fn run() -> ExitStatus {
    let missing = match program() {
        Ok(program) => {
            // After the names of this program and of the command.
            let error = Command::new(&program).args(env::args_os().skip(2)).exec();
            Missing::NotStarted { program, error }
        }
        Err(missing) => missing,
    };
    print::complain(&missing.to_string());
    ExitStatus::Usage
}

fn program() -> Result<PathBuf, Missing> {
    let this = env::current_exe().map_err(Missing::Lost)?;
    let of_package = env::var_os("CARGO_MANIFEST_DIR").is_some_and(|package| package == PACKAGE);
    match env::var_os("CARGO").filter(|_| of_package) {
        Some(cargo) => build(&cargo, &this),
        None => beside(&this),
    }
}

fn beside(this: &Path) -> Result<PathBuf, Missing> {
    let program = this.with_file_name(PROGRAM);
    if program.is_file() {
        return Ok(program);
    }
    Err(Missing::NotBeside(this.parent().unwrap_or(Path::new("/")).to_path_buf()))
}

/// Has cargo build the demo as it has built `this`. It is up to date in a moment if nothing has changed.
fn build(cargo: &OsStr, this: &Path) -> Result<PathBuf, Missing> {
    // With the workspace's default packages, as `cargo run`: others would ask for other features of the dependencies, and
    // they would be built twice.
    let mut command = Command::new(cargo);
    command.args(["build", "--bin", PROGRAM, "--message-format", "json-render-diagnostics"]);
    command.arg("--manifest-path").arg(Path::new(PACKAGE).with_file_name("Cargo.toml"));
    command.arg("--profile").arg(profile(this));
    for name in env::vars_os().map(|(name, _)| name).filter(|name| is_of_package(name)) {
        command.env_remove(name);
    }
    let not_started = |error| Missing::NotStarted { program: cargo.into(), error };
    let mut building = command.stdout(Stdio::piped()).spawn().map_err(not_started)?;
    let lines = building.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines());
    let built = lines.map_while(Result::ok).filter_map(|line| executable(&line)).last();
    let ended = building.wait().map_err(not_started)?;
    built.filter(|_| ended.success()).ok_or(Missing::NotBuilt)
}

/// The profile that cargo built a program with: it lies in `target/PROFILE` or `target/TRIPLE/PROFILE`.
fn profile(this: &Path) -> OsString {
    match this.parent().and_then(Path::file_name) {
        Some(folder) if folder != "debug" => folder.to_owned(),
        _ => "dev".into(),
    }
}

/// True if cargo has set this variable to tell a program of its package. Some build scripts run again where one has changed.
fn is_of_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "OUT_DIR"
}

/// The program, if this line of cargo's JSON says where it is.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["target"]["name"] != PROGRAM {
        return None;
    }
    message["executable"].as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_program_tells_its_profile() {
        let rows = [
            ("/t/debug/mayfly", "dev"),
            ("/t/release/mayfly", "release"),
            ("/t/x86_64-unknown-linux-gnu/dist/mayfly", "dist"),
        ];
        for (program, expected) in rows {
            assert_eq!(profile(Path::new(program)), expected, "{program}");
        }
    }

    #[test]
    fn cargo_says_where_the_program_is() {
        let message = |reason: &str, target: &str, executable: Value| {
            serde_json::json!({
                "reason": reason, "target": {"kind": ["bin"], "name": target}, "executable": executable
            })
            .to_string()
        };
        let rows = [
            (
                message("compiler-artifact", PROGRAM, "/t/mayfly-demo".into()),
                Some("/t/mayfly-demo"),
            ),
            (message("compiler-artifact", "mayfly", "/t/mayfly".into()), None),
            (message("compiler-artifact", PROGRAM, Value::Null), None),
            (message("compiler-message", PROGRAM, "/t/mayfly-demo".into()), None),
            ("no JSON".to_owned(), None),
        ];
        for (line, expected) in rows {
            assert_eq!(executable(&line), expected.map(PathBuf::from), "{line}");
        }
    }
}
