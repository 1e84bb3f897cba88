//! Sends what hooks are told, over real HTTP, from outside the world's lock.
//!
//! Each hook has a worker, which sends in order and waits for each answer; a delivery that is to be late or overtaken leaves
//! the row. Sources: GitHub docs, "Webhook events and payloads" (headers), "Best practices for using webhooks" (an answer
//! in time). Invariant: nothing is sent a second time unless someone asked for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ring::hmac;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::call::Urls;
use super::render::payloads;
use super::shared::Shared;
use crate::world::World;
use crate::world::deliveries::{DeliveryFaultKind, Outcome, Outgoing};
use crate::world::hooks::{ContentType, HookPlace};

/// Most of an answer that is remembered, in bytes.
const MAX_ANSWER: usize = 64 << 10;

type Http = Client<HttpConnector, Body>;

/// Sends until the simulator stops.
pub(crate) async fn run(shared: Arc<Shared>, tasks: TaskTracker) {
    let http: Http = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let mut workers: BTreeMap<u64, mpsc::UnboundedSender<Outgoing>> = BTreeMap::new();
    let mut changes = shared.changes();
    while !shared.stop.is_cancelled() {
        let taken = shared.look().take_outgoing();
        for outgoing in taken {
            let worker = workers.entry(outgoing.hook.id).or_insert_with(|| {
                let (sender, receiver) = mpsc::unbounded_channel();
                tasks.spawn(worker(Arc::clone(&shared), http.clone(), tasks.clone(), receiver));
                sender
            });
            // A worker ends only with the simulator.
            let _ = worker.send(outgoing);
        }
        tokio::select! {
            () = shared.stop.cancelled() => {}
            told = changes.changed() => if told.is_err() { return },
        }
    }
}

/// Sends one hook's deliveries, one after the other.
async fn worker(
    shared: Arc<Shared>,
    http: Http,
    tasks: TaskTracker,
    mut row: mpsc::UnboundedReceiver<Outgoing>,
) {
    let mut overtaken: Vec<Outgoing> = Vec::new();
    loop {
        let outgoing = tokio::select! {
            () = shared.stop.cancelled() => return,
            outgoing = row.recv() => outgoing,
        };
        let Some(outgoing) = outgoing else { return };
        let fault = outgoing.fault.as_ref();
        match fault.map(|fault| fault.kind) {
            Some(DeliveryFaultKind::Reorder) => {
                overtaken.push(outgoing);
                continue;
            }
            Some(DeliveryFaultKind::Delay) => {
                let wait = Duration::from_millis(fault.map_or(0, |fault| fault.delay_ms));
                let (shared, http) = (Arc::clone(&shared), http.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        () = shared.stop.cancelled() => {}
                        () = tokio::time::sleep(wait) => deliver(&shared, &http, &outgoing).await,
                    }
                });
                continue;
            }
            _ => deliver(&shared, &http, &outgoing).await,
        }
        for late in overtaken.drain(..) {
            deliver(&shared, &http, &late).await;
        }
    }
}

/// Sends one delivery, twice if it is to be doubled, and notes what came of it.
async fn deliver(shared: &Shared, http: &Http, outgoing: &Outgoing) {
    let kind = outgoing.fault.as_ref().map(|fault| fault.kind);
    let prepared = prepare(&shared.look(), shared, outgoing);
    let mut outcome = tokio::select! {
        () = shared.stop.cancelled() => return,
        outcome = attempt(http, &prepared, kind) => outcome,
    };
    if kind == Some(DeliveryFaultKind::Duplicate) {
        outcome = attempt(http, &prepared, kind).await;
    }
    shared.world().delivered(outgoing, outcome);
}

/// A delivery ready to be sent, as often as need be.
struct Prepared {
    url: String,
    headers: BTreeMap<String, String>,
    payload: Value,
    body: Vec<u8>,
    timeout: Duration,
}

fn prepare(world: &World, shared: &Shared, outgoing: &Outgoing) -> Prepared {
    let Outgoing { delivery, hook, fault } = outgoing;
    let html = shared.base_url(None);
    let urls = Urls { api: html.clone(), html };
    let payload = payloads::payload(world, hook, &delivery.event, &urls);
    let json = payload.to_string();
    let (kind, body) = match hook.config.content_type {
        ContentType::Json => ("application/json", json.into_bytes()),
        ContentType::Form => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("payload", &json);
            ("application/x-www-form-urlencoded", form.finish().into_bytes())
        }
    };
    let (target, target_id) = match &hook.place {
        HookPlace::Repo(id) => ("repository", *id),
        HookPlace::Org(login) => {
            ("organization", world.account(login.as_str()).map_or(0, |org| org.id))
        }
        HookPlace::App => ("integration", world.app.id),
    };
    let mut headers: BTreeMap<String, String> = [
        ("Accept", "*/*".to_owned()),
        ("Content-Type", kind.to_owned()),
        ("User-Agent", "GitHub-Hookshot/5117085".to_owned()),
        ("X-GitHub-Delivery", delivery.event.guid.clone()),
        ("X-GitHub-Event", delivery.event.what.name().to_owned()),
        ("X-GitHub-Hook-ID", hook.id.to_string()),
        ("X-GitHub-Hook-Installation-Target-ID", target_id.to_string()),
        ("X-GitHub-Hook-Installation-Target-Type", target.to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(secret) = &hook.config.secret {
        let other = fault.as_ref().is_some_and(|one| one.kind == DeliveryFaultKind::WrongSecret);
        let secret = if other { format!("not {secret}") } else { secret.clone() };
        for (name, prefix, algorithm) in [
            ("X-Hub-Signature", "sha1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            ("X-Hub-Signature-256", "sha256", hmac::HMAC_SHA256),
        ] {
            let signed = sign(algorithm, &secret, &body);
            headers.insert(name.to_owned(), format!("{prefix}={signed}"));
        }
    }
    let (url, timeout) = (hook.config.url.clone(), world.delivery_timeout());
    Prepared { url, headers, payload, body, timeout }
}

fn sign(algorithm: hmac::Algorithm, secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), body);
    tag.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

async fn attempt(http: &Http, prepared: &Prepared, kind: Option<DeliveryFaultKind>) -> Outcome {
    let start = Instant::now();
    let answer = if kind == Some(DeliveryFaultKind::Drop) {
        Answered::failed(502, "failed to connect to host")
    } else {
        match timeout(prepared.timeout, send(http, prepared)).await {
            Ok(answer) => answer,
            Err(_) => Answered::failed(504, "timed out"),
        }
    };
    let millis = u32::try_from(start.elapsed().as_millis()).unwrap_or(u32::MAX);
    Outcome {
        status_code: answer.code,
        status: answer.status,
        // GitHub gives hundredths of a second.
        duration: f64::from(millis / 10) / 100.0,
        request_headers: prepared.headers.clone(),
        payload: prepared.payload.clone(),
        response_headers: answer.headers,
        response: answer.body,
        url: prepared.url.clone(),
    }
}

/// What came back.
struct Answered {
    code: u16,
    status: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

impl Answered {
    fn failed(code: u16, status: &str) -> Self {
        Self { code, status: status.to_owned(), headers: BTreeMap::new(), body: None }
    }
}

async fn send(http: &Http, prepared: &Prepared) -> Answered {
    let unreachable = || Answered::failed(502, "failed to connect to host");
    let Ok(uri) = prepared.url.parse::<Uri>() else { return unreachable() };
    let mut request = Request::post(uri);
    for (name, value) in &prepared.headers {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(Body::from(prepared.body.clone())) else {
        return unreachable();
    };
    let response = match http.request(request).await {
        Ok(response) => response,
        Err(why) if why.is_connect() => return unreachable(),
        Err(_) => return Answered::failed(502, "unexpected end of response"),
    };
    let (parts, body) = response.into_parts();
    let code = parts.status.as_u16();
    let body = to_bytes(Body::new(body), MAX_ANSWER).await.unwrap_or_default();
    let status = if parts.status.is_success() {
        parts.status.canonical_reason().unwrap_or("OK").to_owned()
    } else {
        format!("Invalid HTTP Response: {code}")
    };
    let body = Some(String::from_utf8_lossy(&body).into_owned());
    Answered { code, status, headers: shown(&parts.headers), body }
}

fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    let hidden = [header::SET_COOKIE];
    let pairs = headers.iter().filter(|(name, _)| !hidden.contains(name));
    pairs
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_githubs_documentation() {
        let found = sign(hmac::HMAC_SHA256, "It's a Secret to Everybody", b"Hello, World!");
        assert_eq!(found, "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    }
}
