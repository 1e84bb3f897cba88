//! The binary: what it says without serving.

use std::process::{Command, Output};

use crate::collector::Collector;
use crate::in_time::InTime as _;
use crate::limit::Limit;

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-gateway"));
    command.env_clear().args(arguments).envs(variables.iter().copied());
    command.output_in_time()
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

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_misspelt_name_is_said_whether_the_rest_is_right_or_wrong() {
    let warning = "warning: RATE_LIMIT_BRUST: is not read; is RATE_LIMIT_BURST meant?\n";
    let misspelt = ("RATE_LIMIT_BRUST", "1");
    let valid = "The configuration is valid.\n".to_owned();
    let good = run(&["--check-config"], &[misspelt]);
    assert_eq!(said(&good), (Some(0), valid, warning.to_owned()));
    let wrong = "LOG_VERBOSE: must be true or false\n";
    let bad = run(&["--check-config"], &[misspelt, ("LOG_VERBOSE", "perhaps")]);
    let (code, answer, text) = said(&bad);
    assert_eq!((code, &*answer), (Some(64), ""));
    assert!(
        text.starts_with(warning) && text[warning.len()..].starts_with("LOG_VERBOSE: "),
        "{text}"
    );
    assert_eq!(text.lines().count(), wrong.lines().count() + 1, "{text}");
}

#[test]
fn a_port_that_is_taken_ends_it_with_1_and_the_reason() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let port = address.port().to_string();
    let (code, answer, text) = said(&run(&[], &[("API_GATEWAY_PORT", &port)]));
    assert_eq!((code, &*answer), (Some(1), ""));
    assert!(
        text.contains(&format!("cannot listen on {address}: Address already in use")),
        "{text}"
    );
}

/// Whatever happens to the test, the process ends with it.
struct Running(
    std::process::Child,
    #[expect(dead_code, reason = "it ends the process when it takes too long")] Limit,
);

impl Running {
    fn start(mut command: Command) -> Self {
        let child = command.spawn().unwrap();
        let limit = Limit::of(child.id());
        Self(child, limit)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Many systems begin with few; the program raises the limit by itself.
#[cfg(target_os = "linux")]
#[test]
fn it_takes_as_many_descriptors_as_it_may() {
    use std::io::BufRead as _;

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new("/bin/sh");
    let script = "ulimit -S -n 200; ulimit -H -n 300; exec \"$0\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_api-gateway")]);
    command.env_clear().env("API_GATEWAY_PORT", free.port().to_string());
    command.stderr(std::process::Stdio::piped());
    let mut running = Running::start(command);
    let mut lines = std::io::BufReader::new(running.0.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("api-gateway is listening")));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.0.id())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let files: Vec<&str> = files.split_whitespace().take(2).collect();
    assert_eq!(files, ["300", "300"], "{limits}");
}

#[test]
fn it_serves_until_it_is_told_to_stop() {
    use std::io::BufRead as _;

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = free.port().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-gateway"));
    command.env_clear().env("API_GATEWAY_PORT", &port);
    command
        .env("LOG_FORMAT", "json")
        .env("PUBLIC_HOST", "x")
        .env("ORCHESTRATOR_URL", "http://127.0.0.1:1");
    command.stderr(std::process::Stdio::piped());
    let mut running = Running::start(command);
    let mut lines = std::io::BufReader::new(running.0.stderr.take().unwrap()).lines();
    let mut next =
        || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let (warning, start) = (next().to_string(), next().to_string());
    let misspelt = "PUBLIC_HOST: is not read; is PUBLIC_HOSTS meant?";
    assert!(warning.contains(misspelt) && warning.contains("WARN"), "{warning}");
    assert!(start.contains("api-gateway is listening") && start.contains(&port), "{start}");
    let healthy = run(&["healthcheck"], &[("API_GATEWAY_PORT", &port)]);
    assert_eq!(said(&healthy), (Some(0), String::new(), String::new()));
    let id = running.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let end = next().to_string();
    assert!(end.contains("api-gateway is stopping"), "{end}");
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    let gone = run(&["healthcheck"], &[("API_GATEWAY_PORT", &port)]);
    assert_eq!((gone.status.code(), gone.stderr.is_empty()), (Some(1), false));
}

/// They are sent every few seconds, and the last ones at the end.
#[test]
fn the_last_traces_are_delivered_before_it_ends() {
    use std::io::{BufRead as _, Read as _, Write as _};

    let collector = Collector::start();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-gateway"));
    command.env_clear().env("API_GATEWAY_PORT", free.port().to_string());
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
        .env("ORCHESTRATOR_URL", "http://127.0.0.1:1");
    command.stderr(std::process::Stdio::piped());
    let mut running = Running::start(command);
    let mut lines = std::io::BufReader::new(running.0.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("api-gateway is listening")));
    let mut asking = std::net::TcpStream::connect(free).unwrap();
    asking
        .write_all(b"GET /api/v1/pools HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    asking.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let id = running.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    lines.for_each(drop);
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    let spans = collector.text();
    assert!(spans.contains("/api/v1/pools"), "{spans}");
}
