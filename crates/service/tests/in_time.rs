//! The limits of programs that tests start hold.

#[path = "support/in_time.rs"]
mod support;

use std::process::Command;
use std::time::Duration;

use support::{InTime as _, output_within};

#[test]
#[should_panic(expected = "the program did not end within 50ms")]
fn a_program_that_hangs_fails_its_test() {
    let hanging = Command::new("sleep").arg("600").spawn().expect("a program of every system");
    output_within(hanging, Duration::from_millis(50));
}

#[test]
fn what_a_program_prints_is_read_to_its_end() {
    let output = Command::new("sh").args(["-c", "echo out; echo err >&2; exit 7"]).output_in_time();
    assert_eq!((output.status.code(), &*output.stdout), (Some(7), &b"out\n"[..]));
    assert_eq!(output.stderr, b"err\n");
}
