//! Builds the simulated runner as a static program, which `runner_image` embeds.
//!
//! It is a build of its own because it wants what the rest must not have: static linking, size before speed, no unwinding.
//! It has a target directory of its own, so that it cannot wait for the build that waits for it; one directory serves every
//! variant of this crate, so that each but the first finds it done.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// Of the outer build; here they would change what is built, where, or by whom (clippy wraps the compiler).
const NOT_INHERITED: &[&str] = &[
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
];

const PROFILE: &[(&str, &str)] = &[
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "false"),
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "symbols"),
];

fn required(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name} for build scripts"))
}

fn main() {
    for path in ["build.rs", "runner/src", "runner/Cargo.toml"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let out = PathBuf::from(required("OUT_DIR"));
    let embedded = out.join("runner-sim");
    if required("CARGO_CFG_TARGET_OS") != "linux" {
        // Containers run Linux programs; elsewhere `runner_image::tar` says that it has none.
        std::fs::write(&embedded, []).expect("OUT_DIR can be written to");
        return;
    }
    // OUT_DIR is <profile>/build/<package>/out.
    let shared = out.ancestors().nth(3).unwrap_or(&out).join("runner-sim-static");
    let target = required("TARGET");
    let mut cargo = Command::new(required("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--package", "runner-sim", "--locked"]);
    cargo.args(["--manifest-path", "runner/Cargo.toml"]);
    cargo.arg("--target").arg(&target).arg("--target-dir").arg(&shared);
    for name in NOT_INHERITED {
        cargo.env_remove(name);
    }
    cargo.envs(PROFILE.iter().copied());
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    let status = cargo.status().expect("cargo runs, since it runs this");
    assert!(status.success(), "the static build of runner-sim failed: {status}");
    let built = shared.join(target).join("release/runner-sim");
    std::fs::copy(&built, &embedded)
        .unwrap_or_else(|error| panic!("{} was just built: {error}", built.display()));
}
