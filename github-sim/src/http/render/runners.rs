//! Runners, their labels and groups, and the configuration of a just-in-time runner.

use crate::names::Scope;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::call::Urls;
use crate::world::DEFAULT_GROUP;
use crate::world::model::{Runner, RunnerGroup, RunnerLabel};

/// Schema `runner`.
pub(crate) fn runner(runner: &Runner) -> Value {
    json!({
        "id": runner.id,
        "name": runner.name,
        "os": runner.os,
        "status": if runner.online() { "online" } else { "offline" },
        "busy": runner.busy(),
        "ephemeral": runner.ephemeral,
        "runner_group_id": runner.group_id,
        "labels": runner.labels.iter().map(label).collect::<Vec<_>>(),
    })
}

/// Schema `runner-label`.
fn label(label: &RunnerLabel) -> Value {
    let kind = if label.read_only { "read-only" } else { "custom" };
    json!({"id": label.id, "name": label.name, "type": kind})
}

/// The answer of every route under `/labels`.
pub(crate) fn labels(labels: &[RunnerLabel]) -> Value {
    json!({"total_count": labels.len(), "labels": labels.iter().map(label).collect::<Vec<_>>()})
}

/// Schema `runner-groups-org`.
pub(crate) fn group(group: &RunnerGroup, urls: &Urls) -> Value {
    let base = format!("{}/orgs/{}", urls.api, group.org);
    let mut shown = group_of(group.id, &group.name, &base);
    shown["allows_public_repositories"] = group.public.into();
    if group.selected.is_some() {
        let id = group.id;
        shown["visibility"] = "selected".into();
        shown["selected_repositories_url"] =
            format!("{base}/actions/runner-groups/{id}/repositories").into();
    }
    shown
}

/// The group of an organisation or, alike, of an enterprise; `base` is the URL of the owner.
pub(crate) fn group_of(id: u64, name: &str, base: &str) -> Value {
    let base = format!("{base}/actions/runner-groups/{id}");
    json!({
        "id": id,
        "name": name,
        "visibility": "all",
        "default": id == DEFAULT_GROUP,
        "runners_url": format!("{base}/runners"),
        "hosted_runners_url": format!("{base}/hosted-runners"),
        "inherited": false,
        "allows_public_repositories": true,
        "restricted_to_workflows": false,
        "selected_workflows": [],
        "workflow_restrictions_read_only": false,
    })
}

/// The `encoded_jit_config`: base64 of a JSON object of three files, each base64 of JSON, as the real one is.
pub(crate) fn jit_config(runner: &Runner, secret: &str, work_folder: &str, urls: &Urls) -> String {
    let file = |content: Value| STANDARD.encode(content.to_string());
    let settings = json!({
        "agentId": runner.id.to_string(),
        "agentName": runner.name,
        "poolId": runner.group_id.to_string(),
        "poolName": "Default",
        "ephemeral": "True",
        "disableUpdate": "True",
        "serverUrl": urls.html,
        "gitHubUrl": match &runner.scope {
            Scope::Enterprise(slug) => format!("{}/enterprises/{slug}", urls.html),
            Scope::Repo(slug) => format!("{}/{slug}", urls.html),
            Scope::Org(login) => format!("{}/{login}", urls.html),
        },
        "workFolder": work_folder,
    });
    let credentials = json!({"scheme": "OneShot", "data": {"secret": secret}});
    let config = json!({
        ".runner": file(settings),
        ".credentials": file(credentials),
        ".credentials_rsaparams": file(json!({})),
    });
    STANDARD.encode(config.to_string())
}

/// Schema `runner-application`, one per platform that Docker runs.
pub(crate) fn downloads(urls: &Urls) -> Value {
    const VERSION: &str = "2.336.0";
    let one = |architecture: &str| {
        let filename = format!("actions-runner-linux-{architecture}-{VERSION}.tar.gz");
        let base = format!("{}/actions/runner/releases/download", urls.html);
        json!({
            "os": "linux",
            "architecture": architecture,
            "download_url": format!("{base}/v{VERSION}/{filename}"),
            "filename": filename,
        })
    };
    json!([one("x64"), one("arm64")])
}
