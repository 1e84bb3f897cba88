//! Jobs that print to hurt: on the real engine, and against the built program within the memory that the service has.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bollard::query_parameters::TopOptionsBuilder;
use github_sim::Sim;
use github_sim::world::model::{JobSpec, Status, Step};
use mayfly_backend::Backend as _;
use mayfly_backend::Console as _;
use mayfly_common::api::{EventList, Finished, JobList, JobStats, RunnerList, Status as Report};
use mayfly_common::machine::{Exit, Phase};
use mayfly_common::name::RunnerName;
use mayfly_common::runner::RunnerState;
use mayfly_planner::lifecycle::{JobResult, printed, result_of};
use serde::de::DeserializeOwned;

use crate::docker::{Engine, engine, machine_of, spec_of, until};
use crate::support::{TOKEN, slug};

/// The memory of the service (`deploy/compose.yaml`), in KiB.
const MEMORY: u64 = 256 << 10;
/// Longest log that is shown, in bytes, and what may stand between its beginning and its end.
const LOG: usize = (64 << 10) + (8 << 10) + 8;

/// How a container ends whose command is this script.
async fn exit_of(engine: &Engine, script: &str) -> Exit {
    let command = format!("/bin/sh -c '{script}'");
    let backend = engine.backend(&[]);
    let spec = spec_of(engine, &[("RUNNER_COMMAND", &command)], "mayfly-bomb");
    backend.create(&spec).await.unwrap();
    let mut found = None;
    until("it ended", async || {
        let seen = backend.list().await.unwrap().remove(0).phase;
        found = match seen {
            Phase::Exited(exit) => Some(exit),
            _ => None,
        };
        found.is_some()
    })
    .await;
    let log = backend.logs(&spec.identity.name, 200).await.unwrap().unwrap();
    assert!(log.len() <= 64 << 10, "{} bytes", log.len());
    backend.delete(&machine_of(&backend, spec.identity.name.as_str()).await).await.unwrap();
    found.unwrap()
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn what_a_container_prints_is_read_within_bounds() {
    let engine = engine().await;
    // A result without end, after which it crashes.
    let exit = exit_of(
        &engine,
        r#"echo "Running job: big"; printf "Job big completed with result: "; head -c 3100000 /dev/zero | tr "\0" A; exit 139"#,
    )
    .await;
    assert!(exit.code == 139 && exit.log_tail.len() <= LOG, "{} bytes", exit.log_tail.len());
    assert_eq!((printed::job(&exit.log_tail), result_of(&exit)), (Some("big"), None));

    // No text, and no line.
    let exit = exit_of(&engine, r#"head -c 8000000 /dev/zero | tr "\0" "\377""#).await;
    assert!(exit.log_tail.len() <= LOG, "{} bytes", exit.log_tail.len());

    // The runner's own lines come first and last, whatever its job prints in between.
    let exit = exit_of(
        &engine,
        r#"echo "2026-11-26 06:00:00Z: Running job: true"
           seq 300
           echo "0001-01-01 00:00:00Z: Running job: forged"
           echo "2026-11-26 06:00:09Z: Job true completed with result: Failed""#,
    )
    .await;
    assert_eq!(printed::job(&exit.log_tail), Some("true"));
    assert_eq!(result_of(&exit), Some(JobResult::Failed));
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn of_a_long_log_the_end_is_shown() {
    let engine = engine().await;
    let backend = engine.backend(&[]);
    let command = [("RUNNER_COMMAND", "/bin/sh -c 'seq 300; exec sleep 60'")];
    let spec = spec_of(&engine, &command, "mayfly-long");
    backend.create(&spec).await.unwrap();
    until("all is printed", async || {
        let log = backend.logs(&spec.identity.name, 5).await.unwrap();
        log.as_deref() == Some("296\n297\n298\n299\n300\n")
    })
    .await;
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn arguments_of_processes_are_not_read_whatever_they_say() {
    let engine = engine().await;
    let backend = engine.backend(&[]);
    // 1.2 MB for each of 8 processes, in pieces of less than 128 KiB (Linux: `MAX_ARG_STRLEN`). By its arguments one is a worker.
    let bomb = r#"A=Runner.Worker$(head -c 120000 /dev/zero | tr "\0" A)
        for n in 1 2 3 4 5 6 7 8; do sh -c "echo up; sleep 600; :" $A $A $A $A $A $A $A $A $A $A & done; wait"#;
    let command = format!("/bin/sh -c '{bomb}'");
    let spec = spec_of(&engine, &[("RUNNER_COMMAND", &command)], "mayfly-arguments");
    backend.create(&spec).await.unwrap();
    until("all run", async || {
        let log = backend.logs(&spec.identity.name, 20).await.unwrap().unwrap_or_default();
        log.lines().filter(|line| *line == "up").count() == 8
    })
    .await;
    let options = |ps: &str| TopOptionsBuilder::default().ps_args(ps).build();
    let top = async |ps: &str| {
        let top = engine.docker.top_processes(spec.identity.name.as_str(), Some(options(ps))).await;
        top.unwrap().processes.unwrap().concat().concat().len()
    };
    assert!(top("-eo pid,args").await > 1 << 20, "the bomb is one");
    for _ in 0..3 {
        let seen = backend.list().await.unwrap().remove(0);
        // It was told, in time, and nothing that a job wrote was taken for its worker.
        assert_eq!(seen.phase, Phase::Running { working: Some(false) });
        assert_eq!(seen.unread, None);
    }
}

/// The built program within the memory that it has as a service, with its own database and its log in a file.
struct Limited {
    child: tokio::process::Child,
    folder: PathBuf,
    url: String,
    client: reqwest::Client,
}

impl Limited {
    fn start(engine: &Engine, sim: &Sim) -> Self {
        let folder = std::env::temp_dir().join(format!("mayfly-bombs-{}", engine.installation));
        std::fs::create_dir_all(&folder).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // What a process writes to counts, and no more of it than the limit is given out.
        let limited = format!("ulimit -d {MEMORY} && exec \"$0\"");
        // A command of its own, so that a step of a job can end the runner and not the container's first process.
        let command = "/bin/sh -c '/runner-sim || exit 139'";
        let child = tokio::process::Command::new("/bin/sh")
            .args(["-c", &limited, env!("CARGO_BIN_EXE_orchestrator")])
            .env_clear()
            .env("ORCHESTRATOR_PORT", port.to_string())
            .env("DATABASE_PATH", folder.join("mayfly.db"))
            .env("GITHUB_RUNNER_TOKEN", TOKEN)
            .env("GITHUB_API_URL", sim.url())
            .env("RUNNER_IMAGE", engine.image())
            .env("RUNNER_COMMAND", command)
            .env("RUNNER_PULL_POLICY", "never")
            .env("RUNNER_MEMORY", "128m")
            .env("RUNNER_CHECK_INTERVAL", "10")
            .env("AUTO_CREATE_RUNNERS", "true")
            .env("MAX_RUNNERS", "6")
            .env("DOCKER_NETWORK", engine.network())
            .env("ORCHESTRATOR_ID", &engine.installation)
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}/api/v1");
        // The client wants to know a provider even where nothing is encrypted. Another test may have told it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { child, folder, url, client: reqwest::Client::new() }
    }

    /// An answer, and how long it is.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> (T, usize) {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {}", &text[..text.len().min(500)]);
        (serde_json::from_str(&text).unwrap(), text.len())
    }

    /// The most memory that it had at a time, in KiB.
    fn peak(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id().expect("it runs"));
        let status = std::fs::read_to_string(path).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn size(&self, file: &str) -> u64 {
        let path: &Path = &self.folder.join(file);
        path.metadata().map_or(0, |found| found.len())
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // What is left of it is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn job(name: &str, step: &str) -> JobSpec {
    JobSpec {
        key: "bomb".to_owned(),
        name: name.to_owned(),
        labels: vec!["self-hosted".to_owned()],
        steps: vec![Step::run(step)],
        ..JobSpec::default()
    }
}

/// What ends the runner in the middle of its job: the worker's parent.
const CRASH: &str = "set -- $(cat /proc/$PPID/stat); kill -9 $4; sleep 9";
/// A job's name that is a result.
const FORGED: &str = "a completed with result: Failed…$(id)";

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn jobs_that_print_bombs_do_not_hurt_the_service_in_its_memory() {
    let engine = engine().await;
    let sim = engine.github().await;
    let result = format!(
        r#"(printf "Job big completed with result: "; head -c 3100000 /dev/zero | tr "\0" A) >/proc/1/fd/1; {CRASH}"#
    );
    let noise = r#"head -c 8000000 /dev/zero | tr "\0" "\377" >/proc/1/fd/1; sleep 5"#;
    let time = "(seq 250; echo '0001-01-01 00:00:00Z: Running job: timeforge') >/proc/1/fd/1";
    let jobs: Vec<u64> = sim.with(|world| {
        let mut queue = |job| world.queue_job(&slug("octo-admin/app"), job).unwrap();
        let mut jobs = Vec::new();
        for _ in 0..3 {
            jobs.push(queue(job("big", &result)));
            jobs.push(queue(job("noise", noise)));
        }
        jobs.push(queue(job(FORGED, time)));
        jobs
    });
    let service = Limited::start(&engine, &sim);
    let backend = engine.backend(&[]);
    let over = || {
        sim.with(|world| {
            jobs.iter().all(|id| world.job(*id).is_some_and(|job| job.status == Status::Completed))
        })
    };
    let mut read = 0;
    until("all jobs are over and nothing is left", async || {
        let seen = backend.list().await.unwrap();
        for machine in &seen {
            if matches!(machine.phase, Phase::Exited(_)) {
                // GitHub notices, sooner than it would. One that ended its job is not there any more.
                let _ = sim.with(|world| world.lose_runner(machine.name.as_str()));
            }
        }
        // Many look at the logs at once, while they are there.
        let names: Vec<&RunnerName> = seen.iter().map(|machine| &machine.name).collect();
        if let (Some(name), true) = (names.first(), read < 3) {
            let url = format!("{}/runners/{name}/logs", service.url);
            let answers = (0..40).map(|_| service.client.get(&url).send());
            for answer in futures::future::join_all(answers).await.into_iter().flatten() {
                let text = answer.text().await.unwrap_or_default();
                assert!(text.len() < 160 << 10, "{} bytes", text.len());
                read += usize::from(text.contains("Listening for Jobs"));
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        over() && seen.is_empty()
    })
    .await;
    // What was noticed last is told by the next pass.
    until("all are told", async || {
        service.get::<RunnerList>("/runners").await.0.total_count == 0
            && service.get::<Report>("/status").await.0.finished.len() == jobs.len()
    })
    .await;

    let (status, size) = service.get::<Report>("/status").await;
    assert!(size < 64 << 10, "{size} bytes of status");
    let (crashed, done): (Vec<&Finished>, Vec<&Finished>) =
        status.finished.iter().partition(|runner| runner.state == RunnerState::Failed);
    for runner in &crashed {
        assert_eq!(runner.exit_code, Some(139));
        assert_eq!(runner.reason, "it ended with exit code 139 in the middle of its job");
    }
    // Noise without a line break hides the line with the result behind it.
    // GitHub may not have been asked while a quick one ran.
    let told = [
        "it ended after its job",
        "its job's result was Succeeded",
        "it printed that its job's result was Succeeded",
    ];
    assert!(done.iter().all(|runner| told.contains(&runner.reason.as_str())), "{done:?}");
    assert_eq!((crashed.len(), done.len()), (3, jobs.len() - 3), "{status:?}");
    assert!(status.held_back.is_empty(), "{status:?}");
    let pages = (0..8).map(|_| service.get::<EventList>("/events?limit=1000"));
    for (events, size) in futures::future::join_all(pages).await {
        assert!(size < 1 << 20 && !events.events.is_empty(), "{size} bytes of events");
    }
    let (list, size) = service.get::<JobList>("/jobs?per_page=100").await;
    assert!(size < 64 << 10, "{size} bytes of jobs");
    for job in &list.jobs {
        let expected: &[_] = match job.name.as_str() {
            "big" => &[None, Some("failure")],
            "noise" => &[None, Some("success")],
            _ => &[Some("success")],
        };
        assert!(expected.contains(&job.conclusion.as_deref()), "{job:?}");
    }
    let (summed, _) = service.get::<JobStats>("/jobs/stats").await;
    let seconds: f64 = summed.repositories.iter().filter_map(|found| found.run_seconds).sum();
    assert!(seconds < 3_600.0, "{seconds} s");
    let (peak, log, database) = (service.peak(), service.size("log"), service.size("mayfly.db"));
    assert!(peak < MEMORY, "{peak} KiB");
    assert!(log < 200_000 && database < 2_000_000, "{log} bytes of log, {database} of database");
}
