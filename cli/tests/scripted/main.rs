//! What `mayfly` asks a gateway for, and what it makes of the answers: the gateway is a script.

#![cfg(feature = "platform")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod answers;
mod drains;
mod errors;
mod events;
#[path = "../../../crates/service/tests/support/in_time.rs"]
mod in_time;
mod jobs;
#[path = "../../../crates/service/tests/support/limit.rs"]
mod limit;
mod live;
mod overview;
mod pools;
mod profiles;
mod rare;
mod runners;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use in_time::InTime as _;

/// A gateway that answers a request's method and target so: with JSON, or, where that is one text, with that as a stream of events.
struct Gateway {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    /// The same, each with its credential, the tag that it names and its body.
    whole: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    async fn start(answer: impl Fn(&str, usize) -> (u16, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, whole) =
            (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (seen, all) = (Arc::clone(&asked), Arc::clone(&whole));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let header = |name: &str| {
                    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
                    lines.find(|(other, _)| *other == name).map(|(_, value)| value.to_owned())
                };
                let length = header("content-length").map_or(0, |length| length.parse().unwrap());
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await.unwrap();
                let line = head.lines().next().unwrap();
                let what = line.replace("/api/v1", "").replace(" HTTP/1.1", "");
                let of = |name| header(name).map(|value| format!(" {value}")).unwrap_or_default();
                let tag = of("authorization") + &of("if-match");
                let space = if body.is_empty() { "" } else { " " };
                let body = String::from_utf8(body).unwrap();
                all.lock().unwrap().push(format!("{what}{tag}{space}{body}"));
                let before = seen.lock().unwrap().iter().filter(|one| **one == what).count();
                seen.lock().unwrap().push(what.clone());
                let (status, body) = answer(&what, before);
                let (kind, body) = match body {
                    Value::String(events) => ("text/event-stream", events),
                    body if status < 400 => ("application/json", body.to_string()),
                    body => ("application/problem+json", body.to_string()),
                };
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        Self { url, asked, whole }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.run_in(Path::new("."), arguments).await
    }

    async fn run_in(&self, folder: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
        command.env_clear().args(arguments).env("MAYFLY_URL", &self.url).current_dir(folder);
        command.stdin(Stdio::null());
        tokio::task::spawn_blocking(move || command.output_in_time()).await.unwrap()
    }

    /// What these words, separated by blanks, print: exit code, standard output, standard error.
    async fn says(&self, words: &str) -> (i32, String, String) {
        let output = self.run(&words.split(' ').collect::<Vec<_>>()).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Checks what these words print for people where all is well, and what is asked meanwhile, line by line.
    async fn shows(&self, words: &str, asked: &str, text: &str) {
        self.whole.lock().unwrap().clear();
        let said = self.says(words).await;
        assert_eq!(self.whole.lock().unwrap().join("\n"), asked, "{words}");
        assert_eq!((said.0, &*said.1, &*said.2), (0, text, ""), "{words}");
    }

    /// Checks what they print for programs.
    async fn tells(&self, words: &str, value: &Value) {
        let (code, told, error) = self.says(&format!("{words} --json")).await;
        assert_eq!((code, &*error), (0, ""), "{words}");
        assert_eq!(told.lines().count(), 1, "{words}: {told}");
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), *value, "{words}");
    }

    /// Checks what they say where they fail, and the exit code.
    async fn fails(&self, words: &str, code: i32, error: &str) {
        let said = self.says(words).await;
        assert_eq!((said.0, &*said.1, &*said.2), (code, "", error), "{words}");
    }

    /// What a person sees who types these commands: each with what was asked meanwhile (`>`), what it printed, its standard error
    /// (`!`), and its exit code where that is not 0.
    async fn transcript<'a>(&self, commands: impl IntoIterator<Item = &'a str>) -> String {
        let mut text = String::new();
        for words in commands {
            self.whole.lock().unwrap().clear();
            let (code, told, error) = self.says(words).await;
            writeln!(text, "$ mayfly {words}").unwrap();
            for line in self.whole.lock().unwrap().iter() {
                writeln!(text, "> {line}").unwrap();
            }
            text += &told;
            for line in error.lines() {
                writeln!(text, "! {line}").unwrap();
            }
            if code != 0 {
                writeln!(text, "exit code {code}").unwrap();
            }
            text.push('\n');
        }
        text.replace(&self.url, "http://GATEWAY")
    }

    fn asked(&self, what: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|one| *one == what).count()
    }
}

/// Compares a text with the snapshot of this name, beside this file.
fn compare(name: &str, text: &str) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
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
