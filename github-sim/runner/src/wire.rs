//! Requests to the simulator: plain HTTP, one connection each.

use std::time::Duration;

use minreq::{Method, Request};
use serde_json::{Value, json};

/// Where the simulator's runner interface is.
const BASE: &str = "/_runner/v1";
/// Seconds until a request without a hold is given up.
const PATIENCE: u64 = 10;
/// Seconds that the simulator is asked to hold a request for a job.
const HOLD: u64 = 25;
/// How often what must arrive is said again, and the pause between.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// Why a request had no effect.
pub(crate) enum Failure {
    /// Nobody answered, or the answer was a 5xx; saying it again may help.
    Unreachable(String),
    /// The simulator said no.
    Refused(i32, String),
}

impl Failure {
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Unreachable(reason) => reason.clone(),
            Self::Refused(status, reason) => format!("{status} {reason}"),
        }
    }
}

/// A session at the simulator.
#[derive(Clone)]
pub(crate) struct Session {
    server: String,
    token: String,
}

/// Opens a session by `connect` or `register`; not repeated once it was answered, since a secret works once.
pub(crate) fn open(server: &str, verb: &str, body: &Value) -> Result<Session, Failure> {
    let answer =
        insist(|| send(server, None, Method::Post, &format!("/{verb}"), Some(body), PATIENCE))?;
    let token = answer["session"].as_str().unwrap_or_default().to_owned();
    Ok(Session { server: server.to_owned(), token })
}

impl Session {
    pub(crate) fn new(server: &str, token: &str) -> Self {
        Self { server: server.to_owned(), token: token.to_owned() }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({"server": self.server, "token": self.token})
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        send(&self.server, Some(&self.token), Method::Post, path, Some(body), PATIENCE)
    }

    /// The job to run; `None` if there was none for a while.
    pub(crate) fn next_job(&self) -> Result<Option<Value>, Failure> {
        let path = format!("/job?wait={HOLD}");
        let patience = HOLD + PATIENCE;
        let job = send(&self.server, Some(&self.token), Method::Get, &path, None, patience)?;
        Ok(Some(job).filter(Value::is_object))
    }

    /// Ends the session and the registration.
    pub(crate) fn close(&self) -> Result<(), Failure> {
        insist(|| send(&self.server, Some(&self.token), Method::Delete, "/session", None, PATIENCE))
            .map(|_| ())
    }

    pub(crate) fn log(&self, job: u64, from: usize, lines: &[String]) -> Result<(), Failure> {
        let body = json!({"from": from, "lines": lines});
        self.post(&format!("/jobs/{job}/log"), &body).map(|_| ())
    }

    pub(crate) fn step(&self, job: u64, number: &Value, conclusion: &str) -> Result<(), Failure> {
        let body = json!({"number": number, "conclusion": conclusion});
        insist(|| self.post(&format!("/jobs/{job}/steps"), &body)).map(|_| ())
    }

    /// True if the job shall be stopped.
    pub(crate) fn heartbeat(&self, job: u64) -> Result<bool, Failure> {
        let answer = self.post(&format!("/jobs/{job}/heartbeat"), &json!({}))?;
        Ok(answer["cancel"] == true)
    }

    pub(crate) fn complete(&self, job: u64, conclusion: &str) -> Result<(), Failure> {
        let body = json!({"conclusion": conclusion});
        insist(|| self.post(&format!("/jobs/{job}/complete"), &body)).map(|_| ())
    }
}

/// Repeats what nobody answered. Everything said here may be said twice.
fn insist(mut say: impl FnMut() -> Result<Value, Failure>) -> Result<Value, Failure> {
    for _ in 1..TRIES {
        match say() {
            Err(Failure::Unreachable(_)) => std::thread::sleep(PAUSE),
            said => return said,
        }
    }
    say()
}

fn send(
    server: &str,
    token: Option<&str>,
    method: Method,
    path: &str,
    body: Option<&Value>,
    patience: u64,
) -> Result<Value, Failure> {
    let mut request = Request::new(method, format!("{server}{BASE}{path}"))
        .with_header("User-Agent", "runner-sim")
        .with_timeout(patience);
    if let Some(token) = token {
        request = request.with_header("Authorization", format!("Bearer {token}"));
    }
    if let Some(body) = body {
        request =
            request.with_header("Content-Type", "application/json").with_body(body.to_string());
    }
    let response = request.send().map_err(|error| Failure::Unreachable(error.to_string()))?;
    let text = response.as_str().unwrap_or_default();
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    match response.status_code {
        200..=299 => Ok(body),
        status @ 500.. => Err(Failure::Unreachable(format!("the server answered {status}"))),
        status => {
            let detail = body["detail"].as_str().or_else(|| body["message"].as_str());
            Err(Failure::Refused(status, detail.unwrap_or_default().to_owned()))
        }
    }
}
