//! The program itself.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use crate::in_time::InTime as _;

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    for option in ["--help", "--version"] {
        for (path, code) in [("/dev/full", 1), ("/dev/null", 0)] {
            let output = OpenOptions::new().write(true).open(path).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_github-sim"));
            command.arg(option).stdout(output).stderr(Stdio::null());
            let ended = command.spawn().unwrap().output_in_time();
            assert_eq!(ended.status.code(), Some(code), "{option}");
        }
    }
}
