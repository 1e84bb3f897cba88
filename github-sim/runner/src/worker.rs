//! The worker: runs the steps of one job, streams what they print, stops when the run is cancelled.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::listener::{CANCELED, FAILED, SUCCEEDED};
use crate::script::{self, Outcome};
use crate::wire::{Failure, Session};

/// How often new lines are sent, and how often the simulator is asked whether to go on.
const FLUSH: Duration = Duration::from_millis(200);
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What the reporting thread shares with the steps.
pub(crate) struct Job {
    pub(crate) id: u64,
    session: Session,
    log: Mutex<Log>,
    cancelled: Arc<AtomicBool>,
    /// Process groups that were started; a step's is alive until the job ends.
    groups: Mutex<Vec<u32>>,
}

#[derive(Default)]
struct Log {
    lines: Vec<String>,
    sent: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    pub(crate) fn print(&self, line: impl Into<String>) {
        lock(&self.log).lines.push(line.into());
    }

    pub(crate) fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn started(&self, group: u32) {
        lock(&self.groups).push(group);
        // The cancellation may have come while the process was being started.
        if self.cancelled() {
            self.kill();
        }
    }

    fn kill(&self) {
        for group in lock(&self.groups).iter() {
            if let Some(group) = Pid::from_raw(group.cast_signed()) {
                // Gone already is what is wanted.
                kill_process_group(group, Signal::KILL).ok();
            }
        }
    }

    fn flush(&self) -> Result<(), Failure> {
        let mut log = lock(&self.log);
        if log.sent < log.lines.len() {
            self.session.log(self.id, log.sent, &log.lines[log.sent..])?;
            log.sent = log.lines.len();
        }
        Ok(())
    }

    fn report(&self) {
        let mut beat: Option<Instant> = None;
        loop {
            std::thread::sleep(FLUSH);
            // A line that did not arrive is sent again with the next ones.
            drop(self.flush());
            if beat.is_none_or(|at| at.elapsed() >= HEARTBEAT) {
                beat = Some(Instant::now());
                let stop = match self.session.heartbeat(self.id) {
                    Ok(cancel) => cancel,
                    Err(Failure::Refused(..)) => true,
                    Err(Failure::Unreachable(_)) => false,
                };
                if stop {
                    self.cancelled.store(true, Ordering::SeqCst);
                }
            }
            if self.cancelled() {
                self.kill();
            }
        }
    }
}

pub(crate) fn run() -> ExitCode {
    let mut order = String::new();
    let read = std::io::stdin().read_to_string(&mut order);
    let Some(order) = read.ok().and_then(|_| serde_json::from_str::<Value>(&order).ok()) else {
        return ExitCode::from(FAILED);
    };
    let session = &order["session"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let job = Arc::new(Job {
        id: order["job"]["id"].as_u64().unwrap_or_default(),
        session: Session::new(&text(&session["server"]), &text(&session["token"])),
        log: Mutex::default(),
        cancelled: Arc::default(),
        groups: Mutex::default(),
    });
    for signal in [SIGTERM, SIGINT] {
        // Without the handler the default action ends the worker, which the listener reports just as well.
        drop(signal_hook::flag::register(signal, Arc::clone(&job.cancelled)));
    }
    job.print(format!("Current runner: {}", text(&order["runner"])));
    if order["crash"] == true {
        drop(job.flush());
        return ExitCode::from(FAILED);
    }
    let reporter = Arc::clone(&job);
    std::thread::spawn(move || reporter.report());
    let ended = steps(&job, &order);
    job.kill();
    for _ in 0..10 {
        if !matches!(job.flush(), Err(Failure::Unreachable(_))) {
            break;
        }
        std::thread::sleep(FLUSH);
    }
    ExitCode::from(ended)
}

fn steps(job: &Job, order: &Value) -> u8 {
    let place = match script::Place::prepare(&order["job"]) {
        Ok(place) => place,
        Err(error) => {
            job.print(format!("The working directory cannot be made: {error}"));
            return FAILED;
        }
    };
    let mut env = environment(order, &place.work);
    let mut failed = false;
    let none = Vec::new();
    for step in order["job"]["steps"].as_array().unwrap_or(&none) {
        let number = &step["number"];
        let name = step["name"].as_str().unwrap_or_default();
        if job.cancelled() || failed {
            drop(job.session.step(job.id, number, if failed { "skipped" } else { "cancelled" }));
            continue;
        }
        job.print(format!("##[group]{name}"));
        let outcome = match step["uses"].as_str() {
            Some(action) => {
                job.print(format!(
                    "{action} is passed over: the simulator runs no published actions"
                ));
                Outcome::Skipped
            }
            None => place.run(job, step, &env),
        };
        job.print("##[endgroup]");
        place.take_over(&mut env);
        let conclusion = match outcome {
            Outcome::Exited(0) => "success",
            Outcome::Skipped => "skipped",
            Outcome::Exited(_) | Outcome::Broken if job.cancelled() => "cancelled",
            Outcome::Exited(code) => {
                job.print(format!("##[error]Process completed with exit code {code}."));
                "failure"
            }
            Outcome::Broken => "failure",
        };
        if conclusion == "failure" {
            failed = step["continue_on_error"] != true;
        }
        if let Err(failure) = job.session.step(job.id, number, conclusion) {
            job.print(format!("the step's end was not reported: {}", failure.reason()));
        }
    }
    match (job.cancelled(), failed) {
        (true, _) => CANCELED,
        (false, true) => FAILED,
        (false, false) => SUCCEEDED,
    }
}

/// The variables every step sees: GitHub's defaults, then the workflow's and the job's.
fn environment(order: &Value, work: &std::path::Path) -> BTreeMap<String, String> {
    let job = &order["job"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let work: PathBuf = work.to_owned();
    let mut env = BTreeMap::from([
        ("CI".to_owned(), "true".to_owned()),
        ("GITHUB_ACTIONS".to_owned(), "true".to_owned()),
        ("GITHUB_JOB".to_owned(), text(&job["key"])),
        ("GITHUB_REPOSITORY".to_owned(), text(&job["repository"])),
        ("GITHUB_RUN_ID".to_owned(), job["run_id"].to_string()),
        ("GITHUB_SERVER_URL".to_owned(), text(&order["server"])),
        ("GITHUB_WORKSPACE".to_owned(), work.to_string_lossy().into_owned()),
        ("RUNNER_NAME".to_owned(), text(&order["runner"])),
        ("RUNNER_OS".to_owned(), "Linux".to_owned()),
    ]);
    env.extend(script::variables(&job["env"]));
    env
}
