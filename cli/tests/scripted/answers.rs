//! What there is behind the scripted gateway: each field has a value of its own.

use serde_json::{Value, json};

/// Now is not before it, so that it is nought seconds ago.
const LATER: &str = "2126-03-04T05:06:07Z";

pub(crate) fn pool() -> Value {
    json!({
        "name": "ci", "source": "api", "revision": 7,
        "spec": {
            "name": "ci", "scopes": ["repo:o/a", "org:o"], "runner_group": "big", "priority": -3,
            "backend": "east", "autoscaling": {"policy": "demand"}, "resources": {"memory": "4g", "cpus": "1.5"}, "isolation": "strict",
            "docker": "dind", "idle_timeout": 61, "rotation_interval": 3601, "naming": "words",
        },
        "status": {
            "state": "active", "labels": ["self-hosted", "linux"], "image": "example/runner:1", "image_state": "pulling",
            "image_pull": {"done": 5_242_881, "size": 9_437_184},
            "runners": {"busy": 4, "draining": 5, "idle": 2, "starting": 3},
            "min_idle": 6, "max": 8, "queued_jobs": 9, "short": "no room",
        },
        "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:06Z",
    })
}

pub(crate) fn runner() -> Value {
    json!({
        "id": "r-id", "name": "r-1", "pool": "ci", "backend": "east", "scope": "repo", "scope_name": "o/a", "labels": ["self-hosted", "linux"],
        "state": "busy", "reason": "it works", "container_id": "c0ffee", "image": "example/runner:1", "github_runner_id": 47,
        "created_at": LATER, "deadline": "2126-03-04T11:06:07Z",
    })
}

pub(crate) fn finished() -> Value {
    json!({
        "name": "r-0", "scope": "org", "scope_name": "o", "pool": "ci", "image": "example/runner:0", "state": "failed",
        "reason": "it ended", "exit_code": 137, "out_of_memory": true, "created_at": "2126-03-04T05:00:00Z",
        "removed_at": LATER, "log": "the end",
    })
}

pub(crate) fn job() -> Value {
    json!({
        "id": 11, "repository": "o/a", "name": "build", "labels": ["self-hosted", "linux"], "status": "completed",
        "waiting": false, "conclusion": "success", "runner": "r-1", "pool": "ci", "queued_at": "2126-03-04T05:06:07Z",
        "seen_at": "2126-03-04T05:06:08Z", "started_at": "2126-03-04T05:06:10Z", "completed_at": "2126-03-04T05:16:10Z",
    })
}

/// One that waits.
pub(crate) fn waiting(id: u64) -> Value {
    json!({
        "id": id, "repository": "o/a", "name": "build", "labels": [], "status": "queued", "waiting": true,
        "queued_at": LATER,
    })
}

pub(crate) fn event(id: i64) -> Value {
    json!({
        "id": id, "at": "2026-01-02T03:04:05Z", "kind": "runner.failed", "pool": "ci", "runner": "r-1", "scope": "o/a",
        "job_id": 11, "job": "build", "message": format!("for the {id}th time"),
    })
}

pub(crate) fn event_line(id: i64) -> String {
    format!(
        "2026-01-02T03:04:05Z  runner.failed   job 11 \"build\" r-1 o/a pool ci: for the {id}th time\n"
    )
}

pub(crate) fn status() -> Value {
    json!({
        "version": "1.2.3", "instance": "house", "auto_create": true, "draining_since": "2026-01-02T03:04:05Z",
        "max_runners": 31, "labels": ["self-hosted"], "image": "example/runner:1", "image_state": "present",
        "runners": {"busy": 4, "idle": 2}, "held_back": {"ci o/a": "it failed thrice"},
        "github": {
            "requests": 32, "unchanged": 33,
            "limits": [
                {"account": "octo", "resource": "core", "limit": 5000, "remaining": 4321, "reset": LATER},
                {"account": "octo", "resource": "search", "limit": 30, "remaining": 29, "reset": LATER},
            ],
            "discovery_waits": "for tomorrow", "next_check": "2026-01-02T03:04:06Z", "not_served": {"public": 34, "fork": 35},
            "clock_skew_seconds": 36, "webhooks": "2 min ago", "ledger": "in memory",
        },
        "last_pass": {
            "started_at": "2026-01-02T03:04:07Z", "duration_ms": 37, "number": 38, "repositories": 39,
            "self_hosted_repositories": 40, "queued_jobs": 41,
            "unmet": [
                {"job_id": 42, "repository": "o/b", "job": "x", "reason": "no pool"},
                {"job_id": 43, "repository": "o/b", "job": "y", "reason": "no pool"},
            ],
            "launched": 44, "removed": 45, "deregistered": 46, "github_error": "slow", "github_accounts": {"octo": "fine"},
            "waiting": "for GitHub", "problems": ["one is wrong", "another is"],
        },
        "finished": [finished()],
    })
}
