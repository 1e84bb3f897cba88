//! The obvious way: in every cycle, list all repositories, read all their workflows, ask all of them for runs, and all runs for
//! jobs. No answer is remembered.

use futures::{StreamExt as _, stream};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use crate::platform::{cost, github, push, pushed_to, queue};
use crate::{JOBS, per};

/// Requests under way at a time.
const CONCURRENT: usize = 16;
const TOKEN: &str = "naive-token";

/// Requests of the obvious way; all of them count against the primary limit.
pub(crate) struct Naive {
    /// A cycle in which nothing changed.
    pub(crate) cycle: u64,
    /// More of them after a push.
    pub(crate) push: u64,
    /// More of them for each queued job.
    pub(crate) job: f64,
}

pub(crate) async fn measure(repositories: usize) -> Naive {
    // It needs more than GitHub allows, and shall come to its end all the same.
    let (sim, _clock) = github(repositories, 1_000_000).await;
    let http = Client::builder().user_agent("naive").build().expect("a client");
    let api = Api { http, url: sim.url() };
    let cycle = async || {
        sim.clear_counters();
        api.cycle().await;
        cost(&sim).primary()
    };
    let unchanged = cycle().await;
    for repo in pushed_to(repositories) {
        push(&sim, &repo);
    }
    let pushed = cycle().await;
    let jobs = queue(&sim, repositories, JOBS);
    let queued = cycle().await;
    Naive { cycle: unchanged, push: pushed - unchanged, job: per(queued - unchanged, jobs) }
}

struct Api {
    http: Client,
    url: String,
}

impl Api {
    async fn cycle(&self) {
        let mut repositories = Vec::new();
        for page in 1.. {
            let path = format!("/user/repos?type=owner&per_page=100&page={page}");
            let found =
                self.get(&path).await.and_then(|list| list.as_array().cloned()).unwrap_or_default();
            let last = found.len() < 100;
            repositories.extend(found);
            if last {
                break;
            }
        }
        let names = repositories.iter().filter_map(|repo| repo["full_name"].as_str());
        stream::iter(names).for_each_concurrent(CONCURRENT, |name| self.repository(name)).await;
    }

    async fn repository(&self, name: &str) {
        let folder = self.get(&format!("/repos/{name}/contents/.github/workflows")).await;
        for file in folder.as_ref().and_then(Value::as_array).into_iter().flatten() {
            let path = file["path"].as_str().unwrap_or_default();
            self.get(&format!("/repos/{name}/contents/{path}")).await;
        }
        for status in ["queued", "in_progress"] {
            let runs =
                self.get(&format!("/repos/{name}/actions/runs?status={status}&per_page=100")).await;
            let runs = runs.as_ref().and_then(|runs| runs["workflow_runs"].as_array());
            for run in runs.into_iter().flatten() {
                let jobs =
                    self.get(&format!("/repos/{name}/actions/runs/{}/jobs", run["id"])).await;
                let jobs = jobs.as_ref().and_then(|jobs| jobs["jobs"].as_array());
                for _ in jobs.into_iter().flatten().filter(|job| job["status"] == "queued") {
                    let url =
                        format!("{}/repos/{name}/actions/runners/registration-token", self.url);
                    let made = self.http.post(url).bearer_auth(TOKEN).send().await;
                    made.and_then(Response::error_for_status).expect("a token");
                }
            }
        }
    }

    /// The answer; none if there is no such thing.
    async fn get(&self, path: &str) -> Option<Value> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(TOKEN);
        let answer = request.send().await.expect("an answer");
        if answer.status() == StatusCode::NOT_FOUND {
            return None;
        }
        let answer = answer.error_for_status().expect("a success");
        Some(answer.json().await.expect("JSON"))
    }
}
