//! What programs print that tests start, within a limit: one that hangs fails its test, rather than stopping all tests. Each crate's
//! tests take this in.

use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a program may take. Most take milliseconds; the slowest, with containers on a busy machine, a minute.
const LIMIT: Duration = Duration::from_mins(5);

/// A program that is run to its end.
pub(crate) trait InTime {
    /// As `output()` and `wait_with_output()`.
    ///
    /// Panics: it cannot be started, or takes too long.
    fn output_in_time(self) -> Output;
}

impl InTime for &mut Command {
    fn output_in_time(self) -> Output {
        let command = self.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("a program that can be started").output_in_time()
    }
}

impl InTime for Child {
    fn output_in_time(self) -> Output {
        output_within(self, LIMIT)
    }
}

/// What a program prints and how it ends.
///
/// Panics: it takes longer than `limit`.
pub(crate) fn output_within(child: Child, limit: Duration) -> Output {
    let id = child.id();
    // Not a scoped thread: what holds the output open may live on when the program is killed.
    let (done, end) = mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let Ok(output) = end.recv_timeout(limit) else {
        // Nobody waited for it, so that its id is no other's.
        let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        panic!("the program did not end within {limit:?}");
    };
    output.expect("the output of a program")
}
