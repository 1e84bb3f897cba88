//! Standard output that cannot be written, or that nobody reads any more.

#![cfg(feature = "platform")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

#[path = "../../crates/service/tests/support/in_time.rs"]
mod in_time;

use in_time::InTime as _;

/// Commands that need neither a gateway nor GitHub nor Docker, each with its exit code where its output can be written.
const COMMANDS: [(&[&str], i32); 8] = [
    (&["--help"], 0),
    (&["runner", "list", "--help"], 0),
    (&["--version"], 0),
    (&["version"], 0),
    (&["completion", "bash"], 0),
    (&["scan", "workflow.yml"], 0),
    (&["scan", "--json", "workflow.yml"], 0),
    (&["doctor", "clock"], 1),
];

/// A folder with a workflow, written once: the tests run beside each other.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("output");
    fs::create_dir_all(&folder).unwrap();
    let workflow = "jobs:\n  a:\n    runs-on: self-hosted\n    steps: [{run: 'true'}]\n";
    fs::write(folder.join("workflow.yml"), format!("on: push\n{workflow}")).unwrap();
    folder
});

fn mayfly(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
    command.env_clear().args(arguments).current_dir(&*FOLDER);
    command.env("MAYFLY_URL", "http://127.0.0.1:1").env("DOCKER_HOST", "tcp://127.0.0.1:1");
    command
}

#[test]
fn output_that_is_lost_is_an_error() {
    for (arguments, _) in COMMANDS {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = mayfly(arguments).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.output_in_time();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("standard output cannot be written: No space left"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    for (arguments, code) in COMMANDS {
        let mut child =
            mayfly(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.output_in_time();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(!said.contains("standard output") && !said.contains("panicked"), "{said}");
    }
}
