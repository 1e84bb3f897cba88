//! The binary: what it says without serving.

use std::process::{Command, Output};

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-gateway"));
    command.env_clear().args(arguments).envs(variables.iter().copied());
    command.output().unwrap()
}

#[test]
fn a_good_configuration_is_confirmed() {
    let output = run(&["--check-config"], &[("API_KEYS", "0123456789abcdef")]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "The configuration is valid.\n");
}

#[test]
fn a_bad_one_ends_with_64_and_every_reason_but_no_secret() {
    let variables = [("API_KEYS", "tooshort"), ("LOG_LEVEL", "LOUD"), ("REQUEST_TIMEOUT", "soon")];
    for arguments in [&["--check-config"][..], &[]] {
        let output = run(arguments, &variables);
        assert_eq!(output.status.code(), Some(64));
        let said = String::from_utf8(output.stderr).unwrap();
        for variable in ["API_KEYS: ", "LOG_LEVEL: ", "REQUEST_TIMEOUT: "] {
            assert!(said.contains(variable), "{said}");
        }
        assert!(!said.contains("tooshort"), "{said}");
    }
}

#[test]
fn version_health_check_and_nonsense() {
    let version = run(&["--version"], &[]);
    let expected = format!("api-gateway {}\n", mayfly_common::VERSION);
    assert_eq!(String::from_utf8(version.stdout).unwrap(), expected);
    // Port 1: nobody listens.
    assert_eq!(run(&["healthcheck"], &[("API_GATEWAY_PORT", "1")]).status.code(), Some(1));
    assert_eq!(run(&["healthcheck"], &[("API_GATEWAY_PORT", "x")]).status.code(), Some(64));
    assert_eq!(run(&["serve"], &[]).status.code(), Some(64));
}

#[test]
fn help_is_no_mistake_and_says_where_the_variables_are() {
    for argument in ["--help", "-h", "help"] {
        // Not even a wrong configuration is in its way.
        let output = run(&[argument], &[("API_KEYS", "short")]);
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{argument}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("--check-config") && said.contains("healthcheck"), "{said}");
        assert!(argument == "-h" || said.contains(".env.example"), "{said}");
    }
}
