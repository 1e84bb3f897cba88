//! Workflows, runs and jobs.

use serde_json::{Value, json};

use super::{accounts, links, merged, node_id, repos, time};
use crate::http::call::Urls;
use crate::http::rest::sha;
use crate::world::model::{Action, Conclusion, Job, Repo, Run, Status, StepResult};
use crate::world::{World, tokens, workflow};

/// Schema `workflow`.
pub(crate) fn workflow(repo: &Repo, path: &str, id: u64, urls: &Urls) -> Value {
    let text = repo.files.get(path).map_or("", String::as_str);
    let name = workflow::parse(path, text).map_or_else(|_| path.to_owned(), |parsed| parsed.name);
    let html = format!("{}/{}", urls.html, repo.slug);
    json!({
        "id": id,
        "node_id": node_id("Workflow", id),
        "name": name,
        "path": path,
        "state": "active",
        "created_at": time(repo.created_at),
        "updated_at": time(repo.pushed_at),
        "url": format!("{}/repos/{}/actions/workflows/{id}", urls.api, repo.slug),
        "html_url": format!("{html}/blob/{}/{path}", repo.default_branch),
        "badge_url": format!("{html}/workflows/{id}/badge.svg"),
    })
}

/// Schema `workflow-run`.
pub(crate) fn run(world: &World, run: &Run, urls: &Urls) -> Value {
    let (status, conclusion) = world.run_status(run);
    let actor = world.account(tokens::DEFAULT_USER).map(|user| accounts::simple(user, urls));
    let repo = world.repo(&run.repo);
    let minimal = repo.map(|repo| repos::minimal(world, repo, urls));
    let base = format!("{}/repos/{}/actions", urls.api, run.repo);
    let head = sha::head(&run.repo);
    let person = json!({"name": tokens::DEFAULT_USER, "email": "octo-admin@example.com"});
    let previous =
        (run.attempt > 1).then(|| format!("{base}/runs/{}/attempts/{}", run.id, run.attempt - 1));
    let links = links(
        &format!("{base}/runs/{}", run.id),
        &[
            ("url", ""),
            ("jobs_url", "/jobs"),
            ("logs_url", "/logs"),
            ("artifacts_url", "/artifacts"),
            ("cancel_url", "/cancel"),
            ("rerun_url", "/rerun"),
        ],
    );
    let own = json!({
        "id": run.id,
        "name": run.name,
        "node_id": node_id("WorkflowRun", run.id),
        "check_suite_id": run.id,
        "check_suite_node_id": node_id("CheckSuite", run.id),
        "check_suite_url": format!("{}/repos/{}/check-suites/{}", urls.api, run.repo, run.id),
        "head_branch": "main",
        "head_sha": head,
        "path": format!("{}@main", run.path),
        "display_title": run.name,
        "run_number": run.number,
        "run_attempt": run.attempt,
        "event": run.event,
        "status": status.as_str(),
        "conclusion": conclusion.map(Conclusion::as_str),
        "workflow_id": run.workflow_id,
        "workflow_url": format!("{base}/workflows/{}", run.workflow_id),
        "html_url": format!("{}/{}/actions/runs/{}", urls.html, run.repo, run.id),
        "pull_requests": [],
        "referenced_workflows": [],
        "created_at": time(run.created_at),
        "updated_at": time(run.updated_at),
        "run_started_at": time(run.started_at),
        "previous_attempt_url": previous,
        "actor": actor,
        "triggering_actor": actor,
        "head_commit": {
            "id": head,
            "tree_id": head,
            "message": "Change",
            "timestamp": time(run.created_at),
            "author": person,
            "committer": person,
        },
        "repository": minimal,
        "head_repository": minimal,
        "head_repository_id": repo.map(|repo| repo.id),
    });
    Value::Object(merged(links, own))
}

/// Schema `job`.
pub(crate) fn job(world: &World, job: &Job, urls: &Urls) -> Value {
    let base = format!("{}/repos/{}", urls.api, job.repo);
    let workflow = world.run(job.run_id).map(|run| run.name.as_str());
    let taker = job.taker.as_ref();
    json!({
        "id": job.id,
        "run_id": job.run_id,
        "workflow_name": workflow,
        "head_branch": "main",
        "run_url": format!("{base}/actions/runs/{}", job.run_id),
        "run_attempt": job.attempt,
        "node_id": node_id("CheckRun", job.id),
        "head_sha": sha::head(&job.repo),
        "url": format!("{base}/actions/jobs/{}", job.id),
        "html_url": format!("{}/{}/actions/runs/{}/job/{}", urls.html, job.repo, job.run_id, job.id),
        "status": job.status.as_str(),
        "conclusion": job.conclusion.map(Conclusion::as_str),
        "created_at": time(job.created_at),
        // Not nullable: until a runner has the job, GitHub gives the time it was made.
        "started_at": time(job.started_at.unwrap_or(job.created_at)),
        "completed_at": job.completed_at.map(time),
        "name": job.spec.name,
        "steps": steps(job),
        "check_run_url": format!("{base}/check-runs/{}", job.id),
        "labels": job.spec.labels,
        "runner_id": taker.map(|taker| taker.id),
        "runner_name": taker.map(|taker| taker.name.as_str()),
        "runner_group_id": taker.map(|taker| taker.group_id),
        "runner_group_name": taker.map(|taker| taker.group_name.as_str()),
    })
}

/// A job has steps from when a runner has it: "Set up job" and those of the workflow.
fn steps(job: &Job) -> Vec<Value> {
    let Some(started) = job.started_at else { return Vec::new() };
    let set_up = json!({
        "name": "Set up job",
        "status": "completed",
        "conclusion": "success",
        "number": 1,
        "started_at": time(started),
        "completed_at": time(started),
    });
    let result = |index: usize| job.step_results.iter().find(|known| known.number == index + 1);
    let own = job.spec.steps.iter().enumerate().map(|(index, step)| {
        let done: Option<&StepResult> = result(index);
        let over = job.status == Status::Completed;
        let uses = matches!(step.action, Action::Uses(_));
        let (status, conclusion) = match (done, over) {
            (Some(done), _) => ("completed", Some(done.conclusion.as_str())),
            (None, true) if uses => ("completed", Some("skipped")),
            (None, true) => ("completed", job.conclusion.map(Conclusion::as_str)),
            (None, false) => ("queued", None),
        };
        json!({
            "name": step.name,
            "status": status,
            "conclusion": conclusion,
            "number": index + 2,
            "started_at": done.map(|done| time(done.started_at)),
            "completed_at": done.map(|done| time(done.completed_at)),
        })
    });
    std::iter::once(set_up).chain(own).collect()
}
