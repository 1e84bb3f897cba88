//! `mayfly pool`, `runner`, `job`, `explain` and `status`, as people call them: a real gateway with a key, a real orchestrator
//! without an engine, a simulated GitHub.

#![cfg(feature = "platform")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::fs;
use std::future::pending;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use github_sim::Checked;
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[path = "../../crates/service/tests/support/in_time.rs"]
mod in_time;
#[path = "../../crates/service/tests/support/limit.rs"]
mod limit;

/// No output may hold this.
const KEY: &str = "topsecret-key-of-the-gateway-0123456789";

/// An orchestrator in memory, in which runners named `busy-…` execute a job.
#[expect(dead_code, reason = "the gateway's own tests use more of it")]
#[path = "../../api-gateway/tests/support/stub.rs"]
mod stub;

#[expect(dead_code, reason = "the doctor's own tests use more of it")]
#[path = "doctor/support.rs"]
mod support;

use in_time::InTime as _;
use limit::Limit;
use support::TOKEN;

struct Scene {
    url: String,
    folder: PathBuf,
    _sim: Checked,
}

impl Scene {
    async fn new(test: &str) -> Self {
        let sim = support::github().await;
        let (internal, public) = (free_port().await, free_port().await);
        let orchestrator = format!("http://{}", internal.local_addr().unwrap());
        let url = format!("http://{}", public.local_addr().unwrap());
        let variables = [
            ("GITHUB_API_URL", &*sim.url()),
            ("GITHUB_RUNNER_TOKEN", TOKEN),
            ("RUNNER_IMAGE", "example/runner"),
            ("DOCKER_HOST", "tcp://127.0.0.1:1"),
        ];
        let config = mayfly_settings::Config::from_variables(owned(&variables)).unwrap();
        tokio::spawn(orchestrator::run(config, internal, pending()));
        let variables = [("ORCHESTRATOR_URL", &*orchestrator), ("API_KEYS", KEY)];
        let config = api_gateway::Config::from_variables(owned(&variables)).unwrap();
        tokio::spawn(api_gateway::run(config, public, pending()));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{test}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self { url, folder, _sim: sim }
    }

    /// The same gateway before an orchestrator in memory, which has runners.
    async fn with_runners(test: &str) -> Self {
        let mut scene = Self::new(test).await;
        let public = free_port().await;
        scene.url = format!("http://{}", public.local_addr().unwrap());
        let orchestrator = format!("http://{}", stub::Stub::default().start().await);
        let variables = [("ORCHESTRATOR_URL", &*orchestrator), ("API_KEYS", KEY)];
        let config = api_gateway::Config::from_variables(owned(&variables)).unwrap();
        tokio::spawn(api_gateway::run(config, public, pending()));
        scene
    }

    async fn with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        support::mayfly_in(&self.folder, arguments, variables).await
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.with(arguments, &[("MAYFLY_URL", &self.url), ("MAYFLY_API_KEY", KEY)]).await
    }

    /// What a command that succeeds prints for people.
    async fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same for programs.
    async fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[arguments, &["--json"]].concat()).await).unwrap()
    }

    /// What a command that fails says, and its exit code.
    async fn error(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments).await;
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

async fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn the_four_commands_of_a_fleet() {
    let scene = Scene::new("fleet").await;
    let enable = [
        "pool",
        "enable",
        "--repo",
        "octo-admin/app",
        "--pool",
        "ci",
        "--labels",
        "linux,docker",
        "--min",
        "0",
        "--max",
        "10",
    ];
    let made = scene.json(&enable).await;
    assert_eq!(made["spec"]["scopes"], json!(["repo:octo-admin/app"]));
    assert_eq!(made["status"]["labels"], json!(["docker", "linux", "self-hosted"]));
    assert_eq!(
        (made["status"]["max"].as_u64(), made["status"]["state"].as_str()),
        (Some(10), Some("active"))
    );
    assert_eq!(scene.json(&enable).await["revision"], made["revision"], "again is no change");

    let scaled = scene.json(&["pool", "scale", "--pool", "ci", "--count", "50"]).await;
    assert_eq!(scaled["spec"]["min_idle"], 10, "within the pool's bounds");
    let status = scene.text(&["pool", "status", "--pool", "ci"]).await;
    assert!(status.contains("to wait") && status.contains("repo:octo-admin/app"), "{status}");
    assert!(scene.text(&["pool", "disable", "--pool", "ci"]).await.contains("serves no jobs"));
    let table = scene.text(&["pool", "list"]).await;
    assert!(
        table.lines().any(|line| line.trim_start().starts_with("ci") && line.contains("disabled")),
        "{table}"
    );
    assert!(table.lines().any(|line| line.trim_start().starts_with("default")), "{table}");
}

#[tokio::test]
async fn pools_of_a_file_are_applied_again_and_again() {
    let scene = Scene::new("apply").await;
    let file = scene.folder.join("pools.yaml");
    fs::write(&file, "pools:\n  - name: ci\n    labels: [self-hosted, linux]\n    max: 5\n  - name: gpu\n    labels: [self-hosted, gpu]\n").unwrap();
    let outcomes = |value: &Value| -> Vec<String> {
        let pools = value["pools"].as_array().unwrap();
        pools
            .iter()
            .map(|pool| {
                format!("{} {}", pool["pool"].as_str().unwrap(), pool["outcome"].as_str().unwrap())
            })
            .collect()
    };
    let apply = ["pool", "apply", "-f", "pools.yaml"];
    let tried = scene.json(&[&apply[..], &["--dry-run"]].concat()).await;
    assert_eq!(outcomes(&tried), ["ci created", "gpu created"]);
    assert_eq!(scene.json(&["pool", "list"]).await["total_count"], 1, "nothing was done");
    assert_eq!(outcomes(&scene.json(&apply).await), ["ci created", "gpu created"]);
    assert_eq!(outcomes(&scene.json(&apply).await), ["ci unchanged", "gpu unchanged"]);
    fs::write(&file, "pools:\n  - {name: ci, labels: [self-hosted, linux], max: 6}\n").unwrap();
    let text = scene.text(&[&apply[..], &["--prune", "--dry-run"]].concat()).await;
    assert_eq!(
        text,
        "~ ci: changed (not done: dry run)\n    max: 5 → 6\n- gpu: deleted (not done: dry run)\n"
    );
    assert_eq!(
        outcomes(&scene.json(&[&apply[..], &["--prune"]].concat()).await),
        ["ci changed", "gpu deleted"]
    );

    fs::write(&file, "pools:\n  - name: ci\n   max: 5\n").unwrap();
    let (code, error) = scene.error(&apply).await;
    assert!(code == 2 && error.contains("line 3"), "{error}");
    fs::write(&file, "pools:\n  - {name: a b, max: -1}\n  - {name: ok, colour: red}\n").unwrap();
    let (code, error) = scene.error(&apply).await;
    assert_eq!(code, 2);
    for part in ["pools.0.name", "pools.0.max", "pools.1.colour"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn errors_say_what_to_do_next() {
    let scene = Scene::new("errors").await;
    let (code, error) = scene.error(&["pool", "show", "none"]).await;
    let (said, id) = error.split_once("\n  request id ").unwrap();
    assert_eq!((code, said), (1, "error: There is no pool of that name."));
    assert!(id.trim_end().len() > 16, "{id}");
    let (code, error) = scene.error(&["pool", "create", "x", "--min", "5", "--max", "4"]).await;
    assert!(code == 1 && error.contains("min_idle must not be more than max"), "{error}");
    let (code, error) = scene.error(&["pool", "update", "default", "--max", "4"]).await;
    assert!(code == 1 && error.contains("environment"), "{error}");
    let (code, _) = scene.error(&["pool", "update", "x"]).await;
    assert_eq!(code, 2, "nothing to change");
    let (code, _) = scene.error(&["pool", "show"]).await;
    assert_eq!(code, 2, "no name");
    let (code, error) = scene.error(&["runner", "create", "octo-admin"]).await;
    assert!(code == 1 && error.contains("scope_name must have the form owner/repo"), "{error}");
    let (code, error) = scene.error(&["job", "show", "4711"]).await;
    assert!(code == 1 && error.contains("no such job"), "{error}");
    let (code, _) = scene.error(&["explain", "https://example.org/"]).await;
    assert_eq!(code, 2);

    let without_key = scene.with(&["status"], &[("MAYFLY_URL", &scene.url)]).await;
    let error = String::from_utf8(without_key.stderr).unwrap();
    assert!(without_key.status.code() == Some(1) && error.contains("MAYFLY_API_KEY"), "{error}");
    let nowhere = scene.with(&["status"], &[("MAYFLY_URL", "http://127.0.0.1:1")]).await;
    let error = String::from_utf8(nowhere.stderr).unwrap();
    assert!(
        nowhere.status.code() == Some(1) && error.contains("start the gateway there"),
        "{error}"
    );
    for odd in ["http://127.0.0.1:1?x=1", "http://127.0.0.1:1/#x"] {
        let output = scene.with(&["status"], &[("MAYFLY_URL", odd)]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        let named = error.contains("MAYFLY_URL: the address must end before any ? or #");
        assert!(output.status.code() == Some(2) && named, "{error}");
    }
}

#[tokio::test]
async fn a_refusal_names_the_request_by_the_id_that_the_logs_have() {
    let scene = Scene::new("request-ids").await;
    let refused: [&[&str]; 5] = [
        &["runner", "logs", "none"],
        &["runner", "logs", "none", "--follow"],
        &["runner", "show", "none"],
        &["runner", "delete", "none"],
        &["pool", "show", "none"],
    ];
    let mut ids = BTreeSet::new();
    for arguments in refused {
        let (code, error) = scene.error(arguments).await;
        let id = error.trim_end().rsplit_once("\n  request id ").map(|(_, id)| id.to_owned());
        assert!(code == 1 && id.is_some(), "{arguments:?}: {error}");
        ids.extend(id);
        let output = scene.run(&[arguments, &["--json"]].concat()).await;
        let error: Value = serde_json::from_slice(&output.stdout).unwrap();
        let id = error["error"]["request_id"].as_str();
        ids.extend(id.map(str::to_owned));
        let status = error["error"]["status"].as_u64();
        // There is no engine to have logs.
        assert!(id.is_some() && matches!(status, Some(404 | 503)), "{arguments:?}: {error}");
    }
    assert_eq!(ids.len(), 10, "each request has its own");
    // The stream of events is asked for in another way.
    let output = scene.with(&["events", "--follow"], &[("MAYFLY_URL", &scene.url)]).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("\n  request id "), "{error}");
}

#[tokio::test]
async fn a_filter_that_can_match_nothing_is_refused() {
    let scene = Scene::new("filters").await;
    let rows: [(&[&str], i32, &str); 12] = [
        (&["runner", "list", "--state", "bogus"], 2, "possible values: starting, idle"),
        (&["runner", "list", "--state", "gone"], 2, "--finished"),
        (&["runner", "list", "--finished", "--state", "busy"], 2, "leave --finished out"),
        (&["runner", "list", "--finished", "--state", "bogus"], 2, "possible values"),
        (&["runner", "list", "--pool", "a b"], 2, "letters"),
        (&["runner", "list", "--pool", "bogus"], 1, "there is no pool bogus"),
        (&["runner", "list", "--finished", "--pool", "bogus"], 1, "there is no pool bogus"),
        (&["events", "--pool", "bogus"], 1, "there is no pool bogus"),
        (&["events", "--follow", "--pool", "bogus"], 1, "there is no pool bogus"),
        (&["events", "--scope", "a/b/c"], 2, "OWNER/NAME"),
        (&["job", "list", "--status", "bogus"], 2, "possible values"),
        (&["job", "list", "--repo", "bogus"], 2, "owner/repo"),
    ];
    for (arguments, code, word) in rows {
        let (found, error) = scene.error(arguments).await;
        assert!(found == code && error.contains(word), "{arguments:?}: {found} {error}");
    }
    for arguments in [
        &["runner", "list", "--pool", "default", "--state", "idle"][..],
        &["runner", "list", "--pool", "manual"],
        &["runner", "list", "--finished", "--state", "gone"],
        &["events", "--scope", "octo-admin/app"],
    ] {
        scene.text(arguments).await;
    }
}

#[tokio::test]
async fn output_that_is_lost_is_an_error_and_a_reader_that_left_is_none() {
    let scene = Scene::new("output").await;
    let mut looks = 0;
    while scene.json(&["events", "--last", "1"]).await["last_id"] == 0 {
        looks += 1;
        assert!(looks < 1_000, "nothing happens");
    }
    let all: [&[&str]; 8] = [
        &["status"],
        &["status", "--json"],
        &["pool", "list"],
        &["runner", "list"],
        &["job", "list"],
        &["events"],
        &["events", "--follow"],
        &["top", "--once"],
    ];
    for arguments in all {
        for (lost, code) in [(true, 1), (false, 0)] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
            command.env_clear().args(arguments).env("MAYFLY_URL", &scene.url);
            command.env("MAYFLY_API_KEY", KEY).stderr(Stdio::piped());
            if lost {
                command.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
            } else {
                command.stdout(Stdio::piped());
            }
            let mut child = command.spawn().unwrap();
            drop(child.stdout.take());
            let output = tokio::task::spawn_blocking(move || child.output_in_time());
            let output = output.await.unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
            assert_eq!(said.contains("standard output cannot be written"), lost, "{said}");
        }
    }
}

#[tokio::test]
async fn a_wrong_key_is_called_wrong() {
    let scene = Scene::new("wrong-key").await;
    let wrong = "another-key-of-the-gateway-0123456789";
    let variables = [("MAYFLY_URL", &*scene.url), ("MAYFLY_API_KEY", wrong)];
    let output = scene.with(&["status"], &variables).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("none of the gateway's API_KEYS"), "{error}");
    assert!(!error.contains("Send it as") && !error.contains("set MAYFLY_API_KEY"), "{error}");
    assert!(!error.contains(wrong), "{error}");
}

#[tokio::test]
async fn a_runner_at_work_is_deleted_only_by_force() {
    let scene = Scene::with_runners("force").await;
    let create = ["runner", "create", "octo-admin/app", "--name", "busy-box"];
    scene.text(&create).await;
    let (code, error) = scene.error(&["runner", "delete", "busy-box"]).await;
    assert!(code == 1 && error.contains("executing a job"), "{error}");
    scene.text(&["runner", "delete", "--force", "busy-box"]).await;
    let (code, error) = scene.error(&["runner", "delete", "--force", "busy-box"]).await;
    assert!(code == 1 && error.contains("no runner of that id"), "{error}");
}

#[tokio::test]
async fn a_profile_names_the_gateway_and_its_key() {
    let scene = Scene::new("profile").await;
    fs::create_dir_all(scene.folder.join("mayfly")).unwrap();
    fs::write(scene.folder.join("key"), format!("{KEY}\n")).unwrap();
    let key = scene.folder.join("key");
    let profiles = format!(
        "default: {{url: 'http://127.0.0.1:1'}}\nwork: {{url: '{}', api_key_file: '{}'}}\n",
        scene.url,
        key.display()
    );
    fs::write(scene.folder.join("mayfly/profiles.yaml"), profiles).unwrap();
    let home = scene.folder.to_str().unwrap();
    let with = async |arguments: &[&str]| {
        scene.with(arguments, &[("XDG_CONFIG_HOME", home)]).await.status.code()
    };
    assert_eq!(with(&["status", "--profile", "work"]).await, Some(0));
    assert_eq!(with(&["status"]).await, Some(1), "the default one leads nowhere");
    assert_eq!(with(&["status", "--profile", "none"]).await, Some(2));
    assert_eq!(
        with(&["status", "--url", &scene.url, "--api-key-file", key.to_str().unwrap()]).await,
        Some(0)
    );
}

#[tokio::test]
async fn a_key_in_the_profile_file_is_never_shown() {
    let scene = Scene::new("profile-key").await;
    fs::create_dir_all(scene.folder.join("mayfly")).unwrap();
    let home = scene.folder.to_str().unwrap();
    let contents = [
        format!("default:\n  url: http://127.0.0.1:1\n  api_key: {KEY}\n"),
        format!("default: {KEY}\n"),
        format!("default:\n  url: [{KEY}\n"),
        format!("default:\n  url: http://127.0.0.1:1\n  {KEY}: x\n"),
    ];
    for text in contents {
        fs::write(scene.folder.join("mayfly/profiles.yaml"), &text).unwrap();
        let output = scene.with(&["status"], &[("XDG_CONFIG_HOME", home)]).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(told.contains("profiles.yaml") && told.contains("api_key_file"), "{told}");
        assert!(!told.contains(KEY), "{told}");
    }
}

#[tokio::test]
async fn status_runners_and_explanations_are_shown() {
    let scene = Scene::new("status").await;
    let status = scene.text(&["status"]).await;
    assert!(status.contains("version") && status.contains("default"), "{status}");
    assert!(scene.json(&["status"]).await["pools"].is_array());
    assert_eq!(scene.json(&["runner", "list"]).await["total_count"], 0);
    assert_eq!(scene.json(&["job", "list"]).await["total_count"], 0);
    let none = scene.text(&["job", "stats"]).await;
    assert!(none.contains("0.0") && !none.contains("-0"), "{none}");
    let sums = scene.json(&["job", "stats", "--price", "0.008"]).await;
    assert_eq!(
        (sums["repositories"].as_array().unwrap().len(), sums["cost"].as_f64()),
        (0, Some(0.0))
    );
    assert_eq!(scene.error(&["job", "stats", "--price", "much"]).await.0, 2);
    let versions = scene.json(&["version"]).await;
    assert_eq!(versions["mayfly"], versions["platform"]);
    assert!(scene.text(&["completion", "bash"]).await.contains("_mayfly"));
    // There is no engine behind this orchestrator: that is the true cause, whatever the job. GitHub does not know it, either.
    let page = "https://github.com/octo-admin/app/actions/runs/1/job/2";
    let output = scene.run(&["explain", page, "--json"]).await;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes = told["reasons"].as_array().unwrap().iter().map(|reason| &reason["code"]);
    assert!(codes.into_iter().any(|code| code == "unknown_job"), "{told}");
    assert_eq!(output.status.code(), Some(1), "a job that nobody knows is an error");
    assert_eq!(
        (told["job_id"].as_u64(), told["reasons"][0]["code"].as_str()),
        (Some(2), Some("docker"))
    );
    let output = scene.run(&["job", "explain", page]).await;
    assert!(String::from_utf8(output.stdout).unwrap().contains("Docker cannot be reached"));
}

#[tokio::test]
async fn events_are_told_and_followed_and_top_shows_one_picture() {
    let scene = Scene::new("events").await;
    // What is there at the first look is not news.
    let mut looks = 0;
    while scene.json(&["events", "--last", "1"]).await["last_id"] == 0 {
        looks += 1;
        assert!(looks < 1_000, "nothing happens");
    }
    let follow = ["events", "--follow", "--last", "0", "--kind", "pool", "--json"];
    let mut follower = Command::new(env!("CARGO_BIN_EXE_mayfly"));
    follower.env_clear().args(follow).env("MAYFLY_URL", &scene.url).env("MAYFLY_API_KEY", KEY);
    let mut follower = follower.stdout(Stdio::piped()).spawn().unwrap();
    let _limit = Limit::of(follower.id());
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    // It may begin after the pool is made: then the next change is the first it tells of.
    let told = tokio::task::spawn_blocking(move || lines.next().unwrap().unwrap());
    scene.json(&["pool", "create", "ci"]).await;
    for max in (1_u32..1_000).take_while(|_| !told.is_finished()) {
        scene.json(&["pool", "update", "ci", "--max", &max.to_string()]).await;
    }
    let told: Value = serde_json::from_str(&told.await.unwrap()).unwrap();
    assert!(told["kind"].as_str().unwrap().starts_with("pool."), "{told}");
    assert_eq!(told["pool"], "ci");
    follower.kill().unwrap();
    follower.wait().unwrap();

    let events = scene.text(&["events", "--last", "1000", "--kind", "pool", "--pool", "ci"]).await;
    assert!(events.lines().next().unwrap().ends_with("pool.created    pool ci"), "{events}");
    let problems = scene.json(&["events", "--kind", "problem"]).await;
    let problem = problems["events"][0]["message"].as_str().unwrap();
    assert!(problem.contains("Docker cannot be reached"), "{problem}");
    assert_eq!(scene.error(&["events", "--kind", "x"]).await.0, 2);

    let picture = scene.text(&["top"]).await;
    assert!(picture.contains("ci") && picture.contains("pool.c"), "{picture}");
    assert!(!picture.contains('\u{1b}'), "no terminal, no colours: {picture:?}");
    assert!(scene.json(&["top", "--once"]).await["status"]["version"].is_string());
    assert_eq!(scene.json(&["runner", "list", "--finished"]).await["total_count"], 0);
    let (code, error) = scene.error(&["runner", "show", "none"]).await;
    assert!(code == 1 && error.starts_with("error: There is no runner none.\n"), "{error}");
}

#[tokio::test]
async fn a_drain_is_begun_shown_and_ended() {
    let scene = Scene::new("drain").await;
    let text = scene.text(&["drain"]).await;
    assert!(text.starts_with("Draining since ") && text.contains("mayfly resume"), "{text}");
    assert!(text.contains("not stored"), "there is no DATABASE_PATH: {text}");
    let status = scene.text(&["status"]).await;
    assert!(status.lines().any(|line| line.starts_with("draining")), "{status}");
    // There is no engine behind this orchestrator: nobody can tell what is left.
    let (code, error) = scene.error(&["drain", "--wait", "--timeout", "1"]).await;
    assert!(code == 1 && error.contains("after 1 s; the drain goes on"), "{error}");
    let (code, error) = scene.error(&["uninstall"]).await;
    assert!(code == 2 && error.contains("--yes"), "{error}");
    let (code, error) = scene.error(&["uninstall", "--yes", "--timeout", "1"]).await;
    assert!(code == 1 && error.contains("the drain goes on"), "{error}");
    assert_eq!(scene.error(&["drain", "--timeout", "1"]).await.0, 2, "only with --wait");
    assert_eq!(scene.json(&["resume"]).await["draining"], false);
    let status = scene.text(&["status"]).await;
    assert!(!status.lines().any(|line| line.starts_with("draining")), "{status}");
}

#[tokio::test]
async fn uninstall_by_force_ends_runners_of_all_pages_whatever_the_rate_limit() {
    let scene = Scene::with_runners("all-pages").await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for number in 0..12 {
        let wanted = json!({
            "scope": "repo", "scope_name": "octo-admin/app", "runner_name": format!("busy-{number}"), "count": 10
        });
        let request = client.post(format!("{}/api/v1/runners", scene.url)).bearer_auth(KEY);
        let made = request.json(&wanted).send().await.unwrap();
        assert_eq!(made.status(), 201);
    }
    let text = scene.text(&["uninstall", "--yes", "--force", "--timeout", "60"]).await;
    assert!(text.contains("except the images that were pulled"), "{text}");
}

#[tokio::test]
async fn automatic_mode_that_is_off_is_said_where_runners_are_waited_for() {
    let scene = Scene::new("automatic").await;
    let status = scene.text(&["status"]).await;
    assert!(status.contains("OFF") && status.contains("AUTO_CREATE_RUNNERS=true"), "{status}");
    let create = ["pool", "create", "ci", "--repo", "octo-admin/app", "--labels", "linux"];
    scene.text(&create).await;
    let scale = ["pool", "scale", "ci", "--count", "1", "--wait", "--timeout", "600"];
    let (code, said) = scene.error(&scale).await;
    assert!(code == 1 && said.contains("0 of 1 runners wait: AUTO_CREATE_RUNNERS"), "{said}");
}

#[tokio::test]
async fn every_variable_is_cleaned_or_refused_by_its_name() {
    let scene = Scene::new("variables").await;
    let url = ("MAYFLY_URL", &*scene.url);
    let hook = ["webhook", "status", "--repo", "o/r"];
    let stats = ["job", "stats"];
    let token = ("GITHUB_RUNNER_TOKEN", "ghp_0123456789abcdef0123456789abcdef0123");
    let quoted = format!("'{}'", scene.url);
    let rows = [
        (&["status"][..], ("MAYFLY_URL", &*quoted)),
        (&["status"], ("MAYFLY_URL", "127.0.0.1")),
        (&["status"], ("MAYFLY_API_KEY_FILE", "\"/key\"")),
        (&["status"], ("MAYFLY_PROFILE", "\"x\"")),
        (&hook, ("MAYFLY_WEBHOOK_URL", "'https://a.example/webhooks/github'")),
        (&stats, ("MAYFLY_PRICE_PER_MINUTE", "\"1\"")),
        (&stats, ("MAYFLY_PRICE_PER_MINUTE", "much")),
    ];
    for (arguments, variable) in rows {
        let mut variables = vec![url, token];
        variables.retain(|(name, _)| *name != variable.0);
        variables.push(variable);
        let output = scene.with(arguments, &variables).await;
        let said = String::from_utf8(output.stderr).unwrap();
        let start = format!("error: {}: ", variable.0);
        assert!(said.starts_with(&start) && output.status.code() == Some(2), "{said}");
    }
    let lines = format!("{}\r\n", scene.url);
    let key = ("mayfly_api_key", KEY);
    let variables = [("mayfly_url", &*lines), ("MAYFLY_PRICE_PER_MINUTE", "0.5\r"), key];
    let output = scene.with(&stats, &variables).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn what_surrounds_a_key_is_the_reason_and_a_misspelt_variable_is_named() {
    let scene = Scene::new("quotes").await;
    let quoted = format!("\"{KEY}\"");
    let variables = [("MAYFLY_URL", &*scene.url), ("MAYFLY_API_KEY", &*quoted)];
    let output = scene.with(&["status"], &variables).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("MAYFLY_API_KEY: is in quotation marks"), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
    let carriage_return = format!("{KEY}\r");
    let variables = [
        ("MAYFLY_URL", &*scene.url),
        ("MAYFLY_API_KEY", &*carriage_return),
        ("MAYFLY_PROFIL", "x"),
    ];
    let output = scene.with(&["status"], &variables).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "warning: MAYFLY_PROFIL: is not read; is MAYFLY_PROFILE meant?\n");
}
