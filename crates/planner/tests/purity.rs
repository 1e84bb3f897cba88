//! Reads the sources of what decides, and fails if they do anything else.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

/// All that decides, by files and folders below the workspace.
const CORE: [&str; 6] = [
    "crates/planner/src",
    "crates/workflow/src",
    "crates/settings/src/host.rs",
    "crates/settings/src/pool.rs",
    "crates/github/src/redelivery.rs",
    "crates/settings/src/template.rs",
];

/// What a decision may not use: other tasks, the clock, the network, the disk, the environment, chance, the log.
const IMPURE: [&str; 18] = [
    "async ",
    ".await",
    "tokio",
    "futures",
    "bollard",
    "reqwest",
    "axum",
    "rusqlite",
    "Timestamp::now",
    "Instant::now",
    "SystemTime",
    "std::fs",
    "std::env",
    "std::net",
    "std::thread",
    "uuid",
    "rand::",
    "tracing",
];

fn sources(at: &Path, found: &mut Vec<PathBuf>) {
    if at.is_dir() {
        for entry in std::fs::read_dir(at).unwrap() {
            sources(&entry.unwrap().path(), found);
        }
    } else if at.extension().is_some_and(|extension| extension == "rs") {
        found.push(at.to_owned());
    }
}

/// All paths that imports name, however they are grouped.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, word) in code.match_indices("use ") {
        let tree = code[at + word.len()..].split(';').next().unwrap_or_default();
        let (mut path, mut prefixes) = (String::new(), vec![String::new()]);
        for letter in tree.chars().filter(|letter| !letter.is_whitespace()) {
            match letter {
                '{' => prefixes.push(path.clone()),
                ',' => found.push(std::mem::replace(&mut path, prefixes.last().unwrap().clone())),
                '}' if prefixes.len() > 1 => drop(prefixes.pop()),
                _ => path.push(letter),
            }
        }
        found.push(path);
    }
    found
}

/// The words of [`IMPURE`] that a source uses.
fn impure(code: &str) -> Vec<&'static str> {
    let imported = imports(code);
    let named = |word: &str| imported.iter().any(|path| path.starts_with(word));
    IMPURE.into_iter().filter(|word| code.contains(word) || named(word)).collect()
}

#[test]
fn what_is_impure_is_found_in_groups_of_imports() {
    let rows = [
        ("use std::fs;", vec!["std::fs"]),
        ("use std::{fs, env};", vec!["std::fs", "std::env"]),
        (
            "use std::{\n    collections::{BTreeMap, BTreeSet},\n    net::IpAddr,\n};",
            vec!["std::net"],
        ),
        ("use std::{fmt, {thread::sleep}};", vec!["std::thread"]),
        ("use std::{collections::BTreeMap, fmt};\nuse jiff::Timestamp;", vec![]),
        ("let x = std::env::var(\"X\");", vec!["std::env"]),
    ];
    for (code, expected) in rows {
        assert_eq!(impure(code), expected, "{code}");
    }
}

#[test]
fn the_core_stays_pure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for part in CORE {
        assert!(root.join(part).exists(), "{part}");
        sources(&root.join(part), &mut files);
    }
    for nested in ["crates/planner/src/plan/jobs.rs", "crates/workflow/src/expression/parse.rs"] {
        assert!(files.contains(&root.join(nested)), "{nested} is not read");
    }
    for path in files {
        let source = std::fs::read_to_string(&path).unwrap();
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        assert!(impure(code).is_empty(), "{} must not use {:?}", path.display(), impure(code));
    }
}
