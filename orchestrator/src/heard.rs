//! What is logged on a test's thread.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mayfly_service::telemetry::{Logging, dispatch};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

/// The log, from now until the guard goes.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    pub(crate) fn begin() -> (Self, DefaultGuard) {
        // Where there is one alone, a test without any that comes first to a place in the code switches it off for all.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| dispatch(Logging::default(), std::io::sink));
        let heard = Self::default();
        let writer = heard.clone();
        let guard = dispatch(Logging::default(), move || writer.clone());
        (heard, tracing::dispatcher::set_default(&guard))
    }

    /// The lines that hold these words.
    pub(crate) fn lines(&self, words: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
    }
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
