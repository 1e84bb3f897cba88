//! GitHub's JSON: only the fields we read, everything else ignored, so that a new field or value breaks nothing.

use jiff::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Runners {
    pub(super) runners: Vec<Runner>,
}

#[derive(Deserialize)]
pub(super) struct Runner {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) busy: bool,
}

#[derive(Deserialize)]
pub(super) struct Jit {
    pub(super) runner: JitRunner,
    pub(super) encoded_jit_config: String,
}

#[derive(Deserialize)]
pub(super) struct JitRunner {
    pub(super) id: i64,
}

#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) token: String,
    pub(super) expires_at: Timestamp,
}

#[derive(Deserialize)]
pub(super) struct RunnerGroups {
    pub(super) runner_groups: Vec<RunnerGroup>,
}

#[derive(Deserialize)]
pub(super) struct RunnerGroup {
    pub(super) id: i64,
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Repo {
    pub(super) full_name: String,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) disabled: bool,
    #[serde(default)]
    pub(super) pushed_at: Option<String>,
}

/// An entry of a folder.
#[derive(Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) sha: String,
    #[serde(default)]
    pub(super) size: u64,
}

/// A file with its content.
#[derive(Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) encoding: String,
    #[serde(default)]
    pub(super) content: String,
}

#[derive(Deserialize)]
pub(super) struct Runs {
    pub(super) workflow_runs: Vec<Run>,
}

#[derive(Deserialize)]
pub(super) struct Run {
    pub(super) id: i64,
}

#[derive(Deserialize)]
pub(super) struct Jobs {
    pub(super) jobs: Vec<Job>,
}

#[derive(Deserialize)]
pub(super) struct Job {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default)]
    pub(super) created_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) started_at: Option<Timestamp>,
}
