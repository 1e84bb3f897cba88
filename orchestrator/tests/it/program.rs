//! The built program: configuration errors, `--check-config`, health check, SIGTERM.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use mayfly_store::{PoolRow, Store};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::collector::Collector;
use crate::in_time::InTime as _;
use crate::limit::Limit;
use crate::support::TOKEN;

fn orchestrator(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator"));
    command.env_clear().args(arguments).envs(variables.iter().copied()).output_in_time()
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
fn the_last_line_says_why_it_does_not_start() {
    let variables =
        [("GITHUB_RUNNER_TOKEN", "replace-me"), ("RUNNER_IMAGE", "img:1"), ("MAX_RUNNER", "3")];
    for arguments in [&[][..], &["healthcheck"]] {
        let output = orchestrator(arguments, &variables);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), text.lines().count()), (Some(64), 2), "{text}");
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("GITHUB_RUNNER_TOKEN: is still the placeholder"), "{text}");
    }
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
fn the_database_of_another_program_is_no_place_for_ours() {
    let folder = std::env::temp_dir().join(format!("mayfly-foreign-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("theirs.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let before = std::fs::read(&file).unwrap();
    let path = file.to_str().unwrap();
    let variables = [
        ("GITHUB_RUNNER_TOKEN", TOKEN),
        ("RUNNER_IMAGE", "img:1"),
        ("DATABASE_PATH", path),
        ("DOCKER_HOST", "tcp://127.0.0.1:1"),
        ("ORCHESTRATOR_PORT", "1"),
    ];
    for arguments in [&[][..], &["--check-config"]] {
        let output = orchestrator(arguments, &variables);
        let text = String::from_utf8(output.stderr).unwrap();
        let line = format!(
            "DATABASE_PATH: {path}: it is the database of another program; name another file\n"
        );
        assert_eq!((output.status.code(), text), (Some(64), line), "{arguments:?}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_warned_of() {
    let file = std::env::temp_dir().join(format!("mayfly-notes-{}", uuid::Uuid::new_v4()));
    std::fs::write(&file, "notes").unwrap();
    let path = file.to_str().unwrap();
    let variables =
        [("GITHUB_RUNNER_TOKEN", TOKEN), ("RUNNER_IMAGE", "img:1"), ("DATABASE_PATH", path)];
    let output = orchestrator(&["--check-config"], &variables);
    let text = String::from_utf8(output.stderr).unwrap();
    let line = format!(
        "warning: DATABASE_PATH: {path} is damaged, or not a database: the job ledger is kept in memory until it is moved away\n"
    );
    assert!(output.status.success() && text.ends_with(&line), "{text}");
    assert_eq!(std::fs::read(&file).unwrap(), b"notes");
    std::fs::remove_file(&file).unwrap();
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

#[test]
fn a_database_that_another_orchestrator_uses_ends_the_start() {
    let folder = std::env::temp_dir().join(format!("mayfly-lock-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("mayfly.db");
    let lock = std::fs::File::create(folder.join("mayfly.db.lock")).unwrap();
    lock.lock().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let variables = [
        ("GITHUB_RUNNER_TOKEN", TOKEN),
        ("GITHUB_API_URL", "http://127.0.0.1:1"),
        ("RUNNER_IMAGE", "img:1"),
        ("DOCKER_HOST", "tcp://127.0.0.1:1"),
        ("ORCHESTRATOR_PORT", &port),
        ("DATABASE_PATH", path.to_str().unwrap()),
    ];
    let output = orchestrator(&[], &variables);
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("DATABASE_PATH: another orchestrator uses"), "{told}");
    assert!(!path.exists(), "nothing is made");
    // By another name, too.
    std::fs::write(&path, "").unwrap();
    let link = folder.join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let by_link = ("DATABASE_PATH", link.to_str().unwrap());
    let output = orchestrator(&[], &[&variables[..5], &[by_link]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "nothing is written");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Runs it until it looks at its credential, which it does with its database open, and kills it. What it said.
async fn killed(variables: &[(&str, &str)]) -> String {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_orchestrator"))
        .env_clear()
        .envs(variables.iter().copied())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            said.push_str(&line);
            said.push('\n');
            if line.contains("credential check: ") {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), reading).await.expect("it gets there");
    // SIGKILL: nothing is closed.
    child.kill().await.unwrap();
    assert!(said.contains("credential check: "), "{said}");
    said
}

#[tokio::test]
async fn a_backup_that_is_put_in_place_after_a_crash_is_used_as_it_is() {
    let folder = std::env::temp_dir().join(format!("mayfly-backup-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    let [path, log, backup] =
        ["mayfly.db", "mayfly.db-wal", "backup.db"].map(|name| folder.join(name));
    let at = jiff::Timestamp::UNIX_EPOCH;
    let pool = PoolRow {
        name: "of-the-backup".to_owned(),
        spec: "{}".to_owned(),
        revision: 1,
        created_at: at,
        updated_at: at,
        rotate_before: None,
    };
    Store::open(&backup).unwrap().save_pool(pool).await.unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let free = free.to_string();
    let variables = [
        ("GITHUB_RUNNER_TOKEN", TOKEN),
        ("GITHUB_API_URL", "http://127.0.0.1:1"),
        ("RUNNER_IMAGE", "img:1"),
        ("DOCKER_HOST", "tcp://127.0.0.1:1"),
        ("ORCHESTRATOR_PORT", &free),
        ("DATABASE_PATH", path.to_str().unwrap()),
    ];
    // Twice: it goes on with its own log after a crash.
    for _ in 0..2 {
        let said = killed(&variables).await;
        assert!(!said.contains("-wal"), "{said}");
        assert!(std::fs::metadata(&log).unwrap().len() > 0, "it was killed");
    }
    std::fs::rename(&backup, &path).unwrap();
    let before = (std::fs::read(&path).unwrap(), std::fs::read(&log).unwrap());
    let output = orchestrator(&["--check-config"], &variables);
    let expected = format!(
        "warning: DATABASE_PATH: {} was replaced or removed after a crash: the start will move the write-ahead log of the old file \
         away, rather than apply it to this one\n",
        path.display()
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    assert!((std::fs::read(&path).unwrap(), std::fs::read(&log).unwrap()) == before);

    let said = killed(&variables).await;
    let expected = format!(
        "{} was replaced or removed while it was not in use: the write-ahead log of the old file is not applied to it, and is now {}.old",
        path.display(),
        log.display()
    );
    assert_eq!(said.matches(&expected).count(), 1, "{said}");
    assert!(std::fs::read(folder.join("mayfly.db-wal.old")).unwrap() == before.1);
    let pools = Store::open(&path).unwrap().pools().await.unwrap();
    assert_eq!(pools.iter().map(|pool| &*pool.name).collect::<Vec<_>>(), ["of-the-backup"]);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Root may write anywhere, so the program is another user here.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_to_is_said_before_the_start() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    use std::os::unix::process::CommandExt as _;

    let folder = std::env::temp_dir().join(format!("mayfly-closed-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    let is_root = chown(&folder, Some(0), None).is_ok();
    let program = folder.join("orchestrator");
    std::fs::copy(env!("CARGO_BIN_EXE_orchestrator"), &program).unwrap();
    let file = folder.join("mayfly.db");
    let open = "the configuration is valid\n";
    for (mode, warned) in [(0o777, false), (0o555, true)] {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut command = Command::new(&program);
        command.env_clear().arg("--check-config").env("GITHUB_RUNNER_TOKEN", TOKEN);
        command.env("RUNNER_IMAGE", "img:1").env("DATABASE_PATH", &file);
        if is_root {
            command.uid(65534);
        }
        let output = command.output_in_time();
        assert_eq!(String::from_utf8_lossy(&output.stdout), open, "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = format!(
            "warning: DATABASE_PATH: the folder {} cannot be written to (Permission denied (os error 13)): the job ledger is kept \
             in memory until it can\n",
            folder.display()
        );
        assert_eq!(said, if warned { expected } else { String::new() });
    }
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Many systems begin with few; the program raises the limit by itself.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_takes_as_many_descriptors_as_it_may() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = free.port().to_string();
    let variables = [
        ("GITHUB_RUNNER_TOKEN", TOKEN),
        ("GITHUB_API_URL", "http://127.0.0.1:1"),
        ("RUNNER_IMAGE", "img:1"),
        ("DOCKER_HOST", "tcp://127.0.0.1:1"),
        ("ORCHESTRATOR_PORT", &port),
    ];
    let script = "ulimit -S -n 200; ulimit -H -n 300; exec \"$0\"";
    let mut child = tokio::process::Command::new("/bin/sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_orchestrator")])
        .env_clear()
        .envs(variables)
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let listening = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("orchestrator is listening") {
                return true;
            }
        }
        false
    };
    let listening = tokio::time::timeout(std::time::Duration::from_mins(1), listening).await;
    assert_eq!(listening, Ok(true));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id().unwrap())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let files: Vec<&str> = files.split_whitespace().take(2).collect();
    assert_eq!(files, ["300", "300"], "{limits}");
}

#[test]
fn a_misspelt_variable_is_said_and_what_is_doubtful_too() {
    let good = [
        ("GITHUB_RUNNER_TOKEN", TOKEN),
        ("RUNNER_IMAGE", "img:1"),
        ("RUNNER_LABELS", "gpu"),
        ("MAX_RUNNER", "3"),
    ];
    let output = orchestrator(&["--check-config"], &good);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "warning: MAX_RUNNER: is not read; is MAX_RUNNERS meant?");
    assert!(lines.len() == 2 && lines[1].starts_with("warning: RUNNER_LABELS: lacks self-hosted"));

    let output = orchestrator(&[], &[("GITHUB_RUNNER_TOKEN", TOKEN), ("RUNER_IMAGE", "img:1")]);
    assert_eq!(output.status.code(), Some(64));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        text,
        "warning: RUNER_IMAGE: is not read; is RUNNER_IMAGE meant?\nRUNNER_IMAGE: is required\n"
    );
}

#[cfg(unix)]
#[test]
fn bytes_that_are_no_text_are_the_reason_that_is_given() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator"));
    command.env_clear().arg("--check-config").env("RUNNER_IMAGE", "img:1");
    command.env("GITHUB_RUNNER_TOKEN", OsStr::from_bytes(b"ghp_\xff"));
    let text = String::from_utf8(command.output_in_time().stderr).unwrap();
    assert!(text.starts_with("GITHUB_RUNNER_TOKEN: holds bytes that are no UTF-8"), "{text}");
}

/// They are sent every few seconds, and the last ones at the end.
#[test]
fn the_last_traces_are_delivered_before_it_ends() {
    use std::io::BufRead as _;

    let collector = Collector::start();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator"));
    command.env_clear().env("ORCHESTRATOR_PORT", free.to_string());
    command.env("GITHUB_RUNNER_TOKEN", TOKEN).env("GITHUB_API_URL", "http://127.0.0.1:1");
    command.env("RUNNER_IMAGE", "img:1").env("DOCKER_HOST", "tcp://127.0.0.1:1");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let limit = Limit::of(child.id());
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
    // The first pass says what is wrong.
    assert!(lines.any(|line| line.unwrap().contains("Docker cannot be reached")));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    lines.for_each(drop);
    drop(limit);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let spans = collector.text();
    assert!(spans.contains("pass.problems"), "{spans}");
}
