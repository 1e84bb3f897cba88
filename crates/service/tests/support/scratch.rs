//! A file for one test. Each crate's unit tests take this in.

use std::path::PathBuf;

/// A file that goes with this.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A file with this content; `name` is of one test only.
    pub(crate) fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(format!("mayfly-test-{name}-{}", std::process::id()));
        std::fs::write(&path, content).expect("a file for a test can be written");
        Self(path)
    }

    pub(crate) fn path(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
