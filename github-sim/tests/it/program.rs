//! The program itself.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    for option in ["--help", "--version"] {
        for (lost, code) in [(true, 1), (false, 0)] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_github-sim"));
            command.arg(option).stderr(Stdio::null());
            match lost {
                true => command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap()),
                false => command.stdout(Stdio::null()),
            };
            assert_eq!(command.status().unwrap().code(), Some(code), "{option}");
        }
    }
}
