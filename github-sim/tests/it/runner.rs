//! The simulated runner's real program, as a process on this machine.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use github_sim::world::model::{Conclusion, JobSpec, Status};
use github_sim::world::{TokenKind, World};
use github_sim::{Checked, Sim, SimConfig};
use serde_json::json;
use tokio::time::timeout;

use crate::limit::Limit;
use crate::support::{post, scope, slug, spec};

/// Far beyond what any of these takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory with the program in it, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("runner-sim-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        let program = path.join("runner-sim");
        std::fs::write(&program, github_sim::runner_image::program().expect("a Linux build"))
            .expect("a file");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))
            .expect("my file");
        Self(path)
    }

    fn start(&self, env: &[(&str, &str)]) -> Child {
        Command::new(self.0.join("runner-sim"))
            .current_dir(&self.0)
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("my directory");
    }
}

async fn simulator() -> Checked {
    let sim = Checked::start(SimConfig::default()).await.expect("a listener");
    let url = sim.url();
    sim.set_public_url(url);
    let body = json!({"repo": "octo-org/tools"});
    assert_eq!(post(&sim, "/_sim/repos", body).await.status, 201);
    sim
}

async fn jit_config(sim: &Sim) -> String {
    let body = json!({"name": "r1", "runner_group_id": 1, "labels": ["self-hosted"]});
    let made = post(sim, "/orgs/octo-org/actions/runners/generate-jitconfig", body).await;
    made.json()["encoded_jit_config"].as_str().expect("a text").to_owned()
}

fn queue(sim: &Sim, job: JobSpec) -> u64 {
    sim.with(|world| world.queue_job(&slug("octo-org/tools"), job).expect("a job"))
}

async fn until(sim: &Sim, what: &str, wanted: impl Fn(&World) -> bool) {
    if timeout(PATIENCE, sim.until(wanted)).await.is_err() {
        let log: Vec<_> = sim.with(|world| world.jobs().map(|job| job.log.clone()).collect());
        panic!("{what} did not happen; logs: {log:?}");
    }
}

/// What it printed, and its exit code.
async fn ended(mut child: Child) -> (String, Option<i32>) {
    let wait = tokio::task::spawn_blocking(move || {
        let _limit = Limit::of(child.id());
        let mut out = String::new();
        child.stdout.take().expect("piped").read_to_string(&mut out).expect("text");
        (out, child.wait().expect("it ends").code())
    });
    timeout(PATIENCE, wait).await.expect("the runner ends").expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_run_for_real_and_the_runner_ends() {
    let (sim, place) = (simulator().await, Place::new("success"));
    let config = jit_config(&sim).await;
    let scripts = [
        "echo one; echo two >&2",
        "echo \"config=[${ACTIONS_RUNNER_INPUT_JITCONFIG}] $GITHUB_REPOSITORY $RUNNER_NAME $A\"; echo \"B=from before\" >> \"$GITHUB_ENV\"",
        "echo \"b=$B\"; ps -o args= -p $PPID | cut -d' ' -f1 || true",
    ];
    let mut job = spec("build it", &["self-hosted"], &scripts);
    job.env.insert("A".into(), "a b".into());
    let job = queue(&sim, job);
    let child = place.start(&[("ACTIONS_RUNNER_INPUT_JITCONFIG", &config)]);
    let (out, code) = ended(child).await;
    for landmark in [
        "√ Connected to GitHub",
        "Listening for Jobs",
        "Running job: build it",
        "Job build it completed with result: Succeeded",
    ] {
        assert!(out.contains(landmark), "{landmark} is not in {out}");
    }
    assert_eq!(code, Some(0));
    sim.with(|world| {
        let job = world.job(job).unwrap();
        assert_eq!(job.conclusion, Some(Conclusion::Success), "{:?}", job.log);
        for line in
            ["one", "two", "config=[] octo-org/tools r1 a b", "b=from before", "Runner.Worker"]
        {
            assert!(job.log.iter().any(|found| found == line), "{line} is not in {:?}", job.log);
        }
        assert_eq!(job.step_results.len(), 3);
        assert_eq!(world.all_runners().count(), 0, "the registration is used up");
        assert_eq!(world.violations(), Vec::<String>::new());
    });
    let (out, code) = ended(place.start(&[("ACTIONS_RUNNER_INPUT_JITCONFIG", &config)])).await;
    assert!(code == Some(1) && !out.contains("Connected"), "a second use: {out}");
    sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_fails_the_job_and_skips_the_rest() {
    let (sim, place) = (simulator().await, Place::new("failure"));
    let mut job = spec("break", &["self-hosted"], &["exit 7", "echo before; exit 3", "echo never"]);
    job.steps[0].continue_on_error = true;
    let job = queue(&sim, job);
    let config = jit_config(&sim).await;
    let (out, code) = ended(place.start(&[("ACTIONS_RUNNER_INPUT_JITCONFIG", &config)])).await;
    assert!(out.contains("Job break completed with result: Failed"), "{out}");
    assert_eq!(code, Some(0), "a failed job is not a failed runner");
    sim.with(|world| {
        let job = world.job(job).unwrap();
        assert_eq!(job.conclusion, Some(Conclusion::Failure));
        let steps: Vec<_> = job.step_results.iter().map(|step| step.conclusion).collect();
        assert_eq!(steps, [Conclusion::Failure, Conclusion::Failure, Conclusion::Skipped]);
        let log = job.log.join("\n");
        assert!(log.contains("exit code 3") && !log.contains("never"), "{log}");
    });
    sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_stops_its_steps() {
    let (sim, place) = (simulator().await, Place::new("cancel"));
    let job = queue(&sim, spec("wait", &["self-hosted"], &["echo begun; sleep 600"]));
    let config = jit_config(&sim).await;
    let child = place.start(&[("ACTIONS_RUNNER_INPUT_JITCONFIG", &config)]);
    until(&sim, "the step's first line", |world| {
        world.job(job).unwrap().log.iter().any(|line| line == "begun")
    })
    .await;
    sim.with(|world| {
        let run = world.job(job).unwrap().run_id;
        world.cancel_run(run).unwrap();
    });
    let (out, code) = ended(child).await;
    assert!(out.contains("Job wait completed with result: Canceled"), "{out}");
    assert_eq!(code, Some(0));
    sim.with(|world| {
        let job = world.job(job).unwrap();
        assert_eq!(job.conclusion, Some(Conclusion::Cancelled));
        assert!(!job.cancel_requested, "nothing is left to cancel");
    });
    sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_runner_deregisters_when_it_is_told_to_stop() {
    let (sim, place) = (simulator().await, Place::new("stop"));
    let (token, _) = sim.with(|world| {
        world.create_runner_token(&scope("org:octo-org"), TokenKind::Registration).unwrap()
    });
    let url = sim.url();
    let child = place.start(&[
        ("RUNNER_TOKEN", &token),
        ("RUNNER_SCOPE", "org"),
        ("ORG_NAME", "octo-org"),
        ("GITHUB_SERVER_URL", &url),
        ("RUNNER_NAME", "by-token"),
        ("LABELS", "gpu"),
        ("EPHEMERAL", "1"),
    ]);
    until(&sim, "the registration", |world| {
        world
            .all_runners()
            .any(|runner| runner.online() && runner.labels.iter().any(|label| label.name == "gpu"))
    })
    .await;
    let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert_eq!(ended(child).await.1, Some(0));
    assert_eq!(sim.with(|world| world.all_runners().count()), 0);
    sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_misbehaves_on_order() {
    let (sim, place) = (simulator().await, Place::new("misbehave"));
    let config = jit_config(&sim).await;
    let start = |behaviour| {
        place.start(&[
            ("ACTIONS_RUNNER_INPUT_JITCONFIG", &config),
            ("RUNNER_SIM_BEHAVIOUR", behaviour),
        ])
    };
    let mut silent = start("never-register");
    let job = queue(&sim, spec("doomed", &["self-hosted"], &["echo x"]));
    let (_, code) = ended(start("crash-mid-job")).await;
    assert_eq!(code, None, "it died by a signal");
    assert_eq!(sim.with(|world| world.job(job).unwrap().status), Status::InProgress);
    sim.with(|world| world.lose_runner("r1").unwrap());
    assert_eq!(sim.with(|world| world.job(job).unwrap().conclusion), Some(Conclusion::Failure));
    silent.kill().unwrap();
    silent.wait().unwrap();
    let config = jit_config(&sim).await;
    let env = [
        ("ACTIONS_RUNNER_INPUT_JITCONFIG", config.as_str()),
        ("RUNNER_SIM_BEHAVIOUR", "exit-without-job"),
    ];
    let (out, code) = ended(place.start(&env)).await;
    assert!(code == Some(0) && out.contains("Listening for Jobs") && !out.contains("Running job"));
    sim.stop().await;
}
