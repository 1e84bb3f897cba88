//! A demo that is killed, on the real engine: the next one removes what it left, and nothing of one that lives.
//!
//! `MAYFLY_TEST_DOCKER=0` leaves this out: it shows as ignored (build.rs).

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

#[path = "../../crates/service/tests/support/in_time.rs"]
mod in_time;
#[path = "../../crates/service/tests/support/limit.rs"]
mod limit;

use in_time::InTime as _;
use limit::Limit;

/// A demo that stays up until it is ended.
struct Demo {
    process: Child,
    log: Lines<BufReader<ChildStderr>>,
    /// Its name, which all that it makes carries.
    name: String,
    limit: Option<Limit>,
}

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly-demo"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Demo {
    /// Starts one, and waits until it has a runner.
    fn with_a_runner() -> Self {
        let mut process = demo(&["--jobs", "6", "--log-level", "INFO"]).spawn().unwrap();
        let limit = Limit::of(process.id());
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut demo = Self { process, log, name: String::new(), limit: Some(limit) };
        let configured = demo.line_with("network=mayfly-");
        let (_, rest) = configured.split_once("network=mayfly-").unwrap();
        rest.split_whitespace().next().unwrap().clone_into(&mut demo.name);
        demo.line_with("runner started");
        demo
    }

    fn line_with(&mut self, words: &str) -> String {
        let mut seen = String::new();
        for line in self.log.by_ref().map(Result::unwrap) {
            if line.contains(words) {
                return line;
            }
            seen += &line;
            seen.push('\n');
        }
        panic!("the demo ended without {words:?}:\n{seen}");
    }

    fn send(&mut self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        // What it still says must not fill the pipe.
        self.log.by_ref().for_each(drop);
        drop(self.limit.take());
        self.process.wait().unwrap();
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Only a test that failed comes here with a process that runs or with something left.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let remove = "docker ps -aq --filter label=dev.mayfly.instance=$0 | xargs -r docker rm -f; \
                      docker network rm mayfly-$0; docker rmi -f mayfly-demo-runner:$0";
        let quietly = Command::new("sh").args(["-c", remove, &self.name]).output();
        drop(quietly);
    }
}

/// The ids of a demo's containers, its network and its image.
fn left(name: &str) -> [Vec<String>; 3] {
    let ids = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).output_in_time();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    };
    [
        ids(&["ps", "-aq", "--filter", &format!("label=dev.mayfly.instance={name}")]),
        ids(&["network", "ls", "-q", "--filter", &format!("name=^mayfly-{name}$")]),
        ids(&["images", "-q", &format!("mayfly-demo-runner:{name}")]),
    ]
}

#[test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
fn what_a_killed_demo_left_goes_with_the_next_one_and_what_a_living_one_has_stays() {
    let mut killed = Demo::with_a_runner();
    killed.send("-KILL");
    assert!(left(&killed.name).iter().all(|kind| !kind.is_empty()), "{:?}", left(&killed.name));

    let mut living = Demo::with_a_runner();
    assert!(left(&killed.name).iter().all(Vec::is_empty), "{:?}", left(&killed.name));

    let [_, network, image] = left(&living.name);
    let mut next = demo(&["--jobs", "1", "--warm", "1", "--exit", "--json"]);
    let next = next.stdout(Stdio::piped()).output_in_time();
    let said = String::from_utf8_lossy(&next.stderr);
    assert!(next.status.success() && !said.contains(&living.name), "{said}");
    let summary: Value = serde_json::from_slice(&next.stdout).unwrap();
    let waited = summary["warm"]["queue_to_running_ms"]["p95"].as_u64();
    assert!(
        summary["warm"]["jobs"] == 3 && waited.is_some_and(|ms| (1..60_000).contains(&ms)),
        "{summary}"
    );
    let [_, network_after, image_after] = left(&living.name);
    assert_eq!((network_after, image_after), (network, image));

    living.send("-INT");
    assert!(left(&living.name).iter().all(Vec::is_empty), "{:?}", left(&living.name));
}
