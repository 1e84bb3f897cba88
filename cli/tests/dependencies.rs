//! What is linked into what: the trees that Cargo resolves hold the walls that docs/ARCHITECTURE.md draws.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::process::Command;

#[path = "../../crates/service/tests/support/in_time.rs"]
mod in_time;

use in_time::InTime as _;

/// The names of all packages in the tree that these options select, what only builds and tests need aside.
fn tree(options: &str) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"]);
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    command.args(["--manifest-path", manifest, "--format", "{p}"]);
    let output = command.args(options.split(' ')).output_in_time();
    assert!(output.status.success(), "{options}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn no_program_carries_what_it_does_not_need() {
    let rows: [(&str, &str, &[&str]); 3] = [
        // The demo carries them.
        (
            "-p mayfly",
            "mayfly-settings",
            &["api-gateway", "axum", "github-sim", "opentelemetry", "orchestrator", "rusqlite"],
        ),
        (
            "-p mayfly --no-default-features --features scan",
            "mayfly-workflow",
            &["axum", "bollard", "hyper", "reqwest", "rusqlite", "tokio", "tower"],
        ),
        // The core has no way to do anything.
        (
            "-p mayfly-planner",
            "mayfly-workflow",
            &["axum", "bollard", "hyper", "reqwest", "rusqlite", "tokio", "tower"],
        ),
    ];
    for (options, present, absent) in rows {
        let tree = tree(options);
        assert!(tree.contains(present), "{options}: {tree:?}");
        let found: Vec<&&str> = absent.iter().filter(|name| tree.contains(**name)).collect();
        assert!(found.is_empty(), "{options}: {found:?} are in the tree");
    }
}
