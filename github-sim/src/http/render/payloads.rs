//! What hooks are sent, in GitHub's shapes. (GitHub docs, "Webhook events and payloads".)

use serde_json::{Map, Value, json};

use super::{accounts, apps, hooks, links, merged, node_id, repos, runs, time};
use crate::http::call::Urls;
use crate::http::rest::sha;
use crate::world::events::{Event, FileChange, JobAction, RepoAction, RepoName, What};
use crate::world::hooks::{Hook, HookPlace};
use crate::world::model::{Account, Enterprise, Job, Repo};
use crate::world::{World, tokens};

/// The body that tells `hook` of `event`.
pub(crate) fn payload(world: &World, hook: &Hook, event: &Event, urls: &Urls) -> Value {
    let mut body = Map::new();
    if let Some(action) = event.what.action() {
        body.insert("action".to_owned(), action.into());
    }
    let more = match &event.what {
        What::Ping => json!({
            "zen": "Speak like a human.",
            "hook_id": hook.id,
            "hook": hooks::hook(world, hook, urls),
        }),
        What::MetaDeleted => {
            json!({"hook_id": hook.id, "hook": hooks::hook(world, hook, urls)})
        }
        What::WorkflowJob { action, job, workflow } => {
            let mut body = workflow_job(world, *action, job, event, urls);
            body["workflow_job"]["workflow_name"] = workflow.as_str().into();
            body
        }
        What::Push(path, change) => push(event, path, *change, urls),
        What::Repository(action) => changes(world, action, urls),
        What::Installation(_, repos) => json!({
            "installation": installation(world, event, urls),
            "repositories": repos.iter().map(lite).collect::<Vec<_>>(),
            "requester": null,
        }),
        What::InstallationRepositories { added, repos } => {
            let changed: Vec<Value> = repos.iter().map(lite).collect();
            let (given, taken) = if *added { (changed, vec![]) } else { (vec![], changed) };
            let selection = event.installation.as_ref().map(|one| one.repositories.as_str());
            json!({
                "installation": installation(world, event, urls),
                "repository_selection": selection,
                "repositories_added": given,
                "repositories_removed": taken,
                "requester": null,
            })
        }
    };
    body = merged(body, more);
    if let Some(repo) = &event.repo {
        let mut shown = repos::listed(world, repo, urls);
        if matches!(event.what, What::Push(..)) {
            pushed(world, repo, &mut shown, urls);
        } else {
            shown.remove("permissions");
        }
        shown.insert("custom_properties".to_owned(), json!({}));
        body.insert("repository".to_owned(), Value::Object(shown));
        let owner = world.account(repo.slug.owner().as_str()).filter(|owner| owner.is_org);
        if let Some(org) = owner {
            body.insert("organization".to_owned(), organization(org, urls));
        }
        if let Some(enterprise) = world.enterprise_of(&repo.slug) {
            body.insert("enterprise".to_owned(), shown_enterprise(enterprise, urls));
        }
    } else if let HookPlace::Org(login) = &hook.place
        && let Some(org) = world.org(login.as_str())
    {
        body.insert("organization".to_owned(), organization(org, urls));
    }
    // Only the App is told by which of its installations it hears.
    if hook.place == HookPlace::App
        && let (Some(known), true) = (&event.installation, event.repo.is_some())
    {
        let shown = json!({
            "id": known.id,
            "node_id": node_id("IntegrationInstallation", known.id),
        });
        body.insert("installation".to_owned(), shown);
    }
    let sender = world.account(tokens::DEFAULT_USER).map(|user| accounts::simple(user, urls));
    body.insert("sender".to_owned(), json!(sender));
    Value::Object(body)
}

fn shown_enterprise(enterprise: &Enterprise, urls: &Urls) -> Value {
    let slug = &enterprise.slug;
    json!({
        "id": enterprise.id,
        "node_id": node_id("Enterprise", enterprise.id),
        "slug": slug,
        "name": slug,
        "html_url": format!("{}/enterprises/{slug}", urls.html),
        "avatar_url": format!("{}/avatars/b/{}", urls.html, enterprise.id),
        "description": null,
        "website_url": null,
        "created_at": null,
        "updated_at": null,
    })
}

fn workflow_job(world: &World, action: JobAction, job: &Job, event: &Event, urls: &Urls) -> Value {
    let mut body = json!({"workflow_job": runs::job(world, job, urls)});
    if action == JobAction::Waiting {
        let api = format!("{}/repos/{}", urls.api, job.repo);
        let url = format!("{api}/deployments/{}", job.id);
        let creator = world.account(tokens::DEFAULT_USER);
        body["deployment"] = json!({
            "url": url,
            "id": job.id,
            "node_id": node_id("Deployment", job.id),
            "sha": sha::head(&job.repo),
            "ref": "main",
            "task": "deploy",
            "payload": {},
            "original_environment": job.spec.environment,
            "environment": job.spec.environment,
            "description": null,
            "creator": creator.map(|user| accounts::simple(user, urls)),
            "created_at": time(event.at),
            "updated_at": time(event.at),
            "statuses_url": format!("{url}/statuses"),
            "repository_url": api,
        });
    }
    body
}

fn push(event: &Event, path: &str, change: FileChange, urls: &Urls) -> Value {
    let Some(repo) = &event.repo else { return json!({}) };
    // Each push has commits of its own names; the moment that `pushed_at` shows tells them apart.
    let commit = |moment: i64| sha::commit(&repo.slug, moment);
    let at = repo.pushed_at.as_second();
    let (before, after) = (commit(at - 1), commit(at));
    let html = format!("{}/{}", urls.html, repo.slug);
    let person = json!({
        "name": tokens::DEFAULT_USER,
        "email": "octo-admin@example.com",
        "username": tokens::DEFAULT_USER,
    });
    let of = |kind: FileChange| if kind == change { vec![path] } else { Vec::new() };
    let head = json!({
        "id": after,
        "tree_id": after,
        "distinct": true,
        "message": format!("Change {path}"),
        "timestamp": time(event.at),
        "url": format!("{html}/commit/{after}"),
        "author": person,
        "committer": person,
        "added": of(FileChange::Added),
        "removed": of(FileChange::Removed),
        "modified": of(FileChange::Modified),
    });
    json!({
        "ref": format!("refs/heads/{}", repo.default_branch),
        "before": before,
        "after": after,
        "base_ref": null,
        "compare": format!("{html}/compare/{}...{}", &before[..12], &after[..12]),
        "created": false,
        "deleted": false,
        "forced": false,
        "commits": [head],
        "head_commit": head,
        "pusher": {"name": tokens::DEFAULT_USER, "email": "octo-admin@example.com"},
    })
}

/// What a push says of its repository differently: times in seconds, the page's URL, the owner's name.
fn pushed(world: &World, repo: &Repo, shown: &mut Map<String, Value>, urls: &Urls) {
    shown.remove("permissions");
    let url = format!("{}/{}", urls.html, repo.slug);
    shown.insert("url".to_owned(), url.into());
    shown.insert("created_at".to_owned(), repo.created_at.as_second().into());
    shown.insert("pushed_at".to_owned(), repo.pushed_at.as_second().into());
    shown.insert("stargazers".to_owned(), 0.into());
    shown.insert("master_branch".to_owned(), repo.default_branch.as_str().into());
    let owner = world.account(repo.slug.owner().as_str());
    if let Some(Value::Object(fields)) = shown.get_mut("owner") {
        fields.insert("name".to_owned(), json!(owner.map(|owner| owner.login.as_str())));
        fields.insert("email".to_owned(), Value::Null);
    }
    if owner.is_some_and(|owner| owner.is_org) {
        shown.insert("organization".to_owned(), repo.slug.owner().as_str().into());
    }
}

fn changes(world: &World, action: &RepoAction, urls: &Urls) -> Value {
    match action {
        RepoAction::Renamed(old) => {
            json!({"changes": {"repository": {"name": {"from": old.name()}}}})
        }
        RepoAction::Transferred(old) => {
            let owner = world.account(old.owner().as_str());
            let kind = if owner.is_some_and(|one| one.is_org) { "organization" } else { "user" };
            let shown = owner.map(|owner| accounts::simple(owner, urls));
            json!({"changes": {"owner": {"from": {kind: shown}}}})
        }
        _ => json!({}),
    }
}

fn installation(world: &World, event: &Event, urls: &Urls) -> Option<Value> {
    event.installation.as_ref().map(|known| apps::installation(world, known, urls))
}

fn lite(repo: &RepoName) -> Value {
    json!({
        "id": repo.id,
        "node_id": node_id("Repository", repo.id),
        "name": repo.slug.name(),
        "full_name": repo.slug.to_string(),
        "private": repo.private,
    })
}

/// Schema `organization-simple`.
fn organization(org: &Account, urls: &Urls) -> Value {
    let links = links(
        &format!("{}/orgs/{}", urls.api, org.login),
        &[
            ("url", ""),
            ("repos_url", "/repos"),
            ("events_url", "/events"),
            ("hooks_url", "/hooks"),
            ("issues_url", "/issues"),
            ("members_url", "/members{/member}"),
            ("public_members_url", "/public_members{/member}"),
        ],
    );
    let own = json!({
        "login": org.login.as_str(),
        "id": org.id,
        "node_id": node_id("Organization", org.id),
        "avatar_url": format!("{}/avatars/u/{}", urls.html, org.id),
        "description": null,
    });
    Value::Object(merged(links, own))
}
