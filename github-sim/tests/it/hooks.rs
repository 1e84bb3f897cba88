//! Hooks and what they are sent, over a real connection to a real listener.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use github_sim::Sim;
use github_sim::conformance::Description;
use github_sim::world::deliveries::{DeliveryFault, DeliveryFaultKind};
use github_sim::world::hooks::{HookConfig, HookPlace};
use github_sim::world::model::{Conclusion, JobSpec, Status};
use http::{HeaderMap, StatusCode};
use ring::hmac;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Ask, Reply, control, get, post, scope, send, sim, slug, spec};

const WEBHOOKS: &str = include_str!("../data/github-webhooks-trimmed.json");
/// Far beyond what any of these takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where deliveries go: it takes them all, and answers as told, else 200.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    pub(crate) async fn start() -> (Self, String) {
        let receiver = Self::default();
        let take = async |State(me): State<Self>, headers: HeaderMap, body: Bytes| {
            me.got.lock().expect("nobody panicked").push((headers, body));
            let status = me.answers.lock().expect("nobody panicked").pop_front().unwrap_or(200);
            (StatusCode::from_u16(status).expect("a status"), "taken")
        };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    fn answer(&self, statuses: &[u16]) {
        self.answers.lock().expect("nobody panicked").extend(statuses);
    }

    /// What came since the last time, once nothing is under way.
    pub(crate) async fn take(&self, sim: &Sim) -> Vec<Got> {
        let quiet = sim.until(|world| world.deliveries_under_way() == 0);
        timeout(PATIENCE, quiet).await.expect("deliveries end");
        let got = std::mem::take(&mut *self.got.lock().expect("nobody panicked"));
        got.into_iter().map(Got::from).collect()
    }
}

pub(crate) struct Got {
    headers: HeaderMap,
    body: Bytes,
}

impl From<(HeaderMap, Bytes)> for Got {
    fn from((headers, body): (HeaderMap, Bytes)) -> Self {
        Self { headers, body }
    }
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The event and its action.
    pub(crate) fn kind(&self) -> String {
        let action = self.json()["action"].as_str().map(|action| format!(".{action}"));
        format!("{}{}", self.header("x-github-event"), action.unwrap_or_default())
    }

    fn signed_with(&self, secret: &str) -> bool {
        let tag = self.header("x-hub-signature-256").strip_prefix("sha256=").unwrap_or_default();
        let byte = |at: usize| u8::from_str_radix(tag.get(at..at + 2)?, 16).ok();
        let tag: Vec<u8> = (0..tag.len()).step_by(2).filter_map(byte).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hmac::verify(&key, &self.body, &tag).is_ok()
    }
}

fn kinds(got: &[Got]) -> Vec<String> {
    got.iter().map(Got::kind).collect()
}

pub(crate) fn new_hook(url: &str, events: &[&str]) -> Value {
    json!({
        "name": "web", "active": true, "events": events,
        "config": {"url": url, "content_type": "json", "secret": "s3cret", "insecure_ssl": "0"},
    })
}

async fn repo_hook(sim: &Sim, url: &str, events: &[&str]) -> u64 {
    let made = post(sim, "/repos/octo-org/tools/hooks", new_hook(url, events)).await;
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    made.json()["id"].as_u64().expect("an id")
}

async fn as_app(sim: &Sim, method: &str, path: &str, body: Option<Value>) -> Reply {
    send(sim, Ask { method, path, token: "Bearer a.b.c", body, ..Ask::default() }).await
}

#[tokio::test]
async fn the_life_of_a_job_is_told_in_githubs_shape() {
    let (sim, _) = sim().await;
    let (receiver, url) = Receiver::start().await;
    let hook = repo_hook(&sim, &url, &["workflow_job"]).await;
    let ping = receiver.take(&sim).await;
    assert_eq!(kinds(&ping), ["ping"]);
    assert_eq!(ping[0].json()["hook_id"], hook);
    sim.with(|world| {
        world.add_enterprise("acme", &["octo-org"]).unwrap();
        let gated = JobSpec { environment: Some("prod".into()), ..spec("j", &["x"], &["true"]) };
        let job = world.queue_job(&slug("octo-org/tools"), gated).unwrap();
        let org = scope("org:octo-org");
        world.add_offline_runner(&org, "r1", &["x"]).unwrap();
        assert_eq!(world.connect_runner(&org, "r1").unwrap(), None, "it waits for approval");
        world.approve_job(job).unwrap();
        world.finish_job(job, Conclusion::Failure).unwrap();
        // What hooks are not asked for is not sent.
        world.put_file(&slug("octo-org/tools"), "x", "y").unwrap();
    });
    let got = receiver.take(&sim).await;
    let expected = ["waiting", "queued", "in_progress", "completed"];
    assert_eq!(kinds(&got), expected.map(|action| format!("workflow_job.{action}")));
    let description = Description::from_json(WEBHOOKS).unwrap();
    let wrong = description.check_component("webhook-ping", &ping[0].json());
    assert_eq!(wrong, Vec::<String>::new());
    for (got, action) in got.iter().zip(["waiting", "queued", "in-progress", "completed"]) {
        let name = format!("webhook-workflow-job-{action}");
        assert_eq!(description.check_component(&name, &got.json()), Vec::<String>::new());
        assert!(got.signed_with("s3cret") && !got.signed_with("other"));
        assert!(got.header("user-agent").starts_with("GitHub-Hookshot/"));
        assert_eq!(got.header("content-type"), "application/json");
        assert_eq!(got.header("x-github-hook-id"), hook.to_string());
        assert_eq!(got.header("x-github-hook-installation-target-type"), "repository");
        assert!(got.header("x-hub-signature").starts_with("sha1="));
        assert_eq!(got.json()["enterprise"]["slug"], "acme");
        assert_eq!(got.json()["organization"]["login"], "octo-org");
    }
    let job = |at: usize| got[at].json()["workflow_job"].clone();
    assert_eq!((&job(1)["runner_id"], &job(1)["runner_name"]), (&Value::Null, &Value::Null));
    assert_eq!((&job(1)["status"], &job(1)["conclusion"]), (&json!("queued"), &Value::Null));
    assert_eq!((&job(2)["runner_name"], &job(2)["status"]), (&json!("r1"), &json!("in_progress")));
    assert_eq!(job(3)["conclusion"], "failure");
    assert_eq!(got[0].json()["deployment"]["environment"], "prod");
    let guids: std::collections::BTreeSet<_> =
        got.iter().map(|one| one.header("x-github-delivery").to_owned()).collect();
    assert_eq!(guids.len(), 4, "each event has its own");
    assert_eq!(sim.with(|world| world.violations()), Vec::<String>::new());
}

#[tokio::test]
async fn hooks_are_made_shown_and_deleted() {
    let (sim, _) = sim().await;
    let (receiver, url) = Receiver::start().await;
    for base in ["/repos/octo-org/tools/hooks", "/orgs/octo-org/hooks"] {
        let made = post(&sim, base, new_hook(&url, &["meta", "push"])).await;
        let hook = made.json();
        assert!(made.header("location").ends_with(&format!("{base}/{}", hook["id"])));
        assert_eq!(hook["config"]["secret"], "********", "a secret is not shown");
        let again = post(&sim, base, new_hook(&url, &["push"])).await;
        let what = if base.starts_with("/orgs") { "organization" } else { "repository" };
        assert_eq!(again.status, 422);
        let message = format!("Hook already exists on this {what}");
        assert_eq!(again.json()["errors"][0]["message"], message.as_str());
        let other = post(&sim, base, new_hook(&url, &["workflow_job"])).await;
        assert_eq!(other.status, 201, "no event would go there twice");
        for wrong in [
            json!({}),
            json!({"config": {}}),
            json!({"config": {"url": "nonsense"}}),
            json!({"config": {"url": "ftp://x/"}}),
            json!({"name": "irc", "config": {"url": "http://x/"}}),
            json!({"config": {"url": "http://x/", "content_type": "xml"}}),
            json!({"config": {"url": "http://x/", "insecure_ssl": "2"}}),
            json!({"events": "push", "config": {"url": "http://x/"}}),
            json!({"active": 1, "config": {"url": "http://x/"}}),
        ] {
            assert_eq!(post(&sim, base, wrong.clone()).await.status, 422, "{wrong}");
        }
        assert_eq!(get(&sim, base).await.json().as_array().unwrap().len(), 2);
        receiver.take(&sim).await;
        let one = format!("{base}/{}", hook["id"]);
        assert_eq!(post(&sim, &format!("{one}/pings"), json!({})).await.status, 204);
        assert_eq!(kinds(&receiver.take(&sim).await), ["ping"]);
        let delete = Ask { method: "DELETE", path: &one, token: "Bearer t", ..Ask::default() };
        assert_eq!(send(&sim, delete.clone()).await.status, 204);
        assert_eq!(kinds(&receiver.take(&sim).await), ["meta.deleted"]);
        assert_eq!(send(&sim, delete).await.status, 404);
        assert_eq!(get(&sim, &one).await.status, 404);
        // The push goes to nobody of this place any more.
        sim.with(|world| world.put_file(&slug("octo-org/tools"), base, "").unwrap_err());
    }
}

#[tokio::test]
async fn a_failed_delivery_stays_failed_until_someone_asks_for_it_again() {
    let (sim, _) = sim().await;
    let (receiver, url) = Receiver::start().await;
    let hook = repo_hook(&sim, &url, &["push"]).await;
    receiver.take(&sim).await;
    receiver.answer(&[500]);
    sim.with(|world| world.put_file(&slug("octo-org/tools"), "a", "1").unwrap());
    let first = receiver.take(&sim).await;
    assert_eq!(kinds(&first), ["push"]);
    let base = format!("/repos/octo-org/tools/hooks/{hook}/deliveries");
    let failed = get(&sim, &format!("{base}?status=failure")).await.json();
    let failed = failed.as_array().unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["status"], "Invalid HTTP Response: 500");
    assert_eq!((&failed[0]["status_code"], &failed[0]["redelivery"]), (&json!(500), &json!(false)));
    let whole = get(&sim, &format!("{base}/{}", failed[0]["id"])).await.json();
    assert_eq!(whole["response"]["payload"], "taken");
    assert_eq!(whole["request"]["payload"], first[0].json());
    assert_eq!(
        whole["request"]["headers"]["X-Hub-Signature-256"],
        first[0].header("x-hub-signature-256")
    );
    let hook_shown = get(&sim, &format!("/repos/octo-org/tools/hooks/{hook}")).await.json();
    assert_eq!(hook_shown["last_response"]["code"], 500);
    let attempts = format!("{base}/{}/attempts", failed[0]["id"]);
    assert_eq!(post(&sim, &attempts, json!({})).await.status, 202);
    let second = receiver.take(&sim).await;
    assert_eq!(second[0].body, first[0].body);
    assert_eq!(second[0].header("x-github-delivery"), first[0].header("x-github-delivery"));
    let list = get(&sim, &base).await.json();
    assert_eq!((&list[0]["redelivery"], &list[0]["status"]), (&json!(true), &json!("OK")));
    assert_eq!(list[0]["guid"], list[1]["guid"]);
    assert_ne!(list[0]["id"], list[1]["id"]);
    assert_eq!(post(&sim, &format!("{base}/1/attempts"), json!({})).await.status, 404);
}

#[tokio::test]
async fn deliveries_come_in_pages_that_new_ones_do_not_move() {
    let (sim, clock) = sim().await;
    let (receiver, url) = Receiver::start().await;
    let hook = repo_hook(&sim, &url, &["push"]).await;
    let push =
        |path: &str| sim.with(|world| world.put_file(&slug("octo-org/tools"), path, "").unwrap());
    for path in ["a", "b", "c", "d"] {
        push(path);
    }
    receiver.take(&sim).await;
    let mut path = format!("/repos/octo-org/tools/hooks/{hook}/deliveries?per_page=2");
    let mut seen = Vec::new();
    loop {
        let reply = get(&sim, &path).await;
        seen.extend(reply.json().as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()));
        push("later");
        receiver.take(&sim).await;
        let link = reply.header("link");
        let Some(next) = link.strip_suffix(">; rel=\"next\"") else { break };
        path = next.trim_start_matches("<http://sim.test:8090").to_owned();
    }
    assert_eq!(seen.len(), 5, "four pushes and a ping");
    assert!(seen.is_sorted_by(|one, other| one > other), "newest first: {seen:?}");
    let bad = format!("/repos/octo-org/tools/hooks/{hook}/deliveries?cursor=x");
    assert_eq!(get(&sim, &bad).await.status, 400);
    clock.advance(jiff::SignedDuration::from_hours(3 * 24));
    sim.with(|world| world.expire(clock.now()));
    assert_eq!(sim.with(|world| world.deliveries(hook).count()), 0, "kept for three days");
}

#[tokio::test]
async fn an_unreachable_receiver_is_recorded() {
    let (sim, _) = sim().await;
    for url in ["http://127.0.0.1:9/none", "https://127.0.0.1:9/none"] {
        let hook = repo_hook(&sim, url, &["push"]).await;
        let quiet = sim.until(|world| world.deliveries_under_way() == 0);
        timeout(PATIENCE, quiet).await.unwrap();
        let base = format!("/repos/octo-org/tools/hooks/{hook}/deliveries");
        let list = get(&sim, &base).await.json();
        assert_eq!(list[0]["status"], "failed to connect to host");
        assert_eq!(list[0]["status_code"], 502);
        let one = get(&sim, &format!("{base}/{}", list[0]["id"])).await.json();
        assert_eq!(one["response"]["payload"], Value::Null);
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_in_time_is_recorded() {
    let (sim, _) = sim().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let body = json!({"delivery_timeout_ms": 50});
    assert_eq!(control(&sim, "PATCH", "/_sim/settings", body).await.status, 200);
    let hook = repo_hook(&sim, &url, &["push"]).await;
    let quiet = sim.until(|world| world.deliveries_under_way() == 0);
    timeout(PATIENCE, quiet).await.unwrap();
    let list = get(&sim, &format!("/repos/octo-org/tools/hooks/{hook}/deliveries")).await.json();
    assert_eq!((&list[0]["status"], &list[0]["status_code"]), (&json!("timed out"), &json!(504)));
    let state = get(&sim, "/_sim/state").await.json();
    assert_eq!(
        (&state["hooks"][0]["deliveries"], &state["hooks"][0]["failed"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn deliveries_go_wrong_on_order() {
    let (sim, _) = sim().await;
    let (receiver, url) = Receiver::start().await;
    let hook = repo_hook(&sim, &url, &["push"]).await;
    receiver.take(&sim).await;
    let push =
        |path: &str| sim.with(|world| world.put_file(&slug("octo-org/tools"), path, "").unwrap());
    let order = |kind: DeliveryFaultKind| {
        sim.with(|world| world.add_delivery_fault(DeliveryFault::next(kind)))
    };
    let paths = |got: &[Got]| -> Vec<String> {
        let path = |one: &Got| one.json()["head_commit"]["added"][0].as_str().unwrap().to_owned();
        got.iter().map(path).collect()
    };
    let count = || sim.with(|world| world.deliveries(hook).count());

    order(DeliveryFaultKind::Drop);
    push("a1");
    push("a2");
    assert_eq!(paths(&receiver.take(&sim).await), ["a2"]);
    assert_eq!(count(), 3, "it is recorded as failed");

    order(DeliveryFaultKind::Lose);
    push("b1");
    push("b2");
    assert_eq!(paths(&receiver.take(&sim).await), ["b2"]);
    assert_eq!(count(), 4, "nothing remembers it");

    order(DeliveryFaultKind::Duplicate);
    push("c");
    let twice = receiver.take(&sim).await;
    assert_eq!(paths(&twice), ["c", "c"]);
    assert_eq!(twice[0].header("x-github-delivery"), twice[1].header("x-github-delivery"));

    order(DeliveryFaultKind::Reorder);
    push("d1");
    push("d2");
    assert_eq!(paths(&receiver.take(&sim).await), ["d2", "d1"]);

    order(DeliveryFaultKind::WrongSecret);
    push("e");
    let wrong = receiver.take(&sim).await;
    assert!(!wrong[0].signed_with("s3cret") && !wrong[0].header("x-hub-signature-256").is_empty());

    let late = json!({"kind": "delay", "delay_ms": 100, "event": "push", "hook": hook});
    assert_eq!(control(&sim, "POST", "/_sim/deliveries/faults", late).await.status, 201);
    push("f1");
    push("f2");
    assert_eq!(paths(&receiver.take(&sim).await), ["f2", "f1"]);

    let never = json!({"kind": "drop", "event": "workflow_job", "action": "queued"});
    control(&sim, "POST", "/_sim/deliveries/faults", never).await;
    push("g");
    assert_eq!(paths(&receiver.take(&sim).await), ["g"]);
    let left = control(&sim, "GET", "/_sim/deliveries/faults", Value::Null).await.json();
    assert_eq!(left.as_array().unwrap().len(), 1);
    let none = json!({"kind": "drop", "times": 0});
    assert_eq!(control(&sim, "POST", "/_sim/deliveries/faults", none).await.status, 422);
    let cancel = control(&sim, "DELETE", "/_sim/deliveries/faults", Value::Null).await;
    assert_eq!(cancel.status, 204);
}

#[tokio::test]
async fn the_app_hears_of_its_installations_and_of_what_they_hold() {
    let (sim, _) = sim().await;
    let (receiver, url) = Receiver::start().await;
    let patched =
        as_app(&sim, "PATCH", "/app/hook/config", Some(json!({"url": url, "secret": "app"}))).await;
    assert_eq!((patched.status, &patched.json()["secret"]), (200, &json!("********")));
    let json_now = json!({"content_type": "json"});
    assert_eq!(as_app(&sim, "PATCH", "/app/hook/config", Some(json_now)).await.status, 200);
    assert_eq!(as_app(&sim, "GET", "/app/hook/config", None).await.json()["url"], url.as_str());
    // The ping may be sent in either form, since the hook was changed right after it was made.
    assert_eq!(receiver.take(&sim).await.len(), 1);
    let login = github_sim::names::Login::parse("octo-org").unwrap();
    sim.with(|world| {
        let id = world.installation_of(&login).unwrap().id;
        let tools = slug("octo-org/tools");
        world.queue_job(&tools, spec("j", &["x"], &[])).unwrap();
        let none = world.select(&[]).unwrap();
        world.set_installation_repositories(id, none).unwrap();
        world.queue_job(&tools, spec("unheard", &["x"], &[])).unwrap();
        let one = world.select(std::slice::from_ref(&tools)).unwrap();
        world.set_installation_repositories(id, one).unwrap();
        world.suspend_installation(id).unwrap();
        world.queue_job(&tools, spec("unheard too", &["x"], &[])).unwrap();
        world.unsuspend_installation(id).unwrap();
        let renamed = world.rename_repo(&tools, "kit").unwrap();
        world.change_repo(&renamed, |repo| (repo.archived, repo.private) = (true, true)).unwrap();
        world.delete_repo(&renamed).unwrap();
        world.delete_installation(id).unwrap();
        world.add_org("next").unwrap();
    });
    let got = receiver.take(&sim).await;
    let expected = [
        "workflow_job.queued",
        "installation_repositories.removed",
        "installation_repositories.added",
        "installation.suspend",
        "installation.unsuspend",
        "repository.renamed",
        "repository.archived",
        "repository.privatized",
        "workflow_job.completed",
        "workflow_job.completed",
        "workflow_job.completed",
        "repository.deleted",
        "installation.deleted",
        "installation.created",
    ];
    assert_eq!(kinds(&got), expected);
    assert!(got.iter().all(|one| one.signed_with("app")));
    assert!(got.iter().all(|one| one.json()["installation"]["id"].is_u64()), "by which it hears");
    assert_eq!(got[0].header("x-github-hook-installation-target-type"), "integration");
    assert_eq!(got[2].json()["repositories_added"][0]["full_name"], "octo-org/tools");
    assert_eq!(got[5].json()["changes"]["repository"]["name"]["from"], "tools");
    let list = as_app(&sim, "GET", "/app/hook/deliveries?per_page=1", None).await.json();
    assert_eq!(list[0]["event"], "installation");
    let one = format!("/app/hook/deliveries/{}", list[0]["id"]);
    assert_eq!(as_app(&sim, "GET", &one, None).await.json()["action"], "created");
    assert_eq!(as_app(&sim, "POST", &format!("{one}/attempts"), None).await.status, 202);
    assert_eq!(kinds(&receiver.take(&sim).await), ["installation.created"]);
}

#[tokio::test]
async fn a_form_carries_the_same_payload_and_its_own_signature() {
    let (sim, _) = sim().await;
    let (receiver, url) = Receiver::start().await;
    let body = json!({"config": {"url": url, "secret": "s3cret"}});
    assert_eq!(post(&sim, "/repos/octo-org/tools/hooks", body).await.status, 201);
    let got = receiver.take(&sim).await;
    assert_eq!(got[0].header("content-type"), "application/x-www-form-urlencoded");
    assert!(got[0].signed_with("s3cret"), "over the body as it is sent");
    let (name, payload) = form_urlencoded::parse(&got[0].body).next().unwrap();
    assert_eq!(name, "payload");
    assert!(serde_json::from_str::<Value>(&payload).unwrap()["zen"].is_string());
}

#[tokio::test]
async fn an_organisation_hears_of_all_its_repositories_and_a_silent_hook_of_none() {
    let (sim, _) = sim().await;
    let (receiver, url) = Receiver::start().await;
    let mut silent = new_hook(&format!("{url}/silent"), &["*"]);
    silent["active"] = false.into();
    post(&sim, "/orgs/octo-org/hooks", silent).await;
    post(&sim, "/orgs/octo-org/hooks", new_hook(&url, &["*"])).await;
    assert_eq!(receiver.take(&sim).await.len(), 2, "a ping each");
    let body = json!({"repo": "octo-org/more", "files": {"x": "y"}});
    post(&sim, "/_sim/repos", body).await;
    post(&sim, "/_sim/repos", json!({"repo": "elsewhere/x"})).await;
    let job = json!({"repo": "octo-org/more", "name": "h", "labels": ["ubuntu-latest"]});
    post(&sim, "/_sim/jobs", job).await;
    sim.with(|world| world.transfer_repo(&slug("octo-org/more"), "elsewhere").unwrap());
    let got = receiver.take(&sim).await;
    let expected = [
        "repository.created",
        "workflow_job.queued",
        "workflow_job.in_progress",
        "workflow_job.completed",
    ];
    assert_eq!(kinds(&got), expected, "the new owner is told of the transfer");
    assert_eq!(got[2].json()["workflow_job"]["runner_name"], "GitHub Actions 1");
}

#[tokio::test]
async fn nothing_is_kept_of_events_without_a_hook() {
    let (sim, _) = sim().await;
    sim.with(|world| {
        let id = world.queue_job(&slug("octo-org/tools"), spec("j", &["x"], &[])).unwrap();
        assert_eq!(world.job(id).unwrap().status, Status::Queued);
        assert_eq!(world.deliveries_under_way(), 0);
        let app = world.set_app_hook(HookConfig::json("http://127.0.0.1:9/", "s"));
        assert!(world.hook(&HookPlace::App, app).is_ok());
        assert_eq!(world.deliveries_under_way(), 1, "its ping");
    });
}
