//! A root file system with the simulated runner, for `docker import`.
//!
//! It holds the embedded static program and, so that `run:` steps have something to run with, this machine's own shell and
//! a few tools with the libraries they need. Nothing is downloaded. Without a shell the archive is made all the same; the
//! runner then fails such steps and says why.

mod host;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use host::Found;

static RUNNER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/runner-sim"));

/// What `docker import` must be told besides the archive, as lines of a Dockerfile.
pub const CHANGES: &[&str] = &[
    "ENTRYPOINT [\"/runner-sim\"]",
    "WORKDIR /work",
    "ENV PATH=/bin",
    "LABEL org.opencontainers.image.title=mayfly-runner-sim",
];

/// The static program itself, for tests that run it without a container; an error where it could not be built.
pub fn program() -> io::Result<&'static [u8]> {
    if RUNNER.is_empty() {
        let why = "the simulated runner is a Linux program and this build is for another system";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    Ok(RUNNER)
}

/// The archive. Reads this machine's shell and tools.
pub fn tar() -> io::Result<Vec<u8>> {
    let program = program()?;
    let mut archive = Archive::new();
    archive.directory("tmp", 0o1777)?;
    archive.directory("work", 0o1777)?;
    archive.directory("bin", 0o755)?;
    archive.directory("etc", 0o755)?;
    let passwd = "root:x:0:0:root:/work:/bin/sh\nrunner:x:1001:1001:runner:/work:/bin/sh\n";
    archive.file("etc/passwd", passwd.as_bytes(), 0o644)?;
    archive.file("etc/group", b"root:x:0:\nrunner:x:1001:\n", 0o644)?;
    archive.file("etc/nsswitch.conf", b"hosts: files dns\n", 0o644)?;
    archive.file("runner-sim", program, 0o755)?;
    for found in host::tools()? {
        match found {
            Found::File { to, from } => archive.file(&to, &std::fs::read(from)?, 0o755)?,
            Found::Link { to, target } => archive.link(&to, &target)?,
        }
    }
    archive.builder.into_inner()
}

/// A tar archive that makes parent directories as they are needed.
struct Archive {
    builder: tar::Builder<Vec<u8>>,
    directories: BTreeSet<String>,
}

impl Archive {
    fn new() -> Self {
        Self { builder: tar::Builder::new(Vec::new()), directories: BTreeSet::new() }
    }

    fn directory(&mut self, path: &str, mode: u32) -> io::Result<()> {
        if !self.directories.insert(path.to_owned()) {
            return Ok(());
        }
        let mut header = header(tar::EntryType::Directory, mode, 0);
        self.builder.append_data(&mut header, format!("{path}/"), io::empty())
    }

    fn parents(&mut self, path: &str) -> io::Result<()> {
        let parents: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
        for parent in parents.into_iter().rev() {
            let parent = parent.to_string_lossy();
            if !parent.is_empty() {
                self.directory(&parent, 0o755)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
        self.parents(path)?;
        let mut header = header(tar::EntryType::Regular, mode, content.len() as u64);
        self.builder.append_data(&mut header, path, content)
    }

    fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.parents(path)?;
        let mut header = header(tar::EntryType::Symlink, 0o777, 0);
        self.builder.append_link(&mut header, path, target)
    }
}

/// The same bytes for the same content: owner root, no time.
fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    #[test]
    fn the_archive_holds_the_program_a_shell_and_every_library_they_need() {
        let bytes = super::tar().unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entries = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let mode = entry.header().mode().unwrap();
            assert!(entries.insert(path.clone(), (mode, content)).is_none(), "{path} twice");
        }
        assert_eq!(entries["runner-sim"].1, super::program().unwrap());
        assert_eq!(entries["tmp/"].0, 0o1777);
        for path in ["bin/sh", "bin/sleep", "etc/passwd", "work/"] {
            assert!(entries.contains_key(path), "{path} is missing from {:?}", entries.keys());
        }
        if entries["bin/sh"].1.windows(6).any(|bytes| bytes == b"/ld-li") {
            assert!(entries.keys().any(|path| path.contains("/ld-linux")), "{:?}", entries.keys());
        }
    }

    /// The program header table of an ELF file names a dynamic loader (`PT_INTERP`, 3) if it needs one.
    #[test]
    fn the_program_is_static() {
        let elf = super::program().unwrap();
        let word = |at: usize, size: usize| {
            elf[at..at + size]
                .iter()
                .rev()
                .fold(0_usize, |value, &byte| value << 8 | usize::from(byte))
        };
        assert_eq!(&elf[..5], b"\x7fELF\x02", "a 64-bit ELF file");
        let (table, size, count) = (word(32, 8), word(54, 2), word(56, 2));
        assert!(count > 0);
        for index in 0..count {
            assert_ne!(word(table + index * size, 4), 3, "it asks for a dynamic loader");
        }
    }
}
