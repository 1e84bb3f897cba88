//! What a person who waits looks at, on standard error: one line that changes.

use std::io::{self, IsTerminal as _, Write as _};

/// Wipes the rest of a line (ECMA-48, EL).
const WIPE: &str = "\x1b[K";

/// One line that changes, or, where there is no terminal, a line for each change.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    last: String,
}

impl Progress {
    /// Shows this in place of what was shown before.
    pub(crate) fn show(&mut self, text: &str) {
        if self.last == text {
            return;
        }
        text.clone_into(&mut self.last);
        // Where standard error is closed there is nobody to tell.
        let _ = if io::stderr().is_terminal() {
            write!(io::stderr(), "\r{text}{WIPE}")
        } else {
            writeln!(io::stderr(), "{text}")
        };
    }

    /// Shows this only on a terminal: elsewhere nobody watches a bar grow.
    pub(crate) fn show_on_terminal(&mut self, text: &str) {
        if io::stderr().is_terminal() {
            self.show(text);
        }
    }

    /// Ends the line.
    pub(crate) fn end(&self) {
        if io::stderr().is_terminal() && !self.last.is_empty() {
            let _ = writeln!(io::stderr());
        }
    }
}
