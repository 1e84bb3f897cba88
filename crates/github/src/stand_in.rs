//! A GitHub for tests, of which only the answers are there. It writes down what it is asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::HeaderMap;
use jiff::Timestamp;
use mayfly_common::clock::Clock;
use reqwest::Url;
use serde_json::Value;

use crate::{AppCredential, AppKey, Credential, GitHubClient, GitHubSettings};

/// The present moment, in seconds: Friday, 15 January 2027, 08:00:00.
pub(crate) const NOW: i64 = 1_800_000_000;

/// The moment so many seconds from the present one.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

/// A clock that is set.
#[derive(Default)]
pub(crate) struct Hand(AtomicI64);

impl Hand {
    pub(crate) fn set(&self, second: i64) {
        self.0.store(second, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        at(self.0.load(Ordering::Relaxed))
    }
}

/// What is answered.
#[derive(Clone)]
pub(crate) struct Told {
    status: u16,
    headers: Vec<(&'static str, String)>,
    /// None for no answer at all.
    body: Option<Vec<u8>>,
}

/// An answer of this status with this body.
pub(crate) fn told(status: u16, body: impl Into<String>) -> Told {
    Told { status, headers: Vec::new(), body: Some(body.into().into_bytes()) }
}

/// A success.
pub(crate) fn ok(body: &Value) -> Told {
    told(200, body.to_string())
}

/// A refusal in these words.
pub(crate) fn no(status: u16, message: &str) -> Told {
    told(status, serde_json::json!({ "message": message }).to_string())
}

/// No answer.
pub(crate) fn silence() -> Told {
    Told { body: None, ..told(200, "") }
}

impl Told {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Method, path and query.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    /// Null if there was none.
    pub(crate) body: Value,
}

/// The stand-in.
pub(crate) struct StandIn {
    pub(crate) url: Url,
    pub(crate) clock: Arc<Hand>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn {
    /// Its clock is the client's. Answers each line with its answers in turn, the last one for ever; everything else with 404.
    pub(crate) async fn new<L: Into<String>>(
        script: impl IntoIterator<Item = (L, Vec<Told>)>,
    ) -> Self {
        let script: HashMap<String, Vec<Told>> =
            script.into_iter().map(|(line, answers)| (line.into(), answers)).collect();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let clock = Arc::<Hand>::default();
        let (script, log, hand) = (Arc::new(Mutex::new(script)), asked.clone(), clock.clone());
        let answer = move |request: Request| {
            let (script, log, hand) = (script.clone(), log.clone(), hand.clone());
            async move { answered(request, &script, &log, &hand).await }
        };
        let router = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, clock, asked }
    }

    /// A client with the token `t` that sends nothing again.
    pub(crate) fn client(&self) -> GitHubClient {
        self.client_with(|_| ())
    }

    pub(crate) fn client_with(&self, set: impl FnOnce(&mut GitHubSettings)) -> GitHubClient {
        let credential = Credential::Token("t".to_owned().into());
        let mut settings = GitHubSettings::new(self.url.clone(), credential, None);
        (settings.retries, settings.timeout) = (0, Duration::from_secs(10));
        set(&mut settings);
        GitHubClient::new(settings, Arc::<Hand>::clone(&self.clock)).unwrap()
    }

    /// A client that is the App 7.
    pub(crate) fn app(&self, only: Option<&str>) -> GitHubClient {
        let key = include_bytes!("../tests/data/test-only-app-key.pkcs8.pem");
        let credential = AppCredential {
            issuer: "7".to_owned(),
            key: AppKey::from_pem(key).unwrap(),
            only: only.map(str::to_owned),
        };
        self.client_with(|settings| settings.credential = Credential::App(credential))
    }

    /// What was asked since this was last looked at.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// The same, without headers and bodies.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

async fn answered(
    request: Request,
    script: &Mutex<HashMap<String, Vec<Told>>>,
    log: &Mutex<Vec<Asked>>,
    clock: &Hand,
) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let line = format!("{} {}", head.method, head.uri);
    log.lock().unwrap().push(Asked { line: line.clone(), headers: head.headers, body });
    let told = match script.lock().unwrap().get_mut(&line) {
        Some(answers) if answers.len() > 1 => answers.remove(0),
        Some(answers) => answers[0].clone(),
        None => no(404, "Not Found"),
    };
    let Some(body) = told.body else { return std::future::pending().await };
    let mut response = Response::builder().status(told.status);
    if !told.headers.iter().any(|(name, _)| *name == "date") {
        let date = clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        response = response.header("date", date);
    }
    for (name, value) in told.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}
