//! Pools as people read them.

use mayfly_common::api::{Pool, PoolSource};
use serde_json::Value;

use crate::print::{self, pairs};

/// One line for each.
pub(crate) fn table(pools: &[Pool]) -> String {
    let rows = pools.iter().map(|pool| {
        let count = |state: &str| pool.status.runners.get(state).copied().unwrap_or_default();
        [
            pool.name.clone(),
            pool.status.state.clone(),
            format!("{}/{}", count("idle"), pool.status.min_idle),
            count("starting").to_string(),
            count("busy").to_string(),
            pool.status.max.to_string(),
            pool.status.queued_jobs.to_string(),
            pool.status.labels.join(","),
            list(&pool.spec["scopes"]),
        ]
    });
    print::table(
        [
            "pool",
            "state",
            "idle/wanted",
            "starting",
            "busy",
            "max",
            "queued jobs",
            "labels",
            "scopes",
        ],
        rows,
    )
}

/// All there is to say.
pub(super) fn page(pool: &Pool) -> String {
    let (status, spec) = (&pool.status, &pool.spec);
    let runners: Vec<String> =
        status.runners.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let source = match pool.source {
        PoolSource::Environment => "the orchestrator's environment".to_owned(),
        PoolSource::Api => format!("the API, revision {}", pool.revision),
    };
    let image = match status.image_state.as_str() {
        "" => status.image.clone(),
        state => {
            let far = status
                .image_pull
                .map(|pull| format!(", {} of {} MiB", pull.done >> 20, pull.size >> 20));
            format!("{} ({state}{})", status.image, far.unwrap_or_default())
        }
    };
    let seconds =
        |name: &str| spec[name].as_u64().map(|seconds| format!("{seconds} s")).unwrap_or_default();
    pairs([
        ("pool", pool.name.clone()),
        ("state", status.state.clone()),
        ("from", source),
        ("scopes", list(&spec["scopes"])),
        ("labels", status.labels.join(",")),
        ("group", text(&spec["runner_group"])),
        ("backend", spec["backend"].as_str().unwrap_or("docker").to_owned()),
        ("image", image),
        ("runners", if runners.is_empty() { "none".to_owned() } else { runners.join(", ") }),
        ("to wait", status.min_idle.to_string()),
        ("max", status.max.to_string()),
        ("queued jobs", status.queued_jobs.to_string()),
        ("too few because", status.short.clone().unwrap_or_default()),
        ("priority", spec["priority"].to_string()),
        ("autoscaling", text(&spec["autoscaling"]["policy"])),
        ("memory", text(&spec["resources"]["memory"])),
        ("cpus", text(&spec["resources"]["cpus"])),
        ("isolation", text(&spec["isolation"])),
        ("docker", text(&spec["docker"])),
        ("idle timeout", seconds("idle_timeout")),
        ("rotation", seconds("rotation_interval")),
        ("naming", text(&spec["naming"])),
    ])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> String {
    let items = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    items.collect::<Vec<_>>().join(",")
}
