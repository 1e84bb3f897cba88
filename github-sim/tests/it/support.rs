//! A simulator with something in it, and requests to it without a network.

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use github_sim::names::{RepoSlug, Scope};
use github_sim::world::model::{JobSpec, NewRepo, Step};
use github_sim::{Checked, Clock, Sim, SimConfig};
use http::{HeaderMap, Request};
use serde_json::Value;
use tower::ServiceExt as _;

/// An answer, read to its end.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| {
            panic!("not JSON ({why}): {}", String::from_utf8_lossy(&self.body))
        })
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What a request carries.
#[derive(Clone, Default)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) token: &'a str,
    pub(crate) accept: &'a str,
    pub(crate) etag: &'a str,
    pub(crate) body: Option<Value>,
}

pub(crate) async fn send(sim: &Sim, ask: Ask<'_>) -> Reply {
    let mut request = Request::builder()
        .method(ask.method)
        .uri(ask.path)
        .header("user-agent", "test")
        .header("host", "sim.test:8090");
    let pairs = [("authorization", ask.token), ("accept", ask.accept), ("if-none-match", ask.etag)];
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(name, value);
    }
    let body = ask.body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = request.body(body).expect("a valid request");
    let response = sim.router().oneshot(request).await.expect("the router always answers");
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("the body ends").to_vec();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body }
}

pub(crate) async fn get(sim: &Sim, path: &str) -> Reply {
    send(sim, Ask { method: "GET", path, token: "Bearer t", ..Ask::default() }).await
}

pub(crate) async fn post(sim: &Sim, path: &str, body: Value) -> Reply {
    let body = Some(body);
    send(sim, Ask { method: "POST", path, token: "Bearer t", body, ..Ask::default() }).await
}

/// A request to the control API; no body if it is null.
pub(crate) async fn control(sim: &Sim, method: &str, path: &str, body: Value) -> Reply {
    let body = Some(body).filter(|body| !body.is_null());
    send(sim, Ask { method, path, body, ..Ask::default() }).await
}

pub(crate) fn slug(text: &str) -> RepoSlug {
    RepoSlug::parse(text).expect("a repository")
}

pub(crate) fn scope(text: &str) -> Scope {
    text.parse().expect("a scope")
}

pub(crate) fn spec(name: &str, labels: &[&str], steps: &[&str]) -> JobSpec {
    JobSpec {
        name: name.to_owned(),
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        steps: steps.iter().map(|&script| Step::run(script)).collect(),
        ..JobSpec::default()
    }
}

/// `octo-org` with `tools` and a workflow, whose clock stands still.
pub(crate) async fn sim() -> (Checked, Clock) {
    let clock = Clock::manual("2026-11-21T00:00:00Z".parse().expect("a time"));
    let config = SimConfig { clock: clock.clone(), ..SimConfig::default() };
    let sim = Checked::start(config).await.expect("a loopback listener");
    sim.with(|world| {
        world.add_org("octo-org").expect("a new organisation");
        let workflow = "name: CI\non: push\njobs:\n  a: {runs-on: [self-hosted, linux], steps: [{run: echo hi}]}\n  b: {runs-on: self-hosted, needs: a}\n  c: {runs-on: ubuntu-latest}";
        let files = BTreeMap::from([
            (".github/workflows/ci.yml".to_owned(), workflow.to_owned()),
            ("README.md".to_owned(), "# Tools\n".repeat(20)),
            ("src/deep/x.txt".to_owned(), "x".to_owned()),
        ]);
        let new = NewRepo { slug: slug("octo-org/tools"), private: false, files };
        world.add_repo(new).expect("a new repository");
    });
    (sim, clock)
}
