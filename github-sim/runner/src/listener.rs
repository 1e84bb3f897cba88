//! The listener: comes online, waits for a job, has the worker run it, reports how it ended.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::config::{Behaviour, Config, HIDDEN, Identity};
use crate::wire::{Failure, Session, open};
use crate::{WORKER, say, say_at};

/// How the worker says by its exit code how the job ended; the numbers are the original's.
pub(crate) const SUCCEEDED: u8 = 100;
/// A step failed.
pub(crate) const FAILED: u8 = 102;
/// The run was cancelled.
pub(crate) const CANCELED: u8 = 103;

/// Pause before asking again where nobody answered.
const PAUSE: Duration = Duration::from_secs(1);

/// What the signal's thread must know.
#[derive(Default)]
struct Present {
    session: Option<Session>,
    worker: Option<u32>,
    stopping: bool,
    /// The answer to the registration is awaited: there may be one already that only the main thread will know.
    registering: bool,
}

type Shared = Arc<Mutex<Present>>;

fn lock(present: &Shared) -> MutexGuard<'_, Present> {
    present.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn run(config: &Config) -> ExitCode {
    let present = Shared::default();
    if let Err(error) = stop_on_signal(&present) {
        say(&format!("An error occurred: {error}"));
        return ExitCode::from(2);
    }
    if config.behaviour == Behaviour::NeverRegister {
        say("Not registering, as RUNNER_SIM_BEHAVIOUR says.");
        loop {
            std::thread::park();
        }
    }
    let (verb, body, once) = match &config.identity {
        Identity::Jit { secret } => ("connect", json!({"secret": secret, "os": "linux"}), true),
        Identity::Token { scope, token, labels, ephemeral } => {
            let body = json!({
                "scope": scope, "token": token, "name": config.name, "labels": labels,
                "ephemeral": ephemeral, "replace": true, "os": "linux",
            });
            ("register", body, *ephemeral)
        }
    };
    lock(&present).registering = true;
    let session = match open(&config.server, verb, &body) {
        Ok(session) => session,
        Err(failure) => {
            say(&format!("Failed to create a session. {}", failure.reason()));
            return ExitCode::from(1);
        }
    };
    let stopping = {
        let mut now = lock(&present);
        now.registering = false;
        now.session = Some(session.clone());
        now.stopping
    };
    if stopping {
        // Refused means that a job came with it: GitHub sees that nobody takes it.
        session.close().ok();
        return ExitCode::SUCCESS;
    }
    say("\n√ Connected to GitHub\n");
    say(&format!("Current runner version: '{}-sim'", env!("CARGO_PKG_VERSION")));
    say_at("Listening for Jobs");
    if config.behaviour == Behaviour::ExitWithoutJob {
        return ExitCode::SUCCESS;
    }
    loop {
        match session.next_job() {
            Ok(None) => {}
            Ok(Some(job)) => {
                serve(config, &present, &session, &job);
                if once || lock(&present).stopping {
                    return ExitCode::SUCCESS;
                }
                say_at("Listening for Jobs");
            }
            Err(Failure::Unreachable(_)) => std::thread::sleep(PAUSE),
            // The session ended because we were told to stop.
            Err(Failure::Refused(..)) if lock(&present).stopping => return ExitCode::SUCCESS,
            Err(Failure::Refused(..)) => {
                say(
                    "The runner registration has been deleted from the server, please re-configure.",
                );
                return ExitCode::from(1);
            }
        }
    }
}

/// Runs one job to its end and reports it.
fn serve(config: &Config, present: &Shared, session: &Session, job: &Value) {
    let id = job["id"].as_u64().unwrap_or_default();
    let name = job["name"].as_str().unwrap_or_default();
    say_at(&format!("Running job: {name}"));
    let ended = if lock(present).stopping { CANCELED } else { work(config, present, session, job) };
    if config.behaviour == Behaviour::CrashMidJob {
        std::process::abort();
    }
    let (conclusion, result) = match ended {
        SUCCEEDED => ("success", "Succeeded"),
        CANCELED => ("cancelled", "Canceled"),
        _ => ("failure", "Failed"),
    };
    if let Err(failure) = session.complete(id, conclusion) {
        say(&format!("The end of the job was not reported: {}", failure.reason()));
    }
    say_at(&format!("Job {name} completed with result: {result}"));
}

/// Starts the worker and waits for it.
fn work(config: &Config, present: &Shared, session: &Session, job: &Value) -> u8 {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(WORKER).stdin(Stdio::piped());
    for name in HIDDEN {
        command.env_remove(name);
    }
    // By standard input rather than the environment, which steps inherit.
    let order = json!({
        "session": session.to_json(),
        "runner": config.name,
        "server": config.server,
        "crash": config.behaviour == Behaviour::CrashMidJob,
        "job": job,
    });
    let started = command.spawn().and_then(|mut worker| {
        lock(present).worker = Some(worker.id());
        if let Some(mut input) = worker.stdin.take() {
            input.write_all(order.to_string().as_bytes())?;
        }
        worker.wait()
    });
    let mut now = lock(present);
    now.worker = None;
    match started {
        Ok(status) => match status.code().and_then(|code| u8::try_from(code).ok()) {
            Some(code) => code,
            None if now.stopping => CANCELED,
            None => FAILED,
        },
        Err(error) => {
            say(&format!("The worker could not be started: {error}"));
            FAILED
        }
    }
}

/// Idle: deregister and end at once. Busy: stop the job; the main thread reports that and ends.
fn stop_on_signal(present: &Shared) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let present = Arc::clone(present);
    std::thread::spawn(move || {
        for _ in signals.forever() {
            say("Exiting...");
            let (session, worker) = {
                let mut now = lock(&present);
                now.stopping = true;
                if now.registering {
                    continue;
                }
                (now.session.clone(), now.worker)
            };
            if let Some(worker) = worker.and_then(|id| Pid::from_raw(id.cast_signed())) {
                // The worker ends its steps when it is told to end; gone already is as good.
                kill_process(worker, Signal::TERM).ok();
                continue;
            }
            // Refused means that a job is on its way here; the main thread will see that we stop.
            let closed = session.as_ref().map_or(Ok(()), Session::close);
            if !matches!(closed, Err(Failure::Refused(409, _))) {
                end();
            }
        }
    });
    Ok(())
}

#[expect(
    clippy::exit,
    reason = "the main thread is inside a held request that cannot be interrupted"
)]
fn end() {
    std::process::exit(0)
}
