//! The built program: configuration errors, `--check-config`, health check, SIGTERM.

use std::process::{Command, Output};

use crate::support::TOKEN;

fn orchestrator(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator"));
    command.env_clear().args(arguments).envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn every_configuration_problem_is_printed_and_the_exit_code_is_64() {
    let variables = [
        ("RUNNER_CHECK_INTERVAL", "1"),
        ("runnerenv_A", "{nope}"),
        ("GITHUB_API_URL", "nowhere"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
    ];
    let output = orchestrator(&[], &variables);
    assert_eq!(output.status.code(), Some(64));
    let text = String::from_utf8(output.stderr).unwrap();
    for variable in [
        "GITHUB_RUNNER_TOKEN: ",
        "RUNNER_IMAGE: ",
        "RUNNER_CHECK_INTERVAL: ",
        "runnerenv_A: ",
        "GITHUB_API_URL: ",
        "OTEL_EXPORTER_OTLP_ENDPOINT: ",
    ] {
        assert_eq!(
            text.lines().filter(|line| line.starts_with(variable)).count(),
            1,
            "{variable} in\n{text}"
        );
    }
    assert_eq!(text.lines().count(), 6, "{text}");
}

#[test]
fn checking_the_configuration_connects_to_nothing() {
    let good = [
        ("GITHUB_RUNNER_TOKEN", TOKEN),
        ("RUNNER_IMAGE", "img:1"),
        ("DOCKER_HOST", "tcp://127.0.0.1:1"),
    ];
    let output = orchestrator(&["--check-config"], &good);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"the configuration is valid\n");
    assert!(!format!("{output:?}").contains(TOKEN));
    assert_eq!(orchestrator(&["--check-config"], &good[1..]).status.code(), Some(64));
}

#[test]
fn help_is_no_mistake_and_a_wrong_argument_is_one_that_a_restart_does_not_mend() {
    let help = orchestrator(&["--help"], &[]);
    assert_eq!((help.status.code(), &*help.stderr), (Some(0), &b""[..]));
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains(".env.example") && help.contains("--check-config"), "{help}");
    let version = orchestrator(&["--version"], &[]);
    let expected = format!("orchestrator {}\n", mayfly_common::VERSION);
    assert_eq!(String::from_utf8(version.stdout).unwrap(), expected);
    assert_eq!(orchestrator(&["serve"], &[]).status.code(), Some(64));
}

#[test]
fn the_health_check_fails_where_nothing_listens() {
    let good =
        [("GITHUB_RUNNER_TOKEN", TOKEN), ("RUNNER_IMAGE", "img:1"), ("ORCHESTRATOR_PORT", "1")];
    assert_eq!(orchestrator(&["healthcheck"], &good).status.code(), Some(1));
}
