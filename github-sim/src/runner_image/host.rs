//! This machine's shell and tools, with the libraries they need.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What scripts of the demonstration and of tests call. What this machine lacks is left out.
const TOOLS: &[&str] = &[
    "sh", "cat", "cp", "date", "echo", "env", "false", "grep", "head", "hostname", "id", "ls",
    "mkdir", "mv", "printf", "pwd", "rm", "sed", "seq", "sleep", "sort", "tail", "test", "touch",
    "tr", "true", "uname", "wc",
];

const PLACES: &[&str] = &["/bin", "/usr/bin", "/usr/local/bin"];

/// Something for the archive; paths are relative to its root.
pub(super) enum Found {
    /// A copy of a file.
    File {
        /// Its path in the archive.
        to: String,
        /// Its path on this machine.
        from: PathBuf,
    },
    /// Another name of a program that looks at its own (busybox and its like).
    Link {
        /// Its path in the archive.
        to: String,
        /// What it points at.
        target: String,
    },
}

/// The tools this machine has, and their libraries.
pub(super) fn tools() -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut known: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut libraries = BTreeSet::new();
    for tool in TOOLS {
        let mut places = PLACES.iter().map(|place| Path::new(place).join(tool));
        // The canonical path is the file itself, behind any number of symbolic links.
        let Some(from) = places.find_map(|path| path.canonicalize().ok()) else {
            tracing::debug!(tool, "not on this machine; left out of the runner image");
            continue;
        };
        let to = format!("bin/{tool}");
        if let Some(first) = known.get(&from) {
            let target = first.clone();
            found.push(Found::Link { to, target });
            continue;
        }
        known.insert(from.clone(), (*tool).to_owned());
        libraries.extend(libraries_of(&from)?);
        found.push(Found::File { to, from });
    }
    for library in libraries {
        let to = library.trim_start_matches('/').to_owned();
        found.push(Found::File { to, from: PathBuf::from(library) });
    }
    Ok(found)
}

/// What the dynamic loader would load for a program, the loader included. None for a static one or a script.
fn libraries_of(program: &Path) -> io::Result<BTreeSet<String>> {
    let output = Command::new("ldd").arg(program).output()?;
    Ok(parse_ldd(&String::from_utf8_lossy(&output.stdout)))
}

/// The absolute paths in what `ldd` prints: `name => /path (address)` or `/path (address)`.
fn parse_ldd(text: &str) -> BTreeSet<String> {
    let path = |line: &str| {
        let line = line.split_once("=>").map_or(line, |(_, path)| path);
        let path = line.trim().split(" (").next().unwrap_or_default().trim();
        path.starts_with('/').then(|| path.to_owned())
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::parse_ldd;

    #[test]
    fn ldd_of_both_c_libraries() {
        let glibc = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let found: Vec<_> = parse_ldd(glibc).into_iter().collect();
        assert_eq!(found, ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
        let musl = "\t/lib/ld-musl-x86_64.so.1 (0x7f)\n\tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f)\n";
        let found: Vec<_> = parse_ldd(musl).into_iter().collect();
        assert_eq!(found, ["/lib/ld-musl-x86_64.so.1"]);
        assert!(parse_ldd("\tnot a dynamic executable\n\tstatically linked\n").is_empty());
    }
}
