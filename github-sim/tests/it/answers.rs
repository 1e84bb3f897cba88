//! Whole answers and whole payloads, beside those in `data/answers.jsonl` and `data/payloads.jsonl`: one in each line, after its name.
//!
//! The descriptions say of which type a field is; what it says is held here. Each field of the world has a value of its own as far
//! as that can be.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use github_sim::world::Registration;
use github_sim::world::model::{Action, Conclusion, JobSpec, NewRepo, Step};
use github_sim::{Checked, Clock, Sim};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::hooks::{Receiver, new_hook};
use crate::support::{Ask, Reply, post, scope, send, sim, slug, spec};

/// The headers that are held, where they are there.
const HEADERS: [&str; 10] = [
    "content-type",
    "link",
    "location",
    "cache-control",
    "vary",
    "x-accepted-oauth-scopes",
    "x-github-media-type",
    "x-oauth-scopes",
    "x-ratelimit-resource",
    "x-ratelimit-used",
];

/// Texts that are made anew each time.
fn plain(value: &mut Value, name: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| plain(item, name)),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| plain(value, name)),
        Value::String(text) if ["token", "guid", "encoded_jit_config"].contains(&name) => {
            "made".clone_into(text);
        }
        _ => {}
    }
}

fn shown(reply: &Reply) -> Value {
    let headers: serde_json::Map<String, Value> = HEADERS
        .iter()
        .filter(|name| !reply.header(name).is_empty())
        .map(|name| ((*name).to_owned(), reply.header(name).into()))
        .collect();
    let mut body = if reply.body.is_empty() { Value::Null } else { reply.json() };
    plain(&mut body, "");
    json!({"status": reply.status, "headers": headers, "body": body})
}

/// Where two values differ.
fn differences(at: &str, found: &Value, expected: &Value, into: &mut String) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for name in
                found.keys().chain(expected.keys().filter(|name| !found.contains_key(*name)))
            {
                let of = |fields: &serde_json::Map<String, Value>| {
                    fields.get(name).cloned().unwrap_or_else(|| "(nothing)".into())
                };
                differences(&format!("{at}/{name}"), &of(found), &of(expected), into);
            }
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
                differences(&format!("{at}/{index}"), found, expected, into);
            }
        }
        _ if found == expected => {}
        _ => writeln!(into, "{at}: {found}, expected {expected}").unwrap(),
    }
}

/// Compares named values with those of a file.
fn compare(found: &[(String, Value)], file: &str) {
    let expected: Vec<(String, Value)> = file
        .lines()
        .map(|line| {
            let (name, value) = line.split_once('\t').unwrap();
            (name.to_owned(), serde_json::from_str(value).unwrap())
        })
        .collect();
    let names =
        |all: &[(String, Value)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(found), names(&expected));
    let mut wrong = String::new();
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        differences(name, found, expected, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A world in which no two moments, names or ids are the same.
fn fill(sim: &Sim, clock: &Clock) -> (u64, u64) {
    let tick = || clock.advance(SignedDuration::from_secs(1));
    let (tools, org) = (slug("octo-org/tools"), scope("org:octo-org"));
    sim.with(|world| {
        tick();
        let secret = NewRepo {
            slug: slug("octo-org/secret"),
            private: true,
            files: [("a.bin".to_owned(), "é".repeat(2000)), ("d/b".to_owned(), String::new())]
                .into(),
        };
        world.add_repo(secret).unwrap();
        tick();
        world.add_fork(&tools, "octo-admin").unwrap();
        tick();
        world.put_file(&tools, "new", "1").unwrap();
        tick();
        world.change_repo(&slug("octo-admin/tools"), |repo| repo.archived = true).unwrap();
        tick();
        let group = world.add_runner_group("octo-org", "big").unwrap();
        world.add_enterprise("acme", &["octo-org"]).unwrap();
        world.add_enterprise_runner_group("acme", "huge").unwrap();
        world
            .set_group_access("octo-org", "big", Some(std::slice::from_ref(&tools)), true)
            .unwrap();
        let new = Registration {
            name: "One".into(),
            labels: vec!["GPU".into(), "self-hosted".into()],
            group_id: Some(group),
            ..Registration::default()
        };
        world.create_jit_runner(&org, new).unwrap();
        world.add_offline_runner(&scope("repo:octo-org/tools"), "two", &["x"]).unwrap();
        let mut uses = Step::run("uses");
        uses.action = Action::Uses("actions/checkout@v4".into());
        let first = JobSpec {
            steps: vec![Step::run("true"), uses, Step::run("false\nmore")],
            environment: Some("prod".into()),
            ..spec("build it", &["gpu", "Self-Hosted"], &[])
        };
        tick();
        let job = world.queue_job(&tools, first).unwrap();
        tick();
        world.approve_job(job).unwrap();
        tick();
        world.connect_runner(&org, "One").unwrap();
        tick();
        world.report_step(job, 1, Conclusion::Success).unwrap();
        tick();
        world.finish_job(job, Conclusion::Failure).unwrap();
        let run = world.job(job).unwrap().run_id;
        tick();
        world.rerun(run).unwrap();
        tick();
        world.queue_job(&tools, spec("later", &["x"], &[])).unwrap();
        world.connect_runner(&scope("repo:octo-org/tools"), "two").unwrap();
        (run, job)
    })
}

async fn asked(sim: &Checked, into: &mut Vec<(String, Value)>, token: &str, calls: &[&str]) {
    for call in calls {
        let (method, path) = call.split_once(' ').unwrap();
        let reply = send(sim, Ask { method, path, token, ..Ask::default() }).await;
        into.push((format!("{call} ({token})"), shown(&reply)));
    }
}

#[tokio::test]
async fn every_answer_says_what_the_world_is() {
    let (sim, clock) = sim().await;
    let (run, job) = fill(&sim, &clock);
    let mut found = Vec::new();
    let of_run = format!("GET /repos/octo-org/tools/actions/runs/{run}");
    let (jobs, all, attempt) = (
        format!("{of_run}/jobs"),
        format!("{of_run}/jobs?filter=all"),
        format!("{of_run}/attempts/2/jobs"),
    );
    let one = format!("GET /repos/octo-org/tools/actions/jobs/{job}");
    let calls = [
        "GET /",
        "GET /meta",
        "GET /user",
        "GET /rate_limit",
        "GET /orgs/octo-org",
        "GET /repos/octo-org/tools",
        "GET /repos/octo-org/secret",
        "GET /repos/octo-admin/tools",
        "GET /api/v3/orgs/octo-org/repos?per_page=1&page=2",
        "GET /repos/octo-org/tools/contents/",
        "GET /repos/octo-org/secret/contents/a.bin",
        "GET /repos/octo-org/tools/contents/src",
        "GET /repos/octo-org/tools/git/trees/main?recursive=1",
        "GET /repos/octo-org/tools/git/trees/main",
        "GET /repos/octo-org/tools/actions/workflows",
        "GET /repos/octo-org/tools/actions/runs",
        &of_run,
        &jobs,
        &all,
        &attempt,
        &one,
        "GET /repos/octo-org/tools/actions/runners",
        "GET /orgs/octo-org/actions/runners",
        "GET /orgs/octo-org/actions/runners/downloads",
        "GET /orgs/octo-org/actions/runner-groups",
        "GET /enterprises/acme/actions/runner-groups",
        "GET /enterprises/acme/actions/runners",
        "POST /orgs/octo-org/actions/runners/registration-token",
        "POST /orgs/octo-org/actions/runners/remove-token",
        "GET /user/installations",
        "GET /nothing",
        "GET /repos/octo-org/tools/actions/runs/1",
        "POST /orgs/octo-org/actions/runners/generate-jitconfig",
        "GET /app",
    ];
    asked(&sim, &mut found, "Bearer t", &calls).await;
    let calls = [
        "GET /app",
        "GET /app/installations",
        "GET /app/hook/config",
        "GET /orgs/octo-org/installation",
    ];
    asked(&sim, &mut found, "Bearer a.b.c", &calls).await;
    let hook = json!({"config": {"url": "http://127.0.0.1:9/x"}, "events": ["push", "meta"], "active": false});
    for base in ["/repos/octo-org/tools/hooks", "/orgs/octo-org/hooks"] {
        found.push((format!("POST {base}"), shown(&post(&sim, base, hook.clone()).await)));
        found.push((format!("POST {base} again"), shown(&post(&sim, base, hook.clone()).await)));
    }
    compare(&found, include_str!("../data/answers.jsonl"));
}

#[tokio::test]
async fn every_payload_says_what_happened() {
    let (sim, clock) = sim().await;
    sim.set_public_url("http://sim.test:8090");
    let (receiver, url) = Receiver::start().await;
    post(&sim, "/orgs/octo-org/hooks", new_hook(&url, &["*"])).await;
    fill(&sim, &clock);
    sim.with(|world| {
        let tools = slug("octo-org/tools");
        world.put_file(&tools, "new", "2").unwrap();
        world.delete_file(&tools, "new").unwrap();
        let kit = world.rename_repo(&tools, "kit").unwrap();
        world.change_repo(&kit, |repo| repo.private = true).unwrap();
        world.add_org("next").unwrap();
        world.transfer_repo(&slug("octo-org/secret"), "next").unwrap();
        world.transfer_repo(&slug("next/secret"), "octo-org").unwrap();
        world.delete_repo(&slug("octo-org/secret")).unwrap();
    });
    let mut found: Vec<(String, Value)> = Vec::new();
    for got in receiver.take(&sim).await {
        let mut body = got.json();
        plain(&mut body, "");
        // The receiver's port.
        let text = body.to_string().replace(url.as_str(), "URL");
        found.push((got.kind(), serde_json::from_str(&text).unwrap()));
    }
    compare(&found, include_str!("../data/payloads.jsonl"));
}

#[tokio::test]
async fn a_just_in_time_configuration_says_whose_runner_it_is() {
    let (sim, _) = sim().await;
    let group = sim.with(|world| {
        world.add_enterprise("acme", &["octo-org"]).unwrap();
        world.add_runner_group("octo-org", "big").unwrap()
    });
    let decoded = |text: &Value| -> Value {
        serde_json::from_slice(&STANDARD.decode(text.as_str().unwrap()).unwrap()).unwrap()
    };
    let rows = [
        ("/repos/octo-org/tools", 1, "octo-org/tools", None),
        ("/orgs/octo-org", group, "octo-org", Some("_w")),
        ("/enterprises/acme", 1, "enterprises/acme", None),
    ];
    for (base, group, page, folder) in rows {
        let mut body =
            json!({"name": "j1", "runner_group_id": group, "labels": ["X", "self-hosted"]});
        if let Some(folder) = folder {
            body["work_folder"] = folder.into();
        }
        let path = format!("{base}/actions/runners/generate-jitconfig");
        let made = post(&sim, &path, body).await.json();
        let runner = &made["runner"];
        let id = &runner["id"];
        let labels = runner["labels"].as_array().unwrap();
        let expected = json!({
            "id": id, "name": "j1", "os": "unknown", "status": "offline", "busy": false, "ephemeral": true,
            "runner_group_id": group, "labels": [
                {"id": labels[0]["id"], "name": "x", "type": "custom"},
                {"id": labels[1]["id"], "name": "self-hosted", "type": "custom"},
            ],
        });
        assert_eq!(runner, &expected);
        let files = decoded(&made["encoded_jit_config"]);
        let expected = json!({
            "agentId": id.to_string(), "agentName": "j1", "poolId": group.to_string(), "poolName": "Default",
            "ephemeral": "True", "disableUpdate": "True", "serverUrl": "http://sim.test:8090",
            "gitHubUrl": format!("http://sim.test:8090/{page}"), "workFolder": folder.unwrap_or("_work"),
        });
        assert_eq!(decoded(&files[".runner"]), expected);
        let credentials = decoded(&files[".credentials"]);
        assert_eq!(credentials["scheme"], "OneShot");
        assert_eq!(decoded(&files[".credentials_rsaparams"]), json!({}));
        assert_eq!(files.as_object().unwrap().len(), 3);
    }
}
