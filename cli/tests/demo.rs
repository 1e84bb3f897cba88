//! How `mayfly demo` finds the program that it starts. What that does is tested where it is, in `demo`.

#![cfg(feature = "platform")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "../../crates/service/tests/support/in_time.rs"]
mod in_time;

use in_time::InTime as _;

/// `mayfly` in a folder of its own.
struct Installed(PathBuf);

impl Installed {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("demo-{test}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let mayfly = env!("CARGO_BIN_EXE_mayfly");
        fs::hard_link(mayfly, folder.join("mayfly")).unwrap();
        Self(folder)
    }

    /// With a script beside it.
    fn with(self, program: &str, script: &str) -> Self {
        let path = self.0.join(program);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn demo(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(self.0.join("mayfly"));
        command.env_clear().arg("demo").args(arguments);
        command.envs(variables.iter().copied()).output_in_time()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_program_beside_it_takes_over_with_the_same_arguments() {
    let installed = Installed::new("beside").with("mayfly-demo", "echo \"$@\"; exit 7");
    let output = installed.demo(&["--jobs", "3", "--exit", "--log-level=info"], &[]);
    assert_eq!(text(&output.stdout), "--jobs 3 --exit --log-level=info\n");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
}

#[test]
fn wrong_arguments_and_help_do_not_start_it() {
    let installed = Installed::new("arguments").with("mayfly-demo", "echo started");
    let wrong = installed.demo(&["--jobs", "0"], &[]);
    assert_eq!((wrong.status.code(), text(&wrong.stdout)), (Some(2), ""), "{wrong:?}");
    let help = installed.demo(&["--help"], &[]);
    let said = text(&help.stdout);
    assert!(help.status.success() && !said.contains("started"), "{said}");
    assert!(said.contains("--jobs <JOBS>") && said.contains("a simulated GitHub"), "{said}");
}

#[test]
fn where_it_is_missing_the_error_says_where_to_get_it() {
    let installed = Installed::new("missing");
    let output = installed.demo(&[], &[]);
    let said = text(&output.stderr);
    let place = format!("error: mayfly-demo is not in {}\n", installed.0.display());
    assert!(said.starts_with(&place), "{said}");
    assert!(said.contains("cargo build --release -p mayfly-demo"), "{said}");
    assert_eq!(output.status.code(), Some(2));
}

/// A cargo that says what it is asked for, and where the program is.
const CARGO: &str = r#"here=${0%/*}
echo "$@" $CARGO_MANIFEST_DIR $CARGO_PKG_NAME $OUT_DIR >"$here/asked"
echo '{"reason":"compiler-artifact","target":{"name":"mayfly-demo"},"executable":"'"$here"'/built"}'"#;

#[test]
fn under_cargo_run_it_is_built_first() {
    let of = |test: &str, cargo: &str| {
        Installed::new(test)
            .with("cargo", cargo)
            .with("built", "echo built: \"$@\"")
            .with("mayfly-demo", "echo beside")
    };
    let run = |installed: &Installed, package: &str| {
        let cargo = installed.0.join("cargo");
        let variables = [
            ("CARGO", cargo.to_str().unwrap()),
            ("CARGO_MANIFEST_DIR", package),
            ("CARGO_PKG_NAME", "mayfly"),
            ("OUT_DIR", "/t/out"),
        ];
        installed.demo(&["--exit"], &variables)
    };
    let installed = of("cargo", CARGO);
    let output = run(&installed, env!("CARGO_MANIFEST_DIR"));
    assert_eq!(text(&output.stdout), "built: --exit\n", "{output:?}");
    let asked = fs::read_to_string(installed.0.join("asked")).unwrap();
    assert!(asked.starts_with("build --bin mayfly-demo "), "{asked}");
    assert!(asked.ends_with("/Cargo.toml --profile demo-cargo\n"), "{asked}");

    let installed = of("failing", &format!("{CARGO}\nexit 101"));
    let output = run(&installed, env!("CARGO_MANIFEST_DIR"));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(text(&output.stderr), "error: mayfly-demo cannot be built\n");
    assert_eq!(output.status.code(), Some(2));

    // Started by cargo for another package, it is as good as installed.
    let output = run(&of("other", CARGO), "/somewhere/else");
    assert_eq!(text(&output.stdout), "beside\n", "{output:?}");
}
