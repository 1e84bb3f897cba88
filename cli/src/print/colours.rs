//! Whether text has colours.

use std::io::{self, IsTerminal as _};

/// Whether text has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    /// A terminal shows them.
    On,
    /// There is no terminal, or `NO_COLOR` is set and not empty (<https://no-color.org>).
    Off,
}

impl Colours {
    /// As standard output and the variable have it.
    pub(crate) fn of_output() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if io::stdout().is_terminal() && !refused { Self::On } else { Self::Off }
    }
}
