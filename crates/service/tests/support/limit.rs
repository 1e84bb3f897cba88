//! A limit for programs that tests start, read from and wait for: one that hangs fails its test, rather than stopping all tests. Each
//! crate's tests take this in.

use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long a program may live. Most live for milliseconds; the slowest, with containers on a busy machine, a minute.
const LIMIT: Duration = Duration::from_mins(5);

/// Kills a program that lives too long, which ends its output and the wait for it. Drop this before anything else can get its id.
pub(crate) struct Limit {
    _stop: Sender<()>,
}

impl Limit {
    /// For the process `id`.
    pub(crate) fn of(id: u32) -> Self {
        let (stop, stopped) = channel();
        std::thread::spawn(move || {
            if stopped.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
            }
        });
        Self { _stop: stop }
    }
}
