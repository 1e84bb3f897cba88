//! What `mayfly` makes of answers that a gateway rarely gives.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A gateway that answers a request's method and target so.
struct Gateway {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    async fn start(answer: impl Fn(&str, usize) -> (u16, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let line = head.lines().next().unwrap();
                let what = line.replace("/api/v1", "").replace(" HTTP/1.1", "");
                let before = seen.lock().unwrap().iter().filter(|one| **one == what).count();
                seen.lock().unwrap().push(what.clone());
                let (status, body) = answer(&what, before);
                let kind = if status < 400 { "json" } else { "problem+json" };
                let body = body.to_string();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/{kind}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        Self { url, asked }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
        command.env_clear().args(arguments).env("MAYFLY_URL", &self.url);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    fn asked(&self, what: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|one| *one == what).count()
    }
}

fn problem(status: u16) -> (u16, Value) {
    let kind = "urn:mayfly:problem:x";
    (status, json!({"type": kind, "title": "No", "status": status, "detail": "It is refused."}))
}

fn runner(name: &str, pool: &str) -> Value {
    json!({
        "id": name, "name": name, "pool": pool, "scope": "repo", "scope_name": "o/r", "labels": [], "state": "idle",
        "image": "i", "created_at": "2026-01-01T00:00:00Z", "deadline": "2026-01-01T00:00:00Z",
    })
}

#[tokio::test]
async fn a_wrong_argument_is_one_also_for_programs() {
    let gateway = Gateway::start(|_, _| problem(500)).await;
    let output = gateway.run(&["runner", "list", "--state", "gone", "--json"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["error"].as_str().unwrap().contains("--finished"), "{said}");
}

#[tokio::test]
async fn a_drain_that_somebody_ends_is_waited_for_no_longer() {
    let status = |draining| json!({"draining": draining, "stored": true, "left": 3, "busy": 3});
    let gateway = Gateway::start(move |what, _| (200, status(what == "PUT /drain"))).await;
    let output = gateway.run(&["drain", "--wait", "--timeout", "0"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the drain was ended by somebody else"), "{said}");
}

#[tokio::test]
async fn a_runner_that_leaves_by_itself_is_no_obstacle_to_an_uninstall() {
    let gateway = Gateway::start(|what, before| match what {
        "DELETE /runners/r?force=true" => problem(404),
        "POST /uninstall" => (200, json!({"removed": [], "left": []})),
        list if list.starts_with("GET /runners") => {
            let runners = if before == 0 { vec![runner("r", "ci")] } else { Vec::new() };
            (200, json!({"total_count": runners.len(), "runners": runners}))
        }
        _ => (200, json!({"draining": true, "stored": true, "left": 0, "busy": 0})),
    })
    .await;
    let output = gateway.run(&["uninstall", "--yes", "--force"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(gateway.asked("POST /uninstall"), 1);
}

#[tokio::test]
async fn events_that_are_refused_are_not_asked_for_again() {
    for status in [403, 404, 422] {
        let gateway = Gateway::start(move |what, _| {
            if what == "GET /events?after=7" {
                return problem(status);
            }
            (200, json!({"events": [], "last_id": 7}))
        })
        .await;
        let output = gateway.run(&["events", "--follow"]).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(gateway.asked("GET /events?after=7"), 1, "{status}");
    }
}

#[tokio::test]
async fn a_list_says_how_many_it_shows() {
    let gateway = Gateway::start(|_, _| {
        (200, json!({"total_count": 2, "runners": [runner("a", "ci"), runner("b", "other")]}))
    })
    .await;
    let output = gateway.run(&["runner", "list", "--pool", "ci", "--json"]).await;
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&list["total_count"], list["runners"].as_array().unwrap().len()), (&json!(1), 1));
}
